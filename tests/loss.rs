//! Loss systems: the wall under Poisson traffic, against exact theory.
//!
//! A discrete-event simulation in virtual time drives the public interface and holds its permits as
//! long as requests stay. The share of each class that is admitted has to be what theory says
//! (`theory.rs`, which states the rule a second time and never calls the library): Erlang's B
//! formula for classes of their own, the product form for any shares, the birth-death chain for a
//! curve on a shared pool, and the whole Markov chain for guarantees, caps and curves together.
//!
//! What a single decision does is for the unit and property tests, what threads do to one another
//! for loom; here is what all decisions together come to, which is what a server's owner sees.

#[path = "../examples/kakaotalk/theory.rs"]
mod theory;

use std::collections::BTreeMap;
use std::time::Duration;

use floodwall::{AdmitOptions, Class, Curve, Draw, Floodwall, Rule, Rules, Share};
use rand::distr::Distribution;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::{Exp, Exp1};
use theory::{Ramp, Stream, birth_death, chain, erlang_b, product_form};

type Random = Xoshiro256PlusPlus;

const BATCHES: usize = 40;
const REQUESTS_PER_BATCH: f64 = 30_000.0;
/// In mean stays: so long that a batch hardly remembers the one before, and that losses which come
/// rarely, and then many together, come in many batches.
const SHORTEST_BATCH: f64 = 250.0;

#[test]
fn theory_says_what_the_design_says() {
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
        assert_percent(&birth_death(CAPACITY, &streams), expected);
    }
    let expected = ["100.0", "100.0", "5.3"];
    assert_percent(&birth_death(CAPACITY, &EVIDENCE), expected);

    for ((message, login), expected) in INCIDENTS.into_iter().zip([
        ["100.0", "100.0"],
        ["100.0", "9.6"],
        ["19.9", "99.8"],
        ["19.9", "5.0"],
    ]) {
        let wall = the_designs_wall(message, login);
        assert_percent(&chain(CAPACITY, &wall), expected);
    }
    let control = unshed(the_designs_wall(40.0, 400.0));
    assert_percent(&product_form(CAPACITY, &control), ["98.2", "12.5"]);
}

#[test]
fn theories_agree_where_they_overlap() {
    let same = |one: Vec<f64>, other: Vec<f64>| {
        for (one, other) in one.iter().zip(&other) {
            assert!((one - other).abs() < 1e-9, "{one} is not {other}");
        }
    };
    let mut random = Random::seed_from_u64(1);
    for _ in 0..10 {
        let (capacity, mut streams) = any_system::<3>(&mut random, 1..=12);
        streams = unshed(streams);
        same(chain(capacity, &streams), product_form(capacity, &streams));
        streams = streams.map(|s| Stream::new(s.load, 0..=capacity, any_ramp(&mut random)));
        same(chain(capacity, &streams), birth_death(capacity, &streams));
        let Stream { load, cap, .. } = streams[0];
        let alone = [Stream::new(load, cap..=cap, Ramp::NEVER)];
        same(product_form(cap, &alone), vec![erlang_b(load, cap)]);
    }
}

#[test]
fn exact_shares_lose_by_erlangs_formula() {
    let mut random = Random::seed_from_u64(2);
    for _ in 0..4 {
        let streams: [_; 3] = std::array::from_fn(|_| {
            let servers = random.random_range(1..=30);
            let load = servers as f64 * random.random_range(0.3..3.0);
            Stream::new(load, servers..=servers, Ramp::NEVER)
        });
        let capacity = streams.iter().map(|s| s.cap).sum();
        let exact = streams.map(|s| erlang_b(s.load, s.cap));
        Run::new(capacity, streams).agrees_with(&exact, &mut random);
    }
}

