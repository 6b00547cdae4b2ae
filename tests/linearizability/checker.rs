//! Is there an order of these operations that explains their answers?
//!
//! The search of Wing and Gong ("Testing and verifying concurrent objects", 1993), with the memory
//! of Lowe ("Testing for linearizability", 2017): what remains to be explained depends on which
//! operations are done and on the state that they led to, so no such pair is tried twice.

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;

/// A sequential specification: a state, and what calls answer in it and make of it.
pub(crate) trait Model: Copy + Eq + Hash + fmt::Debug + Send + Sync {
    type Call: Copy + fmt::Debug + Send;
    type Answer: Copy + PartialEq + fmt::Debug + Send;

    fn apply(&mut self, call: Self::Call) -> Self::Answer;
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

/// An order that explains a history.
pub(crate) struct Explained {
    /// A bit per operation: whether it changed the state.
    changes: u32,
}

struct Search<'a, M: Model> {
    operations: &'a [Operation<M>],
    /// Operations done, a bit each, and the state after them, from where no order led on.
    dead_ends: HashSet<(u32, M)>,
}

impl<M: Model> History<M> {
    /// An order that explains it, if there is any.
    pub(crate) fn explain(&self) -> Option<Explained> {
        assert!(self.operations.len() <= u32::BITS as usize);
        let mut search = Search {
            operations: &self.operations,
            dead_ends: HashSet::new(),
        };
        let changes = search.go_on(0, self.start)?;
        Some(Explained { changes })
    }

    /// Whether two operations ran at the same time, of which one at least changed the state.
    pub(crate) fn overlaps(&self, order: &Explained) -> bool {
        let changed = |i: usize| order.changes >> i & 1 == 1;
        self.operations.iter().enumerate().any(|(i, one)| {
            let overlap = |other: &Operation<M>| {
                other.thread != one.thread && other.began < one.ended && one.began < other.ended
            };
            changed(i) && self.operations.iter().any(overlap)
        })
    }
}

impl<M: Model> Search<'_, M> {
    /// Explains what is not yet done. Says which of these operations changed the state.
    fn go_on(&mut self, done: u32, state: M) -> Option<u32> {
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
        let first = self.operations.iter().map(|o| o.began).min().unwrap_or(0);
        for operation in &self.operations {
            let Operation {
                thread,
                call,
                answer,
                began,
                ended,
            } = operation;
            let (began, ended) = (began - first, ended - first);
            writeln!(
                f,
                "{began:4} to {ended:4}: thread {thread}: {call:?} -> {answer:?}"
            )?;
        }
        Ok(())
    }
}

// The checker on histories written by hand, of a register.

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Register(u32);

#[derive(Clone, Copy, Debug)]
enum Access {
    Write(u32),
    Read,
}

impl Model for Register {
    type Call = Access;
    type Answer = u32;

    /// Both answer what is there afterwards.
    fn apply(&mut self, call: Access) -> u32 {
        if let Access::Write(number) = call {
            self.0 = number;
        }
        self.0
    }
}

/// Its thread, what it wrote or nothing, what it answered, when it began and ended.
type ByHand = (usize, Option<u32>, u32, u64, u64);

/// Of a register that holds 0.
fn by_hand(operations: &[ByHand]) -> History<Register> {
    let operation = |&(thread, written, answer, began, ended): &ByHand| Operation {
        thread,
        call: written.map_or(Access::Read, Access::Write),
        answer,
        began,
        ended,
    };
    History {
        start: Register(0),
        operations: operations.iter().map(operation).collect(),
    }
}

#[test]
fn what_has_an_order_is_accepted() {
    let accepted: [&[ByHand]; 6] = [
        &[],
        // One after another.
        &[(0, Some(1), 1, 0, 1), (1, None, 1, 2, 3)],
        // The read comes first, or last.
        &[(0, Some(1), 1, 0, 3), (1, None, 0, 1, 2)],
        &[(0, Some(1), 1, 0, 3), (1, None, 1, 1, 2)],
        // Neither by the beginnings nor by the ends: 2, then 1.
        &[
            (0, Some(1), 1, 0, 3),
            (1, Some(2), 2, 1, 4),
            (2, None, 2, 2, 6),
            (0, None, 1, 5, 7),
        ],
        // The first that fits is a dead end: the write of 2 must wait for the reads of 1.
        &[
            (0, Some(2), 2, 0, 20),
            (1, Some(1), 1, 1, 21),
            (2, None, 1, 2, 3),
            (2, None, 1, 4, 5),
            (2, None, 2, 6, 7),
        ],
    ];
    for operations in accepted {
        let history = by_hand(operations);
        assert!(history.explain().is_some(), "{history}");
    }
}

#[test]
fn what_has_no_order_is_found() {
    let found: [&[ByHand]; 5] = [
        // What nobody wrote.
        &[(0, None, 1, 0, 1)],
        // What is over.
        &[(0, Some(1), 1, 0, 1), (1, None, 0, 2, 3)],
        // What is still to come.
        &[(0, None, 1, 0, 1), (1, Some(1), 1, 2, 3)],
        // New, then old, during one write.
        &[
            (0, Some(1), 1, 0, 9),
            (1, None, 1, 1, 2),
            (2, None, 0, 3, 4),
        ],
        // Two who saw two writes in two orders.
        &[
            (0, Some(1), 1, 0, 1),
            (1, Some(2), 2, 0, 9),
            (2, None, 1, 2, 3),
            (2, None, 2, 4, 5),
            (3, None, 2, 2, 3),
            (3, None, 1, 4, 5),
        ],
    ];
    for operations in found {
        let history = by_hand(operations);
        assert!(history.explain().is_none(), "{history}");
    }
}

#[test]
fn an_overlap_needs_two_at_once_and_a_change() {
    let overlaps = |operations: &[ByHand]| {
        let history = by_hand(operations);
        let order = history.explain().expect("an order");
        history.overlaps(&order)
    };
    assert!(overlaps(&[(0, Some(1), 1, 0, 2), (1, None, 1, 1, 3)]));
    assert!(overlaps(&[(0, None, 0, 0, 3), (1, Some(1), 1, 1, 2)]));
    // One after the other; two reads; a write of what was there.
    assert!(!overlaps(&[(0, Some(1), 1, 0, 1), (1, None, 1, 2, 3)]));
    assert!(!overlaps(&[(0, None, 0, 0, 2), (1, None, 0, 1, 3)]));
    assert!(!overlaps(&[(0, Some(0), 0, 0, 2), (1, None, 0, 1, 3)]));
}

/// So many writes at once that all their orders would take longer than the world lasts.
#[test]
fn nothing_is_tried_twice() {
    let mut operations: Vec<_> = (0..20)
        .map(|n| (n as usize, Some(n % 3), n % 3, 0, 100))
        .collect();
    operations.push((20, None, 4, 0, 100));
    assert!(by_hand(&operations).explain().is_none());
}
