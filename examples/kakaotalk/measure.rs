//! What was measured, and how well: shares by the method of batch means.

use std::ops::Range;

use crate::play::Played;

/// A share, and its standard error.
pub(crate) struct Estimate {
    pub(crate) share: f64,
    pub(crate) error: f64,
}

/// Requests of one class that came soon after one another.
#[derive(Clone, Copy, Default)]
struct Batch {
    arrived: f64,
    succeeded: f64,
}

/// The share of each class that succeeded in the steady part of the storm.
///
/// Requests that come soon after one another fare alike, so they are no independent samples; but
/// what happens in one batch hardly depends on the one before. The share is a ratio of two sums,
/// and its error comes from how far each batch is from that ratio.
pub(crate) fn success(played: &Played) -> Vec<Estimate> {
    const BATCHES: usize = 20;
    let Range { start, end } = played.timeline.measured();
    let mut batches = vec![[Batch::default(); BATCHES]; played.classes.len()];
    for trace in &played.traces {
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
