//! Walls with a given number of classes, and permits held during a measurement.

use std::mem;

use floodwall::{AdmitOptions, Class, Curve, Draw, Floodwall, Rule, Rules, Share, classes};

use super::CAPACITY;

classes! { pub enum Kind { Message, Login } }

/// One of `COUNT` classes.
#[derive(Clone, Copy)]
pub struct OneOf<const COUNT: usize>(pub usize);

const NAMES: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h"];

impl<const COUNT: usize> Class for OneOf<COUNT> {
    const NAMES: &'static [&'static str] = NAMES.split_at(COUNT).0;
    const ALL: &'static [Self] = &{
        let mut all = [OneOf(0); COUNT];
        let mut class = 0;
        while class < COUNT {
            all[class] = OneOf(class);
            class += 1;
        }
        all
    };

    #[inline]
    fn index(self) -> usize {
        self.0
    }
}

/// The share of a class that may use all permits.
pub const ALL: Share = Share::at_most(CAPACITY);

/// Begins just below 0.61, and sheds one request in two thousand with 61 of 100 permits in use.
pub const RAMP: Curve = Curve::linear(0.6098, 1.0);
pub const BELOW_RAMP: u32 = 50;
pub const INSIDE_RAMP: u32 = 61;

/// Two classes without curves.
pub const PLAIN: [Rule<Kind>; 2] = [Kind::Message.rule(ALL), Kind::Login.rule(ALL)];

/// The rules of the README.
pub const README: [Rule<Kind>; 2] = [
    Kind::Message.rule(Share::at_least(50)),
    Kind::Login
        .rule(Share::between(20, 50))
        .shed(Curve::linear(0.6, 0.8)),
];

/// Creates a wall of [`CAPACITY`] permits whose first class has this share and this curve; the others
/// may use all permits.
pub fn wall<const COUNT: usize>(first: Share, curve: Curve) -> &'static Floodwall<OneOf<COUNT>> {
    let others = (1..COUNT).map(|class| Rule::for_index(class, ALL));
    let rules: Vec<_> = others
        .chain([Rule::for_index(0, first).shed(curve)])
        .collect();
    let rules = Rules::try_new(CAPACITY, &rules).expect("the shares fit the capacity");
    leak(Floodwall::from_rules(rules))
}

pub fn leak<C: Class>(wall: Floodwall<C>) -> &'static Floodwall<C> {
    Box::leak(Box::new(wall))
}

/// Acquires permits of a class and never releases them. Uses the sample that curves shed last.
pub fn hold<C: Class>(wall: &Floodwall<C>, class: C, permits: u32) {
    let options = AdmitOptions::new()
        .permits(permits)
        .draw(Draw::from(u32::MAX));
    mem::forget(
        wall.admit_with(class, options)
            .expect("the permits are free"),
    );
}
