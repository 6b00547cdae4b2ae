//! The admission rule, written as its definition: plain numbers and loops that never call the library.
//!
//! Every oracle of `floodwall` decides by it: the properties, the linearizability models, the theory of
//! loss systems and the soak. A class is an index, below the number of rules.
//!
//! # Examples
//! ```
//! use floodwall_theory::spec::{Admission, ClassRule, Mode, Ramp, Rejection, Wall};
//!
//! let rule = |guarantee, cap| ClassRule { guarantee, cap, ramp: Ramp::NEVER };
//! let rules = [rule(4, 10), rule(2, 5)];
//! let wall = Wall { capacity: 10, rules: &rules, mode: Mode::OPEN, in_use: &[3, 0] };
//! assert_eq!(wall.check_limits(0, 1), Ok(Admission::Guaranteed));
//! assert_eq!(wall.check_limits(0, 5), Ok(Admission::Borrowed));
//! let full = Rejection::PoolFull { in_use: 3, reserved: 2, capacity: 10 };
//! assert_eq!(wall.check_limits(0, 6), Err(full));
//! ```

/// The share and the curve of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClassRule {
    /// Permits that the class can always acquire.
    pub guarantee: u32,
    /// Most permits that the class may hold.
    pub cap: u32,
    /// Sheds requests beyond the guarantee.
    pub ramp: Ramp,
}

impl ClassRule {
    /// Returns the cap in force: never more than the capacity.
    pub fn cap_at(self, capacity: u32) -> u64 {
        self.cap.min(capacity).into()
    }
}

/// A reject curve: 0 below `lo`, 1 from `hi` on, and at most `max` anywhere.
///
/// The parameters are integers, in parts per 10,000, so that comparisons are exact. The curves of
/// `floodwall` represent these numbers exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ramp {
    /// The utilization from which on requests are shed, in parts per 10,000.
    pub lo: u64,
    /// The utilization from which on the reject probability is `max`, in parts per 10,000. At least `lo`.
    pub hi: u64,
    /// The exponent of the ramp: 1 for a linear one, 3 for a cubic one. A step (`lo == hi`) has no use
    /// for it.
    pub power: i32,
    /// The highest reject probability, in parts per 10,000.
    pub max: u64,
}

impl Ramp {
    /// The number of parts in 1.
    pub const ONE: u64 = 10_000;

    /// Rejects nothing.
    pub const NEVER: Ramp = Ramp {
        max: 0,
        ..Ramp::linear(0.0, 1.0)
    };

    /// Returns the ramp `((utilization - lo) / (hi - lo))^power`, at most `max`. Equal `lo` and `hi` are a
    /// step.
    ///
    /// Returns `None` if `lo`, `hi` or `max` is outside 0 to 1 or more than 1e-9 away from a multiple of
    /// 1/10,000, if `lo` is greater than `hi`, or if `power` is negative.
    ///
    /// # Examples
    /// ```
    /// use floodwall_theory::Ramp;
    ///
    /// let ramp = Ramp::new(1, 0.6, 0.8, 0.95).unwrap();
    /// assert_eq!((ramp.lo, ramp.hi, ramp.max), (6000, 8000, 9500));
    /// assert_eq!(ramp.probability(70, 100), 0.5);
    /// assert_eq!(Ramp::new(1, 0.6, 0.80001, 0.95), None);
    /// ```
    pub const fn new(power: i32, lo: f64, hi: f64, max: f64) -> Option<Ramp> {
        match (parts(lo), parts(hi), parts(max)) {
            (Some(lo), Some(hi), Some(max)) if lo <= hi && power >= 0 => {
                Some(Ramp { lo, hi, power, max })
            }
            _ => None,
        }
    }

    /// Returns a straight ramp between two utilizations.
    ///
    /// # Panics
    /// If [`new`](Ramp::new) returns `None` for these utilizations.
    pub const fn linear(lo: f64, hi: f64) -> Ramp {
        Ramp::new(1, lo, hi, 1.0).expect(NOT_A_RAMP)
    }

    /// Returns a cubic ramp between two utilizations.
    ///
    /// # Panics
    /// If [`new`](Ramp::new) returns `None` for these utilizations.
    pub const fn cubic(lo: f64, hi: f64) -> Ramp {
        Ramp::new(3, lo, hi, 1.0).expect(NOT_A_RAMP)
    }

    /// Returns a curve that rejects nothing below a utilization and everything from it on.
    ///
    /// # Panics
    /// If [`new`](Ramp::new) returns `None` for this utilization.
    pub const fn step(at: f64) -> Ramp {
        Ramp::new(1, at, at, 1.0).expect(NOT_A_RAMP)
    }

