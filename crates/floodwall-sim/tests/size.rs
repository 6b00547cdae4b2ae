//! Proposals from loads, and their check by simulations that the search has not seen.

use floodwall_sim::size::{Choice, Loads, Proposals, size};
use floodwall_sim::{Answer, Scenario};

/// The loads of a new user: four classes on 128 threads, of which D storms.
const EXERCISE: &str = "
    capacity = 128
    [class.A]
    normal = 30
    loss = 0.005
    [class.B]
    normal = 12
    priority = 2
    [class.C]
    normal = 5
    priority = 2
    [class.D]
    normal = 50
    storm = 500
    priority = 3";

/// Targets that 13 permits cannot meet together.
const CONTRADICTION: &str = "
    capacity = 13
    [class.A]
    normal = 5
    loss = 0.01
    [class.D]
    normal = 4
    storm = 40
    loss = { normal = 0.01 }
    priority = 2";

/// The first class cannot meet its target in the storm.
const PHOTOS: &str = "
    capacity = 24
    [class.upload]
    normal = 8
    storm = 22
    loss = 0.01
    [class.thumbnail]
    normal = 4
    storm = 60
    priority = 2";

fn proposals(loads: &str, effort: f64) -> Proposals {
    let loads = Loads::from_toml(loads).unwrap().with_effort(effort);
    size(&loads, &|_| {}).unwrap()
}

/// Runs the rules of a choice under loads in erlangs of requests that need some permits each, with another holding time
/// and seed than the search.
fn run(choice: &Choice, classes: &[(&str, f64, u32)]) -> Answer {
    let mut scenario = "seconds = 1000\nwarm_up = 10\nreplications = 2\nseed = 77\n".to_owned();
    for (class, load, permits) in classes {
        let rate = load / 0.4;
        scenario += &format!(
            "[class.{class}]\nrate = {rate:?}\nholding = {{ exponential = 0.4 }}\npermits = {permits}\n"
        );
    }
    let scenario = Scenario::from_toml(&scenario).unwrap();
    scenario.run(&choice.rule_set("proposed").unwrap()).unwrap()
}

fn loss(answer: &Answer, class: &str) -> (f64, f64) {
    let good = answer[class].good_share;
    (1.0 - good.value, good.standard_error.unwrap())
}

#[test]
fn exercise_is_solved_and_shows_its_choice() {
    let proposals = proposals(EXERCISE, 0.03);
    assert!(proposals.missed.is_empty(), "{:?}", proposals.missed);
    let recommended = proposals.recommended();
    assert!(
        recommended.meets_targets && recommended.keeps_promise,
        "{recommended:?}"
    );
    // Erlang's B formula: 43 permits lose 0.52 % of 30 erlangs.
    assert_eq!(recommended["A"].guarantee, 44);
    assert!(recommended["A"].most_storm < 0.005, "{recommended:?}");

    // What D loses normally against what B and C lose in the storm.
    let choices: Vec<&Choice> = proposals
        .choices
        .iter()
        .filter(|choice| choice.keeps_promise)
        .collect();
    let (first, last) = (choices[0], choices[choices.len() - 1]);
    let normal = |choice: &Choice| choice["D"].normal.unwrap().value;
    assert!(normal(first) < 0.85 * normal(last), "{first:?}\n{last:?}");
    for class in ["B", "C"] {
        let storm = |choice: &Choice| choice[class].storm.unwrap().value;
        assert!(storm(first) > 1.5 * storm(last), "{first:?}\n{last:?}");
    }
    assert!(proposals.choices.len() <= 10);

    let normal = run(
        recommended,
        &[
            ("A", 30.0, 1),
            ("B", 12.0, 1),
            ("C", 5.0, 1),
            ("D", 50.0, 1),
        ],
    );
    let storm = run(
        recommended,
        &[
            ("A", 30.0, 1),
            ("B", 12.0, 1),
            ("C", 5.0, 1),
            ("D", 500.0, 1),
        ],
    );
    for class in ["A", "B", "C", "D"] {
        let proposed = &recommended[class];
        for (answer, expected) in [(&normal, proposed.normal), (&storm, proposed.storm)] {
            let (loss, error) = loss(answer, class);
            let expected = expected.unwrap();
            let both = error.hypot(expected.standard_error.unwrap());
            assert!(
                (loss - expected.value).abs() < 5.0 * both + 0.001,
                "{class}: {loss}, {expected:?}"
            );
            assert!(class != "A" || loss < 0.005, "{loss}");
        }
    }
}

