//! Measured success shares and their standard errors, by the method of batch means.

use std::ops::Range;

use crate::run::Run;

/// A share and its standard error.
pub(crate) struct Estimate {
    pub(crate) share: f64,
    pub(crate) error: f64,
}

/// Requests of one class in one interval of time.
#[derive(Clone, Copy, Default)]
struct Batch {
    arrived: f64,
    succeeded: f64,
}

/// Returns the share of each class that succeeded in the steady part of the storm.
///
/// Outcomes of requests close in time are correlated, but batches are nearly independent. The share
/// is a ratio of two sums; its standard error is estimated from the deviation of each batch from that
/// ratio.
pub(crate) fn success(run: &Run) -> Vec<Estimate> {
    const BATCHES: usize = 20;
    let Range { start, end } = run.timeline.measured();
    let mut batches = vec![[Batch::default(); BATCHES]; run.classes.len()];
    for trace in &run.traces {
        if (start..end).contains(&trace.due) {
            let passed = (trace.due - start).div_duration_f64(end - start);
            let batch = &mut batches[trace.class][(passed * BATCHES as f64) as usize];
            batch.arrived += 1.0;
            batch.succeeded += f64::from(u8::from(trace.succeeded()));
        }
    }
    batches.iter().map(|batches| estimate(batches)).collect()
}

fn estimate(batches: &[Batch]) -> Estimate {
    let sum = |of: fn(&Batch) -> f64| batches.iter().map(of).sum::<f64>();
    let arrived = sum(|batch| batch.arrived);
    let share = sum(|batch| batch.succeeded) / arrived;
    let deviation = |batch: &Batch| batch.succeeded - share * batch.arrived;
    let squares: f64 = batches.iter().map(|batch| deviation(batch).powi(2)).sum();
    let count = batches.len() as f64;
    let error = (squares * count / (count - 1.0)).sqrt() / arrived;
    Estimate { share, error }
}
