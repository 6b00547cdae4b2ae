//! Histories, recorded from real threads and checked.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{any, env, iter, thread};

use crossbeam_utils::CachePadded;
use rand::rngs::Xoshiro256PlusPlus as Random;
use rand::{RngExt, SeedableRng};

use crate::checker::{History, Model, Operation};

/// What is called, beside what it should be.
pub(crate) trait Subject: Sync {
    type Model: Model;
    type Permit<'a>: Send
    where
        Self: 'a;

    /// Brings it to this state, between two histories.
    fn start_from(&self, state: &Self::Model);

    /// Answers, and says what was taken.
    fn answer(&self, call: CallOf<Self>) -> (AnswerOf<Self>, Option<Self::Permit<'_>>);
}

type CallOf<S> = <<S as Subject>::Model as Model>::Call;
type AnswerOf<S> = <<S as Subject>::Model as Model>::Answer;

/// One thread's part in a history, and what it has not given back.
type Part<'a, S> = (
    Vec<Operation<<S as Subject>::Model>>,
    Vec<(CallOf<S>, <S as Subject>::Permit<'a>)>,
);

/// Histories recorded one after another, and then checked: so many, that the system has the time to
/// spread the threads over the processors.
const ROUND: usize = 1_000;
/// Of one thread in one history, at most.
const OPERATIONS: usize = 5;

/// Where the threads of one round play, one history of each subject.
struct Round<'a, S> {
    subjects: &'a [S],
    /// How many threads have come to each.
    meetings: Vec<CachePadded<AtomicUsize>>,
    threads: usize,
    clock: CachePadded<AtomicU64>,
}

impl<'a, S: Subject> Round<'a, S> {
    fn record(subjects: &'a [S], threads: usize, random: &mut Random) -> Vec<History<S::Model>> {
        let start = |subject: &S| {
            let start = S::Model::any_start(random);
            subject.start_from(&start);
            start
        };
        let starts: Vec<_> = subjects.iter().map(start).collect();
        let round = &Round {
            subjects,
            meetings: subjects.iter().map(|_| CachePadded::default()).collect(),
            threads,
            clock: CachePadded::default(),
        };
        // What is left of each history stays taken until nobody records any more.
        let mut parts: Vec<_> = thread::scope(|scope| {
            let play = |thread| {
                let random = Random::seed_from_u64(random.random());
                scope.spawn(move || round.play(thread, random))
            };
            let players: Vec<_> = (0..threads).map(play).collect();
            // This thread wakes all the time, which interrupts others in the middle of a call: what
            // takes two changes in between is caught ten times as soon.
            while !players.iter().all(|player| player.is_finished()) {
                thread::sleep(Duration::from_micros(1));
            }
            let join = |player: thread::ScopedJoinHandle<'_, Vec<_>>| player.join().unwrap();
            players.into_iter().map(join).map(Vec::into_iter).collect()
        });
        let history = |start| {
            let parts = parts.iter_mut().filter_map(Iterator::next);
            let mut operations: Vec<_> = parts.flat_map(|(operations, _left)| operations).collect();
            operations.sort_by_key(|operation| operation.began);
            History { start, operations }
        };
        starts.into_iter().map(history).collect()
    }

