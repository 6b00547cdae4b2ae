//! Work of a given duration: about one nanosecond per byte.

use std::hint::black_box;

pub const LINE: usize = 64;

/// Bytes that take about one microsecond.
pub const MICROSECOND: usize = 15 * LINE;

static BYTES: [u8; MICROSECOND] = [0x5A; MICROSECOND];

/// Hashes whole lines of `bytes` bytes with FNV-1a, in which each step depends on the one before.
///
/// It is never inlined, so that all subjects run the same code at the same address. The compiler
/// unrolls a line: the few branches left are predicted. A mispredicted branch would hide the cost of
/// the code after it.
#[inline(never)]
pub fn hash(bytes: usize) -> u64 {
    let lines = black_box(&BYTES)[..bytes].chunks_exact(LINE);
    lines.fold(0xCBF2_9CE4_8422_2325, |hash, line| {
        line.iter().fold(hash, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        })
    })
}
