//! The search: random candidates, then neighbors of the best, in ever longer runs with new seeds.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::SeedableRng;
use rayon::prelude::*;

use super::candidate::{Candidate, Rule, loss_within_guarantee, to_toml};
use super::loads::{Class, Load, Loads};
use super::traffic::{WARM_UP, class_table};
use crate::answer::{Answer, Estimate};
use crate::error::Error;
use crate::rules::RuleSet;
use crate::scenario::Scenario;
use crate::times::Random;

/// Requests of a run at an effort of 1, after its warm-up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length {
    normal: f64,
    storm: f64,
}

pub(super) const FIRST: Length = Length {
    normal: 10_000.0,
    storm: 30_000.0,
};
pub(super) const NEIGHBORS: Length = Length {
    normal: 50_000.0,
    storm: 150_000.0,
};
pub(super) const CAPACITIES: Length = Length {
    normal: 100_000.0,
    storm: 300_000.0,
};
pub(super) const FINAL: Length = Length {
    normal: 800_000.0,
    storm: 2_500_000.0,
};

/// Random candidates at an effort of 1.
const CANDIDATES: f64 = 1500.0;
const LEAST_CANDIDATES: f64 = 60.0;
/// Requests that all random candidates together have at most, at an effort of 1.
const FIRST_REQUESTS: f64 = 90e6;
/// Random candidates that are tried with each capacity.
const RANDOM_PER_CAPACITY: usize = 60;
/// Rounds in which the neighbors of the best candidates are tried.
const ROUNDS: usize = 4;
/// Candidates that are measured in the long runs.
pub(super) const FINALISTS: usize = 24;

/// A candidate with what it loses.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) candidate: Candidate,
    pub(super) rules: Vec<Rule>,
    /// By class. `None` if the class has no requests.
    pub(super) normal: Vec<Option<Estimate>>,
    pub(super) storm: Vec<Option<Estimate>>,
}

/// How much losses matter. The rules with the lowest weighted sum of losses are not worse than others in all of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights {
    /// Of a loss in the storm, relative to one under normal load.
    storm: f64,
    /// Of a class, relative to one of the next lower priority.
    priority: f64,
    /// Of the part of a loss that is above its target, relative to a loss without a target.
    above_target: f64,
}

/// The weights of the recommended choice.
pub(super) const RECOMMENDED: Weights = Weights {
    storm: 1.0,
    priority: 3.0,
    above_target: 20.0,
};
/// The weights among choices that miss the targets by about as much: what is above a target is lost like any other request.
pub(super) const ABOUT_EQUAL: Weights = Weights {
    above_target: 1.0,
    ..RECOMMENDED
};
/// A loss above its target may be higher by this factor if other losses are lower for it.
const ABOUT: f64 = 1.2;

/// The weights of the choices that are shown.
pub(super) const ALL_WEIGHTS: [Weights; 11] = [
    RECOMMENDED,
    with(1.0 / 27.0),
    with(1.0 / 9.0),
    with(1.0 / 3.0),
    with(3.0),
    with(9.0),
    with(27.0),
    with(81.0),
    with(243.0),
    Weights {
        priority: 1.0,
        ..RECOMMENDED
    },
    Weights {
        priority: 10.0,
        ..RECOMMENDED
    },
];

const fn with(storm: f64) -> Weights {
    Weights {
        storm,
        ..RECOMMENDED
    }
}

pub(super) struct Search<'a> {
    pub(super) loads: &'a Loads,
    progress: &'a (dyn Fn(f64) + Sync),
    /// Requests that are planned for the whole search, about.
    planned: f64,
    requests: AtomicU64,
    runs: AtomicU64,
}

impl<'a> Search<'a> {
    pub(super) fn new(loads: &'a Loads, progress: &'a (dyn Fn(f64) + Sync)) -> Self {
        let mut search = Search {
            loads,
            progress,
            planned: 1.0,
            requests: AtomicU64::new(0),
            runs: AtomicU64::new(0),
        };
        let of_one = |length| search.requests_of(length);
        let first = of_one(FIRST) * search.random_candidates() as f64;
        let neighbors = of_one(NEIGHBORS) * (search.best_of_each() * 40 * ROUNDS) as f64;
        let capacities = match loads.capacity {
            Some(_) => 0.0,
            None => 7.0 * (of_one(CAPACITIES) * 12.0 + of_one(FIRST) * 110.0),
        };
        search.planned = first + neighbors + capacities + of_one(FINAL) * FINALISTS as f64;
        search
    }

