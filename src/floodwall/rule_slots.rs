//! The rules of a wall: two slots that admissions read, and the rules as configured, from which updates start.
//!
//! One slot holds the rules of the current epoch, the other one those of the previous or the next epoch. The lowest
//! bit of the epoch selects the slot. A slot is not written while its epoch is current, so what is read from it is
//! the rules of the loaded word's epoch if that epoch is still current after the read.
//!
//! A rule update runs under a lock that no admission looks at:
//! 1. write the idle slot and the thresholds, both for the next epoch;
//! 2. step the epoch in the word. A compare-exchange of a word of the old epoch fails from here on.

use crossbeam_utils::CachePadded;

use super::class::{Class, MAX_CLASSES, each_class};
use super::fast_path::Thresholds;
use super::rules::{Rules, RulesError, Share};
use super::word::{Lanes, Limits};
use crate::shed::curve::Curve;
use crate::sync::{AtomicBool, AtomicU64, Backoff, Ordering, constructor};

pub(super) struct RuleSlots {
    slots: [CachePadded<Slot>; 2],
    /// [`Thresholds`] of each class.
    thresholds: CachePadded<[AtomicU64; MAX_CLASSES]>,
    configured: CachePadded<ConfiguredRules>,
}

impl RuleSlots {
    constructor! {
        /// Creates the slots for epoch 0.
        pub(super) const fn new<C: Class>(rules: &Rules<C>) -> Self {
            let limits = rules.limits();
            RuleSlots {
                // No word selects the second slot before an update has written it.
                slots: [
                    CachePadded::new(Slot::new(&limits, &rules.curves)),
                    CachePadded::new(Slot::new(&limits, &rules.curves)),
                ],
                thresholds: CachePadded::new(
                    each_class!(class => AtomicU64::new(thresholds_of(rules, 0, class))),
                ),
                configured: CachePadded::new(ConfiguredRules::new(rules.capacity, &rules.shares)),
            }
        }
    }

    /// Returns the slot of this word's epoch.
    #[inline(always)]
    pub(super) fn slot(&self, lanes: Lanes, word: u64) -> &Slot {
        &self.slots[lanes.slot(word)]
    }

    #[inline(always)]
    pub(super) fn thresholds(&self, class: usize) -> Thresholds {
        // ORDERING: Relaxed: a thread that has loaded the word reads thresholds at least as new as its epoch, and the
        // epoch tag shows if they are newer.
        Thresholds::from_word(self.thresholds[class].load(Ordering::Relaxed))
    }

    /// Returns the rules in force, as configured.
    pub(super) fn configured<C: Class>(&self, word: &AtomicU64) -> Rules<C> {
        self.rules_under(&self.configured.lock(), word)
    }

    /// Updates the rules to `edit(rules in force)`, and the epoch of `word`.
    pub(super) fn update<C: Class>(
        &self,
        word: &AtomicU64,
        edit: impl FnOnce(Rules<C>) -> Result<Rules<C>, RulesError>,
    ) -> Result<(), RulesError> {
        let lanes = Rules::<C>::LANES;
        let configured = self.configured.lock();
        let old = self.rules_under(&configured, word);
        let new = edit(old)?;
        if new == old {
            return Ok(());
        }
        configured.set_capacity(new.capacity);
        for class in 0..C::NAMES.len() {
            configured.set_share(class, new.shares[class]);
        }
        let step = lanes.next_epoch();
        let next = configured.epoch(word).wrapping_add(step);
        let curves = &new.curves[..C::NAMES.len()];
        self.slot(lanes, next).write(&new.limits(), curves);
        for (class, thresholds) in self.thresholds.iter().enumerate().take(C::NAMES.len()) {
            // ORDERING: Relaxed: published by the Release step below; until then the epoch tag does not match.
            thresholds.store(thresholds_of(&new, next, class), Ordering::Relaxed);
        }
        // ORDERING: Release: pairs with the Acquire in `Floodwall::load` and of the admission's compare-exchange;
        // required because a thread that sees the new epoch must see its slot, and what preceded the update.
        word.fetch_add(step, Ordering::Release);
        Ok(())
    }

    fn rules_under<C: Class>(
        &self,
        configured: &ConfiguredRulesGuard<'_>,
        word: &AtomicU64,
    ) -> Rules<C> {
        let slot = self.slot(Rules::<C>::LANES, configured.epoch(word));
        let mut rules = Rules::empty(configured.capacity());
        for class in 0..C::NAMES.len() {
            rules.shares[class] = configured.share(class);
            rules.curves[class] = slot.curve(class);
        }
        rules
    }
}

/// Returns the [`Thresholds`] of a class in the epoch of `word`, or 0 if there is no such class.
const fn thresholds_of<C: Class>(rules: &Rules<C>, word: u64, class: usize) -> u64 {
    if class >= C::NAMES.len() {
        return 0;
    }
    let curve = rules.curves[class];
    Thresholds::new(Rules::<C>::LANES, word, &rules.limits(), curve, class).to_word()
}

