//! What one run has counted.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::scenario::Scenario;
use crate::times::{Time, to_seconds, to_time};

/// Why an attempt got no good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failure {
    /// The wall rejected it, for the reason of this name.
    Rejected(&'static str),
    QueueFull,
    /// CoDel dropped it.
    Dropped,
    /// The backend failed.
    Failed,
    /// The instance is down.
    Down,
    /// The client stopped waiting.
    TimedOut,
}

impl Failure {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Failure::Rejected(reason) => reason,
            Failure::QueueFull => "queue_full",
            Failure::Dropped => "dropped",
            Failure::Failed => "failed",
            Failure::Down => "down",
            Failure::TimedOut => "timed_out",
        }
    }
}

/// Parts of the measured time, for standard errors.
pub(crate) const BATCHES: usize = 20;
/// Parts of the measured time, for pictures.
pub(crate) const BUCKETS: usize = 200;

/// Counts of requests that arrive in a part of the measured time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) offered: u64,
    pub(crate) attempts: u64,
    pub(crate) admitted: u64,
    pub(crate) good: u64,
}

/// Events of a part of the measured time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    pub(crate) attempts: u64,
    pub(crate) admitted: u64,
    pub(crate) good: u64,
}

/// Counts of one class, of the requests that arrive in the measured time.
#[derive(Clone, Debug)]
pub(crate) struct ClassRecord {
    pub(crate) batches: [Counts; BATCHES],
    pub(crate) lost: u64,
    pub(crate) failures: BTreeMap<Failure, u64>,
    /// Attempts that a thread worked on, without a good answer.
    pub(crate) wasted: u64,
    pub(crate) wasted_seconds: f64,
    pub(crate) busy_seconds: f64,
    /// Microseconds from the first attempt to a good answer.
    pub(crate) latency: Histogram<u64>,
    pub(crate) buckets: Vec<Bucket>,
    /// By level: requests, and good answers.
    pub(crate) levels: Vec<(u64, u64)>,
}

/// The utilization over time, as the mean over all instances.
#[derive(Clone, Debug)]
pub(crate) struct UtilizationRecord {
    by_instance: Vec<f64>,
    /// Their sum.
    total: f64,
    since: Time,
    sum: f64,
    sum_of_squares: f64,
    /// Means of the parts for pictures.
    pub(crate) buckets: Vec<f64>,
    pub(crate) batches: [f64; BATCHES],
}

#[derive(Clone, Debug)]
pub(crate) struct Record {
    start: Time,
    end: Time,
    pub(crate) classes: Vec<ClassRecord>,
    pub(crate) utilization: UtilizationRecord,
    /// Requests of the measured time that have not ended, and threads that work on them.
    pub(crate) open: u64,
    pub(crate) requests: u64,
    pub(crate) events: u64,
    /// Why and when, in seconds, the run was stopped before its end.
    pub(crate) stopped: Option<(&'static str, f64)>,
}

impl Record {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let of_class = |class: &crate::scenario::Class| ClassRecord {
            batches: [Counts::default(); BATCHES],
            lost: 0,
            failures: BTreeMap::new(),
            wasted: 0,
            wasted_seconds: 0.0,
            busy_seconds: 0.0,
            latency: Histogram::new(3).expect("3 digits are allowed"),
            buckets: vec![Bucket::default(); BUCKETS],
            levels: vec![(0, 0); class.levels as usize],
        };
        Record {
            start: to_time(scenario.warm_up),
            end: to_time(scenario.end()),
            classes: scenario.classes.iter().map(of_class).collect(),
            utilization: UtilizationRecord {
                by_instance: vec![0.0; scenario.instances as usize],
                total: 0.0,
                since: 0,
                sum: 0.0,
                sum_of_squares: 0.0,
                buckets: vec![0.0; BUCKETS],
                batches: [0.0; BATCHES],
            },
            open: 0,
            requests: 0,
            events: 0,
            stopped: None,
        }
    }

    fn is_measured(&self, time: Time) -> bool {
        self.start <= time && time < self.end
    }

    /// Returns the part of the measured time in which a time is, if it is measured.
    fn part(&self, time: Time, parts: usize) -> Option<usize> {
        if !self.is_measured(time) {
            return None;
        }
        let (passed, all) = (
            u128::from(time - self.start),
            u128::from(self.end - self.start),
        );
        Some((passed * parts as u128 / all) as usize)
    }

    fn counts(&mut self, class: usize, since: Time) -> Option<&mut Counts> {
        let batch = self.part(since, BATCHES)?;
        Some(&mut self.classes[class].batches[batch])
    }

    fn bucket(&mut self, class: usize, now: Time) -> Option<&mut Bucket> {
        let bucket = self.part(now, BUCKETS)?;
        Some(&mut self.classes[class].buckets[bucket])
    }

