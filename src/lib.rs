#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(not(target_has_atomic = "64"))]
compile_error!(
    "floodwall keeps all that an admission must agree on in one 64-bit atomic; this target has none"
);

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod bulkhead;
mod calm;
mod class;
mod curve;
mod draw;
mod floodwall;
#[cfg(feature = "serde")]
mod form;
mod gauge;
mod given;
mod lanes;
mod peak;
mod permit;
mod place;
mod ratio;
mod rejection;
mod rules;
mod seats;
mod sharded;
mod shed;
mod snapshot;
mod stripes;
mod sync;
mod text;
mod worker_gauge;

pub use bulkhead::{Bulkhead, Full};
pub use class::{Class, MAX_CLASSES};
pub use curve::{Curve, CurveError};
pub use draw::Draw;
pub use floodwall::{AdmitOptions, Floodwall};
pub use gauge::{Gauge, GaugeGuard};
#[cfg(feature = "alloc")]
pub use permit::OwnedPermit;
pub use permit::Permit;
pub use rejection::{Reason, Rejection};
pub use rules::{Rule, Rules, RulesError, Share};
pub use sharded::{Shard, ShardedBulkhead};
pub use shed::{Shed, Shedder};
pub use snapshot::{ClassSnapshot, Snapshot};
pub use worker_gauge::{Worker, WorkerGauge, WorkerGaugeGuard};

#[cfg(floodwall_loom)]
pub use seats::Seats;
