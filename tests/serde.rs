//! The written form of rules, curves and snapshots: what goes out comes back, and what is wrong is
//! refused in the words that the same mistake gets in code.
#![cfg(feature = "serde")]

mod common;

use floodwall::{Curve, CurveError, Floodwall, Rule, Rules, RulesError, Share};
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::value::{Error as ValueError, MapDeserializer};
use serde_json::{from_str, json, to_string, to_value};

use common::{Of, for_each_count};

floodwall::classes! { enum Kind { Message, Login = "background login" } }

const RULES: Rules<Kind> = Rules::new(
    100,
    &[
        Kind::Message.rule(Share::at_least(50)),
        Kind::Login
            .rule(Share::between(20, 50))
            .shed(Curve::linear(0.6, 0.8).capped(0.95)),
    ],
);

/// What is said of this text when it is read as rules.
#[track_caller]
fn refusal(text: &str) -> String {
    from_str::<Rules<Kind>>(text).unwrap_err().to_string()
}

#[track_caller]
fn curve_refusal(text: &str) -> String {
    from_str::<Curve>(text).unwrap_err().to_string()
}

#[track_caller]
fn assert_says(refusal: &str, words: &str) {
    assert!(
        refusal.starts_with(words),
        "{refusal:?} does not say {words:?}"
    );
}

#[test]
fn rules_are_written_by_name() {
    let expected = json!({
        "capacity": 100,
        "classes": {
            "Message": { "guarantee": 50 },
            "background login": {
                "guarantee": 20,
                "cap": 50,
                "shed": { "linear": { "lo": 0.6, "hi": 0.8, "capped": 0.95 } },
            },
        },
    });
    assert_eq!(to_value(RULES).unwrap(), expected);
    assert_eq!(
        from_str::<Rules<Kind>>(&expected.to_string()).unwrap(),
        RULES
    );
}

#[test]
fn rules_are_read_in_any_order_and_with_what_is_left_out() {
    let text = r#"{"classes": {"background login": {"cap": 50}, "Message": {}}, "capacity": 100}"#;
    let expected = Rules::new(
        100,
        &[
            Kind::Message.rule(Share::at_least(0)),
            Kind::Login.rule(Share::at_most(50)),
        ],
    );
    assert_eq!(from_str::<Rules<Kind>>(text).unwrap(), expected);
}

#[test]
fn rules_that_were_read_are_those_of_a_wall() {
    let wall = Floodwall::from_rules(RULES);
    let mut form = to_value(wall.rules()).unwrap();
    form["capacity"] = json!(200);
    wall.set_rules(serde_json::from_value(form).unwrap());
    assert_eq!(wall.rules(), RULES.with_capacity(200).unwrap());
    assert_eq!(wall.capacity(), 200);
}

