//! `floodwall-sim size`

use std::error::Error;
use std::fmt::Write;
use std::path::PathBuf;

use comfy_table::{CellAlignment, ContentArrangement, Table};
use floodwall_sim::Estimate;
use floodwall_sim::size::{Choice, ClassChoice, Loads, Missed, Proposals, size};

use crate::options::{check_output, print_json, write};
use crate::progress::Progress;

/// Proposes capacity, guarantees, caps and curves from the loads of each class, normally and in a storm.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The loads, in TOML
    loads: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write the rules of the recommended choice to this file
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Write a scenario to this file: the normal loads, the storm, and the normal loads again
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Seed of the random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Factor of the run time, from 0.0001 to 100: the standard errors fall with its fourth root
    #[arg(long, default_value_t = 1.0, value_parser = effort)]
    effort: f64,
}

fn effort(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(effort) if (0.0001..=100.0).contains(&effort) => Ok(effort),
        _ => Err("it is not a number from 0.0001 to 100".to_owned()),
    }
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let outputs = [&arguments.rules, &arguments.scenario];
    for output in outputs.into_iter().flatten() {
        check_output(output, std::slice::from_ref(&arguments.loads))?;
    }
    if arguments.rules.is_some() && arguments.rules == arguments.scenario {
        return Err("--rules and --scenario name the same file".into());
    }
    let loads = Loads::read(&arguments.loads)?;
    let loads = loads
        .with_seed(arguments.seed)
        .with_effort(arguments.effort);
    let progress = Progress::new(1);
    let proposals = size(&loads, &|fraction| progress.add(fraction));
    drop(progress);
    let proposals = proposals?;
    if arguments.json {
        print_json(&proposals)?;
    } else {
        print!("{}", text(&proposals));
    }
    if let Some(path) = &arguments.rules {
        write(path, &proposals.recommended().rules)?;
    }
    if let Some(path) = &arguments.scenario {
        write(path, &loads.to_scenario(proposals.capacity))?;
    }
    Ok(())
}

fn text(proposals: &Proposals) -> String {
    let recommended = proposals.recommended();
    let mut text = String::new();
    let mut line = |args: std::fmt::Arguments<'_>| {
        text.write_fmt(args).expect("a String takes every text");
        text.push('\n');
    };
    let source = match (proposals.is_capacity_proposed, recommended.keeps_promise) {
        (true, true) => " (proposed: the smallest that was found with * and all targets met)",
        (true, false) => " (proposed: the smallest that was found with all targets met)",
        (false, _) => "",
    };
    line(format_args!("capacity {}{source}", proposals.capacity));
    if proposals.is_capacity_proposed {
        line(format_args!(
            "A class without a target may lose 5 % under normal load."
        ));
    }
    line(format_args!(
        "Losses in %, under normal load / in the storm. > is recommended, ! misses a target."
    ));
    if proposals.choices.iter().any(|choice| choice.keeps_promise) {
        line(format_args!(
            "With *, guarantees alone keep the targets of the first priority, whatever other classes do."
        ));
    }
    line(format_args!(""));
    line(format_args!("{}\n", table(proposals).trim_fmt()));
    let [all, with_target] = largest_errors(proposals);
    line(format_args!(
        "Standard errors are at most {:.2} points, and {:.3} of losses with a target.",
        100.0 * all,
        100.0 * with_target
    ));
    if let Some(contrast) = contrast(proposals) {
        line(format_args!("{contrast}"));
    }
    if let Some(first) = proposals
        .choices
        .iter()
        .position(|choice| !choice.keeps_promise)
        && recommended.keeps_promise
    {
        line(format_args!(
            "Lines from {} on meet the targets of the first priority only while the other classes are as described, and \
             not if another class storms.",
            first + 1
        ));
    }
    for class in &recommended.classes {
        let ClassChoice {
            name, guarantee, ..
        } = class;
        let keeps = |most: f64, target: Option<f64>| target.is_some_and(|target| most <= target);
        if keeps(class.most_normal, class.normal_target)
            || keeps(class.most_storm, class.storm_target)
        {
            line(format_args!(
                "{name}: the guarantee of {guarantee} alone limits its loss to {} % under normal load and {} % in the \
                 storm, whatever other classes do.",
                percent(class.most_normal),
                percent(class.most_storm)
            ));
        }
    }
    for missed in &proposals.missed {
        line(format_args!("{}", missed_text(missed)));
    }
    match (proposals.missed.as_slice(), proposals.sufficient_capacity) {
        ([], _) => {}
        (_, Some(capacity)) => line(format_args!("{}", capacities(proposals, capacity))),
        (_, None) => line(format_args!(
            "No capacity was found that reaches all targets."
        )),
    }
    line(format_args!(
        "Check with other requests: {}.",
        check_text(&proposals.check)
    ));
    line(format_args!(
        "{} runs, {:.0} million requests, seed {}",
        proposals.runs,
        proposals.requests as f64 / 1e6,
        proposals.seed
    ));
    line(format_args!(
        "\nRules of the recommended choice:\n\n{}",
        recommended.rules.trim_end()
    ));
    text
}

