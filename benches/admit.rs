//! What does a `Floodwall` admission cost? Measures an admission and its release by position on the
//! curve, a rejection by reason, each with 1, 2, 4 and 8 classes, and an admission with a `Draw`
//! from the caller.

mod common;

use std::cell::Cell;
use std::error::Error;

use floodwall::{AdmitOptions, Curve, Draw, Share};
use floodwall_benches::Turns;

use common::walls::{ALL, BELOW_RAMP, INSIDE_RAMP, OneOf, RAMP, hold, wall};
use common::{CAPACITY, FLOOR, is_err, peers};

fn main() -> Result<(), Box<dyn Error>> {
    let mut turns = Turns::new("admit", 300);
    let group = &mut turns;
    baselines(group);
    admitted::<1>(group);
    admitted::<2>(group);
    admitted::<4>(group);
    admitted::<8>(group);
    draw_from_caller(group);
    rejected::<1>(group);
    rejected::<2>(group);
    rejected::<4>(group);
    rejected::<8>(group);
    turns.run()
}

/// Measures the floor and permits without classes.
fn baselines(group: &mut Turns) {
    group.call("floor", &classes(1), || FLOOR.acquire_and_release());
    group.call("bulkhead", &classes(1), || {
        drop(peers::BULKHEAD.try_acquire())
    });
    group.call("tokio", &classes(1), || drop(peers::TOKIO.try_acquire()));
}

fn admitted<const COUNT: usize>(group: &mut Turns) {
    for (subject, curve, in_use) in [
        ("no curve", Curve::NEVER, 0),
        ("below the ramp", RAMP, BELOW_RAMP),
        ("inside the ramp", RAMP, INSIDE_RAMP),
    ] {
        let wall = wall::<COUNT>(ALL, curve);
        hold(wall, OneOf(0), in_use);
        group.call(subject, &classes(COUNT), move || drop(wall.admit(OneOf(0))));
    }
}

/// Measures admissions inside the ramp with a `Draw` from the caller.
fn draw_from_caller(group: &mut Turns) {
    let wall = wall::<2>(ALL, RAMP);
    hold(wall, OneOf(0), INSIDE_RAMP);
    let admit = |draw| drop(wall.admit_with(OneOf(0), AdmitOptions::new().draw(draw)));
    group.call("inside the ramp, `Draw::local`", &classes(2), move || {
        admit(Draw::local())
    });
    let user = Cell::new(0);
    group.call("inside the ramp, `Draw::keyed`", &classes(2), move || {
        user.set(user.get() + 1);
        admit(Draw::keyed(user.get(), 1));
    });
}

fn rejected<const COUNT: usize>(group: &mut Turns) {
    let half = CAPACITY / 2;
    for (reason, share, curve, in_use) in [
        ("shed", ALL, Curve::ALWAYS, 0),
        ("class_full", Share::at_most(half), Curve::NEVER, half),
        ("pool_full", Share::at_least(0), Curve::NEVER, CAPACITY),
    ] {
        let wall = wall::<COUNT>(share, curve);
        hold(wall, OneOf(0), in_use);
        let rejection = wall.admit(OneOf(0)).expect_err("the wall rejects");
        assert_eq!(rejection.reason().name(), reason);
        let subject = reason.replace('_', " ");
        group.call(&subject, &classes(COUNT), move || {
            is_err(wall.admit(OneOf(0)))
        });
    }
}

fn classes(count: usize) -> String {
    match count {
        1 => "1 class".into(),
        _ => format!("{count} classes"),
    }
}
