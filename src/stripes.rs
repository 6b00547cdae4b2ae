//! Counters that threads do not fight over: each counts at its place, and a reader adds them up.
//!
//! A striped counter in the manner of Java's `LongAdder` (Doug Lea), with a fixed number of stripes,
//! and without a read-modify-write where a thread is alone at its place.

use crossbeam_utils::CachePadded;

use crate::class::MAX_CLASSES;
use crate::draw::Draw;
use crate::place::{self, PLACES, Place};
use crate::sync::Ordering;
use crate::sync::stat::{AtomicU32, AtomicU64};

pub(crate) struct Stripes([CachePadded<[Tally; MAX_CLASSES]>; PLACES]);

/// What was counted of one class at one place.
struct Tally {
    admitted: AtomicU64,
    shed: AtomicU64,
    class_full: AtomicU64,
    pool_full: AtomicU64,
    /// How many draws were taken here. Of each class its own: on a sequence that classes share,
    /// the decisions on one would pick which draws another gets to see.
    draws: AtomicU32,
}

/// What was counted of one class at all places together.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) admitted: u64,
    pub(crate) shed: u64,
    pub(crate) class_full: u64,
    pub(crate) pool_full: u64,
}

// ORDERING: Relaxed throughout this file, for counters order nothing and decide nothing.

impl Stripes {
    pub(crate) const fn new() -> Self {
        Stripes([const { CachePadded::new([const { Tally::new() }; MAX_CLASSES]) }; PLACES])
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
            sum.admitted += tally.admitted.load(Ordering::Relaxed);
            sum.shed += tally.shed.load(Ordering::Relaxed);
            sum.class_full += tally.class_full.load(Ordering::Relaxed);
            sum.pool_full += tally.pool_full.load(Ordering::Relaxed);
        }
        sum
    }
}

impl Tally {
    const fn new() -> Self {
        Tally {
            admitted: AtomicU64::new(0),
            shed: AtomicU64::new(0),
            class_full: AtomicU64::new(0),
            pool_full: AtomicU64::new(0),
            draws: AtomicU32::new(0),
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
    pub(crate) fn shed(self) {
        self.count(&self.tally.shed);
    }

    #[inline]
    pub(crate) fn class_full(self) {
        self.count(&self.tally.class_full);
    }

    #[inline]
    pub(crate) fn pool_full(self) {
        self.count(&self.tally.pool_full);
    }

    #[inline]
    fn count(self, counter: &AtomicU64) {
        if self.place.is_own() {
            counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        } else {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The next draw of this class at this place. Place number *n* begins at the *n*-th number of
    /// the golden-ratio sequence, so that threads that decide once each are even too.
    ///
    /// A load and a store, even where the place is shared: threads may then now and again get the
    /// same draw, or see some once more, and each run of the sequence is as even as any other.
    #[inline]
    pub(crate) fn draw(self) -> Draw {
        let taken = self.tally.draws.load(Ordering::Relaxed);
        let next = taken.wrapping_add(1);
        self.tally.draws.store(next, Ordering::Relaxed);
        Draw::nth(taken.wrapping_add(self.place.index() as u32))
    }
}
