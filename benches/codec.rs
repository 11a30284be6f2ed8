//! Measures block sizes, zstd levels and codecs on one thread, as Markdown tables.
//!
//! `ART_BENCH_DATA=DIR cargo bench --bench codec`, where `DIR` holds the workloads `table`, `mixed`,
//! `weights` and `images`, each with a folder `v1`. `docs/decisions/0003-blocks-and-codecs.md` quotes
//! the tables. Sweeps read the first 24 MB of a workload, the last table all of it.
#![allow(clippy::print_stdout)]

use std::fs::File;
use std::hint::black_box;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Instant;

use artstore::chunk::compress::{BLOCK_RAW_LEN_MAX, BLOCK_RAW_LEN_TARGET, Codec, Decoder, Encoder};
use zstd::zstd_safe::{CCtx, CParameter, DCtx, Strategy, compress_bound};

const RUNS: usize = 5;
const SWEEP_BYTES: usize = 24_000_000;
const PIECE_LEN_MIN: u64 = 32_768;
const PIECE_LEN_SPAN: u64 = 65_536;

fn main() {
    let Some(data) = std::env::var_os("ART_BENCH_DATA").map(PathBuf::from) else {
        println!("ART_BENCH_DATA is not set: nothing is measured");
        return;
    };
    let only: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |name: &str| only.is_empty() || only.iter().any(|arg| arg == name);
    if wanted("sizes") {
        sizes_and_levels(&data);
    }
    if wanted("parameters") {
        parameters(&data);
    }
    if wanted("arrays") {
        arrays(&data);
    }
    if wanted("whole") {
        whole(&data);
    }
}

fn sizes_and_levels(data: &Path) {
    for name in ["table", "mixed"] {
        let bytes = read_tree(&data.join(name).join("v1"), SWEEP_BYTES);
        heading(&format!("Block sizes and levels: {name}"));
        println!("| block KiB | zstd | ratio | encode MB/s | decode MB/s | one chunk µs |\n|---|---|---|---|---|---|");
        for kib in [64, 128, 192, 256, 384, 512] {
            let blocks = gather(&bytes, kib * 1024);
            for level in [-3, 1, 2, 3, 4, 5, 6, 7] {
                let m = zstd_blocks(&mut level_context(level), &blocks);
                sweep_row(kib, &format!("level {level}"), &m, blocks.len());
            }
            let m = zstd_blocks(&mut fast_context(16, 6), &blocks);
            sweep_row(kib, "fast, 2^16, 6", &m, blocks.len());
        }
    }
}

fn sweep_row(kib: usize, label: &str, m: &Measured, blocks: usize) {
    println!(
        "| {kib} | {label} | {:.3} | {:.0} | {:.0} | {:.0} |",
        m.ratio(),
        m.encode_mb_per_s(),
        m.decode_mb_per_s(),
        m.decode_s * 1e6 / blocks as f64,
    );
}

/// The strategy `fast` with other hash tables and match lengths, beside the levels it competes with.
fn parameters(data: &Path) {
    for name in ["table", "mixed"] {
        let bytes = read_tree(&data.join(name).join("v1"), SWEEP_BYTES);
        let blocks = gather(&bytes, BLOCK_RAW_LEN_TARGET);
        heading(&format!("Parameters of the strategy fast: {name}"));
        println!("| hash table | shortest match | ratio | encode MB/s | decode MB/s |\n|---|---|---|---|---|");
        for hash_log in [13, 14, 15, 16, 17] {
            for match_len_min in [5, 6, 7] {
                let m = zstd_blocks(&mut fast_context(hash_log, match_len_min), &blocks);
                println!("| 2^{hash_log} | {match_len_min} | {:.3} | {:.0} | {:.0} |", m.ratio(), m.encode_mb_per_s(), m.decode_mb_per_s(),);
            }
        }
    }
}

