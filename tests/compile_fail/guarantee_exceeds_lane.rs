// class `Login`: it could hold 16777216 permits, but with this number of classes each can hold at most 16777215

use floodwall::{Floodwall, Share, classes};

classes! { enum Kind { Login } }

static WALL: Floodwall<Kind> =
    Floodwall::new(20_000_000, &[Kind::Login.rule(Share::exactly(16_777_216))]);

fn main() {}
