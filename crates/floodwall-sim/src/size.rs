//! Proposes a capacity, guarantees, caps and curves from loads.
//!
//! [`size`] proposes rules for a load on normal days and one in a storm. It simulates the wall under both with many
//! rules, and returns the choices that are worth a decision. Each loses less than the others somewhere and more
//! elsewhere.
//!
//! A *loss* is the fraction of requests without a good answer, `1 - good_share`. With retries, a request is lost if all
//! of its attempts are rejected. A retry comes after a random time, uniform between 0 and two mean holding times.
//!
//! # How it searches
//! Erlang's B formula gives the guarantees that keep each target by themselves. A candidate has a part of them for each
//! priority, curves of lower priorities that leave some permits free, and caps. The curves are steps. Random candidates
//! are simulated in short runs, then neighbors of the best in longer ones, and the best of these in long runs with
//! another seed. A choice is the candidate with the lowest weighted sum of losses, for one of several weights of the
//! storm and of priorities.
//!
//! Holding times are simulated as exponential. With shares alone, the losses depend on their means only; with curves
//! they do so nearly.

mod candidate;
mod loads;
mod search;
mod traffic;

use std::ops::Index;

use serde::Serialize;

pub use self::loads::Loads;

use self::candidate::{
    capacity_of_separate_pools, loss_within_guarantee, separate_pools_suffice, to_toml,
};
use self::search::{ABOUT_EQUAL, ALL_WEIGHTS, FINAL, Measured, RECOMMENDED, Search};
use crate::answer::Estimate;
use crate::error::Error;
use crate::rules::RuleSet;

/// Most choices that are shown.
const MOST_CHOICES: usize = 10;
/// Choices whose losses all differ by less than this factor, as a logarithm, are one.
const LEAST_DIFFERENCE: f64 = 0.2;
/// If no capacity is given, the target for the normal load of a class that has none.
const IMPLIED_TARGET: f64 = 0.05;
/// Times that a proposed capacity is raised because the long runs miss a target that shorter ones met.
const MOST_RAISES: usize = 4;

/// What [`size`] proposes.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Proposals {
    /// The capacity.
    pub capacity: u32,
    /// Whether the loads say no capacity, so that this one is proposed.
    pub is_capacity_proposed: bool,
    /// The seed of the random numbers.
    pub seed: u64,
    /// The choices: first those that keep the promise to the first priority. In each part, from low losses under normal
    /// load to low losses in the storm.
    pub choices: Vec<Choice>,
    /// The number of the recommended choice in `choices`.
    pub recommended: usize,
    /// The recommended choice under other requests, which had no part in the search.
    pub check: Choice,
    /// The targets that the recommended choice misses.
    pub missed: Vec<Missed>,
    /// A capacity that reaches all targets, if some are missed and it was found.
    pub sufficient_capacity: Option<u32>,
    /// A capacity that reaches them and also [keeps the promise](Choice::keeps_promise), if there is one to keep.
    pub capacity_with_promise: Option<u32>,
    /// Simulated requests.
    pub requests: u64,
    /// Simulated runs.
    pub runs: u64,
}

/// Rules, and what each class loses under them.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Choice {
    /// The classes, in the order of the loads.
    pub classes: Vec<ClassChoice>,
    /// Whether all targets are met.
    pub meets_targets: bool,
    /// Whether the guarantees of the first priority keep its targets whatever other classes do, also if these hold
    /// permits for longer than described. False if it has no targets.
    pub keeps_promise: bool,
    /// The rules in TOML, in the form of `floodwall`.
    pub rules: String,
}

