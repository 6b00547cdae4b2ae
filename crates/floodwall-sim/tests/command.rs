//! The command: what it prints, and its errors.
#![cfg(feature = "cli")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use floodwall_sim::{RuleSet, Scenario};

/// 10 erlangs of messages on 50 threads, and a login storm of 100 erlangs.
const STORM: &str = r#"
title = "A login storm"
seconds = 20
replications = 2

[class.message]
rate = 200
holding = 0.05
patience = 1

[class.login]
rate = [[0, 100], [10, 100], [10, 2000]]
holding = 0.05
patience = 1

[server]
threads = 50
"#;

const GUARANTEE: &str = r#"
capacity = 50
[classes.message]
guarantee = 25
[classes.login]
"#;

const CAPS: &str = r#"
capacity = 50
[classes.message]
cap = 25
[classes.login]
cap = 20
"#;

/// A folder for the files of one test.
struct Folder(PathBuf);

impl Folder {
    /// Creates a folder with this name, `storm.toml`, `guarantee.toml` and `caps.toml`.
    fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("command")
            .join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        let folder = Folder(path);
        folder.write("storm.toml", STORM);
        folder.write("guarantee.toml", GUARANTEE);
        folder.write("caps.toml", CAPS);
        folder
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    /// Returns the command in this folder.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_floodwall-sim"));
        command.current_dir(&self.0).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Returns what the command prints. It must succeed and print nothing on stderr.
    fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(text(output.stderr), "");
        text(output.stdout)
    }

    /// Returns the error of the command. It must print nothing on stdout.
    fn error(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(text(output.stdout), "");
        let error = text(output.stderr);
        let message = error.strip_prefix("error: ");
        message.unwrap_or_else(|| panic!("{error}")).to_owned()
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// Returns the cells of the row with this label.
fn row<'a>(table: &'a str, label: &str) -> Vec<&'a str> {
    let cells = table
        .lines()
        .find_map(|line| line.trim().strip_prefix(label));
    let cells = cells.unwrap_or_else(|| panic!("no `{label}` in\n{table}"));
    let cells = cells.split("  ").map(str::trim);
    cells.filter(|cell| !cell.is_empty()).collect()
}

#[test]
fn run_prints_all_numbers_of_each_class() {
    let folder = Folder::new("run");
    let scenario = format!("{STORM}[[backend.phase]]\nfrom = 0\nto = 20\nfailing = 0.1");
    folder.write("failing.toml", &scenario);
    let table = folder.stdout(&["run", "failing.toml", "caps.toml"]);
    let rules = RuleSet::from_toml("caps", CAPS).unwrap();
    let answer = Scenario::from_toml(&scenario).unwrap().run(&rules).unwrap();
    let classes = &answer.classes;

    assert!(table.starts_with("A login storm: caps.toml\n"), "{table}");
    assert_eq!(row(&table, "message"), ["login"]);
    let plain = |count: &&str| count.replace(',', "").parse::<u64>().unwrap();
    let offered: Vec<u64> = row(&table, "offered requests").iter().map(plain).collect();
    assert_eq!(offered, [classes[0].offered, classes[1].offered]);
    for (cell, class) in row(&table, "good, % of offered").iter().zip(classes) {
        let (value, error) = cell.split_once(" ± ").unwrap();
        let estimate = class.good_share;
        assert_eq!(value, format!("{:.2}", 100.0 * estimate.value));
        assert_eq!(
            error,
            format!("{:.2}", 100.0 * estimate.standard_error.unwrap())
        );
    }
    // The holding time is constant, and no request waits.
    for quantile in ["time to a good answer, p50", "p99", "p99.9"] {
        assert_eq!(row(&table, quantile), ["50.0 ms", "50.0 ms"]);
    }
    for (label, failure) in [
        ("rejected, class full, % of attempts", "class_full"),
        ("failed in the backend, % of attempts", "failed"),
    ] {
        let shares = classes.iter().map(|class| {
            let count = class.failures.get(failure).map_or(0, |&count| count);
            format!("{:.2}", 100.0 * count as f64 / class.attempts as f64)
        });
        assert_eq!(row(&table, label), shares.collect::<Vec<_>>());
    }
    // Nothing is shed by these rules.
    assert!(!table.contains("shed"), "{table}");
    let utilization = format!("mean {:.2} ± ", 100.0 * answer.utilization.mean.value);
    assert!(table.contains(&utilization), "{table}");
    assert!(table.contains("2 replications of 20 s, seed 1"), "{table}");
    assert!(!table.contains("warning"), "{table}");
}