    /// Returns the requests and the runs so far.
    pub(super) fn total(&self) -> (u64, u64) {
        (
            self.requests.load(Ordering::Relaxed),
            self.runs.load(Ordering::Relaxed),
        )
    }

    /// Reports the rest of the progress.
    pub(super) fn finish(&self) {
        let done = self.requests.load(Ordering::Relaxed) as f64 / self.planned;
        (self.progress)((1.0 - done).max(0.0));
    }

    fn scale(&self) -> f64 {
        self.loads.effort.sqrt()
    }

    pub(super) fn random(&self, stage: u64) -> Random {
        Random::seed_from_u64(self.seed(stage))
    }

    /// Returns a seed for each stage, so that a number that chance has made good is not good again.
    fn seed(&self, stage: u64) -> u64 {
        self.loads
            .seed
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(stage)
    }

    fn random_candidates(&self) -> usize {
        let most = FIRST_REQUESTS * self.scale() / self.requests_of(FIRST);
        (CANDIDATES * self.scale()).min(most).max(LEAST_CANDIDATES) as usize
    }

    /// Candidates that are kept for each weights.
    fn best_of_each(&self) -> usize {
        (3.0 * self.scale()).clamp(1.0, 6.0) as usize
    }

    /// Returns measured candidates, the best of them in the long runs: these come first.
    ///
    /// Successive halving (K. Jamieson and A. Talwalkar, 2016): many candidates in short runs, few in long ones.
    pub(super) fn search(
        &self,
        capacity: u32,
        start: Vec<Candidate>,
    ) -> Result<Vec<Measured>, Error> {
        let random = &mut self.random(1);
        let mut candidates = start;
        candidates.push(Candidate::separate_pools(self.loads));
        candidates.extend(Candidate::simple(self.loads));
        let more = self.random_candidates();
        candidates.extend((0..more).map(|_| Candidate::random(self.loads, random)));
        let measured = self.measure(capacity, candidates, FIRST, 2)?;
        let best = self.best(&measured, self.best_of_each());
        let again = best
            .into_iter()
            .map(|measured| measured.candidate)
            .collect();
        let mut measured = self.measure(capacity, again, NEIGHBORS, 3)?;
        for _ in 0..ROUNDS {
            let best = self.best(&measured, self.best_of_each());
            let neighbors = best.iter().flat_map(|measured| [measured; 2]);
            let mut candidates: Vec<Candidate> = neighbors
                .map(|measured| measured.candidate.neighbor(random))
                .collect();
            candidates.retain(|candidate| {
                let rules = candidate.rules(self.loads, capacity);
                measured.iter().all(|other| other.rules != rules)
            });
            measured.extend(self.measure(capacity, candidates, NEIGHBORS, 3)?);
        }
        Ok(measured)
    }

    /// Measures the best candidates again, in long runs.
    pub(super) fn measure_best(
        &self,
        capacity: u32,
        measured: &[Measured],
    ) -> Result<Vec<Measured>, Error> {
        let mut best = self.best(measured, 1);
        best.truncate(FINALISTS);
        let best = best
            .into_iter()
            .map(|measured| measured.candidate)
            .collect();
        self.measure(capacity, best, FINAL, 4)
    }

