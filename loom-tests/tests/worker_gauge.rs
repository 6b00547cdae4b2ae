//! Models of `WorkerGauge`: one promise each, under every interleaving.

mod common;

use std::mem::forget;
use std::sync::Arc;

use common::{Data, Signal, kick, two_threads};
use floodwall::WorkerGauge;
use loom::thread;

/// One is always active, if not always at the same place: no less is counted, though at each look at a
/// place nobody may be there.
#[test]
fn who_is_active_is_counted_while_others_enter_and_leave() {
    two_threads(|| {
        let pool = Arc::new((WorkerGauge::<2>::new(2), Signal::new()));
        let workers = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                let [mut one, mut other] = [(); 2].map(|()| pool.0.register().unwrap());
                let at_other = other.enter();
                pool.1.send();
                let at_one = one.enter();
                drop(at_other);
                let at_other = other.enter();
                drop(at_one);
                forget(one.enter());
                drop(at_other);
                forget(one);
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

/// The same, where one enters and another leaves, and whoever looks has had the place that was left.
#[test]
fn who_is_active_is_counted_though_a_place_was_handed_on() {
    two_threads(|| {
        let pool = Arc::new((WorkerGauge::<3>::new(3), Signal::new()));
        let workers = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                let [mut one, mut other] = [(); 2].map(|()| pool.0.register().unwrap());
                let active = one.enter();
                pool.1.send();
                kick();
                forget(other.enter());
                drop(active);
                kick();
                drop(one);
                forget(other);
            })
        };
        kick();
        if pool.1.was_sent() {
            kick();
            drop(pool.0.register().unwrap());
            kick();
            assert!((1..=2).contains(&pool.0.active()));
        }
        workers.join().unwrap();
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
                let mut worker = pool.0.register().unwrap();
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

/// The same, where whoever looks has had the place meanwhile.
#[test]
fn a_drain_that_is_seen_is_over_though_a_place_was_handed_on() {
    two_threads(|| {
        let pool = Arc::new((WorkerGauge::<2>::new(2), Data::new(), Signal::new()));
        let worker = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                let mut worker = pool.0.register().unwrap();
                kick();
                let active = worker.enter();
                pool.2.send();
                pool.1.write();
                drop(active);
                kick();
                drop(worker);
            })
        };
        kick();
        if pool.2.was_sent() {
            kick();
            drop(pool.0.register().unwrap());
            kick();
            if pool.0.active() == 0 {
                assert_eq!(pool.1.read(), 1);
            }
        }
        worker.join().unwrap();
    });
}

/// Nothing lost: a place is handed on with what was counted there, and has one worker at a time.
#[test]
fn a_place_that_is_left_is_handed_on_whole() {
    two_threads(|| {
        let pool: &'static WorkerGauge<2> = Box::leak(Box::new(WorkerGauge::new(2)));
        let mut first = pool.register().unwrap();
        let other = thread::spawn(move || {
            kick();
            drop(first.enter());
            kick();
            drop(first);
            kick();
            let mut again = pool.register().unwrap();
            kick();
            forget(again.enter());
            forget(again);
        });
        kick();
        let mut mine = pool.register().unwrap();
        kick();
        let _active = mine.enter();
        other.join().unwrap();
        assert_eq!(pool.active(), 2);
    });
}
