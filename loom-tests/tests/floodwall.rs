//! Models of `Floodwall`.

mod common;

use std::mem::forget;
use std::sync::Arc;

use common::{Data, Signal, kick, three_threads, two_threads, two_updates};
use floodwall::{AdmitOptions, Curve, Draw, Floodwall, Reason, Rejection, Rules, Share, classes};
use loom::thread;

classes! { enum Kind { A, B } }
use Kind::{A, B};

type Wall = Floodwall<Kind>;

fn rules(capacity: u32, a: Share, b: Share) -> Rules<Kind> {
    Rules::new(capacity, &[A.rule(a), B.rule(b)])
}

/// Returns rules with one curve, that of `A`; the cap of `B` is 2.
fn rules_with_curve(capacity: u32, a: Share, curve: Curve) -> Rules<Kind> {
    Rules::new(
        capacity,
        &[A.rule(a).shed(curve), B.rule(Share::at_most(2))],
    )
}

fn wall(capacity: u32, a: Share, b: Share) -> Arc<Wall> {
    Arc::new(Floodwall::from_rules(rules(capacity, a, b)))
}

/// Admits one request, and never releases its permit.
fn admit_and_keep(wall: &Wall, class: Kind) -> Result<(), Rejection> {
    kick();
    wall.admit(class).map(forget)
}

/// Does the same for `A`, with the sample that any curve rejects.
fn borrow_and_keep(wall: &Wall) -> Result<(), Rejection> {
    kick();
    let options = AdmitOptions::new().draw(Draw::from(0));
    wall.admit_with(A, options).map(forget)
}

fn spawn<R: 'static>(
    wall: &Arc<Wall>,
    f: impl FnOnce(&Wall) -> R + 'static,
) -> thread::JoinHandle<R> {
    let wall = Arc::clone(wall);
    thread::spawn(move || f(&wall))
}

/// Work under a permit happens-before the admission, of any class, that reuses the permit.
#[test]
fn single_permit_is_mutually_exclusive_across_classes() {
    two_threads(|| {
        let wall = wall(1, Share::at_most(1), Share::at_most(1));
        let data = Arc::new(Data::new());
        let write = |wall: &Wall, data: &Data, class| {
            kick();
            if let Ok(_permit) = wall.admit(class) {
                data.write();
            }
        };
        let other = {
            let data = Arc::clone(&data);
            spawn(&wall, move |wall| {
                write(wall, &data, A);
                write(wall, &data, A);
            })
        };
        write(&wall, &data, B);
        other.join().unwrap();
        assert_eq!(wall.utilization(), 0.0);
    });
}

/// Permits in use never exceed a class's cap or the capacity.
#[test]
fn caps_and_capacity_are_never_exceeded() {
    three_threads(|| {
        let wall = wall(2, Share::at_most(1), Share::at_most(2));
        let others =
            [A, B].map(|class| spawn(&wall, move |wall| admit_and_keep(wall, class).is_ok()));
        let b = admit_and_keep(&wall, B).is_ok();
        let [a, other_b] = others.map(|other| other.join().unwrap());
        // The first two of three requests are admitted in every order.
        assert_eq!(u32::from(a) + u32::from(b) + u32::from(other_b), 2);
        assert_eq!(wall.in_use(A), u32::from(a));
        assert_eq!(wall.in_use(B), u32::from(b) + u32::from(other_b));
    });
}

/// Of two concurrent requests for a class's last permit, exactly one is admitted.
#[test]
fn last_permit_of_class_is_admitted_once() {
    two_threads(|| {
        let wall = wall(3, Share::at_most(1), Share::at_most(3));
        let other = spawn(&wall, |wall| admit_and_keep(wall, A).is_ok());
        let own = admit_and_keep(&wall, A).is_ok();
        assert!(own ^ other.join().unwrap());
        assert_eq!(wall.in_use(A), 1);
    });
}

/// A concurrent failed admission never causes a rejection.
#[test]
fn failed_admission_does_not_reject_others() {
    two_threads(|| {
        let wall = wall(2, Share::at_most(2), Share::at_most(2));
        admit_and_keep(&wall, A).unwrap();
        let failing = spawn(&wall, |wall| {
            kick();
            wall.admit_with(A, AdmitOptions::new().permits(2)).is_err()
        });
        admit_and_keep(&wall, B).unwrap();
        assert!(failing.join().unwrap());
    });
}

