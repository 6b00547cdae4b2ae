//! The shedding decider: a curve that can be changed while it is asked.

pub(crate) mod curve;
pub(crate) mod draw;
pub(crate) mod utilization;

use core::fmt;

use crate::shed::curve::Curve;
use crate::shed::draw::Draw;
use crate::shed::utilization::Utilization;
use crate::sync::{AtomicU64, Ordering, constructor};

/// Decides who is turned away at a given utilization.
///
/// # Examples
/// ```
/// use floodwall::{Curve, Gauge, Shedder};
///
/// static WORKERS: Gauge = Gauge::new(100);
/// static LOGINS: Shedder = Shedder::new(Curve::linear(0.6, 0.8));
/// assert!(LOGINS.decide(WORKERS.utilization()).is_ok());
/// assert_eq!(LOGINS.decide(0.8).unwrap_err().to_string(), "shed at utilization 0.80 (reject probability 1.00)");
/// ```
pub struct Shedder {
    /// A [`Curve`], whole in one word: a change is never seen half done.
    curve: AtomicU64,
}

impl Shedder {
    constructor! {
        /// A decider that follows `curve`.
        #[must_use]
        pub const fn new(curve: Curve) -> Self {
            Shedder {
                curve: AtomicU64::new(curve.to_word()),
            }
        }
    }

    /// The curve in force.
    #[must_use]
    #[inline]
    pub fn curve(&self) -> Curve {
        // ORDERING: Relaxed: a curve is whole in its word and vouches for nothing else. In a wall,
        // the epoch of the rules orders it.
        Curve::from_word(self.curve.load(Ordering::Relaxed))
    }

    /// Changes the curve, for every decision that begins afterwards.
    ///
    /// # Progress
    /// Wait-free: one store.
    pub fn set_curve(&self, curve: Curve) {
        // ORDERING: Relaxed, as in `curve`.
        self.curve.store(curve.to_word(), Ordering::Relaxed);
    }

    /// Decides with this thread's next draw, [`Draw::local`]; none is taken below the curve's
    /// foot.
    ///
    /// A utilization that is NaN reads as 0.
    ///
    /// # Errors
    /// [`Shed`] if the request is to be turned away.
    ///
    /// # Progress
    /// Wait-free: one load.
    #[cfg(feature = "std")]
    pub fn decide(&self, utilization: f64) -> Result<(), Shed> {
        self.decide_by(utilization, Draw::local)
    }

    /// Decides with a draw that the caller brings.
    ///
    /// # Errors
    /// [`Shed`] if the draw lies below the reject probability.
    ///
    /// # Progress
    /// Wait-free: one load.
    pub fn decide_with(&self, utilization: f64, draw: Draw) -> Result<(), Shed> {
        self.decide_by(utilization, || draw)
    }

    fn decide_by(&self, utilization: f64, draw: impl FnOnce() -> Draw) -> Result<(), Shed> {
        let (curve, seen) = (self.curve(), Utilization::from_f64(utilization));
        if !curve.sheds(seen, draw) {
            return Ok(());
        }
        let utilization = if utilization.is_nan() {
            0.0
        } else {
            utilization
        };
        Err(Shed {
            utilization,
            probability: curve.probability_at(seen),
        })
    }
}

impl fmt::Debug for Shedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shedder").field(&self.curve()).finish()
    }
}

/// Why a [`Shedder`] turned a request away.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Shed {
    /// The utilization that the curve was asked with.
    pub utilization: f64,
    /// The reject probability that the curve answered.
    pub probability: f64,
}

impl fmt::Display for Shed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shed {
            utilization,
            probability,
        } = self;
        write!(
            f,
            "shed at utilization {utilization:.2} (reject probability {probability:.2})"
        )
    }
}

impl core::error::Error for Shed {}
