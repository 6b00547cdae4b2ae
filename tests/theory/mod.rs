//! The share of each class that is admitted to a wall under Poisson traffic, by exact theory.
//!
//! Decides by `tests/spec` and never calls the library. Loads are in erlangs: arrivals per mean
//! holding time of an admitted request. Poisson arrivals see time averages (R. W. Wolff, 1982), so
//! the share admitted is the time average of the probability of being admitted.

#[path = "../spec/mod.rs"]
pub(crate) mod spec;

use std::ops::RangeInclusive;

pub(crate) use spec::Ramp;
use spec::{Admission, ClassRule, Mode, Wall};

/// The offered load of one class, with its share and curve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    /// Erlangs.
    pub(crate) load: f64,
    pub(crate) rule: ClassRule,
}

impl Stream {
    /// Returns a stream whose share reaches from the guarantee to the cap.
    pub(crate) const fn new(load: f64, share: RangeInclusive<usize>, ramp: Ramp) -> Stream {
        let rule = ClassRule {
            guarantee: *share.start() as u32,
            cap: *share.end() as u32,
            ramp,
        };
        Stream { load, rule }
    }
}

/// Returns the share of `load` erlangs that `servers` servers admit.
///
/// The B formula of A. K. Erlang (1917), by the recursion in the number of servers (V. B. Iversen,
/// *Teletraffic Engineering Handbook*).
pub(crate) fn erlang_b(load: f64, servers: usize) -> f64 {
    let mut blocked = 1.0;
    for n in 1..=servers {
        blocked = load * blocked / (n as f64 + load * blocked);
    }
    1.0 - blocked
}

/// Returns the share of each stream that is admitted under any shares, without curves.
///
/// The legal states are coordinate convex: a departure from a legal state leads to a legal state. The
/// probability of a state is therefore a product of one factor per class, `load^n / n!` (J. M. Aein,
/// 1978; F. Kamoun and L. Kleinrock, 1980, for guarantees and caps). It depends on the mean holding
/// time only.
pub(crate) fn product_form(capacity: usize, streams: &[Stream]) -> Vec<f64> {
    let system = System::new(capacity, streams);
    let states = system.legal_states();
    let weights = states
        .iter()
        .map(|state| {
            let factor = |(stream, &n): (&Stream, &u64)| {
                (1..=n).map(|i| stream.load / i as f64).product::<f64>()
            };
            streams.iter().zip(state).map(factor).product()
        })
        .collect();
    system.admitted(&states, weights)
}

/// Returns the share of each stream that is admitted to a shared pool: no guarantees, no caps, and a
/// curve per stream.
///
/// Only the total counts. It is a birth-death chain, which is in balance between neighbouring states
/// (L. Kleinrock, *Queueing Systems*, 1975, chapter 3).
pub(crate) fn birth_death(capacity: usize, streams: &[Stream]) -> Vec<f64> {
    let accept = |stream: &Stream, in_use: usize| match in_use {
        full if full == capacity => 0.0,
        _ => 1.0 - stream.rule.ramp.probability(in_use as u64, capacity as u64),
    };
    let mut weights = vec![1.0];
    for n in 1..=capacity {
        let births: f64 = streams.iter().map(|s| s.load * accept(s, n - 1)).sum();
        weights.push(weights[n - 1] * births / n as f64);
    }
    let weights = normalized(weights);
    streams
        .iter()
        .map(|s| (0..=capacity).map(|n| weights[n] * accept(s, n)).sum())
        .collect()
}

/// Returns the share of each stream that is admitted to a wall with guarantees, caps, and curves on
/// borrowed permits.
///
/// There is no known formula, so the Markov chain is solved numerically.
pub(crate) fn chain(capacity: usize, streams: &[Stream]) -> Vec<f64> {
    let system = System::new(capacity, streams);
    let states = system.legal_states();
    let mut steps = Vec::new();
    for (above, state) in states.iter().enumerate() {
        for (class, stream) in streams.iter().enumerate() {
            if state[class] == 0 {
                continue;
            }
            let mut one_less = state.clone();
            one_less[class] -= 1;
            let below = states.partition_point(|other| *other < one_less);
            let accept = system.acceptance(&one_less, class);
            steps.push((above, below, state[class] as f64));
            steps.push((below, above, stream.load * accept));
        }
    }
    let weights = stationary(states.len(), &steps);
    system.admitted(&states, weights)
}

