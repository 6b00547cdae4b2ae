//! `Floodwall`, as it is shipped.

use std::array;

use floodwall::{
    AdmitOptions, ClassSnapshot, Draw, Floodwall, Permit, Reason, Rejection, RulesError,
};

use crate::record::{Subject, assert_never_caught};
use crate::wall::{Answer, Call, Given, KINDS, Kind, NAMES, Request, View, Wall};

impl Subject for Floodwall<Kind> {
    type Model = Wall;
    type Permit<'a> = Permit<'a>;

    fn start_from(&self, wall: &Wall) {
        let in_use = KINDS.map(|kind| self.in_use(kind));
        assert_eq!(in_use, wall.in_use, "everything was given back");
        self.set_rules(wall.given.rules());
    }

    fn answer(&self, call: Call) -> (Answer, Option<Permit<'_>>) {
        let answer = match call {
            Call::Admit(request) => {
                let Request {
                    class: index,
                    permits,
                    draw,
                } = request;
                // The draw is given, so what the curve answers is certain.
                let ask = AdmitOptions::new().permits(permits).draw(Draw::from(draw));
                match self.admit_with(KINDS[index], ask) {
                    Ok(permit) => return (Answer::Done, Some(permit)),
                    Err(rejection) => {
                        let Rejection {
                            class, requested, ..
                        } = rejection;
                        assert_eq!((class, requested), (NAMES[index], permits));
                        turned_away(rejection.reason)
                    }
                }
            }
            Call::GiveBack { .. } => unreachable!("a permit gives itself back"),
            Call::SetRules(given) => {
                self.set_rules(given.rules());
                Answer::Done
            }
            Call::UpdateRules { class, terms } => changed(self.update_rules(&[terms.rule(class)])),
            Call::SetCapacity(capacity) => changed(self.set_capacity(capacity)),
            Call::InUse(class) => Answer::Number(self.in_use(KINDS[class])),
            Call::Capacity => Answer::Number(self.capacity()),
            Call::Utilization => Answer::Ratio(self.utilization()),
            Call::Snapshot => picture(self),
            Call::Rules => Answer::Rules(Given::of(&self.rules())),
        };
        (answer, None)
    }
}

fn turned_away(reason: Reason) -> Answer {
    match reason {
        Reason::Shed {
            utilization,
            probability,
            ..
        } => Answer::Shed {
            utilization,
            probability,
        },
        Reason::ClassFull { in_use, cap, .. } => Answer::ClassFull { in_use, cap },
        Reason::PoolFull {
            in_use,
            reserved,
            capacity,
            ..
        } => Answer::PoolFull {
            in_use,
            reserved,
            capacity,
        },
        other => panic!("the model knows nothing of {other:?}"),
    }
}

fn changed(result: Result<(), RulesError>) -> Answer {
    match result {
        Ok(()) => Answer::Done,
        Err(error) => Answer::Refused(error),
    }
}

fn picture(wall: &Floodwall<Kind>) -> Answer {
    let snapshot = wall.snapshot();
    let view = |class: &ClassSnapshot| View {
        in_use: class.in_use,
        guarantee: class.guarantee,
        cap: class.cap,
        reject_probability: class.reject_probability,
    };
    Answer::Picture {
        capacity: snapshot.capacity,
        utilization: snapshot.utilization,
        classes: array::from_fn(|class| view(&snapshot.classes()[class])),
    }
}

#[test]
fn every_history_of_a_floodwall_has_an_order() {
    assert_never_caught(|| Floodwall::from_rules(Given::CLOSED.rules()));
}
