//! The sequential model of a bulkhead.

use rand::rngs::Xoshiro256PlusPlus as Random;
use rand::{RngExt, seq::IndexedRandom};

use crate::checker::Model;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BulkheadModel {
    pub(crate) limit: u32,
    pub(crate) in_use: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Acquire(u32),
    Release(u32),
    SetLimit(u32),
    Limit,
    InUse,
    AvailablePermits,
    Utilization,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Answer {
    Done,
    Full {
        requested: u32,
        in_use: u32,
        limit: u32,
    },
    Number(u32),
    Fraction(f64),
}

impl Model for BulkheadModel {
    type Call = Call;
    type Answer = Answer;

    fn apply(&mut self, call: Call) -> Answer {
        let BulkheadModel { limit, in_use } = *self;
        match call {
            Call::Acquire(0) => {}
            Call::Acquire(requested)
                if u64::from(in_use) + u64::from(requested) > u64::from(limit) =>
            {
                return Answer::Full {
                    requested,
                    in_use,
                    limit,
                };
            }
            Call::Acquire(permits) => self.in_use += permits,
            Call::Release(permits) => self.in_use -= permits,
            Call::SetLimit(limit) => self.limit = limit,
            Call::Limit => return Answer::Number(limit),
            Call::InUse => return Answer::Number(in_use),
            Call::AvailablePermits => return Answer::Number(limit.saturating_sub(in_use)),
            Call::Utilization if limit == 0 => return Answer::Fraction(1.0),
            Call::Utilization => {
                return Answer::Fraction(f64::from(in_use) / f64::from(limit));
            }
        }
        Answer::Done
    }

    fn any_start(random: &mut Random) -> Self {
        BulkheadModel {
            limit: any_limit(random),
            in_use: 0,
        }
    }

    fn any_call(random: &mut Random) -> Call {
        const READS: [Call; 4] = [
            Call::Limit,
            Call::InUse,
            Call::AvailablePermits,
            Call::Utilization,
        ];
        match random.random_range(0..20) {
            0..8 => Call::Acquire(1),
            8..12 => Call::Acquire(random.random_range(2..=3)),
            12 => Call::Acquire(*[0, u32::MAX].choose(random).expect("not empty")),
            13..17 => Call::SetLimit(any_limit(random)),
            _ => *READS.choose(random).expect("not empty"),
        }
    }

    fn release_of(call: Call) -> (Call, Answer) {
        match call {
            Call::Acquire(permits) => (Call::Release(permits), Answer::Done),
            other => panic!("{other:?} acquires nothing"),
        }
    }
}

/// Returns a limit low enough that threads contend for permits.
fn any_limit(random: &mut Random) -> u32 {
    random.random_range(0..=4)
}
