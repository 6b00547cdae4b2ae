//! Three classes under one capacity, as plain numbers.

use std::array;

use floodwall::{Curve, Rule, Rules, RulesError, Share};
use rand::rngs::Xoshiro256PlusPlus as Random;
use rand::{RngExt, seq::IndexedRandom};

use crate::checker::Model;

pub(crate) const COUNT: usize = 3;

floodwall::classes! { pub(crate) enum Kind { Message, Login, Batch } }

pub(crate) const KINDS: [Kind; COUNT] = [Kind::Message, Kind::Login, Kind::Batch];
pub(crate) const NAMES: [&str; COUNT] = ["Message", "Login", "Batch"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wall {
    pub(crate) given: Given,
    pub(crate) in_use: [u32; COUNT],
}

/// A capacity, and what each class may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Given {
    pub(crate) capacity: u32,
    pub(crate) terms: [Terms; COUNT],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Terms {
    pub(crate) guarantee: u32,
    pub(crate) cap: u32,
    pub(crate) ramp: Ramp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ramp {
    Never,
    Always,
    /// Every other one, however busy it is.
    Half,
    /// Everything from a half on.
    Step,
    /// Nothing below a quarter, everything from three quarters on.
    Linear,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Admit(Request),
    GiveBack { class: usize, permits: u32 },
    SetRules(Given),
    UpdateRules { class: usize, terms: Terms },
    SetCapacity(u32),
    InUse(usize),
    Capacity,
    Utilization,
    Snapshot,
    Rules,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) class: usize,
    pub(crate) permits: u32,
    pub(crate) draw: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Answer {
    Done,
    Shed {
        utilization: f64,
        probability: f64,
    },
    ClassFull {
        in_use: u32,
        cap: u32,
    },
    PoolFull {
        in_use: u32,
        reserved: u32,
        capacity: u32,
    },
    Refused(RulesError),
    Number(u32),
    Ratio(f64),
    Picture {
        capacity: u32,
        utilization: f64,
        classes: [View; COUNT],
    },
    Rules(Given),
}

/// What a snapshot says of one class, but for statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct View {
    pub(crate) in_use: u32,
    pub(crate) guarantee: u32,
    pub(crate) cap: u32,
    pub(crate) reject_probability: f64,
}

impl Ramp {
    const ALL: [Ramp; 5] = [
        Ramp::Never,
        Ramp::Always,
        Ramp::Half,
        Ramp::Step,
        Ramp::Linear,
    ];

    /// At the utilization `used / of`.
    fn probability(self, used: u32, of: u32) -> f64 {
        match self {
            Ramp::Never => 0.0,
            Ramp::Always => 1.0,
            Ramp::Half => 0.5,
            Ramp::Step => f64::from(u8::from(2 * used >= of)),
            Ramp::Linear if 4 * used < of => 0.0,
            Ramp::Linear if 4 * used >= 3 * of => 1.0,
            Ramp::Linear => f64::from(4 * used - of) / f64::from(2 * of),
        }
    }

    fn curve(self) -> Curve {
        match self {
            Ramp::Never => Curve::NEVER,
            Ramp::Always => Curve::ALWAYS,
            Ramp::Half => Curve::ALWAYS.capped(0.5),
            Ramp::Step => Curve::step(0.5),
            Ramp::Linear => Curve::linear(0.25, 0.75),
        }
    }

    fn of(curve: Curve) -> Self {
        let is_it = |ramp: &Ramp| ramp.curve() == curve;
        Ramp::ALL.into_iter().find(is_it).expect("one of these")
    }
}

impl Terms {
    pub(crate) fn rule(&self, class: usize) -> Rule<Kind> {
        let share = Share::between(self.guarantee, self.cap);
        Rule::for_index(class, share).shed(self.ramp.curve())
    }
}

impl Given {
    /// Nothing is to be had.
    pub(crate) const CLOSED: Given = Given {
        capacity: 0,
        terms: [Terms {
            guarantee: 0,
            cap: 0,
            ramp: Ramp::Never,
        }; COUNT],
    };

    /// What is wrong with these rules, if anything is.
    fn error(&self) -> Option<RulesError> {
        let Given { capacity, terms } = *self;
        let mut guarantees = 0;
        for (class, Terms { guarantee, .. }) in NAMES.into_iter().zip(terms) {
            guarantees += guarantee;
            if guarantees > capacity && capacity > 0 {
                return Some(RulesError::GuaranteesOverCapacity {
                    class,
                    guarantee,
                    guarantees: guarantees.into(),
                    capacity,
                });
            }
        }
        None
    }

    pub(crate) fn rules(&self) -> Rules<Kind> {
        let rules: [_; COUNT] = array::from_fn(|class| self.terms[class].rule(class));
        Rules::new(self.capacity, &rules)
    }

    pub(crate) fn of(rules: &Rules<Kind>) -> Self {
        let terms = |kind| Terms {
            guarantee: rules.share(kind).guarantee(),
            cap: rules.share(kind).cap(),
            ramp: Ramp::of(rules.curve(kind)),
        };
        Given {
            capacity: rules.capacity(),
            terms: KINDS.map(terms),
        }
    }
}

impl Wall {
    /// Guarantees are void while the wall is closed.
    fn guarantee(&self, class: usize) -> u32 {
        match self.given.capacity {
            0 => 0,
            _ => self.given.terms[class].guarantee,
        }
    }

    fn total(&self) -> u32 {
        self.in_use.iter().sum()
    }

    /// The utilization as a fraction: full if there is nothing to be had.
    fn used_of(&self) -> (u32, u32) {
        match self.given.capacity {
            0 => (1, 1),
            capacity => (self.total(), capacity),
        }
    }

    fn utilization(&self) -> f64 {
        let (used, of) = self.used_of();
        f64::from(used) / f64::from(of)
    }

    /// The answer to this request, by the rule of the design.
    pub(crate) fn judge(&self, request: Request) -> Answer {
        let Request {
            class,
            permits,
            draw,
        } = request;
        let capacity = self.given.capacity;
        let Terms { cap, ramp, .. } = self.given.terms[class];
        let others = || (0..COUNT).filter(|&other| other != class);
        let pool_full = Answer::PoolFull {
            in_use: self.total(),
            reserved: others()
                .map(|other| self.guarantee(other).saturating_sub(self.in_use[other]))
                .sum(),
            capacity,
        };
        if capacity == 0 {
            return pool_full;
        }
        if permits == 0 {
            return Answer::Done;
        }
        let in_use = self.in_use[class];
        if cap < capacity && in_use + permits > cap {
            return Answer::ClassFull { in_use, cap };
        }
        if in_use + permits <= self.guarantee(class) {
            return match self.total() + permits <= capacity {
                true => Answer::Done,
                false => pool_full,
            };
        }
        let elsewhere: u32 = others()
            .map(|other| self.guarantee(other).max(self.in_use[other]))
            .sum();
        if in_use + permits + elsewhere > capacity {
            return pool_full;
        }
        let (used, of) = self.used_of();
        let probability = ramp.probability(used, of);
        if f64::from(draw) < probability * 2_f64.powi(32) {
            return Answer::Shed {
                utilization: self.utilization(),
                probability,
            };
        }
        Answer::Done
    }

    fn change(&mut self, given: Given) -> Answer {
        if let Some(error) = given.error() {
            return Answer::Refused(error);
        }
        self.given = given;
        Answer::Done
    }

    fn view(&self, class: usize) -> View {
        let Terms { cap, ramp, .. } = self.given.terms[class];
        let (in_use, guarantee) = (self.in_use[class], self.guarantee(class));
        let (used, of) = self.used_of();
        View {
            in_use,
            guarantee,
            cap: cap.min(self.given.capacity),
            reject_probability: match in_use < guarantee {
                true => 0.0,
                false => ramp.probability(used, of),
            },
        }
    }
}

impl Model for Wall {
    type Call = Call;
    type Answer = Answer;

    fn apply(&mut self, call: Call) -> Answer {
        let mut given = self.given;
        match call {
            Call::Admit(request) => {
                let answer = self.judge(request);
                if answer == Answer::Done {
                    self.in_use[request.class] += request.permits;
                }
                answer
            }
            Call::GiveBack { class, permits } => {
                self.in_use[class] -= permits;
                Answer::Done
            }
            Call::SetRules(given) => self.change(given),
            Call::UpdateRules { class, terms } => {
                given.terms[class] = terms;
                self.change(given)
            }
            Call::SetCapacity(capacity) => {
                given.capacity = capacity;
                self.change(given)
            }
            Call::InUse(class) => Answer::Number(self.in_use[class]),
            Call::Capacity => Answer::Number(given.capacity),
            Call::Utilization => Answer::Ratio(self.utilization()),
            Call::Snapshot => Answer::Picture {
                capacity: given.capacity,
                utilization: self.utilization(),
                classes: array::from_fn(|class| self.view(class)),
            },
            Call::Rules => Answer::Rules(given),
        }
    }

    fn any_start(random: &mut Random) -> Self {
        Wall {
            given: any_given(random),
            in_use: [0; COUNT],
        }
    }

    fn any_call(random: &mut Random) -> Call {
        let class = random.random_range(0..COUNT);
        match random.random_range(0..40) {
            0..18 => Call::Admit(Request {
                class,
                permits: *[1, 1, 1, 1, 2, 2, 3, 0].choose(random).expect("some"),
                draw: random.random(),
            }),
            18..22 => Call::SetRules(any_given(random)),
            22..26 => Call::UpdateRules {
                class,
                terms: any_terms(random),
            },
            26..30 => Call::SetCapacity(any_capacity(random)),
            30 => Call::InUse(class),
            31 => Call::Capacity,
            32 => Call::Utilization,
            33..39 => Call::Snapshot,
            _ => Call::Rules,
        }
    }

    fn giving_back(call: Call) -> (Call, Answer) {
        match call {
            Call::Admit(Request { class, permits, .. }) => {
                (Call::GiveBack { class, permits }, Answer::Done)
            }
            other => panic!("{other:?} takes nothing"),
        }
    }
}

/// Legal rules, so narrow that threads are in one another's way.
fn any_given(random: &mut Random) -> Given {
    loop {
        let given = Given {
            capacity: any_capacity(random),
            terms: array::from_fn(|_| any_terms(random)),
        };
        if given.error().is_none() {
            return given;
        }
    }
}

fn any_capacity(random: &mut Random) -> u32 {
    random.random_range(0..=6)
}

fn any_terms(random: &mut Random) -> Terms {
    let guarantee = *[0, 0, 0, 1, 1, 2].choose(random).expect("some");
    Terms {
        guarantee,
        cap: guarantee + *[0, 1, 2, 3, 9].choose(random).expect("some"),
        // Half of them never, for who is shed tells less of the caps.
        ramp: match random.random() {
            true => Ramp::Never,
            false => *Ramp::ALL.choose(random).expect("some"),
        },
    }
}
