//! A progress bar for runs of more than a second.

use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shorter runs have no bar.
const DELAY: Duration = Duration::from_secs(1);
const STEPS: u64 = 1_000;

/// The progress of several runs, on stderr if it is a terminal.
pub(crate) struct Progress {
    runs: f64,
    /// Runs that are done, as a number with a fraction.
    done: Mutex<f64>,
    start: Instant,
    show: Once,
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new(runs: usize) -> Progress {
        let style = ProgressStyle::with_template("{bar:40} {percent:>3} %, {eta} left")
            .expect("the template is valid");
        let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::hidden());
        Progress {
            runs: runs as f64,
            done: Mutex::new(0.0),
            start: Instant::now(),
            show: Once::new(),
            bar: bar.with_style(style),
        }
    }

    /// Adds a fraction of a run.
    pub(crate) fn add(&self, fraction: f64) {
        let mut done = self.done.lock().expect("no thread panics with the lock");
        *done += fraction;
        self.bar
            .set_position((*done / self.runs * STEPS as f64) as u64);
        drop(done);
        if self.start.elapsed() >= DELAY {
            // Draws nothing if stderr is no terminal.
            self.show
                .call_once(|| self.bar.set_draw_target(ProgressDrawTarget::stderr()));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
