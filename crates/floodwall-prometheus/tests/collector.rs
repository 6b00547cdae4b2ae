//! Tests of `FloodwallCollector`: what it writes is parsed back, and compared with the state of the walls.

mod openmetrics;

use std::sync::Arc;

use floodwall::{Bulkhead, Class, Curve, Floodwall, Gauge, Rule, Share, classes};
use floodwall_prometheus::FloodwallCollector;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;

use self::openmetrics::{Family, Sample, Scrape};

classes! { enum Kind { Message, Login = "background login" } }
classes! { enum Job { Report } }

const REASONS: [&str; 5] = ["shed", "class_full", "pool_full", "too_large", "closed"];

/// A message may borrow; a login has no guarantee, and is shed at a utilization or pressure of 0.5 and above.
fn wall() -> Arc<Floodwall<Kind>> {
    Arc::new(Floodwall::new(
        10,
        &[
            Kind::Message.rule(Share::at_least(6)),
            Kind::Login
                .rule(Share::at_most(3))
                .shed(Curve::linear(0.4, 0.6)),
        ],
    ))
}

fn register(collector: FloodwallCollector) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(collector));
    registry
}

fn encode(registry: &Registry) -> String {
    let mut text = String::new();
    text::encode(&mut text, registry).unwrap();
    text
}

fn scrape(registry: &Registry) -> Scrape {
    Scrape::parse(&encode(registry))
}

/// Labels of the only wall that most tests have.
fn of(class: Kind) -> [(&'static str, &'static str); 2] {
    [("wall", "http"), ("class", class.name())]
}

fn rejected(scrape: &Scrape, class: Kind) -> [f64; 5] {
    REASONS.map(|reason| {
        let [wall, class] = of(class);
        scrape.value("floodwall_rejected", &[wall, class, ("reason", reason)])
    })
}

fn everything() -> FloodwallCollector {
    FloodwallCollector::new()
        .floodwall("http", wall())
        .bulkhead("database", Arc::new(Bulkhead::new(4)))
        .gauge("workers", Arc::new(Gauge::new(4)))
}

mod families {
    use super::*;

    /// The type, the labels and the unit of each family. Changing a name breaks dashboards.
    #[test]
    fn every_family_is_present_with_its_type_labels_and_unit() {
        let scrape = scrape(&register(everything()));
        let class = "wall class";
        let reason = "wall class reason";
        let expected = [
            ("floodwall_admitted", "counter", class, "", 2),
            ("floodwall_bulkhead_in_use", "gauge", "bulkhead", "", 1),
            ("floodwall_bulkhead_limit", "gauge", "bulkhead", "", 1),
            (
                "floodwall_bulkhead_utilization_ratio",
                "gauge",
                "bulkhead",
                "ratio",
                1,
            ),
            ("floodwall_cap", "gauge", class, "", 2),
            ("floodwall_capacity", "gauge", "wall", "", 1),
            ("floodwall_closed", "gauge", "wall", "", 1),
            ("floodwall_dry_run", "gauge", class, "", 2),
            ("floodwall_guarantee", "gauge", class, "", 2),
            ("floodwall_in_use", "gauge", class, "", 2),
            ("floodwall_peak", "gauge", class, "", 2),
            ("floodwall_pool_active", "gauge", "pool", "", 1),
            ("floodwall_pool_capacity", "gauge", "pool", "", 1),
            ("floodwall_pool_peak", "gauge", "pool", "", 1),
            (
                "floodwall_pool_utilization_ratio",
                "gauge",
                "pool",
                "ratio",
                1,
            ),
            ("floodwall_pressure_ratio", "gauge", "wall", "ratio", 1),
            ("floodwall_reachable", "gauge", class, "", 2),
            (
                "floodwall_reject_probability_ratio",
                "gauge",
                class,
                "ratio",
                2,
            ),
            ("floodwall_rejected", "counter", reason, "", 10),
            ("floodwall_utilization_ratio", "gauge", "wall", "ratio", 1),
            ("floodwall_would_reject", "counter", reason, "", 8),
        ];
        let found: Vec<_> = scrape.families.keys().collect();
        assert_eq!(found, expected.map(|(name, ..)| name).each_ref());
        for (name, kind, labels, unit, samples) in expected {
            let family = &scrape.families[name];
            assert_eq!((&*family.kind, &*family.unit), (kind, unit), "{name}");
            assert_eq!(family.samples.len(), samples, "{name}");
            let mut labels: Vec<_> = labels.split(' ').collect();
            labels.sort_unstable();
            for sample in &family.samples {
                assert!(sample.labels.keys().eq(&labels), "{name} {sample:?}");
            }
        }
    }

