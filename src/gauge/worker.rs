//! Active / capacity, for pools whose workers count on cache lines of their own.

use core::array;
use core::fmt;

use crossbeam_utils::CachePadded;

use crate::bulkhead::Bulkhead;
use crate::permit::Permit;
use crate::shed::utilization::Utilization;
use crate::sync::{AtomicU64, Backoff, Ordering, constructor};

/// A [`Gauge`](crate::Gauge) for workers that are never in each other's way: each has a place of its own,
/// and counts there without a read-modify-write. Whoever reads adds them up.
///
/// # Examples
/// ```
/// use floodwall::WorkerGauge;
///
/// static POOL: WorkerGauge<4> = WorkerGauge::new(4);
/// std::thread::spawn(|| {
///     let mut worker = POOL.register().expect("no more than 4 workers");
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

/// Where one worker counts. But for who takes the place, nobody else writes it.
///
/// | bits  | meaning                                                         |
/// |-------|-----------------------------------------------------------------|
/// | 63    | a worker has it                                                 |
/// | 0..63 | how often workers have entered and left: odd while one is active |
struct Place(AtomicU64);

const TAKEN: u64 = 1 << 63;

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
    pub fn register(&self) -> Option<Worker<'_>> {
        let permit = self.workers.try_acquire().ok()?;
        // Whoever has a permit finds a place: one is free, if not always the same.
        let backoff = Backoff::new();
        loop {
            let mut places = self.places.iter().map(|place| &**place);
            if let Some(place) = places.find(|place| place.take()) {
                return Some(Worker {
                    place,
                    _permit: permit,
                });
            }
            backoff.snooze();
        }
    }

    /// How many are active: no fewer than there were at some instant within the call, and none that
    /// were not active within it.
    ///
    /// # Progress
    /// Wait-free: two loads for each place. It keeps 8 bytes for each on the stack.
    ///
    /// # Memory ordering
    /// What was done at the places where this sees nobody active happens-before its return: a drain
    /// that is seen is over.
    #[must_use]
    pub fn active(&self) -> u32 {
        // ORDERING: Acquire pairs with the Release of those who left: whatever led to that is seen
        // by the second look.
        let before: [u64; WORKERS] =
            array::from_fn(|place| self.places[place].0.load(Ordering::Acquire));
        let was_active = |&(place, before): &(&CachePadded<Place>, u64)| {
            // ORDERING: Relaxed, as the first look has acquired what there is to see.
            let turned = (place.0.load(Ordering::Relaxed) ^ before) & !TAKEN;
            before % 2 == 1 || turned != 0
        };
        // Two looks, so that nobody goes unseen who enters where the first one has been, before
        // others leave where it has not.
        let both = self.places.iter().zip(before);
        both.filter(was_active).count() as u32
    }

    /// The capacity that utilization is measured against.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Active / capacity: above 1 if more are active than the capacity says, or were in turn while it
    /// was read; and 1 if the capacity is 0.
    ///
    /// # Progress
    /// Wait-free, as [`active`](Self::active).
    #[must_use]
    pub fn utilization(&self) -> f64 {
        Utilization::new(self.active().into(), self.capacity.into()).value()
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
    /// Takes it, if it is free.
    fn take(&self) -> bool {
        // ORDERING: Relaxed: a stale word can only make the exchange fail. There Acquire pairs with
        // the Release of whoever left the place: who reads what the next one stores here, sees what
        // was done before the last one left.
        let turns = self.0.load(Ordering::Relaxed);
        let exchange = |taken| {
            let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
            self.0.compare_exchange(turns, taken, success, failure)
        };
        turns & TAKEN == 0 && exchange(turns | TAKEN).is_ok()
    }
}

#[cfg(not(floodwall_loom))]
const fn places<const WORKERS: usize>() -> [CachePadded<Place>; WORKERS] {
    [const { CachePadded::new(Place(AtomicU64::new(0))) }; WORKERS]
}

#[cfg(floodwall_loom)]
fn places<const WORKERS: usize>() -> [CachePadded<Place>; WORKERS] {
    array::from_fn(|_| CachePadded::new(Place(AtomicU64::new(0))))
}

/// A worker's place on a [`WorkerGauge`].
pub struct Worker<'a> {
    place: &'a Place,
    /// Given back after the place.
    _permit: Permit<'a>,
}

impl Worker<'_> {
    /// Counts the worker as active until the guard is dropped.
    ///
    /// # Progress
    /// Wait-free: a load and a store.
    #[inline]
    pub fn enter(&mut self) -> WorkerGaugeGuard<'_> {
        // ORDERING: Relaxed, as nobody else writes it, and entering shows nothing to anybody.
        let turns = self.place.0.load(Ordering::Relaxed);
        // They are odd already if the last guard was forgotten.
        self.place.0.store(turns | 1, Ordering::Relaxed);
        WorkerGaugeGuard { place: self.place }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        // ORDERING: Relaxed, as nobody else writes it. Release, as when a guard is dropped: the last
        // one may have been forgotten.
        let turns = self.place.0.load(Ordering::Relaxed);
        let left = turns + turns % 2;
        self.place.0.store(left & !TAKEN, Ordering::Release);
    }
}

impl fmt::Debug for Worker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

/// Counts as active on a [`WorkerGauge`] until it is dropped; if it is forgotten, until its worker leaves
/// the next time or is dropped.
#[must_use = "dropping the guard ends the activity immediately: bind it to a name such as `_active`"]
pub struct WorkerGaugeGuard<'a> {
    place: &'a Place,
}

impl Drop for WorkerGaugeGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        let turns = &self.place.0;
        // ORDERING: Relaxed, as nobody else writes it. Release pairs with the Acquire in
        // `WorkerGauge::active`: whoever sees the worker gone sees what was done before.
        turns.store(turns.load(Ordering::Relaxed) + 1, Ordering::Release);
    }
}

impl fmt::Debug for WorkerGaugeGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerGaugeGuard").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(floodwall_loom)))]
mod tests {
    use core::mem::forget;

    use super::*;

    /// Else whoever looks twice would miss who entered and left between.
    #[test]
    fn turns_never_come_round_to_the_same() {
        let gauge = WorkerGauge::<1>::new(1);
        let mut before = 0;
        let mut turned = || {
            // ORDERING: Relaxed, on one thread.
            let now = gauge.places[0].0.load(Ordering::Relaxed) & !TAKEN;
            let turned = now > before;
            before = now;
            turned
        };
        for _ in 0..2 {
            let mut worker = gauge.register().unwrap();
            let active = worker.enter();
            assert!(turned());
            drop(active);
            assert!(turned());
            forget(worker.enter());
            assert!(turned());
            drop(worker);
            assert!(turned());
        }
    }
}