#[test]
fn unknown_names_are_refused() {
    let refusal = refusal(r#"{"capacity": 1, "classes": {"Massage": {}}}"#);
    assert_says(&refusal, "unknown field `Massage`, expected ");
    assert!(refusal.contains("`Message`") && refusal.contains("`background login`"));

    for (text, field) in [
        (r#"{"capacity": 1, "classes": {}, "burst": 2}"#, "burst"),
        (
            r#"{"capacity": 1, "classes": {"Message": {"max": 2}}}"#,
            "max",
        ),
    ] {
        assert_says(&self::refusal(text), &format!("unknown field `{field}`"));
    }
    for (text, words) in [
        (r#""sometimes""#, "unknown variant `sometimes`"),
        (
            r#"{"linear": {"lo": 0.1, "hi": 0.2, "mid": 0}}"#,
            "unknown field `mid`",
        ),
        (r#"{"step": {"at": 0.1, "lo": 0}}"#, "unknown field `lo`"),
    ] {
        assert_says(&curve_refusal(text), words);
    }
}

#[test]
fn what_is_missing_is_named() {
    for (text, words) in [
        (r#"{"classes": {}}"#, "missing field `capacity`"),
        (r#"{"capacity": 1}"#, "missing field `classes`"),
    ] {
        assert_says(&refusal(text), words);
    }
    assert_says(
        &curve_refusal(r#"{"linear": {"lo": 0.1}}"#),
        "missing field `hi`",
    );
    let error = RulesError::MissingRule {
        class: "background login",
    };
    let text = r#"{"capacity": 1, "classes": {"Message": {}}}"#;
    assert_says(&refusal(text), &error.to_string());
}

#[test]
fn a_class_or_a_number_twice_is_refused() {
    let error = RulesError::DuplicateRule { class: "Message" };
    let text =
        r#"{"capacity": 1, "classes": {"Message": {}, "background login": {}, "Message": {}}}"#;
    assert_says(&refusal(text), &error.to_string());
    // Not even more often than there could be classes.
    let text = format!(
        r#"{{"capacity": 1, "classes": {{{}"Message": {{}}}}}}"#,
        r#""Message": {}, "#.repeat(9)
    );
    assert_says(&refusal(&text), &error.to_string());
    let text = r#"{"capacity": 1, "classes": {"Message": {"cap": 1, "cap": 2}}}"#;
    assert_says(&refusal(text), "duplicate field `cap`");
}

#[test]
fn what_should_stand_there_is_said() {
    let words = "invalid type: sequence, expected a rule for each class, keyed by its name";
    assert_says(&refusal(r#"{"capacity": 1, "classes": [1]}"#), words);

    // What is keyed by numbers, JSON cannot write.
    let numbered = MapDeserializer::<_, ValueError>::new([(1_u32, "")].into_iter());
    let form = MapDeserializer::new([("classes", numbered)].into_iter());
    let words = "invalid type: integer `1`, expected the name of a class";
    let refusal = Rules::<Kind>::deserialize(form).unwrap_err().to_string();
    assert_says(&refusal, words);
}

#[test]
fn wrong_rules_are_refused_in_the_words_of_the_code() {
    for (capacity, message, error) in [
        (
            100,
            json!({ "guarantee": 3, "cap": 2 }),
            RulesError::GuaranteeOverCap {
                class: "Message",
                guarantee: 3,
                cap: 2,
            },
        ),
        (
            100,
            json!({ "guarantee": 101 }),
            RulesError::GuaranteesOverCapacity {
                class: "Message",
                guarantee: 101,
                guarantees: 101,
                capacity: 100,
            },
        ),
        (
            1 << 24,
            json!({}),
            RulesError::CapTooLarge {
                class: "Message",
                cap: 1 << 24,
                max: (1 << 24) - 1,
            },
        ),
    ] {
        let rules = json!({
            "capacity": capacity,
            "classes": { "Message": message, "background login": { "cap": 0 } },
        });
        assert_says(&refusal(&rules.to_string()), &error.to_string());
    }
}

#[test]
fn wrong_curves_are_refused_in_the_words_of_the_code() {
    let out_of_range = |curve, parameter, value| CurveError::OutOfRange {
        curve,
        parameter,
        value,
    };
    let no_ramp = |curve, lo, hi| CurveError::EmptyRamp { curve, lo, hi };
    for (text, error) in [
        (r#"{"step": {"at": 1.5}}"#, out_of_range("step", "at", 1.5)),
        (
            r#"{"linear": {"lo": -1, "hi": 1}}"#,
            out_of_range("linear", "lo", -1.0),
        ),
        (
            r#"{"cubic": {"lo": 0, "hi": 2}}"#,
            out_of_range("cubic", "hi", 2.0),
        ),
        (
            r#"{"step": {"at": 1, "capped": 7}}"#,
            out_of_range("capped", "p", 7.0),
        ),
        (
            r#"{"linear": {"lo": 0.8, "hi": 0.6}}"#,
            no_ramp("linear", 0.8, 0.6),
        ),
        (
            r#"{"cubic": {"lo": 0.5, "hi": 0.5}}"#,
            no_ramp("cubic", 0.5, 0.5),
        ),
    ] {
        assert_says(&curve_refusal(text), &error.to_string());
        let rules = format!(r#"{{"capacity": 1, "classes": {{"Message": {{"shed": {text}}}}}}}"#);
        assert_says(&refusal(&rules), &error.to_string());
    }
}

#[test]
fn values_of_another_kind_are_refused() {
    for capacity in ["-1", "4294967296", "1.5", "null", "\"many\""] {
        refusal(&format!(r#"{{"capacity": {capacity}, "classes": {{}}}}"#));
    }
    for classes in [
        "[]",
        "7",
        r#"{"Message": 7}"#,
        r#"{"Message": {"cap": -1}}"#,
    ] {
        refusal(&format!(r#"{{"capacity": 1, "classes": {classes}}}"#));
    }
    for curve in ["{}", "0.5", r#""linear""#, r#"{"step": {"at": null}}"#] {
        curve_refusal(curve);
    }
}

#[test]
fn too_many_classes_are_refused() {
    for (text, count) in [
        (to_string(&json!({ "capacity": 1, "classes": {} })), 0),
        (
            to_string(&json!({ "capacity": 1, "classes": { "a": {} } })),
            9,
        ),
    ] {
        let refusal = match count {
            0 => from_str::<Rules<Of<0>>>(&text.unwrap()).unwrap_err(),
            _ => from_str::<Rules<Of<9>>>(&text.unwrap()).unwrap_err(),
        };
        let error = RulesError::ClassCount { count };
        assert_says(&refusal.to_string(), &error.to_string());
    }
}

#[test]
fn a_snapshot_is_written_with_its_classes_alone() {
    let wall = Floodwall::from_rules(RULES);
    let _permit = wall.admit(Kind::Message).unwrap();
    wall.set_capacity(70).unwrap();
    let class = |name, in_use, guarantee, cap| {
        json!({
            "name": name, "in_use": in_use, "guarantee": guarantee, "cap": cap,
            "reject_probability": 0.0, "peak": in_use,
            "admitted": in_use, "shed": 0, "class_full": 0, "pool_full": 0,
        })
    };
    let expected = json!({
        "capacity": 70,
        "utilization": 1.0 / 70.0,
        "classes": [class("Message", 1, 50, 70), class("background login", 0, 20, 50)],
    });
    assert_eq!(to_value(wall.snapshot()).unwrap(), expected);
}

#[test]
fn the_switches_are_words() {
    for (curve, text) in [(Curve::NEVER, r#""never""#), (Curve::ALWAYS, r#""always""#)] {
        assert_eq!(to_string(&curve).unwrap(), text);
        assert_eq!(from_str::<Curve>(text).unwrap(), curve);
    }
}

fn any_curve() -> impl Strategy<Value = Curve> {
    let unit = || (0..=10_000).prop_map(|n| f64::from(n) / 10_000.0);
    let ramp = (unit(), unit()).prop_filter("a ramp rises", |(lo, hi)| lo < hi);
    let curve = prop_oneof![
        Just(Curve::NEVER),
        Just(Curve::ALWAYS),
        unit().prop_map(Curve::step),
        ramp.clone().prop_map(|(lo, hi)| Curve::linear(lo, hi)),
        ramp.prop_map(|(lo, hi)| Curve::cubic(lo, hi)),
    ];
    let most = prop_oneof![Just(1.0), unit()];
    (curve, most).prop_map(|(curve, most)| curve.capped(most))
}

fn any_share() -> impl Strategy<Value = Share> {
    let cap = prop_oneof![6..100_u32, Just(u32::MAX)];
    (0..=5_u32, cap).prop_map(|(guarantee, cap)| Share::between(guarantee, cap))
}

proptest! {
    #[test]
    fn curves_come_back_as_they_went_out(curve in any_curve()) {
        let text = to_string(&curve).unwrap();
        prop_assert_eq!(from_str::<Curve>(&text).unwrap(), curve);
    }

    #[test]
    fn decimals_stay_as_they_were_written(lo in 0..5_000_u32, hi in 5_001..10_000_u32) {
        let text = format!(r#"{{"linear":{{"lo":0.{lo:04},"hi":0.{hi:04}}}}}"#);
        let curve: Curve = from_str(&text).unwrap();
        let value: serde_json::Value = from_str(&text).unwrap();
        prop_assert_eq!(to_value(curve).unwrap(), value);
    }
}

#[test]
fn rules_of_every_number_of_classes_come_back_as_they_went_out() {
    fn check<const COUNT: usize>() {
        let capacity = prop_oneof![Just(0), 40..=100_u32];
        let terms = proptest::collection::vec((any_share(), any_curve()), COUNT);
        proptest!(|(capacity in capacity, terms in terms)| {
            let rule = |(i, &(share, curve))| Rule::for_index(i, share).shed(curve);
            let rules: Vec<Rule<Of<COUNT>>> = (0..).zip(&terms).map(rule).collect();
            let rules = Rules::new(capacity, &rules);
            let text = to_string(&rules).unwrap();
            prop_assert_eq!(from_str::<Rules<Of<COUNT>>>(&text).unwrap(), rules);
        });
    }
    for_each_count!(check);
}
