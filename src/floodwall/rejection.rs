//! The error of a rejected admission.

use core::fmt;

use super::decision::Decision;
use crate::bulkhead::write_requested;
use crate::shed::Shed;

/// The error returned when a [`Floodwall`](crate::Floodwall) rejects a request.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Rejection {
    /// The name of the request's class.
    pub class: &'static str,
    /// The number of permits requested.
    pub requested: u32,
    decision: Decision,
}

impl Rejection {
    #[inline(always)]
    pub(super) const fn new(class: &'static str, requested: u32, decision: Decision) -> Rejection {
        Rejection {
            class,
            requested,
            decision,
        }
    }

    /// Returns the reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.decision.reason()
    }
}

/// The reason for a [`Rejection`], with the numbers that decided it, all from one state of the wall.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The request would have borrowed beyond its class's guarantee, and the class's curve shed it.
    #[non_exhaustive]
    Shed {
        /// The utilization, or the pressure if that was higher.
        utilization: f64,
        /// The reject probability at that value.
        probability: f64,
    },
    /// The request would have exceeded its class's cap, which is below the capacity.
    #[non_exhaustive]
    ClassFull {
        /// The permits in use by the class.
        in_use: u32,
        /// The cap of the class.
        cap: u32,
    },
    /// Too few permits of the pool were free and not reserved for other classes.
    #[non_exhaustive]
    PoolFull {
        /// The permits in use by all classes.
        in_use: u32,
        /// The permits guaranteed to the other classes and not in use by them.
        reserved: u32,
        /// The capacity.
        capacity: u32,
    },
    /// The request was for more permits than its class can ever hold under these rules, so it cannot be admitted later
    /// either unless they change.
    ///
    /// A class with a cap of 0 is full instead.
    #[non_exhaustive]
    TooLarge {
        /// The most permits that the class can ever hold.
        reachable: u32,
    },
    /// The wall is [closed](crate::Floodwall::close).
    Closed,
}

impl Reason {
    /// The number of reasons.
    pub(super) const COUNT: usize = 5;

    /// Returns a short name for metrics: `shed`, `class_full`, `pool_full`, `too_large` or `closed`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Reason::Shed { .. } => "shed",
            Reason::ClassFull { .. } => "class_full",
            Reason::PoolFull { .. } => "pool_full",
            Reason::TooLarge { .. } => "too_large",
            Reason::Closed => "closed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Reason::Shed {
                utilization,
                probability,
            } => Shed {
                utilization,
                probability,
            }
            .fmt(f),
            Reason::ClassFull { in_use, cap } => {
                write!(f, "class full: {in_use} of {cap} permits in use")
            }
            Reason::PoolFull {
                in_use,
                reserved,
                capacity,
            } => write!(
                f,
                "pool full: {in_use} of {capacity} permits in use, {reserved} reserved for other classes"
            ),
            Reason::TooLarge { reachable } => {
                write!(
                    f,
                    "too large: the class can hold at most {reachable} permits"
                )
            }
            Reason::Closed => f.write_str("closed"),
        }
    }
}

impl PartialEq for Rejection {
    fn eq(&self, other: &Rejection) -> bool {
        let parts =
            |rejection: &Rejection| (rejection.class, rejection.requested, rejection.reason());
        parts(self) == parts(other)
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("class", &self.class)
            .field("requested", &self.requested)
            .field("reason", &self.reason())
            .finish()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.reason())?;
        write_requested(self.requested, f)
    }
}

impl core::error::Error for Rejection {}
