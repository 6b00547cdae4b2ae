//! Records histories of real threads and checks them.

use std::hint::spin_loop;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{any, env, iter, thread};

use crossbeam_utils::CachePadded;
use rand::rngs::Xoshiro256PlusPlus as Random;
use rand::{RngExt, SeedableRng};

use crate::checker::{CallOf, History, Model, Operation, Subject};

/// One thread's part in a history, with the permits that it still holds.
type Part<'a, S> = (
    Vec<Operation<<S as Subject>::Model>>,
    Vec<(CallOf<S>, <S as Subject>::Permit<'a>)>,
);

/// Histories recorded in a row before they are checked: enough for the system to spread the threads
/// over the processors.
const ROUND: usize = 1_000;
/// Most operations of one thread in one history.
const OPERATIONS: usize = 5;

/// A round of recording, with one history per subject.
struct Round<'a, S> {
    subjects: &'a [S],
    /// Threads that have arrived at each subject.
    arrivals: Vec<CachePadded<AtomicUsize>>,
    threads: usize,
    clock: CachePadded<AtomicU64>,
}

impl<'a, S: Subject> Round<'a, S> {
    fn record(subjects: &'a [S], threads: usize, random: &mut Random) -> Vec<History<S::Model>> {
        let start = |subject: &S| {
            let start = S::Model::any_start(random);
            subject.reset(&start);
            start
        };
        let starts: Vec<_> = subjects.iter().map(start).collect();
        let round = &Round {
            subjects,
            arrivals: subjects.iter().map(|_| CachePadded::default()).collect(),
            threads,
            clock: CachePadded::default(),
        };
        // Permits still held at the end of a history are released after all threads have ended.
        let mut parts: Vec<_> = thread::scope(|scope| {
            let spawn = |thread| {
                let random = Random::seed_from_u64(random.random());
                scope.spawn(move || round.run(thread, random))
            };
            let workers: Vec<_> = (0..threads).map(spawn).collect();
            // Waking this thread often preempts the others within a call. Faults that need two updates
            // within a call are then found ten times sooner.
            while !workers.iter().all(|worker| worker.is_finished()) {
                thread::sleep(Duration::from_micros(1));
            }
            let join = |worker: thread::ScopedJoinHandle<'_, Vec<_>>| worker.join().unwrap();
            workers.into_iter().map(join).map(Vec::into_iter).collect()
        });
        let history = |start| {
            let parts = parts.iter_mut().filter_map(Iterator::next);
            let mut operations: Vec<_> = parts.flat_map(|(operations, _held)| operations).collect();
            operations.sort_by_key(|operation| operation.began);
            History { start, operations }
        };
        starts.into_iter().map(history).collect()
    }

    fn run(&self, thread: usize, mut random: Random) -> Vec<Part<'a, S>> {
        let mut spins_left = 1 << 26;
        let part = |(subject, arrived): (&'a S, &CachePadded<AtomicUsize>)| {
            // Generated in advance, so that calls follow one another closely.
            let calls = [(); OPERATIONS].map(|()| S::Model::any_call(&mut random));
            let calls = &calls[..random.random_range(3..=OPERATIONS)];
            self.wait_for_all(arrived, &mut spins_left);
            self.run_one(subject, thread, calls, &mut random)
        };
        self.subjects.iter().zip(&self.arrivals).map(part).collect()
    }

    fn run_one(
        &self,
        subject: &'a S,
        thread: usize,
        calls: &[CallOf<S>],
        random: &mut Random,
    ) -> Part<'a, S> {
        let stamp = || self.clock.fetch_add(1, Ordering::SeqCst);
        let mut operations = Vec::with_capacity(OPERATIONS);
        let mut held = Vec::with_capacity(OPERATIONS);
        for &call in calls {
            // There may be fewer processors than threads: lets a waiting thread run between calls.
            if random.random_ratio(1, 64) {
                thread::yield_now();
            }
            let record = |call, answer, began| Operation {
                thread,
                call,
                answer,
                began,
                ended: stamp(),
            };
            operations.push(if !held.is_empty() && random.random() {
                let (acquired, permit) = held.swap_remove(0);
                let (call, answer) = S::Model::release_of(acquired);
                let began = stamp();
                drop(permit);
                record(call, answer, began)
            } else {
                let began = stamp();
                let (answer, permit) = subject.answer(call);
                let operation = record(call, answer, began);
                held.extend(permit.map(|permit| (call, permit)));
                operation
            });
        }
        (operations, held)
    }

    /// Waits until all threads have arrived, so that they begin together. Stops waiting when `spins_left`
    /// is 0, in case a thread has panicked.
    fn wait_for_all(&self, arrived: &AtomicUsize, spins_left: &mut u32) {
        // ORDERING: Relaxed: only makes the threads begin together; publishes nothing.
        arrived.fetch_add(1, Ordering::Relaxed);
        let mut spins: u32 = 0;
        // ORDERING: Relaxed: as above.
        while arrived.load(Ordering::Relaxed) < self.threads && *spins_left > 0 {
            *spins_left -= 1;
            spins += 1;
            spin_loop();
            // Yields early because there may be fewer processors than threads, then less and less often
            // because a busy machine may be slow to return the processor.
            if spins >= 64 && spins.is_power_of_two() {
                thread::yield_now();
            }
        }
    }
}