    pub(crate) fn offered(&mut self, class: usize, level: u32, since: Time) {
        self.requests += 1;
        if let Some(counts) = self.counts(class, since) {
            counts.offered += 1;
            self.open += 1;
            self.classes[class].levels[level as usize].0 += 1;
        }
    }

    pub(crate) fn attempt(&mut self, class: usize, since: Time, now: Time) {
        if let Some(counts) = self.counts(class, since) {
            counts.attempts += 1;
        }
        if let Some(bucket) = self.bucket(class, now) {
            bucket.attempts += 1;
        }
    }

    pub(crate) fn admitted(&mut self, class: usize, since: Time, now: Time) {
        if let Some(counts) = self.counts(class, since) {
            counts.admitted += 1;
        }
        if let Some(bucket) = self.bucket(class, now) {
            bucket.admitted += 1;
        }
    }

    pub(crate) fn good(&mut self, class: usize, level: u32, since: Time, now: Time) {
        if let Some(bucket) = self.bucket(class, now) {
            bucket.good += 1;
        }
        if let Some(counts) = self.counts(class, since) {
            counts.good += 1;
            self.open -= 1;
            let of_class = &mut self.classes[class];
            of_class.levels[level as usize].1 += 1;
            let micros = ((now - since) / 1000).max(1);
            of_class
                .latency
                .record(micros)
                .expect("the histogram grows");
        }
    }

    pub(crate) fn failed(&mut self, class: usize, failure: Failure, since: Time) {
        if self.is_measured(since) {
            *self.classes[class].failures.entry(failure).or_default() += 1;
        }
    }

    pub(crate) fn lost(&mut self, class: usize, since: Time) {
        if self.is_measured(since) {
            self.classes[class].lost += 1;
            self.open -= 1;
        }
    }

    /// A thread begins with a request that arrived at `since`.
    pub(crate) fn begun(&mut self, since: Time) {
        if self.is_measured(since) {
            self.open += 1;
        }
    }

    /// A thread was busy with a request that arrived at `since`.
    pub(crate) fn busy(&mut self, class: usize, since: Time, busy: Time, is_good: bool) {
        if self.is_measured(since) {
            self.open -= 1;
            let of_class = &mut self.classes[class];
            of_class.busy_seconds += to_seconds(busy);
            if !is_good {
                of_class.wasted += 1;
                of_class.wasted_seconds += to_seconds(busy);
            }
        }
    }

    /// The utilization of an instance is this from now on.
    pub(crate) fn utilization(&mut self, instance: usize, value: f64, now: Time) {
        self.advance(now);
        let before = std::mem::replace(&mut self.utilization.by_instance[instance], value);
        self.utilization.total += value - before;
    }

    /// Adds the time since the last change of the utilization.
    fn advance(&mut self, now: Time) {
        let (start, end) = (self.start, self.end);
        let (from, to) = (
            self.utilization.since.clamp(start, end),
            now.clamp(start, end),
        );
        self.utilization.since = now;
        if from == to {
            return;
        }
        let of = &mut self.utilization;
        let value = of.total / of.by_instance.len() as f64;
        let seconds = to_seconds(to - from);
        of.sum += value * seconds;
        of.sum_of_squares += value * value * seconds;
        spread(&mut of.batches, start..end, from..to, value);
        spread(&mut of.buckets, start..end, from..to, value);
    }

    /// Returns the mean of the utilization and its standard deviation over time.
    pub(crate) fn utilization_over_time(&self) -> (f64, f64) {
        let seconds = to_seconds(self.end - self.start);
        let of = &self.utilization;
        let (mean, square) = (of.sum / seconds, of.sum_of_squares / seconds);
        (mean, (square - mean * mean).max(0.0).sqrt())
    }

    pub(crate) fn finish(&mut self, now: Time, events: u64) {
        self.advance(now);
        self.events = events;
        if self.stopped.is_some() {
            self.end = now.clamp(self.start + 1, self.end);
        }
    }
}

/// Adds a value that holds for a time to the means of the parts that the time overlaps.
fn spread(parts: &mut [f64], all: std::ops::Range<Time>, time: std::ops::Range<Time>, value: f64) {
    let length = (all.end - all.start) as f64 / parts.len() as f64;
    let part_of = |at: Time| (at - all.start) as f64 / length;
    let (from, to) = (part_of(time.start), part_of(time.end));
    let last = parts.len() - 1;
    let (first, last) = ((from as usize).min(last), (to as usize).min(last));
    for (mean, part) in parts[first..=last].iter_mut().zip(first..) {
        let overlap = to.min(part as f64 + 1.0) - from.max(part as f64);
        *mean += value * overlap.max(0.0);
    }
}
