//! What does it cost to be turned away? Nothing is free, and one thread asks again and again; a
//! thread on every core does; or one does beside threads that take and give back, so that the word
//! that says "full" keeps moving from core to core.
//!
//! A wall says why, and counts; the others just say no. Beside takers a wall turns away one class
//! while the other takes and gives back; a limit has one permit left there, for the takers, and is
//! asked for two, which never fit. Who cannot be asked for two is not shown there.

mod common;

use std::mem::forget;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use crossbeam_utils::CachePadded;
use floodwall::{Bulkhead, Curve, Floodwall, ShardedBulkhead, Share};

use common::peers::Counter;
use common::threads::{self, beside, cores, together};
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

fn alone_and_together(group: &mut Group<'_>, subject: &str, reject: impl Fn() -> bool + Sync) {
    assert!(reject(), "{subject} is not full");
    for threads in [1, cores().max(2)] {
        let id = BenchmarkId::new(subject, threads::name(threads));
        group.bench_function(id, |b| {
            b.iter_custom(|calls| together(threads, calls, &reject));
        });
    }
}

fn beside_takers(
    group: &mut Group<'_>,
    subject: &str,
    take_and_give_back: impl Fn() + Sync,
    reject: impl Fn() -> bool,
) {
    assert!(reject(), "{subject} is not full");
    let takers = cores().max(2) - 1;
    let id = BenchmarkId::new(subject, "beside takers");
    group.bench_function(id, |b| {
        b.iter_custom(|calls| beside(takers, &take_and_give_back, calls, &reject));
    });
}

/// Rejects nobody: it is what to compare with.
fn floor(group: &mut Group<'_>) {
    let take = || FLOOR.take_and_give_back();
    let pair = || {
        take();
        true
    };
    alone_and_together(group, "floor", pair);
    beside_takers(group, "floor", take, pair);
}

fn bulkhead(group: &mut Group<'_>) {
    static BULKHEAD: Bulkhead = Bulkhead::new(CAPACITY);
    forget(BULKHEAD.try_acquire_many(ALL_BUT_ONE));
    let take = || drop(BULKHEAD.try_acquire());
    beside_takers(group, "bulkhead", take, || {
        is_err(BULKHEAD.try_acquire_many(2))
    });
    forget(BULKHEAD.try_acquire());
    alone_and_together(group, "bulkhead", || is_err(BULKHEAD.try_acquire()));
}

fn sharded(group: &mut Group<'_>) {
    static SHARDED: ShardedBulkhead<8> = ShardedBulkhead::new(CAPACITY);
    for _ in 0..CAPACITY {
        forget(SHARDED.try_acquire());
    }
    alone_and_together(group, "sharded", || is_err(SHARDED.try_acquire()));
}

/// Logins are turned away, messages come and go.
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
        assert_eq!(rejection.reason.name(), reason);
        let subject = format!("floodwall, {}", reason.replace('_', " "));
        let take = || drop(wall.admit(Kind::Message));
        let reject = || is_err(wall.admit(Kind::Login));
        alone_and_together(group, &subject, reject);
        beside_takers(group, &subject, take, reject);
    }
}

fn tokio(group: &mut Group<'_>) {
    use tokio::sync::Semaphore;

    static SEMAPHORE: CachePadded<Semaphore> =
        CachePadded::new(Semaphore::const_new(CAPACITY as usize));
    forget(SEMAPHORE.try_acquire_many(ALL_BUT_ONE));
    let take = || drop(SEMAPHORE.try_acquire());
    beside_takers(group, "tokio", take, || {
        is_err(SEMAPHORE.try_acquire_many(2))
    });
    forget(SEMAPHORE.try_acquire());
    alone_and_together(group, "tokio", || is_err(SEMAPHORE.try_acquire()));
}

fn async_lock(group: &mut Group<'_>) {
    use async_lock::Semaphore;

    static SEMAPHORE: CachePadded<Semaphore> = CachePadded::new(Semaphore::new(CAPACITY as usize));
    for _ in 0..CAPACITY {
        forget(SEMAPHORE.try_acquire());
    }
    alone_and_together(group, "async-lock", || is_none(SEMAPHORE.try_acquire()));
}

fn asyncband(group: &mut Group<'_>) {
    use asyncband::semaphore::Semaphore;

    static SEMAPHORE: CachePadded<Semaphore> = CachePadded::new(Semaphore::new(CAPACITY as usize));
    forget(SEMAPHORE.try_acquire(ALL_BUT_ONE as usize));
    let take = || drop(SEMAPHORE.try_acquire(1));
    beside_takers(group, "asyncband", take, || {
        is_none(SEMAPHORE.try_acquire(2))
    });
    forget(SEMAPHORE.try_acquire(1));
    alone_and_together(group, "asyncband", || is_none(SEMAPHORE.try_acquire(1)));
}

fn throttle_net(group: &mut Group<'_>) {
    let bulkhead = CachePadded::new(throttle_net::Bulkhead::new(CAPACITY));
    let bulkhead = &*Box::leak(Box::new(bulkhead));
    for _ in 0..CAPACITY {
        forget(bulkhead.try_acquire());
    }
    alone_and_together(group, "throttle-net", || is_none(bulkhead.try_acquire()));
}

fn parking_lot(group: &mut Group<'_>) {
    static COUNTER: CachePadded<Counter> = CachePadded::new(Counter::new(ALL_BUT_ONE));
    let take = || COUNTER.take_and_give_back();
    beside_takers(group, "parking_lot", take, || !COUNTER.take(2));
    assert!(COUNTER.take(1), "one was left");
    alone_and_together(group, "parking_lot", || !COUNTER.take(1));
}

criterion_group!(name = benches; config = common::criterion(); targets = full);
criterion_main!(benches);
