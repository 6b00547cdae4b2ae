//! The printed text: introduction, table and comparison with theory.

use comfy_table::presets::UTF8_FULL;
use comfy_table::{CellAlignment, Table};

use crate::incidents::{CONTROL_SCENARIO, WALL_SCENARIO};
use crate::measure::success;
use crate::run::Run;
use crate::traffic::Timeline;

/// Returns what the example does and what it will print.
pub(crate) fn introduction(scenarios: usize, timeline: Timeline) -> String {
    let seconds = scenarios as f64 * timeline.end().as_secs_f64();
    format!(
        "Runs {scenarios} scenarios in about {seconds:.0} s: normal load, a storm, recovery, on 100 threads.\n\
         The table then shows, by class, the share of requests that succeeded during the storm.\n\
         \"exact\" is the same share by theory."
    )
}

/// Returns the table of measured and exact shares, a row per run.
pub(crate) fn table(runs: &[Run]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL).set_header([
        "incident",
        "message / login,\nerlangs",
        "server",
        "class",
        "succeeded",
        "standard\nerror",
        "exact",
    ]);
    for run in runs {
        let measured = success(run);
        let load = run.storm.load;
        let exact = match &run.exact {
            Some(exact) => lines(exact.iter().map(|&share| percent(share))),
            None => lines(run.classes.iter().map(|_| "-".into())),
        };
        table.add_row([
            run.incident.into(),
            format!("{} / {}", load.message, load.login),
            run.server.into(),
            run.classes.join("\n"),
            lines(measured.iter().map(|m| percent(m.share))),
            lines(measured.iter().map(|m| percent(m.error))),
            exact,
        ]);
    }
    for column in table.column_iter_mut().skip(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Returns how late requests were sent. Theory assumes no delay.
pub(crate) fn punctuality(runs: &[Run]) -> String {
    let traces = runs.iter().flat_map(|run| &run.traces);
    let mut delays: Vec<_> = traces.map(|trace| trace.sent - trace.due).collect();
    delays.sort_unstable();
    let [p50, p99, max] = [50, 99, 100].map(|percent| delays[(delays.len() - 1) * percent / 100]);
    format!("Send delays: median {p50:.1?}, 99th percentile {p99:.1?}, maximum {max:.1?}.")
}

/// Prints the comparison of each measured share with theory, and of the control with the wall.
/// Returns `true` if all are as expected.
pub(crate) fn judge(runs: &[Run]) -> bool {
    let agree = runs
        .iter()
        .map(agrees_with_theory)
        .fold(true, |all, one| all & one);
    agree & control_differs(runs)
}

/// Returns `true` if each share is within one percentage point or three standard errors of theory,
/// whichever is larger.
fn agrees_with_theory(run: &Run) -> bool {
    let mut agrees = true;
    let exact = run.exact.iter().flatten();
    for ((class, measured), exact) in run.classes.iter().zip(success(run)).zip(exact) {
        let difference = (measured.share - exact).abs();
        let tolerance = (3.0 * measured.error).max(0.01);
        let within = difference <= tolerance;
        agrees &= within;
        println!(
            "{}, {}, {class}: {} points from theory, {} the tolerance of {}",
            run.incident,
            run.server,
            points(difference),
            if within { "within" } else { "NOT WITHIN" },
            points(tolerance),
        );
    }
    agrees
}

/// Returns `true` if the shares of background logins are more than three standard errors apart.
fn control_differs(runs: &[Run]) -> bool {
    let login = |name| {
        let run = runs.iter().find(|run| run.name == name);
        run.and_then(|run| success(run).pop())
            .expect("the scenario was run and has classes")
    };
    let (wall, control) = (login(WALL_SCENARIO), login(CONTROL_SCENARIO));
    let errors = (wall.share - control.share).abs() / wall.error.hypot(control.error);
    let differs = errors > 3.0;
    println!(
        "The control {} from the wall: background login {} and {}, {errors:.1} standard errors apart.",
        if differs {
            "differs"
        } else {
            "DOES NOT DIFFER"
        },
        percent(control.share),
        percent(wall.share),
    );
    differs
}

fn percent(share: f64) -> String {
    format!("{} %", points(share))
}

fn points(share: f64) -> String {
    format!("{:.2}", share * 100.0)
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}