/// A rejection reports a state no older than any release that happens-before the call.
#[test]
fn released_permit_is_free() {
    two_threads(|| {
        let wall = wall(1, Share::at_most(1), Share::at_most(1));
        let signal = Arc::new(Signal::new());
        let other = {
            let signal = Arc::clone(&signal);
            spawn(&wall, move |wall| {
                kick();
                drop(wall.admit(A));
                signal.send();
            })
        };
        if signal.was_sent() {
            admit_and_keep(&wall, B).unwrap();
        }
        other.join().unwrap();
    });
}

/// A rejection follows from the rules of one epoch, even if two updates are concurrent. Each of the
/// rules here admits; the old guarantees of the first slot with its new capacity would reject.
#[test]
fn rejection_uses_rules_of_one_epoch() {
    two_updates(|| {
        let wall = wall(2, Share::at_most(1), Share::between(1, 2));
        let updater = spawn(&wall, |wall| {
            kick();
            wall.set_rules(rules(3, Share::at_most(2), Share::at_most(1)));
            kick();
            wall.set_rules(rules(1, Share::at_most(1), Share::at_most(1)));
        });
        kick();
        assert_eq!(wall.admit(A).map(drop), Ok(()));
        updater.join().unwrap();
    });
}

/// The same for a request that needs the rules: its class has no guarantee, and a curve that admits it. The new guarantees
/// of the slot with its old capacity would reject.
#[test]
fn rejection_by_the_rules_uses_those_of_one_epoch() {
    two_updates(|| {
        // The first draw is far above this probability.
        const CURVE: Curve = Curve::ALWAYS.capped(0.01);
        let rules = |capacity, a, b| Rules::new(capacity, &[A.rule(a).shed(CURVE), B.rule(b)]);
        let first = rules(2, Share::at_most(1), Share::at_most(2));
        let wall: Arc<Wall> = Arc::new(Floodwall::from_rules(first));
        let updater = spawn(&wall, move |wall| {
            kick();
            wall.set_rules(rules(3, Share::at_most(2), Share::at_most(1)));
            kick();
            wall.set_rules(rules(3, Share::at_most(1), Share::exactly(2)));
        });
        kick();
        assert_eq!(wall.admit(A).map(drop), Ok(()));
        updater.join().unwrap();
    });
}

/// The same for a request with options.
#[test]
fn slow_path_rejection_uses_rules_of_one_epoch() {
    two_updates(|| {
        let wall = wall(2, Share::at_most(1), Share::at_most(2));
        let updater = spawn(&wall, |wall| {
            kick();
            wall.set_rules(rules(3, Share::at_most(2), Share::at_most(1)));
            kick();
            wall.set_rules(rules(3, Share::at_most(1), Share::exactly(2)));
        });
        kick();
        let under_pressure = AdmitOptions::new().pressure(0.5);
        assert_eq!(wall.admit_with(A, under_pressure).map(drop), Ok(()));
        updater.join().unwrap();
    });
}

/// A request is rejected by the cap of the epoch whose permits it saw. The class is empty before the update to a cap
/// of 1.
#[test]
fn rejection_uses_cap_of_one_epoch() {
    two_updates(|| {
        let wall = wall(3, Share::at_most(2), Share::at_most(1));
        let permit = wall.admit_owned(A).unwrap();
        let updater = spawn(&wall, |wall| {
            kick();
            drop(permit);
            wall.set_rules(rules(4, Share::at_most(2), Share::at_most(1)));
            kick();
            wall.set_rules(rules(4, Share::at_most(1), Share::at_most(1)));
        });
        kick();
        let under_pressure = AdmitOptions::new().pressure(0.5);
        assert_eq!(wall.admit_with(A, under_pressure).map(drop), Ok(()));
        updater.join().unwrap();
    });
}

