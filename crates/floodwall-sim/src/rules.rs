//! Rules in the crate's own form, for classes that a scenario names.

use std::path::Path;

use floodwall::{Class, Rules};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::error::Error;
use crate::kind::Kind;
use crate::wall::{MAX_CLASSES, SLOT_NAMES, Slot, with_slots};

/// The rules of a wall, with classes by name.
///
/// The form is the one in which `floodwall` reads and writes [`Rules`] with its feature `serde`.
#[derive(Clone, Debug)]
pub struct RuleSet {
    name: String,
    table: Table,
}

impl RuleSet {
    /// Reads rules from a file: JSON if its name ends in `.json`, TOML otherwise.
    ///
    /// # Errors
    /// If the file cannot be read or is neither. The rules are checked when they are [run](crate::Scenario::run).
    pub fn read(path: impl AsRef<Path>) -> Result<RuleSet, Error> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| Error::new(&name, error))?;
        match path.extension() {
            Some(extension) if extension == "json" => RuleSet::from_json(&name, &text),
            _ => RuleSet::from_toml(&name, &text).map_err(|error| {
                if text.trim_start().starts_with('{') {
                    Error::new(&name, "rules in JSON need a file name that ends in `.json`")
                } else {
                    error
                }
            }),
        }
    }

    /// Parses rules in TOML. The name is for tables and errors.
    ///
    /// # Errors
    /// If the text is not TOML.
    pub fn from_toml(name: &str, text: &str) -> Result<RuleSet, Error> {
        let table = toml::from_str(text).map_err(|error| Error::new(name, error))?;
        Ok(RuleSet::new(name.to_owned(), table))
    }

    /// Parses rules in JSON. The name is for tables and errors.
    ///
    /// # Errors
    /// If the text is not JSON.
    pub fn from_json(name: &str, text: &str) -> Result<RuleSet, Error> {
        let table = serde_json::from_str(text).map_err(|error| Error::new(name, error))?;
        Ok(RuleSet::new(name.to_owned(), table))
    }

    /// Returns the rules of a wall in code. The name is for tables and errors.
    #[must_use]
    pub fn of<C: Class>(name: &str, rules: &Rules<C>) -> RuleSet {
        let table = Table::try_from(rules).expect("rules are written as a map");
        RuleSet::new(name.to_owned(), table)
    }

    pub(crate) fn new(name: String, table: Table) -> RuleSet {
        RuleSet { name, table }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the rules in TOML.
    #[must_use]
    pub fn to_toml(&self) -> String {
        self.table.to_string()
    }

    /// Checks the rules for the classes of a scenario.
    pub(crate) fn for_classes(&self, classes: &[String]) -> Result<WallRules, Error> {
        if let Some(found) = Kind::of(&self.table).filter(|&found| found != Kind::Rules) {
            let message = format!("found {found}, expected {}", Kind::Rules);
            return Err(Error::new(&self.name, message));
        }
        let mut slots = self.table.clone();
        if let Some(Value::Table(rules)) = slots.get_mut("classes") {
            let mut by_slot = Table::new();
            for (class, rule) in std::mem::take(rules) {
                let Some(index) = classes.iter().position(|known| *known == class) else {
                    let known = classes.join("`, `");
                    let message =
                        format!("class `{class}` is not in the scenario, which has `{known}`");
                    return Err(Error::new(&self.name, message));
                };
                by_slot.insert(SLOT_NAMES[index].to_owned(), rule);
            }
            *rules = by_slot;
        }
        let rules = WallRules {
            classes: classes.len(),
            slots,
        };
        match rules.check() {
            Ok(()) => Ok(rules),
            Err(message) => {
                let named = classes.iter().zip(SLOT_NAMES);
                let message =
                    named.fold(message, |message, (name, slot)| message.replace(slot, name));
                Err(Error::new(&self.name, message))
            }
        }
    }
}

/// Rules that are valid for a wall with this number of classes, which are known by their numbers.
#[derive(Clone, Debug)]
pub(crate) struct WallRules {
    classes: usize,
    slots: Table,
}

impl WallRules {
    /// Checks the number and the names of a scenario's classes.
    pub(crate) fn check_classes(classes: &[String]) -> Result<(), String> {
        if !(1..=MAX_CLASSES).contains(&classes.len()) {
            return Err(format!(
                "{} classes; a wall has 1 to {MAX_CLASSES}",
                classes.len()
            ));
        }
        match classes
            .iter()
            .find(|name| name.is_empty() || name.contains('\0'))
        {
            Some(name) if name.is_empty() => Err("a class has an empty name".to_owned()),
            Some(name) => Err(format!("the name {name:?} has a NUL")),
            None => Ok(()),
        }
    }

    /// Returns the most permits that a wall can count for a class, which the README of `floodwall` lists.
    pub(crate) fn most_permits(classes: usize) -> u32 {
        (1 << (56 / classes as u32).min(24)) - 1
    }

    pub(crate) fn classes(&self) -> usize {
        self.classes
    }

    pub(crate) fn for_slots<const N: usize>(&self) -> Rules<Slot<N>> {
        parse(&self.slots).expect("the rules were checked")
    }

    /// Returns the same rules without curves.
    pub(crate) fn without_curves(&self) -> WallRules {
        let mut rules = self.clone();
        if let Some(Value::Table(classes)) = rules.slots.get_mut("classes") {
            for rule in classes
                .iter_mut()
                .filter_map(|(_, rule)| rule.as_table_mut())
            {
                rule.remove("shed");
            }
        }
        rules
    }

    fn check(&self) -> Result<(), String> {
        with_slots!(self.classes, N => parse::<Rules<Slot<N>>>(&self.slots).map(drop))
    }
}

fn parse<T: DeserializeOwned>(table: &Table) -> Result<T, String> {
    let parsed = table.clone().try_into();
    parsed.map_err(|error: toml::de::Error| error.message().to_owned())
}
