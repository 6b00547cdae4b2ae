//! Bad input, row by row of the design's table: what is answered, in which words, that the plain form
//! panics with the same ones, and that nothing changed.

mod common;

use std::cell::Cell;
use std::panic::RefUnwindSafe;

use floodwall::{
    AdmitOptions, Bulkhead, Class, Curve, CurveError, Draw, Floodwall, Reason, Rejection, Rule,
    Rules, RulesError, Share, Shedder,
};

use common::{Of, for_each_count, panic_of};

floodwall::classes! { enum Kind { Message, Login = "background login" } }

const RULES: Rules<Kind> = Rules::new(
    100,
    &[
        Kind::Message.rule(Share::at_least(50)),
        Kind::Login
            .rule(Share::between(20, 50))
            .shed(Curve::linear(0.6, 0.8)),
    ],
);

/// Runs `f` on a wall in use, and sees that nothing came of it.
#[track_caller]
fn changes_nothing<C: Class>(wall: &Floodwall<C>, f: impl FnOnce()) {
    let (rules, snapshot) = (wall.rules(), wall.snapshot());
    f();
    assert_eq!((wall.rules(), wall.snapshot()), (rules, snapshot));
}

/// A rule of the same share for each class.
fn everyone<const COUNT: usize>(share: Share) -> [Rule<Of<COUNT>>; COUNT] {
    std::array::from_fn(|class| Rule::for_index(class, share))
}

fn many(permits: u32) -> AdmitOptions {
    AdmitOptions::new().permits(permits)
}

mod rules {
    use super::*;

    /// Every way to make a wall refuses these rules with these words.
    #[track_caller]
    fn assert_refused<C: Class>(capacity: u32, rules: &[Rule<C>], error: RulesError, words: &str) {
        assert_eq!(Rules::try_new(capacity, rules).unwrap_err(), error);
        assert_eq!(error.to_string(), words);
        assert_eq!(panic_of(|| Rules::new(capacity, rules)), words);
        assert_eq!(panic_of(|| Floodwall::new(capacity, rules)), words);
    }

    #[test]
    fn no_class_or_too_many() {
        assert_refused::<Of<0>>(
            1,
            &[],
            RulesError::ClassCount { count: 0 },
            "0 classes, but a wall holds 1 to 8",
        );
        assert_refused(
            1,
            &everyone::<9>(Share::at_most(1)),
            RulesError::ClassCount { count: 9 },
            "9 classes, but a wall holds 1 to 8",
        );
    }

    #[test]
    fn a_class_without_a_rule() {
        assert_refused(
            1,
            &[Kind::Message.rule(Share::at_most(1))],
            RulesError::MissingRule {
                class: "background login",
            },
            "class `background login`: it has no rule",
        );
        let error = RulesError::MissingRule { class: "Message" };
        assert_refused::<Kind>(1, &[], error, "class `Message`: it has no rule");
    }

    #[test]
    fn a_class_with_two_rules() {
        let rule = Kind::Message.rule(Share::at_most(1));
        let error = RulesError::DuplicateRule { class: "Message" };
        let words = "class `Message`: it has two rules";
        let login = Kind::Login.rule(Share::at_most(1));
        assert_refused(1, &[rule, login, rule], error, words);
        assert_eq!(RULES.with(&[rule, rule]).unwrap_err(), error);
    }

    #[test]
    fn a_rule_for_no_class() {
        let stray = Rule::for_index(2, Share::at_most(1));
        let [message, login] = [Kind::Message, Kind::Login].map(|k| k.rule(Share::at_most(1)));
        let error = RulesError::UnknownClass { index: 2, count: 2 };
        let words = "a rule for class index 2, but there are 2 classes";
        assert_refused(1, &[message, login, stray], error, words);
        assert_eq!(RULES.with(&[stray]).unwrap_err(), error);
    }

    #[test]
    fn two_classes_of_one_name() {
        floodwall::classes! { enum Twins { One = "twin", Other, Two = "twin" } }
        let rules = [Twins::One, Twins::Other, Twins::Two].map(|k| k.rule(Share::at_most(1)));
        assert_refused(
            1,
            &rules,
            RulesError::DuplicateName { class: "twin" },
            "class `twin`: two classes have this name",
        );
    }

