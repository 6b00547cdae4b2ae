//! The highest count since the peak was last taken: a statistic.

use crate::sync::{AtomicU32, Ordering, constructor};

pub(crate) struct Peak(AtomicU32);

// ORDERING: Relaxed in this file: a peak publishes nothing. That `take` and a concurrent `raise` do not miss each other
// rests on the counter that is raised: see `take`.

impl Peak {
    constructor! {
        pub(crate) const fn new() -> Self {
            Peak(AtomicU32::new(0))
        }
    }

    /// Raises the peak to `count` if that is higher. Usually one load, because a new peak is rare.
    #[inline]
    pub(crate) fn raise(&self, count: u32) {
        if count > self.get() {
            self.raise_slow(count);
        }
    }

    #[cold]
    fn raise_slow(&self, count: u32) {
        // ORDERING: Relaxed: see above.
        self.0.fetch_max(count, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn get(&self) -> u32 {
        // ORDERING: Relaxed: see above.
        self.0.load(Ordering::Relaxed)
    }

    /// Returns the peak and restarts it at the current count.
    ///
    /// `count` reads the counter after the reset, by a read-modify-write with Release. An increment of the counter (a
    /// read-modify-write with Acquire) comes either before that, and is counted, or after it: then the reset
    /// happens-before the `raise` that follows the increment. With a load instead, both could read old values, and the
    /// peak would stay too low until the next increment.
    pub(crate) fn take(&self, count: impl FnOnce() -> u32) -> u32 {
        // ORDERING: Relaxed: see above.
        let peak = self.0.swap(0, Ordering::Relaxed);
        self.raise(count());
        peak
    }
}