/// An admission follows from the rules of one epoch, even if two updates are concurrent. None of the
/// rules here admits; the caps of one with the guarantees of another would.
#[test]
fn admission_uses_rules_of_one_epoch() {
    two_updates(|| {
        let wall = wall(3, Share::at_most(1), Share::at_most(3));
        admit_and_keep(&wall, A).unwrap();
        let updater = spawn(&wall, |wall| {
            kick();
            wall.set_rules(rules(3, Share::at_most(2), Share::exactly(2)));
            kick();
            wall.set_rules(rules(4, Share::at_most(1), Share::at_most(1)));
        });
        kick();
        assert!(wall.admit(A).is_err());
        updater.join().unwrap();
    });
}

/// After `set_rules` returns, no admission by the old rules takes effect.
#[test]
fn no_admission_by_old_rules_after_update_returns() {
    two_threads(|| {
        let wall = wall(2, Share::at_most(2), Share::at_most(2));
        let other = spawn(&wall, |wall| admit_and_keep(wall, A).is_ok());
        kick();
        wall.set_rules(rules(2, Share::at_most(0), Share::at_most(2)));
        let in_use_after_update = wall.in_use(A);
        let admitted = other.join().unwrap();
        assert_eq!(wall.in_use(A), u32::from(admitted));
        assert_eq!(wall.in_use(A), in_use_after_update);
    });
}

/// Two requests of a class are concurrent with an update that lowers its cap. Neither exceeds the new cap
/// after the update.
#[test]
fn lowered_cap_holds_during_update() {
    three_threads(|| {
        let wall = wall(2, Share::at_most(2), Share::at_most(2));
        let others = [0, 1].map(|_| spawn(&wall, |wall| admit_and_keep(wall, A).is_ok()));
        kick();
        wall.set_rules(rules(1, Share::at_most(1), Share::at_most(1)));
        let in_use_after_update = wall.in_use(A);
        let admitted: u32 = others
            .map(|other| u32::from(other.join().unwrap()))
            .iter()
            .sum();
        assert_eq!(wall.in_use(A), admitted);
        assert!(admitted <= in_use_after_update.max(1));
        assert!(admitted >= 1);
    });
}

/// A request within its class's guarantee is admitted, whatever other classes borrow.
#[test]
fn guaranteed_permit_is_never_rejected() {
    three_threads(|| {
        let wall = wall(2, Share::at_least(1), Share::at_most(2));
        let borrowers = [0, 1].map(|_| spawn(&wall, |wall| admit_and_keep(wall, B).is_ok()));
        admit_and_keep(&wall, A).unwrap();
        let borrowed = borrowers.map(|borrower| borrower.join().unwrap());
        assert!(borrowed[0] ^ borrowed[1]);
    });
}

/// A guarantee holds during updates that keep it, and the class's curve never sheds within it.
#[test]
fn guarantee_holds_across_updates_and_curves() {
    two_updates(|| {
        let always_shed = |capacity, share| {
            let a = A.rule(share).shed(Curve::ALWAYS);
            Rules::<Kind>::new(capacity, &[a, B.rule(Share::at_most(0))])
        };
        let wall = Arc::new(Floodwall::from_rules(always_shed(2, Share::exactly(1))));
        let updater = spawn(&wall, move |wall| {
            kick();
            wall.set_rules(always_shed(3, Share::between(1, 2)));
            kick();
            wall.set_rules(always_shed(1, Share::exactly(1)));
        });
        admit_and_keep(&wall, A).unwrap();
        updater.join().unwrap();
    });
}

/// A guaranteed request is admitted if a permit is free, even if another class is above its lowered cap.
#[test]
fn guarantee_holds_while_another_class_drains() {
    two_threads(|| {
        let wall = wall(3, Share::at_least(1), Share::at_most(2));
        admit_and_keep(&wall, B).unwrap();
        admit_and_keep(&wall, B).unwrap();
        let updater = spawn(&wall, |wall| {
            kick();
            wall.set_rules(rules(3, Share::exactly(2), Share::at_most(0)));
        });
        admit_and_keep(&wall, A).unwrap();
        updater.join().unwrap();
    });
}

/// An admission that retries after a lost race applies the curve to the new utilization.
#[test]
fn concurrent_admissions_never_borrow_past_curve() {
    two_threads(|| {
        // As `B` has nothing, only the curve keeps the second request off the fast path.
        let a = A.rule(Share::at_most(2)).shed(Curve::step(0.5));
        let wall = Arc::new(Floodwall::new(2, &[a, B.rule(Share::at_most(0))]));
        let other = spawn(&wall, |wall| borrow_and_keep(wall).is_ok());
        let own = borrow_and_keep(&wall).is_ok();
        // The first request sees utilization 0 and is admitted; the second sees 0.5 and is shed.
        assert!(own ^ other.join().unwrap());
    });
}

