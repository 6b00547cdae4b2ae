//! What theory says of a wall under Poisson traffic: the share of each class that is admitted.
//!
//! Exact, and written without a look at the library: the one rule stands here a second time, in
//! plain integers and loops, so that each checks the other. Loads are in erlangs, arrivals per mean
//! time that an admitted request stays. Poisson arrivals see time averages (R. W. Wolff, 1982), so
//! the share admitted is the time average of the probability to be admitted.

use std::ops::RangeInclusive;

/// One class of requests: what it offers, and what it may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    /// Erlangs.
    pub(crate) load: f64,
    pub(crate) guarantee: usize,
    pub(crate) cap: usize,
    pub(crate) ramp: Ramp,
}

impl Stream {
    /// A share reaches from the guarantee to the cap.
    pub(crate) const fn new(load: f64, share: RangeInclusive<usize>, ramp: Ramp) -> Stream {
        Stream {
            load,
            guarantee: *share.start(),
            cap: *share.end(),
            ramp,
        }
    }
}

/// A reject probability that climbs from 0 at `lo` to 1 at `hi`, straight or by a power, but never
/// above `ceiling`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ramp {
    pub(crate) lo: f64,
    pub(crate) hi: f64,
    pub(crate) power: i32,
    pub(crate) ceiling: f64,
}

impl Ramp {
    pub(crate) const NEVER: Ramp = Ramp {
        ceiling: 0.0,
        ..Ramp::linear(0.0, 1.0)
    };

    pub(crate) const fn linear(lo: f64, hi: f64) -> Ramp {
        Ramp {
            lo,
            hi,
            power: 1,
            ceiling: 1.0,
        }
    }

    /// The reject probability at this utilization.
    fn reject(&self, utilization: f64) -> f64 {
        let climbed = if utilization < self.lo {
            0.0
        } else if utilization >= self.hi {
            1.0
        } else {
            (utilization - self.lo) / (self.hi - self.lo)
        };
        climbed.powi(self.power).min(self.ceiling)
    }
}

/// The share of `load` erlangs that `servers` of its own admit.
///
/// The B formula of A. K. Erlang (1917), by the recursion in the servers that every handbook of
/// teletraffic gives (V. B. Iversen's, for one).
pub(crate) fn erlang_b(load: f64, servers: usize) -> f64 {
    let mut blocked = 1.0;
    for n in 1..=servers {
        blocked = load * blocked / (n as f64 + load * blocked);
    }
    1.0 - blocked
}

/// The share of each stream that is admitted under any shares, where nothing is shed.
///
/// The legal states are coordinate convex: whoever leaves, leaves a legal one. So the probability of
/// a state is a product of one factor per class, `load^n / n!` (J. M. Aein, 1978; F. Kamoun and
/// L. Kleinrock, 1980, for guarantees and caps), and no more is asked of the times that requests
/// stay than their mean.
pub(crate) fn product_form(capacity: usize, streams: &[Stream]) -> Vec<f64> {
    let states = legal_states(capacity, streams);
    let weights = states
        .iter()
        .map(|state| {
            let factor = |(stream, &n): (&Stream, &usize)| {
                (1..=n).map(|i| stream.load / i as f64).product::<f64>()
            };
            streams.iter().zip(state).map(factor).product()
        })
        .collect();
    admitted(capacity, streams, &states, weights)
}

/// The share of each stream that is admitted to a pool that all share, no class guaranteed or
/// capped, each shed by its own ramp.
///
/// Only the total counts, and it is a birth-death chain, whose balance is that of neighbours (any
/// book on queues; L. Kleinrock, *Queueing Systems*, 1975, chapter 3).
pub(crate) fn birth_death(capacity: usize, streams: &[Stream]) -> Vec<f64> {
    let accept = |stream: &Stream, in_use: usize| match in_use {
        full if full == capacity => 0.0,
        _ => 1.0 - stream.ramp.reject(in_use as f64 / capacity as f64),
    };
    let mut weights = vec![1.0];
    for n in 1..=capacity {
        let births: f64 = streams.iter().map(|s| s.load * accept(s, n - 1)).sum();
        weights.push(weights[n - 1] * births / n as f64);
    }
    let weights = normalised(weights);
    streams
        .iter()
        .map(|s| (0..=capacity).map(|n| weights[n] * accept(s, n)).sum())
        .collect()
}

