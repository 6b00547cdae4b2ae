//! Lock-free overload protection for servers with a fixed pool of threads.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(not(target_has_atomic = "64"))]
compile_error!(
    "floodwall keeps the state that an admission must agree on in one 64-bit atomic; this target has none"
);

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod bulkhead;
mod const_str;
mod floodwall;
mod gauge;
mod permit;
#[cfg(feature = "serde")]
mod serde;
mod shed;
mod sync;
mod thread_slot;

pub use bulkhead::sharded::{Shard, ShardedBulkhead};
pub use bulkhead::{Bulkhead, Full};
pub use floodwall::Floodwall;
pub use floodwall::admission::AdmitOptions;
pub use floodwall::class::{Class, MAX_CLASSES};
pub use floodwall::rejection::{Reason, Rejection};
pub use floodwall::rules::{Rule, Rules, RulesError, Share};
pub use floodwall::snapshot::{ClassSnapshot, Snapshot};
pub use gauge::worker::{Worker, WorkerGauge, WorkerGaugeGuard};
pub use gauge::{Gauge, GaugeGuard};
#[cfg(feature = "alloc")]
pub use permit::OwnedPermit;
pub use permit::Permit;
pub use shed::curve::{Curve, CurveError};
pub use shed::draw::Draw;
pub use shed::{Shed, Shedder};

#[cfg(floodwall_loom)]
pub use thread_slot::exclusive::ExclusiveSlots;

/// Compiles and runs the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