fn table(proposals: &Proposals) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    let names = proposals
        .recommended()
        .classes
        .iter()
        .map(|class| class.name.clone());
    let names: Vec<String> = names.collect();
    let mut header = vec![String::new()];
    header.extend(names.iter().cloned());
    header.extend(["guarantees", "caps", "steps"].map(str::to_owned));
    table.set_header(header);
    for (index, choice) in proposals.choices.iter().enumerate() {
        let mark = if index == proposals.recommended {
            ">"
        } else {
            " "
        };
        let promise = if choice.keeps_promise { "*" } else { " " };
        let mut row = vec![format!("{mark}{}{promise}", index + 1)];
        row.extend(choice.classes.iter().map(losses));
        row.push(of_classes(choice, |class| {
            (class.guarantee > 0).then(|| class.guarantee.to_string())
        }));
        row.push(of_classes(choice, |class| {
            class.cap.map(|cap| cap.to_string())
        }));
        row.push(of_classes(choice, |class| {
            class.shed.map(|at| at.to_string())
        }));
        table.add_row(row);
    }
    for index in 0..=names.len() {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Returns a number of each class that has one. Classes with the same are named together.
fn of_classes(choice: &Choice, number: impl Fn(&ClassChoice) -> Option<String>) -> String {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for class in &choice.classes {
        let Some(number) = number(class) else {
            continue;
        };
        match groups.iter_mut().find(|(other, _)| *other == number) {
            Some((_, names)) => names.push(&class.name),
            None => groups.push((number, vec![&class.name])),
        }
    }
    let texts: Vec<String> = groups
        .iter()
        .map(|(number, names)| format!("{} {number}", names.join(" ")))
        .collect();
    if texts.is_empty() {
        "-".to_owned()
    } else {
        texts.join(", ")
    }
}

fn losses(class: &ClassChoice) -> String {
    let loss = |loss: Option<Estimate>, target: Option<f64>| match loss {
        None => "-".to_owned(),
        Some(loss) => {
            let is_missed = target.is_some_and(|target| loss.value > target);
            format!(
                "{}{}",
                percent(loss.value),
                if is_missed { "!" } else { "" }
            )
        }
    };
    let normal = loss(class.normal, class.normal_target);
    format!("{normal} / {}", loss(class.storm, class.storm_target))
}

fn percent(part: f64) -> String {
    let percent = 100.0 * part;
    if percent < 9.995 {
        format!("{percent:.2}")
    } else {
        format!("{percent:.1}")
    }
}

fn load_text(load: &str) -> &'static str {
    if load == "normal" {
        "under normal load"
    } else {
        "in the storm"
    }
}

fn missed_text(missed: &Missed) -> String {
    let Missed {
        class,
        load,
        loss,
        target,
        least,
        ..
    } = missed;
    let least = if least <= target {
        let found = percent(*least);
        format!(
            "other rules reach {found} %, but miss another target or one of a higher priority by more"
        )
    } else {
        format!("the lowest that any rules reached is {} %", percent(*least))
    };
    format!(
        "{class}: loses {} % {}, target {} %; {least}.",
        percent(*loss),
        load_text(load),
        percent(*target)
    )
}

