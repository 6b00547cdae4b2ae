//! The shipped `Bulkhead`.

use floodwall::{Bulkhead, Full, Permit};

use crate::bulkhead_model::{Answer, BulkheadModel, Call};
use crate::checker::Subject;

impl Subject for Bulkhead {
    type Model = BulkheadModel;
    type Permit<'a> = Permit<'a>;

    fn reset(&self, model: &BulkheadModel) {
        assert_eq!(self.in_use(), 0, "a permit was not released");
        self.set_limit(model.limit);
    }

    fn answer(&self, call: Call) -> (Answer, Option<Permit<'_>>) {
        let answer = match call {
            Call::Acquire(permits) => {
                let result = match permits {
                    1 => self.try_acquire(),
                    _ => self.try_acquire_many(permits),
                };
                match result {
                    Ok(permit) => return (Answer::Done, Some(permit)),
                    Err(Full {
                        requested,
                        in_use,
                        limit,
                        ..
                    }) => Answer::Full {
                        requested,
                        in_use,
                        limit,
                    },
                }
            }
            Call::Release(_) => unreachable!("a permit is released by dropping it"),
            Call::SetLimit(limit) => {
                self.set_limit(limit);
                Answer::Done
            }
            Call::Limit => Answer::Number(self.limit()),
            Call::InUse => Answer::Number(self.in_use()),
            Call::AvailablePermits => Answer::Number(self.available_permits()),
            Call::Utilization => Answer::Fraction(self.utilization()),
        };
        (answer, None)
    }
}
