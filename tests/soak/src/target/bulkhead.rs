//! `Bulkhead` as a target.

use std::sync::Arc;

use floodwall::{Bulkhead, MAX_CLASSES, Permit};

use super::{Answer, AnswerCounts, Job, RULE_SETS, Request, Target, to_byte};
use crate::reference::{Limits, PerClass};
use floodwall_theory::spec::{ClassRule, Ramp};

const LIMITS: [u32; RULE_SETS] = [9, 3, 0, 14];

pub(crate) fn bulkhead() -> Box<dyn Target> {
    Box::new(Arc::new(Bulkhead::new(LIMITS[0])))
}

impl Target for Arc<Bulkhead> {
    fn classes(&self) -> usize {
        1
    }

    fn limits(&self, rule_set: usize) -> Limits {
        let unlimited = ClassRule {
            guarantee: 0,
            cap: u32::MAX,
            ramp: Ramp::NEVER,
        };
        Limits {
            capacity: LIMITS[rule_set],
            classes: [unlimited; MAX_CLASSES],
        }
    }

    fn admit(&self, request: Request) -> Result<Permit<'_>, Answer> {
        Ok(self.try_acquire_many(request.permits)?)
    }

    fn admit_owned(&self, _: usize, job: fn()) -> Result<Job, Answer> {
        Ok(Box::new(self.try_acquire_owned()?.wrap(job)))
    }

    fn call(&self, _: usize, f: &mut dyn FnMut()) -> Result<(), Answer> {
        Ok(Bulkhead::call(self, f)?)
    }

    fn set_rules(&self, rule_set: usize) {
        self.set_limit(LIMITS[rule_set]);
    }

    fn update_randomly(&self, random: usize) {
        self.set_rules(random % RULE_SETS);
    }

    fn in_use(&self) -> PerClass<u8> {
        let mut in_use = [0; MAX_CLASSES];
        in_use[0] = to_byte(Bulkhead::in_use(self));
        in_use
    }

    fn owned(&self) -> usize {
        Arc::strong_count(self) - 1
    }

    fn counts(&self) -> Option<AnswerCounts> {
        None
    }
}
