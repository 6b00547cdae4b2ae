//! What a scenario has shown.

use std::ops::Index;

use hdrhistogram::Histogram;
use indexmap::IndexMap;
use rayon::prelude::*;
use serde::Serialize;

use crate::error::Error;
use crate::record::{BUCKETS, Bucket, ClassRecord, Counts, Record, Window};
use crate::rules::{RuleSet, WallRules};
use crate::scenario::{Arrivals, Scenario};
use crate::simulation::{Progress, Simulation};
use crate::theory::{Theory, theory};
use crate::wall::rules_of;

/// The results of a scenario under one set of rules, over all replications.
///
/// They concern the requests that arrive in the measured time. `answer["message"]` is the result of a class.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Answer {
    /// The title of the scenario.
    pub title: String,
    /// The name of the rules, or `None` without a wall.
    pub rules: Option<String>,
    /// Measured seconds of each replication.
    pub seconds: f64,
    /// Seconds before them.
    pub warm_up: f64,
    /// Independent runs.
    pub replications: u32,
    /// The seed of the random numbers.
    pub seed: u64,
    /// The classes, in the order of the scenario.
    pub classes: Vec<ClassAnswer>,
    /// Permits in use / capacity, or busy threads / threads without a wall. The mean over instances.
    pub utilization: Utilization,
    /// The named parts of the measured time, in the order of the scenario.
    pub parts: Vec<Part>,
    /// Requests of all classes and replications, with those that are not measured.
    pub requests: u64,
    /// Events of all replications, which `max_events` limits: requests, and steps such as an arrival, a retry, an end or a
    /// change.
    pub events: u64,
    /// Set if a limit has stopped a run. Later requests, and those that had not ended, are missing in the results.
    pub stopped: Option<Stopped>,
}

/// The results of the requests that arrive in a part of the measured time. `part["message"]` is the result of a class.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Part {
    /// The name of the part.
    pub name: String,
    /// Its beginning, in seconds since that of the run.
    pub from: f64,
    /// Its end.
    pub to: f64,
    /// The mean of the utilization.
    pub utilization: Estimate,
    /// The classes, in the order of the scenario, without theory.
    pub classes: Vec<ClassAnswer>,
}

/// The results of a class.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ClassAnswer {
    /// The name of the class.
    pub name: String,
    /// Requests: each is one, however often its client retries it.
    pub offered: u64,
    /// Attempts of these requests: the first ones, and retries.
    pub attempts: u64,
    /// Attempts that were admitted.
    pub admitted: u64,
    /// Requests with a good answer, while their client waited for it.
    pub good: u64,
    /// Requests that their client has given up.
    pub lost: u64,
    /// Requests that had not ended at the end of the cool-down.
    pub unfinished: u64,
    /// Attempts without a good answer, by cause: `shed`, `class_full`, `pool_full`, `too_large`, `queue_full`,
    /// `dropped` by CoDel, `failed` in the backend, `down`, `timed_out`.
    pub failures: IndexMap<&'static str, u64>,
    /// `good / offered`.
    pub good_share: Estimate,
    /// `admitted / attempts`.
    pub admitted_share: Estimate,
    /// The admitted share by exact theory, if there is one for the scenario.
    pub theory: Option<Exact>,
    /// Seconds from the first attempt to a good answer. `None` if there was none.
    pub latency: Option<Latency>,
    /// Attempts that a thread worked on without a good answer.
    pub wasted: u64,
    /// The part of the busy seconds of threads that led to no good answer. NaN if there were none.
    pub wasted_share: f64,
    /// By level, if the class has more than one: the lowest first.
    pub levels: Vec<LevelAnswer>,
    /// Rates over the measured time, in equal parts, as means over replications.
    pub timeline: Vec<TimelinePart>,
}

/// The results of a level within a class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LevelAnswer {
    /// Requests.
    pub offered: u64,
    /// Requests with a good answer.
    pub good: u64,
}