fn arrays(data: &Path) {
    heading("Arrays");
    println!("| data | coding | ratio | encode GB/s | decode GB/s |\n|---|---|---|---|---|");
    let mut rng = Rng(1);
    let weights = read_tree(&data.join("weights/v1"), SWEEP_BYTES);
    let f32s: Vec<u8> = (0..SWEEP_BYTES / 4).flat_map(|_| (rng.normal() as f32 * 0.02).to_le_bytes()).collect();
    let f64s: Vec<u8> = (0..SWEEP_BYTES / 8).flat_map(|_| (rng.normal() * 10.0 + 50.0).to_le_bytes()).collect();
    let mut sum = 0;
    let i64s: Vec<u8> = (0..SWEEP_BYTES / 8)
        .flat_map(|_| {
            sum += rng.next() % 300;
            (1_700_000_000_000 + sum).to_le_bytes()
        })
        .collect();
    let random: Vec<u8> = (0..SWEEP_BYTES / 8).flat_map(|_| rng.next().to_le_bytes()).collect();
    let zeros = vec![0; SWEEP_BYTES];
    for (name, bytes) in
        [("bf16 weights", weights), ("f32 normal", f32s), ("f64 normal", f64s), ("i64 rising", i64s), ("random", random), ("zeros", zeros)]
    {
        let blocks = gather(&bytes, BLOCK_RAW_LEN_TARGET);
        for level in [1, 3, 6] {
            let m = zstd_blocks(&mut level_context(level), &blocks);
            array_row(name, &format!("zstd level {level}"), &m);
        }
        for width in [2, 4, 8] {
            for (label, hash_log, match_len_min) in [("matching", 16, 6), ("level 1", 14, 6), ("entropy", 6, 7)] {
                let m = grouped_blocks(width, &mut fast_context(hash_log, match_len_min), &blocks);
                array_row(name, &format!("{width} planes, each zstd {label}"), &m);
            }
        }
        let (m, codecs) = encoder_blocks(&blocks);
        array_row(name, &format!("the encoder: {codecs}"), &m);
    }
}

fn array_row(name: &str, label: &str, m: &Measured) {
    println!("| {name} | {label} | {:.3} | {:.2} | {:.2} |", m.ratio(), m.encode_mb_per_s() / 1e3, m.decode_mb_per_s() / 1e3,);
}

fn whole(data: &Path) {
    heading("The encoder on whole workloads");
    println!(
        "| workload | raw MB | stored MB | ratio | encode MB/s | decode MB/s | one chunk µs | blocks by codec |\n|---|---|---|---|---|---|---|---|"
    );
    for name in ["table", "mixed", "weights", "images"] {
        let bytes = read_tree(&data.join(name).join("v1"), usize::MAX);
        let blocks = gather(&bytes, BLOCK_RAW_LEN_TARGET);
        let (m, codecs) = encoder_blocks(&blocks);
        println!(
            "| {name} | {:.1} | {:.1} | {:.3} | {:.0} | {:.0} | {:.0} | {codecs} |",
            m.raw_len as f64 / 1e6,
            m.stored_len as f64 / 1e6,
            m.ratio(),
            m.encode_mb_per_s(),
            m.decode_mb_per_s(),
            m.decode_s * 1e6 / blocks.len() as f64,
        );
    }
}

fn heading(text: &str) {
    println!("\n### {text}\n");
}

/// Sizes, and medians of the seconds that one pass over all blocks took.
struct Measured {
    raw_len: usize,
    stored_len: usize,
    encode_s: f64,
    decode_s: f64,
}

impl Measured {
    fn ratio(&self) -> f64 {
        self.raw_len as f64 / self.stored_len as f64
    }

    fn encode_mb_per_s(&self) -> f64 {
        self.raw_len as f64 / 1e6 / self.encode_s
    }

    fn decode_mb_per_s(&self) -> f64 {
        self.raw_len as f64 / 1e6 / self.decode_s
    }
}

