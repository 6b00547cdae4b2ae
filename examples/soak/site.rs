//! A bulkhead or a wall, whatever its number of classes.

use std::array;
use std::sync::Arc;

use floodwall::{
    AdmitOptions, Bulkhead, Class, Curve, Draw, Floodwall, Full, MAX_CLASSES, Permit, Reason,
    Rejection, Rule, Rules, Share,
};

use crate::shadow::{Bounds, PerClass};

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    pub(crate) class: usize,
    pub(crate) permits: u32,
    pub(crate) key: Option<u64>,
    pub(crate) pressure: f64,
}

/// How a request was answered, as an index of [`ANSWERS`].
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    Admitted,
    Shed,
    ClassFull,
    PoolFull,
}

pub(crate) const ANSWERS: [&str; 4] = ["admitted", "shed", "class full", "pool full"];

/// How many requests were answered how.
pub(crate) type Counts = PerClass<[u64; ANSWERS.len()]>;

impl From<Full> for Answer {
    fn from(_: Full) -> Self {
        Answer::PoolFull
    }
}

impl From<Rejection> for Answer {
    fn from(rejection: Rejection) -> Self {
        match rejection.reason {
            Reason::Shed { .. } => Answer::Shed,
            Reason::ClassFull { .. } => Answer::ClassFull,
            _ => Answer::PoolFull,
        }
    }
}

/// A job that holds a permit, until it has run or is dropped.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// How many rules each site has to change between. The first ones are those it begins with.
pub(crate) const RULES: usize = 4;

pub(crate) trait Site: Send + Sync {
    fn classes(&self) -> usize;
    fn bounds(&self, rules: usize) -> Bounds;
    fn take(&self, request: Request) -> Result<Permit<'_>, Answer>;
    fn take_owned(&self, class: usize, job: fn()) -> Result<Job, Answer>;
    fn call(&self, class: usize, f: &mut dyn FnMut()) -> Result<(), Answer>;
    /// Changes to these rules.
    fn obey(&self, rules: usize);
    /// Changes to anything between the rules.
    fn meddle(&self, roll: usize);
    fn in_use(&self) -> PerClass<u8>;
    /// How many owned permits there are.
    fn owned(&self) -> usize;
    /// What the site itself counted, if it does.
    fn counts(&self) -> Option<Counts>;
}

/// Makes a site.
pub(crate) type New = fn() -> Box<dyn Site>;

const LIMITS: [u32; RULES] = [9, 3, 0, 14];

pub(crate) fn bulkhead() -> Box<dyn Site> {
    Box::new(Arc::new(Bulkhead::new(LIMITS[0])))
}

impl Site for Arc<Bulkhead> {
    fn classes(&self) -> usize {
        1
    }

    fn bounds(&self, rules: usize) -> Bounds {
        Bounds {
            guarantees: [0; MAX_CLASSES],
            caps: [u8::MAX; MAX_CLASSES],
            capacity: byte(LIMITS[rules]),
        }
    }

    fn take(&self, request: Request) -> Result<Permit<'_>, Answer> {
        Ok(self.try_acquire_many(request.permits)?)
    }

    fn take_owned(&self, _: usize, job: fn()) -> Result<Job, Answer> {
        Ok(Box::new(self.try_acquire_owned()?.wrap(job)))
    }

    fn call(&self, _: usize, f: &mut dyn FnMut()) -> Result<(), Answer> {
        Ok(Bulkhead::call(self, f)?)
    }

    fn obey(&self, rules: usize) {
        self.set_limit(LIMITS[rules]);
    }

    fn meddle(&self, roll: usize) {
        self.obey(roll % RULES);
    }

    fn in_use(&self) -> PerClass<u8> {
        let mut in_use = [0; MAX_CLASSES];
        in_use[0] = byte(Bulkhead::in_use(self));
        in_use
    }

    fn owned(&self) -> usize {
        Arc::strong_count(self) - 1
    }

    fn counts(&self) -> Option<Counts> {
        None
    }
}

/// One of `COUNT` classes, by its index.
#[derive(Clone, Copy)]
pub(crate) struct Of<const COUNT: usize>(usize);