    #[test]
    fn help_texts_are_sentences() {
        for (name, family) in scrape(&register(everything())).families {
            let first = family.help.chars().next().unwrap();
            assert!(
                first.is_uppercase() || first == '1',
                "{name}: {}",
                family.help
            );
            assert!(
                family.help.ends_with('.') && !family.help.ends_with(".."),
                "{name}"
            );
        }
    }

    /// Names of samples, as users of the pages see them.
    fn names(scrape: &Scrape) -> Vec<String> {
        let name = |(name, family): (&String, &Family)| match &*family.kind {
            "counter" => format!("{name}_total"),
            _ => name.clone(),
        };
        scrape.families.iter().map(name).collect()
    }

    #[test]
    fn readme_and_documentation_list_every_family() {
        let readme = include_str!("../README.md");
        let documentation = include_str!("../src/collector.rs");
        for name in names(&scrape(&register(everything()))) {
            assert!(readme.contains(&format!("`{name}`")), "{name}");
            assert!(
                documentation.contains(&format!("/// | `{name}` |")),
                "{name}"
            );
        }
    }

    /// An alert on a metric that does not exist never fires.
    #[test]
    fn alerts_use_only_families_of_the_collector() {
        let names = names(&scrape(&register(everything())));
        let mut used = 0;
        for alerts in [
            include_str!("../alerts.yml"),
            include_str!("../alerts_test.yml"),
        ] {
            let words = alerts.split(|c: char| !c.is_ascii_lowercase() && c != '_');
            for word in words.filter(|word| word.starts_with("floodwall_")) {
                assert!(names.iter().any(|name| name == word), "{word}");
                used += 1;
            }
        }
        assert!(used > 20);
    }

    #[test]
    fn collector_without_walls_writes_no_family() {
        assert_eq!(encode(&register(FloodwallCollector::default())), "# EOF\n");
    }

    #[test]
    fn prefix_and_labels_of_the_registry_apply() {
        let labels = [("zone".into(), "a".into())];
        let mut registry = Registry::with_prefix_and_labels("app", labels.into_iter());
        registry.register_collector(Box::new(everything()));
        let scrape = scrape(&registry);
        let limit = [("zone", "a"), ("bulkhead", "database")];
        assert_eq!(scrape.value("app_floodwall_bulkhead_limit", &limit), 4.0);
    }
}

mod values {
    use super::*;

    #[test]
    fn idle_wall_shows_its_rules_and_zeros() {
        let scrape = scrape(&register(everything()));
        for (class, guarantee, cap, reachable) in
            [(Kind::Message, 6., 10., 10.), (Kind::Login, 0., 3., 3.)]
        {
            let labels = of(class);
            assert_eq!(scrape.value("floodwall_guarantee", &labels), guarantee);
            assert_eq!(scrape.value("floodwall_cap", &labels), cap);
            assert_eq!(scrape.value("floodwall_reachable", &labels), reachable);
            for zero in [
                "in_use",
                "peak",
                "dry_run",
                "reject_probability_ratio",
                "admitted",
            ] {
                assert_eq!(
                    scrape.value(&format!("floodwall_{zero}"), &labels),
                    0.0,
                    "{zero}"
                );
            }
            assert_eq!(rejected(&scrape, class), [0.0; 5]);
        }
        assert_eq!(
            scrape.value("floodwall_capacity", &[("wall", "http")]),
            10.0
        );
        for zero in ["utilization_ratio", "pressure_ratio", "closed"] {
            assert_eq!(
                scrape.value(&format!("floodwall_{zero}"), &[("wall", "http")]),
                0.0
            );
        }
    }

