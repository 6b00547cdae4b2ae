//! The layout of a wall's word, and the one rule that admits: pure functions of plain numbers.
//!
//! ```text
//! | epoch | lane[COUNT-1] | ... | lane[1] | lane[0] |      lane = 56 / COUNT bits, 24 at most
//! ```
//! The words that hold the guarantees and the caps have the same lanes.

/// Leaves the epoch 8 bits at least.
const LANE_BITS_IN_ALL: u32 = 56;
pub(crate) const LANE_BITS_AT_MOST: u32 = 24;
/// Leaves room below the epoch for what else is tagged with it, the two marks of
/// [`Calm`](crate::calm::Calm).
const EPOCH_SHIFT_AT_LEAST: u32 = 2 * LANE_BITS_AT_MOST;

/// Where each class's lane lies in the word.
//
// All is inlined wherever it is called: the number of classes is known there, and the loops are not
// left.
#[derive(Clone, Copy)]
pub(crate) struct Lanes {
    count: u32,
    bits: u32,
    /// All bits of the lanes 0, 2, 4 and 6.
    even: u64,
    /// All bits of the lanes 1, 3, 5 and 7, moved down to their neighbours.
    odd: u64,
}

/// What a word is judged by: the rules of one epoch.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Per lane: what the class can always get. All zero while the wall is closed.
    pub(crate) guarantees: u64,
    /// Per lane: the most that the class may hold, never more than the capacity.
    pub(crate) caps: u64,
    pub(crate) capacity: u64,
}

/// What the one rule says of an admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It stays within the guarantee, and a thread is free.
    Guaranteed,
    /// It goes beyond the guarantee, and nobody is guaranteed what it takes.
    Borrowed,
    ClassFull,
    PoolFull,
}

impl Lanes {
    /// The layout for `count` classes.
    pub(crate) const fn new(count: usize) -> Lanes {
        // No count that the rules refuse gets as far as a word; it must not divide by zero here.
        let count = if count == 0 { 1 } else { count as u32 };
        let even = LANE_BITS_IN_ALL / count;
        let bits = if even < LANE_BITS_AT_MOST {
            even
        } else {
            LANE_BITS_AT_MOST
        };
        Lanes {
            count,
            bits,
            even: every_other_lane(count.div_ceil(2), bits),
            odd: every_other_lane(count / 2, bits),
        }
    }

    /// The most permits that a lane can count.
    pub(crate) const fn most(self) -> u32 {
        (1 << self.bits) - 1
    }

    /// The permits of class `class` in a word of lanes.
    #[inline(always)]
    pub(crate) const fn get(self, word: u64, class: usize) -> u64 {
        word >> self.shift(class) & self.most() as u64
    }

    /// `permits` in the lane of class `class`, and nothing in the others.
    #[inline(always)]
    pub(crate) const fn put(self, permits: u64, class: usize) -> u64 {
        permits << self.shift(class)
    }

    #[inline(always)]
    const fn shift(self, class: usize) -> u32 {
        class as u32 * self.bits
    }

    #[inline(always)]
    const fn epoch_shift(self) -> u32 {
        let lanes = self.count * self.bits;
        if lanes > EPOCH_SHIFT_AT_LEAST {
            lanes
        } else {
            EPOCH_SHIFT_AT_LEAST
        }
    }

    /// What to add to a word to step to the next epoch: it wraps round by itself.
    #[inline(always)]
    pub(crate) const fn next_epoch(self) -> u64 {
        1 << self.epoch_shift()
    }

    /// Which of the two slots holds the rules of this word's epoch.
    #[inline(always)]
    pub(crate) const fn slot(self, word: u64) -> usize {
        (word >> self.epoch_shift() & 1) as usize
    }

    /// Whether these two words are of one epoch.
    #[inline(always)]
    pub(crate) const fn same_epoch(self, word: u64, other: u64) -> bool {
        (word ^ other) >> self.epoch_shift() == 0
    }

    /// `content` in the epoch of `word`.
    #[inline(always)]
    pub(crate) const fn tagged(self, word: u64, content: u64) -> u64 {
        word >> self.epoch_shift() << self.epoch_shift() | content
    }

    /// The permits of all classes together.
    ///
    /// Each lane with its upper neighbour first, and then the pairs: half the steps of adding them
    /// one by one.
    #[inline(always)]
    pub(crate) const fn total(self, word: u64) -> u64 {
        let pairs = (word & self.even) + (word >> self.bits & self.odd);
        let mut sum = 0;
        let mut pair = 0;
        while pair < self.count.div_ceil(2) {
            sum += pairs >> (2 * self.bits * pair) & ((1 << (2 * self.bits)) - 1);
            pair += 1;
        }
        sum
    }

    /// What nobody else can have: for each class, what it uses or is guaranteed, whichever is more.
    #[inline(always)]
    pub(crate) const fn committed(self, word: u64, guarantees: u64) -> u64 {
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

    /// What is guaranteed to the classes other than `class`, and not in use by them.
    #[inline(always)]
    pub(crate) const fn reserved(self, word: u64, limits: &Limits, class: usize) -> u64 {
        let own = self.put(self.get(limits.guarantees, class), class);
        self.committed(word, limits.guarantees - own) - self.total(word)
    }

    /// The word as it would be with `permits` more in the lane of class `class`. All that is decided,
    /// is decided of this one: it is at hand when the compare-exchange begins.
    ///
    /// Where more come than a lane can count, it has less than `permits` in that lane, and is of no use
    /// otherwise.
    #[inline(always)]
    pub(crate) const fn after(self, word: u64, class: usize, permits: u32) -> u64 {
        word.wrapping_add(self.put(permits as u64, class))
    }

    /// Whether class `class` would have more permits than this, if it would have `after`.
    #[inline(always)]
    pub(crate) const fn exceeds(self, after: u64, class: usize, permits: u32, most: u64) -> bool {
        let in_use = self.get(after, class);
        in_use > most || in_use < permits as u64
    }

    /// The one rule: may class `class` have `permits` more, so that the word would be `after`?
    ///
    /// Within its guarantee, the total alone decides: another class that is above its cap, because
    /// the rules changed, stops nobody from using a guarantee while a thread is free.
    #[inline(always)]
    pub(crate) const fn judge(
        self,
        after: u64,
        limits: &Limits,
        class: usize,
        permits: u32,
    ) -> Verdict {
        if permits == 0 && limits.capacity > 0 {
            return Verdict::Guaranteed;
        }
        let cap = self.get(limits.caps, class);
        if permits == 0 || self.exceeds(after, class, permits, cap) {
            // A class that may have all there is, is not what is full; nor is a closed wall's.
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
        } else if total + self.total(limits.guarantees) <= limits.capacity
            // That is quicker to see, and what is committed is never more.
            || self.committed(after, limits.guarantees) <= limits.capacity
        {
            return Verdict::Borrowed;
        }
        Verdict::PoolFull
    }
}

/// All bits of so many lanes, each with another one above it.
const fn every_other_lane(lanes: u32, bits: u32) -> u64 {
    let mut mask = 0;
    let mut lane = 0;
    while lane < lanes {
        mask |= ((1 << bits) - 1) << (2 * bits * lane);
        lane += 1;
    }
    mask
}
