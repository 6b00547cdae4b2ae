//! `Floodwall` with 1 to 8 classes, against the specification of the admission rule.

use std::ops::Range;

use floodwall::{
    AdmitOptions, Class, ClassSnapshot, Curve, Draw, Floodwall, Reason, Rejection, Rule, Rules,
    Share, Snapshot,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::common::{NthClass, for_each_count};
use floodwall_theory::spec::{self, Admission, ClassRule, Mode, Ramp, Request};

// The oracle.

/// A wall as plain numbers.
struct Oracle {
    config: Config,
    mode: Mode,
    in_use: Vec<u64>,
    statistics: Vec<Statistics>,
}

/// The capacity and the rules.
#[derive(Clone, Debug)]
struct Config {
    capacity: u32,
    classes: Vec<ClassRule>,
}

/// The peak and the counters of one class.
#[derive(Clone, Copy, Default)]
struct Statistics {
    peak: u64,
    admitted: u64,
    shed: u64,
    class_full: u64,
    pool_full: u64,
    too_large: u64,
    closed: u64,
    would_reject: [u64; 4],
}

/// One class of a snapshot.
#[derive(Debug, PartialEq)]
struct ClassView {
    name: &'static str,
    in_use: u64,
    guarantee: u64,
    cap: u64,
    reachable: u64,
    reject_probability: Near,
    peak: u64,
    counts: [u64; 6],
    dry_run: bool,
    would_reject: [u64; 4],
}

/// A probability. Equality ignores rounding errors.
#[derive(Clone, Copy, Debug)]
struct Near(f64);

impl PartialEq for Near {
    fn eq(&self, other: &Self) -> bool {
        (self.0 - other.0).abs() < 1e-12
    }
}

impl Config {
    /// Returns whether [`Rules`] must accept this configuration.
    fn is_legal(&self) -> bool {
        let max = spec::countable(self.classes.len());
        let capacity = u64::from(self.capacity);
        let guarantees: u64 = self.classes.iter().map(|c| u64::from(c.guarantee)).sum();
        let is_legal = |c: &ClassRule| {
            c.guarantee <= c.cap
                && c.cap_at(self.capacity) <= max
                && (c.cap == 0 || guarantees < capacity + u64::from(c.guarantee))
        };
        capacity > 0 && guarantees <= capacity && self.classes.iter().all(is_legal)
    }

    fn rules<const COUNT: usize>(&self) -> Vec<Rule<NthClass<COUNT>>> {
        (0..).zip(&self.classes).map(|(i, c)| rule(i, c)).collect()
    }
}

impl Oracle {
    fn new(config: Config) -> Self {
        let count = config.classes.len();
        Oracle {
            config,
            mode: Mode::OPEN,
            in_use: vec![0; count],
            statistics: vec![Statistics::default(); count],
        }
    }

    fn wall(&self) -> spec::Wall<'_> {
        spec::Wall {
            capacity: self.config.capacity,
            rules: &self.config.classes,
            mode: self.mode,
            in_use: &self.in_use,
        }
    }

    fn utilization(&self) -> f64 {
        let (used, of) = self.wall().utilization();
        used as f64 / of as f64
    }

    /// Counts a request and acquires its permits if it is admitted.
    fn apply(&mut self, request: Request, answer: Result<Admission, spec::Rejection>) {
        let in_use = &mut self.in_use[request.class];
        let statistics = &mut self.statistics[request.class];
        match answer {
            Ok(admission) => {
                statistics.admitted += 1;
                *in_use += u64::from(request.permits);
                statistics.peak = statistics.peak.max(*in_use);
                if let Admission::DryRun(rejection) = admission {
                    statistics.would_reject[match rejection {
                        spec::Rejection::Shed { .. } => 0,
                        spec::Rejection::ClassFull { .. } => 1,
                        spec::Rejection::PoolFull { .. } => 2,
                        spec::Rejection::TooLarge { .. } => 3,
                        spec::Rejection::Closed => unreachable!("never admitted"),
                    }] += 1;
                }
            }
            Err(spec::Rejection::TooLarge { .. }) => statistics.too_large += 1,
            Err(spec::Rejection::Closed) => statistics.closed += 1,
            Err(spec::Rejection::Shed { .. }) => statistics.shed += 1,
            Err(spec::Rejection::ClassFull { .. }) => statistics.class_full += 1,
            Err(spec::Rejection::PoolFull { .. }) => statistics.pool_full += 1,
        }
    }

    fn reset_peaks(&mut self) {
        for (statistics, in_use) in self.statistics.iter_mut().zip(&self.in_use) {
            statistics.peak = *in_use;
        }
    }

    fn view(&self, class: usize, name: &'static str) -> ClassView {
        let wall = self.wall();
        let statistics = &self.statistics[class];
        ClassView {
            name,
            in_use: self.in_use[class],
            guarantee: wall.guarantee(class),
            cap: wall.cap(class),
            reachable: wall.reachable(class),
            reject_probability: Near(wall.reject_probability(class, 1)),
            peak: statistics.peak,
            counts: [
                statistics.admitted,
                statistics.shed,
                statistics.class_full,
                statistics.pool_full,
                statistics.too_large,
                statistics.closed,
            ],
            dry_run: self.mode.dry_run[class],
            would_reject: statistics.would_reject,
        }
    }
}

