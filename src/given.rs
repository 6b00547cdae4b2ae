//! The rules as they were given, behind the lock of those who change them.
//!
//! An admission never looks here: it judges by what a change made of these rules.

use crate::class::MAX_CLASSES;
use crate::rules::Share;
use crate::sync::{AtomicBool, AtomicU64, Backoff, Ordering, constructor};

pub(crate) struct Given {
    locked: AtomicBool,
    capacity: AtomicU64,
    /// | bits   | meaning   |
    /// |--------|-----------|
    /// | 32..64 | guarantee |
    /// | 0..32  | cap       |
    shares: [AtomicU64; MAX_CLASSES],
}

const GUARANTEE_SHIFT: u32 = 32;

const fn to_word(share: Share) -> u64 {
    (share.guarantee() as u64) << GUARANTEE_SHIFT | share.cap() as u64
}

const fn from_word(word: u64) -> Share {
    Share::between((word >> GUARANTEE_SHIFT) as u32, word as u32)
}

impl Given {
    constructor! {
        pub(crate) const fn new(capacity: u32, shares: &[Share; MAX_CLASSES]) -> Self {
            Given {
                locked: AtomicBool::new(false),
                capacity: AtomicU64::new(capacity as u64),
                shares: crate::class::each_class!(class => AtomicU64::new(to_word(shares[class]))),
            }
        }
    }

    /// Waits until nobody else is reading or changing the rules as given.
    pub(crate) fn lock(&self) -> Locked<'_> {
        let backoff = Backoff::new();
        // ORDERING: Acquire pairs with the Release of the last holder's unlocking: what it wrote
        // is what this one reads.
        while self
            .locked
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            backoff.snooze();
        }
        Locked(self)
    }
}

/// The right to read and to change what was given.
pub(crate) struct Locked<'a>(&'a Given);

impl Locked<'_> {
    // ORDERING: Relaxed here: whoever holds the lock is alone, and the lock hands over what it did.
    pub(crate) fn capacity(&self) -> u32 {
        self.0.capacity.load(Ordering::Relaxed) as u32
    }

    pub(crate) fn share(&self, class: usize) -> Share {
        from_word(self.0.shares[class].load(Ordering::Relaxed))
    }

    pub(crate) fn set_capacity(&self, capacity: u32) {
        // ORDERING: Relaxed, as in `capacity`.
        self.0.capacity.store(capacity.into(), Ordering::Relaxed);
    }

    pub(crate) fn set_share(&self, class: usize, share: Share) {
        // ORDERING: Relaxed, as in `capacity`.
        self.0.shares[class].store(to_word(share), Ordering::Relaxed);
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // ORDERING: Release pairs with the Acquire in `lock`. A swap and not a store, because loom
        // is exact about cells that are only read, modified and written in one step.
        self.0.locked.swap(false, Ordering::Release);
    }
}