/// The rules of one epoch, in the form that an admission needs.
pub(super) struct Slot {
    // The fields of a [`Limits`].
    guarantees: AtomicU64,
    caps: AtomicU64,
    capacity: AtomicU64,
    /// The [`Curve`] of each class.
    curves: [AtomicU64; MAX_CLASSES],
}

impl Slot {
    constructor! {
        const fn new(limits: &Limits, curves: &[Curve; MAX_CLASSES]) -> Self {
            Slot {
                guarantees: AtomicU64::new(limits.guarantees),
                caps: AtomicU64::new(limits.caps),
                capacity: AtomicU64::new(limits.capacity),
                curves: each_class!(class => AtomicU64::new(curves[class].to_word())),
            }
        }
    }

    fn write(&self, limits: &Limits, curves: &[Curve]) {
        // ORDERING: Release: pairs with the Acquire in `limits` and `curve`; required because a thread that reads a
        // value of a later epoch must find a later epoch in the word when it loads or exchanges the word again.
        self.guarantees.store(limits.guarantees, Ordering::Release);
        self.caps.store(limits.caps, Ordering::Release);
        self.capacity.store(limits.capacity, Ordering::Release);
        for (field, curve) in self.curves.iter().zip(curves) {
            // ORDERING: Release: as above.
            field.store(curve.to_word(), Ordering::Release);
        }
    }

    #[inline(always)]
    pub(super) fn limits(&self) -> Limits {
        // ORDERING: Acquire: pairs with the Release in `write`; required for the reason given there.
        Limits {
            guarantees: self.guarantees.load(Ordering::Acquire),
            caps: self.caps.load(Ordering::Acquire),
            capacity: self.capacity.load(Ordering::Acquire),
        }
    }

    #[inline(always)]
    pub(super) fn curve(&self, class: usize) -> Curve {
        // ORDERING: Acquire: pairs with the Release in `write`; required for the reason given there.
        Curve::from_word(self.curves[class].load(Ordering::Acquire))
    }
}

/// The capacity and the shares as configured, behind the lock of rule updates.
///
/// A slot holds caps that are cut to the capacity, so the configured shares cannot be read back from it.
struct ConfiguredRules {
    locked: AtomicBool,
    capacity: AtomicU64,
    /// | bits   | meaning   |
    /// |--------|-----------|
    /// | 32..64 | guarantee |
    /// | 0..32  | cap       |
    shares: [AtomicU64; MAX_CLASSES],
}

const GUARANTEE_SHIFT: u32 = 32;

const fn share_to_word(share: Share) -> u64 {
    (share.guarantee() as u64) << GUARANTEE_SHIFT | share.cap() as u64
}

const fn share_from_word(word: u64) -> Share {
    Share::between((word >> GUARANTEE_SHIFT) as u32, word as u32)
}

impl ConfiguredRules {
    constructor! {
        const fn new(capacity: u32, shares: &[Share; MAX_CLASSES]) -> Self {
            ConfiguredRules {
                locked: AtomicBool::new(false),
                capacity: AtomicU64::new(capacity as u64),
                shares: each_class!(class => AtomicU64::new(share_to_word(shares[class]))),
            }
        }
    }

    /// Spins until no other thread reads or updates the configured rules.
    fn lock(&self) -> ConfiguredRulesGuard<'_> {
        let backoff = Backoff::new();
        // ORDERING: Acquire: pairs with the Release of the last unlock; required because this thread reads what the
        // last holder wrote. Relaxed on failure: the loop tries again.
        while self
            .locked
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            backoff.snooze();
        }
        ConfiguredRulesGuard(self)
    }
}

/// Exclusive access to the [`ConfiguredRules`].
struct ConfiguredRulesGuard<'a>(&'a ConfiguredRules);

impl ConfiguredRulesGuard<'_> {
    // ORDERING: Relaxed in these methods: the lock gives exclusive access and orders the holders.

    /// Returns a word of the current epoch, which lasts as long as the lock is held.
    fn epoch(&self, word: &AtomicU64) -> u64 {
        // ORDERING: Relaxed: only a holder of the lock steps the epoch.
        word.load(Ordering::Relaxed)
    }

    fn capacity(&self) -> u32 {
        // ORDERING: Relaxed: as above.
        self.0.capacity.load(Ordering::Relaxed) as u32
    }

    fn share(&self, class: usize) -> Share {
        // ORDERING: Relaxed: as above.
        share_from_word(self.0.shares[class].load(Ordering::Relaxed))
    }

    fn set_capacity(&self, capacity: u32) {
        // ORDERING: Relaxed: as above.
        self.0.capacity.store(capacity.into(), Ordering::Relaxed);
    }

    fn set_share(&self, class: usize, share: Share) {
        // ORDERING: Relaxed: as above.
        self.0.shares[class].store(share_to_word(share), Ordering::Relaxed);
    }
}

impl Drop for ConfiguredRulesGuard<'_> {
    fn drop(&mut self) {
        // ORDERING: Release: pairs with the Acquire in `lock`. A swap instead of a store, because loom is exact only
        // for cells that are written by read-modify-writes alone.
        self.0.locked.swap(false, Ordering::Release);
    }
}
