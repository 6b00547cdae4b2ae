//! The bodies of the fuzz targets. Each takes any bytes, panics if a promise is broken, and returns whether the bytes
//! were accepted.

mod http_connection;
mod rfc9112;
mod rules;
mod scenario;

use std::{env, fs, io};

pub use http_connection::http_connection;
pub use rules::{rules_json, rules_toml};
pub use scenario::scenario;

/// Runs a target once for each file that is named as an argument of the program.
pub fn run_files(target: fn(&[u8]) -> bool) -> io::Result<()> {
    for path in env::args_os().skip(1) {
        let accepted = target(&fs::read(&path)?);
        let outcome = if accepted { "accepted" } else { "rejected" };
        println!("{}: {outcome}", path.display());
    }
    Ok(())
}
