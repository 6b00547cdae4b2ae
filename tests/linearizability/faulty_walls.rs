//! Walls with the mistakes that this one was made to avoid: each is caught, and without a mistake
//! there is nothing to catch.
//!
//! Where a mistake needs another thread at the right instant, the instant is made longer.

use std::array;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock, RwLockReadGuard};

use crate::checker::Model;
use crate::record::{Subject, assert_caught, assert_linearizable, linger};
use crate::wall::{Answer, COUNT, Call, Given, Ramp, Request, Terms, Wall};

/// Judges by the model, exchanges a word, and keeps the rules in pieces.
struct Sketch {
    mistake: Mistake,
    in_use: AtomicU64,
    capacity: AtomicU32,
    terms: [Mutex<Terms>; COUNT],
    /// Whoever reads it sees all pieces of the same rules.
    whole: RwLock<()>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mistake {
    None,
    /// Nothing tells whether the pieces belong together.
    ReadsRulesInPieces,
    /// The curve is asked once, whoever else borrows before the exchange succeeds.
    AsksTheCurveFirst,
}

/// Gives back when it is dropped.
struct Taken<'a> {
    word: &'a AtomicU64,
    unit: u64,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.word.fetch_sub(self.unit, Ordering::SeqCst);
    }
}

const fn unit(class: usize, permits: u32) -> u64 {
    (permits as u64) << (16 * class)
}

impl Sketch {
    fn new(mistake: Mistake) -> Self {
        let Wall { given, .. } = Wall::CLOSED;
        Sketch {
            mistake,
            in_use: AtomicU64::new(0),
            capacity: AtomicU32::new(given.capacity),
            terms: given.terms.map(Mutex::new),
            whole: RwLock::new(()),
        }
    }

    fn admit(&self, request: Request) -> (Answer, Option<Taken<'_>>) {
        let Request { class, permits, .. } = request;
        let mut curve_says = None;
        loop {
            let _whole = self.hold_rules();
            let word = self.in_use.load(Ordering::SeqCst);
            let mut wall = self.read(word);
            if self.mistake == Mistake::AsksTheCurveFirst && curve_says.is_some() {
                wall.given.terms[class].ramp = Ramp::Never;
            }
            let answer = wall.judge(request);
            if answer != Answer::Done {
                return (answer, None);
            }
            curve_says = Some(answer);
            if self.mistake == Mistake::AsksTheCurveFirst {
                linger();
            }
            let (from, to) = (word, word + unit(class, permits));
            let exchanged =
                self.in_use
                    .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst);
            if exchanged.is_ok() {
                let (word, unit) = (&self.in_use, unit(class, permits));
                return (answer, Some(Taken { word, unit }));
            }
        }
    }

    /// So that no change comes between.
    fn hold_rules(&self) -> Option<RwLockReadGuard<'_, ()>> {
        let is_careless = self.mistake == Mistake::ReadsRulesInPieces;
        (!is_careless).then(|| self.whole.read().unwrap())
    }

    fn read(&self, word: u64) -> Wall {
        Wall {
            given: Given {
                capacity: self.capacity.load(Ordering::SeqCst),
                terms: array::from_fn(|class| *self.terms[class].lock().unwrap()),
            },
            in_use: array::from_fn(|class| (word >> (16 * class)) as u16 as u32),
        }
    }

    fn write(&self, given: &Given) {
        self.capacity.store(given.capacity, Ordering::SeqCst);
        for (place, terms) in self.terms.iter().zip(given.terms) {
            if self.mistake == Mistake::ReadsRulesInPieces {
                linger();
            }
            *place.lock().unwrap() = terms;
        }
    }
}

impl Subject for Sketch {
    type Model = Wall;
    type Permit<'a> = Taken<'a>;

    fn start_from(&self, wall: &Wall) {
        self.in_use.store(0, Ordering::SeqCst);
        self.write(&wall.given);
    }

    fn answer(&self, call: Call) -> (Answer, Option<Taken<'_>>) {
        if let Call::Admit(request) = call {
            return self.admit(request);
        }
        let changes = matches!(
            call,
            Call::SetRules(_) | Call::UpdateRules { .. } | Call::SetCapacity(_)
        );
        // One change at a time, with any mistake.
        let _alone = changes.then(|| self.whole.write().unwrap());
        let _whole = (!changes).then(|| self.hold_rules());
        let mut wall = self.read(self.in_use.load(Ordering::SeqCst));
        let answer = wall.apply(call);
        if changes {
            self.write(&wall.given);
        }
        (answer, None)
    }
}

#[test]
fn a_wall_without_a_mistake_is_not_caught() {
    assert_linearizable(|| Sketch::new(Mistake::None));
}

#[test]
fn rules_read_in_pieces_are_caught() {
    assert_caught(|| Sketch::new(Mistake::ReadsRulesInPieces));
}

#[test]
fn asking_the_curve_before_the_race_is_caught() {
    assert_caught(|| Sketch::new(Mistake::AsksTheCurveFirst));
}
