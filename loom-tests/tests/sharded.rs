//! Models of `ShardedBulkhead`: one promise each, under every interleaving. A shard begins with one token here.

mod common;

use std::mem::forget;
use std::sync::Arc;

use common::{Data, Signal, kick, three_threads, two_threads};
use floodwall::ShardedBulkhead;
use loom::thread;

type Room = ShardedBulkhead<2>;

/// Hand-over, and exact: with one permit left, stolen here and given back there, no two are inside.
#[test]
fn one_permit_excludes() {
    three_threads(|| {
        let room = Arc::new((Room::new(2), Data::new()));
        forget(room.0.shard(0).try_acquire().unwrap());
        let enter = |room: Arc<(Room, Data)>, number| {
            kick();
            if let Ok(_permit) = room.0.shard(number).try_acquire() {
                room.1.write();
            }
        };
        let others = [0, 1].map(|number| {
            let room = Arc::clone(&room);
            thread::spawn(move || enter(room, number))
        });
        enter(Arc::clone(&room), 0);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(room.0.in_use(), 1);
    });
}

/// Exact: of three who ask for two permits, two get one.
#[test]
fn no_more_than_the_limit_are_out() {
    three_threads(|| {
        let room = Arc::new(Room::new(2));
        let take = |room: &Room, number| {
            kick();
            u32::from(room.shard(number).try_acquire().map(forget).is_ok())
        };
        let others = [0, 1].map(|number| {
            let room = Arc::clone(&room);
            thread::spawn(move || take(&room, number))
        });
        let mine = take(&room, 1);
        let others = others.map(|other| other.join().unwrap());
        assert_eq!(mine + others.iter().sum::<u32>(), 2);
        assert_eq!(room.in_use(), 2);
    });
}

/// Honest rejection: one permit is always free, if not always in the same shard. Who looks at each
/// shard once finds none.
#[test]
fn nobody_is_turned_away_while_a_permit_wanders() {
    two_threads(|| {
        let room: &'static Room = Box::leak(Box::new(Room::new(2)));
        let permit = room.shard(1).try_acquire().unwrap();
        let mover = thread::spawn(move || {
            kick();
            drop(permit);
            kick();
            forget(room.shard(0).try_acquire().unwrap());
        });
        kick();
        assert!(room.shard(1).try_acquire().is_ok());
        mover.join().unwrap();
    });
}

/// The same, where it wanders so often that whoever looks at each shard twice may find none.
#[test]
fn nobody_is_turned_away_however_often_a_permit_wanders() {
    two_threads(|| {
        let room: &'static Room = Box::leak(Box::new(Room::new(2)));
        let permit = room.shard(1).try_acquire().unwrap();
        let mover = thread::spawn(move || {
            let mut permit = permit;
            for from in [0, 1, 0] {
                kick();
                drop(permit);
                kick();
                permit = room.shard(from).try_acquire().unwrap();
            }
            forget(permit);
        });
        kick();
        assert!(room.shard(1).try_acquire().is_ok());
        mover.join().unwrap();
    });
}

/// Honest rejection: the state that turned somebody away is no older than what happens-before.
#[test]
fn a_permit_that_was_given_back_is_free() {
    two_threads(|| {
        let room = Arc::new((Room::new(2), Signal::new()));
        forget(room.0.shard(0).try_acquire().unwrap());
        let other = {
            let room = Arc::clone(&room);
            thread::spawn(move || {
                kick();
                drop(room.0.shard(0).try_acquire());
                room.1.send();
            })
        };
        if room.1.was_sent() {
            kick();
            assert!(room.0.shard(1).try_acquire().is_ok());
        }
        other.join().unwrap();
    });
}

/// One permit is always out, if not always the same: no less is counted.
#[test]
fn what_is_out_is_counted_while_permits_wander() {
    two_threads(|| {
        let room: &'static Room = Box::leak(Box::new(Room::new(2)));
        let permit = room.shard(1).try_acquire().unwrap();
        let mover = thread::spawn(move || {
            kick();
            forget(room.shard(0).try_acquire().unwrap());
            kick();
            drop(permit);
        });
        kick();
        assert!((1..=2).contains(&room.in_use()));
        mover.join().unwrap();
        assert_eq!(room.in_use(), 1);
    });
}

/// Hand-over: whoever sees the count go down sees what was done while it was up.
#[test]
fn a_drain_that_is_seen_is_over() {
    two_threads(|| {
        let room = Arc::new((Room::new(2), Data::new(), Signal::new()));
        let worker = {
            let room = Arc::clone(&room);
            thread::spawn(move || {
                kick();
                let _permit = room.0.shard(1).try_acquire().unwrap();
                room.2.send();
                room.1.write();
            })
        };
        kick();
        if room.2.was_sent() && room.0.in_use() == 0 {
            assert_eq!(room.1.read(), 1);
        }
        worker.join().unwrap();
    });
}
