//! Checks that work done under a permit happens before the next permit is acquired, and before a
//! thread observes that no permit is in use.
//!
//! The data are plain. Under ThreadSanitizer (`.ci/sanitize`), an unordered access is reported.
//! Without it, a lost update shows.
#![allow(
    unsafe_code,
    reason = "only permits order the accesses to the plain data"
)]

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, ScopedJoinHandle};

/// A counter without synchronization.
pub struct PlainCounter(UnsafeCell<u32>);

// SAFETY: a thread that calls `add_one` holds the only permit, or has observed that none is in use.
// The tests check that this excludes all other threads.
unsafe impl Sync for PlainCounter {}

impl PlainCounter {
    pub const fn new() -> Self {
        PlainCounter(UnsafeCell::new(0))
    }

    pub fn add_one(&self) {
        // SAFETY: the caller has exclusive access, as stated at `Sync`.
        unsafe { *self.0.get() += 1 }
    }

    pub fn into_inner(self) -> u32 {
        self.0.into_inner()
    }
}

const THREADS: u32 = 4;
const VISITS: u32 = 50_000;
const CLOSINGS: u32 = 2_000;
/// How often `assert_guard_publishes` and tests like it enter.
pub const ENTRIES: u32 = 200;

/// Counts under the only permit until `is_done`, in `count` and in `visits`, which orders nothing.
fn visit_until<P>(
    is_done: impl Fn() -> bool,
    enter: impl Fn() -> Option<P>,
    count: &PlainCounter,
    visits: &AtomicU32,
) {
    while !is_done() {
        if let Some(_permit) = enter() {
            count.add_one();
            visits.fetch_add(1, Ordering::Relaxed);
        } else {
            thread::yield_now();
        }
    }
}

pub fn yield_while(condition: impl Fn() -> bool) {
    while condition() {
        thread::yield_now();
    }
}

/// Joins all threads. The end of the scope waits for them as well, but ThreadSanitizer does not see
/// the synchronization of that.
pub fn join(threads: Vec<ScopedJoinHandle<'_, ()>>) {
    for thread in threads {
        thread.join().expect("no thread panics");
    }
}

/// Checks that `enter`, called with a thread's number, admits one thread at a time.
pub fn assert_excludes<P>(enter: impl Fn(u32) -> Option<P> + Sync) {
    let (count, visits) = (PlainCounter::new(), AtomicU32::new(0));
    let is_done = || visits.load(Ordering::Relaxed) >= VISITS;
    let work = |thread| visit_until(is_done, || enter(thread), &count, &visits);
    let work = &work;
    thread::scope(|scope| {
        let spawn = |thread| scope.spawn(move || work(thread));
        join((0..THREADS).map(spawn).collect());
    });
    assert_eq!(count.into_inner(), visits.into_inner());
}

/// Checks that a thread which has called `close` and observed `in_use() == 0` is alone.
///
/// One thread closes, waits until no permit is in use, counts, opens, and waits for a visit. Two threads
/// count under the permit.
pub fn assert_drains<P>(
    enter: impl Fn() -> Option<P> + Sync,
    close: impl Fn(),
    open: impl Fn(),
    in_use: impl Fn() -> u32,
) {
    let (count, visits) = (PlainCounter::new(), AtomicU32::new(0));
    let is_done = AtomicBool::new(false);
    let work = || visit_until(|| is_done.load(Ordering::Relaxed), &enter, &count, &visits);
    thread::scope(|scope| {
        let threads = vec![scope.spawn(work), scope.spawn(work)];
        for _ in 0..CLOSINGS {
            close();
            yield_while(|| in_use() > 0);
            count.add_one();
            let before = visits.load(Ordering::Relaxed);
            open();
            yield_while(|| visits.load(Ordering::Relaxed) == before);
        }
        is_done.store(true, Ordering::Relaxed);
        join(threads);
    });
    assert_eq!(count.into_inner(), CLOSINGS + visits.into_inner());
}

/// Checks that work under a guard happens before `active() == 0` is observed.
///
/// A thread per guard counts under it and drops it. This thread counts after it observes 0.
pub fn assert_guard_publishes<G: Send>(enter: impl Fn() -> G, active: impl Fn() -> u32) {
    let count = PlainCounter::new();
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for _ in 0..ENTRIES {
            let (guard, count) = (enter(), &count);
            threads.push(scope.spawn(move || {
                let _guard = guard;
                count.add_one();
            }));
            yield_while(|| active() > 0);
            count.add_one();
        }
        join(threads);
    });
    assert_eq!(count.into_inner(), 2 * ENTRIES);
}