/// The rule of a class, and what the class loses.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ClassChoice {
    /// The name of the class.
    pub name: String,
    /// Permits that the class can always acquire.
    pub guarantee: u32,
    /// The most permits that it may hold.
    pub cap: Option<u32>,
    /// The utilization from which its curve, a step, sheds everything beyond the guarantee.
    pub shed: Option<f64>,
    /// The loss under normal load. `None` without requests.
    pub normal: Option<Estimate>,
    /// The loss in the storm. `None` without requests.
    pub storm: Option<Estimate>,
    /// The target for `normal`. Without a capacity, a class without a target has one of 5 %.
    pub normal_target: Option<f64>,
    /// The target for `storm`.
    pub storm_target: Option<f64>,
    /// The most that the class loses under its normal load, whatever the other classes do: Erlang's B formula for its
    /// guarantee.
    pub most_normal: f64,
    /// The same for its load in the storm.
    pub most_storm: f64,
}

/// A target that the recommended choice misses.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Missed {
    /// The name of the class.
    pub class: String,
    /// `normal` or `storm`.
    pub load: &'static str,
    /// The loss.
    pub loss: f64,
    /// The target.
    pub target: f64,
    /// The lowest loss of this class under this load of all rules that were run for long, with this capacity.
    pub least: f64,
}

impl Choice {
    /// Returns the rules, to [run](crate::Scenario::run) a scenario with them.
    ///
    /// # Errors
    /// Never, for a choice that [`size`] has returned.
    pub fn rule_set(&self, name: &str) -> Result<RuleSet, Error> {
        RuleSet::from_toml(name, &self.rules)
    }
}

/// The class of this name.
impl Index<&str> for Choice {
    type Output = ClassChoice;

    fn index(&self, name: &str) -> &ClassChoice {
        match self.classes.iter().find(|class| class.name == name) {
            Some(class) => class,
            None => panic!("class `{name}` is not in the loads"),
        }
    }
}

impl Proposals {
    /// Returns the recommended choice: of those that meet the targets, or miss each by at most a fifth more than the one
    /// that misses them least, the one with the lowest weighted sum of losses. In the sum, a class counts three times as
    /// much as one of the next lower priority.
    #[must_use]
    pub fn recommended(&self) -> &Choice {
        &self.choices[self.recommended]
    }
}

/// Proposes rules for loads. Calls `progress` with the fraction of the work that has been done since the last call, on
/// several threads.
///
/// The same loads, seed and effort always have the same result.
///
/// # Errors
/// If a run of the simulator is not possible. The text says why.
///
/// # Examples
/// ```
/// use floodwall_sim::size::{Loads, size};
///
/// let loads = Loads::from_toml("capacity = 20\n[class.message]\nnormal = 9\nloss = 0.01")?.with_effort(0.001);
/// let proposals = size(&loads, &|_| {})?;
/// assert!(proposals.recommended().meets_targets);
/// # Ok::<(), floodwall_sim::Error>(())
/// ```
pub fn size(loads: &Loads, progress: &(dyn Fn(f64) + Sync)) -> Result<Proposals, Error> {
    let mut loads = loads.clone();
    let is_capacity_proposed = loads.capacity.is_none();
    if is_capacity_proposed {
        for class in &mut loads.classes {
            class.normal_target = class.normal_target.or(Some(IMPLIED_TARGET));
        }
    }
    let search = &Search::new(&loads, progress);
    let (mut capacity, start) = match loads.capacity {
        Some(capacity) => (capacity, Vec::new()),
        None => {
            let largest = loads
                .classes
                .iter()
                .map(|class| class.permits)
                .max()
                .unwrap_or(1);
            let least = (loads.normal_permits().ceil() as u32).max(largest);
            let most = capacity_of_separate_pools(&loads).max(least);
            let found = search.smallest_capacity(least, most, Vec::new(), &|measured| {
                search.is_sufficient(measured)
            })?;
            found.unwrap_or((most, Vec::new()))
        }
    };
    let mut searched = search.search(capacity, start)?;
    let mut finalists = search.measure_best(capacity, &searched)?;
    if is_capacity_proposed {
        for _ in 0..MOST_RAISES {
            if finalists
                .iter()
                .any(|measured| search.missed(measured, 1.0) == 0.0)
            {
                break;
            }
            capacity += (capacity / 100).max(1);
            finalists = search.measure_best(capacity, &searched)?;
        }
    }

    let recommended = recommended(search, &finalists);
    let missed = missed(&loads, &finalists[recommended], &finalists);
    let (mut sufficient_capacity, mut capacity_with_promise) = (None, None);
    if !missed.is_empty() {
        let key = |measured: &Measured| search.missed(measured, 1.0);
        searched.sort_by(|one, other| key(one).total_cmp(&key(other)));
        let near = searched
            .iter()
            .take(12)
            .map(|measured| measured.candidate.clone())
            .collect();
        let most = capacity_of_separate_pools(&loads).max(capacity + 1);
        let found =
            search.smallest_capacity(capacity + 1, most, near, &|measured| key(measured) == 0.0)?;
        // The runs may be too short to show what is exact.
        let exact = Some(most).filter(|&most| separate_pools_suffice(&loads, most));
        let (least, near) = found.unwrap_or((most, Vec::new()));
        sufficient_capacity = Some(least).filter(|_| !near.is_empty()).or(exact);
        if search.has_promise() {
            let found = search.smallest_capacity(least, most, near, &|measured| {
                search.is_sufficient(measured)
            })?;
            capacity_with_promise = found.map(|(capacity, _)| capacity).or(exact);
        }
    }
    let candidate = finalists[recommended].candidate.clone();
    let check = search.measure(capacity, vec![candidate], FINAL, 8)?;
    search.finish();

    let shown = shown(search, &finalists, recommended);
    let (requests, runs) = search.total();
    Ok(Proposals {
        capacity,
        is_capacity_proposed,
        seed: loads.seed,
        recommended: shown
            .iter()
            .position(|&index| index == recommended)
            .unwrap_or(0),
        choices: shown
            .iter()
            .map(|&index| choice(search, capacity, &finalists[index]))
            .collect(),
        check: choice(search, capacity, &check[0]),
        missed,
        sufficient_capacity,
        capacity_with_promise,
        requests,
        runs,
    })
}

