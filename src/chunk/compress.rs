//! Compresses and decompresses blocks, and chooses how from a sample of their bytes.
//!
//! The byte layout of each codec is in `docs/format.md`, "Block codecs"; why these codecs, levels
//! and sizes is in `docs/decisions/0003-blocks-and-codecs.md`. Gathering chunks into blocks and
//! checking their hashes is done elsewhere.

use std::fmt;

pub use crate::format::limits::BLOCK_RAW_LEN_MAX;

use super::planes::{merge, split};
use super::sample::{PlaneCoding, Repeats, grouping, is_skewed, plane_coding};
use zstd::zstd_safe::{self, CCtx, CParameter, DCtx, compress_bound, find_frame_compressed_size, get_frame_content_size};

/// Raw length, in bytes, at which a block is full enough to be closed.
pub const BLOCK_RAW_LEN_TARGET: usize = 262_144;

/// How the payload of a block is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// The raw bytes themselves.
    Raw,
    /// One zstd frame.
    Zstd,
    /// Two planes of every second byte, each raw or a zstd frame: bf16, f16, 16-bit integers.
    Group2,
    /// Four planes of every fourth byte: f32, 32-bit integers.
    Group4,
    /// Eight planes of every eighth byte: f64, 64-bit integers.
    Group8,
}

impl Codec {
    /// Returns the id that a block's header holds.
    pub fn id(self) -> u32 {
        match self {
            Self::Raw => 0,
            Self::Zstd => 1,
            Self::Group2 => 2,
            Self::Group4 => 3,
            Self::Group8 => 4,
        }
    }

    /// Returns the codec of an id, or `None` for one that this version does not know.
    pub fn from_id(id: u32) -> Option<Self> {
        match id {
            0 => Some(Self::Raw),
            1 => Some(Self::Zstd),
            2 => Some(Self::Group2),
            3 => Some(Self::Group4),
            4 => Some(Self::Group8),
            _ => None,
        }
    }

    /// Returns how many planes the payload has.
    pub(super) fn width(self) -> usize {
        match self {
            Self::Raw | Self::Zstd => 1,
            Self::Group2 => 2,
            Self::Group4 => 4,
            Self::Group8 => 8,
        }
    }
}

