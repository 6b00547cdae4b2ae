// 9 classes, but a wall holds 1 to 8

use floodwall::{Class, Floodwall};

#[derive(Clone, Copy)]
struct Tier(usize);

impl Class for Tier {
    const NAMES: &'static [&'static str] = &["1", "2", "3", "4", "5", "6", "7", "8", "9"];
    const ALL: &'static [Tier] = &[Tier(0); 9];

    fn index(self) -> usize {
        self.0
    }
}

static WALL: Floodwall<Tier> = Floodwall::new(100, &[]);

fn main() {}
