//! Distributions of times.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::number::{NotNegative, Number, Positive, Range};

/// A distribution of times, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Times {
    /// Always the same.
    Constant(f64),
    /// Exponential.
    Exponential {
        /// The mean.
        mean: f64,
    },
    /// Lognormal.
    Lognormal {
        /// The mean.
        mean: f64,
        /// The standard deviation of the logarithm.
        sigma: f64,
    },
    /// Pareto.
    Pareto {
        /// The mean.
        mean: f64,
        /// The shape, above 1: the lower, the heavier the tail.
        shape: f64,
    },
    /// Each of these values with the same probability.
    Values(Vec<f64>),
    /// The values of a file, one per line.
    File(PathBuf),
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Shape {
            Exponential(Number<Positive>),
            Lognormal(Lognormal),
            Pareto(Pareto),
            Values(Vec<Number<NotNegative>>),
            File(PathBuf),
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Lognormal {
            mean: Number<Positive>,
            sigma: Number<Positive>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Pareto {
            mean: Number<Positive>,
            shape: Number<Positive>,
        }
        struct TimesVisitor;

        impl<'de> Visitor<'de> for TimesVisitor {
            type Value = Times;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds, or a distribution such as { exponential = 0.4 }")
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<Times, E> {
                self.visit_f64(seconds as f64)
            }

            fn visit_f64<E: Error>(self, seconds: f64) -> Result<Times, E> {
                if NotNegative::contains(seconds) {
                    Ok(Times::Constant(seconds))
                } else {
                    Err(E::custom(NotNegative::outside(seconds)))
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Times, A::Error> {
                Ok(match Shape::deserialize(MapAccessDeserializer::new(map))? {
                    Shape::Exponential(mean) => Times::Exponential { mean: mean.get() },
                    Shape::Lognormal(Lognormal { mean, sigma }) => Times::Lognormal {
                        mean: mean.get(),
                        sigma: sigma.get(),
                    },
                    Shape::Pareto(Pareto { mean, shape }) => {
                        let (mean, shape) = (mean.get(), shape.get());
                        if shape <= 1.0 {
                            return Err(A::Error::custom(format_args!(
                                "a shape of {shape} has no mean; above 1 is needed"
                            )));
                        }
                        Times::Pareto { mean, shape }
                    }
                    Shape::Values(values) if values.is_empty() => {
                        return Err(A::Error::custom("no value"));
                    }
                    Shape::Values(values) => {
                        Times::Values(values.into_iter().map(Number::get).collect())
                    }
                    Shape::File(path) => Times::File(path),
                })
            }
        }

        deserializer.deserialize_any(TimesVisitor)
    }
}
