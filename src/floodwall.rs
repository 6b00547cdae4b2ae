//! The wall: permits per class, shed by utilization, all on one atomic word.
//!
//! # How it works
//! The word holds the permits in use of every class, and on top an epoch. Two slots hold rules; the
//! epoch's lowest bit says which one is in force. While an epoch lasts, its slot is not written.
//!
//! - *To admit*: load the word, judge it by the slot of its epoch, compare-exchange it. The exchange
//!   succeeds only on the very word that was judged: so the epoch lasts, and it was judged by its
//!   rules, whole.
//! - *To turn away*: the same, but with a second look at the epoch instead of the exchange. It is a
//!   judgement of a word that was there.
//! - *The short cut*: while class and pool are far from every limit and curve, two marks of the class
//!   say so, with the epoch on top that they were made for; an admission spares the slot.
//! - *To give back*: subtract.
//! - *To change the rules* (one at a time, under a lock that no admission looks at): write the idle
//!   slot, then step the epoch. Whoever was about to exchange a word of the old epoch fails.

use core::fmt;
use core::marker::PhantomData;

use crossbeam_utils::CachePadded;

use crate::calm::Calm;
use crate::class::{Class, MAX_CLASSES, each_class, index_of};
use crate::curve::Curve;
use crate::draw::Draw;
use crate::given::{Given, Locked};
use crate::lanes::{Lanes, Limits, Verdict};
use crate::peak::Peak;
use crate::permit::Permit;
use crate::ratio::Ratio;
use crate::rejection::{Reason, Rejection};
use crate::rules::{Rule, Rules, RulesError};
use crate::snapshot::{ClassSnapshot, Classes, Snapshot};
use crate::stripes::Stripes;
use crate::sync::{AtomicU64, Ordering, constructor};

#[cfg(feature = "alloc")]
use crate::permit::OwnedPermit;
#[cfg(feature = "alloc")]
use alloc::sync::Arc;

/// Permits per class of request, under one capacity: no class can take all threads, what a class
/// borrows beyond its guarantee is shed by its curve, and whoever finds no room is turned away at
/// once.
///
/// # The one rule
/// `n` more permits of class `k` are admitted
/// - within its guarantee, if `in_use[k] + n <= guarantee[k]`: where a thread is free, which it is
///   unless a change of the rules still drains. Nothing is shed;
/// - beyond it, if `in_use[k] + n <= cap[k]` and what is in use or guaranteed, class by class
///   whichever is more, stays within the capacity; and if the class's curve, asked with the
///   utilization before the admission, lets it pass.
///
/// Answers come in this order: closed, class full, pool full, shed.
///
/// # What holds under every interleaving
/// - *Exact*: every admission satisfies the rule under the rules in force at its own
///   compare-exchange. Between changes of the rules no limit is ever exceeded.
/// - *Honest*: a rejection for lack of room is a judgement of a state that the wall really was in,
///   no older than anything that happens-before the call. Nobody is turned away because another
///   loser was in the way.
/// - *A change revokes nothing*: lowering a limit below what is in use admits nothing more until
///   enough was given back.
/// - *The limit of it*: a call that sleeps between two of its loads through an exact multiple of
///   2^b changes of the rules may judge by older ones, or by a mix (b is 16, 16, 10, 8, 9, 10, 8 and
///   8 for 1 to 8 classes).
///
/// A class can hold 2^24 - 1 permits where there are 1 or 2 classes, and 2^(56 / n) - 1 where there
/// are n, which is 127 for 8.
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
// In this order, with the stripes last: ahead of the word, they would put the first seat's counters a
// multiple of 4 KiB away from it, and processors that tell loads from stores by the lowest 12 bits of
// the address first would hold up the one for the other (measured: 15 % of an admission).
#[repr(C)]
pub struct Floodwall<C> {
    /// | bits                     | meaning                         | changed by              |
    /// |--------------------------|---------------------------------|-------------------------|
    /// | the rest, at least 8     | epoch: which rules are in force | `change`                |
    /// | `56 / COUNT` (at most 24) per class | its permits in use   | `admit_with`, `Permit` drop |
    ///
    /// The layout is that of [`Lanes`].
    word: CachePadded<AtomicU64>,
    /// The rules in force, and the previous or the next ones.
    slots: [CachePadded<Slot>; 2],
    /// [`Calm`] of each class.
    calm: CachePadded<[AtomicU64; MAX_CLASSES]>,
    peaks: CachePadded<[Peak; MAX_CLASSES]>,
    given: CachePadded<Given>,
    stripes: Stripes,
    classes: PhantomData<fn() -> C>,
}

