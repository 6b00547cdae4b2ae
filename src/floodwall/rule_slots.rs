//! The rules of a wall and its mode: two slots, read by admissions and by readers of the rules, written by updates.
//!
//! One slot holds the settings of the current epoch, the other one those of the previous or the next epoch. The lowest
//! bit of the epoch selects the slot. A slot is not written while its epoch is current, so what is read from it are
//! the settings of the loaded word's epoch if that epoch is still current after the read.
//!
//! An update runs under a lock that no admission and no reader looks at:
//! 1. write the idle slot and the thresholds, both for the next epoch;
//! 2. step the epoch in the word. A compare-exchange of a word of the old epoch fails from here on.

use crossbeam_utils::CachePadded;

use super::class::{Class, MAX_CLASSES, each_class};
use super::fast_path::Thresholds;
use super::mode::{ClassSet, Mode, Settings};
use super::rules::{Rules, Share};
use super::word::{Lanes, Limits};
use crate::shed::curve::Curve;
use crate::sync::lock::Lock;
use crate::sync::{AtomicU64, Ordering, constructor};

pub(super) struct RuleSlots {
    slots: [CachePadded<Slot>; 2],
    /// [`Thresholds`] of each class.
    thresholds: CachePadded<[AtomicU64; MAX_CLASSES]>,
    /// Held by an update.
    updates: CachePadded<Lock>,
}