#[test]
fn each_part_has_its_rows() {
    let folder = Folder::new("parts");
    let storm = STORM.replacen(
        "seconds = ",
        "parts = { begin = [0, 5], rest = [5, 20] }\nseconds = ",
        1,
    );
    folder.write("storm.toml", &storm);
    let answer: serde_json::Value =
        serde_json::from_str(&folder.stdout(&["run", "storm.toml", "caps.toml", "--json"]))
            .unwrap();
    let table = folder.stdout(&["run", "storm.toml", "caps.toml"]);
    let page = folder.stdout(&[
        "compare",
        "storm.toml",
        "caps.toml",
        "--no-wall",
        "--html",
        "x.html",
    ]);
    let html = folder.read("x.html");
    for (number, part) in ["begin", "rest"].iter().enumerate() {
        let classes = &answer["parts"][number]["classes"];
        let cells = row(&table, &format!("{part}: good, % of offered"));
        for (class, cell) in cells.iter().enumerate() {
            let share = classes[class]["good_share"]["value"].as_f64().unwrap();
            assert!(
                cell.starts_with(&format!("{:.2} ± ", 100.0 * share)),
                "{table}"
            );
        }
        for (class, cell) in ["message", "login"].iter().zip(&cells) {
            let heading = format!("\n {class}, {part}\n");
            let (_, rows) = page
                .split_once(&heading)
                .unwrap_or_else(|| panic!("{page}"));
            // The same numbers as those of `run`.
            assert!(row(rows, "caps.toml")[0].starts_with(cell), "{page}");
            assert!(html.contains(&format!(">{class}, {part}</th>")));
        }
    }
}

#[test]
fn a_short_trace_is_a_warning() {
    let folder = Folder::new("short_trace");
    let trace = "seconds = 20\n[class.message]\ntrace = \"log.csv\"\nholding = 1\n\
                 [server.rules]\ncapacity = 3\nclasses.message = {}";
    folder.write("trace.toml", trace);
    folder.write("log.csv", "time\n1\n2\n5\n");
    let warning = "warning: log.csv: the last row is at 5 s of the run, of which the measured time ends at 20 s\n";
    for command in ["run", "compare"] {
        let table = folder.stdout(&[command, "trace.toml"]);
        assert!(table.contains(warning), "{table}");
        let output = folder.run(&[command, "trace.toml", "--json"]);
        assert_eq!(text(output.stderr), warning);
    }
}

#[test]
fn run_uses_the_rules_of_the_scenario_if_none_are_named() {
    let folder = Folder::new("own_rules");
    folder.write("own.toml", &format!("{STORM}rules = 'caps.toml'"));
    let own = folder.stdout(&["run", "own.toml"]);
    assert_eq!(own, folder.stdout(&["run", "storm.toml", "caps.toml"]));
    let other = folder.stdout(&["run", "own.toml", "guarantee.toml"]);
    assert_eq!(
        other,
        folder.stdout(&["run", "storm.toml", "guarantee.toml"])
    );
    assert_ne!(own, other);
    let no_wall = folder.stdout(&["run", "own.toml", "--no-wall"]);
    assert!(no_wall.starts_with("A login storm: no wall\n"), "{no_wall}");
    let admitted = row(&no_wall, "admitted, % of attempts");
    assert_eq!(admitted, ["100.00 ± 0.00"; 2]);
}

