//! One uniform 32-bit number that settles one decision.

/// 2^32 divided by the golden ratio: the step whose multiples, modulo 2^32, fill the range most
/// evenly (Weyl's sequence; the choice of step goes back to Knuth's Fibonacci hashing).
pub(crate) const GOLDEN: u32 = 0x9E37_79B9;

/// One uniform 32-bit number that settles one decision: below the probability, it sheds.
///
/// Whoever brings the draw can replay the decision. The same draw that is shed at one probability
/// is shed at every higher one.
///
/// Draws that come evenly, which are those of a thread and of a wall, keep the pool steadier than
/// lots would: shares come out within a point or so of what theory says of independent decisions.
///
/// # Examples
/// ```
/// use floodwall::{Curve, Draw, Shedder};
///
/// let shedder = Shedder::new(Curve::linear(0.6, 0.8));
/// let unlucky = Draw::from(0);
/// assert!(shedder.decide_with(0.61, unlucky).is_err());
/// let user = Draw::keyed(4711, 20_250_101); // the same answer on every server, until tomorrow
/// assert_eq!(user, Draw::keyed(4711, 20_250_101));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Draw(u32);

impl Draw {
    /// The next of this thread's golden-ratio Weyl sequence: the share shed comes out at the
    /// probability and the rejects come evenly spaced, not in clumps.
    ///
    /// Thread number *n* begins at the *n*-th number of the sequence, so that threads that decide
    /// once each are even too. Decisions of one kind should not pick which draws another kind gets
    /// to see: a [`Floodwall`](crate::Floodwall) keeps a sequence for each class.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn local() -> Draw {
        use core::cell::Cell;
        use core::sync::atomic::{AtomicU32, Ordering};

        static THREADS: AtomicU32 = AtomicU32::new(0);
        std::thread_local! {
            // ORDERING: Relaxed, for a number that is nobody else's.
            static NEXT: Cell<u32> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed));
        }
        let n = NEXT.get();
        NEXT.set(n.wrapping_add(1));
        Draw(n.wrapping_mul(GOLDEN))
    }

    /// A draw that depends on nothing but `key` and `epoch`: the same user gets the same answer on
    /// every server until the epoch turns, and then the lots are cast anew.
    ///
    /// The numbers are those of SplitMix64's finalizer (Steele, Lea and Flood, 2014), and will
    /// stay the same in every version of this crate.
    #[must_use]
    pub const fn keyed(key: u64, period: u64) -> Draw {
        Draw((mix(key ^ mix(period)) >> 32) as u32)
    }

    /// As far up `0..whole` as the draw lies up its own range: below `part` if, and only if, the draw
    /// lies below the probability `part / whole`.
    #[inline]
    pub(crate) fn scaled_to(self, whole: u64) -> u64 {
        // From the top of a word, so that the answer is the upper half of the product as it stands.
        let draw = u64::from(self.0) << u32::BITS;
        ((u128::from(draw) * u128::from(whole)) >> u64::BITS) as u64
    }

    /// Whether this draw lies below the probability `(part / whole)^3`.
    #[inline]
    pub(crate) fn is_below_cube(self, part: u64, whole: u64) -> bool {
        const RANGE: f64 = (1_u64 << u32::BITS) as f64;
        let (part, whole) = (part as f64, whole as f64);
        f64::from(self.0) * (whole * whole * whole) < RANGE * (part * part * part)
    }
}

/// A draw of one's own, from 0 (shed at any probability above 0) to `u32::MAX`.
impl From<u32> for Draw {
    #[inline]
    fn from(number: u32) -> Self {
        Draw(number)
    }
}

const fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ x >> 31
}
