//! What does it cost to know how busy one is? Entering and leaving a gauge, and reading it; and what
//! a wall tells of itself.

mod common;

use criterion::{Criterion, criterion_group, criterion_main};
use floodwall::{Floodwall, Gauge, WorkerGauge};

use common::walls::{Kind, PLAIN};
use common::{CAPACITY, FLOOR};

static GAUGE: Gauge = Gauge::new(CAPACITY);
static WORKERS: WorkerGauge<8> = WorkerGauge::new(CAPACITY);
static WALL: Floodwall<Kind> = Floodwall::new(CAPACITY, &PLAIN);

fn gauge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gauge");
    group.bench_function("floor", |b| b.iter(|| FLOOR.take_and_give_back()));
    group.bench_function("enter and leave", |b| b.iter(|| drop(GAUGE.enter())));
    let worker = WORKERS.worker().expect("there are places");
    group.bench_function("by worker, enter and leave", |b| {
        b.iter(|| drop(worker.enter()));
    });
    group.bench_function("by worker, active", |b| b.iter(|| WORKERS.active()));
    group.bench_function("active", |b| b.iter(|| GAUGE.active()));
    group.bench_function("utilization", |b| b.iter(|| GAUGE.utilization()));
    group.bench_function("peak", |b| b.iter(|| GAUGE.peak()));
    group.bench_function("take_peak", |b| b.iter(|| GAUGE.take_peak()));
    group.bench_function("floodwall, in_use", |b| {
        b.iter(|| WALL.in_use(Kind::Message));
    });
    group.bench_function("floodwall, utilization", |b| b.iter(|| WALL.utilization()));
    group.bench_function("floodwall, snapshot", |b| b.iter(|| WALL.snapshot()));
}

criterion_group!(name = benches; config = common::criterion(); targets = gauge);
criterion_main!(benches);
