//! Permits: the right to occupy threads, released on drop.

pub(crate) mod word;

use core::fmt;

use self::word::PermitWord;
use crate::sync::Ordering;

/// The right to occupy one thread, or several, borrowed from the bulkhead or wall that issued it.
///
/// A permit is released when it is dropped, on any thread, also while a panic unwinds. [`core::mem::forget`] never
/// releases it: it then counts as in use for good.
///
/// # Ways to lose a permit
/// In each of these the work runs without a permit of the bulkhead that is meant:
/// ```
/// # use floodwall::Bulkhead;
/// # static BULKHEAD: Bulkhead = Bulkhead::new(1);
/// # fn work() { assert_eq!(BULKHEAD.in_use(), 0) }
/// # fn main() {
/// # assert!(BULKHEAD.try_acquire().is_ok()); // else some of the rest would do nothing
/// let _ = BULKHEAD.try_acquire();               // `_` binds nothing: write `_permit`
/// work();
///
/// let Ok(_) = BULKHEAD.try_acquire() else {     // the same
///     return;
/// };
/// work();
///
/// if BULKHEAD.try_acquire().is_ok() {           // a temporary: write `if let Ok(_permit) = ...`
///     work();
/// }
///
/// if let Ok(permit) = BULKHEAD.try_acquire() {
///     let job = move || work();                 // does not name `permit`, so does not capture it:
///     drop(permit);                             // write `permit.wrap(work)`
///     job();
/// }
///
/// let future = BULKHEAD.call(|| async { work() }); // released when the future exists, before it runs:
/// # block_on(future.unwrap());                     // acquire inside the `async` block
///
/// const COPIED: Bulkhead = Bulkhead::new(1);    // each use is a new bulkhead: write `static`
/// assert_eq!(COPIED.call(|| COPIED.in_use()), Ok(0));
/// # }
/// # fn block_on(future: impl Future) {
/// #     use std::{pin::pin, task::{Context, Waker}};
/// #     let mut future = pin!(future);
/// #     while future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {}
/// # }
/// ```
/// No lint finds all of them: `#![warn(let_underscore_drop)]` finds the first, Clippy the last. Two suggestions of the
/// tools cause these mistakes: rustc's `let _ =` for an unused result, and Clippy's `is_ok()` for `if let Ok(_) =`.
/// [`wrap`](Self::wrap) with a closure that returns a future is the same mistake as `call`.
///
/// # Progress
/// A release is one `fetch_sub`: wait-free on processors with an atomic fetch-and-add.
///
/// # Memory ordering
/// The release of a permit happens-before the acquire that reuses it.
#[must_use = "dropping the permit releases it immediately: bind it to a name such as `_permit`"]
pub struct Permit<'a> {
    word: &'a PermitWord,
    /// What this permit added to the word.
    unit: u64,
}

impl<'a> Permit<'a> {
    #[inline]
    pub(crate) fn new(word: &'a PermitWord, unit: u64) -> Self {
        Permit { word, unit }
    }

    /// Returns a closure that runs `f` and holds the permit while it runs, to be sent to another thread.
    ///
    /// The permit is released when `f` returns or panics, or when the closure is dropped without having run. A future
    /// that `f` returns runs without it.
    ///
    /// # Examples
    /// ```
    /// use floodwall::Bulkhead;
    ///
    /// static REPORTS: Bulkhead = Bulkhead::new(1);
    /// let job = REPORTS.try_acquire()?.wrap(|| REPORTS.in_use());
    /// assert_eq!(std::thread::spawn(job).join().unwrap(), 1);
    /// assert_eq!(REPORTS.in_use(), 0);
    /// # Ok::<(), floodwall::Full>(())
    /// ```
    pub fn wrap<R, F: FnOnce() -> R>(self, f: F) -> impl FnOnce() -> R + use<'a, R, F> {
        // `f` comes first so that what it holds is dropped before the permit, also if the closure never runs.
        let job = (f, self);
        move || {
            let (f, _permit) = job;
            f()
        }
    }

    /// Returns the number of permits that this permit holds.
    #[must_use]
    pub fn permits(&self) -> u32 {
        self.word.permits(self.unit)
    }

    /// Splits `permits` permits off, to be released apart. Returns `None`, and changes nothing, if this permit holds
    /// fewer.
    ///
    /// # Examples
    /// ```
    /// use floodwall::Bulkhead;
    ///
    /// let bulkhead = Bulkhead::new(4);
    /// let mut permit = bulkhead.try_acquire_many(4)?;
    /// let one = permit.split(1).expect("the permit holds 4");
    /// assert_eq!((permit.permits(), one.permits()), (3, 1));
    /// drop(one);
    /// assert_eq!(bulkhead.in_use(), 3);
    /// # Ok::<(), floodwall::Full>(())
    /// ```
    #[must_use = "dropping the part releases it immediately: bind it to a name such as `_part`"]
    pub fn split(&mut self, permits: u32) -> Option<Permit<'a>> {
        if permits > self.permits() {
            return None;
        }
        let unit = self.word.part(self.unit, permits);
        self.unit = self.unit.wrapping_sub(unit);
        Some(Permit::new(self.word, unit))
    }

    /// Merges two permits into one, which is released as a whole.
    ///
    /// # Errors
    /// [`MergeError`], with both permits, unless they are of the same bulkhead, of the same class of a wall, or
    /// released to the same shard. Dropping the error releases both.
    pub fn merge(self, other: Permit<'a>) -> Result<Permit<'a>, MergeError<Permit<'a>>> {
        let is_same = core::ptr::eq(self.word, other.word);
        if !is_same || !self.word.can_merge(self.unit, other.unit) {
            return Err(MergeError {
                first: self,
                second: other,
            });
        }
        let word = self.word;
        Ok(Permit::new(
            word,
            self.into_unit().wrapping_add(other.into_unit()),
        ))
    }

    /// Returns what the permit added to its word. The caller becomes responsible for the release.
    pub(crate) fn into_unit(self) -> u64 {
        let unit = self.unit;
        core::mem::forget(self);
        unit
    }
}

