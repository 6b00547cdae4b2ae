//! The specification of the admission rule, on cases computed by hand.

use floodwall_theory::spec::{Admission, ClassRule, Mode, Ramp, Rejection, Request, Wall};

const ALWAYS: Ramp = Ramp::step(0.0);

const fn rule(guarantee: u32, cap: u32, ramp: Ramp) -> ClassRule {
    ClassRule {
        guarantee,
        cap,
        ramp,
    }
}

/// Class 0 is guaranteed 4 permits and may hold all 10; class 1 is guaranteed 2 and capped at 5.
const RULES: [ClassRule; 2] = [rule(4, 10, ALWAYS), rule(2, 5, Ramp::NEVER)];

const fn wall(capacity: u32, in_use: &[u64; 2]) -> Wall<'_> {
    Wall {
        capacity,
        rules: &RULES,
        mode: Mode::OPEN,
        in_use,
    }
}

const fn pool_full(in_use: u64, reserved: u64, capacity: u64) -> Rejection {
    Rejection::PoolFull {
        in_use,
        reserved,
        capacity,
    }
}

#[test]
fn closed_spec_rejects_every_request() {
    let mut closed = wall(10, &[3, 1]);
    closed.mode.closed = true;
    closed.mode.dry_run[0] = true;
    for permits in [0, 1, 11] {
        assert_eq!(closed.check_limits(0, permits), Err(Rejection::Closed));
        assert_eq!(closed.admit(lowest(permits)), Err(Rejection::Closed));
    }
    assert_eq!(closed.utilization(), (4, 10));
}

/// A request of class 0 that is shed whenever it can be.
fn lowest(permits: u32) -> Request {
    Request {
        class: 0,
        permits,
        draw: 0,
        pressure: 0,
    }
}

#[test]
fn spec_tells_too_large_from_full() {
    // Class 0 can hold all but the 2 permits of class 1; class 1 is capped at 5.
    let empty = wall(10, &[0, 0]);
    assert_eq!((empty.reachable(0), empty.reachable(1)), (8, 5));
    let too_large = |reachable| Err(Rejection::TooLarge { reachable });
    assert_eq!(empty.check_limits(0, 8), Ok(Admission::Borrowed));
    assert_eq!(empty.check_limits(0, 9), too_large(8));
    assert_eq!(empty.check_limits(1, 5), Ok(Admission::Borrowed));
    assert_eq!(empty.check_limits(1, 6), too_large(5));
    // A class with a cap of 0 is full.
    let off = [RULES[0], rule(0, 0, Ramp::NEVER)];
    let wall = Wall {
        rules: &off,
        ..empty
    };
    let class_full = Err(Rejection::ClassFull { in_use: 0, cap: 0 });
    assert_eq!(wall.check_limits(1, 1), class_full);
    assert_eq!(wall.check_limits(1, 2), class_full);
}

#[test]
fn spec_admits_in_dry_run_whatever_can_be_counted() {
    let mut wall = wall(10, &[8, 1]);
    wall.mode.dry_run[1] = true;
    let request = |class, permits| Request {
        class,
        ..lowest(permits)
    };
    assert_eq!(wall.admit(request(0, 1)), Err(pool_full(9, 1, 10)));
    assert_eq!(wall.admit(request(1, 1)), Ok(Admission::Guaranteed));
    let full = Ok(Admission::DryRun(pool_full(9, 0, 10)));
    assert_eq!(wall.admit(request(1, 2)), full);
    let too_large = Rejection::TooLarge { reachable: 5 };
    let most = (1 << 24) - 2;
    assert_eq!(
        wall.admit(request(1, most)),
        Ok(Admission::DryRun(too_large))
    );
    assert_eq!(wall.admit(request(1, most + 1)), Err(too_large));
}

#[test]
fn zero_permits_are_admitted_by_a_full_spec() {
    let full = wall(10, &[5, 5]);
    assert_eq!(full.check_limits(0, 0), Ok(Admission::Guaranteed));
    assert_eq!(full.check_limits(0, 1), Err(pool_full(10, 0, 10)));
}

