//! What does a contended permit cost? All threads acquire and release on one limit, back to back.
//!
//! The time is per acquire and release on one thread. Each thread measures from the common barrier to
//! the end of its own calls, and keeps calling until every thread has measured. The mean over the
//! threads is reported. If threads outnumber cores, the time includes waiting for a core.

mod common;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};

use common::peers::{self, Measure};
use common::threads::{self, concurrently, cores};

const THREADS: [usize; 4] = [1, 2, 4, 8];

struct Threads<'a>(BenchmarkGroup<'a, WallTime>);

impl Measure for Threads<'_> {
    fn measure(&mut self, subject: &str, acquire_and_release: impl Fn() + Sync) {
        for threads in THREADS {
            let id = BenchmarkId::new(subject, threads::name(threads));
            self.0.bench_function(id, |b| {
                b.iter_custom(|calls| concurrently(threads, calls, &acquire_and_release));
            });
        }
    }
}

fn contended(criterion: &mut Criterion) {
    let cores = cores();
    if THREADS.iter().any(|&threads| threads > cores) {
        println!("{cores} cores: with more threads, times include waiting for a core.");
    }
    let mut group = criterion.benchmark_group("contended");
    common::measure_in_long_samples(&mut group);
    peers::measure_each(&mut Threads(group));
}

criterion_group!(name = benches; config = common::criterion(); targets = contended);
criterion_main!(benches);
