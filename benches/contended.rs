//! What does a contended permit cost? All threads acquire and release on one limit, back to back.
//!
//! The time is per acquire and release on one thread. Each thread measures from the common barrier to
//! the end of its own calls, and keeps calling until every thread has measured. The mean over the
//! threads is reported. If threads outnumber cores, the time includes waiting for a core.

mod common;

use std::error::Error;

use floodwall_benches::Turns;

use common::peers::{self, Measure};
use common::threads::{self, concurrently, cores};

const THREADS: [usize; 5] = [1, 2, 4, 8, 16];

/// Calls of each thread in a turn, if it has a core to itself. It takes about a millisecond.
const CALLS: u64 = 50_000;

/// Calls of each thread in a turn, if threads share a core. It takes at least ten milliseconds, so that they switch several
/// times.
const CALLS_OF_SHARED_CORES: u64 = 200_000;

/// Together, they take about two minutes here.
const ROUNDS: usize = 10;
const PROCESSES: usize = 15;

struct Threads(Turns);

impl Measure for Threads {
    fn measure(&mut self, subject: &str, acquire_and_release: impl Fn() + Copy + Sync + 'static) {
        let cores = cores();
        for threads in THREADS
            .into_iter()
            .filter(|&threads| threads <= cores.max(8))
        {
            let calls = if threads > cores {
                CALLS_OF_SHARED_CORES
            } else {
                CALLS
            };
            self.0
                .calls(subject, &threads::name(threads), calls, move |calls| {
                    concurrently(threads, calls, acquire_and_release)
                });
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let cores = cores();
    if THREADS.iter().any(|&threads| threads > cores) {
        println!("{cores} cores: with more threads, times include waiting for a core.");
    }
    // Medians of one process are stable, but those of two processes differ by up to a quarter (measured).
    let mut subjects = Threads(Turns::new("contended", ROUNDS).in_processes(PROCESSES));
    peers::measure_each(&mut subjects);
    subjects.0.run()
}