/// Returns the number of the recommended candidate.
fn recommended(search: &Search<'_>, finalists: &[Measured]) -> usize {
    let meets_all = |index: &usize| search.missed(&finalists[*index], 0.0) == 0.0;
    let meets = (0..finalists.len()).any(|index| meets_all(&index));
    let least = least_missing(search, finalists);
    let is_eligible = |index: &usize| match meets {
        true => meets_all(index),
        false => search.misses_about(&finalists[*index], &finalists[least]),
    };
    let weights = if meets { RECOMMENDED } else { ABOUT_EQUAL };
    let key = |index: &usize| {
        let measured = &finalists[*index];
        (
            !search.keeps_promise(measured),
            // With two standard errors to spare if possible.
            meets && search.missed(measured, 2.0) > 0.0,
            search.cost(measured, weights),
        )
    };
    let eligible = (0..finalists.len()).filter(is_eligible);
    let best = eligible.min_by(|one, other| {
        let (one, other) = (key(one), key(other));
        let order = one.0.cmp(&other.0).then(one.1.cmp(&other.1));
        order.then(one.2.total_cmp(&other.2))
    });
    best.unwrap_or(least)
}

/// Returns the number of the candidate that misses the targets least, also if each loss is higher by a standard error.
fn least_missing(search: &Search<'_>, finalists: &[Measured]) -> usize {
    let missed = |index: &usize| search.missed(&finalists[*index], 1.0);
    let least = (0..finalists.len()).min_by(|one, other| missed(one).total_cmp(&missed(other)));
    least.expect("some candidates were measured")
}

