//! Loss systems: the wall under Poisson traffic, against exact theory.
//!
//! A discrete-event simulation in virtual time calls the public interface and holds each permit for
//! the holding time of its request. The share of each class that is admitted must match theory
//! (the crate `floodwall-theory`, which never calls the library): Erlang's B formula for exact shares,
//! the product form for any shares, the birth-death chain for curves on a shared pool, and the whole
//! Markov chain for guarantees, caps and curves together.
//!
//! Unit and property tests check single decisions, and loom checks interleavings. These tests check
//! the shares that all decisions together amount to.

use std::collections::BTreeMap;
use std::time::Duration;

use floodwall::{AdmitOptions, Class, Curve, Draw, Floodwall, Rule, Rules, Share};
use floodwall_theory::spec::ClassRule;
use floodwall_theory::{
    Ramp, Solution, Stream, birth_death, chain, erlang_b, loss_system, product_form,
};
use rand::distr::Distribution;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::{Exp, Exp1};

type Random = Xoshiro256PlusPlus;

const BATCHES: usize = 40;
const REQUESTS_PER_BATCH: f64 = 30_000.0;
/// In mean holding times. Batches are nearly independent, and rare bursts of losses are spread over
/// many of them.
const SHORTEST_BATCH: f64 = 250.0;

#[test]
fn theory_reproduces_the_designs_percentages() {
    fn assert_percent<const COUNT: usize>(shares: &[f64], expected: [&str; COUNT]) {
        let shown: Vec<_> = shares.iter().map(|x| format!("{:.1}", x * 100.0)).collect();
        assert_eq!(shown, expected);
    }
    assert_percent(&[erlang_b(440.0, CAPACITY)], ["22.7"]);
    assert_percent(
        &[400.0, 10.0].map(|load| erlang_b(load, 50)),
        ["12.5", "100.0"],
    );

    for (streams, expected) in [
        (shedding(40.0, 400.0), ["100.0", "9.6"]),
        (shedding(400.0, 10.0), ["24.9", "0.0"]),
    ] {
        assert_percent(&birth_death(CAPACITY, &streams).admitted, expected);
    }
    let expected = ["100.0", "100.0", "5.3"];
    assert_percent(&birth_death(CAPACITY, &EVIDENCE).admitted, expected);

    for ((message, login), expected) in INCIDENTS.into_iter().zip([
        ["100.0", "100.0"],
        ["100.0", "9.6"],
        ["19.9", "99.8"],
        ["19.9", "5.0"],
    ]) {
        let wall = incident_wall(message, login);
        assert_percent(&chain(CAPACITY, &wall).admitted, expected);
    }
    let control = without_curves(incident_wall(40.0, 400.0));
    assert_percent(&product_form(CAPACITY, &control).admitted, ["98.2", "12.5"]);
}

#[test]
fn overlapping_theories_agree() {
    let assert_same = |left: Solution, right: Solution| {
        let numbers = |solution: Solution| [solution.admitted, vec![solution.utilization]].concat();
        for (left, right) in numbers(left).iter().zip(numbers(right)) {
            assert!((left - right).abs() < 1e-9, "{left} is not {right}");
        }
    };
    let mut random = Random::seed_from_u64(1);
    for _ in 0..10 {
        let (capacity, mut streams) = any_system::<3>(&mut random, 1..=12);
        streams = without_curves(streams);
        assert_same(chain(capacity, &streams), product_form(capacity, &streams));
        streams = streams.map(|s| Stream::new(s.load, 0..=capacity, any_ramp(&mut random)));
        assert_same(chain(capacity, &streams), birth_death(capacity, &streams));
        let load = streams[0].load;
        let servers = streams[0].rule.cap;
        let alone = [Stream::new(load, servers..=servers, Ramp::NEVER)];
        assert_same(product_form(servers, &alone), loss_system(load, servers));
    }
}

#[test]
fn exact_shares_follow_erlang_b() {
    let mut random = Random::seed_from_u64(2);
    for _ in 0..4 {
        let streams: [_; 3] = std::array::from_fn(|_| {
            let servers = random.random_range(1..=30);
            let load = f64::from(servers) * random.random_range(0.3..3.0);
            Stream::new(load, servers..=servers, Ramp::NEVER)
        });
        let capacity = streams.iter().map(|s| s.rule.cap).sum();
        let exact = streams.map(|s| erlang_b(s.load, s.rule.cap));
        Run::new(capacity, streams).assert_matches(&exact, &mut random);
    }
}

