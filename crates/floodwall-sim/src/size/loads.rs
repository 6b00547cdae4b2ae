//! The file of loads: how much each class asks for, and how much of it may be lost.

use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::path::Path;

use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use toml::Spanned;

use crate::description::{Count, NotNegative, Number, Positive, Range as _, UpTo};
use crate::error::Error;
use crate::kind::{self, Kind};
use crate::rules::WallRules;

/// Requests that a run of the search can have within the longest holding time, with their retries.
const MOST_REQUESTS: f64 = 20_000.0;
const MOST_RETRIES: u32 = 10;
/// Seconds. Times are simulated in nanoseconds.
const HOLDING_TIMES: RangeInclusive<f64> = 0.000_001..=1_000_000.0;
/// Of a class whose loads are in erlangs, in seconds.
const USUAL_HOLDING: f64 = 1.0;
/// The lowest target that the runs of the search can measure.
const LEAST_TARGET: f64 = 0.0001;

/// The loads of all classes, normally and in a storm, with a target and a priority for each.
///
/// # Examples
/// ```
/// use floodwall_sim::size::Loads;
///
/// let loads = Loads::from_toml(
///     "capacity = 64
///     [class.message]
///     normal = { rate = 80, holding = 0.4 } # 32 erlangs
///     loss = 0.01 # at most, normally and in the storm
///     [class.login]
///     normal = 4
///     storm = 60
///     loss = { normal = 0.02 }
///     priority = 2 # is shed first",
/// )?;
/// assert_eq!(loads.classes().collect::<Vec<_>>(), ["message", "login"]);
/// # Ok::<(), floodwall_sim::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Loads {
    pub(super) name: String,
    pub(super) capacity: Option<u32>,
    pub(super) classes: Vec<Class>,
    /// Number of different priorities.
    pub(super) ranks: usize,
    pub(super) seed: u64,
    pub(super) effort: f64,
}

#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) name: String,
    pub(super) normal: Load,
    pub(super) storm: Load,
    pub(super) normal_target: Option<f64>,
    pub(super) storm_target: Option<f64>,
    /// 0 for the class that is shed last.
    pub(super) rank: usize,
    /// Permits of a request.
    pub(super) permits: u32,
    pub(super) retries: u32,
}

/// Requests of a class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Load {
    /// Requests per second.
    pub(super) rate: f64,
    /// Mean seconds that a request holds its permits.
    pub(super) holding: f64,
}

impl Load {
    pub(super) fn erlangs(self) -> f64 {
        self.rate * self.holding
    }
}

impl Class {
    /// Returns whether more of its requests come in the storm than normally.
    pub(super) fn storms(&self) -> bool {
        self.storm.erlangs() > self.normal.erlangs()
    }
}

