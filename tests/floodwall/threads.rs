//! Stress tests for cases that the loom models do not cover: many threads that start and exit, on
//! processors where a compare-exchange can fail spuriously.
//!
//! No test waits for time to pass, and each assertion holds under every schedule. A bug shows only by
//! chance, so the tests make many calls.

use std::array;
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;

use floodwall::{AdmitOptions, Curve, Draw, Floodwall, Reason, Rejection, Rules, Share};

use crate::common::evenness::{
    assert_shed_threads, shed_of_concurrent_threads, shed_of_successive_threads,
};
use crate::common::exclusion::{assert_drains, assert_excludes};
use crate::common::threads::run_together;
use crate::draws::{shedding_wall, sheds};

floodwall::classes! { enum Kind { Message, Login, Batch } }

/// More threads than there are exclusive and shared thread slots.
const THREADS: usize = 48;
const VISITS: u32 = 100_000;

/// Admits each message, sheds half of the logins, and rejects each batch because its class is full.
const OPEN: Rules<Kind> = Rules::new(
    1_000,
    &[
        Kind::Message.rule(Share::at_most(1_000)),
        Kind::Login
            .rule(Share::at_most(1_000))
            .shed(Curve::ALWAYS.capped(0.5)),
        Kind::Batch.rule(Share::at_most(0)),
    ],
);

/// Numbers of requests that were admitted, shed, class full and pool full, per class.
type Answers = [[u64; 4]; 3];

/// Admits one request of each class, counts the answers, and releases the permits.
fn visit(wall: &Floodwall<Kind>, answers: &mut Answers) {
    for (kind, counts) in [Kind::Message, Kind::Login, Kind::Batch]
        .into_iter()
        .zip(answers)
    {
        let answer = match wall.admit(kind).map_err(|rejection| rejection.reason()) {
            Ok(_permit) => 0,
            Err(Reason::Shed { .. }) => 1,
            Err(Reason::ClassFull { .. }) => 2,
            Err(_) => 3,
        };
        counts[answer] += 1;
    }
}

fn add(sum: &mut Answers, answers: Answers) {
    for (sum, count) in sum
        .as_flattened_mut()
        .iter_mut()
        .zip(answers.as_flattened())
    {
        *sum += count;
    }
}

/// Returns the counters of an idle wall.
fn counters(wall: &Floodwall<Kind>) -> Answers {
    let snapshot = wall.snapshot();
    array::from_fn(|class| {
        let class = &snapshot.classes()[class];
        assert_eq!(class.in_use, 0);
        [
            class.admitted,
            class.shed,
            class.class_full,
            class.pool_full,
        ]
    })
}

#[test]
fn counters_are_exact_with_many_threads() {
    let wall = Floodwall::from_rules(OPEN);
    let mut sum = Answers::default();
    for answers in run_together(THREADS, VISITS, |_, answers| visit(&wall, answers)) {
        add(&mut sum, answers);
    }
    assert_eq!(counters(&wall), sum);
    let [[messages, ..], [logins, shed, ..], [.., batches, _]] = sum;
    assert!(messages >= u64::from(VISITS) * THREADS as u64);
    assert_eq!([logins + shed, batches], [messages; 2]);
}

/// Exclusive slots pass from threads that exit to threads that start, and there are fewer than threads.
#[test]
fn counters_are_exact_while_threads_start_and_exit() {
    const CONCURRENT: usize = 24;
    let wall = Floodwall::from_rules(OPEN);
    let mut sum = Answers::default();
    thread::scope(|scope| {
        let visit_often = || {
            let mut answers = Answers::default();
            for _ in 0..50 {
                visit(&wall, &mut answers);
            }
            answers
        };
        let mut threads = VecDeque::new();
        for _ in 0..6_000 {
            threads.push_back(scope.spawn(visit_often));
            if threads.len() == CONCURRENT {
                add(&mut sum, threads.pop_front().unwrap().join().unwrap());
            }
        }
        for thread in threads {
            add(&mut sum, thread.join().unwrap());
        }
    });
    assert_eq!(counters(&wall), sum);
    assert_eq!((sum[0][0], sum[2][2]), (300_000, 300_000));
}