#[test]
fn levels_have_a_row_each() {
    let folder = Folder::new("levels");
    folder.write(
        "levels.toml",
        &STORM.replace("rate = 200", "rate = 200\nlevels = 3"),
    );
    let table = folder.stdout(&["run", "levels.toml", "guarantee.toml"]);
    for level in 0..3 {
        assert_eq!(
            row(&table, &format!("good at level {level}, %")),
            ["100.00"]
        );
    }
    folder.write(
        "levels.toml",
        &STORM.replace("rate = 200", "rate = 200\nlevels = 100"),
    );
    let table = folder.stdout(&["run", "levels.toml", "guarantee.toml"]);
    assert_eq!(row(&table, "good at levels 90 to 99, %"), ["100.00"]);
    assert_eq!(table.matches("good at level").count(), 10);
}

#[test]
fn json_of_a_run_is_the_answer_of_the_library() {
    let folder = Folder::new("json_run");
    let printed = folder.stdout(&["run", "storm.toml", "caps.toml", "--json", "--svg", "x.svg"]);
    let rules = RuleSet::from_toml("caps.toml", CAPS).unwrap();
    let scenario = Scenario::from_toml(STORM).unwrap();
    let answer = serde_json::to_string(&scenario.run(&rules).unwrap()).unwrap();
    assert_eq!(printed, format!("{answer}\n"));
    assert!(folder.path("x.svg").exists());

    let printed = folder.stdout(&[
        "run",
        "storm.toml",
        "--no-wall",
        "--json",
        "--seed",
        "7",
        "--replications",
        "3",
    ]);
    let scenario = scenario.with_seed(7).with_replications(3);
    let answer = serde_json::to_string(&scenario.run_without_wall().unwrap()).unwrap();
    assert_eq!(printed, format!("{answer}\n"));
}

#[test]
fn json_of_a_comparison_is_a_list_of_answers() {
    let folder = Folder::new("json_compare");
    let printed = folder.stdout(&[
        "compare",
        "storm.toml",
        "guarantee.toml",
        "caps.toml",
        "--no-wall",
        "--json",
        "--html",
        "x.html",
    ]);
    let answers: Vec<serde_json::Value> = serde_json::from_str(&printed).unwrap();
    let rules: Vec<_> = answers
        .iter()
        .map(|answer| answer["rules"].as_str())
        .collect();
    assert_eq!(rules, [Some("guarantee.toml"), Some("caps.toml"), None]);
    // The same requests arrive.
    for class in 0..2 {
        let offered = |answer: &serde_json::Value| answer["classes"][class]["offered"].as_u64();
        assert!(offered(&answers[0]).unwrap() > 1_000);
        assert_eq!(offered(&answers[0]), offered(&answers[1]));
        assert_eq!(offered(&answers[0]), offered(&answers[2]));
    }
}

#[test]
fn comparison_marks_the_best_value_of_each_class() {
    let folder = Folder::new("compare");
    folder.write("own.toml", &format!("{STORM}rules = 'caps.toml'"));
    let table = folder.stdout(&["compare", "own.toml", "guarantee.toml", "--no-wall"]);
    let lines: Vec<&str> = table
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    // The rules of the scenario come first.
    let block = ["caps.toml", "guarantee.toml", "no"];
    let (message, login) = (&lines[3..7], &lines[7..11]);
    assert_eq!(message, [&["message"], &block[..]].concat());
    assert_eq!(login, [&["login"], &block[..]].concat());

    let (message, login) = table.split_once("\n login").unwrap();
    let is_best = |table: &str, rules: &str| -> Vec<bool> {
        let cells = row(table, rules);
        cells.iter().map(|cell| cell.ends_with('*')).collect()
    };
    // Good, admitted, p99, wasted, utilization.
    assert_eq!(
        is_best(message, "caps.toml"),
        [true, false, true, true, false],
        "{table}"
    );
    assert_eq!(
        is_best(message, "guarantee.toml"),
        is_best(message, "caps.toml")
    );
    assert_eq!(is_best(message, "no wall"), [false; 5], "{table}");
    assert_eq!(
        is_best(login, "guarantee.toml"),
        [true, false, true, true, false],
        "{table}"
    );
    assert_eq!(
        is_best(login, "caps.toml"),
        [false, false, true, true, false],
        "{table}"
    );
    assert_eq!(is_best(login, "no wall"), [false; 5], "{table}");
    assert!(table.contains("* best value of the class"), "{table}");
}

