//! Snapshots: by class, peaks, differences, and their debug output.

use floodwall::{Class, Curve, Floodwall, Rule, Rules, Share, Snapshot};

use crate::Kind;
use crate::common::{NthClass, permits};

const RULES: Rules<Kind> = Rules::new(
    10,
    &[
        Kind::Message.rule(Share::at_least(4)),
        Kind::Login.rule(Share::between(2, 6)),
    ],
);

#[test]
fn class_peak_is_the_maximum_since_it_was_taken() {
    let wall = Floodwall::from_rules(RULES);
    let peaks = |snapshot: Snapshot<Kind>| [0, 1].map(|class| snapshot.classes()[class].peak);
    let admit = |count| wall.admit_with(Kind::Login, permits(count)).unwrap();

    let long = admit(2);
    drop(admit(3));
    drop(wall.admit(Kind::Message).unwrap());
    assert_eq!(peaks(wall.snapshot()), [1, 5]);
    assert_eq!(peaks(wall.take_peaks()), [1, 5]);
    // Permits still in use count for the next peak.
    assert_eq!(peaks(wall.snapshot()), [0, 2]);
    drop(long);
    assert_eq!(peaks(wall.take_peaks()), [0, 2]);
    assert_eq!(peaks(wall.take_peaks()), [0, 0]);
}

#[test]
fn snapshot_is_indexed_and_iterated_by_class() {
    let wall = Floodwall::from_rules(RULES);
    let _permits = wall.admit_with(Kind::Login, permits(3)).unwrap();
    let _message = wall.admit(Kind::Message).unwrap();
    let snapshot = wall.snapshot();
    assert_eq!(
        (snapshot[Kind::Login].in_use, snapshot[Kind::Message].in_use),
        (3, 1)
    );
    assert_eq!(snapshot.in_use(), 4);
    let pairs = snapshot
        .iter()
        .map(|(kind, class)| (kind, class.name, class.in_use));
    let expected = [
        (Kind::Message, "Message", 1),
        (Kind::Login, "background login", 3),
    ];
    assert!(pairs.eq(expected));
}

/// A class is found by its index, wherever it is in `Class::ALL`.
#[test]
fn iterator_pairs_each_class_with_its_own_snapshot() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Tier(usize);

    impl Class for Tier {
        const NAMES: &'static [&'static str] = &["basic", "premium"];
        const ALL: &'static [Tier] = &[Tier(1), Tier(0)];

        fn index(self) -> usize {
            self.0
        }
    }

    let rules = [0, 1].map(|tier| Rule::for_index(tier, Share::at_most(2)));
    let snapshot = Floodwall::<Tier>::new(4, &rules).snapshot();
    let names: Vec<_> = snapshot
        .iter()
        .map(|(tier, class)| (tier, class.name))
        .collect();
    assert_eq!(names, [(Tier(1), "premium"), (Tier(0), "basic")]);
}

/// The cap of a class is not always reachable, because of the guarantees of others.
#[test]
fn snapshot_shows_what_a_class_can_reach() {
    let wall = Floodwall::<NthClass<3>>::new(
        100,
        &[
            Rule::for_index(0, Share::at_least(50)),
            Rule::for_index(1, Share::exactly(30)),
            Rule::for_index(2, Share::at_most(80)),
        ],
    );
    let reachable = |snapshot: &Snapshot<_>| {
        [0, 1, 2].map(|class| {
            (
                snapshot.classes()[class].cap,
                snapshot.classes()[class].reachable,
            )
        })
    };
    let snapshot = wall.snapshot();
    assert_eq!(reachable(&snapshot), [(100, 70), (30, 30), (80, 20)]);
    let _reached = wall.admit_with(NthClass(2), permits(20)).unwrap();
    assert!(wall.admit(NthClass(2)).is_err());
    // It does not depend on what is in use.
    assert_eq!(reachable(&wall.snapshot()), reachable(&snapshot));
    assert_eq!(wall.snapshot()[NthClass(2)].peak, 20);
}

