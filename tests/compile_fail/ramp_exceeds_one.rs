// curve `cubic`: hi is 80, which is not in 0..=1

use floodwall::{Curve, Floodwall, Share, classes};

classes! { enum Kind { Login } }

static WALL: Floodwall<Kind> = Floodwall::new(100, &[
    Kind::Login.rule(Share::at_most(50)).shed(Curve::cubic(0.6, 80.0)),
]);

fn main() {}
