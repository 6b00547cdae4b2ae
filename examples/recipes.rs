//! The doc tests of `docs/in-a-server.md`: `cargo test` compiles and runs every Rust block of the page.
#![doc = include_str!("../docs/in-a-server.md")]
