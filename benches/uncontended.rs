//! What does an uncontended permit cost? One thread acquires and releases it, for each subject. The
//! floor is two read-modify-writes of one counter.

mod common;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};

use common::peers::{self, Measure};

struct OneThread<'a>(BenchmarkGroup<'a, WallTime>);

impl Measure for OneThread<'_> {
    fn measure(&mut self, subject: &str, acquire_and_release: impl Fn() + Sync) {
        // A separate closure lets the compiler inline the call into the loop, whatever its size.
        #[allow(clippy::redundant_closure)]
        self.0
            .bench_function(subject, |b| b.iter(|| acquire_and_release()));
    }
}

fn uncontended(criterion: &mut Criterion) {
    peers::measure_each(&mut OneThread(criterion.benchmark_group("uncontended")));
}

criterion_group!(name = benches; config = common::criterion(); targets = uncontended);
criterion_main!(benches);
