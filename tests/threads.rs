//! What real threads can show and the models cannot: many of them, that come and go, on processors
//! where a compare-exchange may fail for no reason.
//!
//! Nothing here waits for time to pass. What must hold does so however the threads are scheduled; a
//! mistake shows with luck, so there is much of everything.

use std::array;
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use floodwall::{
    AdmitOptions, Bulkhead, Curve, Draw, Floodwall, Gauge, Reason, Rejection, Rules, Share,
};

floodwall::classes! { enum Kind { Message, Login, Batch } }

/// More than there are seats and stripes to count at, whatever else runs.
const THREADS: usize = 48;
const VISITS: u32 = 100_000;

/// Message is always admitted, login is shed by half, and batch is full; or all are closed out.
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

/// Runs `f` on so many threads, by number, again and again, until each has run it `times` times: so
/// all are at it together, however late some begin. Gives back what each has made of its state.
fn together<S: Default + Send>(
    threads: usize,
    times: u32,
    f: impl Fn(usize, &mut S) + Sync,
) -> Vec<S> {
    struct Unfinished<'a>(&'a AtomicUsize);
    impl Drop for Unfinished<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    let unfinished = AtomicUsize::new(threads);
    let run = |number| {
        let mut state = S::default();
        // Dropped by a panic too, so that the others do not wait for good.
        let mine = Unfinished(&unfinished);
        (0..times).for_each(|_| f(number, &mut state));
        drop(mine);
        while unfinished.load(Ordering::Relaxed) > 0 {
            f(number, &mut state);
        }
        state
    };
    let run = &run;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|number| scope.spawn(move || run(number)))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

/// What was answered: admitted, shed, class full, pool full; per class.
type Tally = [[u64; 4]; 3];

/// Admits once of each class, notes the answers, and gives back.
fn visit(wall: &Floodwall<Kind>, tally: &mut Tally) {
    for (kind, counts) in [Kind::Message, Kind::Login, Kind::Batch]
        .into_iter()
        .zip(tally)
    {
        let answer = match wall.admit(kind).map_err(|rejection| rejection.reason) {
            Ok(_permit) => 0,
            Err(Reason::Shed { .. }) => 1,
            Err(Reason::ClassFull { .. }) => 2,
            Err(_) => 3,
        };
        counts[answer] += 1;
    }
}

fn add(sum: &mut Tally, tally: Tally) {
    for (sum, count) in sum.as_flattened_mut().iter_mut().zip(tally.as_flattened()) {
        *sum += count;
    }
}

/// What the wall counted.
fn counted(wall: &Floodwall<Kind>) -> Tally {
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
fn counters_lose_nothing_among_many_threads() {
    let wall = Floodwall::from_rules(OPEN);
    let mut sum = Tally::default();
    for tally in together(THREADS, VISITS, |_, tally| visit(&wall, tally)) {
        add(&mut sum, tally);
    }
    assert_eq!(counted(&wall), sum);
    let [[messages, ..], [logins, shed, ..], [.., batches, _]] = sum;
    assert!(messages >= u64::from(VISITS) * THREADS as u64);
    assert_eq!([logins + shed, batches], [messages; 2]);
}

/// Seats pass from those that end to those that begin, and there are never enough.
#[test]
fn counters_lose_nothing_while_threads_come_and_go() {
    const AT_ONCE: usize = 24;
    let wall = Floodwall::from_rules(OPEN);
    let mut sum = Tally::default();
    thread::scope(|scope| {
        let visitor = || {
            let mut tally = Tally::default();
            for _ in 0..50 {
                visit(&wall, &mut tally);
            }
            tally
        };
        let mut visitors = VecDeque::new();
        for _ in 0..6_000 {
            visitors.push_back(scope.spawn(visitor));
            if visitors.len() == AT_ONCE {
                add(&mut sum, visitors.pop_front().unwrap().join().unwrap());
            }
        }
        for visitor in visitors {
            add(&mut sum, visitor.join().unwrap());
        }
    });
    assert_eq!(counted(&wall), sum);
    assert_eq!(sum.as_flattened().iter().sum::<u64>(), 900_000);
}

/// Destructors of a thread's own variables run before or after the library's, which gives up the
/// thread's seat: both may admit, and so may a thread that never did before.
#[test]
fn counters_lose_nothing_of_what_is_admitted_while_a_thread_ends() {
    const LATE_VISITS: u64 = 500;
    static WALL: Floodwall<Kind> = Floodwall::from_rules(OPEN);
    static IN_ALL: AtomicU64 = AtomicU64::new(0);

    /// Visits when it is dropped.
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            for _ in 0..LATE_VISITS {
                drop(WALL.admit(Kind::Message).unwrap());
            }
            IN_ALL.fetch_add(LATE_VISITS, Ordering::Relaxed);
        }
    }

    thread_local! {
        static BEFORE: Cell<Option<Late>> = const { Cell::new(None) };
        static AFTER: Cell<Option<Late>> = const { Cell::new(None) };
    }

    let end = |thread: u64| {
        BEFORE.set(Some(Late));
        if thread % 3 > 0 {
            drop(WALL.admit(Kind::Message).unwrap());
            IN_ALL.fetch_add(1, Ordering::Relaxed);
        }
        if thread % 3 > 1 {
            AFTER.set(Some(Late));
        }
    };
    for _ in 0..20 {
        let threads: Vec<_> = (0..30).map(|i| thread::spawn(move || end(i))).collect();
        for thread in threads {
            thread.join().unwrap();
        }
    }
    let in_all = IN_ALL.load(Ordering::Relaxed);
    assert_eq!(in_all, 600 * LATE_VISITS + 400 + 200 * LATE_VISITS);
    assert_eq!(WALL.snapshot().classes()[0].admitted, in_all);
}

