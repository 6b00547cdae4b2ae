//! Results in the target directory: one file per group.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// The cost of one subject in one situation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The name of the bench.
    pub group: String,
    /// What was measured.
    pub subject: String,
    /// Empty in groups with only one situation.
    pub situation: String,
    /// The median time of a call.
    pub nanoseconds: f64,
    /// The time of a call over that of the floor in the same round.
    pub ratio: Quartiles,
}

/// The quartiles of a sample.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Quartiles {
    /// A quarter of the sample is at or below it.
    pub low: f64,
    /// Half of the sample is at or below it.
    pub median: f64,
    /// A quarter of the sample is at or above it.
    pub high: f64,
}

impl Quartiles {
    pub(crate) fn of(mut numbers: Vec<f64>) -> Quartiles {
        numbers.sort_by(f64::total_cmp);
        let at = |quarters| numbers[(numbers.len() - 1) * quarters / 4];
        Quartiles {
            low: at(1),
            median: at(2),
            high: at(3),
        }
    }
}

pub(crate) fn write(group: &str, measured: &[Measured]) -> Result<(), Box<dyn Error>> {
    let folder = target_directory()?.join("turns");
    fs::create_dir_all(&folder)?;
    let file = folder.join(group).with_extension("json");
    fs::write(file, serde_json::to_string_pretty(measured)?)?;
    Ok(())
}

/// Reads the results of a group, and when they were written. There are none if it has not been measured.
///
/// # Errors
/// If the file cannot be read.
pub fn read(group: &str) -> Result<(SystemTime, Vec<Measured>), Box<dyn Error>> {
    let path = target_directory()?
        .join("turns")
        .join(group)
        .with_extension("json");
    if !path.exists() {
        return Ok((SystemTime::UNIX_EPOCH, vec![]));
    }
    let measured = serde_json::from_slice(&fs::read(&path)?)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok((path.metadata()?.modified()?, measured))
}

/// Returns the target directory by the same method as criterion, so that both agree.
///
/// # Errors
/// If `cargo metadata` fails.
pub fn target_directory() -> Result<PathBuf, Box<dyn Error>> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let metadata = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()?;
    Ok(serde_json::from_slice::<Metadata>(&metadata.stdout)?.target_directory)
}
