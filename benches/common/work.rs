//! Work that takes as long as it has bytes: about a nanosecond for each.

use std::hint::black_box;

pub const LINE: usize = 64;

/// What a handler would do, roughly.
pub const MICROSECOND: usize = 15 * LINE;

static BYTES: [u8; MICROSECOND] = [0x5A; MICROSECOND];

/// Hashes so many bytes, whole lines of them, by FNV-1a, in which each step waits for the one before.
///
/// One function for all, so that all run the same code at the same place. The compiler unrolls a line:
/// so few branches are all foreseen, where one that is not would hide what comes after it.
#[inline(never)]
pub fn hash(bytes: usize) -> u64 {
    let lines = black_box(&BYTES)[..bytes].chunks_exact(LINE);
    lines.fold(0xCBF2_9CE4_8422_2325, |hash, line| {
        line.iter().fold(hash, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        })
    })
}
