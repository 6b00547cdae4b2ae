//! What does it cost to send a permit along with a job? Jobs of a fifth of a microsecond go through
//! a channel to a pool of two threads, and the permit that each was admitted with goes along, borrowed
//! from a `static` or owned, and is given back there.
//!
//! The time is that of so many jobs, from the first that is sent to the last that is done, divided by
//! how many they were.

mod common;

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use floodwall::{Bulkhead, Floodwall};

use common::walls::{Kind, PLAIN};
use common::work::{MICROSECOND, hash};
use common::{CAPACITY, FLOOR};

const WORKERS: usize = 2;
/// With what the workers are at, and what is being sent, less than the capacity: nobody is rejected.
const QUEUE: usize = 64;
const ROOM: &str = "the queue is shorter than the capacity";

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn thread_pool(criterion: &mut Criterion) {
    let group = &mut criterion.benchmark_group("thread_pool");
    common::measure_in_long_samples(group);
    jobs(group, "no permit", || work);
    jobs(group, "floor", || {
        FLOOR.take();
        || {
            work();
            FLOOR.give_back();
        }
    });
    borrowed(group);
    owned(group);
    owned_from_peers(group);
}

fn work() {
    hash(MICROSECOND / 5);
}

fn borrowed(group: &mut Group<'_>) {
    static BULKHEAD: Bulkhead = Bulkhead::new(CAPACITY);
    static WALL: Floodwall<Kind> = Floodwall::new(CAPACITY, &PLAIN);
    jobs(group, "bulkhead", || {
        BULKHEAD.try_acquire().expect(ROOM).wrap(work)
    });
    jobs(group, "floodwall", || {
        WALL.admit(Kind::Message).expect(ROOM).wrap(work)
    });
}

fn owned(group: &mut Group<'_>) {
    let bulkhead = Arc::new(Bulkhead::new(CAPACITY));
    jobs(group, "bulkhead, owned", || {
        bulkhead.try_acquire_owned().expect(ROOM).wrap(work)
    });
    let wall = Arc::new(Floodwall::new(CAPACITY, &PLAIN));
    jobs(group, "floodwall, owned", || {
        wall.admit_owned(Kind::Message).expect(ROOM).wrap(work)
    });
}

fn owned_from_peers(group: &mut Group<'_>) {
    let capacity = CAPACITY as usize;
    let tokio = Arc::new(tokio::sync::Semaphore::new(capacity));
    jobs(group, "tokio, owned", || {
        work_under(Arc::clone(&tokio).try_acquire_owned().expect(ROOM))
    });
    let async_lock = Arc::new(async_lock::Semaphore::new(capacity));
    jobs(group, "async-lock, owned", || {
        work_under(async_lock.try_acquire_arc().expect(ROOM))
    });
    let asyncband = Arc::new(asyncband::semaphore::Semaphore::new(capacity));
    jobs(group, "asyncband, owned", || {
        work_under(Arc::clone(&asyncband).try_acquire_owned(1).expect(ROOM))
    });
    let throttle_net = Arc::new(throttle_net::Bulkhead::new(CAPACITY));
    jobs(group, "throttle-net, owned", || {
        work_under(throttle_net.try_acquire_owned().expect(ROOM))
    });
}

fn work_under<P: Send>(permit: P) -> impl FnOnce() + Send {
    move || {
        work();
        drop(permit);
    }
}

/// Measures jobs from whoever admits them. The channel holds them as they are: none is boxed.
fn jobs<J: FnOnce() + Send>(group: &mut Group<'_>, subject: &str, admit: impl Fn() -> J) {
    group.bench_function(subject, |b| {
        b.iter_custom(|jobs| {
            let (queue, pool) = crossbeam_channel::bounded::<J>(QUEUE);
            // The scope ends when the last job is done.
            let start = thread::scope(|scope| {
                for _ in 0..WORKERS {
                    let pool = pool.clone();
                    scope.spawn(move || pool.iter().for_each(|job| job()));
                }
                let start = Instant::now();
                for _ in 0..jobs {
                    queue.send(admit()).expect("the pool lives");
                }
                drop(queue);
                start
            });
            start.elapsed()
        });
    });
}

criterion_group!(name = benches; config = common::criterion(); targets = thread_pool);
criterion_main!(benches);