    /// A cap above what is not guaranteed to others cannot be reached.
    #[test]
    fn reachable_differs_from_the_cap() {
        let wall = Floodwall::new(
            10,
            &[
                Kind::Message.rule(Share::at_least(6)),
                Kind::Login.rule(Share::at_most(8)),
            ],
        );
        let scrape = scrape(&register(
            FloodwallCollector::new().floodwall("http", Arc::new(wall)),
        ));
        assert_eq!(scrape.value("floodwall_cap", &of(Kind::Login)), 8.0);
        assert_eq!(scrape.value("floodwall_reachable", &of(Kind::Login)), 4.0);
    }

    /// Each reason has another count, so that none can be mistaken for another.
    #[test]
    fn every_reason_has_its_own_count() {
        let wall = wall();
        let registry = register(FloodwallCollector::new().floodwall("http", Arc::clone(&wall)));
        let reject = |class, permits, times| {
            for _ in 0..times {
                wall.admit_with(class, floodwall::AdmitOptions::new().permits(permits))
                    .unwrap_err();
            }
        };
        reject(Kind::Login, 4, 4); // too large
        let three: Vec<_> = (0..3).map(|_| wall.admit(Kind::Login).unwrap()).collect();
        reject(Kind::Login, 1, 2); // class full
        reject(Kind::Message, 8, 3); // pool full
        drop(three);
        wall.set_pressure(0.9);
        reject(Kind::Login, 1, 1); // shed
        wall.close();
        reject(Kind::Login, 1, 5); // closed
        let scrape = scrape(&registry);
        assert_eq!(rejected(&scrape, Kind::Login), [1.0, 2.0, 0.0, 4.0, 5.0]);
        assert_eq!(rejected(&scrape, Kind::Message), [0.0, 0.0, 3.0, 0.0, 0.0]);
        assert_eq!(scrape.value("floodwall_admitted", &of(Kind::Login)), 3.0);
        // A reason that the collector does not know is missing in the sum.
        for (class, snapshot) in wall.snapshot().iter() {
            assert_eq!(
                rejected(&scrape, class).iter().sum::<f64>(),
                snapshot.rejected() as f64
            );
        }
    }

    #[test]
    fn permits_and_the_reject_probability_follow_the_wall() {
        let wall = wall();
        let registry = register(FloodwallCollector::new().floodwall("http", Arc::clone(&wall)));
        let permits: Vec<_> = (0..5).map(|_| wall.admit(Kind::Message).unwrap()).collect();
        let busy = scrape(&registry);
        assert_eq!(busy.value("floodwall_in_use", &of(Kind::Message)), 5.0);
        assert_eq!(
            busy.value("floodwall_utilization_ratio", &[("wall", "http")]),
            0.5
        );
        assert_eq!(
            busy.value("floodwall_reject_probability_ratio", &of(Kind::Login)),
            0.5
        );
        assert_eq!(busy.value("floodwall_admitted", &of(Kind::Message)), 5.0);
        drop(permits);
        let idle = scrape(&registry);
        assert_eq!(idle.value("floodwall_in_use", &of(Kind::Message)), 0.0);
        assert_eq!(idle.value("floodwall_admitted", &of(Kind::Message)), 5.0);
    }

    #[test]
    fn dry_run_counts_by_reason_and_as_admitted() {
        let wall = wall();
        wall.set_dry_run(&[Kind::Login]);
        let registry = register(FloodwallCollector::new().floodwall("http", Arc::clone(&wall)));
        let admit = |permits| {
            let options = floodwall::AdmitOptions::new().permits(permits);
            wall.admit_with(Kind::Login, options).unwrap()
        };
        for _ in 0..4 {
            drop(admit(4)); // too large
        }
        let three = admit(3);
        for _ in 0..3 {
            drop(admit(1)); // class full
        }
        drop(three);
        let messages = wall
            .admit_with(Kind::Message, floodwall::AdmitOptions::new().permits(9))
            .unwrap();
        for _ in 0..2 {
            drop(admit(2)); // pool full
        }
        drop(messages);
        wall.set_pressure(0.9);
        drop(admit(1)); // shed
        let scrape = scrape(&registry);
        let [http, login] = of(Kind::Login);
        let counts = ["shed", "class_full", "pool_full", "too_large"].map(|reason| {
            scrape.value("floodwall_would_reject", &[http, login, ("reason", reason)])
        });
        assert_eq!(counts, [1.0, 3.0, 2.0, 4.0]);
        let snapshot = wall.snapshot()[Kind::Login];
        assert_eq!(
            counts.iter().sum::<f64>(),
            snapshot.would_reject.total() as f64
        );
        assert_eq!(scrape.value("floodwall_admitted", &of(Kind::Login)), 11.0);
        assert_eq!(rejected(&scrape, Kind::Login), [0.0; 5]);
        assert_eq!(scrape.value("floodwall_dry_run", &of(Kind::Login)), 1.0);
        assert_eq!(scrape.value("floodwall_dry_run", &of(Kind::Message)), 0.0);
    }

