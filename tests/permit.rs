//! `Permit` and `OwnedPermit`, of a `Bulkhead` and of a `Floodwall`: each is released exactly once.

mod common;

use std::cell::Cell;
use std::mem::{forget, size_of};
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe};
use std::thread;

use floodwall::{
    AdmitOptions, Bulkhead, Curve, Floodwall, Full, Gauge, GaugeGuard, Permit, Reason, Rejection,
    Rule, Rules, Share, Shedder, Snapshot,
};

use common::{NthClass, equal_rules, for_each_count, panic_message, permits};

floodwall::classes! { enum Kind { Message, Login } }

const RULES: Rules<Kind> = Rules::new(
    10,
    &[
        Kind::Message.rule(Share::at_least(4)),
        Kind::Login.rule(Share::between(2, 6)),
    ],
);

/// Runs `f` while one permit of the bulkhead and one of class `Login` are held, and returns the
/// permits in use of both afterwards. The held permits make a second release show: without them, the
/// count would wrap round.
fn in_use_after<R>(f: impl FnOnce(&Bulkhead, &Floodwall<Kind>) -> R) -> (u32, u32) {
    let (bulkhead, wall) = (Bulkhead::new(3), Floodwall::from_rules(RULES));
    let _held = (
        bulkhead.try_acquire().unwrap(),
        wall.admit(Kind::Login).unwrap(),
    );
    f(&bulkhead, &wall);
    assert_eq!(wall.in_use(Kind::Message), 0);
    (bulkhead.in_use(), wall.in_use(Kind::Login))
}

fn answer() -> u32 {
    42
}

#[test]
fn call_holds_its_permit_while_it_runs() {
    let in_use = in_use_after(|bulkhead, wall| {
        assert_eq!(bulkhead.call(|| bulkhead.in_use()), Ok(2));
        let call = wall.call(Kind::Login, || wall.in_use(Kind::Login));
        assert_eq!(call, Ok(2));
    });
    assert_eq!(in_use, (1, 1));
}

#[test]
fn panicking_call_releases_its_permit() {
    let in_use = in_use_after(|bulkhead, wall| {
        let message = panic_message(|| bulkhead.call(|| panic!("the handler failed")));
        assert_eq!(message, "the handler failed");
        let message = panic_message(|| wall.call(Kind::Login, || panic!("the handler failed")));
        assert_eq!(message, "the handler failed");
    });
    assert_eq!(in_use, (1, 1));
}

#[test]
fn rejected_call_does_not_run() {
    let bulkhead = Bulkhead::new(0);
    assert!(bulkhead.call(|| panic!("it ran")).is_err());
    let wall = Floodwall::from_rules(RULES.with_capacity(0).unwrap());
    assert!(wall.call(Kind::Login, || panic!("it ran")).is_err());
}

#[test]
fn early_return_releases_permits() {
    fn handle(bulkhead: &Bulkhead, wall: &Floodwall<Kind>) -> Result<(), Full> {
        let _permit = wall.admit(Kind::Login);
        let _first = bulkhead.try_acquire()?;
        let _second = bulkhead.try_acquire()?;
        let _third = bulkhead.try_acquire()?;
        unreachable!("the limit is 3, and one permit is held");
    }
    let in_use = in_use_after(|bulkhead, wall| assert!(handle(bulkhead, wall).is_err()));
    assert_eq!(in_use, (1, 1));
}

#[test]
fn wrapped_closure_releases_its_permit_after_running() {
    let in_use = in_use_after(|bulkhead, wall| {
        let acquired = bulkhead.try_acquire().unwrap().wrap(|| bulkhead.in_use());
        let admitted = wall.admit(Kind::Login).unwrap();
        let admitted = admitted.wrap(|| wall.in_use(Kind::Login));
        assert_eq!((bulkhead.in_use(), wall.in_use(Kind::Login)), (2, 2));
        assert_eq!((acquired(), admitted()), (2, 2));
    });
    assert_eq!(in_use, (1, 1));
}

#[test]
fn dropping_a_wrapped_closure_releases_its_permit() {
    let in_use = in_use_after(|bulkhead, wall| {
        drop(bulkhead.try_acquire().unwrap().wrap(answer));
        drop(wall.admit(Kind::Login).unwrap().wrap(answer));
    });
    assert_eq!(in_use, (1, 1));
}

#[test]
fn panicking_wrapped_closure_releases_its_permit() {
    let in_use = in_use_after(|bulkhead, wall| {
        let work = || panic!("the job failed");
        let job = bulkhead.try_acquire().unwrap().wrap(work);
        assert_eq!(panic_message::<()>(job), "the job failed");
        let job = wall.admit(Kind::Login).unwrap().wrap(work);
        assert_eq!(panic_message::<()>(job), "the job failed");
    });
    assert_eq!(in_use, (1, 1));
}

