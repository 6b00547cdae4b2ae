//! What the benches share: durations, the capacity, the floor and the peers.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each bench includes this module and uses a part of it"
)]

pub mod peers;
pub mod threads;
pub mod walls;
pub mod work;

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode};
use crossbeam_utils::CachePadded;

/// Permits of every subject, unless a bench states otherwise.
pub const CAPACITY: u32 = 100;

/// Durations per subject.
const WARM_UP: Duration = Duration::from_millis(500);
const MEASUREMENT: Duration = Duration::from_secs(2);

/// Enough for the reported medians; criterion's default takes longer without a better result.
const RESAMPLES: usize = 20_000;

pub fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(WARM_UP)
        .measurement_time(MEASUREMENT)
        .nresamples(RESAMPLES)
}

/// Takes few, long samples, so that threads that share a core switch often within each.
pub fn measure_in_long_samples(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
}

/// Two read-modify-writes of a counter alone on its cache line: the minimum work of a permit on one
/// shared counter.
pub static FLOOR: Floor = Floor(CachePadded::new(AtomicU64::new(0)));

pub struct Floor(CachePadded<AtomicU64>);

impl Floor {
    #[inline]
    pub fn acquire(&self) {
        self.0.fetch_add(1, Ordering::Acquire);
    }

    #[inline]
    pub fn release(&self) {
        self.0.fetch_sub(1, Ordering::Release);
    }

    #[inline]
    pub fn acquire_and_release(&self) {
        self.acquire();
        self.release();
    }
}

/// Returns `true` for an error, and makes the compiler produce the error value.
#[inline(always)]
pub fn is_err<T, E>(result: Result<T, E>) -> bool {
    match result {
        Ok(_) => false,
        Err(error) => {
            black_box(&error);
            true
        }
    }
}

/// Returns `true` for `None`.
#[inline(always)]
pub fn is_none<T>(option: Option<T>) -> bool {
    is_err(option.ok_or(()))
}
