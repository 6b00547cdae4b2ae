//! Snapshots: the state of a wall at one instant, and its statistics.

use core::fmt;

use super::class::MAX_CLASSES;

/// A snapshot of a [`Floodwall`](crate::Floodwall): permits and limits at one instant, and statistics.
///
/// The statistics (peaks and numbers of requests) are read after that instant. They may include later requests, and
/// miss earlier ones that were not counted yet.
#[derive(Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// The permits of the whole pool. Zero if the wall is closed.
    pub capacity: u32,
    /// Permits in use / capacity: 1 if the wall is closed.
    pub utilization: f64,
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize_classes"))]
    pub(crate) classes: Classes,
}

/// The classes: the first `count` elements of `all`.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Classes {
    pub(crate) count: usize,
    pub(crate) all: [ClassSnapshot; MAX_CLASSES],
}

/// One class of a [`Snapshot`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ClassSnapshot {
    /// The name of the class.
    pub name: &'static str,
    /// The permits in use by the class.
    pub in_use: u32,
    /// The guarantee: 0 if the wall is closed.
    pub guarantee: u32,
    /// The cap, or the capacity if that is lower.
    pub cap: u32,
    /// The probability that a request for one permit is shed, without pressure and if the cap and the capacity allow
    /// it: 0 within the guarantee.
    pub reject_probability: f64,
    /// The largest number of permits in use since the last [`take_peaks`](crate::Floodwall::take_peaks).
    pub peak: u32,
    /// Requests admitted since the wall was created.
    pub admitted: u64,
    /// Requests shed by the curve.
    pub shed: u64,
    /// Requests rejected because the class was full.
    pub class_full: u64,
    /// Requests rejected because the pool was full or the wall was closed.
    pub pool_full: u64,
}

impl Snapshot {
    /// Returns the classes, ordered by index.
    #[must_use]
    pub fn classes(&self) -> &[ClassSnapshot] {
        &self.classes.all[..self.classes.count]
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("capacity", &self.capacity)
            .field("utilization", &self.utilization)
            .field("classes", &self.classes())
            .finish()
    }
}

#[cfg(feature = "serde")]
fn serialize_classes<S: serde::Serializer>(
    classes: &Classes,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(&classes.all[..classes.count])
}
