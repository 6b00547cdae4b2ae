//! Reads the results of `cargo bench` from the target directory, prints them as tables, and writes
//! `docs/benchmarks.md` and its charts.
//!
//! ```text
//! cargo bench                                measures
//! cargo run --release -p floodwall-benches   reports
//! ```

mod chart;
mod machine;
mod page;
mod questions;
mod results;
mod table;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use questions::QUESTIONS;
use results::Results;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let results = Results::read()?;
    let (measured, missing): (Vec<_>, Vec<_>) = QUESTIONS
        .iter()
        .partition(|question| !results.group(question.group).is_empty());
    if measured.is_empty() {
        eprintln!("No results found: run `cargo bench` first.");
        return Ok(ExitCode::FAILURE);
    }

    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    for question in &measured {
        let group = results.group(question.group);
        println!("{}\n", question.title);
        for table in (question.tables)(&group) {
            println!("{table}");
        }
        if let Some(draw) = question.chart {
            draw(&group, &docs.join(question.group).with_extension("svg"))?;
        }
    }
    fs::write(docs.join("benchmarks.md"), page::page(&results, &measured)?)?;

    println!("Wrote docs/benchmarks.md and its charts.");
    for question in missing {
        let group = question.group;
        println!("Not measured: {group}. Run `cargo bench -p floodwall-benches -- {group}/`.");
    }
    Ok(ExitCode::SUCCESS)
}