/// A resource that the bulkhead limits. On drop it stores the permits in use.
struct Connection<'a> {
    bulkhead: &'a Bulkhead,
    in_use_at_drop: &'a Cell<u32>,
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.in_use_at_drop.set(self.bulkhead.in_use());
    }
}

#[test]
fn captures_are_dropped_before_the_permit() {
    let in_use = in_use_after(|bulkhead, _| {
        let in_use_at_drop = &Cell::new(0);
        let job = || {
            let connection = Connection {
                bulkhead,
                in_use_at_drop,
            };
            bulkhead
                .try_acquire()
                .unwrap()
                .wrap(move || drop(connection))
        };
        drop(job());
        assert_eq!(in_use_at_drop.take(), 2);
        job()();
        assert_eq!(in_use_at_drop.take(), 2);
    });
    assert_eq!(in_use, (1, 1));
}

#[test]
fn permit_can_be_released_on_another_thread() {
    let in_use = in_use_after(|bulkhead, wall| {
        let dropped = bulkhead.try_acquire().unwrap();
        let [run, panicking, not_run] = [(); 3].map(|()| wall.admit(Kind::Login).unwrap());
        thread::scope(|scope| {
            scope.spawn(move || drop(dropped));
            assert_eq!(scope.spawn(run.wrap(answer)).join().unwrap(), 42);
            let job = panicking.wrap(|| panic!("the job failed"));
            assert!(scope.spawn::<_, ()>(job).join().is_err());
            let job = not_run.wrap(answer);
            scope.spawn(move || drop(job));
        });
    });
    assert_eq!(in_use, (1, 1));
}

#[test]
fn forgotten_permit_stays_in_use() {
    let in_use = in_use_after(|bulkhead, wall| {
        forget(bulkhead.try_acquire().unwrap());
        forget(wall.admit_with(Kind::Login, permits(3)).unwrap());
    });
    assert_eq!(in_use, (2, 4));
}

#[test]
fn forgotten_permits_reduce_only_their_own_class() {
    let wall = Floodwall::from_rules(RULES);
    (0..6).for_each(|_| forget(wall.admit(Kind::Login).unwrap()));
    assert!(wall.admit(Kind::Login).is_err());
    for _ in 0..2 {
        let _all = wall.admit_with(Kind::Message, permits(4)).unwrap();
        assert!(wall.admit(Kind::Message).is_err());
    }
    // A rule update can compensate for the lost permits.
    wall.set_rules(Rules::new(
        16,
        &[
            Kind::Message.rule(Share::at_least(4)),
            Kind::Login.rule(Share::between(8, 12)),
        ],
    ));
    let logins: Vec<_> = (0..6).map(|_| wall.admit(Kind::Login).unwrap()).collect();
    assert!(wall.admit(Kind::Login).is_err());
    drop(logins);
    assert_eq!(wall.in_use(Kind::Login), 6);
}

#[test]
fn unwinding_releases_permits_in_drop_order() {
    /// Calls a closure when it is dropped.
    struct OnDrop<F: Fn()>(F);
    impl<F: Fn()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            self.0();
        }
    }

    let in_use = in_use_after(|bulkhead, wall| {
        let answers = Cell::new(None);
        let handler = || {
            let _dropped_last = OnDrop(|| {
                let login = wall.call(Kind::Login, || wall.in_use(Kind::Login));
                answers.set(Some((bulkhead.call(|| bulkhead.in_use()), login)));
            });
            let _held = (
                bulkhead.try_acquire_many(2).unwrap(),
                wall.admit(Kind::Login).unwrap(),
            );
            let _not_run = wall.admit(Kind::Login).unwrap().wrap(answer);
            assert_eq!((bulkhead.in_use(), wall.in_use(Kind::Login)), (3, 3));
            panic!("the handler failed");
        };
        let message = panic_message::<()>(AssertUnwindSafe(handler));
        assert_eq!(message, "the handler failed");
        // The permits were free when the last destructor ran.
        assert_eq!(answers.take(), Some((Ok(2), Ok(2))));
    });
    assert_eq!(in_use, (1, 1));
}

#[test]
fn capture_that_panics_on_drop_releases_the_permit() {
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("the destructor failed");
        }
    }

    let in_use = in_use_after(|bulkhead, wall| {
        let capture = PanicsOnDrop;
        let run = bulkhead.try_acquire().unwrap().wrap(move || drop(capture));
        assert_eq!(panic_message(run), "the destructor failed");
        let capture = PanicsOnDrop;
        let not_run = wall.admit(Kind::Login).unwrap().wrap(move || drop(capture));
        assert_eq!(panic_message(|| drop(not_run)), "the destructor failed");
    });
    assert_eq!(in_use, (1, 1));
}

