//! The fast path of an admission: thresholds up to which the admission rule has no objection.

use super::word::{Lanes, Limits, MAX_LANE_BITS};
use crate::shed::curve::Curve;

/// Thresholds of one class: as long as the class's permits and the permits of all classes stay at or below them, no
/// limit is exceeded and no curve is to be evaluated.
///
/// | bits     | meaning                                                 |
/// |----------|---------------------------------------------------------|
/// | above 48 | epoch that the thresholds were computed for, or another |
/// | 24..48   | threshold for the permits of all classes                |
/// | 0..24    | threshold for the permits of the class                  |
///
/// If the mode of the wall may decide any request of the class, the epoch is another one, so that the mode is looked at.
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
    ///
    /// Two pairs of thresholds are right: one for a class within its guarantee, one for a class that borrows. This takes
    /// the pair that holds in more states of the wall.
    pub(super) const fn new(
        lanes: Lanes,
        word: u64,
        limits: &Limits,
        curve: Curve,
        class: usize,
    ) -> Thresholds {
        let guaranteed = Pair::within_guarantee(lanes, limits, class);
        let borrowed = Pair::of_borrower(lanes, limits, curve, class);
        let pair = if guaranteed.states() > borrowed.states() {
            guaranteed
        } else {
            borrowed
        };
        pair.tagged(lanes, word)
    }

    /// Computes the thresholds of class `class` if its curve must not be skipped: they end at its guarantee.
    pub(super) const fn without_curve(
        lanes: Lanes,
        word: u64,
        limits: &Limits,
        class: usize,
    ) -> Thresholds {
        Pair::within_guarantee(lanes, limits, class).tagged(lanes, word)
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

    /// Returns whether class `class` may acquire `permits` more (at least one) than in `word`. The thresholds must be
    /// [of the word's epoch](Self::are_of_epoch).
    #[inline(always)]
    pub(super) const fn admit(self, lanes: Lanes, word: u64, class: usize, permits: u32) -> bool {
        if lanes.in_use_after(word, class, permits) > self.0 & THRESHOLD {
            return slow_path();
        }
        if lanes.total(word) + permits as u64 > self.0 >> TOTAL_SHIFT & THRESHOLD {
            return slow_path();
        }
        true
    }
}

/// Keeps the conditions apart, so that the processor predicts each of them. Joined into one number, they would have to
/// be computed before the compare-exchange could begin. It also tells the compiler which way is rare.
#[cold]
const fn slow_path() -> bool {
    false
}

/// The most permits of one class, and of all classes, up to which the class is admitted without a look at its rule.
#[derive(Clone, Copy)]
struct Pair {
    of_class: u64,
    total: u64,
}

impl Pair {
    /// Within its guarantee, a class is admitted as long as a permit is free, whatever its curve says.
    const fn within_guarantee(lanes: Lanes, limits: &Limits, class: usize) -> Pair {
        Pair {
            of_class: lanes.get(limits.guarantees, class),
            total: limits.capacity,
        }
    }

    /// Beyond its guarantee, a class is admitted as long as the [committed](Lanes::committed) permits fit the capacity,
    /// and the utilization is below the curve's `lo`.
    ///
    /// With `x` permits in use by the class and `y` by the others, at most `x + guaranteed + max(0, y - smallest)`
    /// permits are committed: permits beyond a guarantee have first used up at least the smallest one.
    const fn of_borrower(lanes: Lanes, limits: &Limits, curve: Curve, class: usize) -> Pair {
        let guaranteed = lanes.guaranteed_to_others(limits, class);
        let mut smallest = guaranteed;
        let mut other = 0;
        while other < lanes.count() {
            if other != class {
                smallest = min(smallest, lanes.get(limits.guarantees, other));
            }
            other += 1;
        }
        let uncommitted = limits.capacity - (guaranteed - smallest);
        Pair {
            of_class: lanes.reachable(limits, class),
            total: min(uncommitted, curve.permits_at_lo(limits.capacity)),
        }
    }

    /// Returns twice the number of states in which these thresholds admit, nearly: of the class's permits and those of
    /// all others.
    const fn states(self) -> u64 {
        let of_class = min(self.of_class, self.total);
        of_class * (2 * self.total - of_class)
    }

    const fn tagged(self, lanes: Lanes, word: u64) -> Thresholds {
        let total = min(self.total, THRESHOLD);
        Thresholds(lanes.tagged(word, total << TOTAL_SHIFT | self.of_class))
    }
}

