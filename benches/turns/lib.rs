//! Measures subjects in turn, and keeps the results for the report.
//!
//! A machine drifts by more than two subjects differ, so each round measures every subject once, and the cost of a subject
//! is its ratio to the floor of the same round. The medians over all rounds are reported, with the quartiles of the
//! ratios and the confidence interval of their median.

mod results;

use std::env;
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

pub use results::{Measured, Spread, read, target_directory};

/// The subject that the others are compared with.
pub const FLOOR: &str = "floor";

/// How long a turn of a call on one thread takes. In turns of a tenth of this, the floor varied by a fifth from round to
/// round (measured: 3.3 to 4.1 ns), and the ratios with it.
const TURN: Duration = Duration::from_millis(1);

struct Subject {
    name: String,
    situation: String,
    /// The number of calls in a turn. Without it, as many as take about [`TURN`].
    calls: Option<u64>,
    /// Makes this number of calls. Returns the time that they took.
    turn: Box<dyn Fn(u64) -> Duration>,
}

/// Subjects that are measured in turn.
pub struct Turns {
    group: &'static str,
    rounds: usize,
    subjects: Vec<Subject>,
}

impl Turns {
    /// Creates a group without subjects.
    pub fn new(group: &'static str, rounds: usize) -> Turns {
        Turns {
            group,
            rounds,
            subjects: vec![],
        }
    }

    /// Adds a subject that repeats a call on one thread.
    pub fn call<R>(&mut self, name: &str, situation: &str, call: impl Fn() -> R + 'static) {
        let turn = move |calls| {
            let start = Instant::now();
            for _ in 0..calls {
                black_box(call());
            }
            start.elapsed()
        };
        self.add(name, situation, None, turn);
    }

    /// Adds a subject whose turns make this number of calls. `turn` makes them, and returns the time that they took.
    pub fn calls(
        &mut self,
        name: &str,
        situation: &str,
        calls: u64,
        turn: impl Fn(u64) -> Duration + 'static,
    ) {
        self.add(name, situation, Some(calls), turn);
    }

    fn add(
        &mut self,
        name: &str,
        situation: &str,
        calls: Option<u64>,
        turn: impl Fn(u64) -> Duration + 'static,
    ) {
        self.subjects.push(Subject {
            name: name.into(),
            situation: situation.into(),
            calls,
            turn: Box::new(turn),
        });
    }

    /// Measures, prints a table, and writes the results.
    ///
    /// Reads the arguments of `cargo bench`: with `--test`, each subject is called once and nothing is written. With a
    /// name, only groups that contain it are measured.
    ///
    /// # Errors
    /// If the results cannot be written.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let mut names = arguments
            .iter()
            .filter(|argument| !argument.starts_with('-'));
        let is_named = |name: &String| {
            name.split('/')
                .next()
                .is_some_and(|n| self.group.contains(n))
        };
        if names.clone().next().is_some() && !names.any(is_named) {
            return Ok(());
        }
        if arguments.iter().any(|argument| argument == "--test") {
            for subject in &self.subjects {
                (subject.turn)(1);
                println!("{}/{}/{}: ok", self.group, subject.name, subject.situation);
            }
            return Ok(());
        }
        println!(
            "{}: {} subjects in turn, {} rounds",
            self.group,
            self.subjects.len(),
            self.rounds
        );
        let measured = self.measure();
        for Measured {
            subject,
            situation,
            nanoseconds,
            ratio:
                Spread {
                    median,
                    quartiles: (low, high),
                    interval: (least, most),
                },
            ..
        } in &measured
        {
            println!(
                "{subject:<32}{situation:<24}{nanoseconds:>9.2} ns {median:>7.2} (95 %: {least:.2} to {most:.2}, quartiles: {low:.2} to {high:.2})"
            );
        }
        results::write(self.group, &measured)
    }

    fn measure(&self) -> Vec<Measured> {
        let calls = self
            .subjects
            .iter()
            .map(|s| s.calls.unwrap_or_else(|| s.calls_in_time()));
        let calls: Vec<u64> = calls.collect();
        let mut times = vec![vec![]; self.subjects.len()];
        for _ in 0..self.rounds {
            for ((subject, &calls), times) in self.subjects.iter().zip(&calls).zip(&mut times) {
                times.push((subject.turn)(calls).as_nanos() as f64 / calls as f64);
            }
        }
        let floor_of = |situation: &str| {
            let floors = || (0..).zip(&self.subjects).filter(|(_, s)| s.name == FLOOR);
            let same = floors().find(|(_, floor)| floor.situation == situation);
            let (index, _) = same.or(floors().next()).expect("the group has a floor");
            index
        };
        let measured = self
            .subjects
            .iter()
            .zip(&times)
            .map(|(subject, of_subject)| {
                let floors: &Vec<f64> = &times[floor_of(&subject.situation)];
                let ratios = of_subject
                    .iter()
                    .zip(floors)
                    .map(|(time, floor)| time / floor);
                Measured {
                    group: self.group.into(),
                    subject: subject.name.clone(),
                    situation: subject.situation.clone(),
                    nanoseconds: Spread::of(of_subject.clone()).median,
                    ratio: Spread::of(ratios.collect()),
                }
            });
        measured.collect()
    }
}

impl Subject {
    /// Returns how many calls take about [`TURN`].
    fn calls_in_time(&self) -> u64 {
        let mut calls = 1;
        loop {
            let time = (self.turn)(calls);
            if time * 2 > TURN {
                let per_call = time.as_nanos() as f64 / calls as f64;
                return (TURN.as_nanos() as f64 / per_call).max(1.0) as u64;
            }
            calls *= 2;
        }
    }
}