// The library's types and the oracle's.

fn rule<const COUNT: usize>(class: usize, rule: &ClassRule) -> Rule<NthClass<COUNT>> {
    let share = Share::between(rule.guarantee, rule.cap);
    Rule::for_index(class, share).shed(curve(rule.ramp))
}

fn curve(ramp: Ramp) -> Curve {
    let [lo, hi, max] = [ramp.lo, ramp.hi, ramp.max].map(|parts| parts as f64 / Ramp::ONE as f64);
    let curve = match ramp.power {
        0 => Curve::step(lo),
        1 => Curve::linear(lo, hi),
        _ => Curve::cubic(lo, hi),
    };
    curve.capped(max)
}

fn rejection(reason: Reason) -> spec::Rejection {
    match reason {
        Reason::Shed {
            utilization,
            probability,
            ..
        } => spec::Rejection::Shed {
            utilization,
            probability,
        },
        Reason::ClassFull { in_use, cap, .. } => spec::Rejection::ClassFull {
            in_use: in_use.into(),
            cap: cap.into(),
        },
        Reason::PoolFull {
            in_use,
            reserved,
            capacity,
            ..
        } => spec::Rejection::PoolFull {
            in_use: in_use.into(),
            reserved: reserved.into(),
            capacity: capacity.into(),
        },
        Reason::TooLarge { reachable, .. } => spec::Rejection::TooLarge {
            reachable: reachable.into(),
        },
        Reason::Closed => spec::Rejection::Closed,
        other => panic!("the oracle does not know {other:?}"),
    }
}

/// Returns whether two rejections are equal, except for rounding errors of the probability.
fn is_same(left: spec::Rejection, right: spec::Rejection) -> bool {
    use spec::Rejection::Shed;
    match (left, right) {
        (
            Shed {
                utilization: left,
                probability: p,
            },
            Shed {
                utilization: right,
                probability: q,
            },
        ) => left == right && Near(p) == Near(q),
        _ => left == right,
    }
}

fn view(class: &ClassSnapshot) -> ClassView {
    ClassView {
        name: class.name,
        in_use: class.in_use.into(),
        guarantee: class.guarantee.into(),
        cap: class.cap.into(),
        reachable: class.reachable.into(),
        reject_probability: Near(class.reject_probability),
        peak: class.peak.into(),
        counts: [
            class.admitted,
            class.shed,
            class.class_full,
            class.pool_full,
            class.too_large,
            class.closed,
        ],
        dry_run: class.dry_run,
        would_reject: [
            class.would_reject.shed,
            class.would_reject.class_full,
            class.would_reject.pool_full,
            class.would_reject.too_large,
        ],
    }
}

