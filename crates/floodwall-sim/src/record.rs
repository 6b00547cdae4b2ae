//! What one run has counted.

use std::collections::BTreeMap;
use std::ops::Range;

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

/// Parts of a window, for standard errors.
pub(crate) const BATCHES: usize = 20;
/// Parts of the measured time, for pictures.
pub(crate) const BUCKETS: usize = 200;

/// Counts of requests that arrive in a batch of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) offered: u64,
    pub(crate) attempts: u64,
    pub(crate) admitted: u64,
    pub(crate) good: u64,
}

/// Events of a part of the timeline.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    pub(crate) offered: u64,
    pub(crate) attempts: u64,
    pub(crate) admitted: u64,
    pub(crate) good: u64,
}

/// Counts of one class, of the requests that arrive in a window.
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
    /// By level: requests, and good answers.
    pub(crate) levels: Vec<(u64, u64)>,
}

/// A range of time with the counts of the requests that arrive in it.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    time: Range<Time>,
    pub(crate) classes: Vec<ClassRecord>,
    utilization: f64,
    utilization_squared: f64,
    /// Means of the utilization.
    pub(crate) batches: [f64; BATCHES],
}

/// The utilization as the mean over all instances.
#[derive(Clone, Debug)]
struct Utilization {
    by_instance: Vec<f64>,
    /// Their sum.
    total: f64,
    since: Time,
}

#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// The measured time, then the named parts of it.
    pub(crate) windows: Vec<Window>,
    /// By class: the parts of the measured time.
    pub(crate) timeline: Vec<Vec<Bucket>>,
    pub(crate) utilization_timeline: Vec<f64>,
    utilization: Utilization,
    /// Requests of the measured time that have not ended, and threads that work on them.
    pub(crate) open: u64,
    pub(crate) requests: u64,
    /// Handled events and new requests.
    pub(crate) events: u64,
    /// Why and when, in seconds, the run was stopped before its end.
    pub(crate) stopped: Option<(&'static str, f64)>,
}

impl Window {
    fn new(scenario: &Scenario, from: f64, to: f64) -> Window {
        let of_class = |class: &crate::scenario::Class| ClassRecord {
            batches: [Counts::default(); BATCHES],
            lost: 0,
            failures: BTreeMap::new(),
            wasted: 0,
            wasted_seconds: 0.0,
            busy_seconds: 0.0,
            latency: Histogram::new(3).expect("3 digits are allowed"),
            levels: vec![(0, 0); class.levels as usize],
        };
        Window {
            time: to_time(from)..to_time(to),
            classes: scenario.classes.iter().map(of_class).collect(),
            utilization: 0.0,
            utilization_squared: 0.0,
            batches: [0.0; BATCHES],
        }
    }

    fn counts(&mut self, class: usize, since: Time) -> &mut Counts {
        let batch = part(&self.time, since, BATCHES);
        &mut self.classes[class].batches[batch]
    }

    /// Returns the mean of the utilization and its standard deviation over time.
    pub(crate) fn utilization_over_time(&self) -> (f64, f64) {
        let seconds = to_seconds(self.time.end - self.time.start);
        let (mean, square) = (
            self.utilization / seconds,
            self.utilization_squared / seconds,
        );
        // Not `max`, which would make 0 of a NaN: a run that was stopped before has no deviation.
        (
            mean,
            (square - mean * mean).clamp(0.0, f64::INFINITY).sqrt(),
        )
    }
}

/// Returns in which of equal parts of a range a time is.
fn part(range: &Range<Time>, time: Time, parts: usize) -> usize {
    let (passed, all) = (
        u128::from(time - range.start),
        u128::from(range.end - range.start),
    );
    (passed * parts as u128 / all) as usize
}

