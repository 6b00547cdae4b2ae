//! Results of small scenarios, against formulas or what they must be exactly.

use floodwall_sim::{Answer, ClassAnswer, Estimate, RuleSet, Scenario};

/// Capacity for everything.
const AMPLE: &str = "capacity = 1000\n[classes.a]";

fn run(scenario: &str, rules: &str) -> Answer {
    let scenario = Scenario::from_toml(scenario).unwrap();
    let rules = RuleSet::from_toml("rules", rules).unwrap();
    scenario.run(&rules).unwrap()
}

fn run_without_wall(scenario: &str) -> Answer {
    Scenario::from_toml(scenario)
        .unwrap()
        .run_without_wall()
        .unwrap()
}

#[track_caller]
fn assert_near(estimate: Estimate, expected: f64) {
    let error = estimate.standard_error.unwrap();
    assert!(
        (estimate.value - expected).abs() <= 3.0 * error,
        "{estimate:?} is not {expected}"
    );
}

#[track_caller]
fn assert_within(value: f64, expected: f64, relative: f64) {
    assert!(
        (value / expected - 1.0).abs() <= relative,
        "{value} is not {expected}"
    );
}

fn failures(class: &ClassAnswer) -> Vec<(&str, u64)> {
    class
        .failures
        .iter()
        .map(|(&name, &count)| (name, count))
        .collect()
}

fn erlang_b(load: f64, servers: u32) -> f64 {
    (1..=servers).fold(1.0, |blocked, n| {
        load * blocked / (f64::from(n) + load * blocked)
    })
}

#[test]
fn rejections_follow_erlang_b() {
    let answer = run(
        "seconds = 5000\nwarm_up = 20\n[class.a]\nrate = 20\nholding = { exponential = 0.4 }",
        "capacity = 10\n[classes.a]",
    );
    let a = &answer["a"];
    let expected = 1.0 - erlang_b(8.0, 10);
    assert!(a.admitted_share.standard_error.unwrap() < 0.001);
    assert_near(a.admitted_share, expected);
    assert_near(answer.utilization.mean, 0.8 * expected);
    assert_eq!((a.good + a.lost, a.unfinished), (a.offered, 0));
    assert_eq!(failures(a), [("pool_full", a.lost)]);
}

/// The mean wait of a queue in front of several threads (A. K. Erlang, 1917, the C formula).
#[test]
fn waits_follow_erlang_c() {
    let answer = run_without_wall(
        "seconds = 5000\nwarm_up = 50\n[class.a]\nrate = 18\nholding = { exponential = 0.5 }\n[server]\nthreads = 10",
    );
    let (load, threads) = (9.0, 10.0);
    let blocked = erlang_b(load, 10);
    let waits = blocked / (1.0 - load / threads * (1.0 - blocked));
    let mean = 0.5 + waits * 0.5 / (threads - load);
    assert_within(answer["a"].latency.unwrap().mean, mean, 0.02);
    assert_near(answer.utilization.mean, 0.9);
}

#[test]
fn full_queue_rejects_as_in_a_birth_death_chain() {
    let answer = run_without_wall(
        "seconds = 20000\nwarm_up = 20\n[class.a]\nrate = 9\nholding = { exponential = 0.1 }\n\
         [server]\nthreads = 1\nqueue.limit = 4",
    );
    // One thread and four places: the probability of state n is proportional to 0.9^n.
    let full = 0.9_f64.powi(5) * 0.1 / (1.0 - 0.9_f64.powi(6));
    assert_near(answer["a"].good_share, 1.0 - full);
    assert_eq!(failures(&answer["a"]), [("queue_full", answer["a"].lost)]);
}

