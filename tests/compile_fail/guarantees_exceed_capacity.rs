// class `Login`: its guarantee of 60 brings the guarantees to 110 in all, more than the capacity of 100

use floodwall::{Floodwall, Share, classes};

classes! { enum Kind { Message, Login } }

static WALL: Floodwall<Kind> = Floodwall::new(100, &[
    Kind::Message.rule(Share::at_least(50)),
    Kind::Login.rule(Share::at_least(60)),
]);

fn main() {}