impl Record {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let measured = Window::new(scenario, scenario.warm_up, scenario.end());
        let parts = scenario
            .parts
            .iter()
            .map(|part| Window::new(scenario, part.from, part.to));
        Record {
            windows: std::iter::once(measured).chain(parts).collect(),
            timeline: vec![vec![Bucket::default(); BUCKETS]; scenario.classes.len()],
            utilization_timeline: vec![0.0; BUCKETS],
            utilization: Utilization {
                by_instance: vec![0.0; scenario.instances as usize],
                total: 0.0,
                since: 0,
            },
            open: 0,
            requests: 0,
            events: 0,
            stopped: None,
        }
    }

    fn measured(&self) -> &Range<Time> {
        &self.windows[0].time
    }

    /// Returns the windows that contain a time.
    fn windows_at(&mut self, time: Time) -> impl Iterator<Item = &mut Window> {
        self.windows
            .iter_mut()
            .filter(move |window| window.time.contains(&time))
    }

    fn bucket(&mut self, class: usize, now: Time) -> Option<&mut Bucket> {
        let measured = self.measured();
        let bucket = measured
            .contains(&now)
            .then(|| part(measured, now, BUCKETS))?;
        Some(&mut self.timeline[class][bucket])
    }

    pub(crate) fn offered(&mut self, class: usize, level: u32, since: Time) {
        self.requests += 1;
        self.events += 1;
        if self.measured().contains(&since) {
            self.open += 1;
        }
        if let Some(bucket) = self.bucket(class, since) {
            bucket.offered += 1;
        }
        for window in self.windows_at(since) {
            window.counts(class, since).offered += 1;
            window.classes[class].levels[level as usize].0 += 1;
        }
    }

    pub(crate) fn attempt(&mut self, class: usize, since: Time, now: Time) {
        if let Some(bucket) = self.bucket(class, now) {
            bucket.attempts += 1;
        }
        for window in self.windows_at(since) {
            window.counts(class, since).attempts += 1;
        }
    }

    pub(crate) fn admitted(&mut self, class: usize, since: Time, now: Time) {
        if let Some(bucket) = self.bucket(class, now) {
            bucket.admitted += 1;
        }
        for window in self.windows_at(since) {
            window.counts(class, since).admitted += 1;
        }
    }

    pub(crate) fn good(&mut self, class: usize, level: u32, since: Time, now: Time) {
        if let Some(bucket) = self.bucket(class, now) {
            bucket.good += 1;
        }
        if self.measured().contains(&since) {
            self.open -= 1;
        }
        let micros = ((now - since) / 1000).max(1);
        for window in self.windows_at(since) {
            window.counts(class, since).good += 1;
            let of_class = &mut window.classes[class];
            of_class.levels[level as usize].1 += 1;
            of_class
                .latency
                .record(micros)
                .expect("the histogram grows");
        }
    }

    pub(crate) fn failed(&mut self, class: usize, failure: Failure, since: Time) {
        for window in self.windows_at(since) {
            *window.classes[class].failures.entry(failure).or_default() += 1;
        }
    }

    pub(crate) fn lost(&mut self, class: usize, since: Time) {
        if self.measured().contains(&since) {
            self.open -= 1;
        }
        for window in self.windows_at(since) {
            window.classes[class].lost += 1;
        }
    }

    /// A thread begins with a request that arrived at `since`.
    pub(crate) fn begun(&mut self, since: Time) {
        if self.measured().contains(&since) {
            self.open += 1;
        }
    }

    /// A thread was busy with a request that arrived at `since`.
    pub(crate) fn busy(&mut self, class: usize, since: Time, busy: Time, is_good: bool) {
        if self.measured().contains(&since) {
            self.open -= 1;
        }
        for window in self.windows_at(since) {
            let of_class = &mut window.classes[class];
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
        let since = std::mem::replace(&mut self.utilization.since, now);
        let value = self.utilization.total / self.utilization.by_instance.len() as f64;
        for (number, window) in self.windows.iter_mut().enumerate() {
            let Range { start, end } = window.time;
            let passed = since.clamp(start, end)..now.clamp(start, end);
            if passed.is_empty() {
                continue;
            }
            let seconds = to_seconds(passed.end - passed.start);
            window.utilization += value * seconds;
            window.utilization_squared += value * value * seconds;
            spread(&mut window.batches, &window.time, &passed, value);
            if number == 0 {
                spread(&mut self.utilization_timeline, &window.time, &passed, value);
            }
        }
    }

    pub(crate) fn finish(&mut self, now: Time) {
        self.advance(now);
        if self.stopped.is_some() {
            for window in &mut self.windows {
                window.time.end = now.clamp(window.time.start, window.time.end);
            }
        }
    }
}

/// Adds a value that holds for a time to the means of the parts that the time overlaps.
fn spread(parts: &mut [f64], all: &Range<Time>, time: &Range<Time>, value: f64) {
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