/// The mean time in a system that shares a core is that of a queue, whatever the distribution (L. Kleinrock, *Queueing
/// Systems*, volume 2, 1976).
#[test]
fn shared_core_slows_requests_down() {
    let answer = run_without_wall(
        "seconds = 20000\nwarm_up = 20\n[class.a]\nrate = 7\nholding = { lognormal = { mean = 0.1, sigma = 1 } }\n\
         [server]\nthreads = 100000\n[backend]\ncores = 1",
    );
    assert_within(answer["a"].latency.unwrap().mean, 0.1 / 0.3, 0.03);
}

#[test]
fn last_in_first_out_has_the_same_mean_and_a_longer_tail() {
    let of = |order: &str| {
        let answer = run_without_wall(&format!(
            "seconds = 20000\nwarm_up = 20\n[class.a]\nrate = 8\nholding = {{ exponential = 0.1 }}\n\
             [server]\nthreads = 1\nqueue.order = \"{order}\""
        ));
        answer["a"].latency.unwrap()
    };
    let (fifo, lifo) = (of("fifo"), of("lifo"));
    assert_within(fifo.mean, 0.5, 0.03);
    assert_within(lifo.mean, 0.5, 0.03);
    assert!(
        lifo.p50 < 0.7 * fifo.p50 && lifo.p999 > 1.5 * fifo.p999,
        "{fifo:?} {lifo:?}"
    );
}

#[test]
fn users_send_one_request_at_a_time() {
    let answer = run(
        "seconds = 2000\nwarm_up = 100\n[class.a]\nusers = 50\nthink = { exponential = 4 }\nholding = 1",
        AMPLE,
    );
    // 50 users, each of which has a cycle of 5 seconds.
    assert_within(answer["a"].offered as f64, 8.0 * 2000.0 * 10.0, 0.01);
    assert_within(answer.utilization.mean.value, 0.01, 0.01);
}

#[test]
fn even_arrivals_and_constant_times_have_exact_results() {
    let answer = run(
        "seconds = 100\nreplications = 1\n[class.a]\nrate = 10\nspacing = \"even\"\nholding = 0.25",
        "capacity = 3\n[classes.a]",
    );
    let a = &answer["a"];
    assert_eq!((a.offered, a.admitted, a.good), (1000, 1000, 1000));
    let latency = a.latency.unwrap();
    assert_within(latency.p50, 0.25, 0.001);
    assert_within(latency.p999, 0.25, 0.001);
    // Two or three at once, and never four.
    assert_within(answer.utilization.mean.value, 2.5 / 3.0, 0.01);
    let parts: f64 = a.timeline.iter().map(|part| part.good).sum();
    assert_within(parts / a.timeline.len() as f64, 10.0, 0.01);
}

#[test]
fn bursts_arrive_together() {
    let answer = run(
        "seconds = 1000\n[class.a]\nrate = 10\nburst = 5\nholding = 0.01",
        "capacity = 3\n[classes.a]",
    );
    assert_within(answer["a"].offered as f64, 80_000.0, 0.03);
    // Three of five.
    assert_within(answer["a"].good_share.value, 0.6, 0.03);
}

#[test]
fn client_that_stops_waiting_leaves_wasted_work() {
    let answer = run(
        "seconds = 100\n[class.a]\nrate = 10\nholding = 2\npatience = 1",
        AMPLE,
    );
    let a = &answer["a"];
    assert_eq!((a.good, a.lost, a.admitted), (0, a.offered, a.offered));
    assert_eq!(failures(a), [("timed_out", a.offered)]);
    assert_eq!((a.wasted, a.wasted_share), (a.offered, 1.0));
    assert_eq!(a.latency, None);
}

#[test]
fn retries_end_at_their_number_or_at_the_budget() {
    let attempts = |retries: &str| {
        let answer = run(
            &format!(
                "seconds = 1000\ncool_down = 100\n[class.a]\nrate = 10\nholding = 1\nretries = {{ {retries} }}"
            ),
            "capacity = 10\n[classes.a]\ncap = 0",
        );
        let a = &answer["a"];
        assert_eq!((a.lost, a.good), (a.offered, 0));
        assert_eq!(failures(a), [("class_full", a.attempts)]);
        a.attempts as f64 / a.offered as f64
    };
    assert_eq!(attempts("most = 3"), 4.0);
    assert_within(attempts("most = 3, budget = 0.1"), 1.1, 0.005);
    // The budget is not the limit.
    assert_eq!(attempts("most = 3, budget = 4"), 4.0);
}

