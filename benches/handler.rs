//! What does a permit add to a handler that works for a microsecond?
//!
//! A few nanoseconds in a microsecond are less than what two measurements of the same thing differ
//! by. So each sample runs the handler with and without a permit by turns, in the order without,
//! with, with, without, and what is measured is the difference: what slows the machine down slows
//! both. `nothing` is the handler beside itself: how far from zero that comes out is how exactly all
//! this is known.

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

/// Calls in a turn: much longer than reading the clock, much shorter than what disturbs a machine.
const TURN: u64 = 32;

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
    extra(group, "nothing", handle);
    extra(group, "floor", || {
        FLOOR.take();
        let reply = handle();
        FLOOR.give_back();
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

/// Measures what `under` takes longer than the handler does: the median of many rounds, since what
/// interrupts a round falls on one side of it.
fn extra<R>(group: &mut BenchmarkGroup<'_, Extra>, subject: &str, under: impl Fn() -> R) {
    group.bench_function(subject, |b| {
        b.iter_custom(|calls| {
            let rounds = 0..calls.div_ceil(TURN);
            let mut extra: Vec<f64> = rounds.map(|_| round(&under)).collect();
            extra.sort_by(f64::total_cmp);
            extra[extra.len() / 2] * calls as f64
        });
    });
}

/// What a call under a permit took longer, in one round of turns.
fn round<R>(under: impl Fn() -> R) -> f64 {
    let without = turn(handle);
    let with = turn(&under) + turn(&under);
    let without = without + turn(handle);
    (with - without) / (2 * TURN) as f64
}

/// How many nanoseconds a turn takes.
fn turn<R>(call: impl Fn() -> R) -> f64 {
    let start = Instant::now();
    for _ in 0..TURN {
        black_box(call());
    }
    start.elapsed().as_nanos() as f64
}

/// Nanoseconds of which there may be less than none.
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

    /// A difference can be zero, which criterion takes for a mistake.
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