    #[test]
    fn closed_wall_shows_1_until_it_opens() {
        let wall = wall();
        let registry = register(FloodwallCollector::new().floodwall("http", Arc::clone(&wall)));
        let closed = || scrape(&registry).value("floodwall_closed", &[("wall", "http")]);
        wall.close();
        assert_eq!(closed(), 1.0);
        wall.open();
        assert_eq!(closed(), 0.0);
    }

    #[test]
    fn pressure_is_shown_as_the_wall_reads_it() {
        let wall = wall();
        let registry = register(FloodwallCollector::new().floodwall("http", Arc::clone(&wall)));
        for (pressure, shown) in [
            (0.25, 0.25),
            (f64::NAN, 0.0),
            (-1.0, 0.0),
            (f64::INFINITY, 1000.0),
        ] {
            wall.set_pressure(pressure);
            let value = scrape(&registry).value("floodwall_pressure_ratio", &[("wall", "http")]);
            assert_eq!(value, shown, "{pressure}");
        }
    }

    #[test]
    fn rule_updates_are_shown() {
        let wall = wall();
        let registry = register(FloodwallCollector::new().floodwall("http", Arc::clone(&wall)));
        wall.set_capacity(20).unwrap();
        wall.update_rules(&[Kind::Login.rule(Share::between(1, 2))])
            .unwrap();
        let scrape = scrape(&registry);
        assert_eq!(
            scrape.value("floodwall_capacity", &[("wall", "http")]),
            20.0
        );
        assert_eq!(scrape.value("floodwall_guarantee", &of(Kind::Login)), 1.0);
        assert_eq!(scrape.value("floodwall_cap", &of(Kind::Login)), 2.0);
    }

    #[test]
    fn bulkhead_shows_in_use_limit_and_utilization() {
        let bulkhead = Arc::new(Bulkhead::new(4));
        let registry =
            register(FloodwallCollector::new().bulkhead("database", Arc::clone(&bulkhead)));
        let shown = || {
            let scrape = scrape(&registry);
            ["in_use", "limit", "utilization_ratio"].map(|name| {
                scrape.value(
                    &format!("floodwall_bulkhead_{name}"),
                    &[("bulkhead", "database")],
                )
            })
        };
        let _permit = bulkhead.try_acquire().unwrap();
        assert_eq!(shown(), [1.0, 4.0, bulkhead.utilization()]);
        bulkhead.set_limit(0);
        assert_eq!(shown(), [1.0, 0.0, bulkhead.utilization()]);
    }

    #[test]
    fn gauge_shows_active_capacity_utilization_and_peak() {
        let gauge = Arc::new(Gauge::new(4));
        let registry = register(FloodwallCollector::new().gauge("workers", Arc::clone(&gauge)));
        let shown = || {
            let scrape = scrape(&registry);
            ["active", "capacity", "utilization_ratio", "peak"]
                .map(|name| scrape.value(&format!("floodwall_pool_{name}"), &[("pool", "workers")]))
        };
        let _first = gauge.enter();
        drop([gauge.enter(), gauge.enter()]);
        assert_eq!(shown(), [1.0, 4.0, gauge.utilization(), 3.0]);
        gauge.set_capacity(0);
        assert_eq!(shown(), [1.0, 0.0, gauge.utilization(), 1.0]);
    }
}

mod names {
    use super::*;

