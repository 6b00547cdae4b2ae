//! The shipped scenarios: each must show what `scenarios/README.md` says, with the figures of its tables.
//!
//! `UPDATE_TABLES=1 cargo test -p floodwall-sim --test shipped` writes the tables.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use floodwall_sim::{Answer, ClassAnswer, Estimate, RuleSet, Scenario, TimelinePart};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("scenarios")
        .join(name)
}

fn scenario(name: &str) -> Scenario {
    Scenario::read(path(&format!("{name}.toml"))).unwrap()
}

fn checked(answer: Answer) -> Answer {
    assert_eq!(answer.stopped, None);
    answer
}

fn run(name: &str) -> Answer {
    let scenario = scenario(name);
    checked(scenario.run(scenario.rules().unwrap()).unwrap())
}

fn run_with(name: &str, rules: &str) -> Answer {
    let rules = RuleSet::read(path(&format!("rules/{rules}.toml"))).unwrap();
    checked(scenario(name).run(&rules).unwrap())
}

fn run_without_wall(name: &str) -> Answer {
    checked(scenario(name).run_without_wall().unwrap())
}

/// Returns the share of requests that Erlang's B formula admits.
fn erlang_b(load: f64, servers: u32) -> f64 {
    let blocked = |blocked: f64, n: u32| load * blocked / (f64::from(n) + load * blocked);
    1.0 - (1..=servers).fold(1.0, blocked)
}

/// Asserts that a share is within three standard errors of theory, or within 0.3 percentage points.
#[track_caller]
fn assert_theory(share: Estimate, exact: f64) {
    let tolerance = (3.0 * share.standard_error.unwrap()).max(0.003);
    assert!(
        (share.value - exact).abs() <= tolerance,
        "{share:?}, exact is {exact}"
    );
}

#[track_caller]
fn assert_within(value: f64, range: std::ops::RangeInclusive<f64>) {
    assert!(range.contains(&value), "{value} is not in {range:?}");
}

/// Returns a mean rate between two times, in seconds, of all classes together.
fn rate(answer: &Answer, from: f64, to: f64, of: fn(&TimelinePart) -> f64) -> f64 {
    let of_class = |class: &ClassAnswer| {
        let parts = class.timeline.iter();
        let parts: Vec<f64> = parts
            .filter(|part| from <= part.at && part.at < to)
            .map(of)
            .collect();
        assert!(!parts.is_empty(), "no part from {from} to {to}");
        parts.iter().sum::<f64>() / parts.len() as f64
    };
    answer.classes.iter().map(of_class).sum()
}

/// Returns good answers per second between two times.
fn good(answer: &Answer, from: f64, to: f64) -> f64 {
    rate(answer, from, to, |part| part.good)
}

/// Returns attempts per second between two times.
fn attempts(answer: &Answer, from: f64, to: f64) -> f64 {
    rate(answer, from, to, |part| part.attempts)
}

/// Returns the attempts without a good answer for a cause.
fn failures(class: &ClassAnswer, cause: &str) -> u64 {
    class.failures.get(cause).copied().unwrap_or(0)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn millis(seconds: f64) -> String {
    format!("{:.1} ms", 1000.0 * seconds)
}

/// A table of the README.
struct Table {
    name: &'static str,
    text: String,
}

impl Table {
    fn new<const COLUMNS: usize>(name: &'static str, head: [&str; COLUMNS]) -> Table {
        let text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(COLUMNS));
        Table { name, text }
    }

    fn row<const COLUMNS: usize>(&mut self, cells: [String; COLUMNS]) {
        self.text += &format!("| {} |\n", cells.join(" | "));
    }

    /// Asserts that the README has this table, or writes it.
    ///
    /// Functions such as `ln` differ in the last bit between platforms, so the check is for one of them.
    #[track_caller]
    fn check(self) {
        static README: Mutex<()> = Mutex::new(());
        let _guard = README.lock();
        let readme = std::fs::read_to_string(path("README.md")).unwrap();
        let (begin, end) = (format!("<!-- {} -->\n", self.name), "<!-- end -->\n");
        let (before, after) = readme.split_once(&begin).expect("the README has this name");
        let (text, after) = after.split_once(end).expect("the table has an end");
        if std::env::var_os("UPDATE_TABLES").is_some() {
            let updated = format!("{before}{begin}{}{end}{after}", self.text);
            std::fs::write(path("README.md"), updated).unwrap();
        } else if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            assert_eq!(text, self.text, "table {} of the README", self.name);
        }
    }
}