/// Asserts that every number that can be read equals the oracle's.
fn assert_same<const COUNT: usize>(
    wall: &Floodwall<NthClass<COUNT>>,
    snapshot: &Snapshot<NthClass<COUNT>>,
    oracle: &Oracle,
) {
    let Config { capacity, classes } = &oracle.config;
    let utilization = oracle.utilization();
    assert_eq!(wall.capacity(), *capacity);
    assert_eq!(wall.utilization(), utilization);
    assert_eq!(wall.rules().capacity(), *capacity);
    assert_eq!(snapshot.capacity, *capacity);
    assert_eq!(snapshot.utilization, utilization);
    assert_eq!(snapshot.pressure, oracle.mode.pressure as f64 / 100.0);
    assert_eq!(snapshot.closed, oracle.mode.closed);
    assert_eq!(wall.is_closed(), oracle.mode.closed);
    assert_eq!(u64::from(snapshot.in_use()), oracle.in_use.iter().sum());
    assert_eq!(snapshot.classes().len(), COUNT);
    for (i, class) in snapshot.classes().iter().enumerate() {
        assert_eq!(view(class), oracle.view(i, NthClass::<COUNT>::NAMES[i]));
        assert_eq!(u64::from(wall.in_use(NthClass(i))), oracle.in_use[i]);
        let share = Share::between(classes[i].guarantee, classes[i].cap);
        assert_eq!(wall.rules().share(NthClass(i)), share);
        assert_eq!(wall.rules().curve(NthClass(i)), curve(classes[i].ramp));
    }
}

// Random calls.

#[derive(Clone, Debug)]
enum Call {
    Admit(Request),
    Release(Index),
    SetRules(Config),
    SetRule(usize, ClassRule),
    SetCapacity(u32),
    SetClosed(bool),
    SetPressure(u64),
    SetDryRun([bool; 8]),
    TakePeaks,
}

fn any_call(count: usize) -> impl Strategy<Value = Call> {
    prop_oneof![
        24 => any_request(count).prop_map(Call::Admit),
        12 => any::<Index>().prop_map(Call::Release),
        1 => any_config(count).prop_map(Call::SetRules),
        2 => (0..count, any_rule(count)).prop_map(|(class, rule)| Call::SetRule(class, rule)),
        2 => any_capacity().prop_map(Call::SetCapacity),
        2 => prop::bool::weighted(0.3).prop_map(Call::SetClosed),
        2 => any_pressure().prop_map(Call::SetPressure),
        1 => any_dry_run(count).prop_map(Call::SetDryRun),
        1 => Just(Call::TakePeaks),
    ]
}

fn any_request(count: usize) -> impl Strategy<Value = Request> {
    let permits = prop_oneof![
        10 => Just(1),
        6 => 0..6_u32,
        1 => 0..200_u32,
        1 => prop_oneof![Just(u32::MAX), any::<u32>()],
    ];
    let draw = prop_oneof![1 => Just(0), 8 => any::<u32>(), 1 => Just(u32::MAX)];
    (0..count, permits, draw, any_pressure()).prop_map(|(class, permits, draw, pressure)| Request {
        class,
        permits,
        draw,
        pressure,
    })
}

fn any_pressure() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(0), 1 => 0..=150_u64]
}

/// Mostly no class or one.
fn any_dry_run(count: usize) -> impl Strategy<Value = [bool; 8]> {
    vec(prop::bool::weighted(0.2), count).prop_map(|classes| {
        let mut dry_run = [false; 8];
        dry_run[..classes.len()].copy_from_slice(&classes);
        dry_run
    })
}

fn any_config(count: usize) -> impl Strategy<Value = Config> {
    (any_capacity(), vec(any_rule(count), count))
        .prop_map(|(capacity, classes)| Config { capacity, classes })
}

