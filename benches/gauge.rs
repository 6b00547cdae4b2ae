//! What does a gauge cost? Measures entering and dropping the guard, and reading a gauge and a wall.

mod common;

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use floodwall::{Floodwall, Gauge, WorkerGauge};

use common::threads::{self, concurrently, concurrently_with, cores};
use common::walls::{Kind, PLAIN};
use common::{CAPACITY, FLOOR};

static GAUGE: Gauge = Gauge::new(CAPACITY);
static WORKERS: WorkerGauge<8> = WorkerGauge::new(CAPACITY);
static WALL: Floodwall<Kind> = Floodwall::new(CAPACITY, &PLAIN);

fn gauge(criterion: &mut Criterion) {
    let group = &mut criterion.benchmark_group("gauge");
    common::measure_in_long_samples(group);
    for threads in [1, cores().max(2)] {
        let mut measure = |subject: &str, time: &dyn Fn(u64) -> Duration| {
            let id = BenchmarkId::new(subject, threads::name(threads));
            group.bench_function(id, |b| b.iter_custom(time));
        };
        measure("floor", &|calls| {
            concurrently(threads, calls, || FLOOR.acquire_and_release())
        });
        measure("enter and drop", &|calls| {
            concurrently(threads, calls, || drop(GAUGE.enter()))
        });
        measure("worker gauge, enter and drop", &|calls| {
            concurrently_with(threads, calls, || {
                let mut worker = WORKERS.register().expect("a slot is free");
                move || drop(worker.enter())
            })
        });
    }
    read(group, "active", || GAUGE.active());
    read(group, "utilization", || GAUGE.utilization());
    read(group, "peak", || GAUGE.peak());
    read(group, "take_peak", || GAUGE.take_peak());
    read(group, "worker gauge, active", || WORKERS.active());
    read(group, "floodwall, in_use", || WALL.in_use(Kind::Message));
    read(group, "floodwall, utilization", || WALL.utilization());
    read(group, "floodwall, snapshot", || WALL.snapshot());
}

fn read<R>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    subject: &str,
    read: impl FnMut() -> R + Copy,
) {
    let id = BenchmarkId::new(subject, threads::name(1));
    group.bench_function(id, |b| b.iter(read));
}

criterion_group!(name = benches; config = common::criterion(); targets = gauge);
criterion_main!(benches);