    /// Returns the reject probability at the utilization `used / of`.
    pub fn probability(self, used: u64, of: u64) -> f64 {
        let part = |of: u64, parts: u64| u128::from(of) * u128::from(parts);
        let (used, lo, hi) = (part(used, Ramp::ONE), part(of, self.lo), part(of, self.hi));
        let climbed = if used < lo {
            0.0
        } else if used >= hi {
            1.0
        } else {
            ((used - lo) as f64 / (hi - lo) as f64).powi(self.power)
        };
        climbed.min(self.max as f64 / Ramp::ONE as f64)
    }
}

const NOT_A_RAMP: &str = "lo <= hi must be multiples of 1/10,000 from 0 to 1";

/// Returns a fraction in parts per 10,000, or `None` if it is not one within 1e-9.
const fn parts(fraction: f64) -> Option<u64> {
    // Negative numbers and NaN become 0, which is then not near.
    let parts = (fraction * Ramp::ONE as f64 + 0.5) as u64;
    let error = fraction - parts as f64 / Ramp::ONE as f64;
    if parts <= Ramp::ONE && -1e-9 <= error && error <= 1e-9 {
        Some(parts)
    } else {
        None
    }
}

/// The settings of a wall that are not rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mode {
    /// Rejects every request.
    pub closed: bool,
    /// Load from outside the wall, in percent.
    pub pressure: u64,
    /// The classes that are admitted also if the rules reject them.
    pub dry_run: [bool; 8],
}

impl Mode {
    /// Open, without pressure and dry runs.
    pub const OPEN: Mode = Mode {
        closed: false,
        pressure: 0,
        dry_run: [false; 8],
    };
}

/// Returns the most permits of a class that a wall with this number of classes, 1 to 8, can count.
pub const fn countable(classes: usize) -> u64 {
    match classes {
        1 | 2 => (1 << 24) - 1,
        _ => (1 << (56 / classes)) - 1,
    }
}

/// The rules and the mode in force, and the permits in use by class.
#[derive(Clone, Copy, Debug)]
pub struct Wall<'a> {
    /// Permits of the whole pool, at least 1.
    pub capacity: u32,
    /// Share and curve by class. The guarantees add up to no more than the capacity.
    pub rules: &'a [ClassRule],
    /// The settings that are not rules.
    pub mode: Mode,
    /// Permits in use by class.
    pub in_use: &'a [u64],
}

/// A request for permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// The class that acquires the permits.
    pub class: usize,
    /// Permits that are acquired, all or none.
    pub permits: u32,
    /// The sample that the reject probability is compared with.
    pub draw: u32,
    /// Load from outside the wall, in percent.
    pub pressure: u64,
}

/// The reason for which a request is admitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Admission {
    /// Stays within the guarantee.
    Guaranteed,
    /// Exceeds the guarantee.
    Borrowed,
    /// Would be rejected, but the class is in dry run.
    DryRun(Rejection),
}

/// The reason for which a request is rejected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rejection {
    /// The wall is closed.
    Closed,
    /// The request is for more permits than its class can ever hold.
    TooLarge {
        /// The most permits that the class can ever hold.
        reachable: u64,
    },
    /// The class would exceed its cap.
    ClassFull {
        /// Permits in use by the class.
        in_use: u64,
        /// Most permits that the class may hold.
        cap: u64,
    },
    /// Too few permits are free and unreserved.
    PoolFull {
        /// Permits in use by all classes.
        in_use: u64,
        /// Permits guaranteed to other classes and not in use by them.
        reserved: u64,
        /// Permits of the whole pool.
        capacity: u64,
    },
    /// The sample of the request is below the reject probability.
    Shed {
        /// The utilization or pressure, whichever is higher.
        utilization: f64,
        /// The reject probability of the class.
        probability: f64,
    },
}

