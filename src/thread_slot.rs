//! The slot in which the calling thread counts: an exclusive one, or one that it may share.

pub(crate) mod exclusive;

use self::exclusive::EXCLUSIVE_SLOTS;

/// The number of thread slots. None is exclusive without `std`, which is needed to notice that a thread ends.
pub(crate) const THREAD_SLOTS: usize = if cfg!(feature = "std") {
    EXCLUSIVE_SLOTS + SHARED_SLOTS
} else {
    SHARED_SLOTS
};
// Few in the models, because loom's stacks are small.
const SHARED_SLOTS: usize = if cfg!(floodwall_loom) { 2 } else { 16 };

/// The index of a thread slot: the exclusive ones come first, then the shared ones.
#[derive(Clone, Copy)]
pub(crate) struct ThreadSlot(usize);

impl ThreadSlot {
    const fn shared(number: usize) -> ThreadSlot {
        ThreadSlot(EXCLUSIVE_SLOTS + number % SHARED_SLOTS)
    }

    #[inline]
    pub(crate) const fn index(self) -> usize {
        self.0 % THREAD_SLOTS
    }
}

/// Returns whether no other thread uses the slot with this index.
pub(crate) const fn is_exclusive(index: usize) -> bool {
    index + SHARED_SLOTS < THREAD_SLOTS
}

/// Returns the calling thread's slot: until the thread ends, an exclusive one if one was free at its first call.
#[cfg(all(feature = "std", not(floodwall_loom)))]
#[inline]
pub(crate) fn current() -> ThreadSlot {
    match local::SLOT.get() {
        local::NONE => local::assign_slow(),
        slot => ThreadSlot(slot),
    }
}

#[cfg(all(feature = "std", not(floodwall_loom)))]
mod local {
    use core::cell::Cell;
    use core::sync::atomic::{AtomicUsize, Ordering};

    use super::ThreadSlot;
    use super::exclusive::ExclusiveSlots;

    static EXCLUSIVE: ExclusiveSlots = ExclusiveSlots::new();
    static SHARING_THREADS: AtomicUsize = AtomicUsize::new(0);

    /// No slot is assigned yet.
    pub(super) const NONE: usize = usize::MAX;

    std::thread_local! {
        pub(super) static SLOT: Cell<usize> = const { Cell::new(NONE) };
        static CLAIM: Cell<Option<Claim>> = const { Cell::new(None) };
    }

    #[cold]
    pub(super) fn assign_slow() -> ThreadSlot {
        // `try_with` fails while the thread ends: too late to register the destructor that releases the slot.
        let exclusive = CLAIM.try_with(|claim| {
            let slot = EXCLUSIVE.claim()?;
            claim.set(Some(Claim(slot)));
            Some(ThreadSlot(slot))
        });
        // ORDERING: Relaxed: only the uniqueness of the number matters.
        let slot = exclusive
            .ok()
            .flatten()
            .unwrap_or_else(|| ThreadSlot::shared(SHARING_THREADS.fetch_add(1, Ordering::Relaxed)));
        SLOT.set(slot.0);
        slot
    }

    /// Releases the exclusive slot when the thread ends. Later calls of the ending thread use a shared slot.
    struct Claim(usize);

    impl Drop for Claim {
        fn drop(&mut self) {
            SLOT.set(ThreadSlot::shared(self.0).0);
            EXCLUSIVE.release(self.0);
        }
    }
}

/// Returns the slot that this thread of the model has chosen, or a shared one.
#[cfg(floodwall_loom)]
pub(crate) fn current() -> ThreadSlot {
    modelled::SLOT.with(core::cell::Cell::get)
}

/// Thread slots in the models, whose threads begin and end within one thread of the system.
#[cfg(floodwall_loom)]
pub(crate) mod modelled {
    use core::cell::Cell;

    use super::ThreadSlot;

    loom::thread_local! {
        pub(super) static SLOT: Cell<ThreadSlot> = Cell::new(ThreadSlot::shared(0));
    }

    /// Makes the calling thread count in this exclusive slot.
    pub fn count_in_exclusive_slot(slot: usize) {
        SLOT.with(|current| current.set(ThreadSlot(slot)));
    }
}

/// Returns a shared slot chosen by the address of the stack: without `std` a thread has no identity. A collision costs
/// time, never a count.
#[cfg(not(any(feature = "std", floodwall_loom)))]
#[inline]
pub(crate) fn current() -> ThreadSlot {
    const LOWEST_DIFFERING_BIT: u32 = 14;
    const SLOT_BITS: u32 = SHARED_SLOTS.ilog2();
    let local = 0_u8;
    let stack = (&raw const local).addr() >> LOWEST_DIFFERING_BIT;
    let hash = (stack as u32).wrapping_mul(crate::shed::draw::GOLDEN);
    ThreadSlot::shared((hash >> (u32::BITS - SLOT_BITS)) as usize)
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn shared_slots_follow_the_exclusive_slots() {
        let shared = (0..THREAD_SLOTS * THREAD_SLOTS).map(ThreadSlot::shared);
        let mut indices: Vec<_> = shared.map(ThreadSlot::index).collect();
        indices.sort_unstable();
        indices.dedup();
        assert!(indices.iter().copied().eq(EXCLUSIVE_SLOTS..THREAD_SLOTS));
        assert!(!indices.into_iter().any(is_exclusive));
        for slot in 0..EXCLUSIVE_SLOTS {
            assert!(ThreadSlot(slot).index() == slot && is_exclusive(slot));
        }
    }

    #[test]
    fn ended_thread_releases_its_exclusive_slot() {
        for _ in 0..3 * EXCLUSIVE_SLOTS {
            let is_exclusive = std::thread::spawn(|| is_exclusive(current().index()));
            assert!(is_exclusive.join().unwrap());
        }
    }
}
