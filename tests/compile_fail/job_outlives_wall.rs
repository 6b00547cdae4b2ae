// `wall` does not live long enough

use floodwall::{Floodwall, Share, classes};

classes! { enum Kind { Login } }

fn execute(_job: impl FnOnce() + Send + 'static) {}

fn main() {
    let wall = Floodwall::new(1, &[Kind::Login.rule(Share::at_most(1))]);
    let permit = wall.admit(Kind::Login).unwrap();
    execute(permit.wrap(|| ()));
}
