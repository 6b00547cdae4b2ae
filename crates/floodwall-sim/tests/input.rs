//! Files that are read, and the errors of those that are not valid.

use std::fs;
use std::path::{Path, PathBuf};

use floodwall::{Curve, Floodwall, Share, classes};
use floodwall_sim::size::Loads;
use floodwall_sim::{RuleSet, Scenario};

const VALID: &str = "\
seconds = 10
[class.message]
rate = 10
holding = 0.1
[class.login]
rate = 10
holding = 0.1
";

/// Creates an empty folder.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes a scenario beside a file, and returns what reading it gives.
fn read_beside(name: &str, scenario: &str, file: &str, content: &str) -> Result<Scenario, String> {
    let folder = folder(name);
    fs::write(folder.join(file), content).unwrap();
    fs::write(folder.join("scenario.toml"), scenario).unwrap();
    Scenario::read(folder.join("scenario.toml")).map_err(|error| {
        let text = error.to_string();
        assert!(text.contains(folder.to_str().unwrap()), "{text}");
        text
    })
}

#[track_caller]
fn assert_mentions(text: &str, expected: &[&str]) {
    for expected in expected {
        assert!(
            text.contains(expected),
            "{text:?} does not mention {expected:?}"
        );
    }
}

#[test]
fn wrong_fields_are_errors_with_line_field_and_numbers() {
    Scenario::from_toml(VALID).unwrap();
    for (from, to, expected) in [
        (
            "seconds = 10",
            "seconds = 0",
            &["line 1", "seconds", "0 is not a number from 1e-12 to 1e12"][..],
        ),
        ("seconds = 10", "seconds = inf", &["line 1", "inf is not"]),
        (
            "seconds = 10",
            "seconds = 10\nwarmup = 1",
            &["line 2", "unknown field `warmup`", "warm_up"],
        ),
        (
            "seconds = 10",
            "seconds = 10\nreplications = 0",
            &["line 2", "0 is not a whole number from 1 to 1000"],
        ),
        (
            "rate = 10",
            "rate = -3",
            &["line 3", "rate = -3", "-3 is not a number from 0 to 1e12"],
        ),
        (
            "rate = 10",
            "rate = [[0, 1, 5, 2]]",
            &["line 3", "a list of 4; two numbers are needed"],
        ),
        (
            "seconds = 10",
            "seconds = 10\nparts = { a = [1, 2, 3] }",
            &["line 2", "a list of 3; two numbers are needed"],
        ),
        (
            "seconds = 10",
            "seconds = 10\nparts = { \"\" = [1, 2] }",
            &["line 2", "a part has an empty name"],
        ),
        (
            "rate = 10",
            "trace = { file = \"x.csv\", strat = 1 }",
            &["line 3", "unknown field `strat`", "`start`"],
        ),
        (
            "rate = 10",
            "trace = { file = \"x.csv\", start = 1700000000000 }",
            &["line 3", "1.7e12 is not a number from 0 to 1e12"],
        ),
        (
            "holding = 0.1",
            "holding = 0.1\nretries = 3",
            &["line 5", "a table such as { most = 3 }"],
        ),
        (
            "rate = 10",
            "rate = [[0, 1], [5, 2], [4, 3]]",
            &["line 3", "the point at 4 follows the one at 5"],
        ),
        ("rate = 10", "rate = []", &["line 3", "no point"]),
        (
            "rate = 10",
            "rate = \"ten\"",
            &["line 3", "a rate per second, or points"],
        ),
        (
            "rate = 10",
            "burst = 2",
            &[
                "line 2",
                "class.message",
                "exactly one of `rate`, `users` and `trace`",
            ],
        ),
        (
            "rate = 10",
            "rate = 10\nusers = 3\nthink = 1",
            &["line 2", "class.message", "exactly one of"],
        ),
        (
            "rate = 10",
            "users = 3",
            &["line 2", "class.message", "`users` need `think`"],
        ),
        (
            "rate = 10",
            "rate = 10\nthink = 3",
            &["line 2", "`think` needs `users`"],
        ),
        (
            "rate = 10",
            "users = 3\nthink = 1\nburst = 3",
            &["line 2", "`burst` needs `rate`"],
        ),
        (
            "rate = 10",
            "users = 3\nthink = 1\nspacing = \"even\"",
            &["line 2", "`spacing` needs `rate`"],
        ),
        (
            "holding = 0.1",
            "",
            &["line 2", "class.message", "`holding` is missing"],
        ),
        (
            "holding = 0.1",
            "holding = -1",
            &["line 4", "-1 is not a number from 0 to 1e12"],
        ),
        (
            "holding = 0.1",
            "holding = { pareto = { mean = 1, shape = 0.9 } }",
            &["line 4", "a shape of 0.9 has no mean"],
        ),
        (
            "holding = 0.1",
            "holding = { normal = 1 }",
            &["line 4", "unknown variant `normal`", "exponential"],
        ),
        (
            "holding = 0.1",
            "holding = { values = [] }",
            &["line 4", "no value"],
        ),
        (
            "holding = 0.1",
            "holding = 0.1\npermits = 0",
            &["line 5", "0 is not a whole number from 1 to"],
        ),
        (
            "seconds = 10",
            "seconds = \"ten\"",
            &["line 1", "string \"ten\"", "a number from 1e-12 to 1e12"],
        ),
        (
            "seconds = 10",
            "seconds = 10\nseed = -1",
            &["line 2", "seed", "-1 is not a whole number from 0 to"],
        ),
        (
            "seconds = 10",
            "seconds = 10\nmax_events = 0",
            &["line 2", "max_events", "0 is not a whole number from 1 to"],
        ),
        (
            "seconds = 10",
            "seconds = 10\nreplications = 1.5",
            &["line 2", "replications", "a whole number from 1 to 1000"],
        ),
        (
            "holding = 0.1",
            "holding = 0.1\npermits = 268435456",
            &[
                "line 2",
                "class.message: permits: 268435456 permits",
                "at most 16777215",
            ],
        ),
        (
            "holding = 0.1",
            "holding = 0.1\nretries = { most = 1, first = 90 }",
            &[
                "line 2",
                "class.message: retries: the first delay of 90 s is more than the longest, 60 s",
            ],
        ),
        (
            "[class.login]",
            "[class.\"\"]",
            &["class: a class has an empty name"],
        ),
        (
            "seconds = 10",
            "warm_up = 5\nseconds = 10\nparts = { a = [5, 15], storm = [4, 6] }",
            &[
                "line 3",
                "parts.storm: from 4 to 6 s",
                "within the measured time, from 5 to 15 s",
            ],
        ),
        (
            "seconds = 10",
            "seconds = 10\n[parts]\na = [1, 2]\nstorm = [3, 3]",
            &["line 4", "parts.storm: it begins at 3 s and ends at 3 s"],
        ),
        (
            "seconds = 10",
            "seconds = 10\nparts = { storm = [8, 10.5] }",
            &["line 2", "parts.storm: from 8 to 10.5 s"],
        ),
        (
            "holding = 0.1",
            "holding = 0.1\nretries = { most = 1, jitter = 2 }",
            &["line 5", "2 is not a number from 0 to 1"],
        ),
    ] {
        let text = VALID.replacen(from, to, 1);
        let error = Scenario::from_toml(&text).unwrap_err().to_string();
        assert_mentions(&error, expected);
    }
}

