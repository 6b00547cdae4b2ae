//! What does it cost to know how busy one is? Entering and leaving a gauge, and reading it; and what
//! a wall tells of itself.

mod common;

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use floodwall::{Floodwall, Gauge, WorkerGauge};

use common::threads::{self, cores, together, together_by};
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
            together(threads, calls, || FLOOR.take_and_give_back())
        });
        measure("enter and leave", &|calls| {
            together(threads, calls, || drop(GAUGE.enter()))
        });
        measure("by worker, enter and leave", &|calls| {
            together_by(threads, calls, || {
                let mut worker = WORKERS.register().expect("there are places");
                move || drop(worker.enter())
            })
        });
    }
    read(group, "active", || GAUGE.active());
    read(group, "utilization", || GAUGE.utilization());
    read(group, "peak", || GAUGE.peak());
    read(group, "take_peak", || GAUGE.take_peak());
    read(group, "by worker, active", || WORKERS.active());
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
