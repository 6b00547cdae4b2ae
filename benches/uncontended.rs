//! What does a permit cost where nobody else is in the way? One thread takes it and gives it back,
//! with each who hands them out, beside the floor: two read-modify-writes, below which none can go.

mod common;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};

use common::peers::{self, Measure};

struct OneThread<'a>(BenchmarkGroup<'a, WallTime>);

impl Measure for OneThread<'_> {
    fn measure(&mut self, subject: &str, take_and_give_back: impl Fn() + Sync) {
        // A closure of its own, so that the compiler makes it part of the loop, however long it is.
        #[allow(clippy::redundant_closure)]
        self.0
            .bench_function(subject, |b| b.iter(|| take_and_give_back()));
    }
}

fn uncontended(criterion: &mut Criterion) {
    peers::each(&mut OneThread(criterion.benchmark_group("uncontended")));
}

criterion_group!(name = benches; config = common::criterion(); targets = uncontended);
criterion_main!(benches);
