//! The wall: permits per request class, shed by utilization, on one atomic word.
//!
//! # Algorithm
//! The word holds the permits in use of every class and, in its upper bits, an epoch. Two slots hold rules; the
//! lowest bit of the epoch selects the slot in force. A slot is not written while its epoch is current.
//!
//! - *Admission* loads the word, judges it by the slot of its epoch, and compare-exchanges it. The exchange succeeds
//!   only if the word is still the one that was judged: then its epoch is still current, so the rules that judged it
//!   are in force and were read whole.
//! - *Rejection* does the same, with a second look at the epoch instead of the exchange. It is a judgement of a state
//!   that the wall was in.
//! - *The fast path*: two thresholds per class, tagged with the epoch they were computed for. An admission that stays
//!   at or below both is within every limit and below every curve, and does not read the slot.
//! - *Release* subtracts from the word.
//! - *A rule update* (one at a time, under a lock that no admission and no reader looks at) writes the idle slot and then
//!   steps the epoch. A concurrent compare-exchange of a word of the old epoch fails.

pub(crate) mod admission;
pub(crate) mod class;
mod counters;
mod fast_path;
pub(crate) mod rejection;
mod rule_slots;
pub(crate) mod rules;
pub(crate) mod snapshot;
mod word;

use core::fmt;
use core::marker::PhantomData;

use crossbeam_utils::CachePadded;

use self::class::{Class, MAX_CLASSES, each_class, index_of};
use self::counters::Counters;
use self::rule_slots::{RuleSlots, Slot};
use self::rules::{Rule, Rules, RulesError};
use self::snapshot::{ClassSnapshot, Classes, Snapshot};
use self::word::Lanes;
use crate::gauge::peak::Peak;
use crate::shed::curve::Curve;
use crate::shed::utilization::Utilization;
use crate::sync::{AtomicU64, Ordering, constructor};

/// Permits per request class under one capacity: a class has a guarantee and a cap, borrows between the two, and is
/// shed by a curve when it borrows. A request that does not fit is rejected at once.
///
/// # The admission rule
/// A request of class `k` for `n` permits is admitted
/// - within the guarantee, if `in_use[k] + n <= guarantee[k]` and a thread is free. One is free unless a lowered
///   capacity or another class's lowered cap is still draining. The curve is not evaluated;
/// - beyond the guarantee, if `in_use[k] + n <= cap[k]`, if the sum over all classes of
///   `max(in_use, guarantee)` stays within the capacity, and if the class's curve, evaluated at the utilization before
///   the admission, does not shed the request.
///
/// Rejections are decided in this order: closed, class full, pool full, shed.
///
/// # What holds under every interleaving
/// - *Exact*: every admission satisfies the rule, under the rules in force at its compare-exchange. Between rule
///   updates no limit is ever exceeded.
/// - *Honest*: a rejection is a judgement of a state that the wall was in, no older than anything that happens-before
///   the call. A concurrent failed admission never causes a rejection.
/// - *Rule updates revoke nothing*: if a limit is lowered below what is in use, nothing more is admitted until enough
///   permits are released.
/// - *Exception*: a call that is preempted between two of its loads while an exact multiple of 2^b rule updates
///   complete may judge by older rules, or by a mix of old and new ones. For 1 to 8 classes b is 16, 16, 10, 8, 9,
///   10, 8 and 8.
///
/// A class can hold at most 2^24 - 1 permits on a wall of 1 or 2 classes, and at most 2^(56 / n) - 1 on a wall of `n`
/// classes (127 for 8).
///
/// # Examples
/// ```
/// use floodwall::{Curve, Floodwall, Share, classes};
///
/// classes! { enum Kind { Message, Login } }
///
/// static WALL: Floodwall<Kind> = Floodwall::new(100, &[
///     Kind::Message.rule(Share::at_least(50)),
///     Kind::Login.rule(Share::between(20, 50)).shed(Curve::linear(0.6, 0.8)),
/// ]);
///
/// let permit = WALL.admit(Kind::Login)?;
/// assert_eq!(WALL.in_use(Kind::Login), 1);
/// std::thread::spawn(permit.wrap(|| { /* handle the login */ })).join().unwrap();
/// assert_eq!(WALL.utilization(), 0.0);
/// # Ok::<(), floodwall::Rejection>(())
/// ```
// In this order, with the counters last. Ahead of the word they would put the counters of the first thread slot a
// multiple of 4 KiB away from it, and processors that compare the lowest 12 address bits of loads and stores first
// would delay one for the other (measured: 15 % of an admission).
#[repr(C)]
pub struct Floodwall<C> {
    /// | bits                                | meaning                         | changed by             |
    /// |-------------------------------------|---------------------------------|------------------------|
    /// | the remaining bits, at least 8      | epoch of the rules              | rule updates           |
    /// | `56 / COUNT` (at most 24) per class | permits in use of the class     | `admit`, `Permit` drop |
    ///
    /// [`Lanes`] knows the layout.
    word: CachePadded<AtomicU64>,
    rules: RuleSlots,
    peaks: CachePadded<[Peak; MAX_CLASSES]>,
    counters: Counters,
    classes: PhantomData<fn() -> C>,
}

