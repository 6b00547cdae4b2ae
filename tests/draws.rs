//! Draws: how evenly the golden-ratio sequence sheds, and what keyed draws promise.
//!
//! The sequences are fixed but for where they begin (the number of the thread, or of the place where
//! it counts), so all tolerances are of the sequence, not of chance.

use std::sync::Barrier;
use std::thread;

use floodwall::{AdmitOptions, Curve, Draw, Floodwall, Share, Shedder};

floodwall::classes! { enum Kind { Login, Message } }

/// The reject probability is the utilization, or the pressure.
const IDENTITY: Curve = Curve::linear(0.0, 1.0);

/// Rejects may be so many more or fewer than the probability says, however many decisions there were.
const A_DOZEN: f64 = 12.0;

fn probabilities() -> impl Iterator<Item = f64> {
    let percents = (1..100).map(|percent| f64::from(percent) / 100.0);
    percents.chain([0.0002, 0.001, 0.999, 0.9998])
}

fn is_shed(draw: Draw, probability: f64) -> bool {
    let shedder = Shedder::new(IDENTITY);
    shedder.decide_with(probability, draw).is_err()
}

/// Follows how far the number of rejects is from what the probability says, and how far it ever was.
struct Evenness {
    probability: f64,
    off: f64,
    most: f64,
}

impl Evenness {
    fn new(probability: f64) -> Self {
        Evenness {
            probability,
            off: 0.0,
            most: 0.0,
        }
    }

    fn note(&mut self, is_shed: bool) {
        self.off += f64::from(is_shed) - self.probability;
        self.most = self.most.max(self.off.abs());
    }

    #[track_caller]
    fn assert_even(&self) {
        let Evenness {
            probability, most, ..
        } = self;
        assert!(*most <= A_DOZEN, "{most} off at {probability}");
    }
}

/// A wall whose draws are asked for by pressure alone, since nobody holds anything.
fn wall() -> Floodwall<Kind> {
    Floodwall::new(
        100,
        &[Kind::Login, Kind::Message].map(|kind| kind.rule(Share::at_most(100)).shed(IDENTITY)),
    )
}

fn sheds(wall: &Floodwall<Kind>, kind: Kind, probability: f64) -> bool {
    let ask = AdmitOptions::new().pressure(probability);
    wall.admit_with(kind, ask).is_err()
}

mod sequences {
    use super::*;

    const DECISIONS: usize = 200_000;

    #[test]
    #[cfg(feature = "std")]
    fn rejects_of_a_thread_come_evenly() {
        let draws: Vec<_> = (0..DECISIONS).map(|_| Draw::local()).collect();
        for probability in probabilities() {
            let mut evenness = Evenness::new(probability);
            for &draw in &draws {
                evenness.note(is_shed(draw, probability));
            }
            evenness.assert_even();
        }
    }

    /// Each is the last one plus 2^32 / phi, an odd number: so all 2^32 come before any comes again.
    #[test]
    #[cfg(feature = "std")]
    fn a_thread_goes_on_by_the_golden_ratio() {
        const STEP: u32 = 2_654_435_769;
        let number = |draw: Draw| {
            let text = format!("{draw:?}");
            let digits = text.trim_matches(|c: char| !c.is_ascii_digit());
            digits.parse::<u32>().unwrap()
        };
        let mut last = number(Draw::local());
        for _ in 0..1_000 {
            let next = number(Draw::local());
            assert_eq!(next, last.wrapping_add(STEP));
            last = next;
        }
    }

    #[test]
    fn rejects_of_a_wall_come_evenly() {
        for probability in [0.001, 0.03, 0.1, 0.25, 0.5, 0.618, 0.9, 0.999] {
            let wall = wall();
            let mut evenness = Evenness::new(probability);
            for _ in 0..DECISIONS {
                evenness.note(sheds(&wall, Kind::Login, probability));
            }
            evenness.assert_even();
        }
    }

    /// Of the decisions of a thread, every `rhythm`th is on the class that is looked at.
    #[test]
    #[cfg(feature = "std")]
    fn a_class_is_shed_at_its_probability_in_every_rhythm() {
        for rhythm in 1..10 {
            for probability in probabilities() {
                let (looked_at, others) = (Shedder::new(IDENTITY), Shedder::new(Curve::ALWAYS));
                let mut evenness = Evenness::new(probability);
                for decision in 0..20_000 {
                    if decision % rhythm == 0 {
                        evenness.note(looked_at.decide(probability).is_err());
                    } else {
                        assert!(others.decide(1.0).is_err());
                    }
                }
                evenness.assert_even();
            }
        }
    }

