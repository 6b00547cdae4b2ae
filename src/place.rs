//! Where the calling thread counts: in a seat of its own, or on a stripe that it may share.

use crate::seats::SEATS;

/// How many places there are to count at, in all. Few in the models, whose stacks are small; no seats
/// without `std`, where nobody can tell when a thread ends.
pub(crate) const PLACES: usize = if cfg!(floodwall_loom) {
    2
} else if cfg!(feature = "std") {
    SEATS + STRIPES
} else {
    STRIPES
};
const STRIPES: usize = 16;

/// A place to count at: the seats come first, then the stripes.
#[derive(Clone, Copy)]
pub(crate) struct Place(usize);

impl Place {
    const fn stripe(number: usize) -> Place {
        Place(SEATS + number % STRIPES)
    }

    #[inline]
    pub(crate) const fn index(self) -> usize {
        self.0 % PLACES
    }

    /// Whether nobody else counts here.
    #[inline]
    pub(crate) const fn is_own(self) -> bool {
        self.0 < SEATS
    }
}

/// The calling thread's place: a seat if one was free when it first asked, and until it ends.
#[cfg(all(feature = "std", not(floodwall_loom)))]
#[inline]
pub(crate) fn mine() -> Place {
    match own::PLACE.get() {
        own::NONE => own::first_call(),
        place => Place(place),
    }
}

#[cfg(all(feature = "std", not(floodwall_loom)))]
mod own {
    use core::cell::Cell;
    use core::sync::atomic::{AtomicUsize, Ordering};

    use super::Place;
    use crate::seats::Seats;

    static FREE: Seats = Seats::new();
    static THREADS: AtomicUsize = AtomicUsize::new(0);

    /// No place yet.
    pub(super) const NONE: usize = usize::MAX;

    std::thread_local! {
        pub(super) static PLACE: Cell<usize> = const { Cell::new(NONE) };
        static SITTER: Cell<Option<Sitter>> = const { Cell::new(None) };
    }

    #[cold]
    pub(super) fn first_call() -> Place {
        // While the thread ends it is too late to promise that a seat will be left.
        let seat = SITTER.try_with(|sitter| {
            let seat = FREE.sit()?;
            sitter.set(Some(Sitter(seat)));
            Some(Place(seat))
        });
        // ORDERING: Relaxed, for a number that is nobody else's.
        let place = seat
            .ok()
            .flatten()
            .unwrap_or_else(|| Place::stripe(THREADS.fetch_add(1, Ordering::Relaxed)));
        PLACE.set(place.0);
        place
    }

    /// Leaves the seat when the thread ends. What runs after that counts on a stripe.
    struct Sitter(usize);

    impl Drop for Sitter {
        fn drop(&mut self) {
            PLACE.set(Place::stripe(self.0).0);
            FREE.rise(self.0);
        }
    }
}

/// Loom's threads take turns on one: they share a stripe.
#[cfg(floodwall_loom)]
pub(crate) fn mine() -> Place {
    Place::stripe(0)
}

/// Without threads to ask, the place of the stack tells them apart well enough: a collision costs
/// speed, never a count.
#[cfg(not(any(feature = "std", floodwall_loom)))]
#[inline]
pub(crate) fn mine() -> Place {
    const STACKS_DIFFER_FROM: u32 = 14;
    const STRIPE_BITS: u32 = STRIPES.ilog2();
    let here = 0_u8;
    let stack = (&raw const here).addr() >> STACKS_DIFFER_FROM;
    let hash = (stack as u32).wrapping_mul(crate::draw::GOLDEN);
    Place::stripe((hash >> (u32::BITS - STRIPE_BITS)) as usize)
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn what_is_no_seat_is_a_stripe() {
        let stripes = (0..PLACES * PLACES).map(Place::stripe);
        let shared = stripes.filter(|stripe| !stripe.is_own());
        let mut indices: Vec<_> = shared.map(Place::index).collect();
        assert_eq!(indices.len(), PLACES * PLACES);
        indices.sort_unstable();
        indices.dedup();
        assert!(indices.into_iter().eq(SEATS..PLACES));
        for seat in 0..SEATS {
            assert!(Place(seat).index() == seat && Place(seat).is_own());
        }
    }

    #[test]
    fn a_thread_leaves_its_seat_to_the_next_one() {
        for _ in 0..3 * SEATS {
            let has_seat = std::thread::spawn(|| mine().is_own());
            assert!(has_seat.join().unwrap());
        }
    }
}
