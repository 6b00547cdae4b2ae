//! What every model needs: bounds, a kick, and data that a permit guards.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each file of models includes it, and needs a part"
)]

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Explores every schedule of two threads.
pub fn two_threads(model: impl Fn() + Sync + Send + 'static) {
    check(None, model);
}

/// Explores every schedule of three threads that takes the turn from a thread which could have gone
/// on three times at most.
pub fn three_threads(model: impl Fn() + Sync + Send + 'static) {
    check(Some(3), model);
}

/// Explores every schedule of two threads, one of which changes the rules twice, that takes the turn
/// from a thread which could have gone on four times at most. More would cost minutes.
pub fn two_changes(model: impl Fn() + Sync + Send + 'static) {
    check(Some(4), model);
}

fn check(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(move || {
        // Loom's statics hand over what their maker did before: this one is made before anything.
        kick();
        model();
    });
}

/// Begins every modelled call. Loom remembers one last access per atomic, so that a load which is
/// followed by a read-modify-write of the same cell hides schedules; a read-modify-write of another
/// cell that all share brings them back.
pub fn kick() {
    loom::lazy_static! {
        static ref KICK: AtomicUsize = AtomicUsize::new(0);
    }
    KICK.fetch_add(1, Ordering::Relaxed);
}

/// Data that only a permit's holder touches, or that precedes something: loom reports whoever
/// touches it without an order to those who did before.
pub struct Data(UnsafeCell<u32>);

// SAFETY: loom finds out whether it is shared soundly: that is what it is for.
unsafe impl Sync for Data {}

impl Data {
    pub fn new() -> Self {
        Data(UnsafeCell::new(0))
    }

    pub fn write(&self) {
        // SAFETY: loom checks that nobody else has the data at the same time.
        self.0.with_mut(|data| unsafe { *data += 1 });
    }

    pub fn read(&self) -> u32 {
        // SAFETY: as in `write`.
        self.0.with(|data| unsafe { *data })
    }
}

/// Tells another thread that something has happened.
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