    /// Returns the best candidates: some for each weights, with the promise to the first priority and without it, and
    /// those that miss the targets least.
    fn best<'b>(&self, measured: &'b [Measured], of_each: usize) -> Vec<Measured> {
        let mut best: Vec<&'b Measured> = Vec::new();
        let mut add = |all: &[&'b Measured], key: &dyn Fn(&Measured) -> f64, count: usize| {
            let mut sorted = all.to_vec();
            sorted.sort_by(|one, other| key(one).total_cmp(&key(other)));
            for measured in sorted.into_iter().take(count) {
                if !best.iter().any(|other| std::ptr::eq(*other, measured)) {
                    best.push(measured);
                }
            }
        };
        let all: Vec<&Measured> = measured.iter().collect();
        let guaranteed: Vec<&Measured> = measured
            .iter()
            .filter(|measured| self.keeps_promise(measured))
            .collect();
        for group in [&guaranteed, &all] {
            let key = |measured: &Measured| {
                self.missed(measured, 1.0) * 1e3 + self.cost(measured, RECOMMENDED)
            };
            add(group, &key, 2 * of_each);
        }
        for weights in ALL_WEIGHTS.into_iter().chain([ABOUT_EQUAL]) {
            for group in [&guaranteed, &all] {
                add(group, &|measured| self.cost(measured, weights), of_each);
            }
        }
        best.into_iter().cloned().collect()
    }

    /// Finds the smallest capacity with which a candidate is sufficient, from `least` to `most`, by bisection. Returns
    /// the candidates that came closest.
    pub(super) fn smallest_capacity(
        &self,
        least: u32,
        most: u32,
        near: Vec<Candidate>,
        is_sufficient: &dyn Fn(&Measured) -> bool,
    ) -> Result<Option<(u32, Vec<Candidate>)>, Error> {
        const KEPT: usize = 12;
        let random = &mut self.random(5);
        let mut near = near;
        let (mut low, mut high) = (least, most.max(least));
        let mut found = None;
        // Every step brings them closer together, to 1 % of the capacity.
        loop {
            let capacity = low + (high - low) / 2;
            near.truncate(KEPT);
            let mut all = near.clone();
            all.push(Candidate::separate_pools(self.loads));
            all.extend(Candidate::simple(self.loads));
            all.extend(near.iter().map(|candidate| candidate.neighbor(random)));
            all.extend((0..RANDOM_PER_CAPACITY).map(|_| Candidate::random(self.loads, random)));
            let mut short = self.measure(capacity, all, FIRST, 6)?;
            self.sort_by_missed(&mut short, is_sufficient);
            short.truncate(KEPT);
            let again = short
                .into_iter()
                .map(|measured| measured.candidate)
                .collect();
            let mut long = self.measure(capacity, again, CAPACITIES, 7)?;
            self.sort_by_missed(&mut long, is_sufficient);
            let is_found = is_sufficient(&long[0]);
            near = long
                .into_iter()
                .map(|measured| measured.candidate)
                .collect();
            if is_found {
                found = Some((capacity, near.clone()));
                high = capacity - 1;
            } else {
                low = capacity + 1;
            }
            if high < low || found.is_some() && high - low < capacity / 100 {
                return Ok(found);
            }
        }
    }

    /// Sorts sufficient candidates to the front, and the others by how much they miss.
    fn sort_by_missed(&self, measured: &mut [Measured], is_sufficient: &dyn Fn(&Measured) -> bool) {
        let key = |measured: &Measured| {
            let missed = self.missed(measured, 1.0) * 1e3 + self.cost(measured, RECOMMENDED);
            (!is_sufficient(measured), missed)
        };
        measured.sort_by(|one, other| {
            let (one, other) = (key(one), key(other));
            one.0.cmp(&other.0).then(one.1.total_cmp(&other.1))
        });
    }
}

// Runs

impl Search<'_> {
    /// Runs each candidate under both loads. The same requests arrive for all of them. Those with equal rules are run
    /// once.
    pub(super) fn measure(
        &self,
        capacity: u32,
        candidates: Vec<Candidate>,
        length: Length,
        stage: u64,
    ) -> Result<Vec<Measured>, Error> {
        let mut different: Vec<(Candidate, Vec<Rule>)> = Vec::new();
        for candidate in candidates {
            let rules = candidate.rules(self.loads, capacity);
            if !different.iter().any(|(_, other)| *other == rules) {
                different.push((candidate, rules));
            }
        }
        let normal = self.scenario(Class::normal, length.normal, stage)?;
        let is_same = self
            .loads
            .classes
            .iter()
            .all(|class| class.normal == class.storm);
        let storm = match is_same {
            true => None,
            false => self.scenario(Class::storm, length.storm, stage)?,
        };
        let measure = |(candidate, rules): (Candidate, Vec<Rule>)| {
            let text = to_toml(self.loads, capacity, &rules);
            let set = RuleSet::from_toml("proposed rules", &text)?;
            let losses = self.run(normal.as_ref(), &set)?;
            Ok(Measured {
                candidate,
                rules,
                storm: match is_same {
                    true => losses.clone(),
                    false => self.run(storm.as_ref(), &set)?,
                },
                normal: losses,
            })
        };
        different.into_par_iter().map(measure).collect()
    }

    /// Runs a scenario, if there is one, and returns the loss of each class.
    fn run(
        &self,
        scenario: Option<&Scenario>,
        rules: &RuleSet,
    ) -> Result<Vec<Option<Estimate>>, Error> {
        let Some(scenario) = scenario else {
            return Ok(vec![None; self.loads.classes.len()]);
        };
        let answer = scenario.run_without_theory(rules)?;
        self.runs.fetch_add(1, Ordering::Relaxed);
        let before = self.requests.fetch_add(answer.requests, Ordering::Relaxed) as f64;
        let after = (before + answer.requests as f64).min(self.planned);
        (self.progress)((after - before.min(self.planned)) / self.planned);
        Ok(losses(&answer))
    }

    /// Returns the requests of a run under both loads, with the warm-ups.
    fn requests_of(&self, length: Length) -> f64 {
        [
            (Class::normal as fn(&Class) -> Load, length.normal),
            (Class::storm, length.storm),
        ]
        .into_iter()
        .map(|(load, requests)| {
            let times = Times::new(self.loads, load, requests * self.scale());
            times.map_or(0.0, |times| times.rate * (times.warm_up + times.seconds))
        })
        .sum()
    }

    /// Returns the traffic of a load, or `None` if no requests arrive.
    fn scenario(
        &self,
        load: fn(&Class) -> Load,
        requests: f64,
        stage: u64,
    ) -> Result<Option<Scenario>, Error> {
        let Some(times) = Times::new(self.loads, load, requests * self.scale()) else {
            return Ok(None);
        };
        let Times {
            warm_up,
            seconds,
            cool_down,
            ..
        } = times;
        let mut text = format!(
            "warm_up = {warm_up:?}\nseconds = {seconds:?}\ncool_down = {cool_down:?}\nreplications = 1\n"
        );
        for (number, class) in self.loads.classes.iter().enumerate() {
            let Load { rate, holding } = load(class);
            let (key, rate) = (format!("c{number}"), format!("{rate:?}"));
            text += &class_table(class, &key, &rate, holding);
        }
        let mut scenario = Scenario::from_toml(&text)?.with_seed(self.seed(stage));
        scenario.class_names = self.loads.classes().map(str::to_owned).collect();
        Ok(Some(scenario))
    }
}

