//! `Permit` and `OwnedPermit`, of a `Bulkhead` and of a `Floodwall`: each is released exactly once.

mod common;

use std::cell::Cell;
use std::mem::{forget, size_of};
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe};
use std::thread;

use floodwall::{
    AdmitOptions, Bulkhead, Class, Curve, Floodwall, Full, Gauge, GaugeGuard, Permit, Reason,
    Rejection, Rule, Rules, ShardedBulkhead, Share, Shedder, Snapshot,
};

use common::{LANE_MAX, NthClass, equal_rules, for_each_count, panic_message, permits};

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
    let wall = Floodwall::from_rules(RULES);
    wall.close();
    assert!(wall.call(Kind::Login, || panic!("it ran")).is_err());
}

#[test]
fn early_return_releases_permits() {
    fn handle(bulkhead: &Bulkhead, wall: &Floodwall<Kind>) -> Result<(), Full> {
        let _permit = wall.admit(Kind::Login).unwrap();
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
            assert!(match rejection.reason() {
                Reason::ClassFull { cap, .. } => requested <= 100 && cap == 100,
                Reason::TooLarge { reachable, .. } => requested > 100 && reachable == 100,
                _ => false,
            });
        }
        let in_use = (0..COUNT).map(|class| wall.in_use(NthClass(class)));
        assert_eq!(in_use.sum::<u32>(), 3);
        assert_eq!(wall.capacity(), u32::MAX);
    }
    for_each_count!(check);
}

#[test]
fn permit_knows_how_many_permits_it_holds() {
    let bulkhead = Bulkhead::new(u32::MAX);
    for count in [0, 1, 7, u32::MAX] {
        let permit = bulkhead.try_acquire_many(count).unwrap();
        assert_eq!(permit.permits(), count);
    }
    fn check<const COUNT: usize>() {
        let max = LANE_MAX[COUNT];
        let wall = Floodwall::new(u32::MAX, &equal_rules::<COUNT>(Share::at_most(max)));
        for &class in NthClass::<COUNT>::ALL {
            for count in [0, 1, 2, max / 2, max - 1, max] {
                let permit = wall.admit_with(class, permits(count)).unwrap();
                assert_eq!(permit.permits(), count);
            }
        }
    }
    for_each_count!(check);
    let sharded = ShardedBulkhead::<4>::new(64);
    assert_eq!(sharded.try_acquire().unwrap().permits(), 1);
}

/// Splits off each number of permits, releases both parts in both orders, and merges them again.
#[track_caller]
fn assert_splits_and_merges<'a>(acquire: impl Fn() -> Permit<'a>, in_use: impl Fn() -> u32) {
    let (before, total) = (in_use(), acquire().permits());
    for count in 0..=total {
        for part_first in [true, false] {
            let mut rest = acquire();
            let part = rest.split(count).unwrap();
            assert_eq!((part.permits(), rest.permits()), (count, total - count));
            assert_eq!(in_use(), before + total);
            let (first, second) = if part_first {
                (part, rest)
            } else {
                (rest, part)
            };
            let left = second.permits();
            drop(first);
            assert_eq!(in_use(), before + left);
            drop(second);
            assert_eq!(in_use(), before);
        }
        let mut rest = acquire();
        assert!(rest.split(total + 1).is_none());
        assert!(rest.split(u32::MAX).is_none());
        let part = rest.split(count).unwrap();
        let whole = part.merge(rest).unwrap();
        assert_eq!((whole.permits(), in_use()), (total, before + total));
        drop(whole);
        assert_eq!(in_use(), before);
    }
}

#[test]
fn split_and_merge_neither_make_nor_lose_permits() {
    let bulkhead = Bulkhead::new(9);
    let _held = bulkhead.try_acquire_many(2).unwrap();
    assert_splits_and_merges(
        || bulkhead.try_acquire_many(4).unwrap(),
        || bulkhead.in_use(),
    );

    fn check<const COUNT: usize>() {
        let wall = Floodwall::new(100, &equal_rules::<COUNT>(Share::at_most(10)));
        for &class in NthClass::<COUNT>::ALL {
            let _held = wall.admit_with(class, permits(3)).unwrap();
            assert_splits_and_merges(
                || wall.admit_with(class, permits(5)).unwrap(),
                || wall.in_use(class),
            );
            assert_eq!(wall.snapshot().in_use(), 3);
        }
    }
    for_each_count!(check);

    let sharded = ShardedBulkhead::<2>::new(32);
    let home = sharded.shard(0);
    let pair = || {
        let first = home.try_acquire().unwrap();
        first.merge(home.try_acquire().unwrap()).unwrap()
    };
    assert_splits_and_merges(pair, || sharded.in_use());
}

