//! One limit, on one atomic word.

pub(crate) mod sharded;

use core::fmt;

use crossbeam_utils::CachePadded;

use crate::permit::Permit;
use crate::permit::word::{Layout, PermitWord};
use crate::shed::utilization::Utilization;
use crate::sync::{Ordering, constructor};

#[cfg(feature = "alloc")]
use crate::permit::OwnedPermit;
#[cfg(feature = "alloc")]
use alloc::sync::Arc;

const LIMIT_SHIFT: u32 = 32;
const LAYOUT: Layout = Layout::Lanes { bits: LIMIT_SHIFT };
const IN_USE: u64 = u32::MAX as u64;

const fn limit(word: u64) -> u32 {
    (word >> LIMIT_SHIFT) as u32
}

const fn in_use(word: u64) -> u32 {
    (word & IN_USE) as u32
}

const fn with_limit(word: u64, limit: u32) -> u64 {
    (limit as u64) << LIMIT_SHIFT | (word & IN_USE)
}

/// A limit on concurrent work: at most `limit` permits are in use at any instant, and a request beyond that is rejected
/// at once.
///
/// With a limit of 1 it is a try-lock. It has no counters: a [`Floodwall`](crate::Floodwall) of one class is a bulkhead
/// that counts what it admits and rejects (measured: about a tenth more time per permit).
///
/// # Examples
/// ```
/// use floodwall::Bulkhead;
///
/// static REPORTS: Bulkhead = Bulkhead::new(2);
/// let first = REPORTS.try_acquire()?;
/// let _second = REPORTS.try_acquire()?;
/// assert_eq!(REPORTS.try_acquire().unwrap_err().to_string(), "full: 2 of 2 permits in use");
/// drop(first);
/// assert!(REPORTS.call(|| "a report").is_ok());
/// # Ok::<(), floodwall::Full>(())
/// ```
pub struct Bulkhead {
    /// | bits   | meaning        | changed by                   |
    /// |--------|----------------|------------------------------|
    /// | 32..64 | limit          | `set_limit`                  |
    /// | 0..32  | permits in use | `try_acquire`, `Permit` drop |
    ///
    /// It counts permits in use, not free ones, so a limit can be lowered below what is in use without a debt.
    word: CachePadded<PermitWord>,
}

impl Bulkhead {
    constructor! {
        /// Creates a bulkhead of `limit` permits. If the limit is 0, every request is rejected.
        #[must_use]
        pub const fn new(limit: u32) -> Self {
            Bulkhead {
                word: CachePadded::new(PermitWord::new(with_limit(0, limit), LAYOUT)),
            }
        }
    }

    /// Acquires one permit without waiting.
    ///
    /// The permit is released when it is dropped, on any thread.
    ///
    /// # Errors
    /// [`Full`] if no permit was free, in a state no older than anything that happens-before the call.
    ///
    /// # Progress
    /// Lock-free: retries only if another thread acquired or released a permit or changed the limit concurrently, or if
    /// the processor's compare-exchange failed spuriously. If the first load finds no free permit, the rejection is
    /// that load and no write.
    ///
    /// # Memory ordering
    /// Everything done under permits that were released before happens-before the acquire.
    #[must_use = "bind the permit to a name such as `_permit`: `let _ = ...` releases it immediately"]
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_>, Full> {
        self.try_acquire_many(1)
    }

