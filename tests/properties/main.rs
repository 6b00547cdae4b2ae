//! Sequential properties: after each of a random sequence of calls, the answer and every number that
//! can be read are those of an oracle, which is plain integers and loops.
//!
//! The oracles are written from the design and never look into the library. What threads do to one
//! another is for the models in `loom-tests/`.

#[path = "../common/mod.rs"]
mod common;

mod bulkhead;
mod gauge;
mod wall;
