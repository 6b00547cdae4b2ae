//! `floodwall-sim run`

use std::error::Error;
use std::io::{Write, stdout};
use std::path::PathBuf;

use crate::chart::{Chart, Theme};
use crate::options::{Options, check_output, print_json, write};
use crate::summary::Summary;
use crate::{rule_sets, terminal, text};

/// Runs a scenario under its own rules or those of a file.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The scenario, in TOML
    scenario: PathBuf,
    /// Rules in TOML or JSON, in place of those that the scenario names
    rules: Option<PathBuf>,
    /// Admit every request
    #[arg(long, conflicts_with = "rules")]
    no_wall: bool,
    /// Draw the rates and the utilization over time
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    if let Some(picture) = &arguments.svg {
        let mut inputs = vec![arguments.scenario.clone()];
        inputs.extend(arguments.rules.clone());
        check_output(picture, &inputs)?;
    }
    let scenario = arguments.options.scenario(&arguments.scenario)?;
    let path = arguments.scenario.display();
    let rules = match &arguments.rules {
        Some(path) => rule_sets::read(std::slice::from_ref(path))?,
        None if arguments.no_wall => vec![None],
        None => match scenario.rules() {
            Some(rules) => vec![Some(rules.clone())],
            None => {
                return Err(format!(
                    "{path}: the scenario names no rules; name a file of rules after it, or use --no-wall to admit \
                     every request"
                )
                .into());
            }
        },
    };
    let label = &rule_sets::labels(&rules)[0];
    let answer = &rule_sets::simulate(&scenario, &rules)?[0];

    let title = match answer.title.as_str() {
        "" => text::name(&path.to_string()),
        title => text::name(title),
    };
    let title = format!("{title}: {label}");
    let warnings: Vec<String> = text::warnings(&scenario)
        .chain(text::warning(answer))
        .map(|warning| format!("warning: {warning}"))
        .collect();
    if arguments.options.json {
        print_json(answer)?;
        for warning in &warnings {
            eprintln!("{warning}");
        }
    } else {
        let mut out = stdout().lock();
        writeln!(out, "{title}\n")?;
        writeln!(out, "{}", terminal::summary(&Summary::new(answer)))?;
        writeln!(out, "{}", text::utilization(answer))?;
        writeln!(out, "{}", text::size(answer))?;
        writeln!(out, "± is the standard error")?;
        if !warnings.is_empty() {
            writeln!(out)?;
        }
        for warning in &warnings {
            writeln!(out, "{warning}")?;
        }
    }
    if let Some(path) = &arguments.svg {
        let chart = Chart::new(std::slice::from_ref(answer));
        write(path, &chart.draw(answer, Some(&title), Theme::File)?)?;
    }
    Ok(())
}
