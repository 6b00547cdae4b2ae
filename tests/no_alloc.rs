//! No request uses Rust's global allocator: not to admit, to reject, to release, to take a snapshot or to
//! update rules.
//!
//! Allocations inside the C library are not counted: the first admission of a thread registers a
//! thread-local destructor, for which glibc calls `calloc`. Later admissions of the thread register none.

#![allow(unsafe_code, reason = "`GlobalAlloc` is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::thread;

use floodwall::{AdmitOptions, Bulkhead, Curve, Draw, Floodwall, Gauge, Share, Shedder};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u32> = const { Cell::new(0) };
}

fn count_one() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: forwards each call to `System`. Counting does not touch the memory of the callers.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: the caller upholds the contract of this function, which is that of the call.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_one();
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns the number of allocations in `f`.
fn allocations(f: impl FnOnce()) -> u32 {
    let before = ALLOCATIONS.get();
    f();
    ALLOCATIONS.get() - before
}

floodwall::classes! { enum Kind { Message, Login, Batch } }

static BULKHEAD: Bulkhead = Bulkhead::new(1);
static GAUGE: Gauge = Gauge::new(1);
static SHEDDER: Shedder = Shedder::new(Curve::linear(0.2, 0.8));
static WALL: Floodwall<Kind> = Floodwall::new(
    3,
    &[
        Kind::Message.rule(Share::at_least(1)),
        Kind::Login.rule(Share::at_most(2)).shed(Curve::step(0.3)),
        Kind::Batch.rule(Share::at_most(1)),
    ],
);

/// Runs requests with every outcome, on statics.
fn run_requests() {
    assert!(BULKHEAD.call(|| BULKHEAD.try_acquire().is_err()).unwrap());
    let guard = GAUGE.enter();
    assert_eq!(GAUGE.active(), 1);
    drop(guard);
    assert!(SHEDDER.decide_with(0.5, Draw::from(u32::MAX)).is_ok());
    #[cfg(feature = "std")]
    assert!(SHEDDER.decide(0.8).is_err());

    let guaranteed = WALL.admit(Kind::Message).unwrap();
    let too_large = WALL.admit_with(Kind::Batch, AdmitOptions::new().permits(2));
    assert_eq!(too_large.unwrap_err().reason().name(), "too_large");
    let batch = WALL.admit(Kind::Batch).unwrap();
    let class_full = WALL.admit(Kind::Batch);
    assert_eq!(class_full.unwrap_err().reason().name(), "class_full");
    drop(batch);
    let shed = WALL.admit(Kind::Login);
    assert_eq!(shed.unwrap_err().reason().name(), "shed");
    let borrowed = WALL.admit_with(Kind::Message, AdmitOptions::new().permits(2));
    let pool_full = WALL.admit(Kind::Login);
    assert_eq!(pool_full.unwrap_err().reason().name(), "pool_full");
    drop(borrowed.unwrap());
    guaranteed.wrap(|| assert_eq!(WALL.in_use(Kind::Message), 1))();
    assert_eq!(WALL.call(Kind::Batch, || 7).unwrap(), 7);

    let snapshot = WALL.take_peaks();
    assert_eq!(snapshot.classes()[0].peak, 3);
    WALL.set_capacity(4).unwrap();
    WALL.set_rules(WALL.rules().with_capacity(3).unwrap());
    WALL.set_dry_run(&[Kind::Login]);
    drop(
        WALL.admit_with(Kind::Login, AdmitOptions::new().permits(4))
            .unwrap(),
    );
    WALL.set_pressure(0.5);
    WALL.close();
    assert_eq!(
        WALL.admit(Kind::Login).unwrap_err().reason().name(),
        "closed"
    );
    WALL.open();
    WALL.set_pressure(0.0);
    WALL.set_dry_run(&[]);
}

/// The only test that uses the statics.
#[test]
fn requests_do_not_use_the_global_allocator() {
    let counted = allocations(|| drop(black_box(Box::new(7))));
    assert_eq!(counted, 1, "the allocator counts");
    assert_eq!(allocations(run_requests), 0, "first calls on this thread");
    assert_eq!(allocations(run_requests), 0);
    let on_a_new_thread = thread::spawn(|| allocations(run_requests)).join().unwrap();
    assert_eq!(on_a_new_thread, 0, "first calls on a new thread");
}

#[test]
#[cfg(feature = "alloc")]
fn owned_permits_do_not_use_the_global_allocator() {
    use std::sync::Arc;

    let bulkhead = Arc::new(Bulkhead::new(1));
    let rules = [Kind::Message, Kind::Login, Kind::Batch].map(|k| k.rule(Share::at_most(1)));
    let wall = Arc::new(Floodwall::new(1, &rules));
    let count = allocations(|| {
        let permit = bulkhead.try_acquire_owned().unwrap();
        assert!(bulkhead.try_acquire_owned().is_err());
        permit.wrap(|| drop(wall.admit_owned(Kind::Batch).unwrap()))();
    });
    assert_eq!(count, 0);
}