/// Erlang's formula and the product form depend on the mean holding time only.
#[test]
fn losses_do_not_depend_on_the_holding_time_distribution() {
    let mut random = Random::seed_from_u64(3);
    for holding in [Holding::Constant, Holding::Hyperexponential] {
        let servers = random.random_range(1..=30);
        let load = f64::from(servers) * random.random_range(0.8..1.5);
        let run = Run {
            holding,
            ..Run::new(servers, [Stream::new(load, servers..=servers, Ramp::NEVER)])
        };
        run.assert_matches(&[erlang_b(load, servers)], &mut random);

        let (capacity, mut streams) = any_system::<2>(&mut random, 5..=40);
        streams = without_curves(streams);
        let run = Run {
            holding,
            ..Run::new(capacity, streams)
        };
        run.assert_matches(&product_form(capacity, &streams).admitted, &mut random);
    }
}

#[test]
fn arbitrary_shares_follow_the_product_form() {
    fn of_classes<const COUNT: usize>(random: &mut Random, times: usize, largest: u32) {
        for _ in 0..times {
            let (capacity, streams) = any_system::<COUNT>(random, 1..=largest);
            let streams = without_curves(streams);
            let exact = product_form(capacity, &streams).admitted;
            Run::new(capacity, streams).assert_matches(&exact, random);
        }
    }
    let mut random = Random::seed_from_u64(4);
    of_classes::<1>(&mut random, 2, 60);
    of_classes::<2>(&mut random, 5, 60);
    of_classes::<3>(&mut random, 5, 25);
    of_classes::<4>(&mut random, 3, 10);
}

#[test]
fn curves_on_a_shared_pool_follow_the_birth_death_chain() {
    let mut random = Random::seed_from_u64(5);
    for _ in 0..8 {
        let capacity = random.random_range(1..=120);
        let streams: [_; 3] = std::array::from_fn(|_| {
            let load = f64::from(capacity) * random.random_range(0.05..1.0);
            Stream::new(load, 0..=capacity, any_ramp(&mut random))
        });
        let exact = birth_death(capacity, &streams).admitted;
        Run::new(capacity, streams).assert_matches(&exact, &mut random);
    }
}

#[test]
fn guarantees_caps_and_curves_follow_the_markov_chain() {
    fn of_classes<const COUNT: usize>(random: &mut Random, times: usize, largest: u32) {
        for _ in 0..times {
            let (capacity, streams) = any_system::<COUNT>(random, 1..=largest);
            let exact = chain(capacity, &streams).admitted;
            Run::new(capacity, streams).assert_matches(&exact, random);
        }
    }
    let mut random = Random::seed_from_u64(6);
    of_classes::<1>(&mut random, 2, 100);
    of_classes::<2>(&mut random, 10, 100);
    of_classes::<3>(&mut random, 4, 12);
}

#[test]
fn requests_of_several_permits_follow_theory() {
    let mut random = Random::seed_from_u64(9);
    for _ in 0..6 {
        let (capacity, streams) = any_system::<2>(&mut random, 5..=60);
        let streams = streams.map(|stream| {
            let permits = random.random_range(1..=5);
            Stream {
                load: stream.load / f64::from(permits),
                ..stream.permits(permits)
            }
        });
        let exact = chain(capacity, &streams).admitted;
        Run::new(capacity, streams).assert_matches(&exact, &mut random);
        let streams = without_curves(streams);
        let exact = product_form(capacity, &streams).admitted;
        Run::new(capacity, streams).assert_matches(&exact, &mut random);
    }
}

#[test]
fn incident_wall_matches_theory_in_every_incident() {
    let mut random = Random::seed_from_u64(7);
    for (message, login) in INCIDENTS {
        let streams = incident_wall(message, login);
        let exact = chain(CAPACITY, &streams).admitted;
        Run::new(CAPACITY, streams).assert_matches(&exact, &mut random);
    }
}

/// The wall's default samples are evenly spaced, not independent. This can move the admitted shares by
/// about one percentage point if they depend on fluctuations of the utilization. These systems show no
/// difference.
#[test]
fn default_samples_match_theory_in_every_incident() {
    fn check<const COUNT: usize>(streams: [Stream; COUNT], exact: &[f64], random: &mut Random) {
        let run = Run {
            samples: Samples::Default,
            ..Run::new(CAPACITY, streams)
        };
        run.assert_matches(exact, random);
    }
    let mut random = Random::seed_from_u64(8);
    for (message, login) in INCIDENTS {
        let streams = incident_wall(message, login);
        check(streams, &chain(CAPACITY, &streams).admitted, &mut random);
        let streams = shedding(message, login);
        check(
            streams,
            &birth_death(CAPACITY, &streams).admitted,
            &mut random,
        );
    }
    check(
        EVIDENCE,
        &birth_death(CAPACITY, &EVIDENCE).admitted,
        &mut random,
    );
}

const CAPACITY: u32 = 100;

