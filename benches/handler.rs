//! What does a permit add to a one-microsecond handler?
//!
//! Two measurements of the same handler differ by more than a permit costs. Each sample therefore
//! alternates batches in the order without, with, with, without a permit, and measures the
//! difference: a slowdown of the machine affects both. `no permit` compares the handler with itself:
//! its distance from zero shows the precision.

mod common;

use std::hint::black_box;
use std::time::Instant;

use criterion::measurement::{Measurement, ValueFormatter};
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};
use criterion::{criterion_group, criterion_main};
use crossbeam_utils::CachePadded;
use floodwall::{Bulkhead, Floodwall, Rule};
use tokio::sync::Semaphore;

use common::walls::{ALL, BELOW_RAMP, INSIDE_RAMP, Kind, PLAIN, RAMP, hold};
use common::work::{MICROSECOND, hash};
use common::{CAPACITY, FLOOR};

/// Calls per batch: much longer than a clock read, much shorter than the usual disturbances.
const BATCH: u64 = 32;

static BULKHEAD: Bulkhead = Bulkhead::new(CAPACITY);
static WALL: Floodwall<Kind> = Floodwall::new(CAPACITY, &PLAIN);
const SHED: [Rule<Kind>; 2] = [Kind::Message.rule(ALL).shed(RAMP), Kind::Login.rule(ALL)];
static BELOW: Floodwall<Kind> = Floodwall::new(CAPACITY, &SHED);
static INSIDE: Floodwall<Kind> = Floodwall::new(CAPACITY, &SHED);
static TOKIO: CachePadded<Semaphore> = CachePadded::new(Semaphore::const_new(CAPACITY as usize));

#[inline]
fn handle() -> u64 {
    hash(MICROSECOND)
}

fn handler(criterion: &mut Criterion<Extra>) {
    hold(&BELOW, Kind::Message, BELOW_RAMP);
    hold(&INSIDE, Kind::Message, INSIDE_RAMP);
    let group = &mut criterion.benchmark_group("handler");
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function("handler", |b| b.iter(handle));
    extra(group, "no permit", handle);
    extra(group, "floor", || {
        FLOOR.acquire();
        let reply = handle();
        FLOOR.release();
        reply
    });
    extra(group, "bulkhead", || BULKHEAD.call(handle));
    extra(group, "floodwall", || WALL.call(Kind::Message, handle));
    extra(group, "floodwall, below the ramp", || {
        BELOW.call(Kind::Message, handle)
    });
    extra(group, "floodwall, inside the ramp", || {
        INSIDE.call(Kind::Message, handle)
    });
    extra(group, "tokio", || {
        TOKIO.try_acquire().map(|_permit| handle())
    });
}

/// Measures how much longer `with_permit` takes than the handler: the median of many rounds, because
/// an interruption distorts one side of a round.
fn extra<R>(group: &mut BenchmarkGroup<'_, Extra>, subject: &str, with_permit: impl Fn() -> R) {
    group.bench_function(subject, |b| {
        b.iter_custom(|calls| {
            let rounds = 0..calls.div_ceil(BATCH);
            let mut extra: Vec<f64> = rounds.map(|_| round(&with_permit)).collect();
            extra.sort_by(f64::total_cmp);
            extra[extra.len() / 2] * calls as f64
        });
    });
}

/// Returns the extra nanoseconds per call with a permit, from one round of batches.
fn round<R>(with_permit: impl Fn() -> R) -> f64 {
    let without = batch(handle);
    let with = batch(&with_permit) + batch(&with_permit);
    let without = without + batch(handle);
    (with - without) / (2 * BATCH) as f64
}

/// Returns the nanoseconds that a batch takes.
fn batch<R>(call: impl Fn() -> R) -> f64 {
    let start = Instant::now();
    for _ in 0..BATCH {
        black_box(call());
    }
    start.elapsed().as_nanos() as f64
}

/// A difference in nanoseconds, which may be negative.
struct Extra;

impl Measurement for Extra {
    type Intermediate = Instant;
    type Value = f64;

    fn start(&self) -> Instant {
        Instant::now()
    }

    fn end(&self, start: Instant) -> f64 {
        start.elapsed().as_nanos() as f64
    }

    fn add(&self, a: &f64, b: &f64) -> f64 {
        a + b
    }

    fn zero(&self) -> f64 {
        0.0
    }

    /// Never returns zero, because criterion treats a zero measurement as an error.
    fn to_f64(&self, nanoseconds: &f64) -> f64 {
        nanoseconds + f64::MIN_POSITIVE
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for Extra {
    fn scale_values(&self, _typical: f64, _values: &mut [f64]) -> &'static str {
        "ns"
    }

    fn scale_throughputs(&self, _: f64, _: &Throughput, _: &mut [f64]) -> &'static str {
        unreachable!("no throughput is measured")
    }

    fn scale_for_machines(&self, _values: &mut [f64]) -> &'static str {
        "ns"
    }
}

criterion_group!(
    name = benches;
    config = common::criterion().with_measurement(Extra);
    targets = handler
);
criterion_main!(benches);