    #[test]
    fn guarantees_beyond_the_capacity() {
        assert_refused(
            100,
            &[
                Kind::Login.rule(Share::exactly(60)),
                Kind::Message.rule(Share::at_least(50)),
            ],
            RulesError::GuaranteesOverCapacity {
                class: "background login",
                guarantee: 60,
                guarantees: 110,
                capacity: 100,
            },
            "class `background login`: its guarantee of 60 brings the guarantees to 110 in all, \
             more than the capacity of 100",
        );
        // As many as there are is not beyond it.
        assert!(Rules::try_new(100, &everyone::<2>(Share::exactly(50))).is_ok());
        // Nor does their sum overflow.
        assert_refused(
            7,
            &[
                Kind::Message.rule(Share::at_least(5)),
                Kind::Login.rule(Share::at_least(u32::MAX)),
            ],
            RulesError::GuaranteesOverCapacity {
                class: "background login",
                guarantee: u32::MAX,
                guarantees: 5 + u64::from(u32::MAX),
                capacity: 7,
            },
            "class `background login`: its guarantee of 4294967295 brings the guarantees to \
             4294967300 in all, more than the capacity of 7",
        );
    }

    #[test]
    fn a_guarantee_above_the_cap() {
        assert_refused(
            100,
            &[
                Kind::Message.rule(Share::at_least(50)),
                Kind::Login.rule(Share::between(21, 20)),
            ],
            RulesError::GuaranteeOverCap {
                class: "background login",
                guarantee: 21,
                cap: 20,
            },
            "class `background login`: its guarantee of 21 is above its cap of 20",
        );
        // Not even in a closed wall.
        let share = Share::between(1, 0);
        assert!(Rules::try_new(0, &everyone::<1>(share)).is_err());
    }

    /// What a lane can hold, by the number of classes.
    const MOST: [u32; 9] = {
        const fn bits(bits: u32) -> u32 {
            (1 << bits) - 1
        }
        let (b, c, d, e) = (bits(24), bits(18), bits(14), bits(11));
        [0, b, b, c, d, e, bits(9), bits(8), bits(7)]
    };

    #[test]
    fn more_than_a_lane_can_hold() {
        fn check<const COUNT: usize>() {
            let most = MOST[COUNT];
            let words = format!(
                "class `a`: it could hold {} permits, but with this number of classes each can hold at most \
                 {most}",
                most + 1
            );
            let error = RulesError::CapTooLarge {
                class: "a",
                cap: most + 1,
                max: most,
            };
            let over = everyone::<COUNT>(Share::at_most(most + 1));
            assert_refused(u32::MAX, &over, error, &words);
            let uncapped = everyone::<COUNT>(Share::at_least(0));
            assert_refused(most + 1, &uncapped, error, &words);
            // Whichever of the two is lower counts.
            assert!(Rules::try_new(most, &uncapped).is_ok());
            assert!(Rules::try_new(most, &over).is_ok());
        }
        for_each_count!(check);
    }

    #[test]
    fn as_much_as_a_lane_can_hold_is_all_there() {
        fn check<const COUNT: usize>() {
            let most = MOST[COUNT];
            let wall = Floodwall::new(u32::MAX, &everyone::<COUNT>(Share::at_most(most)));
            let classes = || (0..COUNT).map(Of);
            for round in [many(most), many(most - 1)] {
                let held: Vec<_> = classes()
                    .map(|class| wall.admit_with(class, round).unwrap())
                    .collect();
                let in_use: Vec<_> = classes().map(|class| wall.in_use(class)).collect();
                assert!(in_use.iter().all(|&permits| permits == in_use[0]));
                let all_the_rest = most - in_use[0];
                assert!(all_the_rest <= 1);
                for class in classes() {
                    let _rest = wall.admit_with(class, many(all_the_rest)).unwrap();
                    let Reason::ClassFull { in_use, cap, .. } =
                        wall.admit(class).unwrap_err().reason
                    else {
                        panic!("it is the class that is full");
                    };
                    assert_eq!((in_use, cap), (most, most));
                }
                drop(held);
                assert!(classes().all(|class| wall.in_use(class) == 0));
            }
        }
        for_each_count!(check);
    }

