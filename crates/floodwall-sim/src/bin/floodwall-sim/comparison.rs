//! The same numbers under several rules: a block per class, in which each rule set has a row.

use floodwall_sim::{Answer, ClassAnswer};
use serde::Serialize;

use crate::text;

#[derive(Serialize)]
pub(crate) struct Comparison {
    pub(crate) columns: [&'static str; 5],
    pub(crate) blocks: Vec<Block>,
}

#[derive(Serialize)]
pub(crate) struct Block {
    pub(crate) class: String,
    pub(crate) rows: Vec<Row>,
}

#[derive(Serialize)]
pub(crate) struct Row {
    /// The rules.
    pub(crate) label: String,
    pub(crate) cells: Vec<Cell>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Cell {
    pub(crate) text: String,
    /// Set if no other rules have a better value, and some have a worse one.
    pub(crate) is_best: bool,
}

/// Which value of a column is the best.
#[derive(Clone, Copy, PartialEq)]
enum Best {
    Highest,
    Lowest,
    /// More is not always better: if every request is admitted, few may have a good answer.
    None,
}

impl Comparison {
    pub(crate) fn new(labels: &[String], answers: &[Answer]) -> Comparison {
        let blocks = answers[0].classes.iter().enumerate();
        Comparison {
            columns: [
                "good, %",
                "admitted, %",
                "p99",
                "wasted, %",
                "utilization, %",
            ],
            blocks: blocks
                .map(|(number, class)| Block {
                    class: text::name(&class.name),
                    rows: rows(labels, answers, number),
                })
                .collect(),
        }
    }
}

fn rows(labels: &[String], answers: &[Answer], class: usize) -> Vec<Row> {
    let column = |best: Best, value: &dyn Fn(&Answer, &ClassAnswer) -> (f64, String)| {
        let values = answers
            .iter()
            .map(|answer| value(answer, &answer.classes[class]));
        cells(best, values.collect())
    };
    let columns = [
        column(Best::Highest, &|_, class| {
            (class.good_share.value, text::estimate(class.good_share))
        }),
        column(Best::None, &|_, class| {
            (
                class.admitted_share.value,
                text::percent(class.admitted_share.value),
            )
        }),
        column(Best::Lowest, &|_, class| match &class.latency {
            Some(latency) => (latency.p99, text::duration(latency.p99)),
            None => (f64::NAN, text::NONE.to_owned()),
        }),
        column(Best::Lowest, &|_, class| {
            (class.wasted_share, text::percent(class.wasted_share))
        }),
        column(Best::None, &|answer, _| {
            let mean = answer.utilization.mean.value;
            (mean, text::percent(mean))
        }),
    ];
    let row = |(number, label): (usize, &String)| Row {
        label: label.clone(),
        cells: columns
            .iter()
            .map(|column| column[number].clone())
            .collect(),
    };
    labels.iter().enumerate().map(row).collect()
}

/// Marks the best values. Values that are shown alike are equally good.
fn cells(best: Best, values: Vec<(f64, String)>) -> Vec<Cell> {
    let numbers = values
        .iter()
        .filter(|(value, _)| best != Best::None && !value.is_nan());
    let order = |(one, _): &&(f64, String), (other, _): &&(f64, String)| one.total_cmp(other);
    let best = match best {
        Best::Highest => numbers.max_by(order),
        _ => numbers.min_by(order),
    };
    let best = best.map(|(_, text)| text.clone());
    let is_best = |text: &String| best.as_ref() == Some(text);
    let all_are_best = values.iter().all(|(_, text)| is_best(text));
    values
        .iter()
        .map(|(_, text)| Cell {
            text: text.clone(),
            is_best: !all_are_best && is_best(text),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(best: Best, values: &[(f64, &str)]) -> Vec<bool> {
        let values = values
            .iter()
            .map(|&(value, text)| (value, text.to_owned()))
            .collect();
        cells(best, values)
            .iter()
            .map(|cell| cell.is_best)
            .collect()
    }

    #[test]
    fn best_values_are_marked_if_they_differ_from_others() {
        let values = [(0.5, "50"), (0.901, "90"), (0.899, "90"), (f64::NAN, "–")];
        assert_eq!(best(Best::Highest, &values), [false, true, true, false]);
        assert_eq!(best(Best::Lowest, &values), [true, false, false, false]);
        assert_eq!(best(Best::None, &values), [false; 4]);
        assert_eq!(best(Best::Highest, &values[1..3]), [false; 2]);
        assert_eq!(best(Best::Lowest, &values[3..]), [false]);
    }
}
