//! Snapshots: the state of a wall at one instant, and its statistics.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Index;

use super::class::{Class, MAX_CLASSES, index_of};
use super::rejection::Reason;

/// A snapshot of a [`Floodwall`](crate::Floodwall): permits and limits at one instant, and statistics.
///
/// The statistics (peaks and numbers of requests) are read after that instant. They may include later requests, and
/// miss earlier ones that were not counted yet.
///
/// # Examples
/// ```
/// use floodwall::{Floodwall, Share, classes};
///
/// classes! { enum Kind { Message, Login } }
///
/// static WALL: Floodwall<Kind> = Floodwall::new(100, &[
///     Kind::Message.rule(Share::at_least(50)),
///     Kind::Login.rule(Share::at_most(1)),
/// ]);
///
/// let earlier = WALL.snapshot();
/// let _permit = WALL.admit(Kind::Login)?;
/// assert!(WALL.admit(Kind::Login).is_err());
/// let last_minute = WALL.snapshot().since(&earlier);
/// assert_eq!(last_minute[Kind::Login].admitted, 1);
/// for (kind, class) in last_minute.iter() {
///     println!("{kind}: {} in use, {} rejected", class.in_use, class.rejected());
/// }
/// # Ok::<(), floodwall::Rejection>(())
/// ```
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(bound = ""))]
#[non_exhaustive]
pub struct Snapshot<C> {
    /// The permits of the whole pool.
    pub capacity: u32,
    /// Permits in use / capacity.
    pub utilization: f64,
    /// The [pressure](crate::Floodwall::set_pressure) of the wall.
    pub pressure: f64,
    /// Whether the wall is [closed](crate::Floodwall::close). Limits are shown as configured in that case too.
    pub closed: bool,
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize_classes"))]
    pub(crate) classes: Classes,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) class: PhantomData<fn() -> C>,
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
    /// The guarantee.
    pub guarantee: u32,
    /// The cap, or the capacity if that is lower.
    pub cap: u32,
    /// The most permits that the class can ever hold: the cap, or the permits that are not guaranteed to other classes
    /// if those are fewer. Compare the peak with this number.
    pub reachable: u32,
    /// The probability that a request for one permit is shed, at the utilization or the wall's pressure, whichever is
    /// higher, if no limit rejects it: 0 within the guarantee.
    pub reject_probability: f64,
    /// The largest number of permits in use since the last [`take_peaks`](crate::Floodwall::take_peaks).
    pub peak: u32,
    /// Requests admitted since the wall was created.
    pub admitted: u64,
    /// Requests shed by the curve.
    pub shed: u64,
    /// Requests rejected because the class was full.
    pub class_full: u64,
    /// Requests rejected because the pool was full.
    pub pool_full: u64,
    /// Requests rejected because they were for more permits than the class can ever hold.
    pub too_large: u64,
    /// Requests rejected because the wall was closed.
    pub closed: u64,
    /// Whether the class is in [dry run](crate::Floodwall::set_dry_run).
    pub dry_run: bool,
    /// Requests admitted only because the class was in dry run.
    pub would_reject: WouldReject,
}

/// The requests that a dry run has admitted instead of rejecting them, by the reason. They are counted as admitted too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct WouldReject {
    /// Requests that the curve would have shed.
    pub shed: u64,
    /// Requests for which the class was full.
    pub class_full: u64,
    /// Requests for which the pool was full.
    pub pool_full: u64,
    /// Requests for more permits than the class can ever hold.
    pub too_large: u64,
}

impl WouldReject {
    /// Creates the counts from numbers by [`Reason::index`]. No dry run admits a request to a closed wall.
    pub(super) fn new([shed, class_full, pool_full, too_large, _]: [u64; Reason::COUNT]) -> Self {
        WouldReject {
            shed,
            class_full,
            pool_full,
            too_large,
        }
    }

    /// Returns the requests that would have been rejected, for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.shed + self.class_full + self.pool_full + self.too_large
    }

    fn since(&self, earlier: &WouldReject) -> WouldReject {
        WouldReject {
            shed: self.shed.saturating_sub(earlier.shed),
            class_full: self.class_full.saturating_sub(earlier.class_full),
            pool_full: self.pool_full.saturating_sub(earlier.pool_full),
            too_large: self.too_large.saturating_sub(earlier.too_large),
        }
    }
}

impl ClassSnapshot {
    /// Returns the requests rejected, for any reason.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.shed + self.class_full + self.pool_full + self.too_large + self.closed
    }

    fn since(&self, earlier: &ClassSnapshot) -> ClassSnapshot {
        ClassSnapshot {
            admitted: self.admitted.saturating_sub(earlier.admitted),
            shed: self.shed.saturating_sub(earlier.shed),
            class_full: self.class_full.saturating_sub(earlier.class_full),
            pool_full: self.pool_full.saturating_sub(earlier.pool_full),
            too_large: self.too_large.saturating_sub(earlier.too_large),
            closed: self.closed.saturating_sub(earlier.closed),
            would_reject: self.would_reject.since(&earlier.would_reject),
            ..*self
        }
    }
}

impl<C: Class> Snapshot<C> {
    /// Returns the classes, ordered by index.
    #[must_use]
    pub fn classes(&self) -> &[ClassSnapshot] {
        &self.classes.all[..self.classes.count]
    }

    /// Returns an iterator over the classes, each with its snapshot.
    pub fn iter(&self) -> impl Iterator<Item = (C, &ClassSnapshot)> {
        C::ALL.iter().map(|&class| (class, &self[class]))
    }

    /// Returns the permits in use by all classes.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.classes().iter().map(|class| class.in_use).sum()
    }

    /// Returns the requests rejected in all classes, for any reason.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.classes().iter().map(ClassSnapshot::rejected).sum()
    }

    /// Returns this snapshot with the numbers of requests since an earlier one of the same wall, for rates.
    #[must_use]
    pub fn since(&self, earlier: &Snapshot<C>) -> Snapshot<C> {
        let mut since = *self;
        for (class, earlier) in since.classes.all.iter_mut().zip(&earlier.classes.all) {
            *class = class.since(earlier);
        }
        since
    }
}

/// The snapshot of a class.
///
/// # Panics
/// If the class's index is out of range.
impl<C: Class> Index<C> for Snapshot<C> {
    type Output = ClassSnapshot;

    #[track_caller]
    fn index(&self, class: C) -> &ClassSnapshot {
        &self.classes.all[index_of(class)]
    }
}

// Derived, these would be bound by `C`.
impl<C> Clone for Snapshot<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Snapshot<C> {}

impl<C> PartialEq for Snapshot<C> {
    fn eq(&self, other: &Self) -> bool {
        (self.capacity, self.utilization, self.pressure, self.closed)
            == (
                other.capacity,
                other.utilization,
                other.pressure,
                other.closed,
            )
            && self.classes == other.classes
    }
}

impl<C: Class> fmt::Debug for Snapshot<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("capacity", &self.capacity)
            .field("utilization", &self.utilization)
            .field("pressure", &self.pressure)
            .field("closed", &self.closed)
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
