//! Counts of operations. Each thread counts its own.

use crate::target::{ANSWERS, AnswerCounts};

#[derive(Default)]
pub(crate) struct Counts {
    /// One entry per target.
    pub(crate) answers: Vec<AnswerCounts>,
    pub(crate) entered: u64,
    pub(crate) released: u64,
    pub(crate) updates: u64,
    pub(crate) reads: u64,
    pub(crate) panics: u64,
}

impl Counts {
    pub(crate) fn new(targets: usize) -> Self {
        Counts {
            answers: vec![AnswerCounts::default(); targets],
            ..Counts::default()
        }
    }

    pub(crate) fn add(&mut self, other: &Counts) {
        let own = self.answers.as_flattened_mut().as_flattened_mut();
        let others = other.answers.as_flattened().as_flattened();
        for (own, other) in own.iter_mut().zip(others) {
            *own += other;
        }
        self.entered += other.entered;
        self.released += other.released;
        self.updates += other.updates;
        self.reads += other.reads;
        self.panics += other.panics;
    }

    /// Returns the number of requests with this answer, at all targets.
    pub(crate) fn answered(&self, answer: usize) -> u64 {
        let classes = self.answers.as_flattened().iter();
        classes.map(|counts| counts[answer]).sum()
    }

    /// Returns the sum of requests, gauge entries, releases, rule updates and reads.
    pub(crate) fn operations(&self) -> u64 {
        let requests: u64 = (0..ANSWERS.len()).map(|answer| self.answered(answer)).sum();
        requests + self.entered + self.released + self.updates + self.reads
    }
}