/// Without a wall, the few requests that are answered come before the queue is long.
#[test]
fn rules_that_answer_few_requests_have_no_best_latency() {
    let folder = Folder::new("few_answers");
    let patient = STORM.replace("rate = 200", "rate = 1000").replace(
        "patience = 1",
        "patience = 0.5\nretries = { most = 5, first = 0.5 }",
    );
    folder.write("retries.toml", &patient);
    let table = folder.stdout(&["compare", "retries.toml", "caps.toml", "--no-wall"]);
    let rows: Vec<&str> = table
        .lines()
        .skip_while(|line| line.trim() != "message")
        .collect();
    let (wall, no_wall) = (row(rows[1], "caps.toml"), row(rows[2], "no wall"));
    let millis = |cell: &str| -> f64 {
        let (number, unit) = cell.trim_end_matches(" *").split_once(' ').unwrap();
        number.parse::<f64>().unwrap() * if unit == "s" { 1000.0 } else { 1.0 }
    };
    assert!(millis(no_wall[2]) < millis(wall[2]), "{table}");
    assert!(
        wall[2].ends_with(" *") && !no_wall[2].ends_with(" *"),
        "{table}"
    );
}

#[test]
fn a_stopped_run_is_a_warning() {
    let folder = Folder::new("stopped");
    folder.write("short.toml", &format!("max_events = 1000\n{STORM}"));
    let warning = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("warning: "));
        line.unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    let of_run = warning(&folder.stdout(&["run", "short.toml", "caps.toml"]));
    assert!(of_run.starts_with("warning: stopped at 1."), "{of_run}");
    assert!(of_run.contains("by the limit of max_events"), "{of_run}");
    let of_comparison = folder.stdout(&["compare", "short.toml", "caps.toml", "--html", "x.html"]);
    let of_comparison = warning(&of_comparison);
    assert!(
        of_comparison.starts_with("warning: caps.toml: stopped at 1."),
        "{of_comparison}"
    );
    assert!(folder.read("x.html").contains("caps.toml: stopped at 1."));
    assert!(folder.read("x.html").contains("caps.toml (stopped)"));

    // JSON stays JSON.
    let output = folder.run(&["run", "short.toml", "caps.toml", "--json"]);
    assert_eq!(warning(&text(output.stderr)), of_run);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["stopped"]["limit"], "max_events");
}

#[test]
fn missing_rules_are_an_error_that_says_what_to_do() {
    let folder = Folder::new("no_rules");
    for command in ["run", "compare"] {
        let error = folder.error(&[command, "storm.toml"]);
        assert!(
            error.starts_with("storm.toml: the scenario names no rules; "),
            "{error}"
        );
        assert!(error.contains("--no-wall"), "{error}");
    }
}

#[test]
fn errors_name_the_place() {
    let folder = Folder::new("errors");
    let error = folder.error(&["run", "missing.toml"]);
    assert!(error.starts_with("missing.toml: "), "{error}");
    let error = folder.error(&["run", "storm.toml", "missing.json"]);
    assert!(error.starts_with("missing.json: "), "{error}");

    folder.write(
        "field.toml",
        &STORM.replace("seconds = 20", "seconds = -20"),
    );
    let error = folder.error(&["run", "field.toml", "caps.toml"]);
    assert!(error.starts_with("field.toml: "), "{error}");
    assert!(error.contains("line 3"), "{error}");
    assert!(
        error.contains("-20 is not a number from 1e-12 to 1e12"),
        "{error}"
    );

    folder.write("class.toml", &CAPS.replace("login", "logout"));
    let error = folder.error(&["run", "storm.toml", "class.toml"]);
    assert_eq!(
        error,
        "class.toml: class `logout` is not in the scenario, which has `message`, `login`\n"
    );
    // The name of the scenario is there once.
    folder.write(
        "own.toml",
        &format!("{STORM}rules = {{ capacity = 50, classes = {{ logout = {{}} }} }}"),
    );
    let error = folder.error(&["run", "own.toml"]);
    assert!(
        error.starts_with("own.toml: server.rules: class `logout` is not"),
        "{error}"
    );

    folder.write("threads.toml", &STORM.replace("threads = 50", ""));
    let error = folder.error(&["run", "threads.toml", "--no-wall"]);
    assert!(error.contains("server.threads is missing"), "{error}");
}

