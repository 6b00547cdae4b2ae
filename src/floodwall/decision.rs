//! The decision on a request, before it becomes a permit or an error.

use super::rejection::Reason;
use crate::shed::curve::Curve;
use crate::shed::utilization::Utilization;

/// The decision on a request: admitted, or rejected for a reason.
///
/// Two words, so that a function returns it in registers. The numbers of a [`Reason`] are computed from it when they are
/// asked for, so that no rejection divides.
///
/// The first word has a tag above bit 50. The rest:
///
/// | decision         | first word       | second word: bits 32..64, bits 0..32 |
/// |------------------|------------------|--------------------------------------|
/// | admitted         |                  | what was added to the wall's word    |
/// | shed             | the curve        | permits in use, capacity             |
/// | shed by pressure | the curve        | the bits of the pressure             |
/// | class full       |                  | permits in use by the class, cap     |
/// | pool full        | reserved permits | permits in use, capacity             |
/// | too large        |                  | reachable permits                    |
/// | closed           |                  |                                      |
#[derive(Clone, Copy)]
pub(super) struct Decision(u64, u64);

/// Curves use two of their sixteen highest bits.
const TAG_SHIFT: u32 = 50;
const _: () = assert!(Curve::cubic(0.0, 1.0).to_word() >> TAG_SHIFT == 0);
const PAYLOAD: u64 = (1 << TAG_SHIFT) - 1;

const ADMITTED: u64 = 0;
const SHED: u64 = 1;
const CLASS_FULL: u64 = 2;
const POOL_FULL: u64 = 3;
const TOO_LARGE: u64 = 4;
const CLOSED: u64 = 5;
/// The bits of a tag that name the reason. The next one tells the two ways to be shed apart.
const REASON: u64 = 7;
const SHED_BY_PRESSURE: u64 = SHED | (REASON + 1);

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

    pub(super) const fn reason(self) -> Reason {
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
