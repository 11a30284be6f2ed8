//! Cuts a file's bytes into chunks at places that the content itself chooses.
//!
//! Where a cut falls is part of the format: `docs/format.md`, "Cutting", says it in words and
//! pseudocode, and `docs/decisions/0002-cutter.md` why it is so. Nothing here reads or hashes.
//!
//! The algorithm is MinCDC with a hashed window of four bytes by Orson Peters (crate `mincdc`,
//! `MinCdcHash4`) with two changes: a tie is broken by what stands before the window, and a rest
//! that fits in one chunk is not cut.

use super::cut_simd::{self, BLOCK_LEN, RANK_WINDOW, Scan, rank};

/// The length in bytes below which only the last chunk of a file may be.
pub const CHUNK_LEN_MIN: usize = 32 * 1024;

/// The length in bytes that no chunk exceeds; a file no longer than this is one chunk.
pub const CHUNK_LEN_MAX: usize = 96 * 1024;

/// The first four outputs of splitmix64 from state 0, made odd.
const TIE_MUL: [u64; 4] = [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f5, 0x06c4_5d18_8009_454f, 0xf88b_b8a8_724c_81ed];

const TIE_WINDOW: usize = 32;
const _: () = assert!(TIE_WINDOW <= CHUNK_LEN_MIN && CHUNK_LEN_MIN <= CHUNK_LEN_MAX);

/// Returns the length of the chunk at the start of `window`, or `None` if more bytes are needed.
///
/// `window` holds a file's bytes from the start of a chunk; `last` says that it reaches the end of
/// the file. At most `CHUNK_LEN_MAX + 1` bytes are needed, because whether a rest of
/// `CHUNK_LEN_MAX` bytes is cut depends on whether one more follows. An empty window has no chunk.
pub fn next_cut(window: &[u8], last: bool) -> Option<usize> {
    match window.len() {
        0 => None,
        len if len > CHUNK_LEN_MAX => Some(cut_between(window, CHUNK_LEN_MIN, CHUNK_LEN_MAX)),
        len => last.then_some(len),
    }
}

/// Returns the chunks of a whole file, in order; an empty file has none.
pub fn chunks(file: &[u8]) -> Chunks<'_> {
    Chunks { rest: file }
}

/// The iterator that [`chunks`] returns.
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (chunk, rest) = self.rest.split_at(next_cut(self.rest, true)?);
        self.rest = rest;
        Some(chunk)
    }
}

/// Cuts as [`next_cut`] does the whole rest of a file, but with other limits: for measuring them.
///
/// # Panics
///
/// If `len_min` is less than 32 or more than `len_max`.
#[doc(hidden)]
pub fn cut_between(rest: &[u8], len_min: usize, len_max: usize) -> usize {
    assert!((TIE_WINDOW..=len_max).contains(&len_min), "chunk lengths are out of order");
    if rest.len() <= len_max {
        return rest.len();
    }
    let places = &rest[len_min - RANK_WINDOW..len_max];
    let scan = cut_simd::scan(places);
    len_min + break_tie(&rest[..len_max], len_min, scan)
}

/// Returns which place of the least rank is cut, counted from `len_min`.
///
/// On data of few different windows (genomes, columns of digits, masks) the same window is least
/// again and again. Taking the first one would cut at nearly fixed distances, and two versions that
/// are out of step would stay so.
fn break_tie(bytes: &[u8], len_min: usize, scan: Scan) -> usize {
    let places = &bytes[len_min - RANK_WINDOW..];
    // Different windows have different ranks, so a tie is the same four bytes again.
    let mut windows = places[scan.first_block..].array_windows();
    let window = windows.find(|window| rank(window) == scan.least).expect("the scan has seen it");
    let mut best = (u64::MAX, usize::MAX);
    let mut after_tied = 0;
    for block_at in (scan.first_block..=scan.last_block).step_by(BLOCK_LEN) {
        let tied = cut_simd::equal_places(&places[block_at..], window);
        for (word_at, word) in (block_at..).step_by(64).zip(tied) {
            // Within a run of one byte value only the first place counts.
            let mut counted = word & !(word << 1 | after_tied);
            after_tied = word >> 63;
            while counted != 0 {
                let at = word_at + counted.trailing_zeros() as usize;
                best = best.min((tie_rank(&bytes[..len_min + at]), at));
                counted &= counted - 1;
            }
        }
    }
    best.1
}

