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
//! - *The fast path*: for each class, a word of thresholds with the lanes of the wall's word and the epoch they were
//!   computed for. As long as no lane exceeds its threshold, one more permit of the class exceeds no limit and meets no
//!   curve, and the slot is not read.
//! - *Release* subtracts from the word.
//! - *An update* of the rules or of the mode (one at a time, under a lock that no admission and no reader looks at)
//!   writes the idle slot and then steps the epoch. A concurrent compare-exchange of a word of the old epoch fails.
//! - *The mode* (closed, pressure, dry run) is in the slot too. Requests that it may concern find no thresholds to stay
//!   below, and then read in the slot that there is a mode.

pub(crate) mod admission;
pub(crate) mod class;
mod counters;
mod decision;
mod fast_path;
mod mode;
pub(crate) mod rejection;
mod rule_slots;
pub(crate) mod rules;
pub(crate) mod snapshot;
mod word;

use core::convert::Infallible;
use core::fmt;
use core::marker::PhantomData;

use crossbeam_utils::CachePadded;

use self::class::{Class, MAX_CLASSES, each_class, index_of};
use self::counters::{Counters, DryRunCounters};
use self::mode::{Mode, Settings};
use self::rule_slots::{RuleSlots, Slot};
use self::rules::{Rule, Rules, RulesError};
use self::snapshot::{ClassSnapshot, Classes, Snapshot, WouldReject};
use self::word::Lanes;
use crate::gauge::peak::Peak;
use crate::permit::word::PermitWord;
use crate::shed::utilization::Utilization;
use crate::sync::{Ordering, constructor};

