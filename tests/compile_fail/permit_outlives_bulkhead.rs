// `bulkhead` does not live long enough

use floodwall::Bulkhead;

fn main() {
    let _permit = {
        let bulkhead = Bulkhead::new(1);
        bulkhead.try_acquire().unwrap()
    };
}
