//! The objects under test, and the checks of their quiescent state.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use floodwall::{Gauge, MAX_CLASSES};

use crate::counts::Counts;
use crate::reference::{Reference, violation};
use crate::target::{Answer, AnswerCounts, New, RULE_SETS, Target, bulkhead, floodwall};

/// The way in which the rules of a target change.
enum Updates {
    /// Never. The limits are always known.
    Never,
    /// By one thread at a time, and only after the permits held fit the last update. From then until the
    /// next update the limits are known.
    Stepwise(Mutex<Steps>),
    /// By any thread at any time. Only the union of all limits is known.
    Concurrent,
}

/// The progress of stepwise updates.
struct Steps {
    rule_set: usize,
    /// The permits held fit the rule set.
    is_drained: bool,
    /// Updates left in this round. A request during which the rules change 256 times may be decided by
    /// older rules, as documented.
    left: u32,
}

const UPDATES_PER_ROUND: u32 = 255;

/// A target beside its reference account.
pub(crate) struct Checked {
    pub(crate) target: Box<dyn Target>,
    pub(crate) reference: Reference,
    updates: Updates,
}

impl Checked {
    fn new(kind: &str, target: Box<dyn Target>, updates: Updates) -> Self {
        let (word, rule_sets) = match updates {
            Updates::Never => ("fixed", 1),
            Updates::Stepwise(_) => ("stepwise", RULE_SETS),
            Updates::Concurrent => ("concurrent", RULE_SETS),
        };
        let limits = (0..rule_sets).map(|set| target.limits(set)).collect();
        Checked {
            reference: Reference::new(format!("{kind}, {word}"), limits),
            target,
            updates,
        }
    }

    /// Updates the rules, or completes a stepwise update. Returns whether it updated them.
    pub(crate) fn update(&self, random: usize) -> bool {
        match &self.updates {
            Updates::Never => false,
            Updates::Stepwise(steps) => {
                let steps = steps.try_lock();
                steps.is_ok_and(|mut steps| self.step(&mut steps, random))
            }
            Updates::Concurrent => {
                self.target.update_randomly(random);
                true
            }
        }
    }

    fn step(&self, steps: &mut Steps, random: usize) -> bool {
        // Seldom, so that the limits are known most of the time and the updates last for a round.
        let (updates, rule_set) = (random % 64 == 0, random / 64 % RULE_SETS);
        if !steps.is_drained {
            let limits = self.reference.limits(steps.rule_set);
            steps.is_drained = limits.allow(self.target.in_use());
            if steps.is_drained {
                self.reference.publish(steps.rule_set);
            }
            false
        } else if updates && steps.left > 0 {
            self.reference.publish_union();
            self.target.set_rules(rule_set);
            *steps = Steps {
                rule_set,
                is_drained: false,
                left: steps.left - 1,
            };
            true
        } else {
            false
        }
    }

    /// Checks that no permit is in use and that the target's own counters equal `answered`.
    fn check_quiescent(&self, answered: &AnswerCounts) {
        let (name, target) = (self.reference.name(), &self.target);
        let (in_use, held) = (target.in_use(), self.reference.held());
        if (in_use, held) != ([0; MAX_CLASSES], [0; MAX_CLASSES]) {
            violation(
                name,
                "permits in use and held after all threads ended",
                (in_use, held),
            );
        }
        if target.owned() != 0 {
            violation(
                name,
                "owned permits after all threads ended",
                target.owned(),
            );
        }
        if let Some(counted) = target.counts()
            && counted != *answered
        {
            violation(
                name,
                "counters differ from the answers",
                (counted, answered),
            );
        }
        if let Updates::Stepwise(steps) = &self.updates {
            steps.lock().expect("not poisoned").left = UPDATES_PER_ROUND;
        }
    }
}

pub(crate) struct Fixture {
    pub(crate) targets: Vec<Checked>,
    pub(crate) gauge: Gauge,
    /// Guards of the gauge that are counted as held.
    pub(crate) active: AtomicU64,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let kinds: [(&str, New); 5] = [
            ("bulkhead", bulkhead),
            ("wall of 1", floodwall::<1>),
            ("wall of 2", floodwall::<2>),
            ("wall of 3", floodwall::<3>),
            ("wall of 8", floodwall::<8>),
        ];
        let targets = kinds.iter().flat_map(|(kind, new)| {
            let steps = Steps {
                rule_set: 0,
                is_drained: false,
                left: UPDATES_PER_ROUND,
            };
            let updates = [
                Updates::Never,
                Updates::Stepwise(steps.into()),
                Updates::Concurrent,
            ];
            updates.map(|updates| Checked::new(kind, new(), updates))
        });
        Fixture {
            targets: targets.collect(),
            gauge: Gauge::new(64),
            active: AtomicU64::new(0),
        }
    }

    /// Checks the state after all threads have ended, against the counts of all rounds.
    pub(crate) fn check_quiescent(&self, counts: &Counts) {
        for (checked, answered) in self.targets.iter().zip(&counts.answers) {
            checked.check_quiescent(answered);
        }
        // ORDERING: Acquire: pairs with the AcqRel in `Counted::drop`.
        let active = (self.gauge.active(), self.active.load(Ordering::Acquire));
        if active != (0, 0) {
            violation("gauge", "active and held after all threads ended", active);
        }
        // Holds unless the soak itself loses a permit.
        let acquired = counts.answered(Answer::Admitted as usize) + counts.entered;
        if acquired != counts.released {
            violation("all", "acquired and released", (acquired, counts.released));
        }
        self.gauge.take_peak();
    }
}
