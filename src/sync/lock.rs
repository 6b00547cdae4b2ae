//! A lock for rule updates, which no admission and no reader looks at: blocking under `std`, spinning without.

#[cfg(all(feature = "std", not(floodwall_loom)))]
pub(crate) use blocking::Lock;
#[cfg(not(all(feature = "std", not(floodwall_loom))))]
pub(crate) use spinning::Lock;

#[cfg(all(feature = "std", not(floodwall_loom)))]
mod blocking {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    pub(crate) struct Lock(Mutex<()>);

    impl Lock {
        pub(crate) const fn new() -> Self {
            Lock(Mutex::new(()))
        }

        /// Blocks until no other thread holds the lock.
        pub(crate) fn lock(&self) -> MutexGuard<'_, ()> {
            // A rule update that panics has not stepped the epoch, so the rules in force are whole.
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

/// Also used by the models: the lock of `std` has tests of its own.
#[cfg(not(all(feature = "std", not(floodwall_loom))))]
mod spinning {
    use crate::sync::{AtomicBool, Backoff, Ordering, constructor};

    pub(crate) struct Lock(AtomicBool);

    impl Lock {
        constructor! {
            pub(crate) const fn new() -> Self {
                Lock(AtomicBool::new(false))
            }
        }

        /// Spins until no other thread holds the lock.
        pub(crate) fn lock(&self) -> LockGuard<'_> {
            let backoff = Backoff::new();
            // ORDERING: Acquire: pairs with the Release of the last unlock; required because this thread reads what the
            // last holder wrote. Relaxed on failure: the loop tries again.
            while self
                .0
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                .is_err()
            {
                backoff.snooze();
            }
            LockGuard(self)
        }
    }

    pub(crate) struct LockGuard<'a>(&'a Lock);

    impl Drop for LockGuard<'_> {
        fn drop(&mut self) {
            // ORDERING: Release: pairs with the Acquire in `lock`. A swap instead of a store, because loom is exact only
            // for cells that are written by read-modify-writes alone.
            self.0.0.swap(false, Ordering::Release);
        }
    }
}
