//! The error of a rejected admission.

use core::fmt;

use crate::bulkhead::write_requested;
use crate::shed::Shed;
use crate::shed::curve::Curve;
use crate::shed::utilization::Utilization;

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

/// The decision on a request, in two words, so that a function returns it in registers.
///
/// The numbers of a [`Reason`] are computed from it when they are asked for: a division takes longer than the rest of a
/// rejection.
///
/// | decision         | bits 0..64 of the first word, without the tag | second word                      |
/// |------------------|-----------------------------------------------|----------------------------------|
/// | admitted         |                                               | what was added to the wall's word |
/// | shed             | the curve                                     | permits in use, capacity         |
/// | shed by pressure | the curve                                     | the bits of the pressure         |
/// | class full       |                                               | permits in use by the class, cap |
/// | pool full        | reserved permits                              | permits in use, capacity         |
/// | too large        |                                               | reachable permits                |
/// | closed           |                                               |                                  |
#[derive(Clone, Copy)]
pub(super) struct Decision(u64, u64);

/// A curve needs two of its sixteen highest bits.
const TAG_SHIFT: u32 = 50;
const PAYLOAD: u64 = (1 << TAG_SHIFT) - 1;

const ADMITTED: u64 = 0;
const SHED: u64 = 1;
const CLASS_FULL: u64 = 2;
const POOL_FULL: u64 = 3;
const TOO_LARGE: u64 = 4;
const CLOSED: u64 = 5;
const SHED_BY_PRESSURE: u64 = 9;
/// The bits of a tag that name the reason.
const REASON: u64 = 7;

impl Decision {
    #[inline(always)]
    const fn new(tag: u64, payload: u64, numbers: u64) -> Decision {
        Decision(tag << TAG_SHIFT | payload, numbers)
    }

    #[inline(always)]
    pub(super) const fn admitted(unit: u64) -> Decision {
        Decision::new(ADMITTED, 0, unit)
    }

    #[inline(always)]
    pub(super) const fn shed(curve: Curve, utilization: Utilization) -> Decision {
        let Utilization { in_use, capacity } = utilization;
        Decision::new(SHED, curve.to_word(), pair(in_use, capacity))
    }

    #[inline(always)]
    pub(super) const fn shed_by_pressure(curve: Curve, pressure: f64) -> Decision {
        Decision::new(SHED_BY_PRESSURE, curve.to_word(), pressure.to_bits())
    }

    #[inline(always)]
    pub(super) const fn class_full(in_use: u64, cap: u64) -> Decision {
        Decision::new(CLASS_FULL, 0, pair(in_use, cap))
    }

    #[inline(always)]
    pub(super) const fn pool_full(in_use: u64, reserved: u64, capacity: u64) -> Decision {
        Decision::new(POOL_FULL, reserved as u32 as u64, pair(in_use, capacity))
    }

    #[inline(always)]
    pub(super) const fn too_large(reachable: u64) -> Decision {
        Decision::new(TOO_LARGE, 0, reachable)
    }

    pub(super) const CLOSED: Decision = Decision::new(CLOSED, 0, 0);

    /// Returns what was added to the word of the wall, or `None` if the request is rejected.
    #[inline(always)]
    pub(super) const fn unit(self) -> Option<u64> {
        match self.tag() {
            ADMITTED => Some(self.1),
            _ => None,
        }
    }

    /// Returns the number of the reason among all, in the order of their declaration.
    #[inline(always)]
    pub(super) const fn reason_index(self) -> usize {
        ((self.tag() & REASON) - SHED) as usize
    }

    #[inline(always)]
    const fn tag(self) -> u64 {
        self.0 >> TAG_SHIFT
    }

    const fn reason(self) -> Reason {
        let curve = Curve::from_word(self.0 & PAYLOAD);
        let (high, low) = ((self.1 >> u32::BITS) as u32, self.1 as u32);
        match self.tag() {
            SHED => {
                let utilization = Utilization::new(high as u64, low as u64);
                Reason::Shed {
                    utilization: utilization.value(),
                    probability: curve.probability_at(utilization),
                }
            }
            SHED_BY_PRESSURE => {
                let pressure = f64::from_bits(self.1);
                Reason::Shed {
                    utilization: pressure,
                    probability: curve.probability(pressure),
                }
            }
            CLASS_FULL => Reason::ClassFull {
                in_use: high,
                cap: low,
            },
            POOL_FULL => Reason::PoolFull {
                in_use: high,
                reserved: self.0 as u32,
                capacity: low,
            },
            TOO_LARGE => Reason::TooLarge { reachable: low },
            _ => Reason::Closed,
        }
    }
}

#[inline(always)]
const fn pair(high: u64, low: u64) -> u64 {
    high << u32::BITS | low as u32 as u64
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