#[test]
fn wrong_tables_are_errors_with_line_and_names() {
    for (table, expected) in [
        (
            "[server]\nretry_after = [3, 1]",
            &["line 9", "3 is more than 1"][..],
        ),
        (
            "[server]\nadmission = \"early\"",
            &["line 9", "unknown variant `early`", "accept"],
        ),
        (
            "[server]\nthreads = 0",
            &["line 9", "0 is not a whole number"],
        ),
        (
            "[server]\nrules = 3",
            &["line 9", "the name of a file of rules, or a table of rules"],
        ),
        (
            "[backend]\nlimit.mesage = 3",
            &[
                "line 9",
                "class `mesage` is not in the scenario",
                "`message`, `login`",
            ],
        ),
        (
            "[[backend.phase]]\nfrom = 1\nto = 2\nclasses = [\"login\", \"x\"]",
            &["line 11", "class `x` is not in"],
        ),
        (
            "[balancer]\ninstances = 2\n[[balancer.outage]]\ninstance = 2\nfrom = 1",
            &["line 11", "no instance 2", "0 to 1"],
        ),
        (
            "[balancer]\npolicy = \"fastest\"",
            &["line 9", "unknown variant `fastest`", "best-of-two"],
        ),
        ("[[change]]\nat = -1", &["line 9", "-1 is not"]),
        (
            "[[change]]\nat = 1",
            &["line 8", "change: `rules` or a `pressure` is needed"],
        ),
        (
            "[[change]]\nat = 21\npressure = 1",
            &[
                "line 8",
                "change: at 21 s, after the run, which ends at 20 s",
            ],
        ),
        (
            "[[backend.phase]]\nfrom = 3\nto = 3\nslower = 2",
            &["line 8", "backend.phase: it begins at 3 s and ends at 3 s"],
        ),
        (
            "[[balancer.outage]]\ninstance = 0\nfrom = 3\nto = 2",
            &[
                "line 9",
                "balancer.outage: it begins at 3 s and ends at 2 s",
            ],
        ),
        (
            "[server.rules]\ncapacity = 10\nclasses.login.cap = 3\nclasses.mesage.cap = 3",
            &["server.rules", "class `mesage` is not in the scenario"],
        ),
        (
            "[server.rules]\ncapacity = 10\nclasses.login.guarantee = 30\nclasses.message = {}",
            &["server.rules", "class `login`", "30", "10"],
        ),
        (
            "[server.rules]\ncapacity = 10\nclasses.login = {}",
            &["server.rules", "`message`"],
        ),
    ] {
        let error = Scenario::from_toml(&format!("{VALID}{table}"))
            .unwrap_err()
            .to_string();
        assert_mentions(&error, expected);
    }
}

