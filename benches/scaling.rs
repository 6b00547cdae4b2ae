//! What share of request time do permits take? A thread on each core handles requests back to back,
//! and all acquire from one limit, for several handler durations. A second group measures permits
//! near the limit, where a sharded limit searches its shards.

mod common;

use std::hint::black_box;
use std::mem::forget;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use floodwall::{Bulkhead, ShardedBulkhead};

use common::peers::{self, Measure};
use common::threads::{self, concurrently, cores};
use common::work::{LINE, MICROSECOND, hash};
use common::{CAPACITY, FLOOR};

/// Handler durations: name, bytes per hash, number of hashes.
const HANDLERS: [(&str, usize, usize); 5] = [
    ("0 ns", 0, 1),
    ("200 ns", 3 * LINE, 1),
    ("1000 ns", MICROSECOND, 1),
    ("10000 ns", MICROSECOND, 10),
    ("100000 ns", MICROSECOND, 100),
];

struct Handlers<'a>(BenchmarkGroup<'a, WallTime>);

impl Measure for Handlers<'_> {
    fn measure(&mut self, subject: &str, acquire_and_release: impl Fn() + Sync) {
        // `contended.rs` measures the other peers.
        if !["no permit", "bulkhead", "floodwall", "sharded", "tokio"].contains(&subject) {
            return;
        }
        for (name, bytes, times) in HANDLERS {
            let request = || {
                acquire_and_release();
                for _ in 0..times {
                    black_box(hash(bytes));
                }
            };
            let id = BenchmarkId::new(subject, name);
            self.0.bench_function(id, |b| {
                b.iter_custom(|calls| concurrently(cores(), calls, request));
            });
        }
    }
}

fn scaling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scaling");
    common::measure_in_long_samples(&mut group);
    let mut handlers = Handlers(group);
    handlers.measure("no permit", || ());
    peers::measure_each(&mut handlers);
}

/// Measures limits of 1 and 2, and a limit of 100 with 1 or 2 free permits.
fn scarce(criterion: &mut Criterion) {
    let group = &mut criterion.benchmark_group("scarce");
    common::measure_in_long_samples(group);
    let situations: [(&str, u32, u32); 4] = [
        ("limit 1", 1, 0),
        ("limit 2", 2, 0),
        ("1 free", CAPACITY, CAPACITY - 1),
        ("2 free", CAPACITY, CAPACITY - 2),
    ];
    for (situation, limit, held) in situations {
        let bulkhead = Bulkhead::new(limit);
        let sharded = ShardedBulkhead::<8>::new(limit);
        for _ in 0..held {
            forget(bulkhead.try_acquire());
            forget(sharded.try_acquire());
        }
        for threads in [1, cores().max(2)] {
            let id = |subject: &str| {
                BenchmarkId::new(subject, format!("{situation}, {}", threads::name(threads)))
            };
            group.bench_function(id("floor"), |b| {
                b.iter_custom(|calls| concurrently(threads, calls, || FLOOR.acquire_and_release()));
            });
            group.bench_function(id("bulkhead"), |b| {
                b.iter_custom(|calls| concurrently(threads, calls, || bulkhead.call(|| ())));
            });
            group.bench_function(id("sharded"), |b| {
                b.iter_custom(|calls| concurrently(threads, calls, || sharded.call(|| ())));
            });
        }
    }
}

criterion_group!(name = benches; config = common::criterion(); targets = scaling, scarce);
criterion_main!(benches);
