//! Snapshots: their peaks, and their debug output.

use floodwall::{Floodwall, Rules, Share, Snapshot};

use crate::Kind;
use crate::common::permits;

const RULES: Rules<Kind> = Rules::new(
    10,
    &[
        Kind::Message.rule(Share::at_least(4)),
        Kind::Login.rule(Share::between(2, 6)),
    ],
);

#[test]
fn class_peak_is_the_maximum_since_it_was_taken() {
    let wall = Floodwall::from_rules(RULES);
    let peaks = |snapshot: Snapshot| [0, 1].map(|class| snapshot.classes()[class].peak);
    let admit = |count| wall.admit_with(Kind::Login, permits(count)).unwrap();

    let long = admit(2);
    drop(admit(3));
    drop(wall.admit(Kind::Message).unwrap());
    assert_eq!(peaks(wall.snapshot()), [1, 5]);
    assert_eq!(peaks(wall.take_peaks()), [1, 5]);
    // Permits still in use count for the next peak.
    assert_eq!(peaks(wall.snapshot()), [0, 2]);
    drop(long);
    assert_eq!(peaks(wall.take_peaks()), [0, 2]);
    assert_eq!(peaks(wall.take_peaks()), [0, 0]);
}

#[test]
fn wall_debug_output_is_its_snapshot() {
    let wall = Floodwall::from_rules(RULES);
    let _permit = wall.admit(Kind::Message).unwrap();
    let snapshot = wall.snapshot();
    assert_eq!(format!("{wall:?}"), format!("Floodwall({snapshot:?})"));
    let text = format!("{snapshot:?}");
    let start = "Snapshot { capacity: 10, utilization: 0.1, classes: [ClassSnapshot { \
                 name: \"Message\", ";
    assert!(text.starts_with(start), "{text}");
    assert!(text.contains("name: \"background login\", "), "{text}");
}
