//! `Floodwall` as a target.

use std::array;
use std::sync::Arc;

use floodwall::{
    AdmitOptions, Class, Curve, Draw, Floodwall, MAX_CLASSES, Permit, Rule, Rules, Share,
};

use super::{Answer, AnswerCounts, Job, RULE_SETS, Request, Target, to_byte};
use crate::reference::{Limits, PerClass};
use floodwall_theory::spec::{ClassRule, Ramp};

/// One of `COUNT` classes, by its index.
#[derive(Clone, Copy)]
pub(crate) struct Of<const COUNT: usize>(usize);

const LETTERS: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h"];

impl<const COUNT: usize> Class for Of<COUNT> {
    const NAMES: &'static [&'static str] = LETTERS.split_at(COUNT).0;
    const ALL: &'static [Self] = &{
        let mut all = [Of(0); COUNT];
        let mut class = 0;
        while class < COUNT {
            all[class] = Of(class);
            class += 1;
        }
        all
    };

    fn index(self) -> usize {
        self.0
    }
}

const CAPACITIES: [u32; RULE_SETS] = [24, 13, 16, 32];

/// Returns a rule of one of four kinds. Eight classes, two of each kind, are guaranteed 12 permits in
/// all.
fn rule<C: Class>(class: usize, kind: usize) -> Rule<C> {
    let (share, curve) = match kind % 4 {
        0 => (Share::at_least(2), Curve::NEVER),
        1 => (Share::exactly(3), Curve::ALWAYS),
        2 => (Share::between(1, 6), Curve::linear(0.3, 0.9)),
        _ => (Share::at_most(5), Curve::cubic(0.2, 1.0).capped(0.9)),
    };
    Rule::for_index(class, share).shed(curve)
}

/// Returns a rule set. Each class has another kind of rule in each of them.
fn rules<const COUNT: usize>(rule_set: usize) -> Rules<Of<COUNT>> {
    let each: [_; COUNT] = array::from_fn(|class| rule(class, class + rule_set));
    Rules::new(CAPACITIES[rule_set], &each)
}

pub(crate) fn floodwall<const COUNT: usize>() -> Box<dyn Target> {
    Box::new(Arc::new(Floodwall::from_rules(rules::<COUNT>(0))))
}

impl<const COUNT: usize> Target for Arc<Floodwall<Of<COUNT>>> {
    fn classes(&self) -> usize {
        COUNT
    }

    fn limits(&self, rule_set: usize) -> Limits {
        let rules = rules::<COUNT>(rule_set);
        let absent = ClassRule {
            guarantee: 0,
            cap: 0,
            ramp: Ramp::NEVER,
        };
        let mut classes = [absent; MAX_CLASSES];
        for (class, limits) in classes.iter_mut().enumerate().take(COUNT) {
            let share = rules.share(Of(class));
            limits.guarantee = share.guarantee();
            limits.cap = share.cap();
        }
        Limits {
            capacity: rules.capacity(),
            classes,
        }
    }

    fn admit(&self, request: Request) -> Result<Permit<'_>, Answer> {
        let Request {
            class,
            permits,
            key,
            pressure,
        } = request;
        let mut options = AdmitOptions::new().permits(permits).pressure(pressure);
        if let Some(key) = key {
            options = options.draw(Draw::keyed(key, 1));
        }
        Ok(self.admit_with(Of(class), options)?)
    }

    fn admit_owned(&self, class: usize, job: fn()) -> Result<Job, Answer> {
        Ok(Box::new(Floodwall::admit_owned(self, Of(class))?.wrap(job)))
    }

    fn call(&self, class: usize, f: &mut dyn FnMut()) -> Result<(), Answer> {
        Ok(Floodwall::call(self, Of(class), f)?)
    }

    fn set_rules(&self, rule_set: usize) {
        Floodwall::set_rules(self, rules(rule_set));
        self.set_pressure(0.0);
        self.open();
    }

    fn update_randomly(&self, random: usize) {
        let (what, which) = (random % 8, random / 8);
        // Fails without an effect if the guarantees exceed the capacity.
        let _ = match what {
            0 => self.set_capacity(CAPACITIES[which % RULE_SETS]),
            1 => self.update_rules(&[rule(which % COUNT, which / COUNT)]),
            2 => {
                self.close();
                Ok(())
            }
            3 => {
                self.open();
                Ok(())
            }
            4 => {
                self.set_pressure((which % 12) as f64 / 10.0);
                Ok(())
            }
            _ => {
                Target::set_rules(self, which % RULE_SETS);
                Ok(())
            }
        };
    }

    fn in_use(&self) -> PerClass<u8> {
        let mut in_use = [0; MAX_CLASSES];
        for (in_use, class) in in_use.iter_mut().zip(self.snapshot().classes()) {
            *in_use = to_byte(class.in_use);
        }
        in_use
    }

    fn owned(&self) -> usize {
        Arc::strong_count(self) - 1
    }

    fn counts(&self) -> Option<AnswerCounts> {
        let mut counts = AnswerCounts::default();
        for (counts, class) in counts.iter_mut().zip(self.snapshot().classes()) {
            *counts = [
                class.admitted,
                class.shed,
                class.class_full,
                class.pool_full,
                class.too_large,
                class.closed,
            ];
        }
        Some(counts)
    }
}
