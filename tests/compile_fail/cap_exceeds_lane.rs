// class `H`: its cap is 128, but a class can hold at most 127 with 8 classes: give it a lower cap, or use fewer classes

use floodwall::{Floodwall, Share, classes};

classes! { enum Kind { A, B, C, D, E, F, G, H } }

static WALL: Floodwall<Kind> = Floodwall::new(1_000, &[
    Kind::A.rule(Share::at_most(127)),
    Kind::B.rule(Share::at_most(127)),
    Kind::C.rule(Share::at_most(127)),
    Kind::D.rule(Share::at_most(127)),
    Kind::E.rule(Share::at_most(127)),
    Kind::F.rule(Share::at_most(127)),
    Kind::G.rule(Share::at_most(127)),
    Kind::H.rule(Share::at_most(128)),
]);

fn main() {}