impl<C: Class> Floodwall<C> {
    const LANES: Lanes = Rules::<C>::LANES;

    constructor! {
        /// Creates a wall of `capacity` permits with one rule for each class, in any order.
        ///
        /// # Panics
        /// If [`Rules::try_new`] returns an error, with the same text; in a `static`, at compile time.
        #[must_use]
        #[track_caller]
        pub const fn new(capacity: u32, rules: &[Rule<C>]) -> Self {
            Floodwall::from_rules(Rules::new(capacity, rules))
        }
    }

    constructor! {
        /// Creates a wall with these rules.
        #[must_use]
        pub const fn from_rules(rules: Rules<C>) -> Self {
            Floodwall {
                word: CachePadded::new(AtomicU64::new(0)),
                rules: RuleSlots::new(&rules),
                peaks: CachePadded::new(each_class!(_class => Peak::new())),
                counters: Counters::new(),
                classes: PhantomData,
            }
        }
    }

    /// Returns the permits that this class has in use.
    ///
    /// # Panics
    /// If the class's index is out of range.
    ///
    /// # Progress
    /// Wait-free: one load.
    ///
    /// # Memory ordering
    /// Everything done under a permit that is no longer counted happens-before the return: if the count has dropped to
    /// zero, the work of those permits is visible.
    #[must_use]
    #[track_caller]
    pub fn in_use(&self, class: C) -> u32 {
        Self::LANES.get(self.load(), index_of(class)) as u32
    }

    /// Returns permits in use / capacity: at most 1, except while a lowered capacity drains; 1 if the wall is closed.
    ///
    /// # Progress
    /// Lock-free: retries at most once per rule update that completes during the call.
    #[must_use]
    pub fn utilization(&self) -> f64 {
        let (word, limits) = self.read(Slot::limits);
        Utilization::new(Self::LANES.total(word), limits.capacity).value()
    }

