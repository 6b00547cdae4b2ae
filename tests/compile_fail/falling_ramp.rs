// curve `linear`: lo is 0.8, which is not below hi, 0.6, in steps of 0.00002

use floodwall::{Curve, Floodwall, Share, classes};

classes! { enum Kind { Login } }

static WALL: Floodwall<Kind> = Floodwall::new(100, &[
    Kind::Login.rule(Share::at_most(50)).shed(Curve::linear(0.8, 0.6)),
]);

fn main() {}
