//! Curves: monotone, in bounds, exact where they are written exactly, and shown as they are written.

use floodwall::{Curve, Draw, Floodwall, Rules, Share, Shedder};
use proptest::prelude::*;

floodwall::classes! { enum Kind { Feed } }

/// A curve as it is written, in ten-thousandths: what decimals of four places can say.
#[derive(Clone, Copy, Debug)]
enum Written {
    Never,
    Always,
    Step { at: u32 },
    Linear { lo: u32, hi: u32 },
    Cubic { lo: u32, hi: u32 },
}

const WHOLE: u32 = 10_000;

fn decimal(ten_thousandths: u32) -> f64 {
    f64::from(ten_thousandths) / f64::from(WHOLE)
}

impl Written {
    fn curve(self) -> Curve {
        match self {
            Written::Never => Curve::NEVER,
            Written::Always => Curve::ALWAYS,
            Written::Step { at } => Curve::step(decimal(at)),
            Written::Linear { lo, hi } => Curve::linear(decimal(lo), decimal(hi)),
            Written::Cubic { lo, hi } => Curve::cubic(decimal(lo), decimal(hi)),
        }
    }

    /// The probability before any cap, as the definition has it.
    fn probability(self, utilization: f64) -> f64 {
        let ramp =
            |lo, hi| ((utilization - decimal(lo)) / (decimal(hi) - decimal(lo))).clamp(0.0, 1.0);
        match self {
            Written::Never => 0.0,
            Written::Always => 1.0,
            Written::Step { at } => f64::from(utilization >= decimal(at)),
            Written::Linear { lo, hi } => ramp(lo, hi),
            Written::Cubic { lo, hi } => ramp(lo, hi).powi(3),
        }
    }

    fn code(self) -> String {
        let two = |name, lo, hi| format!("{name}({}, {})", decimal(lo), decimal(hi));
        match self {
            Written::Never => "NEVER".into(),
            Written::Always | Written::Step { at: 0 } => "ALWAYS".into(),
            Written::Step { at } => format!("step({})", decimal(at)),
            Written::Linear { lo, hi } => two("linear", lo, hi),
            Written::Cubic { lo, hi } => two("cubic", lo, hi),
        }
    }
}

fn any_written() -> impl Strategy<Value = Written> {
    prop_oneof![
        1 => Just(Written::Never),
        1 => Just(Written::Always),
        4 => (0..=WHOLE).prop_map(|at| Written::Step { at }),
        8 => any_ramp().prop_map(|(lo, hi)| Written::Linear { lo, hi }),
        8 => any_ramp().prop_map(|(lo, hi)| Written::Cubic { lo, hi }),
    ]
}

fn any_ramp() -> impl Strategy<Value = (u32, u32)> {
    (0..WHOLE).prop_flat_map(|lo| (Just(lo), lo + 1..=WHOLE))
}

