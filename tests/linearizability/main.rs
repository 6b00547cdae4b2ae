//! Linearizability of `Bulkhead` and `Floodwall`, on real threads.
//!
//! Threads call one object concurrently, and every call is recorded with its answer. An exhaustive
//! search then looks for a sequential order of all calls that gives the same answers and in which no
//! call precedes one that had ended before it began. If there is none, the history is printed.
//!
//! # Why the order of calls is known
//! Each call is stamped before it begins and after it ends, by a SeqCst `fetch_add` on one counter. No
//! operation of the call can be reordered beyond its stamps. If one call's last stamp is smaller than
//! another's first, the later `fetch_add` reads from the release sequence of the earlier one. The first
//! call therefore happens-before the second, on every processor.
//!
//! # What it cannot show
//! Stamps synchronize more than a user's calls do, so they hide a memory ordering that is too weak. The
//! models in `loom-tests/` check orderings. A fault with a window of a few nanoseconds is found by
//! chance only. Statistics (peaks, counters) may lag behind calls in flight and are not recorded.
//!
//! `FLOODWALL_HISTORIES` sets the minimum number of histories per object. It is 50,000 by default. Two
//! idle processors record about five times as many in the time available. On a busy machine, or on one
//! processor, few calls overlap; the test then reports that and passes.

mod bulkhead;
mod bulkhead_model;
mod checker;
mod checker_tests;
mod faulty_bulkheads;
mod faulty_floodwalls;
mod floodwall;
mod floodwall_model;
mod recorder;

use ::floodwall::{Bulkhead, Floodwall};

use floodwall_model::Config;
use recorder::assert_linearizable;

#[test]
fn bulkhead_is_linearizable() {
    assert_linearizable(|| Bulkhead::new(0));
}

#[test]
fn floodwall_is_linearizable() {
    assert_linearizable(|| Floodwall::from_rules(Config::NOTHING.rules()));
}
