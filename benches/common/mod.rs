//! What every question needs: how long to measure, how many permits, and what is asked in several.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each bench includes it, and needs a part"
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

/// What the subjects of every group hand out at the most.
pub const CAPACITY: u32 = 100;

/// How long each subject is measured, everywhere.
const WARM_UP: Duration = Duration::from_millis(500);
const MEASUREMENT: Duration = Duration::from_secs(2);

/// Enough for the medians that are reported; the default costs more time than it adds.
const RESAMPLES: usize = 20_000;

pub fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(WARM_UP)
        .measurement_time(MEASUREMENT)
        .nresamples(RESAMPLES)
}

/// Threads that take turns on a core must take many: few samples, all of them long.
pub fn measure_in_long_samples(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
}

/// No permit can cost less than two read-modify-writes of one counter that is alone on its line.
pub static FLOOR: Floor = Floor(CachePadded::new(AtomicU64::new(0)));

pub struct Floor(CachePadded<AtomicU64>);

impl Floor {
    #[inline]
    pub fn take(&self) {
        self.0.fetch_add(1, Ordering::Acquire);
    }

    #[inline]
    pub fn give_back(&self) {
        self.0.fetch_sub(1, Ordering::Release);
    }

    #[inline]
    pub fn take_and_give_back(&self) {
        self.take();
        self.give_back();
    }
}

/// Whether it was an error, for someone who reads the error.
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

/// Whether there was nothing, which is all that there is to read.
#[inline(always)]
pub fn is_none<T>(option: Option<T>) -> bool {
    is_err(option.ok_or(()))
}
