//! The layout of a wall's word, and the admission rule: pure functions of plain numbers.
//!
//! ```text
//! | epoch | lane[COUNT-1] | ... | lane[1] | lane[0] |      lane = min(24, 56 / COUNT) bits
//! ```
//! Guarantees and caps are kept in words with the same lanes.

use crate::permit::word::Layout;

/// Leaves at least 8 bits for the epoch.
const ALL_LANES_BITS: u32 = 56;
pub(super) const MAX_LANE_BITS: u32 = 24;
/// Leaves the bits below the epoch to the two thresholds that are tagged with it
/// ([`Thresholds`](super::fast_path::Thresholds)).
const MIN_EPOCH_SHIFT: u32 = 2 * MAX_LANE_BITS;

/// The position of each class's lane in the word.
//
// Everything is inlined: the number of classes is a constant at every call, so the loops unroll.
#[derive(Clone, Copy)]
pub(super) struct Lanes {
    count: u32,
    bits: u32,
    /// All bits of lanes 0, 2, 4 and 6.
    even: u64,
    /// All bits of lanes 1, 3, 5 and 7, shifted down by one lane.
    odd: u64,
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
        Lanes {
            count,
            bits,
            even: every_other_lane(count.div_ceil(2), bits),
            odd: every_other_lane(count / 2, bits),
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
        (1 << self.bits) - 1
    }

    /// Returns the permits of class `class` in a word.
    #[inline(always)]
    pub(super) const fn get(self, word: u64, class: usize) -> u64 {
        word >> self.shift(class) & self.max() as u64
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
        let lanes = self.count * self.bits;
        if lanes > MIN_EPOCH_SHIFT {
            lanes
        } else {
            MIN_EPOCH_SHIFT
        }
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

    /// Returns `content` tagged with the epoch of `word`.
    #[inline(always)]
    pub(super) const fn tagged(self, word: u64, content: u64) -> u64 {
        word >> self.epoch_shift() << self.epoch_shift() | content
    }

    /// Returns the permits of all classes.
    ///
    /// Adds each lane to its upper neighbour first, then the pairs: half the steps of adding one by one.
    #[inline(always)]
    pub(super) const fn total(self, word: u64) -> u64 {
        let pairs = (word & self.even) + (word >> self.bits & self.odd);
        let mut sum = 0;
        let mut pair = 0;
        while pair < self.count.div_ceil(2) {
            sum += pairs >> (2 * self.bits * pair) & ((1 << (2 * self.bits)) - 1);
            pair += 1;
        }
        sum
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

    /// Returns the sum of the guarantees of the classes other than `class`.
    #[inline(always)]
    pub(super) const fn guaranteed_to_others(self, limits: &Limits, class: usize) -> u64 {
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

    /// Returns the word with `permits` more in the lane of class `class`. All decisions are made about this word, so it
    /// is ready when the compare-exchange begins.
    ///
    /// If the lane overflows, it holds less than `permits`, and the word is only fit for [`exceeds`](Self::exceeds).
    #[inline(always)]
    pub(super) const fn after(self, word: u64, class: usize, permits: u32) -> u64 {
        word.wrapping_add(self.put(permits as u64, class))
    }

    /// Returns whether class `class` holds more than `max` permits in `after`, which has `permits` added.
    #[inline(always)]
    pub(super) const fn exceeds(self, after: u64, class: usize, permits: u32, max: u64) -> bool {
        let in_use = self.get(after, class);
        in_use > max || in_use < permits as u64
    }

    /// Applies the admission rule: may class `class` acquire `permits` more, so that the word becomes `after`?
    ///
    /// Within the guarantee, only the total is compared with the capacity: another class that is above its cap after a
    /// rule update does not block a guarantee while a thread is free.
    #[inline(always)]
    pub(super) const fn judge(
        self,
        after: u64,
        limits: &Limits,
        class: usize,
        permits: u32,
    ) -> Verdict {
        if permits == 0 {
            return Verdict::Guaranteed;
        }
        let cap = self.get(limits.caps, class);
        if self.exceeds(after, class, permits, cap) {
            // If the cap is the whole capacity, the pool is the limit.
            return if cap < limits.capacity {
                Verdict::ClassFull
            } else {
                Verdict::PoolFull
            };
        }
        let total = self.total(after);
        if self.get(after, class) <= self.get(limits.guarantees, class) {
            if total <= limits.capacity {
                return Verdict::Guaranteed;
            }
        } else if self.count > 2 && total + self.total(limits.guarantees) <= limits.capacity
            // With more classes this comparison is cheaper. Its left side is never less than the committed permits.
            || self.committed(after, limits.guarantees) <= limits.capacity
        {
            return Verdict::Borrowed;
        }
        Verdict::PoolFull
    }
}

/// Returns a mask of `lanes` lanes, each followed by a lane of zeros.
const fn every_other_lane(lanes: u32, bits: u32) -> u64 {
    let mut mask = 0;
    let mut lane = 0;
    while lane < lanes {
        mask |= ((1 << bits) - 1) << (2 * bits * lane);
        lane += 1;
    }
    mask
}
