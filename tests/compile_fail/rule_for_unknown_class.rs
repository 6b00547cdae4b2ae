// a rule for class index 2, but there are 2 classes

use floodwall::{Floodwall, Rule, Share, classes};

classes! { enum Kind { Message, Login } }

static WALL: Floodwall<Kind> = Floodwall::new(100, &[
    Kind::Message.rule(Share::at_least(50)),
    Kind::Login.rule(Share::at_most(50)),
    Rule::for_index(2, Share::at_most(1)),
]);

fn main() {}
