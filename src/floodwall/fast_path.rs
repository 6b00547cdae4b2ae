//! The fast path of an admission: thresholds up to which the admission rule has no objection.

use super::word::{Lanes, Limits};
use crate::shed::curve::Curve;

/// The thresholds of one class, in a word with the lanes and the epoch of the wall's: as long as each class has at most
/// that many permits in use, one more permit of this class exceeds no limit, and no curve is to be evaluated.
///
/// If the mode of the wall may decide any request of the class, the epoch is another one, so that the mode is looked at.
#[derive(Clone, Copy)]
pub(super) struct Thresholds(u64);

impl Thresholds {
    /// Returns thresholds for the epoch of `word` that no word of this epoch, or of the one before, is within.
    pub(super) const fn unused(lanes: Lanes, word: u64) -> Thresholds {
        // The epoch that is half the range away. It must also differ from the epoch before, which is still current when
        // the thresholds are stored.
        Thresholds(lanes.tagged(word ^ 1 << 63, 0))
    }

    /// Computes the thresholds of class `class` from these limits and this curve, for the epoch of `word`.
    ///
    /// Two divisions of the capacity are valid: one for a class within its guarantee, one for a class that borrows. This
    /// takes the one that holds in more states of the wall.
    pub(super) const fn new(
        lanes: Lanes,
        word: u64,
        limits: &Limits,
        curve: Curve,
        class: usize,
    ) -> Thresholds {
        let guaranteed = Thresholds::without_curve(lanes, word, limits, class);
        let borrowed = Parts::of_borrower(lanes, limits, curve, class);
        let borrowed = borrowed.thresholds(lanes, word, class);
        if guaranteed.states(lanes, word) > borrowed.states(lanes, word) {
            guaranteed
        } else {
            borrowed
        }
    }

    /// Computes the thresholds of class `class` if its curve must not be skipped: they end at its guarantee.
    pub(super) const fn without_curve(
        lanes: Lanes,
        word: u64,
        limits: &Limits,
        class: usize,
    ) -> Thresholds {
        Parts::within_guarantee(lanes, limits, class).thresholds(lanes, word, class)
    }

    /// Returns the number of states within these thresholds, in the epoch of `word`.
    const fn states(self, lanes: Lanes, word: u64) -> u64 {
        if !lanes.same_epoch(self.0, word) {
            return 0;
        }
        let mut states = 1;
        let mut class = 0;
        while class < lanes.count() {
            states *= lanes.get(self.0, class) + 1;
            class += 1;
        }
        states
    }

    pub(super) const fn to_word(self) -> u64 {
        self.0
    }

    #[inline(always)]
    pub(super) const fn from_word(word: u64) -> Thresholds {
        Thresholds(word)
    }

    /// Returns whether class `class` may acquire `permits` more (at least one) than in `word`. If not, or if these
    /// thresholds are of another epoch, the rule has to be asked.
    #[inline(always)]
    pub(super) const fn admit(self, lanes: Lanes, word: u64, class: usize, permits: u32) -> bool {
        lanes.is_within(word, self.0)
            && (permits == 1
                || lanes.in_use_after(word, class, permits) <= lanes.get(self.0, class) + 1)
    }
}

/// The capacity in parts, one for each class, in its lane. One class is admitted as long as every class stays within its
/// part.
#[derive(Clone, Copy)]
struct Parts(u64);

impl Parts {
    /// Within its guarantee, a class is admitted as long as a permit is free, whatever its curve says.
    const fn within_guarantee(lanes: Lanes, limits: &Limits, class: usize) -> Parts {
        Parts::with_borrowed(lanes, limits, class, 0)
    }

