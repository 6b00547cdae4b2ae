//! Scenarios of the simulator.

use floodwall_sim::{Answer, ClassAnswer, Scenario};
use toml::{Table, Value};

/// Reads a scenario and runs it, to a limit of events. Returns whether it is valid.
pub fn scenario(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else {
        return false;
    };
    if text.parse().is_ok_and(|table: Table| names_file(&table)) {
        return false;
    }
    let scenario = match Scenario::from_toml(text) {
        Ok(scenario) => scenario.with_replications(1).with_max_events(MAX_EVENTS),
        Err(error) => {
            assert!(error.to_string().starts_with("scenario: "), "{error}");
            return false;
        }
    };
    let run = || match scenario.rules() {
        Some(rules) => scenario.run(rules).expect("the rules were checked"),
        None => scenario
            .run_without_wall()
            .expect("there are threads or rules"),
    };
    if scenario.rules().is_none() && scenario.run_without_wall().is_err() {
        return true;
    }
    let answer = run();
    check(&answer);
    assert_eq!(
        json(&answer),
        json(&run()),
        "the same scenario has other results"
    );
    true
}

const MAX_EVENTS: u64 = 5_000;
const LARGEST_BURST: u64 = 100_000;

/// Returns whether a scenario names a file, which a fuzzer must not read.
fn names_file(table: &Table) -> bool {
    table
        .iter()
        .any(|(key, value)| match (key.as_str(), value) {
            ("file" | "trace" | "rules", Value::String(_)) => true,
            (_, Value::Table(table)) => names_file(table),
            (_, Value::Array(values)) => values.iter().filter_map(Value::as_table).any(names_file),
            _ => false,
        })
}

fn check(answer: &Answer) {
    for class in &answer.classes {
        check_class(class);
    }
    for part in &answer.parts {
        for (of_part, whole) in part.classes.iter().zip(&answer.classes) {
            check_class(of_part);
            assert!(of_part.offered <= whole.offered, "{part:?}");
            assert!(of_part.attempts <= whole.attempts, "{part:?}");
            assert!(of_part.good <= whole.good, "{part:?}");
        }
    }
    let utilization = answer.utilization.mean.value;
    let is_measured = answer
        .stopped
        .as_ref()
        .is_none_or(|stopped| stopped.at > answer.warm_up);
    assert_eq!(is_measured, utilization >= 0.0, "{:?}", answer.utilization);
    assert_eq!(is_measured, answer.utilization.deviation >= 0.0);
    if answer.rules.is_none() && is_measured {
        assert!(utilization <= 1.0 + 1e-9, "{utilization}");
    }
    if answer.events > MAX_EVENTS {
        assert!(answer.stopped.is_some(), "{}", answer.events);
        // The last event may have been a burst, each request of which is an event too.
        let most = MAX_EVENTS + 1 + LARGEST_BURST;
        assert!(answer.events <= most, "{}", answer.events);
    }
}

fn check_class(class: &ClassAnswer) {
    let text = format!("{class:?}");
    assert_eq!(
        class.offered,
        class.good + class.lost + class.unfinished,
        "{text}"
    );
    assert!(class.admitted <= class.attempts, "{text}");
    assert!(class.offered <= class.attempts, "{text}");
    let failures: u64 = class.failures.values().sum();
    assert!(
        class.lost <= failures && failures <= class.attempts,
        "{text}"
    );
    assert!(class.wasted <= class.admitted, "{text}");
    for share in [
        class.good_share.value,
        class.admitted_share.value,
        class.wasted_share,
    ] {
        assert!(share.is_nan() || (0.0..=1.0).contains(&share), "{text}");
    }
    if let Some(latency) = class.latency {
        assert!(
            latency.p50 <= latency.p99 && latency.p99 <= latency.p999,
            "{text}"
        );
    }
    assert_eq!(class.latency.is_some(), class.good > 0, "{text}");
    if !class.levels.is_empty() {
        let offered: u64 = class.levels.iter().map(|level| level.offered).sum();
        let good: u64 = class.levels.iter().map(|level| level.good).sum();
        assert_eq!((offered, good), (class.offered, class.good), "{text}");
    }
}

fn json(answer: &Answer) -> String {
    serde_json::to_string(answer).expect("an answer is written")
}