/// A number, and its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Estimate {
    /// The number. NaN if there were no requests, or if the run was stopped before.
    pub value: f64,
    /// The standard error over batches, if nothing in the scenario changes over time, or over replications. `None` with
    /// fewer than two of them, and if all replications of a trace are equal.
    pub standard_error: Option<f64>,
}

/// A number of exact theory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Exact {
    /// The name of the theory: `Erlang B`, `product form`, `birth-death chain` or `Markov chain`.
    pub model: &'static str,
    /// The share of the attempts that is admitted.
    pub admitted_share: f64,
}

/// Seconds from the first attempt to a good answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Latency {
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The 99.9th percentile.
    pub p999: f64,
}

/// Rates per second in a part of the measured time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TimelinePart {
    /// The middle of the part, in seconds since the beginning of the run.
    pub at: f64,
    /// Requests per second, without retries.
    pub offered: f64,
    /// Attempts per second.
    pub attempts: f64,
    /// Admitted attempts per second.
    pub admitted: f64,
    /// Good answers per second.
    pub good: f64,
}

/// The utilization in the measured time.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Utilization {
    /// The mean over time.
    pub mean: Estimate,
    /// The mean by exact theory, if there is one for the scenario.
    pub theory: Option<f64>,
    /// The standard deviation over time.
    pub deviation: f64,
    /// Means of the parts of the timeline.
    pub timeline: Vec<f64>,
}

/// The limit that has stopped a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Stopped {
    /// The limit that was reached.
    pub limit: &'static str,
    /// The earliest time of all replications, in seconds since the beginning.
    pub at: f64,
}

impl Scenario {
    /// Runs the scenario against a wall with these rules, all replications in parallel.
    ///
    /// The same scenario and rules have the same results, on any number of threads. Under other rules, the same requests
    /// arrive, except those of `users`, which depend on the answers.
    ///
    /// # Errors
    /// If the rules are not valid for the classes of the scenario. The text names the class and the numbers.
    pub fn run(&self, rules: &RuleSet) -> Result<Answer, Error> {
        self.run_with_progress(Some(rules), &|_| {})
    }

    /// Runs the scenario without a wall: every request is admitted.
    ///
    /// # Errors
    /// If the scenario says no number of threads.
    pub fn run_without_wall(&self) -> Result<Answer, Error> {
        self.run_with_progress(None, &|_| {})
    }

    /// Checks rules, or a run without a wall, for this scenario. Nothing is simulated.
    ///
    /// # Errors
    /// As [`run`](Self::run) and [`run_without_wall`](Self::run_without_wall).
    pub fn check(&self, rules: Option<&RuleSet>) -> Result<(), Error> {
        let wall = rules
            .map(|rules| rules.for_classes(&self.class_names))
            .transpose()?;
        self.threads(wall.as_ref()).map(drop)
    }

    /// Runs the scenario with or without a wall. Calls `progress` with the fraction of the work that has been done
    /// since the last call, on several threads.
    ///
    /// # Errors
    /// As [`run`](Self::run) and [`run_without_wall`](Self::run_without_wall).
    pub fn run_with_progress(
        &self,
        rules: Option<&RuleSet>,
        progress: &(dyn Fn(f64) + Sync),
    ) -> Result<Answer, Error> {
        let wall = rules
            .map(|rules| rules.for_classes(&self.class_names))
            .transpose()?;
        let threads = self.threads(wall.as_ref())?;
        let records = self.records(wall.as_ref(), threads, progress);
        let theory = wall.map(|wall| theory(self, &wall, threads));
        Ok(answer(self, rules, &records, theory.as_ref()))
    }

    /// Runs the scenario against a wall as [`run`](Self::run) does, without exact theory, which can take longer than a short
    /// run.
    pub(crate) fn run_without_theory(&self, rules: &RuleSet) -> Result<Answer, Error> {
        let wall = rules.for_classes(&self.class_names)?;
        let threads = self.threads(Some(&wall))?;
        let records = self.records(Some(&wall), threads, &|_| {});
        Ok(answer(self, Some(rules), &records, None))
    }