/// The rules of one epoch.
struct Slot {
    // What makes a [`Limits`].
    guarantees: AtomicU64,
    caps: AtomicU64,
    capacity: AtomicU64,
    /// [`Curve`]s.
    curves: [AtomicU64; MAX_CLASSES],
}

/// What to ask of a wall: how many permits, by which draw, under which pressure.
///
/// # Examples
/// ```
/// use floodwall::{AdmitOptions, Curve, Draw, Floodwall, Share, classes};
///
/// classes! { enum Kind { Feed } }
/// let wall = Floodwall::new(10, &[Kind::Feed.rule(Share::at_most(10)).shed(Curve::linear(0.5, 1.0))]);
///
/// let cpu = 0.9;
/// let user = Draw::keyed(4711, 1);
/// let rejection = wall.admit_with(Kind::Feed, AdmitOptions::new().permits(2).draw(user).pressure(cpu));
/// assert_eq!(rejection.unwrap_err().to_string(),
///     "Feed: shed at utilization 0.90 (reject probability 0.80), 2 requested");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AdmitOptions {
    permits: u32,
    draw: Option<Draw>,
    pressure: f64,
}

impl AdmitOptions {
    /// One permit, by the wall's own draws, under no pressure from outside.
    #[must_use]
    pub const fn new() -> AdmitOptions {
        AdmitOptions {
            permits: 1,
            draw: None,
            pressure: 0.0,
        }
    }

    /// So many permits, all or nothing. Zero permits are admitted wherever the wall is not closed,
    /// and hold nothing.
    #[must_use]
    pub const fn permits(self, permits: u32) -> AdmitOptions {
        AdmitOptions { permits, ..self }
    }

    /// Decided by this draw, should the curve be asked.
    #[must_use]
    pub const fn draw(self, draw: Draw) -> AdmitOptions {
        AdmitOptions {
            draw: Some(draw),
            ..self
        }
    }

    /// What the curve sees if it is higher than the utilization: the load of the CPU, a queue's
    /// delay over its target. NaN reads as 0. No cap and no guarantee looks at it.
    #[must_use]
    pub const fn pressure(self, pressure: f64) -> AdmitOptions {
        AdmitOptions { pressure, ..self }
    }
}

impl Default for AdmitOptions {
    fn default() -> Self {
        AdmitOptions::new()
    }
}

impl<C: Class> Floodwall<C> {
    const LANES: Lanes = Lanes::new(C::NAMES.len());

    constructor! {
        /// A wall of `capacity` permits, with a rule for each class, in any order.
        ///
        /// # Panics
        /// Where [`Rules::try_new`] errs, with the same words; in a `static`, at compile time.
        #[must_use]
        #[track_caller]
        pub const fn new(capacity: u32, rules: &[Rule<C>]) -> Self {
            Floodwall::from_rules(Rules::new(capacity, rules))
        }
    }

    constructor! {
        /// A wall with these rules.
        #[must_use]
        pub const fn from_rules(rules: Rules<C>) -> Self {
            let slot = Slot::new(&rules.limits(), &rules.curves);
            // Of epoch 0 too: no word names it until it was written anew.
            let idle = Slot::new(&rules.limits(), &rules.curves);
            Floodwall {
                word: CachePadded::new(AtomicU64::new(0)),
                slots: [CachePadded::new(slot), CachePadded::new(idle)],
                calm: CachePadded::new(each_class!(class => AtomicU64::new(rules.calm(0, class)))),
                peaks: CachePadded::new([const { Peak::new() }; MAX_CLASSES]),
                given: CachePadded::new(Given::new(rules.capacity, &rules.shares)),
                stripes: Stripes::new(),
                classes: PhantomData,
            }
        }
    }

