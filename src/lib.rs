//! Lock-free overload protection for servers with a fixed pool of threads: permits per class of request, a utilization
//! gauge, and load shedding.
//!
//! A [`Floodwall`] divides one pool among classes of requests. A class has a *guarantee* (permits that it can always
//! acquire), a *cap* (the most that it may hold), and a *curve* that sheds what it borrows beyond its guarantee. A
//! request is admitted or rejected at once: nothing waits, so the crate has no queue, no clock and no thread.
//!
//! # Getting started
//! Declare the classes, put a wall into a `static`, and admit each request before any work is done for it:
//! ```
//! use floodwall::{Curve, Floodwall, Rejection, Share, classes};
//!
//! classes! { enum Kind { Message, Login = "background login" } }
//!
//! static WALL: Floodwall<Kind> = Floodwall::new(100, &[
//!     Kind::Message.rule(Share::at_least(50)),
//!     Kind::Login.rule(Share::between(20, 50)).shed(Curve::linear(0.6, 0.8)),
//! ]);
//!
//! fn handle(kind: Kind) -> Result<String, Rejection> {
//!     let _permit = WALL.admit(kind)?;
//!     Ok("200 OK".to_owned()) // the work; the permit is released at the end of the scope
//! }
//! assert_eq!(handle(Kind::Message).unwrap(), "200 OK");
//! ```
//! Invalid rules in a `static` are a compile error that names the class and the numbers. A [`Rejection`] has a
//! [`Reason`] with the numbers that decided, and a `Display` text for logs. [`Floodwall::snapshot`] returns what a
//! dashboard needs.
//!
//! # Which type to use
//! | type | use it if |
//! |---|---|
//! | [`Floodwall`] | several classes of requests share one pool |
//! | [`Bulkhead`] | there is one limit: per tenant, per backend, on connections |
//! | [`ShardedBulkhead`] | there is one fixed limit, and handlers are so short that threads contend for its counter |
//! | [`Gauge`] | a pool is bounded by other means, and its utilization is wanted |
//! | [`WorkerGauge`] | the same, and each worker can register to count on a cache line of its own |
//! | [`Shedder`] | utilization comes from a gauge or elsewhere, and a [`Curve`] shall decide |
//! | [`Draw`] | decisions must be reproducible, or the same for one user on every server |
//!
//! Each type has a `const` constructor and is shared by reference. Start with a `Floodwall` or a `Bulkhead`. The types
//! for many cores need more memory and are slower to read: use them if a measurement shows contention. Do not evaluate
//! a curve or raise an alarm by [`ShardedBulkhead::in_use`], which can read far too high.
//!
//! # The admission rule
//! A request of class `k` for `n` permits is admitted
//! - within the guarantee, if `in_use[k] + n <= guarantee[k]` and the pool has `n` free permits. It has them,
//!   unless permits are still in use that were admitted before a limit was lowered, or by a dry run of another class.
//!   The request is never shed;
//! - beyond the guarantee, if `in_use[k] + n <= cap[k]`, if the sum over all classes of `max(in_use, guarantee)` stays
//!   within the capacity, and if the class's curve does not shed it. The curve is evaluated at the utilization before
//!   the admission.
//!
//! Rejections are decided in this order: closed, too large, class full, pool full, shed.
//!
//! Utilization is permits *in use* / capacity. Permits that are reserved by guarantees but not in use do not count, so
//! borrowers may never see a utilization near 1.0: choose a ramp that ends below what they can reach.
//!
//! # Ways to lose a permit
//! A permit is released when it is dropped. `let _ = WALL.admit(kind)`, `WALL.admit(kind).is_ok()` and
//! `WALL.call(kind, || async { ... })` drop it before the work begins: [`Permit`](Permit#ways-to-lose-a-permit) shows
//! these and others. The opposite mistake: [`core::mem::forget`] and a thread that never returns keep a permit for good.
//!
//! To run the work on another thread, move the permit with the job by [`Permit::wrap`]:
//! ```
//! # use floodwall::{Bulkhead, Full};
//! static REPORTS: Bulkhead = Bulkhead::new(4);
//!
//! let job = REPORTS.try_acquire()?.wrap(|| "a report");
//! assert_eq!(std::thread::spawn(job).join().unwrap(), "a report");
//! # Ok::<(), Full>(())
//! ```
//!
//! # Options and pressure
//! [`Floodwall::admit_with`] takes [`AdmitOptions`]:
//! - [`permits`](AdmitOptions::permits): several permits, all or none, for requests that occupy several threads;
//! - [`draw`](AdmitOptions::draw): the sample that decides if the curve is evaluated. With [`Draw::keyed`], one user
//!   gets the same answer on every server until the period changes;
//! - [`pressure`](AdmitOptions::pressure): a load signal from outside the wall, such as CPU load or queue delay over
//!   its target. The curve is evaluated at the higher of utilization and pressure. Caps and guarantees ignore it.
//!   [`Floodwall::set_pressure`] sets a signal that is the same for all requests.
//!
//! ```
//! # use floodwall::{AdmitOptions, Curve, Draw, Floodwall, Share, classes};
//! # classes! { enum Kind { Feed } }
//! # let wall = Floodwall::new(10, &[Kind::Feed.rule(Share::at_most(10)).shed(Curve::linear(0.5, 1.0))]);
//! let options = AdmitOptions::new().draw(Draw::keyed(4711, 1)).pressure(0.9);
//! let rejection = wall.admit_with(Kind::Feed, options).unwrap_err();
//! assert_eq!(rejection.to_string(), "Feed: shed at utilization 0.90 (reject probability 0.80)");
//! ```
//!
//! # Rules at run time
//! [`Rules`] are a checked value. [`Rules::try_new`] and, with the feature `serde`, deserialization create them at run
//! time; an error names the class and the numbers. Use [`Floodwall::from_rules`] in a `LazyLock` or an `Arc`:
//! ```
//! # #[cfg(feature = "serde")] {
//! use std::sync::{Arc, LazyLock};
//! use floodwall::{Floodwall, Rules, classes};
//!
//! classes! { enum Kind { Message = "message", Login = "login" } }
//!
//! const FILE: &str = r#"{"capacity": 100, "classes": {
//!     "message": {"guarantee": 50},
//!     "login": {"guarantee": 20, "cap": 50, "shed": {"linear": {"lo": 0.6, "hi": 0.8}}}
//! }}"#;
//!
//! static WALL: LazyLock<Floodwall<Kind>> = LazyLock::new(|| {
//!     Floodwall::from_rules(serde_json::from_str(FILE).expect("valid rules"))
//! });
//! assert!(WALL.admit(Kind::Login).is_ok());
//!
//! let wall = Arc::new(Floodwall::from_rules(WALL.rules()));
//! let permit = wall.admit_owned(Kind::Login).unwrap(); // holds the `Arc`, and is `'static`
//! # drop(permit);
//! # }
//! ```
//! In such a file a class without `guarantee` has none, without `cap` it may use the capacity, and without `shed` it is
//! never shed. `"shed"` is `"never"`, `"always"`, or one of `step` (`at`), `linear` and `cubic` (`lo`, `hi`), each with
//! an optional `capped`.
//!
//! [`Floodwall::set_rules`] replaces all rules of a wall at one instant, [`Floodwall::update_rules`] those of some
//! classes, [`Floodwall::set_capacity`] the capacity. No permit is revoked: if a limit is lowered below what is in use,
//! permits drain. [`Floodwall::close`] rejects every request until [`Floodwall::open`]; no rule update opens a wall.
//!
//! To shed every request of a class, use a share without a guarantee: `Share::at_most(n)` with [`Curve::ALWAYS`]. A
//! request within a guarantee is never shed.
//!
//! # Async handlers
//! Admission never waits, so it does not block an executor. A permit is `Send`. Hold it across `.await`; it is released
//! when the future completes or is dropped:
//! ```
//! # use floodwall::{Floodwall, Rejection, Share, classes};
//! # classes! { enum Kind { Message } }
//! # static WALL: Floodwall<Kind> = Floodwall::new(100, &[Kind::Message.rule(Share::at_least(50))]);
//! # async fn query() -> String { String::new() }
//! async fn handle(kind: Kind) -> Result<String, Rejection> {
//!     let _permit = WALL.admit(kind)?;
//!     Ok(query().await)
//! }
//! # fn assert_send(_: impl Send) {}
//! # assert_send(handle(Kind::Message));
//! ```
//! The capacity is then the number of requests in progress. For a pool of blocking threads behind the executor, admit
//! first and pass `permit.wrap(job)` to the pool.
//!
//! # Sizes
//! | classes | permits per class, at most | rule updates until the epoch repeats |
//! |---|---|---|
//! | 1 | 16,777,215 | 549,755,813,888 |
//! | 2 | 16,777,215 | 16,384 |
//! | 3 | 262,143 | 1,024 |
//! | 4 | 16,383 | 256 |
//! | 5 | 2,047 | 512 |
//! | 6 | 511 | 1,024 |
//! | 7 | 255 | 256 |
//! | 8 | 127 | 256 |
//!
//! A [`Permit`] is 16 bytes, an [`OwnedPermit`] 32. With `std` a `Floodwall` is 17 KiB on x86-64, whatever
//! the number of its classes, nearly all of it counters per thread slot; a `Bulkhead` is 128 bytes.
//!
//! # Features
//! - `std` (default): with it the first 16 threads that ask have an exclusive slot for their counters, each until it
//!   ends, and count without a read-modify-write; all other threads share 16 slots. Also `Draw::local` and
//!   `Shedder::decide`. Implies `alloc`.
//! - `alloc`: [`OwnedPermit`] and `OwnedGaugeGuard`, returned by functions whose names contain `owned`.
//! - `serde`: [`Rules`] and [`Curve`] implement `Serialize` and `Deserialize`, [`Snapshot`] implements `Serialize`.
//!   Classes are keyed by name, in self-describing formats: JSON, TOML, YAML, RON, CBOR and MessagePack are tested.
//!
//! # What is not promised
//! - Fairness between threads or clients, or an order of requests: there is no queue.
//! - Calls in signal handlers: an admission can lose a count, and a setter can wait for the interrupted thread forever.
//! - A call that judges or reads rules may use older ones if it is suspended between two of its loads while the epoch
//!   repeats exactly (see [Sizes](#sizes)).
//! - With `std`, the first request of each thread registers a thread-local destructor, for which glibc allocates. Later
//!   requests allocate nothing.
//!
//! In the package, `docs/guarantees.md` states every promise with its argument and its checks, `docs/architecture.md`
//! explains the source, and `docs/in-a-server.md` how to choose the numbers.
#![no_std]
#![forbid(unsafe_code)]

