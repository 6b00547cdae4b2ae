// class `Login`: its cap is 20, but it can never hold a permit

use floodwall::{Floodwall, Share, classes};

classes! { enum Kind { Message, Login } }

static WALL: Floodwall<Kind> = Floodwall::new(100, &[
    Kind::Message.rule(Share::exactly(100)),
    Kind::Login.rule(Share::at_most(20)),
]);

fn main() {}