    /// Admits a request of this class, or says at once why not.
    ///
    /// # Errors
    /// [`Rejection`], with the reason and the numbers that decided it.
    ///
    /// # Panics
    /// If the class's index is out of range; nothing is changed then.
    ///
    /// # Progress
    /// Lock-free: it tries again only when another thread was admitted, gave back or changed the
    /// rules meanwhile (or where the processor lets a compare-exchange fail without a reason).
    /// Turning away does not write the word that admissions share, and whoever has not lost a race
    /// before tries again at most once per change of the rules that completes meanwhile. The first
    /// 16 living threads count in a seat of their own, the others on 16 stripes that they share.
    ///
    /// # Memory ordering
    /// Everything done under permits already given back happens-before an admission, and so does
    /// what preceded the last change of the rules.
    #[inline]
    #[track_caller]
    pub fn admit(&self, class: C) -> Result<Permit<'_>, Rejection> {
        self.admit_with(class, AdmitOptions::new())
    }

    /// The general form of [`admit`](Self::admit), of which all that is said there holds.
    ///
    /// At most one draw is taken, and none below the foot of the curve.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    ///
    /// # Panics
    /// As [`admit`](Self::admit).
    #[inline(always)]
    #[track_caller]
    pub fn admit_with(&self, class: C, ask: AdmitOptions) -> Result<Permit<'_>, Rejection> {
        let class = index_of(class);
        let AdmitOptions {
            permits,
            mut draw,
            pressure,
        } = ask;
        // All this is inlined, rejections too, and each answer is built where it is known. If one
        // function passed them all on, they would be copied, in other pieces than they were written
        // in, and that takes longer than the rest (measured: twice as long).
        match self.attempt(class, permits, pressure, &mut draw) {
            Some(Ok(unit)) => Ok(Permit::new(&self.word, unit)),
            Some(Err(reason)) => Err(Self::rejection(class, permits, reason)),
            None => self
                .attempt_again(class, permits, pressure, draw)
                .map(|unit| Permit::new(&self.word, unit)),
        }
    }

    /// Whoever lost a race tries on until it is settled, off the hot path.
    #[cold]
    fn attempt_again(
        &self,
        class: usize,
        permits: u32,
        pressure: f64,
        mut draw: Option<Draw>,
    ) -> Result<u64, Rejection> {
        loop {
            if let Some(answer) = self.attempt(class, permits, pressure, &mut draw) {
                return answer.map_err(|reason| Self::rejection(class, permits, reason));
            }
        }
    }

    #[inline(always)]
    fn rejection(class: usize, requested: u32, reason: Reason) -> Rejection {
        Rejection {
            class: C::NAMES[class],
            requested,
            reason,
        }
    }

    /// One try: loads the word, judges it, exchanges it for one with the permits added, and counts.
    /// Says what was added to the word, or why nothing was; nothing at all if another thread changed
    /// the word or the rules meanwhile.
    #[inline(always)]
    fn attempt(
        &self,
        class: usize,
        permits: u32,
        pressure: f64,
        draw: &mut Option<Draw>,
    ) -> Option<Result<u64, Reason>> {
        let lanes = Self::LANES;
        let mine = self.stripes.mine(class);
        let word = self.load();
        let after = lanes.after(word, class, permits);
        if !self.is_calm(after, class, permits, pressure) {
            let slot = self.slot_of(word);
            let limits = slot.limits();
            let refusal = match lanes.judge(after, &limits, class, permits) {
                Verdict::Guaranteed => None,
                Verdict::Borrowed => {
                    let curve = slot.curve(class);
                    let in_use = lanes.total(after) - u64::from(permits);
                    let utilization = Ratio::new(in_use, limits.capacity);
                    let seen = utilization.or_if_higher(pressure);
                    // One draw for all tries.
                    let draw = || *draw.get_or_insert_with(|| mine.draw());
                    curve.sheds(seen, draw).then(|| Reason::Shed {
                        utilization: utilization.value().max(pressure),
                        probability: curve.probability_at(seen),
                    })
                }
                Verdict::ClassFull => Some(Reason::ClassFull {
                    in_use: lanes.get(word, class) as u32,
                    cap: lanes.get(limits.caps, class) as u32,
                }),
                Verdict::PoolFull => Some(Reason::PoolFull {
                    in_use: lanes.total(word) as u32,
                    reserved: lanes.reserved(word, &limits, class) as u32,
                    capacity: limits.capacity as u32,
                }),
            };
            if let Some(reason) = refusal {
                if !self.is_of_epoch(word) {
                    return None;
                }
                mine.turned_away(&reason);
                return Some(Err(reason));
            }
        }
        // ORDERING: Acquire pairs with the Release of the permits that were given back, and with
        // that of the last step of the epoch. On failure Relaxed: the next try loads the word anew.
        self.word
            .compare_exchange_weak(word, after, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        self.peaks[class].raise(lanes.get(after, class) as u32);
        mine.admitted();
        Some(Ok(lanes.put(permits.into(), class)))
    }

    /// Whether this admission can do without the rules.
    #[inline(always)]
    fn is_calm(&self, after: u64, class: usize, permits: u32, pressure: f64) -> bool {
        // ORDERING: Relaxed: whoever has loaded the word sees no older marks than those of its epoch,
        // and the tag tells newer ones.
        let calm = Calm::from_word(self.calm[class].load(Ordering::Relaxed));
        // A pressure that is NaN takes the long way, to the same answer.
        permits > 0 && pressure <= 0.0 && calm.admits(Self::LANES, after, class, permits)
    }

    /// [`admit`](Self::admit) with a permit that holds the wall itself.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    ///
    /// # Panics
    /// As [`admit`](Self::admit).
    #[cfg(feature = "alloc")]
    #[track_caller]
    pub fn admit_owned(self: &Arc<Self>, class: C) -> Result<OwnedPermit<Self>, Rejection> {
        let permit = self.admit(class)?;
        Ok(OwnedPermit::new(self, |wall| &wall.word, permit))
    }

    /// Runs `f` under a permit.
    ///
    /// # Errors
    /// As [`admit`](Self::admit); then `f` is not called.
    ///
    /// # Panics
    /// As [`admit`](Self::admit), and if `f` does; the permit is given back all the same.
    #[inline]
    #[track_caller]
    pub fn call<R>(&self, class: C, f: impl FnOnce() -> R) -> Result<R, Rejection> {
        let _permit = self.admit(class)?;
        Ok(f())
    }

    /// The permits that this class has in use.
    ///
    /// # Panics
    /// If the class's index is out of range.
    ///
    /// # Progress
    /// Wait-free: one load.
    ///
    /// # Memory ordering
    /// What was done under a permit that this no longer counts happens-before its return: a drain
    /// that is seen is over.
    #[must_use]
    #[track_caller]
    pub fn in_use(&self, class: C) -> u32 {
        Self::LANES.get(self.load(), index_of(class)) as u32
    }

    /// Permits in use / capacity: in 0..=1, above 1 only while a lowered capacity drains, and 1 if
    /// the wall is closed.
    ///
    /// # Progress
    /// Lock-free: it tries again at most once per change of the rules that completes meanwhile.
    #[must_use]
    pub fn utilization(&self) -> f64 {
        let (word, limits) = self.read(Slot::limits);
        Ratio::new(Self::LANES.total(word), limits.capacity).value()
    }

    /// The permits of the whole pool.
    ///
    /// # Progress
    /// As [`utilization`](Self::utilization).
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.read(Slot::limits).1.capacity as u32
    }

    /// One coherent picture: permits and limits of all classes from one load, beside statistics.
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

    /// A [`snapshot`](Self::snapshot), after which new peaks begin: for whoever looks at regular
    /// intervals, and wants to know how high it went between.
    pub fn take_peaks(&self) -> Snapshot {
        self.snapshot_with(|class| {
            self.peaks[class].take(|| Self::LANES.get(self.load(), class) as u32)
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
        let utilization = Ratio::new(Self::LANES.total(word), limits.capacity);
        let mut classes = Classes {
            count: C::NAMES.len(),
            all: [ClassSnapshot::default(); MAX_CLASSES],
        };
        for (class, name) in C::NAMES.iter().enumerate() {
            let in_use = Self::LANES.get(word, class) as u32;
            let guarantee = Self::LANES.get(limits.guarantees, class) as u32;
            let counts = self.stripes.counts(class);
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
                admitted: counts.admitted,
                shed: counts.shed,
                class_full: counts.class_full,
                pool_full: counts.pool_full,
            };
        }
        Snapshot {
            capacity: limits.capacity as u32,
            utilization: utilization.value(),
            classes,
        }
    }

    /// The rules in force, as they were given.
    ///
    /// # Progress
    /// Waits while another thread changes the rules.
    #[must_use]
    pub fn rules(&self) -> Rules<C> {
        self.rules_given(&self.given.lock())
    }

    /// Changes all rules as one. Nobody loses a permit. Rules that are equal to those in force are
    /// no change.
    ///
    /// # Progress
    /// Waits while another thread changes the rules. No admission ever waits for a change.
    ///
    /// # Memory ordering
    /// What precedes a change happens-before every admission under the new rules.
    pub fn set_rules(&self, rules: Rules<C>) {
        let changed = self.change(|_| Ok(rules));
        debug_assert!(changed.is_ok(), "rules are checked when they are made");
    }

    /// Changes the rules of some classes, and leaves the rest as it is, whoever else changes it:
    /// shed all logins now, say. Otherwise as [`set_rules`](Self::set_rules).
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
    /// WALL.update_rules(&[Kind::Login.rule(Share::at_most(50)).shed(Curve::ALWAYS)])?;
    /// assert!(WALL.admit(Kind::Login).is_err());
    /// # Ok::<(), floodwall::RulesError>(())
    /// ```
    pub fn update_rules(&self, rules: &[Rule<C>]) -> Result<(), RulesError> {
        self.change(|now| now.with(rules))
    }

    /// Changes the capacity alone. Zero closes the wall for draining: guarantees are void, and
    /// everything is turned away with `PoolFull { capacity: 0 }`.
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
        self.change(|rules| rules.with_capacity(capacity))
    }

    fn change(
        &self,
        edit: impl FnOnce(Rules<C>) -> Result<Rules<C>, RulesError>,
    ) -> Result<(), RulesError> {
        let given = self.given.lock();
        let old = self.rules_given(&given);
        let new = edit(old)?;
        if new == old {
            return Ok(());
        }
        given.set_capacity(new.capacity);
        for class in 0..C::NAMES.len() {
            given.set_share(class, new.shares[class]);
        }
        let step = Self::LANES.next_epoch();
        let next = self.epoch_under(&given).wrapping_add(step);
        let curves = &new.curves[..C::NAMES.len()];
        self.slot_of(next).write(&new.limits(), curves);
        for (class, calm) in self.calm.iter().enumerate().take(C::NAMES.len()) {
            // ORDERING: Relaxed: the step below hands it over, and before that nobody believes it.
            calm.store(new.calm(next, class), Ordering::Relaxed);
        }
        // ORDERING: Release pairs with the Acquire in `load` and in the admission's exchange:
        // whoever sees the new epoch sees its slot, and all that preceded the change.
        self.word.fetch_add(step, Ordering::Release);
        Ok(())
    }

    fn rules_given(&self, given: &Locked<'_>) -> Rules<C> {
        let slot = self.slot_of(self.epoch_under(given));
        let mut rules = Rules::none(given.capacity());
        for class in 0..C::NAMES.len() {
            rules.shares[class] = given.share(class);
            rules.curves[class] = slot.curve(class);
        }
        rules
    }

    /// A word of the epoch that lasts as long as the lock is held.
    fn epoch_under(&self, _given: &Locked<'_>) -> u64 {
        // ORDERING: Relaxed, for only holders of the lock step the epoch, and the lock hands over
        // what they did.
        self.word.load(Ordering::Relaxed)
    }

    #[inline]
    fn load(&self) -> u64 {
        // ORDERING: Acquire pairs with the Release of the permits given back, so that a drain that
        // is seen is over, and with that of the epoch's step, so that its slot is seen: without it
        // a stale tag could be read again and again.
        self.word.load(Ordering::Acquire)
    }

    /// A word, and what its epoch's rules say.
    fn read<T>(&self, what: impl Fn(&Slot) -> T) -> (u64, T) {
        loop {
            let word = self.load();
            let said = what(self.slot_of(word));
            if self.is_of_epoch(word) {
                return (word, said);
            }
        }
    }

    /// The slot of this word's epoch.
    #[inline(always)]
    fn slot_of(&self, word: u64) -> &Slot {
        &self.slots[Self::LANES.slot(word)]
    }

    /// Whether the epoch of this word still lasts: if so, what was read from its slot since the word
    /// was loaded are its rules.
    #[inline(always)]
    fn is_of_epoch(&self, word: u64) -> bool {
        Self::LANES.same_epoch(word, self.load())
    }
}