#[test]
fn delays_grow_up_to_the_longest_and_honor_retry_after() {
    // Everything is rejected until 10 s. One request arrives before that.
    let good_at = |retries: &str| {
        let answer = run(
            &format!(
                "seconds = 1\ncool_down = 100\nreplications = 1\n\
                 [class.a]\nrate = [[0, 1], [1, 1], [1, 0]]\nspacing = \"even\"\nholding = 0\n\
                 retries = {{ most = 100, {retries} }}\n[server]\nretry_after = [6, 6]\n\
                 [[change]]\nat = 10\nrules = {{ capacity = 1, classes.a = {{}} }}"
            ),
            "capacity = 1\n[classes.a]\ncap = 0",
        );
        assert_eq!((answer["a"].offered, answer["a"].good), (1, 1));
        answer["a"].latency.unwrap().p50
    };
    // At 1, 3, 7 and 15 s after the first attempt.
    assert_within(good_at("first = 1, factor = 2"), 15.0, 0.001);
    // At 1, 3, 6, 9 and 12 s.
    let shorter = good_at("first = 1, factor = 2, longest = 3");
    assert!((9.0..=12.01).contains(&shorter), "{shorter}");
    assert_within(
        good_at("first = 1, factor = 1, honors_retry_after = true"),
        12.0,
        0.001,
    );
    let jittered = good_at("first = 8, factor = 1, jitter = 1");
    assert!(jittered % 8.0 > 0.01, "{jittered}");
}

#[test]
fn phases_slow_requests_down_and_let_them_fail() {
    let answer = run(
        "seconds = 1000\n[class.a]\nrate = 20\nholding = 0.1\n[class.b]\nrate = 20\nholding = 0.1\n\
         [[backend.phase]]\nfrom = 0\nto = 500\nslower = 3\nclasses = [\"a\"]\n\
         [[backend.phase]]\nfrom = 0\nto = 2000\nfailing = 0.25\nclasses = [\"b\"]",
        "capacity = 1000\n[classes.a]\n[classes.b]",
    );
    assert_within(answer["a"].latency.unwrap().mean, 0.2, 0.01);
    assert_within(answer["b"].latency.unwrap().mean, 0.1, 0.001);
    assert_within(answer["b"].good_share.value, 0.75, 0.01);
    assert_within(answer["b"].wasted_share, 0.25, 0.02);
    assert_eq!(failures(&answer["b"]), [("failed", answer["b"].lost)]);
    assert_eq!(answer["a"].lost, 0);
}

#[test]
fn limit_of_a_class_bounds_the_backend_and_not_the_wall() {
    let answer = run(
        "seconds = 300\ncool_down = 300\n[class.a]\nrate = 12\nholding = 0.5\n[backend]\nlimit.a = 5\n",
        AMPLE,
    );
    let good: f64 = answer["a"].timeline[100..]
        .iter()
        .map(|part| part.good)
        .sum();
    // 5 at once, for half a second each.
    assert_within(good / 100.0, 10.0, 0.01);
    assert_eq!(answer["a"].admitted, answer["a"].offered);
}

#[test]
fn requests_to_an_instance_that_is_down_fail_until_the_balancer_notices() {
    let answer = run(
        "seconds = 1000\n[class.a]\nrate = 100\nspacing = \"even\"\nholding = 0.1\n\
         [balancer]\ninstances = 2\npolicy = \"round-robin\"\n\
         [[balancer.outage]]\ninstance = 1\nfrom = 200\nto = 300\nnoticed_after = 10",
        AMPLE,
    );
    let down = answer["a"].failures["down"] as f64 / f64::from(answer.replications);
    // Half of the requests of 10 s, and 5 that it worked on.
    assert_within(down, 505.0, 0.01);
    // Its permits are gone with it: 5 of each instance, then 10 of one.
    assert_within(answer.utilization.mean.value, 0.005, 0.02);
}

