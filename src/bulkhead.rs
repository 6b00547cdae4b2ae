//! One limit, on one atomic word.

pub(crate) mod sharded;

use core::fmt;

use crossbeam_utils::CachePadded;

use crate::permit::Permit;
use crate::shed::utilization::Utilization;
use crate::sync::{AtomicU64, Ordering, constructor};

#[cfg(feature = "alloc")]
use crate::permit::OwnedPermit;
#[cfg(feature = "alloc")]
use alloc::sync::Arc;

const LIMIT_SHIFT: u32 = 32;
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

/// One limit: at most so many permits are out at any instant, and whoever comes beyond that is
/// turned away at once.
///
/// With a limit of 1 it is a try-lock.
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
    /// | bits   | meaning        | changed by                  |
    /// |--------|----------------|-----------------------------|
    /// | 32..64 | limit          | `set_limit`                 |
    /// | 0..32  | permits in use | `try_acquire`, `Permit` drop |
    ///
    /// It counts up: lowering the limit below what is in use is one store, with no debt to track.
    word: CachePadded<AtomicU64>,
}

impl Bulkhead {
    constructor! {
        /// A bulkhead of `limit` permits. Zero is legal: everything is turned away.
        #[must_use]
        pub const fn new(limit: u32) -> Self {
            Bulkhead {
                word: CachePadded::new(AtomicU64::new(with_limit(0, limit))),
            }
        }
    }

    /// Takes one permit, or says at once that none is free.
    ///
    /// # Errors
    /// [`Full`] if as many permits as the limit were out, in a state no older than anything that
    /// happens-before the call.
    ///
    /// # Progress
    /// Lock-free: it tries again only when another thread took, gave back or changed the limit
    /// meanwhile (or where the processor lets a compare-exchange fail without a reason). Turning
    /// away, if it is full at first sight, is one load and no write.
    ///
    /// # Memory ordering
    /// Everything done under permits already given back happens-before a take.
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_>, Full> {
        self.try_acquire_many(1)
    }

    /// Takes `permits` permits at once, or none. Zero permits are always there, and hold nothing.
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
    /// let room = Bulkhead::new(3);
    /// let _two = room.try_acquire_many(2)?;
    /// assert!(room.try_acquire_many(2).is_err());
    /// assert_eq!(room.available_permits(), 1);
    /// # Ok::<(), floodwall::Full>(())
    /// ```
    #[inline]
    pub fn try_acquire_many(&self, permits: u32) -> Result<Permit<'_>, Full> {
        let unit = u64::from(permits);
        // ORDERING: Relaxed, for nothing is read on its strength: a stale word can only make the
        // compare-exchange fail, and a refusal needs no more than coherence gives, a value no
        // older than what happens-before the call.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            // The word as it would be; what is in use would be less than `permits` if it wrapped round.
            let next = word.wrapping_add(unit);
            let is_full = in_use(next) > limit(next) || in_use(next) < permits;
            if is_full && permits > 0 {
                return Err(Full::new(permits, word));
            }
            // ORDERING: Acquire pairs with the Release of the permits that were given back, and
            // with that of `set_limit`. On failure Relaxed, as for the load above.
            match self
                .word
                .compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return Ok(Permit::new(&self.word, unit)),
                Err(now) => word = now,
            }
        }
    }

    /// [`try_acquire`](Self::try_acquire) with a permit that holds the bulkhead itself.
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
    #[cfg(feature = "alloc")]
    pub fn try_acquire_owned(self: &Arc<Self>) -> Result<OwnedPermit<Self>, Full> {
        let permit = self.try_acquire()?;
        Ok(OwnedPermit::new(self, |bulkhead| &bulkhead.word, permit))
    }

    /// Runs `f` under a permit.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire); then `f` is not called.
    ///
    /// # Panics
    /// If `f` does; the permit is given back all the same.
    #[inline]
    pub fn call<R>(&self, f: impl FnOnce() -> R) -> Result<R, Full> {
        let _permit = self.try_acquire()?;
        Ok(f())
    }

    /// The most permits that may be out.
    #[must_use]
    pub fn limit(&self) -> u32 {
        limit(self.load())
    }

    /// Changes the limit. Nobody loses a permit: below what is in use, nothing is admitted until
    /// enough has been given back.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Memory ordering
    /// What precedes the change happens-before every take that comes after it.
    ///
    /// # Examples
    /// ```
    /// # use floodwall::Bulkhead;
    /// let room = Bulkhead::new(1);
    /// let _permit = room.try_acquire()?;
    /// room.set_limit(0);
    /// assert_eq!((room.in_use(), room.available_permits()), (1, 0));
    /// # Ok::<(), floodwall::Full>(())
    /// ```
    pub fn set_limit(&self, limit: u32) {
        // ORDERING: Relaxed, for the value is only what the compare-exchange starts from.
        let mut word = self.word.load(Ordering::Relaxed);
        // ORDERING: Release pairs with the Acquire of the takes under the new limit. On failure
        // Relaxed, as for the load above.
        while let Err(now) = self.word.compare_exchange_weak(
            word,
            with_limit(word, limit),
            Ordering::Release,
            Ordering::Relaxed,
        ) {
            word = now;
        }
    }

    /// How many permits are out.
    ///
    /// # Progress
    /// Wait-free: one load.
    ///
    /// # Memory ordering
    /// What was done under a permit that this no longer counts happens-before its return: a drain
    /// that is seen is over.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        in_use(self.load())
    }

    /// How many more could be taken now: limit less in use, zero while a lowered limit drains.
    #[must_use]
    pub fn available_permits(&self) -> u32 {
        let word = self.load();
        limit(word).saturating_sub(in_use(word))
    }

    /// Permits in use / limit: in 0..=1, above 1 only while a lowered limit drains, and 1 if the
    /// limit is 0.
    #[must_use]
    pub fn utilization(&self) -> f64 {
        let word = self.load();
        Utilization::new(in_use(word).into(), limit(word).into()).value()
    }

    fn load(&self) -> u64 {
        // ORDERING: Acquire pairs with the Release of permits given back and of `set_limit`: what
        // the caller sees gone is over, what it sees changed was prepared.
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

/// Why a [`Bulkhead`] turned somebody away: so many were requested for, with so many in use of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Full {
    /// Permits requested for.
    pub requested: u32,
    /// Permits in use at that instant.
    pub in_use: u32,
    /// The limit at that instant.
    pub limit: u32,
}

impl Full {
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
        write!(f, "full: {in_use} of {limit} permits in use")?;
        write_requested(requested, f)
    }
}

/// How many were requested for, where that is not one, as it mostly is.
pub(crate) fn write_requested(requested: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match requested {
        1 => Ok(()),
        requested => write!(f, ", {requested} requested"),
    }
}

impl core::error::Error for Full {}
