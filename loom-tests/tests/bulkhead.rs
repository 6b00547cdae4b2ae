//! Models of `Bulkhead`: one promise each, under every interleaving.

mod common;

use std::mem::forget;
use std::sync::Arc;

use common::{Data, Signal, kick, three_threads, two_threads};
use floodwall::Bulkhead;
use loom::thread;

/// Hand-over: what was done under a permit happens-before the take that reuses it.
#[test]
fn one_permit_excludes() {
    three_threads(|| {
        let room = Arc::new((Bulkhead::new(1), Data::new()));
        let enter = |room: Arc<(Bulkhead, Data)>| {
            kick();
            if let Ok(_permit) = room.0.try_acquire() {
                room.1.write();
            }
        };
        let others = [0, 1].map(|_| {
            let room = Arc::clone(&room);
            thread::spawn(move || enter(room))
        });
        enter(Arc::clone(&room));
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(room.0.in_use(), 0);
    });
}

/// Exact: all that is out never exceeds the limit, and takes are all or nothing.
#[test]
fn no_more_than_the_limit_are_out() {
    three_threads(|| {
        let room = Arc::new(Bulkhead::new(3));
        let takers = [1, 2].map(|permits| {
            let room = Arc::clone(&room);
            thread::spawn(move || {
                kick();
                let taken = room.try_acquire_many(permits).map(forget).is_ok();
                if taken { permits } else { 0 }
            })
        });
        kick();
        let mine = if room.try_acquire_many(2).map(forget).is_ok() {
            2
        } else {
            0
        };
        let out = mine
            + takers
                .map(|taker| taker.join().unwrap())
                .iter()
                .sum::<u32>();
        assert_eq!(room.in_use(), out);
        // Of 1, 2 and 2, two fit together whoever comes first: 1 and 2 always do.
        assert_eq!(out, 3);
    });
}

/// Honest rejection: nobody is turned away because another loser was in the way.
#[test]
fn a_loser_does_not_turn_others_away() {
    three_threads(|| {
        let room = Arc::new(Bulkhead::new(2));
        forget(room.try_acquire().unwrap());
        let loser = {
            let room = Arc::clone(&room);
            thread::spawn(move || {
                kick();
                assert!(room.try_acquire_many(2).is_err());
            })
        };
        kick();
        assert!(room.try_acquire().is_ok());
        loser.join().unwrap();
    });
}

/// Honest rejection: the state that turned somebody away is no older than what happens-before.
#[test]
fn a_permit_that_was_given_back_is_free() {
    two_threads(|| {
        let room = Arc::new((Bulkhead::new(1), Signal::new()));
        let other = {
            let room = Arc::clone(&room);
            thread::spawn(move || {
                kick();
                drop(room.0.try_acquire());
                room.1.send();
            })
        };
        if room.1.was_sent() {
            kick();
            assert!(room.0.try_acquire().is_ok());
        }
        other.join().unwrap();
    });
}

/// Exact: once a lower limit is set, nothing is admitted beyond it.
#[test]
fn a_lowered_limit_holds_from_its_change_on() {
    two_threads(|| {
        let room = Arc::new(Bulkhead::new(2));
        let taker = {
            let room = Arc::clone(&room);
            thread::spawn(move || {
                for _ in 0..2 {
                    kick();
                    if let Ok(permit) = room.try_acquire() {
                        forget(permit);
                    }
                }
            })
        };
        kick();
        room.set_limit(1);
        let at_the_change = room.in_use();
        taker.join().unwrap();
        assert!(room.in_use() <= at_the_change.max(1));
        assert_eq!(room.limit(), 1);
    });
}

/// A change revokes nothing, and nothing is lost: what is out stays out, and comes back once.
#[test]
fn changes_neither_make_nor_lose_permits() {
    two_threads(|| {
        let room = Arc::new(Bulkhead::new(1));
        let taker = {
            let room = Arc::clone(&room);
            thread::spawn(move || {
                kick();
                drop(room.try_acquire_many(1));
                kick();
                drop(room.try_acquire_many(2));
            })
        };
        kick();
        room.set_limit(0);
        kick();
        room.set_limit(2);
        taker.join().unwrap();
        assert_eq!((room.in_use(), room.limit()), (0, 2));
    });
}

/// Hand-over: what precedes a change is visible to those that it lets in.
#[test]
fn a_change_is_visible_to_those_it_lets_in() {
    two_threads(|| {
        let room = Arc::new((Bulkhead::new(0), Data::new()));
        let other = {
            let room = Arc::clone(&room);
            thread::spawn(move || {
                kick();
                if room.0.try_acquire().is_ok() {
                    assert_eq!(room.1.read(), 1);
                }
            })
        };
        room.1.write();
        kick();
        room.0.set_limit(1);
        other.join().unwrap();
    });
}

/// Hand-over: a drain that is seen happens-after the permits.
#[test]
fn a_drain_that_is_seen_is_over() {
    two_threads(|| {
        let room = Arc::new(Bulkhead::new(1));
        let data = Arc::new(Data::new());
        let permit = room.try_acquire_owned().unwrap();
        let worker = {
            let data = Arc::clone(&data);
            thread::spawn(permit.wrap(move || data.write()))
        };
        kick();
        if room.in_use() == 0 {
            assert_eq!(data.read(), 1);
        }
        worker.join().unwrap();
        assert_eq!(room.in_use(), 0);
    });
}
