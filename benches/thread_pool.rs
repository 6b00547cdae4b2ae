//! What does it cost to send a permit with a job? Jobs of about 200 ns go through a channel to a pool
//! of two threads. The permit of each job, borrowed from a `static` or owned, is released there.
//!
//! The time is from the first job sent to the last job done, divided by the number of jobs.

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
/// Queued, running and sent jobs together stay below the capacity, so no job is rejected.
const QUEUE: usize = 64;
const NEVER_FULL: &str = "the queue is shorter than the capacity";

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn thread_pool(criterion: &mut Criterion) {
    let group = &mut criterion.benchmark_group("thread_pool");
    common::measure_in_long_samples(group);
    jobs(group, "no permit", || work);
    jobs(group, "floor", || {
        FLOOR.acquire();
        || {
            work();
            FLOOR.release();
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
        BULKHEAD.try_acquire().expect(NEVER_FULL).wrap(work)
    });
    jobs(group, "floodwall", || {
        WALL.admit(Kind::Message).expect(NEVER_FULL).wrap(work)
    });
}

fn owned(group: &mut Group<'_>) {
    let bulkhead = Arc::new(Bulkhead::new(CAPACITY));
    jobs(group, "bulkhead, owned", || {
        bulkhead.try_acquire_owned().expect(NEVER_FULL).wrap(work)
    });
    let wall = Arc::new(Floodwall::new(CAPACITY, &PLAIN));
    jobs(group, "floodwall, owned", || {
        wall.admit_owned(Kind::Message)
            .expect(NEVER_FULL)
            .wrap(work)
    });
}

fn owned_from_peers(group: &mut Group<'_>) {
    let capacity = CAPACITY as usize;
    let tokio = Arc::new(tokio::sync::Semaphore::new(capacity));
    jobs(group, "tokio, owned", || {
        work_holding(Arc::clone(&tokio).try_acquire_owned().expect(NEVER_FULL))
    });
    let async_lock = Arc::new(async_lock::Semaphore::new(capacity));
    jobs(group, "async-lock, owned", || {
        work_holding(async_lock.try_acquire_arc().expect(NEVER_FULL))
    });
    let asyncband = Arc::new(asyncband::semaphore::Semaphore::new(capacity));
    jobs(group, "asyncband, owned", || {
        work_holding(
            Arc::clone(&asyncband)
                .try_acquire_owned(1)
                .expect(NEVER_FULL),
        )
    });
    let throttle_net = Arc::new(throttle_net::Bulkhead::new(CAPACITY));
    jobs(group, "throttle-net, owned", || {
        work_holding(throttle_net.try_acquire_owned().expect(NEVER_FULL))
    });
}

fn work_holding<P: Send>(permit: P) -> impl FnOnce() + Send {
    move || {
        work();
        drop(permit);
    }
}

/// Measures jobs returned by `admit`. The channel stores them unboxed.
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
                    queue.send(admit()).expect("the pool is running");
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
