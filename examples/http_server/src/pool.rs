//! The threads that run handlers: so many, and no more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crossbeam_channel::{RecvError, Sender, bounded, unbounded};

/// With a wall in front, never more jobs wait than it has admitted, and each finds a thread at once.
/// Without one, nothing bounds the queue: that is how such servers drown.
pub(crate) struct Pool {
    jobs: Sender<Job>,
}

type Job = Box<dyn FnOnce() + Send>;

impl Pool {
    pub(crate) fn new(threads: u32) -> Self {
        let (jobs, backlog) = unbounded::<Job>();
        for _ in 0..threads {
            let backlog = backlog.clone();
            thread::spawn(move || {
                for job in backlog {
                    // A job that panics drops its permit as its stack is unwound; the thread goes on.
                    let _panicked = catch_unwind(AssertUnwindSafe(job));
                }
            });
        }
        Pool { jobs }
    }

    /// Runs a handler on one of the threads, and waits for what it returns.
    ///
    /// # Errors
    /// If the handler panicked.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        handler: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, RecvError> {
        let (done, outcome) = bounded(1);
        let job = Box::new(move || {
            let outcome = handler();
            // Whoever asked still waits.
            let _ = done.send(outcome);
        });
        self.jobs.send(job).expect("the threads never end");
        outcome.recv()
    }
}
