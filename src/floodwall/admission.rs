//! Admission: the hot path, from [`Floodwall::admit`] to the compare-exchange.
//!
//! Read [`admit_with`](Floodwall::admit_with) and the functions after it top to bottom, with the rule that they apply,
//! [`Lanes::judge`], in `word.rs` beside them. At every line another thread may admit, release or update the rules;
//! the compare-exchange fails if one did.

use super::Floodwall;
use super::class::{Class, MAX_CLASSES, each_class, index_of};
use super::counters::SlotCounters;
use super::decision::Decision;
use super::rejection::Rejection;
use super::rule_slots::Slot;
use super::word::{Limits, Verdict};
use crate::permit::Permit;
use crate::shed::draw::Draw;
use crate::shed::utilization::Utilization;
use crate::sync::Ordering;

#[cfg(feature = "alloc")]
use crate::permit::OwnedPermit;
#[cfg(feature = "alloc")]
use alloc::sync::Arc;

/// Options of one admission: the number of permits, the draw that decides, and the pressure from outside the wall.
///
/// # Examples
/// ```
/// use floodwall::{AdmitOptions, Curve, Draw, Floodwall, Share, classes};
///
/// classes! { enum Kind { Feed } }
/// let wall = Floodwall::new(10, &[Kind::Feed.rule(Share::at_most(10)).shed(Curve::linear(0.5, 1.0))]);
///
/// let options = AdmitOptions::new().permits(2).draw(Draw::keyed(4711, 1)).pressure(0.9);
/// let rejection = wall.admit_with(Kind::Feed, options).unwrap_err();
/// assert_eq!(rejection.to_string(),
///     "Feed: shed at utilization 0.90 (reject probability 0.80), 2 requested");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AdmitOptions {
    permits: u32,
    draw: Option<Draw>,
    pressure: f64,
}

impl AdmitOptions {
    /// Returns the options that [`Floodwall::admit`] uses: one permit, the wall's own draws, no pressure.
    #[must_use]
    pub const fn new() -> AdmitOptions {
        AdmitOptions {
            permits: 1,
            draw: None,
            pressure: 0.0,
        }
    }

    /// Sets the number of permits. They are admitted together or not at all.
    ///
    /// A request for zero permits is admitted unless the wall is closed, and holds nothing.
    #[must_use]
    pub const fn permits(self, permits: u32) -> AdmitOptions {
        AdmitOptions { permits, ..self }
    }

    /// Sets the draw that decides if the curve is evaluated. The default is the wall's next draw.
    #[must_use]
    pub const fn draw(self, draw: Draw) -> AdmitOptions {
        AdmitOptions {
            draw: Some(draw),
            ..self
        }
    }

    /// Sets the pressure: a load signal from outside the wall, such as CPU load or queue delay over its target.
    ///
    /// The curve is evaluated at the pressure if that is higher than the utilization. NaN reads as 0. Caps and
    /// guarantees ignore it.
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

/// What one attempt judges.
#[derive(Clone, Copy)]
struct Request {
    class: usize,
    permits: u32,
    pressure: f64,
}

type AdmitPlain<C> = fn(&Floodwall<C>, &SlotCounters, Option<Draw>) -> Decision;

impl<C: Class> Floodwall<C> {
    /// Admits a request of this class with one permit, or rejects it at once.
    ///
    /// The permit is released when it is dropped, on any thread.
    ///
    /// # Errors
    /// [`Rejection`], with the reason and the numbers that decided it.
    ///
    /// # Panics
    /// If the class's index is out of range; the wall is unchanged.
    ///
    /// # Progress
    /// Lock-free: retries only if another thread admitted, released or updated the rules concurrently, or if the
    /// processor's compare-exchange failed spuriously. A rejection does not write the word that admissions share.
    /// Unless its call lost such a race before, it retries at most once per rule update that completes during the
    /// call. The first 16 threads that ask count in exclusive slots, each until it ends; all other threads share 16
    /// slots. A thread that first asks in a destructor of a pthread key may keep its slot for good.
    ///
    /// # Memory ordering
    /// Everything done under permits that were released before happens-before the admission, and so does everything
    /// that preceded the last rule update.
    #[must_use = "bind the permit to a name such as `_permit`: `let _ = ...` releases it immediately"]
    #[inline]
    #[track_caller]
    pub fn admit(&self, class: C) -> Result<Permit<'_>, Rejection> {
        self.admit_with(class, AdmitOptions::new())
    }

