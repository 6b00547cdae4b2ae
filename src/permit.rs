//! Permits: the right to occupy threads, released on drop.

use core::fmt;

use crate::sync::{AtomicU64, Ordering};

/// The right to occupy one thread, or several, borrowed from the bulkhead or wall that issued it.
///
/// A permit is released when it is dropped, on any thread, also while a panic unwinds. [`core::mem::forget`] never
/// releases it: it then counts as in use for good.
///
/// # Three ways to lose a permit
/// Each of these releases the permit before the work begins, and no lint catches all of them:
/// ```
/// # use floodwall::Bulkhead;
/// # let bulkhead = Bulkhead::new(1);
/// # fn work() {}
/// let _ = bulkhead.try_acquire();          // `_` binds nothing: write `_permit`
/// if bulkhead.try_acquire().is_ok() {      // a temporary: write `if let Ok(_permit) = ...`
///     work();
/// }
/// if let Ok(permit) = bulkhead.try_acquire() {
///     let job = move || work();            // does not name the permit, so does not capture it
///     drop(permit);                        // released before the job runs: use `Permit::wrap`
///     job();
/// }
/// # assert_eq!(bulkhead.in_use(), 0);
/// ```
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
    /// The permit is released when `f` returns or panics, or when the closure is dropped without having run.
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
