//! What a scenario file says, as it is read from TOML.
//!
//! Each number is checked where it is read, so that the error has the line and the field. What concerns several tables is
//! checked in [`crate::scenario`].

mod number;
mod rate;
mod times;
mod trace;

use std::path::PathBuf;

use indexmap::IndexMap;
use serde::Deserialize;
use toml::Spanned;

pub(crate) use number::{
    AtLeast, Count, NotNegative, Number, Positive, Probability, Range, Span, UpTo,
};
pub(crate) use rate::Rate;
pub(crate) use times::Times;
pub(crate) use trace::Trace;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct Description {
    #[serde(default)]
    pub(crate) title: String,
    /// Seconds before the measurement.
    #[serde(default)]
    pub(crate) warm_up: Number<NotNegative>,
    /// Seconds that are measured: of requests that arrive in them.
    pub(crate) seconds: Number<Positive>,
    /// Named parts of them, with results of their own.
    #[serde(default)]
    pub(crate) parts: IndexMap<Spanned<String>, Span>,
    /// Most seconds after them, in which the measured requests end.
    #[serde(default = "ten_seconds")]
    pub(crate) cool_down: Number<NotNegative>,
    #[serde(default = "one")]
    pub(crate) seed: AtLeast<0>,
    /// Independent runs.
    #[serde(default = "eight")]
    pub(crate) replications: Count<1_000>,
    /// Most events of each run.
    #[serde(default = "hundred_million")]
    pub(crate) max_events: AtLeast<1>,
    pub(crate) class: IndexMap<String, Spanned<Class>>,
    #[serde(default)]
    pub(crate) server: Server,
    #[serde(default)]
    pub(crate) backend: Backend,
    #[serde(default)]
    pub(crate) balancer: Balancer,
    #[serde(default)]
    pub(crate) change: Vec<Spanned<Change>>,
}

fn ten_seconds() -> Number<NotNegative> {
    Number::of(10.0)
}
fn one() -> AtLeast<0> {
    AtLeast::of(1)
}
fn eight() -> Count<1_000> {
    Count::of(8)
}
fn hundred_million() -> AtLeast<1> {
    AtLeast::of(100_000_000)
}

/// A class of requests: when they arrive, what they need, and what their clients do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct Class {
    /// Requests per second.
    pub(crate) rate: Option<Rate>,
    #[serde(default)]
    pub(crate) spacing: Spacing,
    /// Requests that arrive together.
    #[serde(default)]
    pub(crate) burst: Count<100_000>,
    /// Users that each wait for an answer, think, and send the next request.
    pub(crate) users: Option<Count<1_000_000>>,
    /// Seconds that a user thinks.
    pub(crate) think: Option<Times>,
    pub(crate) trace: Option<Trace>,
    /// Permits of a request.
    #[serde(default)]
    pub(crate) permits: Count<{ u32::MAX }>,
    /// Levels within the class: the curve sheds requests of the lowest level first.
    #[serde(default)]
    pub(crate) levels: Count<100>,
    /// Seconds that a request holds its thread, if nothing slows it down.
    pub(crate) holding: Option<Times>,
    /// Seconds after which a client stops waiting for an answer.
    pub(crate) patience: Option<Number<Positive>>,
    /// What clients do after a rejection, a failure, or when they have stopped waiting.
    pub(crate) retries: Option<Retries>,
}

/// How arrivals at a rate follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Spacing {
    /// Independently, as those of many users.
    #[default]
    Poisson,
    /// At equal distances, as those of a load generator.
    Even,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as { most = 3 }")]
pub(crate) struct Retries {
    /// Most retries of one request.
    pub(crate) most: UpTo<{ u32::MAX }>,
    /// Seconds before the first retry.
    #[serde(default = "one_second")]
    pub(crate) first: Number<NotNegative>,
    /// Factor from one delay to the next.
    #[serde(default = "two")]
    pub(crate) factor: Number<Positive>,
    /// Longest delay, in seconds.
    #[serde(default = "one_minute")]
    pub(crate) longest: Number<Positive>,
    /// Random part of each delay: with 1, a delay is uniform between 0 and the longest possible.
    #[serde(default)]
    pub(crate) jitter: Number<Probability>,
    /// Retries for each request that is not a retry, over all clients.
    pub(crate) budget: Option<Number<Positive>>,
    /// A client waits at least for `Retry-After`.
    #[serde(default)]
    pub(crate) honors_retry_after: bool,
}