#[test]
fn messenger_admits_what_theory_says() {
    let mut table = Table::new(
        "messenger",
        [
            "storm",
            "rules",
            "messages admitted",
            "exact",
            "logins admitted",
            "exact",
        ],
    );
    // The constants are those of `theory_reproduces_the_designs_percentages` in the tests of `floodwall`.
    let all_share = |load| [erlang_b(load, 100); 2];
    let halves = |message, login| [erlang_b(message, 50), erlang_b(login, 50)];
    for (storm, rules, exact) in [
        ("login-storm", "2016", all_share(440.0)),
        ("login-storm", "2017", [1.0, 0.096]),
        ("login-storm", "2020", halves(40.0, 400.0)),
        ("login-storm", "wall", [1.0, 0.096]),
        ("message-storm", "2016", all_share(410.0)),
        ("message-storm", "2017", [0.249, 0.0]),
        ("message-storm", "2020", halves(400.0, 10.0)),
        ("message-storm", "wall", [0.199, 0.998]),
        ("both-storms", "2016", all_share(800.0)),
        ("both-storms", "wall", [0.199, 0.050]),
    ] {
        let answer = run_with(&format!("messenger-{storm}"), &format!("messenger-{rules}"));
        let classes = ["message", "login"].map(|class| &answer[class]);
        let shares = classes.map(|class| class.admitted_share);
        let theory = classes.map(|class| class.theory.unwrap().admitted_share);
        for ((share, theory), exact) in shares.into_iter().zip(theory).zip(exact) {
            assert_within(theory - exact, -0.0006..=0.0006);
            assert_theory(share, theory);
        }
        table.row([
            storm.replace('-', " "),
            rules.to_owned(),
            percent(shares[0].value),
            percent(theory[0]),
            percent(shares[1].value),
            percent(theory[1]),
        ]);
    }
    // No wall and no queue is the same as a pool that all share.
    let (none, shared) = (
        run_without_wall("messenger-login-storm"),
        run_with("messenger-login-storm", "messenger-2016"),
    );
    assert_eq!(none["message"].good, shared["message"].good);
    table.check();
}

#[test]
fn users_of_a_streaming_service_do_not_notice_prefetch() {
    let mut table = Table::new(
        "prefetch",
        [
            "scenario",
            "rules",
            "user",
            "prefetch",
            "rejected of all requests",
        ],
    );
    let mut run = |scenario: &str, rules: Option<&str>| {
        let answer = match rules {
            None => run(scenario),
            Some(rules) => run_with(scenario, rules),
        };
        let [user, prefetch] = ["user", "prefetch"].map(|class| answer[class].good_share.value);
        let offered: u64 = answer.classes.iter().map(|class| class.offered).sum();
        let lost: u64 = answer.classes.iter().map(|class| class.lost).sum();
        let rejected = lost as f64 / offered as f64;
        table.row([
            scenario.to_owned(),
            rules.unwrap_or("of the scenario").to_owned(),
            percent(user),
            percent(prefetch),
            percent(rejected),
        ]);
        (user, prefetch, rejected)
    };
    const ALIKE: Option<&str> = Some("prefetch-without-priorities");

    let (user, prefetch, rejected) = run("prefetch-x12", None);
    assert_within(user, 0.994..=1.0);
    assert_within(prefetch, 0.17..=0.23);
    assert_within(rejected, 0.5..=1.0);
    let (user, prefetch, _) = run("prefetch-x12", ALIKE);
    assert_within(user, 0.0..=0.6);
    assert_within(user - prefetch, -0.02..=0.02);

    let (user, prefetch, _) = run("prefetch-slow", None);
    assert_within(user, 0.9995..=1.0);
    assert_within(prefetch, 0.0..=0.1);
    let (user, prefetch, _) = run("prefetch-slow", ALIKE);
    assert_within(user, 0.0..=0.25);
    assert_within(user - prefetch, -0.02..=0.02);
    table.check();
}

