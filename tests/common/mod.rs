//! Helpers shared by the test binaries.
#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    unreachable_pub,
    reason = "each test binary includes this module and uses a part of it"
)]

use std::array;
use std::panic::{UnwindSafe, catch_unwind};

use floodwall::{AdmitOptions, Class, Rule, Share};

pub mod evenness;
pub mod exclusion;
pub mod threads;

/// One of `COUNT` classes, by its index. The names are `a`, `b`, `c` and so on.
#[derive(Clone, Copy, Debug)]
pub struct NthClass<const COUNT: usize>(pub usize);

const LETTERS: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h", "i"];

impl<const COUNT: usize> Class for NthClass<COUNT> {
    const NAMES: &'static [&'static str] = LETTERS.split_at(COUNT).0;
    const ALL: &'static [Self] = &{
        let mut all = [NthClass(0); COUNT];
        let mut class = 0;
        while class < COUNT {
            all[class] = NthClass(class);
            class += 1;
        }
        all
    };

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

/// The maximum permits of a class, by the number of classes.
pub const LANE_MAX: [u32; 9] = {
    const fn ones(bits: u32) -> u32 {
        (1 << bits) - 1
    }
    let (two, three, four, five) = (ones(24), ones(18), ones(14), ones(11));
    [0, two, two, three, four, five, ones(9), ones(8), ones(7)]
};

/// Returns a rule with the same share for each class.
pub fn equal_rules<const COUNT: usize>(share: Share) -> [Rule<NthClass<COUNT>>; COUNT] {
    array::from_fn(|class| Rule::for_index(class, share))
}

/// Returns options that request `permits` permits.
pub fn permits(permits: u32) -> AdmitOptions {
    AdmitOptions::new().permits(permits)
}

/// Returns the message of the panic of `f`. Fails if `f` does not panic.
#[track_caller]
pub fn panic_message<R>(f: impl FnOnce() -> R + UnwindSafe) -> String {
    let Err(panic) = catch_unwind(f) else {
        panic!("it did not panic");
    };
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&str>().expect("the panic has a message")).to_owned(),
    }
}