impl Wall<'_> {
    /// Answers a request.
    ///
    /// The reasons for a rejection are tried in this order: closed, too large,
    /// class full, pool full, shed.
    ///
    /// # Errors
    /// The first reason that applies. A class in dry run is rejected only by a closed wall, and if its
    /// permits could not be counted.
    pub fn admit(&self, request: Request) -> Result<Admission, Rejection> {
        let Request { class, permits, .. } = request;
        let is_countable = self.in_use[class] + u64::from(permits) <= countable(self.rules.len());
        match self.judge(request) {
            Err(rejection)
                if rejection != Rejection::Closed && self.mode.dry_run[class] && is_countable =>
            {
                Ok(Admission::DryRun(rejection))
            }
            answer => answer,
        }
    }

    /// Answers a request as if no class were in dry run.
    fn judge(&self, request: Request) -> Result<Admission, Rejection> {
        let admission = self.check_limits(request.class, request.permits)?;
        if admission == Admission::Guaranteed {
            return Ok(admission);
        }
        let (used, of) = self.utilization_under(request.pressure);
        let probability = self.rules[request.class].ramp.probability(used, of);
        if f64::from(request.draw) < probability * 2_f64.powi(32) {
            return Err(Rejection::Shed {
                utilization: used as f64 / of as f64,
                probability,
            });
        }
        Ok(admission)
    }

    /// Answers a request for `permits` of a class, as if there were no curves.
    ///
    /// # Errors
    /// Any [`Rejection`] but [`Shed`](Rejection::Shed).
    pub fn check_limits(&self, class: usize, permits: u32) -> Result<Admission, Rejection> {
        if self.mode.closed {
            return Err(Rejection::Closed);
        }
        if permits == 0 {
            return Ok(Admission::Guaranteed);
        }
        let capacity = u64::from(self.capacity);
        let reachable = self.reachable(class);
        // A class with a cap of 0 is full.
        if reachable > 0 && u64::from(permits) > reachable {
            return Err(Rejection::TooLarge { reachable });
        }
        let in_use = self.in_use[class];
        let wanted = in_use + u64::from(permits);
        let cap = self.cap(class);
        if cap < capacity && wanted > cap {
            return Err(Rejection::ClassFull { in_use, cap });
        }

        // A guarantee needs free permits only. Borrowing must leave the reserved ones as well.
        let (admission, total) = if wanted <= self.guarantee(class) {
            (Admission::Guaranteed, self.total() + u64::from(permits))
        } else {
            (
                Admission::Borrowed,
                self.committed_to_others(class) + wanted,
            )
        };
        if total > capacity {
            return Err(Rejection::PoolFull {
                in_use: self.total(),
                reserved: self.reserved_for_others(class),
                capacity,
            });
        }
        Ok(admission)
    }

    /// Returns whether every limit is kept: each class is within its cap, and its permits in use or
    /// its guarantee, whichever is more, add up to no more than the capacity.
    pub fn is_within_limits(&self) -> bool {
        let capped = (0..self.rules.len()).all(|class| self.in_use[class] <= self.cap(class));
        let committed: u64 = (0..self.rules.len())
            .map(|class| self.committed(class))
            .sum();
        capped && committed <= self.capacity.into()
    }

    /// Returns the probability that a request for `permits` of a class is shed, if no limit rejects it.
    pub fn reject_probability(&self, class: usize, permits: u32) -> f64 {
        let wanted = self.in_use[class] + u64::from(permits);
        if permits == 0 || wanted <= self.guarantee(class) {
            return 0.0;
        }
        let (used, of) = self.utilization_under(0);
        self.rules[class].ramp.probability(used, of)
    }

    /// Returns the permits in use and the capacity.
    pub fn utilization(&self) -> (u64, u64) {
        (self.total(), self.capacity.into())
    }

    /// Returns the highest of the utilization, the pressure of the wall and that of a request.
    fn utilization_under(&self, pressure: u64) -> (u64, u64) {
        let (used, of) = self.utilization();
        let pressure = pressure.max(self.mode.pressure);
        if pressure * of > used * 100 {
            (pressure, 100)
        } else {
            (used, of)
        }
    }

    /// Returns the most permits that a class can ever hold.
    pub fn reachable(&self, class: usize) -> u64 {
        let guaranteed: u64 = self.others(class).map(|other| self.guarantee(other)).sum();
        self.cap(class).min(u64::from(self.capacity) - guaranteed)
    }

    /// Returns the permits that a class can always acquire.
    pub fn guarantee(&self, class: usize) -> u64 {
        self.rules[class].guarantee.into()
    }

    /// Returns the most permits that a class may hold: its cap in force.
    pub fn cap(&self, class: usize) -> u64 {
        self.rules[class].cap_at(self.capacity)
    }

    fn total(&self) -> u64 {
        self.in_use.iter().sum()
    }

    /// Returns the permits that no other class can acquire.
    fn committed(&self, class: usize) -> u64 {
        self.in_use[class].max(self.guarantee(class))
    }

    fn committed_to_others(&self, class: usize) -> u64 {
        self.others(class).map(|other| self.committed(other)).sum()
    }

    /// Returns the permits guaranteed to the other classes and not in use by them.
    fn reserved_for_others(&self, class: usize) -> u64 {
        let reserved = |other| self.committed(other) - self.in_use[other];
        self.others(class).map(reserved).sum()
    }

    fn others(&self, class: usize) -> impl Iterator<Item = usize> + use<> {
        (0..self.rules.len()).filter(move |&other| other != class)
    }
}