    #[test]
    fn walls_of_different_classes_share_each_family() {
        static JOBS: Floodwall<Job> = Floodwall::new(5, &[Job::Report.rule(Share::exactly(5))]);
        let scrape = scrape(&register(everything().floodwall("jobs", &JOBS)));
        let report = [("wall", "jobs"), ("class", "Report")];
        assert_eq!(scrape.value("floodwall_cap", &report), 5.0);
        assert_eq!(scrape.value("floodwall_cap", &of(Kind::Message)), 10.0);
        assert_eq!(scrape.value("floodwall_capacity", &[("wall", "jobs")]), 5.0);
        assert_eq!(scrape.families["floodwall_rejected"].samples.len(), 15);
    }

    #[test]
    fn duplicate_name_is_an_error_that_names_it() {
        let error = everything().try_floodwall("http", wall()).unwrap_err();
        assert_eq!((error.kind, &*error.name), ("wall", "http"));
        assert_eq!(
            error.to_string(),
            r#"the collector has a wall named "http" already"#
        );
        let error = everything()
            .try_bulkhead("database", Arc::new(Bulkhead::new(1)))
            .unwrap_err();
        assert_eq!((error.kind, &*error.name), ("bulkhead", "database"));
        let error = everything()
            .try_gauge("workers", Arc::new(Gauge::new(1)))
            .unwrap_err();
        assert_eq!((error.kind, &*error.name), ("gauge", "workers"));
    }

    #[test]
    #[should_panic(expected = r#"the collector has a wall named "http" already"#)]
    fn duplicate_name_panics_with_the_text_of_the_error() {
        let _ = everything().floodwall("http", wall());
    }

    /// Their families differ.
    #[test]
    fn wall_bulkhead_and_gauge_may_have_the_same_name() {
        let metrics = FloodwallCollector::new()
            .floodwall("http", wall())
            .bulkhead("http", Arc::new(Bulkhead::new(1)))
            .gauge(String::from("http"), Arc::new(Gauge::new(1)));
        assert_eq!(scrape(&register(metrics)).families.len(), 21);
    }

    #[test]
    fn debug_lists_the_names() {
        let debug = format!("{:?}", everything());
        let expected = r#"FloodwallCollector { peaks: Restart, walls: ["http"], bulkheads: ["database"], gauges: ["workers"] }"#;
        assert_eq!(debug, expected);
    }
}

#[derive(Clone, Copy)]
struct Awkward(usize);

impl Class for Awkward {
    const NAMES: &'static [&'static str] = &[
        "a \"quoted\" name",
        "back\\slash\\",
        "line\nbreak",
        "로그인 🔒",
        "comma, {brace} = # EOF",
        "\\n",
        "\"",
        "",
    ];
    const ALL: &'static [Self] = &[
        Awkward(0),
        Awkward(1),
        Awkward(2),
        Awkward(3),
        Awkward(4),
        Awkward(5),
        Awkward(6),
        Awkward(7),
    ];
    fn index(self) -> usize {
        self.0
    }
}

fn awkward() -> FloodwallCollector {
    FloodwallCollector::new().floodwall("new\n\"wall\"\\", awkward_wall())
}

/// Each class has a cap of its own, by which it is recognized.
fn awkward_wall() -> Arc<Floodwall<Awkward>> {
    let rules: Vec<_> = (0..Awkward::ALL.len())
        .map(|index| Rule::for_index(index, Share::at_most(index as u32 + 1)))
        .collect();
    Arc::new(Floodwall::new(20, &rules))
}

#[test]
fn names_survive_quotes_backslashes_and_line_breaks() {
    let scrape = scrape(&register(awkward()));
    for class in Awkward::ALL {
        let labels = [("wall", "new\n\"wall\"\\"), ("class", class.name())];
        assert_eq!(scrape.value("floodwall_cap", &labels), class.0 as f64 + 1.0);
    }
}

mod peaks {
    use super::*;

    fn peaks(registry: &Registry) -> (f64, f64) {
        let scrape = scrape(registry);
        (
            scrape.value("floodwall_peak", &of(Kind::Message)),
            scrape.value("floodwall_pool_peak", &[("pool", "workers")]),
        )
    }

