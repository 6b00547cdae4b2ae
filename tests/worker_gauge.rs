//! `WorkerGauge`: each worker counts in its own slot, and the gauge adds up the slots.
#![cfg(feature = "std")]

mod common;

use std::mem::forget;

use floodwall::WorkerGauge;

#[test]
fn active_workers_are_counted() {
    let gauge = WorkerGauge::<3>::new(4);
    let [mut first, mut second] = [(); 2].map(|()| gauge.register().unwrap());
    let first_guard = first.enter();
    let second_guard = second.enter();
    assert_eq!((gauge.active(), gauge.capacity()), (2, 4));
    assert_eq!(gauge.utilization(), 0.5);
    drop(first_guard);
    assert_eq!(gauge.active(), 1);
    let _again = first.enter();
    drop(second_guard);
    assert_eq!(gauge.utilization(), 0.25);
}

#[test]
fn dropped_worker_frees_its_slot() {
    let gauge = WorkerGauge::<2>::new(2);
    let [mut first, second] = [(); 2].map(|()| gauge.register().unwrap());
    assert!(gauge.register().is_none());
    assert!(gauge.register().is_none());
    drop(second);
    let mut second = gauge.register().unwrap();
    assert!(gauge.register().is_none());
    let _guards = [first.enter(), second.enter()];
    assert_eq!(gauge.active(), 2);
}

#[test]
fn forgotten_worker_guard_counts_until_the_next_guard_or_the_worker_drops() {
    let gauge = WorkerGauge::<1>::new(1);
    let mut worker = gauge.register().unwrap();
    forget(worker.enter());
    assert_eq!(gauge.active(), 1);
    let guard = worker.enter();
    assert_eq!(gauge.active(), 1);
    drop(guard);
    assert_eq!(gauge.active(), 0);
    forget(worker.enter());
    drop(worker);
    assert_eq!(gauge.active(), 0);
    let mut worker = gauge.register().unwrap();
    let _guard = worker.enter();
    assert_eq!(gauge.active(), 1);
}

#[test]
fn zero_capacity_worker_gauge_is_fully_utilized() {
    assert_eq!(WorkerGauge::<1>::new(0).utilization(), 1.0);
}

#[test]
fn capacity_of_a_worker_gauge_changes_while_workers_are_active() {
    let gauge = WorkerGauge::<2>::new(4);
    let mut worker = gauge.register().unwrap();
    let _active = worker.enter();
    assert_eq!((gauge.capacity(), gauge.utilization()), (4, 0.25));
    gauge.set_capacity(2);
    assert_eq!((gauge.capacity(), gauge.utilization()), (2, 0.5));
}

#[test]
fn worker_gauge_debug_output_has_its_counts() {
    let gauge = WorkerGauge::<1>::new(3);
    let mut worker = gauge.register().unwrap();
    assert_eq!(format!("{worker:?}"), "Worker { .. }");
    assert_eq!(gauge.active(), 0);
    let guard = worker.enter();
    assert_eq!(format!("{guard:?}"), "WorkerGaugeGuard { .. }");
    let text = "WorkerGauge { active: 1, capacity: 3 }";
    assert_eq!(format!("{gauge:?}"), text);
}

mod threads {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::WorkerGauge;
    use crate::common::exclusion::{ENTRIES, PlainCounter, join, yield_while};

    /// A guard borrows its worker, so only the thread with the worker can enter, and it signals this.
    #[test]
    fn idle_worker_gauge_publishes_the_work_of_its_guards() {
        let gauge = WorkerGauge::<1>::new(1);
        let (count, has_entered) = (PlainCounter::new(), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..ENTRIES {
                let mut worker = gauge.register().expect("the last worker is gone");
                let (count, has_entered) = (&count, &has_entered);
                let thread = scope.spawn(move || {
                    let guard = worker.enter();
                    has_entered.store(true, Ordering::Release);
                    count.add_one();
                    drop(guard);
                });
                yield_while(|| !has_entered.load(Ordering::Acquire) || gauge.active() > 0);
                count.add_one();
                has_entered.store(false, Ordering::Relaxed);
                join(vec![thread]);
            }
        });
        assert_eq!(count.into_inner(), 2 * ENTRIES);
    }

    #[test]
    fn worker_gauge_counts_every_worker() {
        const THREADS: usize = 8;
        let gauge = WorkerGauge::<THREADS>::new(THREADS as u32);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let mut worker = gauge.register().expect("each thread has a slot");
                        for _ in 0..100 {
                            let _guard = worker.enter();
                            assert!(gauge.active() >= 1);
                        }
                    }
                });
            }
        });
        assert_eq!(gauge.active(), 0);
    }
}