/// Thread-local destructors run before or after the library's, which releases the thread's slot. Both
/// can admit requests, also on a thread that has admitted none before.
#[test]
fn counters_include_admissions_in_thread_local_destructors() {
    const ADMISSIONS: u64 = 500;
    static WALL: Floodwall<Kind> = Floodwall::from_rules(OPEN);
    static TOTAL: AtomicU64 = AtomicU64::new(0);

    /// Admits requests when it is dropped.
    struct AdmitOnDrop;
    impl Drop for AdmitOnDrop {
        fn drop(&mut self) {
            for _ in 0..ADMISSIONS {
                drop(WALL.admit(Kind::Message).unwrap());
            }
            TOTAL.fetch_add(ADMISSIONS, Ordering::Relaxed);
        }
    }

    thread_local! {
        // Named for when they are initialized, relative to the library's thread-local.
        static BEFORE: Cell<Option<AdmitOnDrop>> = const { Cell::new(None) };
        static AFTER: Cell<Option<AdmitOnDrop>> = const { Cell::new(None) };
    }

    let run = |thread: u64| {
        BEFORE.set(Some(AdmitOnDrop));
        if thread % 3 > 0 {
            drop(WALL.admit(Kind::Message).unwrap());
            TOTAL.fetch_add(1, Ordering::Relaxed);
        }
        if thread % 3 > 1 {
            AFTER.set(Some(AdmitOnDrop));
        }
    };
    for _ in 0..20 {
        let threads: Vec<_> = (0..30).map(|i| thread::spawn(move || run(i))).collect();
        for thread in threads {
            thread.join().unwrap();
        }
    }
    let total = TOTAL.load(Ordering::Relaxed);
    assert_eq!(total, 600 * ADMISSIONS + 400 + 200 * ADMISSIONS);
    assert_eq!(WALL.snapshot().classes()[0].admitted, total);
}

/// The assertions hold under each of the rules, so they hold during updates.
#[test]
fn limits_and_guarantees_hold_during_rule_updates() {
    const GUARANTEE: u32 = 2;
    // The capacity always covers the guarantee and the maximum of the other classes.
    let rules = |capacity, login: u32, batch: u32, curve| {
        let message = Kind::Message.rule(Share::exactly(GUARANTEE));
        let login = Kind::Login.rule(Share::at_most(login));
        let batch = Kind::Batch.rule(Share::at_most(batch));
        let rules = [
            message.shed(Curve::ALWAYS),
            login.shed(curve),
            batch.shed(curve),
        ];
        Rules::new(capacity, &rules)
    };
    // If login has a high cap, its curve sheds all of it. If the curve would shed batch, batch is full.
    let all_rules = [
        rules(5, 3, 1, Curve::NEVER),
        rules(6, 5, 0, Curve::ALWAYS),
        rules(5, 2, 1, Curve::NEVER),
    ];
    // One less than the classes may hold together.
    let (max, max_total) = ([GUARANTEE, 3, 1], 5);

    let wall = Floodwall::from_rules(all_rules[0]);
    let held: [AtomicU32; 3] = Default::default();
    let (total, visits) = (AtomicU32::new(0), AtomicU32::new(0));
    let visit = |kind: Kind| {
        let _permit = wall.admit(kind)?;
        let held = &held[kind as usize];
        let now = held.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(now <= max[kind as usize], "{now} of {kind:?}");
        let now = total.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(now <= max_total, "{now} in total");
        // Lets other threads find the wall full.
        if visits.fetch_add(1, Ordering::Relaxed) % 1024 == 0 {
            thread::yield_now();
        }
        total.fetch_sub(1, Ordering::Relaxed);
        held.fetch_sub(1, Ordering::Relaxed);
        Ok::<_, Rejection>(())
    };
    let updates = run_together(11, 400_000, |number, updates: &mut usize| match number {
        0 => {
            *updates += 1;
            wall.set_rules(all_rules[*updates % 3]);
        }
        1 | 2 => visit(Kind::Message).expect("it is guaranteed"),
        3..=6 => drop(visit(Kind::Login)),
        _ => {
            let rejection = visit(Kind::Batch).err();
            let reason = rejection.map(|rejection| rejection.reason().name());
            assert_ne!(reason, Some("shed"));
        }
    });
    let snapshot = wall.snapshot();
    assert!(snapshot.classes().iter().all(|class| class.in_use == 0));
    assert_eq!(wall.rules(), all_rules[updates[0] % 3]);
}

