//! Every schedule of a few calls of a wall has an order: the calls one after the other, those of a thread in its order,
//! give the same answers on the model of plain numbers, with the numbers and texts of rejections.
//!
//! The search and the model are those of `tests/linearizability/`, which records calls of real threads. Here nothing is
//! left to chance, and no clock orders what the wall does not. So only the order within a thread counts: a call may
//! return an old answer as long as the thread itself has seen nothing newer.
//!
//! `FLOODWALL_PROGRAMS` sets the number of random programs.

mod common;

#[path = "../../tests/linearizability/checker.rs"]
#[allow(dead_code, reason = "loom needs no overlap to be counted")]
mod checker;
#[path = "../../tests/linearizability/floodwall.rs"]
mod floodwall;
#[path = "../../tests/linearizability/floodwall_model.rs"]
#[allow(dead_code, reason = "for walls that are reset")]
mod floodwall_model;

use std::collections::HashSet;
use std::env;
use std::mem::forget;
use std::sync::{Arc, Mutex};

use ::floodwall::Floodwall;
use floodwall_theory::spec::{ClassRule, Mode, Ramp, Request};
use loom::thread;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus as Random;

use checker::{History, Model, Operation, Subject};
use common::{check, kick};
use floodwall_model::{Answer, Call, Config, FloodwallModel, Kind, STEP};

type Wall = Floodwall<Kind>;

/// What one thread does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Call(Call),
    /// Releases the permits that the thread has held longest, if any.
    Release,
}

use Step::Release;

/// Calls of several threads of one wall.
#[derive(Clone, Debug)]
struct Program {
    rules: Config,
    /// Done before the threads start.
    first: Vec<Step>,
    threads: Vec<Vec<Step>>,
}

impl Program {
    /// Checks every schedule with at most this many preemptions. Returns the number of different histories.
    fn check(self, preemptions: usize) -> usize {
        let histories = Arc::new(Mutex::new(HashSet::new()));
        let seen = Arc::clone(&histories);
        check(Some(preemptions), move || {
            let history = self.run();
            let is_new = seen.lock().unwrap().insert(history.to_string());
            assert!(
                !is_new || history.explain().is_some(),
                "no order explains this history, {history}"
            );
        });
        histories.lock().unwrap().len()
    }

    /// Runs one schedule.
    fn run(&self) -> History<FloodwallModel> {
        let wall = Arc::new(Wall::from_rules(self.rules.rules()));
        let first = run_thread(&wall, &self.first);
        let spawn = |steps: &Vec<Step>| {
            let (wall, steps) = (Arc::clone(&wall), steps.clone());
            thread::spawn(move || run_thread(&wall, &steps))
        };
        let (own, others) = self.threads.split_last().expect("a thread");
        let others: Vec<_> = others.iter().map(spawn).collect();
        let own = run_thread(&wall, own);
        let mut threads: Vec<_> = others
            .into_iter()
            .map(|other| other.join().unwrap())
            .collect();
        threads.push(own);
        let last = run_thread(&wall, &[Step::Call(Call::Snapshot)]);

        let mut operations = Vec::new();
        let mut record = |thread, began, calls: Vec<(Call, Answer)>| {
            operations.extend(calls.into_iter().map(|(call, answer)| Operation {
                thread,
                call,
                answer,
                began,
                ended: began + 1,
            }));
        };
        record(0, 0, first);
        for (thread, calls) in threads.into_iter().enumerate() {
            record(thread, 2, calls);
        }
        record(0, 4, last);
        History {
            start: FloodwallModel {
                config: self.rules,
                mode: Mode::OPEN,
                in_use: [0; floodwall_model::COUNT],
            },
            operations,
        }
    }
}

/// Takes the steps of one thread. Permits that it holds at the end are never released.
fn run_thread(wall: &Wall, steps: &[Step]) -> Vec<(Call, Answer)> {
    let mut held = Vec::new();
    let mut record = Vec::new();
    for step in steps {
        kick();
        match *step {
            Step::Call(call) => {
                let (answer, permit) = wall.answer(call);
                record.push((call, answer));
                held.extend(permit.map(|permit| (call, permit)));
            }
            Release if held.is_empty() => {}
            Release => {
                let (call, permit) = held.remove(0);
                drop(permit);
                record.push(FloodwallModel::release_of(call));
            }
        }
    }
    held.into_iter().for_each(forget);
    record
}

fn config(capacity: u32, rules: [(u32, u32); 3]) -> Config {
    Config {
        capacity,
        classes: rules.map(|(guarantee, cap)| ClassRule {
            guarantee,
            cap,
            ramp: Ramp::NEVER,
        }),
    }
}

