//! `Bulkhead`, as it is shipped.

use floodwall::{Bulkhead, Full, Permit};

use crate::record::{Subject, assert_never_caught};
use crate::room::{Answer, Call, Room};

impl Subject for Bulkhead {
    type Model = Room;
    type Permit<'a> = Permit<'a>;

    fn start_from(&self, room: &Room) {
        assert_eq!(self.in_use(), 0, "everything was given back");
        self.set_limit(room.limit);
    }

    fn answer(&self, call: Call) -> (Answer, Option<Permit<'_>>) {
        let answer = match call {
            Call::Take(permits) => {
                let answer = match permits {
                    1 => self.try_acquire(),
                    _ => self.try_acquire_many(permits),
                };
                match answer {
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
            Call::GiveBack(_) => unreachable!("a permit gives itself back"),
            Call::SetLimit(limit) => {
                self.set_limit(limit);
                Answer::Done
            }
            Call::Limit => Answer::Number(self.limit()),
            Call::InUse => Answer::Number(self.in_use()),
            Call::Available => Answer::Number(self.available_permits()),
            Call::Utilization => Answer::Ratio(self.utilization()),
        };
        (answer, None)
    }
}

#[test]
fn every_history_of_a_bulkhead_has_an_order() {
    assert_never_caught(|| Bulkhead::new(0));
}
