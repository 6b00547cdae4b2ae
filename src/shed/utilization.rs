//! Utilization as a fraction, so that it can be compared without a division.

/// Curves and utilizations count in fifty-thousandths: 0.7 stays 0.7, and a curve fits one word.
pub(crate) const UNITS: u64 = 50_000;

/// `in_use / capacity`.
#[derive(Clone, Copy)]
pub(crate) struct Utilization {
    pub(crate) in_use: u64,
    pub(crate) capacity: u64,
}

impl Utilization {
    #[inline]
    pub(crate) const fn new(in_use: u64, capacity: u64) -> Self {
        Utilization { in_use, capacity }
    }

    /// The fraction as a number. A capacity of zero is fully used: there is nothing to be had.
    #[inline]
    pub(crate) const fn value(self) -> f64 {
        if self.capacity == 0 {
            1.0
        } else {
            self.in_use as f64 / self.capacity as f64
        }
    }

    /// A utilization that comes as a number, finer than any curve can be; decimals that curves are
    /// made of stay exact. NaN reads as 0.
    pub(crate) const fn from_f64(utilization: f64) -> Self {
        const ONE: u64 = UNITS << 16;
        // No curve tells apart what lies above 1; this only keeps the products in range.
        let utilization = if utilization > 1e3 { 1e3 } else { utilization };
        // A cast to an integer takes NaN and what is below 0 to 0.
        Utilization::new((utilization * ONE as f64 + 0.5) as u64, ONE)
    }

    /// This, or the pressure if that is higher.
    #[inline]
    pub(crate) fn max_with_pressure(self, pressure: f64) -> Self {
        // Looked at first, for it seldom is more than 0; NaN never is.
        if pressure > 0.0 && pressure > self.value() {
            Utilization::from_f64(pressure)
        } else {
            self
        }
    }
}
