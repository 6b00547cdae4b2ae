//! A strict parser of the OpenMetrics text format, written from its specification. It never calls the library.

use std::collections::{BTreeMap, BTreeSet};

pub(crate) type Labels = BTreeMap<String, String>;

#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) help: String,
    pub(crate) kind: String,
    pub(crate) unit: String,
    pub(crate) samples: Vec<Sample>,
}

#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) labels: Labels,
    pub(crate) value: f64,
}

#[derive(Debug)]
pub(crate) struct Scrape {
    /// By the name of the family, without `_total`.
    pub(crate) families: BTreeMap<String, Family>,
}

impl Scrape {
    /// Parses a scrape. Panics if it breaks a rule of the format.
    pub(crate) fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("ends with # EOF");
        assert!(body.is_empty() || body.ends_with('\n'));
        let mut families = BTreeMap::<String, Family>::new();
        let mut current = String::new();
        for line in body.split_terminator('\n') {
            if let Some(metadata) = line.strip_prefix("# ") {
                let (keyword, rest) = metadata.split_once(' ').expect(line);
                let (name, value) = rest.split_once(' ').expect(line);
                assert!(is_name(name), "{line}");
                if name != current {
                    assert!(!families.contains_key(name), "family {name} occurs twice");
                    name.clone_into(&mut current);
                }
                let family = families.entry(name.to_owned()).or_default();
                assert!(family.samples.is_empty(), "metadata after samples: {line}");
                let field = match keyword {
                    "HELP" => &mut family.help,
                    "TYPE" => &mut family.kind,
                    "UNIT" => &mut family.unit,
                    _ => panic!("{line}"),
                };
                assert!(field.is_empty(), "twice: {line}");
                value.clone_into(field);
            } else {
                let (name, sample) = parse_sample(line);
                let family = families.get_mut(&current).expect(line);
                let expected = match &*family.kind {
                    "counter" => format!("{current}_total"),
                    "gauge" => current.clone(),
                    kind => panic!("type {kind:?} of {line}"),
                };
                assert_eq!(name, expected);
                family.samples.push(sample);
            }
        }
        for (name, family) in &families {
            assert!(
                family.unit.is_empty() || name.ends_with(&format!("_{}", family.unit)),
                "{name} {family:?}"
            );
            let labels: BTreeSet<_> = family.samples.iter().map(|sample| &sample.labels).collect();
            assert_eq!(labels.len(), family.samples.len(), "{name} {family:?}");
        }
        Scrape { families }
    }

    /// Returns the value of the sample with exactly these labels.
    pub(crate) fn value(&self, family: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: Labels = labels
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let family = self.families.get(family).expect(family);
        let mut found = family
            .samples
            .iter()
            .filter(|sample| sample.labels == labels);
        found
            .next()
            .unwrap_or_else(|| panic!("{labels:?} in {family:?}"))
            .value
    }
}

fn is_name(name: &str) -> bool {
    let rest = name.trim_start_matches(|c: char| c.is_ascii_lowercase());
    rest.len() < name.len() && rest.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

fn parse_sample(line: &str) -> (&str, Sample) {
    let end = line.find(['{', ' ']).expect(line);
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(list) = rest.strip_prefix('{') {
        rest = list;
        loop {
            let (key, quoted) = rest.split_once("=\"").expect(line);
            assert!(is_name(key), "{line}");
            let (value, after) = parse_quoted(quoted);
            assert!(labels.insert(key.to_owned(), value).is_none(), "{line}");
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None => {
                    rest = after.strip_prefix('}').expect(line);
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').expect(line).parse().expect(line);
    (name, Sample { labels, value })
}

/// Returns the text up to the closing quotation mark, unescaped, and the rest after it.
fn parse_quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    loop {
        match chars.next().expect("a closing quotation mark").1 {
            '"' => return (value, chars.as_str()),
            '\\' => value.push(match chars.next().expect("an escaped character").1 {
                'n' => '\n',
                escaped @ ('\\' | '"') => escaped,
                other => panic!("escape of {other:?} in {text}"),
            }),
            other => value.push(other),
        }
    }
}
