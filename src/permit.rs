//! Permits: the right to occupy threads, given back on drop.

use core::fmt;

use crate::sync::{AtomicU64, Ordering};

/// The right to occupy one thread (or several), borrowed from what admitted it.
///
/// It is given back when it is dropped, on whatever thread that happens, and also when a panic
/// unwinds past it. [`core::mem::forget`] keeps it for good: `in_use` shows it from then on.
///
/// # Three ways to lose it at once
/// Each of these gives the permit back before the work begins, and no lint catches them all:
/// ```
/// # use floodwall::Bulkhead;
/// # let room = Bulkhead::new(1);
/// # fn work() {}
/// let _ = room.try_acquire();          // `_` binds nothing: write `_permit`
/// if room.try_acquire().is_ok() {      // a temporary: write `if let Ok(_permit) = ...`
///     work();
/// }
/// if let Ok(permit) = room.try_acquire() {
///     let job = move || work();        // captures nothing that it does not name
///     drop(permit);                    // so the permit stays behind: use `Permit::wrap`
///     job();
/// }
/// # assert_eq!(room.in_use(), 0);
/// ```
///
/// # Progress
/// Giving back is one `fetch_sub`: wait-free where the processor has fetch-and-add.
///
/// # Memory ordering
/// Giving a permit back happens-before the take that reuses it.
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

    /// Sends the permit along with a job: the closure runs `f` and holds the permit meanwhile.
    ///
    /// It is given back when `f` returns or panics, or when the closure is dropped without having
    /// run.
    ///
    /// # Examples
    /// ```
    /// use floodwall::Bulkhead;
    ///
    /// static ROOM: Bulkhead = Bulkhead::new(1);
    /// let job = ROOM.try_acquire()?.wrap(|| ROOM.in_use());
    /// assert_eq!(std::thread::spawn(job).join().unwrap(), 1);
    /// assert_eq!(ROOM.in_use(), 0);
    /// # Ok::<(), floodwall::Full>(())
    /// ```
    pub fn wrap<R, F: FnOnce() -> R>(self, f: F) -> impl FnOnce() -> R + use<'a, R, F> {
        // Whether it runs or not, what `f` holds is dropped first, under the permit.
        let job = (f, self);
        move || {
            let (f, _permit) = job;
            f()
        }
    }

    /// The permit as what it added to its word, for whoever gives it back instead.
    #[cfg(feature = "alloc")]
    pub(crate) fn into_unit(self) -> u64 {
        let unit = self.unit;
        core::mem::forget(self);
        unit
    }
}

#[inline]
fn give_back(word: &AtomicU64, unit: u64) {
    // ORDERING: Release pairs with the Acquire of the take that reuses this permit, so that it
    // sees all that was done under it, and with the Acquire of `in_use`, so that whoever sees the
    // permit gone does too.
    word.fetch_sub(unit, Ordering::Release);
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        give_back(self.word, self.unit);
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
    use super::{AtomicU64, Permit, fmt, give_back};
    use alloc::sync::Arc;

    /// A [`Permit`] that holds an [`Arc`] of what it came from (a [`Bulkhead`](crate::Bulkhead)
    /// or a [`Floodwall`](crate::Floodwall)) instead of borrowing it.
    ///
    /// All that is said of [`Permit`] holds for it too. One that is forgotten keeps its source alive
    /// for good.
    #[must_use = "dropping the permit releases it immediately: bind it to a name such as `_permit`"]
    pub struct OwnedPermit<T> {
        source: Arc<T>,
        /// Where the source keeps its word. A function instead of a trait, so that nobody needs a
        /// bound to name an owned permit.
        word: fn(&T) -> &AtomicU64,
        unit: u64,
    }

    impl<T> OwnedPermit<T> {
        /// Takes over what `permit` holds. It must come from `source`, whose word `word` finds.
        pub(crate) fn new(source: &Arc<T>, word: fn(&T) -> &AtomicU64, permit: Permit<'_>) -> Self {
            debug_assert!(core::ptr::eq(permit.word, word(source)));
            OwnedPermit {
                source: Arc::clone(source),
                word,
                unit: permit.into_unit(),
            }
        }

        /// What [`Permit::wrap`] does, for a permit of one's own.
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
            give_back((self.word)(&self.source), self.unit);
        }
    }

    impl<T> fmt::Debug for OwnedPermit<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("OwnedPermit").finish_non_exhaustive()
        }
    }
}
