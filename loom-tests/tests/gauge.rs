//! Models of `Gauge`: one promise each, under every interleaving.

mod common;

use std::sync::Arc;

use common::{Data, kick, three_threads, two_threads};
use floodwall::Gauge;
use loom::thread;

/// Hand-over: whoever sees the count go down sees what was done while it was up.
#[test]
fn a_drain_that_is_seen_is_over() {
    two_threads(|| {
        let pool = Arc::new((Gauge::new(2), Data::new(), common::Signal::new()));
        let worker = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                kick();
                let _active = pool.0.enter();
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

/// Nothing lost: whoever enters counts once, and once less when it leaves.
#[test]
fn the_count_is_exact() {
    three_threads(|| {
        let pool = Arc::new(Gauge::new(2));
        let workers = [0, 1].map(|_| {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                kick();
                let _active = pool.enter();
                assert!((1..=2).contains(&pool.active()));
            })
        });
        kick();
        assert!(pool.active() <= 2);
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(pool.active(), 0);
        assert!((1..=2).contains(&pool.peak()));
    });
}