/// Erlang's formula asks of the stays no more than their mean, and neither does the product form.
#[test]
fn how_stays_are_spread_does_not_matter() {
    let mut random = Random::seed_from_u64(3);
    for stay in [Stay::Constant, Stay::FewLongOnes] {
        let servers = random.random_range(1..=30);
        let load = servers as f64 * random.random_range(0.8..1.5);
        let run = Run {
            stay,
            ..Run::new(servers, [Stream::new(load, servers..=servers, Ramp::NEVER)])
        };
        run.agrees_with(&[erlang_b(load, servers)], &mut random);

        let (capacity, mut streams) = any_system::<2>(&mut random, 5..=40);
        streams = unshed(streams);
        let run = Run {
            stay,
            ..Run::new(capacity, streams)
        };
        run.agrees_with(&product_form(capacity, &streams), &mut random);
    }
}

#[test]
fn any_shares_lose_by_the_product_form() {
    fn of_classes<const COUNT: usize>(random: &mut Random, times: usize, largest: usize) {
        for _ in 0..times {
            let (capacity, streams) = any_system::<COUNT>(random, 1..=largest);
            let streams = unshed(streams);
            let exact = product_form(capacity, &streams);
            Run::new(capacity, streams).agrees_with(&exact, random);
        }
    }
    let mut random = Random::seed_from_u64(4);
    of_classes::<1>(&mut random, 2, 60);
    of_classes::<2>(&mut random, 5, 60);
    of_classes::<3>(&mut random, 5, 25);
    of_classes::<4>(&mut random, 3, 10);
}

#[test]
fn a_curve_on_a_shared_pool_is_a_birth_death_chain() {
    let mut random = Random::seed_from_u64(5);
    for _ in 0..8 {
        let capacity = random.random_range(1..=120);
        let streams: [_; 3] = std::array::from_fn(|_| {
            let load = capacity as f64 * random.random_range(0.05..1.0);
            Stream::new(load, 0..=capacity, any_ramp(&mut random))
        });
        let exact = birth_death(capacity, &streams);
        Run::new(capacity, streams).agrees_with(&exact, &mut random);
    }
}

#[test]
fn a_whole_wall_is_its_markov_chain() {
    fn of_classes<const COUNT: usize>(random: &mut Random, times: usize, largest: usize) {
        for _ in 0..times {
            let (capacity, streams) = any_system::<COUNT>(random, 1..=largest);
            let exact = chain(capacity, &streams);
            Run::new(capacity, streams).agrees_with(&exact, random);
        }
    }
    let mut random = Random::seed_from_u64(6);
    of_classes::<1>(&mut random, 2, 100);
    of_classes::<2>(&mut random, 10, 100);
    of_classes::<3>(&mut random, 4, 12);
}

#[test]
fn the_designs_wall_stands_in_every_incident() {
    let mut random = Random::seed_from_u64(7);
    for (message, login) in INCIDENTS {
        let streams = the_designs_wall(message, login);
        let exact = chain(CAPACITY, &streams);
        Run::new(CAPACITY, streams).agrees_with(&exact, &mut random);
    }
}

/// The wall's own draws are evenly spaced, not independent. Where shares hang on how far a pool's
/// utilization strays, that can move them, by a point or so; here it moves none that would show.
#[test]
fn the_walls_own_draws_serve_the_incidents_as_well() {
    fn check<const COUNT: usize>(streams: [Stream; COUNT], exact: &[f64], random: &mut Random) {
        let run = Run {
            draws: Draws::OfTheWall,
            ..Run::new(CAPACITY, streams)
        };
        run.agrees_with(exact, random);
    }
    let mut random = Random::seed_from_u64(8);
    for (message, login) in INCIDENTS {
        let streams = the_designs_wall(message, login);
        check(streams, &chain(CAPACITY, &streams), &mut random);
        let streams = shedding(message, login);
        check(streams, &birth_death(CAPACITY, &streams), &mut random);
    }
    check(EVIDENCE, &birth_death(CAPACITY, &EVIDENCE), &mut random);
}

