//! Numbers and names as text.

use std::fmt::Write;

use floodwall_sim::{Answer, Estimate, Scenario, Stopped};

/// The text for a number that there is not.
pub(crate) const NONE: &str = "–";

/// Returns a share in percent. A share that is not 0 or 1 is never shown as 0 or 100.
pub(crate) fn percent(share: f64) -> String {
    match 100.0 * share {
        percent if percent.is_nan() => NONE.to_owned(),
        percent if percent > 0.0 && percent < 0.005 => "<0.01".to_owned(),
        percent if (99.995..100.0).contains(&percent) => ">99.99".to_owned(),
        percent => format!("{percent:.2}"),
    }
}

/// Returns an estimate in percent, with its standard error.
pub(crate) fn estimate(estimate: Estimate) -> String {
    match estimate.standard_error {
        Some(error) if !estimate.value.is_nan() => {
            format!("{} ± {}", percent(estimate.value), percent(error))
        }
        _ => percent(estimate.value),
    }
}

/// Returns a duration in milliseconds, or in seconds from 1 s on, with three digits.
pub(crate) fn duration(seconds: f64) -> String {
    // Otherwise 999.6 ms would be shown as 1000 ms.
    if seconds >= 0.9995 {
        format!("{} s", three_digits(seconds))
    } else {
        format!("{} ms", three_digits(1_000.0 * seconds))
    }
}

fn three_digits(value: f64) -> String {
    match value {
        value if value >= 99.95 => format!("{value:.0}"),
        value if value >= 9.995 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// Returns a count with a comma between thousands.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a name with its control characters escaped, so that it cannot control a terminal or change the order of the text
/// around it.
pub(crate) fn name(name: &str) -> String {
    /// Marks of the direction of a text (Unicode Standard Annex 9).
    const DIRECTIONS: [std::ops::RangeInclusive<char>; 4] = [
        '\u{61c}'..='\u{61c}',
        '\u{200e}'..='\u{200f}',
        '\u{202a}'..='\u{202e}',
        '\u{2066}'..='\u{2069}',
    ];
    let is_direction = |character| DIRECTIONS.iter().any(|range| range.contains(&character));
    let mut text = String::new();
    for character in name.chars() {
        if character.is_control() || is_direction(character) {
            write!(text, "{}", character.escape_default()).expect("a string grows");
        } else {
            text.push(character);
        }
    }
    text
}

/// Returns the utilization, in a sentence.
pub(crate) fn utilization(answer: &Answer) -> String {
    let of = &answer.utilization;
    let exact = of.theory.map(|mean| format!(" (exact: {})", percent(mean)));
    format!(
        "utilization, %: mean {}{}, standard deviation over time {}",
        estimate(of.mean),
        exact.unwrap_or_default(),
        percent(of.deviation),
    )
}

/// Returns the size of a run, in a sentence.
pub(crate) fn size(answer: &Answer) -> String {
    format!(
        "{} requests, also those that are not measured, {} events; {}",
        count(answer.requests),
        count(answer.events),
        plan(answer),
    )
}

/// Returns the replications and times of a run.
pub(crate) fn plan(answer: &Answer) -> String {
    let warm_up = match answer.warm_up {
        0.0 => String::new(),
        seconds => format!(" after {seconds} s of warm-up"),
    };
    let replications = match answer.replications {
        1 => "1 replication".to_owned(),
        replications => format!("{} replications", count(replications.into())),
    };
    format!(
        "{replications} of {} s{warm_up}, seed {}",
        answer.seconds, answer.seed
    )
}

/// Returns the warnings about a scenario, with the names in them escaped.
pub(crate) fn warnings(scenario: &Scenario) -> impl Iterator<Item = String> {
    scenario.warnings().iter().map(|warning| name(warning))
}

/// Returns a warning if a run was stopped before its end.
pub(crate) fn warning(answer: &Answer) -> Option<String> {
    let Stopped { limit, at, .. } = answer.stopped.as_ref()?;
    let end = answer.warm_up + answer.seconds;
    Some(format!(
        "stopped at {at:.1} s by the limit of {limit}; the measured time ends at {end} s"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_shares_are_shown_as_0_and_100_percent() {
        let shares = [0.0, 1e-9, 0.00004, 0.00006, 0.5, 0.9999, 0.99996, 1.0];
        let texts = shares.map(percent);
        assert_eq!(
            texts,
            [
                "0.00", "<0.01", "<0.01", "0.01", "50.00", "99.99", ">99.99", "100.00"
            ]
        );
        assert_eq!(percent(f64::NAN), NONE);
        assert_eq!(percent(1.5), "150.00");
    }

    #[test]
    fn durations_have_three_digits() {
        let seconds = [0.000_5, 0.012_34, 0.9994, 0.9996, 9.996, 12.34, 964.0];
        let texts = seconds.map(duration);
        assert_eq!(
            texts,
            [
                "0.50 ms", "12.3 ms", "999 ms", "1.00 s", "10.0 s", "12.3 s", "964 s"
            ]
        );
    }

    #[test]
    fn counts_have_a_comma_between_thousands() {
        let texts = [0, 999, 1_000, 123_456, 1_234_567].map(count);
        assert_eq!(texts, ["0", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn control_characters_of_names_are_escaped() {
        assert_eq!(name("a\u{1b}[31m\nb é"), "a\\u{1b}[31m\\nb é");
        assert_eq!(name("a\u{202e}b\u{2066}"), "a\\u{202e}b\\u{2066}");
    }
}
