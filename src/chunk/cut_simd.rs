//! Finds the least rank of a block with wide registers where the machine has them.
//!
//! The only file with `unsafe` code. Each function here has a scalar twin in [`super::cut`] that
//! defines its result; which one runs is asked of the processor, so a store is the same wherever it
//! was written.
#![allow(unsafe_code)]

use super::cut::{Block, Places, RANK_WINDOW, Scan, equal_places, least_in_block, scan_blocks};

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

/// Returns the places of `block` that have this window.
pub(super) fn equal_in_block(block: &Block, window: &[u8; RANK_WINDOW]) -> Places {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has just said that it has this feature.
        return unsafe { x86_64::equal_avx2(block, window) };
    }
    equal_places(block, window)
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use crate::chunk::cut::{
        BLOCK_LEN, Block, Places, RANK_ADD, RANK_MUL, RANK_WINDOW, Scan, scan_blocks,
    };
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
        _mm512_reduce_min_epu32(_mm512_min_epu32(
            _mm512_min_epu32(a, b),
            _mm512_min_epu32(c, d),
        ))
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
        let half = _mm_min_epu32(
            _mm256_castsi256_si128(all),
            _mm256_extracti128_si256::<1>(all),
        );
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
    use crate::chunk::cut::BLOCK_LEN;
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
            let places = equal_in_block(block, window);
            prop_assert_eq!(places, equal_places(block, window));
            prop_assert_eq!(places[at / 64] >> (at % 64) & 1, 1);
        }
    }
}