#[test]
fn spec_borrows_only_unreserved_permits() {
    let wall = wall(10, &[3, 0]);
    assert_eq!(wall.check_limits(0, 1), Ok(Admission::Guaranteed));
    assert_eq!(wall.check_limits(0, 2), Ok(Admission::Borrowed));
    // 7 permits are free, and 2 of them are reserved for class 1.
    assert_eq!(wall.check_limits(0, 5), Ok(Admission::Borrowed));
    assert_eq!(wall.check_limits(0, 6), Err(pool_full(3, 2, 10)));
    // One of the free permits is reserved for class 0.
    assert_eq!(wall.check_limits(1, 5), Ok(Admission::Borrowed));
}

#[test]
fn spec_guarantee_needs_free_permits_only() {
    // Class 0 holds a permit that is reserved for class 1, as after a rule update.
    let over = wall(10, &[9, 0]);
    assert_eq!(over.check_limits(1, 1), Ok(Admission::Guaranteed));
    assert_eq!(over.check_limits(1, 2), Err(pool_full(9, 0, 10)));
    // After the capacity was lowered, nothing is free until permits drain.
    assert_eq!(wall(6, &[7, 0]).check_limits(1, 1), Err(pool_full(7, 0, 6)));
}

#[test]
fn spec_reports_class_full_before_pool_full() {
    let class_full = Err(Rejection::ClassFull { in_use: 5, cap: 5 });
    assert_eq!(
        wall(10, &[0, 4]).check_limits(1, 1),
        Ok(Admission::Borrowed)
    );
    assert_eq!(wall(10, &[0, 5]).check_limits(1, 1), class_full);
    assert_eq!(wall(10, &[5, 5]).check_limits(1, 1), class_full);
    // A cap of the whole capacity never rejects before the capacity does.
    assert_eq!(wall(5, &[0, 5]).check_limits(1, 1), Err(pool_full(5, 4, 5)));
}

#[test]
fn spec_sheds_borrowed_permits_last() {
    let request = |permits| Request {
        class: 0,
        permits,
        draw: u32::MAX,
        pressure: 0,
    };
    let wall = wall(10, &[3, 0]);
    assert_eq!(wall.admit(request(1)), Ok(Admission::Guaranteed));
    assert_eq!(wall.admit(request(6)), Err(pool_full(3, 2, 10)));
    let shed = Err(Rejection::Shed {
        utilization: 0.3,
        probability: 1.0,
    });
    assert_eq!(wall.admit(request(2)), shed);
}

#[test]
fn spec_sheds_samples_below_the_probability() {
    let rules = [rule(0, 10, Ramp::linear(0.2, 0.6))];
    let answer = |in_use, draw, pressure| {
        let wall = Wall {
            capacity: 10,
            rules: &rules,
            mode: Mode::OPEN,
            in_use: &[in_use],
        };
        wall.admit(Request {
            class: 0,
            permits: 1,
            draw,
            pressure,
        })
    };
    let shed = |utilization, probability| {
        Err(Rejection::Shed {
            utilization,
            probability,
        })
    };
    // (0.3 - 0.2) / (0.6 - 0.2) = 1/4 of 2^32.
    assert_eq!(answer(3, (1 << 30) - 1, 0), shed(0.3, 0.25));
    assert_eq!(answer(3, 1 << 30, 0), Ok(Admission::Borrowed));
    assert_eq!(answer(1, 0, 0), Ok(Admission::Borrowed));
    // The higher of utilization and pressure counts.
    assert_eq!(answer(3, 1 << 30, 29), Ok(Admission::Borrowed));
    assert_eq!(answer(3, 1 << 30, 40), shed(0.4, 0.5));
    // So does the pressure of the wall, also in its view of the class.
    let mut wall = Wall {
        capacity: 10,
        rules: &rules,
        mode: Mode::OPEN,
        in_use: &[3],
    };
    assert_eq!(wall.reject_probability(0, 1), 0.25);
    wall.mode.pressure = 40;
    assert_eq!(wall.reject_probability(0, 1), 0.5);
    let request = |pressure| Request {
        draw: 1 << 30,
        pressure,
        ..lowest(1)
    };
    assert_eq!(wall.admit(request(0)), shed(0.4, 0.5));
    assert_eq!(wall.admit(request(50)), shed(0.5, 0.75));
}