/// Returns which capacities would reach all targets.
fn capacities(proposals: &Proposals, sufficient: u32) -> String {
    let more = |capacity: u32| match capacity - proposals.capacity {
        1 => "1 more permit".to_owned(),
        more => format!("{more} more permits"),
    };
    let all = format!(
        "A capacity of {sufficient} ({}) would reach all targets",
        more(sufficient)
    );
    match proposals.capacity_with_promise {
        Some(capacity) if capacity > sufficient => format!(
            "{all}, and one of {capacity} ({}) also with guarantees that alone keep those of the first priority.",
            more(capacity)
        ),
        Some(_) => {
            format!("{all}, also with guarantees that alone keep those of the first priority.")
        }
        None => format!("{all}."),
    }
}

fn check_text(check: &Choice) -> String {
    let of_class = |class: &ClassChoice| format!("{} {}", class.name, losses(class));
    let classes: Vec<String> = check.classes.iter().map(of_class).collect();
    classes.join(", ")
}

/// Returns the largest standard error of all losses, and of those with a target.
fn largest_errors(proposals: &Proposals) -> [f64; 2] {
    let mut largest = [0.0_f64; 2];
    for class in proposals.choices.iter().flat_map(|choice| &choice.classes) {
        let losses = [
            (class.normal, class.normal_target),
            (class.storm, class.storm_target),
        ];
        for (loss, target) in losses {
            let error = loss.and_then(|loss| loss.standard_error).unwrap_or(0.0);
            largest[0] = largest[0].max(error);
            if target.is_some() {
                largest[1] = largest[1].max(error);
            }
        }
    }
    largest
}

/// Returns what the choices differ in most: the loss that rises most from the first to the last, and those that fall.
fn contrast(proposals: &Proposals) -> Option<String> {
    let promise = proposals.recommended().keeps_promise;
    let in_part = |(_, choice): &(usize, &Choice)| choice.keeps_promise == promise;
    let part: Vec<(usize, &Choice)> = proposals
        .choices
        .iter()
        .enumerate()
        .filter(in_part)
        .collect();
    let [(first_index, first), .., (last_index, last)] = part.as_slice() else {
        return None;
    };
    struct Change {
        text: String,
        log: f64,
        is_missed: bool,
    }
    let mut changes = Vec::new();
    for (before, after) in first.classes.iter().zip(&last.classes) {
        for (load, before_loss, after_loss, target) in [
            ("normal", before.normal, after.normal, before.normal_target),
            ("storm", before.storm, after.storm, before.storm_target),
        ] {
            let (Some(from), Some(to)) = (before_loss, after_loss) else {
                continue;
            };
            let (from, to) = (from.value, to.value);
            let is_missed = target.is_some_and(|target| from > target || to > target);
            let target = match target.filter(|_| is_missed) {
                Some(target) => format!(" (target {} %)", percent(target)),
                None => String::new(),
            };
            let (name, load) = (&before.name, load_text(load));
            changes.push(Change {
                text: format!(
                    "{name} {load} from {} to {} %{target}",
                    percent(from),
                    percent(to)
                ),
                log: ((to + 0.0005) / (from + 0.0005)).ln(),
                is_missed,
            });
        }
    }
    // Those with a missed target first, however small, then the largest.
    changes.sort_by(|one, other| {
        let missed = other.is_missed.cmp(&one.is_missed);
        missed.then(other.log.abs().total_cmp(&one.log.abs()))
    });
    let texts = |sign: f64, most: usize| -> Vec<String> {
        let is_shown =
            |change: &&Change| change.log * sign > if change.is_missed { 0.0 } else { 0.2 };
        let shown = changes.iter().filter(is_shown).take(most);
        shown.map(|change| change.text.clone()).collect()
    };
    let (rise, fall) = (texts(1.0, 2), texts(-1.0, 3));
    if rise.is_empty() || fall.is_empty() {
        return None;
    }
    Some(format!(
        "What has to be decided: from line {} to line {} these losses rise: {}; and these fall: {}.",
        first_index + 1,
        last_index + 1,
        rise.join(", "),
        fall.join(", ")
    ))
}
