//! Replays KakaoTalk's overload incidents against a real pool of 100 threads.
//!
//! The incidents are an emergency alert that woke every phone in the country and the greetings of a
//! New Year. Each scenario sends open-loop Poisson traffic, with a storm between two phases of normal
//! load, to a server with a different admission policy. The printed table shows the share of requests
//! that succeeded during the storm beside the exact value from theory. Start reading at
//! `incidents.rs`.
//!
//! ```text
//! cargo run --release --example kakaotalk              two minutes
//! cargo run --release --example kakaotalk -- --quick   fifteen seconds, without the comparison with theory
//! ```

mod chart;
mod incidents;
mod measure;
mod report;
mod run;
mod server;
mod traffic;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use run::Runner;
use traffic::Timeline;

/// Replays KakaoTalk's overload incidents against a real pool of 100 threads.
#[derive(Parser)]
struct Arguments {
    /// Run each scenario for about a second: a demonstration. It is too short to compare with theory.
    #[arg(long)]
    quick: bool,
    /// Send the same requests as the run that printed this seed.
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    let timeline = if arguments.quick {
        Timeline::QUICK
    } else {
        Timeline::FULL
    };
    let seed = arguments.seed.unwrap_or_else(rand::random);

    let scenarios = incidents::scenarios();
    let count = scenarios.len() + 1;
    println!("{}", report::introduction(count, timeline));
    if arguments.quick {
        println!("This is a quick run: its shares are a few percentage points off by chance.");
    }
    let progress = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "{bar:40} {elapsed_precise} of {duration_precise}  {msg}",
    )?);
    let mut runner = Runner::new(timeline, seed, progress, count);
    let mut runs: Vec<_> = scenarios.iter().map(|each| runner.run(each)).collect();
    runs.push(runner.run(&incidents::PHONE_USE));
    runner.finish();

    println!("{}", report::table(&runs));
    println!("Shares cover the steady part of the storm. Seed: {seed}.");
    println!("{}", report::punctuality(&runs));
    let folder = Path::new("target/kakaotalk");
    fs::create_dir_all(folder)?;
    for run in &runs {
        chart::draw(run, folder)?;
    }
    println!("Charts are in {}.\n", folder.display());

    if arguments.quick {
        println!("Run it without --quick to compare the shares with theory.");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(if report::judge(&runs) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
