//! How many instructions does an operation take? This program repeats one operation and does nothing
//! else. `.ci/instructions` counts its instructions under valgrind, and fails if an operation exceeds
//! its budget in `instructions.toml`.
//!
//! ```text
//! instructions                    lists the operations
//! instructions OPERATION COUNT    repeats an operation COUNT times
//! ```

use std::env;
use std::hint::black_box;
use std::mem::forget;

use floodwall::{AdmitOptions, Bulkhead, Class, Curve, Draw, Floodwall, Gauge, Rejection, Rule};
use floodwall::{ShardedBulkhead, Share, WorkerGauge};

/// The name of an operation, and a function that repeats it.
type Operation = (&'static str, fn(u64));

/// Each asserts that it did what its name says, outside of the loop.
const OPERATIONS: &[Operation] = &[
    ("nothing", |times| repeat(times, || ())),
    ("bulkhead, acquire", |times| {
        static BULKHEAD: Bulkhead = Bulkhead::new(u32::MAX);
        assert!(BULKHEAD.try_acquire().is_ok());
        repeat(times, || forget(BULKHEAD.try_acquire()));
    }),
    ("bulkhead, acquire and release", |times| {
        static BULKHEAD: Bulkhead = Bulkhead::new(CAPACITY);
        assert!(BULKHEAD.try_acquire().is_ok());
        repeat(times, || drop(BULKHEAD.try_acquire()));
    }),
    ("bulkhead, reject", |times| {
        static BULKHEAD: Bulkhead = Bulkhead::new(CAPACITY);
        forget(BULKHEAD.try_acquire_many(CAPACITY));
        assert!(BULKHEAD.try_acquire().is_err());
        repeat(times, || is_err(BULKHEAD.try_acquire()));
    }),
    ("floodwall, 2 classes", |times| {
        static WALL: Floodwall<FirstOf<2, 0>> = wall(ALL, Curve::NEVER);
        repeat(times, || drop(WALL.admit(FirstOf)));
        assert!(WALL.snapshot()[FirstOf].admitted > times / 2);
    }),
    ("floodwall, 8 classes", |times| {
        static WALL: Floodwall<FirstOf<8, 1>> = wall(ALL, Curve::NEVER);
        repeat(times, || drop(WALL.admit(FirstOf)));
        assert!(WALL.snapshot()[FirstOf].admitted > times / 2);
    }),
    ("floodwall, below the ramp", |times| {
        static WALL: Floodwall<FirstOf<2, 2>> = wall(ALL, RAMP);
        hold(&WALL, BELOW_RAMP);
        repeat(times, || drop(WALL.admit(FirstOf)));
        assert!(WALL.snapshot()[FirstOf].admitted > times / 2);
    }),
    ("floodwall, inside the ramp", |times| {
        static WALL: Floodwall<FirstOf<2, 3>> = wall(ALL, RAMP);
        hold(&WALL, INSIDE_RAMP);
        repeat(times, || drop(WALL.admit(FirstOf)));
        assert!(WALL.snapshot()[FirstOf].admitted > times / 2);
    }),
    ("floodwall, reject: class full", |times| {
        static WALL: Floodwall<FirstOf<2, 4>> = wall(Share::at_most(1), Curve::NEVER);
        hold(&WALL, 1);
        repeat(times, || is_err(WALL.admit(FirstOf)));
        assert_eq!(WALL.snapshot()[FirstOf].rejected(), times);
    }),
    ("floodwall, reject: pool full", |times| {
        static WALL: Floodwall<FirstOf<2, 5>> = wall(Share::at_least(0), Curve::NEVER);
        hold(&WALL, CAPACITY);
        repeat(times, || is_err(WALL.admit(FirstOf)));
        assert_eq!(WALL.snapshot()[FirstOf].rejected(), times);
    }),
    ("floodwall, reject: shed", |times| {
        static WALL: Floodwall<FirstOf<2, 6>> = wall(ALL, Curve::ALWAYS);
        repeat(times, || is_err(WALL.admit(FirstOf)));
        assert_eq!(WALL.snapshot()[FirstOf].rejected(), times);
    }),
    ("sharded, acquire and release", |times| {
        static SHARDED: ShardedBulkhead<8> = ShardedBulkhead::new(CAPACITY);
        assert!(SHARDED.try_acquire().is_ok());
        repeat(times, || drop(SHARDED.try_acquire()));
    }),
    ("sharded, reject", |times| {
        static SHARDED: ShardedBulkhead<8> = ShardedBulkhead::new(CAPACITY);
        repeat(CAPACITY.into(), || forget(SHARDED.try_acquire()));
        assert!(SHARDED.try_acquire().is_err());
        repeat(times, || is_err(SHARDED.try_acquire()));
    }),
    ("worker gauge, enter and drop", |times| {
        static GAUGE: WorkerGauge<1> = WorkerGauge::new(CAPACITY);
        let mut worker = GAUGE.register().expect("a slot is free");
        repeat(times, || drop(worker.enter()));
    }),
    ("gauge, enter and drop", |times| {
        static GAUGE: Gauge = Gauge::new(CAPACITY);
        repeat(times, || drop(GAUGE.enter()));
    }),
];

const CAPACITY: u32 = 100;
const ALL: Share = Share::at_most(CAPACITY);

/// Begins just below 0.61, and sheds one request in two thousand with 61 of 100 permits in use.
const RAMP: Curve = Curve::linear(0.6098, 1.0);
const BELOW_RAMP: u32 = 50;
const INSIDE_RAMP: u32 = 61;

/// The first of `COUNT` classes. Each operation has its own type, so that it is compiled independently
/// of the others.
#[derive(Clone, Copy)]
struct FirstOf<const COUNT: usize, const OPERATION: usize>;

const NAMES: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h"];

impl<const COUNT: usize, const OPERATION: usize> Class for FirstOf<COUNT, OPERATION> {
    const NAMES: &'static [&'static str] = NAMES.split_at(COUNT).0;
    const ALL: &'static [Self] = &[FirstOf; COUNT];

    #[inline]
    fn index(self) -> usize {
        0
    }
}

