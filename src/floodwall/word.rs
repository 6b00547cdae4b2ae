//! The layout of a wall's word, and the admission rule: pure functions of plain numbers.
//!
//! ```text
//! | epoch | lane[COUNT-1] | ... | lane[1] | lane[0] |      lane = min(25, 56 / COUNT) bits
//! ```
//! Guarantees, caps and thresholds are kept in words with the same lanes. A lane of 25 bits counts permits in 24 of them:
//! its top bit is 0.

use crate::permit::word::Layout;

/// Leaves at least 8 bits for the epoch.
const ALL_LANES_BITS: u32 = 56;
const MAX_PERMIT_BITS: u32 = 24;
/// Where there is room, the top bit of a lane is spare: see [`Lanes::is_within`].
const MAX_LANE_BITS: u32 = MAX_PERMIT_BITS + 1;

/// The position of each class's lane in the word.
//
// Everything is inlined: the number of classes is a constant at every call, so the loops unroll.
#[derive(Clone, Copy)]
pub(super) struct Lanes {
    count: u32,
    bits: u32,
    /// The top bit of each lane.
    top_bits: u64,
    /// All bits of lanes 0, 2, 4 and 6.
    even: u64,
    /// All bits of lanes 1, 3, 5 and 7, shifted down by one lane.
    odd: u64,
    /// Multiplied with pairs of lanes, it adds all of them up above the lower `sum_shift` bits.
    sum_factor: u64,
    sum_shift: u32,
}

/// The rules of one epoch that a word is judged by, without the curves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The guarantee of each class, in its lane.
    pub(super) guarantees: u64,
    /// The cap of each class, in its lane, never above the capacity.
    pub(super) caps: u64,
    pub(super) capacity: u64,
}

/// The answer of the admission rule, before the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The request stays within its class's guarantee, and a thread is free.
    Guaranteed,
    /// The request goes beyond the guarantee and takes no reserved permit: the curve decides.
    Borrowed,
    ClassFull,
    PoolFull,
}

impl Lanes {
    /// Computes the layout for `count` classes.
    pub(super) const fn new(count: usize) -> Lanes {
        // `Rules` rejects a count of 0 before a word exists, but this must not divide by zero before that.
        let count = if count == 0 { 1 } else { count as u32 };
        let share = ALL_LANES_BITS / count;
        let bits = if share < MAX_LANE_BITS {
            share
        } else {
            MAX_LANE_BITS
        };
        let top_bit = 1 << (bits - 1);
        let lane = 2 * top_bit - 1;
        let pairs = count.div_ceil(2);
        let even = one_per_pair(pairs, bits);
        let odd = one_per_pair(count / 2, bits);
        let last_pair = 2 * bits * (pairs - 1);
        let top_pair = u64::BITS - 2 * bits;
        // With 3 or 5 classes the last pair would end above the word, but its sum needs fewer bits.
        let sum_shift = if last_pair > top_pair {
            last_pair
        } else {
            top_pair
        };
        Lanes {
            count,
            bits,
            top_bits: top_bit * (even | odd << bits),
            even: lane * even,
            odd: lane * odd,
            sum_factor: even << (sum_shift - last_pair),
            sum_shift,
        }
    }

    pub(super) const fn layout(self) -> Layout {
        Layout::Lanes { bits: self.bits }
    }

    pub(super) const fn count(self) -> usize {
        self.count as usize
    }

    /// Returns the largest number of permits that a lane can count.
    pub(super) const fn max(self) -> u32 {
        let bits = if self.top_bit_counts() {
            self.bits
        } else {
            MAX_PERMIT_BITS
        };
        (1 << bits) - 1
    }

    /// Returns whether the top bit of a lane counts permits. If not, it is always 0.
    #[inline(always)]
    const fn top_bit_counts(self) -> bool {
        self.bits < MAX_LANE_BITS
    }

    /// Returns the permits of class `class` in a word.
    #[inline(always)]
    pub(super) const fn get(self, word: u64, class: usize) -> u64 {
        word >> self.shift(class) & ((1 << self.bits) - 1)
    }

