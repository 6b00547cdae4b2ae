//! What does an uncontended permit cost? One thread acquires and releases it, for each subject. The
//! floor is two read-modify-writes of one counter.

mod common;

use std::error::Error;

use floodwall_benches::Turns;

use common::peers::{self, Measure};

struct OneThread(Turns);

impl Measure for OneThread {
    fn measure(&mut self, subject: &str, acquire_and_release: impl Fn() + Copy + Sync + 'static) {
        self.0.call(subject, "", acquire_and_release);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut subjects = OneThread(Turns::new("uncontended", 1_000));
    peers::measure_each(&mut subjects);
    subjects.0.run()
}