fn any_curve() -> impl Strategy<Value = Curve> {
    (any_written(), 0..=WHOLE).prop_map(|(written, most)| written.curve().capped(decimal(most)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn probabilities_are_monotone_and_in_bounds(
        curve in any_curve(),
        anywhere in -1.0..3.0,
        decimal in (0..=WHOLE).prop_map(decimal),
        step in prop_oneof![0.0..1.0, 0.0..1e-4, 0.0..1e-9],
        anything in any::<f64>(),
    ) {
        for utilization in [anywhere, decimal, decimal - step] {
            let higher = curve.probability(utilization + step);
            prop_assert!(curve.probability(utilization) <= higher);
        }
        for utilization in [anywhere, anything, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            prop_assert!((0.0..=1.0).contains(&curve.probability(utilization)));
        }
        prop_assert_eq!(curve.probability(f64::NAN), curve.probability(0.0));
        prop_assert_eq!(curve.probability(f64::NEG_INFINITY), curve.probability(0.0));
        prop_assert_eq!(curve.probability(f64::INFINITY), curve.probability(1.0));
    }

    #[test]
    fn curves_are_what_they_are_called(written in any_written(), utilization in 0.0..1.0) {
        let curve = written.curve();
        // A step is asked beside its edge, which has a test of its own.
        if let Written::Step { at } = written {
            prop_assume!(f64::abs(utilization - decimal(at)) > 1e-6);
        }
        // How steep they can be at the most, times how finely utilization is read.
        let tolerance = 3.0 * f64::from(WHOLE) * 2e-10;
        let difference = curve.probability(utilization) - written.probability(utilization);
        prop_assert!(difference.abs() <= tolerance);
    }

    /// A draw sheds if it lies below the probability; only on the edge may rounding decide.
    #[test]
    fn decisions_are_those_of_the_probability(
        curve in any_curve(),
        utilization in prop_oneof![0.0..1.2, (0..=WHOLE).prop_map(decimal)],
        beside in prop_oneof![-9..=9_i64, any::<i32>().prop_map(i64::from)],
    ) {
        const RANGE: f64 = (1_u64 << 32) as f64;
        let probability = curve.probability(utilization);
        let edge = probability * RANGE;
        let draw = (edge as i64 + beside).clamp(0, u32::MAX.into()) as u32;
        let off_the_edge = f64::from(draw) - edge;
        let answer = Shedder::new(curve).decide_with(utilization, Draw::from(draw));
        match answer {
            Ok(()) => prop_assert!(off_the_edge > -2.0),
            Err(shed) => {
                prop_assert!(off_the_edge < 2.0 && probability > 0.0);
                prop_assert_eq!((shed.utilization, shed.probability), (utilization, probability));
            }
        }
    }

    #[test]
    fn decimals_are_met_exactly(ramp in any_ramp(), at in 1..=WHOLE) {
        let (lo, hi) = (decimal(ramp.0), decimal(ramp.1));
        for curve in [Curve::linear(lo, hi), Curve::cubic(lo, hi)] {
            prop_assert_eq!(curve.probability(lo), 0.0);
            prop_assert!(curve.probability(lo + 1e-6) > 0.0);
            prop_assert!(curve.probability(hi - 1e-6) < 1.0);
            prop_assert_eq!(curve.probability(hi), 1.0);
        }
        let at = decimal(at);
        prop_assert_eq!(Curve::step(at).probability(at - 1e-6), 0.0);
        prop_assert_eq!(Curve::step(at).probability(at), 1.0);
    }

    #[test]
    fn a_cap_is_the_most(
        written in any_written(),
        caps in (0..=WHOLE, 0..=WHOLE),
        utilization in 0.0..1.5,
    ) {
        let (one, other) = (decimal(caps.0), decimal(caps.1));
        let curve = written.curve();
        let capped = curve.capped(one);
        prop_assert_eq!(capped.probability(utilization), curve.probability(utilization).min(one));
        prop_assert_eq!(capped.capped(other), curve.capped(one.min(other)));
        prop_assert_eq!(curve.capped(1.0), curve);
        prop_assert_eq!(curve.capped(0.0), Curve::NEVER);
    }

    #[test]
    fn curves_are_shown_as_they_are_written(written in any_written(), most in 1..WHOLE) {
        prop_assert_eq!(format!("{:?}", written.curve()), written.code());
        let capped = format!("{:?}", written.curve().capped(decimal(most)));
        let code = match written {
            Written::Never => "NEVER".to_owned(),
            Written::Always | Written::Step { at: 0 } => format!("step(0).capped({})", decimal(most)),
            _ => format!("{}.capped({})", written.code(), decimal(most)),
        };
        prop_assert_eq!(capped, code);
    }

    #[test]
    fn curves_come_back_as_they_went_in(curve in any_curve(), other in any_curve()) {
        let rule = Kind::Feed.rule(Share::at_most(1)).shed(other);
        let wall = Floodwall::new(1, &[rule]);
        prop_assert_eq!(wall.rules().curve(Kind::Feed), other);
        wall.set_rules(Rules::new(1, &[rule.shed(curve)]));
        prop_assert_eq!(wall.rules().curve(Kind::Feed), curve);

        let shedder = Shedder::new(other);
        prop_assert_eq!(shedder.curve(), other);
        shedder.set_curve(curve);
        prop_assert_eq!(shedder.curve(), curve);
    }
}

#[test]
fn curves_can_be_constants() {
    const LOGINS: Curve = Curve::linear(0.6, 0.8).capped(0.95);
    const HALFWAY: f64 = LOGINS.probability(0.7);
    assert!((HALFWAY - 0.5).abs() < 1e-12);
    assert_eq!(format!("{LOGINS:?}"), "linear(0.6, 0.8).capped(0.95)");
}

#[test]
fn the_switches_are_never_and_always() {
    for utilization in [0.0, 0.5, 1.0, 1.4, 9.0, f64::NAN] {
        assert_eq!(Curve::NEVER.probability(utilization), 0.0);
        assert_eq!(Curve::ALWAYS.probability(utilization), 1.0);
    }
}