    #[test]
    fn a_live_wall_refuses_them_and_stays_as_it_is() {
        let wall = Floodwall::from_rules(RULES);
        let _permit = wall.admit(Kind::Login).unwrap();
        changes_nothing(&wall, || {
            let error = wall.set_capacity(69).unwrap_err();
            let expected = RulesError::GuaranteesOverCapacity {
                class: "background login",
                guarantee: 20,
                guarantees: 70,
                capacity: 69,
            };
            assert_eq!(error, expected);
            let error = wall.set_capacity(u32::MAX).unwrap_err();
            let expected = RulesError::CapTooLarge {
                class: "Message",
                cap: u32::MAX,
                max: MOST[2],
            };
            assert_eq!(error, expected);
            // Rules are checked before a wall can be given them.
            assert!(wall.rules().with_capacity(69).is_err());
            let greedy = Kind::Login.rule(Share::exactly(51));
            assert!(wall.rules().with(&[greedy]).is_err());
        });
        // What fits together passes together, even if neither half would pass alone.
        let [more, less] = [
            Kind::Login.rule(Share::exactly(60)),
            Kind::Message.rule(Share::at_least(40)),
        ];
        assert!(RULES.with(&[more]).is_err());
        assert!(RULES.with(&[more, less]).is_ok());
    }

    /// In a `static`, the same words are a compile error: they are built in a constant.
    #[test]
    fn words_can_be_built_in_a_constant() {
        const ERROR: RulesError = match Rules::try_new(1, &[Kind::Message.rule(Share::at_least(2))])
        {
            Ok(_) => panic!("one class has no rule"),
            Err(error) => error,
        };
        assert_eq!(
            ERROR.to_string(),
            "class `background login`: it has no rule"
        );
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        #[derive(Clone, Copy)]
        struct Verbose;
        impl Class for Verbose {
            const NAMES: &'static [&'static str] = &["\
                éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé\
                éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé\
                éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé"];
            fn index(self) -> usize {
                0
            }
        }
        let upside_down = [Rule::for_index(0, Share::between(2, 1))];
        for rules in [&[][..], &upside_down] {
            let words = panic_of(|| Rules::<Verbose>::new(1, rules));
            // The next would end at 257.
            assert_eq!(words, format!("class `{}", "é".repeat(124)));
            assert_eq!(words.len(), 255);
        }
    }
}

mod capacities {
    use super::*;

    #[test]
    fn zero_is_closed() {
        let wall = Floodwall::from_rules(RULES);
        let permit = wall.admit(Kind::Message).unwrap();
        wall.set_capacity(0).unwrap();
        assert_eq!((wall.capacity(), wall.utilization()), (0, 1.0));
        for permits in [0, 1, 20, u32::MAX] {
            for kind in [Kind::Message, Kind::Login] {
                let rejection = wall.admit_with(kind, many(permits)).unwrap_err();
                assert!(matches!(
                    rejection.reason,
                    Reason::PoolFull {
                        in_use: 1,
                        reserved: 0,
                        capacity: 0,
                        ..
                    }
                ));
                let words = format!("{}: closed: the capacity is 0", Kind::NAMES[kind.index()]);
                assert!(rejection.to_string().starts_with(&words));
                assert_eq!(rejection.requested, permits);
            }
        }
        let snapshot = wall.snapshot();
        assert!(
            snapshot
                .classes()
                .iter()
                .all(|c| (c.guarantee, c.cap) == (0, 0))
        );
        // What was given comes back with the capacity.
        assert_eq!(wall.rules(), RULES.with_capacity(0).unwrap());
        drop(permit);
        assert_eq!(wall.in_use(Kind::Message), 0);
        wall.set_capacity(100).unwrap();
        assert_eq!(wall.rules(), RULES);
        assert!(wall.admit_with(Kind::Message, many(50)).is_ok());
    }

