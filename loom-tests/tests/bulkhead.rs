//! Models of `Bulkhead`.

mod common;

use std::mem::forget;
use std::sync::Arc;

use common::{Data, Signal, kick, three_threads, two_threads};
use floodwall::Bulkhead;
use loom::thread;

/// Work under a permit happens-before the acquire that reuses the permit.
#[test]
fn single_permit_is_mutually_exclusive() {
    three_threads(|| {
        let shared = Arc::new((Bulkhead::new(1), Data::new()));
        let write = |(bulkhead, data): &(Bulkhead, Data)| {
            kick();
            if let Ok(_permit) = bulkhead.try_acquire() {
                data.write();
            }
        };
        let others = [0, 1].map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || write(&shared))
        });
        write(&shared);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(shared.0.in_use(), 0);
    });
}

/// Permits in use never exceed the limit, and a call acquires all of its permits or none.
#[test]
fn permits_never_exceed_limit() {
    three_threads(|| {
        let bulkhead = Arc::new(Bulkhead::new(3));
        let acquire = |bulkhead: &Bulkhead, permits| {
            kick();
            let acquired = bulkhead.try_acquire_many(permits).map(forget).is_ok();
            if acquired { permits } else { 0 }
        };
        let others = [1, 2].map(|permits| {
            let bulkhead = Arc::clone(&bulkhead);
            thread::spawn(move || acquire(&bulkhead, permits))
        });
        let own = acquire(&bulkhead, 2);
        let others = others.map(|other| other.join().unwrap());
        let acquired = own + others.iter().sum::<u32>();
        assert_eq!(bulkhead.in_use(), acquired);
        // Of the requests for 1, 2 and 2 permits, the 1 and one 2 succeed in every order.
        assert_eq!(acquired, 3);
    });
}

/// Parts of a permit are released on two threads: each permit exactly once, and none is in use twice.
#[test]
fn parts_of_a_permit_are_released_exactly_once() {
    two_threads(|| {
        let bulkhead = Arc::new(Bulkhead::new(3));
        let mut rest = bulkhead.try_acquire_many_owned(3).unwrap();
        let part = rest.split(1).unwrap();
        let other = {
            let bulkhead = Arc::clone(&bulkhead);
            thread::spawn(move || {
                kick();
                drop(part);
                kick();
                bulkhead.try_acquire_many(1).map(forget).is_ok()
            })
        };
        let second = rest.split(1).unwrap();
        let whole = rest.merge(second).unwrap();
        kick();
        drop(whole);
        kick();
        assert!(bulkhead.try_acquire_many(2).map(forget).is_ok());
        assert!(other.join().unwrap());
        assert_eq!(bulkhead.in_use(), 3);
    });
}

/// A concurrent failed acquire never causes a rejection.
#[test]
fn failed_acquire_does_not_reject_others() {
    three_threads(|| {
        let bulkhead = Arc::new(Bulkhead::new(2));
        forget(bulkhead.try_acquire().unwrap());
        let failing = {
            let bulkhead = Arc::clone(&bulkhead);
            thread::spawn(move || {
                kick();
                assert!(bulkhead.try_acquire_many(2).is_err());
            })
        };
        kick();
        assert!(bulkhead.try_acquire().is_ok());
        failing.join().unwrap();
    });
}

/// A rejection reports a state no older than any release that happens-before the call.
#[test]
fn released_permit_is_free() {
    two_threads(|| {
        let shared = Arc::new((Bulkhead::new(1), Signal::new()));
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                kick();
                drop(shared.0.try_acquire());
                shared.1.send();
            })
        };
        if shared.1.was_sent() {
            kick();
            assert!(shared.0.try_acquire().is_ok());
        }
        other.join().unwrap();
    });
}

/// After a lower limit is set, no acquire exceeds it.
#[test]
fn lowered_limit_holds_once_set() {
    two_threads(|| {
        let bulkhead = Arc::new(Bulkhead::new(2));
        let other = {
            let bulkhead = Arc::clone(&bulkhead);
            thread::spawn(move || {
                for _ in 0..2 {
                    kick();
                    if let Ok(permit) = bulkhead.try_acquire() {
                        forget(permit);
                    }
                }
            })
        };
        kick();
        bulkhead.set_limit(1);
        let in_use_when_set = bulkhead.in_use();
        other.join().unwrap();
        assert!(bulkhead.in_use() <= in_use_when_set.max(1));
        assert_eq!(bulkhead.limit(), 1);
    });
}

/// A limit change revokes no permit, and each permit is still released exactly once.
#[test]
fn limit_changes_neither_create_nor_lose_permits() {
    two_threads(|| {
        let bulkhead = Arc::new(Bulkhead::new(1));
        let other = {
            let bulkhead = Arc::clone(&bulkhead);
            thread::spawn(move || {
                kick();
                drop(bulkhead.try_acquire_many(1));
                kick();
                drop(bulkhead.try_acquire_many(2));
            })
        };
        kick();
        bulkhead.set_limit(0);
        kick();
        bulkhead.set_limit(2);
        other.join().unwrap();
        assert_eq!((bulkhead.in_use(), bulkhead.limit()), (0, 2));
    });
}

/// Writes before a `set_limit` are visible to the acquires that it allows.
#[test]
fn raising_limit_happens_before_acquire_it_allows() {
    two_threads(|| {
        let shared = Arc::new((Bulkhead::new(0), Data::new()));
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                kick();
                if shared.0.try_acquire().is_ok() {
                    assert_eq!(shared.1.read(), 1);
                }
            })
        };
        shared.1.write();
        kick();
        shared.0.set_limit(1);
        other.join().unwrap();
    });
}

/// Work under a permit happens-before an `in_use()` that no longer counts the permit.
#[test]
fn observed_drain_happens_after_release() {
    two_threads(|| {
        let bulkhead = Arc::new(Bulkhead::new(1));
        let data = Arc::new(Data::new());
        let permit = bulkhead.try_acquire_owned().unwrap();
        let worker = {
            let data = Arc::clone(&data);
            thread::spawn(permit.wrap(move || data.write()))
        };
        kick();
        if bulkhead.in_use() == 0 {
            assert_eq!(data.read(), 1);
        }
        worker.join().unwrap();
        assert_eq!(bulkhead.in_use(), 0);
    });
}