const fn min(a: u64, b: u64) -> u64 {
    if a < b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Draw;
    use crate::floodwall::word::Verdict;
    use crate::shed::utilization::Utilization;

    /// Checks up to how many permits of class 0 and of all classes these thresholds admit.
    #[track_caller]
    fn assert_admits_up_to(limits: &Limits, thresholds: Thresholds, of_class: u64, total: u64) {
        let lanes = Lanes::new(2);
        let thresholds = Thresholds::from_word(thresholds.to_word());
        let up_to = |max| 0..=max + 1;
        for (own, others) in up_to(of_class).flat_map(|own| up_to(total).map(move |o| (own, o))) {
            let word = lanes.put(own, 0) | lanes.put(others, 1);
            let expected = own < of_class && own + 1 + others <= total;
            let admits = thresholds.admit(lanes, word, 0, 1);
            assert_eq!(
                admits,
                expected,
                "{} own, {others} others, {limits:?}",
                own + 1
            );
            assert!(thresholds.are_of_epoch(lanes, word));
            let next = word + lanes.next_epoch();
            assert!(!thresholds.are_of_epoch(lanes, next));
        }
    }

    /// A request that needlessly leaves the fast path gets the same answer, so no other test would notice.
    #[test]
    fn thresholds_hold_in_as_many_states_as_they_can() {
        let lanes = Lanes::new(2);
        let pair = |own: u64, other: u64| lanes.put(own, 0) | lanes.put(other, 1);
        let ramp = Curve::linear(0.6, 0.8);
        for (guarantees, caps, curve, of_class, total) in [
            // The wall of the README: its messages are only rejected if all that is not guaranteed to logins is in use.
            ((50, 20), (100, 50), Curve::NEVER, 80, 100),
            // Its logins: the guarantee is longer than the way to the ramp.
            ((20, 50), (50, 100), ramp, 20, 100),
            // `exactly(50)` twice.
            ((50, 50), (50, 50), Curve::NEVER, 50, 100),
            // Without guarantees, the cap and the ramp.
            ((0, 0), (70, 100), Curve::NEVER, 70, 100),
            ((0, 0), (70, 100), ramp, 70, 60),
            ((0, 0), (70, 100), Curve::ALWAYS, 70, 0),
            // A small guarantee is left for the longer way to the ramp.
            ((5, 10), (70, 100), ramp, 70, 60),
        ] {
            let limits = Limits {
                guarantees: pair(guarantees.0, guarantees.1),
                caps: pair(caps.0, caps.1),
                capacity: 100,
            };
            let thresholds = Thresholds::new(lanes, 0, &limits, curve, 0);
            assert_admits_up_to(&limits, thresholds, of_class, total);
            let thresholds = Thresholds::without_curve(lanes, 0, &limits, 0);
            assert_admits_up_to(&limits, thresholds, guarantees.0, 100);
        }
    }

    /// With more than two classes, permits beyond one guarantee leave the other guarantees free.
    #[test]
    fn thresholds_of_three_classes_leave_the_guarantees_of_the_others() {
        let lanes = Lanes::new(3);
        let word = |[a, b, c]: [u64; 3]| lanes.put(a, 0) | lanes.put(b, 1) | lanes.put(c, 2);
        let limits = Limits {
            guarantees: word([0, 10, 30]),
            caps: word([100; 3]),
            capacity: 100,
        };
        let thresholds = Thresholds::new(lanes, 0, &limits, Curve::NEVER, 0);
        let admits = |permits| thresholds.admit(lanes, word(permits), 0, 1);
        assert!(admits([59, 0, 0]) && admits([0, 69, 0]) && admits([59, 10, 0]));
        assert!(!admits([60, 0, 0]) && !admits([0, 70, 0]) && !admits([0, 40, 30]));
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
        let admitted_by = |thresholds: Thresholds| thresholds.admit(lanes, word, class, permits);
        let admits = admitted_by(Thresholds::new(lanes, word, limits, curve, class));
        if admitted_by(Thresholds::without_curve(lanes, word, limits, class)) {
            let verdict = lanes.judge(word, limits, class, permits);
            assert_eq!(verdict, Verdict::Guaranteed, "{word:#x}, {limits:x?}");
        }
        let is_right = !admits
            || match lanes.judge(word, limits, class, permits) {
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
                let guarantee = below(left.min(largest) + 1) / (1 + below(8));
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
        assert!(thresholds.admit(lanes, THRESHOLD - 1, 0, 1));
        assert!(!thresholds.admit(lanes, THRESHOLD, 0, 1));
    }
}
