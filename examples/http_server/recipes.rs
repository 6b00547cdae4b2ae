//! Nothing but the recipes of `docs/in-a-server.md`, which `cargo test` compiles and runs.
#![doc = include_str!("../../docs/in-a-server.md")]
