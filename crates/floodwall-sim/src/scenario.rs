//! A scenario that is checked as a whole, with its files read.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rand::RngExt;

use crate::description::{
    self, Admission, Codel, Description, Number, Order, Outage, Policy, Rate, RulesSource, Spacing,
    Span, Times, UpTo,
};
use crate::error::Error;
use crate::files::{Arrival, Files};
use crate::kind::{self, Kind};
use crate::rules::{RuleSet, WallRules};
use crate::times::{Random, Sampler};

/// Traffic, its clients, a server and its backend, read from TOML.
///
/// [The format](https://docs.rs/floodwall-sim) is described in the documentation of the crate.
#[derive(Debug)]
pub struct Scenario {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) warm_up: f64,
    pub(crate) seconds: f64,
    pub(crate) parts: Vec<Part>,
    pub(crate) cool_down: f64,
    pub(crate) seed: u64,
    pub(crate) replications: u32,
    pub(crate) max_events: u64,
    pub(crate) class_names: Vec<String>,
    pub(crate) classes: Vec<Class>,
    pub(crate) server: Server,
    pub(crate) backend: Backend,
    pub(crate) instances: u32,
    pub(crate) policy: Policy,
    pub(crate) outages: Vec<Outage>,
    pub(crate) changes: Vec<Change>,
    rules: Option<RuleSet>,
    warnings: Vec<String>,
}

/// A part of the measured time, in seconds since the beginning.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) arrivals: Arrivals,
    /// The times of a trace's rows come before.
    pub(crate) holding: Sampler,
    pub(crate) permits: u32,
    pub(crate) levels: u32,
    pub(crate) patience: Option<f64>,
    pub(crate) retries: Option<Retries>,
}

#[derive(Debug)]
pub(crate) enum Arrivals {
    /// Groups at a rate.
    Rate {
        rate: Rate,
        spacing: Spacing,
        burst: u32,
    },
    Users {
        users: u32,
        think: Sampler,
    },
    Trace(Arc<[Arrival]>),
}

#[derive(Debug)]
pub(crate) struct Retries {
    pub(crate) most: u32,
    first: f64,
    factor: f64,
    longest: f64,
    jitter: f64,
    budget: Option<f64>,
    pub(crate) honors_retry_after: bool,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) threads: Option<u32>,
    pub(crate) admission: Admission,
    pub(crate) sample_every: Option<f64>,
    pub(crate) queue_limit: Option<u32>,
    pub(crate) queue_order: Order,
    pub(crate) codel: Option<Codel>,
    pub(crate) retry_after: Option<Span>,
}

#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) cores: Option<u32>,
    /// By the number of a class.
    pub(crate) limits: Vec<Option<u32>>,
    phases: Vec<Phase>,
}

#[derive(Debug)]
struct Phase {
    times: Range<f64>,
    slower: f64,
    failing: f64,
    /// By the number of a class.
    affects: Vec<bool>,
}

#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) at: f64,
    pub(crate) rules: Option<WallRules>,
    pub(crate) pressure: Option<f64>,
}

/// More than these named parts would need much memory.
const MOST_PARTS: usize = 20;