#[test]
fn successful_requests_stay_level_under_cpu_pressure() {
    let mut table = Table::new(
        "cpu-pressure",
        [
            "",
            "good/s, normal",
            "lowest good/s, 30 to 70 s",
            "highest",
            "good/s, 75 to 90 s",
            "critical, of requests from 5 to 90 s",
            "other",
        ],
    );
    let mut check = |label: &str, answer: Answer| {
        let storm: Vec<f64> = (30..70)
            .step_by(5)
            .map(|from| good(&answer, f64::from(from), f64::from(from + 5)))
            .collect();
        let lowest = storm.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = storm.iter().copied().fold(0.0, f64::max);
        let [critical, other] = ["critical", "other"].map(|class| answer[class].good_share.value);
        let (before, after) = (good(&answer, 5.0, 10.0), good(&answer, 75.0, 90.0));
        let cells = [before, lowest, highest, after].map(|rate| format!("{rate:.0}"));
        let [before_cell, lowest_cell, highest_cell, after_cell] = cells;
        table.row([
            label.to_owned(),
            before_cell,
            lowest_cell,
            highest_cell,
            after_cell,
            percent(critical),
            percent(other),
        ]);
        let shed = failures(&answer["critical"], "shed");
        (before, lowest, highest, after, critical, other, shed)
    };
    let wall = run("cpu-pressure");
    let (before, lowest, highest, after, critical, other, critical_shed) = check("wall", wall);
    assert!(lowest > 1.5 * before, "{lowest} {before}");
    assert!(highest < 1.05 * lowest, "{lowest} {highest}");
    assert_within(after, 780.0..=820.0);
    assert_within(critical, 0.99..=1.0);
    assert_within(other, 0.1..=0.4);
    // Most of them succeed at their second attempt.
    assert!(critical_shed > 0);

    let (_, _, highest, after, ..) = check("no wall", run_without_wall("cpu-pressure"));
    assert!(highest < 0.01 * before && after < 0.01 * before);
    table.check();
}

#[test]
fn unbounded_queue_never_recovers_and_wall_keeps_answering() {
    let mut table = Table::new(
        "unbounded-queue",
        [
            "",
            "good/s, normal",
            "overload",
            "50 to 100 s",
            "wasted work",
        ],
    );
    let mut check = |label: &str, answer: Answer| {
        let rates = [(5.0, 20.0), (25.0, 40.0), (50.0, 100.0)];
        let rates = rates.map(|(from, to)| good(&answer, from, to));
        let [before, overload, after] = rates.map(|rate| format!("{rate:.0}"));
        let wasted = percent(answer["request"].wasted_share);
        table.row([label.to_owned(), before, overload, after, wasted]);
        rates
    };
    let [before, overload, after] = check("wall", run("unbounded-queue"));
    assert_within(before, 195.0..=205.0);
    assert_within(overload, 380.0..=420.0);
    assert_within(after, 195.0..=205.0);

    let [before, overload, after] = check("no wall", run_without_wall("unbounded-queue"));
    assert_within(before, 195.0..=205.0);
    assert_within(overload, 0.0..=2.0);
    assert_within(after, 0.0..=2.0);
    table.check();
}

#[test]
fn codel_bounds_the_delay_of_a_queue_and_wall_has_none() {
    let mut table = Table::new("queue", ["", "good answers", "p50", "p99"]);
    let mut check = |label: &str, answer: Answer| {
        let request = &answer["request"];
        let latency = request.latency.unwrap();
        let share = request.good_share.value;
        table.row([
            label.to_owned(),
            percent(share),
            millis(latency.p50),
            millis(latency.p99),
        ]);
        (share, latency.p50, latency.p99)
    };
    let (share, p50, _) = check("no limit", run_without_wall("queue-unbounded"));
    assert_eq!(share, 1.0);
    assert_within(p50, 0.964 * 0.98..=0.964 * 1.02);

    let (share, p50, p99) = check(
        "CoDel, a tenth of the default times",
        run_without_wall("queue-codel"),
    );
    assert_within(share, 0.49..=0.53);
    assert_within(p50, 0.0277 * 0.93..=0.0277 * 1.07);
    assert_within(p99, 0.0628 * 0.93..=0.0628 * 1.07);

    let (_, p50, _) = check(
        "CoDel, default times",
        run_without_wall("queue-codel-default"),
    );
    assert_within(p50, 0.6..=0.9);

    let (share, _, p99) = check("wall, no queue", run_with("queue-unbounded", "queue-wall"));
    assert_within(share, 0.45..=0.52);
    assert_within(p99, 0.0199..=0.0201);
    table.check();
}

