//! Rule updates, also those that close a wall, drain it, or fail.

use floodwall::{Class, Floodwall, Reason, RulesError, Share};

use crate::common::{LANE_MAX, NthClass, equal_rules, permits};
use crate::{Kind, RULES, assert_changes_nothing};

#[test]
fn failed_rule_update_changes_nothing() {
    let wall = Floodwall::from_rules(RULES);
    let _permit = wall.admit(Kind::Login).unwrap();
    assert_changes_nothing(&wall, || {
        let error = wall.set_capacity(69).unwrap_err();
        let expected = RulesError::GuaranteesOverCapacity {
            class: "background login",
            guarantee: 20,
            guarantees: 70,
            capacity: 69,
        };
        assert_eq!(error, expected);
        let error = wall.set_capacity(u32::MAX).unwrap_err();
        let expected = RulesError::CapTooLarge {
            class: "Message",
            cap: u32::MAX,
            capacity: u32::MAX,
            classes: 2,
            max: LANE_MAX[2],
        };
        assert_eq!(error, expected);
        // `set_rules` accepts only `Rules`, which are checked when they are made.
        assert!(wall.rules().with_capacity(69).is_err());
        let over_capacity = Kind::Login.rule(Share::exactly(51));
        assert!(wall.rules().with(&[over_capacity]).is_err());
    });
    // Two rules that fit together are accepted together, even if the first would fail alone.
    let larger = Kind::Login.rule(Share::exactly(60));
    let smaller = Kind::Message.rule(Share::at_least(40));
    assert!(RULES.with(&[larger]).is_err());
    assert!(RULES.with(&[larger, smaller]).is_ok());
}

#[test]
fn zero_capacity_closes_a_wall() {
    let wall = Floodwall::from_rules(RULES);
    let permit = wall.admit(Kind::Message).unwrap();
    wall.set_capacity(0).unwrap();
    assert_eq!((wall.capacity(), wall.utilization()), (0, 1.0));
    for requested in [0, 1, 20, u32::MAX] {
        for kind in [Kind::Message, Kind::Login] {
            let rejection = wall.admit_with(kind, permits(requested)).unwrap_err();
            assert!(matches!(
                rejection.reason,
                Reason::PoolFull {
                    in_use: 1,
                    reserved: 0,
                    capacity: 0,
                    ..
                }
            ));
            let text = format!("{}: closed: the capacity is 0", Kind::NAMES[kind.index()]);
            assert!(rejection.to_string().starts_with(&text));
            assert_eq!(rejection.requested, requested);
        }
    }
    let snapshot = wall.snapshot();
    let shares = snapshot.classes().iter().map(|c| (c.guarantee, c.cap));
    assert!(shares.eq([(0, 0); 2]));
    // The configured shares are kept, and apply again with the capacity.
    assert_eq!(wall.rules(), RULES.with_capacity(0).unwrap());
    drop(permit);
    assert_eq!(wall.in_use(Kind::Message), 0);
    wall.set_capacity(100).unwrap();
    assert_eq!(wall.rules(), RULES);
    assert!(wall.admit_with(Kind::Message, permits(50)).is_ok());
}

#[test]
fn closed_wall_accepts_guarantees_above_capacity() {
    let wall = Floodwall::new(0, &equal_rules::<2>(Share::exactly(50)));
    assert!(wall.admit(NthClass(0)).is_err());
    assert_changes_nothing(&wall, || assert!(wall.set_capacity(99).is_err()));
    wall.set_capacity(100).unwrap();
    assert!(wall.admit_with(NthClass(0), permits(50)).is_ok());
}

#[test]
fn lowered_capacity_drains() {
    let wall = Floodwall::new(
        10,
        &[
            Kind::Message.rule(Share::at_least(4)),
            Kind::Login.rule(Share::between(2, 6)),
        ],
    );
    let mut held: Vec<_> = (0..8).map(|_| wall.admit(Kind::Message).unwrap()).collect();
    wall.set_capacity(6).unwrap();
    for (in_use, utilization) in [(8, 8.0 / 6.0), (7, 7.0 / 6.0), (6, 1.0)] {
        assert_eq!(wall.in_use(Kind::Message), in_use);
        assert_eq!(wall.utilization(), utilization);
        // A request within its guarantee is rejected only while the whole pool is full.
        let reason = wall.admit(Kind::Login).unwrap_err().reason;
        assert!(matches!(
            reason,
            Reason::PoolFull {
                reserved: 0,
                capacity: 6,
                ..
            }
        ));
        held.pop();
    }
    // One permit is free. Only a class with an unused guarantee can acquire it.
    let reason = wall.admit(Kind::Message).unwrap_err().reason;
    assert!(matches!(
        reason,
        Reason::PoolFull {
            in_use: 5,
            reserved: 2,
            ..
        }
    ));
    let _login = wall.admit(Kind::Login).unwrap();
    assert!(wall.admit(Kind::Login).is_err());
    held.pop();
    assert!(wall.admit(Kind::Login).is_ok());
}
