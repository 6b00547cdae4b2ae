//! `Curve`: probabilities are monotone and within bounds, decimal parameters are exact, and invalid
//! parameters are errors.

mod common;

use floodwall::{AdmitOptions, Curve, Draw, Floodwall, Rules, Share, Shedder};
use proptest::prelude::*;

floodwall::classes! { enum Kind { Feed } }

/// The definition of a curve. Parameters are decimals of four places, in ten-thousandths.
#[derive(Clone, Copy, Debug)]
enum Definition {
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

impl Definition {
    fn curve(self) -> Curve {
        match self {
            Definition::Never => Curve::NEVER,
            Definition::Always => Curve::ALWAYS,
            Definition::Step { at } => Curve::step(decimal(at)),
            Definition::Linear { lo, hi } => Curve::linear(decimal(lo), decimal(hi)),
            Definition::Cubic { lo, hi } => Curve::cubic(decimal(lo), decimal(hi)),
        }
    }

    /// Returns the probability without a cap.
    fn probability(self, utilization: f64) -> f64 {
        let ramp =
            |lo, hi| ((utilization - decimal(lo)) / (decimal(hi) - decimal(lo))).clamp(0.0, 1.0);
        match self {
            Definition::Never => 0.0,
            Definition::Always => 1.0,
            Definition::Step { at } => f64::from(utilization >= decimal(at)),
            Definition::Linear { lo, hi } => ramp(lo, hi),
            Definition::Cubic { lo, hi } => ramp(lo, hi).powi(3),
        }
    }

