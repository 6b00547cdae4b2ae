// named `Batch` found for enum `Kind`

use floodwall::classes;

classes! { enum Kind { #[cfg_attr(all(), cfg(any()))] Batch, Message } }

fn main() {}
