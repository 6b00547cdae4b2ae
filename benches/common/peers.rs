//! Taking a permit and giving it back, by each who hands them out: the same limit, on a cache line of
//! its own, and never full.

use crossbeam_utils::CachePadded;
use floodwall::{Bulkhead, Floodwall, ShardedBulkhead};
use parking_lot::Mutex;

use super::walls::{Kind, PLAIN};
use super::{CAPACITY, FLOOR};

/// Whoever is shown each subject in turn, to measure it.
pub trait Measure {
    fn measure(&mut self, subject: &str, take_and_give_back: impl Fn() + Sync);
}

pub static BULKHEAD: Bulkhead = Bulkhead::new(CAPACITY);
static SHARDED: ShardedBulkhead<8> = ShardedBulkhead::new(CAPACITY);
static WALL: Floodwall<Kind> = Floodwall::new(CAPACITY, &PLAIN);
pub static TOKIO: CachePadded<tokio::sync::Semaphore> =
    CachePadded::new(tokio::sync::Semaphore::const_new(CAPACITY as usize));
static ASYNC_LOCK: CachePadded<async_lock::Semaphore> =
    CachePadded::new(async_lock::Semaphore::new(CAPACITY as usize));
static ASYNCBAND: CachePadded<asyncband::semaphore::Semaphore> =
    CachePadded::new(asyncband::semaphore::Semaphore::new(CAPACITY as usize));
static MUTEX: CachePadded<Counter> = CachePadded::new(Counter::new(0));

pub fn each(visitor: &mut impl Measure) {
    visitor.measure("floor", || FLOOR.take_and_give_back());
    visitor.measure("bulkhead", || drop(BULKHEAD.try_acquire()));
    visitor.measure("sharded", || drop(SHARDED.try_acquire()));
    visitor.measure("floodwall", || drop(WALL.admit(Kind::Message)));
    visitor.measure("tokio", || drop(TOKIO.try_acquire()));
    visitor.measure("async-lock", || drop(ASYNC_LOCK.try_acquire()));
    visitor.measure("asyncband", || drop(ASYNCBAND.try_acquire(1)));
    // It has no constructor that is `const`.
    let throttle_net = &*Box::leak(Box::new(CachePadded::new(throttle_net::Bulkhead::new(
        CAPACITY,
    ))));
    visitor.measure("throttle-net", || drop(throttle_net.try_acquire()));
    visitor.measure("parking_lot", || MUTEX.take_and_give_back());
}

/// What one writes without any of them: a counter under a mutex.
pub struct Counter(Mutex<u32>);

impl Counter {
    pub const fn new(in_use: u32) -> Self {
        Counter(Mutex::new(in_use))
    }

    /// Whether there were so many.
    #[inline]
    pub fn take(&self, permits: u32) -> bool {
        let mut in_use = self.0.lock();
        let fits = *in_use + permits <= CAPACITY;
        if fits {
            *in_use += permits;
        }
        fits
    }

    #[inline]
    pub fn give_back(&self) {
        *self.0.lock() -= 1;
    }

    #[inline]
    pub fn take_and_give_back(&self) {
        if self.take(1) {
            self.give_back();
        }
    }
}
