//! Models of a wall's counters. In this package loom sees them: a count that is lost in any schedule fails a model.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::mem::forget;
use std::sync::Arc;

use common::{kick, two_threads, two_updates};
use floodwall::{
    ExclusiveSlots, Floodwall, Rules, Share, Snapshot, classes, count_in_exclusive_slot,
};
use loom::thread;

classes! { enum Kind { A } }
use Kind::A;

struct Shared {
    wall: Floodwall<Kind>,
    slots: ExclusiveSlots,
}

impl Shared {
    fn new(capacity: u32) -> Arc<Shared> {
        Arc::new(Shared {
            wall: Floodwall::new(capacity, &[A.rule(Share::at_most(capacity))]),
            slots: ExclusiveSlots::new(),
        })
    }

    /// Runs `f` as a thread that counts in an exclusive slot, and then ends.
    fn in_exclusive_slot(&self, f: impl FnOnce()) {
        kick();
        let slot = self.slots.claim().expect("a free slot");
        count_in_exclusive_slot(slot);
        f();
        self.slots.release(slot);
    }
}

fn spawn<R: 'static>(
    shared: &Arc<Shared>,
    f: impl FnOnce(&Shared) -> R + 'static,
) -> thread::JoinHandle<R> {
    let shared = Arc::clone(shared);
    thread::spawn(move || f(&shared))
}

/// Admits a request, and never releases its permit. Returns whether it was admitted.
fn ask(shared: &Shared) -> bool {
    kick();
    shared.wall.admit(A).map(forget).is_ok()
}

/// Returns the admitted and the rejected requests.
fn counts(snapshot: &Snapshot<Kind>) -> (u64, u64) {
    let class = &snapshot[A];
    (class.admitted, class.rejected())
}

/// Threads that count without a read-modify-write in one exclusive slot, one after the other, lose no count. The
/// second thread claims the slot of the first if that has ended, and another one if not.
#[test]
fn exclusive_slot_keeps_the_counts_of_its_last_owner() {
    two_threads(|| {
        let shared = Shared::new(2);
        let workers = [0, 1].map(|_| {
            spawn(&shared, |shared| {
                shared.in_exclusive_slot(|| assert!(ask(shared)));
            })
        });
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(counts(&shared.wall.snapshot()), (2, 0));
    });
}

/// Threads that share a slot lose no count.
#[test]
fn shared_slot_counts_every_request() {
    two_threads(|| {
        let shared = Shared::new(1);
        let other = spawn(&shared, |shared| (ask(shared), ask(shared)));
        ask(&shared);
        other.join().unwrap();
        assert_eq!(counts(&shared.wall.snapshot()), (1, 2));
    });
}

/// A request that is judged again after a lost race or a rule update is counted once.
#[test]
fn retried_request_is_counted_once() {
    two_updates(|| {
        let shared = Shared::new(1);
        let other = spawn(&shared, |shared| {
            kick();
            let permit = shared.wall.admit(A);
            kick();
            let rules = Rules::new(2, &[A.rule(Share::at_most(1))]);
            shared.wall.set_rules(rules);
            permit.is_ok()
        });
        let own = ask(&shared);
        let admitted = u64::from(own) + u64::from(other.join().unwrap());
        assert_eq!(counts(&shared.wall.snapshot()), (admitted, 2 - admitted));
    });
}

/// A request that only a dry run admits is counted as admitted once, and once by the reason.
#[test]
fn dry_run_counts_a_retried_request_once() {
    two_threads(|| {
        let shared = Shared::new(1);
        shared.wall.set_dry_run(&[A]);
        assert!(ask(&shared));
        let other = spawn(&shared, ask);
        assert!(ask(&shared) & other.join().unwrap());
        let snapshot = shared.wall.snapshot();
        assert_eq!(counts(&snapshot), (3, 0));
        assert_eq!(snapshot[A].would_reject.pool_full, 2);
    });
}
