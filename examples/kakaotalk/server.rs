//! The server: a pool of threads, and the ways to get in.

use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use floodwall::{Class, Floodwall, Gauge};

/// Threads that may be at work at once.
pub(crate) const CAPACITY: u32 = 100;

/// With a wall, a few threads more, so that whoever is admitted finds one that is free already.
const SPARE: u32 = 4;

/// Threads at work where no wall counts them.
static ACTIVE: Gauge = Gauge::new(CAPACITY);

/// Who gets in.
pub(crate) enum Door<C: 'static> {
    /// Everybody, to wait for a thread for as long as it takes.
    Queue,
    /// Whoever finds a thread idle.
    NoQueue,
    /// Whoever the wall admits.
    Wall(&'static Floodwall<C>),
}

impl<C: Class> Door<C> {
    /// Threads at work / capacity.
    pub(crate) fn utilization(&self) -> f64 {
        match self {
            Door::Queue | Door::NoQueue => ACTIVE.utilization(),
            Door::Wall(wall) => wall.utilization(),
        }
    }
}

/// A door, and the threads behind it.
pub(crate) struct Server<C: 'static> {
    door: &'static Door<C>,
    pool: Pool,
}

impl<C: Class> Server<C> {
    pub(crate) fn open(door: &'static Door<C>) -> Self {
        let pool = match door {
            Door::Queue => Pool::new(CAPACITY, unbounded()),
            Door::NoQueue => Pool::new(CAPACITY, bounded(0)),
            Door::Wall(_) => Pool::new(CAPACITY + SPARE, unbounded()),
        };
        Server { door, pool }
    }

    /// Takes a handler over, or turns it away at once: the answer is whether it got in. The handler
    /// is told when its work began; that a thread takes a while to wake up is no work.
    pub(crate) fn offer(&self, class: C, handler: impl FnOnce(Instant) + Send + 'static) -> bool {
        let now = Instant::now();
        match self.door {
            Door::Queue => self.pool.accept(move || {
                let _active = ACTIVE.enter();
                handler(Instant::now());
            }),
            Door::NoQueue => self.pool.accept(move || {
                let _active = ACTIVE.enter();
                handler(now);
            }),
            Door::Wall(wall) => match wall.admit(class) {
                Ok(permit) => self.pool.accept(permit.wrap(move || handler(now))),
                Err(_) => false,
            },
        }
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Threads that take jobs from a channel. Dropping it lets them finish what they have begun.
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

    /// Whether the channel had room for the job: a channel of no capacity has as much as there are
    /// threads that wait for it.
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
