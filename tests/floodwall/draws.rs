//! The golden-ratio sequences of a wall: each class is shed evenly, in any order of requests.
//!
//! The pressure alone decides here, because no permit is held.

use floodwall::{AdmitOptions, Curve, Floodwall, Share};

use crate::Kind;
use crate::common::evenness::{
    Evenness, IDENTITY, assert_no_client_is_starved, probabilities, rhythms,
};

/// Returns a wall that sheds each class with the probability that is the pressure.
pub(crate) fn shedding_wall() -> Floodwall<Kind> {
    let rule = |kind: Kind| kind.rule(Share::at_most(100)).shed(IDENTITY);
    Floodwall::new(100, &[rule(Kind::Login), rule(Kind::Message)])
}

pub(crate) fn sheds(wall: &Floodwall<Kind>, kind: Kind, probability: f64) -> bool {
    let options = AdmitOptions::new().pressure(probability);
    wall.admit_with(kind, options).is_err()
}

#[test]
fn wall_sheds_evenly() {
    for probability in [0.001, 0.03, 0.1, 0.25, 0.5, 0.618, 0.9, 0.999] {
        let wall = shedding_wall();
        let mut evenness = Evenness::new(probability);
        for _ in 0..200_000 {
            evenness.record(sheds(&wall, Kind::Login, probability));
        }
        evenness.assert_even();
    }
}

#[test]
fn wall_sheds_each_class_evenly_when_classes_alternate() {
    for period in 1..10 {
        for probability in probabilities() {
            let wall = shedding_wall();
            let [mut logins, mut messages] = [1.0 - probability, probability].map(Evenness::new);
            for decision in 0..5_000 {
                if decision % period == 0 {
                    messages.record(sheds(&wall, Kind::Message, messages.probability));
                } else {
                    logins.record(sheds(&wall, Kind::Login, logins.probability));
                }
            }
            messages.assert_even();
            logins.assert_even();
        }
    }
}

#[test]
fn clients_in_a_rhythm_are_not_starved() {
    for kind in [Kind::Login, Kind::Message] {
        let wall = shedding_wall();
        assert_no_client_is_starved(rhythms(), 0.5, || sheds(&wall, kind, 0.5));
    }
}

/// Every `period`-th request of the class is at another utilization.
#[test]
fn requests_at_another_utilization_are_not_starved() {
    for period in rhythms() {
        let wall = shedding_wall();
        let (mut run, mut longest) = (0, 0);
        for request in 0..100 * period {
            let is_shed = sheds(
                &wall,
                Kind::Login,
                if request % period == 0 { 0.5 } else { 0.1 },
            );
            if request % period == 0 {
                run = if is_shed { run + 1 } else { 0 };
                longest = longest.max(run);
            }
        }
        // With independent samples, a run of 20 in one of the 156 periods has a probability of 0.6 %.
        assert!((1..20).contains(&longest), "period {period}: {longest}");
    }
}

/// If the classes shared one sequence, a request admitted by the first class would never be shed by
/// the second.
#[test]
fn shedding_one_class_does_not_spare_the_next() {
    for (first, second) in [(0.5, 0.1), (0.5, 0.5), (0.382, 0.618), (0.9, 0.05)] {
        let wall = shedding_wall();
        let [mut logins, mut messages] = [first, second].map(Evenness::new);
        for _ in 0..50_000 {
            let is_shed = sheds(&wall, Kind::Login, first);
            logins.record(is_shed);
            if !is_shed {
                messages.record(sheds(&wall, Kind::Message, second));
            }
        }
        logins.assert_even();
        messages.assert_even();
    }
}

#[test]
fn alternating_classes_are_not_shed_together() {
    let wall = shedding_wall();
    let (mut both, mut shed) = (0, 0);
    for _ in 0..10_000 {
        let [login, message] = [Kind::Login, Kind::Message].map(|kind| sheds(&wall, kind, 0.3));
        both += u32::from(login && message);
        shed += u32::from(login) + u32::from(message);
    }
    assert_eq!(both, 0);
    assert!((5_976..=6_024).contains(&shed), "{shed}");
}

#[test]
fn first_draw_of_a_new_wall_is_not_extreme() {
    // In every thread slot, the sequences of these classes begin between 0.013 and 0.986.
    for kind in [Kind::Login, Kind::Message] {
        assert!(!sheds(&shedding_wall(), kind, 0.01));
        assert!(sheds(&shedding_wall(), kind, 0.99));
    }
}

/// Sends the same requests to two walls. One of the walls also gets requests that need no sample.
#[test]
fn no_draw_is_used_below_lo_or_within_a_guarantee() {
    const LO: f64 = 0.5;
    let rules = [
        Kind::Message.rule(Share::at_least(1)).shed(IDENTITY),
        Kind::Login
            .rule(Share::at_most(9))
            .shed(Curve::linear(LO, 1.0)),
    ];
    let [reference, wall] = [(); 2].map(|()| Floodwall::new(10, &rules));
    let mut rejections = 0;
    for _ in 0..1_000 {
        for below_lo in [0.0, 0.2, LO - 1e-6] {
            assert!(!sheds(&wall, Kind::Login, below_lo));
        }
        assert!(!sheds(&wall, Kind::Message, 1.0));
        let expected = sheds(&reference, Kind::Login, 0.75);
        assert_eq!(sheds(&wall, Kind::Login, 0.75), expected);
        rejections += u32::from(expected);
    }
    assert!((495..=505).contains(&rejections), "{rejections}");
}
