//! The sequential model of a wall with three classes.

use std::array;

use floodwall::{Curve, Rule, Rules, RulesError, Share};
use rand::rngs::Xoshiro256PlusPlus as Random;
use rand::{RngExt, seq::IndexedRandom};

use crate::checker::Model;
use floodwall_theory::spec::{ClassRule, Mode, Ramp, Rejection, Request, Wall};

pub(crate) const COUNT: usize = 3;
/// A class whose curves decide without a draw.
pub(crate) const NO_DRAWS: usize = 0;

floodwall::classes! { pub(crate) enum Kind { Message, Login, Batch } }

pub(crate) const KINDS: [Kind; COUNT] = [Kind::Message, Kind::Login, Kind::Batch];
pub(crate) const NAMES: [&str; COUNT] = ["Message", "Login", "Batch"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FloodwallModel {
    pub(crate) config: Config,
    pub(crate) mode: Mode,
    pub(crate) in_use: [u64; COUNT],
}

/// The capacity and the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Config {
    pub(crate) capacity: u32,
    pub(crate) classes: [ClassRule; COUNT],
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Admit(Request),
    Release { class: usize, permits: u32 },
    SetRules(Config),
    UpdateRules { class: usize, rule: ClassRule },
    SetCapacity(u32),
    Close,
    Open,
    SetPressure(u64),
    SetDryRun { class: usize },
    InUse(usize),
    Capacity,
    Utilization,
    Snapshot,
    Rules,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Answer {
    Done,
    Rejected(Rejection),
    InvalidRules(RulesError),
    Number(u64),
    Fraction(f64),
    Snapshot {
        capacity: u32,
        utilization: f64,
        pressure: f64,
        closed: bool,
        classes: [ClassView; COUNT],
    },
    Rules(Config),
}

/// One class of a snapshot, without statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ClassView {
    pub(crate) in_use: u64,
    pub(crate) guarantee: u64,
    pub(crate) cap: u64,
    pub(crate) reject_probability: f64,
}

/// Returns a linear ramp between two utilizations in percent, which rejects at most `max` percent.
const fn ramp(lo: u64, hi: u64, max: u64) -> Ramp {
    const PERCENT: u64 = Ramp::ONE / 100;
    Ramp {
        lo: lo * PERCENT,
        hi: hi * PERCENT,
        power: 1,
        max: max * PERCENT,
    }
}

const ALWAYS: Ramp = ramp(0, 0, 100);
const HALF: Ramp = ramp(0, 0, 50);
pub(crate) const STEP: Ramp = ramp(50, 50, 100);
const LINEAR: Ramp = ramp(25, 75, 100);

/// The curves in use, with their specifications.
fn curves() -> [(Ramp, Curve); 5] {
    [
        (Ramp::NEVER, Curve::NEVER),
        (ALWAYS, Curve::ALWAYS),
        (HALF, Curve::ALWAYS.capped(0.5)),
        (STEP, Curve::step(0.5)),
        (LINEAR, Curve::linear(0.25, 0.75)),
    ]
}

/// Returns the library's rule for a class.
pub(crate) fn rule(class: usize, rule: ClassRule) -> Rule<Kind> {
    let is_it = |(ramp, _): &(Ramp, Curve)| *ramp == rule.ramp;
    let (_, curve) = curves().into_iter().find(is_it).expect("a known ramp");
    Rule::for_index(class, Share::between(rule.guarantee, rule.cap)).shed(curve)
}

impl Config {
    /// Rules under which no permit can be held.
    pub(crate) const NOTHING: Config = Config {
        capacity: 1,
        classes: [ClassRule {
            guarantee: 0,
            cap: 0,
            ramp: Ramp::NEVER,
        }; COUNT],
    };

    /// Returns the error that the library must report for these rules, if any.
    fn error(&self) -> Option<RulesError> {
        let Config { capacity, classes } = *self;
        if capacity == 0 {
            return Some(RulesError::ZeroCapacity);
        }
        let mut guarantees = 0;
        for (class, ClassRule { guarantee, .. }) in NAMES.into_iter().zip(classes) {
            guarantees += guarantee;
            if guarantees > capacity {
                return Some(RulesError::GuaranteesOverCapacity {
                    class,
                    guarantee,
                    guarantees: guarantees.into(),
                    capacity,
                });
            }
        }
        for (class, ClassRule { guarantee, cap, .. }) in NAMES.into_iter().zip(classes) {
            if guarantee == 0 && cap > 0 && guarantees == capacity {
                return Some(RulesError::UnreachableCap {
                    class,
                    cap,
                    capacity,
                });
            }
        }
        None
    }

    pub(crate) fn rules(&self) -> Rules<Kind> {
        let rules: [_; COUNT] = array::from_fn(|class| rule(class, self.classes[class]));
        Rules::new(self.capacity, &rules)
    }

    /// Reads the rules back from the library's.
    pub(crate) fn of(rules: &Rules<Kind>) -> Self {
        let class = |kind| {
            let is_it = |(_, curve): &(Ramp, Curve)| *curve == rules.curve(kind);
            let (ramp, _) = curves().into_iter().find(is_it).expect("a known curve");
            ClassRule {
                guarantee: rules.share(kind).guarantee(),
                cap: rules.share(kind).cap(),
                ramp,
            }
        };
        Config {
            capacity: rules.capacity(),
            classes: KINDS.map(class),
        }
    }
}

