//! Tests of the boundary between a handler and the threads that do its work. Work on another thread is not cancelled
//! with the future of the response: a permit that stays in the future is released too early, and one that moves with
//! the work is not.

mod common;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use floodwall::Rejection;
use floodwall_tower::{FloodwallLayer, HandlerPermit};
use http::{Request, Response};
use tower::{Layer, Service, service_fn};

use self::common::{Kind, LIMIT, Wall, WallPermit, in_use, numbers, poll_once, wall};

type Job = Box<dyn FnOnce() + Send>;

/// Threads that run jobs. Jobs of one pool run one after another.
trait Pool {
    fn run(&self, job: Job);
}

/// `tokio::task::spawn_blocking`.
struct Tokio(tokio::runtime::Runtime);

impl Tokio {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        Tokio(runtime)
    }
}

impl Pool for Tokio {
    fn run(&self, job: Job) {
        let _context = self.0.enter();
        drop(tokio::task::spawn_blocking(job));
    }
}

struct Rayon(rayon::ThreadPool);

impl Rayon {
    fn new() -> Self {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            // The default aborts the process. A job panics only if its test has failed.
            .panic_handler(drop)
            .build()
            .unwrap();
        Rayon(pool)
    }
}

impl Pool for Rayon {
    fn run(&self, job: Job) {
        self.0.spawn(job);
    }
}

/// One thread, and a queue for one job.
struct Bounded {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Bounded {
    fn new() -> Self {
        let (jobs, queue) = bounded::<Job>(1);
        Bounded {
            jobs: Some(jobs),
            thread: Some(thread::spawn(move || {
                queue.into_iter().for_each(|job| job())
            })),
        }
    }

    /// Drops the job if the queue is full.
    fn try_run(&self, job: Job) -> bool {
        self.jobs.as_ref().unwrap().try_send(job).is_ok()
    }
}

impl Pool for Bounded {
    fn run(&self, job: Job) {
        self.jobs
            .as_ref()
            .unwrap()
            .send_timeout(job, LIMIT)
            .unwrap();
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        self.jobs = None;
        let joined = self.thread.take().unwrap().join();
        if !thread::panicking() {
            joined.unwrap();
        }
    }
}

/// The end of the test that controls a job.
struct Control {
    started: Receiver<()>,
    finish: Sender<()>,
    ended: Receiver<()>,
}

impl Control {
    fn wait_until_started(&self) {
        self.started.recv_timeout(LIMIT).expect("the job starts");
    }

    fn is_started(&self) -> bool {
        !self.started.is_empty()
    }

    fn finish(&self) {
        self.finish.send(()).unwrap();
    }