/// Returns the numbers of the candidates that are shown, in order: the best for each of the weights, with the promise
/// to the first priority and without it, of those that miss no target of the first priority if there are any.
fn shown(search: &Search<'_>, finalists: &[Measured], recommended: usize) -> Vec<usize> {
    let misses_first = |&index: &usize| {
        let classes = search.loads.classes.iter().zip(&finalists[index].normal);
        let mut with_losses = classes.zip(&finalists[index].storm);
        with_losses.any(|((class, normal), storm)| {
            let misses = |loss: &Option<Estimate>, target: Option<f64>| {
                loss.zip(target)
                    .is_some_and(|(loss, target)| loss.value > target)
            };
            class.rank == 0
                && (misses(normal, class.normal_target) || misses(storm, class.storm_target))
        })
    };
    let mut all: Vec<usize> = (0..finalists.len())
        .filter(|index| !misses_first(index))
        .collect();
    if all.is_empty() {
        all = (0..finalists.len()).collect();
    }
    let mut shown = vec![recommended];
    let least = least_missing(search, finalists);
    if search.missed(&finalists[recommended], 0.0) > 0.0 && least != recommended {
        shown.push(least);
    }
    for keeps in [true, false] {
        let group = || {
            let in_group = |index: &&usize| !keeps || search.keeps_promise(&finalists[**index]);
            all.iter().filter(in_group)
        };
        for weights in ALL_WEIGHTS {
            let cost = |index: &usize| search.cost(&finalists[*index], weights);
            let best = group().min_by(|one, other| cost(one).total_cmp(&cost(other)));
            shown.extend(best.filter(|best| !shown.contains(best)));
        }
    }
    // Of two that differ least, the later one goes: the recommended one is the first.
    loop {
        let pairs =
            (0..shown.len()).flat_map(|one| (one + 1..shown.len()).map(move |other| (one, other)));
        let difference = |&(one, other): &(usize, usize)| {
            search.difference(&finalists[shown[one]], &finalists[shown[other]])
        };
        let nearest = pairs.min_by(|one, other| difference(one).total_cmp(&difference(other)));
        match nearest {
            Some(pair) if shown.len() > MOST_CHOICES || difference(&pair) < LEAST_DIFFERENCE => {
                shown.remove(pair.1);
            }
            _ => break,
        }
    }
    let key = |index: &usize| {
        let measured = &finalists[*index];
        (
            !search.keeps_promise(measured),
            search.normal_cost(measured),
        )
    };
    shown.sort_by(|one, other| {
        let (one, other) = (key(one), key(other));
        one.0.cmp(&other.0).then(one.1.total_cmp(&other.1))
    });
    shown
}

fn choice(search: &Search<'_>, capacity: u32, measured: &Measured) -> Choice {
    let losses = measured.normal.iter().zip(&measured.storm);
    let classes = search.loads.classes.iter().zip(&measured.rules).zip(losses);
    let classes = classes.map(|((class, rule), (&normal, &storm))| {
        let (most_normal, most_storm) = loss_within_guarantee(class, rule.guarantee);
        ClassChoice {
            name: class.name.clone(),
            guarantee: rule.guarantee,
            cap: rule.cap,
            shed: rule.step,
            normal,
            storm,
            normal_target: class.normal_target,
            storm_target: class.storm_target,
            most_normal,
            most_storm,
        }
    });
    Choice {
        classes: classes.collect(),
        meets_targets: search.missed(measured, 0.0) == 0.0,
        keeps_promise: search.keeps_promise(measured),
        rules: to_toml(search.loads, capacity, &measured.rules),
    }
}

type LossesOf = fn(&Measured) -> &[Option<Estimate>];

/// Returns the targets that a candidate misses.
fn missed(loads: &Loads, of: &Measured, all: &[Measured]) -> Vec<Missed> {
    let mut missed = Vec::new();
    for (index, class) in loads.classes.iter().enumerate() {
        let normal: LossesOf = |measured| &measured.normal;
        let storm: LossesOf = |measured| &measured.storm;
        let by_load = [
            ("normal", class.normal_target, normal),
            ("storm", class.storm_target, storm),
        ];
        for (load, target, losses) in by_load {
            let (Some(loss), Some(target)) = (losses(of)[index], target) else {
                continue;
            };
            if loss.value > target {
                let least = all.iter().filter_map(|measured| losses(measured)[index]);
                missed.push(Missed {
                    class: class.name.clone(),
                    load,
                    loss: loss.value,
                    target,
                    least: least.map(|loss| loss.value).fold(f64::INFINITY, f64::min),
                });
            }
        }
    }
    missed
}
