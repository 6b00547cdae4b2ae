//! All numbers of one run: a column per class.

use floodwall_sim::{Answer, ClassAnswer, Exact, Latency, LevelAnswer, Part};
use serde::Serialize;

use crate::text;

/// More levels than this are shown in groups.
const LEVELS: usize = 10;

#[derive(Serialize)]
pub(crate) struct Summary {
    pub(crate) classes: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) label: String,
    /// A cell per class.
    pub(crate) cells: Vec<String>,
}

impl Summary {
    pub(crate) fn new(answer: &Answer) -> Summary {
        let mut rows = Vec::new();
        let classes = &answer.classes;
        let mut add = |label: &str, cell: &dyn Fn(&ClassAnswer) -> String| {
            rows.push(Row {
                label: label.to_owned(),
                cells: classes.iter().map(cell).collect(),
            });
        };

        add("offered requests", &|class| text::count(class.offered));
        add("attempts", &|class| text::count(class.attempts));
        add("admitted, % of attempts", &|class| {
            text::estimate(class.admitted_share)
        });
        if classes.iter().any(|class| class.theory.is_some()) {
            add("admitted in exact theory", &|class| {
                class
                    .theory
                    .as_ref()
                    .map_or_else(|| text::NONE.to_owned(), exact)
            });
        }
        add("good, % of offered", &|class| {
            text::estimate(class.good_share)
        });
        for failure in failures(classes) {
            let of_attempts = |class: &ClassAnswer| {
                let count = class.failures.get(failure).copied().unwrap_or(0);
                text::percent(count as f64 / class.attempts as f64)
            };
            add(&failure_label(failure), &of_attempts);
        }
        if classes.iter().any(|class| class.unfinished > 0) {
            add("not ended, % of offered", &|class| {
                text::percent(class.unfinished as f64 / class.offered as f64)
            });
        }
        let latency = |of: fn(&Latency) -> f64| {
            move |class: &ClassAnswer| {
                let seconds = class.latency.as_ref().map(of);
                seconds.map_or_else(|| text::NONE.to_owned(), text::duration)
            }
        };
        add("time to a good answer, p50", &latency(|of| of.p50));
        add("p99", &latency(|of| of.p99));
        add("p99.9", &latency(|of| of.p999));
        add("wasted work, % of busy time", &|class| {
            text::percent(class.wasted_share)
        });
        for part in &answer.parts {
            rows.extend(part_rows(part));
        }
        for number in 0..classes.len() {
            rows.extend(level_rows(classes, number));
        }
        Summary {
            classes: classes
                .iter()
                .map(|class| text::name(&class.name))
                .collect(),
            rows,
        }
    }
}

/// Returns the rows of a part of the measured time.
fn part_rows(part: &Part) -> [Row; 3] {
    let name = text::name(&part.name);
    let row = |label: &str, cell: &dyn Fn(&ClassAnswer) -> String| Row {
        label: format!("{name}: {label}"),
        cells: part.classes.iter().map(cell).collect(),
    };
    [
        row("offered requests", &|class| text::count(class.offered)),
        row("good, % of offered", &|class| {
            text::estimate(class.good_share)
        }),
        row("p99", &|class| match &class.latency {
            Some(latency) => text::duration(latency.p99),
            None => text::NONE.to_owned(),
        }),
    ]
}

fn exact(exact: &Exact) -> String {
    let admitted = text::percent(exact.admitted_share);
    format!("{admitted} ({})", exact.model)
}

/// Returns the failures that occur, each once.
fn failures(classes: &[ClassAnswer]) -> Vec<&'static str> {
    let mut all = Vec::new();
    for failure in classes.iter().flat_map(|class| class.failures.keys()) {
        if !all.contains(failure) {
            all.push(*failure);
        }
    }
    all
}

fn failure_label(failure: &str) -> String {
    let label = match failure {
        "queue_full" => "rejected, queue full",
        "dropped" => "dropped by CoDel",
        "failed" => "failed in the backend",
        "down" => "instance down",
        "timed_out" => "timed out",
        reason => return format!("rejected, {}, % of attempts", reason.replace('_', " ")),
    };
    format!("{label}, % of attempts")
}

/// Returns a row for each level of a class, or for each group of levels.
fn level_rows(classes: &[ClassAnswer], number: usize) -> Vec<Row> {
    let levels = &classes[number].levels;
    let size = levels.len().div_ceil(LEVELS).max(1);
    let row = |(group, levels): (usize, &[LevelAnswer])| {
        let (first, last) = (group * size, group * size + levels.len() - 1);
        let offered: u64 = levels.iter().map(|level| level.offered).sum();
        let good: u64 = levels.iter().map(|level| level.good).sum();
        let mut cells = vec![String::new(); classes.len()];
        cells[number] = text::percent(good as f64 / offered as f64);
        Row {
            label: match first == last {
                true => format!("good at level {first}, %"),
                false => format!("good at levels {first} to {last}, %"),
            },
            cells,
        }
    };
    levels.chunks(size).enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_failures_have_no_underscores() {
        assert_eq!(
            failure_label("class_full"),
            "rejected, class full, % of attempts"
        );
        assert_eq!(failure_label("timed_out"), "timed out, % of attempts");
    }
}
