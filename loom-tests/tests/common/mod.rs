//! Exploration bounds, the kick, and data whose accesses loom checks for races.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "every model file includes this module and uses a part of it"
)]

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Explores every schedule of two threads.
pub fn two_threads(model: impl Fn() + Sync + Send + 'static) {
    check(None, model);
}

/// Explores every schedule of three threads with at most three preemptions.
pub fn three_threads(model: impl Fn() + Sync + Send + 'static) {
    check(Some(3), model);
}

/// Explores every schedule with at most four preemptions of two threads, one of which updates the rules
/// twice. A higher bound takes minutes.
pub fn two_updates(model: impl Fn() + Sync + Send + 'static) {
    check(Some(4), model);
}

/// Explores every schedule with at most this many preemptions.
pub fn check(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(move || {
        // The first access to a loom static orders its later users after the thread that created it.
        // Created here, before any spawn, the kick adds no order to the model.
        kick();
        model();
    });
}

/// Begins every modelled call with a read-modify-write on one shared atomic.
///
/// Loom keeps one last access per atomic, so a load followed by a read-modify-write of the same cell
/// hides schedules. The kick restores them.
pub fn kick() {
    loom::lazy_static! {
        static ref KICK: AtomicUsize = AtomicUsize::new(0);
    }
    KICK.fetch_add(1, Ordering::Relaxed);
}

/// Unsynchronized data. Loom reports an access that is not ordered after every conflicting access.
pub struct Data(UnsafeCell<u32>);

// SAFETY: loom checks every access for races and fails the model on one.
unsafe impl Sync for Data {}

impl Data {
    pub fn new() -> Self {
        Data(UnsafeCell::new(0))
    }

    /// Increments the value.
    pub fn write(&self) {
        // SAFETY: loom fails the model if another access is concurrent.
        self.0.with_mut(|data| unsafe { *data += 1 });
    }

    /// Returns the number of writes.
    pub fn read(&self) -> u32 {
        // SAFETY: loom fails the model if a write is concurrent.
        self.0.with(|data| unsafe { *data })
    }
}

/// A flag that one thread sets with Release and another reads with Acquire.
pub struct Signal(AtomicBool);

impl Signal {
    pub fn new() -> Self {
        Signal(AtomicBool::new(false))
    }

    pub fn send(&self) {
        self.0.swap(true, Ordering::Release);
    }

    pub fn was_sent(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
