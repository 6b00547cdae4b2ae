//! Counters that threads do not fight over: each counts at its place, and a reader adds them up.
//!
//! A striped counter in the manner of Java's `LongAdder` (Doug Lea), with a fixed number of stripes,
//! and without a read-modify-write where a thread is alone at its place.

use crossbeam_utils::CachePadded;

use crate::class::{MAX_CLASSES, each_class};
use crate::draw::{Draw, GOLDEN};
use crate::place::{self, PLACES, Place};
use crate::rejection::Reason;
use crate::sync::Ordering;
use crate::sync::stat::{AtomicU32, AtomicU64};

pub(crate) struct Stripes([CachePadded<[Tally; MAX_CLASSES]>; PLACES]);

/// What was counted of one class at one place. It takes a power of two, to be found by a shift.
#[repr(align(64))]
struct Tally {
    admitted: AtomicU64,
    shed: AtomicU64,
    class_full: AtomicU64,
    pool_full: AtomicU64,
    /// The next draw. Of each class its own sequence: on one that classes share, the decisions on one
    /// would pick which draws another gets to see.
    draw: AtomicU32,
}

/// What was counted of one class at all places together.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) admitted: u64,
    pub(crate) shed: u64,
    pub(crate) class_full: u64,
    pub(crate) pool_full: u64,
}

// ORDERING: Relaxed throughout this file, for counters order nothing, and draws decide for whom they
// are alone.

impl Stripes {
    pub(crate) const fn new() -> Self {
        let mut stripes =
            Stripes([const { CachePadded::new([const { Tally::new(0) }; MAX_CLASSES]) }; PLACES]);
        let mut place = 0;
        while place < PLACES {
            stripes.0[place] =
                CachePadded::new(each_class!(class => Tally::new(first_draw(place, class))));
            place += 1;
        }
        stripes
    }

    /// The calling thread's tally of a class.
    #[inline]
    pub(crate) fn mine(&self, class: usize) -> Mine<'_> {
        let place = place::mine();
        Mine {
            tally: &self.0[place.index()][class],
            place,
        }
    }

    pub(crate) fn counts(&self, class: usize) -> Counts {
        let mut sum = Counts::default();
        for tally in self.0.iter().map(|place| &place[class]) {
            // ORDERING: Relaxed, as everywhere here.
            sum.admitted += tally.admitted.load(Ordering::Relaxed);
            sum.shed += tally.shed.load(Ordering::Relaxed);
            sum.class_full += tally.class_full.load(Ordering::Relaxed);
            sum.pool_full += tally.pool_full.load(Ordering::Relaxed);
        }
        sum
    }
}

impl Tally {
    const fn new(first_draw: u32) -> Self {
        Tally {
            admitted: AtomicU64::new(0),
            shed: AtomicU64::new(0),
            class_full: AtomicU64::new(0),
            pool_full: AtomicU64::new(0),
            draw: AtomicU32::new(first_draw),
        }
    }
}

/// The calling thread's tally of one class.
#[derive(Clone, Copy)]
pub(crate) struct Mine<'a> {
    tally: &'a Tally,
    place: Place,
}

impl Mine<'_> {
    #[inline]
    pub(crate) fn admitted(self) {
        self.count(&self.tally.admitted);
    }

    #[inline]
    pub(crate) fn turned_away(self, reason: &Reason) {
        self.count(match reason {
            Reason::Shed { .. } => &self.tally.shed,
            Reason::ClassFull { .. } => &self.tally.class_full,
            Reason::PoolFull { .. } => &self.tally.pool_full,
        });
    }

    #[inline]
    fn count(self, counter: &AtomicU64) {
        // ORDERING: Relaxed, as everywhere here.
        if self.place.is_own() {
            counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        } else {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The next draw of this class at this place, of a golden-ratio sequence.
    ///
    /// A load and a store, even where the place is shared: threads may then now and again get the
    /// same draw, or see some once more, and each run of the sequence is as even as any other.
    #[inline]
    pub(crate) fn draw(self) -> Draw {
        // ORDERING: Relaxed, as everywhere here.
        let draw = self.tally.draw.load(Ordering::Relaxed);
        let next = draw.wrapping_add(GOLDEN);
        self.tally.draw.store(next, Ordering::Relaxed);
        Draw::from(draw)
    }
}

/// Where the draws of a class begin at a place: at odd sixteenths of the range, so that no wall sheds
/// the first that it may shed whatever the probability; classes 5/8 of the range apart, so that those
/// asked in step are not shed in step; and places one after another in the sequence, so that threads
/// that decide once each are even too.
const fn first_draw(place: usize, class: usize) -> u32 {
    // So many steps through the sequence are one of 9/16 of the range, as 2^32 / phi ends in a 9.
    const STEPS: u32 = 1 << (u32::BITS - 4);
    let number = (10 * class as u32 + 1).wrapping_mul(STEPS) + place as u32;
    number.wrapping_mul(GOLDEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_begin_where_none_is_shed_at_once_and_no_two_classes_are_in_step() {
        let eighth = 1_u32 << 29;
        let first = first_draw(0, 0);
        assert_eq!(first >> 28 & 1, 1, "not at an odd sixteenth");
        for (class, place) in (0..8).flat_map(|class| (0..32).map(move |place| (class, place))) {
            let apart = (5 * eighth).wrapping_mul(class as u32);
            let further = GOLDEN.wrapping_mul(place as u32);
            let draw = first.wrapping_add(apart).wrapping_add(further);
            assert_eq!(first_draw(place, class), draw, "class {class} at {place}");
        }
    }
}
