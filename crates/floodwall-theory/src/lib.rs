#![doc = include_str!("../README.md")]
//!
//! # Terms
//! Loads are in erlangs: requests that arrive per mean holding time of an admitted request. Arrivals
//! are Poisson, and Poisson arrivals see time averages (R. W. Wolff, 1982). So the admitted share is
//! the time average of the probability of being admitted. A rejected request is lost: nothing waits,
//! and no request is sent again.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod spec;
mod stationary;
mod system;

use std::cmp::Reverse;
use std::ops::RangeInclusive;

use spec::ClassRule;
pub use spec::Ramp;
use stationary::{band, probabilities, stationary};
use system::System;

/// The offered load of one class, with its share and curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stream {
    /// Requests that arrive per mean holding time of an admitted request: erlangs of requests, whatever
    /// the permits of one are. Finite and not negative.
    pub load: f64,
    /// Permits of one request, at least 1. A request is admitted with all of them or rejected.
    pub permits: u32,
    /// Mean holding time, in a unit that is the same for all streams. Above 0 and finite.
    pub holding: f64,
    /// Share and curve of the class.
    pub rule: ClassRule,
}

impl Stream {
    /// Returns a stream of requests for one permit with a mean holding time of 1, whose share reaches from the guarantee
    /// to the cap.
    pub const fn new(load: f64, share: RangeInclusive<u32>, ramp: Ramp) -> Stream {
        let rule = ClassRule {
            guarantee: *share.start(),
            cap: *share.end(),
            ramp,
        };
        Stream {
            load,
            permits: 1,
            holding: 1.0,
            rule,
        }
    }

    /// Sets the permits of one request.
    pub const fn permits(self, permits: u32) -> Stream {
        Stream { permits, ..self }
    }

    /// Sets the mean holding time.
    pub const fn holding(self, holding: f64) -> Stream {
        Stream { holding, ..self }
    }
}

/// The steady state of a loss system.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// The share of the requests of each stream that is admitted, from 0 to 1.
    pub admitted: Vec<f64>,
    /// The mean of permits in use / capacity.
    ///
    /// By the law of J. D. C. Little (1961) it is the sum of `load * admitted * permits` over the streams,
    /// divided by the capacity.
    pub utilization: f64,
}

/// Returns the share of `load` erlangs that `servers` servers admit.
///
/// The B formula of A. K. Erlang (1917), by the recursion in the number of servers (V. B. Iversen,
/// *Teletraffic Engineering Handbook*). It depends on the mean holding time only. The formula is the
/// share that is lost; this function returns the rest.
///
/// # Examples
/// ```
/// use floodwall_theory::erlang_b;
///
/// assert_eq!(format!("{:.3}", erlang_b(400.0, 50)), "0.125");
/// ```
pub fn erlang_b(load: f64, servers: u32) -> f64 {
    let mut blocked = 1.0;
    for n in 1..=servers {
        blocked = load * blocked / (f64::from(n) + load * blocked);
    }
    1.0 - blocked
}

/// Returns the solution of a system of one stream: [`erlang_b`] with the utilization.
///
/// A class whose guarantee equals its cap is such a system, whatever the other classes do.
///
/// # Panics
/// If there are no servers.
pub fn loss_system(load: f64, servers: u32) -> Solution {
    assert!(servers > 0, "there are no servers");
    let admitted = erlang_b(load, servers);
    Solution {
        admitted: vec![admitted],
        utilization: load * admitted / f64::from(servers),
    }
}

/// Returns the solution for any shares and requests of any number of permits, without curves.
///
/// The states within the limits are coordinate convex: a departure from such a state leads to such a
/// state. The probability of a state is therefore a product of one factor per class, `load^n / n!` for
/// `n` requests (J. M. Aein, 1978; F. Kamoun and L. Kleinrock, 1980, for guarantees and caps). This is
/// also valid if requests take several permits: J. S. Kaufman (1981) proves it for every coordinate
/// convex set of states, and both he and J. W. Roberts (1981) give a recursion for complete sharing,
/// that is without guarantees and caps.
///
/// The solution depends on the mean holding times only, and each stream may have another one.
///
/// # Panics
/// - If a stream has a curve (`ramp.max` is not 0).
/// - If [`states`] is more than [`MAX_STATES`].
/// - If the capacity or the `permits` of a stream is 0, if the guarantees exceed the capacity, or if a
///   load is negative or not finite.
///
/// # Examples
/// ```
/// use floodwall_theory::{Ramp, Stream, product_form};
///
/// // Requests of 1 permit and of 4 permits share 20 permits.
/// let small = Stream::new(10.0, 0..=20, Ramp::NEVER);
/// let large = Stream::new(1.0, 0..=20, Ramp::NEVER).permits(4);
/// let solution = product_form(20, &[small, large]);
/// assert!(solution.admitted[0] > solution.admitted[1]);
/// ```
pub fn product_form(capacity: u32, streams: &[Stream]) -> Solution {
    let has_curve = |stream: &Stream| stream.rule.ramp.max > 0;
    assert!(
        !streams.iter().any(has_curve),
        "the product form has no curves"
    );
    let system = System::new(capacity, streams);
    let states = system.legal_states();
    // By class, the logarithm of the factor of each number of requests.
    let factors: Vec<Vec<f64>> = (0..streams.len())
        .map(|class| {
            let load = streams[class].load;
            let mut factor = 0.0;
            let above_0 = (1..=system.most_requests(class)).map(|n| {
                factor += (load / n as f64).ln();
                factor
            });
            [0.0].into_iter().chain(above_0).collect()
        })
        .collect();
    let weights = states
        .iter()
        .map(|state| {
            (0..streams.len())
                .map(|class| factors[class][system.requests(state, class) as usize])
                .sum()
        })
        .collect();
    system.solution(&states, &probabilities(weights))
}

