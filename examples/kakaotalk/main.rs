//! The incidents of KakaoTalk, replayed on a real pool of threads.
//!
//! Emergency alerts that woke every phone in the country, the greetings of a New Year: each row of
//! the table that this prints sends the same open-loop Poisson traffic to a server of 100 threads
//! that admits in another way, and holds what was measured against exact theory. `incidents.rs` is
//! the place to begin to read.
//!
//! ```text
//! cargo run --release --example kakaotalk              two minutes
//! cargo run --release --example kakaotalk -- --quick   fifteen seconds, too short to judge by
//! ```

mod incidents;
mod measure;
mod picture;
mod play;
mod report;
mod server;
#[path = "../../tests/theory/mod.rs"]
mod theory;
mod traffic;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use play::Stage;
use traffic::Timeline;

/// The incidents of KakaoTalk, replayed on a real pool of threads.
#[derive(Parser)]
struct Arguments {
    /// Play every incident in about a second: a look at it, too short to judge by.
    #[arg(long)]
    quick: bool,
    /// Send the same requests again as the run that printed this number.
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

    let rows = incidents::rows();
    let progress = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "{bar:40} {elapsed_precise} of {duration_precise}  {msg}",
    )?);
    let mut stage = Stage::new(timeline, seed, progress, rows.len() + 1);
    let mut played: Vec<_> = rows.iter().map(|row| stage.play(row)).collect();
    played.push(stage.play(&incidents::EVIDENCE_ROW));
    stage.close();

    println!("{}", report::table(&played));
    println!("Shares are of the storm alone, once it is steady. The seed was {seed}.");
    println!("{}", report::punctuality(&played));
    let folder = Path::new("target/kakaotalk");
    fs::create_dir_all(folder)?;
    for row in &played {
        picture::draw(row, folder)?;
    }
    println!("Pictures are in {}.\n", folder.display());

    let agrees = report::judge(&played);
    if arguments.quick {
        println!("This was a quick run, too short to judge by.");
    }
    Ok(if agrees || arguments.quick {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