/// Ranks a place by the 32 bytes before it.
fn tie_rank(before: &[u8]) -> u64 {
    let window = before[before.len() - TIE_WINDOW..].as_chunks().0;
    window.iter().zip(TIE_MUL).fold(0, |sum, (word, mul)| sum.wrapping_add(u64::from_le_bytes(*word).wrapping_mul(mul)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    /// `len` bytes of `alphabet`, chosen by splitmix64 from state `seed`, one output for each byte.
    fn pseudo_random(seed: u64, alphabet: &[u8], len: usize) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) >> 32
        };
        let count = alphabet.len() as u64;
        (0..len).map(|_| alphabet[(next() % count) as usize]).collect()
    }

    fn every_byte() -> Vec<u8> {
        (0..=255).collect()
    }

    fn lens(file: &[u8]) -> Vec<usize> {
        chunks(file).map(<[u8]>::len).collect()
    }

    /// How many chunks of `new` are not among those of `old`.
    fn changed(old: &[u8], new: &[u8]) -> usize {
        let old: HashSet<_> = chunks(old).collect();
        chunks(new).filter(|chunk| !old.contains(chunk)).count()
    }

    /// Files of any size up to five chunks or so, of many or few different bytes.
    fn any_file() -> impl Strategy<Value = Vec<u8>> {
        let alphabet = prop_oneof![Just(every_byte()), Just(b"ACGT\n".to_vec()), Just(b"01".to_vec()), Just(b"\0".to_vec()),];
        (any::<u64>(), alphabet, 0..5 * CHUNK_LEN_MAX).prop_map(|(seed, alphabet, len)| pseudo_random(seed, &alphabet, len))
    }

    /// The definition in `docs/format.md`, place by place.
    fn cut_by_definition(rest: &[u8]) -> usize {
        if rest.len() <= CHUNK_LEN_MAX {
            return rest.len();
        }
        let window = |len: usize| &rest[len - 4..len];
        let counts = |len| len == CHUNK_LEN_MIN || window(len) != window(len - 1);
        let key = |len: usize| {
            let rank = rank(window(len).first_chunk().unwrap());
            (rank, tie_rank(&rest[..len]), len)
        };
        let lens = (CHUNK_LEN_MIN..=CHUNK_LEN_MAX).filter(|&len| counts(len));
        lens.min_by_key(|&len| key(len)).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn cuts_as_the_definition_says(file in any_file()) {
            let mut rest = &file[..];
            while let Some(len) = next_cut(rest, true) {
                prop_assert_eq!(len, cut_by_definition(rest));
                rest = &rest[len..];
            }
        }

        /// Where the least window stands once, `mincdc` cuts there too; where it stands more than
        /// once, `mincdc` takes the first and we take one of them.
        #[test]
        fn cuts_where_mincdc_does_or_at_a_later_tie(file in any_file()) {
            let mut rest = &file[..];
            while rest.len() > CHUNK_LEN_MAX {
                let len = next_cut(rest, true).unwrap();
                let hash = mincdc::MinCdcHash4::new();
                let mut oracle = mincdc::SliceChunker::new(rest, CHUNK_LEN_MIN, CHUNK_LEN_MAX, hash);
                let first = oracle.next().unwrap().len();
                let window = &rest[len - RANK_WINDOW..len];
                prop_assert_eq!(window, &rest[first - RANK_WINDOW..first]);
                let places = &rest[CHUNK_LEN_MIN - RANK_WINDOW..CHUNK_LEN_MAX];
                if places.windows(RANK_WINDOW).filter(|other| *other == window).count() == 1 {
                    prop_assert_eq!(len, first);
                }
                rest = &rest[len..];
            }
        }

        #[test]
        fn chunks_restore_the_file_and_keep_the_limits(file in any_file()) {
            let lens = lens(&file);
            prop_assert_eq!(chunks(&file).flatten().copied().collect::<Vec<_>>(), &file[..]);
            prop_assert!(lens.iter().all(|len| (1..=CHUNK_LEN_MAX).contains(len)));
            let all_but_last = lens.split_last().map_or(&[][..], |(_, others)| others);
            prop_assert!(all_but_last.iter().all(|&len| len >= CHUNK_LEN_MIN));
        }

        #[test]
        fn a_stream_is_cut_as_the_whole(file in any_file(), piece in 1..2 * CHUNK_LEN_MAX) {
            let (mut window, mut read, mut lens_streamed) = (Vec::new(), 0, Vec::new());
            loop {
                while let Some(len) = next_cut(&window, read == file.len()) {
                    lens_streamed.push(len);
                    window.drain(..len);
                }
                if read == file.len() {
                    break;
                }
                let end = (read + piece).min(file.len());
                window.extend_from_slice(&file[read..end]);
                read = end;
            }
            prop_assert_eq!(lens_streamed, lens(&file));
        }

        #[test]
        fn an_append_changes_only_the_last_chunk(old in any_file(), tail in any_file()) {
            let old_lens = lens(&old);
            let new_lens = lens(&[old, tail].concat());
            let kept = old_lens.len().saturating_sub(1);
            prop_assert_eq!(&old_lens[..kept], &new_lens[..kept]);
        }
    }

    #[test]
    fn a_file_no_longer_than_the_largest_chunk_is_one_chunk() {
        let file = pseudo_random(1, &every_byte(), CHUNK_LEN_MAX + 1);
        assert_eq!(lens(&file[..0]), [0; 0]);
        assert_eq!(lens(&file[..1]), [1]);
        assert_eq!(lens(&file[..CHUNK_LEN_MAX]), [CHUNK_LEN_MAX]);
        assert_eq!(lens(&file).len(), 2);
    }

    #[test]
    fn nothing_is_cut_before_one_byte_more_than_the_largest_chunk_is_there() {
        let file = pseudo_random(1, &every_byte(), CHUNK_LEN_MAX + 1);
        assert_eq!(next_cut(&file[..CHUNK_LEN_MAX], false), None);
        assert_eq!(next_cut(&file, false), next_cut(&file, true));
        assert_eq!(next_cut(&[], true), None);
    }

    #[test]
    fn cuts_of_random_bytes_are_pinned() {
        assert_eq!(
            lens(&pseudo_random(0, &every_byte(), 1 << 20)),
            [95394, 74391, 43774, 80349, 51929, 61815, 38603, 88176, 57592, 63369, 52165, 86667, 63970, 33612, 79565, 77205]
        );
    }

    #[test]
    fn cuts_of_a_genome_are_pinned() {
        assert_eq!(
            lens(&pseudo_random(0, b"ACGT", 1 << 20)),
            [90752, 35472, 76037, 45882, 83673, 77865, 54030, 50321, 78544, 37671, 98029, 44114, 81874, 34853, 43499, 70885, 45075]
        );
    }

    #[test]
    fn zeros_are_cut_at_the_least_length() {
        let zeros = vec![0; 10 * CHUNK_LEN_MIN];
        assert_eq!(lens(&zeros), [&[CHUNK_LEN_MIN; 7][..], &[CHUNK_LEN_MAX]].concat());
    }

    #[test]
    fn an_insert_changes_only_chunks_near_it() {
        let alphabets = [every_byte(), b"ACGT".to_vec(), b"01".to_vec(), b"\0".to_vec()];
        let counts = alphabets.map(|alphabet| {
            let old = pseudo_random(2, &alphabet, 2 << 20);
            let (before, after) = old.split_at(old.len() / 2);
            [b"!".to_vec(), pseudo_random(3, &alphabet, 20_011)].map(|inserted| changed(&old, &[before, &inserted, after].concat()))
        });
        assert_eq!(counts, [[1, 1], [1, 4], [2, 2], [2, 1]]);
    }
}