#[test]
fn a_file_of_another_kind_is_named() {
    let rules = "capacity = 10\n[classes.message]\n[classes.login]";
    let loads = "capacity = 10\n[class.message]\nnormal = 3";
    let scenario_of = |text: &str| Scenario::from_toml(text).unwrap_err().to_string();
    assert_mentions(
        &scenario_of(rules),
        &["scenario: found rules, expected a scenario"],
    );
    assert_mentions(
        &scenario_of(loads),
        &["found loads for `floodwall-sim size`, expected a scenario"],
    );
    let loads_of = |text: &str| Loads::from_toml(text).unwrap_err().to_string();
    assert_mentions(&loads_of(VALID), &["found a scenario, expected loads"]);
    assert_mentions(&loads_of(rules), &["found rules, expected loads"]);
    let run = |rules: &str| {
        let rules = RuleSet::from_toml("wall.toml", rules).unwrap();
        Scenario::from_toml(VALID).unwrap().run(&rules)
    };
    let error = run(VALID).unwrap_err().to_string();
    assert_mentions(&error, &["wall.toml: found a scenario, expected rules"]);
    run(rules).unwrap();

    let folder = folder("other-kind");
    fs::write(folder.join("wall.conf"), "{\"capacity\": 10}").unwrap();
    let error = RuleSet::read(folder.join("wall.conf"))
        .unwrap_err()
        .to_string();
    assert_mentions(&error, &["wall.conf", "a file name that ends in `.json`"]);
}

