//! Permits from the first to the last: each is given back exactly once, whatever becomes of it, and a
//! limit that is lowered meanwhile takes it from nobody.

mod common;

use std::cell::Cell;
use std::mem::{forget, size_of};
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe};
use std::thread;

use floodwall::{
    AdmitOptions, Bulkhead, Floodwall, Full, Gauge, GaugeGuard, Permit, Reason, Rejection, Rules,
    Share, Shedder, Snapshot,
};

use common::panic_of;

floodwall::classes! { enum Kind { Message, Login } }

const RULES: Rules<Kind> = Rules::new(
    10,
    &[
        Kind::Message.rule(Share::at_least(4)),
        Kind::Login.rule(Share::between(2, 6)),
    ],
);

/// A permit that stays, so that giving another one back twice would show, and not wrap round to a
/// number that hides it.
fn in_use_beside<R>(f: impl FnOnce(&Bulkhead, &Floodwall<Kind>) -> R) -> (u32, u32) {
    let (room, wall) = (Bulkhead::new(3), Floodwall::from_rules(RULES));
    let _kept = (
        room.try_acquire().unwrap(),
        wall.admit(Kind::Login).unwrap(),
    );
    f(&room, &wall);
    assert_eq!(wall.in_use(Kind::Message), 0);
    (room.in_use(), wall.in_use(Kind::Login))
}

fn answer() -> u32 {
    42
}

#[test]
fn a_call_holds_its_permit_while_it_runs() {
    let in_use = in_use_beside(|room, wall| {
        assert_eq!(room.call(|| room.in_use()), Ok(2));
        let call = wall.call(Kind::Login, || wall.in_use(Kind::Login));
        assert_eq!(call, Ok(2));
    });
    assert_eq!(in_use, (1, 1));
}

#[test]
fn a_call_that_panics_gives_back() {
    let in_use = in_use_beside(|room, wall| {
        let words = panic_of(|| room.call(|| panic!("the handler failed")));
        assert_eq!(words, "the handler failed");
        let words = panic_of(|| wall.call(Kind::Login, || panic!("the handler failed")));
        assert_eq!(words, "the handler failed");
    });
    assert_eq!(in_use, (1, 1));
}

#[test]
fn a_call_that_is_turned_away_does_not_run() {
    let room = Bulkhead::new(0);
    assert!(room.call(|| panic!("it ran")).is_err());
    let wall = Floodwall::from_rules(RULES.with_capacity(0).unwrap());
    assert!(wall.call(Kind::Login, || panic!("it ran")).is_err());
}

#[test]
fn an_early_return_gives_back() {
    fn handle(room: &Bulkhead, wall: &Floodwall<Kind>) -> Result<(), Full> {
        let _permit = wall.admit(Kind::Login);
        let _first = room.try_acquire()?;
        let _second = room.try_acquire()?;
        let _third = room.try_acquire()?;
        unreachable!("there were three, one is kept, and two are out");
    }
    let in_use = in_use_beside(|room, wall| assert!(handle(room, wall).is_err()));
    assert_eq!(in_use, (1, 1));
}

#[test]
fn a_wrapped_closure_gives_back_when_it_has_run() {
    let in_use = in_use_beside(|room, wall| {
        let one = room.try_acquire().unwrap().wrap(|| room.in_use());
        let other = wall.admit(Kind::Login).unwrap();
        let other = other.wrap(|| wall.in_use(Kind::Login));
        assert_eq!((room.in_use(), wall.in_use(Kind::Login)), (2, 2));
        assert_eq!((one(), other()), (2, 2));
    });
    assert_eq!(in_use, (1, 1));
}

#[test]
fn a_wrapped_closure_that_is_dropped_unrun_gives_back() {
    let in_use = in_use_beside(|room, wall| {
        drop(room.try_acquire().unwrap().wrap(answer));
        drop(wall.admit(Kind::Login).unwrap().wrap(answer));
    });
    assert_eq!(in_use, (1, 1));
}

#[test]
fn a_wrapped_closure_that_panics_gives_back() {
    let in_use = in_use_beside(|room, wall| {
        let work = || panic!("the job failed");
        let job = room.try_acquire().unwrap().wrap(work);
        assert_eq!(panic_of::<()>(job), "the job failed");
        let job = wall.admit(Kind::Login).unwrap().wrap(work);
        assert_eq!(panic_of::<()>(job), "the job failed");
    });
    assert_eq!(in_use, (1, 1));
}

