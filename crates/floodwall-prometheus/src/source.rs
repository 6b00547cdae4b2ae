//! The sources that a collector reads: a name, and a function that reads one state.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use floodwall::{Bulkhead, Class, ClassSnapshot, Floodwall, Gauge};

/// Whether a scrape restarts the peaks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Peaks {
    #[default]
    Restart,
    Keep,
}

/// A wall, a bulkhead or a gauge, without its type: walls of one collector may have different classes.
struct Source<T> {
    name: Cow<'static, str>,
    read: Box<dyn Fn(Peaks) -> T + Send + Sync>,
}

/// All sources of one kind, in the order in which they were added.
pub(crate) struct Sources<T> {
    /// The noun for error texts.
    kind: &'static str,
    all: Vec<Source<T>>,
}

impl<T> Sources<T> {
    pub(crate) fn new(kind: &'static str) -> Self {
        Sources {
            kind,
            all: Vec::new(),
        }
    }

    pub(crate) fn add(
        &mut self,
        name: Cow<'static, str>,
        read: impl Fn(Peaks) -> T + Send + Sync + 'static,
    ) -> Result<(), DuplicateName> {
        if self.all.iter().any(|source| source.name == name) {
            return Err(DuplicateName {
                kind: self.kind,
                name: name.into_owned(),
            });
        }
        self.all.push(Source {
            name,
            read: Box::new(read),
        });
        Ok(())
    }

    /// Reads each source once.
    pub(crate) fn read(&self, peaks: Peaks) -> Vec<(&str, T)> {
        self.all
            .iter()
            .map(|source| (&*source.name, (source.read)(peaks)))
            .collect()
    }
}

/// Writes the names.
impl<T> fmt::Debug for Sources<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.all.iter().map(|source| &source.name);
        f.debug_list().entries(names).finish()
    }
}

/// The state of a wall in one snapshot.
pub(crate) struct WallState {
    pub(crate) capacity: u32,
    pub(crate) utilization: f64,
    pub(crate) pressure: f64,
    pub(crate) closed: bool,
    pub(crate) classes: Vec<ClassSnapshot>,
}

impl WallState {
    pub(crate) fn read<C: Class>(wall: &Floodwall<C>, peaks: Peaks) -> Self {
        let snapshot = match peaks {
            Peaks::Restart => wall.take_peaks(),
            Peaks::Keep => wall.snapshot(),
        };
        WallState {
            capacity: snapshot.capacity,
            utilization: snapshot.utilization,
            pressure: snapshot.pressure,
            closed: snapshot.closed,
            classes: snapshot.classes().to_vec(),
        }
    }
}

/// The state of a bulkhead.
pub(crate) struct BulkheadState {
    pub(crate) in_use: u32,
    pub(crate) limit: u32,
}

impl BulkheadState {
    pub(crate) fn read(bulkhead: &Bulkhead) -> Self {
        BulkheadState {
            in_use: bulkhead.in_use(),
            limit: bulkhead.limit(),
        }
    }

    pub(crate) fn utilization(&self) -> f64 {
        ratio(self.in_use, self.limit)
    }
}

/// The state of a gauge.
pub(crate) struct GaugeState {
    pub(crate) active: u32,
    pub(crate) capacity: u32,
    pub(crate) peak: u32,
}

impl GaugeState {
    pub(crate) fn read(gauge: &Gauge, peaks: Peaks) -> Self {
        let active = gauge.active();
        let peak = match peaks {
            Peaks::Restart => gauge.take_peak(),
            Peaks::Keep => gauge.peak(),
        };
        GaugeState {
            active,
            capacity: gauge.capacity(),
            // A concurrent scrape may have taken the peak that `active` belongs to.
            peak: peak.max(active),
        }
    }

    pub(crate) fn utilization(&self) -> f64 {
        ratio(self.active, self.capacity)
    }
}

/// Returns the utilization as `floodwall` does, from the numbers that the same scrape shows.
fn ratio(in_use: u32, limit: u32) -> f64 {
    if limit == 0 {
        1.0
    } else {
        f64::from(in_use) / f64::from(limit)
    }
}

/// The error returned when a collector has a wall, a bulkhead or a gauge of that name already.
///
/// Its samples would have the labels of the other, and Prometheus would reject the scrape.
///
/// # Examples
/// ```
/// use floodwall::Bulkhead;
/// use floodwall_prometheus::FloodwallCollector;
///
/// static DATABASE: Bulkhead = Bulkhead::new(10);
///
/// let metrics = FloodwallCollector::new().bulkhead("database", &DATABASE);
/// let error = metrics.try_bulkhead("database", &DATABASE).unwrap_err();
/// assert_eq!(error.to_string(), r#"the collector has a bulkhead named "database" already"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DuplicateName {
    /// The kind of the source: `wall`, `bulkhead` or `gauge`.
    pub kind: &'static str,
    /// The name.
    pub name: String,
}

impl fmt::Display for DuplicateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DuplicateName { kind, name } = self;
        write!(f, "the collector has a {kind} named {name:?} already")
    }
}

impl Error for DuplicateName {}
