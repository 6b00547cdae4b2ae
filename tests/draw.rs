//! `Draw`: local samples shed evenly, and keyed samples are fixed, nested and independent.

mod common;

use floodwall::Draw;

use common::evenness::is_shed;

#[test]
fn draw_below_the_probability_sheds() {
    let half = 1 << 31;
    assert!(is_shed(Draw::from(half - 1), 0.5));
    assert!(!is_shed(Draw::from(half), 0.5));
    assert!(!is_shed(Draw::from(0), 0.0));
    assert!(is_shed(Draw::from(0), 1e-4));
    assert!(!is_shed(Draw::from(u32::MAX), 0.9999));
    assert!(is_shed(Draw::from(u32::MAX), 1.0));
}

#[cfg(feature = "std")]
mod local {
    use floodwall::{Curve, Draw, Shedder};

    use crate::common::evenness::{
        Evenness, IDENTITY, assert_no_client_is_starved, is_shed, probabilities, rhythms,
    };

    #[test]
    fn local_draws_shed_evenly() {
        let draws: Vec<_> = (0..200_000).map(|_| Draw::local()).collect();
        for probability in probabilities() {
            let mut evenness = Evenness::new(probability);
            for &draw in &draws {
                evenness.record(is_shed(draw, probability));
            }
            evenness.assert_even();
        }
    }

    #[test]
    fn clients_in_a_rhythm_are_not_starved_by_local_draws() {
        let shedder = Shedder::new(IDENTITY);
        assert_no_client_is_starved(1..=1_024, 0.5, || shedder.decide(0.5).is_err());
        for probability in [0.3, 0.75] {
            let sheds = || shedder.decide(probability).is_err();
            assert_no_client_is_starved(rhythms(), probability, sheds);
        }
    }

    /// One of every `period` decisions of a thread is made by the measured shedder. If the period divides a block of the
    /// sequence, two samples of a block can be close together, so the variance is up to twice that of independent ones.
    #[test]
    fn share_of_each_shedder_is_that_of_its_curve_when_shedders_alternate() {
        for period in [2, 3, 4, 5, 7, 8, 13, 16, 34, 89] {
            for probability in probabilities() {
                let (measured, other) = (Shedder::new(IDENTITY), Shedder::new(Curve::ALWAYS));
                let (mut decisions, mut shed) = (0.0, 0.0);
                for decision in 0..20_000 {
                    if decision % period == 0 {
                        decisions += 1.0;
                        shed += f64::from(measured.decide(probability).is_err());
                    } else {
                        assert!(other.decide(1.0).is_err());
                    }
                }
                let deviation = f64::sqrt(decisions * probability * (1.0 - probability));
                let offset = f64::abs(shed - decisions * probability);
                assert!(
                    offset <= f64::max(4.0 * 2_f64.sqrt() * deviation, 4.0),
                    "period {period}: {offset} off at {probability}"
                );
            }
        }
    }
}

#[cfg(feature = "std")]
mod threads {
    use floodwall::Shedder;

    use crate::common::evenness::{
        IDENTITY, assert_shed_threads, shed_of_concurrent_threads, shed_of_successive_threads,
    };

    #[test]
    fn short_threads_are_shed_evenly_by_local_draws() {
        let shedder = Shedder::new(IDENTITY);
        for probability in [0.1, 0.3, 0.5, 0.8] {
            let decide = || shedder.decide(probability).is_err();
            assert_shed_threads(shed_of_successive_threads(decide), probability);
            assert_shed_threads(shed_of_concurrent_threads(decide), probability);
        }
    }
}

mod keyed {
    use floodwall::Draw;

    use super::is_shed;

    const KEYS: u64 = 100_000;

    /// Checks a share of `KEYS` within four standard deviations. Keyed samples are fixed, so this
    /// cannot fail by chance.
    #[track_caller]
    fn assert_share(shed: usize, expected: f64) {
        let deviation = (expected * (1.0 - expected) / KEYS as f64).sqrt();
        let share = shed as f64 / KEYS as f64;
        let difference = (share - expected).abs();
        assert!(difference <= 4.0 * deviation, "{share} is not {expected}");
    }

    /// A change of these numbers is a breaking change: every user gets a different sample.
    #[test]
    fn keyed_draws_never_change() {
        const MAX: u64 = u64::MAX;
        for ((key, period), number) in [
            ((0, 0), 0xA706_DD2F),
            ((1, 0), 0x08B4_FDA8),
            ((0, 1), 0x5E41_AB08),
            ((4711, 20_250_101), 0xD43E_1B8D),
            ((4711, 20_250_102), 0x0192_06C4),
            ((MAX, 0), 0x2DD8_2C88),
            ((0, MAX), 0x5DC2_0AA7),
            ((MAX, MAX), 0x6309_143E),
            ((1 << 32, 7), 0xF99A_E395),
            ((0xDEAD_BEEF, 0xCAFE), 0xC57F_CD0A),
        ] {
            let expected = Draw::from(number);
            assert_eq!(Draw::keyed(key, period), expected, "{key}, {period}");
        }
    }

    #[test]
    fn key_shed_at_one_probability_is_shed_at_every_higher_one() {
        let steps: Vec<_> = (0..=100).map(|step| f64::from(step) / 100.0).collect();
        for key in 0..1_000 {
            let draw = Draw::keyed(key, 1);
            let sheds = steps.iter().map(|&probability| is_shed(draw, probability));
            assert!(sheds.is_sorted(), "{key}");
        }
    }

    /// Keys are consecutive, far apart, or differ only in their high bits.
    #[test]
    fn keyed_draws_are_uniform() {
        for spacing in [
            1,
            2,
            1_000,
            1 << 20,
            1 << 32,
            1 << 47,
            0x9E37_79B9_7F4A_7C15,
        ] {
            for probability in [0.01, 0.1, 0.5, 0.9] {
                let draws = (0..KEYS).map(|n| Draw::keyed(n.wrapping_mul(spacing), 20_250_101));
                let shed = draws.filter(|&draw| is_shed(draw, probability)).count();
                assert_share(shed, probability);
            }
        }
    }

    #[test]
    fn keyed_draws_are_independent_across_periods() {
        for (one, other) in [(0, 1), (1, 2), (20_250_101, 20_250_102), (0, 1 << 63)] {
            for probability in [0.1, 0.5, 0.9] {
                let is_shed_in = |key, period| is_shed(Draw::keyed(key, period), probability);
                let in_both = |key: &u64| is_shed_in(*key, one) && is_shed_in(*key, other);
                let shed = (0..KEYS).filter(in_both).count();
                assert_share(shed, probability * probability);
            }
        }
    }
}
