//! Sequential properties: after each of a random sequence of calls, the result and every number that
//! can be read must equal those of an oracle.
//!
//! The oracles are plain integers and loops, and never call the library. The models in `loom-tests/`
//! check interleavings.

#[path = "../common/mod.rs"]
mod common;

mod bulkhead;
mod floodwall;
mod gauge;
