//! What was measured, as tables and pictures: reads what `cargo bench` has left under the target
//! directory, prints it, and writes `docs/benchmarks.md` and its pictures.
//!
//! ```text
//! cargo bench                                measures
//! cargo run --release -p floodwall-benches   reports
//! ```

mod machine;
mod page;
mod picture;
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
    let (answered, open): (Vec<_>, Vec<_>) = QUESTIONS
        .iter()
        .partition(|question| !results.group(question.group).is_empty());
    if answered.is_empty() {
        eprintln!("Nothing has been measured: run `cargo bench` first.");
        return Ok(ExitCode::FAILURE);
    }

    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    for question in &answered {
        let group = results.group(question.group);
        println!("{}\n", question.title);
        for table in (question.tables)(&group) {
            println!("{table}");
        }
        if let Some(draw) = question.picture {
            draw(&group, &docs.join(question.group).with_extension("svg"))?;
        }
    }
    fs::write(docs.join("benchmarks.md"), page::page(&results, &answered)?)?;

    println!("This is in docs/benchmarks.md, with pictures.");
    for question in open {
        let group = question.group;
        println!("Not measured: {group}. Run `cargo bench --bench {group}` and this again.");
    }
    Ok(ExitCode::SUCCESS)
}
