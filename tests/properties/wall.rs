//! The wall, with 1 to 8 classes, against the one rule of the design.

use std::ops::Range;

use floodwall::{
    AdmitOptions, Class, ClassSnapshot, Curve, Draw, Floodwall, Reason, Rejection, Rule, Rules,
    Share,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::common::{Of, for_each_count};

// The oracle.

/// A wall of plain numbers.
struct Oracle {
    rules: Given,
    classes: Vec<State>,
}

/// A capacity, and what each class may have.
#[derive(Clone, Debug)]
struct Given {
    capacity: u32,
    terms: Vec<Terms>,
}

#[derive(Clone, Copy, Debug)]
struct Terms {
    guarantee: u32,
    cap: u32,
    curve: Ramp,
}

/// A curve in hundredths: nothing below `lo`, everything from `hi` on, never above `most`.
#[derive(Clone, Copy, Debug)]
struct Ramp {
    power: i32,
    lo: u64,
    hi: u64,
    most: u64,
}

#[derive(Clone, Copy, Default)]
struct State {
    in_use: u64,
    peak: u64,
    admitted: u64,
    shed: u64,
    class_full: u64,
    pool_full: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Admitted,
    Shed {
        utilization: f64,
        probability: Near,
    },
    ClassFull {
        in_use: u64,
        cap: u64,
    },
    PoolFull {
        in_use: u64,
        reserved: u64,
        capacity: u64,
    },
}

/// What a snapshot says of one class.
#[derive(Debug, PartialEq)]
struct View {
    name: &'static str,
    in_use: u64,
    guarantee: u64,
    cap: u64,
    reject_probability: Near,
    peak: u64,
    counts: [u64; 4],
}

/// A probability, but for how it was rounded.
#[derive(Clone, Copy, Debug)]
struct Near(f64);

impl PartialEq for Near {
    fn eq(&self, other: &Self) -> bool {
        (self.0 - other.0).abs() < 1e-12
    }
}

impl Ramp {
    /// At the utilization `used / of`.
    fn probability(self, used: u64, of: u64) -> f64 {
        let (used, lo, hi) = (used * 100, self.lo * of, self.hi * of);
        let ramp = if used < lo {
            0.0
        } else if used >= hi {
            1.0
        } else {
            ((used - lo) as f64 / (hi - lo) as f64).powi(self.power)
        };
        ramp.min(self.most as f64 / 100.0)
    }

    fn curve(self) -> Curve {
        let (lo, hi) = (self.lo as f64 / 100.0, self.hi as f64 / 100.0);
        let curve = match self.power {
            0 => Curve::step(lo),
            1 => Curve::linear(lo, hi),
            _ => Curve::cubic(lo, hi),
        };
        curve.capped(self.most as f64 / 100.0)
    }
}

impl Given {
    /// Whether a wall can keep these rules.
    fn is_legal(&self) -> bool {
        let room = match self.terms.len() {
            1 | 2 => (1 << 24) - 1,
            count => (1 << (56 / count)) - 1,
        };
        let guarantees: u64 = self.terms.iter().map(|t| u64::from(t.guarantee)).sum();
        self.terms
            .iter()
            .all(|t| t.guarantee <= t.cap && t.cap.min(self.capacity) <= room)
            && (self.capacity == 0 || guarantees <= self.capacity.into())
    }

    fn rules<const COUNT: usize>(&self) -> Vec<Rule<Of<COUNT>>> {
        (0..).zip(&self.terms).map(|(i, t)| t.rule(i)).collect()
    }
}

impl Terms {
    fn rule<const COUNT: usize>(&self, class: usize) -> Rule<Of<COUNT>> {
        Rule::for_index(class, Share::between(self.guarantee, self.cap)).shed(self.curve.curve())
    }
}

impl Oracle {
    fn new(rules: Given) -> Self {
        let classes = vec![State::default(); rules.terms.len()];
        Oracle { rules, classes }
    }

    fn capacity(&self) -> u64 {
        self.rules.capacity.into()
    }

    /// Guarantees are void while the wall is closed.
    fn guarantee(&self, class: usize) -> u64 {
        match self.rules.capacity {
            0 => 0,
            _ => self.rules.terms[class].guarantee.into(),
        }
    }

    fn total(&self) -> u64 {
        self.classes.iter().map(|class| class.in_use).sum()
    }

    /// The utilization as a fraction: full if there is nothing to be had.
    fn utilization(&self) -> (u64, u64) {
        match self.capacity() {
            0 => (1, 1),
            capacity => (self.total(), capacity),
        }
    }

    /// The answer to this request, by the rule of the design.
    fn judge(&self, request: &Request) -> Answer {
        let Request { class, draw, .. } = *request;
        let permits = u64::from(request.permits);
        let capacity = self.capacity();
        let others = || (0..self.classes.len()).filter(|&other| other != class);
        let pool_full = Answer::PoolFull {
            in_use: self.total(),
            reserved: others()
                .map(|other| {
                    self.guarantee(other)
                        .saturating_sub(self.classes[other].in_use)
                })
                .sum(),
            capacity,
        };
        if capacity == 0 {
            return pool_full;
        }
        if permits == 0 {
            return Answer::Admitted;
        }
        let in_use = self.classes[class].in_use;
        let Terms { cap, curve, .. } = self.rules.terms[class];
        let cap = u64::from(cap);
        if cap < capacity && in_use + permits > cap {
            return Answer::ClassFull { in_use, cap };
        }
        if in_use + permits <= self.guarantee(class) {
            return match self.total() + permits <= capacity {
                true => Answer::Admitted,
                false => pool_full,
            };
        }
        let elsewhere: u64 = others()
            .map(|other| self.guarantee(other).max(self.classes[other].in_use))
            .sum();
        if in_use + permits + elsewhere > capacity {
            return pool_full;
        }
        let (mut used, mut of) = self.utilization();
        if request.pressure * of > used * 100 {
            (used, of) = (request.pressure, 100);
        }
        let probability = curve.probability(used, of);
        if f64::from(draw) < probability * 2_f64.powi(32) {
            return Answer::Shed {
                utilization: used as f64 / of as f64,
                probability: Near(probability),
            };
        }
        Answer::Admitted
    }

    fn note(&mut self, request: &Request, answer: Answer) {
        let class = &mut self.classes[request.class];
        match answer {
            Answer::Admitted => {
                class.admitted += 1;
                class.in_use += u64::from(request.permits);
                class.peak = class.peak.max(class.in_use);
            }
            Answer::Shed { .. } => class.shed += 1,
            Answer::ClassFull { .. } => class.class_full += 1,
            Answer::PoolFull { .. } => class.pool_full += 1,
        }
    }

    fn new_peaks(&mut self) {
        for class in &mut self.classes {
            class.peak = class.in_use;
        }
    }

    fn view(&self, class: usize, name: &'static str) -> View {
        let state = &self.classes[class];
        let Terms { cap, curve, .. } = self.rules.terms[class];
        let (used, of) = self.utilization();
        let reject_probability = match state.in_use < self.guarantee(class) {
            true => 0.0,
            false => curve.probability(used, of),
        };
        View {
            name,
            in_use: state.in_use,
            guarantee: self.guarantee(class),
            cap: u64::from(cap).min(self.capacity()),
            reject_probability: Near(reject_probability),
            peak: state.peak,
            counts: [
                state.admitted,
                state.shed,
                state.class_full,
                state.pool_full,
            ],
        }
    }
}

// What the wall says, in the oracle's words.

fn answer(result: &Result<floodwall::Permit<'_>, Rejection>) -> Answer {
    let Err(Rejection { reason, .. }) = *result else {
        return Answer::Admitted;
    };
    match reason {
        Reason::Shed {
            utilization,
            probability,
            ..
        } => Answer::Shed {
            utilization,
            probability: Near(probability),
        },
        Reason::ClassFull { in_use, cap, .. } => Answer::ClassFull {
            in_use: in_use.into(),
            cap: cap.into(),
        },
        Reason::PoolFull {
            in_use,
            reserved,
            capacity,
            ..
        } => Answer::PoolFull {
            in_use: in_use.into(),
            reserved: reserved.into(),
            capacity: capacity.into(),
        },
        other => panic!("the oracle knows nothing of {other:?}"),
    }
}

fn view(class: &ClassSnapshot) -> View {
    View {
        name: class.name,
        in_use: class.in_use.into(),
        guarantee: class.guarantee.into(),
        cap: class.cap.into(),
        reject_probability: Near(class.reject_probability),
        peak: class.peak.into(),
        counts: [
            class.admitted,
            class.shed,
            class.class_full,
            class.pool_full,
        ],
    }
}

/// Every number that can be read is the oracle's.
fn assert_same<const COUNT: usize>(
    wall: &Floodwall<Of<COUNT>>,
    snapshot: &floodwall::Snapshot,
    oracle: &Oracle,
) {
    let (used, of) = oracle.utilization();
    let utilization = used as f64 / of as f64;
    assert_eq!(wall.capacity(), oracle.rules.capacity);
    assert_eq!(wall.utilization(), utilization);
    assert_eq!(wall.rules().capacity(), oracle.rules.capacity);
    assert_eq!(snapshot.capacity, oracle.rules.capacity);
    assert_eq!(snapshot.utilization, utilization);
    assert_eq!(snapshot.classes().len(), COUNT);
    for (i, class) in snapshot.classes().iter().enumerate() {
        assert_eq!(view(class), oracle.view(i, class.name));
        assert_eq!(u64::from(wall.in_use(Of(i))), oracle.classes[i].in_use);
        let terms = oracle.rules.terms[i];
        let share = Share::between(terms.guarantee, terms.cap);
        assert_eq!(wall.rules().share(Of(i)), share);
        assert_eq!(wall.rules().curve(Of(i)), terms.curve.curve());
    }
}

// Random calls.

#[derive(Clone, Debug)]
enum Call {
    Admit(Request),
    GiveBack(Index),
    SetRules(Given),
    ChangeOne(usize, Terms),
    SetCapacity(u32),
    TakePeaks,
}

#[derive(Clone, Debug)]
struct Request {
    class: usize,
    permits: u32,
    draw: u32,
    /// In hundredths.
    pressure: u64,
}

fn any_call(count: usize) -> impl Strategy<Value = Call> {
    prop_oneof![
        24 => any_request(count).prop_map(Call::Admit),
        12 => any::<Index>().prop_map(Call::GiveBack),
        1 => any_rules(count).prop_map(Call::SetRules),
        2 => (0..count, any_terms(count)).prop_map(|(class, terms)| Call::ChangeOne(class, terms)),
        2 => any_capacity().prop_map(Call::SetCapacity),
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
    let pressure = prop_oneof![3 => Just(0), 1 => 0..=150_u64];
    (0..count, permits, draw, pressure).prop_map(|(class, permits, draw, pressure)| Request {
        class,
        permits,
        draw,
        pressure,
    })
}

fn any_rules(count: usize) -> impl Strategy<Value = Given> {
    (any_capacity(), vec(any_terms(count), count))
        .prop_map(|(capacity, terms)| Given { capacity, terms })
}

/// Mostly small, so that limits are met; some beyond what a lane can count.
fn any_capacity() -> impl Strategy<Value = u32> {
    prop_oneof![
        1 => Just(0),
        12 => 1..30_u32,
        2 => 100..300_u32,
        1 => prop::sample::select(vec![2_047, 2_048, 70_000, 1 << 24, u32::MAX]),
    ]
}

/// Mostly legal, and guarantees that mostly fit beside those of the other classes.
fn any_terms(count: usize) -> impl Strategy<Value = Terms> {
    let most = 30 / count as u32;
    let guarantee = prop_oneof![4 => Just(0), 8 => 0..=most, 1 => 0..40_u32];
    let beyond = prop_oneof![6 => 0..12_u32, 2 => Just(u32::MAX)];
    let is_legal = prop::bool::weighted(0.95);
    (guarantee, beyond, is_legal, any_ramp()).prop_map(|(guarantee, beyond, is_legal, curve)| {
        Terms {
            guarantee,
            cap: match is_legal {
                true => guarantee.saturating_add(beyond),
                false => guarantee.saturating_sub(beyond),
            },
            curve,
        }
    })
}

fn any_ramp() -> impl Strategy<Value = Ramp> {
    const ALL: Range<u64> = 0..101;
    let power = prop::sample::select(vec![0, 1, 3]);
    let most = prop_oneof![2 => Just(0), 2 => Just(100), 1 => ALL];
    (power, ALL, ALL, most).prop_map(|(power, a, b, most)| {
        let (lo, hi) = match power {
            0 => (a, a),
            // A ramp must rise.
            _ => (a.min(b).min(99), a.max(b).max(a.min(b).min(99) + 1)),
        };
        Ramp {
            power,
            lo,
            hi,
            most,
        }
    })
}

// The property.

fn a_wall_answers_like_its_oracle<const COUNT: usize>() {
    let legal = any_rules(COUNT).prop_filter("legal rules", Given::is_legal);
    let config = ProptestConfig::with_cases(1_000);
    proptest!(config, |(given in legal, calls in vec(any_call(COUNT), 1..100))| {
        let wall = Floodwall::<Of<COUNT>>::new(given.capacity, &given.rules());
        let mut oracle = Oracle::new(given);
        let mut held = Vec::new();
        for call in calls {
            match call {
                Call::Admit(request) => {
                    let ask = AdmitOptions::new()
                        .permits(request.permits)
                        .draw(Draw::from(request.draw))
                        .pressure(request.pressure as f64 / 100.0);
                    let result = wall.admit_with(Of(request.class), ask);
                    let expected = oracle.judge(&request);
                    prop_assert_eq!(answer(&result), expected);
                    oracle.note(&request, expected);
                    let Request { class, permits, .. } = request;
                    match result {
                        Ok(permit) => held.push((permit, class, permits)),
                        Err(rejection) => {
                            prop_assert_eq!(rejection.class, Of::<COUNT>::NAMES[class]);
                            prop_assert_eq!(rejection.requested, permits);
                        }
                    }
                }
                Call::GiveBack(_) if held.is_empty() => {}
                Call::GiveBack(which) => {
                    let (_permit, class, permits) = held.swap_remove(which.index(held.len()));
                    oracle.classes[class].in_use -= u64::from(permits);
                }
                Call::SetRules(given) => {
                    let rules = Rules::try_new(given.capacity, &given.rules());
                    prop_assert_eq!(rules.is_ok(), given.is_legal());
                    if let Ok(rules) = rules {
                        wall.set_rules(rules);
                        prop_assert_eq!(wall.rules(), rules);
                        oracle.rules = given;
                    }
                }
                Call::ChangeOne(class, terms) => {
                    let mut given = oracle.rules.clone();
                    given.terms[class] = terms;
                    let rules = wall.rules().with(&[terms.rule(class)]);
                    prop_assert_eq!(rules.is_ok(), given.is_legal());
                    if let Ok(rules) = rules {
                        wall.set_rules(rules);
                        oracle.rules = given;
                    }
                }
                Call::SetCapacity(capacity) => {
                    let mut given = oracle.rules.clone();
                    given.capacity = capacity;
                    prop_assert_eq!(wall.set_capacity(capacity).is_ok(), given.is_legal());
                    if given.is_legal() {
                        oracle.rules = given;
                    }
                }
                Call::TakePeaks => {
                    assert_same(&wall, &wall.take_peaks(), &oracle);
                    oracle.new_peaks();
                }
            }
            assert_same(&wall, &wall.snapshot(), &oracle);
        }
        drop(held);
        prop_assert!((0..COUNT).all(|class| wall.in_use(Of(class)) == 0));
    });
}

#[test]
fn walls_of_every_number_of_classes_answer_like_their_oracle() {
    for_each_count!(a_wall_answers_like_its_oracle);
}

/// The epoch has 8 to 16 bits: here it goes round once at least, while permits are out in the lowest
/// lane and in the one below the epoch.
#[test]
fn rules_are_in_force_however_often_they_changed() {
    fn check<const COUNT: usize>() {
        let (first, last) = (Of::<COUNT>(0), Of(COUNT - 1));
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
        for change in 0..70_000 {
            let cap = 4 + change % 3;
            wall.set_rules(rules(cap));
            let all = wall
                .admit_with(last, AdmitOptions::new().permits(cap - used))
                .unwrap();
            let reason = wall.admit(last).unwrap_err().reason;
            assert!(
                matches!(reason, Reason::ClassFull { cap: now, .. } if now == cap),
                "after {change} changes: {reason:?}"
            );
            assert_eq!((wall.in_use(last), wall.capacity()), (cap, cap + 1));
            drop(all);
            assert_eq!((wall.in_use(last), wall.in_use(first)), (used, others));
        }
    }
    for_each_count!(check);
}
