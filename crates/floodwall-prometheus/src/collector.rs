//! The collector: its documentation, and what it reads.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use floodwall::{Bulkhead, Class, Floodwall, Gauge};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::families;
use crate::source::{BulkheadState, DuplicateName, GaugeState, Peaks, Sources, WallState};

/// A [`Collector`] of any number of [`Floodwall`]s, [`Bulkhead`]s and [`Gauge`]s.
///
/// It keeps a pointer to each, a `&'static` or an [`Arc`](std::sync::Arc), with the name that its samples carry. Walls
/// of one collector may have different class types. Register one collector per registry: a family may occur only once in
/// a scrape.
///
/// # Metrics
/// A registry with a prefix puts it before these names.
///
/// | family | type | labels | value |
/// |---|---|---|---|
/// | `floodwall_in_use` | gauge | `wall`, `class` | permits in use |
/// | `floodwall_guarantee` | gauge | `wall`, `class` | permits that the class can always acquire |
/// | `floodwall_cap` | gauge | `wall`, `class` | most permits that the class may hold |
/// | `floodwall_reachable` | gauge | `wall`, `class` | most permits that the class can ever hold |
/// | `floodwall_peak` | gauge | `wall`, `class` | most permits in use at once since the previous scrape |
/// | `floodwall_reject_probability_ratio` | gauge | `wall`, `class` | probability that a request is shed |
/// | `floodwall_dry_run` | gauge | `wall`, `class` | 1 if the class is in dry run |
/// | `floodwall_admitted_total` | counter | `wall`, `class` | requests admitted |
/// | `floodwall_rejected_total` | counter | `wall`, `class`, `reason` | requests rejected |
/// | `floodwall_would_reject_total` | counter | `wall`, `class`, `reason` | requests admitted only because of a dry run |
/// | `floodwall_capacity` | gauge | `wall` | permits of the whole pool |
/// | `floodwall_utilization_ratio` | gauge | `wall` | permits in use / capacity |
/// | `floodwall_pressure_ratio` | gauge | `wall` | pressure |
/// | `floodwall_closed` | gauge | `wall` | 1 if the wall is closed |
/// | `floodwall_bulkhead_in_use` | gauge | `bulkhead` | permits in use |
/// | `floodwall_bulkhead_limit` | gauge | `bulkhead` | limit |
/// | `floodwall_bulkhead_utilization_ratio` | gauge | `bulkhead` | permits in use / limit |
/// | `floodwall_pool_active` | gauge | `pool` | active callers of a [`Gauge`] |
/// | `floodwall_pool_capacity` | gauge | `pool` | capacity of a [`Gauge`] |
/// | `floodwall_pool_utilization_ratio` | gauge | `pool` | active / capacity |
/// | `floodwall_pool_peak` | gauge | `pool` | most active callers at once since the previous scrape |
///
/// `reason` is a name that [`Reason::name`](floodwall::Reason::name) returns. Every reason has a sample in every scrape,
/// also with the value 0, so `rate` and `increase` see the first rejection. A dry run never admits a request to a closed
/// wall, so `floodwall_would_reject_total` has no reason `closed`. Names are escaped where the format needs it.
/// Prometheus treats an empty label as a missing one, so names should not be empty.
///
/// # Consistency
/// All samples of a wall in one scrape come from one [`snapshot`](Floodwall::snapshot): permits and limits are of one
/// instant, and counters and peaks may include later requests. Different walls are read one after the other. The samples
/// of a bulkhead or a gauge are read one after the other too, and the utilization is computed from them.
///
/// # Peaks
/// A scrape restarts the peaks, so a peak covers exactly the time since the previous scrape. Every encoding of the
/// registry is a scrape, also one for a person with a browser. With two scrapers, such as a pair of Prometheus servers,
/// each sees only the time since the latest scrape of either, and a peak is in the samples of one of them: take the
/// maximum over both, or choose [`keep_peaks`](Self::keep_peaks).
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use floodwall::Bulkhead;
/// use floodwall_prometheus::FloodwallCollector;
/// use prometheus_client::{encoding::text, registry::Registry};
///
/// let tenants = ["acme", "initech"].map(|name| (name, Arc::new(Bulkhead::new(5))));
/// let mut metrics = FloodwallCollector::new();
/// for (name, bulkhead) in &tenants {
///     metrics = metrics.try_bulkhead(*name, Arc::clone(bulkhead))?;
/// }
/// let mut registry = Registry::with_prefix("app");
/// registry.register_collector(Box::new(metrics));
///
/// let mut scrape = String::new();
/// text::encode(&mut scrape, &registry).unwrap();
/// assert!(scrape.contains(r#"app_floodwall_bulkhead_limit{bulkhead="acme"} 5"#));
/// # Ok::<(), floodwall_prometheus::DuplicateName>(())
/// ```
pub struct FloodwallCollector {
    peaks: Peaks,
    walls: Sources<WallState>,
    bulkheads: Sources<BulkheadState>,
    gauges: Sources<GaugeState>,
}

impl FloodwallCollector {
    /// Creates a collector that collects nothing yet.
    #[must_use]
    pub fn new() -> Self {
        FloodwallCollector {
            peaks: Peaks::default(),
            walls: Sources::new("wall"),
            bulkheads: Sources::new("bulkhead"),
            gauges: Sources::new("gauge"),
        }
    }

