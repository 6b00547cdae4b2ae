//! `Gauge`: its guards, counts and peaks.

mod common;

use std::mem::forget;
use std::thread;

use floodwall::Gauge;

use common::panic_message;

#[test]
fn gauge_debug_output_has_its_counts() {
    let gauge = Gauge::new(4);
    let guard = gauge.enter();
    let text = "Gauge { active: 1, capacity: 4, peak: 1 }";
    assert_eq!(format!("{gauge:?}"), text);
    assert_eq!(format!("{guard:?}"), "GaugeGuard { .. }");
}

#[test]
fn gauge_guard_ends_activity_exactly_once() {
    let gauge = Gauge::new(4);
    let _kept = gauge.enter();
    let message = panic_message(|| {
        let _guard = gauge.enter();
        assert_eq!(gauge.active(), 2);
        panic!("the handler failed");
    });
    assert_eq!(message, "the handler failed");
    let elsewhere = gauge.enter();
    thread::scope(|scope| {
        scope.spawn(move || drop(elsewhere));
    });
    assert_eq!((gauge.active(), gauge.peak()), (1, 2));
}

#[test]
fn forgotten_gauge_guard_stays_active() {
    let gauge = Gauge::new(2);
    forget(gauge.enter());
    assert_eq!((gauge.active(), gauge.utilization()), (1, 0.5));
}

#[test]
fn gauge_peak_is_the_maximum_since_it_was_taken() {
    let gauge = Gauge::new(9);
    let long = gauge.enter();
    drop((gauge.enter(), gauge.enter()));
    assert_eq!((gauge.take_peak(), gauge.peak()), (3, 1));
    drop(long);
    assert_eq!((gauge.take_peak(), gauge.take_peak()), (1, 0));
}

#[cfg(feature = "alloc")]
#[test]
fn owned_guard_counts_until_dropped_and_keeps_its_gauge() {
    use std::sync::Arc;

    let gauge = Arc::new(Gauge::new(2));
    let guard = gauge.enter_owned();
    assert_eq!(format!("{guard:?}"), "OwnedGaugeGuard { .. }");
    assert_eq!((gauge.active(), Arc::strong_count(&gauge)), (1, 2));
    std::thread::spawn(move || drop(guard)).join().unwrap();
    assert_eq!((gauge.active(), Arc::strong_count(&gauge)), (0, 1));
    assert_eq!(gauge.peak(), 1);
}

mod threads {
    use super::Gauge;
    use crate::common::exclusion::assert_guard_publishes;
    use crate::common::threads::run_together;

    #[test]
    fn idle_gauge_publishes_the_work_of_its_guards() {
        let gauge = Gauge::new(1);
        assert_guard_publishes(|| gauge.enter(), || gauge.active());
    }

    #[test]
    fn gauge_counts_every_guard() {
        let gauge = Gauge::new(8);
        run_together(8, 3_000_000, |_, _: &mut ()| {
            let _guard = gauge.enter();
            assert!((1..=8).contains(&gauge.active()));
        });
        assert_eq!(gauge.active(), 0);
        assert!((1..=8).contains(&gauge.peak()));
    }
}
