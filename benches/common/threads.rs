//! Threads that repeat a call, and the time per call on one of them.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use core_affinity::CoreId;

pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Returns the name of measurements with this number of threads.
pub fn name(threads: usize) -> String {
    match threads {
        1 => "1 thread".into(),
        _ => format!("{threads} threads"),
    }
}

/// Runs `calls` calls on each of `threads` threads concurrently, and returns the mean time per thread.
///
/// All threads start at a barrier. Each measures until it has made its own `calls`, then keeps calling
/// until the last thread has measured, so that contention is constant throughout. Threads are pinned to
/// cores: else the scheduler may run some of them on one core for a while, where they do not contend.
pub fn concurrently<R>(threads: usize, calls: u64, call: impl Fn() -> R + Sync) -> Duration {
    concurrently_with(threads, calls, || &call)
}

/// Like [`concurrently`], but each thread creates its own closure with `make`.
pub fn concurrently_with<R, C: FnMut() -> R>(
    threads: usize,
    calls: u64,
    make: impl Fn() -> C + Sync,
) -> Duration {
    let (barrier, start) = (Barrier::new(threads), OnceLock::new());
    let measuring = AtomicUsize::new(threads);
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let mut cores = cores.into_iter().cycle();
    let thread = |core: Option<CoreId>| {
        if let Some(core) = core {
            core_affinity::set_for_current(core);
        }
        let mut call = make();
        barrier.wait();
        let start = start.get_or_init(Instant::now);
        repeat(calls, &mut call);
        let time = start.elapsed();
        // ORDERING: Relaxed: only the count matters; it publishes no other data.
        measuring.fetch_sub(1, Ordering::Relaxed);
        while measuring.load(Ordering::Relaxed) > 0 {
            black_box(call());
        }
        time
    };
    let sum: Duration = thread::scope(|scope| {
        let spawn = |_| {
            let core = cores.next();
            scope.spawn(move || thread(core))
        };
        let threads: Vec<_> = (0..threads).map(spawn).collect();
        let times = threads.into_iter().map(|thread| thread.join());
        times.map(|time| time.expect("no call panics")).sum()
    });
    sum / threads as u32
}

/// Returns the time of `calls` calls on this thread while `others` threads repeat `other`.
pub fn with_background<R, O>(
    others: usize,
    other: impl Fn() -> O + Sync,
    calls: u64,
    call: impl Fn() -> R,
) -> Duration {
    let (barrier, measuring) = (Barrier::new(others + 1), AtomicBool::new(true));
    thread::scope(|scope| {
        for _ in 0..others {
            scope.spawn(|| {
                barrier.wait();
                // ORDERING: Relaxed: a stop flag; it publishes no other data.
                while measuring.load(Ordering::Relaxed) {
                    black_box(other());
                }
            });
        }
        barrier.wait();
        let start = Instant::now();
        repeat(calls, call);
        let time = start.elapsed();
        measuring.store(false, Ordering::Relaxed);
        time
    })
}

fn repeat<R>(calls: u64, mut call: impl FnMut() -> R) {
    for _ in 0..calls {
        black_box(call());
    }
}
