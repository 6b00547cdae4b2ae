//! Bulkheads with the mistakes that others made: each is caught, and without a mistake there is
//! nothing to catch.
//!
//! Where a mistake needs another thread at the right instant, the instant is made longer.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::record::{Subject, assert_caught, assert_linearizable, linger};
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
    UndoesLater,
    /// Looks whether there is room, and then adds.
    ChecksFirst,
    /// `>` for `>=`.
    AdmitsOneMore,
    /// Says "full" when another thread was in the way.
    BlamesTheRace,
}

/// Gives back when it is dropped.
pub(crate) struct Taken<'a> {
    word: &'a AtomicU64,
    unit: u64,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.word.fetch_sub(self.unit, Ordering::SeqCst);
    }
}

const fn in_use(word: u64) -> u64 {
    word >> 32
}

const fn unit(permits: u32) -> u64 {
    (permits as u64) << 32
}

const fn limit(word: u64) -> u64 {
    word & u32::MAX as u64
}

fn room(word: u64) -> Room {
    Room {
        limit: limit(word) as u32,
        in_use: in_use(word) as u32,
    }
}

impl Sketch {
    fn new(mistake: Mistake) -> Self {
        let word = AtomicU64::new(0);
        Sketch { mistake, word }
    }

    /// The word that had no room, if it had none.
    fn take(&self, permits: u32) -> Result<(), u64> {
        let is_full = |word| permits > 0 && in_use(word) + u64::from(permits) > limit(word);
        let admits_one_more = |word| permits > 0 && in_use(word) > limit(word);
        match self.mistake {
            Mistake::UndoesLater => {
                let word = self.word.fetch_add(unit(permits), Ordering::SeqCst);
                if is_full(word) {
                    linger();
                    self.word.fetch_sub(unit(permits), Ordering::SeqCst);
                    return Err(word);
                }
            }
            Mistake::ChecksFirst => {
                let word = self.word.load(Ordering::SeqCst);
                if is_full(word) {
                    return Err(word);
                }
                linger();
                self.word.fetch_add(unit(permits), Ordering::SeqCst);
            }
            Mistake::AdmitsOneMore => self.exchange(permits, admits_one_more)?,
            Mistake::None => self.exchange(permits, is_full)?,
            Mistake::BlamesTheRace => {
                let word = self.word.load(Ordering::SeqCst);
                if is_full(word) {
                    return Err(word);
                }
                linger();
                let next = word + unit(permits);
                self.word
                    .compare_exchange(word, next, Ordering::SeqCst, Ordering::SeqCst)?;
            }
        }
        Ok(())
    }

    fn exchange(&self, permits: u32, is_full: impl Fn(u64) -> bool) -> Result<(), u64> {
        let next = |word| {
            linger();
            (!is_full(word)).then(|| word.wrapping_add(unit(permits)))
        };
        self.word
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next)
            .map(drop)
    }
}

impl Subject for Sketch {
    type Model = Room;
    type Permit<'a> = Taken<'a>;

    fn start_from(&self, room: &Room) {
        self.word.store(room.limit.into(), Ordering::SeqCst);
    }

    fn answer(&self, call: Call) -> (Answer, Option<Taken<'_>>) {
        use crate::checker::Model;

        let answer = match call {
            Call::Take(permits) => match self.take(permits) {
                Ok(()) => {
                    let (word, unit) = (&self.word, unit(permits));
                    return (Answer::Done, Some(Taken { word, unit }));
                }
                Err(word) => Answer::Full {
                    asked: permits,
                    in_use: in_use(word) as u32,
                    limit: limit(word) as u32,
                },
            },
            Call::SetLimit(to) => {
                let next = |word| Some(word - limit(word) + u64::from(to));
                self.word
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next)
                    .expect("a next word");
                Answer::Done
            }
            look => room(self.word.load(Ordering::SeqCst)).apply(look),
        };
        (answer, None)
    }
}

#[test]
fn a_bulkhead_without_a_mistake_is_not_caught() {
    assert_linearizable(|| Sketch::new(Mistake::None));
}

#[test]
fn adding_first_and_undoing_it_later_is_caught() {
    assert_caught(|| Sketch::new(Mistake::UndoesLater));
}

#[test]
fn checking_first_and_adding_later_is_caught() {
    assert_caught(|| Sketch::new(Mistake::ChecksFirst));
}

#[test]
fn admitting_one_more_is_caught() {
    assert_caught(|| Sketch::new(Mistake::AdmitsOneMore));
}

#[test]
fn turning_away_because_of_a_lost_race_is_caught() {
    assert_caught(|| Sketch::new(Mistake::BlamesTheRace));
}
