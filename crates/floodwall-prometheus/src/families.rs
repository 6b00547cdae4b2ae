//! The metric families. Each is encoded once per scrape, with the samples of all sources.
//!
//! A family has the name of the field of the snapshot that it shows. Only ratios have a unit.

use std::fmt;

use floodwall::ClassSnapshot;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::source::{BulkheadState, GaugeState, WallState};

pub(crate) fn encode_walls(
    encoder: &mut DescriptorEncoder,
    walls: &[(&str, WallState)],
) -> fmt::Result {
    if walls.is_empty() {
        return Ok(());
    }
    let classes: Vec<_> = walls
        .iter()
        .flat_map(|(wall, state)| {
            let labels = |class: &ClassSnapshot| [("wall", *wall), ("class", class.name)];
            state
                .classes
                .iter()
                .map(move |class| (labels(class), class))
        })
        .collect();
    let mut class_gauge = |name, help, value: fn(&ClassSnapshot) -> u32| {
        encode_gauge(encoder, name, help, None, &classes, |class| value(class))
    };
    class_gauge("floodwall_in_use", "Permits in use.", |class| class.in_use)?;
    class_gauge(
        "floodwall_guarantee",
        "Permits that the class can always acquire.",
        |class| class.guarantee,
    )?;
    class_gauge(
        "floodwall_cap",
        "Most permits that the class may hold.",
        |class| class.cap,
    )?;
    class_gauge(
        "floodwall_reachable",
        "Most permits that the class can ever hold: its cap, or what is not guaranteed to other classes.",
        |class| class.reachable,
    )?;
    class_gauge(
        "floodwall_peak",
        "Most permits in use at once since the peak was last restarted, by default at the previous scrape.",
        |class| class.peak,
    )?;
    class_gauge(
        "floodwall_dry_run",
        "1 if the class is in dry run, else 0.",
        |class| class.dry_run.into(),
    )?;
    encode_gauge(
        encoder,
        "floodwall_reject_probability",
        "Probability that a request for one more permit of the class is shed if no limit rejects it.",
        Some(&ratio()),
        &classes,
        |class| class.reject_probability,
    )?;

    encode_counter(
        encoder,
        "floodwall_admitted",
        "Requests admitted.",
        &classes,
        |class| class.admitted,
    )?;
    encode_counter(
        encoder,
        "floodwall_rejected",
        "Requests rejected, by reason.",
        &by_reason(&classes, rejected),
        |&count| count,
    )?;
    encode_counter(
        encoder,
        "floodwall_would_reject",
        "Requests admitted only because the class was in dry run, by the reason for which they would be rejected.",
        &by_reason(&classes, would_reject),
        |&count| count,
    )?;

    let walls = labelled("wall", walls);
    encode_gauge(
        encoder,
        "floodwall_capacity",
        "Permits of the whole pool.",
        None,
        &walls,
        |wall| wall.capacity,
    )?;
    encode_gauge(
        encoder,
        "floodwall_utilization",
        "Permits in use divided by the capacity.",
        Some(&ratio()),
        &walls,
        |wall| wall.utilization,
    )?;
    encode_gauge(
        encoder,
        "floodwall_pressure",
        "Load signal from outside the wall, which curves see if it is higher than the utilization.",
        Some(&ratio()),
        &walls,
        |wall| wall.pressure,
    )?;
    encode_gauge(
        encoder,
        "floodwall_closed",
        "1 if the wall is closed and rejects every request, else 0.",
        None,
        &walls,
        |wall| u32::from(wall.closed),
    )
}

pub(crate) fn encode_bulkheads(
    encoder: &mut DescriptorEncoder,
    bulkheads: &[(&str, BulkheadState)],
) -> fmt::Result {
    if bulkheads.is_empty() {
        return Ok(());
    }
    let bulkheads = labelled("bulkhead", bulkheads);
    encode_gauge(
        encoder,
        "floodwall_bulkhead_in_use",
        "Permits of the bulkhead in use.",
        None,
        &bulkheads,
        |bulkhead| bulkhead.in_use,
    )?;
    encode_gauge(
        encoder,
        "floodwall_bulkhead_limit",
        "Most permits that may be in use.",
        None,
        &bulkheads,
        |bulkhead| bulkhead.limit,
    )?;
    encode_gauge(
        encoder,
        "floodwall_bulkhead_utilization",
        "Permits in use divided by the limit.",
        Some(&ratio()),
        &bulkheads,
        |bulkhead| bulkhead.utilization(),
    )
}

