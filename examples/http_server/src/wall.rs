//! The wall, and who may have what behind it.

use floodwall::{Curve, Floodwall, Share};

floodwall::classes! {
    /// What a request is, which is seen from its first line and its headers.
    pub(crate) enum Kind {
        Message = "message",
        /// Somebody opened the app.
        Login = "login",
        /// A phone woke up, and logs in by itself.
        BackgroundLogin = "background login",
        Health = "health check",
    }
}

/// Handlers that may run at once: each of them occupies a thread while it waits for the backend.
/// `docs/in-a-server.md` says where the numbers come from.
pub(crate) const CAPACITY: u32 = 64;

pub(crate) static WALL: Floodwall<Kind> = Floodwall::new(
    CAPACITY,
    &[
        Kind::Message.rule(Share::at_least(44)),
        Kind::Login.rule(Share::between(9, 24)),
        // The first to go: no guarantee, and less and less of it as the pool fills.
        Kind::BackgroundLogin
            .rule(Share::at_most(24))
            .shed(Curve::linear(0.7, 0.76)),
        // Never shed, for it never borrows; who asks more often than that is no health check.
        Kind::Health.rule(Share::exactly(2)),
    ],
);
