//! Serialized rules, curves and snapshots: values round-trip, and invalid input fails with the error that
//! the constructors return.
#![cfg(feature = "serde")]

mod common;

use floodwall::{Curve, CurveError, Floodwall, Rule, Rules, RulesError, Share};
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::value::{Error as ValueError, MapDeserializer};
use serde_json::{from_str, json, to_string, to_value};

use common::{NthClass, for_each_count};

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

/// Returns the error of deserializing this text as rules.
#[track_caller]
fn rules_error(text: &str) -> String {
    from_str::<Rules<Kind>>(text).unwrap_err().to_string()
}

/// Returns the error of deserializing this text as a curve.
#[track_caller]
fn curve_error(text: &str) -> String {
    from_str::<Curve>(text).unwrap_err().to_string()
}

/// Checks that the error starts with `text`; the format adds the position.
#[track_caller]
fn assert_error_text(error: &str, text: &str) {
    assert!(
        error.starts_with(text),
        "{error:?} does not start with {text:?}"
    );
}

#[test]
fn rules_serialize_with_class_names() {
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
fn rules_deserialize_in_any_order_with_defaults() {
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
fn deserialized_rules_apply_to_a_wall() {
    let wall = Floodwall::from_rules(RULES);
    let mut rules = to_value(wall.rules()).unwrap();
    rules["capacity"] = json!(200);
    wall.set_rules(serde_json::from_value(rules).unwrap());
    assert_eq!(wall.rules(), RULES.with_capacity(200).unwrap());
    assert_eq!(wall.capacity(), 200);
}

#[test]
fn unknown_names_fail_to_deserialize() {
    let error = rules_error(r#"{"capacity": 1, "classes": {"Massage": {}}}"#);
    let expected = "unknown class `Massage`, expected one of `Message`, `background login`";
    assert_error_text(&error, expected);

    for (text, expected) in [
        (
            r#"{"capacity": 1, "classes": {}, "burst": 2}"#,
            "unknown key `burst`, expected one of `capacity`, `classes`",
        ),
        (
            r#"{"capacity": 1, "classes": {"Message": {"max": 2}}}"#,
            "unknown key `max`, expected one of `guarantee`, `cap`, `shed` (class `Message`)",
        ),
    ] {
        assert_error_text(&rules_error(text), expected);
    }
    for (text, expected) in [
        (
            r#""sometimes""#,
            "invalid value: string \"sometimes\", expected `never`, `always`, or a map with one of \
             the keys `step`, `linear` and `cubic`",
        ),
        (
            r#"{"linear": {"lo": 0.1, "hi": 0.2, "mid": 0}}"#,
            "unknown key `mid`, expected one of `lo`, `hi`, `capped` (key `linear`)",
        ),
        (
            r#"{"step": {"at": 0.1, "lo": 0}}"#,
            "unknown key `lo`, expected one of `at`, `capped` (key `step`)",
        ),
    ] {
        assert_error_text(&curve_error(text), expected);
    }
}

#[test]
fn missing_field_is_named_in_the_error() {
    for (text, expected) in [
        (r#"{"classes": {}}"#, "missing key `capacity`"),
        (r#"{"capacity": 1}"#, "missing key `classes`"),
    ] {
        assert_error_text(&rules_error(text), expected);
    }
    assert_error_text(
        &curve_error(r#"{"linear": {"lo": 0.1}}"#),
        "missing key `hi` (key `linear`)",
    );
    let error = RulesError::MissingRule {
        class: "background login",
    };
    let text = r#"{"capacity": 1, "classes": {"Message": {}}}"#;
    assert_error_text(&rules_error(text), &error.to_string());
}

#[test]
fn duplicate_classes_and_fields_fail_to_deserialize() {
    let error = RulesError::DuplicateRule { class: "Message" };
    let text =
        r#"{"capacity": 1, "classes": {"Message": {}, "background login": {}, "Message": {}}}"#;
    assert_error_text(&rules_error(text), &error.to_string());
    // More repetitions than there can be classes.
    let text = format!(
        r#"{{"capacity": 1, "classes": {{{}"Message": {{}}}}}}"#,
        r#""Message": {}, "#.repeat(9)
    );
    assert_error_text(&rules_error(&text), &error.to_string());
    let text = r#"{"capacity": 1, "classes": {"Message": {"cap": 1, "cap": 2}}}"#;
    let expected = "duplicate key `cap` (class `Message`)";
    assert_error_text(&rules_error(text), expected);
}

#[test]
fn share_without_guarantee_serializes_without_the_key() {
    let rules = RULES
        .with(&[Kind::Message.rule(Share::at_most(50))])
        .unwrap();
    let value = to_value(rules).unwrap();
    assert_eq!(value["classes"]["Message"], json!({ "cap": 50 }));
}

#[test]
fn type_error_names_the_expected_input() {
    let expected = "invalid type: sequence, expected a map with the keys `capacity` and `classes`";
    assert_error_text(&rules_error("[1]"), expected);
    let text = r#"{"capacity": 1, "classes": {}, "classes": {}}"#;
    assert_error_text(&rules_error(text), "duplicate key `classes`");

    let expected = "invalid type: sequence, expected a map from the name of each class to its rule (key `classes`)";
    assert_error_text(&rules_error(r#"{"capacity": 1, "classes": [1]}"#), expected);

    // JSON cannot have numbers as keys.
    let numbered = MapDeserializer::<_, ValueError>::new([(1_u32, "")].into_iter());
    let rules = MapDeserializer::new([("classes", numbered)].into_iter());
    let expected = "invalid type: integer `1`, expected one of `Message`, `background login`";
    let error = Rules::<Kind>::deserialize(rules).unwrap_err().to_string();
    assert_error_text(&error, expected);
}

#[test]
fn invalid_rules_fail_with_the_constructor_error() {
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
                cap: u32::MAX,
                capacity: 1 << 24,
                classes: 2,
                max: (1 << 24) - 1,
            },
        ),
    ] {
        let rules = json!({
            "capacity": capacity,
            "classes": { "Message": message, "background login": { "cap": 0 } },
        });
        assert_error_text(&rules_error(&rules.to_string()), &error.to_string());
    }
}

#[test]
fn invalid_curves_fail_with_the_constructor_error() {
    let out_of_range = |curve, parameter, value| CurveError::OutOfRange {
        curve,
        parameter,
        value,
    };
    let empty_ramp = |curve, lo, hi| CurveError::EmptyRamp { curve, lo, hi };
    for (text, error) in [
        (r#"{"step": {"at": 1.5}}"#, out_of_range("step", "at", 1.5)),
        (
            r#"{"linear": {"lo": -2, "hi": 1}}"#,
            out_of_range("linear", "lo", -2.0),
        ),
        (
            r#"{"cubic": {"lo": 0, "hi": 2}}"#,
            out_of_range("cubic", "hi", 2.0),
        ),
        (
            r#"{"step": {"at": 1, "capped": 7}}"#,
            out_of_range("capped", "max_probability", 7.0),
        ),
        (
            r#"{"linear": {"lo": 0.8, "hi": 0.6}}"#,
            empty_ramp("linear", 0.8, 0.6),
        ),
        (
            r#"{"cubic": {"lo": 0.5, "hi": 0.5}}"#,
            empty_ramp("cubic", 0.5, 0.5),
        ),
    ] {
        assert_error_text(&curve_error(text), &error.to_string());
        let rules = format!(r#"{{"capacity": 1, "classes": {{"Message": {{"shed": {text}}}}}}}"#);
        let expected = format!("{error} (class `Message`, key `shed`)");
        assert_error_text(&rules_error(&rules), &expected);
    }
}

/// The error names the class and the key, and says what is expected.
#[test]
fn values_of_the_wrong_type_fail_to_deserialize() {
    const PERMITS: &str = "expected a number of permits from 0 to 4294967295";
    for (capacity, found) in [
        ("-1", "invalid value: integer `-1`"),
        ("4294967296", "invalid value: integer `4294967296`"),
        ("1.5", "invalid type: floating point `1.5`"),
        ("null", "invalid type: null"),
        ("\"many\"", "invalid type: string \"many\""),
    ] {
        let text = format!(r#"{{"capacity": {capacity}, "classes": {{}}}}"#);
        assert_error_text(
            &rules_error(&text),
            &format!("{found}, {PERMITS} (key `capacity`)"),
        );
        let text = format!(r#"{{"capacity": 1, "classes": {{"Message": {{"cap": {capacity}}}}}}}"#);
        let expected = format!("{found}, {PERMITS} (class `Message`, key `cap`)");
        assert_error_text(&rules_error(&text), &expected);
    }
    const RULE: &str = "expected a map with the keys `guarantee`, `cap` and `shed`, each optional";
    for (rule, found) in [
        ("7", "integer `7`"),
        ("[]", "sequence"),
        ("[1, 2]", "sequence"),
    ] {
        let text = format!(r#"{{"capacity": 1, "classes": {{"Message": {rule}}}}}"#);
        let expected = format!("invalid type: {found}, {RULE} (class `Message`)");
        assert_error_text(&rules_error(&text), &expected);
    }
    for (curve, expected) in [
        (
            "0.5",
            "invalid type: floating point `0.5`, expected `never`, `always`, or a map",
        ),
        (
            r#""linear""#,
            "a curve `linear` is a map from `linear` to its numbers",
        ),
        (
            r#"{"step": 0.7}"#,
            "invalid type: floating point `0.7`, expected a map with the keys `at`, `capped` (key `step`)",
        ),
        (
            r#"{"step": [0.7]}"#,
            "invalid type: sequence, expected a map with the keys `at`, `capped` (key `step`)",
        ),
        (
            r#"{"step": {"at": null}}"#,
            "invalid type: null, expected a number from 0 to 1 (key `step.at`)",
        ),
        ("{}", "invalid length 0, expected `never`"),
        (
            r#"{"step": {"at": 1}, "cubic": {"lo": 0, "hi": 1}}"#,
            "invalid length 2, expected `never`",
        ),
    ] {
        assert_error_text(&curve_error(curve), expected);
    }
}

/// The error has the position of the wrong value, not that of a map around it.
#[test]
fn error_has_the_position_of_the_value() {
    let toml = "capacity = 10\n\n[classes.Message]\n\n[classes.'background login']\n\
                shed = { linear = { lo = 0.5, hi = -1 } }\n";
    let error = toml::from_str::<Rules<Kind>>(toml).unwrap_err();
    assert!(error.to_string().contains("line 6, column"), "{error}");
    let text = "(class `background login`, key `shed`)";
    assert!(error.message().ends_with(text), "{error}");

    let yaml = "capacity: 10\nclasses:\n  Message: {}\n  background login:\n    shed:\n      \
                linear:\n        lo: 0.5\n        hi: high\n";
    let error = serde_yaml_ng::from_str::<Rules<Kind>>(yaml)
        .unwrap_err()
        .to_string();
    assert_eq!(error.matches(" at line ").count(), 1, "{error}");
    assert!(
        error.contains(" (class `background login`, key `shed.linear.hi`)"),
        "{error}"
    );
    assert!(error.ends_with("at line 8 column 13"), "{error}");
}

/// An empty value is an error, not the absence of a limit.
#[test]
fn empty_yaml_values_fail_to_deserialize() {
    for text in [
        "capacity: 10\nclasses:\n  Message:\n    cap:\n  background login: {}\n",
        "capacity: 10\nclasses:\n  Message:\n  background login: {}\n",
    ] {
        let error = serde_yaml_ng::from_str::<Rules<Kind>>(text).unwrap_err();
        assert!(error.to_string().contains("class `Message`"), "{error}");
    }
}

/// The struct form of RON is read too; rules are written in its map form.
#[test]
fn ron_structs_deserialize() {
    let text = r#"(capacity: 3, classes: {
        "Message": (guarantee: 1),
        "background login": (cap: 2, shed: {"step": (at: 0.5)}),
    })"#;
    let expected = Rules::new(
        3,
        &[
            Kind::Message.rule(Share::at_least(1)),
            Kind::Login.rule(Share::at_most(2)).shed(Curve::step(0.5)),
        ],
    );
    assert_eq!(ron::from_str::<Rules<Kind>>(text).unwrap(), expected);
}

/// Returns the rules after a round trip through each format.
fn round_trips(rules: &Rules<Kind>) -> [(&'static str, Rules<Kind>); 7] {
    let mut cbor = Vec::new();
    ciborium::into_writer(rules, &mut cbor).unwrap();
    let compact = rmp_serde::to_vec(rules).unwrap();
    let named = rmp_serde::to_vec_named(rules).unwrap();
    [
        (
            "JSON",
            serde_json::from_str(&to_string(rules).unwrap()).unwrap(),
        ),
        (
            "TOML",
            toml::from_str(&toml::to_string(rules).unwrap()).unwrap(),
        ),
        (
            "YAML",
            serde_yaml_ng::from_str(&serde_yaml_ng::to_string(rules).unwrap()).unwrap(),
        ),
        (
            "RON",
            ron::from_str(&ron::to_string(rules).unwrap()).unwrap(),
        ),
        ("CBOR", ciborium::from_reader(&cbor[..]).unwrap()),
        (
            "compact MessagePack",
            rmp_serde::from_slice(&compact).unwrap(),
        ),
        ("named MessagePack", rmp_serde::from_slice(&named).unwrap()),
    ]
}

proptest! {
    #[test]
    fn rules_round_trip_through_every_format(
        capacity in 100_u32..200,
        guarantees in (0_u32..50, 0_u32..50),
        caps in (50_u32..300, 50_u32..300),
        uncapped in any::<(bool, bool)>(),
        bounds in (0_u32..50, 51_u32..=100, 1_u32..=100),
        shape in 0_usize..5,
    ) {
        let (lo, hi, max) = (f64::from(bounds.0) / 100.0, f64::from(bounds.1) / 100.0, f64::from(bounds.2) / 100.0);
        let curve = [Curve::NEVER, Curve::ALWAYS, Curve::step(lo), Curve::linear(lo, hi), Curve::cubic(lo, hi)][shape];
        let share = |guarantee, cap, uncapped| {
            if uncapped { Share::at_least(guarantee) } else { Share::between(guarantee, cap) }
        };
        let rules = Rules::new(capacity, &[
            Kind::Message.rule(share(guarantees.0, caps.0, uncapped.0)),
            Kind::Login.rule(share(guarantees.1, caps.1, uncapped.1)).shed(curve.capped(max)),
        ]);
        for (format, read) in round_trips(&rules) {
            prop_assert_eq!(read, rules, "{}", format);
        }
    }
}

#[test]
fn unsupported_class_count_fails_to_deserialize() {
    for (text, count) in [
        (to_string(&json!({ "capacity": 1, "classes": {} })), 0),
        (
            to_string(&json!({ "capacity": 1, "classes": { "a": {} } })),
            9,
        ),
    ] {
        let rejected = match count {
            0 => from_str::<Rules<NthClass<0>>>(&text.unwrap()).unwrap_err(),
            _ => from_str::<Rules<NthClass<9>>>(&text.unwrap()).unwrap_err(),
        };
        let error = RulesError::ClassCount { count };
        assert_error_text(&rejected.to_string(), &error.to_string());
    }
}

#[test]
fn snapshot_serializes_only_its_classes() {
    let wall = Floodwall::from_rules(RULES);
    let _permit = wall.admit(Kind::Message).unwrap();
    wall.set_capacity(80).unwrap();
    wall.set_pressure(0.3);
    wall.close();
    let class = |name, in_use, guarantee, cap, reachable| {
        json!({
            "name": name, "in_use": in_use, "guarantee": guarantee, "cap": cap, "reachable": reachable,
            "reject_probability": 0.0, "peak": in_use,
            "admitted": in_use, "shed": 0, "class_full": 0, "pool_full": 0, "too_large": 0, "closed": 0,
            "dry_run": false,
            "would_reject": { "shed": 0, "class_full": 0, "pool_full": 0, "too_large": 0 },
        })
    };
    let expected = json!({
        "capacity": 80,
        "utilization": 1.0 / 80.0,
        "pressure": 0.3,
        "closed": true,
        "classes": [class("Message", 1, 50, 80, 60), class("background login", 0, 20, 50, 30)],
    });
    assert_eq!(to_value(wall.snapshot()).unwrap(), expected);
}

#[test]
fn never_and_always_serialize_as_strings() {
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
    let cap = prop_oneof![Just(1.0), unit()];
    (curve, cap).prop_map(|(curve, cap)| curve.capped(cap))
}

fn any_share() -> impl Strategy<Value = Share> {
    let cap = prop_oneof![6..100_u32, Just(u32::MAX)];
    (0..=5_u32, cap).prop_map(|(guarantee, cap)| Share::between(guarantee, cap))
}

proptest! {
    #[test]
    fn curves_round_trip(curve in any_curve()) {
        let text = to_string(&curve).unwrap();
        prop_assert_eq!(from_str::<Curve>(&text).unwrap(), curve);
    }

    #[test]
    fn decimal_curve_parameters_round_trip_as_written(lo in 0..5_000_u32, hi in 5_001..10_000_u32) {
        let text = format!(r#"{{"linear":{{"lo":0.{lo:04},"hi":0.{hi:04}}}}}"#);
        let curve: Curve = from_str(&text).unwrap();
        let value: serde_json::Value = from_str(&text).unwrap();
        prop_assert_eq!(to_value(curve).unwrap(), value);
    }
}

#[test]
fn rules_of_every_class_count_round_trip() {
    fn check<const COUNT: usize>() {
        // One more than the largest guarantees, so that every class can hold a permit.
        let capacity = 41..=100_u32;
        let classes = proptest::collection::vec((any_share(), any_curve()), COUNT);
        proptest!(|(capacity in capacity, classes in classes)| {
            let rule = |(i, &(share, curve))| Rule::for_index(i, share).shed(curve);
            let rules: Vec<Rule<NthClass<COUNT>>> = (0..).zip(&classes).map(rule).collect();
            let rules = Rules::new(capacity, &rules);
            let text = to_string(&rules).unwrap();
            prop_assert_eq!(from_str::<Rules<NthClass<COUNT>>>(&text).unwrap(), rules);
        });
    }
    for_each_count!(check);
}