impl FloodwallModel {
    fn wall(&self) -> Wall<'_> {
        Wall {
            capacity: self.config.capacity,
            rules: &self.config.classes,
            mode: self.mode,
            in_use: &self.in_use,
        }
    }

    /// Answers a request without acquiring its permits.
    pub(crate) fn answer(&self, request: Request) -> Answer {
        match self.wall().admit(request) {
            Ok(_) => Answer::Done,
            Err(rejection) => Answer::Rejected(rejection),
        }
    }

    fn utilization(&self) -> f64 {
        let (used, of) = self.wall().utilization();
        used as f64 / of as f64
    }

    fn update(&mut self, config: Config) -> Answer {
        if let Some(error) = config.error() {
            return Answer::InvalidRules(error);
        }
        self.config = config;
        Answer::Done
    }

    fn view(&self, class: usize) -> ClassView {
        let wall = self.wall();
        ClassView {
            in_use: self.in_use[class],
            guarantee: wall.guarantee(class),
            cap: wall.cap(class),
            reject_probability: wall.reject_probability(class, 1),
        }
    }
}

impl Model for FloodwallModel {
    type Call = Call;
    type Answer = Answer;

    fn apply(&mut self, call: Call) -> Answer {
        let mut config = self.config;
        match call {
            Call::Admit(request) => {
                let answer = self.answer(request);
                if answer == Answer::Done {
                    self.in_use[request.class] += u64::from(request.permits);
                }
                answer
            }
            Call::Release { class, permits } => {
                self.in_use[class] -= u64::from(permits);
                Answer::Done
            }
            Call::SetRules(config) => self.update(config),
            Call::UpdateRules { class, rule } => {
                config.classes[class] = rule;
                self.update(config)
            }
            Call::SetCapacity(capacity) => {
                config.capacity = capacity;
                self.update(config)
            }
            Call::Close => {
                self.mode.closed = true;
                Answer::Done
            }
            Call::Open => {
                self.mode.closed = false;
                Answer::Done
            }
            Call::SetPressure(pressure) => {
                self.mode.pressure = pressure;
                Answer::Done
            }
            Call::SetDryRun { class } => {
                self.mode.dry_run = array::from_fn(|other| other == class);
                Answer::Done
            }
            Call::InUse(class) => Answer::Number(self.in_use[class]),
            Call::Capacity => Answer::Number(config.capacity.into()),
            Call::Utilization => Answer::Fraction(self.utilization()),
            Call::Snapshot => Answer::Snapshot {
                capacity: config.capacity,
                utilization: self.utilization(),
                pressure: self.mode.pressure as f64 / 100.0,
                closed: self.mode.closed,
                classes: array::from_fn(|class| self.view(class)),
            },
            Call::Rules => Answer::Rules(config),
        }
    }

    fn any_start(random: &mut Random) -> Self {
        FloodwallModel {
            config: any_config(random),
            mode: Mode::OPEN,
            in_use: [0; COUNT],
        }
    }

    fn any_call(random: &mut Random) -> Call {
        let class = random.random_range(0..COUNT);
        match random.random_range(0..46) {
            0..18 => Call::Admit(Request {
                class,
                permits: *[1, 1, 1, 1, 2, 2, 3, 0].choose(random).expect("not empty"),
                draw: random.random(),
                pressure: 0,
            }),
            18..22 => Call::SetRules(any_config(random)),
            22..26 => Call::UpdateRules {
                class,
                rule: any_rule(class, random),
            },
            26..30 => Call::SetCapacity(any_capacity(random)),
            30 => Call::InUse(class),
            31 => Call::Capacity,
            32 => Call::Utilization,
            33..39 => Call::Snapshot,
            39 => Call::Rules,
            40 => Call::Close,
            41..43 => Call::Open,
            43..45 => Call::SetPressure(*[0, 30, 60].choose(random).expect("not empty")),
            // A class beyond the last ends the dry run.
            _ => Call::SetDryRun {
                class: random.random_range(0..=COUNT),
            },
        }
    }

    fn release_of(call: Call) -> (Call, Answer) {
        match call {
            Call::Admit(Request { class, permits, .. }) => {
                (Call::Release { class, permits }, Answer::Done)
            }
            other => panic!("{other:?} acquires nothing"),
        }
    }
}

/// Returns legal rules with limits low enough that threads contend for permits.
fn any_config(random: &mut Random) -> Config {
    loop {
        let config = Config {
            capacity: any_capacity(random),
            classes: array::from_fn(|class| any_rule(class, random)),
        };
        if config.error().is_none() {
            return config;
        }
    }
}

fn any_capacity(random: &mut Random) -> u32 {
    random.random_range(0..=6)
}

fn any_rule(class: usize, random: &mut Random) -> ClassRule {
    let guarantee = *[0, 0, 0, 1, 1, 2].choose(random).expect("not empty");
    ClassRule {
        guarantee,
        cap: guarantee + *[0, 1, 2, 3, 9].choose(random).expect("not empty"),
        // More than half of the classes never shed: a shed request does not show the caps.
        ramp: match random.random() {
            true => Ramp::NEVER,
            false if class == NO_DRAWS => *[ALWAYS, STEP].choose(random).expect("not empty"),
            false => curves().choose(random).expect("not empty").0,
        },
    }
}
