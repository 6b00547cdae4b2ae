//! What several files of tests need: classes by number, and the words of a panic.
#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    unreachable_pub,
    reason = "each file of tests includes it, and needs a part"
)]

use std::panic::{UnwindSafe, catch_unwind};

use floodwall::Class;

/// One of `COUNT` classes, by its index, and called by its letter.
#[derive(Clone, Copy, Debug)]
pub struct Of<const COUNT: usize>(pub usize);

const LETTERS: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h", "i"];

impl<const COUNT: usize> Class for Of<COUNT> {
    const NAMES: &'static [&'static str] = LETTERS.split_at(COUNT).0;

    fn index(self) -> usize {
        self.0
    }
}

/// Runs a generic test for each number of classes that a wall can have.
macro_rules! for_each_count {
    ($test:ident) => {
        $test::<1>();
        $test::<2>();
        $test::<3>();
        $test::<4>();
        $test::<5>();
        $test::<6>();
        $test::<7>();
        $test::<8>();
    };
}
pub(crate) use for_each_count;

/// What `f` says when it panics, which it must.
#[track_caller]
pub fn panic_of<R>(f: impl FnOnce() -> R + UnwindSafe) -> String {
    let Err(panic) = catch_unwind(f) else {
        panic!("it did not panic");
    };
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&str>().expect("a panic with a text")).to_owned(),
    }
}