    /// Waits until the job has been dropped with all that it captured.
    fn wait_until_ended(&self) {
        self.ended.recv_timeout(LIMIT).expect("the job ends");
    }
}

/// Returns the work of one request, which runs until the test finishes it, and what reports its end.
fn controlled() -> (impl FnOnce() + Send + 'static, Sender<()>, Control) {
    let (start, started) = bounded(1);
    let (finish, finished) = bounded::<()>(1);
    let (end, ended) = bounded(1);
    let work = move || {
        start.send(()).unwrap();
        finished
            .recv_timeout(LIMIT)
            .expect("the test finishes the job");
    };
    let control = Control {
        started,
        finish,
        ended,
    };
    (work, end, control)
}

/// Adds the report of its end, after the job has been dropped.
fn reporting(job: impl FnOnce() + Send + 'static, end: Sender<()>) -> Job {
    Box::new(move || {
        job();
        end.send(()).unwrap();
    })
}

type Outcome = Result<Response<String>, Rejection>;

/// The future of the response to a request of which the work runs in a pool.
type ResponseFuture = Pin<Box<dyn Future<Output = Result<Outcome, Rejection>>>>;

fn handler_permit(request: &Request<()>) -> WallPermit {
    let permit = request.extensions().get::<HandlerPermit<WallPermit>>();
    permit.unwrap().take().unwrap()
}

/// Starts a request of which `start` moves the work to a pool. The handler then waits.
fn call(wall: &Wall, start: impl FnOnce(Request<()>)) -> ResponseFuture {
    let mut start = Some(start);
    let mut service = FloodwallLayer::new(Arc::clone(wall), |_: &Request<()>| Kind::Message, Err)
        .pass_permit_to_handler()
        .layer(service_fn(|request: Request<()>| {
            (start.take().unwrap())(request);
            std::future::pending::<Result<Outcome, Rejection>>()
        }));
    let mut future = Box::pin(service.call(Request::new(())));
    assert!(matches!(poll_once(future.as_mut()), Poll::Pending));
    future
}

/// The mistake that this file is about. If this fails, `HandlerPermit` is no longer needed.
fn permit_in_future_is_released_while_work_runs(pool: &dyn Pool) {
    let wall = wall();
    let (work, end, control) = controlled();
    let future = call(&wall, |_| pool.run(reporting(work, end)));
    control.wait_until_started();
    assert_eq!(in_use(&wall), 1);
    drop(future);
    // The client has disconnected. The work still runs: it ends only after `finish`.
    assert_eq!(in_use(&wall), 0);
    assert!(control.ended.is_empty());
    control.finish();
    control.wait_until_ended();
}

fn taken_permit_is_held_until_work_has_ended(pool: &dyn Pool) {
    let wall = wall();
    let (work, end, control) = controlled();
    let future = call(&wall, |request| {
        let work = handler_permit(&request).wrap(work);
        pool.run(reporting(work, end));
    });
    control.wait_until_started();
    assert_eq!(in_use(&wall), 1);
    drop(future);
    assert_eq!(in_use(&wall), 1);
    control.finish();
    control.wait_until_ended();
    assert_eq!(in_use(&wall), 0);
    assert_eq!(numbers(&wall).admitted, 1);
}

/// The layer admits the request, and the handler admits its blocking part to a wall of the pool.
fn permit_of_handler_is_held_until_work_has_ended(pool: &dyn Pool) {
    let wall = wall();
    let of_pool = common::wall();
    let (work, end, control) = controlled();
    let future = call(&wall, |_| {
        let permit = of_pool.admit_owned(Kind::Login).unwrap();
        pool.run(reporting(permit.wrap(work), end));
    });
    control.wait_until_started();
    assert_eq!((in_use(&wall), in_use(&of_pool)), (1, 1));
    drop(future);
    assert_eq!((in_use(&wall), in_use(&of_pool)), (0, 1));
    control.finish();
    control.wait_until_ended();
    assert_eq!((in_use(&wall), in_use(&of_pool)), (0, 0));
}

/// A job in the queue of a pool has a permit, although it does not run, and although its client has left.
fn queued_work_holds_taken_permit(pool: &dyn Pool) {
    let wall = wall();
    let (first_work, first_end, first) = controlled();
    let (second_work, second_end, second) = controlled();
    let submit = |work, end| {
        call(&wall, |request| {
            let work: Job = Box::new(handler_permit(&request).wrap(work));
            pool.run(reporting(work, end));
        })
    };
    let first_future = submit(Box::new(first_work) as Job, first_end);
    first.wait_until_started();
    let second_future = submit(Box::new(second_work) as Job, second_end);
    assert_eq!(in_use(&wall), 2);
    drop((first_future, second_future));
    assert!(!second.is_started());
    assert_eq!(in_use(&wall), 2);
    first.finish();
    first.wait_until_ended();
    second.wait_until_started();
    assert_eq!(in_use(&wall), 1);
    second.finish();
    second.wait_until_ended();
    assert_eq!(in_use(&wall), 0);
}

macro_rules! tests_of_pool {
    ($name:ident, $pool:ty) => {
        mod $name {
            use super::*;

            #[test]
            fn permit_in_future_is_released_while_work_runs() {
                super::permit_in_future_is_released_while_work_runs(&<$pool>::new());
            }

            #[test]
            fn taken_permit_is_held_until_work_has_ended() {
                super::taken_permit_is_held_until_work_has_ended(&<$pool>::new());
            }

            #[test]
            fn permit_of_handler_is_held_until_work_has_ended() {
                super::permit_of_handler_is_held_until_work_has_ended(&<$pool>::new());
            }

            #[test]
            fn queued_work_holds_taken_permit() {
                super::queued_work_holds_taken_permit(&<$pool>::new());
            }
        }
    };
}

tests_of_pool!(spawn_blocking, Tokio);
tests_of_pool!(rayon_pool, Rayon);
tests_of_pool!(bounded_pool, Bounded);

/// The queue of the pool is the second place at which a request can be rejected.
#[test]
fn work_that_a_full_queue_rejects_releases_taken_permit() {
    let wall = wall();
    let pool = Bounded::new();
    let (work, end, running) = controlled();
    pool.run(reporting(work, end));
    running.wait_until_started();
    let (work, end, queued) = controlled();
    pool.run(reporting(work, end));

    let (work, _, rejected) = controlled();
    let future = call(&wall, |request| {
        let work = handler_permit(&request).wrap(work);
        assert!(!pool.try_run(Box::new(work)));
    });
    assert_eq!(in_use(&wall), 0);
    assert!(!rejected.is_started());
    drop(future);
    for control in [running, queued] {
        control.finish();
        control.wait_until_ended();
    }
}

/// The work of a task that was aborted before a thread took it is dropped.
#[test]
fn aborted_task_that_has_not_started_releases_taken_permit() {
    let wall = wall();
    let pool = Tokio::new();
    let (work, end, running) = controlled();
    pool.run(reporting(work, end));
    running.wait_until_started();

    let (work, _, queued) = controlled();
    let mut task = None;
    let future = call(&wall, |request| {
        let work = handler_permit(&request).wrap(work);
        task = Some(pool.0.spawn_blocking(work));
    });
    drop(future);
    assert_eq!(in_use(&wall), 1);
    let task = task.unwrap();
    task.abort();
    running.finish();
    running.wait_until_ended();
    assert!(pool.0.block_on(task).unwrap_err().is_cancelled());
    assert!(!queued.is_started());
    assert_eq!(in_use(&wall), 0);
}

#[test]
fn panic_of_work_releases_taken_permit() {
    let wall = wall();
    let pool = Tokio::new();
    let mut task = None;
    let future = call(&wall, |request| {
        let work = || std::panic::resume_unwind(Box::new("in the work"));
        let work = handler_permit(&request).wrap(work);
        task = Some(pool.0.spawn_blocking(work));
    });
    assert!(pool.0.block_on(task.unwrap()).unwrap_err().is_panic());
    assert_eq!(in_use(&wall), 0);
    drop(future);
    assert_eq!(in_use(&wall), 0);
}
