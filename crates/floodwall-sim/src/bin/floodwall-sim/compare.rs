//! `floodwall-sim compare`

use std::error::Error;
use std::io::{Write, stdout};
use std::path::PathBuf;

use crate::comparison::Comparison;
use crate::options::{Options, check_output, print_json, write};
use crate::page::Page;
use crate::{rule_sets, terminal, text};

/// Runs a scenario under several rules, with the same traffic.
///
/// If the scenario names rules, they come first.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The scenario, in TOML
    scenario: PathBuf,
    /// Files of rules in TOML or JSON
    rules: Vec<PathBuf>,
    /// Also run without a wall, which admits every request
    #[arg(long)]
    no_wall: bool,
    /// Write one page with the comparison, the rules and pictures over time
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let path = &arguments.scenario;
    if let Some(page) = &arguments.html {
        let inputs = [std::slice::from_ref(path), &arguments.rules].concat();
        check_output(page, &inputs)?;
    }
    let scenario = arguments.options.scenario(path)?;
    let mut rules: Vec<_> = scenario.rules().cloned().map(Some).into_iter().collect();
    rules.extend(rule_sets::read(&arguments.rules)?);
    if arguments.no_wall {
        rules.push(None);
    }
    if rules.is_empty() {
        let path = path.display();
        return Err(format!(
            "{path}: the scenario names no rules; name files of rules after it, or use --no-wall to admit every request"
        )
        .into());
    }
    let labels = rule_sets::labels(&rules);
    let answers = rule_sets::simulate(&scenario, &rules)?;

    let title = match scenario.title() {
        "" => text::name(&path.display().to_string()),
        title => text::name(title),
    };
    let stopped = labels
        .iter()
        .zip(&answers)
        .filter_map(|(label, answer)| Some(format!("{label}: {}", text::warning(answer)?)));
    let warnings: Vec<String> = text::warnings(&scenario).chain(stopped).collect();
    let comparison = Comparison::new(&labels, &answers);
    if arguments.options.json {
        print_json(&answers)?;
        for warning in &warnings {
            eprintln!("warning: {warning}");
        }
    } else {
        let mut out = stdout().lock();
        writeln!(out, "{title}\n")?;
        writeln!(out, "{}", terminal::comparison(&comparison))?;
        writeln!(
            out,
            "* best value of the class; of p99 and wasted among the rules with at least half of the most good answers\n\
             ± standard error"
        )?;
        writeln!(out, "{}", text::plan(&answers[0]))?;
        if !warnings.is_empty() {
            writeln!(out)?;
        }
        for warning in &warnings {
            writeln!(out, "warning: {warning}")?;
        }
    }
    if let Some(page) = &arguments.html {
        let scenario = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let written = Page {
            title: &title,
            scenario: &scenario,
            comparison: &comparison,
            warnings: &warnings,
            labels: &labels,
            rules: &rules,
            answers: &answers,
        };
        write(page, &written.render()?)?;
    }
    Ok(())
}
