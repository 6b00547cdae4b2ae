//! How far the number of rejections is from the reject probability.
//!
//! The sequences are fixed except for their start, which depends on the thread's number or slot. So
//! each tolerance is a property of the sequence and leaves nothing to chance.

use std::sync::Barrier;
use std::thread;

use floodwall::{Curve, Draw, Shedder};

/// The reject probability is the utilization, or the pressure.
pub const IDENTITY: Curve = Curve::linear(0.0, 1.0);

/// The largest difference between rejections and their expected number, after any number of decisions.
const MAX_OFFSET: f64 = 12.0;

pub fn probabilities() -> impl Iterator<Item = f64> {
    let percents = (1..100).map(|percent| f64::from(percent) / 100.0);
    percents.chain([0.0002, 0.001, 0.999, 0.9998])
}

pub fn is_shed(draw: Draw, probability: f64) -> bool {
    let shedder = Shedder::new(IDENTITY);
    shedder.decide_with(probability, draw).is_err()
}

/// Follows the difference between the rejections and their expected number.
pub struct Evenness {
    pub probability: f64,
    offset: f64,
    max_offset: f64,
}

impl Evenness {
    pub fn new(probability: f64) -> Self {
        Evenness {
            probability,
            offset: 0.0,
            max_offset: 0.0,
        }
    }

    pub fn record(&mut self, is_shed: bool) {
        self.offset += f64::from(is_shed) - self.probability;
        self.max_offset = self.max_offset.max(self.offset.abs());
    }

    #[track_caller]
    pub fn assert_even(&self) {
        let Evenness {
            probability,
            max_offset,
            ..
        } = self;
        assert!(
            *max_offset <= MAX_OFFSET,
            "{max_offset} off at {probability}"
        );
    }
}

/// Every seventh number of clients from 1 to 1,024, and those at which a golden-ratio sequence returns closest to where
/// it began.
pub fn rhythms() -> impl Iterator<Item = usize> + Clone {
    (1..=1_024)
        .step_by(7)
        .chain([21, 34, 55, 89, 144, 233, 377, 610, 987])
}

/// Returns the longest run of rejections that one client sees if this number of clients request in turn.
fn longest_run(clients: impl Iterator<Item = usize>, mut sheds: impl FnMut() -> bool) -> u32 {
    const ROUNDS: usize = 100;
    let mut longest = 0;
    for clients in clients {
        let mut runs = vec![0; clients];
        for request in 0..clients * ROUNDS {
            let run = &mut runs[request % clients];
            *run = if sheds() { *run + 1 } else { 0 };
            longest = longest.max(*run);
        }
    }
    longest
}

/// Checks that no client is shed for longer than by independent samples, plus a quarter.
#[track_caller]
pub fn assert_no_client_is_starved(
    clients: impl Iterator<Item = usize> + Clone,
    probability: f64,
    sheds: impl FnMut() -> bool,
) {
    let mut samples = 0;
    let independent = longest_run(clients.clone(), || {
        samples += 1;
        is_shed(Draw::keyed(samples, 0), probability)
    });
    let longest = longest_run(clients, sheds);
    assert!(
        longest > 0 && f64::from(longest) <= 1.25 * f64::from(independent),
        "{longest} rejections in a row at {probability}, {independent} with independent samples"
    );
}

const SHORT_THREADS: usize = 200;

/// Checks the number of shed threads, each of which has decided once.
///
/// Threads of other tests can take numbers in between, which leaves gaps in the sequence; the
/// tolerance covers them.
#[track_caller]
pub fn assert_shed_threads(shed: usize, probability: f64) {
    let offset = shed as f64 - probability * SHORT_THREADS as f64;
    assert!(offset.abs() <= MAX_OFFSET, "{offset} off at {probability}");
}

/// Counts the threads that `decide` sheds. All threads are alive at the same time.
pub fn shed_of_concurrent_threads(decide: impl Fn() -> bool + Sync) -> usize {
    shed_of(SHORT_THREADS, &decide)
}

/// Counts the threads that `decide` sheds. Each thread ends before the next one starts.
pub fn shed_of_successive_threads(decide: impl Fn() -> bool + Sync) -> usize {
    (0..SHORT_THREADS).map(|_| shed_of(1, &decide)).sum()
}

fn shed_of(threads: usize, decide: &(impl Fn() -> bool + Sync)) -> usize {
    let barrier = Barrier::new(threads);
    let run = || {
        barrier.wait();
        let is_shed = decide();
        // No thread ends before all have decided, so none takes over another's slot.
        barrier.wait();
        is_shed
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let shed = threads.into_iter().map(|thread| thread.join().unwrap());
        shed.filter(|&is_shed| is_shed).count()
    })
}
