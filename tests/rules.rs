//! `Rules`: every invalid set of rules is rejected, with the same error text at compile time and at
//! run time.

mod common;

use floodwall::{Class, Curve, Floodwall, Rule, Rules, RulesError, Share};

use common::{LANE_MAX, NthClass, equal_rules, for_each_count, panic_message};

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

/// A rule is a value like the rules that it is taken from.
#[test]
fn rule_of_a_class_is_the_rule_that_was_given() {
    let login = Kind::Login.rule(Share::between(20, 50));
    assert_eq!(RULES.rule(Kind::Login), login.shed(Curve::linear(0.6, 0.8)));
    assert_ne!(RULES.rule(Kind::Login), login);
    assert_eq!(
        format!("{login:?}"),
        format!(
            "Rule {{ class: 1, share: between(20, 50), curve: {:?} }}",
            Curve::NEVER
        )
    );
}

/// Checks that each constructor of `Rules` and of a wall reports this error, with this text.
#[track_caller]
fn assert_error<C: Class>(capacity: u32, rules: &[Rule<C>], error: RulesError, text: &str) {
    assert_eq!(Rules::try_new(capacity, rules).unwrap_err(), error);
    assert_eq!(error.to_string(), text);
    assert_eq!(panic_message(|| Rules::new(capacity, rules)), text);
    assert_eq!(panic_message(|| Floodwall::new(capacity, rules)), text);
}

#[test]
fn class_count_must_be_between_one_and_eight() {
    assert_error::<NthClass<0>>(
        1,
        &[],
        RulesError::ClassCount { count: 0 },
        "0 classes, but a wall holds 1 to 8",
    );
    assert_error(
        1,
        &equal_rules::<9>(Share::at_most(1)),
        RulesError::ClassCount { count: 9 },
        "9 classes, but a wall holds 1 to 8",
    );
}

#[test]
fn missing_rule_is_an_error() {
    assert_error(
        1,
        &[Kind::Message.rule(Share::at_most(1))],
        RulesError::MissingRule {
            class: "background login",
        },
        "class `background login`: it has no rule",
    );
    let error = RulesError::MissingRule { class: "Message" };
    assert_error::<Kind>(1, &[], error, "class `Message`: it has no rule");
}

#[test]
fn duplicate_rule_is_an_error() {
    let rule = Kind::Message.rule(Share::at_most(1));
    let error = RulesError::DuplicateRule { class: "Message" };
    let text = "class `Message`: it has two rules";
    let login = Kind::Login.rule(Share::at_most(1));
    assert_error(1, &[rule, login, rule], error, text);
    assert_eq!(RULES.with(&[rule, rule]).unwrap_err(), error);
}

#[test]
fn rule_for_unknown_class_is_an_error() {
    let unknown = Rule::for_index(2, Share::at_most(1));
    let [message, login] = [Kind::Message, Kind::Login].map(|k| k.rule(Share::at_most(1)));
    let error = RulesError::UnknownClass { index: 2, count: 2 };
    let text = "a rule for class index 2, but there are 2 classes";
    assert_error(1, &[message, login, unknown], error, text);
    assert_eq!(RULES.with(&[unknown]).unwrap_err(), error);
}

#[test]
fn duplicate_class_name_is_an_error() {
    floodwall::classes! { enum Twins { First = "twin", Other, Second = "twin" } }
    let rules = [Twins::First, Twins::Other, Twins::Second].map(|k| k.rule(Share::at_most(1)));
    assert_error(
        1,
        &rules,
        RulesError::DuplicateName { class: "twin" },
        "class `twin`: two classes have this name",
    );
}

#[test]
fn guarantees_above_capacity_are_an_error() {
    assert_error(
        100,
        &[
            Kind::Login.rule(Share::exactly(60)),
            Kind::Message.rule(Share::at_least(50)),
        ],
        RulesError::GuaranteesOverCapacity {
            class: "background login",
            guarantee: 60,
            guarantees: 110,
            capacity: 100,
        },
        "class `background login`: its guarantee of 60 brings the guarantees to 110 in all, \
         more than the capacity of 100",
    );
    // Guarantees can add up to the capacity.
    assert!(Rules::try_new(100, &equal_rules::<2>(Share::exactly(50))).is_ok());
    // The sum of the guarantees does not overflow.
    assert_error(
        7,
        &[
            Kind::Message.rule(Share::at_least(5)),
            Kind::Login.rule(Share::at_least(u32::MAX)),
        ],
        RulesError::GuaranteesOverCapacity {
            class: "background login",
            guarantee: u32::MAX,
            guarantees: 5 + u64::from(u32::MAX),
            capacity: 7,
        },
        "class `background login`: its guarantee of 4294967295 brings the guarantees to \
         4294967300 in all, more than the capacity of 7",
    );
}