    /// Returns a word with `permits` in the lane of class `class` and zero in the others.
    #[inline(always)]
    pub(super) const fn put(self, permits: u64, class: usize) -> u64 {
        permits << self.shift(class)
    }

    #[inline(always)]
    const fn shift(self, class: usize) -> u32 {
        class as u32 * self.bits
    }

    #[inline(always)]
    const fn epoch_shift(self) -> u32 {
        self.count * self.bits
    }

    /// Returns the word of a new wall.
    pub(super) const fn first(self) -> u64 {
        // Models make two updates: here they step to the last epoch, and from it to the first.
        if cfg!(floodwall_loom) {
            0_u64.wrapping_sub(2 * self.next_epoch())
        } else {
            0
        }
    }

    /// Returns what to add to a word to step to the next epoch. The epoch wraps.
    #[inline(always)]
    pub(super) const fn next_epoch(self) -> u64 {
        1 << self.epoch_shift()
    }

    /// Returns the index of the slot that holds the rules of this word's epoch.
    #[inline(always)]
    pub(super) const fn slot(self, word: u64) -> usize {
        (word >> self.epoch_shift() & 1) as usize
    }

    /// Returns whether both words have the same epoch.
    #[inline(always)]
    pub(super) const fn same_epoch(self, word: u64, other: u64) -> bool {
        (word ^ other) >> self.epoch_shift() == 0
    }

    /// Returns `lanes` tagged with the epoch of `word`.
    pub(super) const fn tagged(self, word: u64, lanes: u64) -> u64 {
        word & self.epoch() | lanes
    }

    /// Returns a word with all bits of the epoch.
    #[inline(always)]
    const fn epoch(self) -> u64 {
        u64::MAX << self.epoch_shift()
    }

    /// Returns whether no lane of `word` exceeds that of `most`, and both have the same epoch. If the top bit of a lane of
    /// `most` is 1, the answer may be `false` too often: see [`without_top_bits`](Self::without_top_bits).
    ///
    /// One subtraction compares all lanes (L. Lamport, *Multiple byte processing with full-word instructions*): if the
    /// top bits in both words are 0, a lane leaves a 1 in its top bit exactly if it borrows from the bits above it. If
    /// none does, the bits above the lanes are the difference of the epochs.
    #[inline(always)]
    pub(super) const fn is_within(self, word: u64, most: u64) -> bool {
        let difference = most.wrapping_sub(word);
        let top_bits = if self.top_bit_counts() {
            // In `most` they are 0, so one that differs is a 1 in `word`: then the subtraction proves nothing. A spare
            // top bit is never 1, and to test it would take a tenth of the floor (measured).
            most ^ word
        } else {
            0
        };
        (difference | top_bits) & self.epoch_and_top_bits() == 0
    }

    #[inline(always)]
    const fn epoch_and_top_bits(self) -> u64 {
        self.epoch() | self.top_bits
    }

    /// Returns these lanes, cut to the largest number that leaves the top bit 0.
    pub(super) const fn without_top_bits(self, lanes: u64) -> u64 {
        let too_large = lanes & self.top_bits;
        let all_below = too_large - (too_large >> (self.bits - 1));
        (lanes | all_below) & !self.top_bits
    }

    /// Returns `permits` divided among the lanes in proportion to `weights`, rounded down.
    pub(super) const fn divide(self, permits: u64, weights: u64) -> u64 {
        let total = self.total(weights);
        let mut lanes = 0;
        let mut class = 0;
        while class < self.count() && total > 0 {
            lanes |= self.put(permits * self.get(weights, class) / total, class);
            class += 1;
        }
        lanes
    }

    /// Returns the permits of all classes.
    ///
    /// Adds each lane to its upper neighbour, then all pairs by one multiplication, as a population count does
    /// (H. S. Warren, *Hacker's Delight*).
    #[inline(always)]
    pub(super) const fn total(self, word: u64) -> u64 {
        let pairs = (word & self.even) + (word >> self.bits & self.odd);
        pairs.wrapping_mul(self.sum_factor) >> self.sum_shift
    }