/// An update replaces shares and curves at once. Neither of the rules here admits; the shares of one with
/// the curve of the other would.
#[test]
fn shares_and_curves_update_atomically() {
    two_threads(|| {
        let rules = |cap, curve| rules_with_curve(2, Share::at_most(cap), curve);
        let wall = Arc::new(Floodwall::from_rules(rules(2, Curve::ALWAYS)));
        let updater = spawn(&wall, move |wall| {
            kick();
            wall.set_rules(rules(0, Curve::NEVER));
        });
        assert!(borrow_and_keep(&wall).is_err());
        updater.join().unwrap();
    });
}

/// A request is shed by the curve of the epoch whose utilization it saw. The wall is empty before the
/// update to the curve that sheds at 0.5.
#[test]
fn shed_uses_curve_of_one_epoch() {
    two_updates(|| {
        let rules = |curve| rules_with_curve(2, Share::at_most(2), curve);
        let wall = Arc::new(Floodwall::from_rules(rules(Curve::NEVER)));
        let permit = wall.admit_owned(B).unwrap();
        let updater = spawn(&wall, move |wall| {
            kick();
            drop(permit);
            wall.set_rules(rules(Curve::step(0.9)));
            kick();
            wall.set_rules(rules(Curve::step(0.5)));
        });
        borrow_and_keep(&wall).unwrap();
        updater.join().unwrap();
    });
}

/// An admission that retries after a lost race keeps its sample.
#[test]
fn admission_retries_with_same_sample() {
    two_threads(|| {
        let a = A.rule(Share::at_most(3)).shed(Curve::ALWAYS.capped(0.5));
        let wall = Arc::new(Floodwall::<Kind>::new(3, &[a, B.rule(Share::at_most(3))]));
        // The first sample is 0.5625, which admits. The second is 0.1805, which would shed.
        let permit = wall.admit_owned(B).unwrap();
        let other = spawn(&wall, move |_| {
            kick();
            drop(permit);
        });
        admit_and_keep(&wall, A).unwrap();
        other.join().unwrap();
    });
}

/// After `set_rules` returns, no request borrows by the old curve.
#[test]
fn no_borrow_by_old_curve_after_update_returns() {
    two_threads(|| {
        let rules = |curve| rules_with_curve(2, Share::at_most(2), curve);
        let wall = Arc::new(Floodwall::from_rules(rules(Curve::NEVER)));
        let borrower = spawn(&wall, |wall| borrow_and_keep(wall).is_ok());
        kick();
        wall.set_rules(rules(Curve::ALWAYS));
        let in_use_after_update = wall.in_use(A);
        let borrowed = borrower.join().unwrap();
        assert_eq!(u32::from(borrowed), in_use_after_update);
    });
}

/// Writes before `open` are visible to the admissions that it allows.
#[test]
fn opening_happens_before_admission_it_allows() {
    two_threads(|| {
        let wall = wall(1, Share::at_most(1), Share::at_most(1));
        wall.close();
        let data = Arc::new(Data::new());
        let other = {
            let data = Arc::clone(&data);
            spawn(&wall, move |wall| {
                if admit_and_keep(wall, A).is_ok() {
                    assert_eq!(data.read(), 1);
                }
            })
        };
        data.write();
        kick();
        wall.open();
        other.join().unwrap();
    });
}

/// Work under a permit happens-before a snapshot that no longer counts the permit.
#[test]
fn observed_drain_happens_after_release() {
    two_threads(|| {
        let wall = wall(1, Share::at_most(1), Share::at_most(1));
        let data = Arc::new(Data::new());
        let permit = wall.admit_owned(A).unwrap();
        let worker = {
            let data = Arc::clone(&data);
            thread::spawn(permit.wrap(move || data.write()))
        };
        kick();
        wall.close();
        if wall.snapshot()[A].in_use == 0 {
            assert_eq!(data.read(), 1);
        }
        worker.join().unwrap();
        assert_eq!(wall.in_use(A), 0);
    });
}