    #[test]
    fn a_wall_can_begin_closed_with_guarantees_that_do_not_fit_yet() {
        let wall = Floodwall::new(0, &everyone::<2>(Share::exactly(50)));
        assert!(wall.admit(Of(0)).is_err());
        changes_nothing(&wall, || assert!(wall.set_capacity(99).is_err()));
        wall.set_capacity(100).unwrap();
        assert!(wall.admit_with(Of(0), many(50)).is_ok());
    }

    #[test]
    fn a_cap_above_the_capacity_leaves_it_to_the_capacity() {
        let wall = Floodwall::new(10, &everyone::<1>(Share::at_most(11)));
        let _all = wall.admit_with(Of(0), many(10)).unwrap();
        let rejection = wall.admit(Of(0)).unwrap_err();
        assert_eq!(
            rejection.to_string(),
            "a: pool full: 10 of 10 permits in use, 0 reserved for other classes"
        );
        assert_eq!(wall.snapshot().classes()[0].cap, 10);
        assert_eq!(wall.rules().share(Of(0)).cap(), 11);
    }

    #[test]
    fn a_bulkhead_of_zero_turns_everything_away() {
        let room = Bulkhead::new(0);
        assert_eq!(room.utilization(), 1.0);
        let full = room.try_acquire().unwrap_err();
        assert_eq!(full.to_string(), "full: 0 of 0 permits in use");
        assert!(room.try_acquire_many(0).is_ok());
    }
}

mod permits {
    use super::*;

    #[test]
    fn zero_are_admitted_and_hold_nothing() {
        let room = Bulkhead::new(1);
        let _one = room.try_acquire().unwrap();
        let _none = room.try_acquire_many(0).unwrap();
        assert_eq!(room.in_use(), 1);

        let wall = Floodwall::new(2, &everyone::<2>(Share::exactly(1)));
        let _one = wall.admit(Of(0)).unwrap();
        let _none = wall.admit_with(Of(0), many(0)).unwrap();
        assert_eq!(wall.in_use(Of(0)), 1);
    }

    #[test]
    fn zero_are_admitted_even_over_the_cap_and_never_shed() {
        let rules = everyone::<1>(Share::at_most(10));
        let wall = Floodwall::new(10, &rules);
        let _held = wall.admit_with(Of(0), many(8)).unwrap();
        let rule = Rule::for_index(0, Share::at_most(3)).shed(Curve::ALWAYS);
        wall.set_rules(Rules::new(5, &[rule]));
        assert!(wall.admit(Of(0)).is_err());
        assert!(wall.admit_with(Of(0), many(0)).is_ok());

        let room = Bulkhead::new(8);
        let _held = room.try_acquire_many(8).unwrap();
        room.set_limit(3);
        assert!(room.try_acquire_many(0).is_ok());
    }

    #[test]
    fn more_than_could_ever_fit_are_refused_and_never_overflow() {
        for limit in [1, 7, u32::MAX - 1, u32::MAX] {
            let room = Bulkhead::new(limit);
            let _one = room.try_acquire().unwrap();
            let full = room.try_acquire_many(u32::MAX).unwrap_err();
            assert_eq!(
                (full.requested, full.in_use, full.limit),
                (u32::MAX, 1, limit)
            );
            assert_eq!((room.in_use(), room.limit()), (1, limit));
        }

        fn check<const COUNT: usize>() {
            let wall = Floodwall::new(u32::MAX, &everyone::<COUNT>(Share::at_most(100)));
            let _held = wall.admit_with(Of(COUNT - 1), many(3)).unwrap();
            for (permits, class) in [(98, COUNT - 1), (101, 0), (u32::MAX, 0)] {
                let rejection = wall.admit_with(Of(class), many(permits)).unwrap_err();
                assert!(matches!(
                    rejection.reason,
                    Reason::ClassFull { cap: 100, .. } if permits > 97
                ));
            }
            let in_use = (0..COUNT).map(|class| wall.in_use(Of(class)));
            assert_eq!(in_use.sum::<u32>(), 3);
            assert_eq!(wall.capacity(), u32::MAX);
        }
        for_each_count!(check);
    }

