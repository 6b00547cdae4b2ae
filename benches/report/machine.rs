//! The machine, the versions and the period of the measurements.

use std::error::Error;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::SystemTime;

/// Returns the names of the processor and the compiler.
pub(crate) fn machine() -> Result<String, Box<dyn Error>> {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name| {
        let mut fields = processors.lines().filter_map(|line| line.split_once(':'));
        let found = fields.find(|(key, _)| key.trim() == name);
        found.map_or("unknown", |(_, value)| value.trim())
    };
    let rustc = Command::new("rustc").arg("--version").output()?;
    Ok(format!(
        "{} (family {}, model {}), {} cores, {}",
        field("model name"),
        field("cpu family"),
        field("model"),
        cores(),
        String::from_utf8(rustc.stdout)?.trim(),
    ))
}

pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Returns the names of these packages with the versions in `Cargo.lock`.
pub(crate) fn versions(packages: &[&str]) -> Result<String, Box<dyn Error>> {
    let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"))?;
    let version = |package: &&str| {
        let entry = format!("name = \"{package}\"\nversion = \"");
        // Versions are in ascending order; use the newest.
        let (_, rest) = lock.rsplit_once(&entry)?;
        Some(format!("{package} {}", rest.split('"').next()?))
    };
    let versions: Vec<_> = packages.iter().filter_map(version).collect();
    Ok(versions.join(", "))
}

/// Returns the times of the first and the last measurement, to the minute.
pub(crate) fn period((first, last): (SystemTime, SystemTime)) -> String {
    let minute = |time| {
        let time = humantime::format_rfc3339_seconds(time).to_string();
        time[.."2025-01-01T00:00".len()].replace('T', " ")
    };
    format!("from {} to {} UTC", minute(first), minute(last))
}