    /// Returns the permits that no class can borrow: the sum of `max(in use, guarantee)` over all classes.
    #[inline(always)]
    pub(super) const fn committed(self, word: u64, guarantees: u64) -> u64 {
        let mut sum = 0;
        let mut class = 0;
        while class < self.count as usize {
            let in_use = self.get(word, class);
            let guarantee = self.get(guarantees, class);
            sum += if in_use > guarantee {
                in_use
            } else {
                guarantee
            };
            class += 1;
        }
        sum
    }

    /// Returns the permits that are guaranteed to the classes other than `class` and not in use by them.
    #[inline(always)]
    pub(super) const fn reserved(self, word: u64, limits: &Limits, class: usize) -> u64 {
        let own = self.put(self.get(limits.guarantees, class), class);
        self.committed(word, limits.guarantees - own) - self.total(word)
    }

    /// Returns the permits that are guaranteed to no class.
    pub(super) const fn not_guaranteed(self, limits: &Limits) -> u64 {
        limits.capacity - self.total(limits.guarantees)
    }

    /// Returns the sum of the guarantees of the classes other than `class`.
    #[inline(always)]
    const fn guaranteed_to_others(self, limits: &Limits, class: usize) -> u64 {
        self.total(limits.guarantees) - self.get(limits.guarantees, class)
    }

    /// Returns the most permits that class `class` can ever hold: its cap, or the permits that are not guaranteed to
    /// other classes.
    #[inline(always)]
    pub(super) const fn reachable(self, limits: &Limits, class: usize) -> u64 {
        // The capacity and the guarantees can be of different epochs. Then the result is not used: see the second look.
        let not_guaranteed = limits
            .capacity
            .wrapping_sub(self.guaranteed_to_others(limits, class));
        let cap = self.get(limits.caps, class);
        if cap < not_guaranteed {
            cap
        } else {
            not_guaranteed
        }
    }

    /// Returns the permits of class `class` with `permits` more. They can be more than a lane can count.
    #[inline(always)]
    pub(super) const fn in_use_after(self, word: u64, class: usize, permits: u32) -> u64 {
        self.get(word, class) + permits as u64
    }

    /// Returns the word with `permits` more in the lane of class `class`. The word is fit for use only if
    /// the lane can count [them all](Self::in_use_after).
    #[inline(always)]
    pub(super) const fn after(self, word: u64, class: usize, permits: u32) -> u64 {
        word.wrapping_add(self.put(permits as u64, class))
    }

    /// Applies the admission rule: may class `class` acquire `permits` more than in this word?
    ///
    /// Within the guarantee, only the total is compared with the capacity: another class that is above its cap after a
    /// rule update does not block a guarantee while a thread is free.
    #[inline(always)]
    pub(super) const fn judge(
        self,
        word: u64,
        limits: &Limits,
        class: usize,
        permits: u32,
    ) -> Verdict {
        if permits == 0 {
            return Verdict::Guaranteed;
        }
        let in_use = self.in_use_after(word, class, permits);
        let cap = self.get(limits.caps, class);
        if cap < in_use {
            // If the cap is the whole capacity, the pool is the limit.
            return if cap < limits.capacity {
                Verdict::ClassFull
            } else {
                Verdict::PoolFull
            };
        }
        let total = self.total(word) + permits as u64;
        if in_use <= self.get(limits.guarantees, class) {
            if total <= limits.capacity {
                return Verdict::Guaranteed;
            }
        } else if self.count > 2 && total + self.total(limits.guarantees) <= limits.capacity
            // With more classes this comparison is cheaper. Its left side is never less than the committed permits.
            || self.committed(self.after(word, class, permits), limits.guarantees) <= limits.capacity
        {
            return Verdict::Borrowed;
        }
        Verdict::PoolFull
    }
}

