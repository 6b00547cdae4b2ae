//! `WorkerGauge`: each counts at its own place, and all add up.
#![cfg(feature = "std")]

use std::mem::forget;
use std::thread;

use floodwall::WorkerGauge;

#[test]
fn who_is_active_is_counted() {
    let pool = WorkerGauge::<2>::new(4);
    let [one, other] = [(); 2].map(|()| pool.worker().unwrap());
    let active = one.enter();
    let more = [one.enter(), other.enter()];
    assert_eq!((pool.active(), pool.capacity()), (3, 4));
    assert_eq!(pool.utilization(), 0.75);
    drop(active);
    assert_eq!(pool.active(), 2);
    drop(more);
    assert_eq!(pool.utilization(), 0.0);
}

#[test]
fn a_place_is_free_again_when_its_worker_is_gone() {
    let pool = WorkerGauge::<2>::new(2);
    let [one, other] = [(); 2].map(|()| pool.worker().unwrap());
    assert!(pool.worker().is_none());
    forget(other.enter());
    drop(other);
    let other = pool.worker().unwrap();
    assert!(pool.worker().is_none());
    let _active = other.enter();
    assert_eq!(pool.active(), 2, "what was forgotten counts for good");
    drop(one);
}

#[test]
fn no_capacity_is_all_of_it() {
    assert_eq!(WorkerGauge::<1>::new(0).utilization(), 1.0);
}

#[test]
fn it_shows_what_it_is() {
    let pool = WorkerGauge::<1>::new(3);
    let worker = pool.worker().unwrap();
    let active = worker.enter();
    assert_eq!(
        format!("{pool:?}"),
        "WorkerGauge { active: 1, capacity: 3 }"
    );
    assert_eq!(
        format!("{worker:?} {active:?}"),
        "Worker { .. } Busy { .. }"
    );
}

#[test]
fn nothing_is_lost_among_many_threads() {
    const THREADS: usize = 8;
    let pool = WorkerGauge::<THREADS>::new(THREADS as u32);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..100 {
                    let worker = pool.worker().expect("one for each");
                    for _ in 0..100 {
                        let _active = worker.enter();
                        assert!((1..=THREADS as u32).contains(&pool.active()));
                    }
                }
            });
        }
    });
    assert_eq!(pool.active(), 0);
}
