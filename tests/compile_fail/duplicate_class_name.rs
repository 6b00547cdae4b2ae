// class `login`: two classes have this name

use floodwall::{Floodwall, Share, classes};

classes! { enum Kind { Person = "login", Phone = "login" } }

static WALL: Floodwall<Kind> = Floodwall::new(100, &[
    Kind::Person.rule(Share::at_least(50)),
    Kind::Phone.rule(Share::at_most(50)),
]);

fn main() {}
