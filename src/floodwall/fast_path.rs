//! The fast path of an admission: thresholds below which the admission rule has no objection.

use super::word::{Lanes, Limits, MAX_LANE_BITS};
use crate::shed::curve::Curve;

/// Thresholds of one class: as long as the class's permits and the permits of all classes stay at or below them, no
/// limit is exceeded and no curve is evaluated.
///
/// | bits     | meaning                                                 |
/// |----------|---------------------------------------------------------|
/// | above 48 | epoch that the thresholds were computed for, or another |
/// | 24..48   | threshold for the permits of all classes                |
/// | 0..24    | threshold for the permits of the class                  |
///
/// If the mode of the wall concerns the class, the epoch is another one, so that every request of the class is judged
/// by the mode.
#[derive(Clone, Copy)]
pub(super) struct Thresholds(u64);

const TOTAL_SHIFT: u32 = MAX_LANE_BITS;
const THRESHOLD: u64 = (1 << MAX_LANE_BITS) - 1;

impl Thresholds {
    /// Returns thresholds for the epoch of `word` that nothing is compared with.
    pub(super) const fn unused(lanes: Lanes, word: u64) -> Thresholds {
        // The epoch that is half the range away. It must also differ from the epoch before, which is still current when
        // the thresholds are stored.
        Thresholds(lanes.tagged(word ^ 1 << 63, 0))
    }

    /// Computes the thresholds of class `class` from these limits and this curve, for the epoch of `word`.
    pub(super) const fn new(
        lanes: Lanes,
        word: u64,
        limits: &Limits,
        curve: Curve,
        class: usize,
    ) -> Thresholds {
        // The committed permits are never more than the total and all guarantees together.
        let unreserved = limits.capacity - lanes.total(limits.guarantees);
        let total = min([unreserved, curve.permits_at_lo(limits.capacity), THRESHOLD]);
        let of_class = lanes.get(limits.caps, class);
        Thresholds(lanes.tagged(word, total << TOTAL_SHIFT | of_class))
    }

    pub(super) const fn to_word(self) -> u64 {
        self.0
    }

    #[inline(always)]
    pub(super) const fn from_word(word: u64) -> Thresholds {
        Thresholds(word)
    }

    /// Returns whether these thresholds hold for the epoch of `word`.
    #[inline(always)]
    pub(super) const fn are_of_epoch(self, lanes: Lanes, word: u64) -> bool {
        if !lanes.same_epoch(word, self.0) {
            return slow_path();
        }
        true
    }

    /// Returns whether class `class` may acquire `permits` more (at least one), so that the word of the wall becomes
    /// `after`. The thresholds must be [of the word's epoch](Self::are_of_epoch).
    #[inline(always)]
    pub(super) const fn admit(self, lanes: Lanes, after: u64, class: usize, permits: u32) -> bool {
        if lanes.exceeds(after, class, permits, self.0 & THRESHOLD) {
            return slow_path();
        }
        lanes.total(after) <= self.0 >> TOTAL_SHIFT & THRESHOLD
    }
}

/// Keeps the conditions apart, so that the processor predicts each of them. Joined into one number, they would have to
/// be computed before the compare-exchange could begin. It also tells the compiler which way is rare.
#[cold]
const fn slow_path() -> bool {
    false
}

const fn min([a, b, c]: [u64; 3]) -> u64 {
    let min = if a < b { a } else { b };
    if c < min { c } else { min }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request that needlessly leaves the fast path gets the same answer, so no other test would notice.
    #[test]
    fn thresholds_admit_exactly_up_to_the_first_limit() {
        let lanes = Lanes::new(2);
        let word = |own: u64, others| lanes.put(own, 0) | lanes.put(others, 1);
        let limits = Limits {
            guarantees: word(3, 6),
            caps: word(9, 20),
            capacity: 20,
        };
        // 11 permits are not guaranteed; the ramp begins at 8 of 20.
        for (curve, total) in [(Curve::NEVER, 11), (Curve::linear(0.4, 0.8), 8)] {
            let thresholds = Thresholds::new(lanes, 0, &limits, curve, 0);
            let thresholds = Thresholds::from_word(thresholds.to_word());
            for (own, others) in (1..=20).flat_map(|own| (0..=20).map(move |others| (own, others)))
            {
                let after = word(own, others);
                let expected = own <= 9 && own + others <= total;
                let admits = thresholds.admit(lanes, after, 0, 1);
                assert_eq!(admits, expected, "{own} own, {others} others");
                assert!(thresholds.are_of_epoch(lanes, after));
                let next = after + lanes.next_epoch();
                assert!(!thresholds.are_of_epoch(lanes, next));
            }
        }
    }

    /// Thresholds are stored before the epoch is stepped, so the epoch before must not use them either.
    #[test]
    fn unused_thresholds_match_neither_their_epoch_nor_the_one_before() {
        for count in 1..=8 {
            let lanes = Lanes::new(count);
            let mut word: u64 = 0;
            loop {
                let next = word.wrapping_add(lanes.next_epoch());
                let unused = Thresholds::unused(lanes, next);
                for word in [word, next] {
                    assert!(
                        !unused.are_of_epoch(lanes, word),
                        "{count} classes: {word:#x}"
                    );
                }
                word = next;
                if word == 0 {
                    break;
                }
            }
        }
    }

    /// A capacity can need more bits than a threshold has; it must not spill into the epoch.
    #[test]
    fn total_threshold_saturates() {
        let lanes = Lanes::new(1);
        let limits = Limits {
            guarantees: 0,
            caps: THRESHOLD,
            capacity: u32::MAX as u64,
        };
        let thresholds = Thresholds::new(lanes, 0, &limits, Curve::NEVER, 0);
        assert!(thresholds.admit(lanes, THRESHOLD, 0, 1));
    }
}
