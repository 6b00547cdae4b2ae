//! A fixed pool of threads for work that blocks or computes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crossbeam_channel::{Sender, unbounded};
use floodwall::Permit;
use tokio::sync::oneshot::{self, error::RecvError};

type Job = Box<dyn FnOnce() + Send>;

/// The queue has no bound of its own: each job in it holds a permit, so the capacity of the wall bounds it.
#[derive(Clone)]
pub(crate) struct Pool {
    jobs: Sender<Job>,
}

impl Pool {
    pub(crate) fn new(threads: u32) -> Pool {
        let (jobs, queue) = unbounded::<Job>();
        for _ in 0..threads {
            let queue = queue.clone();
            thread::spawn(move || {
                for job in queue {
                    // A job that panics releases its permit; the thread continues.
                    let _panicked = catch_unwind(AssertUnwindSafe(job));
                }
            });
        }
        Pool { jobs }
    }

    /// Runs `work` on a thread of the pool. The permit is released when `work` ends, also if the returned future is
    /// dropped before.
    ///
    /// # Errors
    /// [`RecvError`] if `work` panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        permit: Permit<'static>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, RecvError> {
        let (sender, receiver) = oneshot::channel();
        let work = permit.wrap(work);
        // The result is sent after the release: a client that has its response can expect a free permit. Sending fails
        // if the client is gone.
        let job = move || drop(sender.send(work()));
        self.jobs
            .send(Box::new(job))
            .expect("threads of the pool do not end");
        receiver.await
    }
}