/// The share of each stream that is admitted to a whole wall: guarantees, caps, and ramps on what
/// is borrowed.
///
/// No formula is known; the Markov chain is solved as it stands.
pub(crate) fn chain(capacity: usize, streams: &[Stream]) -> Vec<f64> {
    let states = legal_states(capacity, streams);
    let mut steps = Vec::new();
    for (above, state) in states.iter().enumerate() {
        for (class, stream) in streams.iter().enumerate() {
            if state[class] == 0 {
                continue;
            }
            let mut one_left = state.clone();
            one_left[class] -= 1;
            let below = states.partition_point(|other| *other < one_left);
            let accept = acceptance(capacity, streams, &one_left, class);
            steps.push((above, below, state[class] as f64));
            steps.push((below, above, stream.load * accept));
        }
    }
    let weights = stationary(states.len(), &steps);
    admitted(capacity, streams, &states, weights)
}

/// The rule of the wall: nobody above its cap; and what is in use or guaranteed, class by class
/// whichever is more, within the capacity.
fn is_legal(capacity: usize, streams: &[Stream], in_use: &[usize]) -> bool {
    let mut committed = 0;
    for (stream, &n) in streams.iter().zip(in_use) {
        if n > stream.cap {
            return false;
        }
        committed += n.max(stream.guarantee);
    }
    committed <= capacity
}

/// The probability that one more of this class is admitted: certainty within its guarantee, the
/// ramp's leave beyond it.
fn acceptance(capacity: usize, streams: &[Stream], in_use: &[usize], class: usize) -> f64 {
    let mut above = in_use.to_vec();
    above[class] += 1;
    if !is_legal(capacity, streams, &above) {
        0.0
    } else if above[class] <= streams[class].guarantee {
        1.0
    } else {
        let total: usize = in_use.iter().sum();
        let ramp = &streams[class].ramp;
        1.0 - ramp.reject(total as f64 / capacity as f64)
    }
}

/// All legal states, in lexicographic order.
fn legal_states(capacity: usize, streams: &[Stream]) -> Vec<Vec<usize>> {
    let mut states = vec![vec![]];
    for stream in streams {
        let with_each = |state: Vec<usize>| {
            (0..=stream.cap.min(capacity)).map(move |n| [state.as_slice(), &[n]].concat())
        };
        states = states.into_iter().flat_map(with_each).collect();
    }
    states.retain(|state| is_legal(capacity, streams, state));
    states
}

/// The share of each stream that is admitted, if the states have these weights.
fn admitted(
    capacity: usize,
    streams: &[Stream],
    states: &[Vec<usize>],
    weights: Vec<f64>,
) -> Vec<f64> {
    let weights = normalised(weights);
    let of_class = |class| {
        let accepted = |(state, weight): (&Vec<usize>, &f64)| {
            weight * acceptance(capacity, streams, state, class)
        };
        states.iter().zip(&weights).map(accepted).sum()
    };
    (0..streams.len()).map(of_class).collect()
}

fn normalised(mut weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

/// The stationary weights of a Markov chain of `count` states, from steps `(from, to, rate)`. Every
/// state but the first must have a way down in the order.
///
/// The elimination of W. K. Grassmann, M. I. Taksar and D. P. Heyman (1985): states are taken out
/// one by one from the last, and their traffic is handed to those that remain. It subtracts
/// nothing, so it loses no digits; and as steps reach no farther than a band, it is fast.
fn stationary(count: usize, steps: &[(usize, usize, f64)]) -> Vec<f64> {
    let reach = |&(from, to, _): &(usize, usize, f64)| from.abs_diff(to);
    let band = steps.iter().map(reach).max().unwrap_or(0);
    // The rate from `i` to `j` stands in row `i` at `band + j - i`.
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