/// The times of a run, in seconds.
struct Times {
    /// Requests per second, of all classes, without retries.
    rate: f64,
    warm_up: f64,
    seconds: f64,
    cool_down: f64,
}

impl Times {
    /// Least holding times of the measurement.
    const LEAST: f64 = 20.0;
    /// Most seconds of the measurement, unless the holding times need more.
    const MOST: f64 = 1e9;
    /// Long enough for each measured request to end. A run ends as soon as they have.
    const COOL_DOWN: f64 = 100.0;

    fn new(loads: &Loads, load: fn(&Class) -> Load, requests: f64) -> Option<Times> {
        let of_all = || {
            loads
                .classes
                .iter()
                .map(load)
                .filter(|load| load.rate > 0.0)
        };
        let longest = of_all().map(|load| load.holding).fold(0.0, f64::max);
        let rate: f64 = of_all().map(|load| load.rate).sum();
        let retries = loads
            .classes
            .iter()
            .map(|class| class.retries)
            .max()
            .unwrap_or(0);
        let waits = 2.0 * f64::from(retries);
        (rate > 0.0).then(|| Times {
            rate,
            warm_up: longest * (WARM_UP + waits),
            seconds: (longest * Self::LEAST).max((requests / rate).min(Self::MOST)),
            cool_down: longest * (Self::COOL_DOWN + waits),
        })
    }
}

fn losses(answer: &Answer) -> Vec<Option<Estimate>> {
    let loss = |class: &crate::answer::ClassAnswer| {
        (class.offered > 0).then_some(Estimate {
            value: 1.0 - class.good_share.value,
            standard_error: class.good_share.standard_error,
        })
    };
    answer.classes.iter().map(loss).collect()
}

// Comparisons

