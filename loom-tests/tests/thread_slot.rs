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
        let shared = Arc::new((ExclusiveSlots::new(), [(); 2].map(|()| Data::new())));
        // Returns 1 if one of the two slots was free.
        let count = |(slots, counts): &(ExclusiveSlots, [Data; 2])| {
            kick();
            let Some(slot) = slots.claim() else {
                return 0;
            };
            counts[slot].write();
            slots.release(slot);
            1
        };
        let others = [0, 1].map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || count(&shared))
        });
        let own = count(&shared);
        let others = others.map(|other| other.join().unwrap());
        let counted = own + others.iter().sum::<u32>();
        let counts = shared.1.iter().map(Data::read);
        assert_eq!(counts.sum::<u32>(), counted);
        assert!(counted >= 2);
        // All slots are free again.
        assert_eq!(shared.0.claim(), Some(0));
    });
}
