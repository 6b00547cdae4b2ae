//! The common interface of bulkheads and walls with any number of classes.

mod bulkhead;
mod floodwall;

use ::floodwall::{Full, Permit, Reason, Rejection};

pub(crate) use self::bulkhead::bulkhead;
pub(crate) use self::floodwall::floodwall;
use crate::reference::{Limits, PerClass};

#[derive(Clone, Copy)]
pub(crate) struct Request {
    pub(crate) class: usize,
    pub(crate) permits: u32,
    pub(crate) key: Option<u64>,
    pub(crate) pressure: f64,
}

/// The answer to a request, an index of [`ANSWERS`].
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    Admitted,
    Shed,
    ClassFull,
    PoolFull,
    TooLarge,
    Closed,
}

pub(crate) const ANSWERS: [&str; 6] = [
    "admitted",
    "shed",
    "class full",
    "pool full",
    "too large",
    "closed",
];

/// The number of requests by class and answer.
pub(crate) type AnswerCounts = PerClass<[u64; ANSWERS.len()]>;

impl From<Full> for Answer {
    fn from(_: Full) -> Self {
        Answer::PoolFull
    }
}

impl From<Rejection> for Answer {
    fn from(rejection: Rejection) -> Self {
        match rejection.reason() {
            Reason::Shed { .. } => Answer::Shed,
            Reason::ClassFull { .. } => Answer::ClassFull,
            Reason::PoolFull { .. } => Answer::PoolFull,
            Reason::TooLarge { .. } => Answer::TooLarge,
            Reason::Closed => Answer::Closed,
            other => panic!("the soak does not know {other:?}"),
        }
    }
}

/// A closure that holds a permit until it has run or is dropped.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Number of rule sets that a target switches between. It starts with the first.
pub(crate) const RULE_SETS: usize = 4;

pub(crate) trait Target: Send + Sync {
    fn classes(&self) -> usize;
    /// Returns the limits of a rule set.
    fn limits(&self, rule_set: usize) -> Limits;
    fn admit(&self, request: Request) -> Result<Permit<'_>, Answer>;
    fn admit_owned(&self, class: usize, job: fn()) -> Result<Job, Answer>;
    fn call(&self, class: usize, f: &mut dyn FnMut()) -> Result<(), Answer>;
    /// Switches to a rule set, with its target open.
    fn set_rules(&self, rule_set: usize);
    /// Updates a random part of the rules or of the mode.
    fn update_randomly(&self, random: usize);
    fn in_use(&self) -> PerClass<u8>;
    /// Returns the number of owned permits.
    fn owned(&self) -> usize;
    /// Returns the target's own counters, if it has any.
    fn counts(&self) -> Option<AnswerCounts>;
}

/// Creates a target.
pub(crate) type New = fn() -> Box<dyn Target>;

/// Saturates. No limits allow a class 255 permits.
fn to_byte(number: u32) -> u8 {
    number.try_into().unwrap_or(u8::MAX)
}
