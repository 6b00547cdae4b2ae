//! Is there an order of these operations that explains their answers?
//!
//! The search of Wing and Gong ("Testing and verifying concurrent objects", 1993), with the memory
//! of Lowe ("Testing for linearizability", 2017): what remains to be explained depends on which
//! operations are done and on the state that they led to, so no such pair is tried twice.
//
// No crate, for `todc-utils` is not kept up since 2023, and begins all histories in one fixed state.

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;

use rand::rngs::Xoshiro256PlusPlus as Random;

/// A sequential specification: a state, and what calls answer in it and make of it.
pub(crate) trait Model: Copy + Eq + Hash + fmt::Debug {
    type Call: Copy + fmt::Debug + Send;
    type Answer: Copy + PartialEq + fmt::Debug + Send;

    fn apply(&mut self, call: Self::Call) -> Self::Answer;

    /// A state in which nothing is taken.
    fn any_start(random: &mut Random) -> Self;

    /// Anything but giving back.
    fn any_call(random: &mut Random) -> Self::Call;

    /// The call that gives back what this one took, and what it answers.
    fn giving_back(call: Self::Call) -> (Self::Call, Self::Answer);
}

/// One call, what it answered, and when it began and ended.
pub(crate) struct Operation<M: Model> {
    pub(crate) thread: usize,
    pub(crate) call: M::Call,
    pub(crate) answer: M::Answer,
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

/// What was called, from a state on that nobody else knew of.
pub(crate) struct History<M: Model> {
    pub(crate) start: M,
    /// Of 32 operations at most.
    pub(crate) operations: Vec<Operation<M>>,
}

/// The operations that changed the state, a bit each.
pub(crate) type Changes = u32;

struct Search<'a, M: Model> {
    operations: &'a [Operation<M>],
    /// Operations done, a bit each, and the state after them, from where no order led on.
    dead_ends: HashSet<(u32, M)>,
}

impl<M: Model> History<M> {
    /// What changed the state, in an order that explains the history, if there is one.
    pub(crate) fn explain(&self) -> Option<Changes> {
        assert!(self.operations.len() <= u32::BITS as usize);
        let mut search = Search {
            operations: &self.operations,
            dead_ends: HashSet::new(),
        };
        search.go_on(0, self.start)
    }

    /// Whether two threads called at the same time, and one of these calls changed the state.
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
    /// Explains what is not yet done.
    fn go_on(&mut self, done: u32, state: M) -> Option<Changes> {
        let operations = self.operations;
        let undone = || (0..operations.len()).filter(|i| done >> i & 1 == 0);
        let Some(first_end) = undone().map(|i| operations[i].ended).min() else {
            return Some(0);
        };
        if self.dead_ends.contains(&(done, state)) {
            return None;
        }
        for i in undone().filter(|&i| operations[i].began < first_end) {
            let mut after = state;
            if after.apply(operations[i].call) != operations[i].answer {
                continue;
            }
            if let Some(changes) = self.go_on(done | 1 << i, after) {
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

/// The checker on histories written by hand, of a limit that is 0 at first.
mod by_hand {
    use super::{History, Operation};
    use crate::room::{Answer, Call, Room};

    type Deed = (Call, Answer);

    const fn set(limit: u32) -> Deed {
        (Call::SetLimit(limit), Answer::Done)
    }

    const fn see(limit: u32) -> Deed {
        (Call::Limit, Answer::Number(limit))
    }

    /// Of a thread, from one time to another.
    type Line = (usize, Deed, u64, u64);

    fn history(lines: &[Line]) -> History<Room> {
        let operation = |&(thread, (call, answer), began, ended): &Line| Operation {
            thread,
            call,
            answer,
            began,
            ended,
        };
        History {
            start: Room {
                limit: 0,
                in_use: 0,
            },
            operations: lines.iter().map(operation).collect(),
        }
    }

    #[test]
    fn what_has_an_order_is_accepted() {
        let accepted: [&[Line]; 6] = [
            &[],
            // One after another.
            &[(0, set(1), 0, 1), (1, see(1), 2, 3)],
            // The look comes first, or last.
            &[(0, set(1), 0, 3), (1, see(0), 1, 2)],
            &[(0, set(1), 0, 3), (1, see(1), 1, 2)],
            // Neither by the beginnings nor by the ends: 2, then 1.
            &[
                (0, set(1), 0, 3),
                (1, set(2), 1, 4),
                (2, see(2), 2, 6),
                (0, see(1), 5, 7),
            ],
            // The first that fits is a dead end: 2 is set after 1 was seen.
            &[
                (0, set(2), 0, 20),
                (1, set(1), 1, 21),
                (2, see(1), 2, 3),
                (2, see(1), 4, 5),
                (2, see(2), 6, 7),
            ],
        ];
        for lines in accepted {
            let history = history(lines);
            assert!(history.explain().is_some(), "{history}");
        }
    }

    #[test]
    fn what_has_no_order_is_found() {
        let found: [&[Line]; 5] = [
            // What nobody set.
            &[(0, see(1), 0, 1)],
            // What is over.
            &[(0, set(1), 0, 1), (1, see(0), 2, 3)],
            // What is still to come.
            &[(0, see(1), 0, 1), (1, set(1), 2, 3)],
            // New, then old, during one change.
            &[(0, set(1), 0, 9), (1, see(1), 1, 2), (2, see(0), 3, 4)],
            // Two who saw two changes in two orders.
            &[
                (0, set(1), 0, 1),
                (1, set(2), 0, 9),
                (2, see(1), 2, 3),
                (2, see(2), 4, 5),
                (3, see(2), 2, 3),
                (3, see(1), 4, 5),
            ],
        ];
        for lines in found {
            let history = history(lines);
            assert!(history.explain().is_none(), "{history}");
        }
    }

    #[test]
    fn an_overlap_needs_two_at_once_and_a_change() {
        let overlaps = |lines: &[Line]| {
            let history = history(lines);
            history.overlaps(history.explain().expect("an order"))
        };
        assert!(overlaps(&[(0, set(1), 0, 2), (1, see(1), 1, 3)]));
        assert!(overlaps(&[(0, see(0), 0, 3), (1, set(1), 1, 2)]));
        // One after the other; two looks; a change to what was there.
        assert!(!overlaps(&[(0, set(1), 0, 1), (1, see(1), 2, 3)]));
        assert!(!overlaps(&[(0, see(0), 0, 2), (1, see(0), 1, 3)]));
        assert!(!overlaps(&[(0, set(0), 0, 2), (1, see(0), 1, 3)]));
    }

    /// So many changes at once that nobody could wait for all their orders to be tried.
    #[test]
    fn nothing_is_tried_twice() {
        let mut lines: Vec<Line> = (0..14)
            .map(|thread| (thread, set(thread as u32 % 3), 0, 100))
            .collect();
        lines.push((14, see(4), 0, 100));
        assert!(history(&lines).explain().is_none());
    }
}