impl Loads {
    /// Reads loads from a file in TOML.
    ///
    /// # Errors
    /// If the file cannot be read or is not valid. The text says the line and the field.
    pub fn read(path: impl AsRef<Path>) -> Result<Loads, Error> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| Error::new(&name, error))?;
        Loads::parse(&name, &text)
    }

    /// Parses loads in TOML.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_toml(text: &str) -> Result<Loads, Error> {
        Loads::parse("loads", text)
    }

    /// Replaces the seed of the random numbers, which is 1.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Loads {
        self.seed = seed;
        self
    }

    /// Replaces the effort, which is 1. Values outside 0.0001 to 100 become the nearest of these, and NaN 1.
    ///
    /// The square root of the effort is a factor of the number of runs and of the length of each.
    #[must_use]
    pub fn with_effort(mut self, effort: f64) -> Loads {
        self.effort = if effort.is_nan() {
            1.0
        } else {
            effort.clamp(0.0001, 100.0)
        };
        self
    }

    /// Replaces the capacity, or has it proposed.
    ///
    /// # Errors
    /// If the loads cannot have this capacity. The text says the numbers.
    pub fn with_capacity(mut self, capacity: Option<u32>) -> Result<Loads, Error> {
        self.capacity = capacity;
        match self.check() {
            Ok(()) => Ok(self),
            Err((_, message)) => Err(Error::new(&self.name, message)),
        }
    }

    /// Returns the capacity, if the loads say one.
    #[must_use]
    pub fn capacity(&self) -> Option<u32> {
        self.capacity
    }

    /// Returns the names of the classes.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.classes.iter().map(|class| class.name.as_str())
    }

    fn parse(name: &str, text: &str) -> Result<Loads, Error> {
        let error = |message: String| Error::new(name, message);
        let described: Described = toml::from_str(text)
            .map_err(|found| Error::new(name, kind::with_hint(&found, text, Kind::Loads)))?;
        let names: Vec<String> = described.class.keys().cloned().collect();
        WallRules::check_classes(&names).map_err(|message| error(format!("class: {message}")))?;
        let mut priorities: Vec<_> = described.class.values().map(priority).collect();
        priorities.sort_unstable();
        priorities.dedup();
        let classes = described.class.iter().map(|(name, class)| {
            let rank = priorities.binary_search(&priority(class));
            new_class(name, class.get_ref(), rank.expect("it is one of them"))
        });
        let loads = Loads {
            name: name.to_owned(),
            capacity: described
                .capacity
                .as_ref()
                .map(|capacity| capacity.get_ref().get()),
            classes: classes.collect(),
            ranks: priorities.len(),
            seed: 1,
            effort: 1.0,
        };
        let at_line = |span: Range<usize>, message: &str| {
            let line = 1 + text[..span.start].matches('\n').count();
            format!("line {line}: {message}")
        };
        match loads.check() {
            Ok(()) => Ok(loads),
            Err((Field::None, message)) => Err(error(message)),
            Err((Field::Capacity, message)) => {
                let span = described.capacity.map_or(0..0, |capacity| capacity.span());
                Err(error(at_line(span, &message)))
            }
            Err((Field::Class(index), message)) => {
                Err(error(at_line(described.class[index].span(), &message)))
            }
        }
    }

    /// Checks what concerns several fields.
    fn check(&self) -> Result<(), (Field, String)> {
        let all = |load: fn(&Class) -> Load| self.classes.iter().map(load);
        let erlangs: f64 = all(|class| class.normal)
            .chain(all(|class| class.storm))
            .map(Load::erlangs)
            .sum();
        if erlangs == 0.0 {
            return Err((
                Field::None,
                "class: each load is 0, so there is nothing to size".to_owned(),
            ));
        }
        let longest = all(|class| class.normal)
            .chain(all(|class| class.storm))
            .map(|load| load.holding)
            .fold(0.0, f64::max);
        for (name, load) in [
            ("normal", Class::normal as fn(&Class) -> Load),
            ("storm", Class::storm),
        ] {
            let requests: f64 = self
                .classes
                .iter()
                .map(|class| load(class).rate * f64::from(1 + class.retries) * longest)
                .sum();
            if requests.is_nan() || requests > MOST_REQUESTS {
                let is_mixed = all(load).any(|load| load.rate > 0.0 && load.holding < longest);
                let advice = if is_mixed {
                    ". Give loads in erlangs if their holding times differ much"
                } else {
                    ""
                };
                return Err((
                    Field::None,
                    format!(
                        "class: {name}: {requests:.0} requests within the longest holding time of {longest} s, with \
                         retries; the search simulates at most {MOST_REQUESTS}{advice}"
                    ),
                ));
            }
        }
        let most = WallRules::most_permits(self.classes.len());
        if let Some(index) = self.classes.iter().position(|class| class.permits > most) {
            let Class { name, permits, .. } = &self.classes[index];
            let message = format!(
                "class.{name}: permits: a request needs {permits} permits; a wall with this number of classes can admit at \
                 most {most}"
            );
            return Err((Field::Class(index), message));
        }
        let Some(capacity) = self.capacity else {
            let has_target = |class: &Class| class.normal_target.or(class.storm_target).is_some();
            return if self.classes.iter().any(has_target) {
                Ok(())
            } else {
                let message = "capacity is missing, and no class has a `loss` from which it could be proposed";
                Err((Field::None, message.to_owned()))
            };
        };
        for (index, class) in self.classes.iter().enumerate() {
            if class.permits > capacity {
                let Class { name, permits, .. } = class;
                let message = format!(
                    "class.{name}: permits: a request needs {permits} permits, more than the capacity of {capacity}"
                );
                return Err((Field::Class(index), message));
            }
        }
        let needed = self.normal_permits();
        if needed > f64::from(capacity) {
            let lost = 100.0 * (1.0 - f64::from(capacity) / needed);
            let message = format!(
                "capacity: {capacity} permits cannot hold the normal loads, which need {needed} on average: at least \
                 {lost:.1} % of this would be lost. Without a capacity, one is proposed"
            );
            return Err((Field::Capacity, message));
        }
        Ok(())
    }

    /// Returns the mean number of permits that the normal loads need.
    pub(super) fn normal_permits(&self) -> f64 {
        let permits = |class: &Class| class.normal.erlangs() * f64::from(class.permits);
        self.classes.iter().map(permits).sum()
    }
}

impl Class {
    pub(super) fn normal(&self) -> Load {
        self.normal
    }

    pub(super) fn storm(&self) -> Load {
        self.storm
    }
}

/// What an error concerns.
enum Field {
    None,
    Capacity,
    Class(usize),
}

/// Returns the priority of a class: among those of equal priority, one with a target in the storm comes before one without.
fn priority(class: &Spanned<DescribedClass>) -> (u32, bool) {
    let class = class.get_ref();
    let has_target = class.loss.is_some_and(|loss| loss.storm.is_some());
    (class.priority.get(), !has_target)
}

