//! Histories, recorded from real threads and checked.

use std::env;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

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

/// What a model is asked, at random.
pub(crate) trait AnyCall: Model {
    /// A state in which nothing is taken.
    fn any_start(random: &mut Random) -> Self;

    /// Anything but giving back.
    fn any_call(random: &mut Random) -> Self::Call;

    /// The call that gives back what this one took, and what it answers.
    fn giving_back(call: Self::Call) -> (Self::Call, Self::Answer);
}

type CallOf<S> = <<S as Subject>::Model as Model>::Call;
type AnswerOf<S> = <<S as Subject>::Model as Model>::Answer;
type Operations<S> = Vec<Operation<<S as Subject>::Model>>;

/// What came of many histories.
pub(crate) enum Outcome<M: Model> {
    /// All had an order; in so many of them operations overlapped.
    Linearizable { histories: u64, overlapping: u64 },
    /// This one had none, after so many that had.
    Caught { after: u64, history: History<M> },
}

/// Recorded one after another, and then checked: so threads stay at it together.
const ROUND: usize = 250;
/// Of one thread in one history, at most.
const OPERATIONS: usize = 5;
/// In so many histories a mistake must be caught; most are in a few.
const SOON: u64 = 50_000;

/// Records and checks histories until there are so many of which a third overlap, or one of them has
/// no order.
///
/// What other programs do decides how many overlap. Those that do not are checked all the same, but
/// beyond two thirds they do not count; there is an end to that, too.
pub(crate) fn examine<S: Subject>(
    new: impl Fn() -> S,
    threads: usize,
    at_least: u64,
) -> Outcome<S::Model>
where
    S::Model: AnyCall,
{
    // Tests run at the same time, and would keep one another's threads from overlapping.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);

    let subjects: Vec<S> = (0..ROUND).map(|_| new()).collect();
    let mut random = Random::seed_from_u64(threads as u64);
    let (mut histories, mut overlapping) = (0, 0);
    while histories.min(3 * overlapping) < at_least && histories < 4 * at_least {
        for history in record(&subjects, threads, &mut random) {
            let Some(order) = history.explain() else {
                return Outcome::Caught {
                    after: histories,
                    history,
                };
            };
            histories += 1;
            overlapping += u64::from(history.overlaps(&order));
        }
    }
    Outcome::Linearizable {
        histories,
        overlapping,
    }
}

/// One history of each subject.
fn record<S: Subject>(subjects: &[S], threads: usize, random: &mut Random) -> Vec<History<S::Model>>
where
    S::Model: AnyCall,
{
    let mut histories: Vec<_> = subjects
        .iter()
        .map(|subject| {
            let start = S::Model::any_start(random);
            subject.start_from(&start);
            let operations = Vec::new();
            History { start, operations }
        })
        .collect();

    let (clock, meetings) = (&AtomicU64::new(0), &Meetings::new(subjects.len()));
    thread::scope(|scope| {
        let players: Vec<_> = (0..threads)
            .map(|thread| {
                let random = Random::seed_from_u64(random.random());
                scope.spawn(move || play(subjects, thread, random, clock, meetings))
            })
            .collect();
        // What is left of each history stays taken until nobody records any more.
        let played: Vec<_> = players.into_iter().map(|p| p.join().unwrap()).collect();
        for (all, _left) in played {
            for (history, operations) in histories.iter_mut().zip(all) {
                history.operations.extend(operations);
            }
        }
    });
    for history in &mut histories {
        history.operations.sort_by_key(|operation| operation.began);
    }
    histories
}

