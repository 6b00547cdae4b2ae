//! The atomics: core's; loom's in the models; in one test build, atomics that fail spuriously. No other file knows which.

#[cfg(not(any(feature = "std", floodwall_loom)))]
pub(crate) use core::sync::atomic::AtomicBool;
#[cfg(not(floodwall_loom))]
pub(crate) use core::sync::atomic::AtomicU32;
#[cfg(not(any(floodwall_loom, floodwall_spurious)))]
pub(crate) use core::sync::atomic::AtomicU64;
#[cfg(floodwall_loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
#[cfg(floodwall_spurious)]
pub(crate) use spurious::AtomicU64;

pub(crate) use core::sync::atomic::Ordering;

pub(crate) mod lock;
#[cfg(floodwall_spurious)]
mod spurious;

/// Atomics for statistics, which decide nothing: core's also in most models, so that they spend no schedules on them.
pub(crate) mod stat {
    #[cfg(not(floodwall_loom_statistics))]
    pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64};
    #[cfg(floodwall_loom_statistics)]
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64};

    #[cfg(not(floodwall_loom))]
    pub(crate) const fn zeros<const N: usize>() -> [AtomicU64; N] {
        [const { AtomicU64::new(0) }; N]
    }

    #[cfg(floodwall_loom)]
    pub(crate) fn zeros<const N: usize>() -> [AtomicU64; N] {
        core::array::from_fn(|_| AtomicU64::new(0))
    }
}

#[cfg(not(floodwall_loom))]
pub(crate) use crossbeam_utils::Backoff;

/// Lets loom run another thread: it runs one at a time, so a spinning thread would wait forever.
#[cfg(floodwall_loom)]
pub(crate) struct Backoff;

#[cfg(floodwall_loom)]
impl Backoff {
    pub(crate) fn new() -> Self {
        Backoff
    }

    pub(crate) fn snooze(&self) {
        loom::thread::yield_now();
    }
}

/// Declares a constructor that is `const` except in the models, because loom registers an atomic with the running
/// schedule when it is created.
macro_rules! constructor {
    ($(#[$attribute:meta])* $visibility:vis const fn $($rest:tt)*) => {
        $(#[$attribute])*
        #[cfg(not(floodwall_loom))]
        $visibility const fn $($rest)*

        $(#[$attribute])*
        #[cfg(floodwall_loom)]
        $visibility fn $($rest)*
    };
}
pub(crate) use constructor;