/// Rules change all the time; what holds under all of them holds throughout.
#[test]
fn no_limit_is_exceeded_and_no_guarantee_refused_while_rules_change() {
    const GUARANTEE: u32 = 2;
    // The pool always has room for the guarantee and the most that the others ever hold.
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
    // Where login's cap is high, all of it is shed; where batch would be shed, it is full anyhow.
    let all_rules = [
        rules(6, 3, 1, Curve::NEVER),
        rules(7, 5, 0, Curve::ALWAYS),
        rules(8, 2, 1, Curve::NEVER),
    ];
    let (most, most_in_all) = ([GUARANTEE, 3, 1], 6);

    let wall = Floodwall::from_rules(all_rules[0]);
    let held: [AtomicU32; 3] = Default::default();
    let in_all = AtomicU32::new(0);
    let visit = |kind: Kind| {
        let _permit = wall.admit(kind)?;
        let held = &held[kind as usize];
        let now = held.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(now <= most[kind as usize], "{now} of {kind:?}");
        let now = in_all.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(now <= most_in_all, "{now} in all");
        in_all.fetch_sub(1, Ordering::Relaxed);
        held.fetch_sub(1, Ordering::Relaxed);
        Ok::<_, Rejection>(())
    };
    let changes = together(11, 400_000, |number, changes: &mut usize| match number {
        0 => {
            *changes += 1;
            wall.set_rules(all_rules[*changes % 3]);
        }
        1 | 2 => visit(Kind::Message).expect("its guarantee"),
        3..=6 => drop(visit(Kind::Login)),
        _ => {
            let rejection = visit(Kind::Batch).err();
            let reason = rejection.map(|rejection| rejection.reason.name());
            assert_ne!(reason, Some("shed"));
        }
    });
    let snapshot = wall.snapshot();
    assert!(snapshot.classes().iter().all(|class| class.in_use == 0));
    assert_eq!(wall.rules(), all_rules[changes[0] % 3]);
}

#[test]
fn a_bulkhead_is_never_overfull_while_its_limit_changes() {
    let room = Bulkhead::new(1);
    let held = AtomicU32::new(0);
    let changes = together(5, 6_000_000, |number, changes: &mut u32| {
        if number == 0 {
            *changes += 1;
            room.set_limit(*changes % 5);
        } else if let Ok(_permit) = room.try_acquire_many(1 + number as u32 / 3) {
            let permits = 1 + number as u32 / 3;
            let now = held.fetch_add(permits, Ordering::Relaxed) + permits;
            assert!(now <= 4, "{now} permits are out");
            held.fetch_sub(permits, Ordering::Relaxed);
        }
    });
    assert_eq!((room.in_use(), room.limit()), (0, changes[0] % 5));
}

#[test]
fn a_gauge_loses_nobody() {
    let gauge = Gauge::new(8);
    together(8, 3_000_000, |_, _: &mut ()| {
        let _active = gauge.enter();
        assert!((1..=8).contains(&gauge.active()));
    });
    assert_eq!(gauge.active(), 0);
    assert!((1..=8).contains(&gauge.peak()));
}

/// A step at a half lets the class borrow one half and no more, whoever lost which race.
#[test]
fn nobody_borrows_past_the_curve() {
    let rule = |kind: Kind| kind.rule(Share::at_most(8)).shed(Curve::step(0.5));
    let wall = Floodwall::new(8, &[Kind::Message, Kind::Login, Kind::Batch].map(rule));
    let held = AtomicU32::new(0);
    let take = || {
        let permit = wall.admit(Kind::Login).ok()?;
        let now = held.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(now <= 4, "{now} of 8 were borrowed");
        Some(permit)
    };
    together(8, 1_000_000, |_, _: &mut ()| {
        for permit in [take(), take()].into_iter().flatten() {
            held.fetch_sub(1, Ordering::Relaxed);
            drop(permit);
        }
    });
    assert_eq!(wall.utilization(), 0.0);
}

/// The same draw for every try: whoever would be shed is shed, whoever is in the way.
#[test]
fn an_admission_is_judged_by_one_draw_however_often_it_is_tried() {
    let rule = |kind: Kind| {
        let share = Share::at_most(100);
        kind.rule(share).shed(Curve::ALWAYS.capped(0.5))
    };
    let wall = Floodwall::new(100, &[Kind::Message, Kind::Login, Kind::Batch].map(rule));
    let below = AdmitOptions::new().draw(Draw::from((1 << 31) - 1));
    let above = AdmitOptions::new().draw(Draw::from(1 << 31));
    together(4, 1_000_000, |_, _: &mut ()| {
        assert!(wall.admit_with(Kind::Login, above).is_ok());
        assert!(wall.admit_with(Kind::Login, below).is_err());
    });
}
