// class `Login`: its cap is 16777216, but a class can hold at most 16777215 with 1 class: give it a lower cap, or use fewer classes

use floodwall::{Floodwall, Share, classes};

classes! { enum Kind { Login } }

static WALL: Floodwall<Kind> =
    Floodwall::new(20_000_000, &[Kind::Login.rule(Share::exactly(16_777_216))]);

fn main() {}