/// Permits per request class under one capacity: a class has a guarantee and a cap, borrows between the two, and is
/// shed by a curve when it borrows. A request that does not fit is rejected at once.
///
/// # The admission rule
/// A request of class `k` for `n` permits is admitted
/// - within the guarantee, if `in_use[k] + n <= guarantee[k]` and a thread is free. One is free unless
///   permits are still in use that were admitted before a limit was lowered, or by a dry run of another class. The
///   curve is not evaluated;
/// - beyond the guarantee, if `in_use[k] + n <= cap[k]`, if the sum over all classes of
///   `max(in_use, guarantee)` stays within the capacity, and if the class's curve, evaluated at the utilization before
///   the admission, does not shed the request.
///
/// Rejections are decided in this order: closed, too large, class full, pool full, shed.
///
/// # Closed, pressure, dry run
/// Three things are switched apart from the rules, so that no rule update changes them: a wall that is
/// [closed](Self::close) admits nothing, a [pressure](Self::set_pressure) is what curves see if it is higher than the
/// utilization, and a class in [dry run](Self::set_dry_run) is admitted where it would be rejected.
///
/// # What holds under every interleaving
/// - *Exact*: every admission satisfies the rule, under the rules in force at its compare-exchange. Between rule
///   updates no admission exceeds a limit, unless its class is in dry run.
/// - *Honest*: a rejection is a judgement of a state that the wall was in, no older than anything that happens-before
///   the call. A concurrent failed admission never causes a rejection.
/// - *Rule updates revoke nothing*: if a limit is lowered below what is in use, nothing more is admitted until enough
///   permits are released.
/// - *Exception*: a call that is preempted between two of its loads while an exact multiple of 2^b rule updates
///   complete may judge by older rules, or by a mix of old and new ones. For 1 to 8 classes b is 39, 14, 10, 8, 9,
///   10, 8 and 8. Closing, opening, and changes of the pressure or the dry run count as rule updates.
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
    word: CachePadded<PermitWord>,
    rules: RuleSlots,
    peaks: CachePadded<[Peak; MAX_CLASSES]>,
    counters: Counters,
    would_reject: DryRunCounters,
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
                word: CachePadded::new(PermitWord::new(Self::LANES.first(), Self::LANES.layout())),
                rules: RuleSlots::new(&Settings {
                    rules,
                    mode: Mode::DEFAULT,
                }),
                peaks: CachePadded::new(each_class!(_CLASS => Peak::new())),
                counters: Counters::new(),
                would_reject: DryRunCounters::new(),
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

    /// Returns permits in use / capacity, also if the wall is closed: at most 1, except while permits drain
    /// that were admitted before the capacity was lowered, or by a dry run.
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
    pub fn snapshot(&self) -> Snapshot<C> {
        self.snapshot_with(|class| self.peaks[class].get())
    }

    /// Returns a [`snapshot`](Self::snapshot) and restarts the peaks, for a caller that samples at regular intervals.
    ///
    /// # Progress
    /// As [`utilization`](Self::utilization). It writes the word that admissions share once per class.
    pub fn take_peaks(&self) -> Snapshot<C> {
        self.snapshot_with(|class| {
            self.peaks[class].take(|| {
                // ORDERING: Release: pairs with the Acquire of an admission's compare-exchange; required for the reason
                // given in `Peak::take`.
                let word = self.word.fetch_add(0, Ordering::Release);
                Self::LANES.get(word, class) as u32
            })
        })
    }

    fn snapshot_with(&self, peak: impl Fn(usize) -> u32) -> Snapshot<C> {
        let (word, Settings { rules, mode }) = self.read(Slot::settings::<C>);
        let limits = rules.limits();
        let utilization = Utilization::new(Self::LANES.total(word), limits.capacity);
        let seen = utilization.max_with_pressure(mode.pressure);
        let mut classes = Classes {
            count: C::NAMES.len(),
            all: [ClassSnapshot::default(); MAX_CLASSES],
        };
        for (class, name) in C::NAMES.iter().enumerate() {
            let in_use = Self::LANES.get(word, class) as u32;
            let guarantee = Self::LANES.get(limits.guarantees, class) as u32;
            // In this order, because a dry run counts an admission first: the numbers rarely disagree then. Nothing
            // orders them on processors with weak ordering.
            let would_reject = WouldReject::new(self.would_reject.totals(class));
            let totals = self.counters.totals(class);
            let [shed, class_full, pool_full, too_large, closed] = totals.rejected;
            classes.all[class] = ClassSnapshot {
                name,
                in_use,
                guarantee,
                cap: Self::LANES.get(limits.caps, class) as u32,
                reachable: Self::LANES.reachable(&limits, class) as u32,
                reject_probability: if in_use < guarantee {
                    0.0
                } else {
                    rules.curves[class].probability_at(seen)
                },
                peak: peak(class).max(in_use),
                admitted: totals.admitted,
                shed,
                class_full,
                pool_full,
                too_large,
                closed,
                dry_run: mode.dry_run.contains(class),
                would_reject,
            };
        }
        Snapshot {
            capacity: limits.capacity as u32,
            utilization: utilization.value(),
            pressure: mode.pressure,
            closed: mode.closed,
            classes,
            class: PhantomData,
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
            if let Ok(rules) = self.read(Slot::settings::<C>).1.rules.validate() {
                return rules;
            }
        }
    }

    /// Replaces all rules at once. No permit is revoked, and a closed wall stays closed. Rules equal to those in force
    /// change nothing.
    ///
    /// # Progress
    /// Blocking: waits while another thread updates the rules, and spins without the feature `std`. No admission and no
    /// reader waits for an update. If a process forks during an update by another thread, the next one in the child
    /// waits forever.
    ///
    /// # Memory ordering
    /// Everything that precedes an update happens-before every admission under the new rules. An update that changes
    /// nothing publishes nothing.
    pub fn set_rules(&self, rules: Rules<C>) {
        let Ok(()) = self.edit_rules(|_| Ok::<_, Infallible>(rules));
    }

    /// Replaces all rules at once if those in force are `expected`, as [`set_rules`](Self::set_rules) does. Two
    /// operators then cannot overwrite each other's rules.
    ///
    /// # Errors
    /// The rules in force, if they are not `expected`; nothing is changed then.
    ///
    /// # Examples
    /// ```
    /// # use floodwall::{Floodwall, Share, classes};
    /// # classes! { enum Kind { Login } }
    /// # static WALL: Floodwall<Kind> = Floodwall::new(100, &[Kind::Login.rule(Share::at_most(50))]);
    /// let read = WALL.rules();
    /// WALL.update_rules(&[Kind::Login.rule(Share::at_most(0))])?; // by another operator
    /// let new = read.with_capacity(120)?;
    /// assert_eq!(WALL.set_rules_if(&read, new), Err(WALL.rules()));
    /// # Ok::<(), floodwall::RulesError>(())
    /// ```
    #[allow(clippy::result_large_err, reason = "as in `compare_exchange`")]
    pub fn set_rules_if(&self, expected: &Rules<C>, new: Rules<C>) -> Result<(), Rules<C>> {
        self.edit_rules(|current| {
            if current == *expected {
                Ok(new)
            } else {
                Err(current)
            }
        })
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
        self.edit_rules(|current| current.with(rules))
    }

    /// Changes the capacity and keeps the shares and curves. [`Rules::scaled_to`] keeps their proportions.
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
        self.edit_rules(|current| current.with_capacity(capacity))
    }

    fn edit_rules<E>(&self, edit: impl FnOnce(Rules<C>) -> Result<Rules<C>, E>) -> Result<(), E> {
        self.rules.update(&self.word, |Settings { rules, mode }| {
            let rules = edit(rules)?;
            Ok(Settings { rules, mode })
        })
    }

    /// Closes the wall: every request is rejected, also within a guarantee or in dry run, with
    /// [`Reason::Closed`](crate::Reason::Closed). Permits in use stay valid, so the wall drains.
    ///
    /// The wall keeps its rules. Rule updates change what will hold when it [opens](Self::open), and never open it.
    /// Closing a closed wall changes nothing. Do not call it in a signal handler, which may interrupt the thread that
    /// it would have to wait for: set a flag there.
    ///
    /// # Progress
    /// As [`set_rules`](Self::set_rules).
    ///
    /// # Memory ordering
    /// Once this has returned, no admission takes effect. If [`in_use`](Self::in_use) then returns 0 for each class,
    /// all work done under permits happens-before.
    ///
    /// # Examples
    /// ```
    /// # use floodwall::{Floodwall, Share, classes};
    /// # classes! { enum Kind { Login } }
    /// # static WALL: Floodwall<Kind> = Floodwall::new(100, &[Kind::Login.rule(Share::at_most(50))]);
    /// WALL.close();
    /// assert_eq!(WALL.admit(Kind::Login).unwrap_err().to_string(), "Login: closed");
    /// while WALL.snapshot().in_use() > 0 {
    ///     std::thread::sleep(std::time::Duration::from_millis(10));
    /// }
    /// // All requests have ended.
    /// ```
    pub fn close(&self) {
        self.edit_mode(|mode| mode.closed = true);
    }

    /// Opens the wall again after [`close`](Self::close), with the rules in force. Opening an open wall changes
    /// nothing.
    ///
    /// # Progress
    /// As [`set_rules`](Self::set_rules).
    ///
    /// # Memory ordering
    /// As [`set_rules`](Self::set_rules).
    pub fn open(&self) {
        self.edit_mode(|mode| mode.closed = false);
    }

    /// Returns whether the wall is closed.
    ///
    /// # Progress
    /// As [`utilization`](Self::utilization).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.read(Slot::mode).1.closed
    }

    /// Sets the pressure: a load signal from outside the wall, such as CPU load or queue delay over its target, set by
    /// a thread that samples it a few times per second.
    ///
    /// Each curve is evaluated at the highest of the utilization, this pressure, and the pressure of the
    /// [request](crate::AdmitOptions::pressure). Caps and guarantees ignore it. NaN and negative numbers read as 0,
    /// numbers above 1,000 as 1,000. It holds until it is set again, also if the sampler dies: set it to 0 when the
    /// sampler ends.
    ///
    /// Requests of classes whose curve does not shed at the pressure cost nothing more.
    ///
    /// # Progress
    /// As [`set_rules`](Self::set_rules).
    ///
    /// # Memory ordering
    /// As [`set_rules`](Self::set_rules).
    ///
    /// # Examples
    /// ```
    /// # use floodwall::{Curve, Floodwall, Share, classes};
    /// # classes! { enum Kind { Feed } }
    /// static WALL: Floodwall<Kind> = Floodwall::new(100, &[
    ///     Kind::Feed.rule(Share::at_most(50)).shed(Curve::linear(0.6, 0.8)),
    /// ]);
    /// WALL.set_pressure(0.7);
    /// assert_eq!(WALL.snapshot()[Kind::Feed].reject_probability, 0.5);
    /// ```
    pub fn set_pressure(&self, pressure: f64) {
        self.edit_mode(|mode| mode.pressure = Mode::valid_pressure(pressure));
    }

    /// Puts these classes in dry run, and ends the dry run of all others.
    ///
    /// A request that would be rejected by a limit or a curve is then admitted, and counted by reason in
    /// [`would_reject`](ClassSnapshot::would_reject) of its snapshot. It is in use as any other, so a class in dry run
    /// can exceed its cap, and can take the permits that are guaranteed to others. Two requests are rejected all the
    /// same: all those to a closed wall, and those for more permits than the class's part of the word can count.
    ///
    /// Admissions of a class in dry run take the slow path; those of other classes cost nothing more.
    ///
    /// # Panics
    /// If a class's index is out of range.
    ///
    /// # Progress
    /// As [`set_rules`](Self::set_rules).
    ///
    /// # Memory ordering
    /// As [`set_rules`](Self::set_rules).
    ///
    /// # Examples
    /// ```
    /// use floodwall::{Class, Floodwall, Share, classes};
    ///
    /// classes! { enum Kind { Message, Login } }
    /// # static WALL: Floodwall<Kind> = Floodwall::new(100, &[
    /// #     Kind::Message.rule(Share::at_least(50)),
    /// #     Kind::Login.rule(Share::at_most(0)),
    /// # ]);
    ///
    /// WALL.set_dry_run(Kind::ALL); // the whole wall
    /// assert!(WALL.admit(Kind::Login).is_ok());
    /// assert_eq!(WALL.snapshot()[Kind::Login].would_reject.class_full, 1);
    /// WALL.set_dry_run(&[]);
    /// assert!(WALL.admit(Kind::Login).is_err());
    /// ```
    #[track_caller]
    pub fn set_dry_run(&self, classes: &[C]) {
        let dry_run = classes.iter().map(|&class| index_of(class)).collect();
        self.edit_mode(|mode| mode.dry_run = dry_run);
    }

    fn edit_mode(&self, edit: impl FnOnce(&mut Mode)) {
        let Ok(()) = self.rules.update(&self.word, |mut settings: Settings<C>| {
            edit(&mut settings.mode);
            Ok::<_, Infallible>(settings)
        });
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
        let updated = wall.edit_rules(|current| {
            assert!(current == rules && wall.rules() == rules);
            assert_eq!((wall.capacity(), wall.snapshot().capacity), (10, 10));
            assert!(wall.admit(Kind::Message).is_ok());
            rules.with_capacity(20)
        });
        assert_eq!((updated, wall.capacity()), (Ok(()), 20));
    }

    /// Readers would see the same values in a new epoch.
    #[test]
    fn update_that_changes_nothing_keeps_the_epoch() {
        let wall = Floodwall::new(10, &[Kind::Message.rule(Share::exactly(5))]);
        let open = wall.load();
        wall.set_rules(wall.rules());
        wall.set_capacity(10).unwrap();
        wall.open();
        wall.set_pressure(0.0);
        wall.set_dry_run(&[]);
        assert_eq!(wall.load(), open);
        wall.close();
        let closed = wall.load();
        assert_ne!(closed, open);
        wall.close();
        assert_eq!(wall.load(), closed);
    }
}
