//! The highest count since the last time somebody took it: a statistic.

use crate::sync::Ordering;
use crate::sync::stat::AtomicU32;

pub(crate) struct Peak(AtomicU32);

impl Peak {
    pub(crate) const fn new() -> Self {
        Peak(AtomicU32::new(0))
    }

    /// Notes that the count stood at `now`. Mostly a load: the peak seldom rises.
    #[inline]
    pub(crate) fn raise(&self, now: u32) {
        if now > self.get() {
            self.rise(now);
        }
    }

    #[cold]
    fn rise(&self, now: u32) {
        // ORDERING: Relaxed, as everywhere here.
        self.0.fetch_max(now, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn get(&self) -> u32 {
        // ORDERING: Relaxed, as everywhere here: a peak orders nothing and decides nothing.
        self.0.load(Ordering::Relaxed)
    }

    /// The peak; a new one begins at the count as it stands, which `now` reads afterwards. What is in
    /// flight meanwhile may be missing from the new one.
    pub(crate) fn take(&self, now: impl FnOnce() -> u32) -> u32 {
        // ORDERING: Relaxed, as everywhere here.
        let peak = self.0.swap(0, Ordering::Relaxed);
        self.raise(now());
        peak
    }
}
