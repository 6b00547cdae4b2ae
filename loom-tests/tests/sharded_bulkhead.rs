//! Models of `ShardedBulkhead`. Each shard starts with one token.

mod common;

use std::mem::forget;
use std::sync::Arc;

use common::{Data, Signal, kick, three_threads, two_threads};
use floodwall::ShardedBulkhead;
use loom::thread;

type Bulkhead = ShardedBulkhead<2>;

/// One free permit, acquired from and released to different shards, excludes all other threads.
#[test]
fn single_permit_is_mutually_exclusive_across_shards() {
    three_threads(|| {
        let shared = Arc::new((Bulkhead::new(2), Data::new()));
        forget(shared.0.shard(0).try_acquire().unwrap());
        let write = |(bulkhead, data): &(Bulkhead, Data), shard| {
            kick();
            if let Ok(_permit) = bulkhead.shard(shard).try_acquire() {
                data.write();
            }
        };
        let others = [0, 1].map(|shard| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || write(&shared, shard))
        });
        write(&shared, 0);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(shared.0.in_use(), 1);
    });
}

/// Of three concurrent requests for two permits, exactly two succeed.
#[test]
fn permits_never_exceed_limit() {
    three_threads(|| {
        let bulkhead = Arc::new(Bulkhead::new(2));
        let acquire = |bulkhead: &Bulkhead, shard| {
            kick();
            u32::from(bulkhead.shard(shard).try_acquire().map(forget).is_ok())
        };
        let others = [0, 1].map(|shard| {
            let bulkhead = Arc::clone(&bulkhead);
            thread::spawn(move || acquire(&bulkhead, shard))
        });
        let own = acquire(&bulkhead, 1);
        let others = others.map(|other| other.join().unwrap());
        assert_eq!(own + others.iter().sum::<u32>(), 2);
        assert_eq!(bulkhead.in_use(), 2);
    });
}

/// One permit is always free, in either shard. A search that visits each shard once can miss it.
#[test]
fn free_permit_is_found_while_it_moves_between_shards() {
    two_threads(|| {
        let bulkhead: &'static Bulkhead = Box::leak(Box::new(Bulkhead::new(2)));
        let permit = bulkhead.shard(1).try_acquire().unwrap();
        let mover = thread::spawn(move || {
            kick();
            drop(permit);
            kick();
            forget(bulkhead.shard(0).try_acquire().unwrap());
        });
        kick();
        assert!(bulkhead.shard(1).try_acquire().is_ok());
        mover.join().unwrap();
    });
}

/// The free permit moves three times. A search that visits each shard twice can miss it.
#[test]
fn free_permit_is_found_however_often_it_moves() {
    two_threads(|| {
        let bulkhead: &'static Bulkhead = Box::leak(Box::new(Bulkhead::new(2)));
        let permit = bulkhead.shard(1).try_acquire().unwrap();
        let mover = thread::spawn(move || {
            let mut permit = permit;
            for shard in [0, 1, 0] {
                kick();
                drop(permit);
                kick();
                permit = bulkhead.shard(shard).try_acquire().unwrap();
            }
            forget(permit);
        });
        kick();
        assert!(bulkhead.shard(1).try_acquire().is_ok());
        mover.join().unwrap();
    });
}

/// A rejection reports a state no older than any release that happens-before the call.
#[test]
fn released_permit_is_free() {
    two_threads(|| {
        let shared = Arc::new((Bulkhead::new(2), Signal::new()));
        forget(shared.0.shard(0).try_acquire().unwrap());
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                kick();
                drop(shared.0.shard(0).try_acquire());
                shared.1.send();
            })
        };
        if shared.1.was_sent() {
            kick();
            assert!(shared.0.shard(1).try_acquire().is_ok());
        }
        other.join().unwrap();
    });
}

/// At least one permit is in use at every instant, and `in_use()` never returns less.
#[test]
fn in_use_counts_permits_that_move_between_shards() {
    two_threads(|| {
        let bulkhead: &'static Bulkhead = Box::leak(Box::new(Bulkhead::new(2)));
        let permit = bulkhead.shard(1).try_acquire().unwrap();
        let mover = thread::spawn(move || {
            kick();
            forget(bulkhead.shard(0).try_acquire().unwrap());
            kick();
            drop(permit);
        });
        kick();
        assert!(bulkhead.in_use() >= 1);
        mover.join().unwrap();
        assert_eq!(bulkhead.in_use(), 1);
    });
}

/// Work under a permit happens-before an `in_use()` that no longer counts the permit.
#[test]
fn observed_drain_happens_after_release() {
    two_threads(|| {
        let shared = Arc::new((Bulkhead::new(2), Data::new(), Signal::new()));
        let worker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                kick();
                let _permit = shared.0.shard(1).try_acquire().unwrap();
                shared.2.send();
                shared.1.write();
            })
        };
        kick();
        if shared.2.was_sent() && shared.0.in_use() == 0 {
            assert_eq!(shared.1.read(), 1);
        }
        worker.join().unwrap();
    });
}
