//! The mode: closed, pressure, and dry run.

use floodwall::{AdmitOptions, Class, Curve, Draw, Floodwall, Reason, Rules, Share};

use crate::common::{LANE_MAX, NthClass, equal_rules, for_each_count, panic_message, permits};
use crate::{Kind, RULES, assert_changes_nothing};

// Closed.

#[test]
fn closed_wall_rejects_every_request_and_keeps_its_numbers() {
    let wall = Floodwall::from_rules(RULES);
    let permit = wall.admit(Kind::Message).unwrap();
    let open = wall.snapshot();
    assert!(!wall.is_closed() && !open.closed);
    wall.close();
    assert!(wall.is_closed());
    for requested in [0, 1, 20, 101, u32::MAX] {
        for kind in [Kind::Message, Kind::Login] {
            let rejection = wall.admit_with(kind, permits(requested)).unwrap_err();
            assert_eq!(rejection.reason(), Reason::Closed);
            assert_eq!(
                (rejection.class, rejection.requested),
                (kind.name(), requested)
            );
        }
    }
    let rejection = wall.admit(Kind::Login).unwrap_err();
    assert_eq!(rejection.to_string(), "background login: closed");
    assert_eq!(rejection.reason().name(), "closed");

    let closed = wall.snapshot();
    assert!(closed.closed);
    assert_eq!((wall.capacity(), wall.utilization()), (100, 0.01));
    assert_eq!((closed.capacity, closed.utilization), (100, 0.01));
    for kind in [Kind::Message, Kind::Login] {
        let limits = |snapshot: &floodwall::Snapshot<Kind>| {
            let class = &snapshot[kind];
            (class.guarantee, class.cap, class.reachable)
        };
        assert_eq!(limits(&closed), limits(&open));
    }
    assert_eq!(closed[Kind::Login].closed, 6);
    assert_eq!((closed.rejected(), closed.in_use()), (11, 1));
    assert_eq!(wall.rules(), RULES);
    drop(permit);
    assert_eq!(wall.snapshot().in_use(), 0);
}

/// A reload of the rules during a drain must not admit anything.
#[test]
fn rule_updates_never_open_a_closed_wall() {
    let wall = Floodwall::from_rules(RULES);
    wall.close();
    let closed = || {
        assert!(wall.is_closed());
        for kind in [Kind::Message, Kind::Login] {
            assert_eq!(wall.admit(kind).unwrap_err().reason(), Reason::Closed);
        }
    };
    wall.set_rules(RULES);
    closed();
    wall.set_capacity(200).unwrap();
    closed();
    let two = Kind::Login.rule(Share::exactly(2));
    wall.update_rules(&[two]).unwrap();
    closed();
    wall.set_rules_if(&wall.rules(), wall.rules().scaled_to(50).unwrap())
        .unwrap();
    closed();
    wall.set_pressure(0.5);
    closed();
    wall.set_dry_run(Kind::ALL);
    closed();
    wall.set_dry_run(&[]);
    // What was set while the wall was closed holds when it opens.
    wall.open();
    assert!(!wall.is_closed());
    assert_eq!(wall.capacity(), 50);
    assert!(wall.admit_with(Kind::Login, permits(1)).is_ok());
    assert!(wall.admit_with(Kind::Login, permits(2)).is_err());
}

#[test]
fn closing_twice_and_opening_twice_change_nothing() {
    let wall = Floodwall::from_rules(RULES);
    assert_changes_nothing(&wall, || wall.open());
    wall.close();
    assert_changes_nothing(&wall, || wall.close());
    wall.open();
    assert!(wall.admit(Kind::Login).is_ok());
}

// Pressure.