const LETTERS: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h"];

impl<const COUNT: usize> Class for Of<COUNT> {
    const NAMES: &'static [&'static str] = LETTERS.split_at(COUNT).0;

    fn index(self) -> usize {
        self.0
    }
}

const CAPACITIES: [u32; RULES] = [24, 12, 0, 32];

/// For 8 classes, two of each kind: guarantees make 12.
fn rule<C: Class>(class: usize, kind: usize) -> Rule<C> {
    let (share, curve) = match kind % 4 {
        0 => (Share::at_least(2), Curve::NEVER),
        1 => (Share::exactly(3), Curve::ALWAYS),
        2 => (Share::between(1, 6), Curve::linear(0.3, 0.9)),
        _ => (Share::at_most(5), Curve::cubic(0.2, 1.0).capped(0.9)),
    };
    Rule::for_index(class, share).shed(curve)
}

/// Each time, every class has another kind of rule.
fn rules<const COUNT: usize>(number: usize) -> Rules<Of<COUNT>> {
    let each: [_; COUNT] = array::from_fn(|class| rule(class, class + number));
    Rules::new(CAPACITIES[number], &each)
}

pub(crate) fn wall<const COUNT: usize>() -> Box<dyn Site> {
    Box::new(Arc::new(Floodwall::from_rules(rules::<COUNT>(0))))
}

impl<const COUNT: usize> Site for Arc<Floodwall<Of<COUNT>>> {
    fn classes(&self) -> usize {
        COUNT
    }

    fn bounds(&self, number: usize) -> Bounds {
        let rules = rules::<COUNT>(number);
        let mut bounds = Bounds {
            guarantees: [0; MAX_CLASSES],
            caps: [0; MAX_CLASSES],
            capacity: byte(rules.capacity()),
        };
        for class in 0..COUNT {
            let share = rules.share(Of(class));
            bounds.caps[class] = byte(share.cap());
            if rules.capacity() > 0 {
                bounds.guarantees[class] = byte(share.guarantee());
            }
        }
        bounds
    }

    fn take(&self, request: Request) -> Result<Permit<'_>, Answer> {
        let Request {
            class,
            permits,
            key,
            pressure,
        } = request;
        let mut ask = AdmitOptions::new().permits(permits).pressure(pressure);
        if let Some(key) = key {
            ask = ask.draw(Draw::keyed(key, 1));
        }
        Ok(self.admit_with(Of(class), ask)?)
    }

    fn take_owned(&self, class: usize, job: fn()) -> Result<Job, Answer> {
        Ok(Box::new(self.admit_owned(Of(class))?.wrap(job)))
    }

    fn call(&self, class: usize, f: &mut dyn FnMut()) -> Result<(), Answer> {
        Ok(Floodwall::call(self, Of(class), f)?)
    }

    fn obey(&self, rules: usize) {
        self.set_rules(self::rules(rules));
    }

    fn meddle(&self, roll: usize) {
        let (what, which) = (roll % 4, roll / 4);
        // Refused where guarantees do not fit, and then nothing is changed.
        let _ = match what {
            0 => self.set_capacity(CAPACITIES[which % RULES]),
            1 => self.update_rules(&[rule(which % COUNT, which / COUNT)]),
            _ => {
                self.obey(which % RULES);
                Ok(())
            }
        };
    }

    fn in_use(&self) -> PerClass<u8> {
        let mut in_use = [0; MAX_CLASSES];
        for (in_use, class) in in_use.iter_mut().zip(self.snapshot().classes()) {
            *in_use = byte(class.in_use);
        }
        in_use
    }

    fn owned(&self) -> usize {
        Arc::strong_count(self) - 1
    }

    fn counts(&self) -> Option<Counts> {
        let mut counts = Counts::default();
        for (counts, class) in counts.iter_mut().zip(self.snapshot().classes()) {
            *counts = [
                class.admitted,
                class.shed,
                class.class_full,
                class.pool_full,
            ];
        }
        Some(counts)
    }
}

/// Too much for a byte is too much for any bounds.
fn byte(number: u32) -> u8 {
    number.try_into().unwrap_or(u8::MAX)
}
