//! `ShardedBulkhead`: its count is exact, and no permit is lost, on any shard.
#![cfg(feature = "std")]

mod common;

use std::mem::forget;
use std::panic::AssertUnwindSafe;

use floodwall::{Permit, ShardedBulkhead};
use proptest::prelude::*;

use common::panic_message;

const LIMIT: u32 = 100;
type EightShards = ShardedBulkhead<8>;

fn acquire_all(bulkhead: &EightShards, shard: usize) -> Vec<Permit<'_>> {
    std::iter::from_fn(|| bulkhead.shard(shard).try_acquire().ok()).collect()
}

#[test]
fn every_permit_is_available_from_every_shard() {
    for limit in (0..20).chain([63, 64, 65, LIMIT]) {
        let bulkhead = EightShards::new(limit);
        for shard in (0..20).chain([usize::MAX]) {
            let all = acquire_all(&bulkhead, shard);
            assert_eq!((all.len() as u32, bulkhead.in_use()), (limit, limit));
            for other in 0..8 {
                let full = bulkhead.shard(other).try_acquire().unwrap_err();
                assert_eq!((full.requested, full.in_use, full.limit), (1, limit, limit));
            }
        }
        assert_eq!((bulkhead.in_use(), bulkhead.limit()), (0, limit));
    }
}

#[test]
fn single_shard_accepts_any_index() {
    let bulkhead = ShardedBulkhead::<1>::new(LIMIT);
    forget(bulkhead.shard(7).try_acquire());
    assert_eq!(bulkhead.in_use(), 1);
}

#[test]
fn full_sharded_bulkhead_reports_limit_and_usage() {
    let bulkhead = EightShards::new(1);
    let permit = bulkhead.try_acquire().unwrap();
    let full = bulkhead.call(|| unreachable!("it is full")).unwrap_err();
    assert_eq!(full.to_string(), "full: 1 of 1 permits in use");
    drop(permit);
    assert_eq!(bulkhead.call(|| bulkhead.in_use()), Ok(1));
}

#[test]
fn panicking_call_releases_its_sharded_permit() {
    let bulkhead = EightShards::new(LIMIT);
    let call = || bulkhead.call(|| panic!("the handler failed"));
    assert_eq!(panic_message(AssertUnwindSafe(call)), "the handler failed");
    assert_eq!(bulkhead.in_use(), 0);
}

#[test]
fn sharded_bulkhead_debug_output_has_limit_and_usage() {
    let bulkhead = EightShards::new(LIMIT);
    let _permit = bulkhead.shard(2).try_acquire();
    let text = "ShardedBulkhead { limit: 100, in_use: 1 }";
    assert_eq!(format!("{bulkhead:?}"), text);
    assert_eq!(format!("{:?}", bulkhead.shard(10)), "Shard { home: 2, .. }");
}

#[derive(Clone, Copy, Debug)]
enum Call {
    /// Acquires a permit from this shard.
    Acquire(usize),
    /// Releases the held permit with this index, modulo their number.
    Release(usize),
}

fn any_call() -> impl Strategy<Value = Call> {
    prop_oneof![
        (0_usize..16).prop_map(Call::Acquire),
        (0_usize..16).prop_map(Call::Release),
    ]
}

proptest! {
    #[test]
    fn sharded_bulkhead_matches_a_counter(
        limit in 0_u32..80,
        calls in prop::collection::vec(any_call(), 0..400),
    ) {
        let bulkhead = EightShards::new(limit);
        let mut held = Vec::new();
        for call in calls {
            match call {
                Call::Acquire(shard) => {
                    let fits = (held.len() as u32) < limit;
                    let answer = bulkhead.shard(shard).try_acquire();
                    prop_assert_eq!(answer.is_ok(), fits);
                    held.extend(answer);
                }
                Call::Release(index) => {
                    if !held.is_empty() {
                        drop(held.swap_remove(index % held.len()));
                    }
                }
            }
            prop_assert_eq!(bulkhead.in_use(), held.len() as u32);
        }
    }
}

mod threads {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use floodwall::{Permit, ShardedBulkhead};

    use super::EightShards;
    use crate::common::exclusion::{assert_excludes, assert_guard_publishes};

    const THREADS: u32 = 16;
    const ROUNDS: u32 = 20_000;

    #[test]
    fn last_permit_is_exclusive_across_shards() {
        let bulkhead = ShardedBulkhead::<2>::new(16);
        let _others = [(); 15].map(|()| bulkhead.try_acquire().unwrap());
        assert_excludes(|thread| bulkhead.shard(thread as usize).try_acquire().ok());
    }

    #[test]
    fn drained_shards_publish_the_work_of_their_permits() {
        let bulkhead = ShardedBulkhead::<2>::new(16);
        assert_guard_publishes(|| bulkhead.try_acquire().unwrap(), || bulkhead.in_use());
    }

    /// Each thread holds at most one permit, so one is always free, in some shard.
    #[test]
    fn no_acquire_fails_with_one_permit_per_thread() {
        let bulkhead = EightShards::new(THREADS);
        thread::scope(|scope| {
            for number in 0..THREADS as usize {
                let bulkhead = &bulkhead;
                scope.spawn(move || {
                    for round in 0..ROUNDS as usize {
                        let _permit = bulkhead.shard(number + round).try_acquire().unwrap();
                    }
                });
            }
        });
        assert_eq!(bulkhead.in_use(), 0);
    }

    #[test]
    fn sharded_limit_holds_and_all_permits_are_released() {
        const AVAILABLE: u32 = 10;
        let bulkhead = EightShards::new(THREADS);
        let _held: Vec<_> = (AVAILABLE..THREADS)
            .map(|_| bulkhead.try_acquire().unwrap())
            .collect();
        let active = &AtomicU32::new(0);
        thread::scope(|scope| {
            let (sender, receiver) = crossbeam_channel::bounded::<Permit<'_>>(2);
            for number in 0..THREADS as usize {
                let (bulkhead, sender, receiver) = (&bulkhead, sender.clone(), receiver.clone());
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let Ok(permit) = bulkhead.shard(number).try_acquire() else {
                            thread::yield_now();
                            continue;
                        };
                        assert!(active.fetch_add(1, Ordering::Relaxed) < AVAILABLE);
                        if round % 64 == 0 {
                            thread::yield_now();
                        }
                        let in_use = bulkhead.in_use();
                        assert!(in_use > THREADS - AVAILABLE, "{in_use}");
                        active.fetch_sub(1, Ordering::Relaxed);
                        // Other threads release some of the permits.
                        match round % 4 {
                            0 => drop(sender.try_send(permit)),
                            1 => drop((permit, receiver.try_recv())),
                            _ => drop(permit),
                        }
                    }
                });
            }
            drop((sender, receiver));
        });
        assert_eq!(bulkhead.in_use(), THREADS - AVAILABLE);
    }
}
