//! Utilization as a fraction, compared without a division.

/// The units in 1. Curves keep their parameters in units: four decimal digits stay exact, and a curve fits one word.
pub(crate) const UNITS: u64 = 50_000;

/// The fraction `in_use / capacity`.
#[derive(Clone, Copy)]
pub(crate) struct Utilization {
    pub(crate) in_use: u64,
    pub(crate) capacity: u64,
}

impl Utilization {
    /// The highest number that [`from_f64`](Self::from_f64) converts; higher ones read as this. Every curve is constant
    /// above its `hi`, which is below 2.
    pub(crate) const MAX: f64 = 1e3;

    #[inline]
    pub(crate) const fn new(in_use: u64, capacity: u64) -> Self {
        Utilization { in_use, capacity }
    }

    /// Returns the fraction as a number: 1 if the capacity is zero.
    #[inline]
    pub(crate) const fn value(self) -> f64 {
        if self.capacity == 0 {
            1.0
        } else {
            self.in_use as f64 / self.capacity as f64
        }
    }

    /// Converts a number, rounded to 1/65,536 of a unit. NaN and negative numbers read as 0.
    pub(crate) const fn from_f64(utilization: f64) -> Self {
        const ONE: u64 = UNITS << 16;
        // Keeps the products of curves in range.
        let utilization = if utilization > Self::MAX {
            Self::MAX
        } else {
            utilization
        };
        // The cast converts NaN and negative numbers to 0.
        Utilization::new((utilization * ONE as f64 + 0.5) as u64, ONE)
    }

    /// Returns the higher of this utilization and the pressure.
    #[inline]
    pub(crate) fn max_with_pressure(self, pressure: f64) -> Self {
        if self.is_below(pressure) {
            Utilization::from_f64(pressure)
        } else {
            self
        }
    }

    /// Returns whether this utilization is below the pressure.
    #[inline]
    pub(crate) fn is_below(self, pressure: f64) -> bool {
        // The first comparison is cheap and rarely true; it is never true for NaN.
        pressure > 0.0 && pressure > self.value()
    }
}