/// Creates a wall whose first class has this share and this curve; the others may use all permits.
const fn wall<const COUNT: usize, const OPERATION: usize>(
    first: Share,
    curve: Curve,
) -> Floodwall<FirstOf<COUNT, OPERATION>> {
    let mut rules = [Rule::for_index(0, first).shed(curve); COUNT];
    let mut class = 1;
    while class < COUNT {
        rules[class] = Rule::for_index(class, ALL);
        class += 1;
    }
    Floodwall::new(CAPACITY, &rules)
}

/// Call sites of `admit`. `.ci/instructions` measures the size of their machine code.
#[inline(never)]
fn call_site_with_2_classes(wall: &Floodwall<FirstOf<2, 15>>) -> u64 {
    handle(wall)
}

#[inline(never)]
fn call_site_with_4_classes(wall: &Floodwall<FirstOf<4, 16>>) -> u64 {
    handle(wall)
}

#[inline(never)]
fn call_site_with_8_classes(wall: &Floodwall<FirstOf<8, 17>>) -> u64 {
    handle(wall)
}

#[inline(always)]
fn handle<C: Class>(wall: &Floodwall<C>) -> u64 {
    match wall.admit(C::ALL[0]) {
        Ok(_permit) => work(),
        Err(rejection) => reject(&rejection),
    }
}

#[inline(never)]
fn work() -> u64 {
    black_box(0)
}

#[inline(never)]
fn reject(rejection: &Rejection) -> u64 {
    black_box(rejection).requested.into()
}

fn main() {
    // So that they are compiled.
    black_box(call_site_with_2_classes as fn(_) -> _);
    black_box(call_site_with_4_classes as fn(_) -> _);
    black_box(call_site_with_8_classes as fn(_) -> _);
    let arguments: Vec<_> = env::args().skip(1).collect();
    let Some((requested, times)) = arguments.iter().zip(arguments.get(1)).next() else {
        OPERATIONS.iter().for_each(|(name, _)| println!("{name}"));
        return;
    };
    let operation = OPERATIONS.iter().find(|(name, _)| name == requested);
    let (_, run) = operation.expect("the operation exists");
    run(times.parse().expect("a count"));
}

#[inline(always)]
fn repeat<R>(times: u64, mut operation: impl FnMut() -> R) {
    for _ in 0..times {
        black_box(operation());
    }
}

/// Returns `true` for an error, and makes the compiler produce the error value.
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

/// Acquires `permits` permits and never releases them. Uses the sample that curves shed last.
fn hold<const COUNT: usize, const OPERATION: usize>(
    wall: &Floodwall<FirstOf<COUNT, OPERATION>>,
    permits: u32,
) {
    let options = AdmitOptions::new()
        .permits(permits)
        .draw(Draw::from(u32::MAX));
    forget(
        wall.admit_with(FirstOf, options)
            .expect("the permits are free"),
    );
}