impl Scenario {
    /// Reads a scenario. Files that it names are relative to its folder.
    ///
    /// # Errors
    /// If the file or one that it names cannot be read or is not valid. The text says the line and the field.
    pub fn read(path: impl AsRef<Path>) -> Result<Scenario, Error> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| Error::new(&name, error))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Scenario::parse(&name, &text, folder)
    }

    /// Parses a scenario. Files that it names are relative to the current folder.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_toml(text: &str) -> Result<Scenario, Error> {
        Scenario::parse("scenario", text, Path::new(""))
    }

    fn parse(name: &str, text: &str, folder: &Path) -> Result<Scenario, Error> {
        let described: Description = toml::from_str(text)
            .map_err(|error| Error::new(name, kind::with_hint(&error, text, Kind::Scenario)))?;
        let at = |span: Range<usize>| Place {
            text,
            offset: span.start,
        };
        check(name, described, folder, at).map_err(|message| Error::new(name, message))
    }

    /// Returns the title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Returns the names of the classes, in their order in the text.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.class_names
    }

    /// Returns the rules that the scenario names for its server.
    #[must_use]
    pub fn rules(&self) -> Option<&RuleSet> {
        self.rules.as_ref()
    }

    /// Returns what is strange about the scenario, but no error: a trace that ends before the measured time.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Replaces the seed of the random numbers.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Scenario {
        self.seed = seed;
        self
    }

    /// Replaces the number of independent runs.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    pub fn with_replications(mut self, replications: u32) -> Scenario {
        assert!(replications > 0, "0 replications; at least 1 is needed");
        self.replications = replications;
        self
    }

    /// Replaces the limit on the events of each run, which stops it.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    pub fn with_max_events(mut self, max_events: u64) -> Scenario {
        assert!(max_events > 0, "0 events; at least 1 is needed");
        self.max_events = max_events;
        self
    }

    /// Returns the end of the measured time, in seconds since the beginning.
    pub(crate) fn end(&self) -> f64 {
        self.warm_up + self.seconds
    }

    /// Returns whether nothing changes over time, so parts of a run are alike.
    pub(crate) fn is_stationary(&self) -> bool {
        let is_constant = |class: &Class| match &class.arrivals {
            Arrivals::Rate { rate, .. } => rate.is_constant(),
            Arrivals::Users { .. } => true,
            Arrivals::Trace(_) => false,
        };
        self.classes.iter().all(is_constant)
            && self.backend.phases.is_empty()
            && self.outages.is_empty()
            && self.changes.is_empty()
    }
}

impl Backend {
    /// Returns the factor of holding times of requests of a class that begin at this time.
    pub(crate) fn slowness(&self, class: usize, now: f64) -> f64 {
        self.phases_at(class, now)
            .map(|phase| phase.slower)
            .product()
    }

    /// Returns the probability that a request of a class that ends at this time fails.
    pub(crate) fn failure(&self, class: usize, now: f64) -> f64 {
        let succeeds: f64 = self
            .phases_at(class, now)
            .map(|phase| 1.0 - phase.failing)
            .product();
        1.0 - succeeds
    }

    fn phases_at(&self, class: usize, now: f64) -> impl Iterator<Item = &Phase> {
        self.phases
            .iter()
            .filter(move |phase| phase.affects[class] && phase.times.contains(&now))
    }
}

impl Retries {
    /// Most retries that a budget can save up.
    const MOST_SAVED: f64 = 100.0;

    pub(crate) fn initial_budget(&self) -> f64 {
        self.budget.map_or(f64::INFINITY, |_| 0.0)
    }

    /// Returns the budget after one more request.
    pub(crate) fn deposited(&self, budget: f64) -> f64 {
        self.budget
            .map_or(budget, |share| (budget + share).min(Self::MOST_SAVED))
    }

    /// Returns the seconds before the next attempt, after this number of attempts.
    pub(crate) fn delay(&self, attempts: u32, random: &mut Random) -> f64 {
        let delay = (self.first * self.factor.powf(f64::from(attempts - 1))).min(self.longest);
        delay * (1.0 - self.jitter * random.random::<f64>())
    }
}

/// A place in the text of a scenario.
struct Place<'a> {
    text: &'a str,
    offset: usize,
}

impl Place<'_> {
    fn error<T>(self, message: impl std::fmt::Display) -> Result<T, String> {
        let line = 1 + self.text[..self.offset].matches('\n').count();
        Err(format!("line {line}: {message}"))
    }
}

