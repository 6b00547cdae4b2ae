//! Threads that do the same again and again, and what one of them sees.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// How measurements with so many threads are called.
pub fn name(threads: usize) -> String {
    match threads {
        1 => "1 thread".into(),
        more => format!("{more} threads"),
    }
}

/// The time that one of so many threads needs for so many calls while the others call too: the mean
/// over the threads of what each saw.
///
/// They begin together, and each measures, from that moment on, until it has done its own `calls`.
/// Then it goes on calling until the last one has, so that nobody ever measures a lull.
pub fn together<R>(threads: usize, calls: u64, call: impl Fn() -> R + Sync) -> Duration {
    together_by(threads, calls, || &call)
}

/// The same, where each thread makes what it calls.
pub fn together_by<R, C: FnMut() -> R>(
    threads: usize,
    calls: u64,
    make: impl Fn() -> C + Sync,
) -> Duration {
    let (barrier, start) = (Barrier::new(threads), OnceLock::new());
    let measuring = AtomicUsize::new(threads);
    let thread = || {
        let mut call = make();
        barrier.wait();
        let start = start.get_or_init(Instant::now);
        repeat(calls, &mut call);
        let time = start.elapsed();
        // ORDERING: Relaxed here, for what is counted orders nothing.
        measuring.fetch_sub(1, Ordering::Relaxed);
        while measuring.load(Ordering::Relaxed) > 0 {
            black_box(call());
        }
        time
    };
    let sum: Duration = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(thread)).collect();
        let times = threads.into_iter().map(|thread| thread.join());
        times.map(|time| time.expect("nothing here panics")).sum()
    });
    sum / threads as u32
}

/// The time that this thread needs for so many calls while so many others do something else.
pub fn beside<R, O>(
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
                // ORDERING: Relaxed here, as in `together`.
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
