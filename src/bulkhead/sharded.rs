//! One limit over many words, so that each core acquires and releases on its own cache line.
//!
//! Free permits are tokens, and each shard holds some of them. Statements about all shards together rest on reading
//! them twice (the double collect of Afek, Attiya, Dolev, Gafni, Merritt and Shavit, "Atomic Snapshots of Shared
//! Memory", 1993): a value that is the same in both reads has not changed in between.

use core::fmt;

use crossbeam_utils::CachePadded;

use super::Full;
use crate::permit::Permit;
use crate::permit::word::{Layout, PermitWord};
use crate::sync::{Ordering, constructor};
use crate::thread_slot;

#[cfg(feature = "alloc")]
use crate::permit::OwnedPermit;
#[cfg(feature = "alloc")]
use alloc::sync::Arc;

/// A shard with fewer tokens would be empty too often, and each time the call has to search all shards.
const TOKENS_PER_SHARD: u32 = if cfg!(floodwall_loom) { 1 } else { 8 };

const RELEASES_SHIFT: u32 = 32;
/// What a release adds to a shard: a token, and one to the count of releases.
const RELEASE: u64 = 1 << RELEASES_SHIFT | 1;
const LAYOUT: Layout = Layout::Released(RELEASE);

const fn tokens(word: u64) -> u32 {
    word as u32
}

const fn releases(word: u64) -> u32 {
    (word >> RELEASES_SHIFT) as u32
}

/// A [`Bulkhead`](crate::Bulkhead) for many cores: at most `limit` permits are in use at any instant, and a thread
/// acquires and releases on a cache line that other cores seldom touch.
///
/// It has up to `SHARDS` shards; the number of cores is a good choice. It uses a power of two of them, and at most one
/// per 8 permits of the limit. The limit is fixed, a rejection costs more than that of a `Bulkhead`, and the size is one
/// cache line per shard and one more. It is for handlers so short that threads contend for the counter of a `Bulkhead`:
/// measure first. Two threads on two cores each pay what one thread pays alone; more cores have not been measured yet.
///
/// Three functions of a `Bulkhead` are missing on purpose. `available_permits` and `utilization` would be computed from
/// [`in_use`](Self::in_use), which can be far too high. `try_acquire_many` would collect tokens from several shards, so two
/// requests that fit one after the other could reject each other.
///
/// # Examples
/// ```
/// use floodwall::ShardedBulkhead;
///
/// static LOOKUPS: ShardedBulkhead<16> = ShardedBulkhead::new(200);
/// let permit = LOOKUPS.try_acquire()?;
/// assert_eq!(LOOKUPS.in_use(), 1);
/// std::thread::spawn(permit.wrap(|| "a lookup")).join().unwrap();
/// assert_eq!(LOOKUPS.in_use(), 0);
/// # Ok::<(), floodwall::Full>(())
/// ```
pub struct ShardedBulkhead<const SHARDS: usize> {
    /// | bits   | meaning                                  | changed by                   |
    /// |--------|------------------------------------------|------------------------------|
    /// | 32..64 | releases to this shard, modulo 2^32      | `Permit` drop                |
    /// | 0..32  | tokens: free permits                     | `try_acquire`, `Permit` drop |
    ///
    /// A token is either in a shard or in a permit, and moves in one step: tokens and permits are never more than
    /// `limit` together.
    shards: [CachePadded<PermitWord>; SHARDS],
    limit: u32,
    /// The number of shards in use, a power of two, less one: maps a number to a shard.
    mask: usize,
}

impl<const SHARDS: usize> ShardedBulkhead<SHARDS> {
    constructor! {
        /// Creates a bulkhead of `limit` permits. If the limit is 0, every request is rejected.
        ///
        /// # Panics
        /// If `SHARDS` is 0; at compile time.
        #[must_use]
        pub const fn new(limit: u32) -> Self {
            const { assert!(SHARDS > 0, "a sharded bulkhead needs at least one shard") };
            let count = count(limit, SHARDS);
            ShardedBulkhead {
                shards: shards(limit, count),
                limit,
                mask: count - 1,
            }
        }
    }

