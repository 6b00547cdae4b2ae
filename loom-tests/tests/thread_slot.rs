//! Models of `ExclusiveSlots`, whose owners count with plain loads and stores.

mod common;

use std::sync::Arc;

use common::{Data, kick, three_threads};
use floodwall::ExclusiveSlots;
use loom::thread;

/// A slot has one owner at a time, and the next owner sees the counts of the previous one.
#[test]
fn exclusive_slot_has_one_owner_and_keeps_its_counts() {
    three_threads(|| {
        let shared = Arc::new((ExclusiveSlots::new(), [(); 3].map(|()| Data::new())));
        let count = |(slots, counts): &(ExclusiveSlots, [Data; 3])| {
            kick();
            let slot = slots.claim().expect("more slots than threads");
            counts[slot].write();
            slots.release(slot);
        };
        let others = [0, 1].map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || count(&shared))
        });
        count(&shared);
        for other in others {
            other.join().unwrap();
        }
        let counts = shared.1.iter().map(Data::read);
        assert_eq!(counts.sum::<u32>(), 3);
    });
}
