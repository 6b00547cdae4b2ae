//! `WorkerGauge`: each counts at its own place, and all add up.
#![cfg(feature = "std")]

use std::mem::forget;
use std::thread;

use floodwall::WorkerGauge;

#[test]
fn who_is_active_is_counted() {
    let pool = WorkerGauge::<3>::new(4);
    let [mut one, mut other] = [(); 2].map(|()| pool.register().unwrap());
    let active = one.enter();
    let too = other.enter();
    assert_eq!((pool.active(), pool.capacity()), (2, 4));
    assert_eq!(pool.utilization(), 0.5);
    drop(active);
    assert_eq!(pool.active(), 1);
    let _again = one.enter();
    drop(too);
    assert_eq!(pool.utilization(), 0.25);
}

#[test]
fn a_place_is_free_again_when_its_worker_is_gone() {
    let pool = WorkerGauge::<2>::new(2);
    let [mut one, other] = [(); 2].map(|()| pool.register().unwrap());
    assert!(pool.register().is_none());
    assert!(pool.register().is_none());
    drop(other);
    let mut other = pool.register().unwrap();
    assert!(pool.register().is_none());
    let _active = [one.enter(), other.enter()];
    assert_eq!(pool.active(), 2);
}

#[test]
fn a_forgotten_guard_counts_until_its_worker_leaves() {
    let pool = WorkerGauge::<1>::new(1);
    let mut worker = pool.register().unwrap();
    forget(worker.enter());
    assert_eq!(pool.active(), 1);
    let active = worker.enter();
    assert_eq!(pool.active(), 1);
    drop(active);
    assert_eq!(pool.active(), 0);
    forget(worker.enter());
    drop(worker);
    assert_eq!(pool.active(), 0);
    let mut worker = pool.register().unwrap();
    let _active = worker.enter();
    assert_eq!(pool.active(), 1);
}

#[test]
fn no_capacity_is_all_of_it() {
    assert_eq!(WorkerGauge::<1>::new(0).utilization(), 1.0);
}

#[test]
fn it_shows_what_it_is() {
    let pool = WorkerGauge::<1>::new(3);
    let mut worker = pool.register().unwrap();
    assert_eq!(format!("{worker:?} {:?}", pool.active()), "Worker { .. } 0");
    let active = worker.enter();
    assert_eq!(format!("{active:?}"), "WorkerGaugeGuard { .. }");
    let shown = format!("{pool:?}");
    assert_eq!(shown, "WorkerGauge { active: 1, capacity: 3 }");
}

#[test]
fn nothing_is_lost_among_many_threads() {
    const THREADS: usize = 8;
    let pool = WorkerGauge::<THREADS>::new(THREADS as u32);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..100 {
                    let mut worker = pool.register().expect("one for each");
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
