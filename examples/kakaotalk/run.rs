//! Runs a scenario in real time and records the outcome of every request.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;
use floodwall::Class;
use indicatif::ProgressBar;

use crate::incidents::{Scenario, Storm};
use crate::server::Server;
use crate::traffic::{self, Request, Timeline};

/// How long a client waits for its reply.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs scenarios one after another.
pub(crate) struct Runner {
    timeline: Timeline,
    seed: u64,
    progress: ProgressBar,
}

/// The outcome of one request. Times are since the start of the run.
pub(crate) struct Trace {
    pub(crate) due: Duration,
    /// When it was sent; ideally `due`.
    pub(crate) sent: Duration,
    pub(crate) class: usize,
    /// The utilization on arrival, without this request.
    pub(crate) utilization: f64,
    pub(crate) admitted: bool,
    pub(crate) replied: Option<Duration>,
}

impl Trace {
    /// Returns `true` if the reply came before the client's timeout.
    pub(crate) fn succeeded(&self) -> bool {
        self.replied
            .is_some_and(|replied| replied <= self.due + CLIENT_TIMEOUT)
    }
}

/// A finished run of a scenario.
pub(crate) struct Run {
    pub(crate) name: &'static str,
    pub(crate) incident: &'static str,
    pub(crate) storm: Storm,
    pub(crate) server: &'static str,
    pub(crate) classes: &'static [&'static str],
    pub(crate) sheds: Option<&'static str>,
    pub(crate) exact: Option<Vec<f64>>,
    pub(crate) timeline: Timeline,
    pub(crate) traces: Vec<Trace>,
}

impl Runner {
    /// Creates a runner for `runs` runs.
    pub(crate) fn new(timeline: Timeline, seed: u64, progress: ProgressBar, runs: usize) -> Self {
        progress.set_length(in_millis(timeline.end()) * runs as u64);
        // The ticker's thread draws the bar, so drawing never delays the sending thread.
        progress.enable_steady_tick(Duration::from_millis(100));
        Runner {
            timeline,
            seed,
            progress,
        }
    }

    /// Runs one scenario and waits for the requests in progress.
    pub(crate) fn run<C>(&mut self, scenario: &Scenario<C>) -> Run
    where
        C: Class + for<'a> From<&'a Request>,
    {
        let Scenario { storm, design, .. } = *scenario;
        let message = format!("{}, {}", scenario.incident, design.name);
        self.progress.set_message(message);
        let before = self.progress.position();
        self.seed = self.seed.wrapping_add(1);
        let requests = traffic::requests(self.timeline, storm.load, self.seed);

        let server = Server::start(&design.policy);
        let (replies, inbox) = unbounded();
        let mut traces = Vec::with_capacity(requests.len());
        let start = Instant::now();
        for (number, request) in requests.iter().enumerate() {
            let Request { due, work, .. } = *request;
            traffic::wait_until(start + due);
            let sent = start.elapsed();
            let class = C::from(request);
            let utilization = design.policy.utilization();
            let replies = replies.clone();
            let admitted = server.submit(class, move |began| {
                // The backend's reply is due at a fixed instant, even if this thread woke up late.
                sleep((began + work).saturating_duration_since(Instant::now()));
                let reply = (number, start.elapsed());
                replies.send(reply).expect("the inbox outlives the server");
            });
            traces.push(Trace {
                due,
                sent,
                class: class.index(),
                utilization,
                admitted,
                replied: None,
            });
            self.progress.set_position(before + in_millis(due));
        }
        drop(server);
        assert_eq!(design.policy.utilization(), 0.0, "a permit was lost");

        for (number, replied) in inbox.try_iter() {
            traces[number].replied = Some(replied);
        }
        Run {
            name: scenario.name,
            incident: scenario.incident,
            storm,
            server: design.name,
            classes: C::NAMES,
            sheds: design.sheds,
            exact: design.exact.map(|exact| exact(storm.load)),
            timeline: self.timeline,
            traces,
        }
    }

    /// Clears the progress bar.
    pub(crate) fn finish(self) {
        self.progress.finish_and_clear();
    }
}

fn in_millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
