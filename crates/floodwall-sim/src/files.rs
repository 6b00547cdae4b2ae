//! Files that a scenario names: times and traces.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::description::{NotNegative, Range};

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
}

/// The arrivals of a trace: of each class, or of the one that names the trace if it has no classes.
enum Trace {
    OfOne(Arc<[Arrival]>),
    /// By the number of the class.
    OfClasses(Vec<Arc<[Arrival]>>),
}

impl<'a> Files<'a> {
    pub(crate) fn new(folder: &'a Path, classes: &'a [String]) -> Self {
        Files {
            folder,
            classes,
            traces: HashMap::new(),
        }
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

    /// Returns the arrivals of a class in a trace.
    pub(crate) fn trace(&mut self, path: &Path, class: usize) -> Result<Arc<[Arrival]>, String> {
        let path = self.path(path);
        if !self.traces.contains_key(&path) {
            let trace = self.read_trace(&path)?;
            self.traces.insert(path.clone(), trace);
        }
        let arrivals = match &self.traces[&path] {
            Trace::OfOne(arrivals) => arrivals,
            Trace::OfClasses(classes) => &classes[class],
        };
        if arrivals.is_empty() {
            return Err(in_file(
                &path,
                format_args!("no arrivals of class `{}`", self.classes[class]),
            ));
        }
        Ok(Arc::clone(arrivals))
    }

    fn read_trace(&self, path: &Path) -> Result<Trace, String> {
        #[derive(Deserialize)]
        struct Row {
            time: f64,
            holding: Option<f64>,
            class: Option<String>,
        }
        let file = File::open(path).map_err(|error| in_file(path, error))?;
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .comment(Some(b'#'))
            .from_reader(file);
        let mut of_one = Vec::new();
        let mut of_classes = vec![Vec::new(); self.classes.len()];
        let mut last = 0.0;
        for row in reader.deserialize() {
            // The text of the error says the line and the field.
            let Row {
                time,
                holding,
                class,
            } = row.map_err(|error| in_file(path, error))?;
            let number = of_one.len() + of_classes.iter().map(Vec::len).sum::<usize>() + 1;
            let error = |message: fmt::Arguments<'_>| Err(in_row(path, number, message));
            if !is_time(time) {
                return error(format_args!("time: {}", NotNegative::outside(time)));
            }
            if time < last {
                return error(format_args!("time: {time} follows {last}"));
            }
            last = time;
            if let Some(holding) = holding.filter(|&holding| !is_time(holding)) {
                return error(format_args!("holding: {}", NotNegative::outside(holding)));
            }
            let arrival = Arrival { time, holding };
            match class {
                None => of_one.push(arrival),
                Some(class) => match self.classes.iter().position(|known| *known == class) {
                    Some(index) => of_classes[index].push(arrival),
                    None => return error(format_args!("class: `{class}` is not in the scenario")),
                },
            }
        }
        if of_one.is_empty() {
            return Ok(Trace::OfClasses(
                of_classes.into_iter().map(Arc::from).collect(),
            ));
        }
        if of_classes.iter().any(|arrivals| !arrivals.is_empty()) {
            return Err(in_file(path, "some rows have a class, and some have none"));
        }
        Ok(Trace::OfOne(of_one.into()))
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

fn in_row(path: &Path, row: usize, message: impl fmt::Display) -> String {
    format!("{}: row {row}: {message}", path.display())
}
