//! Utilization of a pool whose workers count on cache lines of their own.

use core::array;
use core::fmt;

use crossbeam_utils::CachePadded;

use crate::bulkhead::Bulkhead;
use crate::permit::Permit;
use crate::shed::utilization::Utilization;
use crate::sync::{AtomicU32, AtomicU64, Backoff, Ordering, constructor};

/// A [`Gauge`](crate::Gauge) for registered workers: each worker counts in a slot of its own, on its own cache line and
/// without a read-modify-write. A reader adds the slots up.
///
/// # Examples
/// ```
/// use floodwall::WorkerGauge;
///
/// static POOL: WorkerGauge<4> = WorkerGauge::new(4);
/// std::thread::spawn(|| {
///     let mut worker = POOL.register().expect("at most 4 workers");
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
    slots: [CachePadded<WorkerSlot>; WORKERS],
    registered: Bulkhead,
    capacity: AtomicU32,
}

/// The slot of one worker. Only the worker writes it while it is registered.
///
/// | bits  | meaning                                                      |
/// |-------|--------------------------------------------------------------|
/// | 63    | a worker is registered                                       |
/// | 0..63 | transitions between idle and active: odd while it is active  |
struct WorkerSlot(AtomicU64);

const REGISTERED: u64 = 1 << 63;

impl<const WORKERS: usize> WorkerGauge<WORKERS> {
    constructor! {
        /// Creates a gauge for a pool of `capacity` threads, with slots for `WORKERS` workers at once.
        #[must_use]
        pub const fn new(capacity: u32) -> Self {
            WorkerGauge {
                slots: slots(),
                registered: Bulkhead::new(WORKERS as u32),
                capacity: AtomicU32::new(capacity),
            }
        }
    }

    /// Registers a worker until it is dropped. Returns `None` if all slots are in use.
    ///
    /// Register once per thread, not once per request.
    ///
    /// # Progress
    /// Lock-free: searches again only if other workers registered and ended concurrently.
    #[must_use]
    pub fn register(&self) -> Option<Worker<'_>> {
        let permit = self.registered.try_acquire().ok()?;
        // The permit guarantees that at every instant some slot is free, though not always the same one.
        let backoff = Backoff::new();
        loop {
            let mut slots = self.slots.iter().map(|slot| &**slot);
            if let Some(slot) = slots.find(|slot| slot.try_register()) {
                return Some(Worker {
                    slot,
                    _permit: permit,
                });
            }
            backoff.snooze();
        }
    }

    /// Returns the number of active workers: at least as many as were active at some instant during the call, and no
    /// worker that was idle throughout the call.
    ///
    /// # Progress
    /// Wait-free: two loads per slot. The call uses 8 bytes of stack per slot.
    ///
    /// # Memory ordering
    /// Everything done in slots that are read as idle happens-before the return.
    #[must_use]
    pub fn active(&self) -> u32 {
        // ORDERING: Acquire: pairs with the Release of a guard or worker that was dropped; required because the second
        // look must see whatever led to that.
        let before: [u64; WORKERS] =
            array::from_fn(|slot| self.slots[slot].0.load(Ordering::Acquire));
        let was_active = |&(slot, before): &(&CachePadded<WorkerSlot>, u64)| {
            // ORDERING: Relaxed: the first look has acquired everything that this one must see.
            let changed = (slot.0.load(Ordering::Relaxed) ^ before) & !REGISTERED;
            before % 2 == 1 || changed != 0
        };
        // The second look finds a worker that becomes active in a slot that was already read, before another becomes
        // idle in a slot that was not.
        let both = self.slots.iter().zip(before);
        both.filter(was_active).count() as u32
    }

    /// Returns the capacity that utilization is measured against.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        // ORDERING: Relaxed: the number publishes nothing else.
        self.capacity.load(Ordering::Relaxed)
    }

    /// Changes the capacity. The registered workers stay, and the number of slots too.
    pub fn set_capacity(&self, capacity: u32) {
        // ORDERING: Relaxed: as in `capacity`.
        self.capacity.store(capacity, Ordering::Relaxed);
    }

    /// Returns active / capacity: above 1 if more workers are active than the capacity, or were active one after another
    /// during the call; 1 if the capacity is 0.
    ///
    /// # Progress
    /// Wait-free, as [`active`](Self::active).
    #[must_use]
    pub fn utilization(&self) -> f64 {
        Utilization::new(self.active().into(), self.capacity().into()).value()
    }
}

