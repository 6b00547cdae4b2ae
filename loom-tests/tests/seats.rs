//! Models of the seats in which threads count with plain loads and stores.

mod common;

use std::sync::Arc;

use common::{Data, kick, three_threads};
use floodwall::ExclusiveSlots;
use loom::thread;

/// Nothing lost: a seat has one sitter at a time, and hands over what was counted in it.
#[test]
fn counts_are_handed_from_sitter_to_sitter() {
    three_threads(|| {
        let room = Arc::new((Seats::new(), [(); 3].map(|()| Data::new())));
        let sit = |room: &(Seats, [Data; 3])| {
            kick();
            let seat = room.0.sit().expect("more seats than threads");
            room.1[seat].write();
            room.0.rise(seat);
        };
        let others = [0, 1].map(|_| {
            let room = Arc::clone(&room);
            thread::spawn(move || sit(&room))
        });
        sit(&room);
        for other in others {
            other.join().unwrap();
        }
        let counts = room.1.iter().map(Data::read);
        assert_eq!(counts.sum::<u32>(), 3);
    });
}
