//! A fixed pool of threads that run handlers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crossbeam_channel::{Sender, unbounded};
use floodwall::{Gauge, Permit};
use tokio::sync::oneshot::{self, error::RecvError};

use crate::wall::CAPACITY;

/// Pool threads that run a handler.
pub(crate) static BUSY: Gauge = Gauge::new(CAPACITY);

/// A thread for each permit of the wall, behind a queue.
///
/// The queue has no bound of its own. With a wall in front, it never holds more jobs than the wall has
/// permits. Without one, it grows with every request that a client has given up.
pub(crate) struct Pool {
    jobs: Sender<Job>,
}

type Job = Box<dyn FnOnce() + Send>;

impl Pool {
    pub(crate) fn new() -> Self {
        let (jobs, queue) = unbounded::<Job>();
        for _ in 0..CAPACITY {
            let queue = queue.clone();
            thread::spawn(move || {
                for job in queue {
                    let _busy = BUSY.enter();
                    // Unwinding drops the permit of a job that panics; the thread continues.
                    let _panicked = catch_unwind(AssertUnwindSafe(job));
                }
            });
        }
        Pool { jobs }
    }

    /// Runs a handler on a pool thread, which releases the permit when the handler is done.
    ///
    /// The permit goes with the job, not with the future: if the client disconnects, the future is dropped,
    /// but the thread stays busy until the handler returns.
    ///
    /// # Errors
    /// [`RecvError`] if the handler panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        permit: Option<Permit<'static>>,
        handler: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, RecvError> {
        let (sender, receiver) = oneshot::channel();
        let job = move || {
            let outcome = handler();
            // Before the response: a client that has it can expect a free permit.
            drop(permit);
            // Fails if the client is gone.
            let _ = sender.send(outcome);
        };
        self.jobs
            .send(Box::new(job))
            .expect("pool threads never exit");
        receiver.await
    }
}
