//! Models of `Floodwall`: one promise each, under every interleaving.

mod common;

use std::mem::forget;
use std::sync::Arc;

use common::{Data, Signal, kick, three_threads, two_changes, two_threads};
use floodwall::{AdmitOptions, Curve, Draw, Floodwall, Reason, Rejection, Rules, Share, classes};
use loom::thread;

classes! { enum Kind { A, B } }
use Kind::{A, B};

type Wall = Floodwall<Kind>;

fn rules(capacity: u32, a: Share, b: Share) -> Rules<Kind> {
    Rules::new(capacity, &[A.rule(a), B.rule(b)])
}

fn wall(capacity: u32, a: Share, b: Share) -> Arc<Wall> {
    Arc::new(Floodwall::from_rules(rules(capacity, a, b)))
}

/// Admits, and keeps the permit for good.
fn keep(wall: &Wall, class: Kind) -> Result<(), Rejection> {
    kick();
    wall.admit(class).map(forget)
}

/// The same, by the draw that any curve sheds.
fn borrow(wall: &Wall) -> Result<(), Rejection> {
    kick();
    let ask = AdmitOptions::new().draw(Draw::from(0));
    wall.admit_with(A, ask).map(forget)
}

fn spawn<R: 'static>(
    wall: &Arc<Wall>,
    f: impl FnOnce(&Wall) -> R + 'static,
) -> thread::JoinHandle<R> {
    let wall = Arc::clone(wall);
    thread::spawn(move || f(&wall))
}

/// Hand-over: what was done under a permit happens-before the admission that reuses it, of another
/// class too.
#[test]
fn one_permit_excludes() {
    two_threads(|| {
        let wall = wall(1, Share::at_most(1), Share::at_most(1));
        let data = Arc::new(Data::new());
        let enter = |wall: &Wall, data: &Data, class| {
            kick();
            if let Ok(_permit) = wall.admit(class) {
                data.write();
            }
        };
        let other = {
            let data = Arc::clone(&data);
            spawn(&wall, move |wall| {
                enter(wall, &data, A);
                enter(wall, &data, A);
            })
        };
        enter(&wall, &data, B);
        other.join().unwrap();
        assert_eq!(wall.utilization(), 0.0);
    });
}

/// Exact: neither a class's cap nor the capacity is ever exceeded.
#[test]
fn no_limit_is_ever_exceeded() {
    three_threads(|| {
        let wall = wall(2, Share::at_most(1), Share::at_most(2));
        let others = [A, B].map(|class| spawn(&wall, move |wall| keep(wall, class).is_ok()));
        let b = keep(&wall, B).is_ok();
        let [a, other_b] = others.map(|other| other.join().unwrap());
        // Three ask, two fit: every one of them unless both others came before it.
        assert_eq!(u32::from(a) + u32::from(b) + u32::from(other_b), 2);
        assert_eq!(wall.in_use(A), u32::from(a));
        assert_eq!(wall.in_use(B), u32::from(b) + u32::from(other_b));
    });
}

/// Exact: of two that ask for the last permit of a class, one gets it.
#[test]
fn a_cap_holds_against_its_own_class() {
    two_threads(|| {
        let wall = wall(3, Share::at_most(1), Share::at_most(3));
        let other = spawn(&wall, |wall| keep(wall, A).is_ok());
        let mine = keep(&wall, A).is_ok();
        assert!(mine ^ other.join().unwrap());
        assert_eq!(wall.in_use(A), 1);
    });
}

/// Honest rejection: nobody is turned away because another loser was in the way.
#[test]
fn a_loser_does_not_turn_others_away() {
    two_threads(|| {
        let wall = wall(2, Share::at_most(2), Share::at_most(2));
        keep(&wall, A).unwrap();
        let loser = spawn(&wall, |wall| {
            kick();
            wall.admit_with(A, AdmitOptions::new().permits(2)).is_err()
        });
        keep(&wall, B).unwrap();
        assert!(loser.join().unwrap());
    });
}

/// Honest rejection: the state that turned somebody away is no older than what happens-before.
#[test]
fn a_permit_that_was_given_back_is_free() {
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
            keep(&wall, B).unwrap();
        }
        other.join().unwrap();
    });
}

