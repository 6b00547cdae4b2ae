//! Measures subjects in turn, and keeps the results for the report.
//!
//! A machine drifts by more than two subjects differ, so each round measures every subject once, and the cost of a
//! subject is its ratio to the floor of the same round. The medians over all rounds are reported, with the quartiles
//! of the ratios and the confidence interval of their median. What the processor executes around a call decides too:
//! one more instruction that does nothing changes some ratios by a fifth (measured). So a loop has [eight
//! copies](repeat). If runs of a program differ by more than its rounds, the rounds are repeated in several
//! processes, and all that is over their medians.

mod results;

#[cfg(target_arch = "x86_64")]
use std::arch::asm;
use std::env;
use std::error::Error;
use std::hint::black_box;
use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub use results::{Measured, Spread, read, target_directory};

/// The subject that the others are compared with.
pub const FLOOR: &str = "floor";

/// How long a turn of a call on one thread takes. In turns of a tenth of this, the floor varied by a fifth from round to
/// round (measured: 3.3 to 4.1 ns), and the ratios with it.
const TURN: Duration = Duration::from_millis(1);

/// The argument of a process that measures for another one, and prints the results as JSON in its last line.
const PROCESS: &str = "--process";

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
    processes: usize,
    subjects: Vec<Subject>,
}

impl Turns {
    /// Creates a group without subjects.
    pub fn new(group: &'static str, rounds: usize) -> Turns {
        Turns {
            group,
            rounds,
            processes: 1,
            subjects: vec![],
        }
    }

    /// Repeats the rounds in this number of processes, one after another.
    #[must_use]
    pub fn in_processes(self, processes: usize) -> Turns {
        Turns { processes, ..self }
    }

    /// Adds a subject that repeats a call on one thread.
    pub fn call<R>(&mut self, name: &str, situation: &str, call: impl Fn() -> R + 'static) {
        let turn = move |calls| {
            let start = Instant::now();
            repeat(calls, &call);
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
        if arguments.iter().any(|argument| argument == PROCESS) {
            serde_json::to_writer(io::stdout(), &self.measure())?;
            return Ok(());
        }
        print!(
            "{}: {} subjects in turn, {} rounds",
            self.group,
            self.subjects.len(),
            self.rounds
        );
        let measured = if self.processes > 1 {
            println!(" in each of {} processes", self.processes);
            results::medians(&self.measure_in_processes()?)
        } else {
            println!();
            self.measure()
        };
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

    fn measure_in_processes(&self) -> Result<Vec<Vec<Measured>>, Box<dyn Error>> {
        let this = env::current_exe()?;
        let process = |_| {
            let output = Command::new(&this)
                .arg(PROCESS)
                .stderr(Stdio::inherit())
                .output()?;
            if !output.status.success() {
                return Err(format!("{} {PROCESS}: {}", this.display(), output.status).into());
            }
            let lines = String::from_utf8(output.stdout)?;
            Ok(serde_json::from_str(
                lines.lines().last().unwrap_or_default(),
            )?)
        };
        (0..self.processes).map(process).collect()
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

/// Repeats a call, in eight copies of one loop, which differ in the number of instructions that do nothing. So the
/// instructions of the call fall into the groups that a processor dispatches at once in several ways.
fn repeat<F: Fn() -> R, R>(calls: u64, call: &F) {
    let copies = [
        copy::<1, F, R>,
        copy::<2, F, R>,
        copy::<3, F, R>,
        copy::<4, F, R>,
        copy::<5, F, R>,
        copy::<6, F, R>,
        copy::<7, F, R>,
        copy::<8, F, R>,
    ];
    let mut left = calls;
    for (copy, copies_left) in copies.iter().zip((1..=8).rev()) {
        let calls = left / copies_left;
        copy(calls, call);
        left -= calls;
    }
}

#[inline(never)]
fn copy<const NOTHING: usize, F: Fn() -> R, R>(calls: u64, call: &F) {
    for _ in 0..calls {
        do_nothing::<NOTHING>();
        black_box(call());
    }
}

/// Executes this number of instructions that do nothing.
#[inline(always)]
fn do_nothing<const TIMES: usize>() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: `nop` does nothing.
    unsafe {
        asm!(
            ".rept {times}",
            "nop",
            ".endr",
            times = const TIMES,
            options(nomem, nostack, preserves_flags)
        );
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn the_copies_of_a_loop_make_all_calls_together() {
        for calls in [0, 1, 7, 8, 9, 100] {
            let made = Cell::new(0);
            repeat(calls, &|| made.set(made.get() + 1));
            assert_eq!(made.get(), calls);
        }
    }
}
