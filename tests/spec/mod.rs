//! The admission rule, written as its definition: plain numbers and loops that never call the library.
//!
//! Every oracle decides by it: the properties, the linearizability models, the theory of loss
//! systems and the soak.
#![allow(
    dead_code,
    reason = "each test target includes this file and uses a part of it"
)]

/// The share and the curve of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClassRule {
    /// Permits that the class can always acquire.
    pub(crate) guarantee: u32,
    /// Most permits that the class may hold.
    pub(crate) cap: u32,
    /// Sheds requests beyond the guarantee.
    pub(crate) ramp: Ramp,
}

impl ClassRule {
    /// Returns the cap in force: never more than the capacity.
    pub(crate) fn cap_at(self, capacity: u32) -> u64 {
        self.cap.min(capacity).into()
    }
}

/// A reject curve in whole percent: 0 below `lo`, 100 from `hi` on, and at most `max` anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ramp {
    pub(crate) lo: u64,
    pub(crate) hi: u64,
    /// 1 for a linear ramp, 3 for a cubic one. A step (`lo == hi`) has no use for it.
    pub(crate) power: i32,
    pub(crate) max: u64,
}

impl Ramp {
    pub(crate) const NEVER: Ramp = Ramp {
        max: 0,
        ..Ramp::linear(0.0, 1.0)
    };

    /// Returns a straight ramp between two utilizations, which must be whole percents.
    pub(crate) const fn linear(lo: f64, hi: f64) -> Ramp {
        Ramp {
            lo: whole_percent(lo),
            hi: whole_percent(hi),
            power: 1,
            max: 100,
        }
    }

    /// Returns the reject probability at the utilization `used / of`.
    pub(crate) fn probability(self, used: u64, of: u64) -> f64 {
        let (used, lo, hi) = (used * 100, self.lo * of, self.hi * of);
        let climbed = if used < lo {
            0.0
        } else if used >= hi {
            1.0
        } else {
            ((used - lo) as f64 / (hi - lo) as f64).powi(self.power)
        };
        climbed.min(self.max as f64 / 100.0)
    }
}

const fn whole_percent(fraction: f64) -> u64 {
    let percent = (fraction * 100.0 + 0.5) as u64;
    assert!(percent as f64 / 100.0 == fraction, "not a whole percent");
    percent
}

/// What is switched apart from the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mode {
    pub(crate) closed: bool,
    /// Load from outside the wall, in percent.
    pub(crate) pressure: u64,
    pub(crate) dry_run: [bool; 8],
}

impl Mode {
    pub(crate) const OPEN: Mode = Mode {
        closed: false,
        pressure: 0,
        dry_run: [false; 8],
    };
}

/// Returns the most permits of a class that a wall with this number of classes can count.
pub(crate) const fn countable(classes: usize) -> u64 {
    match classes {
        1 | 2 => (1 << 24) - 1,
        _ => (1 << (56 / classes)) - 1,
    }
}

/// The rules and the mode in force, and the permits in use by class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wall<'a> {
    /// Permits of the whole pool, at least 1.
    pub(crate) capacity: u32,
    pub(crate) rules: &'a [ClassRule],
    pub(crate) mode: Mode,
    pub(crate) in_use: &'a [u64],
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) class: usize,
    pub(crate) permits: u32,
    /// The sample that the reject probability is compared with.
    pub(crate) draw: u32,
    /// Load from outside the wall, in percent.
    pub(crate) pressure: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Admission {
    /// Stays within the guarantee.
    Guaranteed,
    /// Exceeds the guarantee.
    Borrowed,
    /// Would be rejected, but the class is in dry run.
    DryRun(Rejection),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rejection {
    Closed,
    TooLarge {
        reachable: u64,
    },
    ClassFull {
        in_use: u64,
        cap: u64,
    },
    PoolFull {
        in_use: u64,
        reserved: u64,
        capacity: u64,
    },
    Shed {
        utilization: f64,
        probability: f64,
    },
}

impl Wall<'_> {
    /// Answers a request. The reasons for a rejection are tried in this order: closed, too large,
    /// class full, pool full, shed.
    pub(crate) fn admit(&self, request: Request) -> Result<Admission, Rejection> {
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

    /// Answers a request for `permits` of a class that no curve sheds.
    pub(crate) fn check_limits(&self, class: usize, permits: u32) -> Result<Admission, Rejection> {
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
    pub(crate) fn is_within_limits(&self) -> bool {
        let capped = (0..self.rules.len()).all(|class| self.in_use[class] <= self.cap(class));
        let committed: u64 = (0..self.rules.len())
            .map(|class| self.committed(class))
            .sum();
        capped && committed <= self.capacity.into()
    }

    /// Returns the probability that a request for one permit is shed, if no limit rejects it.
    pub(crate) fn reject_probability(&self, class: usize) -> f64 {
        if self.in_use[class] < self.guarantee(class) {
            return 0.0;
        }
        let (used, of) = self.utilization_under(0);
        self.rules[class].ramp.probability(used, of)
    }

    /// Returns the utilization as a fraction.
    pub(crate) fn utilization(&self) -> (u64, u64) {
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
    pub(crate) fn reachable(&self, class: usize) -> u64 {
        let guaranteed: u64 = self.others(class).map(|other| self.guarantee(other)).sum();
        self.cap(class).min(u64::from(self.capacity) - guaranteed)
    }

    pub(crate) fn guarantee(&self, class: usize) -> u64 {
        self.rules[class].guarantee.into()
    }

    pub(crate) fn cap(&self, class: usize) -> u64 {
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
