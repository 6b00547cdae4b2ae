//! `Shedder`: its answers. Tests of curves are in `curve.rs`, tests of samples in `draw.rs`.

use floodwall::{Curve, Draw, Shedder};

#[test]
fn shedder_debug_output_is_its_curve() {
    let shedder = Shedder::new(Curve::step(0.9));
    assert_eq!(format!("{shedder:?}"), "Shedder(step(0.9))");
}

#[test]
fn shed_error_has_utilization_and_probability() {
    let shedder = Shedder::new(Curve::linear(0.5, 1.0));
    let shed = shedder.decide_with(0.75, Draw::from(7)).unwrap_err();
    assert_eq!((shed.utilization, shed.probability), (0.75, 0.5));
    assert_eq!(
        shed.to_string(),
        "shed at utilization 0.75 (reject probability 0.50)"
    );
}

#[test]
fn nan_and_negative_utilization_count_as_zero() {
    let lowest = Draw::from(0);
    let shedder = Shedder::new(Curve::linear(0.0, 1.0));
    for utilization in [f64::NAN, -f64::NAN, -1.0, f64::NEG_INFINITY] {
        assert_eq!(shedder.decide_with(utilization, lowest), Ok(()));
    }
    let shed = Shedder::new(Curve::ALWAYS).decide_with(f64::NAN, lowest);
    assert_eq!(shed.unwrap_err().utilization, 0.0);
    let shed = shedder.decide_with(f64::INFINITY, Draw::from(u32::MAX));
    assert_eq!(shed.unwrap_err().probability, 1.0);
}
