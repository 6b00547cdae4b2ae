//! Prometheus metrics of [`floodwall`]: a collector for the crate [`prometheus_client`].
//!
//! A [`FloodwallCollector`] reads walls, bulkheads and gauges at each scrape. Nothing is added to the path of a request,
//! and no thread runs between scrapes.
//!
//! # Examples
//! ```
//! use floodwall::{Bulkhead, Floodwall, Gauge, Share, classes};
//! use floodwall_prometheus::FloodwallCollector;
//! use prometheus_client::{encoding::text, registry::Registry};
//!
//! classes! { enum Kind { Message, Login } }
//!
//! static WALL: Floodwall<Kind> = Floodwall::new(100, &[
//!     Kind::Message.rule(Share::at_least(50)),
//!     Kind::Login.rule(Share::at_most(20)),
//! ]);
//! static DATABASE: Bulkhead = Bulkhead::new(10);
//! static WORKERS: Gauge = Gauge::new(8);
//!
//! let metrics = FloodwallCollector::new()
//!     .floodwall("http", &WALL)
//!     .bulkhead("database", &DATABASE)
//!     .gauge("workers", &WORKERS);
//! let mut registry = Registry::default();
//! registry.register_collector(Box::new(metrics));
//!
//! let _permit = WALL.admit(Kind::Login)?;
//! let mut scrape = String::new();
//! text::encode(&mut scrape, &registry).unwrap();
//! assert!(scrape.contains(r#"floodwall_in_use{wall="http",class="Login"} 1"#));
//! # Ok::<(), floodwall::Rejection>(())
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod collector;
mod families;
mod source;

pub use collector::FloodwallCollector;
pub use source::DuplicateName;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