#[test]
fn balancer_that_sees_load_spreads_it() {
    let rejected = |policy: &str| {
        let answer = run(
            &format!(
                "seconds = 300\nreplications = 2\n[class.a]\nrate = 320\nholding = {{ exponential = 0.1 }}\n\
                 [balancer]\ninstances = 4\npolicy = \"{policy}\""
            ),
            "capacity = 10\n[classes.a]",
        );
        1.0 - answer["a"].good_share.value
    };
    let [random, two, round, least] =
        ["random", "best-of-two", "round-robin", "least-in-flight"].map(rejected);
    // Each instance alone, or nearly one pool of 40.
    assert_within(random, erlang_b(8.0, 10), 0.05);
    assert!(
        least < two && two < round && round < random,
        "{least} {two} {round} {random}"
    );
    assert_within(least, erlang_b(32.0, 40), 0.1);
}

#[test]
fn rules_and_pressure_change_at_their_times() {
    let answer = run(
        "seconds = 300\nreplications = 2\n[class.a]\nrate = 100\nholding = 0.001\n\
         [[change]]\nat = 100\npressure = 0.7\n[[change]]\nat = 200\nrules = { capacity = 1000, classes.a = {} }",
        "capacity = 1000\n[classes.a]\nshed = { linear = { lo = 0.6, hi = 0.8 } }",
    );
    let part = |from: f64, to: f64| {
        let parts = answer["a"]
            .timeline
            .iter()
            .filter(|part| from < part.at && part.at < to);
        let (admitted, attempts) = parts.fold((0.0, 0.0), |(admitted, attempts), part| {
            (admitted + part.admitted, attempts + part.attempts)
        });
        admitted / attempts
    };
    assert_eq!(part(0.0, 99.0), 1.0);
    assert_within(part(101.0, 199.0), 0.5, 0.02);
    assert_eq!(part(201.0, 299.0), 1.0);
}

#[test]
fn curve_sheds_the_lowest_levels_first() {
    let answer = run(
        "seconds = 100\n[class.a]\nrate = 100\nlevels = 4\nholding = 0.01",
        "capacity = 1000\n[classes.a]\nshed = { step = { at = 0, capped = 0.625 } }",
    );
    let shares: Vec<f64> = answer["a"]
        .levels
        .iter()
        .map(|level| level.good as f64 / level.offered as f64)
        .collect();
    assert_eq!((shares[0], shares[1], shares[3]), (0.0, 0.0, 1.0));
    assert_within(shares[2], 0.5, 0.05);
}

#[test]
fn worker_rejects_only_when_a_thread_is_free() {
    let scenario = |admission: &str| {
        format!(
            "seconds = 100\n[class.a]\nrate = 20\nspacing = \"even\"\nholding = 0.5\npatience = 0.4\n\
             [server]\nthreads = 5\nadmission = \"{admission}\""
        )
    };
    let rules = "capacity = 5\n[classes.a]";
    let accept = run(&scenario("accept"), rules);
    assert_eq!(accept["a"].failures["pool_full"] * 2, accept["a"].offered);
    // With as many threads as permits, a worker that is free always has a permit, and requests wait in the queue.
    let worker = run(&scenario("worker"), rules);
    assert!(
        !worker["a"].failures.contains_key("pool_full"),
        "{:?}",
        worker["a"].failures
    );
}

