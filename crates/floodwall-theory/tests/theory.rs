//! The theories against one another, and against formulas that are written here a second time.

use floodwall_theory::{
    MAX_STATES, Ramp, Solution, Stream, birth_death, chain, chain_operations, erlang_b,
    loss_system, product_form, states,
};

fn assert_near(found: f64, expected: f64) {
    let error = (found - expected).abs();
    assert!(error < 1e-9, "{found} is not {expected}");
}

fn assert_same(found: &Solution, expected: &Solution) {
    assert_eq!(found.admitted.len(), expected.admitted.len());
    for (found, expected) in found.admitted.iter().zip(&expected.admitted) {
        assert_near(*found, *expected);
    }
    assert_near(found.utilization, expected.utilization);
}

/// Returns the utilization by Little's law.
fn utilization(capacity: u32, streams: &[Stream], solution: &Solution) -> f64 {
    let in_use =
        |(stream, admitted): (&Stream, &f64)| stream.load * admitted * f64::from(stream.permits);
    let in_use: f64 = streams.iter().zip(&solution.admitted).map(in_use).sum();
    in_use / f64::from(capacity)
}

/// Returns the solution of complete sharing: no guarantees, caps and curves.
///
/// The recursion of J. S. Kaufman (1981) and J. W. Roberts (1981) for `q(j)`, the probability that `j`
/// permits are in use: `j q(j)` is the sum of `load * permits * q(j - permits)` over the streams.
fn kaufman_roberts(capacity: u32, streams: &[Stream]) -> Solution {
    let capacity = capacity as usize;
    let mut q = vec![1.0];
    for j in 1..=capacity {
        let term = |stream: &Stream| match j.checked_sub(stream.permits as usize) {
            Some(before) => stream.load * f64::from(stream.permits) * q[before],
            None => 0.0,
        };
        let sum: f64 = streams.iter().map(term).sum();
        q.push(sum / j as f64);
    }
    let sum: f64 = q.iter().sum();
    let admitted = |stream: &Stream| match capacity.checked_sub(stream.permits as usize) {
        Some(highest) => q[..=highest].iter().sum::<f64>() / sum,
        None => 0.0,
    };
    let in_use: f64 = (0..=capacity).map(|j| j as f64 * q[j]).sum();
    Solution {
        admitted: streams.iter().map(admitted).collect(),
        utilization: in_use / sum / capacity as f64,
    }
}

/// Walls with guarantees, caps, curves and requests of several permits.
fn mixed_systems() -> Vec<(u32, Vec<Stream>)> {
    let limited = Ramp::new(3, 0.3333, 0.9, 0.75).unwrap();
    vec![
        (
            20,
            vec![
                Stream::new(6.0, 5..=20, Ramp::linear(0.5, 1.0)),
                Stream::new(3.0, 4..=12, limited).permits(2),
                Stream::new(1.5, 0..=15, Ramp::step(0.7)).permits(5),
            ],
        ),
        (
            100,
            vec![
                Stream::new(400.0, 20..=50, Ramp::linear(0.6, 0.8)),
                Stream::new(40.0, 50..=100, Ramp::NEVER),
            ],
        ),
        // Guarantees that are no multiples of the permits of a request, a cap of 0, a request that
        // never fits, and no load.
        (
            13,
            vec![
                Stream::new(2.0, 4..=13, limited).permits(3),
                Stream::new(2.0, 0..=0, Ramp::NEVER),
                Stream::new(2.0, 0..=13, Ramp::NEVER).permits(12),
                Stream::new(0.0, 1..=4, limited),
            ],
        ),
    ]
}

fn without_curves(streams: &[Stream]) -> Vec<Stream> {
    let without = |stream: &Stream| {
        let share = stream.rule.guarantee..=stream.rule.cap;
        Stream::new(stream.load, share, Ramp::NEVER).permits(stream.permits)
    };
    streams.iter().map(without).collect()
}

#[test]
fn complete_sharing_follows_the_recursion_of_kaufman_and_roberts() {
    for (capacity, loads_and_permits) in [
        (1, vec![(0.7, 1)]),
        (30, vec![(8.0, 1), (3.0, 2), (1.0, 5)]),
        (30, vec![(40.0, 1), (30.0, 3), (20.0, 7)]),
        (50, vec![(20.0, 2), (5.0, 4)]),
        (7, vec![(1.0, 3), (2.0, 8)]),
    ] {
        let stream = |&(load, permits): &(f64, u32)| {
            Stream::new(load, 0..=capacity, Ramp::NEVER).permits(permits)
        };
        let streams: Vec<_> = loads_and_permits.iter().map(stream).collect();
        let expected = kaufman_roberts(capacity, &streams);
        assert_same(&product_form(capacity, &streams), &expected);
        assert_same(&chain(capacity, &streams), &expected);
    }
}

