// class `Login`: its guarantee of 50 is above its cap of 20

use floodwall::{Rules, Share, classes};

classes! { enum Kind { Message, Login } }

const RULES: Rules<Kind> = Rules::new(100, &[
    Kind::Message.rule(Share::at_least(50)),
    Kind::Login.rule(Share::between(50, 20)),
]);

fn main() {}