#[test]
fn output_never_overwrites_an_input() {
    let folder = Folder::new("overwrite");
    folder.write("storm.toml", STORM);
    folder.write("caps.toml", CAPS);
    folder.write("loads.toml", "[class.message]\nnormal = 3\n");
    for (arguments, file) in [
        (
            &["run", "storm.toml", "caps.toml", "--svg", "storm.toml"][..],
            "storm.toml",
        ),
        (
            &[
                "compare",
                "storm.toml",
                "caps.toml",
                "--html",
                "./caps.toml",
            ],
            "caps.toml",
        ),
        (
            &["size", "loads.toml", "--rules", "loads.toml"],
            "loads.toml",
        ),
    ] {
        let before = folder.read(file);
        let error = folder.error(arguments);
        assert!(
            error.contains(file) && error.contains("would be overwritten"),
            "{error}"
        );
        assert_eq!(folder.read(file), before);
    }
    let error = folder.error(&["run", "storm.toml", "caps.toml", "--svg", "none/x.svg"]);
    assert_eq!(error, "none/x.svg: its folder does not exist\n");
}

#[test]
fn wrong_usage_has_status_2() {
    let folder = Folder::new("usage");
    for arguments in [
        &["run"][..],
        &["run", "storm.toml", "caps.toml", "--no-wall"],
        &["run", "storm.toml", "caps.toml", "--replications", "0"],
        &["run", "storm.toml", "caps.toml", "--seed", "x"],
        &["size", "loads.toml", "--effort", "0"],
        &["size", "loads.toml", "--effort", "nan"],
    ] {
        let output = folder.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(text(output.stdout), "");
    }
}