impl<C: Class> Rules<C> {
    /// The rules as an admission needs them.
    const fn limits(&self) -> Limits {
        let lanes = Floodwall::<C>::LANES;
        let mut limits = Limits {
            guarantees: 0,
            caps: 0,
            capacity: self.capacity as u64,
        };
        let mut class = 0;
        while class < C::NAMES.len() && self.capacity > 0 {
            let (guarantee, cap) = (self.shares[class].guarantee(), self.shares[class].cap());
            let most = if cap < self.capacity {
                cap
            } else {
                self.capacity
            };
            limits.guarantees |= lanes.put(guarantee as u64, class);
            limits.caps |= lanes.put(most as u64, class);
            class += 1;
        }
        limits
    }

    /// [`Calm`] of a class, in the epoch of `word`; of a class that there is not, nothing.
    const fn calm(&self, word: u64, class: usize) -> u64 {
        if class >= C::NAMES.len() {
            return 0;
        }
        let lanes = Floodwall::<C>::LANES;
        Calm::new(lanes, word, &self.limits(), self.curves[class], class).to_word()
    }
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
        // ORDERING: Release pairs with the Acquire in `limits` and in `curve`: whoever reads what is
        // too new for its word finds a newer epoch when it looks at the word again, or exchanges it.
        self.guarantees.store(limits.guarantees, Ordering::Release);
        self.caps.store(limits.caps, Ordering::Release);
        self.capacity.store(limits.capacity, Ordering::Release);
        for (place, curve) in self.curves.iter().zip(curves) {
            // ORDERING: Release, as above.
            place.store(curve.to_word(), Ordering::Release);
        }
    }

    #[inline(always)]
    fn limits(&self) -> Limits {
        // ORDERING: Acquire pairs with the Release in `write`.
        Limits {
            guarantees: self.guarantees.load(Ordering::Acquire),
            caps: self.caps.load(Ordering::Acquire),
            capacity: self.capacity.load(Ordering::Acquire),
        }
    }

    #[inline(always)]
    fn curve(&self, class: usize) -> Curve {
        // ORDERING: Acquire pairs with the Release in `write`.
        Curve::from_word(self.curves[class].load(Ordering::Acquire))
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

    crate::classes! { enum Kind { Message, Login } }

    /// Whoever does not take the short cut gets the same answer later: nothing else would notice.
    #[test]
    fn an_idle_wall_is_calm_under_its_old_rules_and_its_new_ones() {
        let share = Share::between(1, 4);
        let wall = Floodwall::new(10, &[Kind::Message.rule(share), Kind::Login.rule(share)]);
        for _ in 0..3 {
            for class in [0, 1] {
                let after = Floodwall::<Kind>::LANES.after(wall.load(), class, 1);
                assert!(wall.is_calm(after, class, 1, 0.0));
                assert!(!wall.is_calm(after, class, 1, 0.1));
                assert!(!wall.is_calm(after, class, 1, f64::NAN));
            }
            wall.set_capacity(wall.capacity() + 1).unwrap();
        }
    }
}