/// What the permits are there to limit, and how many were out when it was dropped.
struct Connection<'a>(&'a Bulkhead, &'a Cell<u32>);

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.1.set(self.0.in_use());
    }
}

#[test]
fn what_a_job_holds_is_dropped_under_its_permit() {
    let in_use = in_use_beside(|room, _| {
        let at_drop = Cell::new(0);
        let job = || {
            let connection = Connection(room, &at_drop);
            room.try_acquire().unwrap().wrap(move || drop(connection))
        };
        drop(job());
        assert_eq!(at_drop.take(), 2);
        job()();
        assert_eq!(at_drop.take(), 2);
    });
    assert_eq!(in_use, (1, 1));
}

#[test]
fn another_thread_gives_back() {
    let in_use = in_use_beside(|room, wall| {
        let plain = room.try_acquire().unwrap();
        let [runs, panics, stays] = [(); 3].map(|()| wall.admit(Kind::Login).unwrap());
        thread::scope(|scope| {
            scope.spawn(move || drop(plain));
            assert_eq!(scope.spawn(runs.wrap(answer)).join().unwrap(), 42);
            let job = panics.wrap(|| panic!("the job failed"));
            assert!(scope.spawn::<_, ()>(job).join().is_err());
            let unrun = stays.wrap(answer);
            scope.spawn(move || drop(unrun));
        });
    });
    assert_eq!(in_use, (1, 1));
}

#[test]
fn a_forgotten_permit_stays_in_use_for_good() {
    let in_use = in_use_beside(|room, wall| {
        forget(room.try_acquire().unwrap());
        forget(
            wall.admit_with(Kind::Login, AdmitOptions::new().permits(3))
                .unwrap(),
        );
    });
    assert_eq!(in_use, (2, 4));

    let gauge = Gauge::new(2);
    forget(gauge.enter());
    assert_eq!((gauge.active(), gauge.utilization()), (1, 0.5));
}

