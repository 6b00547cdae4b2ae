//! The rules that a command simulates: of files, of the scenario, or none.

use std::path::{Path, PathBuf};

use floodwall_sim::{Answer, Error, RuleSet, Scenario};
use rayon::prelude::*;

use crate::progress::Progress;
use crate::text;

/// The label of a run without a wall.
const NO_WALL: &str = "no wall";

/// Rules, or `None` for a run without a wall.
pub(crate) type Rules = Option<RuleSet>;

/// Reads files of rules.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Rules>, Error> {
    paths
        .iter()
        .map(|path| RuleSet::read(path).map(Some))
        .collect()
}

/// Simulates a scenario under each of these rules. All of them are checked before the first run.
pub(crate) fn simulate(scenario: &Scenario, rule_sets: &[Rules]) -> Result<Vec<Answer>, Error> {
    for rules in rule_sets {
        scenario.check(rules.as_ref())?;
    }
    let progress = Progress::new(rule_sets.len());
    rule_sets
        .par_iter()
        .map(|rules| scenario.run_with_progress(rules.as_ref(), &|fraction| progress.add(fraction)))
        .collect()
}

/// Returns a label for each of these rules. A file has its name without folders, if no other file has it. Labels differ.
pub(crate) fn labels(rule_sets: &[Rules]) -> Vec<String> {
    let names: Vec<&str> = rule_sets
        .iter()
        .map(|rules| rules.as_ref().map_or(NO_WALL, RuleSet::name))
        .collect();
    let is_unique = |short: &str| names.iter().filter(|name| file_name(name) == short).count() == 1;
    let mut labels: Vec<String> = Vec::new();
    for name in &names {
        let short = file_name(name);
        let label = text::name(if is_unique(short) { short } else { name });
        let numbered = |number: u32| format!("{label} ({number})");
        let mut number = 1;
        let mut unique = label.clone();
        while labels.contains(&unique) {
            number += 1;
            unique = numbered(number);
        }
        labels.push(unique);
    }
    labels
}

fn file_name(name: &str) -> &str {
    Path::new(name)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels_of(names: &[&str]) -> Vec<String> {
        let rule_sets: Vec<Rules> = names
            .iter()
            .map(|name| (*name != NO_WALL).then(|| RuleSet::from_toml(name, "").unwrap()))
            .collect();
        labels(&rule_sets)
    }

    #[test]
    fn folders_are_shown_only_if_file_names_are_equal() {
        assert_eq!(
            labels_of(&["a/one.toml", "b/two.toml", "no wall"]),
            ["one.toml", "two.toml", "no wall"]
        );
        assert_eq!(
            labels_of(&["a/one.toml", "b/one.toml", "b/two.toml"]),
            ["a/one.toml", "b/one.toml", "two.toml"]
        );
    }

    #[test]
    fn labels_of_equal_names_are_numbered() {
        assert_eq!(
            labels_of(&["one.toml", "one.toml", "one.toml"]),
            ["one.toml", "one.toml (2)", "one.toml (3)"]
        );
    }
}
