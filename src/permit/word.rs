//! The word that permits are counted in.

use core::ops::Deref;

use crate::sync::{AtomicU64, constructor};

/// The word that permits are counted in, with what it takes to tell how many a permit holds.
///
/// The layout is read only when a permit is counted, split or merged. It shares the cache line of the word.
pub(crate) struct PermitWord {
    word: AtomicU64,
    layout: Layout,
}

/// How a word counts permits, which determines the unit of a permit: what its acquire has added to the word, and its
/// release subtracts.
#[derive(Clone, Copy)]
pub(crate) enum Layout {
    /// Each lane of `bits` bits counts permits in use. Other bits follow above the lanes.
    Lanes { bits: u32 },
    /// A release adds this number for each permit.
    Released(u64),
}

impl PermitWord {
    constructor! {
        pub(crate) const fn new(word: u64, layout: Layout) -> Self {
            PermitWord {
                word: AtomicU64::new(word),
                layout,
            }
        }
    }

    /// Returns the number of permits in a unit.
    pub(super) fn permits(&self, unit: u64) -> u32 {
        match self.layout {
            Layout::Lanes { bits } => (unit >> shift(unit, bits)) as u32,
            Layout::Released(one) => (unit.wrapping_neg() / one) as u32,
        }
    }

    /// Returns the unit of a part of the permits in `unit`.
    pub(super) fn part(&self, unit: u64, permits: u32) -> u64 {
        match self.layout {
            Layout::Lanes { bits } => u64::from(permits) << shift(unit, bits),
            Layout::Released(one) => (u64::from(permits) * one).wrapping_neg(),
        }
    }

    /// Returns whether permits of both units are counted in the same place of this word.
    pub(super) fn can_merge(&self, unit: u64, other: u64) -> bool {
        match self.layout {
            Layout::Lanes { bits } => {
                unit == 0 || other == 0 || shift(unit, bits) == shift(other, bits)
            }
            Layout::Released(_) => true,
        }
    }
}

/// Returns the position of the lane that a unit is in. A unit is in one lane only.
fn shift(unit: u64, bits: u32) -> u32 {
    unit.checked_ilog2()
        .map_or(0, |highest| highest / bits * bits)
}

impl Deref for PermitWord {
    type Target = AtomicU64;

    #[inline(always)]
    fn deref(&self) -> &AtomicU64 {
        &self.word
    }
}