/// After `close` returns, every request is rejected, and each permit is released exactly once.
#[test]
fn closed_wall_admits_nothing_and_loses_no_permit() {
    two_threads(|| {
        let wall = wall(2, Share::exactly(1), Share::at_most(1));
        let worker = spawn(&wall, |wall| {
            for class in [A, B] {
                kick();
                drop(wall.admit(class));
            }
        });
        kick();
        wall.close();
        kick();
        let rejection = wall.admit(A).map(drop).unwrap_err();
        assert_eq!(rejection.reason(), Reason::Closed);
        worker.join().unwrap();
        assert_eq!((wall.in_use(A), wall.in_use(B)), (0, 0));
    });
}

/// An admission that is concurrent with `close` is in use when it returns, or is rejected.
#[test]
fn no_admission_after_close_returns() {
    two_threads(|| {
        let wall = wall(2, Share::exactly(1), Share::at_most(1));
        let other = spawn(&wall, |wall| admit_and_keep(wall, A).is_ok());
        kick();
        wall.close();
        let in_use_after_close = wall.in_use(A);
        let admitted = other.join().unwrap();
        assert_eq!(u32::from(admitted), in_use_after_close);
    });
}

/// A rule update that is concurrent with `close` does not open the wall again, whichever comes first.
#[test]
fn rule_update_never_opens_a_closed_wall() {
    two_threads(|| {
        let wall = wall(2, Share::exactly(1), Share::at_most(1));
        let updater = spawn(&wall, |wall| {
            kick();
            wall.set_rules(rules(3, Share::exactly(2), Share::at_most(1)));
        });
        kick();
        wall.close();
        assert!(wall.is_closed());
        assert!(admit_and_keep(&wall, A).is_err());
        updater.join().unwrap();
        assert!(wall.is_closed());
        assert_eq!(wall.capacity(), 3);
    });
}

/// After `set_pressure` returns, no request borrows at the old pressure.
#[test]
fn no_borrow_at_old_pressure_after_it_is_set() {
    two_threads(|| {
        let rules = rules_with_curve(2, Share::at_most(2), Curve::step(0.9));
        let wall = Arc::new(Floodwall::from_rules(rules));
        let borrower = spawn(&wall, |wall| borrow_and_keep(wall).is_ok());
        kick();
        wall.set_pressure(1.0);
        let in_use_after_update = wall.in_use(A);
        let borrowed = borrower.join().unwrap();
        assert_eq!(u32::from(borrowed), in_use_after_update);
    });
}

/// An admission that retries after a lost race is still judged by the pressure, and by the new word.
#[test]
fn pressure_holds_for_a_retried_admission() {
    two_threads(|| {
        let rules = rules_with_curve(2, Share::between(1, 2), Curve::step(0.9));
        let wall = Arc::new(Floodwall::from_rules(rules));
        wall.set_pressure(1.0);
        let other = spawn(&wall, |wall| borrow_and_keep(wall).is_ok());
        let own = borrow_and_keep(&wall).is_ok();
        // One of them is within the guarantee; the other would borrow.
        assert!(own ^ other.join().unwrap());
    });
}

/// A request under pressure is judged by the curve and the pressure of one epoch. Neither sheds this sample
/// with its own; the first curve would at the second pressure.
#[test]
fn pressure_and_curve_are_of_one_epoch() {
    two_updates(|| {
        let rules = |curve| rules_with_curve(2, Share::at_most(2), curve);
        let ramp = Curve::linear(0.0, 1.0);
        let wall = Arc::new(Floodwall::from_rules(rules(ramp)));
        wall.set_pressure(0.5);
        let updater = spawn(&wall, move |wall| {
            kick();
            wall.set_rules(rules(ramp.capped(0.6)));
            kick();
            wall.set_pressure(0.9);
        });
        kick();
        let options = AdmitOptions::new().draw(Draw::from(3 << 30));
        wall.admit_with(A, options).map(forget).unwrap();
        updater.join().unwrap();
    });
}