    #[test]
    fn scrape_restarts_peaks_at_what_is_in_use() {
        let (wall, gauge) = (wall(), Arc::new(Gauge::new(4)));
        let registry = register(
            FloodwallCollector::new()
                .floodwall("http", Arc::clone(&wall))
                .gauge("workers", Arc::clone(&gauge)),
        );
        let _kept = (wall.admit(Kind::Message).unwrap(), gauge.enter());
        drop([
            wall.admit(Kind::Message).unwrap(),
            wall.admit(Kind::Message).unwrap(),
        ]);
        drop(gauge.enter());
        assert_eq!(peaks(&registry), (3.0, 2.0));
        assert_eq!(peaks(&registry), (1.0, 1.0));
    }

    #[test]
    fn kept_peaks_outlast_scrapes_until_the_program_takes_them() {
        let (wall, gauge) = (wall(), Arc::new(Gauge::new(4)));
        let registry = register(
            FloodwallCollector::new()
                .keep_peaks()
                .floodwall("http", Arc::clone(&wall))
                .gauge("workers", Arc::clone(&gauge)),
        );
        drop((wall.admit(Kind::Message).unwrap(), gauge.enter()));
        assert_eq!(peaks(&registry), (1.0, 1.0));
        assert_eq!(peaks(&registry), (1.0, 1.0));
        wall.take_peaks();
        gauge.take_peak();
        assert_eq!(peaks(&registry), (0.0, 0.0));
    }
}

mod threads {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    /// Ends the traffic also if an assertion fails: the scope waits for its threads.
    struct OnDrop<F: Fn()>(F);

    impl<F: Fn()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }

    /// Requests and the rules change all the time, so samples of two snapshots would disagree.
    #[test]
    fn concurrent_scrapes_are_coherent_and_counters_never_go_down() {
        let wall = wall();
        let registry = register(FloodwallCollector::new().floodwall("http", Arc::clone(&wall)));
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let traffic_ends = OnDrop(|| done.store(true, Ordering::Relaxed));
            for class in Kind::ALL {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        drop(wall.admit_with(*class, floodwall::AdmitOptions::new().permits(2)));
                    }
                });
            }
            scope.spawn(|| {
                let small = wall.rules();
                let large = small.scaled_to(20).unwrap();
                while !done.load(Ordering::Relaxed) {
                    wall.set_rules(large);
                    wall.set_rules(small);
                }
            });
            let mut previous = [0.0; 14];
            for _ in 0..3_000 {
                let scrape = scrape(&registry);
                let capacity = scrape.value("floodwall_capacity", &[("wall", "http")]);
                let in_use = Kind::ALL.iter().map(|&class| {
                    let in_use = scrape.value("floodwall_in_use", &of(class));
                    assert!(scrape.value("floodwall_peak", &of(class)) >= in_use);
                    in_use
                });
                let utilization = scrape.value("floodwall_utilization_ratio", &[("wall", "http")]);
                assert_eq!(in_use.sum::<f64>() / capacity, utilization);
                // `scaled_to` doubles every number.
                assert_eq!(
                    scrape.value("floodwall_cap", &of(Kind::Login)) / capacity,
                    0.3
                );
                let counts: Vec<_> = ["floodwall_admitted", "floodwall_rejected"]
                    .iter()
                    .flat_map(|family| &scrape.families[*family].samples)
                    .map(|sample| sample.value)
                    .collect();
                for (previous, now) in previous.iter_mut().zip(counts) {
                    assert!(now >= *previous);
                    *previous = now;
                }
            }
            drop(traffic_ends);
        });
        let scrape = scrape(&registry);
        for (class, snapshot) in wall.snapshot().iter() {
            assert_eq!(
                scrape.value("floodwall_admitted", &of(class)),
                snapshot.admitted as f64
            );
        }
    }

    /// A scrape that takes the peak between the two reads of another must not leave it a smaller one.
    #[test]
    fn peak_of_a_gauge_is_never_below_active_with_two_scrapers() {
        let gauge = Arc::new(Gauge::new(4));
        let registry = register(FloodwallCollector::new().gauge("workers", Arc::clone(&gauge)));
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let traffic_ends = OnDrop(|| done.store(true, Ordering::Relaxed));
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    drop([gauge.enter(), gauge.enter()]);
                }
            });
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    gauge.take_peak();
                }
            });
            for _ in 0..30_000 {
                let scrape = scrape(&registry);
                let [active, peak] = ["active", "peak"].map(|name| {
                    scrape.value(&format!("floodwall_pool_{name}"), &[("pool", "workers")])
                });
                assert!(peak >= active, "{peak} < {active}");
            }
            drop(traffic_ends);
        });
    }
}