    /// Acquires `permits` permits without waiting, or none. A request for zero permits always succeeds and holds
    /// nothing.
    ///
    /// # Errors
    /// [`Full`] if fewer than `permits` were free, as in [`try_acquire`](Self::try_acquire).
    ///
    /// # Progress
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    /// ```
    /// # use floodwall::Bulkhead;
    /// let bulkhead = Bulkhead::new(3);
    /// let _two = bulkhead.try_acquire_many(2)?;
    /// assert!(bulkhead.try_acquire_many(2).is_err());
    /// assert_eq!(bulkhead.available_permits(), 1);
    /// # Ok::<(), floodwall::Full>(())
    /// ```
    #[must_use = "bind the permit to a name such as `_permit`: `let _ = ...` releases it immediately"]
    #[inline]
    pub fn try_acquire_many(&self, permits: u32) -> Result<Permit<'_>, Full> {
        let unit = u64::from(permits);
        // ORDERING: Relaxed: a stale word can only make the compare-exchange fail, and a rejection needs no more than
        // coherence gives: a value no older than anything that happens-before the call.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            // If the count in use overflows, it becomes less than `permits`.
            let next = word.wrapping_add(unit);
            let is_full = in_use(next) > limit(next) || in_use(next) < permits;
            if is_full && permits > 0 {
                return Err(Full::new(permits, word));
            }
            // ORDERING: Acquire: pairs with the Release of released permits and of `set_limit`; required because the
            // acquire promises to see what was done before both. Relaxed on failure: as for the load.
            match self
                .word
                .compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return Ok(Permit::new(&self.word, unit)),
                Err(now) => word = now,
            }
        }
    }

    /// Acquires one permit as [`try_acquire`](Self::try_acquire) does. The permit holds the [`Arc`] of the bulkhead.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    /// ```
    /// use floodwall::Bulkhead;
    /// use std::sync::Arc;
    ///
    /// let tenant = Arc::new(Bulkhead::new(5));
    /// let permit = tenant.try_acquire_owned()?;
    /// std::thread::spawn(permit.wrap(|| ())).join().unwrap();
    /// assert_eq!(tenant.in_use(), 0);
    /// # Ok::<(), floodwall::Full>(())
    /// ```
    #[must_use = "bind the permit to a name such as `_permit`: `let _ = ...` releases it immediately"]
    #[cfg(feature = "alloc")]
    pub fn try_acquire_owned(self: &Arc<Self>) -> Result<OwnedPermit<Self>, Full> {
        self.try_acquire_many_owned(1)
    }

    /// Acquires `permits` permits as [`try_acquire_many`](Self::try_acquire_many) does. The permit holds the [`Arc`] of
    /// the bulkhead.
    ///
    /// # Errors
    /// As [`try_acquire_many`](Self::try_acquire_many).
    #[cfg(feature = "alloc")]
    #[must_use = "bind the permit to a name such as `_permit`: `let _ = ...` releases it immediately"]
    pub fn try_acquire_many_owned(
        self: &Arc<Self>,
        permits: u32,
    ) -> Result<OwnedPermit<Self>, Full> {
        let permit = self.try_acquire_many(permits)?;
        Ok(OwnedPermit::new(
            self,
            |bulkhead, _| &bulkhead.word,
            0,
            permit,
        ))
    }

    /// Runs `f` under a permit. A future that `f` returns runs without it.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire); then `f` is not called.
    ///
    /// # Panics
    /// If `f` panics; the permit is released in that case too.
    #[inline]
    pub fn call<R>(&self, f: impl FnOnce() -> R) -> Result<R, Full> {
        let _permit = self.try_acquire()?;
        Ok(f())
    }

    /// Returns the limit.
    #[must_use]
    pub fn limit(&self) -> u32 {
        limit(self.load())
    }

    /// Changes the limit. No permit is revoked: below what is in use, no permit is issued until enough are released.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Memory ordering
    /// Everything that precedes the change happens-before every acquire under the new limit.
    ///
    /// # Examples
    /// ```
    /// # use floodwall::Bulkhead;
    /// let bulkhead = Bulkhead::new(1);
    /// let _permit = bulkhead.try_acquire()?;
    /// bulkhead.set_limit(0);
    /// assert_eq!((bulkhead.in_use(), bulkhead.available_permits()), (1, 0));
    /// # Ok::<(), floodwall::Full>(())
    /// ```
    pub fn set_limit(&self, limit: u32) {
        // ORDERING: Relaxed: a stale word can only make the compare-exchange fail.
        let mut word = self.word.load(Ordering::Relaxed);
        // ORDERING: Release: pairs with the Acquire of an acquire under the new limit; required for the promise above.
        // Relaxed on failure: as for the load.
        while let Err(now) = self.word.compare_exchange_weak(
            word,
            with_limit(word, limit),
            Ordering::Release,
            Ordering::Relaxed,
        ) {
            word = now;
        }
    }

    /// Returns the permits in use.
    ///
    /// # Progress
    /// Wait-free: one load.
    ///
    /// # Memory ordering
    /// Everything done under a permit that is no longer counted happens-before the return: if the count has dropped to
    /// zero, the work of those permits is visible.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        in_use(self.load())
    }

    /// Returns the free permits: limit less in use, and zero while a lowered limit drains.
    #[must_use]
    pub fn available_permits(&self) -> u32 {
        let word = self.load();
        limit(word).saturating_sub(in_use(word))
    }

    /// Returns permits in use / limit: at most 1, except while a lowered limit drains; 1 if the limit is 0.
    #[must_use]
    pub fn utilization(&self) -> f64 {
        let word = self.load();
        Utilization::new(in_use(word).into(), limit(word).into()).value()
    }

    fn load(&self) -> u64 {
        // ORDERING: Acquire: pairs with the Release of released permits and of `set_limit`; required because a reader
        // that no longer counts a permit must see its work, and a reader of a new limit what preceded the change.
        self.word.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.load();
        f.debug_struct("Bulkhead")
            .field("limit", &limit(word))
            .field("in_use", &in_use(word))
            .finish()
    }
}

/// Error returned when a [`Bulkhead`] or a [`ShardedBulkhead`](crate::ShardedBulkhead) has too few free permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Full {
    /// Permits requested.
    pub requested: u32,
    /// Permits in use at that instant.
    pub in_use: u32,
    /// The limit at that instant.
    pub limit: u32,
}

impl Full {
    /// Returns whether the request was for more permits than the limit, so that it cannot be granted later either
    /// unless the limit is raised. With a limit of 0 the bulkhead is full instead.
    #[must_use]
    pub const fn is_too_large(&self) -> bool {
        self.limit > 0 && self.requested > self.limit
    }

    #[cold]
    fn new(requested: u32, word: u64) -> Self {
        Full {
            requested,
            in_use: in_use(word),
            limit: limit(word),
        }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Full {
            requested,
            in_use,
            limit,
        } = *self;
        if self.is_too_large() {
            write!(f, "too large: the limit is {limit} permits")?;
        } else {
            write!(f, "full: {in_use} of {limit} permits in use")?;
        }
        write_requested(requested, f)
    }
}

/// Writes the number of permits requested, unless it is 1, the usual case.
pub(crate) fn write_requested(requested: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match requested {
        1 => Ok(()),
        requested => write!(f, ", {requested} requested"),
    }
}

impl core::error::Error for Full {}