#[test]
fn number_of_classes_is_that_of_a_wall() {
    let classes = |count: usize| {
        let class = |number| format!("[class.c{number}]\nrate = 1\nholding = 1\n");
        "seconds = 1\n".to_owned() + &(0..count).map(class).collect::<String>()
    };
    Scenario::from_toml(&classes(8)).unwrap();
    let error = Scenario::from_toml(&classes(9)).unwrap_err().to_string();
    assert_mentions(&error, &["9 classes", "1 to 8"]);
    assert!(Scenario::from_toml("seconds = 1").is_err());
    let error = Scenario::from_toml("seconds = 1\nclass = {}")
        .unwrap_err()
        .to_string();
    assert_mentions(&error, &["0 classes"]);
}

#[test]
fn rules_are_checked_for_the_classes_of_the_scenario() {
    let scenario = Scenario::from_toml(VALID).unwrap();
    let error = |rules: &str| {
        let rules = RuleSet::from_toml("wall.toml", rules).unwrap();
        scenario.run(&rules).unwrap_err().to_string()
    };
    let text = error("capacity = 10\n[classes.message]\nguarantee = 30\n[classes.login]");
    assert_mentions(&text, &["wall.toml", "class `message`", "30", "10"]);
    let text = error("capacity = 10\n[classes.message]\n[classes.x]");
    assert_mentions(
        &text,
        &[
            "wall.toml",
            "class `x` is not in the scenario, which has `message`, `login`",
        ],
    );
    let text = error("capacity = 10\n[classes.message]");
    assert_mentions(&text, &["wall.toml", "`login`"]);
    let text = scenario.run_without_wall().unwrap_err().to_string();
    assert_mentions(&text, &["server.threads is missing"]);
    let text = RuleSet::from_toml("wall.toml", "capacity = ")
        .unwrap_err()
        .to_string();
    assert_mentions(&text, &["wall.toml", "line 1"]);
}

#[test]
fn rules_come_from_json_toml_and_code() {
    classes! { enum Kind { Message = "message", Login = "login" } }
    static WALL: Floodwall<Kind> = Floodwall::new(
        10,
        &[
            Kind::Message.rule(Share::at_least(5)),
            Kind::Login
                .rule(Share::at_most(2))
                .shed(Curve::linear(0.2, 0.4)),
        ],
    );
    let toml = "capacity = 10\n[classes.message]\nguarantee = 5\n[classes.login]\ncap = 2\n\
                shed = { linear = { lo = 0.2, hi = 0.4 } }";
    let json = r#"{"capacity": 10, "classes": {"message": {"guarantee": 5}, "login": {"cap": 2,
        "shed": {"linear": {"lo": 0.2, "hi": 0.4}}}}}"#;
    let folder = folder("rules");
    fs::write(folder.join("wall.json"), json).unwrap();
    fs::write(folder.join("wall.toml"), toml).unwrap();
    let scenario = Scenario::from_toml(&VALID.replace("0.1", "1")).unwrap();
    let admitted = |rules: &RuleSet| {
        let answer = scenario.run(rules).unwrap();
        let [message, login] = ["message", "login"].map(|class| answer[class].admitted);
        assert!(login > 0 && message > 2 * login);
        (message, login)
    };
    let in_code = admitted(&RuleSet::of("WALL", &WALL.rules()));
    assert_eq!(
        admitted(&RuleSet::read(folder.join("wall.json")).unwrap()),
        in_code
    );
    assert_eq!(
        admitted(&RuleSet::read(folder.join("wall.toml")).unwrap()),
        in_code
    );
    let written = RuleSet::of("WALL", &WALL.rules()).to_toml();
    assert_eq!(
        admitted(&RuleSet::from_toml("written", &written).unwrap()),
        in_code
    );
    assert!(RuleSet::read(folder.join("none.toml")).is_err());
}