#[test]
fn retry_storm_outlives_its_trigger_without_wall_and_budget() {
    let mut table = Table::new(
        "retry-storm",
        [
            "",
            "good/s, normal",
            "slow phase",
            "60 to 80 s",
            "attempts/s, 60 to 80 s",
            "recovered after",
        ],
    );
    let mut check = |label: &str, answer: Answer| {
        let rates = [(5.0, 10.0), (12.0, 20.0), (60.0, 80.0)];
        let rates = rates.map(|(from, to)| good(&answer, from, to));
        // Seconds from the end of the trigger to the last part with fewer good answers than 80 % of the requests.
        let parts = answer["request"].timeline.iter().rev();
        let is_bad = |part: &&TimelinePart| part.good < 0.8 * 700.0;
        let recovered = parts.clone().find(is_bad).unwrap().at - 20.0;
        let [before, trigger, after] = rates.map(|rate| format!("{rate:.0}"));
        table.row([
            label.to_owned(),
            before,
            trigger,
            after,
            format!("{:.0}", attempts(&answer, 60.0, 80.0)),
            match recovered {
                ..0.0 => "0 s".to_owned(),
                0.0..50.0 => format!("{recovered:.0} s"),
                _ => "never".to_owned(),
            },
        ]);
        (rates, recovered)
    };
    let normal = 680.0..=720.0;
    let ([before, trigger, after], recovered) = check("wall", run("retry-storm"));
    assert_within(before, normal.clone());
    // The threads answer a third of 1,000 in the slow phase.
    assert_within(trigger, 290.0..=340.0);
    assert_within(after, normal.clone());
    assert!(recovered < 1.0, "{recovered}");

    let ([_, trigger, after], recovered) = check("wall, budget", run("retry-storm-budget"));
    assert_within(trigger, 290.0..=340.0);
    assert_within(after, normal.clone());
    assert!(recovered < 1.0, "{recovered}");

    let ([_, trigger, after], _) = check("no wall", run_without_wall("retry-storm"));
    assert_within(trigger, 0.0..=7.0);
    assert_within(after, 0.0..=7.0);

    let without_wall = run_without_wall("retry-storm-budget");
    let ([_, trigger, after], recovered) = check("no wall, budget", without_wall);
    assert_within(trigger, 0.0..=7.0);
    assert_within(after, normal);
    assert_within(recovered, 10.0..=30.0);
    table.check();
}

#[test]
fn four_latencies_have_the_losses_of_erlang_b_on_a_pool_without_queue() {
    let mut table = Table::new(
        "four-latencies",
        [
            "",
            "admitted at 100/s",
            "exact",
            "admitted at 200/s",
            "exact",
            "good/s at 200/s",
            "p50",
            "p99",
        ],
    );
    // 73 ms on average.
    let exact = [7.3, 14.6].map(|load| erlang_b(load, 8));
    let mut check = |label: &str, answer: Answer, exact: Option<[f64; 2]>| {
        let admitted =
            |from, to| rate(&answer, from, to, |part| part.admitted) / attempts(&answer, from, to);
        // The state of the pool is stationary one second after a step.
        let shares = [
            (admitted(5.0, 20.0) + admitted(41.0, 80.0)) / 2.0,
            admitted(21.0, 40.0),
        ];
        let latency = answer["request"].latency.unwrap();
        let exact = match exact {
            Some(exact) => exact.map(percent),
            None => Default::default(),
        };
        let [exact_normal, exact_double] = exact;
        table.row([
            label.to_owned(),
            percent(shares[0]),
            exact_normal,
            percent(shares[1]),
            exact_double,
            format!("{:.0}", good(&answer, 21.0, 40.0)),
            millis(latency.p50),
            millis(latency.p99),
        ]);
        let utilization = &answer.utilization.timeline;
        (shares, latency, utilization[utilization.len() - 1])
    };
    let wall = run_with("four-latencies", "four-latencies-8");
    let ([normal, double], latency, _) = check("wall, 8 permits", wall, Some(exact));
    assert_within(normal - exact[0], -0.01..=0.01);
    assert_within(double - exact[1], -0.01..=0.01);
    assert_within(latency.p50, 0.039..=0.041);
    assert_within(latency.p99, 0.0..=0.501);

    let wall = run_with("four-latencies", "four-latencies-16");
    let ([normal, double], latency, _) = check("wall, 16 permits", wall, None);
    assert_within(normal, 0.92..=0.99);
    assert_within(double, 0.5..=0.6);
    assert_within(latency.p50, 0.07..=0.1);
    assert_within(latency.p99, 0.0..=0.6);

    let (_, latency, utilization) = check("no wall", run_without_wall("four-latencies"), None);
    // The pool has not answered the requests of 20 s in the 40 s after them.
    assert_within(latency.p50, 5.0..=20.0);
    assert_within(utilization, 0.99..=1.0);
    table.check();
}

