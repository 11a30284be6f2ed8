//! Guesses from a cheap look at a block how it is best stored. A wrong guess costs space or time,
//! never bytes: the codec that was chosen stands in the block.

use super::compress::Codec;

/// Entropies are in units of 1/256 bit.
pub(super) const BIT: u64 = 256;
/// Spans of a block, and of a plane, that are sampled: far enough apart to be cheap, near enough
/// together to see a small compressible file among others.
pub(super) const REGION_LEN: usize = 32_768;
pub(super) const SPANS_PER_REGION: usize = 8;
pub(super) const SPAN_LEN: usize = 128;

/// Counts of byte values.
pub(super) struct Histogram {
    counts: [u32; 256],
    total: u32,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: [0; 256], total: 0 }
    }

    pub(super) fn sum_of<'a>(planes: impl Iterator<Item = &'a [u16; 256]>) -> Self {
        let mut sum = Self::new();
        for plane in planes {
            for (count, &more) in sum.counts.iter_mut().zip(plane) {
                *count += u32::from(more);
            }
        }
        sum.total = sum.counts.iter().sum();
        sum
    }

    /// Counts `SPANS_PER_REGION` evenly spaced spans of `region`.
    pub(super) fn add_spans(&mut self, region: &[u8]) {
        for span in spans(region) {
            for &byte in span {
                self.counts[usize::from(byte)] += 1;
            }
            self.total += span.len() as u32;
        }
    }

    /// Estimates the entropy of a byte, corrected for the size of the sample (Miller and Madow).
    pub(super) fn entropy(&self) -> u64 {
        if self.total == 0 {
            return 8 * BIT;
        }
        let mut sum = 0;
        let mut distinct = 0;
        for &count in &self.counts {
            sum += u64::from(count) * log2(count);
            distinct += u64::from(count > 0);
        }
        let total = u64::from(self.total);
        // (distinct - 1) / (2 ln 2) bits; 185/256 is 1 / (2 ln 2).
        let correction = distinct.saturating_sub(1) * 185;
        ((total * log2(self.total) - sum + correction) / total).min(8 * BIT)
    }

    /// Returns how often two bytes of this distribution are equal, per 65,536.
    pub(super) fn collisions(&self) -> u64 {
        let pairs: u64 = self.counts.iter().map(|&c| u64::from(c) * u64::from(c)).sum();
        (pairs << 16) / u64::from(self.total).pow(2).max(1)
    }
}

pub(super) fn spans(region: &[u8]) -> impl Iterator<Item = &[u8]> {
    let step = (region.len() / SPANS_PER_REGION).max(8) & !7;
    region.chunks(step).map(move |part| &part[..part.len().min(SPAN_LEN)])
}

/// Returns log2 in units of 1/256 bit, from a table for the 9 leading bits; 0 for 0.
pub(super) fn log2(n: u32) -> u64 {
    let shift = (32 - n.leading_zeros()).saturating_sub(9);
    u64::from(LOG2[(n >> shift) as usize]) + u64::from(shift) * BIT
}

static LOG2: [u16; 512] = {
    let mut table = [0; 512];
    let mut n = 1_u64;
    while n < 512 {
        // Squaring doubles the logarithm: each time it passes 2 yields one more binary digit.
        let whole = n.ilog2();
        let mut fraction = 0;
        let mut x = (n << 31) >> whole;
        let mut digit = 0;
        while digit < 8 {
            x = (x * x) >> 31;
            fraction <<= 1;
            if x >> 32 != 0 {
                fraction |= 1;
                x >>= 1;
            }
            digit += 1;
        }
        table[n as usize] = (whole as u16) << 8 | fraction;
        n += 1;
    }
    table
};

/// Tells whether coding each byte by its frequency nearby would save more than 1/48.
pub(super) fn is_skewed(raw: &[u8]) -> bool {
    let saved: u64 = raw
        .chunks(REGION_LEN)
        .map(|region| {
            let mut histogram = Histogram::new();
            histogram.add_spans(region);
            (8 * BIT - histogram.entropy()) * region.len() as u64
        })
        .sum();
    saved * 48 > 8 * BIT * raw.len() as u64
}