    #[test]
    fn whoever_is_turned_away_is_told_why() {
        let wall = Floodwall::from_rules(RULES);
        let _logins = wall.admit_with(Kind::Login, many(50)).unwrap();
        let rejection = wall.admit(Kind::Login).unwrap_err();
        assert_eq!(rejection.class, "background login");
        assert_eq!(rejection.reason.name(), "class_full");
        assert_eq!(
            rejection.to_string(),
            "background login: class full: 50 of 50 permits in use"
        );
        let rejection = wall.admit_with(Kind::Login, many(2)).unwrap_err();
        assert_eq!(
            rejection.to_string(),
            "background login: class full: 50 of 50 permits in use, 2 requested"
        );

        let wall = Floodwall::from_rules(RULES);
        let _messages = wall.admit_with(Kind::Message, many(80)).unwrap();
        let rejection = wall.admit(Kind::Message).unwrap_err();
        assert_eq!(rejection.reason.name(), "pool_full");
        assert_eq!(
            rejection.to_string(),
            "Message: pool full: 80 of 100 permits in use, 20 reserved for other classes"
        );

        let wall = Floodwall::from_rules(RULES);
        let _messages = wall.admit_with(Kind::Message, many(70)).unwrap();
        let unlucky = many(21).draw(Draw::from(0));
        let rejection = wall.admit_with(Kind::Login, unlucky).unwrap_err();
        assert_eq!(rejection.reason.name(), "shed");
        assert_eq!(
            rejection.to_string(),
            "background login: shed at utilization 0.70 (reject probability 0.50), 21 requested"
        );
    }
}

mod classes {
    use super::*;

    fn discard<T>(_: T) {}

    /// All that ask a class for its index panic with these words, and change nothing. Nor do they
    /// keep the lock of those who change the rules.
    #[track_caller]
    fn assert_every_call_panics<C>(wall: &Floodwall<C>, class: C, words: &str)
    where
        C: Class + RefUnwindSafe,
    {
        let rules = wall.rules();
        let calls: [&(dyn Fn() + RefUnwindSafe); 6] = [
            &|| discard(wall.admit(class)),
            &|| discard(wall.admit_with(class, many(0))),
            &|| discard(wall.call(class, || panic!("it ran"))),
            &|| discard(wall.in_use(class)),
            &|| discard(rules.share(class)),
            &|| discard(rules.curve(class)),
        ];
        changes_nothing(wall, || {
            for call in calls {
                assert_eq!(panic_of(call), words);
            }
        });
    }

    thread_local! {
        /// What the next `index()` answers, and how often it was asked.
        static NEXT: Cell<usize> = const { Cell::new(0) };
        static ASKED: Cell<u32> = const { Cell::new(0) };
    }

    /// Answers 0, 1, 0, 1...
    #[derive(Clone, Copy)]
    struct Fickle;

    impl Class for Fickle {
        const NAMES: &'static [&'static str] = &["even", "odd"];

