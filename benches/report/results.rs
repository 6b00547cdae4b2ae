//! Criterion's results: the median of each subject, and the time of its measurement.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

pub(crate) use floodwall_benches::FLOOR;
use floodwall_benches::{Spread, target_directory};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::questions::{QUESTIONS, Question};

pub(crate) struct Results(Vec<Measured>);

struct Measured {
    group: String,
    subject: String,
    /// Empty in groups with only one situation.
    situation: String,
    /// Nanoseconds.
    median: f64,
    /// The ratio to the floor of the same round, if subjects were measured in turn.
    ratio: Option<Spread>,
    at: SystemTime,
}

/// The results of one criterion group.
pub(crate) struct Group<'a>(Vec<&'a Measured>);

impl Results {
    pub(crate) fn read() -> Result<Results, Box<dyn Error>> {
        let mut measured = vec![];
        let folder = target_directory()?.join("criterion");
        if folder.exists() {
            read_below(&folder, &mut measured)?;
        }
        for Question { group, .. } in QUESTIONS {
            let (at, in_turn) = floodwall_benches::read(group)?;
            measured.extend(in_turn.into_iter().map(|in_turn| Measured {
                group: in_turn.group,
                subject: in_turn.subject,
                situation: in_turn.situation,
                median: in_turn.nanoseconds,
                ratio: Some(in_turn.ratio),
                at,
            }));
        }
        Ok(Results(measured))
    }

    pub(crate) fn group(&self, name: &str) -> Group<'_> {
        let of_group = |measured: &&Measured| measured.group == name;
        let mut group: Vec<_> = self.0.iter().filter(of_group).collect();
        group.sort_by(|a, b| a.median.total_cmp(&b.median));
        Group(group)
    }
}

impl Group<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the subjects, cheapest first.
    pub(crate) fn subjects(&self) -> Vec<&str> {
        let mut subjects = vec![];
        for measured in &self.0 {
            if !subjects.contains(&measured.subject.as_str()) {
                subjects.push(&measured.subject);
            }
        }
        subjects
    }

    /// Returns the situations, sorted by leading number, then those without one.
    pub(crate) fn situations(&self) -> Vec<&str> {
        let mut situations: Vec<&str> = self.0.iter().map(|m| m.situation.as_str()).collect();
        situations.sort_by_key(|situation| (number(situation).unwrap_or(usize::MAX), *situation));
        situations.dedup();
        situations
    }

    /// Returns the times of the first and the last measurement.
    pub(crate) fn period(&self) -> Option<(SystemTime, SystemTime)> {
        let times = || self.0.iter().map(|measured| measured.at);
        times().min().zip(times().max())
    }

    pub(crate) fn median(&self, subject: &str, situation: &str) -> Option<f64> {
        self.find(subject, situation)
            .map(|measured| measured.median)
    }

    /// Returns the ratio to the floor of the same round, if the group was measured in turn.
    pub(crate) fn ratio(&self, subject: &str, situation: &str) -> Option<Spread> {
        self.find(subject, situation)?.ratio
    }

    fn find(&self, subject: &str, situation: &str) -> Option<&Measured> {
        let mut all = self.0.iter();
        all.find(|m| m.subject == subject && m.situation == situation)
            .copied()
    }

    /// Returns the floor in this situation, or the group's floor if it has only one.
    pub(crate) fn floor(&self, situation: &str) -> Option<f64> {
        let mut floors = self.0.iter().filter(|m| m.subject == FLOOR);
        let first = floors.next();
        let only = first.filter(|_| floors.next().is_none());
        self.median(FLOOR, situation)
            .or(only.map(|floor| floor.median))
    }
}

/// Returns the leading number of a name such as `4 threads`.
fn number(situation: &str) -> Option<usize> {
    situation.split(' ').next()?.parse().ok()
}

/// Reads the results in this folder and below it.
fn read_below(folder: &Path, into: &mut Vec<Measured>) -> Result<(), Box<dyn Error>> {
    #[derive(Deserialize)]
    struct Benchmark {
        group_id: String,
        function_id: Option<String>,
        value_str: Option<String>,
    }
    #[derive(Deserialize)]
    struct Estimates {
        median: Estimate,
    }
    #[derive(Deserialize)]
    struct Estimate {
        point_estimate: f64,
    }

    let newest = folder.join("new");
    let estimates = newest.join("estimates.json");
    if estimates.exists() {
        let benchmark: Benchmark = json(&newest.join("benchmark.json"))?;
        into.push(Measured {
            group: benchmark.group_id,
            subject: benchmark.function_id.unwrap_or_default(),
            situation: benchmark.value_str.unwrap_or_default(),
            median: json::<Estimates>(&estimates)?.median.point_estimate,
            ratio: None,
            at: estimates.metadata()?.modified()?,
        });
    }
    for entry in fs::read_dir(folder)? {
        let below = entry?.path();
        if below.is_dir() {
            read_below(&below, into)?;
        }
    }
    Ok(())
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, Box<dyn Error>> {
    let text = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(serde_json::from_slice(&text)?)
}
