//! One limit over many words: each core takes and gives back on its own.
//!
//! Free permits are tokens, and each shard has some. What is said of all shards together rests on
//! reading them twice (the double collect of Afek, Attiya, Dolev, Gafni, Merritt and Shavit, "Atomic
//! Snapshots of Shared Memory", 1993): what is the same both times has been so in between.

use core::fmt;

use crossbeam_utils::CachePadded;

use crate::bulkhead::Full;
use crate::permit::Permit;
use crate::sync::{AtomicU64, Ordering, constructor};
use crate::thread_slot;

/// A shard of fewer tokens is empty too often: whoever comes then has to look at all the others.
const TOKENS_PER_SHARD: u32 = if cfg!(floodwall_loom) { 1 } else { 8 };

const RELEASES_SHIFT: u32 = 32;
/// What giving back adds to a shard: a token, and a return.
const RELEASE: u64 = 1 << RELEASES_SHIFT | 1;

const fn tokens(word: u64) -> u32 {
    word as u32
}

const fn releases(word: u64) -> u32 {
    (word >> RELEASES_SHIFT) as u32
}

/// A [`Bulkhead`](crate::Bulkhead) for many cores: at most `limit` permits are out at any instant, but
/// who takes and gives back does so on a cache line that other cores seldom touch.
///
/// It has up to `SHARDS` shards; as many as cores is a good number. It uses a power of two of them, and
/// no more than one for each 8 permits of the limit. Its limit cannot be changed, a rejection costs more
/// than that of a `Bulkhead`, and it takes a cache line for each of the `SHARDS` and one more: it is for
/// handlers that are so short that threads fight for the counter. Measure first: with two threads on two
/// cores it costs each what it costs one alone; how it does on more has not been measured yet.
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
    /// | bits   | meaning                                     | changed by                   |
    /// |--------|---------------------------------------------|------------------------------|
    /// | 32..64 | permits ever given back here, modulo 2^32    | `Permit` drop                |
    /// | 0..32  | tokens: permits that are free               | `try_acquire`, `Permit` drop |
    ///
    /// A token is in a shard or in a permit, and goes from one to the other in one step: there are
    /// never more than `limit` of both.
    shards: [CachePadded<AtomicU64>; SHARDS],
    limit: u32,
    /// The number of shards in use, less one: a power of two, so that a number finds its shard by a mask.
    mask: usize,
}

impl<const SHARDS: usize> ShardedBulkhead<SHARDS> {
    constructor! {
        /// A bulkhead of `limit` permits. Zero is legal: everything is turned away.
        ///
        /// # Panics
        /// If it has no shards; at compile time.
        #[must_use]
        pub const fn new(limit: u32) -> Self {
            const { assert!(SHARDS > 0, "a sharded bulkhead has one shard or more") };
            let count = count(limit, SHARDS);
            ShardedBulkhead {
                shards: shards(limit, count),
                limit,
                mask: count - 1,
            }
        }
    }

    /// Takes a permit, from the calling thread's shard if that has one, or says at once that none is
    /// free.
    ///
    /// The first 16 living threads have a shard each, where there are so many; those beyond share
    /// another 16. Where there are more threads, let each worker have its own [`shard`](Self::shard).
    ///
    /// # Errors
    /// [`Full`] if at some instant within the call all permits were out.
    ///
    /// # Progress
    /// Lock-free: it tries again only when another thread took or gave back meanwhile (or where the
    /// processor lets a compare-exchange fail without a reason). Turning away writes nothing, unless
    /// it first loses a race: it looks at its own shard and then twice at all, and once more whenever
    /// something was given back in between. If there is but one shard, it looks once.
    ///
    /// # Memory ordering
    /// Everything done under permits already given back to the shard that this one is from
    /// happens-before the take.
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_>, Full> {
        self.shard(thread_slot::current().index()).try_acquire()
    }

    /// Runs `f` under a permit.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire); then `f` is not called.
    ///
    /// # Panics
    /// If `f` does; the permit is given back all the same.
    #[inline]
    pub fn call<R>(&self, f: impl FnOnce() -> R) -> Result<R, Full> {
        let _permit = self.try_acquire()?;
        Ok(f())
    }

