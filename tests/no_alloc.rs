//! Nothing allocates on the way of a request: not to admit, not to turn away, not to give back, and
//! not even on a thread that has never called before.

#![allow(unsafe_code, reason = "an allocator that counts must be an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::thread;

use floodwall::{AdmitOptions, Bulkhead, Curve, Draw, Floodwall, Gauge, Share, Shedder};

/// Counts what each thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u32> = const { Cell::new(0) };
}

fn note() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: All is left to the system's allocator, and counting touches no memory of its callers.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: What the caller promised goes for this call too; so in those below.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: As above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: As above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `f` allocates.
fn allocations(f: impl FnOnce()) -> u32 {
    let before = ALLOCATIONS.get();
    f();
    ALLOCATIONS.get() - before
}

floodwall::classes! { enum Kind { Message, Login, Batch } }

static ROOM: Bulkhead = Bulkhead::new(1);
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

/// Every way that a request can take, on statics.
fn requests() {
    assert!(ROOM.call(|| ROOM.try_acquire().is_err()).unwrap());
    assert_eq!(GAUGE.enter().wrap_up(), 1);
    assert!(SHEDDER.decide_with(0.5, Draw::from(u32::MAX)).is_ok());
    #[cfg(feature = "std")]
    assert!(SHEDDER.decide(0.8).is_err());

    let guaranteed = WALL.admit(Kind::Message).unwrap();
    let class_full = WALL.admit_with(Kind::Batch, AdmitOptions::new().permits(2));
    assert_eq!(class_full.unwrap_err().reason.name(), "class_full");
    let shed = WALL.admit(Kind::Login);
    assert_eq!(shed.unwrap_err().reason.name(), "shed");
    let borrowed = WALL.admit_with(Kind::Message, AdmitOptions::new().permits(2));
    let pool_full = WALL.admit(Kind::Login);
    assert_eq!(pool_full.unwrap_err().reason.name(), "pool_full");
    drop(borrowed.unwrap());
    guaranteed.wrap(|| assert_eq!(WALL.in_use(Kind::Message), 1))();
    assert_eq!(WALL.call(Kind::Batch, || 7).unwrap(), 7);

    let snapshot = WALL.take_peaks();
    assert_eq!(snapshot.classes()[0].peak, 3);
    WALL.set_capacity(4).unwrap();
    WALL.set_rules(WALL.rules().with_capacity(3).unwrap());
}

trait WrapUp {
    fn wrap_up(self) -> u32;
}

impl WrapUp for floodwall::GaugeGuard<'_> {
    fn wrap_up(self) -> u32 {
        GAUGE.active()
    }
}

/// One test, so that nobody else is on the statics.
#[test]
fn nothing_allocates_on_the_way_of_a_request() {
    assert_eq!(
        allocations(|| drop(black_box(Box::new(7)))),
        1,
        "the counter counts"
    );
    assert_eq!(allocations(requests), 0, "on a thread's first call");
    assert_eq!(allocations(requests), 0);
    let on_a_new_thread = thread::spawn(|| allocations(requests)).join().unwrap();
    assert_eq!(on_a_new_thread, 0);
}

#[test]
#[cfg(feature = "alloc")]
fn an_owned_permit_allocates_nothing_either() {
    use std::sync::Arc;

    let room = Arc::new(Bulkhead::new(1));
    let rules = [Kind::Message, Kind::Login, Kind::Batch].map(|k| k.rule(Share::at_most(1)));
    let wall = Arc::new(Floodwall::new(1, &rules));
    let count = allocations(|| {
        let permit = room.try_acquire_owned().unwrap();
        assert!(room.try_acquire_owned().is_err());
        permit.wrap(|| drop(wall.admit_owned(Kind::Batch).unwrap()))();
    });
    assert_eq!(count, 0);
}