    #[test]
    fn a_wall_sheds_each_class_at_its_probability_in_every_rhythm() {
        for rhythm in 1..10 {
            for probability in probabilities() {
                let wall = wall();
                let [mut logins, mut messages] =
                    [1.0 - probability, probability].map(Evenness::new);
                for decision in 0..5_000 {
                    if decision % rhythm == 0 {
                        messages.note(sheds(&wall, Kind::Message, messages.probability));
                    } else {
                        logins.note(sheds(&wall, Kind::Login, logins.probability));
                    }
                }
                messages.assert_even();
                logins.assert_even();
            }
        }
    }

    /// On a sequence that classes share, whoever got past the first would never be shed by the second.
    #[test]
    fn one_class_shed_before_another_does_not_spare_it() {
        for (first, second) in [(0.5, 0.1), (0.5, 0.5), (0.382, 0.618), (0.9, 0.05)] {
            let wall = wall();
            let [mut logins, mut messages] = [first, second].map(Evenness::new);
            for _ in 0..50_000 {
                let is_shed = sheds(&wall, Kind::Login, first);
                logins.note(is_shed);
                if !is_shed {
                    messages.note(sheds(&wall, Kind::Message, second));
                }
            }
            logins.assert_even();
            messages.assert_even();
        }
    }

    #[test]
    fn classes_asked_in_step_are_not_shed_in_step() {
        let wall = wall();
        let mut both = 0;
        for _ in 0..10_000 {
            let [login, message] = [Kind::Login, Kind::Message].map(|kind| sheds(&wall, kind, 0.3));
            both += u32::from(login && message);
        }
        assert_eq!(both, 0);
    }

    #[test]
    fn a_fresh_wall_neither_spares_nor_sheds_whoever_comes_first() {
        // Wherever this thread counts, these classes begin between 0.013 and 0.986.
        for kind in [Kind::Login, Kind::Message] {
            assert!(!sheds(&wall(), kind, 0.01));
            assert!(sheds(&wall(), kind, 0.99));
        }
    }

    /// Two walls that are asked the same, in turn with decisions that need no draw on one of them.
    #[test]
    fn no_draw_is_taken_below_the_foot_or_within_a_guarantee() {
        const FOOT: f64 = 0.5;
        let rules = [
            Kind::Message.rule(Share::at_least(1)).shed(IDENTITY),
            Kind::Login
                .rule(Share::at_most(9))
                .shed(Curve::linear(FOOT, 1.0)),
        ];
        let (calm, asked) = (Floodwall::new(10, &rules), Floodwall::new(10, &rules));
        let mut rejects = 0;
        for _ in 0..1_000 {
            for below in [0.0, 0.2, FOOT - 1e-6] {
                assert!(!sheds(&asked, Kind::Login, below));
            }
            assert!(!sheds(&asked, Kind::Message, 1.0));
            let in_calm = sheds(&calm, Kind::Login, 0.75);
            assert_eq!(sheds(&asked, Kind::Login, 0.75), in_calm);
            rejects += u32::from(in_calm);
        }
        assert!((495..=505).contains(&rejects), "{rejects}");
    }
}

/// Many threads that decide once each. Other tests' threads may take numbers between theirs, which
/// leaves gaps; the dozen has room for them.
mod short_threads {
    use super::*;

    const THREADS: usize = 200;