/// The curve of `Login` runs from 0.6 to 0.8.
#[test]
fn curves_read_the_highest_of_both_pressures_and_the_utilization() {
    let wall = Floodwall::new(
        10,
        &[
            Kind::Message.rule(Share::at_most(10)),
            Kind::Login
                .rule(Share::between(1, 10))
                .shed(Curve::linear(0.6, 0.8)),
        ],
    );
    let _guaranteed = wall.admit(Kind::Login).unwrap();
    let answer = |of_request: f64| {
        let options = AdmitOptions::new().draw(Draw::from(0)).pressure(of_request);
        wall.admit_with(Kind::Login, options)
            .map(drop)
            .map_err(|rejection| match rejection.reason() {
                Reason::Shed { utilization, .. } => utilization,
                other => panic!("{other:?}"),
            })
    };
    for (of_wall, of_request, seen) in [
        (0.0, 0.0, None),
        (0.59, 0.0, None),
        (0.6, 0.0, None),
        (0.7, 0.0, Some(0.7)),
        (0.7, 0.5, Some(0.7)),
        (0.7, 0.9, Some(0.9)),
        (0.5, 0.7, Some(0.7)),
        (0.7, f64::NAN, Some(0.7)),
        (f64::NAN, 0.0, None),
        (-1.0, 0.0, None),
        (f64::NEG_INFINITY, 0.65, Some(0.65)),
        (f64::INFINITY, 0.0, Some(1_000.0)),
    ] {
        wall.set_pressure(of_wall);
        assert_eq!(answer(of_request).err(), seen, "{of_wall}, {of_request}");
        let shown = wall.snapshot()[Kind::Login].reject_probability;
        let expected = Curve::linear(0.6, 0.8).probability(of_wall);
        assert_eq!(shown, expected, "{of_wall}");
    }
    // The utilization, if it is the highest.
    wall.set_pressure(0.65);
    let _messages = wall.admit_with(Kind::Message, permits(6)).unwrap();
    assert_eq!(answer(0.0), Err(0.7));
}

#[test]
fn pressure_reads_as_a_number_in_range() {
    let wall = Floodwall::from_rules(RULES);
    for (set, shown) in [
        (0.25, 0.25),
        (7.5, 7.5),
        (-0.5, 0.0),
        (1e9, 1_000.0),
        (f64::NAN, 0.0),
        (f64::INFINITY, 1_000.0),
    ] {
        wall.set_pressure(set);
        assert_eq!(wall.snapshot().pressure, shown);
    }
}

/// Caps and guarantees ignore it, and so do classes without a curve.
#[test]
fn pressure_sheds_only_what_a_curve_sheds() {
    let wall = Floodwall::from_rules(RULES);
    wall.set_pressure(1.0);
    let _guaranteed = wall.admit_with(Kind::Login, permits(20)).unwrap();
    let shed = wall.admit(Kind::Login).unwrap_err();
    assert_eq!(shed.reason().name(), "shed");
    let _messages = wall.admit_with(Kind::Message, permits(80)).unwrap();
    let full = wall.admit(Kind::Message).unwrap_err();
    assert_eq!(full.reason().name(), "pool_full");
    assert_eq!(wall.rules(), RULES);
    wall.set_pressure(0.0);
    drop((_guaranteed, _messages));
    assert!(wall.admit_with(Kind::Login, permits(21)).is_ok());
}

// Dry run.

