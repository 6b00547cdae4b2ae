//! Atomics whose `compare_exchange_weak` fails spuriously, one time in three. Some processors do so occasionally, but
//! neither loom nor x86 ever does.

use core::ops::Deref;
use core::sync::atomic::{self, Ordering};

use crate::shed::draw::Draw;

pub(crate) struct AtomicU64(atomic::AtomicU64);

impl AtomicU64 {
    pub(crate) const fn new(value: u64) -> Self {
        AtomicU64(atomic::AtomicU64::new(value))
    }

    pub(crate) fn compare_exchange_weak(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        if fails_spuriously() {
            return Err(self.0.load(failure));
        }
        self.0.compare_exchange_weak(current, new, success, failure)
    }
}

/// Everything else is core's.
impl Deref for AtomicU64 {
    type Target = atomic::AtomicU64;

    fn deref(&self) -> &atomic::AtomicU64 {
        &self.0
    }
}

/// Decides by one sequence for all threads, so that threads that try only once do not all get the same answer.
fn fails_spuriously() -> bool {
    static ATTEMPTS: atomic::AtomicU64 = atomic::AtomicU64::new(0);
    // ORDERING: Relaxed: must not order what the code under test leaves unordered.
    let number = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
    Draw::keyed(number, 0) < Draw::from(u32::MAX / 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_exchange_in_three_fails() {
        let word = AtomicU64::new(0);
        // ORDERING: Relaxed: there is only one thread.
        let exchange = || word.compare_exchange_weak(0, 0, Ordering::Relaxed, Ordering::Relaxed);
        let failed = (0..3_000).filter(|_| exchange().is_err()).count();
        assert!((800..=1_200).contains(&failed), "{failed}");
    }
}