/// Returns the grouping that makes bytes more predictable, if one does, and whether one of its
/// planes looks uniform. Where elements begin in `raw` does not matter.
pub(super) fn grouping(raw: &[u8]) -> Option<(Codec, bool)> {
    let mut planes = [const { [0_u16; 256] }; 8];
    let step = (raw.len() / 64).max(SPAN_LEN) & !7;
    for part in raw.chunks(step) {
        for element in part[..part.len().min(SPAN_LEN)].as_chunks::<8>().0 {
            for (plane, &byte) in planes.iter_mut().zip(element) {
                plane[usize::from(byte)] += 1;
            }
        }
    }
    let mut best = None;
    // A wider grouping costs more and has to save 2 % over the narrower one, or over none.
    let mut to_beat = 8 * BIT;
    for codec in [Codec::Zstd, Codec::Group2, Codec::Group4, Codec::Group8] {
        let width = codec.width();
        let (mut sum, mut most) = (0, 0);
        for residue in 0..width {
            let entropy = Histogram::sum_of(planes.iter().skip(residue).step_by(width)).entropy();
            sum += entropy;
            most = entropy.max(most);
        }
        let mean = sum / width as u64;
        if mean < to_beat {
            best = Some((codec, most * 100 > 8 * BIT * 95));
            to_beat = mean * 98 / 100;
        }
    }
    best.filter(|(codec, _)| *codec != Codec::Zstd)
}

/// How one plane is stored.
pub(super) enum PlaneCoding {
    Raw,
    Entropy,
    Matching,
}

/// Chooses by a sample: neighbours that are equal more often than chance has it promise matches.
pub(super) fn plane_coding(plane: &[u8]) -> PlaneCoding {
    let mut histogram = Histogram::new();
    histogram.add_spans(plane);
    let (mut equal, mut pairs) = (0, 0);
    for span in spans(plane) {
        equal += span.iter().zip(&span[1..]).filter(|(a, b)| a == b).count() as u64;
        pairs += span.len() as u64 - 1;
    }
    let expected = histogram.collisions() * pairs;
    if (equal << 16) * 2 > expected * 3 + (pairs << 16) / 64 {
        PlaneCoding::Matching
    } else if histogram.entropy() * 100 > 8 * BIT * 98 {
        PlaneCoding::Raw
    } else {
        PlaneCoding::Entropy
    }
}

/// A byte that is followed by one below the limit marks a place: in uniform bytes, one in 1,024.
pub(super) const MARK: u8 = 0xa7;
pub(super) const AFTER_MARK_LIMIT: u8 = 64;
pub(super) const MARKED_SLOTS: usize = 1024;

pub(super) fn is_mark(byte: u8, after: u8) -> u8 {
    u8::from(byte == MARK) & u8::from(after < AFTER_MARK_LIMIT)
}

/// Tells whether any place but the last is a mark. Without an early exit this is vector code.
pub(super) fn holds_mark(bytes: &[u8]) -> bool {
    bytes.iter().zip(&bytes[1..]).fold(0, |any, (&byte, &after)| any | is_mark(byte, after)) != 0
}

/// Finds repeats among bytes that are uniform one by one, at more than 10 GB/s: it looks only at places
/// that the bytes themselves mark, so that both copies of a run are looked at alike.
pub(super) struct Repeats {
    slots: Vec<u32>,
}

impl Repeats {
    pub(super) fn new() -> Self {
        Self { slots: vec![0; MARKED_SLOTS] }
    }

    /// Tells whether more than 1/32 of the marked places begin 8 bytes seen before.
    pub(super) fn found(&mut self, raw: &[u8]) -> bool {
        self.slots.fill(0);
        let (mut seen, mut again) = (0, 0);
        for (batch_index, batch) in raw.windows(65).step_by(64).enumerate() {
            if !holds_mark(batch) {
                continue;
            }
            for (part_index, part) in batch.windows(17).step_by(16).enumerate() {
                if !holds_mark(part) {
                    continue;
                }
                let start = batch_index * 64 + part_index * 16;
                for (position, pair) in (start..).zip(part.windows(2)) {
                    let Some(key) = raw[position..].first_chunk::<8>() else {
                        break;
                    };
                    if is_mark(pair[0], pair[1]) == 0 {
                        continue;
                    }
                    let hash = u64::from_le_bytes(*key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    let slot = &mut self.slots[(hash >> 54) as usize];
                    // An empty slot reads as position 0, which is compared like any other.
                    let earlier = *slot as usize;
                    again += u32::from(earlier != position && raw[earlier..].first_chunk() == Some(key));
                    *slot = position as u32;
                    seen += 1;
                }
            }
            if seen > 4 * MARKED_SLOTS as u32 {
                break;
            }
        }
        again >= 4 && again * 32 > seen
    }
}
