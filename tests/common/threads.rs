//! Runs threads that contend.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Calls `f` with the thread's number and state on `threads` threads, at least `times` times on each.
///
/// A thread that has finished goes on until all have finished, so all of them contend however late
/// some start. Returns the state of each thread.
pub fn run_together<S: Default + Send>(
    threads: usize,
    times: u32,
    f: impl Fn(usize, &mut S) + Sync,
) -> Vec<S> {
    struct Unfinished<'a>(&'a AtomicUsize);
    impl Drop for Unfinished<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    let unfinished = AtomicUsize::new(threads);
    let run = |number| {
        let mut state = S::default();
        // A panic drops it as well, so the other threads do not wait forever.
        let this_thread = Unfinished(&unfinished);
        (0..times).for_each(|_| f(number, &mut state));
        drop(this_thread);
        while unfinished.load(Ordering::Relaxed) > 0 {
            f(number, &mut state);
        }
        state
    };
    let run = &run;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|number| scope.spawn(move || run(number)))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}
