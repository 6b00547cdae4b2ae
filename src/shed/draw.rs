//! The uniform 32-bit sample that decides one request.

/// 2^32 divided by the golden ratio. The multiples of this step, modulo 2^32, fill the range evenly: a Weyl sequence
/// with the step of Knuth's Fibonacci hashing.
pub(crate) const GOLDEN: u32 = 0x9E37_79B9;

/// Elements of the sequence that are reordered together: see [`Draw::nth`].
const BLOCK: u32 = 16;

/// The uniform 32-bit sample that decides one request: the request is shed if the sample, divided by 2^32, is below
/// the reject probability.
///
/// A caller that chooses the draw can replay the decision. A draw that sheds at one probability also sheds at every
/// higher one.
///
/// The draws of a thread and of a wall are evenly spaced, so utilization varies less than with independent ones. The
/// shares shed may then differ from those of independent decisions (measured: by about one percentage point).
///
/// # Examples
/// ```
/// use floodwall::{Curve, Draw, Shedder};
///
/// let shedder = Shedder::new(Curve::linear(0.6, 0.8));
/// let lowest = Draw::from(0); // shed at any probability above 0
/// assert!(shedder.decide_with(0.61, lowest).is_err());
/// let user = Draw::keyed(4711, 20_250_101); // the same draw on every server, for one day
/// assert_eq!(user, Draw::from(0xD43E_1B8D));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Draw(u32);

impl Draw {
    /// Returns the next element of the calling thread's golden-ratio Weyl sequence, which is visited in blocks of 16,
    /// each in an order of its own.
    ///
    /// At a constant probability the share shed converges to it, and rejections are evenly spaced. A caller that gets
    /// every `k`-th sample is not starved: over all `k` from 1 to 1,024, the longest run of rejections is at most a
    /// quarter longer than with independent samples (measured).
    ///
    /// The *n*-th thread to call this begins at the *n*-th element, so threads that decide once each are evenly spaced
    /// too. All decisions of a thread share its sequence: if the outcome of one decides whether another one draws, the
    /// second sees a biased part of the sequence. A [`Floodwall`](crate::Floodwall) keeps one sequence per class.
    ///
    /// # Progress
    /// Wait-free on processors with an atomic fetch-and-add: a thread's first call makes one.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn local() -> Draw {
        use core::cell::Cell;
        use core::sync::atomic::{AtomicU32, Ordering};

        static THREADS: AtomicU32 = AtomicU32::new(0);
        std::thread_local! {
            // ORDERING: Relaxed: only the uniqueness of the number matters.
            static NEXT: Cell<u32> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed));
        }
        let n = NEXT.get();
        NEXT.set(n.wrapping_add(1));
        Draw::nth(n)
    }

    /// Returns the `n`-th draw of a golden-ratio Weyl sequence that is visited in blocks, each block in an order of its
    /// own.
    ///
    /// Every block is as even as in the plain sequence. In the plain sequence a caller that gets every `k`-th draw sees
    /// almost the same value again and again if `k` times the golden ratio is almost an integer, as it is for every
    /// Fibonacci number. The order of a block is an exclusive or with a number below `BLOCK`.
    #[inline]
    pub(crate) const fn nth(n: u32) -> Draw {
        Draw((n ^ order_of_block(n / BLOCK)).wrapping_mul(GOLDEN))
    }

    /// Returns this draw moved up by `offset`, modulo the range.
    #[inline]
    pub(crate) const fn offset(self, offset: u32) -> Draw {
        Draw(self.0.wrapping_add(offset))
    }

    /// Returns a draw that depends only on `key` and `period`: a user has the same draw on every server until the
    /// period changes, and then an unrelated one.
    ///
    /// The draw is a hash made with the finalizer of SplitMix64 (Steele, Lea and Flood, 2014). It will stay the same in
    /// every version of this crate.
    #[must_use]
    pub const fn keyed(key: u64, period: u64) -> Draw {
        Draw((mix(key ^ mix(period)) >> 32) as u32)
    }

    /// Scales the draw to `0..whole`. The result is below `part` if, and only if, the draw is below the probability
    /// `part / whole`.
    #[inline]
    pub(crate) fn scaled_to(self, whole: u64) -> u64 {
        // In the upper half of a word, so that the result is the upper half of the product, without a shift.
        let draw = u64::from(self.0) << u32::BITS;
        ((u128::from(draw) * u128::from(whole)) >> u64::BITS) as u64
    }

    /// Returns whether this draw is below the probability `(part / whole)^3`.
    ///
    /// Returns `false` if the two are equal, as for every other shape. May also return `false` if the draw is below by
    /// less than one part in 2^48.
    // In integers the products would need more than 128 bits, and admissions by any curve 30 instructions more.
    #[inline]
    pub(crate) fn is_below_cube(self, part: u64, whole: u64) -> bool {
        // The 6 roundings on each side change their ratio by 12 parts in 2^53 at most.
        const MARGIN: f64 = 8.0 * f64::EPSILON;
        const RANGE: f64 = (1_u64 << u32::BITS) as f64 * (1.0 - MARGIN);
        let (part, whole) = (part as f64, whole as f64);
        f64::from(self.0) * (whole * whole * whole) < RANGE * (part * part * part)
    }
}

/// Converts a sample chosen by the caller, from 0 (shed at any probability above 0) to `u32::MAX`.
impl From<u32> for Draw {
    #[inline]
    fn from(number: u32) -> Self {
        Draw(number)
    }
}

/// Returns a hash of the number of a block, below [`BLOCK`], and 0 for the first block.
#[inline]
const fn order_of_block(block: u32) -> u32 {
    let hash = block.wrapping_mul(0x85EB_CA6B);
    let hash = (hash ^ hash >> 15).wrapping_mul(0x846C_A68B);
    // The upper bits of a product depend on all bits of its factors.
    hash >> (u32::BITS - BLOCK.ilog2())
}

const fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ x >> 31
}

#[cfg(test)]
mod tests {
    use core::array::from_fn;

    use super::*;

    /// So the draws are as evenly spaced as the plain sequence, up to one block.
    #[test]
    fn each_block_is_a_permutation_of_the_plain_sequence() {
        for first in [0, 16, 160, 1 << 20, u32::MAX - 15] {
            for block in 0..10_000 {
                let element = |n| first.wrapping_add(block * BLOCK + n as u32);
                let mut draws: [Draw; BLOCK as usize] = from_fn(|n| Draw::nth(element(n)));
                let mut plain = from_fn(|n| Draw(element(n).wrapping_mul(GOLDEN)));
                draws.sort_unstable();
                plain.sort_unstable();
                assert_eq!(draws, plain);
            }
        }
    }
}
