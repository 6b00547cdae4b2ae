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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever finds it shut takes the long way to the same answer: nothing else would notice.
    #[test]
    fn the_short_cut_goes_as_far_as_it_may() {
        let lanes = Lanes::new(2);
        let word = |mine: u64, others| lanes.put(mine, 0) | lanes.put(others, 1);
        let limits = Limits {
            guarantees: word(3, 6),
            caps: word(9, 20),
            capacity: 20,
        };
        // Beyond the guarantees, 11 are left; the ramp begins at 8 of 20.
        for (curve, of_all) in [(Curve::NEVER, 11), (Curve::linear(0.4, 0.8), 8)] {
            let calm = Calm::new(lanes, 0, &limits, curve, 0);
            let calm = Calm::from_word(calm.to_word());
            for (mine, others) in
                (1..=20).flat_map(|mine| (0..=20).map(move |others| (mine, others)))
            {
                let after = word(mine, others);
                let may = mine <= 9 && mine + others <= of_all;
                assert_eq!(calm.admits(lanes, after, 0, 1), may, "{mine} and {others}");
                assert!(!calm.admits(lanes, after + lanes.next_epoch(), 0, 1));
            }
        }
    }

    /// What a wall holds in all can be more than there are bits for: the mark stays out of the epoch.
    #[test]
    fn a_capacity_beyond_the_mark_is_cut() {
        let lanes = Lanes::new(1);
        let limits = Limits {
            guarantees: 0,
            caps: MARK,
            capacity: u32::MAX as u64,
        };
        let calm = Calm::new(lanes, 0, &limits, Curve::NEVER, 0);
        assert!(calm.admits(lanes, MARK, 0, 1));
    }
}
