//! Soaks the library: many more threads than processors do all there is to do, in random order.
//!
//! They take one permit, several, owned ones and for a call, by draws of the wall's and of their own;
//! send them to each other, give them back in any order, and panic; rules change all the time, and
//! capacities go to 0 and back. Beside it an account of its own is kept. All the time, nothing may be
//! exceeded; every few seconds all threads end, and nothing may be in use, or miscounted.
//!
//! ```text
//! cargo run --release --example soak -- --seconds 1800
//! ```

mod shadow;
mod site;
mod tally;
mod worker;
mod world;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;

use shadow::violation;
use site::ANSWERS;
use tally::Tally;
use worker::{Post, Worker};
use world::World;

/// Many threads at all that there is, beside an account that nothing may contradict.
#[derive(Parser)]
struct Arguments {
    /// For how long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many threads at once.
    #[arg(long, default_value_t = 64)]
    threads: u32,
    /// The same dice as in the run that printed this number. How threads interleave is not repeated.
    #[arg(long)]
    seed: Option<u32>,
}

/// From one rest to the next.
const ROUND: Duration = Duration::from_secs(3);

fn main() {
    let Arguments {
        seconds,
        threads,
        seed,
    } = Arguments::parse();
    let seed = seed.unwrap_or_else(rand::random);
    println!("{threads} threads; the seed is {seed}");

    let world = World::new();
    let mut tally = Tally::new(world.sites.len());
    let (start, length) = (Instant::now(), Duration::from_secs(seconds));
    let mut seeds = u64::from(seed) << u32::BITS..;
    while let Some(left) = length.checked_sub(start.elapsed()) {
        let seeds = seeds.by_ref().take(threads as usize).collect();
        tally.add(&round(&world, seeds, left.min(ROUND)));
        world.rest(&tally);
        let (now, operations) = (start.elapsed().as_secs_f64(), tally.operations());
        println!("{now:7.1} s: {operations} operations; at rest, nothing is in use");
    }
    report(&world, &tally, start.elapsed());
}

/// A thread for each seed, until all rest.
fn round(world: &World, seeds: Vec<u64>, length: Duration) -> Tally {
    let post: Post<'_> = crossbeam_channel::bounded(32);
    let stop = AtomicBool::new(false);
    let run = |seed| {
        let mut worker = Worker::new(world, &post, seed);
        while !stop.load(Ordering::Relaxed) {
            worker.act();
        }
        worker.finish()
    };
    let run = &run;
    thread::scope(|scope| {
        let spawn = |seed| scope.spawn(move || run(seed));
        let threads: Vec<_> = seeds.into_iter().map(spawn).collect();
        thread::sleep(length);
        stop.store(true, Ordering::Relaxed);
        let mut sum = Tally::new(world.sites.len());
        for thread in threads {
            match thread.join() {
                Ok(tally) => sum.add(&tally),
                Err(_) => violation("all", "a thread panicked", "see above"),
            }
        }
        sum
    })
}

fn report(world: &World, tally: &Tally, length: Duration) {
    let row = |name: &str, cell: &dyn Fn(usize) -> String| {
        let cells = (0..ANSWERS.len()).map(|answer| format!("{:>14}", cell(answer)));
        println!("{name:18}{}", cells.collect::<String>());
    };
    println!();
    row("", &|answer| ANSWERS[answer].into());
    for (site, counts) in world.sites.iter().zip(&tally.answers) {
        row(site.shadow.name(), &|answer| {
            let counts = counts.iter().map(|class| class[answer]);
            counts.sum::<u64>().to_string()
        });
    }
    row("all", &|answer| tally.answered(answer).to_string());
    let Tally {
        entered,
        given_back,
        changes,
        looks,
        panics,
        ..
    } = tally;
    println!(
        "{entered} entered the gauge, {given_back} given back, {changes} changes, {looks} looks, {panics} panics"
    );
    let (operations, seconds) = (tally.operations(), length.as_secs_f64());
    let millions = operations as f64 / seconds / 1e6;
    println!(
        "{operations} operations in {seconds:.0} s, {millions:.2} million per second: nothing exceeded, nothing lost"
    );
}