/// Honest rejection: it is a judgement by the rules of one epoch, though they change twice
/// meanwhile. Each of these rules admits; the first slot's old guarantees with its new capacity
/// would not.
#[test]
fn a_rejection_is_a_judgement_of_one_epoch() {
    two_changes(|| {
        let wall = wall(2, Share::at_most(1), Share::between(1, 2));
        let setter = spawn(&wall, |wall| {
            kick();
            wall.set_rules(rules(3, Share::at_most(2), Share::at_most(1)));
            kick();
            wall.set_rules(rules(1, Share::at_most(1), Share::at_most(1)));
        });
        kick();
        assert_eq!(wall.admit(A).map(drop), Ok(()));
        setter.join().unwrap();
    });
}

/// The same with the slot's new guarantees and its old capacity, for an admission that does without
/// the short cut.
#[test]
fn a_rejection_is_a_judgement_of_no_later_epoch() {
    two_changes(|| {
        let wall = wall(2, Share::at_most(1), Share::at_most(2));
        let setter = spawn(&wall, |wall| {
            kick();
            wall.set_rules(rules(3, Share::at_most(2), Share::at_most(1)));
            kick();
            wall.set_rules(rules(3, Share::at_most(1), Share::exactly(2)));
        });
        kick();
        let under_pressure = AdmitOptions::new().pressure(0.5);
        assert_eq!(wall.admit_with(A, under_pressure).map(drop), Ok(()));
        setter.join().unwrap();
    });
}

/// Exact: nor is anybody admitted by what two sets of rules say together, though they change twice
/// meanwhile. None of these rules admits; the caps of one with the guarantees of another would.
#[test]
fn an_admission_is_a_judgement_of_one_epoch() {
    two_changes(|| {
        let wall = wall(2, Share::at_most(0), Share::at_most(2));
        let setter = spawn(&wall, |wall| {
            kick();
            wall.set_rules(rules(1, Share::at_most(1), Share::exactly(1)));
            kick();
            wall.set_rules(rules(3, Share::at_most(0), Share::at_most(1)));
        });
        kick();
        assert!(wall.admit(A).is_err());
        setter.join().unwrap();
    });
}

/// Exact: no admission of the old rules comes after the change has returned.
#[test]
fn a_change_holds_when_it_returns() {
    two_threads(|| {
        let wall = wall(2, Share::at_most(2), Share::at_most(2));
        let taker = spawn(&wall, |wall| keep(wall, A).is_ok());
        kick();
        wall.set_rules(rules(2, Share::at_most(0), Share::at_most(2)));
        let at_the_change = wall.in_use(A);
        let taken = taker.join().unwrap();
        assert_eq!(wall.in_use(A), u32::from(taken));
        assert_eq!(wall.in_use(A), at_the_change);
    });
}

/// Exact: two takers and a change. A class's cap goes down while two of it arrive.
#[test]
fn limits_hold_while_rules_change() {
    three_threads(|| {
        let wall = wall(2, Share::at_most(2), Share::at_most(2));
        let takers = [0, 1].map(|_| spawn(&wall, |wall| keep(wall, A).is_ok()));
        kick();
        wall.set_rules(rules(1, Share::at_most(1), Share::at_most(1)));
        let at_the_change = wall.in_use(A);
        let taken: u32 = takers
            .map(|taker| u32::from(taker.join().unwrap()))
            .iter()
            .sum();
        assert_eq!(wall.in_use(A), taken);
        assert!(taken <= at_the_change.max(1));
        assert!(taken >= 1);
    });
}

/// Guarantee: what stays within it is never turned away, whatever the others do.
#[test]
fn a_guaranteed_class_is_never_turned_away() {
    three_threads(|| {
        let wall = wall(2, Share::at_least(1), Share::at_most(2));
        let borrowers = [0, 1].map(|_| spawn(&wall, |wall| keep(wall, B).is_ok()));
        keep(&wall, A).unwrap();
        let borrowed = borrowers.map(|borrower| borrower.join().unwrap());
        assert!(borrowed[0] ^ borrowed[1]);
    });
}

