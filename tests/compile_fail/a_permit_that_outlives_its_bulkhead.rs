// `room` does not live long enough

use floodwall::Bulkhead;

fn main() {
    let _permit = {
        let room = Bulkhead::new(1);
        room.try_acquire().unwrap()
    };
}