#[test]
fn sampled_utilization_makes_the_curve_flap() {
    let deviation = |sampling: &str| {
        let answer = run(
            &format!(
                "seconds = 200\nwarm_up = 10\nreplications = 2\n\
                 [class.a]\nrate = 4000\nholding = {{ exponential = 0.05 }}\n{sampling}"
            ),
            "capacity = 100\n[classes.a]\nshed = { linear = { lo = 0.6, hi = 0.8 } }",
        );
        answer.utilization.deviation
    };
    let (live, sampled) = (deviation(""), deviation("[server]\nsample_every = 1"));
    assert!(live < 0.05 && sampled > 0.3, "{live} {sampled}");
}

#[test]
fn run_stops_at_the_limit_of_events() {
    let scenario =
        "seconds = 1e9\nreplications = 1\nmax_events = 10000\n[class.a]\nrate = 100\nholding = 0";
    let answer = run(scenario, AMPLE);
    let stopped = answer.stopped.unwrap();
    assert_eq!(stopped.limit, "max_events");
    assert!((30.0..100.0).contains(&stopped.at), "{stopped:?}");
    // What is counted is what is limited.
    assert_eq!(answer.events, 10_001);
}

#[test]
fn parts_have_results_of_their_own() {
    let answer = run(
        "seconds = 300\nwarm_up = 10\nparts = { normal = [10, 110], storm = [110, 210], both = [10, 210] }\n\
         [class.a]\nrate = [[110, 10], [110, 100], [210, 100], [210, 10]]\nholding = { exponential = 0.1 }",
        "capacity = 5\n[classes.a]",
    );
    let shares = ["normal", "storm", "both"].map(|part| answer.part(part)["a"].good_share);
    for (part, load) in [("normal", 1.0), ("storm", 10.0)] {
        let part = answer.part(part);
        let admitted = 1.0 - erlang_b(load, 5);
        // The first second of the storm finds an empty pool.
        assert_within(part["a"].good_share.value, admitted, 0.02);
        assert!(part["a"].good_share.standard_error.unwrap() < 0.01);
        assert_within(part.utilization.value, load * admitted / 5.0, 0.02);
        assert_eq!(part["a"].offered, part["a"].good + part["a"].lost);
        assert_eq!(part.to - part.from, 100.0);
    }
    let of = |part: &str| answer.part(part)["a"].offered;
    assert_eq!(of("both"), of("normal") + of("storm"));
    assert!(shares[1].value < shares[2].value && shares[2].value < shares[0].value);
    // 200 parts of 300 s.
    assert_eq!(answer["a"].timeline.len(), 200);
    let timeline = &answer.part("storm")["a"].timeline;
    assert!(timeline.len().abs_diff(67) <= 1, "{}", timeline.len());
    assert!(timeline.iter().all(|at| (110.0..210.0).contains(&at.at)));
}

#[test]
#[should_panic(expected = "part `x` is not in the scenario, which has `normal`")]
fn unknown_part_is_named() {
    let text = "seconds = 1\nparts = { normal = [0, 1] }\n[class.a]\nrate = 1\nholding = 1";
    let _ = run(text, AMPLE).part("x");
}

#[test]
fn timeline_shows_requests_and_their_retries() {
    let answer = run(
        "seconds = 20\n[class.a]\nrate = 100\nholding = 1\nretries = { most = 3, first = 0.01, factor = 1 }",
        "capacity = 10\n[classes.a]\ncap = 0",
    );
    let a = &answer["a"];
    let sum = |of: fn(&floodwall_sim::TimelinePart) -> f64| a.timeline.iter().map(of).sum::<f64>();
    // Each part is 0.1 s of 8 replications.
    assert_within(sum(|part| part.offered) * 0.8, a.offered as f64, 1e-9);
    assert_within(
        sum(|part| part.attempts),
        4.0 * sum(|part| part.offered),
        0.01,
    );
}