    /// A shard to take from, for a worker that knows its own number, which is taken modulo the shards
    /// in use: workers that are numbered one after another share as few as can be.
    ///
    /// # Examples
    /// ```
    /// # use floodwall::ShardedBulkhead;
    /// let room = ShardedBulkhead::<4>::new(100);
    /// std::thread::scope(|scope| {
    ///     for worker in 0..4 {
    ///         let shard = room.shard(worker);
    ///         scope.spawn(move || shard.try_acquire().is_ok());
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

    #[inline]
    fn full(&self) -> Full {
        Full {
            requested: 1,
            in_use: self.limit,
            limit: self.limit,
        }
    }

    /// The most permits that may be out.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// How many permits are out: no fewer than there were at some instant within the call, and not
    /// more than the limit. While nobody takes or gives back, it is exact.
    ///
    /// # Progress
    /// Wait-free: two loads of each shard.
    ///
    /// # Memory ordering
    /// What was done under a permit that this no longer counts happens-before its return: a drain
    /// that is seen is over.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        let look = || {
            let none = (0_u32, 0_u64);
            self.shards.iter().fold(none, |(returned, free), shard| {
                // ORDERING: Acquire pairs with the Release of permits given back, and with that
                // of takes: what led to what the first look sees is seen by the second.
                let word = shard.load(Ordering::Acquire);
                let returned = returned.wrapping_add(releases(word));
                (returned, free + u64::from(tokens(word)))
            })
        };
        let (before, _) = look();
        let (returned, free) = look();
        // Who gave back between the looks is taken for still out; so a token that wanders from shard
        // to shard, and is seen in both, is made up for.
        let in_all = u64::from(self.limit) + u64::from(returned.wrapping_sub(before));
        in_all.saturating_sub(free).min(self.limit.into()) as u32
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

/// One worker's view of a [`ShardedBulkhead`]: it takes from its own shard first.
#[derive(Clone, Copy)]
pub struct Shard<'a, const SHARDS: usize> {
    bulkhead: &'a ShardedBulkhead<SHARDS>,
    home: usize,
}

