//! The table, and the verdict.

use comfy_table::presets::UTF8_FULL;
use comfy_table::{CellAlignment, Table};

use crate::incidents::{CONTROL_ROW, WALL_ROW};
use crate::measure::success;
use crate::play::Played;

/// What was measured beside what is exact, a row per incident.
pub(crate) fn table(played: &[Played]) -> Table {
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
    for row in played {
        let measured = success(row);
        let load = row.storm.load;
        let exact = match &row.exact {
            Some(exact) => lines(exact.iter().map(|&share| percent(share))),
            None => lines(row.classes.iter().map(|_| "-".into())),
        };
        table.add_row([
            row.incident.into(),
            format!("{} / {}", load.message, load.login),
            row.server.into(),
            row.classes.join("\n"),
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

/// How late the generator was, which theory does not know of.
pub(crate) fn punctuality(played: &[Played]) -> String {
    let traces = played.iter().flat_map(|row| &row.traces);
    let mut late: Vec<_> = traces.map(|trace| trace.sent - trace.due).collect();
    late.sort_unstable();
    let [half, most, all] = [50, 99, 100].map(|percent| late[(late.len() - 1) * percent / 100]);
    format!(
        "Requests were late by {half:.1?} in the median, 99 % by at most {most:.1?}, all by at most {all:.1?}."
    )
}

/// Says of each measured share whether it agrees with theory, and of the control whether it can be
/// told apart. The answer is whether all is as it should be.
pub(crate) fn judge(played: &[Played]) -> bool {
    let agree = played
        .iter()
        .map(agrees_with_theory)
        .fold(true, |all, one| all & one);
    agree & is_control_told_apart(played)
}

/// Within a point or three standard errors, whichever is more.
fn agrees_with_theory(row: &Played) -> bool {
    let mut agrees = true;
    let exact = row.exact.iter().flatten();
    for ((class, measured), exact) in row.classes.iter().zip(success(row)).zip(exact) {
        let off = (measured.share - exact).abs();
        let tolerance = (3.0 * measured.error).max(0.01);
        let within = off <= tolerance;
        agrees &= within;
        println!(
            "{}, {}, {class}: {} points off, {} {}",
            row.incident,
            row.server,
            points(off),
            if within { "within" } else { "NOT WITHIN" },
            points(tolerance),
        );
    }
    agrees
}

/// By the share of background logins, more than three standard errors apart.
fn is_control_told_apart(played: &[Played]) -> bool {
    let login = |name| {
        let row = played.iter().find(|row| row.name == name);
        row.and_then(|row| success(row).pop())
            .expect("the row was played, and has classes")
    };
    let (wall, control) = (login(WALL_ROW), login(CONTROL_ROW));
    let apart = (wall.share - control.share).abs() / wall.error.hypot(control.error);
    let told_apart = apart > 3.0;
    println!(
        "The control {} told apart from the wall: background login {} and {}, {apart:.1} standard errors.",
        if told_apart { "is" } else { "IS NOT" },
        percent(control.share),
        percent(wall.share),
    );
    told_apart
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
