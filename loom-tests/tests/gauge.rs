//! Models of `Gauge`.

mod common;

use std::mem::forget;
use std::sync::Arc;

use common::{Data, Signal, kick, three_threads, two_threads};
use floodwall::Gauge;
use loom::thread;

/// Work done while a thread is active happens-before an `active()` that no longer counts it.
#[test]
fn observed_drain_happens_after_work() {
    two_threads(|| {
        let shared = Arc::new((Gauge::new(2), Data::new(), Signal::new()));
        let worker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                kick();
                let _guard = shared.0.enter();
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

/// `active()` counts each guard once until it is dropped.
#[test]
fn active_count_is_exact() {
    three_threads(|| {
        let gauge = Arc::new(Gauge::new(2));
        let workers = [0, 1].map(|_| {
            let gauge = Arc::clone(&gauge);
            thread::spawn(move || {
                kick();
                let _guard = gauge.enter();
                assert!((1..=2).contains(&gauge.active()));
            })
        });
        kick();
        assert!(gauge.active() <= 2);
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(gauge.active(), 0);
        assert!((1..=2).contains(&gauge.peak()));
    });
}

/// A guard that is held throughout is in the peak after any `take_peak` that ran concurrently with its `enter`, also if
/// it does not exceed the last peak.
#[test]
fn concurrent_take_peak_keeps_a_held_guard_in_the_peak() {
    three_threads(|| {
        let gauge = Arc::new(Gauge::new(2));
        drop((gauge.enter(), gauge.enter()));
        let workers = [0, 1].map(|_| {
            let gauge = Arc::clone(&gauge);
            thread::spawn(move || {
                kick();
                forget(gauge.enter());
            })
        });
        kick();
        gauge.take_peak();
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(gauge.take_peak(), 2);
    });
}
