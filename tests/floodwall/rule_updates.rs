//! Rule updates, also those that drain a wall, or fail.

use floodwall::{Curve, Floodwall, Reason, Rules, RulesError, Share};

use crate::common::{LANE_MAX, NthClass, equal_rules};
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

/// Two operators that start from the same rules do not overwrite each other.
#[test]
fn rules_are_replaced_only_if_they_are_as_expected() {
    let wall = Floodwall::from_rules(RULES);
    let read = wall.rules();
    let larger = read.with_capacity(200).unwrap();
    assert_eq!(wall.set_rules_if(&read, larger), Ok(()));
    assert_eq!(wall.rules(), larger);
    assert_changes_nothing(&wall, || {
        assert_eq!(wall.set_rules_if(&read, RULES), Err(larger));
    });
}

#[test]
fn scaled_rules_keep_their_proportions() {
    let rules = Rules::new(
        100,
        &[
            Kind::Message.rule(Share::between(60, 90)),
            Kind::Login
                .rule(Share::exactly(2))
                .shed(Curve::linear(0.6, 0.8)),
        ],
    );
    for (capacity, message, login) in [
        (100, Share::between(60, 90), Share::exactly(2)),
        (50, Share::between(30, 45), Share::exactly(1)),
        // Rounded down, but not from above 0 to 0.
        (11, Share::between(6, 9), Share::exactly(1)),
        (1_000, Share::between(600, 900), Share::exactly(20)),
    ] {
        let scaled = rules.scaled_to(capacity).unwrap();
        assert_eq!(scaled.capacity(), capacity);
        assert_eq!(scaled.share(Kind::Message), message);
        assert_eq!(scaled.share(Kind::Login), login);
        assert_eq!(scaled.curve(Kind::Login), rules.curve(Kind::Login));
    }
    assert_eq!(rules.scaled_to(0), Err(RulesError::ZeroCapacity));
    let no_cap = RULES.scaled_to(1_000).unwrap();
    assert_eq!(no_cap.share(Kind::Message), Share::at_least(500));
    let one_each = [Kind::Message, Kind::Login].map(|kind| kind.rule(Share::exactly(1)));
    let all_guaranteed = Rules::new(2, &one_each);
    assert!(matches!(
        all_guaranteed.scaled_to(1),
        Err(RulesError::GuaranteesOverCapacity {
            guarantees: 2,
            capacity: 1,
            ..
        })
    ));
}

#[test]
fn rules_of_eight_classes_are_scaled() {
    let share = Share::between(2, 20);
    let rules = Rules::<NthClass<8>>::new(100, &equal_rules::<8>(share));
    let half = rules.scaled_to(50).unwrap();
    for class in 0..8 {
        assert_eq!(half.share(NthClass(class)), Share::between(1, 10));
    }
}

/// `u32::MAX` means that there is no cap, so a scaled cap must not become one.
#[test]
fn scaled_cap_stays_a_cap() {
    let rules = Rules::new(1, &equal_rules::<1>(Share::at_most(u32::MAX - 1)));
    let scaled = rules.scaled_to(100).unwrap();
    assert_eq!(scaled.share(NthClass(0)), Share::at_most(u32::MAX - 1));
}

/// `update_rules` with a new rule would drop the curve.
#[test]
fn rule_of_a_class_is_changed_in_part() {
    let wall = Floodwall::from_rules(RULES);
    let fewer = wall.rules().rule(Kind::Login).share(Share::at_most(6));
    wall.update_rules(&[fewer]).unwrap();
    assert_eq!(wall.rules().share(Kind::Login), Share::at_most(6));
    assert_eq!(wall.rules().curve(Kind::Login), RULES.curve(Kind::Login));
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
        let reason = wall.admit(Kind::Login).unwrap_err().reason();
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
    let reason = wall.admit(Kind::Message).unwrap_err().reason();
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
