//! The kinds of files. Those that are given in the wrong order get an error that says so.

use std::fmt;

use toml::{Table, Value};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Scenario,
    Rules,
    Loads,
}

impl Kind {
    /// Returns the kind of which a table has the fields.
    pub(crate) fn of(table: &Table) -> Option<Kind> {
        if table.contains_key("classes") {
            return Some(Kind::Rules);
        }
        let classes = table.get("class")?.as_table()?;
        let is_load = |class: &Value| class.get("normal").is_some();
        if classes.values().any(is_load) {
            Some(Kind::Loads)
        } else if table.contains_key("seconds") {
            Some(Kind::Scenario)
        } else {
            None
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Scenario => "a scenario",
            Kind::Rules => "rules",
            Kind::Loads => "loads for `floodwall-sim size`",
        })
    }
}

/// Returns the text of an error in a text that should be of a kind. It says of which kind the text is instead.
pub(crate) fn with_hint(error: &impl fmt::Display, text: &str, expected: Kind) -> String {
    match toml::from_str::<Table>(text)
        .ok()
        .as_ref()
        .and_then(Kind::of)
    {
        Some(found) if found != expected => {
            format!("found {found}, expected {expected}\n{error}")
        }
        _ => error.to_string(),
    }
}
