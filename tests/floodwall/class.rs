//! Implementations of `Class` whose index changes, is out of range, or panics.

use std::cell::Cell;
use std::panic::RefUnwindSafe;

use floodwall::{Class, Curve, Floodwall, Rule, Share};

use crate::assert_changes_nothing;
use crate::common::{NthClass, equal_rules, panic_message, permits};

fn discard<T>(_: T) {}

/// Checks that each call that reads the class's index panics with `message` and changes nothing.
#[track_caller]
fn assert_every_call_panics<C>(wall: &Floodwall<C>, class: C, message: &str)
where
    C: Class + RefUnwindSafe,
{
    let rules = wall.rules();
    let calls: [&(dyn Fn() + RefUnwindSafe); 6] = [
        &|| discard(wall.admit(class)),
        &|| discard(wall.admit_with(class, permits(0))),
        &|| discard(wall.call(class, || panic!("it ran"))),
        &|| discard(wall.in_use(class)),
        &|| discard(rules.share(class)),
        &|| discard(rules.curve(class)),
    ];
    assert_changes_nothing(wall, || {
        for call in calls {
            assert_eq!(panic_message(call), message);
        }
    });
}

thread_local! {
    static NEXT_INDEX: Cell<usize> = const { Cell::new(0) };
    static INDEX_CALLS: Cell<u32> = const { Cell::new(0) };
}

/// A class whose index alternates between 0 and 1.
#[derive(Clone, Copy)]
struct Alternating;

impl Class for Alternating {
    const NAMES: &'static [&'static str] = &["even", "odd"];
    const ALL: &'static [Self] = &[Alternating; 2];

    fn index(self) -> usize {
        INDEX_CALLS.set(INDEX_CALLS.get() + 1);
        NEXT_INDEX.replace(1 - NEXT_INDEX.get())
    }
}

#[test]
fn class_index_is_read_once_per_admission() {
    let rules = [0, 1].map(|class| Rule::for_index(class, Share::exactly(1)).shed(Curve::ALWAYS));
    let wall = Floodwall::<Alternating>::new(2, &rules);
    let in_use = || {
        let snapshot = wall.snapshot();
        [0, 1].map(|class| snapshot.classes()[class].in_use)
    };
    let even = wall.admit(Alternating).unwrap();
    assert_eq!(in_use(), [1, 0]);
    let odd = wall.admit(Alternating).unwrap();
    assert_eq!((in_use(), INDEX_CALLS.get()), ([1, 1], 2));
    assert_eq!(wall.admit(Alternating).unwrap_err().class, "even");
    assert_eq!(wall.admit(Alternating).unwrap_err().class, "odd");
    assert_eq!(INDEX_CALLS.get(), 4);
    // A release does not read the index.
    drop(even);
    assert_eq!((in_use(), INDEX_CALLS.get()), ([0, 1], 4));
    drop(odd);
    assert_eq!((in_use(), INDEX_CALLS.get()), ([0, 0], 4));
    assert_eq!(wall.call(Alternating, in_use).unwrap(), [1, 0]);
    assert_eq!((in_use(), INDEX_CALLS.get()), ([0, 0], 5));
}

#[test]
fn out_of_range_class_index_panics_and_changes_nothing() {
    let wall = Floodwall::new(10, &equal_rules::<3>(Share::at_most(5)));
    let _permit = wall.admit(NthClass(2)).unwrap();
    for index in [3, 8, 64, usize::MAX] {
        let message = format!("class index {index} is out of range: there are 3 classes");
        assert_every_call_panics(&wall, NthClass(index), &message);
    }
    assert!(wall.admit(NthClass(0)).is_ok());
}

#[test]
#[cfg(feature = "alloc")]
fn out_of_range_class_index_panics_in_admit_owned() {
    use std::sync::Arc;

    let wall = Arc::new(Floodwall::new(10, &equal_rules::<3>(Share::at_most(5))));
    assert_changes_nothing(&wall, || {
        let message = panic_message(|| wall.admit_owned(NthClass(3)));
        let expected = "class index 3 is out of range: there are 3 classes";
        assert_eq!(message, expected);
    });
    assert_eq!(Arc::strong_count(&wall), 1);
}

#[test]
fn panicking_class_index_changes_nothing() {
    #[derive(Clone, Copy)]
    struct Panicking(bool);
    impl Class for Panicking {
        const NAMES: &'static [&'static str] = &["panicking"];
        const ALL: &'static [Panicking] = &[Panicking(false)];
        fn index(self) -> usize {
            assert!(!self.0, "the index panicked");
            0
        }
    }
    let wall = Floodwall::new(1, &[Rule::for_index(0, Share::at_most(1))]);
    assert_every_call_panics(&wall, Panicking(true), "the index panicked");
    assert!(wall.admit(Panicking(false)).is_ok());
}