fn new_class(name: &str, class: &DescribedClass, rank: usize) -> Class {
    let (normal, storm) = (class.normal, class.storm.unwrap_or(class.normal));
    let holding = normal
        .holding()
        .or(storm.holding())
        .unwrap_or(USUAL_HOLDING);
    let loss = class.loss.unwrap_or_default();
    let target = |target: Option<Target>| target.map(|Target(target)| target);
    Class {
        name: name.to_owned(),
        normal: normal.with(holding),
        storm: storm.with(holding),
        normal_target: target(loss.normal),
        storm_target: target(loss.storm),
        rank,
        permits: class.permits.get(),
        retries: class.retries.get(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    capacity: Option<Spanned<Count<1_000_000>>>,
    class: IndexMap<String, Spanned<DescribedClass>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DescribedClass {
    normal: DescribedLoad,
    /// As the normal one if it is missing.
    storm: Option<DescribedLoad>,
    /// Most requests that may be lost.
    loss: Option<Losses>,
    #[serde(default)]
    priority: Count<100>,
    #[serde(default)]
    permits: Count<1_000_000>,
    #[serde(default)]
    retries: UpTo<MOST_RETRIES>,
}

/// A load as it is written.
#[derive(Clone, Copy)]
enum DescribedLoad {
    Erlangs(f64),
    Rate(Load),
}

impl DescribedLoad {
    /// Returns the load. In erlangs, its requests have this holding time.
    fn with(self, holding: f64) -> Load {
        match self {
            DescribedLoad::Erlangs(erlangs) => Load {
                rate: erlangs / holding,
                holding,
            },
            DescribedLoad::Rate(load) => load,
        }
    }

    fn holding(self) -> Option<f64> {
        match self {
            DescribedLoad::Erlangs(_) => None,
            DescribedLoad::Rate(load) => Some(load.holding),
        }
    }
}

impl<'de> Deserialize<'de> for DescribedLoad {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Rate {
            rate: Number<NotNegative>,
            holding: Number<Positive>,
        }
        struct LoadVisitor;

        impl<'de> Visitor<'de> for LoadVisitor {
            type Value = DescribedLoad;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a load in erlangs, or a rate and a holding time such as { rate = 75, holding = 0.4 }")
            }

            fn visit_i64<E: serde::de::Error>(self, erlangs: i64) -> Result<DescribedLoad, E> {
                self.visit_f64(erlangs as f64)
            }

            fn visit_f64<E: serde::de::Error>(self, erlangs: f64) -> Result<DescribedLoad, E> {
                if NotNegative::contains(erlangs) {
                    Ok(DescribedLoad::Erlangs(erlangs))
                } else {
                    Err(E::custom(NotNegative::outside(erlangs)))
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DescribedLoad, A::Error> {
                let Rate { rate, holding } = Rate::deserialize(MapAccessDeserializer::new(map))?;
                let (rate, holding) = (rate.get(), holding.get());
                if !HOLDING_TIMES.contains(&holding) {
                    return Err(A::Error::custom(format_args!(
                        "holding: {holding} is not a time from {} to {} s",
                        HOLDING_TIMES.start(),
                        HOLDING_TIMES.end()
                    )));
                }
                Ok(DescribedLoad::Rate(Load { rate, holding }))
            }
        }

        deserializer.deserialize_any(LoadVisitor)
    }
}

#[derive(Clone, Copy, Default)]
struct Losses {
    normal: Option<Target>,
    storm: Option<Target>,
}

/// The most requests that may be lost, as a fraction.
#[derive(Clone, Copy)]
struct Target(f64);

impl Target {
    fn new<E: serde::de::Error>(target: f64) -> Result<Target, E> {
        if (LEAST_TARGET..=1.0).contains(&target) {
            return Ok(Target(target));
        }
        Err(E::custom(format_args!(
            "{target} is not a loss from {LEAST_TARGET}, which the runs can measure, to 1"
        )))
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Target::new(Number::<NotNegative>::deserialize(deserializer)?.get())
    }
}

impl<'de> Deserialize<'de> for Losses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct ByLoad {
            normal: Option<Target>,
            storm: Option<Target>,
        }
        struct LossesVisitor;

        impl<'de> Visitor<'de> for LossesVisitor {
            type Value = Losses;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a loss such as 0.005, or { normal = 0.005, storm = 0.02 }")
            }

            fn visit_i64<E: serde::de::Error>(self, loss: i64) -> Result<Losses, E> {
                self.visit_f64(loss as f64)
            }

            fn visit_f64<E: serde::de::Error>(self, loss: f64) -> Result<Losses, E> {
                let target = Some(Target::new(loss)?);
                Ok(Losses {
                    normal: target,
                    storm: target,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Losses, A::Error> {
                let ByLoad { normal, storm } =
                    ByLoad::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Losses { normal, storm })
            }
        }

        deserializer.deserialize_any(LossesVisitor)
    }
}