/// Prometheus's own parsers and rules, if `promtool` is installed.
mod promtool {
    use std::fs;
    use std::io::{self, ErrorKind, Write};
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    /// Returns the output and whether it succeeded, or `None` without `promtool`.
    fn promtool(arguments: &[&str], input: &str) -> Option<(bool, String)> {
        let command = Command::new("promtool")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match command {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // Not by a macro, whose output a test that passes does not show.
                io::stderr()
                    .write_all(b"NOT RUN: promtool is not installed\n")
                    .unwrap();
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        Some((output.status.success(), String::from_utf8(text).unwrap()))
    }

    /// `promtool check metrics` reads the older text format.
    #[test]
    fn metrics_follow_the_rules_for_names() {
        for collector in [everything(), awkward()] {
            let mut metrics = String::new();
            prometheus_text::encode(&mut metrics, &register(collector)).unwrap();
            if let Some(result) = promtool(&["check", "metrics"], &metrics) {
                assert_eq!(result, (true, String::new()));
            }
        }
    }

    #[test]
    fn alerts_are_valid_and_pass_their_tests() {
        let alerts = concat!(env!("CARGO_MANIFEST_DIR"), "/alerts.yml");
        let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/alerts_test.yml");
        for arguments in [["check", "rules", alerts], ["test", "rules", tests]] {
            if let Some((passed, output)) = promtool(&arguments, "") {
                assert!(passed && output.contains("SUCCESS"), "{output}");
            }
        }
    }

    /// Prometheus imports a scrape, and its storage returns every sample with its labels and value.
    #[test]
    fn prometheus_reads_every_sample_of_the_openmetrics_text() {
        let text = encode(&register(everything().floodwall("awkward", awkward_wall())));
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openmetrics");
        let _ = fs::remove_dir_all(&directory);
        // A dump needs the folder of the write-ahead log, which an import does not create.
        fs::create_dir_all(directory.join("data/wal")).unwrap();
        // An import needs a time for each sample.
        let with_times: String = text
            .lines()
            .map(|line| match line.starts_with('#') {
                true => format!("{line}\n"),
                false => format!("{line} 1700000000\n"),
            })
            .collect();
        let scrape = directory.join("scrape.txt");
        fs::write(&scrape, with_times).unwrap();
        let (scrape, data) = (scrape.to_str().unwrap(), directory.join("data"));
        let data = data.to_str().unwrap();
        let import = ["tsdb", "create-blocks-from", "openmetrics", scrape, data];
        let Some((imported, output)) = promtool(&import, "") else {
            return;
        };
        assert!(imported, "{output}");
        let (dumped, output) = promtool(&["tsdb", "dump", data], "").unwrap();
        assert!(dumped, "{output}");
        let mut stored: Vec<_> = output
            .lines()
            .filter(|line| line.starts_with('{'))
            .collect();
        let mut expected = dump(&Scrape::parse(&text));
        stored.sort_unstable();
        expected.sort_unstable();
        assert!(expected.len() > 100);
        assert_eq!(stored, expected);
    }

    /// Returns the lines of `promtool tsdb dump`. Prometheus drops labels that are empty.
    fn dump(scrape: &Scrape) -> Vec<String> {
        let mut lines = Vec::new();
        for (family, Family { kind, samples, .. }) in &scrape.families {
            let total = if kind == "counter" { "_total" } else { "" };
            for Sample { labels, value } in samples {
                let labels: String = labels
                    .iter()
                    .filter(|(_, value)| !value.is_empty())
                    .map(|(key, value)| format!(", {key}={value:?}"))
                    .collect();
                lines.push(format!(
                    r#"{{__name__="{family}{total}"{labels}}} {value} 1700000000000"#
                ));
            }
        }
        lines
    }
}