    /// Adds a wall. Its samples have the label `wall` with this name.
    ///
    /// # Panics
    /// If the collector has a wall of that name already, with the text of [`DuplicateName`].
    #[must_use]
    #[track_caller]
    pub fn floodwall<C: Class>(
        self,
        name: impl Into<Cow<'static, str>>,
        wall: impl Deref<Target = Floodwall<C>> + Send + Sync + 'static,
    ) -> Self {
        unwrap(self.try_floodwall(name, wall))
    }

    /// Adds a wall as [`floodwall`](Self::floodwall) does.
    ///
    /// # Errors
    /// [`DuplicateName`] if the collector has a wall of that name already.
    pub fn try_floodwall<C: Class>(
        mut self,
        name: impl Into<Cow<'static, str>>,
        wall: impl Deref<Target = Floodwall<C>> + Send + Sync + 'static,
    ) -> Result<Self, DuplicateName> {
        self.walls
            .add(name.into(), move |peaks| WallState::read(&wall, peaks))?;
        Ok(self)
    }

    /// Adds a bulkhead. Its samples have the label `bulkhead` with this name.
    ///
    /// # Panics
    /// If the collector has a bulkhead of that name already, with the text of [`DuplicateName`].
    #[must_use]
    #[track_caller]
    pub fn bulkhead(
        self,
        name: impl Into<Cow<'static, str>>,
        bulkhead: impl Deref<Target = Bulkhead> + Send + Sync + 'static,
    ) -> Self {
        unwrap(self.try_bulkhead(name, bulkhead))
    }

    /// Adds a bulkhead as [`bulkhead`](Self::bulkhead) does.
    ///
    /// # Errors
    /// [`DuplicateName`] if the collector has a bulkhead of that name already.
    pub fn try_bulkhead(
        mut self,
        name: impl Into<Cow<'static, str>>,
        bulkhead: impl Deref<Target = Bulkhead> + Send + Sync + 'static,
    ) -> Result<Self, DuplicateName> {
        self.bulkheads
            .add(name.into(), move |_| BulkheadState::read(&bulkhead))?;
        Ok(self)
    }

    /// Adds a gauge. Its samples have the label `pool` with this name, because a gauge measures a pool.
    ///
    /// # Panics
    /// If the collector has a gauge of that name already, with the text of [`DuplicateName`].
    #[must_use]
    #[track_caller]
    pub fn gauge(
        self,
        name: impl Into<Cow<'static, str>>,
        gauge: impl Deref<Target = Gauge> + Send + Sync + 'static,
    ) -> Self {
        unwrap(self.try_gauge(name, gauge))
    }

    /// Adds a gauge as [`gauge`](Self::gauge) does.
    ///
    /// # Errors
    /// [`DuplicateName`] if the collector has a gauge of that name already.
    pub fn try_gauge(
        mut self,
        name: impl Into<Cow<'static, str>>,
        gauge: impl Deref<Target = Gauge> + Send + Sync + 'static,
    ) -> Result<Self, DuplicateName> {
        self.gauges
            .add(name.into(), move |peaks| GaugeState::read(&gauge, peaks))?;
        Ok(self)
    }

    /// Shows peaks without restarting them, so that several scrapers see the same peaks.
    ///
    /// A peak then covers the time since the program's last call of [`Floodwall::take_peaks`] or [`Gauge::take_peak`],
    /// or all time without one. A program that calls them once per period, longer than the interval of each scraper,
    /// keeps the peaks recent.
    ///
    /// # Examples
    /// ```
    /// use floodwall::Gauge;
    /// use floodwall_prometheus::FloodwallCollector;
    /// use prometheus_client::{encoding::text, registry::Registry};
    ///
    /// static WORKERS: Gauge = Gauge::new(8);
    ///
    /// let metrics = FloodwallCollector::new().gauge("workers", &WORKERS).keep_peaks();
    /// let mut registry = Registry::default();
    /// registry.register_collector(Box::new(metrics));
    ///
    /// drop(WORKERS.enter());
    /// for _ in 0..2 {
    ///     let mut scrape = String::new();
    ///     text::encode(&mut scrape, &registry).unwrap();
    ///     assert!(scrape.contains(r#"floodwall_pool_peak{pool="workers"} 1"#));
    /// }
    /// ```
    #[must_use]
    pub fn keep_peaks(mut self) -> Self {
        self.peaks = Peaks::Keep;
        self
    }
}

impl Default for FloodwallCollector {
    fn default() -> Self {
        FloodwallCollector::new()
    }
}

impl Collector for FloodwallCollector {
    /// Encodes one scrape.
    ///
    /// # Errors
    /// If the encoder returns one.
    ///
    /// # Progress
    /// Lock-free, as [`Floodwall::take_peaks`], except for what the encoder does.
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        // All states are read before the first family is encoded: each family has samples of all walls.
        let walls = self.walls.read(self.peaks);
        let bulkheads = self.bulkheads.read(self.peaks);
        let gauges = self.gauges.read(self.peaks);
        families::encode_walls(&mut encoder, &walls)?;
        families::encode_bulkheads(&mut encoder, &bulkheads)?;
        families::encode_gauges(&mut encoder, &gauges)
    }
}

/// Writes the names of the walls, bulkheads and gauges, and reads none of them.
impl fmt::Debug for FloodwallCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FloodwallCollector")
            .field("peaks", &self.peaks)
            .field("walls", &self.walls)
            .field("bulkheads", &self.bulkheads)
            .field("gauges", &self.gauges)
            .finish()
    }
}

#[track_caller]
fn unwrap(collector: Result<FloodwallCollector, DuplicateName>) -> FloodwallCollector {
    match collector {
        Ok(collector) => collector,
        Err(error) => panic!("{error}"),
    }
}
