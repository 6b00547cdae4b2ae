//! How many requests does a simulation handle per second and thread?

use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use floodwall_sim::{RuleSet, Scenario};

/// Two classes, an independent backend, and a wall with guarantees, caps and a curve.
const NORMAL: &str = "\
seconds = 100
[class.message]
rate = 1000
holding = { exponential = 0.04 }
[class.login]
rate = 500
holding = { exponential = 0.04 }
";
const RULES: &str = "\
capacity = 100
[classes.message]
guarantee = 50
[classes.login]
guarantee = 20
cap = 50
shed = { linear = { lo = 0.6, hi = 0.8 } }
";

fn requests(criterion: &mut Criterion) {
    let rules = RuleSet::from_toml("rules", RULES).unwrap();
    // 19 of 20 logins are rejected.
    let storm = NORMAL.replace("rate = 500", "rate = 20000");
    let clients = NORMAL.replace(
        "[class.login]",
        "patience = 1\n[class.login]\npatience = 1\nretries = { most = 2 }",
    );
    let cores = format!("{NORMAL}[backend]\ncores = 80\n");
    let mut group = criterion.benchmark_group("requests");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    for (name, text) in [
        ("normal", NORMAL),
        ("storm", &storm),
        ("patience and retries", &clients),
        ("shared cores", &cores),
    ] {
        let scenario = Scenario::from_toml(text).unwrap().with_replications(1);
        let requests = scenario.run(&rules).unwrap().requests;
        group.throughput(Throughput::Elements(requests));
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| scenario.run(&rules).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, requests);
criterion_main!(benches);