impl<const WORKERS: usize> fmt::Debug for WorkerGauge<WORKERS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerGauge")
            .field("active", &self.active())
            .field("capacity", &self.capacity())
            .finish()
    }
}

impl WorkerSlot {
    /// Registers the caller if the slot is free.
    fn try_register(&self) -> bool {
        // ORDERING: Relaxed: a stale word can only make the exchange fail.
        let transitions = self.0.load(Ordering::Relaxed);
        if transitions & REGISTERED != 0 {
            return false;
        }
        let registered = transitions | REGISTERED;
        // ORDERING: Acquire: pairs with the Release of the last worker's drop; required because a reader of this
        // worker's stores must see what the last worker did. Relaxed on failure: the slot is not used.
        self.0
            .compare_exchange(
                transitions,
                registered,
                Ordering::Acquire,
                Ordering::Relaxed,
            )
            .is_ok()
    }
}

#[cfg(not(floodwall_loom))]
const fn slots<const WORKERS: usize>() -> [CachePadded<WorkerSlot>; WORKERS] {
    [const { CachePadded::new(WorkerSlot(AtomicU64::new(0))) }; WORKERS]
}

#[cfg(floodwall_loom)]
fn slots<const WORKERS: usize>() -> [CachePadded<WorkerSlot>; WORKERS] {
    array::from_fn(|_| CachePadded::new(WorkerSlot(AtomicU64::new(0))))
}

/// A worker that is registered on a [`WorkerGauge`] until it is dropped.
pub struct Worker<'a> {
    slot: &'a WorkerSlot,
    /// Released after the slot.
    _permit: Permit<'a>,
}

impl Worker<'_> {
    /// Counts the worker as active until the guard is dropped.
    ///
    /// # Progress
    /// Wait-free: a load and a store.
    #[inline]
    pub fn enter(&mut self) -> WorkerGaugeGuard<'_> {
        // ORDERING: Relaxed: no other thread writes the slot, and entering publishes nothing.
        let transitions = self.slot.0.load(Ordering::Relaxed);
        // The count is odd already if the last guard was forgotten.
        self.slot.0.store(transitions | 1, Ordering::Relaxed);
        WorkerGaugeGuard { slot: self.slot }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        // ORDERING: Relaxed load: no other thread writes the slot. Release: as in the drop of `WorkerGaugeGuard`,
        // because the last guard may have been forgotten.
        let transitions = self.slot.0.load(Ordering::Relaxed);
        let idle = transitions + transitions % 2;
        self.slot.0.store(idle & !REGISTERED, Ordering::Release);
    }
}

impl fmt::Debug for Worker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

/// A guard that counts its worker as active on a [`WorkerGauge`] until it is dropped.
///
/// If the guard is forgotten, the worker counts as active until its next guard is dropped or it is dropped itself.
#[must_use = "dropping the guard ends the activity immediately: bind it to a name such as `_active`"]
pub struct WorkerGaugeGuard<'a> {
    slot: &'a WorkerSlot,
}

impl Drop for WorkerGaugeGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        let transitions = &self.slot.0;
        // ORDERING: Relaxed load: no other thread writes the slot. Release: pairs with the Acquire in
        // `WorkerGauge::active`; required because a reader that sees the worker idle must see what it did.
        transitions.store(transitions.load(Ordering::Relaxed) + 1, Ordering::Release);
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

    /// Otherwise the second look of `active` would miss a worker that was active between the two.
    #[test]
    fn transitions_only_increase() {
        let gauge = WorkerGauge::<1>::new(1);
        let mut before = 0;
        let mut increased = || {
            // ORDERING: Relaxed: there is only one thread.
            let now = gauge.slots[0].0.load(Ordering::Relaxed) & !REGISTERED;
            let increased = now > before;
            before = now;
            increased
        };
        for _ in 0..2 {
            let mut worker = gauge.register().unwrap();
            let active = worker.enter();
            assert!(increased());
            drop(active);
            assert!(increased());
            forget(worker.enter());
            assert!(increased());
            drop(worker);
            assert!(increased());
        }
    }
}
