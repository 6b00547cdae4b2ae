//! Routes of clients: classifies a request, admits it, and runs its handler on the pool.

use std::thread;
use std::time::Duration;

use floodwall::{Permit, Rejection};
use hyper::StatusCode;
use hyper::header::{ALLOW, HeaderValue, RETRY_AFTER};
use tokio::sync::oneshot::error::RecvError;

use crate::edge::{Request, Response, text};
use crate::pool::Pool;
use crate::wall::{Kind, WALL};

/// State shared by all connections.
pub(crate) struct App {
    pub(crate) pool: Pool,
    /// If false, every request is admitted, to show what the wall prevents.
    pub(crate) has_wall: bool,
    /// Time that the simulated backend takes.
    pub(crate) backend_time: Duration,
    /// Whether a handler panics if the request has the header `X-Panic`.
    pub(crate) may_panic: bool,
}

impl App {
    /// Returns the response to a request whose body has arrived.
    pub(crate) async fn respond(&self, request: Request) -> Response {
        let kind = match request.uri().path() {
            "/message" => Kind::Message,
            "/login" => Kind::Login,
            "/login/background" => background_login(&request),
            _ => return text(StatusCode::NOT_FOUND, "not found"),
        };
        if request.method() != "POST" {
            return method_not_allowed("POST");
        }
        match self.admit(kind) {
            Ok(permit) => {
                let outcome = self.handle(request, permit).await;
                let panicked = |_| text(StatusCode::INTERNAL_SERVER_ERROR, "the handler panicked");
                outcome.unwrap_or_else(panicked)
            }
            Err(rejection) => rejected(&rejection),
        }
    }

    pub(crate) fn admit(&self, kind: Kind) -> Result<Option<Permit<'static>>, Rejection> {
        if self.has_wall {
            WALL.admit(kind).map(Some)
        } else {
            Ok(None)
        }
    }

    async fn handle(
        &self,
        request: Request,
        permit: Option<Permit<'static>>,
    ) -> Result<Response, RecvError> {
        let panics = self.may_panic && request.headers().contains_key("x-panic");
        let backend_time = self.backend_time;
        self.pool
            .run(permit, move || {
                assert!(!panics, "panic requested by X-Panic");
                // Simulates a blocking call to the backend.
                thread::sleep(backend_time);
                let bytes = request.body().len();
                text(StatusCode::OK, &format!("done, body of {bytes} bytes"))
            })
            .await
    }
}

/// Returns the class of a login that a device started by itself.
///
/// The headers report user activity. Only an unlocked device that was used for 5 seconds counts as
/// `Login`.
fn background_login(request: &Request) -> Kind {
    let header = |name| request.headers().get(name)?.to_str().ok();
    let seconds_used = header("x-seconds-used").and_then(|seconds| seconds.parse().ok());
    if header("x-unlocked") == Some("yes") && seconds_used >= Some(5_u32) {
        Kind::Login
    } else {
        Kind::BackgroundLogin
    }
}

pub(crate) fn method_not_allowed(allowed: &'static str) -> Response {
    let mut response = text(
        StatusCode::METHOD_NOT_ALLOWED,
        &format!("allowed: {allowed}"),
    );
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(ALLOW, allowed);
    response
}

fn rejected(rejection: &Rejection) -> Response {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, &rejection.to_string());
    // Random, so that clients rejected together do not retry together.
    let seconds: u16 = rand::random_range(1..=10);
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    response
}
