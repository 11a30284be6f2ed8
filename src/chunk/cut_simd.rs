//! Ranks the places of a file where it may be cut, with wide registers where the machine has them.
//!
//! The only file with `unsafe` code. What each vector function returns is defined by a scalar twin,
//! which every other machine runs: a file is cut alike wherever that happens. Which place is chosen
//! is decided in [`super::cut`].
#![allow(unsafe_code)]

/// The bytes before a place that give it its rank.
pub(super) const RANK_WINDOW: usize = 4;

/// The multiplier and addend of `mincdc` 0.1.0, so that the crate can check this module.
const RANK_MUL: u32 = 0x915f_77f5;
const RANK_ADD: u32 = 0x3463_6463;

/// The places ranked at a time: small enough to search again, large enough to rank quickly.
pub(super) const BLOCK_LEN: usize = 512;

/// The bytes whose windows are the places of one block.
type Block = [u8; BLOCK_LEN + RANK_WINDOW - 1];

/// One bit for each place of a block, the first place in the lowest bit.
pub(super) type Places = [u64; BLOCK_LEN / 64];

/// What one pass over all places finds: the least rank, and the blocks that have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) least: u32,
    pub(super) first_block: usize,
    pub(super) last_block: usize,
}

/// Ranks a place by the four bytes before it.
pub(super) fn rank(window: &[u8; RANK_WINDOW]) -> u32 {
    u32::from_le_bytes(*window).wrapping_mul(RANK_MUL).wrapping_add(RANK_ADD)
}

/// Ranks all places of `bytes` with the widest registers at hand.
pub(super) fn scan(bytes: &[u8]) -> Scan {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has just said that it has this feature.
            return unsafe { x86_64::scan_avx512(bytes) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return unsafe { x86_64::scan_avx2(bytes) };
        }
    }
    scan_blocks(bytes, least_in_block)
}

/// Returns which of the first [`BLOCK_LEN`] places of `bytes` have this window.
pub(super) fn equal_places(bytes: &[u8], window: &[u8; RANK_WINDOW]) -> Places {
    let Some(block) = bytes.first_chunk::<{ size_of::<Block>() }>() else {
        return equal_one_by_one(bytes, window);
    };
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has just said that it has this feature.
        return unsafe { x86_64::equal_avx2(block, window) };
    }
    equal_one_by_one(block, window)
}

/// Ranks the places of `bytes` block by block; those after the last whole block one by one.
#[inline(always)]
fn scan_blocks(bytes: &[u8], least_in_block: impl Fn(&Block) -> u32) -> Scan {
    let mut scan = Scan { least: u32::MAX, first_block: 0, last_block: 0 };
    let mut at = 0;
    let mut see = |least: u32, block: usize| {
        if least < scan.least {
            scan = Scan { least, first_block: block, last_block: block };
        } else if least == scan.least {
            scan.last_block = block;
        }
    };
    while let Some(block) = bytes[at..].first_chunk() {
        see(least_in_block(block), at);
        at += BLOCK_LEN;
    }
    if let Some(least) = bytes[at..].array_windows().map(rank).min() {
        see(least, at);
    }
    scan
}

/// Returns the least rank of a block's places.
///
/// Each of the four passes takes every fourth place, a form that compilers turn into vector code.
fn least_in_block(block: &Block) -> u32 {
    let mut least = u32::MAX;
    for shift in 0..RANK_WINDOW {
        let windows = block[shift..shift + BLOCK_LEN].as_chunks().0;
        least = windows.iter().map(rank).fold(least, u32::min);
    }
    least
}

