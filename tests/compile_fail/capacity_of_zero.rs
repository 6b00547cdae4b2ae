// the capacity is 0: to reject every request, call `close` on the wall instead

use floodwall::{Floodwall, Share, classes};

classes! { enum Kind { Message } }

static WALL: Floodwall<Kind> = Floodwall::new(0, &[Kind::Message.rule(Share::at_most(1))]);

fn main() {}