#[test]
fn snapshots_subtract_for_rates() {
    let wall = Floodwall::from_rules(RULES);
    let options = permits(7);
    for round in [1, 2] {
        let earlier = wall.snapshot();
        for _ in 0..round {
            drop(wall.admit(Kind::Message).unwrap());
            assert!(wall.admit_with(Kind::Login, options).is_err());
        }
        wall.close();
        assert!(wall.admit(Kind::Login).is_err());
        wall.open();
        wall.set_dry_run(&[Kind::Login]);
        drop(wall.admit_with(Kind::Login, options).unwrap());
        wall.set_dry_run(&[]);
        let later = wall.snapshot();
        let rates = later.since(&earlier);
        let (message, login) = (&rates[Kind::Message], &rates[Kind::Login]);
        assert_eq!((message.admitted, message.rejected()), (round, 0));
        assert_eq!(
            (login.admitted, login.too_large, login.closed),
            (1, round, 1)
        );
        assert_eq!(
            (login.would_reject.too_large, login.would_reject.total()),
            (1, 1)
        );
        assert_eq!((login.rejected(), rates.rejected()), (round + 1, round + 1));
        // Everything else is that of the later one.
        assert_eq!(rates.capacity, later.capacity);
        assert_eq!(message.peak, later[Kind::Message].peak);
        // In the wrong order, the numbers are 0.
        assert_eq!(earlier.since(&later).rejected(), 0);
    }
}

#[test]
fn rejections_are_counted_by_reason_and_add_up() {
    let login = Kind::Login.rule(Share::between(2, 6));
    let wall = Floodwall::from_rules(Rules::new(
        10,
        &[
            Kind::Message.rule(Share::at_least(4)),
            login.shed(Curve::step(0.8)),
        ],
    ));
    let hold = |kind, count| wall.admit_with(kind, permits(count)).unwrap();
    let reject = |count, times| {
        for _ in 0..times {
            assert!(wall.admit_with(Kind::Login, permits(count)).is_err());
        }
    };
    for round in [1, 2] {
        let earlier = wall.snapshot();
        {
            let _in_use = (hold(Kind::Message, 6), hold(Kind::Login, 2));
            reject(1, 1); // shed at 0.8
        }
        {
            let _in_use = hold(Kind::Login, 6);
            reject(1, 2); // class full
        }
        {
            let _in_use = (hold(Kind::Message, 6), hold(Kind::Login, 1));
            reject(4, 3); // pool full: three are free
        }
        reject(7, 4); // too large
        wall.close();
        reject(1, 5); // closed
        wall.open();
        let reasons = |snapshot: &Snapshot<Kind>| {
            let of = snapshot[Kind::Login];
            [
                of.shed,
                of.class_full,
                of.pool_full,
                of.too_large,
                of.closed,
            ]
        };
        let later = wall.snapshot();
        assert_eq!(reasons(&later), [1, 2, 3, 4, 5].map(|count| round * count));
        assert_eq!(later.rejected(), round * 15);
        let since = later.since(&earlier);
        assert_eq!(reasons(&since), [1, 2, 3, 4, 5]);
        assert_eq!(since.rejected(), 15);
    }
}

#[test]
fn snapshots_are_equal_if_all_their_numbers_are() {
    let wall = Floodwall::from_rules(RULES);
    let first = wall.snapshot();
    assert_eq!(first, wall.snapshot());
    // In a class only.
    drop(wall.admit(Kind::Message).unwrap());
    assert_ne!(first, wall.snapshot());
    // In the wall only.
    let second = wall.snapshot();
    wall.set_pressure(0.5);
    assert_ne!(second, wall.snapshot());
}

#[test]
fn wall_debug_output_is_its_snapshot() {
    let wall = Floodwall::from_rules(RULES);
    let _permit = wall.admit(Kind::Message).unwrap();
    let snapshot = wall.snapshot();
    assert_eq!(format!("{wall:?}"), format!("Floodwall({snapshot:?})"));
    let text = format!("{snapshot:?}");
    let start = "Snapshot { capacity: 10, utilization: 0.1, pressure: 0.0, closed: false, classes: [ClassSnapshot { \
                 name: \"Message\", ";
    assert!(text.starts_with(start), "{text}");
    assert!(text.contains("name: \"background login\", "), "{text}");
}