    /// Runs all replications.
    fn records(
        &self,
        wall: Option<&WallRules>,
        threads: u32,
        progress: &(dyn Fn(f64) + Sync),
    ) -> Vec<Record> {
        let replications = f64::from(self.replications);
        let progress: &Progress<'_> = &|fraction| progress(fraction / replications);
        let run = |replication: u32| {
            let seed = self.seed.wrapping_add(u64::from(replication) << 32);
            Simulation::new(self, wall, threads, seed, progress).run()
        };
        (0..self.replications).into_par_iter().map(run).collect()
    }

    /// Returns the number of threads: as in the scenario, or the capacity of the rules.
    fn threads(&self, wall: Option<&WallRules>) -> Result<u32, Error> {
        match (self.server.threads, wall) {
            (Some(threads), _) => Ok(threads),
            (None, Some(rules)) => Ok(rules_of(rules).0),
            (None, None) => Err(Error::new(
                &self.name,
                "server.threads is missing, which a run without a wall needs",
            )),
        }
    }
}

impl Answer {
    /// Returns the results of a part of the measured time.
    ///
    /// # Panics
    /// If the scenario has no part of this name.
    #[must_use]
    #[track_caller]
    pub fn part(&self, name: &str) -> &Part {
        let mut parts = self.parts.iter();
        parts.find(|part| part.name == name).unwrap_or_else(|| {
            let known = self.parts.iter().map(|part| &*part.name);
            panic!("{}", unknown("part", name, known))
        })
    }
}

/// # Panics
/// If the scenario has no class of this name.
impl Index<&str> for Answer {
    type Output = ClassAnswer;

    #[track_caller]
    fn index(&self, name: &str) -> &ClassAnswer {
        class(&self.classes, name)
    }
}

/// # Panics
/// If the scenario has no class of this name.
impl Index<&str> for Part {
    type Output = ClassAnswer;

    #[track_caller]
    fn index(&self, name: &str) -> &ClassAnswer {
        class(&self.classes, name)
    }
}

#[track_caller]
fn class<'a>(classes: &'a [ClassAnswer], name: &str) -> &'a ClassAnswer {
    let found = classes.iter().find(|class| class.name == name);
    found.unwrap_or_else(|| {
        let known = classes.iter().map(|class| &*class.name);
        panic!("{}", unknown("class", name, known))
    })
}

fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    match known.as_slice() {
        [] => format!("{kind} `{name}` is not in the scenario, which has none"),
        known => format!(
            "{kind} `{name}` is not in the scenario, which has `{}`",
            known.join("`, `")
        ),
    }
}

