// expected `enum Name { Variant, Variant = "name", ... }`

use floodwall::classes;

classes! { enum Kind { Message, Login(u32) } }

fn main() {}
