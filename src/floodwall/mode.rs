//! The mode of a wall: what is switched apart from the rules, so that a rule update keeps it.

use super::class::MAX_CLASSES;
use super::rules::Rules;
use crate::shed::curve::Curve;
use crate::shed::utilization::Utilization;

/// The rules and the mode: everything that belongs to one epoch.
pub(super) struct Settings<C> {
    pub(super) rules: Rules<C>,
    pub(super) mode: Mode,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) struct Mode {
    pub(super) closed: bool,
    /// From 0 to [`Utilization::MAX`].
    pub(super) pressure: f64,
    pub(super) dry_run: ClassSet,
}

impl Mode {
    pub(super) const DEFAULT: Mode = Mode {
        closed: false,
        pressure: 0.0,
        dry_run: ClassSet(0),
    };

    pub(super) const fn is_default(&self) -> bool {
        !self.closed && self.pressure == 0.0 && self.dry_run.0 == 0
    }

    /// Returns whether requests of this class may be decided by more than its rule, even within its guarantee.
    pub(super) const fn concerns(&self, class: usize) -> bool {
        self.closed || self.dry_run.contains(class)
    }

    /// Returns whether the pressure may shed requests by this curve.
    pub(super) const fn may_shed(&self, curve: Curve) -> bool {
        self.pressure > 0.0 && curve.probability(self.pressure) > 0.0
    }

    /// Returns a pressure in range. NaN and negative numbers read as 0.
    pub(super) fn valid_pressure(pressure: f64) -> f64 {
        // `clamp` returns a NaN as it is, `max` the other number.
        pressure.clamp(0.0, Utilization::MAX).max(0.0)
    }
}

/// A set of classes: one bit for each.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct ClassSet(pub(super) u8);

const _: () = assert!(MAX_CLASSES <= u8::BITS as usize);

impl ClassSet {
    pub(super) const fn contains(self, class: usize) -> bool {
        self.0 >> class & 1 == 1
    }
}

impl FromIterator<usize> for ClassSet {
    fn from_iter<I: IntoIterator<Item = usize>>(classes: I) -> Self {
        ClassSet(classes.into_iter().fold(0, |set, class| set | 1 << class))
    }
}

// Not derived: derives would require the same traits of `C`.
impl<C> Clone for Settings<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Settings<C> {}

impl<C> PartialEq for Settings<C> {
    fn eq(&self, other: &Self) -> bool {
        (self.rules, self.mode) == (other.rules, other.mode)
    }
}
