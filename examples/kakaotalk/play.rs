//! Plays an incident in real time, and writes down what became of every request.

use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;
use floodwall::Class;
use indicatif::ProgressBar;

use crate::incidents::{Row, Storm};
use crate::server::Server;
use crate::traffic::{self, Request, Timeline};

/// How long a client waits for its reply.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where incidents are played, one after the other.
pub(crate) struct Stage {
    timeline: Timeline,
    seed: u64,
    progress: ProgressBar,
}

/// What became of one request. Times are since the beginning of its incident.
pub(crate) struct Trace {
    pub(crate) due: Duration,
    pub(crate) class: usize,
    pub(crate) admitted: bool,
    /// What it saw when it arrived, itself not counted.
    pub(crate) utilization: f64,
    pub(crate) replied: Option<Duration>,
}

impl Trace {
    /// Whether the reply came while the client still waited for it.
    pub(crate) fn succeeded(&self) -> bool {
        self.replied
            .is_some_and(|replied| replied <= self.due + PATIENCE)
    }
}

/// An incident that is over.
pub(crate) struct Played {
    pub(crate) name: &'static str,
    pub(crate) incident: &'static str,
    pub(crate) storm: Storm,
    pub(crate) server: &'static str,
    pub(crate) classes: &'static [&'static str],
    pub(crate) exact: Option<Vec<f64>>,
    pub(crate) timeline: Timeline,
    pub(crate) traces: Vec<Trace>,
}

impl Stage {
    /// A stage for so many plays.
    pub(crate) fn new(timeline: Timeline, seed: u64, progress: ProgressBar, plays: usize) -> Self {
        progress.set_length(in_millis(timeline.end()) * plays as u64);
        // With a ticker, it is the ticker's thread that draws, and never the one that sends.
        progress.enable_steady_tick(Duration::from_millis(100));
        Stage {
            timeline,
            seed,
            progress,
        }
    }

    pub(crate) fn play<C>(&mut self, row: &Row<C>) -> Played
    where
        C: Class + for<'a> From<&'a Request>,
    {
        self.progress
            .set_message(format!("{}, {}", row.incident, row.server));
        self.seed = self.seed.wrapping_add(1);
        let requests = traffic::requests(self.timeline, row.storm.load, self.seed);
        let mut traces = Vec::with_capacity(requests.len());
        let (replies, inbox) = unbounded();
        let server = Server::open(&row.door);
        let before = self.progress.position();
        let begin = Instant::now();
        for (number, request) in requests.iter().enumerate() {
            let Request { due, work, .. } = *request;
            traffic::wait_until(begin + due);
            let class = C::from(request);
            let utilization = server.utilization();
            let replies = replies.clone();
            let admitted = server.offer(class, move |began| {
                std::thread::sleep((began + work).saturating_duration_since(Instant::now()));
                replies
                    .send((number, begin.elapsed()))
                    .expect("the inbox is open until all threads have ended");
            });
            let class = class.index();
            traces.push(Trace {
                due,
                class,
                admitted,
                utilization,
                replied: None,
            });
            self.progress.set_position(before + in_millis(due));
        }
        drop(server);
        for (number, replied) in inbox.try_iter() {
            traces[number].replied = Some(replied);
        }
        Played {
            name: row.name,
            incident: row.incident,
            storm: row.storm,
            server: row.server,
            classes: C::NAMES,
            exact: row.exact.clone(),
            timeline: self.timeline,
            traces,
        }
    }

    /// The end: takes the progress bar away.
    pub(crate) fn close(self) {
        self.progress.finish_and_clear();
    }
}

fn in_millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