#[test]
fn permits_of_different_sources_are_not_merged() {
    let bulkheads = [Bulkhead::new(4), Bulkhead::new(4)];
    let wall = Floodwall::from_rules(RULES);
    let sharded = ShardedBulkhead::<2>::new(32);
    for (first, second) in [
        (
            bulkheads[0].try_acquire_many(2).unwrap(),
            bulkheads[1].try_acquire().unwrap(),
        ),
        (
            wall.admit_with(Kind::Message, permits(2)).unwrap(),
            wall.admit(Kind::Login).unwrap(),
        ),
        (
            wall.admit(Kind::Login).unwrap(),
            bulkheads[0].try_acquire().unwrap(),
        ),
        (
            sharded.shard(0).try_acquire().unwrap(),
            sharded.shard(1).try_acquire().unwrap(),
        ),
    ] {
        let numbers = (first.permits(), second.permits());
        let error = first.merge(second).unwrap_err();
        assert_eq!((error.first.permits(), error.second.permits()), numbers);
        assert_eq!(
            error.to_string(),
            "permits of different bulkheads, walls, classes or shards cannot be merged"
        );
    }
    assert_eq!(bulkheads.map(|bulkhead| bulkhead.in_use()), [0, 0]);
    assert_eq!((wall.snapshot().in_use(), sharded.in_use()), (0, 0));
    // A permit that holds nothing is of any class.
    let mut message = wall.admit(Kind::Message).unwrap();
    let nothing = wall.admit_with(Kind::Login, permits(0)).unwrap();
    message = nothing.merge(message).unwrap();
    assert_eq!((message.permits(), wall.in_use(Kind::Message)), (1, 1));
}

#[test]
fn call_with_holds_what_its_options_request() {
    let wall = Floodwall::from_rules(RULES);
    let in_use = wall.call_with(Kind::Login, permits(3), || wall.in_use(Kind::Login));
    assert_eq!((in_use, wall.in_use(Kind::Login)), (Ok(3), 0));
    let rejected = wall.call_with(Kind::Login, permits(7), || panic!("it ran"));
    assert!(rejected.is_err());
}

#[test]
fn permit_debug_output_shows_the_number() {
    let bulkhead = Bulkhead::new(3);
    let permit = bulkhead.try_acquire_many(2).unwrap();
    assert_eq!(format!("{permit:?}"), "Permit { permits: 2, .. }");
}

fn assert_send_sync_and_unwind_safe<T: Send + Sync + UnwindSafe + RefUnwindSafe>() {}

#[test]
fn public_types_are_send_sync_and_unwind_safe() {
    assert_send_sync_and_unwind_safe::<Permit<'static>>();
    assert_send_sync_and_unwind_safe::<GaugeGuard<'static>>();
    assert_send_sync_and_unwind_safe::<Bulkhead>();
    assert_send_sync_and_unwind_safe::<Gauge>();
    assert_send_sync_and_unwind_safe::<Shedder>();
    assert_send_sync_and_unwind_safe::<Snapshot<Kind>>();
    assert_send_sync_and_unwind_safe::<Rejection>();
    assert_send_sync_and_unwind_safe::<Rules<Kind>>();
    assert_send_sync_and_unwind_safe::<Floodwall<Kind>>();
    // A wall holds no value of its class type, so a class that is not `Send` does not matter.
    assert_send_sync_and_unwind_safe::<Floodwall<*const ()>>();
}