    /// Beyond its guarantee, a class is admitted as long as no permit is taken that is guaranteed to another class, and
    /// the utilization is below the curve's `lo`.
    ///
    /// The class gets half of what is not guaranteed, or what the others cannot borrow if that is more. Half, because a
    /// class that uses more than the others also sends most of the requests.
    const fn of_borrower(lanes: Lanes, limits: &Limits, curve: Curve, class: usize) -> Parts {
        let borrowable = limits.caps - limits.guarantees;
        let by_class = lanes.get(borrowable, class);
        let not_guaranteed = lanes.not_guaranteed(limits);
        let left_by_others = not_guaranteed.saturating_sub(lanes.total(borrowable) - by_class);
        let half = not_guaranteed.div_ceil(2);
        let borrowed = min(by_class, max(half, left_by_others));
        let Parts(parts) = Parts::with_borrowed(lanes, limits, class, borrowed);
        let at_lo = curve.permits_at_lo(limits.capacity);
        if lanes.total(parts) <= at_lo {
            return Parts(parts);
        }
        // No part grows, so what is guaranteed to the others stays free. What is rounded off is left to the class.
        let cut = lanes.divide(at_lo, parts);
        let rounded_off = at_lo - lanes.total(cut);
        let cut_off = lanes.get(parts, class) - lanes.get(cut, class);
        Parts(cut + lanes.put(min(rounded_off, cut_off), class))
    }

    /// Gives each class its guarantee, and class `class` what it has borrowed. Divides the rest among the others, in
    /// proportion to what each may borrow.
    const fn with_borrowed(lanes: Lanes, limits: &Limits, class: usize, borrowed: u64) -> Parts {
        let borrowable = limits.caps - limits.guarantees;
        let by_others = borrowable - lanes.put(lanes.get(borrowable, class), class);
        let rest = min(
            lanes.not_guaranteed(limits) - borrowed,
            lanes.total(by_others),
        );
        let parts = limits.guarantees + lanes.put(borrowed, class);
        Parts(parts + lanes.divide(rest, by_others))
    }

    const fn thresholds(self, lanes: Lanes, word: u64, class: usize) -> Thresholds {
        if lanes.get(self.0, class) == 0 {
            return Thresholds::unused(lanes, word);
        }
        let in_use = self.0 - lanes.put(1, class);
        Thresholds(lanes.tagged(word, lanes.without_top_bits(in_use)))
    }
}

const fn min(a: u64, b: u64) -> u64 {
    if a < b { a } else { b }
}

