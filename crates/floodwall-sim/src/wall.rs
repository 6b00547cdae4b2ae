//! The wall under test. Its classes are known only at run time, so there is a wall for each number of classes.

use std::sync::Arc;

use floodwall::{AdmitOptions, Class, Curve, Draw, Floodwall, OwnedPermit, Reason, Rules, Share};
use slab::Slab;

use crate::rules::WallRules;

/// A class of a wall with `N` classes, known by its number.
#[derive(Clone, Copy)]
pub(crate) struct Slot<const N: usize>(usize);

pub(crate) const MAX_CLASSES: usize = 8;

/// Names that no scenario can give a class, so that error texts can be translated.
pub(crate) const SLOT_NAMES: [&str; MAX_CLASSES] =
    ["\0a", "\0b", "\0c", "\0d", "\0e", "\0f", "\0g", "\0h"];

impl<const N: usize> Class for Slot<N> {
    const NAMES: &'static [&'static str] = SLOT_NAMES.split_at(N).0;
    const ALL: &'static [Self] = &{
        let mut all = [Slot(0); N];
        let mut index = 0;
        while index < N {
            all[index] = Slot(index);
            index += 1;
        }
        all
    };

    fn index(self) -> usize {
        self.0
    }
}

/// Evaluates an expression in which `N` is the number of classes.
macro_rules! with_slots {
    ($classes:expr, $n:ident => $body:expr) => {{
        macro_rules! with {
            ($number:literal) => {{
                const $n: usize = $number;
                $body
            }};
        }
        match $classes {
            1 => with!(1),
            2 => with!(2),
            3 => with!(3),
            4 => with!(4),
            5 => with!(5),
            6 => with!(6),
            7 => with!(7),
            8 => with!(8),
            classes => unreachable!("{classes} classes were read"),
        }
    }};
}
pub(crate) use with_slots;

/// Names a permit that a [`Wall`] keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PermitKey(usize);

/// A wall with any number of classes. It keeps the permits, which have a type for each number.
pub(crate) trait Wall {
    fn admit(&mut self, class: usize, permits: u32, draw: Draw) -> Result<PermitKey, Reason>;
    fn release(&mut self, permit: PermitKey);
    fn set_rules(&mut self, rules: &WallRules);
    fn set_pressure(&mut self, pressure: f64);
    fn utilization(&self) -> f64;
    fn in_use(&self, class: usize) -> u32;
}

/// Creates a wall.
pub(crate) fn new_wall(rules: &WallRules) -> Box<dyn Wall> {
    with_slots!(rules.classes(), N => Box::new(WallOf::<N>::new(rules)))
}

/// The rule of a class, as theory and yardsticks need it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClassRule {
    pub(crate) share: Share,
    pub(crate) curve: Curve,
}

/// Returns the capacity, and the rule of each class.
pub(crate) fn rules_of(rules: &WallRules) -> (u32, Vec<ClassRule>) {
    fn of_slots<const N: usize>(rules: &Rules<Slot<N>>) -> (u32, Vec<ClassRule>) {
        let rule_of = |&slot: &Slot<N>| ClassRule {
            share: rules.share(slot),
            curve: rules.curve(slot),
        };
        (
            rules.capacity(),
            Slot::<N>::ALL.iter().map(rule_of).collect(),
        )
    }
    with_slots!(rules.classes(), N => of_slots(&rules.for_slots::<N>()))
}

struct WallOf<const N: usize> {
    wall: Arc<Floodwall<Slot<N>>>,
    permits: Slab<OwnedPermit<Floodwall<Slot<N>>>>,
}

impl<const N: usize> WallOf<N> {
    fn new(rules: &WallRules) -> Self {
        let rules: Rules<Slot<N>> = rules.for_slots();
        WallOf {
            wall: Arc::new(Floodwall::from_rules(rules)),
            permits: Slab::new(),
        }
    }
}

impl<const N: usize> Wall for WallOf<N> {
    fn admit(&mut self, class: usize, permits: u32, draw: Draw) -> Result<PermitKey, Reason> {
        let options = AdmitOptions::new().permits(permits).draw(draw);
        let admitted = self.wall.admit_owned_with(Slot(class), options);
        let permit = admitted.map_err(|rejection| rejection.reason())?;
        Ok(PermitKey(self.permits.insert(permit)))
    }

    fn release(&mut self, permit: PermitKey) {
        drop(self.permits.remove(permit.0));
    }

    fn set_rules(&mut self, rules: &WallRules) {
        self.wall.set_rules(rules.for_slots());
    }

    fn set_pressure(&mut self, pressure: f64) {
        self.wall.set_pressure(pressure);
    }

    fn utilization(&self) -> f64 {
        self.wall.utilization()
    }

    fn in_use(&self, class: usize) -> u32 {
        self.wall.in_use(Slot(class))
    }
}