/// Mostly small, so that limits are reached; some more than a lane can count.
fn any_capacity() -> impl Strategy<Value = u32> {
    prop_oneof![
        1 => Just(0),
        12 => 1..30_u32,
        2 => 100..300_u32,
        1 => prop::sample::select(vec![2_047, 2_048, 70_000, 1 << 24, u32::MAX]),
    ]
}

/// Mostly legal, with guarantees that mostly fit the capacity together.
fn any_rule(count: usize) -> impl Strategy<Value = ClassRule> {
    let max = 30 / count as u32;
    let guarantee = prop_oneof![4 => Just(0), 8 => 0..=max, 1 => 0..40_u32];
    let beyond = prop_oneof![6 => 0..12_u32, 2 => Just(u32::MAX)];
    let is_legal = prop::bool::weighted(0.95);
    (guarantee, beyond, is_legal, any_ramp()).prop_map(|(guarantee, beyond, is_legal, ramp)| {
        ClassRule {
            guarantee,
            cap: match is_legal {
                true => guarantee.saturating_add(beyond),
                false => guarantee.saturating_sub(beyond),
            },
            ramp,
        }
    })
}

/// A step, or a linear or cubic ramp, in whole percent.
fn any_ramp() -> impl Strategy<Value = Ramp> {
    const PERCENT: Range<u64> = 0..101;
    let power = prop::sample::select(vec![0, 1, 3]);
    let max = prop_oneof![2 => Just(0), 2 => Just(100), 1 => PERCENT];
    (power, PERCENT, PERCENT, max).prop_map(|(power, a, b, max)| {
        let (lo, hi) = match power {
            0 => (a, a),
            // A ramp must rise.
            _ => (a.min(b).min(99), a.max(b).max(a.min(b).min(99) + 1)),
        };
        let [lo, hi, max] = [lo, hi, max].map(|percent| percent * (Ramp::ONE / 100));
        Ramp { lo, hi, power, max }
    })
}

// The property.

