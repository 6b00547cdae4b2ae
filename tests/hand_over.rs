//! What is done under a permit is there for whoever gets it next, and for whoever has seen it gone.
//!
//! The data are plain. ThreadSanitizer, under which `.ci/sanitize` runs this, reports whoever touches
//! them without an order; without it, an update that is lost would show.
#![cfg(feature = "std")]
#![allow(unsafe_code, reason = "plain data that threads share by permits alone")]

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, ScopedJoinHandle};

use floodwall::{Bulkhead, Floodwall, Gauge, ShardedBulkhead, Share, WorkerGauge, classes};

classes! { enum Kind { Message, Login } }

struct Count(UnsafeCell<u32>);

// SAFETY: whoever touches it holds the only permit, or has seen that there is none. That this excludes
// all others is what is tested.
unsafe impl Sync for Count {}

impl Count {
    const fn new() -> Self {
        Count(UnsafeCell::new(0))
    }

    fn add_one(&self) {
        // SAFETY: as above.
        unsafe { *self.0.get() += 1 }
    }

    fn into_inner(self) -> u32 {
        self.0.into_inner()
    }
}

const THREADS: u32 = 4;
const VISITS: u32 = 50_000;
const CHANGES: u32 = 2_000;

/// Counts under the only permit, until it is enough; and how often, where no order comes of it.
fn visit<P>(
    enter: impl Fn() -> Option<P>,
    count: &Count,
    visits: &AtomicU32,
    is_enough: impl Fn() -> bool,
) {
    while !is_enough() {
        if let Some(_permit) = enter() {
            count.add_one();
            visits.fetch_add(1, Ordering::Relaxed);
        } else {
            thread::yield_now();
        }
    }
}

/// Waits for all of them. The end of a scope would too, but in a way that the sanitizer cannot see.
fn join(threads: Vec<ScopedJoinHandle<'_, ()>>) {
    for thread in threads {
        thread.join().expect("none panics");
    }
}

/// Many threads count under the only permit.
fn assert_excludes<P>(enter: impl Fn(u32) -> Option<P> + Sync) {
    let (count, visits) = (Count::new(), AtomicU32::new(0));
    let is_enough = || visits.load(Ordering::Relaxed) >= VISITS;
    let work = |thread| visit(|| enter(thread), &count, &visits, is_enough);
    let work = &work;
    thread::scope(|scope| {
        let spawn = |thread| scope.spawn(move || work(thread));
        join((0..THREADS).map(spawn).collect());
    });
    assert_eq!(count.into_inner(), visits.into_inner());
}

/// One thread closes, waits until nobody is in, counts, opens again, and waits until somebody was in.
/// Others count when they are in.
fn assert_drains<P>(
    enter: impl Fn() -> Option<P> + Sync,
    set_limit: impl Fn(u32),
    in_use: impl Fn() -> u32,
) {
    let (count, visits) = (Count::new(), AtomicU32::new(0));
    let is_over = AtomicBool::new(false);
    let work = || visit(&enter, &count, &visits, || is_over.load(Ordering::Relaxed));
    let wait_while = |goes_on: &dyn Fn() -> bool| {
        while goes_on() {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        let threads = vec![scope.spawn(work), scope.spawn(work)];
        for _ in 0..CHANGES {
            set_limit(0);
            wait_while(&|| in_use() > 0);
            count.add_one();
            let before = visits.load(Ordering::Relaxed);
            set_limit(1);
            wait_while(&|| visits.load(Ordering::Relaxed) == before);
        }
        is_over.store(true, Ordering::Relaxed);
        join(threads);
    });
    assert_eq!(count.into_inner(), CHANGES + visits.into_inner());
}

const SHARED: Share = Share::at_most(1);

fn wall_of_one() -> Floodwall<Kind> {
    Floodwall::new(1, &[Kind::Message.rule(SHARED), Kind::Login.rule(SHARED)])
}

#[test]
fn a_bulkhead_of_one_is_a_try_lock() {
    let room = Bulkhead::new(1);
    assert_excludes(|_| room.try_acquire().ok());
}

#[test]
fn a_wall_of_one_is_a_try_lock_for_all_classes() {
    let wall = wall_of_one();
    assert_excludes(|thread| {
        let class = if thread % 2 == 0 {
            Kind::Message
        } else {
            Kind::Login
        };
        wall.admit(class).ok()
    });
}

#[test]
fn a_bulkhead_that_was_drained_is_left() {
    let room = Bulkhead::new(1);
    assert_drains(
        || room.try_acquire().ok(),
        |limit| room.set_limit(limit),
        || room.in_use(),
    );
}

#[test]
fn a_wall_that_was_drained_is_left() {
    let wall = wall_of_one();
    assert_drains(
        || wall.admit(Kind::Login).ok(),
        |capacity| {
            wall.set_capacity(capacity)
                .expect("there are no guarantees")
        },
        || wall.in_use(Kind::Login),
    );
}

#[test]
fn the_last_permit_of_several_shards_is_a_try_lock() {
    let room = ShardedBulkhead::<2>::new(16);
    let _others = [(); 15].map(|()| room.try_acquire().unwrap());
    assert_excludes(|thread| room.shard(thread as usize).try_acquire().ok());
}

/// One thread after another enters and counts; whoever sees that nobody is in, counts too.
fn assert_is_left<G: Send>(enter: impl Fn() -> G, active: impl Fn() -> u32) {
    let count = Count::new();
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for _ in 0..CHANGES / 10 {
            let (guard, count) = (enter(), &count);
            threads.push(scope.spawn(move || {
                let _guard = guard;
                count.add_one();
            }));
            while active() > 0 {
                thread::yield_now();
            }
            count.add_one();
        }
        join(threads);
    });
    assert_eq!(count.into_inner(), 2 * (CHANGES / 10));
}

#[test]
fn a_gauge_that_nobody_shows_on_was_left() {
    let gauge = Gauge::new(1);
    assert_is_left(|| gauge.enter(), || gauge.active());
}

#[test]
fn shards_that_were_drained_are_left() {
    let room = ShardedBulkhead::<2>::new(16);
    assert_is_left(|| room.try_acquire().unwrap(), || room.in_use());
}

/// Guards stay with their workers: the worker itself tells that it has entered.
#[test]
fn a_gauge_by_worker_that_nobody_shows_on_was_left() {
    let gauge = WorkerGauge::<1>::new(1);
    let (count, has_entered) = (Count::new(), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..CHANGES / 10 {
            let mut worker = gauge.register().expect("the last one is gone");
            let (count, has_entered) = (&count, &has_entered);
            let thread = scope.spawn(move || {
                let active = worker.enter();
                has_entered.store(true, Ordering::Release);
                count.add_one();
                drop(active);
            });
            while !has_entered.load(Ordering::Acquire) || gauge.active() > 0 {
                thread::yield_now();
            }
            count.add_one();
            has_entered.store(false, Ordering::Relaxed);
            join(vec![thread]);
        }
    });
    assert_eq!(count.into_inner(), 2 * (CHANGES / 10));
}