/// Otherwise the target, which cannot be met, would be missed by twice as much.
#[test]
fn class_without_a_target_is_shed_for_one_of_equal_priority_with_a_target() {
    let proposals = proposals(
        "capacity = 48
        [class.upload]
        normal = 15
        storm = 45
        loss = 0.01
        [class.view]
        normal = 9
        loss = { normal = 0.02 }",
        0.01,
    );
    let recommended = proposals.recommended();
    assert!(recommended["view"].shed.is_some(), "{recommended:?}");
    assert_eq!(recommended["upload"].shed, None);
}

/// The rules that miss the target least lose a third of another class for half a point.
#[test]
fn recommendation_does_not_pay_much_for_little_of_a_target_that_it_misses() {
    let proposals = proposals(PHOTOS, 0.001);
    let recommended = proposals.recommended();
    let loss = |choice: &Choice, class: &str| choice[class].normal.unwrap().value;
    let storm = |choice: &Choice| choice["upload"].storm.unwrap().value;
    let least = proposals.choices.iter().map(storm).fold(1.0, f64::min);
    assert!(storm(recommended) > 0.01, "{recommended:?}");
    assert!(storm(recommended) <= 1.25 * least, "{recommended:?}");
    assert!(loss(recommended, "thumbnail") < 0.2, "{recommended:?}");
    // What it would cost is shown.
    let losses = proposals.choices.iter();
    let most = losses
        .map(|choice| loss(choice, "thumbnail"))
        .fold(0.0, f64::max);
    assert!(most > 0.3, "{:?}", proposals.choices);
    // 32 permits alone lose 1 % of 22 erlangs.
    let (all, promise) = (
        proposals.sufficient_capacity.unwrap(),
        proposals.capacity_with_promise.unwrap(),
    );
    assert!(
        (30..=38).contains(&all) && promise >= all,
        "{all} {promise}"
    );
}

