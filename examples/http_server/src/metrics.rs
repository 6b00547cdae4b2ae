//! The wall's snapshot in the Prometheus text format.

use floodwall::{ClassSnapshot, Snapshot};
use prometheus::{Encoder, GaugeVec, IntCounterVec, Opts, Registry, TextEncoder};

use crate::http::Response;
use crate::wall::{Kind, WALL};

pub(crate) fn response() -> Response {
    let text = text(&WALL.snapshot()).expect("metric names are valid");
    Response::new("200 OK", TextEncoder::new().format_type(), text)
}

/// Formats a snapshot. Each call builds a new registry, so that all values come from one snapshot.
fn text(snapshot: &Snapshot<Kind>) -> prometheus::Result<String> {
    let registry = Registry::new();
    let gauge = |name: &str, help: &str, value: f64| {
        let gauge = prometheus::Gauge::new(name, help)?;
        gauge.set(value);
        registry.register(Box::new(gauge))
    };
    gauge(
        "floodwall_capacity",
        "Permits of the whole pool.",
        snapshot.capacity.into(),
    )?;
    gauge(
        "floodwall_utilization_ratio",
        "Permits in use divided by the capacity.",
        snapshot.utilization,
    )?;
    gauge(
        "floodwall_closed",
        "1 if the wall is closed.",
        f64::from(u8::from(snapshot.closed)),
    )?;

    let per_class = |name: &str, help: &str, value: fn(&ClassSnapshot) -> f64| {
        let gauges = GaugeVec::new(Opts::new(name, help), &["class"])?;
        for class in snapshot.classes() {
            gauges.with_label_values(&[class.name]).set(value(class));
        }
        registry.register(Box::new(gauges))
    };
    per_class("floodwall_in_use", "Permits in use.", |class| {
        class.in_use.into()
    })?;
    per_class(
        "floodwall_guarantee",
        "Permits that the class can always acquire.",
        |class| class.guarantee.into(),
    )?;
    per_class(
        "floodwall_cap",
        "Most permits that the class may hold.",
        |class| class.cap.into(),
    )?;
    per_class(
        "floodwall_reachable",
        "Most permits that the class can ever hold: its cap, or what is not guaranteed to other classes.",
        |class| class.reachable.into(),
    )?;
    per_class(
        "floodwall_peak",
        "Most permits in use at once since the server started.",
        |class| class.peak.into(),
    )?;
    per_class(
        "floodwall_reject_probability_ratio",
        "Probability that the next request of the class is shed.",
        |class| class.reject_probability,
    )?;

    let admitted = Opts::new("floodwall_admitted_total", "Requests admitted.");
    let admitted = IntCounterVec::new(admitted, &["class"])?;
    let rejected = Opts::new("floodwall_rejected_total", "Requests rejected.");
    let rejected = IntCounterVec::new(rejected, &["class", "reason"])?;
    for class in snapshot.classes() {
        admitted
            .with_label_values(&[class.name])
            .inc_by(class.admitted);
        // The names that `Reason::name` returns.
        for (reason, count) in [
            ("shed", class.shed),
            ("class_full", class.class_full),
            ("pool_full", class.pool_full),
            ("too_large", class.too_large),
            ("closed", class.closed),
        ] {
            rejected
                .with_label_values(&[class.name, reason])
                .inc_by(count);
        }
    }
    registry.register(Box::new(admitted))?;
    registry.register(Box::new(rejected))?;

    let mut text = String::new();
    TextEncoder::new().encode_utf8(&registry.gather(), &mut text)?;
    Ok(text)
}
