//! Compares ways to cut files into chunks: how fast, how many chunks, how much of v2 is new.
//!
//! `ART_BENCH_DATA=DIR cargo bench --bench cutter` reads `DIR/NAME/v1` and `DIR/NAME/v2` for every
//! NAME found there, adds data of low entropy made in memory, and prints a Markdown table. Words
//! after `--` keep only the data whose name contains one of them.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)]

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use artstore::chunk::cut;

const KIB: usize = 1024;
const BLOCK_LEN: usize = 256 * KIB;
/// The bytes of a row: in a pack's table, and in a manifest for each chunk of a file of several.
const ROW_LEN: usize = 44;
/// The bytes cut when speed is measured, and how often.
const SPEED_LEN: usize = 128 << 20;
const SPEED_RUNS: usize = 5;

#[derive(Clone, Copy)]
enum Algorithm {
    /// Ours, with other limits.
    Ours { min: usize, max: usize },
    /// The crate `mincdc`.
    MinCdc { min: usize, max: usize },
    /// The crate `fastcdc`.
    FastCdc { min: usize, mean: usize, max: usize },
}

/// Every way to cut that is compared, by its lengths in KiB.
const ALGORITHMS: &[Algorithm] = &[
    Algorithm::Ours { min: 16, max: 48 },
    Algorithm::Ours { min: 24, max: 72 },
    Algorithm::Ours { min: 16, max: 96 },
    Algorithm::Ours { min: 32, max: 96 },
    Algorithm::Ours { min: 48, max: 80 },
    Algorithm::Ours { min: 48, max: 144 },
    Algorithm::Ours { min: 64, max: 192 },
    Algorithm::MinCdc { min: 16, max: 48 },
    Algorithm::MinCdc { min: 24, max: 72 },
    Algorithm::MinCdc { min: 32, max: 96 },
    Algorithm::MinCdc { min: 48, max: 144 },
    Algorithm::MinCdc { min: 64, max: 192 },
    Algorithm::FastCdc { min: 8, mean: 32, max: 128 },
    Algorithm::FastCdc { min: 16, mean: 32, max: 64 },
    Algorithm::FastCdc { min: 8, mean: 64, max: 128 },
    Algorithm::FastCdc { min: 16, mean: 64, max: 256 },
    Algorithm::FastCdc { min: 32, mean: 64, max: 192 },
    Algorithm::FastCdc { min: 32, mean: 128, max: 256 },
];

impl Algorithm {
    fn name(self) -> String {
        match self {
            Self::Ours { min, max } => format!("ours {min}/{max}"),
            Self::MinCdc { min, max } => format!("MinCDC {min}/{max}"),
            Self::FastCdc { min, mean, max } => format!("FastCDC {min}/{mean}/{max}"),
        }
    }

    fn cut<'a>(self, file: &'a [u8], mut each: impl FnMut(&'a [u8])) {
        match self {
            Self::Ours { min, max } => {
                let mut rest = file;
                while !rest.is_empty() {
                    let (chunk, after) = rest.split_at(cut::cut_between(rest, min * KIB, max * KIB));
                    each(chunk);
                    rest = after;
                }
            }
            Self::MinCdc { min, max } => {
                let hash = mincdc::MinCdcHash4::new();
                for chunk in mincdc::SliceChunker::new(file, min * KIB, max * KIB, hash) {
                    each(&file[chunk.offset()..][..chunk.len()]);
                }
            }
            Self::FastCdc { min, mean, max } => {
                for chunk in fastcdc::v2020::FastCDC::new(file, min * KIB, mean * KIB, max * KIB) {
                    each(&file[chunk.offset..][..chunk.length]);
                }
            }
        }
    }

    fn gigabytes_per_second(self, files: &[Vec<u8>]) -> f64 {
        let (mut bytes, mut ends) = (0, 0);
        let start = Instant::now();
        for file in files {
            self.cut(file, |chunk| ends ^= chunk.len());
            bytes += file.len();
            if bytes >= SPEED_LEN {
                break;
            }
        }
        std::hint::black_box(ends);
        bytes as f64 / start.elapsed().as_secs_f64() / 1e9
    }
}

struct Data {
    name: String,
    v1: Vec<Vec<u8>>,
    v2: Vec<Vec<u8>>,
}

/// What a store would hold after both versions.
#[derive(Default)]
struct Stored {
    known: HashSet<blake3::Hash>,
    block: Vec<u8>,
    bytes: usize,
    new_bytes: usize,
    rows: usize,
    chunks: usize,
}

impl Stored {
    fn put(&mut self, algorithm: Algorithm, files: &[Vec<u8>]) {
        let mut zstd = zstd::bulk::Compressor::new(3).unwrap();
        for file in files {
            let before = self.chunks;
            algorithm.cut(file, |chunk| {
                self.chunks += 1;
                if self.known.insert(blake3::hash(chunk)) {
                    self.rows += 1;
                    self.new_bytes += chunk.len();
                    if self.block.len() + chunk.len() > BLOCK_LEN {
                        self.flush(&mut zstd);
                    }
                    self.block.extend_from_slice(chunk);
                }
            });
            let of_file = self.chunks - before;
            self.rows += if of_file > 1 { of_file } else { 0 };
        }
        self.flush(&mut zstd);
    }

    fn flush(&mut self, zstd: &mut zstd::bulk::Compressor<'_>) {
        let packed = zstd.compress(&self.block).unwrap().len();
        self.bytes += packed.min(self.block.len());
        self.block.clear();
    }
}