/// Checks what concerns several tables, and reads the files.
fn check<'a>(
    name: &str,
    described: Description,
    folder: &Path,
    at: impl Fn(Range<usize>) -> Place<'a>,
) -> Result<Scenario, String> {
    let class_names: Vec<String> = described.class.keys().cloned().collect();
    if let Err(message) = WallRules::check_classes(&class_names) {
        return Err(format!("class: {message}"));
    }
    let warm_up = described.warm_up.get();
    let end = warm_up + described.seconds.get();
    if described.parts.len() > MOST_PARTS {
        return Err(format!(
            "parts: {} parts; at most {MOST_PARTS} are possible",
            described.parts.len()
        ));
    }
    let mut parts = Vec::new();
    for (name, &Span { from, to }) in &described.parts {
        if name.get_ref().is_empty() {
            return at(name.span()).error("parts: a part has an empty name");
        }
        if from == to {
            return at(name.span()).error(format_args!(
                "parts.{}: it begins at {from} s and ends at {to} s",
                name.get_ref()
            ));
        }
        if from < warm_up || to > end {
            return at(name.span()).error(format_args!(
                "parts.{}: from {from} to {to} s; a part lies within the measured time, from {warm_up} to {end} s",
                name.get_ref()
            ));
        }
        parts.push(Part {
            name: name.get_ref().clone(),
            from,
            to,
        });
    }

    let mut files = Files::new(folder, &class_names);
    let mut classes = Vec::new();
    for (number, (name, class)) in described.class.iter().enumerate() {
        let checked = check_class(class.get_ref(), number, end, &mut files);
        match checked {
            Ok(checked) => classes.push(checked),
            Err(message) => return at(class.span()).error(format_args!("class.{name}: {message}")),
        }
    }

    let limits = &described.backend.limit;
    let is_unknown = |class: &&toml::Spanned<String>| !class_names.contains(class.get_ref());
    if let Some(class) = limits.keys().find(is_unknown) {
        return at(class.span()).error(format_args!(
            "backend.limit: {}",
            unknown(class.get_ref(), &class_names)
        ));
    }
    let limit_of = |class: &String| {
        let (_, limit) = limits.iter().find(|(name, _)| name.get_ref() == class)?;
        Some(limit.get())
    };

    let mut phases = Vec::new();
    for spanned in &described.backend.phase {
        let phase = spanned.get_ref();
        let (from, to) = (phase.from.get(), phase.to.get());
        if from >= to {
            return at(spanned.span()).error(format_args!(
                "backend.phase: it begins at {from} s and ends at {to} s"
            ));
        }
        let named = phase.classes.as_deref();
        if let Some(class) = named.unwrap_or_default().iter().find(is_unknown) {
            return at(class.span()).error(format_args!(
                "backend.phase: {}",
                unknown(class.get_ref(), &class_names)
            ));
        }
        let affects = |class: &String| {
            named.is_none_or(|named| named.iter().any(|name| name.get_ref() == class))
        };
        phases.push(Phase {
            times: from..to,
            slower: phase.slower.get(),
            failing: phase.failing.get(),
            affects: class_names.iter().map(affects).collect(),
        });
    }

    let instances = described.balancer.instances.get();
    for outage in &described.balancer.outage {
        let number = outage.instance.get_ref().get();
        if number >= instances {
            return at(outage.instance.span()).error(format_args!(
                "balancer.outage: there is no instance {number}; they have the numbers 0 to {}",
                instances - 1
            ));
        }
        if let Some(to) = outage.to
            && to.get() <= outage.from.get()
        {
            return at(outage.instance.span()).error(format_args!(
                "balancer.outage: it begins at {} s and ends at {} s",
                outage.from.get(),
                to.get()
            ));
        }
    }

    let rules_of = |field: &str, source: &RulesSource| {
        let rules = match source {
            RulesSource::File(path) => {
                RuleSet::read(files.path(path)).map_err(|error| error.to_string())?
            }
            RulesSource::Table(table) => RuleSet::new(format!("{name}: {field}"), table.clone()),
        };
        let resolved = rules.for_classes(&class_names).map_err(|error| {
            // The name of rules in the scenario begins with that of the scenario, and so does its error.
            let text = error.to_string();
            let of_table = text.strip_prefix(&format!("{name}: ")).map(str::to_owned);
            of_table.unwrap_or(text)
        })?;
        Ok::<_, String>((rules, resolved))
    };
    let mut changes = Vec::new();
    for spanned in &described.change {
        let change = spanned.get_ref();
        if change.rules.is_none() && change.pressure.is_none() {
            return at(spanned.span()).error("change: `rules` or a `pressure` is needed");
        }
        let last = end + described.cool_down.get();
        if change.at.get() > last {
            return at(spanned.span()).error(format_args!(
                "change: at {} s, after the run, which ends at {last} s",
                change.at.get()
            ));
        }
        let rules = change
            .rules
            .as_ref()
            .map(|rules| rules_of("change.rules", rules))
            .transpose()?;
        changes.push(Change {
            at: change.at.get(),
            rules: rules.map(|(_, resolved)| resolved),
            pressure: change.pressure.map(Number::get),
        });
    }
    let server = described.server;
    let rules = server
        .rules
        .as_ref()
        .map(|rules| rules_of("server.rules", rules))
        .transpose()?;

    Ok(Scenario {
        name: name.to_owned(),
        title: described.title,
        warm_up,
        parts,
        seconds: described.seconds.get(),
        cool_down: described.cool_down.get(),
        seed: described.seed.get(),
        replications: described.replications.get(),
        max_events: described.max_events.get(),
        server: Server {
            threads: server.threads.map(|threads| threads.get()),
            admission: server.admission,
            sample_every: server.sample_every.map(|seconds| seconds.get()),
            queue_limit: server.queue.limit.map(UpTo::get),
            queue_order: server.queue.order,
            codel: server.queue.codel,
            retry_after: server.retry_after,
        },
        backend: Backend {
            cores: described.backend.cores.map(|cores| cores.get()),
            limits: class_names.iter().map(limit_of).collect(),
            phases,
        },
        instances,
        policy: described.balancer.policy,
        outages: described.balancer.outage,
        changes,
        rules: rules.map(|(rules, _)| rules),
        warnings: files.into_warnings(),
        classes,
        class_names,
    })
}

