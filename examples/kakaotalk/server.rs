//! The server: a thread pool behind an admission policy.

use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use floodwall::{Class, Floodwall, Gauge};

/// The maximum number of busy threads.
pub(crate) const CAPACITY: u32 = 100;

/// Extra threads behind a wall. An admitted request finds an idle thread even if the thread that
/// released the permit is not idle yet.
const SPARE: u32 = 4;

/// Counts the busy threads if there is no wall.
static ACTIVE: Gauge = Gauge::new(CAPACITY);

/// The admission policy.
pub(crate) enum Policy<C: 'static> {
    /// Admits every request to an unbounded queue.
    Queue,
    /// Admits a request if a thread is idle.
    NoQueue,
    /// Admits a request if the wall admits it.
    Wall(&'static Floodwall<C>),
}

impl<C: Class> Policy<C> {
    /// Returns busy threads / capacity.
    pub(crate) fn utilization(&self) -> f64 {
        match self {
            Policy::Queue | Policy::NoQueue => ACTIVE.utilization(),
            Policy::Wall(wall) => wall.utilization(),
        }
    }
}

/// An admission policy and the pool behind it.
pub(crate) struct Server<C: 'static> {
    policy: &'static Policy<C>,
    pool: Pool,
}

impl<C: Class> Server<C> {
    pub(crate) fn start(policy: &'static Policy<C>) -> Self {
        let pool = match policy {
            Policy::Queue => Pool::new(CAPACITY, unbounded()),
            Policy::NoQueue => Pool::new(CAPACITY, bounded(0)),
            Policy::Wall(_) => Pool::new(CAPACITY + SPARE, unbounded()),
        };
        Server { policy, pool }
    }

    /// Submits a handler, or rejects it at once. Returns `true` if it was admitted.
    ///
    /// The argument of the handler is the start of its service time, which excludes the time to wake
    /// an idle thread.
    pub(crate) fn submit(&self, class: C, handler: impl FnOnce(Instant) + Send + 'static) -> bool {
        let now = Instant::now();
        match self.policy {
            Policy::Queue => self.pool.accept(move || {
                let _active = ACTIVE.enter();
                handler(Instant::now());
            }),
            Policy::NoQueue => self.pool.accept(move || {
                let _active = ACTIVE.enter();
                handler(now);
            }),
            Policy::Wall(wall) => match wall.admit(class) {
                Ok(permit) => self.pool.accept(permit.wrap(move || handler(now))),
                Err(_) => false,
            },
        }
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Threads that run jobs from a channel. Dropping the pool discards queued jobs and waits for running
/// ones.
struct Pool {
    jobs: Option<Sender<Job>>,
    backlog: Receiver<Job>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    fn new(threads: u32, (jobs, backlog): (Sender<Job>, Receiver<Job>)) -> Self {
        let work = |_| {
            let backlog = backlog.clone();
            thread::spawn(move || backlog.iter().for_each(|job| job()))
        };
        let threads = (0..threads).map(work).collect();
        Pool {
            jobs: Some(jobs),
            backlog,
            threads,
        }
    }

    /// Returns `true` if the channel accepted the job. A channel of capacity zero accepts a job if a
    /// thread is waiting for one.
    fn accept(&self, job: impl FnOnce() + Send + 'static) -> bool {
        self.jobs
            .as_ref()
            .is_some_and(|jobs| jobs.try_send(Box::new(job)).is_ok())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.jobs = None;
        self.backlog.try_iter().for_each(drop);
        for thread in self.threads.drain(..) {
            thread.join().expect("no handler panics");
        }
    }
}
