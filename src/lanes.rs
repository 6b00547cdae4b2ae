//! The layout of a wall's word, and the one rule that admits: pure functions of plain numbers.
//!
//! ```text
//! | epoch | lane[COUNT-1] | ... | lane[1] | lane[0] |      lane = 56 / COUNT bits, 24 at most
//! ```
//! The words that hold the guarantees and the caps are laid out in the same way, and the capacity
//! takes the lanes' place in a word of its own; each carries its epoch on top.

/// Leaves the epoch 8 bits at least.
const LANE_BITS_IN_ALL: u32 = 56;
const LANE_BITS_AT_MOST: u32 = 24;
/// Leaves a capacity its 32 bits below the epoch, where one lane alone would leave fewer.
const EPOCH_SHIFT_AT_LEAST: u32 = 32;

/// Where each class's lane lies in the word.
#[derive(Clone, Copy)]
pub(crate) struct Lanes {
    count: u32,
    bits: u32,
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
        Lanes { count, bits }
    }

    /// The most permits that a lane can count.
    pub(crate) const fn most(self) -> u32 {
        (1 << self.bits) - 1
    }

    /// The permits of class `class` in a word of lanes.
    #[inline]
    pub(crate) const fn get(self, word: u64, class: usize) -> u64 {
        word >> self.shift(class) & self.most() as u64
    }

    /// `permits` in the lane of class `class`, and nothing in the others.
    #[inline]
    pub(crate) const fn put(self, permits: u64, class: usize) -> u64 {
        permits << self.shift(class)
    }

    #[inline]
    const fn shift(self, class: usize) -> u32 {
        class as u32 * self.bits
    }

    #[inline]
    const fn epoch_shift(self) -> u32 {
        let lanes = self.count * self.bits;
        if lanes > EPOCH_SHIFT_AT_LEAST {
            lanes
        } else {
            EPOCH_SHIFT_AT_LEAST
        }
    }

    /// What to add to a word to step to the next epoch: it wraps round by itself.
    #[inline]
    pub(crate) const fn next_epoch(self) -> u64 {
        1 << self.epoch_shift()
    }

    /// Which of the two slots holds the rules of this word's epoch.
    #[inline]
    pub(crate) const fn slot(self, word: u64) -> usize {
        (word >> self.epoch_shift() & 1) as usize
    }

    /// Whether these words are all of the epoch of `word`. They are compared with one another first,
    /// for the word is what an admission waits for.
    #[inline]
    pub(crate) const fn same_epoch(self, word: u64, [a, b, c]: [u64; 3]) -> bool {
        ((a ^ b) | (a ^ c) | (word ^ a)) >> self.epoch_shift() == 0
    }

    /// `content` in the epoch of `word`.
    #[inline]
    pub(crate) const fn tagged(self, word: u64, content: u64) -> u64 {
        word & !self.content_mask() | content
    }

    /// A word without its epoch.
    #[inline]
    pub(crate) const fn content(self, word: u64) -> u64 {
        word & self.content_mask()
    }

    #[inline]
    const fn content_mask(self) -> u64 {
        self.next_epoch() - 1
    }

    /// The permits of all classes together.
    #[inline]
    pub(crate) const fn total(self, word: u64) -> u64 {
        let mut sum = 0;
        let mut class = 0;
        while class < self.count as usize {
            sum += self.get(word, class);
            class += 1;
        }
        sum
    }

    /// What nobody else can have: for each class, what it uses or is guaranteed, whichever is more.
    #[inline]
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

    /// The one rule: may class `class` have `permits` more?
    ///
    /// Within its guarantee, the total alone decides: another class that is above its cap, because
    /// the rules changed, stops nobody from using a guarantee while a thread is free.
    #[inline]
    pub(crate) const fn judge(
        self,
        word: u64,
        limits: &Limits,
        class: usize,
        permits: u32,
    ) -> Verdict {
        if permits == 0 && limits.capacity > 0 {
            return Verdict::Guaranteed;
        }
        let in_use = self.get(word, class) + permits as u64;
        let cap = self.get(limits.caps, class);
        if permits == 0 || in_use > cap {
            // A class that may have all there is, is not what is full; nor is a closed wall's.
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
        } else {
            // What is committed is no more than the total and all guarantees together, which is
            // quicker to see.
            let after = word + self.put(permits as u64, class);
            if total + self.total(limits.guarantees) <= limits.capacity
                || self.committed(after, limits.guarantees) <= limits.capacity
            {
                return Verdict::Borrowed;
            }
        }
        Verdict::PoolFull
    }
}