/// A wall, in the terms of its specification.
struct System {
    capacity: u32,
    rules: Vec<ClassRule>,
}

impl System {
    fn new(capacity: usize, streams: &[Stream]) -> Self {
        System {
            capacity: capacity as u32,
            rules: streams.iter().map(|stream| stream.rule).collect(),
        }
    }

    fn wall<'a>(&'a self, in_use: &'a [u64]) -> Wall<'a> {
        Wall {
            capacity: self.capacity,
            rules: &self.rules,
            mode: Mode::OPEN,
            in_use,
        }
    }

    /// Returns the probability that one more request of this class is admitted.
    fn acceptance(&self, in_use: &[u64], class: usize) -> f64 {
        let wall = self.wall(in_use);
        match wall.check_limits(class, 1) {
            Err(_) => 0.0,
            Ok(Admission::Guaranteed) => 1.0,
            Ok(Admission::Borrowed | Admission::DryRun(_)) => 1.0 - wall.reject_probability(class),
        }
    }

    /// Returns the states within all limits, in lexicographic order.
    fn legal_states(&self) -> Vec<Vec<u64>> {
        let mut states = vec![vec![]];
        for rule in &self.rules {
            let with_each = |state: Vec<u64>| {
                (0..=rule.cap_at(self.capacity)).map(move |n| [state.as_slice(), &[n]].concat())
            };
            states = states.into_iter().flat_map(with_each).collect();
        }
        states.retain(|state| self.wall(state).is_within_limits());
        states
    }

    /// Returns the share of each stream that is admitted, if the states have these weights.
    fn admitted(&self, states: &[Vec<u64>], weights: Vec<f64>) -> Vec<f64> {
        let weights = normalized(weights);
        let of_class = |class| {
            let accepted =
                |(state, weight): (&Vec<u64>, &f64)| weight * self.acceptance(state, class);
            states.iter().zip(&weights).map(accepted).sum()
        };
        (0..self.rules.len()).map(of_class).collect()
    }
}

fn normalized(mut weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

/// Returns the stationary weights of a Markov chain of `count` states, from steps
/// `(from, to, rate)`. Every state but the first must have a step to an earlier state.
///
/// The elimination of W. K. Grassmann, M. I. Taksar and D. P. Heyman (1985): states are removed one by
/// one from the last, and their transitions are added to the remaining states. It never subtracts, so
/// it loses no digits. It is fast because steps stay within a band.
fn stationary(count: usize, steps: &[(usize, usize, f64)]) -> Vec<f64> {
    let reach = |&(from, to, _): &(usize, usize, f64)| from.abs_diff(to);
    let band = steps.iter().map(reach).max().unwrap_or(0);
    // The rate from `i` to `j` is in row `i` at `band + j - i`.
    let mut rates = vec![vec![0.0; 2 * band + 1]; count];
    for &(from, to, rate) in steps {
        rates[from][band + to - from] += rate;
    }
    for last in (1..count).rev() {
        let first = last.saturating_sub(band);
        let down = rates[last][band + first - last..band].to_vec();
        let out: f64 = down.iter().sum();
        for i in first..last {
            let row = &mut rates[i];
            row[band + last - i] /= out;
            let into = row[band + last - i];
            for (rate, on) in row[band + first - i..].iter_mut().zip(&down) {
                *rate += into * on;
            }
        }
    }
    let mut weights = vec![1.0];
    for n in 1..count {
        let from = n.saturating_sub(band)..n;
        let weight = from.map(|i| weights[i] * rates[i][band + n - i]).sum();
        weights.push(weight);
    }
    weights
}
