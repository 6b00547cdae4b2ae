//! The command `floodwall-sim`.

mod chart;
mod compare;
mod comparison;
mod options;
mod page;
mod progress;
mod rule_sets;
mod run;
mod size;
mod summary;
mod terminal;
mod text;

use std::error::Error;
use std::io::ErrorKind;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Simulates walls of floodwall under described traffic.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Arguments),
    Compare(compare::Arguments),
    Size(size::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(arguments) => run::run(arguments),
        Command::Compare(arguments) => compare::run(arguments),
        Command::Size(arguments) => size::run(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether a reader such as `head` has closed the pipe, which is no failure.
fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