#[test]
fn zero_permits_hold_nothing() {
    let bulkhead = Bulkhead::new(1);
    let _one = bulkhead.try_acquire().unwrap();
    let _none = bulkhead.try_acquire_many(0).unwrap();
    assert_eq!(bulkhead.in_use(), 1);

    let wall = Floodwall::new(2, &equal_rules::<2>(Share::exactly(1)));
    let _one = wall.admit(NthClass(0)).unwrap();
    let _none = wall.admit_with(NthClass(0), permits(0)).unwrap();
    assert_eq!(wall.in_use(NthClass(0)), 1);
}

#[test]
fn zero_permits_are_admitted_above_the_cap_and_never_shed() {
    let wall = Floodwall::new(10, &equal_rules::<1>(Share::at_most(10)));
    let _held = wall.admit_with(NthClass(0), permits(8)).unwrap();
    let rule = Rule::for_index(0, Share::at_most(3)).shed(Curve::ALWAYS);
    wall.set_rules(Rules::new(5, &[rule]));
    assert!(wall.admit(NthClass(0)).is_err());
    assert!(wall.admit_with(NthClass(0), permits(0)).is_ok());

    let bulkhead = Bulkhead::new(8);
    let _held = bulkhead.try_acquire_many(8).unwrap();
    bulkhead.set_limit(3);
    assert!(bulkhead.try_acquire_many(0).is_ok());
}

#[test]
fn oversized_request_is_rejected_without_overflow() {
    for limit in [1, 7, u32::MAX - 1, u32::MAX] {
        let bulkhead = Bulkhead::new(limit);
        let _one = bulkhead.try_acquire().unwrap();
        let full = bulkhead.try_acquire_many(u32::MAX).unwrap_err();
        assert_eq!(
            (full.requested, full.in_use, full.limit),
            (u32::MAX, 1, limit)
        );
        assert_eq!((bulkhead.in_use(), bulkhead.limit()), (1, limit));
    }

    fn check<const COUNT: usize>() {
        let wall = Floodwall::new(u32::MAX, &equal_rules::<COUNT>(Share::at_most(100)));
        let _held = wall.admit_with(NthClass(COUNT - 1), permits(3)).unwrap();
        for (requested, class) in [(98, COUNT - 1), (101, 0), (u32::MAX, 0)] {
            let rejection = wall
                .admit_with(NthClass(class), permits(requested))
                .unwrap_err();
            assert!(matches!(
                rejection.reason,
                Reason::ClassFull { cap: 100, .. }
            ));
        }
        let in_use = (0..COUNT).map(|class| wall.in_use(NthClass(class)));
        assert_eq!(in_use.sum::<u32>(), 3);
        assert_eq!(wall.capacity(), u32::MAX);
    }
    for_each_count!(check);
}

#[test]
fn permit_debug_output_has_no_fields() {
    let bulkhead = Bulkhead::new(3);
    let permit = bulkhead.try_acquire().unwrap();
    assert_eq!(format!("{permit:?}"), "Permit { .. }");
}

fn assert_send_sync_and_unwind_safe<T: Send + Sync + UnwindSafe + RefUnwindSafe>() {}

#[test]
fn public_types_are_send_sync_and_unwind_safe() {
    assert_send_sync_and_unwind_safe::<Permit<'static>>();
    assert_send_sync_and_unwind_safe::<GaugeGuard<'static>>();
    assert_send_sync_and_unwind_safe::<Bulkhead>();
    assert_send_sync_and_unwind_safe::<Gauge>();
    assert_send_sync_and_unwind_safe::<Shedder>();
    assert_send_sync_and_unwind_safe::<Snapshot>();
    assert_send_sync_and_unwind_safe::<Rejection>();
    assert_send_sync_and_unwind_safe::<Rules<Kind>>();
    assert_send_sync_and_unwind_safe::<Floodwall<Kind>>();
    // A wall holds no value of its class type, so a class that is not `Send` does not matter.
    assert_send_sync_and_unwind_safe::<Floodwall<*const ()>>();
}