#[test]
fn permits_and_rejections_are_small() {
    assert!(size_of::<Permit<'_>>() <= 16);
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

    /// Four single permits would be admitted one by one, and three of them held while the fourth is shed.
    #[test]
    fn owned_permits_come_with_options() {
        let (bulkhead, wall) = (Arc::new(Bulkhead::new(9)), new_wall());
        let sharded = Arc::new(ShardedBulkhead::<4>::new(64));
        let acquired = bulkhead.try_acquire_many_owned(4).unwrap();
        assert!(bulkhead.try_acquire_many_owned(6).is_err());
        let admitted = wall.admit_owned_with(Kind::Login, permits(4)).unwrap();
        assert!(wall.admit_owned_with(Kind::Login, permits(3)).is_err());
        let of_shard = sharded.try_acquire_owned().unwrap();
        let numbers = (acquired.permits(), admitted.permits(), of_shard.permits());
        assert_eq!(numbers, (4, 4, 1));
        let in_use = || {
            (
                bulkhead.in_use(),
                wall.in_use(Kind::Login),
                sharded.in_use(),
            )
        };
        assert_eq!(in_use(), (4, 4, 1));
        thread::spawn(move || drop((acquired, admitted, of_shard)))
            .join()
            .unwrap();
        assert_eq!(in_use(), (0, 0, 0));
        // A rejected request keeps no reference.
        let references = (Arc::strong_count(&bulkhead), Arc::strong_count(&wall));
        assert_eq!(references, (1, 1));
    }

    #[test]
    fn owned_permits_of_a_sharded_bulkhead_are_all_released() {
        let sharded = Arc::new(ShardedBulkhead::<4>::new(64));
        let held: Vec<_> = (0..64)
            .map(|_| sharded.try_acquire_owned().unwrap())
            .collect();
        assert_eq!(sharded.in_use(), 64);
        assert!(sharded.try_acquire_owned().is_err());
        drop(held);
        assert_eq!((sharded.in_use(), Arc::strong_count(&sharded)), (0, 1));
    }

    #[test]
    fn owned_permits_split_and_merge() {
        let wall = new_wall();
        let _held = wall.admit_owned(Kind::Login).unwrap();
        for count in 0..=4 {
            let mut rest = wall.admit_owned_with(Kind::Login, permits(4)).unwrap();
            assert!(rest.split(5).is_none());
            let part = rest.split(count).unwrap();
            assert_eq!((part.permits(), rest.permits()), (count, 4 - count));
            let whole = rest.merge(part).unwrap();
            assert_eq!((whole.permits(), wall.in_use(Kind::Login)), (4, 5));
            let mut whole = whole;
            let part = whole.split(count).unwrap();
            drop(whole);
            assert_eq!(wall.in_use(Kind::Login), 1 + count);
            drop(part);
            assert_eq!(wall.in_use(Kind::Login), 1);
        }
        let message = wall.admit_owned(Kind::Message).unwrap();
        let login = wall.admit_owned(Kind::Login).unwrap();
        let error = message.merge(login).unwrap_err();
        assert_eq!((error.first.permits(), error.second.permits()), (1, 1));
        drop(error);
        let other = new_wall().admit_owned(Kind::Login).unwrap();
        let login = wall.admit_owned(Kind::Login).unwrap();
        assert!(login.merge(other).is_err());
        assert_eq!(wall.snapshot().in_use(), 1);
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
        let wall = Arc::new(Floodwall::from_rules(RULES));
        wall.close();
        assert!(wall.admit_owned(Kind::Message).is_err());
        let references = (Arc::strong_count(&bulkhead), Arc::strong_count(&wall));
        assert_eq!(references, (1, 1));
    }

    #[test]
    fn owned_permit_debug_output_shows_the_number() {
        let permit = Arc::new(Bulkhead::new(3))
            .try_acquire_many_owned(2)
            .unwrap();
        assert_eq!(format!("{permit:?}"), "OwnedPermit { permits: 2, .. }");
    }

    #[test]
    fn owned_permit_is_send_sync_and_unwind_safe() {
        assert_send_sync_and_unwind_safe::<OwnedPermit<Bulkhead>>();
        assert_send_sync_and_unwind_safe::<OwnedPermit<Floodwall<Kind>>>();
        // An owned permit holds no value of the class type.
        assert_send_sync_and_unwind_safe::<OwnedPermit<Floodwall<*const ()>>>();
    }
}