/// A step at 0.5 limits borrowing to half of the pool, even if an admission loses a race and retries.
#[test]
fn no_class_borrows_past_its_curve() {
    let rule = |kind: Kind| kind.rule(Share::at_most(8)).shed(Curve::step(0.5));
    let wall = Floodwall::new(8, &[Kind::Message, Kind::Login, Kind::Batch].map(rule));
    let held = AtomicU32::new(0);
    let admit = || {
        let permit = wall.admit(Kind::Login).ok()?;
        let now = held.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(now <= 4, "{now} of 8 are borrowed");
        Some(permit)
    };
    run_together(8, 1_000_000, |_, _: &mut ()| {
        for permit in [admit(), admit()].into_iter().flatten() {
            held.fetch_sub(1, Ordering::Relaxed);
            drop(permit);
        }
    });
    assert_eq!(wall.utilization(), 0.0);
}

/// Each retry uses the same sample, so a lost race does not change the answer.
#[test]
fn retried_admission_keeps_the_draw_of_its_caller() {
    let rule = |kind: Kind| {
        let share = Share::at_most(100);
        kind.rule(share).shed(Curve::ALWAYS.capped(0.5))
    };
    let wall = Floodwall::new(100, &[Kind::Message, Kind::Login, Kind::Batch].map(rule));
    let below = AdmitOptions::new().draw(Draw::from((1 << 31) - 1));
    let above = AdmitOptions::new().draw(Draw::from(1 << 31));
    run_together(4, 1_000_000, |_, _: &mut ()| {
        assert!(wall.admit_with(Kind::Login, above).is_ok());
        assert!(wall.admit_with(Kind::Login, below).is_err());
    });
}

#[test]
fn short_threads_are_shed_evenly_by_a_wall() {
    for probability in [0.1, 0.3, 0.5, 0.8] {
        let wall = shedding_wall();
        let decide = || sheds(&wall, crate::Kind::Login, probability);
        assert_shed_threads(shed_of_successive_threads(decide), probability);
        let wall = shedding_wall();
        let decide = || sheds(&wall, crate::Kind::Login, probability);
        assert_shed_threads(shed_of_concurrent_threads(decide), probability);
    }
}

fn single_permit_wall() -> Floodwall<Kind> {
    let rule = |kind: Kind| kind.rule(Share::at_most(1));
    Floodwall::new(1, &[Kind::Message, Kind::Login, Kind::Batch].map(rule))
}

#[test]
fn single_permit_of_a_wall_is_exclusive_across_classes() {
    let wall = single_permit_wall();
    assert_excludes(|thread| {
        let class = if thread % 2 == 0 {
            Kind::Message
        } else {
            Kind::Login
        };
        wall.admit(class).ok()
    });
}

#[test]
fn drained_wall_publishes_the_work_of_its_permits() {
    let wall = single_permit_wall();
    assert_drains(
        || wall.admit(Kind::Login).ok(),
        || wall.close(),
        || wall.open(),
        || wall.in_use(Kind::Login),
    );
}