        fn index(self) -> usize {
            ASKED.set(ASKED.get() + 1);
            NEXT.replace(1 - NEXT.get())
        }
    }

    #[test]
    fn an_index_that_changes_is_asked_once_per_admission() {
        let rules =
            [0, 1].map(|class| Rule::for_index(class, Share::exactly(1)).shed(Curve::ALWAYS));
        let wall = Floodwall::<Fickle>::new(2, &rules);
        let in_use = || {
            let snapshot = wall.snapshot();
            [0, 1].map(|class| snapshot.classes()[class].in_use)
        };
        let even = wall.admit(Fickle).unwrap();
        assert_eq!(in_use(), [1, 0]);
        let odd = wall.admit(Fickle).unwrap();
        assert_eq!((in_use(), ASKED.get()), ([1, 1], 2));
        assert_eq!(wall.admit(Fickle).unwrap_err().class, "even");
        assert_eq!(wall.admit(Fickle).unwrap_err().class, "odd");
        assert_eq!(ASKED.get(), 4);
        // Giving back asks nobody.
        drop(even);
        assert_eq!((in_use(), ASKED.get()), ([0, 1], 4));
        drop(odd);
        assert_eq!((in_use(), ASKED.get()), ([0, 0], 4));
        assert_eq!(wall.call(Fickle, in_use).unwrap(), [1, 0]);
        assert_eq!((in_use(), ASKED.get()), ([0, 0], 5));
    }

    #[test]
    fn an_index_out_of_range_panics_and_changes_nothing() {
        let wall = Floodwall::new(10, &everyone::<3>(Share::at_most(5)));
        let _permit = wall.admit(Of(2)).unwrap();
        for index in [3, 8, 64, usize::MAX] {
            let words = format!("class index {index} is out of range: there are 3 classes");
            assert_every_call_panics(&wall, Of(index), &words);
        }
        assert!(wall.admit(Of(0)).is_ok());
    }

    #[test]
    #[cfg(feature = "alloc")]
    fn an_owned_permit_is_no_exception() {
        let wall = std::sync::Arc::new(Floodwall::new(10, &everyone::<3>(Share::at_most(5))));
        changes_nothing(&wall, || {
            let words = panic_of(|| wall.admit_owned(Of(3)));
            assert_eq!(words, "class index 3 is out of range: there are 3 classes");
        });
        assert_eq!(std::sync::Arc::strong_count(&wall), 1);
    }

    #[test]
    fn an_index_that_panics_changes_nothing() {
        #[derive(Clone, Copy)]
        struct Broken(bool);
        impl Class for Broken {
            const NAMES: &'static [&'static str] = &["broken"];
            fn index(self) -> usize {
                assert!(!self.0, "index is broken");
                0
            }
        }
        let wall = Floodwall::new(1, &[Rule::for_index(0, Share::at_most(1))]);
        assert_every_call_panics(&wall, Broken(true), "index is broken");
        assert!(wall.admit(Broken(false)).is_ok());
    }
}

mod curves {
    use super::*;

    /// A curve as it is asked for: the checked form, and the plain one.
    type Forms<'a> = (
        Result<Curve, CurveError>,
        &'a (dyn Fn() -> Curve + RefUnwindSafe),
    );

    #[track_caller]
    fn assert_refused((checked, plain): Forms<'_>, words: &str) {
        assert_eq!(checked.unwrap_err().to_string(), words);
        assert_eq!(panic_of(plain), words);
    }

    #[test]
    fn numbers_out_of_range() {
        for (value, shown) in [
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (-0.1, "-0.1"),
            (-1e-13, "about -0"),
            (1.0 + f64::EPSILON, "about 1"),
            (1.5, "1.5"),
            (1.000_000_1, "1.0000001"),
            (1e6, "1000000"),
            (2e9, "(more than 1000000)"),
        ] {
            let words = |start| format!("curve {start} is {shown}, which is not in 0..=1");
            let step: Forms<'_> = (Curve::try_step(value), &|| Curve::step(value));
            assert_refused(step, &words("`step`: at"));
            let lo: Forms<'_> = (Curve::try_linear(value, 1.0), &|| Curve::linear(value, 1.0));
            assert_refused(lo, &words("`linear`: lo"));
            let hi: Forms<'_> = (Curve::try_linear(0.0, value), &|| Curve::linear(0.0, value));
            assert_refused(hi, &words("`linear`: hi"));
            let lo: Forms<'_> = (Curve::try_cubic(value, 1.0), &|| Curve::cubic(value, 1.0));
            assert_refused(lo, &words("`cubic`: lo"));
            let hi: Forms<'_> = (Curve::try_cubic(0.0, value), &|| Curve::cubic(0.0, value));
            assert_refused(hi, &words("`cubic`: hi"));
            for curve in [Curve::NEVER, Curve::ALWAYS, Curve::linear(0.0, 1.0)] {
                let capped: Forms<'_> = (curve.try_capped(value), &|| curve.capped(value));
                assert_refused(capped, &words("`capped`: p"));
            }
        }
        let error = CurveError::OutOfRange {
            curve: "step",
            parameter: "at",
            value: 1.5,
        };
        assert_eq!(Curve::try_step(1.5), Err(error));
    }

    #[test]
    fn ramps_that_do_not_rise() {
        for (lo, hi, lo_shown, hi_shown) in [
            (0.8, 0.6, "0.8", "0.6"),
            (0.5, 0.5, "0.5", "0.5"),
            (0.5, 0.500_001, "0.5", "0.500001"),
            (1.0, 0.0, "1", "0"),
        ] {
            let words = |curve| {
                format!(
                    "curve `{curve}`: lo is {lo_shown}, which is not below hi, {hi_shown}, \
                     in steps of 0.00002"
                )
            };
            let linear: Forms<'_> = (Curve::try_linear(lo, hi), &|| Curve::linear(lo, hi));
            assert_refused(linear, &words("linear"));
            let cubic: Forms<'_> = (Curve::try_cubic(lo, hi), &|| Curve::cubic(lo, hi));
            assert_refused(cubic, &words("cubic"));
        }
        let error = CurveError::EmptyRamp {
            curve: "cubic",
            lo: 0.8,
            hi: 0.6,
        };
        assert_eq!(Curve::try_cubic(0.8, 0.6), Err(error));
    }

    #[test]
    fn the_ends_of_the_range_are_in_it() {
        assert!(Curve::try_step(0.0).is_ok() && Curve::try_step(1.0).is_ok());
        assert!(Curve::try_linear(0.0, 1.0).is_ok() && Curve::try_cubic(0.0, 1.0).is_ok());
        assert!(Curve::ALWAYS.try_capped(0.0).is_ok() && Curve::ALWAYS.try_capped(1.0).is_ok());
        assert!(Curve::try_linear(0.5, 0.500_02).is_ok());
    }
}