// All else is left out then, so that this is the only error.
#[cfg(not(target_has_atomic = "64"))]
compile_error!(
    "floodwall keeps the state that an admission must agree on in one 64-bit atomic; this target has none"
);

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", floodwall_loom))]
extern crate std;

#[cfg(target_has_atomic = "64")]
mod bulkhead;
#[cfg(target_has_atomic = "64")]
mod const_str;
#[cfg(target_has_atomic = "64")]
mod floodwall;
#[cfg(target_has_atomic = "64")]
mod gauge;
#[cfg(target_has_atomic = "64")]
mod permit;
#[cfg(feature = "serde")]
#[cfg(target_has_atomic = "64")]
mod serde;
#[cfg(target_has_atomic = "64")]
mod shed;
#[cfg(target_has_atomic = "64")]
mod sync;
#[cfg(target_has_atomic = "64")]
mod thread_slot;

#[cfg(target_has_atomic = "64")]
pub use public::*;

/// What users see. In a module, so that one condition holds for all of it.
#[cfg(target_has_atomic = "64")]
mod public {
    pub use crate::bulkhead::sharded::{Shard, ShardedBulkhead};
    pub use crate::bulkhead::{Bulkhead, Full};
    pub use crate::floodwall::Floodwall;
    pub use crate::floodwall::admission::AdmitOptions;
    #[doc(hidden)]
    pub use crate::floodwall::class::__private;
    pub use crate::floodwall::class::{Class, MAX_CLASSES};
    pub use crate::floodwall::rejection::{Reason, Rejection};
    pub use crate::floodwall::rules::{Rule, Rules, RulesError, Share};
    pub use crate::floodwall::snapshot::{ClassSnapshot, Snapshot, WouldReject};
    #[cfg(feature = "alloc")]
    pub use crate::gauge::OwnedGaugeGuard;
    pub use crate::gauge::worker::{Worker, WorkerGauge, WorkerGaugeGuard};
    pub use crate::gauge::{Gauge, GaugeGuard};
    #[cfg(feature = "alloc")]
    pub use crate::permit::OwnedPermit;
    pub use crate::permit::{MergeError, Permit};
    pub use crate::shed::curve::{Curve, CurveError};
    pub use crate::shed::draw::Draw;
    pub use crate::shed::{Shed, Shedder};

    #[cfg(floodwall_loom)]
    pub use crate::thread_slot::{exclusive::ExclusiveSlots, modelled::count_in_exclusive_slot};
}

/// Compiles and runs the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
