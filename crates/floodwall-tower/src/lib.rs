//! A [`tower`](https://docs.rs/tower) layer that admits requests to a [`Floodwall`](floodwall::Floodwall) by class, or
//! rejects them at once.
//!
//! [`FloodwallLayer`] never waits for a permit and has no queue. The permit of a request is held by the future of its
//! response, and on demand by the response body ([`hold_until_body_sent`](FloodwallLayer::hold_until_body_sent)). It is
//! therefore released if the client disconnects, the stream is reset, or the handler panics: then both are dropped.
//!
//! # Examples
//! ```
//! use floodwall::{Floodwall, Rejection, Share, classes};
//! use floodwall_tower::FloodwallLayer;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! classes! { enum Kind { Message, Login } }
//!
//! static WALL: Floodwall<Kind> = Floodwall::new(100, &[
//!     Kind::Message.rule(Share::at_least(50)),
//!     Kind::Login.rule(Share::at_most(0)),
//! ]);
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let service = ServiceBuilder::new()
//!     .layer(FloodwallLayer::new(
//!         &WALL,
//!         |request: &&str| if *request == "login" { Kind::Login } else { Kind::Message },
//!         |rejection: Rejection| Err(rejection),
//!     ))
//!     .service(service_fn(async |request: &str| Ok::<_, Rejection>(format!("{request}: done"))));
//!
//! assert_eq!(service.clone().oneshot("hello").await.unwrap(), "hello: done");
//! let rejection = service.oneshot("login").await.unwrap_err();
//! assert_eq!(rejection.to_string(), "Login: class full: 0 of 0 permits in use");
//! # });
//! ```
//! The README has an example with axum.
//!
//! # Features
//! - `http` (default): [`hold_until_body_sent`](FloodwallLayer::hold_until_body_sent),
//!   [`pass_permit_to_handler`](FloodwallLayer::pass_permit_to_handler), and [`mod@http`].
//! - `grpc`: [`grpc`], for tonic 0.14. Implies `http`.
//!
//! Without features, the layer works on every [`Service`](tower_service::Service).

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod classify;
mod future;
pub mod hold;
mod layer;
pub mod pass;
mod service;
mod wall;

#[cfg(feature = "http")]
mod body;
#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(feature = "http")]
mod handler_permit;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "http")]
mod retry_after;

#[cfg(feature = "http")]
pub use body::PermitBody;
pub use classify::Classified;
pub use future::ResponseFuture;
#[cfg(feature = "http")]
pub use handler_permit::HandlerPermit;
pub use layer::FloodwallLayer;
pub use service::FloodwallService;
pub use wall::Wall;

/// The examples of the README.
#[cfg(all(doctest, feature = "grpc"))]
#[doc = include_str!("../README.md")]
mod readme {}
