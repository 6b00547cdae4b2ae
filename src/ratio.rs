//! Utilization as a fraction, so that it can be compared without a division.

/// `in_use / capacity`.
#[derive(Clone, Copy)]
pub(crate) struct Ratio {
    pub(crate) in_use: u64,
    pub(crate) capacity: u64,
}

impl Ratio {
    #[inline]
    pub(crate) const fn new(in_use: u64, capacity: u64) -> Self {
        Ratio { in_use, capacity }
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
}