/// Times passes of `encode` and of `decode` over `blocks`, after one untimed that checks them.
fn measure<T: Copy>(
    blocks: &[&[u8]],
    mut encode: impl FnMut(&[u8], &mut Vec<u8>) -> T,
    mut decode: impl FnMut(T, &[u8], usize, &mut Vec<u8>),
) -> (Measured, Vec<T>) {
    let (mut encode_runs, mut decode_runs) = (Vec::new(), Vec::new());
    let (mut out, mut back) = (Vec::new(), Vec::new());
    let (mut stored, mut tags) = (Vec::new(), Vec::new());
    let start = Instant::now();
    for block in blocks {
        tags.push(encode(block, &mut out));
        stored.push(out.clone());
        decode(tags[tags.len() - 1], &out, block.len(), &mut back);
        assert!(back == *block, "a block did not decode to itself");
    }
    // The clock of `cpu_seconds` steps by some milliseconds.
    let passes = (0.2 / start.elapsed().as_secs_f64()).ceil();
    let timed = |pass: &mut dyn FnMut()| {
        let start = cpu_seconds();
        (0..passes as usize).for_each(|_| pass());
        (cpu_seconds() - start) / passes
    };
    for _ in 0..RUNS {
        encode_runs.push(timed(&mut || {
            for block in blocks {
                black_box(encode(black_box(block), &mut out));
            }
        }));
        decode_runs.push(timed(&mut || {
            for ((block, payload), tag) in blocks.iter().zip(&stored).zip(&tags) {
                decode(*tag, black_box(payload), block.len(), &mut back);
            }
        }));
    }
    let measured = Measured {
        raw_len: blocks.iter().map(|block| block.len()).sum(),
        stored_len: stored.iter().map(Vec::len).sum(),
        encode_s: median(encode_runs),
        decode_s: median(decode_runs),
    };
    (measured, tags)
}

/// Seconds this thread was on a CPU, which a busy machine does not stretch as it does wall time; where
/// the system does not tell, wall time.
fn cpu_seconds() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let nanoseconds =
        std::fs::read_to_string("/proc/thread-self/schedstat").ok().and_then(|line| line.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| START.elapsed().as_secs_f64(), |ns| ns / 1e9)
}

fn median(mut runs: Vec<f64>) -> f64 {
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}

fn encoder_blocks(blocks: &[&[u8]]) -> (Measured, String) {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
    // For a raw block the caller writes and reads the bytes themselves; the copy stands for that.
    let (m, codecs) = measure(
        blocks,
        |raw, out| {
            let codec = encoder.encode(raw, out);
            if codec == Codec::Raw {
                out.extend_from_slice(raw);
            }
            codec
        },
        |codec, stored, raw_len, out| {
            decoder.decode(codec, stored, raw_len, out).expect("the encoder wrote it");
        },
    );
    let counts = [Codec::Raw, Codec::Zstd, Codec::Group2, Codec::Group4, Codec::Group8]
        .map(|codec| (codec, codecs.iter().filter(|c| **c == codec).count()))
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(codec, count)| format!("{codec:?} {count}"))
        .collect::<Vec<_>>()
        .join(", ");
    (m, counts)
}

fn zstd_blocks(context: &mut CCtx<'static>, blocks: &[&[u8]]) -> Measured {
    let mut decoder = DCtx::create();
    let encode = |raw: &[u8], out: &mut Vec<u8>| compress(context, raw, out);
    let decode = |(), stored: &[u8], raw_len, out: &mut Vec<u8>| {
        out.resize(raw_len, 0);
        decoder.decompress(out.as_mut_slice(), stored).expect("zstd wrote it");
    };
    measure(blocks, encode, decode).0
}