fn floodwall_matches_its_oracle<const COUNT: usize>() {
    let legal = any_config(COUNT).prop_filter("legal rules", Config::is_legal);
    let config = ProptestConfig::with_cases(1_000);
    proptest!(config, |(config in legal, calls in vec(any_call(COUNT), 1..100))| {
        let wall = Floodwall::<NthClass<COUNT>>::new(config.capacity, &config.rules());
        let mut oracle = Oracle::new(config);
        let mut held = Vec::new();
        for call in calls {
            match call {
                Call::Admit(request) => {
                    let Request { class, permits, draw, pressure } = request;
                    let options = AdmitOptions::new()
                        .permits(permits)
                        .draw(Draw::from(draw))
                        .pressure(pressure as f64 / 100.0);
                    let expected = oracle.wall().admit(request);
                    // Without options, one permit takes another way through the slow path. The oracle does not know the
                    // draws of the wall.
                    let with_draw = |draw| oracle.wall().admit(Request { draw, ..request });
                    let is_plain = permits == 1 && pressure == 0;
                    let result = if is_plain && with_draw(0) == with_draw(u32::MAX) {
                        wall.admit(NthClass(class))
                    } else {
                        wall.admit_with(NthClass(class), options)
                    };
                    oracle.apply(request, expected);
                    match (result, expected) {
                        (Ok(permit), Ok(_)) => held.push((permit, class, permits)),
                        (Err(rejected), Err(expected)) => {
                            let Rejection { class: name, requested, .. } = rejected;
                            let actual = rejection(rejected.reason());
                            prop_assert!(
                                is_same(actual, expected),
                                "{actual:?} is not {expected:?}"
                            );
                            prop_assert_eq!(name, NthClass::<COUNT>::NAMES[class]);
                            prop_assert_eq!(requested, permits);
                        }
                        (result, expected) => {
                            prop_assert!(false, "{result:?} is not {expected:?}");
                        }
                    }
                }
                Call::Release(_) if held.is_empty() => {}
                Call::Release(index) => {
                    let (_permit, class, permits) = held.swap_remove(index.index(held.len()));
                    oracle.in_use[class] -= u64::from(permits);
                }
                Call::SetRules(config) => {
                    let rules = Rules::try_new(config.capacity, &config.rules());
                    prop_assert_eq!(rules.is_ok(), config.is_legal());
                    if let Ok(rules) = rules {
                        wall.set_rules(rules);
                        prop_assert_eq!(wall.rules(), rules);
                        oracle.config = config;
                    }
                }
                Call::SetRule(class, rule) => {
                    let mut config = oracle.config.clone();
                    config.classes[class] = rule;
                    let rules = wall.rules().with(&[self::rule(class, &rule)]);
                    prop_assert_eq!(rules.is_ok(), config.is_legal());
                    if let Ok(rules) = rules {
                        wall.set_rules(rules);
                        oracle.config = config;
                    }
                }
                Call::SetCapacity(capacity) => {
                    let mut config = oracle.config.clone();
                    config.capacity = capacity;
                    prop_assert_eq!(wall.set_capacity(capacity).is_ok(), config.is_legal());
                    if config.is_legal() {
                        oracle.config = config;
                    }
                }
                Call::SetClosed(closed) => {
                    if closed {
                        wall.close();
                    } else {
                        wall.open();
                    }
                    oracle.mode.closed = closed;
                }
                Call::SetPressure(pressure) => {
                    wall.set_pressure(pressure as f64 / 100.0);
                    oracle.mode.pressure = pressure;
                }
                Call::SetDryRun(dry_run) => {
                    let classes = NthClass::<COUNT>::ALL.iter().copied();
                    let classes: Vec<_> = classes.filter(|class| dry_run[class.0]).collect();
                    wall.set_dry_run(&classes);
                    oracle.mode.dry_run = dry_run;
                }
                Call::TakePeaks => {
                    assert_same(&wall, &wall.take_peaks(), &oracle);
                    oracle.reset_peaks();
                }
            }
            assert_same(&wall, &wall.snapshot(), &oracle);
        }
        drop(held);
        prop_assert!((0..COUNT).all(|class| wall.in_use(NthClass(class)) == 0));
    });
}

#[test]
fn floodwall_matches_its_oracle_for_every_class_count() {
    for_each_count!(floodwall_matches_its_oracle);
}

/// With two or more classes the epoch has 8 to 14 bits, and wraps at least once here, while permits are held in the lowest
/// and in the highest lane. With one class it has too many to wrap.
#[test]
fn rules_stay_in_force_when_the_epoch_wraps() {
    fn check<const COUNT: usize>() {
        let (first, last) = (NthClass::<COUNT>(0), NthClass(COUNT - 1));
        let rules = |cap| {
            let share = Share::at_most(cap);
            Rules::new(
                cap + 1,
                &std::array::from_fn::<_, COUNT, _>(|class| Rule::for_index(class, share)),
            )
        };
        let wall = Floodwall::from_rules(rules(9));
        let _lowest = wall.admit(first).unwrap();
        let _highest = wall.admit(last).unwrap();
        let (used, others) = (wall.in_use(last), wall.in_use(first));
        for update in 0..70_000 {
            let cap = 4 + update % 3;
            wall.set_rules(rules(cap));
            let all = wall
                .admit_with(last, AdmitOptions::new().permits(cap - used))
                .unwrap();
            let reason = wall.admit(last).unwrap_err().reason();
            assert!(
                matches!(reason, Reason::ClassFull { cap: reported, .. } if reported == cap),
                "after {update} updates: {reason:?}"
            );
            assert_eq!((wall.in_use(last), wall.capacity()), (cap, cap + 1));
            drop(all);
            assert_eq!((wall.in_use(last), wall.in_use(first)), (used, others));
        }
    }
    for_each_count!(check);
}
