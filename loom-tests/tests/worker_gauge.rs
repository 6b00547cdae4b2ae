//! Models of `WorkerGauge`: one promise each, under every interleaving.

mod common;

use std::mem::forget;
use std::sync::Arc;

use common::{Data, Signal, kick, two_threads};
use floodwall::WorkerGauge;
use loom::thread;

/// One is always active, if not always at the same place: no less is counted.
#[test]
fn who_is_active_is_counted_while_others_enter_and_leave() {
    two_threads(|| {
        let pool = Arc::new((WorkerGauge::<2>::new(2), Signal::new()));
        let workers = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                let [one, other] = [(); 2].map(|()| pool.0.worker().unwrap());
                let active = other.enter();
                pool.1.send();
                kick();
                forget(one.enter());
                kick();
                drop(active);
            })
        };
        kick();
        if pool.1.was_sent() {
            kick();
            assert!((1..=2).contains(&pool.0.active()));
        }
        workers.join().unwrap();
        assert_eq!(pool.0.active(), 1);
    });
}

/// Hand-over: whoever sees the count go down sees what was done while it was up.
#[test]
fn a_drain_that_is_seen_is_over() {
    two_threads(|| {
        let pool = Arc::new((WorkerGauge::<1>::new(1), Data::new(), Signal::new()));
        let worker = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                let worker = pool.0.worker().unwrap();
                kick();
                let _active = worker.enter();
                pool.2.send();
                pool.1.write();
            })
        };
        kick();
        if pool.2.was_sent() && pool.0.active() == 0 {
            assert_eq!(pool.1.read(), 1);
        }
        worker.join().unwrap();
    });
}

/// Nothing lost: a place has one worker at a time, and what was counted there is handed on.
#[test]
fn a_place_is_handed_from_worker_to_worker() {
    two_threads(|| {
        let pool = Arc::new(WorkerGauge::<1>::new(1));
        let work = |pool: &WorkerGauge<1>| {
            kick();
            let Some(worker) = pool.worker() else {
                return 0;
            };
            kick();
            forget(worker.enter());
            1
        };
        let other = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || work(&pool))
        };
        let mine = work(&pool);
        let both = mine + other.join().unwrap();
        assert!(both >= 1);
        assert_eq!(pool.active(), both);
    });
}

/// The same where another place is free: nothing but the place itself hands it on.
#[test]
fn a_place_that_is_left_is_handed_on_whole() {
    two_threads(|| {
        let pool: &'static WorkerGauge<2> = Box::leak(Box::new(WorkerGauge::new(2)));
        let first = pool.worker().unwrap();
        let other = thread::spawn(move || {
            kick();
            forget(first.enter());
            kick();
            drop(first);
        });
        kick();
        let mine = pool.worker().unwrap();
        kick();
        forget(mine.enter());
        other.join().unwrap();
        assert_eq!(pool.active(), 2);
    });
}