const CAPACITY: usize = 100;

/// Calm, login storm, message flood, both: loads of messages and logins, in erlangs.
const INCIDENTS: [(f64, f64); 4] = [(40.0, 10.0), (40.0, 400.0), (400.0, 10.0), (400.0, 400.0)];

const SHED: Ramp = Ramp::linear(0.6, 0.8);

/// The wall that answers every incident.
fn the_designs_wall(message: f64, login: f64) -> [Stream; 2] {
    [
        Stream::new(message, 50..=CAPACITY, Ramp::NEVER),
        Stream::new(login, 20..=50, SHED),
    ]
}

/// The system of 2017: a shared pool, logins shed.
const fn shedding(message: f64, login: f64) -> [Stream; 2] {
    [
        Stream::new(message, 0..=CAPACITY, Ramp::NEVER),
        Stream::new(login, 0..=CAPACITY, SHED),
    ]
}

/// Messages, wanted logins, and the logins that nobody waits for.
const EVIDENCE: [Stream; 3] = [
    Stream::new(40.0, 0..=CAPACITY, Ramp::NEVER),
    Stream::new(20.0, 0..=CAPACITY, Ramp::NEVER),
    Stream::new(380.0, 0..=CAPACITY, SHED),
];

fn unshed<const COUNT: usize>(streams: [Stream; COUNT]) -> [Stream; COUNT] {
    streams.map(|stream| Stream {
        ramp: Ramp::NEVER,
        ..stream
    })
}

/// A wall of any kind, from idle to overrun several times over.
fn any_system<const COUNT: usize>(
    random: &mut Random,
    capacities: std::ops::RangeInclusive<usize>,
) -> (usize, [Stream; COUNT]) {
    let capacity = random.random_range(capacities);
    let mut unpromised = capacity;
    let streams = std::array::from_fn(|_| {
        let guarantee = random.random_range(0..=unpromised) * random.random_range(0..=1);
        unpromised -= guarantee;
        let cap = random.random_range(guarantee.max(1)..=capacity + 1);
        let load = capacity as f64 * random.random_range(0.1..2.0_f64) / COUNT as f64;
        Stream::new(load, guarantee..=cap, any_ramp(random))
    });
    (capacity, streams)
}

/// Ends at hundredths, which a [`Curve`] keeps exactly.
fn any_ramp(random: &mut Random) -> Ramp {
    let lo = random.random_range(0..90);
    let hi = random.random_range(lo + 1..=100);
    Ramp {
        lo: f64::from(lo) / 100.0,
        hi: f64::from(hi) / 100.0,
        power: if random.random() { 1 } else { 3 },
        ceiling: f64::from(random.random_range(0..=100)) / 100.0,
    }
}

/// What goes through which wall.
#[derive(Clone, Copy, Debug)]
struct Run<const COUNT: usize> {
    capacity: usize,
    streams: [Stream; COUNT],
    stay: Stay,
    draws: Draws,
}

/// How long the admitted stay: 1 in the mean.
#[derive(Clone, Copy, Debug)]
enum Stay {
    Exponential,
    Constant,
    /// One in ten takes half of the time. (Hyperexponential.)
    FewLongOnes,
}

#[derive(Clone, Copy, Debug)]
enum Draws {
    Independent,
    OfTheWall,
}

/// A class by number.
#[derive(Clone, Copy)]
struct Nth<const COUNT: usize>(usize);

impl<const COUNT: usize> Class for Nth<COUNT> {
    const NAMES: &'static [&'static str] = {
        const ALL: &[&str] = &["first", "second", "third", "fourth"];
        ALL.split_at(COUNT).0
    };

    fn index(self) -> usize {
        self.0
    }
}

impl<const COUNT: usize> Run<COUNT> {
    fn new(capacity: usize, streams: [Stream; COUNT]) -> Self {
        Run {
            capacity,
            streams,
            stay: Stay::Exponential,
            draws: Draws::Independent,
        }
    }

