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
    use crate::Draw;
    use crate::floodwall::word::Verdict;
    use crate::shed::utilization::Utilization;

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

    /// Checks one request: what the thresholds admit, the rule admits without a draw. Returns whether they admit it.
    fn admits_by_the_rule(
        lanes: Lanes,
        limits: &Limits,
        curve: Curve,
        word: u64,
        class: usize,
        permits: u32,
    ) -> bool {
        let thresholds = Thresholds::new(lanes, word, limits, curve, class);
        let after = lanes.after(word, class, permits);
        let admits = thresholds.admit(lanes, after, class, permits);
        let is_right = !admits
            || match lanes.judge(after, limits, class, permits) {
                Verdict::Guaranteed => true,
                Verdict::Borrowed => {
                    let utilization = Utilization::new(lanes.total(word), limits.capacity);
                    let mut draws = 0;
                    let is_shed = curve.sheds(utilization, || {
                        draws += 1;
                        Draw::from(u32::MAX)
                    });
                    !is_shed && draws == 0
                }
                Verdict::ClassFull | Verdict::PoolFull => false,
            };
        assert!(
            is_right,
            "{permits} permits for class {class} in {word:#x}, {limits:x?}, {curve:?}"
        );
        admits
    }

    /// Every wall of two classes and at most 7 permits, in every state, also those of a lowered limit that drains.
    #[test]
    fn fast_path_admits_only_by_the_rule_for_two_classes() {
        let lanes = Lanes::new(2);
        let pair = |own, other| lanes.put(own, 0) | lanes.put(other, 1);
        let (mut requests, mut admitted) = (0, 0);
        for capacity in 1..=7 {
            let step = |permits: u64| Curve::step(permits as f64 / capacity as f64);
            let ramp = |permits: u64| Curve::linear(permits as f64 / capacity as f64, 1.0);
            let curves = [
                Curve::NEVER,
                Curve::ALWAYS,
                step(1),
                step(capacity),
                ramp(capacity / 2),
            ];
            for (guarantee, other) in
                (0..=capacity).flat_map(|g| (0..=capacity - g).map(move |o| (g, o)))
            {
                for cap in guarantee..=capacity {
                    for other_cap in other..=capacity {
                        let limits = Limits {
                            guarantees: pair(guarantee, other),
                            caps: pair(cap, other_cap),
                            capacity,
                        };
                        for in_use in 0..=capacity + 1 {
                            for other_in_use in 0..=capacity + 1 {
                                let word = pair(in_use, other_in_use);
                                for permits in 1..=3 {
                                    for curve in curves {
                                        requests += 1;
                                        admitted += u32::from(admits_by_the_rule(
                                            lanes, &limits, curve, word, 0, permits,
                                        ));
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        assert!(
            requests > 2_000_000 && admitted > 50_000,
            "{admitted} of {requests}"
        );
    }

    /// Random walls of 1 to 8 classes, with lanes up to full and requests up to the largest.
    #[test]
    fn fast_path_admits_only_by_the_rule_for_every_class_count() {
        let mut next = {
            let mut n = 0;
            move || {
                n += 1;
                Draw::keyed(n, 0)
            }
        };
        let mut below = move |end: u64| next().scaled_to(end);
        let mut admitted = [0; 9];
        for _ in 0..200_000 {
            let count = 1 + below(8) as usize;
            let lanes = Lanes::new(count);
            let max = u64::from(lanes.max());
            let most = [20, max, 8 * max][below(3) as usize];
            let capacity = 1 + below(most);
            let (mut limits, mut word, mut left) = (
                Limits {
                    guarantees: 0,
                    caps: 0,
                    capacity,
                },
                0,
                capacity,
            );
            for class in 0..count {
                let largest = max.min(capacity);
                let guarantee = below(left.min(largest) + 1) * u64::from(below(8) == 0);
                left -= guarantee;
                limits.guarantees |= lanes.put(guarantee, class);
                limits.caps |= lanes.put(guarantee + below(largest - guarantee + 1), class);
                let in_use =
                    [0, 0, 0, 1, below(guarantee + 1), below(max + 1), max][below(7) as usize];
                word |= lanes.put(in_use, class);
            }
            let permits = [1, 1 + below(3), 1 + below(max), u64::from(u32::MAX)][below(4) as usize];
            let lo = below(100) as f64 / 100.0;
            let curve = [
                Curve::NEVER,
                Curve::ALWAYS,
                Curve::step(lo),
                Curve::linear(lo, 1.0),
            ][below(4) as usize];
            let class = below(count as u64) as usize;
            let admits = admits_by_the_rule(lanes, &limits, curve, word, class, permits as u32);
            admitted[count] += u32::from(admits);
        }
        assert!(
            admitted[1..].iter().all(|&admitted| admitted > 200),
            "{admitted:?}"
        );
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
        assert!(thresholds.are_of_epoch(lanes, THRESHOLD));
        assert!(thresholds.admit(lanes, THRESHOLD, 0, 1));
    }
}
