//! Exclusive thread slots: each has one owner at a time, which may count there with plain loads and stores.
#![cfg_attr(
    not(feature = "std"),
    allow(dead_code, reason = "without std the end of a thread goes unnoticed")
)]
#![allow(
    unreachable_pub,
    reason = "public for the models, which claim slots themselves"
)]

use crate::sync::{AtomicU64, Ordering, constructor};

/// The number of threads that can own an exclusive slot at once. All other threads share slots. Few in the models,
/// because loom's stacks are small.
pub(crate) const EXCLUSIVE_SLOTS: usize = if cfg!(floodwall_loom) { 2 } else { 16 };

/// The allocation state of the exclusive slots: bit `n` is set while slot `n` is claimed.
pub struct ExclusiveSlots(AtomicU64);

impl ExclusiveSlots {
    constructor! {
        /// Creates the state in which all slots are free.
        #[must_use]
        #[allow(clippy::new_without_default, reason = "has no user")]
        pub const fn new() -> Self {
            ExclusiveSlots(AtomicU64::new(0))
        }
    }

    /// Claims a free slot and returns its index, or `None` if all are claimed.
    ///
    /// # Memory ordering
    /// Everything done in a slot happens-before its next claim, so counts written with plain stores are not lost.
    #[must_use]
    pub fn claim(&self) -> Option<usize> {
        // ORDERING: Relaxed: a stale word can only make the compare-exchange fail.
        let mut claimed = self.0.load(Ordering::Relaxed);
        loop {
            let slot = claimed.trailing_ones() as usize;
            if slot >= EXCLUSIVE_SLOTS {
                return None;
            }
            // ORDERING: Acquire: pairs with the Release in `release`; required because the new owner continues the
            // counts of the last one. Relaxed on failure: as for the load.
            match self.0.compare_exchange_weak(
                claimed,
                claimed | 1 << slot,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(slot),
                Err(now) => claimed = now,
            }
        }
    }

    /// Releases a claimed slot.
    pub fn release(&self, slot: usize) {
        // ORDERING: Release: pairs with the Acquire in `claim`.
        self.0.fetch_and(!(1 << slot), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_is_claimed_once_until_its_release() {
        let slots = ExclusiveSlots::new();
        for slot in 0..EXCLUSIVE_SLOTS {
            assert_eq!(slots.claim(), Some(slot));
        }
        assert_eq!(slots.claim(), None);
        slots.release(5);
        assert_eq!(slots.claim(), Some(5));
        assert_eq!(slots.claim(), None);
    }
}
