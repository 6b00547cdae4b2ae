//! Walls of so many classes, and permits that are held while something is measured.

use std::mem;

use floodwall::{AdmitOptions, Class, Curve, Draw, Floodwall, Rule, Rules, Share, classes};

use super::CAPACITY;

classes! { pub enum Kind { Message, Login } }

/// One of `COUNT` classes.
#[derive(Clone, Copy)]
pub struct Of<const COUNT: usize>(pub usize);

const NAMES: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h"];

impl<const COUNT: usize> Class for Of<COUNT> {
    const NAMES: &'static [&'static str] = NAMES.split_at(COUNT).0;

    #[inline]
    fn index(self) -> usize {
        self.0
    }
}

/// A class that may have everything, and is never shed.
pub const ALL: Share = Share::at_most(CAPACITY);

/// Begins just below 0.61, and sheds one in two thousand where 61 of 100 permits are in use.
pub const RAMP: Curve = Curve::linear(0.6098, 1.0);
pub const BELOW_RAMP: u32 = 50;
pub const INSIDE_RAMP: u32 = 61;

/// Two classes, neither of which is ever shed.
pub const PLAIN: [Rule<Kind>; 2] = [Kind::Message.rule(ALL), Kind::Login.rule(ALL)];

/// A wall of [`CAPACITY`] whose first class has this share and this curve; the others may have all.
pub fn wall<const COUNT: usize>(first: Share, curve: Curve) -> &'static Floodwall<Of<COUNT>> {
    let others = (1..COUNT).map(|class| Rule::for_index(class, ALL));
    let rules: Vec<_> = others
        .chain([Rule::for_index(0, first).shed(curve)])
        .collect();
    let rules = Rules::try_new(CAPACITY, &rules).expect("they fit");
    Box::leak(Box::new(Floodwall::from_rules(rules)))
}

/// Holds so many permits of a class for good, whatever its curve says.
pub fn hold<C: Class>(wall: &Floodwall<C>, class: C, permits: u32) {
    let ask = AdmitOptions::new()
        .permits(permits)
        .draw(Draw::from(u32::MAX));
    mem::forget(wall.admit_with(class, ask).expect("there is room"));
}