#[test]
fn dry_run_admits_and_counts_by_reason() {
    let rules = Rules::new(
        10,
        &[
            Kind::Message.rule(Share::at_least(4)),
            Kind::Login
                .rule(Share::at_most(5))
                .shed(Curve::linear(0.6, 0.8)),
        ],
    );
    let wall = Floodwall::from_rules(rules);
    wall.set_dry_run(&[Kind::Login]);
    let admit = |requested| {
        let options = permits(requested).draw(Draw::from(0));
        wall.admit_with(Kind::Login, options).unwrap()
    };
    let mut held = vec![admit(5)];
    let would_reject = || {
        let of = wall.snapshot()[Kind::Login].would_reject;
        [of.shed, of.class_full, of.pool_full, of.too_large]
    };
    assert_eq!(would_reject(), [0; 4]);
    held.push(admit(1));
    assert_eq!(would_reject(), [0, 1, 0, 0]);
    held.push(admit(6));
    assert_eq!(would_reject(), [0, 1, 0, 1]);
    drop(held);
    // With 5 of 10 in use by the other class, two more are in the pool but not at utilization 0.5.
    let messages = wall.admit_with(Kind::Message, permits(7)).unwrap();
    held = vec![admit(1)];
    assert_eq!(would_reject(), [1, 1, 0, 1]);
    held.push(admit(3));
    assert_eq!(would_reject(), [1, 1, 1, 1]);

    let snapshot = wall.snapshot();
    let login = &snapshot[Kind::Login];
    assert!(login.dry_run && !snapshot[Kind::Message].dry_run);
    assert_eq!((login.in_use, login.admitted, login.rejected()), (4, 5, 0));
    assert_eq!((login.would_reject.total(), wall.utilization()), (4, 1.1));
    // The other class is judged as ever. It is above its guarantee, and nothing is free.
    let full = wall.admit(Kind::Message).unwrap_err();
    assert_eq!(full.reason().name(), "pool_full");

    wall.set_dry_run(&[]);
    let full = wall.admit(Kind::Login).unwrap_err();
    assert_eq!(full.reason().name(), "pool_full");
    drop((held, messages));
    assert_eq!(wall.snapshot().in_use(), 0);
}

#[test]
fn class_may_be_named_twice_for_a_dry_run() {
    let wall = Floodwall::from_rules(Rules::new(
        10,
        &[
            Kind::Message.rule(Share::at_least(4)),
            Kind::Login.rule(Share::at_most(0)),
        ],
    ));
    wall.set_dry_run(&[Kind::Login, Kind::Login]);
    assert!(wall.snapshot()[Kind::Login].dry_run);
    assert!(wall.admit(Kind::Login).is_ok());
}

/// A permit beyond the lane would change the count of another class.
#[test]
fn dry_run_admits_up_to_what_a_lane_can_count() {
    fn check<const COUNT: usize>() {
        let max = LANE_MAX[COUNT];
        let wall = Floodwall::new(4 * COUNT as u32, &equal_rules::<COUNT>(Share::exactly(4)));
        wall.set_dry_run(NthClass::<COUNT>::ALL);
        for &class in NthClass::<COUNT>::ALL {
            let held = wall.admit_with(class, permits(max - 1)).unwrap();
            for requested in [2, max, u32::MAX] {
                let rejection = wall.admit_with(class, permits(requested)).unwrap_err();
                let name = rejection.reason().name();
                // With one class, the cap is the whole capacity.
                let full = if COUNT == 1 {
                    "pool_full"
                } else {
                    "class_full"
                };
                assert_eq!(name, if requested > 4 { "too_large" } else { full });
            }
            let _last = wall.admit(class).unwrap();
            let in_use = wall.snapshot().in_use();
            assert_eq!((wall.in_use(class), in_use), (max, max));
            drop(held);
        }
        assert_eq!(wall.snapshot().in_use(), 0);
    }
    for_each_count!(check);
}

#[test]
fn closed_wall_rejects_also_in_dry_run() {
    let wall = Floodwall::from_rules(RULES);
    wall.set_dry_run(Kind::ALL);
    wall.close();
    for requested in [0, 1, 200] {
        let rejection = wall
            .admit_with(Kind::Login, permits(requested))
            .unwrap_err();
        assert_eq!(rejection.reason(), Reason::Closed);
    }
    assert_eq!(wall.snapshot()[Kind::Login].would_reject.total(), 0);
}

#[test]
fn dry_run_of_an_unknown_class_panics_and_changes_nothing() {
    let wall = Floodwall::<NthClass<2>>::new(2, &equal_rules(Share::exactly(1)));
    assert_changes_nothing(&wall, || {
        let message = panic_message(|| wall.set_dry_run(&[NthClass(0), NthClass(2)]));
        assert_eq!(
            message,
            "class index 2 is out of range: there are 2 classes"
        );
    });
}
