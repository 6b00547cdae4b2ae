//! The table, and the verdict.

use comfy_table::presets::UTF8_FULL;
use comfy_table::{CellAlignment, Table};

use crate::incidents::{WITH_CURVE, WITHOUT_CURVE};
use crate::measure::{Estimate, success};
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

/// Says of each measured share whether it agrees with theory, and of the control whether it can be
/// told apart; the answer is whether all is as it should be.
pub(crate) fn judge(played: &[Played]) -> bool {
    let mut agrees = true;
    for row in played {
        for ((class, measured), exact) in row
            .classes
            .iter()
            .zip(success(row))
            .zip(row.exact.iter().flatten())
        {
            let tolerance = (3.0 * measured.error).max(0.01);
            let off = (measured.share - exact).abs();
            // Not a number is not within.
            let within = off <= tolerance;
            agrees &= within;
            println!(
                "{}, {}: {class} {} points off, {} {}",
                row.incident,
                row.server,
                points(off),
                if within { "within" } else { "NOT WITHIN" },
                points(tolerance),
            );
        }
    }
    let login = |name| {
        let row = played.iter().find(|row| row.name == name)?;
        success(row).pop()
    };
    if let (Some(with), Some(without)) = (login(WITH_CURVE), login(WITHOUT_CURVE)) {
        let apart = standard_errors_apart(with, without);
        let told_apart = apart > 3.0;
        agrees &= told_apart;
        println!(
            "The control is {}told apart from the wall: background login {} against {}, {apart:.0} standard errors.",
            if told_apart { "" } else { "NOT " },
            percent(without.share),
            percent(with.share),
        );
    }
    agrees
}

fn standard_errors_apart(one: Estimate, other: Estimate) -> f64 {
    (one.share - other.share).abs() / one.error.hypot(other.error)
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
