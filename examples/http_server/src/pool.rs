//! A fixed pool of threads that run handlers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crossbeam_channel::{RecvError, Sender, bounded, unbounded};

/// A fixed number of threads behind a queue.
///
/// The queue has no bound of its own. With a wall in front, it never holds more jobs than the wall has
/// permits. Without one, it grows until clients time out before their job starts.
pub(crate) struct Pool {
    jobs: Sender<Job>,
}

type Job = Box<dyn FnOnce() + Send>;

impl Pool {
    pub(crate) fn new(threads: u32) -> Self {
        let (jobs, queue) = unbounded::<Job>();
        for _ in 0..threads {
            let queue = queue.clone();
            thread::spawn(move || {
                for job in queue {
                    // Unwinding drops the permit of a job that panics; the thread continues.
                    let _panicked = catch_unwind(AssertUnwindSafe(job));
                }
            });
        }
        Pool { jobs }
    }

    /// Runs a handler on a pool thread and waits for its result.
    ///
    /// # Errors
    /// [`RecvError`] if the handler panicked.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        handler: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, RecvError> {
        let (sender, receiver) = bounded(1);
        let job = Box::new(move || {
            let outcome = handler();
            // Cannot fail: the receiver waits below.
            let _ = sender.send(outcome);
        });
        self.jobs.send(job).expect("pool threads never exit");
        receiver.recv()
    }
}
