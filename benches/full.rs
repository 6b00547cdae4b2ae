//! What does a rejection cost? Every measured call except the floor's is rejected. Calls run on one
//! thread, on every core, or on one thread while the other cores acquire and release, so that the
//! word moves between caches.
//!
//! A wall also reports the reason and counts the rejection. With concurrent acquires, a wall rejects
//! one class and admits the other. A plain limit has one free permit, for the acquiring threads, and
//! the measured call requests two, which never fit. Peers that cannot request two are not measured
//! there.

mod common;

use std::mem::forget;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use crossbeam_utils::CachePadded;
use floodwall::{Bulkhead, Curve, Floodwall, ShardedBulkhead, Share};

use common::peers::Counter;
use common::threads::{self, concurrently, cores, with_background};
use common::walls::{ALL, Kind, hold};
use common::{CAPACITY, FLOOR, is_err, is_none};

type Group<'a> = BenchmarkGroup<'a, WallTime>;

const HALF: u32 = CAPACITY / 2;
const ALL_BUT_ONE: u32 = CAPACITY - 1;

fn full(criterion: &mut Criterion) {
    let group = &mut criterion.benchmark_group("full");
    common::measure_in_long_samples(group);
    floor(group);
    bulkhead(group);
    sharded(group);
    walls(group);
    tokio(group);
    async_lock(group);
    asyncband(group);
    throttle_net(group);
    parking_lot(group);
}

fn rejecting_threads(group: &mut Group<'_>, subject: &str, reject: impl Fn() -> bool + Sync) {
    assert!(reject(), "{subject} is not full");
    for threads in [1, cores().max(2)] {
        let id = BenchmarkId::new(subject, threads::name(threads));
        group.bench_function(id, |b| {
            b.iter_custom(|calls| concurrently(threads, calls, &reject));
        });
    }
}

fn with_concurrent_acquires(
    group: &mut Group<'_>,
    subject: &str,
    acquire_and_release: impl Fn() + Sync,
    reject: impl Fn() -> bool,
) {
    assert!(reject(), "{subject} is not full");
    let acquiring = cores().max(2) - 1;
    let id = BenchmarkId::new(subject, "concurrent acquires");
    group.bench_function(id, |b| {
        b.iter_custom(|calls| with_background(acquiring, &acquire_and_release, calls, &reject));
    });
}

/// Acquires and releases instead of rejecting, for comparison.
fn floor(group: &mut Group<'_>) {
    let acquire = || FLOOR.acquire_and_release();
    let pair = || {
        acquire();
        true
    };
    rejecting_threads(group, "floor", pair);
    with_concurrent_acquires(group, "floor", acquire, pair);
}

fn bulkhead(group: &mut Group<'_>) {
    static BULKHEAD: Bulkhead = Bulkhead::new(CAPACITY);
    forget(BULKHEAD.try_acquire_many(ALL_BUT_ONE));
    let acquire = || drop(BULKHEAD.try_acquire());
    with_concurrent_acquires(group, "bulkhead", acquire, || {
        is_err(BULKHEAD.try_acquire_many(2))
    });
    forget(BULKHEAD.try_acquire());
    rejecting_threads(group, "bulkhead", || is_err(BULKHEAD.try_acquire()));
}

fn sharded(group: &mut Group<'_>) {
    static SHARDED: ShardedBulkhead<8> = ShardedBulkhead::new(CAPACITY);
    for _ in 0..CAPACITY {
        forget(SHARDED.try_acquire());
    }
    rejecting_threads(group, "sharded", || is_err(SHARDED.try_acquire()));
}

