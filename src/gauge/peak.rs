//! The highest count since the peak was last taken: a statistic.

use crate::sync::Ordering;
use crate::sync::stat::AtomicU32;

pub(crate) struct Peak(AtomicU32);

// ORDERING: Relaxed in this file: a peak orders nothing and decides nothing.

impl Peak {
    pub(crate) const fn new() -> Self {
        Peak(AtomicU32::new(0))
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

    /// Returns the peak and restarts it at the current count, which `count` reads after the reset. Calls in flight may
    /// be missing from the new peak.
    pub(crate) fn take(&self, count: impl FnOnce() -> u32) -> u32 {
        // ORDERING: Relaxed: see above.
        let peak = self.0.swap(0, Ordering::Relaxed);
        self.raise(count());
        peak
    }
}