    /// How many of so many threads are shed, all of which are alive at once.
    fn of_threads_at_once(threads: usize, is_shed: impl Fn() -> bool + Sync) -> usize {
        let all_are_here = Barrier::new(threads);
        let decide = || {
            all_are_here.wait();
            let is_shed = is_shed();
            // Nobody leaves a place to another.
            all_are_here.wait();
            is_shed
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(decide)).collect();
            let sheds = threads.into_iter().map(|thread| thread.join().unwrap());
            sheds.filter(|&is_shed| is_shed).count()
        })
    }

    /// The same for threads of which each ends before the next begins.
    fn of_threads_in_turn(threads: usize, is_shed: impl Fn() -> bool + Sync) -> usize {
        let sheds = (0..threads).map(|_| of_threads_at_once(1, &is_shed));
        sheds.sum()
    }

    #[track_caller]
    fn assert_share(rejects: usize, probability: f64) {
        let off = rejects as f64 - probability * THREADS as f64;
        assert!(off.abs() <= A_DOZEN, "{off} off at {probability}");
    }

    #[test]
    #[cfg(feature = "std")]
    fn are_shed_at_the_probability_by_their_own_draws() {
        let shedder = Shedder::new(IDENTITY);
        for probability in [0.05, 0.3, 0.5, 0.8] {
            let decide = || shedder.decide(probability).is_err();
            assert_share(of_threads_in_turn(THREADS, decide), probability);
            assert_share(of_threads_at_once(THREADS, decide), probability);
        }
    }

    #[test]
    fn are_shed_at_the_probability_by_a_wall() {
        for probability in [0.05, 0.3, 0.5, 0.8] {
            let wall = wall();
            let decide = || sheds(&wall, Kind::Login, probability);
            assert_share(of_threads_in_turn(THREADS, decide), probability);
            let wall = super::wall();
            let decide = || sheds(&wall, Kind::Login, probability);
            assert_share(of_threads_at_once(THREADS, decide), probability);
        }
    }
}

mod keyed {
    use super::*;

    /// What mathematics calls four standard deviations is almost never exceeded; and since keyed
    /// draws are what they are for good, these tests will never fail by chance.
    fn assert_share(found: usize, of: usize, expected: f64) {
        let deviation = (expected * (1.0 - expected) / of as f64).sqrt();
        let found = found as f64 / of as f64;
        let off = (found - expected).abs();
        assert!(off <= 4.0 * deviation, "{found} is not {expected}");
    }

    const KEYS: u64 = 100_000;

    /// Changing these would give every user another lot: it would be another function.
    #[test]
    fn are_the_same_for_good() {
        const MAX: u64 = u64::MAX;
        for ((key, epoch), number) in [
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
            assert_eq!(
                Draw::keyed(key, epoch),
                Draw::from(number),
                "{key}, {epoch}"
            );
        }
    }

    #[test]
    fn nest() {
        let steps: Vec<_> = (0..=100).map(|step| f64::from(step) / 100.0).collect();
        for key in 0..1_000 {
            let draw = Draw::keyed(key, 1);
            let sheds = steps.iter().map(|&probability| is_shed(draw, probability));
            assert!(sheds.is_sorted(), "{key}");
        }
    }

    /// Whatever keys look like: numbered, far apart, in the higher bits only.
    #[test]
    fn are_uniform() {
        for spread in [
            1,
            2,
            1_000,
            1 << 20,
            1 << 32,
            1 << 47,
            0x9E37_79B9_7F4A_7C15,
        ] {
            for probability in [0.01, 0.1, 0.5, 0.9] {
                let draws = (0..KEYS).map(|n| Draw::keyed(n.wrapping_mul(spread), 20_250_101));
                let shed = draws.filter(|&draw| is_shed(draw, probability)).count();
                assert_share(shed, KEYS as usize, probability);
            }
        }
    }

    #[test]
    fn turn_over_with_the_epoch() {
        for (one, other) in [(0, 1), (1, 2), (20_250_101, 20_250_102), (0, 1 << 63)] {
            for probability in [0.1, 0.5, 0.9] {
                let is_shed_in = |key, epoch| is_shed(Draw::keyed(key, epoch), probability);
                let in_both = |key: &u64| is_shed_in(*key, one) && is_shed_in(*key, other);
                let shed = (0..KEYS).filter(in_both).count();
                assert_share(shed, KEYS as usize, probability * probability);
            }
        }
    }
}

#[test]
fn a_draw_sheds_where_it_lies_below_the_probability() {
    let half = 1 << 31;
    assert!(is_shed(Draw::from(half - 1), 0.5));
    assert!(!is_shed(Draw::from(half), 0.5));
    assert!(!is_shed(Draw::from(0), 0.0));
    assert!(is_shed(Draw::from(0), 1e-4));
    assert!(!is_shed(Draw::from(u32::MAX), 0.9999));
    assert!(is_shed(Draw::from(u32::MAX), 1.0));
}

#[test]
fn a_shedder_says_what_decided() {
    let shedder = Shedder::new(Curve::linear(0.5, 1.0));
    let shed = shedder.decide_with(0.75, Draw::from(7)).unwrap_err();
    assert_eq!((shed.utilization, shed.probability), (0.75, 0.5));
    assert_eq!(
        shed.to_string(),
        "shed at utilization 0.75 (reject probability 0.50)"
    );
}
