//! Acquiring and releasing a permit with each subject: same limit, own cache line, never full.

use crossbeam_utils::CachePadded;
use floodwall::{Bulkhead, Floodwall, ShardedBulkhead};
use parking_lot::Mutex;

use super::walls::{Kind, PLAIN};
use super::{CAPACITY, FLOOR};

/// Measures one subject after another.
pub trait Measure {
    fn measure(&mut self, subject: &str, acquire_and_release: impl Fn() + Copy + Sync + 'static);
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

pub fn measure_each(bench: &mut impl Measure) {
    bench.measure("floor", || FLOOR.acquire_and_release());
    bench.measure("bulkhead", || drop(BULKHEAD.try_acquire()));
    bench.measure("sharded", || drop(SHARDED.try_acquire()));
    bench.measure("floodwall", || drop(WALL.admit(Kind::Message)));
    bench.measure("tokio", || drop(TOKIO.try_acquire()));
    bench.measure("async-lock", || drop(ASYNC_LOCK.try_acquire()));
    bench.measure("asyncband", || drop(ASYNCBAND.try_acquire(1)));
    // Leaked because its constructor is not `const`.
    let throttle_net = &*Box::leak(Box::new(CachePadded::new(throttle_net::Bulkhead::new(
        CAPACITY,
    ))));
    bench.measure("throttle-net", || drop(throttle_net.try_acquire()));
    bench.measure("parking_lot", || MUTEX.acquire_and_release());
}

/// The baseline without a permit library: a counter under a mutex.
pub struct Counter(Mutex<u32>);

impl Counter {
    pub const fn new(in_use: u32) -> Self {
        Counter(Mutex::new(in_use))
    }

    /// Returns `false` if fewer than `permits` permits are free.
    #[inline]
    pub fn try_acquire(&self, permits: u32) -> bool {
        let mut in_use = self.0.lock();
        let fits = *in_use + permits <= CAPACITY;
        if fits {
            *in_use += permits;
        }
        fits
    }

    #[inline]
    pub fn release(&self) {
        *self.0.lock() -= 1;
    }

    #[inline]
    pub fn acquire_and_release(&self) {
        if self.try_acquire(1) {
            self.release();
        }
    }
}