mod utilizations {
    use super::*;

    #[test]
    fn what_is_not_a_number_reads_as_zero() {
        let unlucky = Draw::from(0);
        let shedder = Shedder::new(Curve::linear(0.0, 1.0));
        for utilization in [f64::NAN, -f64::NAN, -1.0, f64::NEG_INFINITY] {
            assert_eq!(shedder.decide_with(utilization, unlucky), Ok(()));
        }
        let shed = Shedder::new(Curve::ALWAYS).decide_with(f64::NAN, unlucky);
        assert_eq!(shed.unwrap_err().utilization, 0.0);
        let shed = shedder.decide_with(f64::INFINITY, Draw::from(u32::MAX));
        assert_eq!(shed.unwrap_err().probability, 1.0);
    }

    #[test]
    fn caps_protect_under_any_pressure() {
        let rule = Rule::for_index(0, Share::at_most(2)).shed(Curve::step(0.9));
        for pressure in [f64::NAN, -1.0, f64::NEG_INFINITY, 0.0, 0.89] {
            let wall = Floodwall::<Of<1>>::new(4, &[rule]);
            let ask = AdmitOptions::new().draw(Draw::from(0)).pressure(pressure);
            let _held = [(); 2].map(|()| wall.admit_with(Of(0), ask).unwrap());
            let rejection = wall.admit_with(Of(0), ask).unwrap_err();
            assert_eq!(rejection.reason.name(), "class_full");
        }
    }

    /// The utilization that a rejection says the curve was asked with.
    #[track_caller]
    fn asked_with(rejection: Rejection) -> f64 {
        let Reason::Shed { utilization, .. } = rejection.reason else {
            panic!("{rejection}");
        };
        utilization
    }

    #[test]
    fn pressure_counts_where_it_is_higher_than_the_utilization() {
        let rule = Rule::for_index(0, Share::between(1, 4)).shed(Curve::step(0.5));
        for pressure in [0.5, 1.0, 7.0, 12_345.6, f64::INFINITY] {
            let wall = Floodwall::<Of<1>>::new(4, &[rule]);
            let ask = AdmitOptions::new()
                .draw(Draw::from(u32::MAX))
                .pressure(pressure);
            let _guaranteed = wall.admit_with(Of(0), ask).unwrap();
            assert_eq!(
                asked_with(wall.admit_with(Of(0), ask).unwrap_err()),
                pressure
            );
        }
        let wall = Floodwall::<Of<1>>::new(4, &[rule]);
        let _half = wall.admit_with(Of(0), many(2)).unwrap();
        for pressure in [0.1, f64::NAN] {
            let ask = AdmitOptions::new().pressure(pressure);
            assert_eq!(asked_with(wall.admit_with(Of(0), ask).unwrap_err()), 0.5);
        }
    }
}
