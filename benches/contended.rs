//! What does a permit cost where threads fight for it? So many threads take one and give it back, on
//! one limit, as fast as they can.
//!
//! The time is what one thread sees per take and give-back: each thread measures its own, from the
//! barrier at which all begin to the last of so many, and goes on until all have; the mean over the
//! threads is reported. Where threads outnumber the cores, that includes waiting for one's turn on
//! a core.

mod common;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};

use common::peers::{self, Measure};
use common::threads::{self, cores, together};

const THREADS: [usize; 4] = [1, 2, 4, 8];

struct Threads<'a>(BenchmarkGroup<'a, WallTime>);

impl Measure for Threads<'_> {
    fn measure(&mut self, subject: &str, take_and_give_back: impl Fn() + Sync) {
        for threads in THREADS {
            let id = BenchmarkId::new(subject, threads::name(threads));
            self.0.bench_function(id, |b| {
                b.iter_custom(|calls| together(threads, calls, &take_and_give_back));
            });
        }
    }
}

fn contended(criterion: &mut Criterion) {
    let cores = cores();
    if THREADS.iter().any(|&threads| threads > cores) {
        println!("Here are {cores} cores: more threads take turns on them, and see that too.");
    }
    let mut group = criterion.benchmark_group("contended");
    common::measure_in_long_samples(&mut group);
    peers::each(&mut Threads(group));
}

criterion_group!(name = benches; config = common::criterion(); targets = contended);
criterion_main!(benches);