/// Rejects logins while messages acquire and release.
fn walls(group: &mut Group<'_>) {
    static CLASS_FULL: Floodwall<Kind> = Floodwall::new(
        CAPACITY,
        &[
            Kind::Message.rule(ALL),
            Kind::Login.rule(Share::at_most(HALF)),
        ],
    );
    static POOL_FULL: Floodwall<Kind> = Floodwall::new(
        CAPACITY,
        &[
            Kind::Message.rule(Share::exactly(HALF)),
            Kind::Login.rule(ALL),
        ],
    );
    static SHED: Floodwall<Kind> = Floodwall::new(
        CAPACITY,
        &[
            Kind::Message.rule(ALL),
            Kind::Login.rule(ALL).shed(Curve::ALWAYS),
        ],
    );
    hold(&CLASS_FULL, Kind::Login, HALF);
    hold(&POOL_FULL, Kind::Login, HALF);
    for (reason, wall) in [
        ("class_full", &CLASS_FULL),
        ("pool_full", &POOL_FULL),
        ("shed", &SHED),
    ] {
        let rejection = wall.admit(Kind::Login).expect_err("logins are rejected");
        assert_eq!(rejection.reason().name(), reason);
        let subject = format!("floodwall, {}", reason.replace('_', " "));
        let acquire = || drop(wall.admit(Kind::Message));
        let reject = || is_err(wall.admit(Kind::Login));
        rejecting_threads(group, &subject, reject);
        with_concurrent_acquires(group, &subject, acquire, reject);
    }
}

fn tokio(group: &mut Group<'_>) {
    use tokio::sync::Semaphore;

    static SEMAPHORE: CachePadded<Semaphore> =
        CachePadded::new(Semaphore::const_new(CAPACITY as usize));
    forget(SEMAPHORE.try_acquire_many(ALL_BUT_ONE));
    let acquire = || drop(SEMAPHORE.try_acquire());
    with_concurrent_acquires(group, "tokio", acquire, || {
        is_err(SEMAPHORE.try_acquire_many(2))
    });
    forget(SEMAPHORE.try_acquire());
    rejecting_threads(group, "tokio", || is_err(SEMAPHORE.try_acquire()));
}

fn async_lock(group: &mut Group<'_>) {
    use async_lock::Semaphore;

    static SEMAPHORE: CachePadded<Semaphore> = CachePadded::new(Semaphore::new(CAPACITY as usize));
    for _ in 0..CAPACITY {
        forget(SEMAPHORE.try_acquire());
    }
    rejecting_threads(group, "async-lock", || is_none(SEMAPHORE.try_acquire()));
}

fn asyncband(group: &mut Group<'_>) {
    use asyncband::semaphore::Semaphore;

    static SEMAPHORE: CachePadded<Semaphore> = CachePadded::new(Semaphore::new(CAPACITY as usize));
    forget(SEMAPHORE.try_acquire(ALL_BUT_ONE as usize));
    let acquire = || drop(SEMAPHORE.try_acquire(1));
    with_concurrent_acquires(group, "asyncband", acquire, || {
        is_none(SEMAPHORE.try_acquire(2))
    });
    forget(SEMAPHORE.try_acquire(1));
    rejecting_threads(group, "asyncband", || is_none(SEMAPHORE.try_acquire(1)));
}

fn throttle_net(group: &mut Group<'_>) {
    let bulkhead = CachePadded::new(throttle_net::Bulkhead::new(CAPACITY));
    let bulkhead = &*Box::leak(Box::new(bulkhead));
    for _ in 0..CAPACITY {
        forget(bulkhead.try_acquire());
    }
    rejecting_threads(group, "throttle-net", || is_none(bulkhead.try_acquire()));
}

fn parking_lot(group: &mut Group<'_>) {
    static COUNTER: CachePadded<Counter> = CachePadded::new(Counter::new(ALL_BUT_ONE));
    let acquire = || COUNTER.acquire_and_release();
    with_concurrent_acquires(group, "parking_lot", acquire, || !COUNTER.try_acquire(2));
    assert!(COUNTER.try_acquire(1), "one permit was free");
    rejecting_threads(group, "parking_lot", || !COUNTER.try_acquire(1));
}

criterion_group!(name = benches; config = common::criterion(); targets = full);
criterion_main!(benches);