    fn agrees_with(&self, exact: &[f64], random: &mut Random) {
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

    /// What each class counted in each batch, after one batch to warm up.
    fn simulate(&self, random: &mut Random) -> Vec<[Count; COUNT]> {
        let wall = self.wall();
        let load: f64 = self.streams.iter().map(|s| s.load).sum();
        let length = Duration::from_secs_f64((REQUESTS_PER_BATCH / load).max(SHORTEST_BATCH));
        let arrivals = Exp::new(load).expect("loads are positive");

        let mut batches = vec![[Count::default(); COUNT]; 1 + BATCHES];
        // Who is inside, by the time of leaving; the second number tells apart who leaves at once.
        let mut inside = BTreeMap::new();
        let mut now = Duration::ZERO;
        for number in 0_u64.. {
            now += Duration::from_secs_f64(arrivals.sample(random));
            let batch = now.div_duration_f64(length) as usize;
            if batch >= batches.len() {
                break;
            }
            while let Some(next) = inside.first_entry() {
                let &(leaving, _) = next.key();
                if leaving > now {
                    break;
                }
                drop(next.remove());
            }
            let class = self.class_of_arrival(random.random_range(0.0..load));
            let count = &mut batches[batch][class];
            count.arrived += 1;
            if let Ok(permit) = wall.admit_with(Nth(class), self.ask(random)) {
                count.admitted += 1;
                let stay = Duration::from_secs_f64(self.stay.sample(random));
                inside.insert((now + stay, number), permit);
            }
        }
        batches.split_off(1)
    }

    fn wall(&self) -> Floodwall<Nth<COUNT>> {
        let number = |n: usize| u32::try_from(n).expect("systems are small");
        let rules: [_; COUNT] = std::array::from_fn(|class| {
            let Stream {
                guarantee,
                cap,
                ramp,
                ..
            } = self.streams[class];
            let share = Share::between(number(guarantee), number(cap));
            Rule::for_index(class, share).shed(curve(ramp))
        });
        Floodwall::from_rules(Rules::new(number(self.capacity), &rules))
    }

    /// Whose a number in `0..load of all` is, if each class owns as much of it as its load.
    fn class_of_arrival(&self, mut number: f64) -> usize {
        let owns = |stream: &Stream| {
            number -= stream.load;
            number < 0.0
        };
        self.streams.iter().position(owns).unwrap_or(COUNT - 1)
    }

    fn ask(&self, random: &mut Random) -> AdmitOptions {
        match self.draws {
            Draws::Independent => AdmitOptions::new().draw(Draw::from(random.random::<u32>())),
            Draws::OfTheWall => AdmitOptions::new(),
        }
    }
}

fn curve(ramp: Ramp) -> Curve {
    let Ramp {
        lo,
        hi,
        power,
        ceiling,
    } = ramp;
    let curve = match power {
        1 => Curve::linear(lo, hi),
        3 => Curve::cubic(lo, hi),
        _ => unreachable!("no curve has the power {power}"),
    };
    curve.capped(ceiling)
}

impl Stay {
    fn sample(self, random: &mut Random) -> f64 {
        let exponential = |mean: f64, random: &mut Random| {
            let one: f64 = Exp1.sample(random);
            mean * one
        };
        match self {
            Stay::Exponential => exponential(1.0, random),
            Stay::Constant => 1.0,
            Stay::FewLongOnes if random.random_bool(0.1) => exponential(5.0, random),
            Stay::FewLongOnes => exponential(5.0 / 9.0, random),
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Count {
    arrived: u32,
    admitted: u32,
}

/// The share admitted, and how far it may be off: five standard errors by the method of batch means
/// (the ratio of two sums, its error from how far each batch is from that ratio). On top, five
/// requests and a hundredth of a point: where hardly any is turned away, or let in, those few come
/// together, if they come, and batches say little of them.
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