#[test]
fn guarantee_above_cap_is_an_error() {
    assert_error(
        100,
        &[
            Kind::Message.rule(Share::at_least(50)),
            Kind::Login.rule(Share::between(21, 20)),
        ],
        RulesError::GuaranteeOverCap {
            class: "background login",
            guarantee: 21,
            cap: 20,
        },
        "class `background login`: its guarantee of 21 is above its cap of 20",
    );
}

#[test]
fn capacity_of_zero_is_an_error_that_names_close() {
    assert_error(
        0,
        &[
            Kind::Message.rule(Share::at_most(50)),
            Kind::Login.rule(Share::at_most(20)),
        ],
        RulesError::ZeroCapacity,
        "the capacity is 0: to reject every request, call `close` on the wall instead",
    );
}

#[test]
fn cap_that_no_permit_can_reach_is_an_error() {
    for (cap, text) in [(7, "its cap is 7"), (u32::MAX, "it has no cap")] {
        assert_error(
            100,
            &[
                Kind::Message.rule(Share::exactly(100)),
                Kind::Login.rule(Share::at_most(cap)),
            ],
            RulesError::UnreachableCap {
                class: "background login",
                cap,
                capacity: 100,
            },
            &format!(
                "class `background login`: {text}, but it can never hold a permit: the guarantees of \
                 the other classes take the whole capacity of 100; give it a cap of 0, or lower a \
                 guarantee"
            ),
        );
    }
    let rules = |guarantee, share| {
        let message = Kind::Message.rule(Share::exactly(guarantee));
        Rules::try_new(100, &[message, Kind::Login.rule(share)])
    };
    assert!(rules(100, Share::at_most(0)).is_ok());
    assert!(rules(99, Share::at_most(7)).is_ok());
    assert!(rules(99, Share::exactly(1)).is_ok());
}

#[test]
fn cap_above_lane_maximum_is_an_error() {
    fn check<const COUNT: usize>() {
        let max = LANE_MAX[COUNT];
        let classes = if COUNT == 1 { "class" } else { "classes" };
        let remedy = format!(
            "but a class can hold at most {max} with {COUNT} {classes}: give it a lower cap, or use \
             fewer classes"
        );
        let error = |cap, capacity| RulesError::CapTooLarge {
            class: "a",
            cap,
            capacity,
            classes: COUNT,
            max,
        };
        let over = equal_rules::<COUNT>(Share::at_most(max + 1));
        let text = format!("class `a`: its cap is {}, {remedy}", max + 1);
        assert_error(u32::MAX, &over, error(max + 1, u32::MAX), &text);
        let uncapped = equal_rules::<COUNT>(Share::at_least(0));
        let text = format!(
            "class `a`: it may hold the whole capacity of {}, {remedy}",
            max + 1
        );
        assert_error(max + 1, &uncapped, error(u32::MAX, max + 1), &text);
        // The lower one of cap and capacity counts.
        assert!(Rules::try_new(max, &uncapped).is_ok());
        assert!(Rules::try_new(max, &over).is_ok());
    }
    for_each_count!(check);
}

/// The error of an invalid `static` is built at compile time.
#[test]
fn rules_error_can_be_built_in_a_constant() {
    const ERROR: RulesError = match Rules::try_new(1, &[Kind::Message.rule(Share::at_least(2))]) {
        Ok(_) => panic!("one class has no rule"),
        Err(error) => error,
    };
    assert_eq!(
        ERROR.to_string(),
        "class `background login`: it has no rule"
    );
}

#[test]
fn long_error_text_is_truncated_between_characters() {
    #[derive(Clone, Copy)]
    struct Verbose;
    impl Class for Verbose {
        const NAMES: &'static [&'static str] = &["\
            éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé\
            éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé\
            éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé"];
        const ALL: &'static [Verbose] = &[Verbose];
        fn index(self) -> usize {
            0
        }
    }
    let guarantee_over_cap = [Rule::for_index(0, Share::between(2, 1))];
    for rules in [&[][..], &guarantee_over_cap] {
        let text = panic_message(|| Rules::<Verbose>::new(1, rules));
        // One more `é` would end at byte 257.
        assert_eq!(text, format!("class `{}", "é".repeat(124)));
        assert_eq!(text.len(), 255);
    }
}

#[test]
fn rules_debug_output_lists_classes_by_name() {
    let text = "Rules { capacity: 100, Message: (at_least(50), NEVER), \
                background login: (between(20, 50), linear(0.6, 0.8)) }";
    assert_eq!(format!("{RULES:?}"), text);
}

#[test]
fn share_debug_output_is_the_constructor_call() {
    for (share, text) in [
        (Share::exactly(5), "exactly(5)"),
        (Share::at_most(5), "at_most(5)"),
        (Share::exactly(0), "at_most(0)"),
        (Share::at_least(5), "at_least(5)"),
        (Share::at_least(0), "at_least(0)"),
        (Share::between(2, 5), "between(2, 5)"),
    ] {
        assert_eq!(format!("{share:?}"), text);
    }
}