/// A request is rejected as closed only if the wall is closed, also if two updates are concurrent.
#[test]
fn reported_closing_is_in_force() {
    two_updates(|| {
        let wall = wall(2, Share::at_most(2), Share::at_most(1));
        wall.set_dry_run(&[A]);
        let updater = spawn(&wall, |wall| {
            kick();
            wall.set_capacity(3).unwrap();
            kick();
            wall.close();
        });
        kick();
        if let Err(rejection) = wall.admit(A).map(forget) {
            assert_eq!(rejection.reason(), Reason::Closed);
            assert!(wall.is_closed());
        }
        updater.join().unwrap();
    });
}

/// After a dry run has ended, no request is admitted that the rules reject; until then, each is.
#[test]
fn dry_run_admits_until_it_ends() {
    two_threads(|| {
        let wall = wall(2, Share::at_most(0), Share::at_most(1));
        wall.set_dry_run(&[A]);
        admit_and_keep(&wall, A).unwrap();
        let other = spawn(&wall, |wall| admit_and_keep(wall, A).is_ok());
        kick();
        wall.set_dry_run(&[]);
        let in_use_after_update = wall.in_use(A);
        assert!(admit_and_keep(&wall, A).is_err());
        let admitted = other.join().unwrap();
        assert_eq!(1 + u32::from(admitted), in_use_after_update);
        assert_eq!(wall.in_use(A), in_use_after_update);
    });
}

/// Each update builds on the previous one, and `rules()` returns the rules that admissions use.
#[test]
fn concurrent_updates_are_serialized() {
    two_threads(|| {
        let wall = wall(2, Share::exactly(1), Share::at_most(1));
        let other = spawn(&wall, |wall| {
            kick();
            wall.set_rules(rules(3, Share::exactly(2), Share::at_most(1)));
        });
        kick();
        wall.set_capacity(4).unwrap();
        other.join().unwrap();
        let rules = wall.rules();
        // `set_capacity` keeps the shares; `set_rules` replaces both.
        assert_eq!(rules.share(A), Share::exactly(2));
        assert!([3, 4].contains(&rules.capacity()));
        assert_eq!(wall.capacity(), rules.capacity());
        assert_eq!(wall.snapshot().classes()[0].guarantee, 2);
    });
}

/// A snapshot shows limits and curves of one epoch. Only the last of the rules here sheds.
#[test]
fn snapshot_shows_one_epoch() {
    two_updates(|| {
        let rules = |capacity, curve| {
            let b = B.rule(Share::at_most(1)).shed(curve);
            Rules::new(capacity, &[A.rule(Share::at_most(capacity)), b])
        };
        let wall = Arc::new(Floodwall::from_rules(rules(1, Curve::NEVER)));
        let updater = spawn(&wall, move |wall| {
            kick();
            wall.set_rules(rules(2, Curve::NEVER));
            kick();
            wall.set_rules(rules(3, Curve::ALWAYS));
        });
        kick();
        let snapshot = wall.snapshot();
        let [a, b] = snapshot.classes() else {
            panic!("two classes");
        };
        assert_eq!(a.cap, snapshot.capacity);
        assert_eq!(b.reject_probability == 1.0, snapshot.capacity == 3);
        updater.join().unwrap();
    });
}

/// `rules()` returns the rules of one epoch. In each version here, the shares of both classes are equal.
#[test]
fn rules_are_those_of_one_epoch() {
    two_updates(|| {
        let version = |cap| rules(3, Share::at_most(cap), Share::at_most(cap));
        let wall = Arc::new(Floodwall::from_rules(version(1)));
        let updater = spawn(&wall, move |wall| {
            kick();
            wall.set_rules(version(2));
            kick();
            wall.set_rules(version(3));
        });
        kick();
        let rules = wall.rules();
        assert_eq!(rules.share(A), rules.share(B));
        updater.join().unwrap();
    });
}

/// A permit that is held during a concurrent `take_peaks` is in the next peak, also if it does not exceed the last one.
#[test]
fn concurrent_take_peaks_keeps_a_held_permit_in_the_peak() {
    two_threads(|| {
        let wall = wall(2, Share::at_most(2), Share::at_most(2));
        drop(wall.admit(A).unwrap());
        let other = spawn(&wall, |wall| {
            kick();
            wall.take_peaks();
        });
        kick();
        let permit = wall.admit(A).unwrap();
        other.join().unwrap();
        drop(permit);
        assert_eq!(wall.take_peaks().classes()[0].peak, 1);
    });
}