#[test]
fn what_was_forgotten_is_all_that_is_lost() {
    let wall = Floodwall::from_rules(RULES);
    (0..6).for_each(|_| forget(wall.admit(Kind::Login).unwrap()));
    assert!(wall.admit(Kind::Login).is_err());
    // The others go on, and get what is theirs.
    for _ in 0..2 {
        let _all = wall
            .admit_with(Kind::Message, AdmitOptions::new().permits(4))
            .unwrap();
        assert!(wall.admit(Kind::Message).is_err());
    }
    // Who knows of it can make up for it.
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
fn unwinding_gives_back_what_it_passes() {
    /// Does something when it is dropped.
    struct Late<F: Fn()>(F);
    impl<F: Fn()> Drop for Late<F> {
        fn drop(&mut self) {
            self.0();
        }
    }

    let in_use = in_use_beside(|room, wall| {
        let answers = Cell::new(None);
        let handler = || {
            let _late = Late(|| {
                let login = wall.call(Kind::Login, || wall.in_use(Kind::Login));
                answers.set(Some((room.call(|| room.in_use()), login)));
            });
            let _held = (
                room.try_acquire_many(2).unwrap(),
                wall.admit(Kind::Login).unwrap(),
            );
            let _unrun = wall.admit(Kind::Login).unwrap().wrap(answer);
            assert_eq!((room.in_use(), wall.in_use(Kind::Login)), (3, 3));
            panic!("the handler failed");
        };
        let words = panic_of::<()>(AssertUnwindSafe(handler));
        assert_eq!(words, "the handler failed");
        // Whoever asks meanwhile is let in, to what was given back before.
        assert_eq!(answers.take(), Some((Ok(2), Ok(2))));
    });
    assert_eq!(in_use, (1, 1));
}

#[test]
fn a_job_that_cannot_even_be_dropped_gives_back() {
    struct Jinxed;
    impl Drop for Jinxed {
        fn drop(&mut self) {
            panic!("the destructor failed");
        }
    }

    let in_use = in_use_beside(|room, wall| {
        let jinxed = Jinxed;
        let run = room.try_acquire().unwrap().wrap(move || drop(jinxed));
        assert_eq!(panic_of(run), "the destructor failed");
        let jinxed = Jinxed;
        let unrun = wall.admit(Kind::Login).unwrap().wrap(move || drop(jinxed));
        assert_eq!(panic_of(|| drop(unrun)), "the destructor failed");
    });
    assert_eq!(in_use, (1, 1));
}

#[test]
fn whoever_is_active_stops_being_so_once() {
    let gauge = Gauge::new(4);
    let _kept = gauge.enter();
    let words = panic_of(|| {
        let _active = gauge.enter();
        assert_eq!(gauge.active(), 2);
        panic!("the handler failed");
    });
    assert_eq!(words, "the handler failed");
    let elsewhere = gauge.enter();
    thread::scope(|scope| {
        scope.spawn(move || drop(elsewhere));
    });
    assert_eq!((gauge.active(), gauge.peak()), (1, 2));
}

#[cfg(feature = "alloc")]
mod owned {
    use super::*;
    use floodwall::OwnedPermit;
    use std::sync::Arc;

    fn wall() -> Arc<Floodwall<Kind>> {
        Arc::new(Floodwall::from_rules(RULES))
    }

    #[test]
    fn an_owned_permit_gives_back_exactly_once() {
        let (room, wall) = (Arc::new(Bulkhead::new(9)), wall());
        let _kept = (
            room.try_acquire_owned().unwrap(),
            wall.admit_owned(Kind::Login).unwrap(),
        );
        let in_use = || (room.in_use(), wall.in_use(Kind::Login));
        let both = || {
            (
                room.try_acquire_owned().unwrap(),
                wall.admit_owned(Kind::Login).unwrap(),
            )
        };

        let permits = both();
        assert_eq!(in_use(), (2, 2));
        drop(permits);
        assert_eq!(in_use(), (1, 1));

        let (one, other) = both();
        let source = Arc::clone(&room);
        let (one, other) = (one.wrap(move || source.in_use()), other.wrap(answer));
        assert_eq!(in_use(), (2, 2));
        assert_eq!(thread::spawn(one).join().unwrap(), 2);
        drop(other);
        assert_eq!(in_use(), (1, 1));

        let (one, other) = both();
        let job = one.wrap(|| panic!("the job failed"));
        assert!(thread::spawn::<_, ()>(job).join().is_err());
        let job = other.wrap(|| panic!("the job failed"));
        assert_eq!(panic_of::<()>(job), "the job failed");
        assert_eq!(in_use(), (1, 1));

        let words = panic_of(|| {
            let _held = both();
            let _unrun = both().0.wrap(answer);
            assert_eq!(in_use(), (3, 2));
            panic!("the handler failed");
        });
        assert_eq!(words, "the handler failed");
        assert_eq!(in_use(), (1, 1));

        let permits = both();
        forget(permits);
        assert_eq!(in_use(), (2, 2));
    }

    #[test]
    fn what_a_job_holds_is_dropped_under_its_owned_permit() {
        let room = Arc::new(Bulkhead::new(1));
        let at_drop = Cell::new(0);
        let job = || {
            let connection = Connection(&room, &at_drop);
            let permit = room.try_acquire_owned().unwrap();
            permit.wrap(move || drop(connection))
        };
        drop(job());
        assert_eq!(at_drop.take(), 1);
        job()();
        assert_eq!(at_drop.take(), 1);
        assert_eq!(room.in_use(), 0);
    }

    #[test]
    fn an_owned_permit_keeps_its_source_and_then_lets_it_go() {
        let (room, wall) = (Arc::new(Bulkhead::new(1)), wall());
        let sources = (Arc::downgrade(&room), Arc::downgrade(&wall));
        let permit = room.try_acquire_owned().unwrap();
        let admitted = wall.admit_owned(Kind::Message).unwrap();
        drop((room, wall));
        let in_use = sources.0.upgrade().map(|room| room.in_use());
        assert_eq!(in_use, Some(1));
        let in_use = sources.1.upgrade().map(|wall| wall.in_use(Kind::Message));
        assert_eq!(in_use, Some(1));
        drop((permit, admitted));
        assert!(sources.0.upgrade().is_none() && sources.1.upgrade().is_none());
    }

    #[test]
    fn whoever_is_turned_away_holds_nothing() {
        let room = Arc::new(Bulkhead::new(0));
        assert!(room.try_acquire_owned().is_err());
        let wall = Arc::new(Floodwall::from_rules(RULES.with_capacity(0).unwrap()));
        assert!(wall.admit_owned(Kind::Message).is_err());
        assert_eq!((Arc::strong_count(&room), Arc::strong_count(&wall)), (1, 1));
    }

    /// Owned permits need nothing of the class, as they never name one.
    #[test]
    fn owned_permits_go_anywhere() {
        assert_goes_anywhere::<OwnedPermit<Bulkhead>>();
        assert_goes_anywhere::<OwnedPermit<Floodwall<Kind>>>();
        assert_goes_anywhere::<OwnedPermit<Floodwall<*const ()>>>();
    }
}

fn assert_goes_anywhere<T: Send + Sync + UnwindSafe + RefUnwindSafe>() {}

#[test]
fn everything_goes_to_other_threads_and_past_panics() {
    assert_goes_anywhere::<Permit<'static>>();
    assert_goes_anywhere::<GaugeGuard<'static>>();
    assert_goes_anywhere::<Bulkhead>();
    assert_goes_anywhere::<Gauge>();
    assert_goes_anywhere::<Shedder>();
    assert_goes_anywhere::<Snapshot>();
    assert_goes_anywhere::<Rejection>();
    assert_goes_anywhere::<Rules<Kind>>();
    assert_goes_anywhere::<Floodwall<Kind>>();
    // A class is only a label: that it cannot leave its thread keeps no wall from leaving.
    assert_goes_anywhere::<Floodwall<*const ()>>();
}

#[test]
fn permits_and_refusals_are_small() {
    assert!(size_of::<Permit<'_>>() <= 24);
    assert_eq!(size_of::<Option<Permit<'_>>>(), size_of::<Permit<'_>>());
    assert!(size_of::<Rejection>() <= 48);
    assert!(size_of::<AdmitOptions>() <= 24);
}

#[test]
fn peaks_are_the_most_at_once_since_they_were_taken() {
    let wall = Floodwall::from_rules(RULES);
    let peaks = |snapshot: Snapshot| [0, 1].map(|class| snapshot.classes()[class].peak);
    let admit = |permits| {
        wall.admit_with(Kind::Login, AdmitOptions::new().permits(permits))
            .unwrap()
    };

    let long = admit(2);
    drop(admit(3));
    drop(wall.admit(Kind::Message).unwrap());
    assert_eq!(peaks(wall.snapshot()), [1, 5]);
    assert_eq!(peaks(wall.take_peaks()), [1, 5]);
    // What is still in use counts for the next peak too.
    assert_eq!(peaks(wall.snapshot()), [0, 2]);
    drop(long);
    assert_eq!(peaks(wall.take_peaks()), [0, 2]);
    assert_eq!(peaks(wall.take_peaks()), [0, 0]);

    let gauge = Gauge::new(9);
    let long = gauge.enter();
    drop((gauge.enter(), gauge.enter()));
    assert_eq!((gauge.take_peak(), gauge.peak()), (3, 1));
    drop(long);
    assert_eq!((gauge.take_peak(), gauge.take_peak()), (1, 0));
}

#[test]
fn a_lowered_limit_drains() {
    let room = Bulkhead::new(4);
    let mut held: Vec<_> = (0..4).map(|_| room.try_acquire().unwrap()).collect();
    room.set_limit(2);
    for (in_use, utilization) in [(4, 2.0), (3, 1.5), (2, 1.0)] {
        assert_eq!((room.in_use(), room.utilization()), (in_use, utilization));
        assert_eq!(room.available_permits(), 0);
        let full = room.try_acquire().unwrap_err();
        assert_eq!((full.in_use, full.limit), (in_use, 2));
        held.pop();
    }
    assert_eq!(room.available_permits(), 1);
    assert!(room.try_acquire().is_ok());
}

#[test]
fn a_lowered_capacity_drains() {
    let wall = Floodwall::from_rules(RULES);
    let mut held: Vec<_> = (0..8).map(|_| wall.admit(Kind::Message).unwrap()).collect();
    wall.set_capacity(6).unwrap();
    for (in_use, utilization) in [(8, 8.0 / 6.0), (7, 7.0 / 6.0), (6, 1.0)] {
        assert_eq!(wall.in_use(Kind::Message), in_use);
        assert_eq!(wall.utilization(), utilization);
        // A guarantee is refused only while the whole pool is full.
        let reason = wall.admit(Kind::Login).unwrap_err().reason;
        assert!(matches!(
            reason,
            Reason::PoolFull {
                reserved: 0,
                capacity: 6,
                ..
            }
        ));
        held.pop();
    }
    // A thread is free, and whose guarantee is unused gets it: nobody borrows.
    let reason = wall.admit(Kind::Message).unwrap_err().reason;
    assert!(matches!(
        reason,
        Reason::PoolFull {
            in_use: 5,
            reserved: 2,
            ..
        }
    ));
    let _login = wall.admit(Kind::Login).unwrap();
    assert!(wall.admit(Kind::Login).is_err());
    held.pop();
    assert!(wall.admit(Kind::Login).is_ok());
}
