//! What was done: each thread counts for itself.

use crate::site::{ANSWERS, Counts};

#[derive(Default)]
pub(crate) struct Tally {
    /// Of each site.
    pub(crate) answers: Vec<Counts>,
    pub(crate) entered: u64,
    pub(crate) given_back: u64,
    pub(crate) changes: u64,
    pub(crate) looks: u64,
    pub(crate) panics: u64,
}

impl Tally {
    pub(crate) fn new(sites: usize) -> Self {
        Tally {
            answers: vec![Counts::default(); sites],
            ..Tally::default()
        }
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        let mine = self.answers.as_flattened_mut().as_flattened_mut();
        let others = other.answers.as_flattened().as_flattened();
        for (mine, other) in mine.iter_mut().zip(others) {
            *mine += other;
        }
        self.entered += other.entered;
        self.given_back += other.given_back;
        self.changes += other.changes;
        self.looks += other.looks;
        self.panics += other.panics;
    }

    /// How many requests were answered so, at all sites.
    pub(crate) fn answered(&self, answer: usize) -> u64 {
        let classes = self.answers.as_flattened().iter();
        classes.map(|counts| counts[answer]).sum()
    }

    /// Requests, entries, permits and guards given back, changes and looks.
    pub(crate) fn operations(&self) -> u64 {
        let requests: u64 = (0..ANSWERS.len()).map(|answer| self.answered(answer)).sum();
        requests + self.entered + self.given_back + self.changes + self.looks
    }
}