/// Returns a word with a 1 in the lower lane of each of `pairs` pairs of lanes.
const fn one_per_pair(pairs: u32, bits: u32) -> u64 {
    let mut ones = 0;
    let mut pair = 0;
    while pair < pairs {
        ones |= 1 << (2 * bits * pair);
        pair += 1;
    }
    ones
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Draw;

    /// The numbers that the documentation of the crate, of `Floodwall`, and of the guarantees state.
    #[test]
    fn permits_and_epochs_have_the_documented_number_of_bits() {
        let permits = [24, 24, 18, 14, 11, 9, 8, 7];
        let epoch = [39, 14, 10, 8, 9, 10, 8, 8];
        for count in 1..=8 {
            let lanes = Lanes::new(count);
            assert_eq!(lanes.max(), (1 << permits[count - 1]) - 1, "{count}");
            assert_eq!(lanes.epoch().count_ones(), epoch[count - 1], "{count}");
        }
    }

    #[test]
    fn total_is_the_sum_of_the_lanes_for_each_number_of_classes() {
        for count in 1..=8 {
            let lanes = Lanes::new(count);
            let max = u64::from(lanes.max());
            // All bits above the lanes are set too.
            let full = u64::MAX;
            let falling = (0..count).fold(lanes.tagged(full, 0), |word, class| {
                word | lanes.put(max - class as u64, class)
            });
            for word in [0, full, falling] {
                let sum: u64 = (0..count).map(|class| lanes.get(word, class)).sum();
                assert_eq!(lanes.total(word), sum, "{count} classes: {word:#x}");
            }
        }
    }

    /// Returns one of the numbers at which a lane's top bit, or a carry, changes; or any.
    fn permits(lanes: Lanes, draw: &mut impl FnMut(u64) -> u64) -> u64 {
        let max = u64::from(lanes.max());
        let half = max / 2;
        let any = draw(max + 1);
        [0, 1, half - 1, half, half + 1, max - 1, max, any][draw(8) as usize]
    }

    #[test]
    fn word_is_within_if_the_epoch_is_the_same_and_no_lane_exceeds() {
        let mut n = 0;
        let mut draw = move |end| {
            n += 1;
            Draw::keyed(n, 0).scaled_to(end)
        };
        let mut within = [[0; 2]; 9];
        for _ in 0..500_000 {
            let count = 1 + draw(8) as usize;
            let lanes = Lanes::new(count);
            let (mut word, mut most) = (0, 0);
            let mut expected = true;
            for class in 0..count {
                let threshold = permits(lanes, &mut draw);
                let in_use =
                    [threshold, threshold / 2, permits(lanes, &mut draw)][draw(3) as usize];
                word |= lanes.put(in_use, class);
                most |= lanes.put(threshold, class);
            }
            let most = lanes.without_top_bits(most);
            for class in 0..count {
                expected &= lanes.get(word, class) <= lanes.get(most, class);
            }
            let epoch = lanes.next_epoch().wrapping_mul(draw(3).wrapping_sub(1));
            let ahead = [0, 0, 0, 1, 2, !0, 1 << 63 >> lanes.epoch_shift()][draw(7) as usize];
            expected &= ahead == 0;
            let word = word | epoch;
            let most = most | epoch.wrapping_add(lanes.next_epoch().wrapping_mul(ahead));
            let is_within = lanes.is_within(word, most);
            assert_eq!(is_within, expected, "{count} classes: {word:#x}, {most:#x}");
            within[count][usize::from(is_within)] += 1;
        }
        assert!(
            within[1..].as_flattened().iter().all(|&n| n > 500),
            "{within:?}"
        );
    }

    #[test]
    fn lanes_without_top_bits_are_cut_to_half() {
        for count in 1..=8 {
            let lanes = Lanes::new(count);
            let most = (1_u64 << (lanes.bits - 1)) - 1;
            for class in 0..count {
                for permits in [
                    0,
                    1,
                    most,
                    (most + 1).min(lanes.max().into()),
                    lanes.max().into(),
                ] {
                    let others =
                        !(lanes.put(lanes.max().into(), class) | lanes.epoch() | lanes.top_bits);
                    let cut = lanes.without_top_bits(lanes.put(permits, class) | others);
                    assert_eq!(
                        cut,
                        lanes.put(permits.min(most), class) | others,
                        "{permits}, {count} classes"
                    );
                }
            }
        }
    }
}
