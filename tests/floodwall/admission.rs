//! Decisions of an admission, and the reasons that rejections report.

use floodwall::{AdmitOptions, Curve, Draw, Floodwall, Reason, Rejection, Rule, Share};

use crate::common::{NthClass, equal_rules, permits};
use crate::{Kind, RULES};

#[test]
fn rejection_names_class_and_reason() {
    let wall = Floodwall::from_rules(RULES);
    let _logins = wall.admit_with(Kind::Login, permits(50)).unwrap();
    let rejection = wall.admit(Kind::Login).unwrap_err();
    assert_eq!(rejection.class, "background login");
    assert_eq!(rejection.reason().name(), "class_full");
    assert_eq!(
        rejection.to_string(),
        "background login: class full: 50 of 50 permits in use"
    );
    let rejection = wall.admit_with(Kind::Login, permits(2)).unwrap_err();
    assert_eq!(
        rejection.to_string(),
        "background login: class full: 50 of 50 permits in use, 2 requested"
    );

    let wall = Floodwall::from_rules(RULES);
    let _messages = wall.admit_with(Kind::Message, permits(80)).unwrap();
    let rejection = wall.admit(Kind::Message).unwrap_err();
    assert_eq!(rejection.reason().name(), "pool_full");
    assert_eq!(
        rejection.to_string(),
        "Message: pool full: 80 of 100 permits in use, 20 reserved for other classes"
    );

    let wall = Floodwall::from_rules(RULES);
    let _messages = wall.admit_with(Kind::Message, permits(70)).unwrap();
    let lowest = permits(21).draw(Draw::from(0));
    let rejection = wall.admit_with(Kind::Login, lowest).unwrap_err();
    assert_eq!(rejection.reason().name(), "shed");
    assert_eq!(
        rejection.to_string(),
        "background login: shed at utilization 0.70 (reject probability 0.50), 21 requested"
    );
}

#[test]
fn rejections_are_equal_if_all_that_they_report_is() {
    let wall = Floodwall::from_rules(RULES);
    let _logins = wall.admit_with(Kind::Login, permits(49)).unwrap();
    let two = || wall.admit_with(Kind::Login, permits(2)).unwrap_err();
    let first = two();
    assert_eq!(first, two());
    assert_eq!(
        format!("{first:?}"),
        "Rejection { class: \"background login\", requested: 2, reason: ClassFull { in_use: 49, cap: 50 } }"
    );
    let three = wall.admit_with(Kind::Login, permits(3)).unwrap_err();
    assert_ne!(first, three);
    let _login = wall.admit(Kind::Login).unwrap();
    assert_ne!(first, two());

    // The same numbers, as a utilization and as a pressure.
    let wall = Floodwall::from_rules(RULES);
    let lowest = AdmitOptions::new().draw(Draw::from(0));
    let _logins = wall.admit_with(Kind::Login, permits(20)).unwrap();
    let by_pressure = wall
        .admit_with(Kind::Login, lowest.pressure(0.7))
        .unwrap_err();
    let _messages = wall.admit_with(Kind::Message, permits(50)).unwrap();
    let by_utilization = wall.admit_with(Kind::Login, lowest).unwrap_err();
    assert_eq!(by_pressure, by_utilization);
}

#[test]
fn request_that_can_never_fit_is_told_apart_from_busy() {
    let wall = Floodwall::from_rules(RULES);
    let rejection = wall.admit_with(Kind::Login, permits(51)).unwrap_err();
    assert_eq!(rejection.reason().name(), "too_large");
    assert_eq!(
        rejection.to_string(),
        "background login: too large: the class can hold at most 50 permits, 51 requested"
    );
    // The cap of `Message` is 100, but 20 permits are guaranteed to the other class.
    let rejection = wall.admit_with(Kind::Message, permits(81)).unwrap_err();
    assert!(matches!(
        rejection.reason(),
        Reason::TooLarge { reachable: 80, .. }
    ));
    let _busy = wall.admit_with(Kind::Message, permits(80)).unwrap();
    let rejection = wall.admit_with(Kind::Message, permits(80)).unwrap_err();
    assert_eq!(rejection.reason().name(), "pool_full");
    let snapshot = wall.snapshot();
    assert_eq!(
        (
            snapshot[Kind::Login].too_large,
            snapshot[Kind::Message].too_large
        ),
        (1, 1)
    );
    // A class with a cap of 0 is full.
    wall.update_rules(&[Kind::Login.rule(Share::at_most(0))])
        .unwrap();
    for requested in [1, 2] {
        let rejection = wall
            .admit_with(Kind::Login, permits(requested))
            .unwrap_err();
        assert_eq!(rejection.reason().name(), "class_full");
    }
}

#[test]
fn cap_above_capacity_is_limited_to_capacity() {
    let wall = Floodwall::new(10, &equal_rules::<1>(Share::at_most(11)));
    let _all = wall.admit_with(NthClass(0), permits(10)).unwrap();
    let rejection = wall.admit(NthClass(0)).unwrap_err();
    assert_eq!(
        rejection.to_string(),
        "a: pool full: 10 of 10 permits in use, 0 reserved for other classes"
    );
    assert_eq!(wall.snapshot().classes()[0].cap, 10);
    assert_eq!(wall.rules().share(NthClass(0)).cap(), 11);
}

#[test]
fn cap_holds_under_any_pressure() {
    let rule = Rule::for_index(0, Share::at_most(2)).shed(Curve::step(0.9));
    for pressure in [f64::NAN, -1.0, f64::NEG_INFINITY, 0.0, 0.89] {
        let wall = Floodwall::<NthClass<1>>::new(4, &[rule]);
        let options = AdmitOptions::new().draw(Draw::from(0)).pressure(pressure);
        let _held = [(); 2].map(|()| wall.admit_with(NthClass(0), options).unwrap());
        let rejection = wall.admit_with(NthClass(0), options).unwrap_err();
        assert_eq!(rejection.reason().name(), "class_full");
    }
}

#[test]
fn curve_reads_the_higher_of_pressure_and_utilization() {
    #[track_caller]
    fn reported_utilization(rejection: Rejection) -> f64 {
        let Reason::Shed { utilization, .. } = rejection.reason() else {
            panic!("{rejection}");
        };
        utilization
    }

    let rule = Rule::for_index(0, Share::between(1, 4)).shed(Curve::step(0.5));
    for pressure in [0.5, 1.0, 7.0, 12_345.6, f64::INFINITY] {
        let wall = Floodwall::<NthClass<1>>::new(4, &[rule]);
        let highest = AdmitOptions::new().draw(Draw::from(u32::MAX));
        let options = highest.pressure(pressure);
        let _guaranteed = wall.admit_with(NthClass(0), options).unwrap();
        let rejection = wall.admit_with(NthClass(0), options).unwrap_err();
        assert_eq!(reported_utilization(rejection), pressure);
    }
    let wall = Floodwall::<NthClass<1>>::new(4, &[rule]);
    let _half = wall.admit_with(NthClass(0), permits(2)).unwrap();
    for pressure in [0.1, f64::NAN] {
        let options = AdmitOptions::new().pressure(pressure);
        let rejection = wall.admit_with(NthClass(0), options).unwrap_err();
        assert_eq!(reported_utilization(rejection), 0.5);
    }
}
