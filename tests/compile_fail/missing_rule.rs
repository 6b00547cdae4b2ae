// class `background login`: it has no rule

use floodwall::{Floodwall, Share, classes};

classes! { enum Kind { Message, Login = "background login" } }

static WALL: Floodwall<Kind> = Floodwall::new(100, &[Kind::Message.rule(Share::at_least(50))]);

fn main() {}
