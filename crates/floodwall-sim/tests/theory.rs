//! Simulated shares against exact theory.

use std::fmt::Write;

use floodwall_sim::{RuleSet, Scenario};
use rand::rngs::Xoshiro256PlusPlus as Random;
use rand::{RngExt, SeedableRng};

/// Returns a scenario and rules of random classes, with loads around the capacity.
fn any_system(random: &mut Random) -> (String, String) {
    let classes = random.random_range(1..=4);
    let capacity: u32 = random.random_range(classes..=[200, 60, 25, 12][classes as usize - 1]);
    let has_curves = random.random_bool(0.6);
    let mut scenario = "seconds = 400\nwarm_up = 20\nreplications = 4\n".to_owned();
    let mut rules = format!("capacity = {capacity}\n");
    let mut unreserved = capacity;
    for class in 0..classes {
        let permits = random
            .random_range(1..=3_u32)
            .min(capacity / classes)
            .max(1);
        let holding = random.random_range(0.02..0.3);
        let load =
            f64::from(capacity) * random.random_range(0.1..2.0) / f64::from(classes * permits);
        let times = match random.random_range(0..4) {
            _ if has_curves => format!("{{ exponential = {holding} }}"),
            0 => format!("{holding}"),
            1 => format!("{{ lognormal = {{ mean = {holding}, sigma = 0.8 }} }}"),
            2 => format!("{{ pareto = {{ mean = {holding}, shape = 2.5 }} }}"),
            _ => format!("{{ exponential = {holding} }}"),
        };
        let rate = load / holding;
        write!(
            scenario,
            "[class.c{class}]\nrate = {rate}\nholding = {times}\npermits = {permits}\n"
        )
        .unwrap();
        // Each class can reach the permits of one request.
        let most = unreserved - (classes - class - 1) * 3.min(unreserved / (classes - class));
        let guarantee = random.random_range(0..=most / 2);
        unreserved -= guarantee;
        let cap = random.random_range(guarantee.max(permits)..=capacity);
        write!(
            rules,
            "[classes.c{class}]\nguarantee = {guarantee}\ncap = {cap}\n"
        )
        .unwrap();
        if has_curves && random.random_bool(0.7) {
            let [lo, hi] = [random.random_range(10..60), random.random_range(60..=100)]
                .map(|percent| f64::from(percent) / 100.0);
            let shape = ["linear", "cubic"][random.random_range(0..2)];
            writeln!(
                rules,
                "shed = {{ {shape} = {{ lo = {lo}, hi = {hi}, capped = 0.9 }} }}"
            )
            .unwrap();
        }
    }
    (scenario, rules)
}

/// The deviations of many systems, in standard errors, are those of a normal distribution: none is beyond what chance
/// allows, and their mean square is 1.
#[test]
fn random_systems_follow_theory() {
    let random = &mut Random::seed_from_u64(1);
    let mut deviations = Vec::new();
    let mut models = std::collections::BTreeMap::<&str, u32>::new();
    for system in 0..SYSTEMS {
        let (scenario, rules) = any_system(random);
        let text = format!("{scenario}\n{rules}");
        let scenario = Scenario::from_toml(&scenario).unwrap().with_seed(system);
        let rules = RuleSet::from_toml("rules", &rules).unwrap();
        let answer = match scenario.run(&rules) {
            Ok(answer) => answer,
            Err(error) => panic!("{error}\n{text}"),
        };
        for class in &answer.classes {
            let Some(exact) = class.theory else {
                continue;
            };
            *models.entry(exact.model).or_default() += 1;
            let share = class.admitted_share;
            let error = share.standard_error.unwrap();
            // With few rejections or few admissions, the error itself is not known.
            let events =
                class.attempts as f64 * exact.admitted_share.min(1.0 - exact.admitted_share);
            if events < 200.0 {
                assert!(
                    (share.value - exact.admitted_share).abs() < 0.01,
                    "{share:?} {exact:?}\n{text}"
                );
                continue;
            }
            let deviation = (share.value - exact.admitted_share) / error;
            assert!(
                deviation.abs() < 4.5,
                "{deviation}: {share:?} {exact:?}\n{text}"
            );
            deviations.push(deviation);
        }
        if let (Some(exact), Some(error)) = (
            answer.utilization.theory,
            answer.utilization.mean.standard_error,
        ) {
            let deviation = (answer.utilization.mean.value - exact) / error;
            assert!(
                deviation.abs() < 4.5,
                "{deviation}: {:?}\n{text}",
                answer.utilization.mean
            );
        }
    }
    let count = deviations.len() as f64;
    let square = deviations
        .iter()
        .map(|deviation| deviation * deviation)
        .sum::<f64>()
        / count;
    let beyond = deviations
        .iter()
        .filter(|deviation| deviation.abs() > 3.0)
        .count();
    println!("{count} shares of {models:?}: mean square {square:.3}, {beyond} beyond 3");
    assert!(
        models.len() >= 3 && count > f64::from(SYSTEMS as u32),
        "{models:?}"
    );
    assert!(
        (square - 1.0).abs() < 4.0 * (2.0 / count).sqrt(),
        "{square}"
    );
    assert!(
        beyond as f64 <= (0.01 * count).ceil(),
        "{beyond} of {count}"
    );
}