fn check_class(
    class: &description::Class,
    number: usize,
    end: f64,
    files: &mut Files<'_>,
) -> Result<Class, String> {
    let most = WallRules::most_permits(files.classes().len());
    if class.permits.get() > most {
        return Err(format!(
            "permits: {} permits of a request; a wall with this number of classes can admit at most {most}",
            class.permits.get()
        ));
    }
    let arrivals = match (&class.rate, class.users, &class.trace) {
        (Some(rate), None, None) => {
            let burst = class.burst.get();
            let rate = rate.of_groups(burst);
            Arrivals::Rate {
                rate,
                spacing: class.spacing,
                burst,
            }
        }
        (None, Some(users), None) => {
            let Some(think) = &class.think else {
                return Err("`users` need `think`".to_owned());
            };
            let (users, think) = (users.get(), sampler(think, files)?);
            Arrivals::Users { users, think }
        }
        (None, None, Some(trace)) => Arrivals::Trace(files.trace(trace, number, end)?),
        _ => return Err("exactly one of `rate`, `users` and `trace` is needed".to_owned()),
    };
    if class.think.is_some() && class.users.is_none() {
        return Err("`think` needs `users`".to_owned());
    }
    if class.spacing != Spacing::Poisson && class.rate.is_none() {
        return Err("`spacing` needs `rate`".to_owned());
    }
    if class.burst.get() > 1 && class.rate.is_none() {
        return Err("`burst` needs `rate`".to_owned());
    }
    let holding = match (&class.holding, &arrivals) {
        (Some(holding), _) => sampler(holding, files)?,
        (None, Arrivals::Trace(trace)) if trace.iter().all(|arrival| arrival.holding.is_some()) => {
            Sampler::new(&Times::Constant(0.0))
        }
        (None, Arrivals::Trace(_)) => {
            return Err("`holding` is missing, and not each row of the trace has one".to_owned());
        }
        (None, _) => return Err("`holding` is missing".to_owned()),
    };
    if let Some(retries) = &class.retries
        && retries.first.get() > retries.longest.get()
    {
        return Err(format!(
            "retries: the first delay of {} s is more than the longest, {} s",
            retries.first.get(),
            retries.longest.get()
        ));
    }
    let retries = class.retries.as_ref().map(|retries| Retries {
        most: retries.most.get(),
        first: retries.first.get(),
        factor: retries.factor.get(),
        longest: retries.longest.get(),
        jitter: retries.jitter.get(),
        budget: retries.budget.map(|share| share.get()),
        honors_retry_after: retries.honors_retry_after,
    });
    Ok(Class {
        arrivals,
        holding,
        permits: class.permits.get(),
        levels: class.levels.get(),
        patience: class.patience.map(|seconds| seconds.get()),
        retries,
    })
}

fn sampler(times: &Times, files: &Files<'_>) -> Result<Sampler, String> {
    match times {
        Times::File(path) => Ok(Sampler::new(&Times::Values(files.times(path)?))),
        times => Ok(Sampler::new(times)),
    }
}

fn unknown(class: &str, known: &[String]) -> String {
    format!(
        "class `{class}` is not in the scenario, which has `{}`",
        known.join("`, `")
    )
}