/// Why a stored block was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The stated raw length is above [`BLOCK_RAW_LEN_MAX`]; no memory was taken.
    RawLenAboveLimit {
        /// The stated length.
        raw_len: usize,
    },
    /// The payload is no encoding of exactly the stated number of bytes.
    Malformed,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RawLenAboveLimit { raw_len } => write!(f, "block of {raw_len} bytes exceeds the limit of {BLOCK_RAW_LEN_MAX}"),
            Self::Malformed => f.write_str("block payload does not decode to its stated length"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Blocks shorter than this are not sampled: trying zstd is as cheap.
const SAMPLED_LEN_MIN: usize = 512;
/// Blocks shorter than this are not grouped: the frames of the planes would eat the gain.
const GROUPED_LEN_MIN: usize = 4096;
/// How much of a block is encoded both ways where the sample cannot tell which is smaller.
const TRIAL_LEN: usize = 32_768;

/// Compresses blocks. Holds zstd contexts and scratch memory, about 2.5 MiB; make one per thread.
pub struct Encoder {
    matching: Frames,
    entropy: Frames,
    repeats: Repeats,
    planes: Vec<u8>,
    scratch: Vec<u8>,
    frame: Vec<u8>,
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// Makes an encoder.
    pub fn new() -> Self {
        Self {
            matching: Frames::matching(),
            entropy: Frames::entropy(),
            repeats: Repeats::new(),
            planes: Vec::new(),
            scratch: Vec::new(),
            frame: Vec::new(),
        }
    }

    /// Fills `out` with the stored form of `raw` and returns its codec. For [`Codec::Raw`] `out` is
    /// left empty: the stored form is `raw`.
    ///
    /// The result depends on `raw` and the version of libzstd alone.
    pub fn encode(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Codec {
        let codec = self.choose(raw, out);
        match codec {
            Codec::Raw => out.clear(),
            Codec::Zstd => self.matching.compress(raw, out),
            Codec::Group2 | Codec::Group4 | Codec::Group8 => self.group(codec.width(), raw, out),
        }
        if out.len() > stored_len_max(raw.len()) {
            out.clear();
        }
        if out.is_empty() { Codec::Raw } else { codec }
    }

    /// Chooses the codec from a sample of `raw`; where that cannot tell grouping from matching, from
    /// the sizes that a slice of `raw` comes to. `out` is scratch.
    fn choose(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Codec {
        if raw.len() < SAMPLED_LEN_MIN {
            return Codec::Zstd;
        }
        if !is_skewed(raw) {
            return match self.repeats.found(raw) {
                true => Codec::Zstd,
                false => Codec::Raw,
            };
        }
        if raw.len() < GROUPED_LEN_MIN {
            return Codec::Zstd;
        }
        let Some((codec, has_flat_plane)) = grouping(raw) else {
            return Codec::Zstd;
        };
        // Uniform bytes at every n-th place leave no matches but repeats of whole runs of elements.
        if has_flat_plane && !self.repeats.found(raw) {
            return codec;
        }
        let start = (raw.len().saturating_sub(TRIAL_LEN) / 2) & !7;
        let slice = &raw[start..raw.len().min(start + TRIAL_LEN)];
        self.group(codec.width(), slice, out);
        let grouped_len = out.len();
        self.matching.compress(slice, out);
        if grouped_len < out.len() { codec } else { Codec::Zstd }
    }

    /// Writes the lengths of the planes, the planes and the bytes after the last whole element.
    fn group(&mut self, width: usize, raw: &[u8], out: &mut Vec<u8>) {
        out.clear();
        let plane_len = raw.len() / width;
        let (elements, tail) = raw.split_at(plane_len * width);
        split(width, elements, &mut self.planes, &mut self.scratch);
        out.resize(width * 4, 0);
        for (index, plane) in self.planes.chunks_exact(plane_len).enumerate() {
            let stored = match plane_coding(plane) {
                PlaneCoding::Raw => plane,
                coding => {
                    let frames = match coding {
                        PlaneCoding::Matching => &mut self.matching,
                        _ => &mut self.entropy,
                    };
                    frames.compress(plane, &mut self.frame);
                    match self.frame.len() <= stored_len_max(plane_len) {
                        true => &self.frame,
                        false => plane,
                    }
                }
            };
            out.extend_from_slice(stored);
            let stored_len = u32::try_from(stored.len()).expect("a plane is shorter than a block");
            out[index * 4..index * 4 + 4].copy_from_slice(&stored_len.to_le_bytes());
        }
        out.extend_from_slice(tail);
    }
}

/// Decompresses blocks. Holds a zstd context and scratch memory; make one per thread.
pub struct Decoder {
    context: DCtx<'static>,
    planes: Vec<u8>,
    scratch: Vec<u8>,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// Makes a decoder.
    pub fn new() -> Self {
        Self { context: DCtx::create(), planes: Vec::new(), scratch: Vec::new() }
    }

    /// Replaces the contents of `out` with the `raw_len` bytes that `stored` encodes. A buffer that
    /// is passed again, uncleared, saves filling it with zeros first.
    ///
    /// # Errors
    ///
    /// Refuses a `raw_len` above [`BLOCK_RAW_LEN_MAX`] and a payload that does not decode to exactly
    /// `raw_len` bytes or goes on after them. `out` then holds nothing.
    pub fn decode(&mut self, codec: Codec, stored: &[u8], raw_len: usize, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        if raw_len > BLOCK_RAW_LEN_MAX {
            out.clear();
            return Err(DecodeError::RawLenAboveLimit { raw_len });
        }
        out.resize(raw_len, 0);
        let decoded = match codec {
            Codec::Raw if stored.len() == raw_len => {
                out.copy_from_slice(stored);
                Some(())
            }
            Codec::Raw => None,
            Codec::Zstd => decompress(&mut self.context, stored, out),
            Codec::Group2 | Codec::Group4 | Codec::Group8 => self.ungroup(codec.width(), stored, out),
        };
        decoded.ok_or_else(|| {
            out.clear();
            DecodeError::Malformed
        })
    }

    fn ungroup(&mut self, width: usize, stored: &[u8], out: &mut [u8]) -> Option<()> {
        let plane_len = out.len() / width;
        if plane_len == 0 {
            return None;
        }
        let (lens, mut rest) = stored.split_at_checked(width * 4)?;
        self.planes.resize(plane_len * width, 0);
        for (len, plane) in lens.as_chunks::<4>().0.iter().zip(self.planes.chunks_exact_mut(plane_len)) {
            let stored_len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
            let (stored_plane, after) = rest.split_at_checked(stored_len)?;
            rest = after;
            match stored_len.cmp(&plane_len) {
                std::cmp::Ordering::Less => decompress(&mut self.context, stored_plane, plane)?,
                std::cmp::Ordering::Equal => plane.copy_from_slice(stored_plane),
                std::cmp::Ordering::Greater => return None,
            }
        }
        let (elements, tail) = out.split_at_mut(plane_len * width);
        if rest.len() != tail.len() {
            return None;
        }
        tail.copy_from_slice(rest);
        merge(width, &mut self.planes, &mut self.scratch, elements);
        Some(())
    }
}

/// Returns the most bytes that may stand for `raw_len`: a saving below 1/64 is not worth decoding.
fn stored_len_max(raw_len: usize) -> usize {
    raw_len - raw_len.div_ceil(64)
}

/// A zstd context with fixed parameters.
struct Frames(CCtx<'static>);

impl Frames {
    /// Finds matches: level 1 with a hash table of 2^16 in place of 2^14 entries, which stores up to a
    /// tenth less of text for a tenth more time.
    fn matching() -> Self {
        Self::with(16, 6)
    }

    /// Finds next to none, so that what is left is Huffman coding: accidental matches among skewed
    /// but independent bytes cost both space and time.
    fn entropy() -> Self {
        Self::with(6, 7)
    }

    fn with(hash_log: u32, match_len_min: u32) -> Self {
        let mut context = CCtx::create();
        for parameter in [
            CParameter::CompressionLevel(1),
            CParameter::Strategy(zstd_safe::Strategy::ZSTD_fast),
            CParameter::WindowLog(BLOCK_RAW_LEN_MAX.ilog2()),
            CParameter::HashLog(hash_log),
            CParameter::MinMatch(match_len_min),
        ] {
            context.set_parameter(parameter).expect("the parameters are constants within the bounds of libzstd");
        }
        Self(context)
    }

    fn compress(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        out.clear();
        // With less room than the bound, zstd's choices would depend on the capacity of `out`.
        out.reserve(compress_bound(raw.len()));
        self.0.compress2(out, raw).expect("zstd fails only for want of room or memory");
    }
}

/// Decodes one zstd frame that must be all of `stored` and give exactly `out`.
fn decompress(context: &mut DCtx<'static>, stored: &[u8], out: &mut [u8]) -> Option<()> {
    // zstd would go on with further frames, and over skippable ones.
    if find_frame_compressed_size(stored).ok()? != stored.len() || get_frame_content_size(stored).ok()? != Some(out.len() as u64) {
        return None;
    }
    (context.decompress(out, stored).ok()? == out.len()).then_some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sample::{BIT, REGION_LEN, SPAN_LEN, SPANS_PER_REGION, log2};
    use super::*;

    const GROUPS: [Codec; 3] = [Codec::Group2, Codec::Group4, Codec::Group8];
    const BLOCK: usize = BLOCK_RAW_LEN_TARGET;

    /// SplitMix64.
    struct Rng(u64);

    impl Rng {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        fn normal(&mut self) -> f64 {
            let mut uniform = || ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            let (a, b) = (uniform(), uniform());
            (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
        }
    }

    fn random(seed: u64, len: usize) -> Vec<u8> {
        let mut rng = Rng(seed);
        (0..len).map(|_| rng.next() as u8).collect()
    }

    fn bf16(len: usize) -> Vec<u8> {
        let mut rng = Rng(2);
        (0..len / 2).flat_map(|_| (((rng.normal() as f32 * 0.02).to_bits() >> 16) as u16).to_le_bytes()).collect()
    }

    fn f32s(len: usize) -> Vec<u8> {
        let mut rng = Rng(3);
        (0..len / 4).flat_map(|_| (rng.normal() as f32 * 0.02).to_le_bytes()).collect()
    }

    fn f64s(len: usize) -> Vec<u8> {
        let mut rng = Rng(4);
        (0..len / 8).flat_map(|_| (rng.normal() * 10.0 + 50.0).to_le_bytes()).collect()
    }

    fn csv(len: usize) -> Vec<u8> {
        let mut rng = Rng(5);
        let words = ["setosa", "versicolor", "north", "south"];
        let mut text = Vec::new();
        for row in 0.. {
            let word = words[rng.next() as usize % 4];
            let (a, b) = (rng.next() % 100_000, rng.normal() * 10.0 + 50.0);
            text.extend(format!("{row},{word},{b:.4},{a},2026-03-07T00:00:00Z\n").bytes());
            if text.len() >= len {
                break;
            }
        }
        text.truncate(len);
        text
    }

    fn encode(raw: &[u8]) -> (Codec, Vec<u8>) {
        let mut out = vec![1, 2, 3];
        let codec = Encoder::new().encode(raw, &mut out);
        if codec == Codec::Raw {
            assert!(out.is_empty());
            out.extend_from_slice(raw);
        }
        (codec, out)
    }

    /// Encodes by a codec that the sample would not choose.
    fn encode_as(codec: Codec, raw: &[u8]) -> Vec<u8> {
        let (mut encoder, mut out) = (Encoder::new(), Vec::new());
        match codec {
            Codec::Raw => out.extend_from_slice(raw),
            Codec::Zstd => encoder.matching.compress(raw, &mut out),
            _ => encoder.group(codec.width(), raw, &mut out),
        }
        out
    }

    fn decode(codec: Codec, stored: &[u8], raw_len: usize) -> Result<Vec<u8>, DecodeError> {
        let mut out = vec![9; 5];
        let result = Decoder::new().decode(codec, stored, raw_len, &mut out);
        if result.is_err() {
            assert!(out.is_empty());
        }
        result.map(|()| out)
    }

    fn assert_round_trip(raw: &[u8]) -> Codec {
        let (codec, stored) = encode(raw);
        assert!(stored.len() <= raw.len());
        assert_eq!(decode(codec, &stored, raw.len()).as_deref(), Ok(raw));
        codec
    }

    #[test]
    fn ids_are_fixed_and_unknown_ones_refused() {
        let codecs = [Codec::Raw, Codec::Zstd, Codec::Group2, Codec::Group4, Codec::Group8];
        for (id, codec) in (0..).zip(codecs) {
            assert_eq!(codec.id(), id);
            assert_eq!(Codec::from_id(id), Some(codec));
        }
        for id in [5, 6, 255, 256, u32::MAX] {
            assert_eq!(Codec::from_id(id), None);
        }
    }

    #[test]
    fn random_bytes_are_raw() {
        for len in [1, 9, 511, 512, 5000, BLOCK, BLOCK_RAW_LEN_MAX] {
            assert_eq!(assert_round_trip(&random(1, len)), Codec::Raw, "{len}");
        }
    }

    #[test]
    fn arrays_are_grouped_by_their_width_at_any_phase() {
        for phase in 0..8 {
            let len = BLOCK - 3 * phase;
            assert_eq!(assert_round_trip(&bf16(BLOCK)[phase..len]), Codec::Group2);
            assert_eq!(assert_round_trip(&f32s(BLOCK)[phase..len]), Codec::Group4);
            assert_eq!(assert_round_trip(&f64s(BLOCK)[phase..len]), Codec::Group8);
        }
    }

    #[test]
    fn grouped_weights_are_near_their_entropy() {
        let raw = bf16(BLOCK);
        assert!(encode(&raw).1.len() * 1000 < raw.len() * 680);
        let raw = f32s(BLOCK);
        assert!(encode(&raw).1.len() * 1000 < raw.len() * 850);
    }

    #[test]
    fn text_is_zstd() {
        for len in [300, 5000, BLOCK + 12_345] {
            let raw = csv(len);
            assert_eq!(assert_round_trip(&raw), Codec::Zstd);
        }
        assert!(encode(&csv(BLOCK)).1.len() * 3 < BLOCK);
    }

    #[test]
    fn zeros_are_tiny() {
        for len in [64, 5000, BLOCK, BLOCK_RAW_LEN_MAX] {
            let raw = vec![0; len];
            assert_eq!(assert_round_trip(&raw), Codec::Zstd);
            assert!(encode(&raw).1.len() < 64);
        }
    }

    #[test]
    fn random_bytes_that_repeat_are_compressed() {
        for period in [10_000, 50_001, BLOCK / 2] {
            let raw: Vec<u8> = random(6, period).into_iter().cycle().take(BLOCK).collect();
            assert_eq!(assert_round_trip(&raw), Codec::Zstd);
            assert!(encode(&raw).1.len() * 10 < BLOCK * 6, "{period}");
        }
    }

    #[test]
    fn an_array_that_repeats_is_no_larger_than_by_zstd() {
        let raw: Vec<u8> = bf16(8192).into_iter().cycle().take(BLOCK).collect();
        assert_round_trip(&raw);
        assert!(encode(&raw).1.len() * 10 < BLOCK);
    }

    #[test]
    fn a_block_that_only_looks_compressible_is_raw() {
        let mut raw = random(7, BLOCK);
        for region in raw.chunks_mut(REGION_LEN) {
            let step = region.len() / SPANS_PER_REGION;
            for span in region.chunks_mut(step) {
                span[..SPAN_LEN / 4].fill(b' ');
            }
        }
        assert!(is_skewed(&raw));
        assert_eq!(assert_round_trip(&raw), Codec::Raw);
    }

    #[test]
    fn text_among_random_bytes_is_compressed() {
        let mut raw = random(8, BLOCK);
        raw[100_000..160_000].copy_from_slice(&csv(60_000));
        assert_eq!(assert_round_trip(&raw), Codec::Zstd);
    }

    #[test]
    fn an_encoder_is_not_changed_by_what_it_encoded() {
        let blocks = [bf16(BLOCK), csv(BLOCK), random(1, 999), csv(700), f32s(70_001), vec![0; 9]];
        let (mut encoder, mut out) = (Encoder::new(), Vec::new());
        for raw in blocks.iter().chain(&blocks) {
            let codec = encoder.encode(raw, &mut out);
            let (alone, stored) = encode(raw);
            assert_eq!(codec, alone);
            assert!(codec == Codec::Raw || out == stored);
        }
    }

    #[test]
    fn the_empty_block_is_raw() {
        assert_eq!(assert_round_trip(&[]), Codec::Raw);
        for codec in GROUPS.into_iter().chain([Codec::Zstd]) {
            assert_eq!(decode(codec, &[], 0), Err(DecodeError::Malformed));
            assert_eq!(decode(codec, &[0; 32], 0), Err(DecodeError::Malformed));
        }
    }

    #[test]
    fn log2_is_exact_to_a_256th_bit_below_512() {
        for n in 1..512_u32 {
            let expected = (f64::from(n).log2() * 256.0).floor();
            assert!((log2(n) as f64 - expected).abs() <= 1.0, "{n}");
        }
        assert_eq!(log2(0), 0);
        assert_eq!(log2(1 << 20), 20 * BIT);
    }

    #[test]
    fn splitting_deals_bytes_out_by_their_place() {
        let raw: Vec<u8> = (0..=255).cycle().take(8 * 77).collect();
        let (mut planes, mut scratch) = (Vec::new(), Vec::new());
        for width in [2, 4, 8] {
            split(width, &raw, &mut planes, &mut scratch);
            let expected: Vec<u8> = (0..width).flat_map(|residue| raw.iter().copied().skip(residue).step_by(width)).collect();
            assert_eq!(planes, expected);
            let mut back = vec![0; raw.len()];
            merge(width, &mut planes, &mut scratch, &mut back);
            assert_eq!(back, raw);
        }
    }

    #[test]
    fn the_framing_of_raw_planes_is_fixed() {
        let raw = b"a1b2c3d4e5!";
        let stored = encode_as(Codec::Group2, raw);
        assert_eq!(stored, b"\x05\0\0\0\x05\0\0\0abcde12345!");
        let stored = encode_as(Codec::Group4, raw);
        assert_eq!(stored, b"\x02\0\0\0\x02\0\0\0\x02\0\0\0\x02\0\0\0ac13bd24e5!");
    }

    #[test]
    fn a_plane_may_be_a_frame_of_any_level() {
        let (raw, plane) = ([7; 200], zstd::bulk::compress(&[7; 100], 19).unwrap());
        let mut stored = Vec::new();
        stored.extend((plane.len() as u32).to_le_bytes());
        stored.extend(100_u32.to_le_bytes());
        stored.extend(plane);
        stored.extend([7; 100]);
        assert_eq!(decode(Codec::Group2, &stored, 200).as_deref(), Ok(&raw[..]));
    }

    #[test]
    fn a_payload_cut_short_or_longer_is_refused() {
        let blocks = [
            (Codec::Raw, random(1, 300)),
            (Codec::Zstd, csv(3000)),
            (Codec::Group2, bf16(1501)),
            (Codec::Group4, f32s(1502)),
            (Codec::Group8, f64s(1503)),
        ];
        for (codec, raw) in blocks {
            let mut stored = encode_as(codec, &raw);
            assert_eq!(decode(codec, &stored, raw.len()).as_deref(), Ok(&raw[..]));
            for len in 0..stored.len() {
                let result = decode(codec, &stored[..len], raw.len());
                assert_eq!(result, Err(DecodeError::Malformed), "{codec:?} {len}");
            }
            stored.push(0);
            assert_eq!(decode(codec, &stored, raw.len()), Err(DecodeError::Malformed));
        }
    }

    #[test]
    fn a_wrong_raw_len_is_refused() {
        for (codec, raw) in [
            (Codec::Raw, random(1, 300)),
            (Codec::Zstd, csv(3000)),
            (Codec::Group2, bf16(3000)),
            (Codec::Group4, f32s(3000)),
            (Codec::Group8, f64s(3000)),
        ] {
            let stored = encode_as(codec, &raw);
            for raw_len in (0..raw.len()).chain(raw.len() + 1..raw.len() + 40) {
                let result = decode(codec, &stored, raw_len);
                assert_eq!(result, Err(DecodeError::Malformed), "{codec:?} {raw_len}");
            }
        }
    }

    #[test]
    fn a_raw_len_above_the_limit_is_refused_before_memory_is_taken() {
        for raw_len in [BLOCK_RAW_LEN_MAX + 1, usize::MAX] {
            let mut out = Vec::new();
            let result = Decoder::new().decode(Codec::Zstd, &[], raw_len, &mut out);
            assert_eq!(result, Err(DecodeError::RawLenAboveLimit { raw_len }));
            assert_eq!(out.capacity(), 0);
        }
    }

    #[test]
    fn zstd_frames_beside_the_one_are_refused() {
        let raw = csv(3000);
        let frame = encode_as(Codec::Zstd, &raw);
        let skippable = b"\x50\x2a\x4d\x18\x01\0\0\0x";
        let (head, tail) = raw.split_at(1000);
        let two = [encode_as(Codec::Zstd, head), encode_as(Codec::Zstd, tail)].concat();
        for stored in [[&frame[..], skippable].concat(), [skippable, &frame[..]].concat(), skippable.to_vec(), two] {
            assert_eq!(decode(Codec::Zstd, &stored, 3000), Err(DecodeError::Malformed));
        }
    }

    #[test]
    fn a_frame_of_more_than_it_states_is_refused() {
        let bomb = zstd::bulk::compress(&vec![0; 50 << 20], 3).unwrap();
        let result = decode(Codec::Zstd, &bomb, BLOCK_RAW_LEN_MAX);
        assert_eq!(result, Err(DecodeError::Malformed));
    }

    #[test]
    fn plane_lengths_that_do_not_add_up_are_refused() {
        let raw = bf16(3000);
        let stored = encode_as(Codec::Group2, &raw);
        for (at, byte) in [(0, 0), (0, 255), (2, 1), (3, 0x80), (4, 0), (7, 0xff)] {
            let mut bad = stored.clone();
            bad[at] ^= byte | 1;
            assert_eq!(decode(Codec::Group2, &bad, 3000), Err(DecodeError::Malformed));
        }
    }

    /// Bytes of several kinds one after the other: none, one or several of the codecs suit them.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = (0..7_u8, any::<u64>(), 0..9000_usize).prop_map(|(kind, seed, len)| match kind {
            0 => random(seed, len),
            1 => csv(len),
            2 => bf16(len),
            3 => f32s(len),
            4 => f64s(len),
            5 => vec![seed as u8; len],
            _ => random(seed, len.div_ceil(9)).repeat(9),
        });
        proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

        #[test]
        fn any_bytes_round_trip(raw in bytes()) {
            assert_round_trip(&raw);
        }

        #[test]
        fn any_bytes_round_trip_by_every_codec(raw in bytes(), cut in 0..9_usize) {
            let raw = &raw[cut.min(raw.len())..];
            for codec in GROUPS.into_iter().chain([Codec::Zstd]) {
                if raw.len() >= 8 {
                    let stored = encode_as(codec, raw);
                    let decoded = decode(codec, &stored, raw.len());
                    prop_assert_eq!(decoded.as_deref(), Ok(raw));
                }
            }
        }

        #[test]
        fn any_payload_decodes_to_its_length_or_is_refused(
            stored in proptest::collection::vec(any::<u8>(), 0..200), raw_len in 0..300_usize,
        ) {
            for codec in GROUPS.into_iter().chain([Codec::Raw, Codec::Zstd]) {
                if let Ok(raw) = decode(codec, &stored, raw_len) {
                    prop_assert_eq!(raw.len(), raw_len);
                }
            }
        }

        #[test]
        fn a_damaged_payload_decodes_to_its_length_or_is_refused(at in any::<usize>(), flip in 1..=255_u8) {
            for (codec, raw) in [
                (Codec::Zstd, csv(3000)),
                (Codec::Group2, bf16(3001)),
                (Codec::Group8, f64s(3002)),
            ] {
                let mut stored = encode_as(codec, &raw);
                let at = at % stored.len();
                stored[at] ^= flip;
                if let Ok(decoded) = decode(codec, &stored, raw.len()) {
                    prop_assert_eq!(decoded.len(), raw.len());
                }
            }
        }
    }
}
