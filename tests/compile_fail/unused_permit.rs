// bind the permit to a name such as `_permit`
#![deny(unused_must_use)]

use floodwall::{Floodwall, Share, classes};

classes! { enum Kind { Login } }

static WALL: Floodwall<Kind> = Floodwall::new(1, &[Kind::Login.rule(Share::at_most(1))]);

fn main() {
    WALL.admit(Kind::Login);
}