impl Search<'_> {
    /// Returns whether the classes of the first priority have targets that guarantees can keep.
    pub(super) fn has_promise(&self) -> bool {
        let has_target =
            |class: &Class| class.rank == 0 && class.normal_target.or(class.storm_target).is_some();
        self.loads.classes.len() > 1 && self.loads.classes.iter().any(has_target)
    }

    /// Returns whether the classes of the first priority meet their targets whatever the other classes do.
    pub(super) fn keeps_promise(&self, measured: &Measured) -> bool {
        let mut classes = self.loads.classes.iter().zip(&measured.rules);
        self.has_promise()
            && classes.all(|(class, rule)| {
                let (normal, storm) = loss_within_guarantee(class, rule.guarantee);
                let keeps = class.normal_target.is_none_or(|target| normal <= target)
                    && class.storm_target.is_none_or(|target| storm <= target);
                class.rank > 0 || keeps
            })
    }

    /// Returns whether a candidate meets all targets with a standard error to spare, and keeps the promise if there is
    /// one.
    pub(super) fn is_sufficient(&self, measured: &Measured) -> bool {
        self.missed(measured, 1.0) == 0.0 && (self.keeps_promise(measured) || !self.has_promise())
    }

    /// Returns by how much the targets are missed: the logarithms of the factors, weighted by priority. 0 if all are
    /// met, also if each loss is higher by this number of standard errors.
    pub(super) fn missed(&self, measured: &Measured, errors: f64) -> f64 {
        let mut missed = 0.0;
        for (class, normal, storm) in self.with_losses(measured) {
            for (loss, target) in [(normal, class.normal_target), (storm, class.storm_target)] {
                if let (Some(loss), Some(target)) = (loss, target) {
                    let error = errors * loss.standard_error.unwrap_or(0.0);
                    let over = ((loss.value + error) / target).ln();
                    missed += over.max(0.0) * 10_f64.powi(self.above_lowest(class));
                }
            }
        }
        missed
    }

    /// Returns whether a candidate misses the targets by about as much as another one, or by less, also if each loss is
    /// higher by a standard error.
    pub(super) fn misses_about(&self, measured: &Measured, other: &Measured) -> bool {
        let high = |loss: Estimate| loss.value + loss.standard_error.unwrap_or(0.0);
        let mut pairs = self.with_losses(measured).zip(self.with_losses(other));
        pairs.all(|((class, normal, storm), (_, other_normal, other_storm))| {
            let is_about =
                |loss: Option<Estimate>, other: Option<Estimate>, target: Option<f64>| match (
                    loss, other, target,
                ) {
                    (Some(loss), Some(other), Some(target)) => {
                        let (loss, other) = (high(loss), high(other));
                        loss <= target || other > target && loss <= ABOUT * other
                    }
                    _ => true,
                };
            is_about(normal, other_normal, class.normal_target)
                && is_about(storm, other_storm, class.storm_target)
        })
    }

    /// Returns the weighted sum of losses. A loss within its target counts a tenth. That of a class that storms, in the
    /// storm and without a target, is what has to be shed, and counts a twentieth.
    pub(super) fn cost(&self, measured: &Measured, weights: Weights) -> f64 {
        let part = |loss: Option<Estimate>, target: Option<f64>| match (loss, target) {
            (None, _) => 0.0,
            (Some(loss), None) => loss.value,
            (Some(loss), Some(target)) => {
                0.1 * loss.value + weights.above_target * (loss.value - target).max(0.0)
            }
        };
        self.with_losses(measured)
            .map(|(class, normal, storm)| {
                let is_shed = class.storms() && class.storm_target.is_none();
                let in_storm = if is_shed { 0.05 } else { 1.0 };
                let both = part(normal, class.normal_target)
                    + weights.storm * in_storm * part(storm, class.storm_target);
                both * weights.priority.powi(self.above_lowest(class))
            })
            .sum()
    }

    /// Returns the weighted sum of losses under normal load.
    pub(super) fn normal_cost(&self, measured: &Measured) -> f64 {
        self.cost(
            measured,
            Weights {
                storm: 0.0,
                ..RECOMMENDED
            },
        )
    }

    fn above_lowest(&self, class: &Class) -> i32 {
        (self.loads.ranks - 1 - class.rank) as i32
    }

    fn with_losses<'b>(
        &'b self,
        measured: &'b Measured,
    ) -> impl Iterator<Item = (&'b Class, Option<Estimate>, Option<Estimate>)> {
        let losses = measured.normal.iter().zip(&measured.storm);
        let classes = self.loads.classes.iter();
        classes
            .zip(losses)
            .map(|(class, (&normal, &storm))| (class, normal, storm))
    }

    /// Returns the largest difference between two measured candidates in one loss, as the logarithm of a factor. Losses
    /// far below 0.2 % do not differ.
    pub(super) fn difference(&self, one: &Measured, other: &Measured) -> f64 {
        let log = |loss: &Option<Estimate>| (loss.map_or(0.0, |loss| loss.value) + 0.002).ln();
        let losses = |measured: &Measured| -> Vec<f64> {
            measured
                .normal
                .iter()
                .chain(&measured.storm)
                .map(log)
                .collect()
        };
        let promises = self.keeps_promise(one) != self.keeps_promise(other);
        let differences = losses(one)
            .into_iter()
            .zip(losses(other))
            .map(|(one, other)| (one - other).abs());
        differences.fold(0.0, f64::max) + if promises { 0.5 } else { 0.0 }
    }
}