/// The retries of requests that arrived in the measured time go on after it.
#[test]
fn limit_of_events_holds_in_the_cool_down() {
    let answer = run(
        "seconds = 1\ncool_down = 1e6\nreplications = 1\nmax_events = 10000\n[class.a]\nrate = 100\nholding = 0\n\
         retries = { most = 1000000, first = 0.01, factor = 1 }",
        "capacity = 10\n[classes.a]\ncap = 0",
    );
    let stopped = answer.stopped.as_ref().unwrap();
    assert!(
        stopped.limit == "max_events" && stopped.at > 1.0,
        "{stopped:?}"
    );
    assert_eq!(answer["a"].unfinished, answer["a"].offered);
}

/// Clients have left the queue, and their attempts have not.
#[test]
fn queue_is_bounded_by_memory() {
    let answer = run_without_wall(
        "seconds = 1000\nreplications = 1\n[class.a]\nrate = 100000\nholding = 1\npatience = 0.001\n\
         [server]\nthreads = 1",
    );
    let stopped = answer.stopped.unwrap();
    assert_eq!(stopped.limit, "requests at once");
    assert_within(stopped.at, 20.0, 0.01);
}

#[test]
fn same_seed_has_same_results_and_same_requests_arrive_under_other_rules() {
    let text = "seconds = 50\nwarm_up = 1\n[class.a]\nrate = 100\nholding = { pareto = { mean = 0.1, shape = 2 } }";
    let scenario = Scenario::from_toml(text).unwrap();
    let tight = RuleSet::from_toml(
        "tight",
        "capacity = 8\n[classes.a]\nshed = { linear = { lo = 0.2, hi = 1 } }",
    )
    .unwrap();
    let ample = RuleSet::from_toml("ample", AMPLE).unwrap();
    let json = |answer: &Answer| serde_json::to_string(answer).unwrap();
    let first = scenario.run(&tight).unwrap();
    assert_eq!(json(&first), json(&scenario.run(&tight).unwrap()));
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        assert_eq!(
            json(&first),
            json(&pool.install(|| scenario.run(&tight).unwrap()))
        );
    }
    let other_rules = scenario.run(&ample).unwrap();
    assert_eq!(first["a"].offered, other_rules["a"].offered);
    assert!(first["a"].lost > 0 && other_rules["a"].lost == 0);
    let other_seed = scenario.with_seed(2).run(&tight).unwrap();
    assert_ne!(first["a"].offered, other_seed["a"].offered);
}

/// As the curves of the wall do.
#[test]
fn curve_on_sampled_utilization_sheds_the_lowest_levels_first_and_nothing_within_the_guarantee() {
    let answer = run(
        "seconds = 100\n[class.a]\nrate = 100\nlevels = 4\nholding = 0.01\n\
         [class.b]\nrate = 100\nholding = 0.01\n[server]\nsample_every = 1",
        "capacity = 1000\n[classes.a]\nshed = { step = { at = 0, capped = 0.625 } }\n\
         [classes.b]\nguarantee = 50\nshed = \"always\"",
    );
    let shares: Vec<f64> = answer["a"]
        .levels
        .iter()
        .map(|level| level.good as f64 / level.offered as f64)
        .collect();
    assert_eq!((shares[0], shares[1], shares[3]), (0.0, 0.0, 1.0));
    assert_within(shares[2], 0.5, 0.05);
    assert_eq!(answer["b"].lost, 0);
}

#[test]
fn instance_that_comes_back_has_the_pressure_of_the_others() {
    let answer = run(
        "seconds = 100\nreplications = 1\n[class.a]\nrate = 100\nholding = 0.001\n\
         [[change]]\nat = 10\npressure = 1\n[[balancer.outage]]\ninstance = 0\nfrom = 20\nto = 30",
        "capacity = 1000\n[classes.a]\nshed = { step = { at = 0.9 } }",
    );
    let parts = answer["a"].timeline.iter();
    let admitted: Vec<_> = parts.filter(|part| part.admitted > 0.0).collect();
    let last = admitted.last().unwrap();
    assert!(last.at < 10.0, "{last:?}");
}