/// Every plane by the same context, or raw where that is no larger: what grouping costs and brings
/// without a choice by plane. The planes are dealt out by the simplest loop.
fn grouped_blocks(width: usize, context: &mut CCtx<'static>, blocks: &[&[u8]]) -> Measured {
    let mut decoder = DCtx::create();
    let (mut plane, mut frame) = (Vec::new(), Vec::new());
    let mut lens: Vec<Vec<usize>> = Vec::new();
    let encode = |raw: &[u8], out: &mut Vec<u8>| {
        out.clear();
        let mut ends = [0; 8];
        for (residue, end) in ends.iter_mut().enumerate().take(width) {
            plane.clear();
            plane.extend(raw.iter().skip(residue).step_by(width));
            compress(context, &plane, &mut frame);
            let kept = if frame.len() < plane.len() { &frame } else { &plane };
            out.extend_from_slice(kept);
            *end = out.len();
        }
        ends
    };
    let decode = |ends: [usize; 8], stored: &[u8], raw_len: usize, out: &mut Vec<u8>| {
        lens.clear();
        out.resize(raw_len, 0);
        let mut start = 0;
        for (residue, &end) in ends.iter().enumerate().take(width) {
            let plane_len = (raw_len - residue).div_ceil(width);
            let mut decoded = vec![0; plane_len];
            if end - start == plane_len {
                decoded.copy_from_slice(&stored[start..end]);
            } else {
                decoder.decompress(decoded.as_mut_slice(), &stored[start..end]).expect("zstd wrote it");
            }
            for (to, from) in out.iter_mut().skip(residue).step_by(width).zip(&decoded) {
                *to = *from;
            }
            start = end;
        }
    };
    measure(blocks, encode, decode).0
}

fn compress(context: &mut CCtx<'static>, raw: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.reserve(compress_bound(raw.len()));
    context.compress2(out, raw).expect("there is room");
}

fn level_context(level: i32) -> CCtx<'static> {
    context(&[CParameter::CompressionLevel(level)])
}

fn fast_context(hash_log: u32, match_len_min: u32) -> CCtx<'static> {
    context(&[
        CParameter::CompressionLevel(1),
        CParameter::Strategy(Strategy::ZSTD_fast),
        CParameter::WindowLog(BLOCK_RAW_LEN_MAX.ilog2()),
        CParameter::HashLog(hash_log),
        CParameter::MinMatch(match_len_min),
    ])
}

fn context(parameters: &[CParameter]) -> CCtx<'static> {
    let mut context = CCtx::create();
    for parameter in parameters {
        context.set_parameter(*parameter).expect("within the bounds");
    }
    context
}

/// Reads a tree's files in path order, one after the other, up to about `limit` bytes.
fn read_tree(root: &Path, limit: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let files = walkdir::WalkDir::new(root).sort_by_file_name();
    for entry in files.into_iter().map(|entry| entry.expect("the workload can be read")) {
        if entry.file_type().is_file() && bytes.len() < limit {
            let file = File::open(entry.path()).expect("the workload can be read");
            let left = (limit - bytes.len()) as u64;
            file.take(left).read_to_end(&mut bytes).expect("the workload can be read");
        }
    }
    bytes
}

/// Cuts `bytes` into pieces of 32 to 96 KiB, at no particular alignment, and gathers neighbours into
/// blocks of `target` bytes in the mean.
fn gather(bytes: &[u8], target: usize) -> Vec<&[u8]> {
    let mut rng = Rng(7);
    let (mut blocks, mut start, mut end) = (Vec::new(), 0, 0);
    while end < bytes.len() {
        let piece = (PIECE_LEN_MIN + rng.next() % PIECE_LEN_SPAN) as usize;
        let next = (end + piece).min(bytes.len());
        let limit = (target + PIECE_LEN_MIN as usize).min(BLOCK_RAW_LEN_MAX);
        if next - start > limit && end > start {
            blocks.push(&bytes[start..end]);
            start = end;
        }
        end = next;
    }
    blocks.push(&bytes[start..]);
    blocks
}

/// SplitMix64: the same bytes on every machine.
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
        let uniform = |bits: u64| ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let (a, b) = (uniform(self.next()), uniform(self.next()));
        (-2.0 * a.ln()).sqrt() * (2.0 * std::f64::consts::PI * b).cos()
    }
}
