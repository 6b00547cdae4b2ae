//! A trace: a CSV file of arrivals.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::number::{NotNegative, Number};

/// A CSV file of arrivals: its name, or with the time in it at which the run begins.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) file: PathBuf,
    /// Seconds.
    pub(crate) start: f64,
}

impl<'de> Deserialize<'de> for Trace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct From {
            file: PathBuf,
            #[serde(default)]
            start: Number<NotNegative>,
        }
        struct TraceVisitor;

        impl<'de> Visitor<'de> for TraceVisitor {
            type Value = Trace;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a CSV file, or { file = \"log.csv\", start = 1700000000 }")
            }

            fn visit_str<E: Error>(self, file: &str) -> Result<Trace, E> {
                Ok(Trace {
                    file: file.into(),
                    start: 0.0,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Trace, A::Error> {
                let From { file, start } = From::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Trace {
                    file,
                    start: start.get(),
                })
            }
        }

        deserializer.deserialize_any(TraceVisitor)
    }
}
