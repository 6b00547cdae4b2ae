//! What does it cost to change the rules of a live wall, and what does admitting cost meanwhile?
//! Every change differs from what is in force, since equal rules are no change.

mod common;

use criterion::{Criterion, criterion_group, criterion_main};
use floodwall::{Floodwall, Rule, Rules};

use common::threads::beside;
use common::walls::{ALL, Kind, PLAIN, RAMP};
use common::{CAPACITY, FLOOR};

const STORM: [Rule<Kind>; 2] = [Kind::Message.rule(ALL), Kind::Login.rule(ALL).shed(RAMP)];
const RULES: [Rules<Kind>; 2] = [Rules::new(CAPACITY, &PLAIN), Rules::new(CAPACITY, &STORM)];

static WALL: Floodwall<Kind> = Floodwall::new(CAPACITY, &PLAIN);

fn rules(criterion: &mut Criterion) {
    let group = &mut criterion.benchmark_group("rules");
    common::measure_in_long_samples(group);
    let admit = || drop(WALL.admit(Kind::Message));
    // There and back: two changes.
    let change = || RULES.map(|rules| WALL.set_rules(rules));

    group.bench_function("floor", |b| b.iter(|| FLOOR.take_and_give_back()));
    group.bench_function("admit", |b| b.iter(admit));
    group.bench_function("admit while rules change", |b| {
        b.iter_custom(|calls| beside(1, change, calls, admit));
    });

    group.bench_function("rules", |b| b.iter(|| WALL.rules()));
    group.bench_function("set_rules", |b| {
        let mut rules = RULES.iter().cycle();
        b.iter(|| WALL.set_rules(*next(&mut rules)));
    });
    group.bench_function("set_rules while another admits", |b| {
        b.iter_custom(|calls| beside(1, admit, calls / 2, change));
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
    cycle.next().expect("it has no end")
}

criterion_group!(name = benches; config = common::criterion(); targets = rules);
criterion_main!(benches);
