//! The load shedder: a curve that can be replaced while decisions are made.

pub(crate) mod curve;
pub(crate) mod draw;
pub(crate) mod utilization;

use core::fmt;

use crate::shed::curve::Curve;
use crate::shed::draw::Draw;
use crate::shed::utilization::Utilization;
use crate::sync::{AtomicU64, Ordering, constructor};

/// A load shedder: rejects each request with the probability that a [`Curve`] assigns to the utilization.
///
/// The curve can be replaced while the shedder is in use.
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
    /// A [`Curve`]. It fits one word, so no decision sees parts of two curves.
    curve: AtomicU64,
}

impl Shedder {
    constructor! {
        /// Creates a shedder that follows `curve`.
        #[must_use]
        pub const fn new(curve: Curve) -> Self {
            Shedder {
                curve: AtomicU64::new(curve.to_word()),
            }
        }
    }

    /// Returns the curve in force.
    ///
    /// # Progress
    /// Wait-free: one load.
    #[must_use]
    #[inline]
    pub fn curve(&self) -> Curve {
        // ORDERING: Relaxed: the word is the whole curve, and a reader needs nothing else that preceded its store.
        Curve::from_word(self.curve.load(Ordering::Relaxed))
    }

    /// Replaces the curve.
    ///
    /// # Progress
    /// Wait-free: one store.
    ///
    /// # Memory ordering
    /// Relaxed: a decision that happens-after the call uses this curve or a later one. A decision under this curve
    /// does not synchronize with the call.
    pub fn set_curve(&self, curve: Curve) {
        // ORDERING: Relaxed: as in `curve`.
        self.curve.store(curve.to_word(), Ordering::Relaxed);
    }

    /// Decides one request at this utilization, with the calling thread's next draw ([`Draw::local`]).
    ///
    /// NaN reads as 0. A decision below the curve's `lo` does not use up a draw.
    ///
    /// # Errors
    /// [`Shed`] if the request is to be rejected.
    ///
    /// # Progress
    /// Wait-free: one load. A thread's first draw also makes one `fetch_add`.
    #[cfg(feature = "std")]
    pub fn decide(&self, utilization: f64) -> Result<(), Shed> {
        self.decide_by(utilization, Draw::local)
    }

    /// Decides one request at this utilization, with a draw chosen by the caller.
    ///
    /// NaN reads as 0.
    ///
    /// # Errors
    /// [`Shed`] if the draw is below the reject probability.
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

/// The error returned when a [`Shedder`] rejects a request.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Shed {
    /// The utilization of the decision; 0 if it was NaN.
    pub utilization: f64,
    /// The reject probability at that utilization.
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
