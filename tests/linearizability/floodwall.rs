//! The shipped `Floodwall`.

use std::array;

use floodwall::{
    AdmitOptions, ClassSnapshot, Draw, Floodwall, Permit, Reason, Rejection, RulesError,
};

use crate::checker::Subject;
use crate::floodwall_model::{
    Answer, Call, ClassView, Config, FloodwallModel, KINDS, Kind, NAMES, NO_DRAWS,
};
use floodwall_theory::spec::{self, Request};

impl Subject for Floodwall<Kind> {
    type Model = FloodwallModel;
    type Permit<'a> = Permit<'a>;

    fn reset(&self, model: &FloodwallModel) {
        let in_use = KINDS.map(|kind| u64::from(self.in_use(kind)));
        assert_eq!(in_use, model.in_use, "a permit was not released");
        self.set_rules(model.config.rules());
        self.open();
        self.set_pressure(0.0);
        self.set_dry_run(&[]);
    }

    fn answer(&self, call: Call) -> (Answer, Option<Permit<'_>>) {
        let answer = match call {
            Call::Admit(request) => {
                let Request {
                    class: index,
                    permits,
                    draw,
                    ..
                } = request;
                // With a given sample, the answer of the curve is deterministic. Without options, one permit takes
                // another way through the slow path.
                let options = AdmitOptions::new().permits(permits).draw(Draw::from(draw));
                let result = match (index, permits) {
                    (NO_DRAWS, 1) => self.admit(KINDS[index]),
                    _ => self.admit_with(KINDS[index], options),
                };
                match result {
                    Ok(permit) => return (Answer::Done, Some(permit)),
                    Err(rejection) => {
                        let Rejection {
                            class, requested, ..
                        } = rejection;
                        assert_eq!((class, requested), (NAMES[index], permits));
                        let reason = rejected(rejection.reason());
                        assert_eq!(rejection.to_string(), text(class, reason, permits));
                        Answer::Rejected(reason)
                    }
                }
            }
            Call::Release { .. } => unreachable!("a permit is released by dropping it"),
            Call::SetRules(config) => {
                self.set_rules(config.rules());
                Answer::Done
            }
            Call::UpdateRules { class, rule } => {
                updated(self.update_rules(&[crate::floodwall_model::rule(class, rule)]))
            }
            Call::SetCapacity(capacity) => updated(self.set_capacity(capacity)),
            Call::Close => {
                self.close();
                Answer::Done
            }
            Call::Open => {
                self.open();
                Answer::Done
            }
            Call::SetPressure(pressure) => {
                self.set_pressure(pressure as f64 / 100.0);
                Answer::Done
            }
            Call::SetDryRun { class } => {
                self.set_dry_run(&KINDS.get(class).copied().into_iter().collect::<Vec<_>>());
                Answer::Done
            }
            Call::InUse(class) => Answer::Number(self.in_use(KINDS[class]).into()),
            Call::Capacity => Answer::Number(self.capacity().into()),
            Call::Utilization => Answer::Fraction(self.utilization()),
            Call::Snapshot => snapshot(self),
            Call::Rules => Answer::Rules(Config::of(&self.rules())),
        };
        (answer, None)
    }
}

fn rejected(reason: Reason) -> spec::Rejection {
    match reason {
        Reason::Shed {
            utilization,
            probability,
            ..
        } => spec::Rejection::Shed {
            utilization,
            probability,
        },
        Reason::ClassFull { in_use, cap, .. } => spec::Rejection::ClassFull {
            in_use: in_use.into(),
            cap: cap.into(),
        },
        Reason::PoolFull {
            in_use,
            reserved,
            capacity,
            ..
        } => spec::Rejection::PoolFull {
            in_use: in_use.into(),
            reserved: reserved.into(),
            capacity: capacity.into(),
        },
        Reason::TooLarge { reachable, .. } => spec::Rejection::TooLarge {
            reachable: reachable.into(),
        },
        Reason::Closed => spec::Rejection::Closed,
        other => panic!("the model does not know {other:?}"),
    }
}

/// Returns the text that a rejection must have.
fn text(class: &str, rejection: spec::Rejection, requested: u32) -> String {
    let reason = match rejection {
        spec::Rejection::Shed {
            utilization,
            probability,
        } => format!("shed at utilization {utilization:.2} (reject probability {probability:.2})"),
        spec::Rejection::ClassFull { in_use, cap } => {
            format!("class full: {in_use} of {cap} permits in use")
        }
        spec::Rejection::PoolFull {
            in_use,
            reserved,
            capacity,
        } => format!(
            "pool full: {in_use} of {capacity} permits in use, {reserved} reserved for other classes"
        ),
        spec::Rejection::TooLarge { reachable } => {
            format!("too large: the class can hold at most {reachable} permits")
        }
        spec::Rejection::Closed => "closed".to_owned(),
    };
    match requested {
        1 => format!("{class}: {reason}"),
        _ => format!("{class}: {reason}, {requested} requested"),
    }
}

fn updated(result: Result<(), RulesError>) -> Answer {
    match result {
        Ok(()) => Answer::Done,
        Err(error) => Answer::InvalidRules(error),
    }
}

fn snapshot(wall: &Floodwall<Kind>) -> Answer {
    let snapshot = wall.snapshot();
    let view = |class: &ClassSnapshot| ClassView {
        in_use: class.in_use.into(),
        guarantee: class.guarantee.into(),
        cap: class.cap.into(),
        reject_probability: class.reject_probability,
    };
    Answer::Snapshot {
        capacity: snapshot.capacity,
        utilization: snapshot.utilization,
        pressure: snapshot.pressure,
        closed: snapshot.closed,
        classes: array::from_fn(|class| view(&snapshot.classes()[class])),
    }
}