    /// Acquires one permit without waiting, from the calling thread's shard if it has a token.
    ///
    /// The first 16 threads that ask use the shards in order, each until it ends; with fewer than 16 shards in use,
    /// some share one. All other threads share 16 more shards if 32 or more are in use, and otherwise the same ones. If
    /// there are more threads, give each worker its own [`shard`](Self::shard).
    ///
    /// # Errors
    /// [`Full`] if all permits were in use at some instant during the call.
    ///
    /// # Progress
    /// Lock-free: retries only if another thread acquired or released a permit concurrently, or if the processor's
    /// compare-exchange failed spuriously. A rejection writes nothing unless the call first loses a race: it reads its
    /// own shard, then all shards twice, and once more each time a permit was released in between. With one shard in
    /// use it reads once.
    ///
    /// # Memory ordering
    /// Everything done under permits that were released to the shard that this permit comes from happens-before the
    /// acquire.
    #[must_use = "bind the permit to a name such as `_permit`: `let _ = ...` releases it immediately"]
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_>, Full> {
        self.shard(thread_slot::current().index()).try_acquire()
    }

    /// Runs `f` under a permit. A future that `f` returns runs without it.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire); then `f` is not called.
    ///
    /// # Panics
    /// If `f` panics; the permit is released in that case too.
    #[inline]
    pub fn call<R>(&self, f: impl FnOnce() -> R) -> Result<R, Full> {
        let _permit = self.try_acquire()?;
        Ok(f())
    }

    /// Returns the shard for a worker with this number, taken modulo the shards in use.
    ///
    /// Workers that are numbered consecutively share shards as little as possible.
    ///
    /// # Examples
    /// ```
    /// # use floodwall::ShardedBulkhead;
    /// let bulkhead = ShardedBulkhead::<4>::new(100);
    /// std::thread::scope(|scope| {
    ///     for worker in 0..4 {
    ///         let shard = bulkhead.shard(worker);
    ///         scope.spawn(move || assert!(shard.try_acquire().is_ok()));
    ///     }
    /// });
    /// ```
    #[must_use]
    #[inline]
    pub fn shard(&self, number: usize) -> Shard<'_, SHARDS> {
        Shard {
            bulkhead: self,
            home: number & self.mask,
        }
    }

    /// Acquires one permit as [`try_acquire`](Self::try_acquire) does. The permit holds the [`Arc`] of the bulkhead.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire).
    #[cfg(feature = "alloc")]
    #[must_use = "bind the permit to a name such as `_permit`: `let _ = ...` releases it immediately"]
    pub fn try_acquire_owned(self: &Arc<Self>) -> Result<OwnedPermit<Self>, Full> {
        let shard = self.shard(thread_slot::current().index());
        let permit = shard.try_acquire()?;
        Ok(OwnedPermit::new(
            self,
            |bulkhead, shard| &bulkhead.shards[shard],
            shard.home,
            permit,
        ))
    }

    #[inline]
    fn full(&self) -> Full {
        Full {
            requested: 1,
            in_use: self.limit,
            limit: self.limit,
        }
    }

    /// Returns the limit.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Returns the permits in use: at least as many as at some instant during the call, at most the limit, and exact
    /// while no thread acquires or releases.
    ///
    /// It errs on the high side by every permit released between its two looks. If the reader is preempted there, it
    /// can return the limit while almost nothing is in use (seen: 1000 of 1000 with 2 in use). Do not evaluate a curve
    /// or raise an alarm by it.
    ///
    /// # Progress
    /// Wait-free: two loads per shard.
    ///
    /// # Memory ordering
    /// Everything done under a permit that is not counted happens-before the return: if the count has dropped to zero,
    /// the work of those permits is visible.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        let look = || {
            let zero = (0_u32, 0_u64);
            self.shards.iter().fold(zero, |(released, free), shard| {
                // ORDERING: Acquire: pairs with the Release of released permits and of acquires; required because the
                // second look must see whatever led to what the first one saw.
                let word = shard.load(Ordering::Acquire);
                let released = released.wrapping_add(releases(word));
                (released, free + u64::from(tokens(word)))
            })
        };
        let (before, _) = look();
        let (released, free) = look();
        // A permit released between the looks is counted as still in use. This compensates for a token that moves from
        // shard to shard and is read in both.
        let total = u64::from(self.limit) + u64::from(released.wrapping_sub(before));
        total.saturating_sub(free).min(self.limit.into()) as u32
    }
}

impl<const SHARDS: usize> fmt::Debug for ShardedBulkhead<SHARDS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardedBulkhead")
            .field("limit", &self.limit)
            .field("in_use", &self.in_use())
            .finish()
    }
}