/// Loads of messages and logins in erlangs: normal load, login storm, message storm, both storms.
const INCIDENTS: [(f64, f64); 4] = [(40.0, 10.0), (40.0, 400.0), (400.0, 10.0), (400.0, 400.0)];

/// In parts of a [`Ramp`].
const PERCENT: u64 = Ramp::ONE / 100;

const SHED: Ramp = Ramp::linear(0.6, 0.8);

/// The wall that serves messages in every incident.
fn incident_wall(message: f64, login: f64) -> [Stream; 2] {
    [
        Stream::new(message, 50..=CAPACITY, Ramp::NEVER),
        Stream::new(login, 20..=50, SHED),
    ]
}

/// The system of 2017: a shared pool that sheds logins.
const fn shedding(message: f64, login: f64) -> [Stream; 2] {
    [
        Stream::new(message, 0..=CAPACITY, Ramp::NEVER),
        Stream::new(login, 0..=CAPACITY, SHED),
    ]
}

/// Messages, logins that a user waits for, and background logins.
const EVIDENCE: [Stream; 3] = [
    Stream::new(40.0, 0..=CAPACITY, Ramp::NEVER),
    Stream::new(20.0, 0..=CAPACITY, Ramp::NEVER),
    Stream::new(380.0, 0..=CAPACITY, SHED),
];

fn without_curves<const COUNT: usize>(streams: [Stream; COUNT]) -> [Stream; COUNT] {
    streams.map(|stream| Stream {
        rule: ClassRule {
            ramp: Ramp::NEVER,
            ..stream.rule
        },
        ..stream
    })
}

/// Returns a random wall, from almost idle to several times overloaded.
fn any_system<const COUNT: usize>(
    random: &mut Random,
    capacities: std::ops::RangeInclusive<u32>,
) -> (u32, [Stream; COUNT]) {
    let capacity = random.random_range(capacities);
    let mut unreserved = capacity;
    let mut streams: [_; COUNT] = std::array::from_fn(|_| {
        let guarantee = random.random_range(0..=unreserved) * random.random_range(0..=1);
        unreserved -= guarantee;
        let cap = random.random_range(guarantee.max(1)..=capacity + 1);
        let load = f64::from(capacity) * random.random_range(0.1..2.0_f64) / COUNT as f64;
        Stream::new(load, guarantee..=cap, any_ramp(random))
    });
    if unreserved == 0 {
        // A class without a guarantee can never hold a permit. Rules then need a cap of 0.
        for Stream { rule, .. } in &mut streams {
            if rule.guarantee == 0 {
                rule.cap = 0;
            }
        }
    }
    (capacity, streams)
}

/// Returns a random ramp in whole percent.
fn any_ramp(random: &mut Random) -> Ramp {
    let lo = random.random_range(0..90);
    let hi = random.random_range(lo + 1..=100);
    Ramp {
        lo: lo * PERCENT,
        hi: hi * PERCENT,
        power: if random.random() { 1 } else { 3 },
        max: random.random_range(0..=100) * PERCENT,
    }
}

/// A system to simulate.
#[derive(Clone, Copy, Debug)]
struct Run<const COUNT: usize> {
    capacity: u32,
    streams: [Stream; COUNT],
    holding: Holding,
    samples: Samples,
}

/// The distribution of holding times, with mean 1.
#[derive(Clone, Copy, Debug)]
enum Holding {
    Exponential,
    Constant,
    /// One request in ten accounts for half of the time.
    Hyperexponential,
}

#[derive(Clone, Copy, Debug)]
enum Samples {
    Independent,
    Default,
}

/// One of `COUNT` classes, by its index.
#[derive(Clone, Copy)]
struct Nth<const COUNT: usize>(usize);

impl<const COUNT: usize> Class for Nth<COUNT> {
    const NAMES: &'static [&'static str] = {
        const ALL: &[&str] = &["first", "second", "third", "fourth"];
        ALL.split_at(COUNT).0
    };
    const ALL: &'static [Self] = &{
        let mut all = [Nth(0); COUNT];
        let mut class = 0;
        while class < COUNT {
            all[class] = Nth(class);
            class += 1;
        }
        all
    };

    fn index(self) -> usize {
        self.0
    }
}

impl<const COUNT: usize> Run<COUNT> {
    fn new(capacity: u32, streams: [Stream; COUNT]) -> Self {
        Run {
            capacity,
            streams,
            holding: Holding::Exponential,
            samples: Samples::Independent,
        }
    }

