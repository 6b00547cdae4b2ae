//! Utilization of a pool that counts its activity by itself.

pub(crate) mod peak;
pub(crate) mod worker;

use core::fmt;

use crossbeam_utils::CachePadded;

use self::peak::Peak;
use crate::shed::utilization::Utilization;
use crate::sync::{AtomicU32, AtomicU64, Ordering, constructor};

#[cfg(feature = "alloc")]
use alloc::sync::Arc;

/// A lock-free utilization gauge: active / capacity. It counts and limits nothing.
///
/// A [`Floodwall`](crate::Floodwall) has its own utilization. A gauge is for a pool that is bounded by other means, and
/// feeds a [`Shedder`](crate::Shedder) or a dashboard.
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
    /// The number of guards. 64 bits, so that no number of forgotten guards makes it overflow.
    active: CachePadded<AtomicU64>,
    /// The fields that are seldom written, on a cache line of their own.
    rest: CachePadded<Rest>,
}

struct Rest {
    capacity: AtomicU32,
    peak: Peak,
}

impl Gauge {
    constructor! {
        /// Creates a gauge for a pool of `capacity` threads.
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
    /// Wait-free on processors with an atomic fetch-and-add, unless the count is a new peak: that is one `fetch_max`, a
    /// compare-exchange loop on x86-64.
    #[inline]
    pub fn enter(&self) -> GaugeGuard<'_> {
        self.increment();
        GaugeGuard { gauge: self }
    }

    /// Counts the caller as active as [`enter`](Self::enter) does. The guard holds the [`Arc`] of the gauge.
    ///
    /// # Progress
    /// As [`enter`](Self::enter).
    ///
    /// # Examples
    /// ```
    /// use floodwall::Gauge;
    /// use std::sync::Arc;
    ///
    /// let workers = Arc::new(Gauge::new(4));
    /// let active = workers.enter_owned();
    /// std::thread::spawn(move || drop(active)).join().unwrap();
    /// assert_eq!((workers.active(), workers.peak()), (0, 1));
    /// ```
    #[cfg(feature = "alloc")]
    pub fn enter_owned(self: &Arc<Self>) -> OwnedGaugeGuard {
        self.increment();
        OwnedGaugeGuard {
            gauge: Arc::clone(self),
        }
    }

    #[inline]
    fn increment(&self) {
        // ORDERING: Acquire: pairs with the Release in `take_peak`; required because a call that `take_peak` does not count
        // must see the peak that it reset.
        let now = self.active.fetch_add(1, Ordering::Acquire) + 1;
        self.rest.peak.raise(saturate(now));
    }

    #[inline]
    fn decrement(&self) {
        // ORDERING: Release: pairs with the Acquire in `active`; required because a reader that no longer counts this
        // caller must see what it did.
        self.active.fetch_sub(1, Ordering::Release);
    }

    /// Returns the number of active callers.
    ///
    /// # Progress
    /// Wait-free: one load.
    ///
    /// # Memory ordering
    /// Everything done by callers that are no longer counted happens-before the return.
    #[must_use]
    pub fn active(&self) -> u32 {
        // ORDERING: Acquire: pairs with the Release in the drop of `GaugeGuard`; required for the promise above.
        saturate(self.active.load(Ordering::Acquire))
    }

    /// Returns the capacity that utilization is measured against.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        // ORDERING: Relaxed: the number publishes nothing else.
        self.rest.capacity.load(Ordering::Relaxed)
    }

    /// Changes the capacity. The active callers stay counted.
    pub fn set_capacity(&self, capacity: u32) {
        // ORDERING: Relaxed: as in `capacity`.
        self.rest.capacity.store(capacity, Ordering::Relaxed);
    }

    /// Returns active / capacity: above 1 if more callers are active than the capacity, and 1 if the capacity is 0.
    ///
    /// # Progress
    /// Wait-free: two loads. A concurrent change of the capacity is either seen or not.
    #[must_use]
    pub fn utilization(&self) -> f64 {
        Utilization::new(self.active().into(), self.capacity().into()).value()
    }

    /// Returns the highest number of active callers since the last [`take_peak`](Self::take_peak).
    #[must_use]
    pub fn peak(&self) -> u32 {
        // Never below the active count, also between the two steps of a concurrent `take_peak`.
        self.rest.peak.get().max(self.active())
    }

    /// Returns the peak and restarts it at the number of callers that are active now.
    pub fn take_peak(&self) -> u32 {
        self.rest.peak.take(|| {
            // ORDERING: Release: pairs with the Acquire in `enter`; required for the reason given in `Peak::take`.
            saturate(self.active.fetch_add(0, Ordering::Release))
        })
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

/// A guard that counts as active on a [`Gauge`] until it is dropped, on any thread. A guard that is forgotten counts for
/// good.
#[must_use = "dropping the guard ends the activity immediately: bind it to a name such as `_active`"]
pub struct GaugeGuard<'a> {
    gauge: &'a Gauge,
}

impl Drop for GaugeGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.gauge.decrement();
    }
}

impl fmt::Debug for GaugeGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GaugeGuard").finish_non_exhaustive()
    }
}

/// A [`GaugeGuard`] that holds an [`Arc`] of its gauge instead of borrowing it. A guard that is forgotten keeps the gauge
/// alive for good.
#[cfg(feature = "alloc")]
#[must_use = "dropping the guard ends the activity immediately: bind it to a name such as `_active`"]
pub struct OwnedGaugeGuard {
    gauge: Arc<Gauge>,
}

#[cfg(feature = "alloc")]
impl Drop for OwnedGaugeGuard {
    fn drop(&mut self) {
        self.gauge.decrement();
    }
}

#[cfg(feature = "alloc")]
impl fmt::Debug for OwnedGaugeGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedGaugeGuard").finish_non_exhaustive()
    }
}
