//! What one take and give-back costs, and what one rejection costs, on one thread: beside the floor,
//! which is one `fetch_add` and one `fetch_sub` on a padded counter, and beside tokio's semaphore.
//!
//! Ends with a table of medians and their ratios to the floor.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use crossbeam_utils::CachePadded;
use floodwall::{Ask, Bulkhead, Curve, Floodwall, Permit, Share, classes};
use serde::Deserialize;
use tokio::sync::Semaphore;

const GROUP: &str = "primitives";
const FLOOR: &str = "floor";

classes! { enum Two { First, Second } }
classes! { enum Four { First, Second, Third, Fourth } }
classes! { enum Eight { First, Second, Third, Fourth, Fifth, Sixth, Seventh, Eighth } }

/// Fine enough for a utilization that lies just inside a ramp.
const CAPACITY: u32 = 10_000;
const FREE: Share = Share::at_most(CAPACITY);

static COUNTER: CachePadded<AtomicU64> = CachePadded::new(AtomicU64::new(0));
static BULKHEAD: Bulkhead = Bulkhead::new(CAPACITY);
static FULL_BULKHEAD: Bulkhead = Bulkhead::new(0);
static SEMAPHORE: Semaphore = Semaphore::const_new(CAPACITY as usize);
static FULL_SEMAPHORE: Semaphore = Semaphore::const_new(0);

static TWO: Floodwall<Two> =
    Floodwall::new(CAPACITY, &[Two::First.rule(FREE), Two::Second.rule(FREE)]);

static FOUR: Floodwall<Four> = Floodwall::new(
    CAPACITY,
    &[
        Four::First.rule(FREE),
        Four::Second.rule(FREE),
        Four::Third.rule(FREE),
        Four::Fourth.rule(FREE),
    ],
);

const EIGHTH: Share = Share::at_most(100);
static EIGHT: Floodwall<Eight> = Floodwall::new(
    100,
    &[
        Eight::First.rule(EIGHTH),
        Eight::Second.rule(EIGHTH),
        Eight::Third.rule(EIGHTH),
        Eight::Fourth.rule(EIGHTH),
        Eight::Fifth.rule(EIGHTH),
        Eight::Sixth.rule(EIGHTH),
        Eight::Seventh.rule(EIGHTH),
        Eight::Eighth.rule(EIGHTH),
    ],
);

const RAMP: Curve = Curve::linear(0.6, 0.8);
static BELOW_RAMP: Floodwall<Two> = Floodwall::new(
    CAPACITY,
    &[Two::First.rule(FREE).shed(RAMP), Two::Second.rule(FREE)],
);
static INSIDE_RAMP: Floodwall<Two> = Floodwall::new(
    CAPACITY,
    &[Two::First.rule(FREE).shed(RAMP), Two::Second.rule(FREE)],
);
static REJECTING: Floodwall<Two> = Floodwall::new(
    CAPACITY,
    &[
        Two::First.rule(Share::at_least(1)).shed(Curve::ALWAYS),
        Two::Second.rule(Share::at_most(0)),
    ],
);

fn main() {
    let mut criterion = Criterion::default()
        .output_directory(&results())
        .configure_from_args();
    let mut group = criterion.benchmark_group(GROUP);
    take_and_give_back(&mut group);
    reject(&mut group);
    group.finish();
    criterion.final_summary();
    print_ratios();
}

fn take_and_give_back(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.bench_function(FLOOR, |b| {
        b.iter(|| {
            COUNTER.fetch_add(1, Ordering::Acquire);
            COUNTER.fetch_sub(1, Ordering::Release);
        });
    });
    group.bench_function("bulkhead", |b| b.iter(|| drop(BULKHEAD.try_acquire())));
    group.bench_function("tokio", |b| b.iter(|| drop(SEMAPHORE.try_acquire())));
    group.bench_function("floodwall, 2 classes", |b| {
        b.iter(|| drop(TWO.admit(Two::First)));
    });
    group.bench_function("floodwall, 4 classes", |b| {
        b.iter(|| drop(FOUR.admit(Four::First)));
    });
    group.bench_function("floodwall, 8 classes", |b| {
        b.iter(|| drop(EIGHT.admit(Eight::First)));
    });
    group.bench_function("floodwall, below the ramp", |b| {
        let _held = hold(&BELOW_RAMP, 5_000);
        b.iter(|| drop(BELOW_RAMP.admit(Two::First)));
    });
    group.bench_function("floodwall, inside the ramp", |b| {
        // Rejects one in two thousand: every admission draws, and nearly all pass.
        let _held = hold(&INSIDE_RAMP, 6_001);
        b.iter(|| drop(INSIDE_RAMP.admit(Two::First)));
    });
}

fn reject(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.bench_function("rejected by bulkhead", |b| {
        b.iter(|| black_box(FULL_BULKHEAD.try_acquire()).is_err());
    });
    group.bench_function("rejected by tokio", |b| {
        b.iter(|| black_box(FULL_SEMAPHORE.try_acquire()).is_err());
    });
    group.bench_function("rejected by floodwall, class full", |b| {
        b.iter(|| black_box(REJECTING.admit(Two::Second)).is_err());
    });
    let _held = hold(&REJECTING, 1);
    group.bench_function("rejected by floodwall, shed", |b| {
        b.iter(|| black_box(REJECTING.admit(Two::First)).is_err());
    });
    REJECTING.set_capacity(1).expect("one guarantee of one");
    group.bench_function("rejected by floodwall, pool full", |b| {
        b.iter(|| black_box(REJECTING.admit(Two::First)).is_err());
    });
}

/// Holds permits of the wall's first class, beyond the reach of its curve.
fn hold(wall: &Floodwall<Two>, permits: u32) -> Permit<'_> {
    let ask = Ask::new().permits(permits).draw(u32::MAX.into());
    wall.admit_with(Two::First, ask).expect("the wall is empty")
}

/// Reads back what criterion found: medians, cheapest first, and their ratios to the floor.
fn print_ratios() {
    let Ok(folders) = fs::read_dir(results().join(GROUP)) else {
        return; // Only listed, or tested: nothing was measured.
    };
    let mut medians: Vec<(String, f64)> = folders
        .filter_map(|folder| median(&folder.ok()?.path()))
        .collect();
    medians.sort_by(|a, b| a.1.total_cmp(&b.1));
    let Some(&(_, floor)) = medians.iter().find(|(subject, _)| subject == FLOOR) else {
        return;
    };
    println!(
        "{:<36}{:>10}{:>14}",
        "median of one thread", "ns", "of the floor"
    );
    for (subject, median) in medians {
        println!("{subject:<36}{median:>10.2}{:>14.2}", median / floor);
    }
}

/// The name and the median, in nanoseconds, of the subject whose results lie in this folder.
fn median(folder: &Path) -> Option<(String, f64)> {
    #[derive(Deserialize)]
    struct Estimates {
        median: Estimate,
    }
    #[derive(Deserialize)]
    struct Estimate {
        point_estimate: f64,
    }
    let estimates = fs::read(folder.join("new/estimates.json")).ok()?;
    let estimates: Estimates = serde_json::from_slice(&estimates).ok()?;
    let subject = folder.file_name()?.to_str()?.to_owned();
    Some((subject, estimates.median.point_estimate))
}

fn results() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../criterion")
}
