//! Permits: the right to occupy threads, released on drop.

use core::fmt;

use crate::sync::{AtomicU64, Ordering};

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
    word: &'a AtomicU64,
    /// What this permit added to the word.
    unit: u64,
}

impl<'a> Permit<'a> {
    #[inline]
    pub(crate) fn new(word: &'a AtomicU64, unit: u64) -> Self {
        Permit { word, unit }
    }

    /// Returns a closure that runs `f` and holds the permit while it runs, to be sent to another thread.
    ///
    /// The permit is released when `f` returns or panics, or when the closure is dropped without having run. A future that
    /// `f` returns runs without it.
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

    /// Returns what the permit added to its word. The caller becomes responsible for the release.
    #[cfg(feature = "alloc")]
    pub(crate) fn into_unit(self) -> u64 {
        let unit = self.unit;
        core::mem::forget(self);
        unit
    }
}

#[inline]
fn release(word: &AtomicU64, unit: u64) {
    // ORDERING: Release: pairs with the Acquire of the acquire that reuses the permit, and with the Acquire of `in_use`;
    // required because both promise to see what was done under the permit.
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
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

#[cfg(feature = "alloc")]
pub use owned::OwnedPermit;

#[cfg(feature = "alloc")]
mod owned {
    use super::{AtomicU64, Permit, fmt, release};
    use alloc::sync::Arc;

    /// A [`Permit`] that holds an [`Arc`] of its source, a [`Bulkhead`](crate::Bulkhead) or a
    /// [`Floodwall`](crate::Floodwall), instead of borrowing it.
    ///
    /// It behaves as a [`Permit`] in every other respect. An owned permit that is forgotten keeps its source alive for
    /// good.
    #[must_use = "dropping the permit releases it immediately: bind it to a name such as `_permit`"]
    pub struct OwnedPermit<T> {
        source: Arc<T>,
        /// Returns the word of the source. A function instead of a trait, so that the type needs no bound on `T`.
        word: fn(&T) -> &AtomicU64,
        unit: u64,
    }

    impl<T> OwnedPermit<T> {
        /// Converts `permit`, which was issued by `source`. `word` returns the word that the permit was counted in.
        pub(crate) fn new(source: &Arc<T>, word: fn(&T) -> &AtomicU64, permit: Permit<'_>) -> Self {
            debug_assert!(core::ptr::eq(permit.word, word(source)));
            OwnedPermit {
                source: Arc::clone(source),
                word,
                unit: permit.into_unit(),
            }
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
            release((self.word)(&self.source), self.unit);
        }
    }

    impl<T> fmt::Debug for OwnedPermit<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("OwnedPermit").finish_non_exhaustive()
        }
    }
}
