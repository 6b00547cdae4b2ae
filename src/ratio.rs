//! Utilization, in one place.

/// `in_use / capacity`. A capacity of zero is fully used: there is nothing to be had.
#[inline]
pub(crate) fn ratio(in_use: u64, capacity: u64) -> f64 {
    if capacity == 0 {
        1.0
    } else {
        in_use as f64 / capacity as f64
    }
}
