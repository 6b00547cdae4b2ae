//! What does a rule update cost, and what does an admission cost during updates? Every update sets
//! rules that differ from those in force, because setting equal rules changes nothing.

mod common;

use criterion::{Criterion, criterion_group, criterion_main};
use floodwall::{Floodwall, Rule, Rules};

use common::threads::with_background;
use common::walls::{ALL, Kind, PLAIN, RAMP};
use common::{CAPACITY, FLOOR};

const STORM: [Rule<Kind>; 2] = [Kind::Message.rule(ALL), Kind::Login.rule(ALL).shed(RAMP)];
const RULES: [Rules<Kind>; 2] = [Rules::new(CAPACITY, &PLAIN), Rules::new(CAPACITY, &STORM)];

static WALL: Floodwall<Kind> = Floodwall::new(CAPACITY, &PLAIN);

fn rules(criterion: &mut Criterion) {
    let group = &mut criterion.benchmark_group("rules");
    common::measure_in_long_samples(group);
    let admit = || drop(WALL.admit(Kind::Message));
    // Two updates: to each set of rules in turn.
    let update = || RULES.map(|rules| WALL.set_rules(rules));

    group.bench_function("floor", |b| b.iter(|| FLOOR.acquire_and_release()));
    group.bench_function("admit", |b| b.iter(admit));
    group.bench_function("admit during rule updates", |b| {
        b.iter_custom(|calls| with_background(1, update, calls, admit));
    });

    group.bench_function("rules", |b| b.iter(|| WALL.rules()));
    group.bench_function("set_rules", |b| {
        let mut rules = RULES.iter().cycle();
        b.iter(|| WALL.set_rules(*next(&mut rules)));
    });
    group.bench_function("set_rules during admissions", |b| {
        b.iter_custom(|calls| with_background(1, admit, calls / 2, update));
    });
    group.bench_function("update_rules", |b| {
        let mut logins = [PLAIN[1], STORM[1]].into_iter().cycle();
        b.iter(|| WALL.update_rules(&[next(&mut logins)]));
    });
    group.bench_function("set_capacity", |b| {
        let mut capacities = [CAPACITY - 1, CAPACITY].into_iter().cycle();
        b.iter(|| WALL.set_capacity(next(&mut capacities)));
    });
}

fn next<T>(cycle: &mut impl Iterator<Item = T>) -> T {
    cycle.next().expect("a cycle never ends")
}

criterion_group!(name = benches; config = common::criterion(); targets = rules);
criterion_main!(benches);
