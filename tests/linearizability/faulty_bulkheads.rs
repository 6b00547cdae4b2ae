//! Bulkheads with the faults of other implementations. The checker must detect each of them, and must
//! accept the same code without a fault.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crate::bulkhead_model::{Answer, BulkheadModel, Call};
use crate::checker::{Model, Subject};
use crate::recorder::{assert_accepted, assert_detected, widen_race};

struct Sketch {
    fault: Fault,
    /// | bits   | meaning                                                      |
    /// |--------|--------------------------------------------------------------|
    /// | 32..64 | permits in use; a transient excess overflows into no other field |
    /// | 0..32  | limit                                                        |
    word: AtomicU64,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Adds, then checks the limit, and subtracts if it is exceeded.
    AddThenUndo,
    /// Checks the limit, then adds.
    CheckThenAdd,
    /// `>` for `>=`.
    OneTooMany,
    /// Reports "full" after a lost race.
    FullAfterLostRace,
}

/// Releases permits of a sketch when dropped.
pub(crate) struct SketchPermit<'a> {
    pub(crate) word: &'a AtomicU64,
    pub(crate) unit: u64,
}

impl Drop for SketchPermit<'_> {
    fn drop(&mut self) {
        self.word.fetch_sub(self.unit, SeqCst);
    }
}

const fn unit(permits: u32) -> u64 {
    (permits as u64) << 32
}

const fn model(word: u64) -> BulkheadModel {
    BulkheadModel {
        limit: word as u32,
        in_use: (word >> 32) as u32,
    }
}

impl Sketch {
    /// Acquires permits. The error is the state in which too few were free.
    fn acquire(&self, permits: u32) -> Result<(), BulkheadModel> {
        let is_full = |word| {
            let BulkheadModel { limit, in_use } = model(word);
            let max = match self.fault {
                Fault::OneTooMany => limit + 1,
                _ => limit,
            };
            permits > 0 && u64::from(in_use) + u64::from(permits) > u64::from(max)
        };
        if self.fault == Fault::AddThenUndo {
            let word = self.word.fetch_add(unit(permits), SeqCst);
            if !is_full(word) {
                return Ok(());
            }
            widen_race();
            self.word.fetch_sub(unit(permits), SeqCst);
            return Err(model(word));
        }
        loop {
            let word = self.word.load(SeqCst);
            if is_full(word) {
                return Err(model(word));
            }
            widen_race();
            if self.fault == Fault::CheckThenAdd {
                self.word.fetch_add(unit(permits), SeqCst);
                return Ok(());
            }
            let next = word.wrapping_add(unit(permits));
            match self.word.compare_exchange(word, next, SeqCst, SeqCst) {
                Ok(_) => return Ok(()),
                Err(now) if self.fault == Fault::FullAfterLostRace => return Err(model(now)),
                Err(_) => {}
            }
        }
    }
}

impl Subject for Sketch {
    type Model = BulkheadModel;
    type Permit<'a> = SketchPermit<'a>;

    fn reset(&self, model: &BulkheadModel) {
        self.word.store(model.limit.into(), SeqCst);
    }

    fn answer(&self, call: Call) -> (Answer, Option<SketchPermit<'_>>) {
        let word = &self.word;
        let answer = match call {
            Call::Acquire(permits) => match self.acquire(permits) {
                Ok(()) => {
                    let unit = unit(permits);
                    return (Answer::Done, Some(SketchPermit { word, unit }));
                }
                Err(BulkheadModel { limit, in_use }) => Answer::Full {
                    requested: permits,
                    in_use,
                    limit,
                },
            },
            Call::SetLimit(limit) => {
                let next = |word: u64| Some(word >> 32 << 32 | u64::from(limit));
                word.fetch_update(SeqCst, SeqCst, next)
                    .expect("`next` is never `None`");
                Answer::Done
            }
            read => model(word.load(SeqCst)).apply(read),
        };
        (answer, None)
    }
}

fn sketch(fault: Fault) -> impl Fn() -> Sketch {
    move || Sketch {
        fault,
        word: AtomicU64::new(0),
    }
}

#[test]
fn bulkhead_sketch_without_a_fault_is_accepted() {
    assert_accepted(sketch(Fault::None));
}

#[test]
fn add_then_undo_is_detected() {
    assert_detected(sketch(Fault::AddThenUndo));
}

#[test]
fn check_then_add_is_detected() {
    assert_detected(sketch(Fault::CheckThenAdd));
}

#[test]
fn admission_beyond_the_limit_is_detected() {
    assert_detected(sketch(Fault::OneTooMany));
}

#[test]
fn rejection_after_a_lost_race_is_detected() {
    assert_detected(sketch(Fault::FullAfterLostRace));
}