/// The same, and the first class is shed from half the capacity on.
fn with_step(config: Config) -> Config {
    let mut config = config;
    config.classes[0].ramp = STEP;
    config
}

/// A request that every curve sheds if it can.
fn ask(class: usize, permits: u32) -> Step {
    Step::Call(Call::Admit(Request {
        class,
        permits,
        draw: 0,
        pressure: 0,
    }))
}

fn program<const N: usize>(rules: Config, first: &[Step], threads: [&[Step]; N]) -> Program {
    Program {
        rules,
        first: first.to_vec(),
        threads: threads.map(<[Step]>::to_vec).to_vec(),
    }
}

const LOOK: Step = Step::Call(Call::Snapshot);

/// Asserts that every history has an order, and that the schedules differ in their answers.
fn assert_ordered(program: Program, preemptions: usize) {
    let histories = program.clone().check(preemptions);
    println!("{histories} histories");
    assert!(histories > 1, "the calls of {program:?} do not overlap");
}

#[test]
fn weights_and_a_rule_update_have_an_order() {
    let wide = config(4, [(1, 4), (0, 3), (0, 0)]);
    let narrow = config(3, [(0, 2), (1, 1), (0, 0)]);
    let threads: [&[Step]; 2] = [
        &[ask(0, 2), ask(1, 2), Release],
        &[ask(0, 1), Step::Call(Call::SetRules(narrow)), ask(1, 1)],
    ];
    assert_ordered(program(wide, &[], threads), 2);
}

#[test]
fn look_between_closing_and_opening_has_an_order() {
    let rules = config(2, [(0, 2), (0, 2), (0, 0)]);
    let threads: [&[Step]; 2] = [
        &[Step::Call(Call::Close), Step::Call(Call::Open)],
        &[LOOK, ask(0, 1)],
    ];
    assert_ordered(program(rules, &[], threads), 2);
}

#[test]
fn request_across_two_updates_has_an_order() {
    let rules = with_step(config(3, [(0, 3), (1, 2), (0, 0)]));
    let second = config(4, [(0, 1), (2, 2), (0, 2)]);
    let third = with_step(config(2, [(0, 2), (0, 1), (1, 1)]));
    let threads: [&[Step]; 2] = [
        &[ask(0, 2), ask(0, 1)],
        &[
            Step::Call(Call::SetRules(second)),
            Step::Call(Call::SetRules(third)),
        ],
    ];
    assert_ordered(program(rules, &[], threads), 2);
}

#[test]
fn two_setters_and_a_look_have_an_order() {
    let rules = config(3, [(1, 3), (0, 2), (0, 0)]);
    let threads: [&[Step]; 3] = [
        &[Step::Call(Call::SetCapacity(2))],
        &[Step::Call(Call::SetPressure(60))],
        &[LOOK],
    ];
    assert_ordered(program(rules, &[], threads), 2);
}

/// A wall of the models begins two epochs before the last: the epochs here are the last, 0 and 1.
#[test]
fn request_across_the_wrap_of_epochs_has_an_order() {
    let rules = with_step(config(3, [(0, 3), (1, 2), (0, 0)]));
    let first = [Step::Call(Call::SetPressure(60))];
    let threads: [&[Step]; 2] = [
        &[ask(0, 1)],
        &[
            Step::Call(Call::Close),
            Step::Call(Call::SetRules(config(2, [(0, 1), (0, 1), (0, 1)]))),
        ],
    ];
    assert_ordered(program(rules, &first, threads), 2);
}

#[test]
fn request_across_pressure_and_dry_run_has_an_order() {
    let rules = with_step(config(3, [(1, 3), (0, 2), (0, 0)]));
    let threads: [&[Step]; 2] = [
        &[ask(0, 2), ask(0, 1), Release],
        &[
            Step::Call(Call::SetPressure(60)),
            Step::Call(Call::SetDryRun { class: 0 }),
        ],
    ];
    assert_ordered(program(rules, &[], threads), 2);
}

/// Two threads that make two calls each, of all that the model knows.
#[test]
fn random_programs_have_an_order() {
    let programs = match env::var("FLOODWALL_PROGRAMS") {
        Ok(number) => number.parse().expect("FLOODWALL_PROGRAMS is a number"),
        Err(_) => 50,
    };
    let mut histories = 0;
    for seed in 0..programs {
        let random = &mut Random::seed_from_u64(seed);
        let mut call = || Step::Call(FloodwallModel::any_call(random));
        let threads = vec![vec![call(), call()], vec![call(), call()]];
        let first = vec![call()];
        let program = Program {
            rules: FloodwallModel::any_start(random).config,
            first,
            threads,
        };
        histories += program.check(2);
    }
    println!("{programs} programs, {histories} histories");
    assert!(histories > 2 * programs as usize, "few calls overlap");
}
