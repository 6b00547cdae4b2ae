//! Routes: classifies a request, admits it, and runs its handler on the pool.

use std::thread;
use std::time::Duration;

use floodwall::{Permit, Rejection};

use crate::head::Head;
use crate::http::{Connection, RequestError, Response};
use crate::pool::Pool;
use crate::wall::{Kind, WALL};
use crate::{admin, metrics, page};

/// State shared by all connections.
pub(crate) struct App {
    pub(crate) pool: Pool,
    /// If false, every request is admitted, to show what the wall prevents.
    pub(crate) has_wall: bool,
    /// Time that the simulated backend takes.
    pub(crate) backend_time: Duration,
    /// Whether a handler panics if the request has the header `X-Panic`.
    pub(crate) may_panic: bool,
    /// Token for `/admin/rules`; without one, the route is disabled.
    pub(crate) admin_token: Option<String>,
}

impl App {
    /// Returns the response to a request whose head has been read.
    pub(crate) fn respond(
        &self,
        head: &Head,
        connection: &mut Connection,
    ) -> Result<Response, RequestError> {
        // HEAD gets the response to GET, without the body.
        let method = match head.method.as_str() {
            "HEAD" => "GET",
            other => other,
        };
        let kind = match (method, head.path()) {
            ("POST", "/message") => Kind::Message,
            ("POST", "/login") => Kind::Login,
            ("POST", "/login/background") => background_login(head),
            ("GET", "/healthz") => Kind::Health,
            // Operators' routes run on the connection thread and need no permit: a storm cannot block them.
            ("GET", "/") => return Ok(page::response()),
            ("GET", "/metrics") => return Ok(metrics::response()),
            ("GET" | "PUT", "/admin/rules") => {
                return admin::response(head, connection, self.admin_token.as_deref());
            }
            _ => return Ok(Response::text("404 Not Found", "not found")),
        };
        // Before the body is read: a rejected client need not send it.
        match self.admit(kind) {
            Ok(permit) => {
                let body = match kind {
                    // Not read: two clients that withhold theirs would block all health checks.
                    Kind::Health => Vec::new(),
                    Kind::Message | Kind::Login | Kind::BackgroundLogin => {
                        connection.read_body(head)?
                    }
                };
                Ok(self.handle(kind, head, body, permit))
            }
            Err(rejection) => Ok(rejected(&rejection)),
        }
    }

    fn admit(&self, kind: Kind) -> Result<Option<Permit<'static>>, Rejection> {
        if self.has_wall {
            WALL.admit(kind).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Runs the handler on a pool thread, which releases the permit when the handler is done.
    fn handle(
        &self,
        kind: Kind,
        head: &Head,
        body: Vec<u8>,
        permit: Option<Permit<'static>>,
    ) -> Response {
        let panics = self.may_panic && head.header("x-panic").is_some();
        let backend_time = match kind {
            // A health check tests that the pool has a free thread, not the backend.
            Kind::Health => Duration::ZERO,
            Kind::Message | Kind::Login | Kind::BackgroundLogin => self.backend_time,
        };
        let handler = move || {
            assert!(!panics, "panic requested by X-Panic");
            // Simulates a blocking call to the backend.
            thread::sleep(backend_time);
            Response::text("200 OK", &format!("done, body of {} bytes", body.len()))
        };
        let outcome = match permit {
            Some(permit) => self.pool.run(permit.wrap(handler)),
            None => self.pool.run(handler),
        };
        outcome
            .unwrap_or_else(|_| Response::text("500 Internal Server Error", "the handler panicked"))
    }
}

/// Returns the class of a login that a device started by itself.
///
/// The headers report user activity. Only an unlocked device that was used for 5 seconds counts as
/// `Login`.
fn background_login(head: &Head) -> Kind {
    let is_unlocked = head.header("x-unlocked") == Some("yes");
    let seconds_used = head
        .header("x-seconds-used")
        .and_then(|seconds| seconds.parse().ok());
    if is_unlocked && seconds_used >= Some(5_u32) {
        Kind::Login
    } else {
        Kind::BackgroundLogin
    }
}

fn rejected(rejection: &Rejection) -> Response {
    // Random, so that clients rejected together do not retry together.
    let seconds: u8 = rand::random_range(1..=10);
    Response::text("503 Service Unavailable", &rejection.to_string())
        .with_header("Retry-After", seconds.to_string())
}
