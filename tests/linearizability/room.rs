//! One limit, as plain numbers.

use rand::rngs::Xoshiro256PlusPlus as Random;
use rand::{RngExt, seq::IndexedRandom};

use crate::checker::Model;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Room {
    pub(crate) limit: u32,
    pub(crate) in_use: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Take(u32),
    GiveBack(u32),
    SetLimit(u32),
    Limit,
    InUse,
    Available,
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
    Ratio(f64),
}

impl Model for Room {
    type Call = Call;
    type Answer = Answer;

    fn apply(&mut self, call: Call) -> Answer {
        let Room { limit, in_use } = *self;
        match call {
            Call::Take(0) => {}
            Call::Take(requested)
                if u64::from(in_use) + u64::from(requested) > u64::from(limit) =>
            {
                return Answer::Full {
                    requested,
                    in_use,
                    limit,
                };
            }
            Call::Take(permits) => self.in_use += permits,
            Call::GiveBack(permits) => self.in_use -= permits,
            Call::SetLimit(limit) => self.limit = limit,
            Call::Limit => return Answer::Number(limit),
            Call::InUse => return Answer::Number(in_use),
            Call::Available => return Answer::Number(limit.saturating_sub(in_use)),
            Call::Utilization if limit == 0 => return Answer::Ratio(1.0),
            Call::Utilization => return Answer::Ratio(f64::from(in_use) / f64::from(limit)),
        }
        Answer::Done
    }

    fn any_start(random: &mut Random) -> Self {
        Room {
            limit: any_limit(random),
            in_use: 0,
        }
    }

    fn any_call(random: &mut Random) -> Call {
        const LOOKS: [Call; 4] = [Call::Limit, Call::InUse, Call::Available, Call::Utilization];
        match random.random_range(0..20) {
            0..8 => Call::Take(1),
            8..12 => Call::Take(random.random_range(2..=3)),
            12 => Call::Take(*[0, u32::MAX].choose(random).expect("some")),
            13..17 => Call::SetLimit(any_limit(random)),
            _ => *LOOKS.choose(random).expect("some"),
        }
    }

    fn giving_back(call: Call) -> (Call, Answer) {
        match call {
            Call::Take(permits) => (Call::GiveBack(permits), Answer::Done),
            other => panic!("{other:?} takes nothing"),
        }
    }
}

/// So few that threads are in one another's way.
fn any_limit(random: &mut Random) -> u32 {
    random.random_range(0..=4)
}
