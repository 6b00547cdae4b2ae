//! How many instructions does an operation take? This does one of them so many times, and nothing
//! else; `.ci/instructions` counts under valgrind, and fails where there are more than
//! `instructions.toml` allows.
//!
//! ```text
//! instructions                    the names of the operations
//! instructions OPERATION COUNT    does it so often
//! ```

use std::env;
use std::hint::black_box;
use std::mem::forget;

use floodwall::{AdmitOptions, Bulkhead, Class, Curve, Draw, Floodwall, Gauge, Rule, Share};
use floodwall::{ShardedBulkhead, WorkerGauge};

/// Its name, and what does it so often.
type Operation = (&'static str, fn(u64));

const OPERATIONS: &[Operation] = &[
    ("nothing", |times| repeat(times, || ())),
    ("bulkhead, take", |times| {
        static BULKHEAD: Bulkhead = Bulkhead::new(u32::MAX);
        repeat(times, || forget(BULKHEAD.try_acquire()));
    }),
    ("bulkhead, take and give back", |times| {
        static BULKHEAD: Bulkhead = Bulkhead::new(CAPACITY);
        repeat(times, || drop(BULKHEAD.try_acquire()));
    }),
    ("bulkhead, reject", |times| {
        static BULKHEAD: Bulkhead = Bulkhead::new(CAPACITY);
        forget(BULKHEAD.try_acquire_many(CAPACITY));
        repeat(times, || is_err(BULKHEAD.try_acquire()));
    }),
    ("floodwall, 2 classes", |times| {
        static WALL: Floodwall<Of<2, 0>> = wall(ALL, Curve::NEVER);
        repeat(times, || drop(WALL.admit(Of)));
    }),
    ("floodwall, 8 classes", |times| {
        static WALL: Floodwall<Of<8, 1>> = wall(ALL, Curve::NEVER);
        repeat(times, || drop(WALL.admit(Of)));
    }),
    ("floodwall, below the ramp", |times| {
        static WALL: Floodwall<Of<2, 2>> = wall(ALL, RAMP);
        hold(&WALL, BELOW_RAMP);
        repeat(times, || drop(WALL.admit(Of)));
    }),
    ("floodwall, inside the ramp", |times| {
        static WALL: Floodwall<Of<2, 3>> = wall(ALL, RAMP);
        hold(&WALL, INSIDE_RAMP);
        repeat(times, || drop(WALL.admit(Of)));
    }),
    ("floodwall, reject: class full", |times| {
        static WALL: Floodwall<Of<2, 4>> = wall(Share::at_most(1), Curve::NEVER);
        hold(&WALL, 1);
        repeat(times, || is_err(WALL.admit(Of)));
    }),
    ("floodwall, reject: pool full", |times| {
        static WALL: Floodwall<Of<2, 5>> = wall(Share::at_least(0), Curve::NEVER);
        hold(&WALL, CAPACITY);
        repeat(times, || is_err(WALL.admit(Of)));
    }),
    ("floodwall, reject: shed", |times| {
        static WALL: Floodwall<Of<2, 6>> = wall(ALL, Curve::ALWAYS);
        repeat(times, || is_err(WALL.admit(Of)));
    }),
    ("sharded, take and give back", |times| {
        static SHARDED: ShardedBulkhead<8> = ShardedBulkhead::new(CAPACITY);
        repeat(times, || drop(SHARDED.try_acquire()));
    }),
    ("sharded, reject", |times| {
        static SHARDED: ShardedBulkhead<8> = ShardedBulkhead::new(CAPACITY);
        repeat(CAPACITY.into(), || forget(SHARDED.try_acquire()));
        repeat(times, || is_err(SHARDED.try_acquire()));
    }),
    ("gauge by worker, enter and leave", |times| {
        static GAUGE: WorkerGauge<1> = WorkerGauge::new(CAPACITY);
        let mut worker = GAUGE.register().expect("a place");
        repeat(times, || drop(worker.enter()));
    }),
    ("gauge, enter and leave", |times| {
        static GAUGE: Gauge = Gauge::new(CAPACITY);
        repeat(times, || drop(GAUGE.enter()));
    }),
];

const CAPACITY: u32 = 100;
const ALL: Share = Share::at_most(CAPACITY);

/// Begins just below 0.61, and sheds one in two thousand where 61 of 100 permits are in use.
const RAMP: Curve = Curve::linear(0.6098, 1.0);
const BELOW_RAMP: u32 = 50;
const INSIDE_RAMP: u32 = 61;

/// The first of `COUNT` classes. Each operation has a type of its own, so that what the compiler makes
/// of one has nothing to do with the others.
#[derive(Clone, Copy)]
struct Of<const COUNT: usize, const OPERATION: usize>;

const NAMES: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h"];

impl<const COUNT: usize, const OPERATION: usize> Class for Of<COUNT, OPERATION> {
    const NAMES: &'static [&'static str] = NAMES.split_at(COUNT).0;

    #[inline]
    fn index(self) -> usize {
        0
    }
}

/// A wall whose first class has this share and this curve; the others may have all.
const fn wall<const COUNT: usize, const OPERATION: usize>(
    first: Share,
    curve: Curve,
) -> Floodwall<Of<COUNT, OPERATION>> {
    let mut rules = [Rule::for_index(0, first).shed(curve); COUNT];
    let mut class = 1;
    while class < COUNT {
        rules[class] = Rule::for_index(class, ALL);
        class += 1;
    }
    Floodwall::new(CAPACITY, &rules)
}

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let Some((wanted, times)) = arguments.iter().zip(arguments.get(1)).next() else {
        OPERATIONS.iter().for_each(|(name, _)| println!("{name}"));
        return;
    };
    let operation = OPERATIONS.iter().find(|(name, _)| name == wanted);
    let (_, run) = operation.expect("there is an operation of that name");
    run(times.parse().expect("a count"));
}

#[inline(always)]
fn repeat<R>(times: u64, mut operation: impl FnMut() -> R) {
    for _ in 0..times {
        black_box(operation());
    }
}

/// Whether it was an error, for someone who reads the error.
#[inline(always)]
fn is_err<T, E>(result: Result<T, E>) -> bool {
    match result {
        Ok(_) => false,
        Err(error) => {
            black_box(&error);
            true
        }
    }
}

/// Holds so many permits for good, whatever the curve says.
fn hold<const COUNT: usize, const OPERATION: usize>(
    wall: &Floodwall<Of<COUNT, OPERATION>>,
    permits: u32,
) {
    let ask = AdmitOptions::new()
        .permits(permits)
        .draw(Draw::from(u32::MAX));
    forget(wall.admit_with(Of, ask).expect("there is room"));
}