    /// Admits a request of this class with these options, or rejects it at once.
    ///
    /// This is the general form of [`admit`](Self::admit), with the same progress and memory ordering. A call uses at
    /// most one draw, and none below the curve's `lo`.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    ///
    /// # Panics
    /// As [`admit`](Self::admit).
    #[must_use = "bind the permit to a name such as `_permit`: `let _ = ...` releases it immediately"]
    #[inline(always)]
    #[track_caller]
    pub fn admit_with(&self, class: C, options: AdmitOptions) -> Result<Permit<'_>, Rejection> {
        let class = index_of(class);
        let AdmitOptions {
            permits,
            draw,
            pressure,
        } = options;
        // A NaN pressure is judged by the slot, with the same result.
        let is_plain = permits > 0 && pressure <= 0.0;
        let counters = self.counters.local(class);
        if is_plain && self.admit_fast(class, permits, counters) {
            let unit = Self::LANES.put(permits.into(), class);
            return Ok(Permit::new(&self.word, unit));
        }
        let decision = if is_plain && permits == 1 {
            Self::ADMIT_PLAIN[class](self, counters, draw)
        } else {
            self.admit_any(class, permits, pressure, draw)
        };
        match decision.unit() {
            Some(unit) => Ok(Permit::new(&self.word, unit)),
            None => Err(Rejection::new(C::NAMES[class], permits, decision)),
        }
    }

    /// Admits a request that the thresholds of its class allow: loads the word, compares, and exchanges the word for one
    /// with the permits added.
    ///
    /// Returns `false` if they do not, or if they are not of the word's epoch.
    #[inline(always)]
    fn admit_fast(&self, class: usize, permits: u32, counters: &SlotCounters) -> bool {
        let lanes = Self::LANES;
        loop {
            let word = self.load();
            let after = lanes.after(word, class, permits);
            let thresholds = self.rules.thresholds(class);
            if !thresholds.admit(lanes, word, class, permits) {
                return false;
            }
            if self.exchange(word, after, class, counters) {
                return true;
            }
        }
    }

    /// [`admit_plain`](Self::admit_plain) for each class. A constant index calls the function directly.
    const ADMIT_PLAIN: [AdmitPlain<C>; MAX_CLASSES] =
        each_class!(CLASS => Self::admit_plain::<CLASS>);

    /// Decides a request of class `CLASS` for one permit and without pressure: by the rules, in one attempt. All else is
    /// left to [`admit_any`](Self::admit_any).
    ///
    /// One function per class for all callers: its code is several times as long as that of the fast path. With the
    /// class as an argument, admissions inside the ramp took a quarter longer (measured). It returns registers: a result
    /// in memory would be copied in parts of a different size than it was written in, which takes longer than the rest
    /// of the call (measured: twice as long).
    #[inline(never)]
    fn admit_plain<const CLASS: usize>(
        &self,
        counters: &SlotCounters,
        mut draw: Option<Draw>,
    ) -> Decision {
        // The table has a function for each possible class. Those of absent ones end here, and are a few bytes long.
        assert!(CLASS < C::NAMES.len());
        let class = CLASS;
        let lanes = Self::LANES;
        let word = self.load();
        let request = Request {
            class,
            permits: 1,
            pressure: 0.0,
        };
        let after = lanes.after(word, class, request.permits);
        let slot = self.rules.slot(lanes, word);
        let (limits, has_mode) = slot.limits_and_mode();
        if !has_mode {
            let decision = Self::judge(slot, &limits, word, request, counters, &mut draw);
            let is_decided = match decision.unit() {
                Some(_) => self.exchange(word, after, class, counters),
                None => self.reject(word, decision, counters),
            };
            if is_decided {
                return decision;
            }
        }
        self.admit_any(class, request.permits, request.pressure, draw)
    }

    /// Decides any request, by the rules and by the mode of the wall.
    #[cold]
    fn admit_any(
        &self,
        class: usize,
        permits: u32,
        pressure: f64,
        mut draw: Option<Draw>,
    ) -> Decision {
        loop {
            let attempt = self.try_admit_any(class, permits, pressure, &mut draw);
            if let Some(decision) = attempt {
                return decision;
            }
        }
    }

    /// Makes one attempt: loads the word, judges it, exchanges it for the word with the permits added, and counts.
    ///
    /// Returns `None` if another thread changed the word or the rules concurrently.
    fn try_admit_any(
        &self,
        class: usize,
        permits: u32,
        pressure: f64,
        draw: &mut Option<Draw>,
    ) -> Option<Decision> {
        let lanes = Self::LANES;
        let counters = self.counters.local(class);
        let word = self.load();
        let after = lanes.after(word, class, permits);
        let slot = self.rules.slot(lanes, word);
        let mode = slot.mode();
        let request = Request {
            class,
            permits,
            // A NaN is not the maximum.
            pressure: pressure.max(mode.pressure),
        };
        let (decision, is_dry_run) = if mode.closed {
            (Decision::CLOSED, false)
        } else {
            let is_countable = lanes.in_use_after(word, class, permits) <= lanes.max().into();
            let limits = slot.limits();
            let decision = Self::judge(slot, &limits, word, request, counters, draw);
            (decision, mode.dry_run.contains(class) && is_countable)
        };
        let is_rejected = decision.unit().is_none();
        if is_rejected && !is_dry_run {
            return self.reject(word, decision, counters).then_some(decision);
        }
        if !self.exchange(word, after, class, counters) {
            return None;
        }
        if is_rejected {
            self.would_reject.count(class, decision);
        }
        Some(Decision::admitted(lanes.put(permits.into(), class)))
    }

    /// Judges a request by a slot.
    #[inline(always)]
    fn judge(
        slot: &Slot,
        limits: &Limits,
        word: u64,
        request: Request,
        counters: &SlotCounters,
        draw: &mut Option<Draw>,
    ) -> Decision {
        let lanes = Self::LANES;
        let Request {
            class,
            permits,
            pressure,
        } = request;
        let admitted = Decision::admitted(lanes.put(permits.into(), class));
        let reachable = || lanes.reachable(limits, class);
        let is_too_large = || permits > 1 && reachable() > 0 && u64::from(permits) > reachable();
        match lanes.judge(word, limits, class, permits) {
            Verdict::Guaranteed => admitted,
            Verdict::Borrowed => {
                let curve = slot.curve(class);
                let utilization = Utilization::new(lanes.total(word), limits.capacity);
                let draw = || *draw.get_or_insert_with(|| counters.next_draw());
                if utilization.is_below(pressure) {
                    if curve.sheds(Utilization::from_f64(pressure), draw) {
                        return Decision::shed_by_pressure(curve, pressure);
                    }
                } else if curve.sheds(utilization, draw) {
                    return Decision::shed(curve, utilization);
                }
                admitted
            }
            Verdict::ClassFull | Verdict::PoolFull if is_too_large() => {
                Decision::too_large(reachable())
            }
            Verdict::ClassFull => {
                Decision::class_full(lanes.get(word, class), lanes.get(limits.caps, class))
            }
            Verdict::PoolFull => Decision::pool_full(
                lanes.total(word),
                lanes.reserved(word, limits, class),
                limits.capacity,
            ),
        }
    }

    /// Exchanges the word, and counts. Returns `false` if another thread changed the word.
    #[inline(always)]
    fn exchange(&self, word: u64, after: u64, class: usize, counters: &SlotCounters) -> bool {
        // ORDERING: Acquire: pairs with the Release of released permits and of the last epoch step; required because
        // the admission promises to see what was done before both. Relaxed on failure: the next attempt loads the
        // word again.
        let exchanged = self
            .word
            .compare_exchange_weak(word, after, Ordering::Acquire, Ordering::Relaxed)
            .is_ok();
        if exchanged {
            counters.admitted();
            self.peaks[class].raise(Self::LANES.get(after, class) as u32);
        }
        exchanged
    }

    /// Counts a rejection. Returns `false` if another thread changed the rules.
    #[inline(always)]
    fn reject(&self, word: u64, decision: Decision, counters: &SlotCounters) -> bool {
        // The second look: what was read from the slot belongs to the epoch of `word` only if it is still current.
        let is_current = self.is_epoch_current(word);
        if is_current {
            counters.rejected(decision);
        }
        is_current
    }

    /// Admits a request as [`admit`](Self::admit) does, with a permit that holds the [`Arc`] of the wall.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    ///
    /// # Panics
    /// As [`admit`](Self::admit).
    #[must_use = "bind the permit to a name such as `_permit`: `let _ = ...` releases it immediately"]
    #[cfg(feature = "alloc")]
    #[track_caller]
    pub fn admit_owned(self: &Arc<Self>, class: C) -> Result<OwnedPermit<Self>, Rejection> {
        self.admit_owned_with(class, AdmitOptions::new())
    }

    /// Admits a request as [`admit_with`](Self::admit_with) does, with a permit that holds the [`Arc`] of the wall.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    ///
    /// # Panics
    /// As [`admit`](Self::admit).
    ///
    /// # Examples
    /// ```
    /// # use floodwall::{AdmitOptions, Floodwall, Share, classes};
    /// # use std::sync::Arc;
    /// classes! { enum Command { Get, Scan } }
    ///
    /// let wall = Arc::new(Floodwall::new(8, &[
    ///     Command::Get.rule(Share::at_least(4)),
    ///     Command::Scan.rule(Share::at_most(4)),
    /// ]));
    /// // A scan occupies four threads.
    /// let permit = wall.admit_owned_with(Command::Scan, AdmitOptions::new().permits(4))?;
    /// std::thread::spawn(permit.wrap(|| ())).join().unwrap();
    /// # Ok::<(), floodwall::Rejection>(())
    /// ```
    #[cfg(feature = "alloc")]
    #[must_use = "bind the permit to a name such as `_permit`: `let _ = ...` releases it immediately"]
    #[track_caller]
    pub fn admit_owned_with(
        self: &Arc<Self>,
        class: C,
        options: AdmitOptions,
    ) -> Result<OwnedPermit<Self>, Rejection> {
        let permit = self.admit_with(class, options)?;
        Ok(OwnedPermit::new(self, |wall, _| &wall.word, 0, permit))
    }

    /// Runs `f` under a permit. A future that `f` returns runs without it.
    ///
    /// # Errors
    /// As [`admit`](Self::admit); then `f` is not called.
    ///
    /// # Panics
    /// As [`admit`](Self::admit), and if `f` panics; the permit is released in that case too.
    #[inline]
    #[track_caller]
    pub fn call<R>(&self, class: C, f: impl FnOnce() -> R) -> Result<R, Rejection> {
        self.call_with(class, AdmitOptions::new(), f)
    }

    /// Runs `f` under a permit acquired with these options, as [`call`](Self::call) does.
    ///
    /// # Errors
    /// As [`admit`](Self::admit); then `f` is not called.
    ///
    /// # Panics
    /// As [`call`](Self::call).
    #[inline]
    #[track_caller]
    pub fn call_with<R>(
        &self,
        class: C,
        options: AdmitOptions,
        f: impl FnOnce() -> R,
    ) -> Result<R, Rejection> {
        let _permit = self.admit_with(class, options)?;
        Ok(f())
    }
}

