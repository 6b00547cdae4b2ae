//! A soak test: many more threads than processors perform all operations in random order.
//!
//! Threads acquire single permits, several at once, owned permits and permits for a call, with the
//! wall's own samples and with given ones. They send permits to one another, release them in any order
//! and panic while holding them. Rules change continually, and capacities drop to 0 and rise again. A
//! reference account of permits is kept beside the library, and no limit may ever be exceeded in it.
//! Every few seconds all threads end. Then no permit may be in use and all counters must match.
//!
//! ```text
//! cargo run --release -p floodwall-soak -- --seconds 1800
//! ```

mod counts;
mod fixture;
mod reference;
mod target;
mod worker;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;

use counts::Counts;
use fixture::Fixture;
use reference::violation;
use target::{ANSWERS, Answer};
use worker::{Channel, Worker};

/// Runs all operations on many threads and checks them against a reference account.
#[derive(Parser)]
struct Arguments {
    /// Duration of the run.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Number of concurrent threads.
    #[arg(long, default_value_t = 64)]
    threads: u32,
    /// Seed printed by an earlier run. Repeats its random numbers, but not its interleavings.
    #[arg(long)]
    seed: Option<u32>,
}

/// Time between two checks of the quiescent state.
const ROUND: Duration = Duration::from_secs(3);

fn main() {
    let Arguments {
        seconds,
        threads,
        seed,
    } = Arguments::parse();
    let seed = seed.unwrap_or_else(rand::random);
    println!("{threads} threads, seed {seed}");

    let fixture = Fixture::new();
    let mut counts = Counts::new(fixture.targets.len());
    let (start, length) = (Instant::now(), Duration::from_secs(seconds));
    let mut seeds = u64::from(seed) << u32::BITS..;
    while let Some(left) = length.checked_sub(start.elapsed()) {
        let seeds = seeds.by_ref().take(threads as usize).collect();
        counts.add(&run_round(&fixture, seeds, left.min(ROUND)));
        fixture.check_quiescent(&counts);
        let (now, operations) = (start.elapsed().as_secs_f64(), counts.operations());
        println!("{now:7.1} s: {operations} operations; all threads ended, no permit in use");
    }
    report(&fixture, &counts, start.elapsed());
}

/// Runs one thread per seed until all have ended.
fn run_round(fixture: &Fixture, seeds: Vec<u64>, length: Duration) -> Counts {
    let channel: Channel<'_> = crossbeam_channel::bounded(32);
    let stop = AtomicBool::new(false);
    let run = |seed| {
        let mut worker = Worker::new(fixture, &channel, seed);
        // ORDERING: Relaxed: publishes nothing; the threads are joined.
        while !stop.load(Ordering::Relaxed) {
            worker.step();
        }
        worker.finish()
    };
    let run = &run;
    thread::scope(|scope| {
        let spawn = |seed| scope.spawn(move || run(seed));
        let threads: Vec<_> = seeds.into_iter().map(spawn).collect();
        thread::sleep(length);
        // ORDERING: Relaxed: as above.
        stop.store(true, Ordering::Relaxed);
        let mut sum = Counts::new(fixture.targets.len());
        for thread in threads {
            match thread.join() {
                Ok(counts) => sum.add(&counts),
                Err(_) => violation("all", "a thread panicked", "see above"),
            }
        }
        sum
    })
}

fn report(fixture: &Fixture, counts: &Counts, length: Duration) {
    let row = |name: &str, cell: &dyn Fn(usize) -> String| {
        let cells = (0..ANSWERS.len()).map(|answer| format!("{:>14}", cell(answer)));
        println!("{name:22}{}", cells.collect::<String>());
    };
    println!();
    row("", &|answer| ANSWERS[answer].into());
    for (checked, answers) in fixture.targets.iter().zip(&counts.answers) {
        let of = |answer| answers.iter().map(|class| class[answer]).sum::<u64>();
        row(checked.reference.name(), &|answer| of(answer).to_string());
        // A wall that stays closed exceeds no limit either.
        let all = (0..ANSWERS.len()).map(of).sum::<u64>();
        let admitted = of(Answer::Admitted as usize);
        if 20 * admitted <= all {
            let name = checked.reference.name();
            violation(name, "requests admitted, of all", (admitted, all));
        }
    }
    row("all", &|answer| counts.answered(answer).to_string());
    let Counts {
        entered,
        released,
        updates,
        reads,
        panics,
        ..
    } = counts;
    println!(
        "{entered} gauge entries, {released} releases, {updates} rule updates, {reads} reads, {panics} panics"
    );
    let (operations, seconds) = (counts.operations(), length.as_secs_f64());
    let millions = operations as f64 / seconds / 1e6;
    println!(
        "{operations} operations in {seconds:.0} s, {millions:.2} million per second: no limit exceeded, no permit lost"
    );
}