    /// Returns the permits of the whole pool.
    ///
    /// # Progress
    /// As [`utilization`](Self::utilization).
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.read(Slot::limits).1.capacity as u32
    }

    /// Returns a coherent snapshot: permits and limits of all classes at one instant, and statistics.
    ///
    /// # Progress
    /// As [`utilization`](Self::utilization).
    ///
    /// # Memory ordering
    /// As [`in_use`](Self::in_use).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_with(|class| self.peaks[class].get())
    }

    /// Returns a [`snapshot`](Self::snapshot) and restarts the peaks, for a caller that samples at regular intervals.
    ///
    /// # Progress
    /// As [`utilization`](Self::utilization). It writes the word that admissions share once per class.
    pub fn take_peaks(&self) -> Snapshot {
        self.snapshot_with(|class| {
            self.peaks[class].take(|| {
                // ORDERING: Release: pairs with the Acquire of an admission's compare-exchange; required for the reason
                // given in `Peak::take`.
                let word = self.word.fetch_add(0, Ordering::Release);
                Self::LANES.get(word, class) as u32
            })
        })
    }

    fn snapshot_with(&self, peak: impl Fn(usize) -> u32) -> Snapshot {
        let (word, (limits, curves)) = self.read(|slot| {
            let mut curves = [Curve::NEVER; MAX_CLASSES];
            for (class, curve) in curves.iter_mut().enumerate().take(C::NAMES.len()) {
                *curve = slot.curve(class);
            }
            (slot.limits(), curves)
        });
        let utilization = Utilization::new(Self::LANES.total(word), limits.capacity);
        let mut classes = Classes {
            count: C::NAMES.len(),
            all: [ClassSnapshot::default(); MAX_CLASSES],
        };
        for (class, name) in C::NAMES.iter().enumerate() {
            let in_use = Self::LANES.get(word, class) as u32;
            let guarantee = Self::LANES.get(limits.guarantees, class) as u32;
            let totals = self.counters.totals(class);
            classes.all[class] = ClassSnapshot {
                name,
                in_use,
                guarantee,
                cap: Self::LANES.get(limits.caps, class) as u32,
                reject_probability: if in_use < guarantee {
                    0.0
                } else {
                    curves[class].probability_at(utilization)
                },
                peak: peak(class).max(in_use),
                admitted: totals.admitted,
                shed: totals.shed,
                class_full: totals.class_full,
                pool_full: totals.pool_full,
            };
        }
        Snapshot {
            capacity: limits.capacity as u32,
            utilization: utilization.value(),
            classes,
        }
    }

    /// Returns the rules in force, as configured.
    ///
    /// # Progress
    /// As [`utilization`](Self::utilization).
    #[must_use]
    pub fn rules(&self) -> Rules<C> {
        loop {
            // A wall takes only valid rules. A mix of two versions, which a reader sees if it is suspended while the
            // epoch returns to the same value, may be invalid.
            if let Ok(rules) = self.read(Slot::rules).1.validate() {
                return rules;
            }
        }
    }

    /// Replaces all rules at once. No permit is revoked. Rules equal to those in force change nothing.
    ///
    /// # Progress
    /// Blocking: waits while another thread updates the rules, and spins without the feature `std`. No admission and no
    /// reader waits for an update. If a process forks during an update by another thread, the next one in the child
    /// waits forever.
    ///
    /// # Memory ordering
    /// Everything that precedes an update happens-before every admission under the new rules.
    pub fn set_rules(&self, rules: Rules<C>) {
        let updated = self.rules.update(&self.word, |_| Ok(rules));
        debug_assert!(updated.is_ok(), "`Rules` are checked when they are created");
    }

    /// Replaces the rules of some classes and keeps the others as they are at that instant, also if another thread
    /// updates those concurrently. Otherwise as [`set_rules`](Self::set_rules).
    ///
    /// # Errors
    /// As [`Rules::with`]; nothing is changed then.
    ///
    /// # Examples
    /// ```
    /// # use floodwall::{Curve, Floodwall, Share, classes};
    /// # classes! { enum Kind { Message, Login } }
    /// # static WALL: Floodwall<Kind> = Floodwall::new(100, &[
    /// #     Kind::Message.rule(Share::at_least(50)),
    /// #     Kind::Login.rule(Share::at_most(50)),
    /// # ]);
    /// // No guarantee, so `ALWAYS` sheds every login.
    /// WALL.update_rules(&[Kind::Login.rule(Share::at_most(50)).shed(Curve::ALWAYS)])?;
    /// assert!(WALL.admit(Kind::Login).is_err());
    /// # Ok::<(), floodwall::RulesError>(())
    /// ```
    pub fn update_rules(&self, rules: &[Rule<C>]) -> Result<(), RulesError> {
        self.rules
            .update(&self.word, |current: Rules<C>| current.with(rules))
    }

    /// Changes the capacity and keeps the shares and curves.
    ///
    /// Zero closes the wall so that it drains: guarantees are void, and every request is rejected with
    /// `PoolFull { capacity: 0 }`.
    ///
    /// # Errors
    /// As [`Rules::with_capacity`]; nothing is changed then.
    ///
    /// # Progress
    /// As [`set_rules`](Self::set_rules).
    ///
    /// # Memory ordering
    /// As [`set_rules`](Self::set_rules).
    pub fn set_capacity(&self, capacity: u32) -> Result<(), RulesError> {
        self.rules.update(&self.word, |current: Rules<C>| {
            current.with_capacity(capacity)
        })
    }

    #[inline]
    fn load(&self) -> u64 {
        // ORDERING: Acquire: pairs with the Release of released permits, so that the work of permits no longer counted
        // is visible, and with the Release of the epoch step, so that the slot of the loaded epoch is visible; without
        // it a thread could read stale thresholds or a stale slot again and again.
        self.word.load(Ordering::Acquire)
    }

    /// Returns a word, and what `f` reads from the slot of its epoch.
    fn read<T>(&self, f: impl Fn(&Slot) -> T) -> (u64, T) {
        loop {
            let word = self.load();
            let value = f(self.rules.slot(Self::LANES, word));
            if self.is_epoch_current(word) {
                return (word, value);
            }
        }
    }

    /// Returns whether the epoch of this word is still current. If so, what was read from its slot since the word was
    /// loaded belongs to that epoch.
    #[inline(always)]
    fn is_epoch_current(&self, word: u64) -> bool {
        Self::LANES.same_epoch(word, self.load())
    }
}

impl<C: Class> fmt::Debug for Floodwall<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Floodwall").field(&self.snapshot()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Share;

    crate::classes! { enum Kind { Message } }

    /// A reader that took the lock would wait forever.
    #[test]
    fn readers_do_not_wait_for_a_rule_update() {
        let rules = Rules::new(10, &[Kind::Message.rule(Share::exactly(5))]);
        let wall = Floodwall::from_rules(rules);
        let updated = wall.rules.update(&wall.word, |current| {
            assert!(current == rules && wall.rules() == rules);
            assert_eq!((wall.capacity(), wall.snapshot().capacity), (10, 10));
            assert!(wall.admit(Kind::Message).is_ok());
            rules.with_capacity(20)
        });
        assert_eq!((updated, wall.capacity()), (Ok(()), 20));
    }
}