#[test]
fn scenario_of_the_loads_shows_what_was_proposed() {
    let loads = Loads::from_toml(
        "capacity = 20
        [class.\"a b\"]
        normal = { rate = 10, holding = 0.4 }
        storm = { rate = 10, holding = 0.8 }
        loss = 0.1
        [class.D]
        normal = 2
        storm = { rate = 90, holding = 0.5 }
        permits = 2
        priority = 2
        [class.N]
        normal = 0
        storm = 3
        priority = 3",
    )
    .unwrap();
    let loads = loads.with_effort(0.001);
    let proposals = size(&loads, &|_| {}).unwrap();
    let recommended = proposals.recommended();
    let text = loads.to_scenario(20);
    // Erlangs have the holding time of the other load of the class.
    let login = text.split("[class.D]").nth(1).unwrap();
    assert!(
        login.contains(", 4.0], ") && login.contains("exponential = 0.5"),
        "{text}"
    );
    let scenario = Scenario::from_toml(&text).unwrap();
    scenario.run_without_wall().unwrap();
    let answer = scenario
        .run(&recommended.rule_set("proposed").unwrap())
        .unwrap();
    for class in &recommended.classes {
        for (part, expected) in [
            ("normal", class.normal),
            ("storm", class.storm),
            ("recovery", class.normal),
        ] {
            let good = answer.part(part)[&class.name].good_share;
            let Some(expected) = expected else {
                assert!(good.value.is_nan());
                continue;
            };
            let error = good.standard_error.unwrap();
            let both = error.hypot(expected.standard_error.unwrap());
            let loss = 1.0 - good.value;
            assert!(
                (loss - expected.value).abs() < 5.0 * both + 0.005,
                "{}, {part}: {loss} {expected:?}",
                class.name
            );
        }
    }
}

#[test]
fn missed_target_is_reported_with_a_capacity_that_reaches_it() {
    let proposals = proposals(CONTRADICTION, 0.003);
    assert!(!proposals.recommended().meets_targets);
    let missed = &proposals.missed[0];
    assert_eq!(
        (missed.class.as_str(), missed.load, missed.target),
        ("D", "normal", 0.01)
    );
    assert!(
        missed.loss > 0.05 && missed.least <= missed.loss,
        "{missed:?}"
    );
    // Without any rules, 17 permits lose 0.9 % of 9 erlangs.
    let sufficient = proposals.sufficient_capacity.unwrap();
    assert!((17..=26).contains(&sufficient), "{sufficient}");
}

#[test]
fn missing_capacity_is_proposed() {
    let loads = Loads::from_toml(&CONTRADICTION.replace("capacity = 13", "")).unwrap();
    assert_eq!(loads.capacity(), None);
    let loads = loads.with_effort(0.003);
    let proposals = size(&loads, &|_| {}).unwrap();
    assert!(proposals.is_capacity_proposed);
    assert!(proposals.missed.is_empty(), "{:?}", proposals.missed);
    assert!(proposals.recommended().keeps_promise);
    // Separate pools need 11 and 10.
    assert!(
        (17..=22).contains(&proposals.capacity),
        "{}",
        proposals.capacity
    );

    let fewer = loads
        .with_capacity(Some(proposals.capacity * 3 / 4))
        .unwrap();
    assert!(!size(&fewer, &|_| {}).unwrap().missed.is_empty());
}

#[test]
fn classes_of_every_kind_get_valid_rules() {
    let loads = r#"
        capacity = 140
        [class."with a space"]
        normal = { rate = 20, holding = 0.5 }
        loss = 0.01
        [class.weighted]
        normal = 35
        permits = 3
        loss = 0.1
        priority = 2
        [class.retries]
        normal = 10
        storm = 100
        retries = 3
        priority = 4
        [class.nothing]
        normal = 0
        priority = 3
        [class.in_storm_only]
        normal = 0
        storm = 20
        priority = 4
        [class.f]
        normal = 1
        [class.g]
        normal = 1
        [class.h]
        normal = 1"#;
    let proposals = proposals(loads, 0.0005);
    for choice in &proposals.choices {
        // A wall with 8 classes counts at most 127 permits of a class.
        assert!(
            choice.classes.iter().all(|class| class.cap.unwrap() <= 127),
            "{choice:?}"
        );
        assert_eq!(
            (choice["nothing"].normal, choice["nothing"].storm),
            (None, None)
        );
        assert_eq!(choice["in_storm_only"].normal, None);
        assert!(choice["in_storm_only"].storm.is_some());
    }
    assert!(proposals.recommended().meets_targets);
}

#[test]
fn weighted_requests_and_retries_are_simulated() {
    let loads = "capacity = 24
        [class.A]
        normal = 4
        permits = 2
        loss = 0.05
        [class.D]
        normal = 8
        storm = 40
        priority = 2";
    let with = proposals(&format!("{loads}\nretries = 5"), 0.001);
    let without = proposals(loads, 0.001);
    for proposals in [&with, &without] {
        let recommended = proposals.recommended();
        assert!(recommended.meets_targets, "{recommended:?}");
        // 4 erlangs of requests with 2 permits each, with a loss of 5 %: 8 requests.
        assert!(!recommended.keeps_promise || recommended["A"].guarantee == 16);
    }
    let storm = run(without.recommended(), &[("A", 4.0, 2), ("D", 40.0, 1)]);
    let (lost, error) = loss(&storm, "A");
    let expected = without.recommended()["A"].storm.unwrap();
    let both = error.hypot(expected.standard_error.unwrap());
    assert!(
        (lost - expected.value).abs() < 5.0 * both + 0.001,
        "{lost} {expected:?}"
    );

    // The pool is full of retries, and some of them succeed.
    let storm = |proposals: &Proposals| proposals.recommended()["D"].storm.unwrap().value;
    assert!(
        storm(&with) < storm(&without) + 0.1,
        "{} {}",
        storm(&with),
        storm(&without)
    );
    let normal = |proposals: &Proposals| proposals.recommended()["D"].normal.unwrap().value;
    assert!(
        normal(&with) < normal(&without),
        "{} {}",
        normal(&with),
        normal(&without)
    );
}

#[test]
fn one_class_needs_a_capacity_only() {
    let proposals = proposals(
        "[class.A]\nnormal = 30\nstorm = 40\nloss = { normal = 0.005, storm = 0.05 }",
        0.01,
    );
    let [choice] = proposals.choices.as_slice() else {
        panic!("{proposals:?}");
    };
    let class = &choice["A"];
    assert_eq!((class.guarantee, class.cap, class.shed), (0, None, None));
    // Erlang's B formula: 45 permits for 5 % of 40 erlangs.
    assert!(
        (45..=47).contains(&proposals.capacity),
        "{}",
        proposals.capacity
    );
}

#[test]
fn results_are_the_same_for_a_seed_on_any_number_of_threads() {
    let text = |seed: u64, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let loads = Loads::from_toml(&CONTRADICTION.replace("13", "16")).unwrap();
        let loads = loads.with_effort(0.001).with_seed(seed);
        let proposals = pool.install(|| size(&loads, &|_| {})).unwrap();
        serde_json::to_string(&proposals.choices).unwrap()
    };
    assert_eq!(text(3, 1), text(3, 4));
    assert_ne!(text(3, 1), text(4, 1));
}

