//! The checker on histories written by hand, of a limit that starts at 0.

use crate::bulkhead_model::{Answer, BulkheadModel, Call};
use crate::checker::{History, Operation};

type Event = (Call, Answer);

const fn set(limit: u32) -> Event {
    (Call::SetLimit(limit), Answer::Done)
}

const fn read(limit: u32) -> Event {
    (Call::Limit, Answer::Number(limit))
}

/// A thread, its event, and the times at which it began and ended.
type Line = (usize, Event, u64, u64);

fn history(lines: &[Line]) -> History<BulkheadModel> {
    let operation = |&(thread, (call, answer), began, ended): &Line| Operation {
        thread,
        call,
        answer,
        began,
        ended,
    };
    History {
        start: BulkheadModel {
            limit: 0,
            in_use: 0,
        },
        operations: lines.iter().map(operation).collect(),
    }
}

#[test]
fn linearizable_histories_are_accepted() {
    let accepted: [&[Line]; 6] = [
        &[],
        // Sequential.
        &[(0, set(1), 0, 1), (1, read(1), 2, 3)],
        // The read precedes or follows the concurrent write.
        &[(0, set(1), 0, 3), (1, read(0), 1, 2)],
        &[(0, set(1), 0, 3), (1, read(1), 1, 2)],
        // The order is neither by start nor by end: 2, then 1.
        &[
            (0, set(1), 0, 3),
            (1, set(2), 1, 4),
            (2, read(2), 2, 6),
            (0, read(1), 5, 7),
        ],
        // The first match is a dead end: 2 is set after 1 was read.
        &[
            (0, set(2), 0, 20),
            (1, set(1), 1, 21),
            (2, read(1), 2, 3),
            (2, read(1), 4, 5),
            (2, read(2), 6, 7),
        ],
    ];
    for lines in accepted {
        let history = history(lines);
        assert!(history.explain().is_some(), "{history}");
    }
}

#[test]
fn non_linearizable_histories_are_rejected() {
    let rejected: [&[Line]; 5] = [
        // The value was never set.
        &[(0, read(1), 0, 1)],
        // The value was overwritten before the read.
        &[(0, set(1), 0, 1), (1, read(0), 2, 3)],
        // The value is set after the read.
        &[(0, read(1), 0, 1), (1, set(1), 2, 3)],
        // The new value is read before the old one, during one write.
        &[(0, set(1), 0, 9), (1, read(1), 1, 2), (2, read(0), 3, 4)],
        // Two threads read two writes in opposite orders.
        &[
            (0, set(1), 0, 1),
            (1, set(2), 0, 9),
            (2, read(1), 2, 3),
            (2, read(2), 4, 5),
            (3, read(2), 2, 3),
            (3, read(1), 4, 5),
        ],
    ];
    for lines in rejected {
        let history = history(lines);
        assert!(history.explain().is_none(), "{history}");
    }
}

#[test]
fn overlap_requires_concurrent_calls_and_a_state_change() {
    let overlaps = |lines: &[Line]| {
        let history = history(lines);
        history.overlaps(history.explain().expect("an order"))
    };
    assert!(overlaps(&[(0, set(1), 0, 2), (1, read(1), 1, 3)]));
    assert!(overlaps(&[(0, read(0), 0, 3), (1, set(1), 1, 2)]));
    // Sequential calls; two reads; a write of the value already set.
    assert!(!overlaps(&[(0, set(1), 0, 1), (1, read(1), 2, 3)]));
    assert!(!overlaps(&[(0, read(0), 0, 2), (1, read(0), 1, 3)]));
    assert!(!overlaps(&[(0, set(0), 0, 2), (1, read(0), 1, 3)]));
}

/// Trying every order of these 14 concurrent writes would take too long.
#[test]
fn dead_ends_are_not_searched_twice() {
    let mut lines: Vec<Line> = (0..14)
        .map(|thread| (thread, set(thread as u32 % 3), 0, 100))
        .collect();
    lines.push((14, read(4), 0, 100));
    assert!(history(&lines).explain().is_none());
}

/// A thread's own calls are not reordered even if nothing is known of their times.
#[test]
fn calls_of_one_thread_keep_their_order() {
    let both_ways: [&[Line]; 2] = [
        &[(0, set(1), 0, 9), (0, read(1), 0, 9)],
        &[(0, read(1), 0, 9), (0, set(1), 0, 9)],
    ];
    let explained = both_ways.map(|lines| history(lines).explain().is_some());
    assert_eq!(explained, [true, false]);
}