#[cfg(test)]
mod tests {
    use core::mem::forget;

    use super::*;
    use crate::{Curve, Share};

    crate::classes! { enum Kind { Message, Login } }

    /// The slow path gives the same result, only later, so no other test would notice.
    fn is_on_the_fast_path(wall: &Floodwall<Kind>, class: Kind) -> bool {
        let lanes = Floodwall::<Kind>::LANES;
        let thresholds = wall.rules.thresholds(class as usize);
        thresholds.admit(lanes, wall.load(), class as usize, 1)
    }

    #[test]
    fn idle_wall_is_on_the_fast_path_before_and_after_rule_updates() {
        let share = Share::between(1, 4);
        let wall = Floodwall::new(10, &[Kind::Message.rule(share), Kind::Login.rule(share)]);
        for _ in 0..3 {
            assert!(
                Kind::ALL
                    .iter()
                    .all(|&class| is_on_the_fast_path(&wall, class))
            );
            wall.set_capacity(wall.capacity() + 1).unwrap();
        }
    }

    /// The wall of the README on a normal day, and with a pressure that would shed every login beyond the guarantee.
    #[test]
    fn half_used_wall_is_on_the_fast_path() {
        let wall = Floodwall::new(
            100,
            &[
                Kind::Message.rule(Share::at_least(50)),
                Kind::Login
                    .rule(Share::between(20, 50))
                    .shed(Curve::linear(0.6, 0.8)),
            ],
        );
        for (class, in_use) in [(Kind::Message, 40), (Kind::Login, 10)] {
            (0..in_use).for_each(|_| forget(wall.admit(class).unwrap()));
        }
        for pressure in [0.0, 1.0] {
            wall.set_pressure(pressure);
            assert!(
                Kind::ALL
                    .iter()
                    .all(|&class| is_on_the_fast_path(&wall, class))
            );
        }
    }
}
