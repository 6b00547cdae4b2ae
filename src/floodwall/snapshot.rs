//! What a wall looks like at one instant.

use core::fmt;

use super::class::MAX_CLASSES;

/// What a [`Floodwall`](crate::Floodwall) looks like: permits and limits of one instant, and
/// statistics that may lag behind it by what is in flight.
#[derive(Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// The permits of the whole pool. Zero: the wall is closed.
    pub capacity: u32,
    /// Permits in use / capacity; 1 while the wall is closed.
    pub utilization: f64,
    #[cfg_attr(feature = "serde", serde(serialize_with = "only_classes"))]
    pub(crate) classes: Classes,
}

/// The classes, at the beginning of an array that has room for as many as there can be.
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
    /// Its name.
    pub name: &'static str,
    /// Its permits in use.
    pub in_use: u32,
    /// What it can always get; void, that is 0, while the wall is closed.
    pub guarantee: u32,
    /// The most that it may hold: its cap, or the capacity if that is lower.
    pub cap: u32,
    /// What the curve says now of a request for one more, should there be room, and no pressure from
    /// outside: the probability that it is shed; 0 within the guarantee.
    pub reject_probability: f64,
    /// The most permits that were in use at once since the last
    /// [`take_peaks`](crate::Floodwall::take_peaks).
    pub peak: u32,
    /// Requests admitted, since the wall was made.
    pub admitted: u64,
    /// Requests shed by the curve.
    pub shed: u64,
    /// Requests turned away because the class was full.
    pub class_full: u64,
    /// Requests turned away because the pool was full, or closed.
    pub pool_full: u64,
}

impl Snapshot {
    /// The classes, in the order of their indices.
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
fn only_classes<S: serde::Serializer>(classes: &Classes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(&classes.all[..classes.count])
}
