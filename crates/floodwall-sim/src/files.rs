//! Files that a scenario names: times and traces.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::description::{self, NotNegative, Range};

/// An arrival of a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Arrival {
    /// Seconds since the beginning.
    pub(crate) time: f64,
    /// Seconds, if the trace has them.
    pub(crate) holding: Option<f64>,
}

/// Reads files relative to a folder, each trace once.
pub(crate) struct Files<'a> {
    folder: &'a Path,
    classes: &'a [String],
    traces: HashMap<PathBuf, Trace>,
    warnings: Vec<String>,
}

/// A trace that was read.
struct Trace {
    rows: Rows,
    /// The time of the last row.
    last: f64,
}

/// The arrivals of a trace: of each class, or of the one that names the trace if it has no classes.
enum Rows {
    OfOne(Vec<Arrival>),
    /// By the number of the class.
    OfClasses(Vec<Vec<Arrival>>),
}

impl<'a> Files<'a> {
    pub(crate) fn new(folder: &'a Path, classes: &'a [String]) -> Self {
        Files {
            folder,
            classes,
            traces: HashMap::new(),
            warnings: Vec::new(),
        }
    }

    pub(crate) fn classes(&self) -> &[String] {
        self.classes
    }

    /// Returns what is strange about the files that were read, but no error.
    pub(crate) fn into_warnings(self) -> Vec<String> {
        self.warnings
    }

    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// Reads times in seconds, one per line. Empty lines and lines that begin with `#` are skipped.
    pub(crate) fn times(&self, path: &Path) -> Result<Vec<f64>, String> {
        let path = self.path(path);
        let text = std::fs::read_to_string(&path).map_err(|error| in_file(&path, error))?;
        let mut times = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.parse() {
                Ok(seconds) if is_time(seconds) => times.push(seconds),
                _ => {
                    return Err(in_line(
                        &path,
                        number,
                        format_args!("`{line}` is no time in seconds"),
                    ));
                }
            }
        }
        if times.is_empty() {
            return Err(in_file(&path, "no times"));
        }
        Ok(times)
    }

    /// Returns the arrivals of a class in a trace, with times since the beginning of the run. The measured time ends at
    /// `end`.
    pub(crate) fn trace(
        &mut self,
        trace: &description::Trace,
        class: usize,
        end: f64,
    ) -> Result<Arc<[Arrival]>, String> {
        let start = trace.start;
        let path = self.path(&trace.file);
        if !self.traces.contains_key(&path) {
            let trace = self.read_trace(&path)?;
            self.traces.insert(path.clone(), trace);
        }
        let Trace { rows, last } = &self.traces[&path];
        let rows = match rows {
            Rows::OfOne(rows) => rows,
            Rows::OfClasses(classes) => &classes[class],
        };
        let name = &self.classes[class];
        let Some(first) = rows.first() else {
            return Err(in_file(
                &path,
                format_args!("no arrivals of class `{name}`"),
            ));
        };
        let times = rows.iter().map(|row| row.time - start);
        if !times.clone().any(|time| (0.0..end).contains(&time)) {
            return Err(in_file(
                &path,
                format_args!(
                    "no arrivals of class `{name}` in the run, from {start} to {} s; the first is at {}. `trace = {{ \
                     file, start }}` says the time at which the run begins",
                    start + end,
                    first.time
                ),
            ));
        }
        // A class that sends rarely may have its last row some time before the end.
        let of_class = rows.last().map_or(0.0, |row| row.time - start);
        let last = last - start;
        let warning = if last < 0.99 * end {
            Some(format!("the last row is at {last} s"))
        } else if of_class < 0.9 * end {
            Some(format!("the last row of class `{name}` is at {of_class} s"))
        } else {
            None
        };
        if let Some(last) = warning {
            let warning = format!("{last} of the run, of which the measured time ends at {end} s");
            let warning = in_file(&path, warning);
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        let in_run = rows
            .iter()
            .zip(times)
            .filter(|(_, time)| *time >= 0.0)
            .map(|(row, time)| Arrival { time, ..*row });
        Ok(in_run.collect())
    }

    fn read_trace(&self, path: &Path) -> Result<Trace, String> {
        let file = File::open(path).map_err(|error| in_file(path, error))?;
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .comment(Some(b'#'))
            .from_reader(file);
        let names = reader.headers().map_err(|error| in_file(path, error))?;
        let column = |name: &str| names.iter().position(|column| column == name);
        let Some(time) = column("time") else {
            return Err(in_file(
                path,
                format_args!(
                    "the first line must name the columns: `time`, and `class` and `holding` if there are; it is `{}`",
                    names.iter().collect::<Vec<_>>().join(",")
                ),
            ));
        };
        let (class, holding) = (column("class"), column("holding"));
        let mut of_one = Vec::new();
        let mut of_classes = vec![Vec::new(); self.classes.len()];
        let mut last = 0.0;
        for row in reader.records() {
            // The text of the error says the line.
            let row = row.map_err(|error| in_file(path, error))?;
            let line = row.position().map_or(0, csv::Position::line);
            let error = |message: fmt::Arguments<'_>| in_line(path, line, message);
            let field = |column: Option<usize>| column.map_or("", |column| &row[column]);
            let seconds = |name: &str, text: &str| match text.parse() {
                Ok(seconds) if is_time(seconds) => Ok(seconds),
                Ok(seconds) => {
                    let outside = NotNegative::outside(seconds);
                    Err(error(format_args!("{name}: {outside}")))
                }
                Err(_) => Err(error(format_args!(
                    "{name}: `{text}` is no time in seconds"
                ))),
            };
            let time: f64 = seconds("time", field(Some(time)))?;
            if time < last {
                return Err(error(format_args!("time: {time} follows {last}")));
            }
            last = time;
            let holding = match field(holding) {
                "" => None,
                text => Some(seconds("holding", text)?),
            };
            let arrival = Arrival { time, holding };
            match field(class) {
                "" => of_one.push(arrival),
                class => match self.classes.iter().position(|known| known == class) {
                    Some(index) => of_classes[index].push(arrival),
                    None => {
                        let message = format_args!("class: `{class}` is not in the scenario");
                        return Err(error(message));
                    }
                },
            }
        }
        if of_one.is_empty() {
            return Ok(Trace {
                rows: Rows::OfClasses(of_classes),
                last,
            });
        }
        if of_classes.iter().any(|arrivals| !arrivals.is_empty()) {
            return Err(in_file(path, "some rows have a class, and some have none"));
        }
        Ok(Trace {
            rows: Rows::OfOne(of_one),
            last,
        })
    }
}

fn is_time(seconds: f64) -> bool {
    NotNegative::contains(seconds)
}

fn in_file(path: &Path, message: impl fmt::Display) -> String {
    format!("{}: {message}", path.display())
}

fn in_line(path: &Path, line: u64, message: impl fmt::Display) -> String {
    format!("{}: line {line}: {message}", path.display())
}