impl RuleSlots {
    constructor! {
        /// Creates the slots for the first epoch.
        pub(super) const fn new<C: Class>(settings: &Settings<C>) -> Self {
            RuleSlots {
                // No word selects the second slot before an update has written it.
                slots: [
                    CachePadded::new(Slot::new(settings)),
                    CachePadded::new(Slot::new(settings)),
                ],
                thresholds: CachePadded::new(
                    each_class!(CLASS => AtomicU64::new(thresholds_of(settings, Rules::<C>::LANES.first(), CLASS))),
                ),
                updates: CachePadded::new(Lock::new()),
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

    /// Updates the settings to `edit(settings in force)`, and the epoch of `word`.
    pub(super) fn update<C: Class, E>(
        &self,
        word: &AtomicU64,
        edit: impl FnOnce(Settings<C>) -> Result<Settings<C>, E>,
    ) -> Result<(), E> {
        let lanes = Rules::<C>::LANES;
        let _updating = self.updates.lock();
        // ORDERING: Relaxed: only a holder of the lock steps the epoch.
        let epoch = word.load(Ordering::Relaxed);
        let old = self.slot(lanes, epoch).settings();
        let new = edit(old)?;
        if new == old {
            return Ok(());
        }
        let step = lanes.next_epoch();
        let next = epoch.wrapping_add(step);
        self.slot(lanes, next).write(&new);
        for (class, thresholds) in self.thresholds.iter().enumerate().take(C::NAMES.len()) {
            // ORDERING: Relaxed: published by the Release step below; until then the epoch tag does not match.
            thresholds.store(thresholds_of(&new, next, class), Ordering::Relaxed);
        }
        // ORDERING: Release: pairs with the Acquire in `Floodwall::load` and of the admission's compare-exchange;
        // required because a thread that sees the new epoch must see its slot, and what preceded the update.
        word.fetch_add(step, Ordering::Release);
        Ok(())
    }
}

/// Returns the [`Thresholds`] of a class in the epoch of `word`, or 0 if there is no such class.
const fn thresholds_of<C: Class>(settings: &Settings<C>, word: u64, class: usize) -> u64 {
    if class >= C::NAMES.len() {
        return 0;
    }
    let lanes = Rules::<C>::LANES;
    let Settings { rules, mode } = settings;
    let curve = rules.curves[class];
    let thresholds = if mode.concerns(class) {
        Thresholds::unused(lanes, word)
    } else if mode.may_shed(curve) {
        Thresholds::without_curve(lanes, word, &rules.limits(), class)
    } else {
        Thresholds::new(lanes, word, &rules.limits(), curve, class)
    };
    thresholds.to_word()
}

/// The settings of one epoch: what an admission needs, and the shares as configured.
///
/// The caps that an admission needs are cut to the capacity, so the configured shares cannot be read back from them.
pub(super) struct Slot {
    // The fields of a [`Limits`].
    guarantees: AtomicU64,
    caps: AtomicU64,
    /// | bits  | meaning                                               |
    /// |-------|-------------------------------------------------------|
    /// | 63    | the mode is not the default: see `mode`, `pressure`   |
    /// | 0..63 | capacity                                              |
    capacity: AtomicU64,
    /// The [`Curve`] of each class.
    curves: [AtomicU64; MAX_CLASSES],
    /// The [`Share`] of each class.
    ///
    /// | bits   | meaning   |
    /// |--------|-----------|
    /// | 32..64 | guarantee |
    /// | 0..32  | cap       |
    shares: [AtomicU64; MAX_CLASSES],
    /// The mode, but for the pressure.
    ///
    /// | bits | meaning            |
    /// |------|--------------------|
    /// | 8    | the wall is closed |
    /// | 0..8 | classes in dry run |
    mode: AtomicU64,
    /// The bits of an `f64`.
    pressure: AtomicU64,
}

const GUARANTEE_SHIFT: u32 = 32;
const CLOSED: u64 = 1 << MAX_CLASSES;
const HAS_MODE: u64 = 1 << 63;

const fn share_to_word(share: Share) -> u64 {
    (share.guarantee() as u64) << GUARANTEE_SHIFT | share.cap() as u64
}

const fn share_from_word(word: u64) -> Share {
    Share::between((word >> GUARANTEE_SHIFT) as u32, word as u32)
}

const fn capacity_to_word(limits: &Limits, mode: Mode) -> u64 {
    limits.capacity | if mode.is_default() { 0 } else { HAS_MODE }
}

const fn mode_to_word(mode: Mode) -> u64 {
    let closed = if mode.closed { CLOSED } else { 0 };
    closed | mode.dry_run.0 as u64
}

impl Slot {
    constructor! {
        const fn new<C: Class>(settings: &Settings<C>) -> Self {
            let Settings { rules, mode } = settings;
            let limits = rules.limits();
            Slot {
                guarantees: AtomicU64::new(limits.guarantees),
                caps: AtomicU64::new(limits.caps),
                capacity: AtomicU64::new(capacity_to_word(&limits, *mode)),
                curves: each_class!(CLASS => AtomicU64::new(rules.curves[CLASS].to_word())),
                shares: each_class!(CLASS => AtomicU64::new(share_to_word(rules.shares[CLASS]))),
                mode: AtomicU64::new(mode_to_word(*mode)),
                pressure: AtomicU64::new(mode.pressure.to_bits()),
            }
        }
    }

    fn write<C: Class>(&self, settings: &Settings<C>) {
        let Settings { rules, mode } = settings;
        let limits = rules.limits();
        // ORDERING: Release: pairs with the Acquire in the functions that read; required because a thread that reads a
        // value of a later epoch must find a later epoch in the word when it loads or exchanges the word again.
        self.guarantees.store(limits.guarantees, Ordering::Release);
        self.caps.store(limits.caps, Ordering::Release);
        self.capacity
            .store(capacity_to_word(&limits, *mode), Ordering::Release);
        for class in 0..C::NAMES.len() {
            let curve = rules.curves[class].to_word();
            let share = share_to_word(rules.shares[class]);
            // ORDERING: Release: as above.
            self.curves[class].store(curve, Ordering::Release);
            self.shares[class].store(share, Ordering::Release);
        }
        // ORDERING: Release: as above.
        self.mode.store(mode_to_word(*mode), Ordering::Release);
        self.pressure
            .store(mode.pressure.to_bits(), Ordering::Release);
    }

    #[inline(always)]
    pub(super) fn limits(&self) -> Limits {
        self.limits_and_mode().0
    }

    /// Returns the limits, and whether the mode is not the default. That takes one load less than to look at the mode.
    #[inline(always)]
    pub(super) fn limits_and_mode(&self) -> (Limits, bool) {
        // ORDERING: Acquire: pairs with the Release in `write`; required for the reason given there.
        let capacity = self.capacity.load(Ordering::Acquire);
        let limits = Limits {
            guarantees: self.guarantees.load(Ordering::Acquire),
            caps: self.caps.load(Ordering::Acquire),
            capacity: capacity & !HAS_MODE,
        };
        (limits, capacity & HAS_MODE != 0)
    }

    #[inline(always)]
    pub(super) fn curve(&self, class: usize) -> Curve {
        // ORDERING: Acquire: pairs with the Release in `write`; required for the reason given there.
        Curve::from_word(self.curves[class].load(Ordering::Acquire))
    }

    fn share(&self, class: usize) -> Share {
        // ORDERING: Acquire: pairs with the Release in `write`; required for the reason given there.
        share_from_word(self.shares[class].load(Ordering::Acquire))
    }

    pub(super) fn mode(&self) -> Mode {
        // ORDERING: Acquire: pairs with the Release in `write`; required for the reason given there.
        let word = self.mode.load(Ordering::Acquire);
        let pressure = self.pressure.load(Ordering::Acquire);
        Mode {
            closed: word & CLOSED != 0,
            pressure: f64::from_bits(pressure),
            dry_run: ClassSet(word as u8),
        }
    }

    /// Returns the rules as configured, and the mode.
    pub(super) fn settings<C: Class>(&self) -> Settings<C> {
        let mut rules = Rules::empty(self.limits().capacity as u32);
        for class in 0..C::NAMES.len() {
            rules.shares[class] = self.share(class);
            rules.curves[class] = self.curve(class);
        }
        Settings {
            rules,
            mode: self.mode(),
        }
    }
}
