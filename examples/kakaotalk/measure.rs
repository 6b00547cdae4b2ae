//! What was measured, and how well: shares by the method of batch means.

use std::ops::Range;

use crate::play::Played;

/// A share, and its standard error.
#[derive(Clone, Copy)]
pub(crate) struct Estimate {
    pub(crate) share: f64,
    pub(crate) error: f64,
}

/// The share of each class that succeeded in the steady part of the storm.
///
/// Requests that come soon after one another fare alike, so they are no independent samples. What
/// happens in one batch hardly depends on the one before, so batches are. The share is a ratio of
/// sums, and its error comes from how far each batch is from that ratio.
pub(crate) fn success(played: &Played) -> Vec<Estimate> {
    const BATCHES: usize = 20;
    let Range { start, end } = played.timeline.measured();
    let mut batches = vec![[(0.0, 0.0); BATCHES]; played.classes.len()];
    for trace in played
        .traces
        .iter()
        .filter(|trace| (start..end).contains(&trace.due))
    {
        let passed = (trace.due - start).div_duration_f64(end - start);
        let (arrived, succeeded) = &mut batches[trace.class][(passed * BATCHES as f64) as usize];
        *arrived += 1.0;
        *succeeded += if trace.succeeded() { 1.0 } else { 0.0 };
    }
    let estimate = |batches: &[(f64, f64); BATCHES]| {
        let arrived: f64 = batches.iter().map(|batch| batch.0).sum();
        let succeeded: f64 = batches.iter().map(|batch| batch.1).sum();
        let share = succeeded / arrived;
        let squares: f64 = batches
            .iter()
            .map(|batch| (batch.1 - share * batch.0).powi(2))
            .sum();
        let count = BATCHES as f64;
        let error = (squares * count / (count - 1.0)).sqrt() / arrived;
        Estimate { share, error }
    };
    batches.iter().map(estimate).collect()
}