/// A worker's handle to a [`ShardedBulkhead`], which acquires from the worker's own shard first.
#[derive(Clone, Copy)]
pub struct Shard<'a, const SHARDS: usize> {
    bulkhead: &'a ShardedBulkhead<SHARDS>,
    home: usize,
}

impl<'a, const SHARDS: usize> Shard<'a, SHARDS> {
    /// Acquires one permit without waiting, from this shard if it has a token.
    ///
    /// The permit is released to this shard, regardless of the shard it came from and of the thread that drops it, so
    /// tokens move to the shards that use them.
    ///
    /// # Errors
    /// As [`ShardedBulkhead::try_acquire`].
    ///
    /// # Progress
    /// As [`ShardedBulkhead::try_acquire`].
    ///
    /// # Memory ordering
    /// As [`ShardedBulkhead::try_acquire`].
    #[must_use = "bind the permit to a name such as `_permit`: `let _ = ...` releases it immediately"]
    #[inline]
    pub fn try_acquire(self) -> Result<Permit<'a>, Full> {
        match self.try_acquire_from(self.home) {
            Ok(permit) => Ok(permit),
            // With one shard, one read is enough.
            Err(_) if self.bulkhead.mask == 0 => Err(self.bulkhead.full()),
            Err(_) => self.search().ok_or_else(|| self.bulkhead.full()),
        }
    }

    /// Sweeps all shards until one has a token, or until all were empty at one instant.
    #[cold]
    fn search(self) -> Option<Permit<'a>> {
        let mut before = match self.sweep() {
            Ok(permit) => return Some(permit),
            Err(words) => words,
        };
        loop {
            // The last sweep read each shard as empty. If no permit was released to any of them before this sweep read
            // it again, all were empty at the instant when the last sweep ended. One sweep would not show that: a token
            // can move, through a permit, from a shard that is read late to one that was read early.
            match self.sweep() {
                Ok(permit) => return Some(permit),
                Err(words) if words == before => return None,
                Err(words) => before = words,
            }
        }
    }

    /// Reads each shard once, and returns a permit or the sum of all words.
    ///
    /// The word of an empty shard changes only by releases, which increase it. So two sums are equal only if no permit
    /// was released in between (or 2^32 were).
    fn sweep(self) -> Result<Permit<'a>, u64> {
        let mask = self.bulkhead.mask;
        let mut sum = 0_u64;
        for offset in 0..=mask {
            match self.try_acquire_from((self.home + offset) & mask) {
                Err(word) => sum = sum.wrapping_add(word),
                acquired => return acquired,
            }
        }
        Err(sum)
    }

    /// Acquires a token of a shard, or returns the word of the shard if it has none.
    #[inline]
    fn try_acquire_from(self, shard: usize) -> Result<Permit<'a>, u64> {
        let shards = &self.bulkhead.shards;
        // ORDERING: Acquire: pairs with the Release of acquires; required because a thread that finds this shard empty
        // must see, in the others, whatever led to that. Otherwise it could miss a token that had moved to another shard
        // before the last token here was acquired.
        let mut word = shards[shard].load(Ordering::Acquire);
        while tokens(word) > 0 {
            // ORDERING: Acquire: pairs with the Release of permits released to this shard, also if the word has the same
            // value again, after 2^32 releases since the load. Release: pairs with the Acquire of a thread that finds the
            // shard empty and must see what came before. Acquire on failure: as for the load.
            match shards[shard].compare_exchange_weak(
                word,
                word - 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                // The drop of a permit subtracts its unit.
                Ok(_) => return Ok(Permit::new(&shards[self.home], RELEASE.wrapping_neg())),
                Err(now) => word = now,
            }
        }
        Err(word)
    }
}

impl<const SHARDS: usize> fmt::Debug for Shard<'_, SHARDS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard")
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}

/// Returns the number of shards in use.
const fn count(limit: u32, shards: usize) -> usize {
    let max = (limit / TOKENS_PER_SHARD) as usize;
    let max = if max < shards { max } else { shards };
    if max == 0 { 1 } else { 1 << max.ilog2() }
}

/// Returns the initial word of a shard. The tokens are divided equally; the remainder goes to the first shards, one each.
const fn first_word(limit: u32, count: usize, shard: usize) -> u64 {
    let count = count as u32;
    let remainder = ((shard as u32) < limit % count) as u32;
    if shard as u32 >= count {
        0
    } else {
        (limit / count + remainder) as u64
    }
}

