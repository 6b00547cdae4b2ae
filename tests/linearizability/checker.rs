//! The search for a sequential order that explains a history.
//!
//! The algorithm of Wing and Gong ("Testing and verifying concurrent objects", 1993), with the memo
//! table of Lowe ("Testing for linearizability", 2017): the rest of the search depends only on the
//! operations done and on the state after them, so no such pair is searched twice.
//
// Not a crate: `todc-utils` is unmaintained since 2023, and starts every history in one fixed state.

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;

use rand::rngs::Xoshiro256PlusPlus as Random;

/// A sequential specification: a state that answers calls and changes with them.
pub(crate) trait Model: Copy + Eq + Hash + fmt::Debug {
    type Call: Copy + fmt::Debug + Send;
    type Answer: Copy + PartialEq + fmt::Debug + Send;

    fn apply(&mut self, call: Self::Call) -> Self::Answer;

    /// Returns a random state in which no permit is held.
    fn any_start(random: &mut Random) -> Self;

    /// Returns a random call other than a release.
    fn any_call(random: &mut Random) -> Self::Call;

    /// Returns the call that releases the permits acquired by `call`, with its answer.
    fn release_of(call: Self::Call) -> (Self::Call, Self::Answer);
}

/// The object under test, with the model that it must conform to.
pub(crate) trait Subject: Sync {
    type Model: Model;
    type Permit<'a>: Send
    where
        Self: 'a;

    /// Sets the state, between two histories.
    fn reset(&self, state: &Self::Model);

    /// Calls the object. Returns the answer and the permit acquired, if any.
    fn answer(&self, call: CallOf<Self>) -> (AnswerOf<Self>, Option<Self::Permit<'_>>);
}

pub(crate) type CallOf<S> = <<S as Subject>::Model as Model>::Call;
pub(crate) type AnswerOf<S> = <<S as Subject>::Model as Model>::Answer;

/// A call with its answer and the times at which it began and ended. Where nothing is known of the times, they overlap.
pub(crate) struct Operation<M: Model> {
    pub(crate) thread: usize,
    pub(crate) call: M::Call,
    pub(crate) answer: M::Answer,
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

/// The operations of several threads on one object, and the state before the first.
pub(crate) struct History<M: Model> {
    pub(crate) start: M,
    /// At most 32, those of one thread in the order of its calls.
    pub(crate) operations: Vec<Operation<M>>,
}

/// The operations that changed the state, one bit each.
pub(crate) type Changes = u32;

struct Search<'a, M: Model> {
    operations: &'a [Operation<M>],
    /// Operations done, one bit each, and the state after them, from which no order exists.
    dead_ends: HashSet<(u32, M)>,
}

impl<M: Model> History<M> {
    /// Finds an order that explains the history. Returns the operations that change the state in it.
    pub(crate) fn explain(&self) -> Option<Changes> {
        assert!(self.operations.len() <= u32::BITS as usize);
        let mut search = Search {
            operations: &self.operations,
            dead_ends: HashSet::new(),
        };
        search.extend(0, self.start)
    }

    /// Returns whether a call that changed the state overlapped a call of another thread.
    pub(crate) fn overlaps(&self, changes: Changes) -> bool {
        self.operations.iter().enumerate().any(|(i, one)| {
            let overlap = |other: &Operation<M>| {
                other.thread != one.thread && other.began < one.ended && one.began < other.ended
            };
            changes >> i & 1 == 1 && self.operations.iter().any(overlap)
        })
    }
}

impl<M: Model> Search<'_, M> {
    /// Extends an order of the operations in `done`, which leads to `state`, to all operations.
    fn extend(&mut self, done: u32, state: M) -> Option<Changes> {
        let operations = self.operations;
        let undone = || (0..operations.len()).filter(|i| done >> i & 1 == 0);
        let Some(first_end) = undone().map(|i| operations[i].ended).min() else {
            return Some(0);
        };
        if self.dead_ends.contains(&(done, state)) {
            return None;
        }
        for i in undone().filter(|&i| operations[i].began < first_end) {
            if undone().any(|j| j < i && operations[j].thread == operations[i].thread) {
                continue;
            }
            let mut after = state;
            if after.apply(operations[i].call) != operations[i].answer {
                continue;
            }
            if let Some(changes) = self.extend(done | 1 << i, after) {
                return Some(changes | u32::from(after != state) << i);
            }
        }
        self.dead_ends.insert((done, state));
        None
    }
}

impl<M: Model> fmt::Display for History<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "from {:?}:", self.start)?;
        for operation in &self.operations {
            let Operation {
                thread,
                call,
                answer,
                began,
                ended,
            } = operation;
            writeln!(
                f,
                "{began:5} to {ended:5}: thread {thread}: {call:?} -> {answer:?}"
            )?;
        }
        Ok(())
    }
}
