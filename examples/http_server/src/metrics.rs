//! `/metrics`: what Prometheus scrapes.

use floodwall_prometheus::FloodwallCollector;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use crate::http::Response;
use crate::wall::WALL;

/// Returns the samples of the wall. Each scrape restarts the peaks.
pub(crate) fn response() -> Response {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(FloodwallCollector::new().floodwall("http", &WALL)));
    let mut body = String::new();
    text::encode(&mut body, &registry).expect("writing to a String never fails");
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Response::new("200 OK", OPEN_METRICS, body)
}
