//! The same numbers under several rules: a block per class, in which each rule set has a row.

use floodwall_sim::{Answer, ClassAnswer, Estimate};
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

/// The best time to an answer, or the least wasted work, is that of rules with at least this part of the most good answers:
/// rules that answer little are fast and waste nothing.
const COMPARABLE: f64 = 0.5;

/// The results of a class under one set of rules, with the utilization: in the measured time, or in a part of it.
type Result<'a> = (&'a ClassAnswer, Estimate);

impl Comparison {
    pub(crate) fn new(labels: &[String], answers: &[Answer]) -> Comparison {
        let labels: Vec<String> = labels
            .iter()
            .zip(answers)
            .map(|(label, answer)| match answer.stopped {
                Some(_) => format!("{label} (stopped)"),
                None => label.clone(),
            })
            .collect();
        let block = |name: String, results: Vec<Result<'_>>| Block {
            class: name,
            rows: rows(&labels, &results),
        };
        let mut blocks = Vec::new();
        for (number, class) in answers[0].classes.iter().enumerate() {
            let name = text::name(&class.name);
            let whole = answers
                .iter()
                .map(|answer| (&answer.classes[number], answer.utilization.mean));
            blocks.push(block(name.clone(), whole.collect()));
            for (index, part) in answers[0].parts.iter().enumerate() {
                let of_part = answers.iter().map(|answer| {
                    let part = &answer.parts[index];
                    (&part.classes[number], part.utilization)
                });
                let name = format!("{name}, {}", text::name(&part.name));
                blocks.push(block(name, of_part.collect()));
            }
        }
        Comparison {
            columns: [
                "good, %",
                "admitted, %",
                "p99",
                "wasted, %",
                "utilization, %",
            ],
            blocks,
        }
    }
}

fn rows(labels: &[String], results: &[Result<'_>]) -> Vec<Row> {
    let good = |class: &ClassAnswer| class.good_share.value;
    let most_good = results
        .iter()
        .map(|(class, _)| good(class))
        .fold(0.0, f64::max);
    let column = |best: Best, value: &dyn Fn(&Result<'_>) -> (f64, String)| {
        let values = results.iter().map(|result| {
            let (value, text) = value(result);
            let counts = best == Best::Highest || good(result.0) >= COMPARABLE * most_good;
            (if counts { value } else { f64::NAN }, text)
        });
        cells(best, values.collect())
    };
    let columns = [
        column(Best::Highest, &|(class, _)| {
            (class.good_share.value, text::estimate(class.good_share))
        }),
        column(Best::None, &|(class, _)| {
            (
                class.admitted_share.value,
                text::percent(class.admitted_share.value),
            )
        }),
        column(Best::Lowest, &|(class, _)| match &class.latency {
            Some(latency) => (latency.p99, text::duration(latency.p99)),
            None => (f64::NAN, text::NONE.to_owned()),
        }),
        column(Best::Lowest, &|(class, _)| {
            (class.wasted_share, text::percent(class.wasted_share))
        }),
        column(Best::None, &|(_, utilization)| {
            (utilization.value, text::percent(utilization.value))
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

/// Marks the best values. Values that are shown alike are equally good. One that is NaN is never the best.
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
    let is_best = |(value, text): &(f64, String)| !value.is_nan() && best.as_ref() == Some(text);
    let all_are_best = values.iter().all(is_best);
    values
        .iter()
        .map(|value| Cell {
            text: value.1.clone(),
            is_best: !all_are_best && is_best(value),
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
        // Of rules that answer too little to be compared.
        assert_eq!(
            best(Best::Lowest, &[(f64::NAN, "0.00"), (0.0, "0.00")]),
            [false, true]
        );
    }
}
