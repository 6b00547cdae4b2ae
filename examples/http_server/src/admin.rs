//! Routes of operators, probes and Prometheus. They have a listener and a thread of their own, which clients cannot occupy.

use std::sync::Arc;
use std::time::Duration;

use floodwall::Reason;
use hyper::StatusCode;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::app::{App, method_not_allowed};
use crate::edge::{Phase, Request, Response, text};
use crate::metrics::metrics;
use crate::page::{self, RejectRatios};
use crate::rules;
use crate::wall::{Kind, WALL};

/// Longest time that a pool with a free thread takes to start a job.
const LIVENESS_TIMEOUT: Duration = Duration::from_millis(500);

pub(crate) struct Admin {
    pub(crate) app: Arc<App>,
    /// Token for `/admin/rules`; without one, the route is disabled.
    pub(crate) token: Option<String>,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) reject_ratios: watch::Receiver<RejectRatios>,
}

impl Admin {
    pub(crate) async fn respond(&self, request: Request) -> Response {
        let token = self.token.as_deref();
        // HEAD gets the response to GET; hyper leaves out the body.
        let is_get = matches!(request.method().as_str(), "GET" | "HEAD");
        match request.uri().path() {
            "/admin/rules" if is_get => rules::get(&request, token),
            "/admin/rules" if request.method() == "PUT" => rules::put(&request, token),
            "/admin/rules" => method_not_allowed("GET, HEAD, PUT"),
            "/admin/rules/check" if request.method() == "POST" => rules::check(&request, token),
            "/admin/rules/check" => method_not_allowed("POST"),
            "/" | "/metrics" | "/healthz" | "/readyz" if !is_get => method_not_allowed("GET, HEAD"),
            "/" => page::response(&self.reject_ratios.borrow()),
            "/metrics" => metrics(),
            "/healthz" => self.liveness().await,
            "/readyz" => self.readiness(),
            _ => text(StatusCode::NOT_FOUND, "not found"),
        }
    }

    /// Returns 200 if a pool thread runs a job: an orchestrator should restart the server otherwise.
    ///
    /// A server that is full or shutting down is alive.
    async fn liveness(&self) -> Response {
        let unavailable = |line: &str| text(StatusCode::SERVICE_UNAVAILABLE, line);
        match self.app.admit(Kind::Health) {
            Ok(permit) => match timeout(LIVENESS_TIMEOUT, self.app.pool.run(permit, || ())).await {
                Ok(_) => text(StatusCode::OK, "alive"),
                Err(_) => unavailable("no pool thread was free for half a second"),
            },
            Err(rejection) if matches!(rejection.reason(), Reason::Closed) => {
                text(StatusCode::OK, "closed")
            }
            Err(rejection) => unavailable(&rejection.to_string()),
        }
    }

    /// Returns 200 if a balancer should send requests.
    ///
    /// A full server is ready: it rejects by class, better than a balancer that takes it out and moves its load to the
    /// others.
    fn readiness(&self) -> Response {
        let phase = *self.phase.borrow();
        if phase != Phase::Serving {
            text(StatusCode::SERVICE_UNAVAILABLE, "shutting down")
        } else if WALL.is_closed() {
            text(StatusCode::SERVICE_UNAVAILABLE, "closed")
        } else {
            text(StatusCode::OK, "ready")
        }
    }
}
