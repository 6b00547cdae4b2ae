//! The time after which a rejected client may return.

use std::ops::RangeInclusive;

/// A range of seconds, from which each rejection gets a random time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryAfter {
    first: u32,
    last: u32,
}

impl RetryAfter {
    #[track_caller]
    pub(crate) fn new(seconds: RangeInclusive<u32>) -> Self {
        let (first, last) = seconds.into_inner();
        assert!(
            first <= last,
            "the range of seconds for a retry, {first}..={last}, is empty"
        );
        RetryAfter { first, last }
    }

    pub(crate) fn seconds(self) -> u32 {
        fastrand::u32(self.first..=self.last)
    }

    #[cfg(feature = "grpc")]
    pub(crate) fn duration(self) -> std::time::Duration {
        let millis = fastrand::u64(u64::from(self.first) * 1000..=u64::from(self.last) * 1000);
        std::time::Duration::from_millis(millis)
    }
}