#[test]
fn curve_on_sampled_utilization_flaps() {
    let mut table = Table::new(
        "flapping",
        [
            "the curve sees the utilization",
            "its mean",
            "its standard deviation",
            "messages admitted",
            "logins admitted",
            "parts of 0.2 s with fewer than 4 logins admitted, or more than 140",
        ],
    );
    let mut check = |label: &str, answer: Answer| {
        let login = &answer["login"];
        let parts = login.timeline.iter();
        // All, or none.
        let extreme = parts.filter(|part| !(20.0..=700.0).contains(&part.admitted));
        let extreme = extreme.count() as f64 / login.timeline.len() as f64;
        let deviation = answer.utilization.deviation;
        let message = answer["message"].good_share.value;
        table.row([
            label.to_owned(),
            format!("{:.2}", answer.utilization.mean.value),
            format!("{deviation:.3}"),
            percent(message),
            percent(login.good_share.value),
            percent(extreme),
        ]);
        (deviation, message, extreme)
    };
    let (deviation, message, extreme) = check("sampled once per second", run("flapping"));
    assert_within(deviation, 0.2..=0.5);
    assert_within(message, 0.5..=0.75);
    assert_within(extreme, 0.9..=1.0);

    let (deviation, message, extreme) = check("of each instant", run("flapping-live"));
    assert_within(deviation, 0.0..=0.05);
    assert_within(message, 0.999..=1.0);
    assert_within(extreme, 0.0..=0.02);
    table.check();
}

#[test]
fn six_tiers_are_shed_from_the_lowest_and_within_a_tier_by_level() {
    let answer = run("six-tiers");
    let mut table = Table::new(
        "six-tiers",
        ["", "admitted", "level 0", "level 3", "level 6", "level 9"],
    );
    let share = |good: u64, offered: u64| good as f64 / offered as f64;
    for class in &answer.classes {
        let level = |level: usize| {
            let level = class.levels[level];
            percent(share(level.good, level.offered))
        };
        table.row([
            class.name.clone(),
            percent(class.good_share.value),
            level(0),
            level(3),
            level(6),
            level(9),
        ]);
    }
    let tiers: Vec<f64> = answer
        .classes
        .iter()
        .map(|class| class.good_share.value)
        .collect();
    assert!(tiers[..2].iter().all(|&share| share > 0.999), "{tiers:?}");
    assert_within(tiers[2], 0.5..=0.75);
    assert_within(tiers[3], 0.0..=0.02);
    assert_eq!(tiers[4..], [0.0, 0.0]);
    let levels: Vec<f64> = answer["tier2"]
        .levels
        .iter()
        .map(|level| share(level.good, level.offered))
        .collect();
    assert!(levels.is_sorted(), "{levels:?}");
    assert_within(levels[0], 0.0..=0.15);
    assert_within(levels[9], 0.98..=1.0);
    table.check();
}

#[test]
fn balancer_that_sees_load_helps_the_replicas_that_are_left() {
    let mut table = Table::new(
        "replicas",
        [
            "policy",
            "rejected, 4 instances",
            "rejected, 3 instances",
            "exact",
            "failed until the balancer noticed",
        ],
    );
    let mut check = |policy: &str, exact: Option<f64>| {
        let answer = run(&format!("replicas-{policy}"));
        let rejected = |from, to| {
            1.0 - rate(&answer, from, to, |part| part.admitted) / attempts(&answer, from, to)
        };
        // An instance that comes back has no work for some 0.2 s.
        let shares = [
            (rejected(5.0, 9.9) + rejected(31.0, 45.0)) / 2.0,
            rejected(12.0, 30.0),
        ];
        let down = failures(&answer["request"], "down") as f64 / f64::from(answer.replications);
        table.row([
            policy.to_owned(),
            percent(shares[0]),
            percent(shares[1]),
            exact.map_or(String::new(), percent),
            format!("{down:.0}"),
        ]);
        (shares, down)
    };
    // 20 erlangs for each of three, or 60 for a pool of 75: the balancer finds a free permit if there is one.
    let [alone, pooled] = [(20.0, 25), (60.0, 75)].map(|(load, size)| 1.0 - erlang_b(load, size));
    let (random, random_down) = check("random", Some(alone));
    assert_within(random[0] - (1.0 - erlang_b(15.0, 25)), -0.003..=0.003);
    assert_within(random[1] - alone, -0.005..=0.005);
    // A quarter of 1,200, and 15 that the instance worked on.
    assert_within(random_down, 285.0..=345.0);

    let (best, best_down) = check("best-of-two", None);
    assert!(best[1] < random[1] / 3.0, "{best:?} {random:?}");
    let (least, least_down) = check("least-in-flight", Some(pooled));
    assert!(least[1] < best[1], "{least:?} {best:?}");
    assert_within(least[1] - pooled, -0.003..=0.003);
    // An instance that is down has no request in flight.
    assert!(random_down < best_down && best_down < least_down);
    assert_within(least_down, 1150.0..=1270.0);
    table.check();
}
