//! Seats: each has one sitter at a time, who may count there with plain loads and stores.
#![cfg_attr(
    not(feature = "std"),
    allow(dead_code, reason = "without std nobody can tell when a thread ends")
)]
#![allow(
    unreachable_pub,
    reason = "the models take seats themselves, so there this is public"
)]

use crate::sync::{AtomicU64, Ordering, constructor};

/// How many threads can have a seat at once. Whoever comes beyond that counts in another way.
pub(crate) const SEATS: usize = 16;

/// Which seats are taken: a bit for each.
pub struct Seats(AtomicU64);

impl Seats {
    constructor! {
        /// All seats are free.
        #[must_use]
        #[allow(clippy::new_without_default, reason = "nobody needs one")]
        pub const fn new() -> Self {
            Seats(AtomicU64::new(0))
        }
    }

    /// Takes a free seat, if there is one.
    ///
    /// # Memory ordering
    /// All that was done in a seat happens-before its next sitter takes it: what was counted there
    /// with plain stores is not lost.
    #[must_use]
    pub fn sit(&self) -> Option<usize> {
        // ORDERING: Relaxed: a stale word can only make the compare-exchange fail.
        let mut taken = self.0.load(Ordering::Relaxed);
        loop {
            let seat = taken.trailing_ones() as usize;
            if seat >= SEATS {
                return None;
            }
            // ORDERING: Acquire pairs with the Release in `rise`, for the promise above. On
            // failure Relaxed, as for the load.
            match self.0.compare_exchange_weak(
                taken,
                taken | 1 << seat,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(seat),
                Err(now) => taken = now,
            }
        }
    }

    /// Leaves a seat to the next one.
    pub fn rise(&self, seat: usize) {
        // ORDERING: Release pairs with the Acquire in `sit`.
        self.0.fetch_and(!(1 << seat), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_seat_is_taken_once_until_it_is_left() {
        let seats = Seats::new();
        for seat in 0..SEATS {
            assert_eq!(seats.sit(), Some(seat));
        }
        assert_eq!(seats.sit(), None);
        seats.rise(5);
        assert_eq!(seats.sit(), Some(5));
        assert_eq!(seats.sit(), None);
    }
}