#[test]
fn last_rules_are_checked_before_the_first_run() {
    let folder = Folder::new("checked_first");
    // A run of this scenario would not end within years.
    let endless = STORM.replace(
        "seconds = 20",
        "seconds = 1e9\nmax_events = 1_000_000_000_000_000",
    );
    folder.write("endless.toml", &endless);
    folder.write("class.toml", &CAPS.replace("login", "logout"));
    let mut child = folder
        .command(&["compare", "endless.toml", "caps.toml", "class.toml"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..6_000 {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let error = text(child.wait_with_output().unwrap().stderr);
    assert!(error.starts_with("error: class.toml: "), "{error}");
}

#[test]
fn each_of_eight_classes_has_a_column() {
    let folder = Folder::new("eight");
    let classes: String = (0..8)
        .map(|class| {
            format!("[class.\"name{class}\\u001B\"]\nrate = 10\nholding = {class}\nlevels = 2\n")
        })
        .collect();
    folder.write(
        "eight.toml",
        &format!("title = \"\\u001Btitle\"\nseconds = 40\n{classes}[server]\nthreads = 500"),
    );
    let table = folder.stdout(&["run", "eight.toml", "--no-wall"]);
    let names = |classes: std::ops::Range<u32>| -> Vec<String> {
        classes
            .map(|class| format!("name{class}\\u{{1b}}"))
            .collect()
    };
    let (first, second) = table.split_at(table.find("name4").unwrap());
    for (table, first) in [(first, 0), (second, 4)] {
        let header = table.lines().find(|line| line.contains("name")).unwrap();
        let columns: Vec<&str> = header.split_whitespace().collect();
        assert_eq!(columns, names(first..first + 4));
        let medians = row(table, "time to a good answer, p50");
        for (median, holding) in medians.iter().zip(first..) {
            let of_holding = if holding == 0 {
                "0.00 ms".to_owned()
            } else {
                format!("{holding}.00 s")
            };
            assert_eq!(**median, of_holding, "{table}");
        }
        assert_eq!(table.matches("good at level 1, %").count(), 4, "{table}");
    }
    // Names do not control the terminal.
    assert!(table.starts_with("\\u{1b}title: no wall\n"), "{table}");
    assert!(!table.contains('\u{1b}'));
}

#[test]
fn picture_of_a_stopped_run_ends_where_it_was_stopped() {
    let folder = Folder::new("stopped_picture");
    folder.write("short.toml", &format!("max_events = 10_000\n{STORM}"));
    folder.stdout(&["run", "short.toml", "caps.toml", "--svg", "x.svg"]);
    folder.stdout(&["run", "storm.toml", "caps.toml", "--svg", "whole.svg"]);
    let stopped = folder.run(&["run", "short.toml", "caps.toml", "--json"]);
    let stopped = text(stopped.stdout);
    let stopped: serde_json::Value = serde_json::from_str(&stopped).unwrap();
    let at = stopped["stopped"]["at"].as_f64().unwrap();

    // The last horizontal place of the lines of the second class. A line of the legend has two points.
    let last = |svg: &str| {
        let lines = svg
            .lines()
            .filter(|line| line.starts_with("<polyline") && line.contains("#D55E00"));
        let points = lines.map(|line| {
            let points = line.split("points=\"").nth(1).unwrap();
            points.split('"').next().unwrap()
        });
        let points = points.filter(|points| points.split_whitespace().count() > 2);
        let places = points.flat_map(str::split_whitespace).map(|point| {
            let (place, _) = point.split_once(',').unwrap();
            place.parse::<f64>().unwrap()
        });
        places.fold(0.0, f64::max)
    };
    let (stopped, whole) = (folder.read("x.svg"), folder.read("whole.svg"));
    // 20 s are 876 pixels, and each point is in the middle of one of 200 parts.
    let (part, end) = (876.0 / 200.0, 64.0 + 876.0);
    assert!(
        (end - part..end).contains(&last(&whole)),
        "{}",
        last(&whole)
    );
    let end = 64.0 + 876.0 * at / 20.0;
    assert!(
        (end - 2.0 * part..end).contains(&last(&stopped)),
        "{}",
        last(&stopped)
    );
    assert!(stopped.contains(">\nstopped\n<"));
    assert!(!whole.contains(">\nstopped\n<"));
}

#[test]
fn picture_has_a_panel_for_each_class() {
    let folder = Folder::new("svg");
    folder.write(
        "names.toml",
        &STORM.replace("class.message", "class.'a<b>&c'"),
    );
    folder.write(
        "rules.toml",
        &CAPS.replace("classes.message", "classes.'a<b>&c'"),
    );
    folder.stdout(&["run", "names.toml", "rules.toml", "--svg", "x.svg"]);
    let svg = folder.read("x.svg");
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    for name in [
        "A login storm: rules.toml",
        "a&lt;b&gt;&amp;c",
        "login",
        "utilization",
    ] {
        assert!(svg.contains(&format!(">\n{name}\n<")), "{name}");
    }
    assert!(!svg.contains("a<b>"));
    for label in ["attempts", "admitted", "good", "per second", "time, s"] {
        assert!(svg.contains(&format!(">\n{label}\n<")), "{label}");
    }
    // Blue and vermilion, dashed and dotted; no key color is left.
    for color in ["#0072B2", "#D55E00"] {
        for dashes in ["", " stroke-dasharray=\"6 3\"", " stroke-dasharray=\"2 2\""] {
            assert!(svg.contains(&format!("stroke=\"{color}\"{dashes} stroke-width")));
        }
    }
    assert!(!svg.contains("#F00F"));

    let error = folder.run(&["run", "storm.toml", "caps.toml", "--svg", "missing/x.svg"]);
    assert_eq!(error.status.code(), Some(1));
    let error = text(error.stderr);
    assert!(error.starts_with("error: missing/x.svg: "), "{error}");
}

#[test]
fn page_is_one_file_with_text_that_is_not_markup() {
    let folder = Folder::new("html");
    let script = "<script>alert(1)</script>";
    let scenario = STORM
        .replace("class.message", &format!("class.'{script}'"))
        .replace("A login storm", "<b>storm</b>");
    folder.write("storm.toml", &format!("# <i>comment</i>{scenario}"));
    let rules = CAPS.replace("classes.message", &format!("classes.'{script}'"));
    folder.write("a&b.toml", &rules);
    folder.write("c.toml", &rules.replace("cap = 20", "cap = 50"));
    folder.stdout(&[
        "compare",
        "storm.toml",
        "a&b.toml",
        "c.toml",
        "--no-wall",
        "--html",
        "x.html",
    ]);
    let page = folder.read("x.html");

    for markup in [
        "<script", "<b>", "<i>", "a&b", "<link", "<img", "<iframe", "@import", "url(",
    ] {
        assert!(!page.contains(markup), "{markup}");
    }
    let escaped = page.replace("&#x2f;", "/");
    for name in [
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "<title>&lt;b&gt;storm&lt;/b&gt;</title>",
        "# &lt;i&gt;comment&lt;/i&gt;",
        "<h3>a&amp;b.toml</h3>",
        "<h3>no wall</h3>",
    ] {
        assert!(escaped.contains(name), "{name}");
    }
    assert!(escaped.contains("[classes.&quot;&lt;script"));
    assert!(page.contains("cap = 50"));

    let elsewhere = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    assert!(!elsewhere.contains("http://") && !elsewhere.contains("https://"));
    assert!(!elsewhere.contains(" src=") && !elsewhere.contains(" href="));
    assert_eq!(page.matches("<svg ").count(), 3);
    assert!(page.contains("class=\"best\""));
}

#[test]
fn pictures_of_a_page_have_the_same_scales() {
    let folder = Folder::new("scales");
    // Rejected logins are retried, so there are more attempts with a wall than without.
    let retries = "patience = 1\nretries = { most = 3, first = 0.1 }\n\n[server]";
    folder.write(
        "storm.toml",
        &STORM.replace("patience = 1\n\n[server]", retries),
    );
    folder.stdout(&[
        "compare",
        "storm.toml",
        "caps.toml",
        "--no-wall",
        "--html",
        "x.html",
    ]);
    let page = folder.read("x.html");
    let pictures: Vec<&str> = page.split("<svg ").skip(1).collect();
    let labels = |picture: &str| -> Vec<String> {
        let lines: Vec<&str> = picture.split("</svg>").next().unwrap().lines().collect();
        let is_label = |pair: &&[&str]| pair[0].starts_with("<text ");
        lines
            .windows(2)
            .filter(is_label)
            .map(|pair| format!("{} {}", pair[0], pair[1]))
            .collect()
    };
    assert!(labels(pictures[0]).len() > 20);
    assert_eq!(labels(pictures[0]), labels(pictures[1]));
}

#[test]
fn a_closed_pipe_is_no_error() {
    let folder = Folder::new("pipe");
    let mut child = folder
        .command(&["run", "storm.toml", "caps.toml", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(output.stderr), "");
    assert!(output.status.success());
}

/// Runs each command of a page once, with one replication.
#[test]
fn commands_of_the_shipped_scenarios_work() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(package.join("scenarios/README.md")).unwrap();
    let page = page.replace("\\\n", "");
    let commands = page
        .lines()
        .filter_map(|line| line.strip_prefix("$ floodwall-sim "));
    let mut count = 0;
    for command in commands {
        let output = Command::new(env!("CARGO_BIN_EXE_floodwall-sim"))
            .args(command.split_whitespace())
            .args(["--replications", "1"])
            .current_dir(package)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{command}: {}",
            text(output.stderr)
        );
        count += 1;
    }
    assert!(count >= 10, "{count} commands");
}

#[test]
fn exact_theory_stands_beside_the_simulated_share() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(env!("CARGO_BIN_EXE_floodwall-sim"))
        .args([
            "run",
            "scenarios/messenger-login-storm.toml",
            "scenarios/rules/messenger-2020.toml",
        ])
        .current_dir(package)
        .output()
        .unwrap();
    let printed = text(output.stdout);
    let exact = row(&printed, "admitted in exact theory");
    assert_eq!(exact, ["98.13 (Erlang B)", "12.46 (Erlang B)"], "{printed}");
    assert!(printed.contains("(exact: "), "{printed}");
}