/// Returns the places, of at most a block, that have this window: the scalar twin.
fn equal_one_by_one(bytes: &[u8], window: &[u8; RANK_WINDOW]) -> Places {
    let mut places = Places::default();
    for (at, other) in bytes.array_windows().enumerate() {
        places[at / 64] |= u64::from(other == window) << (at % 64);
    }
    places
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use super::{BLOCK_LEN, Block, Places, RANK_ADD, RANK_MUL, RANK_WINDOW, Scan, scan_blocks};
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f")]
    pub(super) fn scan_avx512(bytes: &[u8]) -> Scan {
        scan_blocks(bytes, |block| least_avx512(block))
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn scan_avx2(bytes: &[u8]) -> Scan {
        scan_blocks(bytes, |block| least_avx2(block))
    }

    /// Four loads, one byte apart, give every lane four neighbouring places.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn least_avx512(block: &Block) -> u32 {
        const STEP: usize = 64;
        const { assert!(BLOCK_LEN.is_multiple_of(STEP)) };
        let mul = _mm512_set1_epi32(RANK_MUL.cast_signed());
        let add = _mm512_set1_epi32(RANK_ADD.cast_signed());
        let mut least = [_mm512_set1_epi32(-1); 4];
        for at in (0..BLOCK_LEN).step_by(STEP) {
            for (shift, least) in least.iter_mut().enumerate() {
                // SAFETY: `at` is at most BLOCK_LEN - 64 and `shift` at most 3, so the 64 bytes end
                // within the block's BLOCK_LEN + 3.
                let windows = unsafe { _mm512_loadu_si512(block.as_ptr().add(at + shift).cast()) };
                let rank = _mm512_add_epi32(_mm512_mullo_epi32(windows, mul), add);
                *least = _mm512_min_epu32(*least, rank);
            }
        }
        let [a, b, c, d] = least;
        _mm512_reduce_min_epu32(_mm512_min_epu32(_mm512_min_epu32(a, b), _mm512_min_epu32(c, d)))
    }

    /// As [`least_avx512`], with registers of half the width.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn least_avx2(block: &Block) -> u32 {
        const STEP: usize = 32;
        const { assert!(BLOCK_LEN.is_multiple_of(STEP)) };
        let mul = _mm256_set1_epi32(RANK_MUL.cast_signed());
        let add = _mm256_set1_epi32(RANK_ADD.cast_signed());
        let mut least = [_mm256_set1_epi32(-1); 4];
        for at in (0..BLOCK_LEN).step_by(STEP) {
            for (shift, least) in least.iter_mut().enumerate() {
                // SAFETY: `at` is at most BLOCK_LEN - 32 and `shift` at most 3, so the 32 bytes end
                // within the block's BLOCK_LEN + 3.
                let windows = unsafe { _mm256_loadu_si256(block.as_ptr().add(at + shift).cast()) };
                let rank = _mm256_add_epi32(_mm256_mullo_epi32(windows, mul), add);
                *least = _mm256_min_epu32(*least, rank);
            }
        }
        let [a, b, c, d] = least;
        let all = _mm256_min_epu32(_mm256_min_epu32(a, b), _mm256_min_epu32(c, d));
        let half = _mm_min_epu32(_mm256_castsi256_si128(all), _mm256_extracti128_si256::<1>(all));
        let quarter = _mm_min_epu32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
        let one = _mm_min_epu32(quarter, _mm_shuffle_epi32::<0b10_11_00_01>(quarter));
        _mm_cvtsi128_si32(one).cast_unsigned()
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn equal_avx2(block: &Block, window: &[u8; RANK_WINDOW]) -> Places {
        let window = _mm256_set1_epi32(i32::from_le_bytes(*window));
        let mut places = Places::default();
        for (word_at, word) in (0..BLOCK_LEN).step_by(64).zip(&mut places) {
            for half in [0, 32] {
                for shift in 0..RANK_WINDOW {
                    let at = word_at + half + shift;
                    // SAFETY: `at` is at most BLOCK_LEN - 32 + 3, so the 32 bytes end within the
                    // block's BLOCK_LEN + 3.
                    let windows = unsafe { _mm256_loadu_si256(block.as_ptr().add(at).cast()) };
                    let equal = _mm256_movemask_epi8(_mm256_cmpeq_epi32(windows, window));
                    // A lane is four bits of the mask, and its window starts `shift` places later.
                    let lanes = equal.cast_unsigned() & (0x1111_1111 << shift);
                    *word |= u64::from(lanes) << half;
                }
            }
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every way of scanning that this machine offers.
    fn ways() -> Vec<fn(&[u8]) -> Scan> {
        let mut ways: Vec<fn(&[u8]) -> Scan> = vec![scan];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has just said that it has this feature.
                ways.push(|bytes| unsafe { x86_64::scan_avx2(bytes) });
            }
            if is_x86_feature_detected!("avx512f") {
                // SAFETY: as above.
                ways.push(|bytes| unsafe { x86_64::scan_avx512(bytes) });
            }
        }
        ways
    }

    proptest! {
        #[test]
        fn simd_and_scalar_scan_alike(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 4..6000),
                prop::collection::vec(0_u8..2, 4..6000),
                prop::collection::vec(0xff_u8..=0xff, 4..3000),
            ],
            skip in 0_usize..4,
        ) {
            let bytes = &bytes[skip.min(bytes.len() - 4)..];
            let expected = scan_blocks(bytes, least_in_block);
            for way in ways() {
                prop_assert_eq!(way(bytes), expected);
            }
        }

        #[test]
        fn simd_and_scalar_find_the_same_places(
            block in prop::collection::vec(0_u8..3, BLOCK_LEN + RANK_WINDOW - 1),
            at in 0..BLOCK_LEN,
        ) {
            let block: &Block = block.first_chunk().unwrap();
            let window = block[at..].first_chunk().unwrap();
            let places = equal_places(block, window);
            prop_assert_eq!(places, equal_one_by_one(block, window));
            prop_assert_eq!(places[at / 64] >> (at % 64) & 1, 1);
        }
    }
}
