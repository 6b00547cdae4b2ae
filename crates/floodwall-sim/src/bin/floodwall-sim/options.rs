//! Options that `run` and `compare` share.

use std::io::{self, Write, stdout};
use std::path::{Path, PathBuf};

use floodwall_sim::{Error, Scenario};
use serde::Serialize;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print the results as JSON, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// Seed of the random numbers, in place of the one in the scenario
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Independent runs, in place of the number in the scenario
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    replications: Option<u32>,
}

impl Options {
    /// Reads a scenario, and replaces what these options replace.
    pub(crate) fn scenario(&self, path: &Path) -> Result<Scenario, Error> {
        let mut scenario = Scenario::read(path)?;
        if let Some(seed) = self.seed {
            scenario = scenario.with_seed(seed);
        }
        if let Some(replications) = self.replications {
            scenario = scenario.with_replications(replications);
        }
        Ok(scenario)
    }
}

/// Prints a value as one line of JSON.
pub(crate) fn print_json(value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(value)?;
    line.push('\n');
    stdout().write_all(line.as_bytes())
}

/// Checks, before a run that may take minutes, that a file can be written and is none of the inputs.
pub(crate) fn check_output(path: &Path, inputs: &[PathBuf]) -> Result<(), String> {
    let error = |message: &str| Err(format!("{}: {message}", path.display()));
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    if folder.is_some_and(|folder| !folder.is_dir()) {
        return error("its folder does not exist");
    }
    if path.is_dir() {
        return error("it is a folder");
    }
    let is_same = |input: &PathBuf| match (path.canonicalize(), input.canonicalize()) {
        (Ok(path), Ok(input)) => path == input,
        _ => false,
    };
    if inputs.iter().any(is_same) {
        return error("it is also an input, and would be overwritten");
    }
    Ok(())
}

/// Writes a file. The error names it.
pub(crate) fn write(path: &PathBuf, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