#[test]
fn utilization_follows_from_littles_law() {
    for (capacity, streams) in mixed_systems() {
        let solution = chain(capacity, &streams);
        assert_near(
            solution.utilization,
            utilization(capacity, &streams, &solution),
        );
        let streams = without_curves(&streams);
        let solution = product_form(capacity, &streams);
        assert_near(
            solution.utilization,
            utilization(capacity, &streams, &solution),
        );
    }
    let streams = [(20.0, Ramp::linear(0.6, 0.8)), (5.0, Ramp::NEVER)]
        .map(|(load, ramp)| Stream::new(load, 0..=30, ramp));
    let solution = birth_death(30, &streams);
    assert_near(solution.utilization, utilization(30, &streams, &solution));
}

#[test]
fn overlapping_theories_agree() {
    for (capacity, streams) in mixed_systems() {
        let streams = without_curves(&streams);
        assert_same(
            &chain(capacity, &streams),
            &product_form(capacity, &streams),
        );
    }
    let shared = [
        (20.0, Ramp::linear(0.6, 0.8)),
        (5.0, Ramp::NEVER),
        (9.0, Ramp::new(3, 0.2, 0.9, 0.5).unwrap()),
    ]
    .map(|(load, ramp)| Stream::new(load, 0..=20, ramp));
    assert_same(&chain(20, &shared), &birth_death(20, &shared));
    let alone = [Stream::new(35.0, 30..=30, Ramp::linear(0.1, 0.2))];
    assert_same(&chain(30, &alone), &loss_system(35.0, 30));
}

/// The requests of one stream are a birth-death chain whatever their permits are.
/// Without curves, only the mean of the number of requests at a time counts, which is the load.
#[test]
fn mean_holding_times_change_nothing_without_curves() {
    for (capacity, streams) in mixed_systems() {
        let streams = without_curves(&streams);
        let expected = chain(capacity, &streams);
        let holding = [0.5, 3.0, 1.0, 7.0];
        let streams: Vec<Stream> = streams
            .iter()
            .zip(holding)
            .map(|(stream, holding)| stream.holding(holding))
            .collect();
        assert_same(&chain(capacity, &streams), &expected);
    }
}

/// A shared pool with a curve that rejects all of a slow class above one permit, worked out by hand.
#[test]
fn mean_holding_times_count_with_curves() {
    let shed = Ramp::step(0.5);
    let slow = Stream::new(1.0, 0..=2, shed).holding(2.0);
    let fast = Stream::new(1.0, 0..=2, Ramp::NEVER);
    // States (slow, fast): 00, 10, 01, 11, 02. Arrivals of slow: 1/2 per unit of time, at 00 only; it leaves at 1/2.
    // Balance of 10 and 11: p10 = p11 (its arrivals and departures of fast are 1 and 1) and, over all states with a
    // slow one: p00 / 2 = (p10 + p11) / 2. Over all states with a fast one beside none: p01 - 2 p02 = 0.
    // Of 10: p00 / 2 + p11 = p10 * 3 / 2; of 00: p00 * 3 / 2 = p10 / 2 + p01.
    // With p00 = 1: p10 + p11 = 1; 1/2 + p11 = 3/2 p10, so p10 = 0.6, p11 = 0.4; p01 = 1.2; p02 = 0.6.
    let sum = 1.0 + 0.6 + 0.4 + 1.2 + 0.6;
    let solution = chain(2, &[slow, fast]);
    assert_near(solution.admitted[0], 1.0 / sum);
    assert_near(solution.admitted[1], (1.0 + 0.6 + 1.2) / sum);
}

#[test]
#[should_panic(expected = "holding times differ")]
fn birth_death_refuses_different_holding_times() {
    let stream = Stream::new(1.0, 0..=2, Ramp::NEVER);
    birth_death(2, &[stream, stream.holding(2.0)]);
}

#[test]
fn requests_of_several_permits_are_shed_by_permits_in_use() {
    let (capacity, load, permits) = (20, 9.0, 3);
    let ramp = Ramp::linear(0.2, 0.9);
    // Guaranteed are 7 permits, so two requests are within the guarantee.
    let accept = |requests: u32| match requests {
        0 | 1 => 1.0,
        2..6 => 1.0 - ramp.probability(u64::from(requests * permits), u64::from(capacity)),
        _ => 0.0,
    };
    let mut weights = vec![1.0];
    for n in 1..=6 {
        weights.push(weights[n - 1] * load * accept(n as u32 - 1) / n as f64);
    }
    let sum: f64 = weights.iter().sum();
    let mean = |of: &dyn Fn(u32) -> f64| -> f64 {
        let terms = (0..).zip(&weights).map(|(n, weight)| weight * of(n));
        terms.sum::<f64>() / sum
    };
    let expected = Solution {
        admitted: vec![mean(&accept)],
        utilization: mean(&|n| f64::from(n * permits) / f64::from(capacity)),
    };
    let stream = Stream::new(load, 7..=capacity, ramp).permits(permits);
    assert_same(&chain(capacity, &[stream]), &expected);
}