fn answer(
    scenario: &Scenario,
    rules: Option<&RuleSet>,
    records: &[Record],
    theory: Option<&Theory>,
) -> Answer {
    // The batches after a stop are empty.
    let is_stopped = records.iter().any(|record| record.stopped.is_some());
    let is_stationary = scenario.is_stationary() && !is_stopped;
    let timelines: Vec<Vec<TimelinePart>> = (0..scenario.classes.len())
        .map(|class| timeline(scenario, records, class))
        .collect();
    // Of a window: the measured time, or a part.
    let window = |number: usize| {
        let windows: Vec<&Window> = records
            .iter()
            .map(|record| &record.windows[number])
            .collect();
        let classes: Vec<ClassAnswer> = (0..scenario.classes.len())
            .map(|class| class_answer(scenario, &windows, class, is_stationary))
            .collect();
        (utilization(scenario, &windows, is_stationary), classes)
    };
    let ((mean_utilization, deviation), mut classes) = window(0);
    for (index, class) in classes.iter_mut().enumerate() {
        let exact = theory.and_then(|theory| theory.admitted[index]);
        class.theory = exact.map(|(model, admitted_share)| Exact {
            model,
            admitted_share,
        });
        class.timeline.clone_from(&timelines[index]);
    }
    let part = |(part, number): (&crate::scenario::Part, usize)| {
        let ((utilization, _), mut classes) = window(number);
        for (class, timeline) in classes.iter_mut().zip(&timelines) {
            let within = |at: &&TimelinePart| (part.from..part.to).contains(&at.at);
            class.timeline = timeline.iter().filter(within).copied().collect();
        }
        Part {
            name: part.name.clone(),
            from: part.from,
            to: part.to,
            utilization,
            classes,
        }
    };
    let stopped = records.iter().filter_map(|record| record.stopped);
    let stopped = stopped.min_by(|one, other| one.1.total_cmp(&other.1));
    let utilization_at = |part: usize| {
        mean(
            records
                .iter()
                .map(|record| record.utilization_timeline[part]),
        )
    };
    Answer {
        title: scenario.title.clone(),
        rules: rules.map(|rules| rules.name().to_owned()),
        seconds: scenario.seconds,
        warm_up: scenario.warm_up,
        replications: scenario.replications,
        seed: scenario.seed,
        classes,
        utilization: Utilization {
            mean: mean_utilization,
            theory: theory.and_then(|theory| theory.utilization),
            deviation,
            timeline: (0..BUCKETS).map(utilization_at).collect(),
        },
        parts: scenario.parts.iter().zip(1..).map(part).collect(),
        requests: records.iter().map(|record| record.requests).sum(),
        events: records.iter().map(|record| record.events).sum(),
        stopped: stopped.map(|(limit, at)| Stopped { limit, at }),
    }
}

fn mean(parts: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = parts.len() as f64;
    parts.sum::<f64>() / count
}

/// Returns the mean of the utilization in a window, and its standard deviation over time.
fn utilization(scenario: &Scenario, windows: &[&Window], is_stationary: bool) -> (Estimate, f64) {
    let (means, deviations): (Vec<f64>, Vec<f64>) = windows
        .iter()
        .map(|window| window.utilization_over_time())
        .unzip();
    let groups: Vec<f64> = match is_stationary {
        true => windows.iter().flat_map(|window| window.batches).collect(),
        false => means.clone(),
    };
    let is_traced = |class: &crate::scenario::Class| matches!(class.arrivals, Arrivals::Trace(_));
    let is_replay = scenario.classes.iter().all(is_traced) && all_equal(&groups);
    let error = ratio(groups.iter().map(|&value| (value, 1.0))).standard_error;
    let estimate = Estimate {
        value: mean(means.into_iter()),
        standard_error: error.filter(|_| !is_replay),
    };
    (estimate, mean(deviations.into_iter()))
}

/// Returns the rates of a class over the measured time.
fn timeline(scenario: &Scenario, records: &[Record], class: usize) -> Vec<TimelinePart> {
    let seconds = scenario.seconds / BUCKETS as f64;
    let part = |part: usize| {
        let rate = |count: fn(&Bucket) -> u64| {
            let buckets = records.iter().map(|record| &record.timeline[class][part]);
            let sum: u64 = buckets.map(count).sum();
            sum as f64 / (seconds * records.len() as f64)
        };
        TimelinePart {
            at: scenario.warm_up + (part as f64 + 0.5) * seconds,
            offered: rate(|bucket| bucket.offered),
            attempts: rate(|bucket| bucket.attempts),
            admitted: rate(|bucket| bucket.admitted),
            good: rate(|bucket| bucket.good),
        }
    };
    (0..BUCKETS).map(part).collect()
}