#[test]
fn progress_adds_up_to_one() {
    let sum = std::sync::Mutex::new(0.0);
    let loads = Loads::from_toml("capacity = 20\n[class.A]\nnormal = 9")
        .unwrap()
        .with_effort(0.001);
    size(&loads, &|done| {
        assert!(done >= 0.0);
        *sum.lock().unwrap() += done;
    })
    .unwrap();
    let sum = sum.into_inner().unwrap();
    assert!((sum - 1.0_f64).abs() < 1e-6, "{sum}");
}

#[test]
fn extreme_loads_end() {
    for loads in [
        "capacity = 8\n[class.A]\nnormal = 1e-306\nloss = 0.0001",
        "capacity = 1\n[class.A]\nnormal = 0\nstorm = 1e-9\n[class.B]\nnormal = 1\npriority = 2",
        "capacity = 8\n[class.A]\nnormal = { rate = 1e-6, holding = 1e6 }\n[class.B]\nnormal = { rate = 0.001, holding = 1e-6 }",
        "[class.A]\nnormal = 0\nstorm = 9\nloss = 1",
        "capacity = 1000000\n[class.A]\nnormal = 3\nloss = 0.01\n[class.B]\nnormal = 3\npriority = 2",
    ] {
        let proposals = proposals(loads, 0.0);
        assert!(!proposals.choices.is_empty(), "{loads}");
    }
}

#[cfg(feature = "cli")]
#[test]
fn command_prints_the_choices_and_writes_the_rules() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (loads, rules) = (folder.join("loads.toml"), folder.join("rules.toml"));
    std::fs::write(&loads, PHOTOS).unwrap();
    // Of an earlier run.
    drop(std::fs::remove_file(&rules));
    let scenario = folder.join("scenario-of-loads.toml");
    drop(std::fs::remove_file(&scenario));
    let run = |more: &[&std::ffi::OsStr]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_floodwall-sim"));
        let command = command
            .arg("size")
            .arg(&loads)
            .args(["--effort", "0.001"])
            .args(more);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let text = run(&[
        "--rules".as_ref(),
        rules.as_os_str(),
        "--scenario".as_ref(),
        scenario.as_os_str(),
    ]);
    let scenario = Scenario::read(scenario).unwrap();
    scenario
        .run(&floodwall_sim::RuleSet::read(&rules).unwrap())
        .unwrap();
    let written = std::fs::read_to_string(&rules).unwrap();
    assert!(
        text.ends_with(&format!("Rules of the recommended choice:\n\n{written}")),
        "{text}"
    );
    for part in [
        "capacity 24\n",
        "upload: loses ",
        " % in the storm, target 1.00 %; ",
        " more permits) would reach all targets",
        "What has to be decided: ",
        " (target 1.00 %)",
    ] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    // A small system, because it needs less time.
    std::fs::write(&loads, CONTRADICTION).unwrap();
    let json = run(&["--json".as_ref(), "--rules".as_ref(), rules.as_os_str()]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let recommended = json["recommended"].as_u64().unwrap() as usize;
    let written = std::fs::read_to_string(&rules).unwrap();
    assert_eq!(json["choices"][recommended]["rules"], written);
}