    /// Returns the constructor call.
    fn code(self) -> String {
        let two = |name, lo, hi| format!("{name}({}, {})", decimal(lo), decimal(hi));
        match self {
            Definition::Never => "NEVER".into(),
            Definition::Always | Definition::Step { at: 0 } => "ALWAYS".into(),
            Definition::Step { at } => format!("step({})", decimal(at)),
            Definition::Linear { lo, hi } => two("linear", lo, hi),
            Definition::Cubic { lo, hi } => two("cubic", lo, hi),
        }
    }
}

/// What parameters are rounded to.
const RESOLUTION: f64 = 0.000_02;

/// Returns whether a wall with this number of permits in use sheds a request with this draw.
fn wall_sheds(capacity: u32, in_use: u32, curve: Curve, draw: u32) -> bool {
    let rule = Kind::Feed.rule(Share::at_most(capacity));
    let wall = Floodwall::new(capacity, &[rule]);
    let _held = wall.admit_with(Kind::Feed, AdmitOptions::new().permits(in_use));
    wall.set_rules(Rules::new(capacity, &[rule.shed(curve)]));
    let options = AdmitOptions::new().draw(Draw::from(draw));
    wall.admit_with(Kind::Feed, options).is_err()
}

fn any_definition() -> impl Strategy<Value = Definition> {
    prop_oneof![
        1 => Just(Definition::Never),
        1 => Just(Definition::Always),
        4 => (0..=WHOLE).prop_map(|at| Definition::Step { at }),
        8 => any_ramp().prop_map(|(lo, hi)| Definition::Linear { lo, hi }),
        8 => any_ramp().prop_map(|(lo, hi)| Definition::Cubic { lo, hi }),
    ]
}

fn any_ramp() -> impl Strategy<Value = (u32, u32)> {
    (0..WHOLE).prop_flat_map(|lo| (Just(lo), lo + 1..=WHOLE))
}

fn any_curve() -> impl Strategy<Value = Curve> {
    (any_definition(), 0..=WHOLE)
        .prop_map(|(definition, max)| definition.curve().capped(decimal(max)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn probability_is_monotone_and_within_bounds(
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
    fn probability_follows_the_definition_of_the_curve(
        definition in any_definition(),
        utilization in 0.0..1.0,
    ) {
        let curve = definition.curve();
        // `decimal_parameters_are_exact` tests the edge of a step.
        if let Definition::Step { at } = definition {
            prop_assume!(f64::abs(utilization - decimal(at)) > 1e-6);
        }
        // The steepest slope, times the resolution of the utilization.
        let tolerance = 3.0 * f64::from(WHOLE) * 2e-10;
        let difference = curve.probability(utilization) - definition.probability(utilization);
        prop_assert!(difference.abs() <= tolerance);
    }

    /// A sample below the probability sheds. Rounding decides only at the edge.
    #[test]
    fn decision_agrees_with_probability(
        curve in any_curve(),
        utilization in prop_oneof![0.0..1.2, (0..=WHOLE).prop_map(decimal)],
        offset in prop_oneof![-9..=9_i64, any::<i32>().prop_map(i64::from)],
    ) {
        const RANGE: f64 = (1_u64 << 32) as f64;
        let probability = curve.probability(utilization);
        let edge = probability * RANGE;
        let draw = (edge as i64 + offset).clamp(0, u32::MAX.into()) as u32;
        let distance = f64::from(draw) - edge;
        let answer = Shedder::new(curve).decide_with(utilization, Draw::from(draw));
        match answer {
            Ok(()) => prop_assert!(distance > -2.0),
            Err(shed) => {
                prop_assert!(distance < 2.0 && probability > 0.0);
                prop_assert_eq!((shed.utilization, shed.probability), (utilization, probability));
            }
        }
    }

    /// A draw sheds if, and only if, it is below the probability. A draw equal to it passes, for every shape.
    #[test]
    fn wall_sheds_if_the_draw_is_below_the_probability(
        ramp in any_ramp(),
        is_cubic in any::<bool>(),
        (capacity, in_use) in (1..=1_000_u32).prop_flat_map(|capacity| (Just(capacity), 0..capacity)),
        offset in -2..=2_i64,
    ) {
        let (lo, hi) = (decimal(ramp.0), decimal(ramp.1));
        let curve = if is_cubic { Curve::cubic(lo, hi) } else { Curve::linear(lo, hi) };
        // The probability is `rise / span` or its cube.
        let [from, to] = [ramp.0, ramp.1].map(|at| i128::from(at) * i128::from(capacity));
        let span = to - from;
        let rise = (i128::from(in_use) * i128::from(WHOLE) - from).clamp(0, span);
        let power = if is_cubic { 3 } else { 1 };
        let edge = (rise.pow(power) << 32) / span.pow(power);
        let draw = (edge as i64 + offset).clamp(0, u32::MAX.into()) as u32;
        let distance = (rise.pow(power) << 32) - i128::from(draw) * span.pow(power);
        // A wall that computes with floats does not see a smaller distance than this, and then admits.
        prop_assume!(distance <= 0 || distance >= rise.pow(power) >> 15);
        let is_below = distance > 0;
        prop_assert_eq!(wall_sheds(capacity, in_use, curve, draw), is_below);
    }

    #[test]
    fn cap_is_never_exceeded_and_never_lost(cap in prop_oneof![0.0..=1.0, 0.0..1e-4, 0.999..=1.0]) {
        for curve in [Curve::ALWAYS, Curve::step(0.5), Curve::linear(0.1, 0.9), Curve::cubic(0.1, 0.9)] {
            let probability = curve.capped(cap).probability(1.0);
            prop_assert!(probability <= f64::max(cap, RESOLUTION));
            prop_assert!(probability > cap - RESOLUTION);
            prop_assert_eq!(probability == 0.0, cap == 0.0);
            prop_assert_eq!(probability == 1.0, cap == 1.0);
        }
    }

    #[test]
    fn decimal_parameters_are_exact(ramp in any_ramp(), at in 1..=WHOLE) {
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
    fn capped_probability_is_the_lower_of_curve_and_cap(
        definition in any_definition(),
        caps in (0..=WHOLE, 0..=WHOLE),
        utilization in 0.0..1.5,
    ) {
        let (one, other) = (decimal(caps.0), decimal(caps.1));
        let curve = definition.curve();
        let capped = curve.capped(one);
        prop_assert_eq!(capped.probability(utilization), curve.probability(utilization).min(one));
        prop_assert_eq!(capped.capped(other), curve.capped(one.min(other)));
        prop_assert_eq!(curve.capped(1.0), curve);
        prop_assert_eq!(curve.capped(0.0), Curve::NEVER);
    }

    #[test]
    fn curve_debug_output_is_its_constructor_call(definition in any_definition(), max in 1..WHOLE) {
        prop_assert_eq!(format!("{:?}", definition.curve()), definition.code());
        let capped = format!("{:?}", definition.curve().capped(decimal(max)));
        let code = match definition {
            Definition::Never => "NEVER".to_owned(),
            Definition::Always | Definition::Step { at: 0 } => format!("step(0).capped({})", decimal(max)),
            _ => format!("{}.capped({})", definition.code(), decimal(max)),
        };
        prop_assert_eq!(capped, code);
    }

    #[test]
    fn stored_curve_is_read_back_unchanged(curve in any_curve(), other in any_curve()) {
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

/// The probability is exactly 0.421875 and 0.75.
#[test]
fn draw_equal_to_the_probability_passes() {
    for (curve, edge) in [
        (Curve::cubic(0.03, 0.95), 1_811_939_328),
        (Curve::linear(0.03, 0.95), 3_221_225_472),
        (Curve::step(0.72).capped(0.75), 3_221_225_472),
    ] {
        assert!(!wall_sheds(75, 54, curve, edge), "{curve:?}");
        assert!(wall_sheds(75, 54, curve, edge - 1), "{curve:?}");
    }
}

#[test]
fn lowest_draw_passes_at_lo() {
    for curve in [Curve::linear(0.5, 1.0), Curve::cubic(0.5, 1.0)] {
        assert!(!wall_sheds(100, 50, curve, 0), "{curve:?}");
        assert!(wall_sheds(100, 51, curve, 0), "{curve:?}");
    }
}

#[test]
fn cap_near_one_lets_some_requests_pass() {
    const REQUESTS: u64 = 2_000_000;
    let shedder = Shedder::new(Curve::ALWAYS.capped(0.999_995));
    let draws = (0..REQUESTS).map(|n| Draw::from((((2 * n + 1) << 31) / REQUESTS) as u32));
    let passed = draws
        .filter(|&draw| shedder.decide_with(1.0, draw).is_ok())
        .count();
    // 10 by a cap of 0.999995, and 40 by what it is rounded down to, 0.99998.
    assert_eq!(passed, 40);
}

#[test]
fn curve_can_be_a_constant() {
    const LOGINS: Curve = Curve::linear(0.6, 0.8).capped(0.95);
    const HALFWAY: f64 = LOGINS.probability(0.7);
    assert!((HALFWAY - 0.5).abs() < 1e-12);
    assert_eq!(format!("{LOGINS:?}"), "linear(0.6, 0.8).capped(0.95)");
}

#[test]
fn never_and_always_ignore_utilization() {
    for utilization in [0.0, 0.5, 1.0, 1.4, 9.0, f64::NAN] {
        assert_eq!(Curve::NEVER.probability(utilization), 0.0);
        assert_eq!(Curve::ALWAYS.probability(utilization), 1.0);
    }
}

mod errors {
    use std::panic::UnwindSafe;

    use floodwall::{Curve, CurveError};

    use crate::common::panic_message;

    /// Checks that both forms of a constructor report this text.
    #[track_caller]
    fn assert_error(
        checked: Result<Curve, CurveError>,
        panicking: impl FnOnce() -> Curve + UnwindSafe,
        text: &str,
    ) {
        assert_eq!(checked.unwrap_err().to_string(), text);
        assert_eq!(panic_message(panicking), text);
    }

    #[test]
    fn curve_parameter_out_of_range_is_an_error() {
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
            let text = |parameter| format!("curve {parameter} is {shown}, which is not in 0..=1");
            let step = || Curve::step(value);
            assert_error(Curve::try_step(value), step, &text("`step`: at"));
            let linear = || Curve::linear(value, 1.0);
            assert_error(Curve::try_linear(value, 1.0), linear, &text("`linear`: lo"));
            let linear = || Curve::linear(0.0, value);
            assert_error(Curve::try_linear(0.0, value), linear, &text("`linear`: hi"));
            let cubic = || Curve::cubic(value, 1.0);
            assert_error(Curve::try_cubic(value, 1.0), cubic, &text("`cubic`: lo"));
            let cubic = || Curve::cubic(0.0, value);
            assert_error(Curve::try_cubic(0.0, value), cubic, &text("`cubic`: hi"));
            for curve in [Curve::NEVER, Curve::ALWAYS, Curve::linear(0.0, 1.0)] {
                let capped = || curve.capped(value);
                assert_error(
                    curve.try_capped(value),
                    capped,
                    &text("`capped`: max_probability"),
                );
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
    fn ramp_that_does_not_rise_is_an_error() {
        for (lo, hi, lo_shown, hi_shown) in [
            (0.8, 0.6, "0.8", "0.6"),
            (0.5, 0.5, "0.5", "0.5"),
            (0.5, 0.500_001, "0.5", "0.500001"),
            (1.0, 0.0, "1", "0"),
        ] {
            let text = |curve| {
                format!(
                    "curve `{curve}`: lo is {lo_shown}, which is not below hi, {hi_shown}, \
                     in steps of 0.00002"
                )
            };
            let linear = || Curve::linear(lo, hi);
            assert_error(Curve::try_linear(lo, hi), linear, &text("linear"));
            let cubic = || Curve::cubic(lo, hi);
            assert_error(Curve::try_cubic(lo, hi), cubic, &text("cubic"));
        }
        let error = CurveError::EmptyRamp {
            curve: "cubic",
            lo: 0.8,
            hi: 0.6,
        };
        assert_eq!(Curve::try_cubic(0.8, 0.6), Err(error));
    }

    #[test]
    fn curve_parameter_range_includes_its_ends() {
        assert!(Curve::try_step(0.0).is_ok() && Curve::try_step(1.0).is_ok());
        assert!(Curve::try_linear(0.0, 1.0).is_ok() && Curve::try_cubic(0.0, 1.0).is_ok());
        assert!(Curve::ALWAYS.try_capped(0.0).is_ok() && Curve::ALWAYS.try_capped(1.0).is_ok());
        assert!(Curve::try_linear(0.5, 0.500_02).is_ok());
    }
}