impl<'a, const SHARDS: usize> Shard<'a, SHARDS> {
    /// Takes a permit, from this shard if it has one, or says at once that none is free.
    ///
    /// It is given back to this shard, whatever shard it is from and whatever thread drops it: so
    /// permits go to where they are wanted.
    ///
    /// # Errors
    /// As [`ShardedBulkhead::try_acquire`], for its progress and its memory ordering too.
    #[inline]
    pub fn try_acquire(self) -> Result<Permit<'a>, Full> {
        match self.try_acquire_from(self.home) {
            Ok(permit) => Ok(permit),
            // Of the only shard, one look tells all.
            Err(_) if self.bulkhead.mask == 0 => Err(self.bulkhead.full()),
            Err(_) => self.search().ok_or_else(|| self.bulkhead.full()),
        }
    }

    /// Looks at all shards until there is a token in one, or there was none in any.
    #[cold]
    fn search(self) -> Option<Permit<'a>> {
        let mut before = match self.sweep() {
            Ok(permit) => return Some(permit),
            Err(words) => words,
        };
        loop {
            // Each shard was empty when the last round looked at it. If none was given back to
            // until this round has looked again, all were empty at once when the last one ended.
            // One round would not tell: a token may go, by way of a permit, from a shard that is
            // looked at late to one that was looked at early.
            match self.sweep() {
                Ok(permit) => return Some(permit),
                Err(words) if words == before => return None,
                Err(words) => before = words,
            }
        }
    }

    /// Looks at each shard once: for a token, or else for the words of all, added up. They grow with
    /// each return alone, so that the sum is the same only if all are (or after 2^32 releases).
    fn sweep(self) -> Result<Permit<'a>, u64> {
        let mask = self.bulkhead.mask;
        let mut sum = 0_u64;
        for further in 0..=mask {
            match self.try_acquire_from((self.home + further) & mask) {
                Err(word) => sum = sum.wrapping_add(word),
                taken => return taken,
            }
        }
        Err(sum)
    }

    /// Takes a token from a shard, or releases its word, which has none.
    #[inline]
    fn try_acquire_from(self, shard: usize) -> Result<Permit<'a>, u64> {
        let shards = &self.bulkhead.shards;
        // ORDERING: Acquire pairs with the Release of takes: whoever finds this shard empty sees, in
        // the others, at least what led to that. So no token is overlooked that had come to another
        // shard before the last one here was taken.
        let mut word = shards[shard].load(Ordering::Acquire);
        while tokens(word) > 0 {
            // ORDERING: Acquire pairs with the Release of the permits that were given back here,
            // since the load above too, should the word have come round to the same. Release shows
            // to those who find the shard empty what came before. On failure Acquire, as above.
            match shards[shard].compare_exchange_weak(
                word,
                word - 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                // What a permit does when it is dropped is to subtract.
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

/// How many shards are used.
const fn count(limit: u32, shards: usize) -> usize {
    let most = (limit / TOKENS_PER_SHARD) as usize;
    let most = if most < shards { most } else { shards };
    if most == 0 { 1 } else { 1 << most.ilog2() }
}

/// What a shard begins with: all tokens, in equal parts; the first ones have one more.
const fn first_word(limit: u32, count: usize, shard: usize) -> u64 {
    let count = count as u32;
    let one_more = ((shard as u32) < limit % count) as u32;
    if shard as u32 >= count {
        0
    } else {
        (limit / count + one_more) as u64
    }
}

#[cfg(not(floodwall_loom))]
const fn shards<const SHARDS: usize>(limit: u32, count: usize) -> [CachePadded<AtomicU64>; SHARDS] {
    let mut shards = [const { CachePadded::new(AtomicU64::new(0)) }; SHARDS];
    let mut shard = 0;
    while shard < SHARDS {
        shards[shard] = CachePadded::new(AtomicU64::new(first_word(limit, count, shard)));
        shard += 1;
    }
    shards
}

#[cfg(floodwall_loom)]
fn shards<const SHARDS: usize>(limit: u32, count: usize) -> [CachePadded<AtomicU64>; SHARDS] {
    core::array::from_fn(|shard| CachePadded::new(AtomicU64::new(first_word(limit, count, shard))))
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    #[test]
    fn shards_are_a_power_of_two_and_none_is_too_small() {
        let most = 1 << 12;
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
            (u32::MAX, most, most),
        ] {
            assert_eq!(count(limit, shards), used, "{limit} on {shards}");
            let words = (0..shards).map(|shard| first_word(limit, used, shard));
            assert_eq!(words.sum::<u64>(), limit.into(), "{limit} on {shards}");
            let words = || (0..used).map(|shard| first_word(limit, used, shard));
            assert!(words().max().unwrap() - words().min().unwrap() <= 1);
        }
    }

    #[test]
    fn returns_may_wrap_round() {
        let room = ShardedBulkhead::<2>::new(16);
        // ORDERING: Relaxed, here and below: no other thread is there yet, or any more.
        room.shards[0].store(u64::from(u32::MAX) << RELEASES_SHIFT | 8, Ordering::Relaxed);
        let permits = [(); 16].map(|()| room.shard(0).try_acquire().unwrap());
        assert!(room.shard(0).try_acquire().is_err());
        drop(permits);
        assert_eq!(
            (
                room.in_use(),
                releases(room.shards[0].load(Ordering::Relaxed))
            ),
            (0, 15)
        );
    }

    /// Of the largest limit too, of which all but one are out at any time, and now and then all.
    #[test]
    fn no_less_is_in_use_though_numbers_are_large() {
        let room = ShardedBulkhead::<64>::new(u32::MAX);
        for shard in &room.shards {
            // ORDERING: Relaxed, as no other thread is there yet.
            shard.store(0, Ordering::Relaxed);
        }
        std::thread::scope(|scope| {
            let wanderer = scope.spawn(|| {
                let mut permit = Permit::new(&room.shards[0], RELEASE.wrapping_neg());
                for _ in 0..1_000_000 {
                    drop(permit);
                    permit = room.shard(0).try_acquire().unwrap();
                }
                core::mem::forget(permit);
            });
            while !wanderer.is_finished() {
                let in_use = room.in_use();
                assert!(in_use >= u32::MAX - 1, "{in_use}");
            }
        });
        assert_eq!(room.in_use(), u32::MAX);
    }
}
