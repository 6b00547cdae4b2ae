// 9 classes, but a wall holds 1 to 8

use floodwall::{Floodwall, classes};

classes! { enum Kind { A, B, C, D, E, F, G, H, I } }

static WALL: Floodwall<Kind> = Floodwall::new(100, &[]);

fn main() {}
