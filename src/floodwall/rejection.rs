//! Why a wall turned somebody away.

use core::fmt;

use crate::bulkhead::write_requested;
use crate::shed::Shed;

/// Why a [`Floodwall`](crate::Floodwall) turned a request away: whose, and for what reason.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
// In this order: where a `Result` has a permit's two words, a rejection then has two words of its own.
// Over smaller fields, the processor would wait for them to become one (measured: up to 2 ns).
#[repr(C)]
pub struct Rejection {
    /// The name of the request's class.
    pub class: &'static str,
    /// Permits requested for.
    pub requested: u32,
    /// Why.
    pub reason: Reason,
}

/// Why a [`Rejection`] came about, with the numbers that decided it: all of one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// Turned away by the class's curve, as it would have borrowed beyond its guarantee.
    #[non_exhaustive]
    Shed {
        /// What the curve was requested with: the utilization, or the pressure if that was higher.
        utilization: f64,
        /// The reject probability that it answered.
        probability: f64,
    },
    /// The class's cap leaves no room for what was requested.
    #[non_exhaustive]
    ClassFull {
        /// The class's permits in use.
        in_use: u32,
        /// Its cap.
        cap: u32,
    },
    /// The pool has no room for what was requested that is not guaranteed to others.
    #[non_exhaustive]
    PoolFull {
        /// The permits in use, of all classes.
        in_use: u32,
        /// What is guaranteed to the other classes and not in use by them.
        reserved: u32,
        /// The capacity. Zero: the wall is closed.
        capacity: u32,
    },
}

impl Reason {
    /// A short name for metrics: `shed`, `class_full` or `pool_full`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Reason::Shed { .. } => "shed",
            Reason::ClassFull { .. } => "class_full",
            Reason::PoolFull { .. } => "pool_full",
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
            Reason::PoolFull { capacity: 0, .. } => f.write_str("closed: the capacity is 0"),
            Reason::PoolFull {
                in_use,
                reserved,
                capacity,
            } => write!(
                f,
                "pool full: {in_use} of {capacity} permits in use, {reserved} reserved for other classes"
            ),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.reason)?;
        write_requested(self.requested, f)
    }
}

impl core::error::Error for Rejection {}