/// One thread's part in one history of each subject, and what it has not given back.
fn play<'a, S: Subject>(
    subjects: &'a [S],
    thread: usize,
    mut random: Random,
    clock: &AtomicU64,
    meetings: &Meetings,
) -> (Vec<Operations<S>>, Vec<S::Permit<'a>>)
where
    S::Model: AnyCall,
{
    let stamp = || clock.fetch_add(1, Ordering::SeqCst);
    let _leaves = Leaves(meetings);
    let mut left = Vec::new();
    let mut all: Vec<_> = subjects
        .iter()
        .map(|_| Vec::with_capacity(OPERATIONS))
        .collect();
    for (i, (subject, operations)) in subjects.iter().zip(&mut all).enumerate() {
        let mut held = Vec::with_capacity(OPERATIONS);
        meetings.0[i].wait_for_another(1 + thread);
        for _ in 0..random.random_range(3..=OPERATIONS) {
            pause(&mut random);
            let (call, answer, began, ended);
            if !held.is_empty() && random.random_bool(0.5) {
                let (taken, permit) = held.swap_remove(random.random_range(0..held.len()));
                (call, answer) = S::Model::giving_back(taken);
                began = stamp();
                drop(permit);
                ended = stamp();
            } else {
                let permit;
                call = S::Model::any_call(&mut random);
                began = stamp();
                (answer, permit) = subject.answer(call);
                ended = stamp();
                held.extend(permit.map(|permit| (call, permit)));
            }
            operations.push(Operation {
                thread,
                call,
                answer,
                began,
                ended,
            });
        }
        left.extend(held.into_iter().map(|(_, permit)| permit));
    }
    (all, left)
}

/// A little while, so that threads fall out of step; seldom another thread's turn, which is long
/// where other programs run too.
fn pause(random: &mut Random) {
    match random.random_range(0..256) {
        0 => thread::yield_now(),
        n @ 1..64 => (0..n % 8).for_each(|_| spin_loop()),
        _ => {}
    }
}

/// Where two threads meet before a history, so that they begin it at the same time.
///
/// It is not enough that both have arrived: where there are more threads than processors, one of
/// them sleeps. So they show one another that they are awake. If one is put to sleep between its two
/// looks, it is wrong for once, and begins alone.
struct Meetings(Vec<CachePadded<Meeting>>);

struct Meeting {
    /// Who was awake last, from 1 on.
    awake: AtomicUsize,
    has_begun: AtomicBool,
    /// How many have seen that.
    ready: AtomicUsize,
}

impl Meetings {
    fn new(count: usize) -> Self {
        let meeting = || Meeting {
            awake: AtomicUsize::new(0),
            has_begun: AtomicBool::new(false),
            ready: AtomicUsize::new(0),
        };
        Meetings((0..count).map(|_| CachePadded::new(meeting())).collect())
    }
}

impl Meeting {
    /// The first to come wait until there are two; who comes later, goes on at once.
    fn wait_for_another(&self, me: usize) {
        // Who left a mark before may sleep by now.
        self.awake.swap(me, Ordering::Relaxed);
        for spins in 1_u32.. {
            if self.has_begun.load(Ordering::Relaxed) {
                break;
            }
            if self.awake.swap(me, Ordering::Relaxed) != me {
                self.has_begun.store(true, Ordering::Relaxed);
                break;
            }
            // Awake for long, as the other one is about to be; but both may be on this processor.
            if spins % 20_000 == 0 {
                thread::sleep(Duration::from_micros(100));
            }
            spin_loop();
        }
        // One has seen the other first: this one waits, awake, for a moment.
        self.ready.fetch_add(1, Ordering::Relaxed);
        for _ in 0..100 {
            if self.ready.load(Ordering::Relaxed) > 1 {
                break;
            }
            spin_loop();
        }
    }
}

/// Whoever leaves, by a panic too, is not waited for.
struct Leaves<'a>(&'a Meetings);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        for meeting in &self.0.0 {
            meeting.has_begun.store(true, Ordering::Relaxed);
        }
    }
}

/// Records histories of 3 threads, and as many of 4: each must have an order, and a third of what is
/// demanded must overlap.
pub(crate) fn assert_linearizable<S: Subject>(new: impl Fn() -> S)
where
    S::Model: AnyCall,
{
    let histories: u64 = match env::var("FLOODWALL_HISTORIES") {
        Ok(number) => number.parse().expect("FLOODWALL_HISTORIES is a number"),
        Err(_) => 100_000,
    };
    let at_least = histories.div_ceil(2);
    for threads in [3, 4] {
        match examine(&new, threads, at_least) {
            Outcome::Linearizable {
                histories,
                overlapping,
            } => {
                println!("{histories} histories of {threads} threads, {overlapping} overlap");
                let is_third = 3 * overlapping >= at_least;
                assert!(is_third, "this needs two processors that are not busy");
            }
            Outcome::Caught { after, history } => {
                panic!("no order explains this history, the one after {after}, {history}");
            }
        }
    }
}

/// The checker must find a history without an order, soon enough.
pub(crate) fn assert_caught<S: Subject>(new: impl Fn() -> S)
where
    S::Model: AnyCall,
{
    match examine(&new, 3, SOON) {
        Outcome::Caught { after, history } => println!("caught after {after} histories, {history}"),
        Outcome::Linearizable { .. } => panic!("not caught in {SOON} histories"),
    }
}

/// What a mistake does between its two steps.
pub(crate) fn linger() {
    (0..20).for_each(|_| spin_loop());
}