/// Guarantee: it is kept through changes that keep it, and its curve does not touch it.
#[test]
fn a_guarantee_outlives_changes_and_curves() {
    two_changes(|| {
        let shed = |capacity, share| {
            let a = A.rule(share).shed(Curve::ALWAYS);
            Rules::new(capacity, &[a, B.rule(Share::at_most(2))])
        };
        let wall = Arc::new(Floodwall::from_rules(shed(2, Share::exactly(1))));
        let setter = spawn(&wall, move |wall| {
            kick();
            wall.set_rules(shed(3, Share::between(1, 2)));
            kick();
            wall.set_rules(shed(1, Share::exactly(1)));
        });
        keep(&wall, A).unwrap();
        setter.join().unwrap();
    });
}

/// Guarantee: another class above its lowered cap stops nobody from using one while a thread is free.
#[test]
fn a_guarantee_holds_while_others_drain() {
    two_threads(|| {
        let wall = wall(3, Share::at_least(1), Share::at_most(2));
        keep(&wall, B).unwrap();
        keep(&wall, B).unwrap();
        let setter = spawn(&wall, |wall| {
            kick();
            wall.set_rules(rules(3, Share::exactly(2), Share::at_most(0)));
        });
        keep(&wall, A).unwrap();
        setter.join().unwrap();
    });
}

/// Curve: no admission borrows past it, the losers of a race neither.
#[test]
fn no_admission_borrows_past_the_curve() {
    two_threads(|| {
        let a = A.rule(Share::at_most(2)).shed(Curve::step(0.5));
        let wall = Arc::new(Floodwall::<Kind>::new(2, &[a, B.rule(Share::at_most(2))]));
        let other = spawn(&wall, |wall| borrow(wall).is_ok());
        let mine = borrow(&wall).is_ok();
        // The first finds the wall empty; the second finds it half used, and is shed.
        assert!(mine ^ other.join().unwrap());
    });
}

/// Exact: shares and curves change as one. Neither of these rules admits; the shares of one with the
/// curve of the other would.
#[test]
fn shares_and_curves_change_as_one() {
    two_threads(|| {
        let curved = |cap, curve| {
            let a = A.rule(Share::at_most(cap)).shed(curve);
            Rules::new(2, &[a, B.rule(Share::at_most(2))])
        };
        let wall = Arc::new(Floodwall::from_rules(curved(2, Curve::ALWAYS)));
        let setter = spawn(&wall, move |wall| {
            kick();
            wall.set_rules(curved(0, Curve::NEVER));
        });
        assert!(borrow(&wall).is_err());
        setter.join().unwrap();
    });
}

/// Honest rejection: nobody is shed by a curve that is newer than what it is asked about. The wall is
/// empty before the curve that sheds when half is used.
#[test]
fn a_shed_is_a_judgement_of_one_epoch() {
    two_changes(|| {
        let curved = |curve| {
            let a = A.rule(Share::at_most(2)).shed(curve);
            Rules::new(2, &[a, B.rule(Share::at_most(2))])
        };
        let wall = Arc::new(Floodwall::from_rules(curved(Curve::NEVER)));
        let permit = wall.admit_owned(B).unwrap();
        let setter = spawn(&wall, move |wall| {
            kick();
            drop(permit);
            wall.set_rules(curved(Curve::step(0.9)));
            kick();
            wall.set_rules(curved(Curve::step(0.5)));
        });
        borrow(&wall).unwrap();
        setter.join().unwrap();
    });
}

/// Curve: whoever loses a race is decided by the draw that it had, and takes no other.
#[test]
fn an_admission_takes_one_draw() {
    two_threads(|| {
        let a = A.rule(Share::at_most(3)).shed(Curve::ALWAYS.capped(0.5));
        let wall = Arc::new(Floodwall::<Kind>::new(3, &[a, B.rule(Share::at_most(3))]));
        // The first draw is 0.5625; the second, 0.1805, would shed.
        let permit = wall.admit_owned(B).unwrap();
        let other = spawn(&wall, move |_| {
            kick();
            drop(permit);
        });
        keep(&wall, A).unwrap();
        other.join().unwrap();
    });
}