    fn play(&self, thread: usize, mut random: Random) -> Vec<Part<'a, S>> {
        let mut patience = 1 << 26;
        let part = |(subject, meeting): (&'a S, &CachePadded<AtomicUsize>)| {
            // Thought up before, so that calls follow one another closely.
            let calls = [(); OPERATIONS].map(|()| S::Model::any_call(&mut random));
            let calls = &calls[..random.random_range(3..=OPERATIONS)];
            self.meet(meeting, &mut patience);
            self.play_one(subject, thread, calls, &mut random)
        };
        self.subjects.iter().zip(&self.meetings).map(part).collect()
    }

    fn play_one(
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
            // There are fewer processors than threads: those that wait for one come in between.
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
                let (taken, permit) = held.swap_remove(0);
                let (call, answer) = S::Model::giving_back(taken);
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

    /// Waits until all are there, so that they begin together; but not for good, should one panic.
    fn meet(&self, here: &AtomicUsize, patience: &mut u32) {
        here.fetch_add(1, Ordering::Relaxed);
        let mut spins: u32 = 0;
        while here.load(Ordering::Relaxed) < self.threads && *patience > 0 {
            *patience -= 1;
            spins += 1;
            spin_loop();
            // Soon, for there may be fewer processors than threads, and then less and less often: where
            // other programs want the processor, it does not come back soon.
            if spins >= 64 && spins.is_power_of_two() {
                thread::yield_now();
            }
        }
    }
}

/// So many histories have an order, and in so many of them calls overlap.
#[derive(Default)]
struct Explained {
    histories: u64,
    overlapping: u64,
}

/// Records and checks histories until there are so many of which a third overlap, and for so long; or
/// until one has no order, which is the error.
///
/// How many overlap, what else runs decides. Those that do not are checked all the same, but beyond
/// two thirds they do not count; there is an end to that, too.
fn examine<S: Subject>(
    new: impl Fn() -> S,
    threads: usize,
    at_least: u64,
    at_least_for: Duration,
) -> Result<Explained, String> {
    // Tests run at the same time, and would keep one another's threads from overlapping.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);

    let subjects: Vec<S> = iter::repeat_with(new).take(ROUND).collect();
    let mut random = Random::seed_from_u64(threads as u64);
    let mut all = Explained::default();
    let begin = Instant::now();
    while all.histories.min(3 * all.overlapping) < at_least && all.histories < 20 * at_least
        || begin.elapsed() < at_least_for
    {
        for history in Round::record(&subjects, threads, &mut random) {
            let Some(changes) = history.explain() else {
                return Err(format!("after {} histories, {history}", all.histories));
            };
            all.histories += 1;
            all.overlapping += u64::from(history.overlaps(changes));
        }
    }
    Ok(all)
}

/// Every history of 3 threads has an order, and every one of 4.
fn assert_linearizable<S: Subject>(new: impl Fn() -> S, at_least: u64, at_least_for: Duration) {
    for threads in [3, 4] {
        let all = match examine(&new, threads, at_least, at_least_for) {
            Ok(all) => all,
            Err(history) => panic!("no order explains this history, {history}"),
        };
        let Explained {
            histories,
            overlapping,
        } = all;
        let subject = any::type_name::<S>();
        println!("{subject}: {histories} histories of {threads} threads, {overlapping} overlap");
        assert!(3 * overlapping >= at_least, "this needs two processors");
    }
}

/// What is shipped has nothing to be caught: in as many histories as are asked for, and in as many more
/// as there is time for on a quiet machine.
pub(crate) fn assert_never_caught<S: Subject>(new: impl Fn() -> S) {
    let histories: u64 = match env::var("FLOODWALL_HISTORIES") {
        Ok(number) => number.parse().expect("FLOODWALL_HISTORIES is a number"),
        Err(_) => 50_000,
    };
    assert_linearizable(new, histories.div_ceil(2), Duration::from_secs(4));
}

/// A mistake is found soon.
pub(crate) fn assert_caught<S: Subject>(new: impl Fn() -> S) {
    match examine(new, 3, 30_000, Duration::ZERO) {
        Ok(Explained { histories, .. }) => panic!("not caught in {histories} histories"),
        Err(history) => println!("caught {history}"),
    }
}

/// There is nothing to be caught where a mistake was.
pub(crate) fn assert_not_caught<S: Subject>(new: impl Fn() -> S) {
    assert_linearizable(new, 1_000, Duration::ZERO);
}

/// What a mistake does between its two steps: the instant that it needs is no luck then.
pub(crate) fn linger() {
    thread::yield_now();
}
