//! Models of `WorkerGauge`.

mod common;

use std::mem::forget;
use std::sync::Arc;

use common::{Data, Signal, kick, two_threads};
use floodwall::WorkerGauge;
use loom::thread;

/// At least one worker is active at every instant, and `active()` never returns less, even if each slot
/// is idle at the instant it is read.
#[test]
fn active_counts_concurrent_transitions() {
    two_threads(|| {
        let shared = Arc::new((WorkerGauge::<2>::new(2), Signal::new()));
        let workers = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let [mut first, mut second] = [(); 2].map(|()| shared.0.register().unwrap());
                let second_guard = second.enter();
                shared.1.send();
                let first_guard = first.enter();
                drop(second_guard);
                let second_guard = second.enter();
                drop(first_guard);
                forget(first.enter());
                drop(second_guard);
                forget(first);
            })
        };
        kick();
        if shared.1.was_sent() {
            kick();
            assert!(shared.0.active() >= 1);
        }
        workers.join().unwrap();
        assert_eq!(shared.0.active(), 1);
    });
}

/// The same, and the reading thread has itself registered in the slot that an active worker released.
#[test]
fn active_counts_across_slot_reuse() {
    two_threads(|| {
        let shared = Arc::new((WorkerGauge::<3>::new(3), Signal::new()));
        let workers = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let [mut first, mut second] = [(); 2].map(|()| shared.0.register().unwrap());
                let guard = first.enter();
                shared.1.send();
                kick();
                forget(second.enter());
                drop(guard);
                kick();
                drop(first);
                forget(second);
            })
        };
        kick();
        if shared.1.was_sent() {
            kick();
            drop(shared.0.register().unwrap());
            kick();
            assert!((1..=2).contains(&shared.0.active()));
        }
        workers.join().unwrap();
    });
}

/// Work done while a worker is active happens-before an `active()` that no longer counts it.
#[test]
fn observed_drain_happens_after_work() {
    two_threads(|| {
        let shared = Arc::new((WorkerGauge::<1>::new(1), Data::new(), Signal::new()));
        let worker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut worker = shared.0.register().unwrap();
                kick();
                let _guard = worker.enter();
                shared.2.send();
                shared.1.write();
            })
        };
        kick();
        if shared.2.was_sent() && shared.0.active() == 0 {
            assert_eq!(shared.1.read(), 1);
        }
        worker.join().unwrap();
    });
}

/// The same, and the reading thread may have registered in the worker's slot in between.
#[test]
fn observed_drain_happens_after_work_across_slot_reuse() {
    two_threads(|| {
        let shared = Arc::new((WorkerGauge::<2>::new(2), Data::new(), Signal::new()));
        let worker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut worker = shared.0.register().unwrap();
                kick();
                let guard = worker.enter();
                shared.2.send();
                shared.1.write();
                drop(guard);
                kick();
                drop(worker);
            })
        };
        kick();
        if shared.2.was_sent() {
            kick();
            drop(shared.0.register().unwrap());
            kick();
            if shared.0.active() == 0 {
                assert_eq!(shared.1.read(), 1);
            }
        }
        worker.join().unwrap();
    });
}

/// A slot has one worker at a time, and the next worker continues its count.
#[test]
fn reused_slot_keeps_its_count_and_has_one_worker() {
    two_threads(|| {
        let gauge: &'static WorkerGauge<2> = Box::leak(Box::new(WorkerGauge::new(2)));
        let mut first = gauge.register().unwrap();
        let other = thread::spawn(move || {
            kick();
            drop(first.enter());
            kick();
            drop(first);
            kick();
            let mut again = gauge.register().unwrap();
            kick();
            forget(again.enter());
            forget(again);
        });
        kick();
        let mut own = gauge.register().unwrap();
        kick();
        let _guard = own.enter();
        other.join().unwrap();
        assert_eq!(gauge.active(), 2);
    });
}