#[test]
fn spec_ramps_climb_from_lo_to_hi_up_to_max() {
    let linear = Ramp::linear(0.2, 0.6);
    for (used, expected) in [(0, 0.0), (1, 0.0), (2, 0.0), (3, 0.25), (5, 0.75), (6, 1.0)] {
        assert_eq!(linear.probability(used, 10), expected);
    }
    let cubic = Ramp { power: 3, ..linear };
    assert_eq!(cubic.probability(4, 10), 0.125);
    let limited = Ramp {
        max: 5000,
        ..linear
    };
    assert_eq!(limited.probability(3, 10), 0.25);
    assert_eq!(limited.probability(9, 10), 0.5);
    let step = Ramp { lo: 6000, ..linear };
    assert_eq!(step.probability(59, 100), 0.0);
    assert_eq!(step.probability(60, 100), 1.0);
    assert_eq!(Ramp::NEVER.probability(1, 1), 0.0);
    assert_eq!(ALWAYS.probability(0, 1), 1.0);
}

#[test]
fn ramps_take_multiples_of_a_ten_thousandth() {
    let ramp = |lo, hi, power, max| Some(Ramp { lo, hi, power, max });
    assert_eq!(Ramp::new(1, 0.7, 1.0, 0.0001), ramp(7000, 10_000, 1, 1));
    assert_eq!(Ramp::new(3, 0.0, 0.0, 1.0), ramp(0, 0, 3, 10_000));
    // A sum such as 0.1 + 0.2 is not the decimal 0.3.
    assert_eq!(
        Ramp::new(1, 0.1 + 0.2, 0.9, 1.0),
        ramp(3000, 9000, 1, 10_000)
    );
    assert_eq!(
        Ramp::cubic(0.25, 0.75),
        Ramp::new(3, 0.25, 0.75, 1.0).unwrap()
    );
    // Every four-digit decimal is accepted.
    for parts in 0..=10_000 {
        let fraction: f64 = format!("0.{parts:04}").parse().unwrap();
        let fraction = if parts == 10_000 { 1.0 } else { fraction };
        assert_eq!(
            Ramp::new(1, 0.0, fraction, fraction),
            ramp(0, parts, 1, parts)
        );
    }
}

#[test]
fn ramps_refuse_other_parameters() {
    for (power, lo, hi, max) in [
        (1, 0.50001, 0.9, 1.0),
        (1, 0.5, 0.90005, 1.0),
        (1, 0.5, 0.9, 0.99999),
        // Off by ten times the tolerance.
        (1, 0.5 + 1e-8, 0.9, 1.0),
        (1, 0.5, 0.9 - 1e-8, 1.0),
        (1, -0.1, 0.9, 1.0),
        (1, 0.5, 1.1, 1.0),
        (1, 0.5, 0.9, 1.0001),
        (1, f64::NAN, 0.9, 1.0),
        (1, 0.5, f64::INFINITY, 1.0),
        (1, 0.9, 0.5, 1.0),
        (-1, 0.5, 0.9, 1.0),
    ] {
        assert_eq!(
            Ramp::new(power, lo, hi, max),
            None,
            "{power} {lo} {hi} {max}"
        );
    }
    assert!(Ramp::new(1, 0.5 + 1e-10, 0.9 - 1e-10, 1.0).is_some());
}

#[test]
fn spec_sheds_whole_requests_beyond_the_guarantee() {
    // Class 0 is guaranteed 4 permits and uses 3.
    let wall = wall(10, &[3, 0]);
    assert_eq!(wall.reject_probability(0, 0), 0.0);
    assert_eq!(wall.reject_probability(0, 1), 0.0);
    assert_eq!(wall.reject_probability(0, 2), 1.0);
}

#[test]
fn spec_limits_are_caps_guarantees_and_the_capacity() {
    for (capacity, in_use, expected) in [
        (10, [0, 0], true),
        (10, [8, 0], true),
        // Class 1 is guaranteed 2.
        (10, [9, 0], false),
        (10, [5, 5], true),
        // Class 1 is capped at 5.
        (10, [4, 6], false),
        (10, [6, 5], false),
    ] {
        let wall = wall(capacity, &in_use);
        assert_eq!(wall.is_within_limits(), expected, "{wall:?}");
    }
}