/// Returns the results of a class in a window, without theory and timeline.
fn class_answer(
    scenario: &Scenario,
    windows: &[&Window],
    class: usize,
    is_stationary: bool,
) -> ClassAnswer {
    let records: Vec<&ClassRecord> = windows
        .iter()
        .map(|window| &window.classes[class])
        .collect();
    let total = |counts: &[Counts]| Counts {
        offered: counts.iter().map(|counts| counts.offered).sum(),
        attempts: counts.iter().map(|counts| counts.attempts).sum(),
        admitted: counts.iter().map(|counts| counts.admitted).sum(),
        good: counts.iter().map(|counts| counts.good).sum(),
    };
    let groups: Vec<Counts> = match is_stationary {
        true => records.iter().flat_map(|record| record.batches).collect(),
        false => records
            .iter()
            .map(|record| total(&record.batches))
            .collect(),
    };
    let is_traced = matches!(scenario.classes[class].arrivals, Arrivals::Trace(_));
    let is_replay = is_traced && all_equal(&groups);
    let all = total(&groups);
    let lost = records.iter().map(|record| record.lost).sum();
    let mut latency = Histogram::<u64>::new(3).expect("3 digits are allowed");
    let mut failures = IndexMap::new();
    for record in &records {
        latency.add(&record.latency).expect("the histogram grows");
        for (failure, count) in &record.failures {
            *failures.entry(failure.name()).or_default() += count;
        }
    }
    let busy: f64 = records.iter().map(|record| record.busy_seconds).sum();
    let wasted_seconds: f64 = records.iter().map(|record| record.wasted_seconds).sum();
    let levels = records[0].levels.len();
    let level = |level: usize| LevelAnswer {
        offered: records.iter().map(|record| record.levels[level].0).sum(),
        good: records.iter().map(|record| record.levels[level].1).sum(),
    };
    let share = |of: fn(&Counts) -> (u64, u64)| {
        let groups = groups.iter().map(of);
        let mut share = ratio(groups.map(|(part, whole)| (part as f64, whole as f64)));
        share.standard_error = share.standard_error.filter(|_| !is_replay);
        share
    };
    ClassAnswer {
        name: scenario.class_names[class].clone(),
        offered: all.offered,
        attempts: all.attempts,
        admitted: all.admitted,
        good: all.good,
        lost,
        unfinished: all.offered - all.good - lost,
        failures,
        good_share: share(|counts| (counts.good, counts.offered)),
        admitted_share: share(|counts| (counts.admitted, counts.attempts)),
        theory: None,
        latency: (!latency.is_empty()).then(|| {
            let seconds = |micros: f64| micros / 1e6;
            let quantile = |q| seconds(latency.value_at_quantile(q) as f64);
            Latency {
                mean: seconds(latency.mean()),
                p50: quantile(0.5),
                p99: quantile(0.99),
                p999: quantile(0.999),
            }
        }),
        wasted: records.iter().map(|record| record.wasted).sum(),
        wasted_share: wasted_seconds / busy,
        levels: if levels > 1 {
            (0..levels).map(level).collect()
        } else {
            Vec::new()
        },
        timeline: Vec::new(),
    }
}

/// Returns whether no random number has made replications differ.
fn all_equal<T: PartialEq>(groups: &[T]) -> bool {
    groups.windows(2).all(|pair| pair[0] == pair[1])
}

/// Returns the ratio of two sums, with the standard error of a ratio estimate (W. G. Cochran, *Sampling Techniques*,
/// 1977, chapter 6).
fn ratio(groups: impl Iterator<Item = (f64, f64)> + Clone) -> Estimate {
    let part: f64 = groups.clone().map(|(part, _)| part).sum();
    let whole: f64 = groups.clone().map(|(_, whole)| whole).sum();
    let value = part / whole;
    let count = groups.clone().count() as f64;
    let residuals: f64 = groups
        .map(|(part, whole)| (part - value * whole).powi(2))
        .sum();
    let error = (count / (count - 1.0) * residuals).sqrt() / whole;
    Estimate {
        value,
        standard_error: Some(error).filter(|error| error.is_finite()),
    }
}
