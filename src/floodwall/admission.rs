//! Admission: the hot path, from [`Floodwall::admit`] to the compare-exchange.
//!
//! Read [`try_admit`](Floodwall::try_admit) top to bottom, with the rule that it applies,
//! [`Lanes::judge`], in `word.rs` beside it. At every line another thread may admit, release or update the rules;
//! the compare-exchange fails if one did.

use super::Floodwall;
use super::class::{Class, index_of};
use super::counters::LocalCounters;
use super::rejection::{Reason, Rejection};
use super::rule_slots::Slot;
use super::word::Verdict;
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
            mut draw,
            pressure,
        } = options;
        // Everything is inlined, and each result is built at the place that decides it. A result that is passed
        // through another function is copied in parts of a different size than it was written in, which takes
        // longer than the rest of the call (measured: twice as long).
        match self.try_admit(class, permits, pressure, &mut draw) {
            Some(Ok(unit)) => Ok(Permit::new(&self.word, unit)),
            Some(Err(reason)) => Err(Self::rejection(class, permits, reason)),
            None => self
                .admit_slow(class, permits, pressure, draw)
                .map(|unit| Permit::new(&self.word, unit)),
        }
    }

    /// Decides after a lost race, or if the thresholds do not apply.
    #[cold]
    fn admit_slow(
        &self,
        class: usize,
        permits: u32,
        pressure: f64,
        mut draw: Option<Draw>,
    ) -> Result<u64, Rejection> {
        loop {
            let decision = self
                .try_admit(class, permits, pressure, &mut draw)
                .or_else(|| self.try_admit_by_mode(class, permits, pressure, &mut draw));
            if let Some(decision) = decision {
                return decision.map_err(|reason| Self::rejection(class, permits, reason));
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

    /// Makes one attempt: loads the word, judges it, exchanges it for the word with the permits added, and counts.
    ///
    /// Returns what was added to the word, or the reason for a rejection. Returns `None` if another thread changed the
    /// word or the rules concurrently, or if the thresholds are not of the word's epoch.
    #[inline(always)]
    fn try_admit(
        &self,
        class: usize,
        permits: u32,
        pressure: f64,
        draw: &mut Option<Draw>,
    ) -> Option<Result<u64, Reason>> {
        let lanes = Self::LANES;
        let counters = self.counters.local(class);
        let word = self.load();
        let after = lanes.after(word, class, permits);
        let thresholds = self.rules.thresholds(class);
        if !thresholds.are_of_epoch(lanes, word) {
            return None;
        }
        // A NaN pressure is judged by the slot, with the same result.
        let is_plain = permits > 0 && pressure <= 0.0;
        if !(is_plain && thresholds.admit(lanes, after, class, permits)) {
            let slot = self.rules.slot(lanes, word);
            let request = Request {
                class,
                permits,
                pressure,
            };
            if let Some(reason) = Self::judge(slot, word, after, request, counters, draw) {
                // The second look: what was read from the slot belongs to the epoch of `word` only if it is still
                // current.
                if !self.is_epoch_current(word) {
                    return None;
                }
                counters.rejected(&reason);
                return Some(Err(reason));
            }
        }
        self.exchange(word, after, class, counters)?;
        Some(Ok(lanes.put(permits.into(), class)))
    }

    /// Makes one attempt without the thresholds, in whatever mode the wall is.
    fn try_admit_by_mode(
        &self,
        class: usize,
        permits: u32,
        pressure: f64,
        draw: &mut Option<Draw>,
    ) -> Option<Result<u64, Reason>> {
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
        let (reason, is_dry_run) = if mode.closed {
            (Some(Reason::Closed), false)
        } else {
            let is_countable = !lanes.exceeds(after, class, permits, lanes.max().into());
            let reason = Self::judge(slot, word, after, request, counters, draw);
            (reason, mode.dry_run.contains(class) && is_countable)
        };
        if let Some(reason) = reason.filter(|_| !is_dry_run) {
            if !self.is_epoch_current(word) {
                return None;
            }
            counters.rejected(&reason);
            return Some(Err(reason));
        }
        self.exchange(word, after, class, counters)?;
        if let Some(reason) = reason {
            self.would_reject.count(class, &reason);
        }
        Some(Ok(lanes.put(permits.into(), class)))
    }

    /// Judges a request by a slot. Returns the reason for a rejection.
    #[inline(always)]
    fn judge(
        slot: &Slot,
        word: u64,
        after: u64,
        request: Request,
        counters: LocalCounters<'_>,
        draw: &mut Option<Draw>,
    ) -> Option<Reason> {
        let lanes = Self::LANES;
        let Request {
            class,
            permits,
            pressure,
        } = request;
        let limits = slot.limits();
        let reachable = || lanes.reachable(&limits, class);
        // The first comparison is known at compile time in most calls.
        let is_too_large = || permits > 1 && reachable() > 0 && u64::from(permits) > reachable();
        match lanes.judge(after, &limits, class, permits) {
            Verdict::Guaranteed => None,
            Verdict::Borrowed => {
                let curve = slot.curve(class);
                let in_use = lanes.total(after) - u64::from(permits);
                let utilization = Utilization::new(in_use, limits.capacity);
                let seen = utilization.max_with_pressure(pressure);
                // One draw for all attempts of a call.
                let draw = || *draw.get_or_insert_with(|| counters.next_draw());
                curve.sheds(seen, draw).then(|| Reason::Shed {
                    utilization: utilization.value().max(pressure),
                    probability: curve.probability_at(seen),
                })
            }
            Verdict::ClassFull | Verdict::PoolFull if is_too_large() => Some(Reason::TooLarge {
                reachable: reachable() as u32,
            }),
            Verdict::ClassFull => Some(Reason::ClassFull {
                in_use: lanes.get(word, class) as u32,
                cap: lanes.get(limits.caps, class) as u32,
            }),
            Verdict::PoolFull => Some(Reason::PoolFull {
                in_use: lanes.total(word) as u32,
                reserved: lanes.reserved(word, &limits, class) as u32,
                capacity: limits.capacity as u32,
            }),
        }
    }

    /// Exchanges the word, and counts. Returns `None` if another thread changed the word.
    #[inline(always)]
    fn exchange(
        &self,
        word: u64,
        after: u64,
        class: usize,
        counters: LocalCounters<'_>,
    ) -> Option<()> {
        // ORDERING: Acquire: pairs with the Release of released permits and of the last epoch step; required because
        // the admission promises to see what was done before both. Relaxed on failure: the next attempt loads the
        // word again.
        self.word
            .compare_exchange_weak(word, after, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        self.peaks[class].raise(Self::LANES.get(after, class) as u32);
        counters.admitted();
        Some(())
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
    use super::*;
    use crate::Share;

    crate::classes! { enum Kind { Message, Login } }

    /// The slow path gives the same result, only later, so no other test would notice.
    #[test]
    fn idle_wall_is_on_the_fast_path_before_and_after_rule_updates() {
        let share = Share::between(1, 4);
        let wall = Floodwall::new(10, &[Kind::Message.rule(share), Kind::Login.rule(share)]);
        for _ in 0..3 {
            for class in [0, 1] {
                let lanes = Floodwall::<Kind>::LANES;
                let word = wall.load();
                let thresholds = wall.rules.thresholds(class);
                assert!(thresholds.are_of_epoch(lanes, word));
                assert!(thresholds.admit(lanes, lanes.after(word, class, 1), class, 1));
            }
            wall.set_capacity(wall.capacity() + 1).unwrap();
        }
    }
}
