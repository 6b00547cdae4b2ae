// class `Login`: it has two rules

use floodwall::{Floodwall, Share, classes};

classes! { enum Kind { Message, Login } }

static WALL: Floodwall<Kind> = Floodwall::new(100, &[
    Kind::Login.rule(Share::at_most(50)),
    Kind::Message.rule(Share::at_least(50)),
    Kind::Login.rule(Share::at_most(20)),
]);

fn main() {}
