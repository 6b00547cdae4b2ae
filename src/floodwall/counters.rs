//! Counters of admissions and rejections: each thread counts in its slot, and a reader adds the slots up.
//!
//! A striped counter in the manner of Java's `LongAdder` (Doug Lea), with a fixed number of slots, and without a
//! read-modify-write in a slot that one thread has to itself.

use crossbeam_utils::CachePadded;

use super::class::{MAX_CLASSES, each_class};
use super::decision::Decision;
use super::rejection::Reason;
use crate::shed::draw::Draw;
use crate::sync::stat::{self, AtomicU32, AtomicU64};
use crate::sync::{Ordering, constructor};
use crate::thread_slot::{self, THREAD_SLOTS};

pub(super) struct Counters([CachePadded<[SlotCounters; MAX_CLASSES]>; THREAD_SLOTS]);

/// The counters of one class in one thread slot. The size is a power of two, so that a shift finds them.
#[repr(align(64))]
pub(super) struct SlotCounters {
    admitted: AtomicU64,
    /// By [`Decision::reason_index`].
    rejected: [AtomicU64; Reason::COUNT],
    /// The number of the next draw. Each class has its own sequence: if classes shared one, the decisions on one class
    /// would select the draws of another.
    next_draw: AtomicU32,
    draw_offset: u32,
    /// No other thread counts in this slot.
    is_exclusive: bool,
}

/// The counters of one class, summed over all thread slots.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) admitted: u64,
    /// By [`Decision::reason_index`].
    pub(super) rejected: [u64; Reason::COUNT],
}

// ORDERING: Relaxed in this file: counters order nothing, and a draw decides only the request that uses it.

impl Counters {
    #[cfg(floodwall_loom)]
    pub(super) fn new() -> Self {
        let slot = |slot| CachePadded::new(each_class!(CLASS => SlotCounters::new(slot, CLASS)));
        Counters(core::array::from_fn(slot))
    }

    #[cfg(not(floodwall_loom))]
    pub(super) const fn new() -> Self {
        let mut slots = Counters(
            [const { CachePadded::new([const { SlotCounters::new(0, 0) }; MAX_CLASSES]) };
                THREAD_SLOTS],
        );
        let mut slot = 0;
        while slot < THREAD_SLOTS {
            slots.0[slot] = CachePadded::new(each_class!(CLASS => SlotCounters::new(slot, CLASS)));
            slot += 1;
        }
        slots
    }

    /// Returns the counters of a class in the calling thread's slot.
    #[inline]
    pub(super) fn local(&self, class: usize) -> &SlotCounters {
        &self.0[thread_slot::current().index()][class]
    }

    pub(super) fn totals(&self, class: usize) -> Totals {
        let mut totals = Totals::default();
        for counters in self.0.iter().map(|slot| &slot[class]) {
            // ORDERING: Relaxed: see above.
            totals.admitted += counters.admitted.load(Ordering::Relaxed);
            for (total, counter) in totals.rejected.iter_mut().zip(&counters.rejected) {
                *total += counter.load(Ordering::Relaxed);
            }
        }
        totals
    }
}

impl SlotCounters {
    constructor! {
        const fn new(slot: usize, class: usize) -> Self {
            SlotCounters {
                admitted: AtomicU64::new(0),
                rejected: stat::zeros(),
                // Consecutive slots begin at consecutive draws, so threads that decide once each are even too.
                next_draw: AtomicU32::new(slot as u32),
                draw_offset: draw_offset(class),
                is_exclusive: thread_slot::is_exclusive(slot),
            }
        }
    }

    #[inline]
    pub(super) fn admitted(&self) {
        self.increment(&self.admitted);
    }

    #[inline]
    pub(super) fn rejected(&self, decision: Decision) {
        self.increment(&self.rejected[decision.reason_index()]);
    }

    #[inline]
    fn increment(&self, counter: &AtomicU64) {
        // ORDERING: Relaxed: see above.
        if self.is_exclusive {
            counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        } else {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the next draw of this class in this slot: see [`Draw::nth`].
    ///
    /// A load and a store, even if the slot is shared: two threads may then occasionally get the same draw, or repeat a
    /// part of the sequence. Every part of the sequence is equally even, up to a block.
    #[inline]
    pub(super) fn next_draw(&self) -> Draw {
        // ORDERING: Relaxed: see above.
        let n = self.next_draw.load(Ordering::Relaxed);
        let next = n.wrapping_add(1);
        self.next_draw.store(next, Ordering::Relaxed);
        Draw::nth(n).offset(self.draw_offset)
    }
}

/// Counters of the requests that a dry run has admitted, by class and by [`Decision::reason_index`]. Threads share them: only a dry
/// run pays for them.
pub(super) struct DryRunCounters(CachePadded<[[AtomicU64; Reason::COUNT]; MAX_CLASSES]>);

impl DryRunCounters {
    constructor! {
        pub(super) const fn new() -> Self {
            DryRunCounters(CachePadded::new(each_class!(_CLASS => stat::zeros())))
        }
    }

    pub(super) fn count(&self, class: usize, decision: Decision) {
        // ORDERING: Relaxed: see above.
        self.0[class][decision.reason_index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn totals(&self, class: usize) -> [u64; Reason::COUNT] {
        // ORDERING: Relaxed: see above.
        core::array::from_fn(|reason| self.0[class][reason].load(Ordering::Relaxed))
    }
}

/// Returns what is added to the draws of a class.
///
/// Sequences begin at odd sixteenths of the range, so that no wall sheds its first request at every probability.
/// Classes are 5/8 of the range apart, so that classes requested in step are not shed in step.
const fn draw_offset(class: usize) -> u32 {
    const SIXTEENTH: u32 = 1 << (u32::BITS - 4);
    (10 * class as u32 + 9).wrapping_mul(SIXTEENTH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shed::draw::GOLDEN;

    #[test]
    fn first_draws_are_offset_by_class_and_by_slot() {
        let counters = Counters::new();
        let draw = |slot: usize, class: usize| counters.0[slot][class].next_draw();
        let eighth = 1_u32 << 29;
        for class in 0..MAX_CLASSES {
            let class_offset = (5 * eighth).wrapping_mul(class as u32);
            let first = Draw::from((9_u32 << 28).wrapping_add(class_offset));
            for slot in 0..16 {
                let slot_offset = GOLDEN.wrapping_mul(slot as u32);
                let expected = first.offset(slot_offset);
                assert_eq!(draw(slot, class), expected, "class {class}, slot {slot}");
            }
        }
    }
}
