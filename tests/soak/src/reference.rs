//! The reference account of one target: the permits held and the limits on them.

use std::array;
use std::fmt::Debug;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use floodwall::MAX_CLASSES;

use floodwall_theory::spec::{ClassRule, Mode, Ramp, Wall};

pub(crate) type PerClass<T> = [T; MAX_CLASSES];

/// The limits of one set of rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) capacity: u32,
    pub(crate) classes: PerClass<ClassRule>,
}

impl Limits {
    pub(crate) fn allow(&self, held: PerClass<u8>) -> bool {
        let wall = Wall {
            capacity: self.capacity,
            rules: &self.classes,
            mode: Mode::OPEN,
            in_use: &held.map(u64::from),
        };
        wall.is_within_limits()
    }

    /// Returns limits that allow whatever either of the two allows.
    fn union(self, other: Limits) -> Limits {
        let guarantee = |limits: &Limits, class: usize| limits.classes[class].guarantee;
        Limits {
            capacity: self.capacity.max(other.capacity),
            classes: array::from_fn(|class| ClassRule {
                guarantee: guarantee(&self, class).min(guarantee(&other, class)),
                cap: self.classes[class].cap.max(other.classes[class].cap),
                ramp: Ramp::NEVER,
            }),
        }
    }
}

/// A state of knowledge about the limits in force. No two have the same number.
///
/// | bits  | meaning             |
/// |-------|---------------------|
/// | 8..64 | number              |
/// | 0..8  | index of the limits |
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct LimitsVersion(u64);

const INDEX_BITS: u32 = 8;

impl LimitsVersion {
    fn index(self) -> usize {
        (self.0 % (1 << INDEX_BITS)) as usize
    }
}

/// The permits held of one target and the limits on them.
///
/// A permit is counted after it is acquired, and is no longer counted before it is released. All permits
/// that are counted at one instant are therefore held at that instant.
pub(crate) struct Reference {
    name: String,
    /// One byte per class. No limits allow a class 255 permits.
    held: CachePadded<AtomicU64>,
    version: CachePadded<AtomicU64>,
    /// The last entry is the union of the others.
    limits: Vec<Limits>,
}

impl Reference {
    /// Creates an account for a target that switches between these limits. Any of them may be in force
    /// until one is published.
    pub(crate) fn new(name: String, mut limits: Vec<Limits>) -> Self {
        let union = limits.iter().copied().reduce(Limits::union);
        limits.extend(union);
        Reference {
            name,
            held: CachePadded::default(),
            version: CachePadded::new(AtomicU64::new(limits.len() as u64 - 1)),
            limits,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn limits(&self, index: usize) -> Limits {
        self.limits[index]
    }

    /// Returns the current version. Must be read before a request is made.
    pub(crate) fn version(&self) -> LimitsVersion {
        // ORDERING: Acquire: pairs with the Release in `publish`.
        LimitsVersion(self.version.load(Ordering::Acquire))
    }

    /// Declares that from now on these limits are in force and that no permit beyond them is held. At most
    /// one thread at a time may call this.
    pub(crate) fn publish(&self, index: usize) {
        let number = (self.version().0 >> INDEX_BITS) + 1;
        let version = number << INDEX_BITS | index as u64;
        // ORDERING: Release: pairs with the Acquire in `version`: a request made under these limits comes
        // after the rule update and the drain.
        self.version.store(version, Ordering::Release);
    }

    /// Declares that any of the limits may be in force. Must be called before they change.
    pub(crate) fn publish_union(&self) {
        self.publish(self.limits.len() - 1);
    }

    /// Counts permits of a request that was made after `before` was read.
    pub(crate) fn count(&self, before: LimitsVersion, class: usize, permits: u32) -> Counted<'_> {
        let unit = u64::from(permits) << (u8::BITS as usize * class);
        // ORDERING: AcqRel: orders the count after the acquisition and the check after the count.
        let held = self.held.fetch_add(unit, Ordering::AcqRel) + unit;
        self.check(before, held.to_le_bytes());
        Counted {
            held: &self.held,
            unit,
        }
    }

    /// Checks permits that were held at some instant since `before` was read.
    ///
    /// If the version has not changed, its limits were in force at that instant. Otherwise only the union
    /// is known to have been.
    pub(crate) fn check(&self, before: LimitsVersion, held: PerClass<u8>) {
        let limits = if before == self.version() {
            self.limits[before.index()]
        } else {
            self.limits[self.limits.len() - 1]
        };
        if !limits.allow(held) {
            violation(
                &self.name,
                "more permits are held than allowed",
                (held, limits),
            );
        }
    }

    pub(crate) fn held(&self) -> PerClass<u8> {
        // ORDERING: Acquire: pairs with the AcqRel in `Counted::drop`.
        self.held.load(Ordering::Acquire).to_le_bytes()
    }
}

/// Permits that are counted as held until this is dropped.
pub(crate) struct Counted<'a> {
    held: &'a AtomicU64,
    unit: u64,
}

impl<'a> Counted<'a> {
    /// Counts one guard of an unlimited object. Also returns the new count.
    pub(crate) fn one(held: &'a AtomicU64) -> (Self, u64) {
        // ORDERING: AcqRel: orders the count after the entry and the reads of the gauge after the count.
        let before = held.fetch_add(1, Ordering::AcqRel);
        (Counted { held, unit: 1 }, before + 1)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        // ORDERING: AcqRel: orders the release of the permit after the count.
        self.held.fetch_sub(self.unit, Ordering::AcqRel);
    }
}

/// Reports a violation with its numbers and ends the process.
pub(crate) fn violation(target: &str, what: &str, numbers: impl Debug) -> ! {
    eprintln!("VIOLATION: {target}: {what}: {numbers:?}");
    process::exit(1)
}
