//! All that is soaked, and what must be true of it when nobody is at it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use floodwall::{Gauge, MAX_CLASSES};

use crate::shadow::{Shadow, violation};
use crate::site::{Answer, Counts, New, RULES, Site, bulkhead, wall};
use crate::tally::Tally;

/// Who changes the rules of a site, and so what can be said of it meanwhile.
enum Temper {
    /// Nobody does: what may be held is known exactly.
    Fixed,
    /// One thread at a time, and only once all that is out fits the last change: from then until the
    /// next one, what may be held is known exactly.
    Steady(Mutex<Steps>),
    /// Whoever likes, at once: what may be held is the most that any rules allow.
    Wild,
}

/// How far a steady site has come.
struct Steps {
    rules: usize,
    is_settled: bool,
    /// How many more changes there may be before all rest. A request that sleeps through 256 may be
    /// judged by older rules, as the docs say.
    left: u32,
}

const CHANGES: u32 = 255;

pub(crate) struct Watched {
    pub(crate) site: Box<dyn Site>,
    pub(crate) shadow: Shadow,
    temper: Temper,
}

impl Watched {
    fn new(kind: &str, site: Box<dyn Site>, temper: Temper) -> Self {
        let (word, rules) = match temper {
            Temper::Fixed => ("fixed", 1),
            Temper::Steady(_) => ("steady", RULES),
            Temper::Wild => ("wild", RULES),
        };
        let bounds = (0..rules).map(|rules| site.bounds(rules)).collect();
        Watched {
            shadow: Shadow::new(format!("{word} {kind}"), bounds),
            site,
            temper,
        }
    }

    /// Changes the rules, or goes a step further towards it; says whether it changed them.
    pub(crate) fn change(&self, roll: usize) -> bool {
        match &self.temper {
            Temper::Fixed => false,
            Temper::Steady(steps) => {
                let steps = steps.try_lock();
                steps.is_ok_and(|mut steps| self.step(&mut steps, roll))
            }
            Temper::Wild => {
                self.site.meddle(roll);
                true
            }
        }
    }

    fn step(&self, steps: &mut Steps, roll: usize) -> bool {
        // Seldom, so that it is settled for most of the time, and changes last until all rest.
        let (changes, rules) = (roll % 64 == 0, roll / 64 % RULES);
        if !steps.is_settled {
            let bounds = self.shadow.bounds(steps.rules);
            steps.is_settled = bounds.allow(self.site.in_use());
            if steps.is_settled {
                self.shadow.settle(steps.rules);
            }
            false
        } else if changes && steps.left > 0 {
            self.shadow.unsettle();
            self.site.obey(rules);
            *steps = Steps {
                rules,
                is_settled: false,
                left: steps.left - 1,
            };
            true
        } else {
            false
        }
    }

    /// Nobody is at it: nothing is out, and all was counted.
    fn rest(&self, answered: &Counts) {
        let (name, site) = (self.shadow.name(), &self.site);
        let (in_use, held) = (site.in_use(), self.shadow.held());
        if (in_use, held) != ([0; MAX_CLASSES], [0; MAX_CLASSES]) {
            violation(name, "in use and held at rest", (in_use, held));
        }
        if site.owned() != 0 {
            violation(name, "owned at rest", site.owned());
        }
        if let Some(counted) = site.counts()
            && counted != *answered
        {
            violation(name, "counted and answered", (counted, answered));
        }
        if let Temper::Steady(steps) = &self.temper {
            steps.lock().expect("nobody panics under it").left = CHANGES;
        }
    }
}

pub(crate) struct World {
    pub(crate) sites: Vec<Watched>,
    pub(crate) gauge: Gauge,
    /// How many are active, by our own account.
    pub(crate) active: AtomicU64,
}

impl World {
    pub(crate) fn new() -> Self {
        let kinds: [(&str, New); 5] = [
            ("bulkhead", bulkhead),
            ("wall of 1", wall::<1>),
            ("wall of 2", wall::<2>),
            ("wall of 3", wall::<3>),
            ("wall of 8", wall::<8>),
        ];
        let sites = kinds.iter().flat_map(|(kind, site)| {
            let steps = Steps {
                rules: 0,
                is_settled: false,
                left: CHANGES,
            };
            let tempers = [Temper::Fixed, Temper::Steady(steps.into()), Temper::Wild];
            tempers.map(|temper| Watched::new(kind, site(), temper))
        });
        World {
            sites: sites.collect(),
            gauge: Gauge::new(64),
            active: AtomicU64::new(0),
        }
    }

    /// Nobody is at anything, and this is what has been done in all.
    pub(crate) fn rest(&self, tally: &Tally) {
        for (site, answered) in self.sites.iter().zip(&tally.answers) {
            site.rest(answered);
        }
        let active = (self.gauge.active(), self.active.load(Ordering::Acquire));
        if active != (0, 0) {
            violation("gauge", "active and held at rest", active);
        }
        let taken = tally.answered(Answer::Admitted as usize) + tally.entered;
        if taken != tally.given_back {
            violation("all", "taken and given back", (taken, tally.given_back));
        }
        self.gauge.take_peak();
    }
}