fn row(data: &Data, algorithm: Algorithm, speed: f64) {
    let total = |files: &[Vec<u8>]| files.iter().map(Vec::len).sum::<usize>();
    let mut stored = Stored::default();
    stored.put(algorithm, &data.v1);
    let (chunks, bytes_v1) = (stored.chunks, stored.bytes + stored.rows * ROW_LEN);
    stored.new_bytes = 0;
    stored.put(algorithm, &data.v2);
    println!(
        "| {} | {} | {speed:.1} | {:.1} | {chunks} | {:.2} | {:.2} | {:.2} |",
        data.name,
        algorithm.name(),
        total(&data.v1) as f64 / chunks as f64 / KIB as f64,
        100.0 * stored.new_bytes as f64 / total(&data.v2) as f64,
        bytes_v1 as f64 / 1e6,
        (stored.bytes + stored.rows * ROW_LEN) as f64 / 1e6,
    );
}

fn read_tree(root: &Path) -> Vec<Vec<u8>> {
    walkdir::WalkDir::new(root)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .map(|entry| entry.expect("the workload can be walked"))
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| std::fs::read(entry.path()).expect("the workload can be read"))
        .collect()
}

/// Splitmix64, so that the data is the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as usize % end
    }
}

const MADE_LEN: usize = 64 << 20;

/// Makes 64 MiB by repeating `piece`, and a v2 with 16 insertions of whole pieces, up to 40 kB each.
fn made(name: &str, mut piece: impl FnMut(&mut Random, &mut Vec<u8>)) -> Data {
    let mut random = Random(1);
    let (mut v1, mut v2) = (Vec::new(), Vec::new());
    for part in 0..16 {
        let mut bytes = Vec::new();
        while bytes.len() < MADE_LEN / 16 {
            piece(&mut random, &mut bytes);
        }
        v1.extend_from_slice(&bytes);
        v2.extend_from_slice(&bytes);
        let mut inserted = Vec::new();
        let len = 1 + Random(part).below(40_000);
        while inserted.len() < len {
            piece(&mut random, &mut inserted);
        }
        v2.extend_from_slice(&inserted);
    }
    Data { name: name.to_owned(), v1: vec![v1], v2: vec![v2] }
}

fn low_entropy() -> Vec<Data> {
    let mut key = 1_u64 << 33;
    let mut line = 0_u64;
    vec![
        made("zeros", |_, out| out.push(0)),
        made("repeated row", |_, out| {
            out.extend_from_slice(b"2026-01-01T00:00:00Z,setosa,50.1234,north,12345,");
            out.extend_from_slice(b"versicolor,99.99,unknown,west,2026-12-31T23:59:59Z\n");
        }),
        made("sorted u64", |random, out| {
            key += 1 + random.below(5) as u64;
            out.extend_from_slice(&key.to_le_bytes());
        }),
        made("genome", |random, out| {
            line += 1;
            out.push(if line.is_multiple_of(61) { b'\n' } else { b"ACGT"[random.below(4)] });
        }),
        made("one-hot csv", |random, out| {
            out.extend_from_slice(if random.below(8) == 0 { b"1," } else { b"0," });
        }),
        made("label mask", |random, out| {
            let label = random.below(20) as u8;
            out.resize(out.len() + random.below(200), label);
        }),
        made("sparse f32", |random, out| {
            let value = if random.below(20) == 0 { random.below(1 << 24) as f32 / 1e6 } else { 0.0 };
            out.extend_from_slice(&value.to_le_bytes());
        }),
    ]
}

fn main() {
    let Some(root) = std::env::var_os("ART_BENCH_DATA") else {
        println!("ART_BENCH_DATA is not set: it names the folder of workloads (NAME/v1, NAME/v2)");
        return;
    };
    let wanted: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|w| name.contains(w));
    println!("| data | cutter, KiB | GB/s | mean KiB | chunks | v2 new % | v1 MB | v1+v2 MB |");
    println!("| --- | --- | --: | --: | --: | --: | --: | --: |");
    let mut names: Vec<_> = std::fs::read_dir(root.clone())
        .expect("ART_BENCH_DATA can be listed")
        .map(|entry| entry.expect("ART_BENCH_DATA can be listed").file_name())
        .collect();
    names.sort();
    for name in names {
        let folder = Path::new(&root).join(&name);
        let name = name.to_string_lossy().into_owned();
        if is_wanted(&name) && folder.join("v1").is_dir() {
            let [v1, v2] = ["v1", "v2"].map(|version| read_tree(&folder.join(version)));
            compare(&Data { name, v1, v2 });
        }
    }
    for data in low_entropy().iter().filter(|data| is_wanted(&data.name)) {
        compare(data);
    }
}

fn compare(data: &Data) {
    // The runs of all algorithms take turns, so that a noisy minute does not fall on one of them.
    let mut speeds = vec![Vec::new(); ALGORITHMS.len()];
    for _ in 0..SPEED_RUNS {
        for (speeds, algorithm) in speeds.iter_mut().zip(ALGORITHMS) {
            speeds.push(algorithm.gigabytes_per_second(&data.v1));
        }
    }
    for (mut speeds, &algorithm) in speeds.into_iter().zip(ALGORITHMS) {
        speeds.sort_by(f64::total_cmp);
        row(data, algorithm, speeds[SPEED_RUNS / 2]);
    }
}
