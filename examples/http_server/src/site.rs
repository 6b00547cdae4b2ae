//! What the server answers, and what it admits before it does.

use std::thread;
use std::time::Duration;

use floodwall::{Permit, Rejection};

use crate::http::{Answer, Connection, Head, Refusal};
use crate::pool::Pool;
use crate::wall::{Kind, WALL};
use crate::{admin, metrics, page};

/// What stands behind the connections.
pub(crate) struct Site {
    pub(crate) pool: Pool,
    /// Without it, everything is admitted, to see what becomes of that.
    pub(crate) has_wall: bool,
    /// How long the backend takes.
    pub(crate) backend: Duration,
    /// Whether a handler panics that is asked to, by the header `X-Panic`.
    pub(crate) may_panic: bool,
    /// Who knows it may change the rules; nobody, if there is none.
    pub(crate) admin_token: Option<String>,
}

impl Site {
    /// Answers a request of which the head has been read.
    pub(crate) fn answer(
        &self,
        head: &Head,
        connection: &mut Connection,
    ) -> Result<Answer, Refusal> {
        // HEAD is answered as GET is, but for the body.
        let method = match head.method.as_str() {
            "HEAD" => "GET",
            other => other,
        };
        let kind = match (method, head.path()) {
            ("POST", "/message") => Kind::Message,
            ("POST", "/login") => Kind::Login,
            ("POST", "/login/background") => background_login(head),
            ("GET", "/healthz") => Kind::Health,
            // What operators need, needs no thread of the pool: it is there in the flood too.
            ("GET", "/") => return Ok(page::answer()),
            ("GET", "/metrics") => return Ok(metrics::answer()),
            ("GET" | "PUT", "/admin/rules") => {
                return admin::answer(head, connection, self.admin_token.as_deref());
            }
            _ => return Ok(Answer::text("404 Not Found", "nothing is here")),
        };
        // As soon as it is known what is asked: whoever is turned away need not send the body first.
        match self.admit(kind) {
            Ok(permit) => {
                let body = match kind {
                    // It has none; and two who never sent theirs would keep all others from asking.
                    Kind::Health => Vec::new(),
                    Kind::Message | Kind::Login | Kind::BackgroundLogin => connection.body(head)?,
                };
                Ok(self.handle(kind, head, body, permit))
            }
            Err(rejection) => Ok(turned_away(&rejection)),
        }
    }

    fn admit(&self, kind: Kind) -> Result<Option<Permit<'static>>, Rejection> {
        if self.has_wall {
            WALL.admit(kind).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Has a thread of the pool handle it, which gives the permit back when it is done.
    fn handle(
        &self,
        kind: Kind,
        head: &Head,
        body: Vec<u8>,
        permit: Option<Permit<'static>>,
    ) -> Answer {
        let panics = self.may_panic && head.header("x-panic").is_some();
        let backend = match kind {
            // It asks whether a thread is to be had, and not how the backend is.
            Kind::Health => Duration::ZERO,
            Kind::Message | Kind::Login | Kind::BackgroundLogin => self.backend,
        };
        let handler = move || {
            assert!(!panics, "as it was asked to");
            // The backend works; this thread waits.
            thread::sleep(backend);
            Answer::text("200 OK", &format!("done, with {} bytes", body.len()))
        };
        let outcome = match permit {
            Some(permit) => self.pool.run(permit.wrap(handler)),
            None => self.pool.run(handler),
        };
        outcome
            .unwrap_or_else(|_| Answer::text("500 Internal Server Error", "the handler panicked"))
    }
}

/// A phone that logs in by itself shows evidence that somebody is about to use it. Only with all of
/// it, the login is one that is needed now.
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

fn turned_away(rejection: &Rejection) -> Answer {
    // Spread, so that those who are turned away together do not come back together.
    let seconds: u8 = rand::random_range(1..=10);
    Answer::text("503 Service Unavailable", &rejection.to_string())
        .with("Retry-After", seconds.to_string())
}