/// Returns the solution for a shared pool: no guarantees, no caps, one permit per request, and a curve
/// per stream.
///
/// Only the total counts. It is a birth-death chain, which is in balance between neighbouring states
/// (L. Kleinrock, *Queueing Systems*, 1975, chapter 3). Holding times are exponential, with the same mean
/// for all streams.
///
/// # Panics
/// - If a stream has `permits` other than 1, a guarantee, or a cap below the capacity, or if the mean holding
///   times differ. The total then depends on which request leaves next: use [`chain`].
/// - If the capacity is 0, or if a load is negative or not finite.
pub fn birth_death(capacity: u32, streams: &[Stream]) -> Solution {
    let system = System::new(capacity, streams);
    for stream in streams {
        assert_eq!(stream.permits, 1, "requests of several permits");
        assert_eq!(stream.rule.guarantee, 0, "a shared pool has no guarantees");
        assert!(stream.rule.cap >= capacity, "a shared pool has no caps");
        assert_eq!(stream.holding, streams[0].holding, "holding times differ");
    }
    let capacity = system.capacity();
    let accept = |stream: &Stream, in_use: u64| match in_use {
        full if full == capacity => 0.0,
        _ => 1.0 - stream.rule.ramp.probability(in_use, capacity),
    };
    let mut weight = 0.0;
    let mut weights = vec![weight];
    for n in 1..=capacity {
        let births: f64 = streams.iter().map(|s| s.load * accept(s, n - 1)).sum();
        weight += (births / n as f64).ln();
        weights.push(weight);
    }
    let weights = probabilities(weights);
    let mean = |of: &dyn Fn(u64) -> f64| -> f64 {
        (0..=capacity)
            .zip(&weights)
            .map(|(n, weight)| weight * of(n))
            .sum()
    };
    Solution {
        admitted: streams.iter().map(|s| mean(&|n| accept(s, n))).collect(),
        utilization: mean(&|n| n as f64 / capacity as f64),
    }
}

/// Returns the solution for guarantees, caps, curves on borrowed permits, and requests of any number of
/// permits.
///
/// There is no known formula, so the Markov chain is solved numerically. Holding times are exponential.
///
/// The time is that of about [`chain_operations`] multiplications, and the memory 16 bytes times
/// [`states`], times the square root of `chain_operations / states`.
///
/// # Panics
/// - If [`states`] is more than [`MAX_STATES`].
/// - If the capacity or the `permits` of a stream is 0, if the guarantees exceed the capacity, or if a
///   load is negative or not finite.
pub fn chain(capacity: u32, streams: &[Stream]) -> Solution {
    let system = System::new(capacity, streams);
    // The transitions of the first class reach furthest, over all states of the other classes. So the
    // class with the most states is the first.
    let mut order: Vec<usize> = (0..streams.len()).collect();
    order.sort_by_key(|&class| Reverse(system.most_requests(class)));
    let streams: Vec<Stream> = order.iter().map(|&class| streams[class]).collect();

    let system = System::new(capacity, &streams);
    let states = system.legal_states();
    let mut steps = Vec::new();
    for (above, state) in states.iter().enumerate() {
        for (class, stream) in streams.iter().enumerate() {
            let requests = system.requests(state, class);
            if requests == 0 {
                continue;
            }
            let mut one_less = state.clone();
            one_less[class] -= u64::from(stream.permits);
            let below = states.partition_point(|other| *other < one_less);
            let accept = system.acceptance(&one_less, class);
            steps.push((above, below, requests as f64 / stream.holding));
            steps.push((below, above, stream.load * accept / stream.holding));
        }
    }
    debug_assert!(
        states.len() as u128 * (band(&steps) as u128).pow(2)
            <= chain_operations(capacity, &streams)
    );
    let solution = system.solution(&states, &stationary(states.len(), &steps));

    let mut admitted = vec![0.0; order.len()];
    for (&class, share) in order.iter().zip(solution.admitted) {
        admitted[class] = share;
    }
    Solution {
        admitted,
        ..solution
    }
}

/// The most states that [`product_form`] and [`chain`] enumerate, by the bound [`states`].
pub const MAX_STATES: u128 = 5_000_000;

/// Returns an upper bound of the number of states: the product over the classes of 1 + the most requests
/// that the class can hold. Saturates.
///
/// It takes no time. The states within the capacity are fewer if classes share permits: about 1 / n! of
/// the bound for n classes without guarantees and caps.
///
/// # Panics
/// If the capacity or the `permits` of a stream is 0, if the guarantees exceed the capacity, or if a
/// load is negative or not finite.
pub fn states(capacity: u32, streams: &[Stream]) -> u128 {
    System::new(capacity, streams).states()
}

/// Returns an upper bound of the multiplications of [`chain`]: [`states`] times the square of the band,
/// which is the number of states of all classes but the largest. Saturates.
///
/// A processor does one to a few billion of them per second.
///
/// # Panics
/// As [`states`].
///
/// # Examples
/// ```
/// use floodwall_theory::{Ramp, Stream, chain_operations, states};
///
/// let streams = [50, 100].map(|cap| Stream::new(40.0, 0..=cap, Ramp::NEVER));
/// assert_eq!(states(100, &streams), 51 * 101);
/// assert_eq!(chain_operations(100, &streams), 51 * 101 * 51 * 51);
/// ```
pub fn chain_operations(capacity: u32, streams: &[Stream]) -> u128 {
    let system = System::new(capacity, streams);
    let largest = (0..streams.len()).map(|class| 1 + u128::from(system.most_requests(class)));
    let states = system.states();
    let band = states / largest.max().unwrap_or(1);
    states.saturating_mul(band).saturating_mul(band)
}
