//! Bulkheads with the mistakes that others made: each is caught, and without a mistake there is
//! nothing to catch.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crate::checker::Model;
use crate::record::{Subject, assert_caught, assert_not_caught, linger};
use crate::room::{Answer, Call, Room};

struct Sketch {
    mistake: Mistake,
    /// Permits in use in the upper half, so that too many more do no harm; the limit in the lower.
    word: AtomicU64,
}

#[derive(Clone, Copy, PartialEq)]
enum Mistake {
    None,
    /// Adds, looks whether that was too much, and if so subtracts again.
    AddsFirst,
    /// Looks whether there is room, and then adds.
    AddsLater,
    /// `>` for `>=`.
    AdmitsOneMore,
    /// Says "full" when another thread was in the way.
    BlamesTheRace,
}

/// Gives back when it is dropped.
pub(crate) struct Taken<'a> {
    pub(crate) word: &'a AtomicU64,
    pub(crate) unit: u64,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.word.fetch_sub(self.unit, SeqCst);
    }
}

const fn unit(permits: u32) -> u64 {
    (permits as u64) << 32
}

const fn room(word: u64) -> Room {
    Room {
        limit: word as u32,
        in_use: (word >> 32) as u32,
    }
}

impl Sketch {
    /// The room as it was when there was too little, if there was.
    fn take(&self, permits: u32) -> Result<(), Room> {
        let no_room = |word| {
            let Room { limit, in_use } = room(word);
            let most = match self.mistake {
                Mistake::AdmitsOneMore => limit + 1,
                _ => limit,
            };
            permits > 0 && u64::from(in_use) + u64::from(permits) > u64::from(most)
        };
        if self.mistake == Mistake::AddsFirst {
            let word = self.word.fetch_add(unit(permits), SeqCst);
            if !no_room(word) {
                return Ok(());
            }
            linger();
            self.word.fetch_sub(unit(permits), SeqCst);
            return Err(room(word));
        }
        loop {
            let word = self.word.load(SeqCst);
            if no_room(word) {
                return Err(room(word));
            }
            linger();
            if self.mistake == Mistake::AddsLater {
                self.word.fetch_add(unit(permits), SeqCst);
                return Ok(());
            }
            let next = word.wrapping_add(unit(permits));
            match self.word.compare_exchange(word, next, SeqCst, SeqCst) {
                Ok(_) => return Ok(()),
                Err(now) if self.mistake == Mistake::BlamesTheRace => return Err(room(now)),
                Err(_) => {}
            }
        }
    }
}

impl Subject for Sketch {
    type Model = Room;
    type Permit<'a> = Taken<'a>;

    fn start_from(&self, room: &Room) {
        self.word.store(room.limit.into(), SeqCst);
    }

    fn answer(&self, call: Call) -> (Answer, Option<Taken<'_>>) {
        let word = &self.word;
        let answer = match call {
            Call::Take(permits) => match self.take(permits) {
                Ok(()) => {
                    let unit = unit(permits);
                    return (Answer::Done, Some(Taken { word, unit }));
                }
                Err(Room { limit, in_use }) => Answer::Full {
                    requested: permits,
                    in_use,
                    limit,
                },
            },
            Call::SetLimit(limit) => {
                let next = |word: u64| Some(word >> 32 << 32 | u64::from(limit));
                word.fetch_update(SeqCst, SeqCst, next).expect("a next");
                Answer::Done
            }
            look => room(word.load(SeqCst)).apply(look),
        };
        (answer, None)
    }
}

fn bulkhead(mistake: Mistake) -> impl Fn() -> Sketch {
    move || Sketch {
        mistake,
        word: AtomicU64::new(0),
    }
}

#[test]
fn a_bulkhead_without_a_mistake_is_not_caught() {
    assert_not_caught(bulkhead(Mistake::None));
}

#[test]
fn adding_first_and_undoing_it_later_is_caught() {
    assert_caught(bulkhead(Mistake::AddsFirst));
}

#[test]
fn checking_first_and_adding_later_is_caught() {
    assert_caught(bulkhead(Mistake::AddsLater));
}

#[test]
fn admitting_one_more_is_caught() {
    assert_caught(bulkhead(Mistake::AdmitsOneMore));
}

#[test]
fn turning_away_because_of_a_lost_race_is_caught() {
    assert_caught(bulkhead(Mistake::BlamesTheRace));
}
