//! Active / capacity, for pools that count activity by themselves.

pub(crate) mod peak;
pub(crate) mod worker;

use core::fmt;

use crossbeam_utils::CachePadded;

use self::peak::Peak;
use crate::shed::utilization::Utilization;
use crate::sync::stat::AtomicU32;
use crate::sync::{AtomicU64, Ordering, constructor};

/// How much of a pool is active: a number to read, not a limit. Nobody is turned away.
///
/// A [`Floodwall`](crate::Floodwall) has a utilization of its own; a gauge is for a pool that is
/// bounded by other means, to feed a [`Shedder`](crate::Shedder) or a dashboard.
///
/// # Examples
/// ```
/// use floodwall::Gauge;
///
/// static WORKERS: Gauge = Gauge::new(4);
/// {
///     let _active = WORKERS.enter();
///     assert_eq!(WORKERS.utilization(), 0.25);
/// }
/// assert_eq!((WORKERS.active(), WORKERS.peak()), (0, 1));
/// ```
pub struct Gauge {
    /// How many are active: 64 bits, so that no number of forgotten guards can make it overflow.
    active: CachePadded<AtomicU64>,
    /// What is seldom written, away from what always is.
    rest: CachePadded<Rest>,
}

struct Rest {
    capacity: AtomicU32,
    peak: Peak,
}

impl Gauge {
    constructor! {
        /// A gauge of a pool of `capacity` threads.
        #[must_use]
        pub const fn new(capacity: u32) -> Self {
            Gauge {
                active: CachePadded::new(AtomicU64::new(0)),
                rest: CachePadded::new(Rest {
                    capacity: AtomicU32::new(capacity),
                    peak: Peak::new(),
                }),
            }
        }
    }

    /// Counts the caller as active until the guard is dropped.
    ///
    /// # Progress
    /// Wait-free where the processor has fetch-and-add. A new peak costs one more.
    #[inline]
    pub fn enter(&self) -> GaugeGuard<'_> {
        // ORDERING: Relaxed, for entering shows nothing to anybody; it is leaving that does.
        let now = self.active.fetch_add(1, Ordering::Relaxed) + 1;
        self.rest.peak.raise(saturate(now));
        GaugeGuard { gauge: self }
    }

    /// How many are active.
    ///
    /// # Progress
    /// Wait-free: one load.
    ///
    /// # Memory ordering
    /// What was done by those that this no longer counts happens-before its return.
    #[must_use]
    pub fn active(&self) -> u32 {
        // ORDERING: Acquire pairs with the Release in the drop of `GaugeGuard`.
        saturate(self.active.load(Ordering::Acquire))
    }

    /// The capacity that utilization is measured against.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        // ORDERING: Relaxed: a number by itself, which vouches for nothing else.
        self.rest.capacity.load(Ordering::Relaxed)
    }

    /// Changes the capacity. Nothing that is active is touched.
    pub fn set_capacity(&self, capacity: u32) {
        // ORDERING: Relaxed, as in `capacity`.
        self.rest.capacity.store(capacity, Ordering::Relaxed);
    }

    /// Active / capacity: above 1 if more are active than the capacity says, and 1 if the capacity
    /// is 0.
    ///
    /// # Progress
    /// Wait-free: two loads. A change of the capacity meanwhile counts as before or after.
    #[must_use]
    pub fn utilization(&self) -> f64 {
        Utilization::new(self.active().into(), self.capacity().into()).value()
    }

    /// The most that were active at once since the last [`take_peak`](Self::take_peak).
    #[must_use]
    pub fn peak(&self) -> u32 {
        // Never less than what is active, not even between the two steps of `take_peak`.
        self.rest.peak.get().max(self.active())
    }

    /// The peak; a new one begins with what is active now.
    pub fn take_peak(&self) -> u32 {
        self.rest.peak.take(|| self.active())
    }
}

impl fmt::Debug for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauge")
            .field("active", &self.active())
            .field("capacity", &self.capacity())
            .field("peak", &self.peak())
            .finish()
    }
}

fn saturate(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Counts as active on a [`Gauge`] until it is dropped, on whatever thread; for good, if it is
/// forgotten.
#[must_use = "dropping the guard ends the activity immediately: bind it to a name such as `_active`"]
pub struct GaugeGuard<'a> {
    gauge: &'a Gauge,
}

impl Drop for GaugeGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        // ORDERING: Release pairs with the Acquire in `Gauge::active`: whoever sees the count go
        // down sees what was done while it was up.
        self.gauge.active.fetch_sub(1, Ordering::Release);
    }
}

impl fmt::Debug for GaugeGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GaugeGuard").finish_non_exhaustive()
    }
}
