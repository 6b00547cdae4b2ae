//! `Bulkhead`: limits, rejections and threads. Tests of its permits are in `permit.rs`.

mod common;

use floodwall::Bulkhead;

#[test]
fn bulkhead_debug_output_has_limit_and_usage() {
    let bulkhead = Bulkhead::new(3);
    let _permit = bulkhead.try_acquire().unwrap();
    assert_eq!(format!("{bulkhead:?}"), "Bulkhead { limit: 3, in_use: 1 }");
}

#[test]
fn zero_limit_rejects_all_but_zero_permits() {
    let bulkhead = Bulkhead::new(0);
    assert_eq!(bulkhead.utilization(), 1.0);
    let full = bulkhead.try_acquire().unwrap_err();
    assert_eq!(full.to_string(), "full: 0 of 0 permits in use");
    assert!(bulkhead.try_acquire_many(0).is_ok());
}

#[test]
fn bulkhead_fills_to_the_largest_limit() {
    const MAX: u32 = u32::MAX;
    let bulkhead = Bulkhead::new(MAX);
    for first in [MAX, MAX - 1, 1 << 31, 1] {
        let _first = bulkhead.try_acquire_many(first).unwrap();
        let _second = bulkhead.try_acquire_many(MAX - first).unwrap();
        assert_eq!((bulkhead.in_use(), bulkhead.available_permits()), (MAX, 0));
        for permits in [1, 2, 1 << 31, MAX] {
            let full = bulkhead.try_acquire_many(permits).unwrap_err();
            assert_eq!((full.in_use, full.limit), (MAX, MAX));
        }
        assert!(bulkhead.call(|| panic!("it ran")).is_err());
        for limit in [0, MAX - 1, MAX] {
            bulkhead.set_limit(limit);
            assert!(bulkhead.try_acquire().is_err());
            let (in_use, available) = (bulkhead.in_use(), bulkhead.available_permits());
            assert_eq!((in_use, available, bulkhead.limit()), (MAX, 0, limit));
        }
        assert_eq!(bulkhead.utilization(), 1.0);
    }
    assert_eq!((bulkhead.in_use(), bulkhead.available_permits()), (0, MAX));
}

#[test]
fn lowered_limit_drains() {
    let bulkhead = Bulkhead::new(4);
    let mut held: Vec<_> = (0..4).map(|_| bulkhead.try_acquire().unwrap()).collect();
    bulkhead.set_limit(2);
    for (in_use, utilization) in [(4, 2.0), (3, 1.5), (2, 1.0)] {
        assert_eq!(
            (bulkhead.in_use(), bulkhead.utilization()),
            (in_use, utilization)
        );
        assert_eq!(bulkhead.available_permits(), 0);
        let full = bulkhead.try_acquire().unwrap_err();
        assert_eq!((full.in_use, full.limit), (in_use, 2));
        held.pop();
    }
    assert_eq!(bulkhead.available_permits(), 1);
    assert!(bulkhead.try_acquire().is_ok());
}

#[test]
fn request_above_the_limit_is_told_apart_from_busy() {
    let bulkhead = Bulkhead::new(20);
    let _busy = bulkhead.try_acquire().unwrap();
    let full = bulkhead.try_acquire_many(20).unwrap_err();
    assert!(!full.is_too_large());
    assert_eq!(
        full.to_string(),
        "full: 1 of 20 permits in use, 20 requested"
    );
    let full = bulkhead.try_acquire_many(21).unwrap_err();
    assert!(full.is_too_large());
    assert_eq!(
        full.to_string(),
        "too large: the limit is 20 permits, 21 requested"
    );
    // With a limit of 0 it is full.
    bulkhead.set_limit(0);
    assert!(!bulkhead.try_acquire_many(21).unwrap_err().is_too_large());
}

mod threads {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::Bulkhead;
    use crate::common::exclusion::{assert_drains, assert_excludes};
    use crate::common::threads::run_together;

    #[test]
    fn single_permit_of_a_bulkhead_is_exclusive() {
        let bulkhead = Bulkhead::new(1);
        assert_excludes(|_| bulkhead.try_acquire().ok());
    }

    #[test]
    fn drained_bulkhead_publishes_the_work_of_its_permits() {
        let bulkhead = Bulkhead::new(1);
        assert_drains(
            || bulkhead.try_acquire().ok(),
            || bulkhead.set_limit(0),
            || bulkhead.set_limit(1),
            || bulkhead.in_use(),
        );
    }

    #[test]
    fn limit_is_never_exceeded_while_it_changes() {
        let bulkhead = Bulkhead::new(1);
        let held = AtomicU32::new(0);
        let changes = run_together(5, 6_000_000, |number, changes: &mut u32| {
            if number == 0 {
                *changes += 1;
                bulkhead.set_limit(*changes % 5);
                return;
            }
            let permits = 1 + number as u32 / 3;
            if let Ok(_permit) = bulkhead.try_acquire_many(permits) {
                let now = held.fetch_add(permits, Ordering::Relaxed) + permits;
                assert!(now <= 4, "{now} permits are in use");
                held.fetch_sub(permits, Ordering::Relaxed);
            }
        });
        assert_eq!((bulkhead.in_use(), bulkhead.limit()), (0, changes[0] % 5));
    }
}
