//! The request classes and the wall with its rules.

use floodwall::{Curve, Floodwall, Share};

floodwall::classes! {
    /// Class of a request, known from its request line and headers.
    pub(crate) enum Kind {
        Message = "message",
        /// A user opened the app.
        Login = "login",
        /// A device logged in without user activity.
        BackgroundLogin = "background login",
        Health = "health check",
    }
}

/// Handlers that may run at once. Each occupies a thread while it waits for the backend.
/// `docs/in-a-server.md` derives the numbers.
pub(crate) const CAPACITY: u32 = 64;

pub(crate) static WALL: Floodwall<Kind> = Floodwall::new(
    CAPACITY,
    &[
        Kind::Message.rule(Share::at_least(44)),
        Kind::Login.rule(Share::between(9, 14)),
        // Shed first: no guarantee, and a curve.
        Kind::BackgroundLogin
            .rule(Share::at_most(8))
            .shed(Curve::linear(0.7, 0.76)),
        // Never shed, because it has no curve. More than two at once borrow, if they can.
        Kind::Health.rule(Share::between(2, 8)),
    ],
);