/// Histories checked, all of them linearizable.
#[derive(Default)]
struct Checked {
    histories: u64,
    /// Histories in which calls overlap.
    overlapping: u64,
}

/// Records and checks histories until `at_least` are checked, a third of them overlapping, and
/// `at_least_for` has passed. The error is a history without an order.
///
/// The load of the machine decides how many histories overlap. Histories without overlap are checked but
/// count only up to two thirds. Recording stops after 4 times `at_least` in any case.
fn check_histories<S: Subject>(
    new: impl Fn() -> S,
    threads: usize,
    at_least: u64,
    at_least_for: Duration,
) -> Result<Checked, String> {
    // Tests of one binary run concurrently and would prevent one another's threads from overlapping.
    static EXCLUSIVE: Mutex<()> = Mutex::new(());
    let _exclusive = EXCLUSIVE.lock().unwrap_or_else(PoisonError::into_inner);

    let subjects: Vec<S> = iter::repeat_with(new).take(ROUND).collect();
    let mut random = Random::seed_from_u64(threads as u64);
    let mut checked = Checked::default();
    let begin = Instant::now();
    while checked.histories.min(3 * checked.overlapping) < at_least
        && checked.histories < 4 * at_least
        || begin.elapsed() < at_least_for
    {
        for history in Round::record(&subjects, threads, &mut random) {
            let Some(changes) = history.explain() else {
                return Err(format!("after {} histories, {history}", checked.histories));
            };
            checked.histories += 1;
            checked.overlapping += u64::from(history.overlaps(changes));
        }
    }
    Ok(checked)
}

/// Asserts that every history of 3 threads has an order, and every one of 4. If too few histories overlap, as on a busy
/// machine or on one processor, that is reported and is not a failure.
fn assert_explained<S: Subject>(new: impl Fn() -> S, at_least: u64, at_least_for: Duration) {
    for threads in [3, 4] {
        let checked = match check_histories(&new, threads, at_least, at_least_for) {
            Ok(checked) => checked,
            Err(history) => panic!("no order explains this history, {history}"),
        };
        let Checked {
            histories,
            overlapping,
        } = checked;
        let subject = any::type_name::<S>();
        let result =
            format!("{subject}: {histories} histories of {threads} threads, {overlapping} overlap");
        println!("{result}");
        if 3 * overlapping < at_least {
            // Not `eprintln!`: the harness captures its output if the test passes.
            let mut stderr = io::stderr();
            writeln!(stderr, "HARDLY CONCURRENT: {result}").unwrap();
        }
    }
}

/// Asserts that the shipped code is linearizable, in at least `FLOODWALL_HISTORIES` histories and for at
/// least a few seconds.
pub(crate) fn assert_linearizable<S: Subject>(new: impl Fn() -> S) {
    let histories: u64 = match env::var("FLOODWALL_HISTORIES") {
        Ok(number) => number.parse().expect("FLOODWALL_HISTORIES is a number"),
        Err(_) => 50_000,
    };
    assert_explained(new, histories.div_ceil(2), Duration::from_secs(4));
}

/// Asserts that a fault is found within about 30,000 histories.
pub(crate) fn assert_detected<S: Subject>(new: impl Fn() -> S) {
    match check_histories(new, 3, 30_000, Duration::ZERO) {
        Ok(Checked { histories, .. }) => panic!("not detected in {histories} histories"),
        Err(history) => println!("detected {history}"),
    }
}

/// Asserts that a sketch without a fault is not reported.
pub(crate) fn assert_accepted<S: Subject>(new: impl Fn() -> S) {
    assert_explained(new, 1_000, Duration::ZERO);
}

/// Yields between the two steps of a fault, so that other threads run between them.
pub(crate) fn widen_race() {
    thread::yield_now();
}
