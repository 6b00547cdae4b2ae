//! Plays an incident in real time, and writes down what became of every request.

use std::thread::sleep;
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
    /// When it was sent, which should be when it was due.
    pub(crate) sent: Duration,
    pub(crate) class: usize,
    /// What it saw when it arrived, itself not counted.
    pub(crate) utilization: f64,
    pub(crate) admitted: bool,
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
    pub(crate) sheds: Option<&'static str>,
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

    /// Plays one row of the table, until all that was begun is done.
    pub(crate) fn play<C>(&mut self, row: &Row<C>) -> Played
    where
        C: Class + for<'a> From<&'a Request>,
    {
        let Row { storm, design, .. } = *row;
        let message = format!("{}, {}", row.incident, design.name);
        self.progress.set_message(message);
        let before = self.progress.position();
        self.seed = self.seed.wrapping_add(1);
        let requests = traffic::requests(self.timeline, storm.load, self.seed);

        let server = Server::open(&design.door);
        let (replies, inbox) = unbounded();
        let mut traces = Vec::with_capacity(requests.len());
        let begin = Instant::now();
        for (number, request) in requests.iter().enumerate() {
            let Request { due, work, .. } = *request;
            traffic::wait_until(begin + due);
            let sent = begin.elapsed();
            let class = C::from(request);
            let utilization = design.door.utilization();
            let replies = replies.clone();
            let admitted = server.offer(class, move |began| {
                // The backend answers when it answers, however late this thread was awake.
                sleep((began + work).saturating_duration_since(Instant::now()));
                let reply = (number, begin.elapsed());
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
        assert_eq!(design.door.utilization(), 0.0, "a permit was lost");

        for (number, replied) in inbox.try_iter() {
            traces[number].replied = Some(replied);
        }
        Played {
            name: row.name,
            incident: row.incident,
            storm,
            server: design.name,
            classes: C::NAMES,
            sheds: design.sheds,
            exact: design.exact.map(|exact| exact(storm.load)),
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