pub(crate) fn encode_gauges(
    encoder: &mut DescriptorEncoder,
    gauges: &[(&str, GaugeState)],
) -> fmt::Result {
    if gauges.is_empty() {
        return Ok(());
    }
    // Prometheus's rules for names forbid the word `gauge`, the type of the metric.
    let pools = labelled("pool", gauges);
    encode_gauge(
        encoder,
        "floodwall_pool_active",
        "Threads of the pool that are active.",
        None,
        &pools,
        |pool| pool.active,
    )?;
    encode_gauge(
        encoder,
        "floodwall_pool_capacity",
        "Threads of the pool.",
        None,
        &pools,
        |pool| pool.capacity,
    )?;
    encode_gauge(
        encoder,
        "floodwall_pool_utilization",
        "Active threads divided by the threads of the pool.",
        Some(&ratio()),
        &pools,
        |pool| pool.utilization(),
    )?;
    encode_gauge(
        encoder,
        "floodwall_pool_peak",
        "Most threads active at once since the peak was last restarted, by default at the previous scrape.",
        None,
        &pools,
        |pool| pool.peak,
    )
}

/// Returns the requests rejected, with the names that `Reason::name` returns.
fn rejected(class: &ClassSnapshot) -> [(&'static str, u64); 5] {
    [
        ("shed", class.shed),
        ("class_full", class.class_full),
        ("pool_full", class.pool_full),
        ("too_large", class.too_large),
        ("closed", class.closed),
    ]
}

/// Returns the requests that a dry run admitted. It admits none to a closed wall.
fn would_reject(class: &ClassSnapshot) -> [(&'static str, u64); 4] {
    let count = class.would_reject;
    [
        ("shed", count.shed),
        ("class_full", count.class_full),
        ("pool_full", count.pool_full),
        ("too_large", count.too_large),
    ]
}

type Label<'a> = (&'static str, &'a str);

fn by_reason<'a, const N: usize>(
    classes: &[([Label<'a>; 2], &ClassSnapshot)],
    counts: fn(&ClassSnapshot) -> [(&'static str, u64); N],
) -> Vec<([Label<'a>; 3], u64)> {
    classes
        .iter()
        .flat_map(|&([wall, class], snapshot)| {
            counts(snapshot).map(|(reason, count)| ([wall, class, ("reason", reason)], count))
        })
        .collect()
}

fn labelled<'a, T>(label: &'static str, sources: &'a [(&str, T)]) -> Vec<([Label<'a>; 1], &'a T)> {
    sources
        .iter()
        .map(|(name, state)| ([(label, *name)], state))
        .collect()
}

/// Returns the unit of a fraction, which the encoder appends to the name. `Unit::Ratios` is the plural, which is not
/// customary.
fn ratio() -> Unit {
    Unit::Other("ratio".to_owned())
}

fn encode_gauge<L: EncodeLabelSet, T, V: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    samples: &[(L, T)],
    value: impl Fn(&T) -> V,
) -> fmt::Result {
    let family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
    encode_samples(family, samples, |mut sample, state| {
        sample.encode_gauge(&value(state))
    })
}

/// Encodes a family of counters. The encoder appends `_total` to the name.
fn encode_counter<L: EncodeLabelSet, T>(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    samples: &[(L, T)],
    value: impl Fn(&T) -> u64,
) -> fmt::Result {
    let family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    encode_samples(family, samples, |mut sample, state| {
        sample.encode_counter::<NoLabelSet, _, f64>(&value(state), None)
    })
}

fn encode_samples<L: EncodeLabelSet, T>(
    mut family: MetricEncoder,
    samples: &[(L, T)],
    encode: impl Fn(MetricEncoder, &T) -> fmt::Result,
) -> fmt::Result {
    samples
        .iter()
        .try_for_each(|(labels, state)| encode(family.encode_family(labels)?, state))
}