/// The weights of these states exceed the largest number.
#[test]
fn overloaded_large_systems_have_a_solution() {
    let expected = loss_system(4000.0, 1000);
    assert!(0.24 < expected.admitted[0] && expected.admitted[0] < 0.26);
    let alone = [Stream::new(4000.0, 0..=1000, Ramp::NEVER)];
    assert_same(&product_form(1000, &alone), &expected);
    assert_same(&birth_death(1000, &alone), &expected);
    assert_same(&chain(1000, &alone), &expected);

    let shared = [3000.0, 1000.0].map(|load| Stream::new(load, 0..=1000, Ramp::NEVER));
    let solution = product_form(1000, &shared);
    assert_near(solution.admitted[0], expected.admitted[0]);
    assert_near(solution.utilization, expected.utilization);

    let exact = [
        Stream::new(40_000.0, 1000..=1000, Ramp::NEVER),
        Stream::new(3.0, 5..=5, Ramp::NEVER),
    ];
    let solution = chain(1005, &exact);
    assert_near(solution.admitted[0], erlang_b(40_000.0, 1000));
    assert_near(solution.admitted[1], erlang_b(3.0, 5));
}

#[test]
fn streams_keep_their_order() {
    for (capacity, mut streams) in mixed_systems() {
        let mut solution = chain(capacity, &streams);
        streams.reverse();
        solution.admitted.reverse();
        assert_same(&chain(capacity, &streams), &solution);
    }
}

#[test]
fn bounds_count_requests_within_what_a_class_can_reach() {
    let streams = [
        // Reaches 80 permits: 20 are guaranteed to the other class.
        Stream::new(1.0, 30..=100, Ramp::NEVER).permits(4),
        // Reaches 50.
        Stream::new(1.0, 20..=50, Ramp::NEVER),
    ];
    assert_eq!(states(100, &streams), 21 * 51);
    assert_eq!(chain_operations(100, &streams), 21 * 51 * 21 * 21);
    assert_eq!(states(100, &[]), 1);
    assert_eq!(chain_operations(100, &[]), 1);
    let large = [Stream::new(1.0, 0..=u32::MAX, Ramp::NEVER); 8];
    assert_eq!(states(u32::MAX, &large), u128::MAX);
    assert_eq!(chain_operations(u32::MAX, &large), u128::MAX);
}

#[test]
fn empty_systems_are_idle() {
    for solve in [product_form, birth_death, chain] {
        let solution = solve(10, &[]);
        assert_eq!(solution.utilization, 0.0);
        assert!(solution.admitted.is_empty());
    }
}

#[test]
#[should_panic = "more than 5000000"]
fn product_form_refuses_too_many_states() {
    let streams = [Stream::new(1.0, 0..=200, Ramp::NEVER); 3];
    assert!(states(200, &streams) > MAX_STATES);
    product_form(200, &streams);
}

#[test]
#[should_panic = "more than 5000000"]
fn chain_refuses_too_many_states() {
    chain(200, &[Stream::new(1.0, 0..=200, Ramp::NEVER); 3]);
}

#[test]
#[should_panic = "requests of several permits"]
fn birth_death_refuses_requests_of_several_permits() {
    birth_death(10, &[Stream::new(1.0, 0..=10, Ramp::NEVER).permits(2)]);
}

#[test]
#[should_panic = "no guarantees"]
fn birth_death_refuses_guarantees() {
    birth_death(10, &[Stream::new(1.0, 1..=10, Ramp::NEVER)]);
}

#[test]
#[should_panic = "no caps"]
fn birth_death_refuses_caps() {
    birth_death(10, &[Stream::new(1.0, 0..=9, Ramp::NEVER)]);
}

#[test]
#[should_panic = "no curves"]
fn product_form_refuses_curves() {
    product_form(10, &[Stream::new(1.0, 0..=10, Ramp::step(0.5))]);
}

#[test]
#[should_panic = "the guarantees exceed the capacity"]
fn guarantees_must_fit_the_capacity() {
    chain(10, &[Stream::new(1.0, 6..=10, Ramp::NEVER); 2]);
}

#[test]
#[should_panic = "negative or not finite"]
fn loads_must_be_numbers() {
    chain(10, &[Stream::new(f64::NAN, 0..=10, Ramp::NEVER)]);
}
