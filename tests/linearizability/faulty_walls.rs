//! Walls with the mistakes that this one was made to avoid: each is caught, and without a mistake
//! there is nothing to catch.

use std::array;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crate::checker::Model;
use crate::faulty_rooms::Taken;
use crate::record::{Subject, assert_caught, assert_not_caught, linger};
use crate::wall::{Answer, Call, Given, Ramp, Request, Wall};

/// Judges by the model, and exchanges a word.
struct Sketch {
    mistake: Mistake,
    /// Whoever reads it keeps it from changing: there is no epoch to tell.
    given: RwLock<Given>,
    in_use: AtomicU64,
}

#[derive(Clone, Copy, PartialEq)]
enum Mistake {
    None,
    /// The rules may change between the judgement and the exchange.
    NoEpoch,
    /// The curve is asked once, whoever else borrows before the exchange succeeds.
    AsksTheCurveOnce,
}

const LANE: usize = 16;

fn wall(given: Given, word: u64) -> Wall {
    Wall {
        given,
        in_use: array::from_fn(|class| (word >> (LANE * class)) as u16 as u32),
    }
}

impl Sketch {
    fn admit(&self, request: Request) -> (Answer, Option<Taken<'_>>) {
        let Request { class, permits, .. } = request;
        let unit = u64::from(permits) << (LANE * class);
        let mut is_asked = false;
        loop {
            let unchanged = self.given.read().unwrap();
            let mut given = *unchanged;
            let _unchanged = (self.mistake != Mistake::NoEpoch).then_some(unchanged);
            if is_asked && self.mistake == Mistake::AsksTheCurveOnce {
                given.terms[class].ramp = Ramp::Never;
            }
            let word = self.in_use.load(SeqCst);
            let answer = wall(given, word).judge(request);
            if answer != Answer::Done {
                return (answer, None);
            }
            is_asked = true;
            linger();
            let exchanged = self
                .in_use
                .compare_exchange(word, word + unit, SeqCst, SeqCst);
            if exchanged.is_ok() {
                let word = &self.in_use;
                return (answer, Some(Taken { word, unit }));
            }
        }
    }
}

impl Subject for Sketch {
    type Model = Wall;
    type Permit<'a> = Taken<'a>;

    fn start_from(&self, wall: &Wall) {
        *self.given.write().unwrap() = wall.given;
        self.in_use.store(0, SeqCst);
    }

    fn answer(&self, call: Call) -> (Answer, Option<Taken<'_>>) {
        let now = |given: &Given| wall(*given, self.in_use.load(SeqCst));
        let answer = match call {
            Call::Admit(request) => return self.admit(request),
            Call::SetRules(_) | Call::UpdateRules { .. } | Call::SetCapacity(_) => {
                let mut given = self.given.write().unwrap();
                let mut wall = now(&given);
                let answer = wall.apply(call);
                *given = wall.given;
                answer
            }
            look => now(&self.given.read().unwrap()).apply(look),
        };
        (answer, None)
    }
}

fn floodwall(mistake: Mistake) -> impl Fn() -> Sketch {
    move || Sketch {
        mistake,
        given: RwLock::new(Given::CLOSED),
        in_use: AtomicU64::new(0),
    }
}

#[test]
fn a_wall_without_a_mistake_is_not_caught() {
    assert_not_caught(floodwall(Mistake::None));
}

#[test]
fn rules_changed_without_an_epoch_are_caught() {
    assert_caught(floodwall(Mistake::NoEpoch));
}

#[test]
fn asking_the_curve_once_is_caught() {
    assert_caught(floodwall(Mistake::AsksTheCurveOnce));
}
