//! The error of this crate.

use std::fmt;

/// Error returned for a scenario, rules or a file that cannot be used. Its text names the place and the numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    /// Creates an error in a file or a text of this name.
    pub(crate) fn new(name: &str, message: impl fmt::Display) -> Error {
        Error(format!("{name}: {message}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}
