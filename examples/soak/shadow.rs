//! What is held, by an account of its own, and what may be held.

use std::array;
use std::fmt::Debug;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use floodwall::MAX_CLASSES;

/// So many permits per class, or so much of anything else.
pub(crate) type PerClass<T> = [T; MAX_CLASSES];

/// What may be held under some rules. Written down anew, as plainly as can be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) guarantees: PerClass<u8>,
    pub(crate) caps: PerClass<u8>,
    pub(crate) capacity: u8,
}

impl Bounds {
    pub(crate) fn allow(&self, held: PerClass<u8>) -> bool {
        let committed = held.iter().zip(self.guarantees);
        let committed: u32 = committed.map(|(held, own)| u32::from(own.max(*held))).sum();
        committed <= self.capacity.into()
            && held.iter().zip(self.caps).all(|(held, cap)| *held <= cap)
    }

    /// What may be held while nobody knows which of two are in force.
    fn looser(self, other: Bounds) -> Bounds {
        Bounds {
            guarantees: array::from_fn(|class| self.guarantees[class].min(other.guarantees[class])),
            caps: array::from_fn(|class| self.caps[class].max(other.caps[class])),
            capacity: self.capacity.max(other.capacity),
        }
    }
}

/// Which bounds hold, under a number that no other law has.
///
/// | bits  | meaning                  |
/// |-------|--------------------------|
/// | 8..64 | how many laws came before |
/// | 0..8  | which bounds             |
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Law(u64);

const WHICH_BITS: u32 = 8;

impl Law {
    fn which(self) -> usize {
        (self.0 % (1 << WHICH_BITS)) as usize
    }
}

/// What is held of one bulkhead or wall, and the law.
///
/// A permit is counted after it was taken, and no more before it is given back: so all that is counted
/// at one instant was out at one instant, when the last of it was taken.
pub(crate) struct Shadow {
    name: String,
    /// A byte per class. No class may ever hold as much as a byte can.
    held: CachePadded<AtomicU64>,
    law: CachePadded<AtomicU64>,
    /// The last ones are the loosest.
    bounds: Vec<Bounds>,
}

impl Shadow {
    /// With one set of bounds, these hold for good. With more, any of them may, until one is settled.
    pub(crate) fn new(name: String, mut bounds: Vec<Bounds>) -> Self {
        let loosest = bounds.iter().copied().reduce(Bounds::looser);
        bounds.extend(loosest);
        Shadow {
            name,
            held: CachePadded::default(),
            law: CachePadded::new(AtomicU64::new(bounds.len() as u64 - 1)),
            bounds,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn bounds(&self, which: usize) -> Bounds {
        self.bounds[which]
    }

    /// The law: to be read before a request is made.
    pub(crate) fn law(&self) -> Law {
        Law(self.law.load(Ordering::Acquire))
    }

    /// From now on these bounds hold: nothing beyond them is out, or can be taken. One thread at a
    /// time may say so.
    pub(crate) fn settle(&self, which: usize) {
        let number = (self.law().0 >> WHICH_BITS) + 1;
        let law = number << WHICH_BITS | which as u64;
        self.law.store(law, Ordering::Release);
    }

    /// From now on any bounds may hold: to be called before they change.
    pub(crate) fn unsettle(&self) {
        self.settle(self.bounds.len() - 1);
    }

    /// Counts what was asked for when `before` was the law, and has been taken.
    pub(crate) fn count(&self, before: Law, class: usize, permits: u32) -> Counted<'_> {
        let unit = u64::from(permits) << (u8::BITS as usize * class);
        let held = self.held.fetch_add(unit, Ordering::AcqRel) + unit;
        self.check(before, held.to_le_bytes());
        Counted {
            held: &self.held,
            unit,
        }
    }

    /// So much was held, at some instant since `before` was the law. If it still is, it was the law at
    /// that instant too; else it is only known that some bounds held.
    pub(crate) fn check(&self, before: Law, held: PerClass<u8>) {
        let bounds = if before == self.law() {
            self.bounds[before.which()]
        } else {
            self.bounds[self.bounds.len() - 1]
        };
        if !bounds.allow(held) {
            violation(&self.name, "more is held than allowed", (held, bounds));
        }
    }

    pub(crate) fn held(&self) -> PerClass<u8> {
        self.held.load(Ordering::Acquire).to_le_bytes()
    }
}

/// Counted as held until it is dropped.
pub(crate) struct Counted<'a> {
    held: &'a AtomicU64,
    unit: u64,
}

impl<'a> Counted<'a> {
    /// One more of what has no bounds; and how many that makes.
    pub(crate) fn one(held: &'a AtomicU64) -> (Self, u64) {
        let before = held.fetch_add(1, Ordering::AcqRel);
        (Counted { held, unit: 1 }, before + 1)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.held.fetch_sub(self.unit, Ordering::AcqRel);
    }
}

/// Says what was broken, with the numbers, and ends the run at once.
pub(crate) fn violation(whose: &str, what: &str, numbers: impl Debug) -> ! {
    eprintln!("VIOLATION: {whose}: {what}: {numbers:?}");
    process::exit(1)
}
