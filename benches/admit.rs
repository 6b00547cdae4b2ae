//! What does a `Floodwall` admission cost? Measures an admission and its release by position on the
//! curve, a rejection by reason, each with 1, 2, 4 and 8 classes, and an admission with a `Draw`
//! from the caller.

mod common;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use floodwall::{AdmitOptions, Curve, Draw, Share};

use common::walls::{ALL, BELOW_RAMP, INSIDE_RAMP, OneOf, RAMP, hold, wall};
use common::{CAPACITY, FLOOR, is_err, peers};

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn admit(criterion: &mut Criterion) {
    let group = &mut criterion.benchmark_group("admit");
    baselines(group);
    admitted::<1>(group);
    admitted::<2>(group);
    admitted::<4>(group);
    admitted::<8>(group);
    draw_from_caller(group);
    rejected::<1>(group);
    rejected::<2>(group);
    rejected::<4>(group);
    rejected::<8>(group);
}

/// Measures the floor and permits without classes.
fn baselines(group: &mut Group<'_>) {
    let id = |subject| BenchmarkId::new(subject, classes(1));
    group.bench_function(id("floor"), |b| b.iter(|| FLOOR.acquire_and_release()));
    group.bench_function(id("bulkhead"), |b| {
        b.iter(|| drop(peers::BULKHEAD.try_acquire()));
    });
    group.bench_function(id("tokio"), |b| {
        b.iter(|| drop(peers::TOKIO.try_acquire()));
    });
}

fn admitted<const COUNT: usize>(group: &mut Group<'_>) {
    for (subject, curve, in_use) in [
        ("no curve", Curve::NEVER, 0),
        ("below the ramp", RAMP, BELOW_RAMP),
        ("inside the ramp", RAMP, INSIDE_RAMP),
    ] {
        let wall = wall::<COUNT>(ALL, curve);
        hold(wall, OneOf(0), in_use);
        group.bench_function(BenchmarkId::new(subject, classes(COUNT)), |b| {
            b.iter(|| drop(wall.admit(OneOf(0))));
        });
    }
}

/// Measures admissions inside the ramp with a `Draw` from the caller.
fn draw_from_caller(group: &mut Group<'_>) {
    let wall = wall::<2>(ALL, RAMP);
    hold(wall, OneOf(0), INSIDE_RAMP);
    let id = |subject| BenchmarkId::new(subject, classes(2));
    group.bench_function(id("inside the ramp, `Draw::local`"), |b| {
        b.iter(|| drop(wall.admit_with(OneOf(0), AdmitOptions::new().draw(Draw::local()))));
    });
    group.bench_function(id("inside the ramp, `Draw::keyed`"), |b| {
        let mut user = 0_u64;
        b.iter(|| {
            user += 1;
            drop(wall.admit_with(OneOf(0), AdmitOptions::new().draw(Draw::keyed(user, 1))));
        });
    });
}

fn rejected<const COUNT: usize>(group: &mut Group<'_>) {
    let half = CAPACITY / 2;
    for (reason, share, curve, in_use) in [
        ("shed", ALL, Curve::ALWAYS, 0),
        ("class_full", Share::at_most(half), Curve::NEVER, half),
        ("pool_full", Share::at_least(0), Curve::NEVER, CAPACITY),
    ] {
        let wall = wall::<COUNT>(share, curve);
        hold(wall, OneOf(0), in_use);
        let rejection = wall.admit(OneOf(0)).expect_err("the wall rejects");
        assert_eq!(rejection.reason().name(), reason);
        let subject = reason.replace('_', " ");
        group.bench_function(BenchmarkId::new(subject, classes(COUNT)), |b| {
            b.iter(|| is_err(wall.admit(OneOf(0))));
        });
    }
}

fn classes(count: usize) -> String {
    match count {
        1 => "1 class".into(),
        _ => format!("{count} classes"),
    }
}

criterion_group!(name = benches; config = common::criterion(); targets = admit);
criterion_main!(benches);