#[inline]
fn release(word: &PermitWord, unit: u64) {
    // ORDERING: Release: pairs with the Acquire of the acquire that reuses the permit, and with the Acquire of
    // `in_use`; required because both promise to see what was done under the permit.
    word.fetch_sub(unit, Ordering::Release);
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        release(self.word, self.unit);
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("permits", &self.permits())
            .finish_non_exhaustive()
    }
}

/// Error returned by `merge` if the two permits are not counted in the same place. It gives both back.
#[derive(Debug)]
pub struct MergeError<P> {
    /// The permit that `merge` was called on.
    pub first: P,
    /// The permit that was to be merged into it.
    pub second: P,
}

impl<P> fmt::Display for MergeError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("permits of different bulkheads, walls, classes or shards cannot be merged")
    }
}

impl<P: fmt::Debug> core::error::Error for MergeError<P> {}

#[cfg(feature = "alloc")]
pub use owned::OwnedPermit;

#[cfg(feature = "alloc")]
mod owned {
    use alloc::sync::Arc;

    use super::{MergeError, Permit, PermitWord, fmt, release};

    /// A [`Permit`] that holds an [`Arc`] of its source, such as a [`Bulkhead`](crate::Bulkhead) or a
    /// [`Floodwall`](crate::Floodwall), instead of borrowing it.
    ///
    /// It behaves as a [`Permit`] in every other respect. An owned permit that is forgotten keeps its source alive for
    /// good.
    #[must_use = "dropping the permit releases it immediately: bind it to a name such as `_permit`"]
    pub struct OwnedPermit<T> {
        source: Arc<T>,
        place: Place<T>,
        unit: u64,
    }

    /// Where the source counts the permit: `word(source, index)`.
    // A function instead of a trait, so that the type needs no bound on `T`.
    struct Place<T> {
        word: fn(&T, usize) -> &PermitWord,
        index: usize,
    }

    impl<T> Clone for Place<T> {
        fn clone(&self) -> Self {
            *self
        }
    }

    impl<T> Copy for Place<T> {}

    impl<T> OwnedPermit<T> {
        /// Converts `permit`, which was issued by `source` and counted in `word(source, index)`.
        pub(crate) fn new(
            source: &Arc<T>,
            word: fn(&T, usize) -> &PermitWord,
            index: usize,
            permit: Permit<'_>,
        ) -> Self {
            debug_assert!(core::ptr::eq(permit.word, word(source, index)));
            OwnedPermit {
                source: Arc::clone(source),
                place: Place { word, index },
                unit: permit.into_unit(),
            }
        }

        fn word(&self) -> &PermitWord {
            (self.place.word)(&self.source, self.place.index)
        }

        /// Returns the number of permits that this permit holds.
        #[must_use]
        pub fn permits(&self) -> u32 {
            self.word().permits(self.unit)
        }

        /// Splits `permits` permits off, as [`Permit::split`] does.
        #[must_use = "dropping the part releases it immediately: bind it to a name such as `_part`"]
        pub fn split(&mut self, permits: u32) -> Option<OwnedPermit<T>> {
            if permits > self.permits() {
                return None;
            }
            let unit = self.word().part(self.unit, permits);
            self.unit = self.unit.wrapping_sub(unit);
            Some(OwnedPermit {
                source: Arc::clone(&self.source),
                place: self.place,
                unit,
            })
        }

        /// Merges two permits into one, as [`Permit::merge`] does.
        ///
        /// # Errors
        /// As [`Permit::merge`].
        pub fn merge(
            mut self,
            mut other: OwnedPermit<T>,
        ) -> Result<OwnedPermit<T>, MergeError<OwnedPermit<T>>> {
            let is_same = core::ptr::eq(self.word(), other.word());
            if !is_same || !self.word().can_merge(self.unit, other.unit) {
                return Err(MergeError {
                    first: self,
                    second: other,
                });
            }
            // The drop of `other` then releases nothing.
            self.unit = self.unit.wrapping_add(core::mem::take(&mut other.unit));
            Ok(self)
        }

        /// Returns a closure that runs `f` and holds the permit while it runs, as [`Permit::wrap`] does.
        pub fn wrap<R, F: FnOnce() -> R>(self, f: F) -> impl FnOnce() -> R + use<T, R, F> {
            let job = (f, self);
            move || {
                let (f, _permit) = job;
                f()
            }
        }
    }

    impl<T> Drop for OwnedPermit<T> {
        fn drop(&mut self) {
            release(self.word(), self.unit);
        }
    }

    impl<T> fmt::Debug for OwnedPermit<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("OwnedPermit")
                .field("permits", &self.permits())
                .finish_non_exhaustive()
        }
    }
}
