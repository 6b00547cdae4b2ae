//! Random times: holding times, think times, and arrivals.

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use rand_distr::{Distribution as _, Exp, Exp1, LogNormal, Pareto};

use crate::description::{Rate, Spacing, Times};
pub(crate) use crate::events::Time;

pub(crate) type Random = Xoshiro256PlusPlus;

const NANOS_PER_SECOND: f64 = 1e9;

pub(crate) fn to_time(seconds: f64) -> Time {
    (seconds * NANOS_PER_SECOND).round() as Time
}

pub(crate) fn to_seconds(time: Time) -> f64 {
    time as f64 / NANOS_PER_SECOND
}

/// A distribution of times that is ready to be sampled.
#[derive(Clone, Debug)]
pub(crate) struct Sampler {
    mean: f64,
    distribution: Distribution,
}

#[derive(Clone, Debug)]
enum Distribution {
    Constant(f64),
    Exponential(Exp<f64>),
    Lognormal(LogNormal<f64>),
    Pareto(Pareto<f64>),
    Values(Vec<f64>),
}

impl Sampler {
    /// Returns a sampler of times that were read. Those of a file must have been read into values.
    pub(crate) fn new(times: &Times) -> Sampler {
        let valid = "the parameters were checked";
        let (mean, distribution) = match *times {
            Times::Constant(seconds) => (seconds, Distribution::Constant(seconds)),
            Times::Exponential { mean } => {
                let times = Exp::new(1.0 / mean).expect(valid);
                (mean, Distribution::Exponential(times))
            }
            Times::Lognormal { mean, sigma } => {
                let mu = mean.ln() - sigma * sigma / 2.0;
                let times = LogNormal::new(mu, sigma).expect(valid);
                (mean, Distribution::Lognormal(times))
            }
            Times::Pareto { mean, shape } => {
                let scale = mean * (shape - 1.0) / shape;
                let times = Pareto::new(scale, shape).expect(valid);
                (mean, Distribution::Pareto(times))
            }
            Times::Values(ref values) => {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                (mean, Distribution::Values(values.clone()))
            }
            Times::File(ref path) => unreachable!("{} was not read", path.display()),
        };
        Sampler { mean, distribution }
    }

    pub(crate) fn mean(&self) -> f64 {
        self.mean
    }

    pub(crate) fn is_exponential(&self) -> bool {
        matches!(self.distribution, Distribution::Exponential(_))
    }

    pub(crate) fn sample(&self, random: &mut Random) -> f64 {
        match &self.distribution {
            Distribution::Constant(seconds) => *seconds,
            Distribution::Exponential(times) => times.sample(random),
            Distribution::Lognormal(times) => times.sample(random),
            Distribution::Pareto(times) => times.sample(random),
            Distribution::Values(values) => values[random.random_range(..values.len())],
        }
    }
}

/// Returns when the next requests arrive after a time, in seconds, or `None` if there are none.
///
/// A Poisson process by inversion of its expected number of arrivals (E. Çinlar, *Introduction to Stochastic Processes*,
/// 1975, chapter 4): that number grows by an exponential amount from one arrival to the next, or by 1 if they are even.
pub(crate) fn next_arrival(
    rate: &Rate,
    spacing: Spacing,
    after: f64,
    random: &mut Random,
) -> Option<f64> {
    let arrivals = match spacing {
        Spacing::Poisson => Exp1.sample(random),
        // The first one is at a random phase, so classes do not arrive together.
        Spacing::Even if after == 0.0 => random.random(),
        Spacing::Even => 1.0,
    };
    rate.time_of(arrivals, after)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn rate(text: &str) -> Rate {
        #[derive(serde::Deserialize)]
        struct Text {
            rate: Rate,
        }
        toml::from_str::<Text>(&format!("rate = {text}"))
            .unwrap()
            .rate
    }

    /// Returns the arrivals between two times.
    fn count(rate: &Rate, spacing: Spacing, from: f64, to: f64, random: &mut Random) -> f64 {
        let (mut arrivals, mut now) = (0, from);
        while let Some(at) = next_arrival(rate, spacing, now, random).filter(|&at| at < to) {
            assert!(at > now);
            (arrivals, now) = (arrivals + 1, at);
        }
        f64::from(arrivals)
    }

    #[test]
    fn arrivals_follow_the_rate() {
        let random = &mut Random::seed_from_u64(1);
        // A step from 10 to 1000, a ramp down to 0 within 10 seconds, and nothing.
        let rate = rate("[[0, 10], [100, 10], [100, 1000], [110, 0]]");
        for (from, to, expected) in [
            (0.0, 100.0, 1000.0),
            (0.0, 110.0, 6000.0),
            (100.0, 110.0, 5000.0),
            (105.0, 110.0, 1250.0),
        ] {
            let arrivals = count(&rate, Spacing::Poisson, from, to, random);
            assert!(
                (arrivals - expected).abs() < 5.0 * expected.sqrt(),
                "{arrivals} of {expected}"
            );
            let arrivals = count(&rate, Spacing::Even, from, to, random);
            assert!(
                (arrivals - expected).abs() <= 1.0,
                "{arrivals} of {expected}"
            );
        }
        for spacing in [Spacing::Poisson, Spacing::Even] {
            assert_eq!(next_arrival(&rate, spacing, 110.0, random), None);
        }
    }

    #[test]
    fn samplers_have_their_means() {
        let random = &mut Random::seed_from_u64(2);
        for times in [
            Times::Constant(0.4),
            Times::Exponential { mean: 0.4 },
            Times::Lognormal {
                mean: 0.4,
                sigma: 0.8,
            },
            Times::Pareto {
                mean: 0.4,
                shape: 3.0,
            },
            Times::Values(vec![0.1, 0.7]),
        ] {
            let sampler = Sampler::new(&times);
            let samples = 200_000;
            let mean =
                (0..samples).map(|_| sampler.sample(random)).sum::<f64>() / f64::from(samples);
            assert!((mean - 0.4).abs() < 0.01, "{times:?}: {mean}");
            assert!((sampler.mean() - 0.4).abs() < 1e-12, "{times:?}");
        }
    }
}