    fn assert_matches(&self, exact: &[f64], random: &mut Random) {
        assert_eq!(exact.len(), COUNT);
        let batches = self.simulate(random);
        for (class, exact) in exact.iter().enumerate() {
            let of_class = batches.iter().map(|batch| batch[class]);
            let (share, tolerance) = estimate(of_class);
            assert!(
                (share - exact).abs() <= tolerance,
                "class {class}: {share:.5} admitted, exact is {exact:.5}, tolerance {tolerance:.5}; {self:?}"
            );
        }
    }

    /// Returns the counts of each class in each batch, after one warm-up batch.
    fn simulate(&self, random: &mut Random) -> Vec<[Count; COUNT]> {
        let wall = self.wall();
        let load: f64 = self.streams.iter().map(|s| s.load).sum();
        let length = Duration::from_secs_f64((REQUESTS_PER_BATCH / load).max(SHORTEST_BATCH));
        let arrivals = Exp::new(load).expect("loads are positive");

        let mut batches = vec![[Count::default(); COUNT]; 1 + BATCHES];
        // Permits by release time. The second number of the key distinguishes equal times.
        let mut held = BTreeMap::new();
        let mut now = Duration::ZERO;
        for number in 0_u64.. {
            now += Duration::from_secs_f64(arrivals.sample(random));
            let batch = now.div_duration_f64(length) as usize;
            if batch >= batches.len() {
                break;
            }
            while let Some(next) = held.first_entry() {
                let &(release, _) = next.key();
                if release > now {
                    break;
                }
                drop(next.remove());
            }
            let class = self.class_of_arrival(random.random_range(0.0..load));
            let count = &mut batches[batch][class];
            count.arrived += 1;
            let options = self.options(random).permits(self.streams[class].permits);
            if let Ok(permit) = wall.admit_with(Nth(class), options) {
                count.admitted += 1;
                let holding = Duration::from_secs_f64(self.holding.sample(random));
                held.insert((now + holding, number), permit);
            }
        }
        batches.split_off(1)
    }

    fn wall(&self) -> Floodwall<Nth<COUNT>> {
        let rules: [_; COUNT] = std::array::from_fn(|class| {
            let rule = self.streams[class].rule;
            let share = Share::between(rule.guarantee, rule.cap);
            Rule::for_index(class, share).shed(curve(rule.ramp))
        });
        Floodwall::from_rules(Rules::new(self.capacity, &rules))
    }

    /// Returns the class that owns `number`, if the streams partition `0..total load` by their loads.
    fn class_of_arrival(&self, mut number: f64) -> usize {
        let owns = |stream: &Stream| {
            number -= stream.load;
            number < 0.0
        };
        self.streams.iter().position(owns).unwrap_or(COUNT - 1)
    }

    fn options(&self, random: &mut Random) -> AdmitOptions {
        match self.samples {
            Samples::Independent => AdmitOptions::new().draw(Draw::from(random.random::<u32>())),
            Samples::Default => AdmitOptions::new(),
        }
    }
}

fn curve(ramp: Ramp) -> Curve {
    let [lo, hi, max] = [ramp.lo, ramp.hi, ramp.max].map(|parts| parts as f64 / Ramp::ONE as f64);
    let curve = match ramp.power {
        1 => Curve::linear(lo, hi),
        3 => Curve::cubic(lo, hi),
        power => unreachable!("no curve has the power {power}"),
    };
    curve.capped(max)
}

impl Holding {
    fn sample(self, random: &mut Random) -> f64 {
        let exponential = |mean: f64, random: &mut Random| {
            let one: f64 = Exp1.sample(random);
            mean * one
        };
        match self {
            Holding::Exponential => exponential(1.0, random),
            Holding::Constant => 1.0,
            Holding::Hyperexponential if random.random_bool(0.1) => exponential(5.0, random),
            Holding::Hyperexponential => exponential(5.0 / 9.0, random),
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Count {
    arrived: u32,
    admitted: u32,
}

/// Returns the admitted share and its tolerance.
///
/// The tolerance is five standard errors by the method of batch means: the ratio of two sums, whose
/// error is estimated from the deviation of each batch from that ratio. Five requests and a hundredth of
/// a percentage point are added, because batches say little about rare events that come in clusters.
fn estimate(batches: impl Iterator<Item = Count> + Clone) -> (f64, f64) {
    let arrived: f64 = batches.clone().map(|batch| f64::from(batch.arrived)).sum();
    let admitted: f64 = batches.clone().map(|batch| f64::from(batch.admitted)).sum();
    let share = admitted / arrived;
    let deviation = |batch: Count| f64::from(batch.admitted) - share * f64::from(batch.arrived);
    let squares: f64 = batches.map(|batch| deviation(batch).powi(2)).sum();
    let batches = BATCHES as f64;
    let error = (squares * batches / (batches - 1.0)).sqrt() / arrived;
    (share, 5.0 * error + 5.0 / arrived + 0.0001)
}
