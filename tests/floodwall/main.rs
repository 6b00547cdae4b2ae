//! `Floodwall`: one module per subject. Tests of its permits are in `../permit.rs`, tests of `Rules`
//! in `../rules.rs`.

#[path = "../common/mod.rs"]
mod common;

mod admission;
mod class;
mod draws;
mod limits;
mod mode;
mod rule_updates;
mod snapshot;
mod threads;

use floodwall::{Class, Curve, Floodwall, Rules, Share};

floodwall::classes! { enum Kind { Message, Login = "background login" } }

const RULES: Rules<Kind> = Rules::new(
    100,
    &[
        Kind::Message.rule(Share::at_least(50)),
        Kind::Login
            .rule(Share::between(20, 50))
            .shed(Curve::linear(0.6, 0.8)),
    ],
);

/// Runs `f`, and checks that the rules and the snapshot of the wall are the same as before.
#[track_caller]
fn assert_changes_nothing<C: Class>(wall: &Floodwall<C>, f: impl FnOnce()) {
    let before = (wall.rules(), wall.snapshot());
    f();
    assert_eq!((wall.rules(), wall.snapshot()), before);
}