const SYSTEMS: u64 = 100;

#[test]
fn theory_is_silent_about_what_it_does_not_know() {
    let model = |class: &str, rest: &str, rules: &str| {
        let scenario = format!("seconds = 1\nreplications = 1\n[class.a]\n{class}\n{rest}");
        let rules =
            RuleSet::from_toml("rules", &format!("capacity = 5\n[classes.a]\n{rules}")).unwrap();
        let answer = Scenario::from_toml(&scenario).unwrap().run(&rules).unwrap();
        assert_eq!(
            answer["a"].theory.is_some(),
            answer.utilization.theory.is_some()
        );
        answer["a"].theory.map(|exact| exact.model)
    };
    let class = "rate = 9\nholding = { exponential = 1 }";
    let curve = "shed = { linear = { lo = 0.5, hi = 1 } }";
    assert_eq!(model(class, "", "guarantee = 3\ncap = 3"), Some("Erlang B"));
    assert_eq!(model(class, "", ""), Some("product form"));
    assert_eq!(model("rate = 9\nholding = 1", "", ""), Some("product form"));
    assert_eq!(model(class, "", curve), Some("birth-death chain"));
    assert_eq!(
        model(class, "", &format!("guarantee = 2\n{curve}")),
        Some("Markov chain")
    );
    assert_eq!(
        model(class, "[balancer]\ninstances = 3", curve),
        Some("birth-death chain")
    );
    assert_eq!(
        model(class, "", "shed = \"always\""),
        Some("birth-death chain")
    );
    for (class, rest) in [
        ("rate = 9\nholding = 1", ""),
        (
            "rate = 9\nholding = { exponential = 1 }\nspacing = \"even\"",
            "",
        ),
        ("rate = 9\nholding = { exponential = 1 }\nburst = 2", ""),
        (
            "rate = 9\nholding = { exponential = 1 }\nretries = { most = 1 }",
            "",
        ),
        ("rate = [[0, 1], [1, 9]]\nholding = { exponential = 1 }", ""),
        ("users = 9\nthink = 1\nholding = { exponential = 1 }", ""),
        (class, "[server]\nthreads = 4"),
        (class, "[server]\nadmission = \"worker\""),
        (class, "[server]\nsample_every = 1"),
        (class, "[backend]\ncores = 2"),
        (class, "[backend]\nlimit.a = 2"),
        (class, "[[backend.phase]]\nfrom = 0\nto = 1\nslower = 2"),
        (
            class,
            "[balancer]\ninstances = 3\npolicy = \"least-in-flight\"",
        ),
        (class, "[[change]]\nat = 0.5\npressure = 1"),
    ] {
        assert_eq!(model(class, rest, curve), None, "{class}\n{rest}");
    }
}
