//! A rate over time.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use super::number::{NotNegative, Pair, Range};

/// A rate per second over time: constant, or linear between points.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rate(Vec<(f64, f64)>);

impl Rate {
    /// Returns whether the rate never changes.
    pub(crate) fn is_constant(&self) -> bool {
        self.0.iter().all(|&(_, rate)| rate == self.0[0].1)
    }

    /// Returns the rate if it never changes.
    pub(crate) fn constant(&self) -> Option<f64> {
        self.is_constant().then(|| self.0[0].1)
    }

    /// Returns the time, in seconds, until which this many arrivals are expected after `from`. `None` if there will
    /// never be as many.
    ///
    /// Before the first point and after the last one, the rate is constant.
    pub(crate) fn time_of(&self, mut arrivals: f64, mut from: f64) -> Option<f64> {
        let first = self.0.partition_point(|&(time, _)| time <= from);
        for next in first..self.0.len() {
            let (to, high) = self.0[next];
            // The second point of a step.
            if to == from {
                continue;
            }
            let low = match next.checked_sub(1).map(|before| self.0[before]) {
                Some((since, rate)) => rate + (high - rate) * (from - since) / (to - since),
                None => high,
            };
            let expected = (low + high) / 2.0 * (to - from);
            if arrivals < expected {
                // Solves: arrivals = low * x + slope * x^2 / 2.
                let slope = (high - low) / (to - from);
                let root = (low * low + 2.0 * slope * arrivals).max(0.0).sqrt();
                return Some(from + 2.0 * arrivals / (low + root));
            }
            arrivals -= expected;
            from = to;
        }
        let (_, last) = *self.0.last()?;
        (last > 0.0).then(|| from + arrivals / last)
    }

    /// Returns the rate of groups of this number of requests.
    pub(crate) fn of_groups(&self, size: u32) -> Rate {
        Rate(
            self.0
                .iter()
                .map(|&(time, rate)| (time, rate / f64::from(size)))
                .collect(),
        )
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RateVisitor;

        impl<'de> Visitor<'de> for RateVisitor {
            type Value = Rate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rate per second, or points such as [[0, 80], [60, 800]]")
            }

            fn visit_i64<E: Error>(self, rate: i64) -> Result<Rate, E> {
                self.visit_f64(rate as f64)
            }

            fn visit_f64<E: Error>(self, rate: f64) -> Result<Rate, E> {
                if NotNegative::contains(rate) {
                    Ok(Rate(vec![(0.0, rate)]))
                } else {
                    Err(E::custom(NotNegative::outside(rate)))
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Rate, A::Error> {
                let mut points = Vec::new();
                while let Some(Pair(time, rate)) = seq.next_element()? {
                    // Two points at one time are a step.
                    if let Some(&(before, _)) = points.last()
                        && time < before
                    {
                        return Err(A::Error::custom(format_args!(
                            "the point at {time} follows the one at {before}"
                        )));
                    }
                    points.push((time, rate));
                }
                if points.is_empty() {
                    return Err(A::Error::custom("no point"));
                }
                Ok(Rate(points))
            }
        }

        deserializer.deserialize_any(RateVisitor)
    }
}