fn one_second() -> Number<NotNegative> {
    Number::of(1.0)
}
fn two() -> Number<Positive> {
    Number::of(2.0)
}
fn one_minute() -> Number<Positive> {
    Number::of(60.0)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct Server {
    /// Threads of the pool. The capacity of the rules if it is missing.
    pub(crate) threads: Option<Count<1_000_000>>,
    pub(crate) rules: Option<RulesSource>,
    #[serde(default)]
    pub(crate) admission: Admission,
    /// The curves see the utilization as it was sampled, so often in seconds, as a yardstick.
    pub(crate) sample_every: Option<Number<Positive>>,
    #[serde(default)]
    pub(crate) queue: Queue,
    /// Range of `Retry-After` in seconds, which each rejection draws from.
    pub(crate) retry_after: Option<Span>,
}

/// Rules: the name of a file, or a table as in such a file.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "the name of a file of rules, or a table of rules"
)]
pub(crate) enum RulesSource {
    File(PathBuf),
    Table(toml::Table),
}

/// Where a server admits requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Admission {
    /// When a request arrives: a rejected one never reaches the queue.
    #[default]
    Accept,
    /// When a thread takes the request from the queue.
    Worker,
}

/// The queue in front of the threads.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct Queue {
    /// Most requests that wait.
    pub(crate) limit: Option<UpTo<{ u32::MAX }>>,
    #[serde(default)]
    pub(crate) order: Order,
    /// Drops requests that have waited for too long.
    pub(crate) codel: Option<Codel>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// The oldest first.
    #[default]
    Fifo,
    /// The newest first.
    Lifo,
}

/// Controlled delay (K. Nichols and V. Jacobson, RFC 8289).
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as { target = 0.005, interval = 0.1 }"
)]
pub(crate) struct Codel {
    /// Acceptable standing delay of the queue, in seconds.
    pub(crate) target: Number<Positive>,
    /// Seconds in which the delay has to fall to the target once.
    pub(crate) interval: Number<Positive>,
}

/// What handlers wait for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct Backend {
    /// Cores that all requests share: they slow down if more run than there are cores.
    pub(crate) cores: Option<Count<1_000_000>>,
    /// Most requests of a class that the backend works on at once; others wait, on their threads.
    #[serde(default)]
    pub(crate) limit: IndexMap<Spanned<String>, Count<1_000_000>>,
    #[serde(default)]
    pub(crate) phase: Vec<Spanned<Phase>>,
}

/// A time in which the backend is slow or fails.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct Phase {
    pub(crate) from: Number<NotNegative>,
    pub(crate) to: Number<Positive>,
    /// Factor of the holding times of requests that begin in it.
    #[serde(default = "factor_one")]
    pub(crate) slower: Number<Positive>,
    /// Probability that a request that ends in it fails.
    #[serde(default)]
    pub(crate) failing: Number<Probability>,
    /// The classes that it affects; all if it is missing.
    pub(crate) classes: Option<Vec<Spanned<String>>>,
}

fn factor_one() -> Number<Positive> {
    Number::of(1.0)
}

/// The instances of the server, and how requests are spread over them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct Balancer {
    /// Each instance has its own wall, threads and backend.
    #[serde(default)]
    pub(crate) instances: Count<1_000>,
    #[serde(default)]
    pub(crate) policy: Policy,
    #[serde(default)]
    pub(crate) outage: Vec<Outage>,
}

/// Which instance gets a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Policy {
    #[default]
    Random,
    RoundRobin,
    LeastInFlight,
    /// The better of two random ones (M. Mitzenmacher, 2001).
    BestOfTwo,
}

/// A time in which an instance is down. Requests that it works on are lost.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct Outage {
    /// Number of the instance, from 0.
    pub(crate) instance: Spanned<UpTo<{ u32::MAX }>>,
    pub(crate) from: Number<NotNegative>,
    /// The end of the run if it is missing.
    pub(crate) to: Option<Number<Positive>>,
    /// Seconds until the balancer notices.
    #[serde(default)]
    pub(crate) noticed_after: Number<NotNegative>,
}

/// A change during the run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct Change {
    pub(crate) at: Number<NotNegative>,
    pub(crate) rules: Option<RulesSource>,
    pub(crate) pressure: Option<Number<NotNegative>>,
}