#[test]
fn permits_and_rejections_are_small() {
    assert!(size_of::<Permit<'_>>() <= 24);
    assert_eq!(size_of::<Option<Permit<'_>>>(), size_of::<Permit<'_>>());
    assert!(size_of::<Rejection>() <= 48);
    assert!(size_of::<AdmitOptions>() <= 24);
}

#[cfg(feature = "alloc")]
mod owned {
    use super::*;
    use floodwall::OwnedPermit;
    use std::sync::Arc;

    fn new_wall() -> Arc<Floodwall<Kind>> {
        Arc::new(Floodwall::from_rules(RULES))
    }

    #[test]
    fn owned_permit_is_released_exactly_once() {
        let (bulkhead, wall) = (Arc::new(Bulkhead::new(9)), new_wall());
        let acquire_both = || {
            (
                bulkhead.try_acquire_owned().unwrap(),
                wall.admit_owned(Kind::Login).unwrap(),
            )
        };
        let in_use = || (bulkhead.in_use(), wall.in_use(Kind::Login));
        let _held = acquire_both();

        let permits = acquire_both();
        assert_eq!(in_use(), (2, 2));
        drop(permits);
        assert_eq!(in_use(), (1, 1));

        let (acquired, admitted) = acquire_both();
        let source = Arc::clone(&bulkhead);
        let run = acquired.wrap(move || source.in_use());
        let not_run = admitted.wrap(answer);
        assert_eq!(in_use(), (2, 2));
        assert_eq!(thread::spawn(run).join().unwrap(), 2);
        drop(not_run);
        assert_eq!(in_use(), (1, 1));

        let (acquired, admitted) = acquire_both();
        let job = acquired.wrap(|| panic!("the job failed"));
        assert!(thread::spawn::<_, ()>(job).join().is_err());
        let job = admitted.wrap(|| panic!("the job failed"));
        assert_eq!(panic_message::<()>(job), "the job failed");
        assert_eq!(in_use(), (1, 1));

        let message = panic_message(|| {
            let _held = acquire_both();
            let _not_run = acquire_both().0.wrap(answer);
            assert_eq!(in_use(), (3, 2));
            panic!("the handler failed");
        });
        assert_eq!(message, "the handler failed");
        assert_eq!(in_use(), (1, 1));

        let permits = acquire_both();
        forget(permits);
        assert_eq!(in_use(), (2, 2));
    }

    #[test]
    fn captures_are_dropped_before_the_owned_permit() {
        let bulkhead = Arc::new(Bulkhead::new(1));
        let in_use_at_drop = Cell::new(0);
        let job = || {
            let connection = Connection {
                bulkhead: &bulkhead,
                in_use_at_drop: &in_use_at_drop,
            };
            let permit = bulkhead.try_acquire_owned().unwrap();
            permit.wrap(move || drop(connection))
        };
        drop(job());
        assert_eq!(in_use_at_drop.take(), 1);
        job()();
        assert_eq!(in_use_at_drop.take(), 1);
        assert_eq!(bulkhead.in_use(), 0);
    }

    #[test]
    fn owned_permit_keeps_its_source_alive_until_released() {
        let (bulkhead, wall) = (Arc::new(Bulkhead::new(1)), new_wall());
        let sources = (Arc::downgrade(&bulkhead), Arc::downgrade(&wall));
        let acquired = bulkhead.try_acquire_owned().unwrap();
        let admitted = wall.admit_owned(Kind::Message).unwrap();
        drop((bulkhead, wall));
        let in_use = sources.0.upgrade().map(|bulkhead| bulkhead.in_use());
        assert_eq!(in_use, Some(1));
        let in_use = sources.1.upgrade().map(|wall| wall.in_use(Kind::Message));
        assert_eq!(in_use, Some(1));
        drop((acquired, admitted));
        assert!(sources.0.upgrade().is_none() && sources.1.upgrade().is_none());
    }

    #[test]
    fn rejected_owned_request_keeps_no_reference() {
        let bulkhead = Arc::new(Bulkhead::new(0));
        assert!(bulkhead.try_acquire_owned().is_err());
        let wall = Arc::new(Floodwall::from_rules(RULES.with_capacity(0).unwrap()));
        assert!(wall.admit_owned(Kind::Message).is_err());
        let references = (Arc::strong_count(&bulkhead), Arc::strong_count(&wall));
        assert_eq!(references, (1, 1));
    }

    #[test]
    fn owned_permit_debug_output_has_no_fields() {
        let permit = Arc::new(Bulkhead::new(3)).try_acquire_owned().unwrap();
        assert_eq!(format!("{permit:?}"), "OwnedPermit { .. }");
    }

    #[test]
    fn owned_permit_is_send_sync_and_unwind_safe() {
        assert_send_sync_and_unwind_safe::<OwnedPermit<Bulkhead>>();
        assert_send_sync_and_unwind_safe::<OwnedPermit<Floodwall<Kind>>>();
        // An owned permit holds no value of the class type, as above.
        assert_send_sync_and_unwind_safe::<OwnedPermit<Floodwall<*const ()>>>();
    }
}