/// Curve: none borrows by an old curve after the change has returned.
#[test]
fn a_changed_curve_holds_when_it_returns() {
    two_threads(|| {
        let curve = |curve| {
            let a = A.rule(Share::at_most(2)).shed(curve);
            Rules::new(2, &[a, B.rule(Share::at_most(2))])
        };
        let wall = Arc::new(Floodwall::from_rules(curve(Curve::NEVER)));
        let borrower = spawn(&wall, |wall| borrow(wall).is_ok());
        kick();
        wall.set_rules(curve(Curve::ALWAYS));
        let at_the_change = wall.in_use(A);
        let borrowed = borrower.join().unwrap();
        assert_eq!(u32::from(borrowed), at_the_change);
    });
}

/// Hand-over: what precedes a change is visible to those that it lets in.
#[test]
fn a_change_is_visible_to_those_it_lets_in() {
    two_threads(|| {
        let wall = wall(0, Share::at_most(1), Share::at_most(1));
        let data = Arc::new(Data::new());
        let other = {
            let data = Arc::clone(&data);
            spawn(&wall, move |wall| {
                if keep(wall, A).is_ok() {
                    assert_eq!(data.read(), 1);
                }
            })
        };
        data.write();
        kick();
        wall.set_capacity(1).unwrap();
        other.join().unwrap();
    });
}

/// Hand-over: a drain that is seen happens-after the permits.
#[test]
fn a_drain_that_is_seen_is_over() {
    two_threads(|| {
        let wall = wall(1, Share::at_most(1), Share::at_most(1));
        let data = Arc::new(Data::new());
        let permit = wall.admit_owned(A).unwrap();
        let worker = {
            let data = Arc::clone(&data);
            thread::spawn(permit.wrap(move || data.write()))
        };
        kick();
        wall.set_capacity(0).unwrap();
        if wall.snapshot().classes()[0].in_use == 0 {
            assert_eq!(data.read(), 1);
        }
        worker.join().unwrap();
        assert_eq!(wall.in_use(A), 0);
    });
}

/// Closing: once it returns, everything is turned away, and what is out comes back once.
#[test]
fn a_closed_wall_admits_nothing_and_loses_nothing() {
    two_threads(|| {
        let wall = wall(2, Share::exactly(1), Share::at_most(1));
        let worker = spawn(&wall, |wall| {
            for class in [A, B] {
                kick();
                drop(wall.admit(class));
            }
        });
        kick();
        wall.set_capacity(0).unwrap();
        kick();
        let rejection = wall.admit(A).map(drop).unwrap_err();
        assert!(matches!(
            rejection.reason,
            Reason::PoolFull { capacity: 0, .. }
        ));
        worker.join().unwrap();
        assert_eq!((wall.in_use(A), wall.in_use(B)), (0, 0));
    });
}

/// Changes are serialised: each builds on the one before, and the rules that are read are those
/// that admissions are judged by.
#[test]
fn changes_build_on_each_other() {
    two_threads(|| {
        let wall = wall(2, Share::exactly(1), Share::at_most(1));
        let other = spawn(&wall, |wall| {
            kick();
            wall.set_rules(rules(3, Share::exactly(2), Share::at_most(1)));
        });
        kick();
        wall.set_capacity(4).unwrap();
        other.join().unwrap();
        let now = wall.rules();
        // Whoever came last: the share is the other's, the capacity its own or mine.
        assert_eq!(now.share(A), Share::exactly(2));
        assert!([3, 4].contains(&now.capacity()));
        assert_eq!(wall.capacity(), now.capacity());
        assert_eq!(wall.snapshot().classes()[0].guarantee, 2);
    });
}

/// One coherent picture: limits and curves of one instant. Only the last of these rules sheds.
#[test]
fn a_snapshot_is_of_one_epoch() {
    two_changes(|| {
        let at = |capacity, curve| {
            let b = B.rule(Share::at_most(1)).shed(curve);
            Rules::new(capacity, &[A.rule(Share::at_most(capacity)), b])
        };
        let wall = Arc::new(Floodwall::from_rules(at(1, Curve::NEVER)));
        let setter = spawn(&wall, move |wall| {
            kick();
            wall.set_rules(at(2, Curve::NEVER));
            kick();
            wall.set_rules(at(3, Curve::ALWAYS));
        });
        kick();
        let snapshot = wall.snapshot();
        let [a, b] = snapshot.classes() else {
            panic!("two classes");
        };
        assert_eq!(a.cap, snapshot.capacity);
        assert_eq!(b.reject_probability == 1.0, snapshot.capacity == 3);
        setter.join().unwrap();
    });
}
