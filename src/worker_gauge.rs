//! Active / capacity, for pools whose workers count on cache lines of their own.

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;

use crossbeam_utils::CachePadded;

use crate::bulkhead::Bulkhead;
use crate::gauge::saturate;
use crate::permit::Permit;
use crate::ratio::Ratio;
use crate::sync::{AtomicBool, AtomicU64, Ordering, constructor};

/// A [`Gauge`](crate::Gauge) for workers that are never in each other's way: each has a place of its own,
/// and counts there without a read-modify-write. Whoever reads adds them up.
///
/// # Examples
/// ```
/// use floodwall::WorkerGauge;
///
/// static POOL: WorkerGauge<4> = WorkerGauge::new(4);
/// std::thread::spawn(|| {
///     let worker = POOL.worker().expect("no more than 4 workers");
///     for _job in 0..3 {
///         let _active = worker.enter();
///         assert_eq!(POOL.utilization(), 0.25);
///     }
/// })
/// .join()
/// .unwrap();
/// assert_eq!(POOL.active(), 0);
/// ```
pub struct WorkerGauge<const WORKERS: usize> {
    places: [CachePadded<Place>; WORKERS],
    workers: Bulkhead,
    capacity: u32,
}

/// Where one worker counts. Nobody else writes the two counts.
struct Place {
    is_taken: AtomicBool,
    entered: AtomicU64,
    left: AtomicU64,
}

impl<const WORKERS: usize> WorkerGauge<WORKERS> {
    constructor! {
        /// A gauge of a pool of `capacity` threads, with places for `WORKERS` workers at once.
        #[must_use]
        pub const fn new(capacity: u32) -> Self {
            WorkerGauge {
                places: places(),
                workers: Bulkhead::new(WORKERS as u32),
                capacity,
            }
        }
    }

    /// A place to count at, until it is dropped; `None` if there are as many workers as places. Take
    /// one per thread, not one per request.
    ///
    /// # Progress
    /// Lock-free: it looks again only when others took places and left some meanwhile.
    #[must_use]
    pub fn worker(&self) -> Option<Worker<'_>> {
        let permit = self.workers.try_acquire().ok()?;
        // Whoever has a permit finds a place: one is free, if not always the same.
        loop {
            // ORDERING: Acquire pairs with the Release of the last worker here: what it counted
            // is not lost.
            let is_free = |place: &&Place| !place.is_taken.swap(true, Ordering::Acquire);
            if let Some(place) = self.places.iter().map(|place| &**place).find(is_free) {
                return Some(Worker {
                    place,
                    _permit: permit,
                    is_alone: PhantomData,
                });
            }
        }
    }

    /// How many are active: no fewer than there were at some instant within the call. While nobody
    /// enters or leaves, it is exact.
    ///
    /// # Progress
    /// Wait-free: two loads for each place.
    ///
    /// # Memory ordering
    /// What was done by those that this no longer counts happens-before its return.
    #[must_use]
    pub fn active(&self) -> u32 {
        // Those who left are counted first: who leaves meanwhile is taken for still there.
        // ORDERING: Acquire pairs with the Release of those who left: whatever led to that is seen
        // by the loads that follow, and that they had entered above all.
        let left: u64 = self.sum(|place| place.left.load(Ordering::Acquire));
        // ORDERING: Relaxed, as entering shows nothing to anybody.
        let entered: u64 = self.sum(|place| place.entered.load(Ordering::Relaxed));
        saturate(entered - left)
    }

    fn sum(&self, count: impl Fn(&Place) -> u64) -> u64 {
        self.places.iter().map(|place| count(place)).sum()
    }

    /// The capacity that utilization is measured against.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Active / capacity: above 1 if more are active than the capacity says, and 1 if the capacity
    /// is 0.
    ///
    /// # Progress
    /// Wait-free, as [`active`](Self::active).
    #[must_use]
    pub fn utilization(&self) -> f64 {
        Ratio::new(self.active().into(), self.capacity.into()).value()
    }
}

impl<const WORKERS: usize> fmt::Debug for WorkerGauge<WORKERS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerGauge")
            .field("active", &self.active())
            .field("capacity", &self.capacity)
            .finish()
    }
}

impl Place {
    constructor! {
        const fn new() -> Self {
            Place {
                is_taken: AtomicBool::new(false),
                entered: AtomicU64::new(0),
                left: AtomicU64::new(0),
            }
        }
    }
}

#[cfg(not(floodwall_loom))]
const fn places<const WORKERS: usize>() -> [CachePadded<Place>; WORKERS] {
    [const { CachePadded::new(Place::new()) }; WORKERS]
}

#[cfg(floodwall_loom)]
fn places<const WORKERS: usize>() -> [CachePadded<Place>; WORKERS] {
    core::array::from_fn(|_| CachePadded::new(Place::new()))
}

/// A worker's place on a [`WorkerGauge`]. It may move to another thread, but is used by one at a time:
/// ```compile_fail,E0277
/// # use floodwall::WorkerGauge;
/// static POOL: WorkerGauge<4> = WorkerGauge::new(4);
/// let worker = POOL.worker().unwrap();
/// std::thread::scope(|scope| {
///     scope.spawn(|| drop(worker.enter()));
/// });
/// ```
pub struct Worker<'a> {
    place: &'a Place,
    /// Given back after the place.
    _permit: Permit<'a>,
    is_alone: PhantomData<Cell<()>>,
}

impl Worker<'_> {
    /// Counts the worker as active until the guard is dropped; once more, if it is already.
    ///
    /// # Progress
    /// Wait-free: a load and a store.
    #[inline]
    pub fn enter(&self) -> Busy<'_> {
        // ORDERING: Relaxed, as nobody else writes it, and entering shows nothing to anybody.
        let entered = self.place.entered.load(Ordering::Relaxed);
        self.place.entered.store(entered + 1, Ordering::Relaxed);
        Busy { worker: self }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        // ORDERING: Release pairs with the Acquire in `WorkerGauge::worker`.
        self.place.is_taken.store(false, Ordering::Release);
    }
}

impl fmt::Debug for Worker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

/// Counts as active on a [`WorkerGauge`] until it is dropped; for good, if it is forgotten.
#[must_use = "a guard that is not kept counts for no time: bind it to a name such as `_active`"]
pub struct Busy<'a> {
    worker: &'a Worker<'a>,
}

impl Drop for Busy<'_> {
    #[inline]
    fn drop(&mut self) {
        let left = &self.worker.place.left;
        // ORDERING: Relaxed, as nobody else writes it. Release pairs with the Acquire in
        // `WorkerGauge::active`: whoever sees the count go down sees what was done while it was up.
        left.store(left.load(Ordering::Relaxed) + 1, Ordering::Release);
    }
}

impl fmt::Debug for Busy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Busy").finish_non_exhaustive()
    }
}