#[cfg(not(floodwall_loom))]
const fn shards<const SHARDS: usize>(
    limit: u32,
    count: usize,
) -> [CachePadded<PermitWord>; SHARDS] {
    let mut shards = [const { CachePadded::new(PermitWord::new(0, LAYOUT)) }; SHARDS];
    let mut shard = 0;
    while shard < SHARDS {
        shards[shard] = CachePadded::new(PermitWord::new(first_word(limit, count, shard), LAYOUT));
        shard += 1;
    }
    shards
}

#[cfg(floodwall_loom)]
fn shards<const SHARDS: usize>(limit: u32, count: usize) -> [CachePadded<PermitWord>; SHARDS] {
    core::array::from_fn(|shard| {
        CachePadded::new(PermitWord::new(first_word(limit, count, shard), LAYOUT))
    })
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    #[test]
    fn shards_in_use_are_a_power_of_two_with_enough_tokens_each() {
        let max = 1 << 12;
        for (limit, shards, used) in [
            (0, 1, 1),
            (7, 8, 1),
            (8, 8, 1),
            (15, 8, 1),
            (16, 8, 2),
            (31, 8, 2),
            (63, 8, 4),
            (64, 8, 8),
            (1000, 8, 8),
            (1000, 7, 4),
            (1000, 1, 1),
            (u32::MAX, max, max),
        ] {
            assert_eq!(count(limit, shards), used, "{limit} on {shards}");
            let words = (0..shards).map(|shard| first_word(limit, used, shard));
            assert_eq!(words.sum::<u64>(), limit.into(), "{limit} on {shards}");
            let words = || (0..used).map(|shard| first_word(limit, used, shard));
            assert!(words().max().unwrap() - words().min().unwrap() <= 1);
        }
    }

    /// The sum over the shards is the same wherever a permit is released.
    #[cfg(feature = "alloc")]
    #[test]
    fn owned_permits_are_released_to_the_shard_of_their_thread() {
        let bulkhead = Arc::new(ShardedBulkhead::<64>::new(512));
        let home = thread_slot::current().index() & bulkhead.mask;
        let acquire = |_| bulkhead.try_acquire_owned().unwrap();
        drop((0..512).map(acquire).collect::<alloc::vec::Vec<_>>());
        // ORDERING: Relaxed: there is only one thread.
        let tokens = tokens(bulkhead.shards[home].load(Ordering::Relaxed));
        assert_eq!(tokens, 512);
    }

    #[test]
    fn release_count_wraps() {
        let bulkhead = ShardedBulkhead::<2>::new(16);
        // ORDERING: Relaxed, here and below: there is only one thread.
        bulkhead.shards[0].store(u64::from(u32::MAX) << RELEASES_SHIFT | 8, Ordering::Relaxed);
        let permits = [(); 16].map(|()| bulkhead.shard(0).try_acquire().unwrap());
        assert!(bulkhead.shard(0).try_acquire().is_err());
        drop(permits);
        assert_eq!(
            (
                bulkhead.in_use(),
                releases(bulkhead.shards[0].load(Ordering::Relaxed))
            ),
            (0, 15)
        );
    }

    /// At the largest limit, with all permits in use except one that is released and acquired again all the time.
    #[test]
    fn in_use_does_not_overflow_at_the_largest_limit() {
        let bulkhead = ShardedBulkhead::<64>::new(u32::MAX);
        for shard in &bulkhead.shards {
            // ORDERING: Relaxed: there is only one thread.
            shard.store(0, Ordering::Relaxed);
        }
        std::thread::scope(|scope| {
            let cycling = scope.spawn(|| {
                let mut permit = Permit::new(&bulkhead.shards[0], RELEASE.wrapping_neg());
                for _ in 0..1_000_000 {
                    drop(permit);
                    permit = bulkhead.shard(0).try_acquire().unwrap();
                }
                core::mem::forget(permit);
            });
            let mut is_looked_at = false;
            while !cycling.is_finished() || !is_looked_at {
                is_looked_at = true;
                let in_use = bulkhead.in_use();
                assert!(in_use >= u32::MAX - 1, "{in_use}");
            }
        });
        assert_eq!(bulkhead.in_use(), u32::MAX);
    }
}