#[test]
fn errors_name_the_line_and_the_field() {
    let nine: String = (0..9)
        .map(|class| format!("[class.c{class}]\nnormal = 1\n"))
        .collect();
    for (loads, expected) in [
        ("", &["class"][..]),
        ("[class]", &["class", "0 classes; a wall has 1 to 8"]),
        (nine.as_str(), &["class: 9 classes; a wall has 1 to 8"]),
        (
            "[class.A]\nloss = 0.1",
            &["line 1", "missing field `normal`"],
        ),
        (
            "[class.A]\nnormal = -1",
            &["line 2", "normal", "-1 is not a number from 0 to 1e12"],
        ),
        (
            "[class.A]\nnormal = nan",
            &["line 2", "normal", "NaN is not a number from 0 to 1e12"],
        ),
        (
            "[class.A]\nnormal = \"3\"",
            &["line 2", "normal", "a load in erlangs"],
        ),
        (
            "[class.A]\nnormal = { rate = 3 }",
            &["line 2", "normal", "missing field `holding`"],
        ),
        (
            "[class.A]\nnormal = { rate = 3, holding = 0 }",
            &["line 2", "holding", "0 is not a number from 1e-12 to 1e12"],
        ),
        (
            "[class.A]\nnormal = 3\nloss = 0",
            &["line 3", "loss", "0 is not a loss from 0.0001"],
        ),
        (
            "[class.A]\nnormal = 3\nloss = { storm = 2 }",
            &["line 3", "storm", "2 is not a loss from 0.0001"],
        ),
        (
            "[class.A]\nnormal = 3\npriority = 0",
            &[
                "line 3",
                "priority",
                "0 is not a whole number from 1 to 100",
            ],
        ),
        (
            "[class.A]\nnormal = 3\nretries = 11",
            &["line 3", "retries", "11 is not a whole number from 0 to 10"],
        ),
        (
            "[class.A]\nnormal = 3\nweight = 1",
            &["line 3", "unknown field `weight`"],
        ),
        (
            "capacity = 1000000\n[class.A]\nnormal = 3\npermits = 1000000\n[class.B]\nnormal = 3\n\
             [class.C]\nnormal = 3\n[class.D]\nnormal = 3\n[class.E]\nnormal = 3",
            &[
                "line 2: class.A: permits: a request needs 1000000 permits",
                "at most 2047",
            ],
        ),
        (
            "capacity = 0\n[class.A]\nnormal = 3",
            &["line 1", "capacity", "0 is not a whole number"],
        ),
        (
            "[class.A]\nnormal = 3",
            &["capacity is missing, and no class has a `loss`"],
        ),
        (
            "capacity = 8\n[class.A]\nnormal = 0\n[class.B]\nnormal = 0",
            &["class: each load is 0"],
        ),
        (
            "capacity = 8\n[class.A]\nnormal = 1\npermits = 9",
            &["line 2: class.A: permits: a request needs 9 permits, more than the capacity of 8"],
        ),
        (
            "capacity = 8\n[class.A]\nnormal = 3\npermits = 3",
            &[
                "line 1: capacity: 8 permits cannot hold the normal loads, which need 9 on average: at least 11.1 %",
            ],
        ),
        (
            "capacity = 8\n[class.A]\nnormal = 8\nstorm = 1e6",
            &[
                "storm: 1000000 requests within the longest holding time of 1 s",
                "at most 20000",
            ],
        ),
        (
            "capacity = 8\n[class.A]\nnormal = { rate = 1e9, holding = 1 }",
            &["normal", "at most 20000"],
        ),
        (
            "capacity = 8\n[class.A]\nnormal = { rate = 1e300, holding = 1 }",
            &["line 3", "rate", "1e300 is not a number from 0 to 1e12"],
        ),
        (
            "capacity = 8\n[class.A]\nnormal = { rate = 1, holding = 1e11 }",
            &[
                "line 3",
                "normal",
                "is not a time from 0.000001 to 1000000 s",
            ],
        ),
    ] {
        let error = Loads::from_toml(loads).unwrap_err().to_string();
        for part in expected {
            assert!(error.contains(part), "`{part}` is not in: {error}\n{loads}");
        }
    }
    let error = Loads::read("missing.toml").unwrap_err().to_string();
    assert!(error.starts_with("missing.toml: "), "{error}");
}