#[test]
fn scenario_names_its_rules_in_a_file_or_a_table() {
    let in_file = format!("{VALID}[server]\nrules = \"wall.json\"");
    let json = r#"{"capacity": 10, "classes": {"message": {}, "login": {}}}"#;
    let scenario = read_beside("rules-beside", &in_file, "wall.json", json).unwrap();
    scenario.run(scenario.rules().unwrap()).unwrap();
    let in_table = format!(
        "{VALID}[server.rules]\ncapacity = 10\nclasses = {{ message = {{}}, login = {{}} }}"
    );
    let scenario = Scenario::from_toml(&in_table).unwrap();
    assert_eq!(scenario.rules().unwrap().name(), "scenario: server.rules");
    assert_eq!(
        Scenario::from_toml(VALID)
            .unwrap()
            .rules()
            .map(RuleSet::name),
        None
    );
    let error = read_beside("rules-wrong", &in_file, "wall.json", "{").unwrap_err();
    assert_mentions(&error, &["wall.json", "line 1"]);
}

const TRACED: &str = "\
seconds = 10
replications = 1
[class.message]
trace = \"trace.csv\"
[class.login]
trace = \"trace.csv\"
holding = 2
[server.rules]
capacity = 2
classes = { message = {}, login = {} }
";

#[test]
fn trace_arrives_as_it_was() {
    let trace = "# recorded\ntime, class, holding\n0.5, message, 1\n0.6, login,\n0.7, message, 1\n\
                 1.6, message, 0.5\n2.7, login, 0.25\n20, login, 1\n";
    let scenario = read_beside("trace", TRACED, "trace.csv", trace).unwrap();
    let answer = scenario.run(scenario.rules().unwrap()).unwrap();
    let (message, login) = (&answer["message"], &answer["login"]);
    // The one at 0.7 finds two in use. The last one arrives after the end.
    assert_eq!((message.offered, message.good), (3, 2));
    assert_eq!((login.offered, login.good), (2, 2));
    // 1.5 and 2.25 permit seconds, of 20.
    assert!((answer.utilization.mean.value - 3.75 / 20.0).abs() < 1e-9);
}

#[test]
fn trace_of_a_clock_has_a_start_and_warns_if_it_is_too_short() {
    let from = TRACED.replace(
        "trace = \"trace.csv\"",
        "trace = { file = \"trace.csv\", start = 1700000001.5 }",
    );
    let read = |message: &str, login: &str| {
        let trace = format!(
            "time,class,holding\n1700000000,message,1\n1700000003,login,1\n{message},message,1\n{login},login,1\n"
        );
        read_beside("trace-start", &from, "trace.csv", &trace).unwrap()
    };
    let scenario = read("1700000011.2", "1700000011.45");
    assert!(scenario.warnings().is_empty(), "{:?}", scenario.warnings());
    let answer = scenario.run(scenario.rules().unwrap()).unwrap();
    // The first row is before the run.
    let offered = (answer["message"].offered, answer["login"].offered);
    assert_eq!(offered, (1, 2));
    // From 1.5 s for a second, from 9.7 s and from 9.95 s: permit seconds, of 20.
    assert!((answer.utilization.mean.value - 1.35 / 20.0).abs() < 1e-6);

    for (message, login, expected) in [
        (
            "1700000008",
            "1700000009",
            "the last row is at 7.5 s of the run",
        ),
        (
            "1700000008",
            "1700000011.45",
            "the last row of class `message` is at 6.5 s of the run",
        ),
    ] {
        let scenario = read(message, login);
        let [warning] = scenario.warnings() else {
            panic!("{:?}", scenario.warnings());
        };
        let end = "of which the measured time ends at 10 s";
        assert_mentions(warning, &["trace.csv", expected, end]);
    }
}

/// Equal numbers say nothing about the error of their mean.
#[test]
fn replications_of_a_trace_have_a_standard_error_only_if_they_differ() {
    let trace =
        "time,class,holding\n0.5,message,1\n0.6,login,\n0.7,message,1\n9,login,1\n9.95,message,1\n";
    let errors = |more: &str| {
        let text = TRACED.replace("replications = 1", "replications = 3") + more;
        let scenario = read_beside("trace-errors", &text, "trace.csv", trace).unwrap();
        let answer = scenario.run(scenario.rules().unwrap()).unwrap();
        let utilization = answer.utilization.mean.standard_error;
        (answer["message"].good_share.standard_error, utilization)
    };
    assert_eq!(errors(""), (None, None));
    let (share, utilization) = errors("[[backend.phase]]\nfrom = 0\nto = 9\nfailing = 0.5");
    assert!(share.is_some_and(|error| error > 0.0), "{share:?}");
    // A request that fails holds its permit as long as another one.
    assert_eq!(utilization, None);
}

