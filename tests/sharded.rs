//! `ShardedBulkhead`: exact, honest and nothing lost, wherever permits come from and go to.
#![cfg(feature = "std")]

use std::mem::forget;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use floodwall::{Permit, ShardedBulkhead};
use proptest::prelude::*;

const LIMIT: u32 = 100;
type Room = ShardedBulkhead<8>;

fn take_all(room: &Room, shard: usize) -> Vec<Permit<'_>> {
    std::iter::from_fn(|| room.shard(shard).try_acquire().ok()).collect()
}

#[test]
fn all_permits_are_to_be_had_from_any_shard() {
    for limit in (0..20).chain([63, 64, 65, LIMIT]) {
        let room = Room::new(limit);
        for shard in (0..20).chain([usize::MAX]) {
            let all = take_all(&room, shard);
            assert_eq!((all.len() as u32, room.in_use()), (limit, limit));
            for other in 0..8 {
                let full = room.shard(other).try_acquire().unwrap_err();
                assert_eq!((full.requested, full.in_use, full.limit), (1, limit, limit));
            }
        }
        assert_eq!((room.in_use(), room.limit()), (0, limit));
    }
}

#[test]
fn one_shard_is_enough() {
    let room = ShardedBulkhead::<1>::new(LIMIT);
    forget(room.shard(7).try_acquire());
    assert_eq!(room.in_use(), 1);
}

#[test]
fn whoever_is_turned_away_is_told_why() {
    let room = Room::new(1);
    let permit = room.try_acquire().unwrap();
    let full = room.call(|| unreachable!("it is full")).unwrap_err();
    assert_eq!(full.to_string(), "full: 1 of 1 permits in use");
    drop(permit);
    assert_eq!(room.call(|| room.in_use()), Ok(1));
}

#[test]
fn a_call_that_panics_gives_back() {
    let room = Room::new(LIMIT);
    let panics = || room.call(|| panic!("as it should"));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
    assert_eq!(room.in_use(), 0);
}

#[test]
fn it_shows_what_it_is() {
    let room = Room::new(LIMIT);
    let _permit = room.shard(2).try_acquire();
    assert_eq!(
        format!("{room:?}"),
        "ShardedBulkhead { limit: 100, in_use: 1 }"
    );
    assert_eq!(format!("{:?}", room.shard(10)), "Shard { home: 2, .. }");
}

proptest! {
    /// One after another, it is a counter: whoever asks which shard, and whatever goes where.
    #[test]
    fn it_counts_like_its_oracle(
        limit in 0_u32..80,
        calls in prop::collection::vec((any::<bool>(), 0_usize..16), 0..400),
    ) {
        let room = Room::new(limit);
        let mut out = Vec::new();
        for (takes, number) in calls {
            if takes {
                let fits = (out.len() as u32) < limit;
                let answer = room.shard(number).try_acquire();
                prop_assert_eq!(answer.is_ok(), fits);
                out.extend(answer);
            } else if !out.is_empty() {
                drop(out.swap_remove(number % out.len()));
            }
            prop_assert_eq!(room.in_use(), out.len() as u32);
        }
    }
}

const THREADS: u32 = 16;
const ROUNDS: u32 = 20_000;

/// Each holds one at most, so one is always free: somewhere.
#[test]
fn nobody_is_turned_away_where_there_is_one_for_each() {
    let room = Room::new(THREADS);
    thread::scope(|scope| {
        for number in 0..THREADS as usize {
            let room = &room;
            scope.spawn(move || {
                for round in 0..ROUNDS as usize {
                    let _permit = room.shard(number + round).try_acquire().unwrap();
                }
            });
        }
    });
    assert_eq!(room.in_use(), 0);
}

#[test]
fn no_more_than_the_limit_are_out_and_all_come_back() {
    const SOME: u32 = 10;
    let room = Room::new(THREADS);
    let _held: Vec<_> = (SOME..THREADS)
        .map(|_| room.try_acquire().unwrap())
        .collect();
    let (inside, taken, turned_away) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        let (give, given) = crossbeam_channel::bounded::<Permit<'_>>(2);
        for number in 0..THREADS as usize {
            let (room, give, given) = (&room, give.clone(), given.clone());
            let (inside, taken, turned_away) = (&inside, &taken, &turned_away);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let Ok(permit) = room.shard(number).try_acquire() else {
                        turned_away.fetch_add(1, Ordering::Relaxed);
                        thread::yield_now();
                        continue;
                    };
                    taken.fetch_add(1, Ordering::Relaxed);
                    assert!(inside.fetch_add(1, Ordering::Relaxed) < SOME);
                    if round % 64 == 0 {
                        thread::yield_now();
                    }
                    let in_use = room.in_use();
                    assert!((1..=THREADS).contains(&in_use), "{in_use}");
                    inside.fetch_sub(1, Ordering::Relaxed);
                    // Some are given back by others.
                    match round % 4 {
                        0 => drop(give.try_send(permit)),
                        1 => drop((permit, given.try_recv())),
                        _ => drop(permit),
                    }
                }
            });
        }
        drop((give, given));
    });
    assert_eq!(room.in_use(), THREADS - SOME);
    let asked = taken.into_inner() + turned_away.into_inner();
    assert_eq!(asked, THREADS * ROUNDS);
}