const fn max(a: u64, b: u64) -> u64 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Draw;
    use crate::floodwall::word::Verdict;
    use crate::shed::utilization::Utilization;

    /// A request that needlessly leaves the fast path gets the same answer, so no other test would notice.
    #[test]
    fn thresholds_hold_in_the_expected_states() {
        let lanes = Lanes::new(2);
        let pair = |own: u64, other: u64| lanes.put(own, 0) | lanes.put(other, 1);
        let ramp = Curve::linear(0.6, 0.8);
        for (guarantees, caps, curve, own, other) in [
            // The wall of the README: its messages within their guarantee.
            ((50, 20), (100, 50), Curve::NEVER, 50, 50),
            // Its logins: the guarantee is longer than the way to the ramp.
            ((20, 50), (50, 100), ramp, 20, 80),
            // `exactly(50)` twice.
            ((50, 50), (50, 50), Curve::NEVER, 50, 50),
            // Without guarantees, half of the capacity, or the cap.
            ((0, 0), (70, 100), Curve::NEVER, 50, 50),
            ((0, 0), (30, 100), Curve::NEVER, 30, 70),
            ((0, 0), (30, 40), Curve::NEVER, 30, 40),
            // And what the other class cannot borrow.
            ((0, 0), (90, 20), Curve::NEVER, 80, 20),
            // The same below the ramp.
            ((0, 0), (70, 100), ramp, 30, 30),
            ((0, 0), (70, 100), Curve::ALWAYS, 0, 0),
            // A guarantee of one permit, with as many by the others as can be, is longer than the way to an early ramp.
            ((1, 0), (100, 100), Curve::linear(0.05, 0.8), 1, 99),
            // All that is rounded off.
            ((0, 0), (100, 100), Curve::step(0.01), 1, 0),
            // A small guarantee is left for the longer way to the ramp.
            ((5, 10), (70, 100), ramp, 29, 31),
        ] {
            let limits = Limits {
                guarantees: pair(guarantees.0, guarantees.1),
                caps: pair(caps.0, caps.1),
                capacity: 100,
            };
            for (thresholds, own, other) in [
                (Thresholds::new(lanes, 0, &limits, curve, 0), own, other),
                (
                    Thresholds::without_curve(lanes, 0, &limits, 0),
                    guarantees.0,
                    caps.1.min(100 - guarantees.0),
                ),
            ] {
                for (in_use, by_other) in (0..=100).flat_map(|own| (0..=100).map(move |o| (own, o)))
                {
                    let admits = thresholds.admit(lanes, pair(in_use, by_other), 0, 1);
                    let expected = in_use < own && by_other <= other;
                    assert_eq!(admits, expected, "{in_use}, {by_other}: {limits:?}");
                }
            }
        }
    }

    /// What is guaranteed to no class is divided between the class, which takes half, and the others.
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
        assert!(admits([29, 26, 43]));
        assert!(!admits([30, 0, 0]) && !admits([0, 27, 0]) && !admits([0, 0, 44]));
    }

    /// Thresholds are stored before the epoch is stepped, so the epoch before must not use them either.
    #[test]
    fn unused_thresholds_match_neither_their_epoch_nor_the_one_before() {
        for count in 1..=8 {
            let lanes = Lanes::new(count);
            let all_full =
                (0..count).fold(0, |word, class| word | lanes.put(lanes.max().into(), class));
            // More than one class has fewer epochs.
            for n in 0..1 << 16 {
                let epoch = lanes.next_epoch().wrapping_mul(n);
                let next = epoch.wrapping_add(lanes.next_epoch());
                let unused = Thresholds::unused(lanes, next);
                for word in [epoch, next]
                    .map(|epoch| [epoch, epoch | all_full])
                    .concat()
                {
                    let admits = unused.admit(lanes, word, 0, 1);
                    assert!(!admits, "{count} classes: {word:#x}");
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

    /// Beyond half of the lane the rule decides.
    #[test]
    fn thresholds_are_cut_to_half_of_the_lane() {
        let lanes = Lanes::new(8);
        let limits = Limits {
            guarantees: lanes.put(100, 0),
            caps: lanes.put(100, 0) | lanes.put(100, 1),
            capacity: 200,
        };
        let thresholds = Thresholds::new(lanes, 0, &limits, Curve::NEVER, 0);
        for in_use in 0..=127 {
            for other in [0, 63, 64, 127] {
                let word = lanes.put(in_use, 0) | lanes.put(other, 1);
                let admits = thresholds.admit(lanes, word, 0, 1);
                assert_eq!(admits, in_use < 64 && other < 64, "{in_use}, {other}");
            }
        }
    }

    /// A capacity can be larger than any number of permits that a lane can count.
    #[test]
    fn single_class_may_use_all_on_the_fast_path() {
        let lanes = Lanes::new(1);
        let max = u64::from(lanes.max());
        let thresholds = |caps, capacity| {
            let limits = Limits {
                guarantees: 0,
                caps,
                capacity,
            };
            Thresholds::new(lanes, 0, &limits, Curve::NEVER, 0)
        };
        for capacity in 1..10 {
            let thresholds = thresholds(capacity, capacity);
            assert!(thresholds.admit(lanes, capacity - 1, 0, 1), "{capacity}");
            assert!(!thresholds.admit(lanes, capacity, 0, 1), "{capacity}");
        }
        let thresholds = thresholds(max, u32::MAX.into());
        assert!(thresholds.admit(lanes, max - 1, 0, 1));
        assert!(!thresholds.admit(lanes, max, 0, 1));
        assert!(thresholds.admit(lanes, 0, 0, lanes.max()));
        assert!(!thresholds.admit(lanes, 1, 0, lanes.max()));
        assert!(!thresholds.admit(lanes, 0, 0, u32::MAX));
    }
}