#[test]
fn trace_without_classes_is_that_of_the_class_that_names_it() {
    let scenario = "seconds = 10\nreplications = 1\n[class.message]\ntrace = \"trace.csv\"\n\
                    [server.rules]\ncapacity = 1\nclasses.message = {}";
    let scenario = read_beside(
        "one-class",
        scenario,
        "trace.csv",
        "time,holding\n0,1\n2,1\n2,1\n",
    )
    .unwrap();
    let answer = scenario.run(scenario.rules().unwrap()).unwrap();
    assert_eq!((answer["message"].offered, answer["message"].good), (3, 2));
}

#[test]
fn wrong_traces_are_errors_with_file_and_row() {
    for (trace, expected) in [
        (
            "time,class,holding\n1,message,1\n0.5,login,1\n",
            &["trace.csv", "line 3: time: 0.5 follows 1"][..],
        ),
        (
            "time,class,holding\n-1,message,1\n",
            &["line 2: time: -1 is not"],
        ),
        (
            "time,class,holding\n1,message,-1\n",
            &["line 2: holding: -1 is not"],
        ),
        (
            "time,class,holding\n1,mesage,1\n",
            &["line 2: class: `mesage` is not in the scenario"],
        ),
        (
            "time,class,holding\nsoon,message,1\n",
            &["line 2: time: `soon` is no time in seconds"],
        ),
        (
            "class,holding\nmessage,1\n",
            &[
                "trace.csv",
                "the first line must name the columns: `time`",
                "it is `class,holding`",
            ],
        ),
        (
            "12,message,1\n13,login,1\n",
            &[
                "the first line must name the columns",
                "it is `12,message,1`",
            ],
        ),
        (
            "time,class,holding\n1700000012,message,1\n1700000013,login,1\n",
            &[
                "line 3",
                "no arrivals of class `message` in the run, from 0 to 10 s; the first is at 1700000012",
                "`trace = { file, start }`",
            ],
        ),
        (
            "time,class,holding\n1,login,1\n",
            &["line 3", "class.message", "no arrivals of class `message`"],
        ),
        (
            "time,class,holding\n1,login,1\n1,message,\n",
            &["line 3", "class.message", "`holding` is missing"],
        ),
        (
            "time,class,holding\n1,login,1\n1,,1\n",
            &["some rows have a class"],
        ),
    ] {
        let error = read_beside("wrong-trace", TRACED, "trace.csv", trace).unwrap_err();
        assert_mentions(&error, expected);
    }
    let missing = Scenario::from_toml(TRACED).unwrap_err().to_string();
    assert_mentions(
        &missing,
        &["line 3", "class.message", "trace.csv", "No such file"],
    );
}

#[test]
fn holding_times_come_from_a_file() {
    let scenario = "seconds = 200\n[class.message]\nrate = 10\nholding = { file = \"times.txt\" }\n\
                    [server.rules]\ncapacity = 100\nclasses.message = {}";
    let read = |times: &str| read_beside("times", scenario, "times.txt", times);
    let answer = read("# seconds\n1\n\n 3 \n").unwrap();
    let answer = answer.run(answer.rules().unwrap()).unwrap();
    assert!((answer["message"].latency.unwrap().mean - 2.0).abs() < 0.05);
    assert_mentions(
        &read("1\nlong\n").unwrap_err(),
        &["times.txt", "line 2", "`long` is no time in seconds"],
    );
    assert_mentions(
        &read("1\n-1\n").unwrap_err(),
        &["times.txt", "line 2", "`-1`"],
    );
    assert_mentions(&read("\n").unwrap_err(), &["times.txt", "no times"]);
}
