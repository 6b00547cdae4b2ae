//! What stands in a log when somebody writes one of these with `{:?}`.

#[cfg(feature = "alloc")]
use std::sync::Arc;

use floodwall::{Bulkhead, Curve, Floodwall, Gauge, Rules, Share, Shedder};

floodwall::classes! { enum Kind { Message, Login = "background login" } }

const RULES: Rules<Kind> = Rules::new(
    10,
    &[
        Kind::Message.rule(Share::at_least(4)),
        Kind::Login
            .rule(Share::between(2, 5))
            .shed(Curve::linear(0.6, 0.8)),
    ],
);

#[test]
fn a_bulkhead_says_its_limit_and_what_is_in_use() {
    let room = Bulkhead::new(3);
    let _permit = room.try_acquire().unwrap();
    assert_eq!(format!("{room:?}"), "Bulkhead { limit: 3, in_use: 1 }");
}

#[test]
fn a_permit_says_that_it_is_one() {
    let room = Bulkhead::new(3);
    let permit = room.try_acquire().unwrap();
    assert_eq!(format!("{permit:?}"), "Permit { .. }");
}

#[cfg(feature = "alloc")]
#[test]
fn an_owned_permit_says_that_it_is_one() {
    let permit = Arc::new(Bulkhead::new(3)).try_acquire_owned().unwrap();
    assert_eq!(format!("{permit:?}"), "OwnedPermit { .. }");
}

#[test]
fn a_gauge_says_its_counts() {
    let gauge = Gauge::new(4);
    let active = gauge.enter();
    let text = "Gauge { active: 1, capacity: 4, peak: 1 }";
    assert_eq!(format!("{gauge:?}"), text);
    assert_eq!(format!("{active:?}"), "GaugeGuard { .. }");
}

#[test]
fn a_shedder_says_its_curve() {
    let shedder = Shedder::new(Curve::step(0.9));
    assert_eq!(format!("{shedder:?}"), "Shedder(step(0.9))");
}

#[test]
fn rules_say_each_class_by_name() {
    let text = "Rules { capacity: 10, Message: (Share { guarantee: 4, cap: 4294967295 }, NEVER), \
                background login: (Share { guarantee: 2, cap: 5 }, linear(0.6, 0.8)) }";
    assert_eq!(format!("{RULES:?}"), text);
}

#[test]
fn a_wall_says_its_snapshot() {
    let wall = Floodwall::from_rules(RULES);
    let _permit = wall.admit(Kind::Message).unwrap();
    let snapshot = wall.snapshot();
    assert_eq!(format!("{wall:?}"), format!("Floodwall({snapshot:?})"));
    let text = format!("{snapshot:?}");
    let head = "Snapshot { capacity: 10, utilization: 0.1, classes: [ClassSnapshot { \
                name: \"Message\", ";
    assert!(text.starts_with(head), "{text}");
    assert!(text.contains("name: \"background login\", "), "{text}");
}
