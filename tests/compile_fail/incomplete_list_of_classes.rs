// 2 classes in `NAMES`, but 1 in `ALL`

use floodwall::{Class, Floodwall};

#[derive(Clone, Copy)]
struct Tier(usize);

impl Class for Tier {
    const NAMES: &'static [&'static str] = &["basic", "premium"];
    const ALL: &'static [Tier] = &[Tier(0)];

    fn index(self) -> usize {
        self.0
    }
}

static WALL: Floodwall<Tier> = Floodwall::new(100, &[]);

fn main() {}
