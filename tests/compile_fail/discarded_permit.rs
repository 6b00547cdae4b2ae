// non-binding let on a type that has a d
#![deny(let_underscore_drop)]

use floodwall::Bulkhead;

static REPORTS: Bulkhead = Bulkhead::new(1);

fn main() {
    let _ = REPORTS.try_acquire();
}
