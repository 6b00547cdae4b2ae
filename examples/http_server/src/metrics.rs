//! `/metrics`, which Prometheus scrapes.

use floodwall_prometheus::FloodwallCollector;
use hyper::StatusCode;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;

use crate::connections::{ADMIN_CONNECTIONS, CONNECTIONS, closed_over_limit};
use crate::edge::{Response, response};
use crate::pool::BUSY;
use crate::wall::WALL;

/// Returns the samples of the wall, the connections and the pool. Each scrape restarts the peaks.
pub(crate) fn metrics() -> Response {
    let collector = FloodwallCollector::new()
        .floodwall("http", &WALL)
        .bulkhead("connections", &CONNECTIONS)
        .bulkhead("admin connections", &ADMIN_CONNECTIONS)
        .gauge("threads", &BUSY);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(collector));
    registry.register(
        "http_connections_closed_over_limit",
        "Connections closed without a response, because as many as allowed were open",
        ConstCounter::new(closed_over_limit()),
    );
    let mut body = String::new();
    text::encode(&mut body, &registry).expect("writing to a String never fails");
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    response(StatusCode::OK, OPEN_METRICS, body)
}
