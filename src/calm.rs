//! The short cut of an admission: marks up to which the one rule has nothing to say against it.

use crate::curve::Curve;
use crate::lanes::{LANE_BITS_AT_MOST, Lanes, Limits};

/// How far a class may go without a look at the rules: while its own permits and those of all classes
/// stay at or below these marks, no limit is exceeded, and no curve is asked.
///
/// | bits     | mark                                        |
/// |----------|---------------------------------------------|
/// | above 48 | the epoch that the marks were made for      |
/// | 24..48   | the permits of all classes                  |
/// | 0..24    | the permits of the class                    |
#[derive(Clone, Copy)]
pub(crate) struct Calm(u64);

const OF_ALL_SHIFT: u32 = LANE_BITS_AT_MOST;
const MARK: u64 = (1 << LANE_BITS_AT_MOST) - 1;

impl Calm {
    /// What these limits and this curve leave to class `class`, in the epoch of `word`.
    pub(crate) const fn new(
        lanes: Lanes,
        word: u64,
        limits: &Limits,
        curve: Curve,
        class: usize,
    ) -> Calm {
        // What is committed is never more than the total and all guarantees together.
        let free = limits.capacity - lanes.total(limits.guarantees);
        let of_all = least([free, curve.first_asked(limits.capacity), MARK]);
        let of_class = lanes.get(limits.caps, class);
        Calm(lanes.tagged(word, of_all << OF_ALL_SHIFT | of_class))
    }

    pub(crate) const fn to_word(self) -> u64 {
        self.0
    }

    #[inline(always)]
    pub(crate) const fn from_word(word: u64) -> Calm {
        Calm(word)
    }

    /// Whether class `class` may have `permits` more, at least one, so that the wall's word would be
    /// `after`.
    #[inline(always)]
    pub(crate) const fn admits(self, lanes: Lanes, after: u64, class: usize, permits: u32) -> bool {
        if lanes.exceeds(after, class, permits, self.0 & MARK) {
            return no();
        }
        if !lanes.same_epoch(after, self.0) {
            return no();
        }
        lanes.total(after) <= self.0 >> OF_ALL_SHIFT & MARK
    }
}

/// Keeps the conditions apart, so that the processor guesses each: joined to one number, they would
/// have to be worked out before the compare-exchange could begin.
#[cold]
const fn no() -> bool {
    false
}

const fn least([a, b, c]: [u64; 3]) -> u64 {
    let least = if a < b { a } else { b };
    if c < least { c } else { least }
}
