//! Times the steps of a put and a get one by one, in memory or on warm files.
//!
//! `cargo bench --bench micro` measures everything, `-- --quick` in under two minutes, and a word
//! after `--` only what has it in its name. Packs are written below `TMPDIR`, best a tmpfs. All input
//! comes from a seeded generator. `docs/performance.md` quotes the figures; what other programs take
//! for whole jobs is no part of this.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use artstore::chunk::compress::{BLOCK_RAW_LEN_TARGET, Codec, Decoder, Encoder};
use artstore::chunk::cut;
use artstore::context::Context;
use artstore::durable::Draft;
use artstore::format::manifest::{ChunkList, ChunkRun, Entry, EntryKind, EntryRows, FileBody, Manifest, Page, PageType};
use artstore::format::pack::PackClass;
use artstore::format::path::EntryPath;
use artstore::format::record::{AliasRecord, GitState, Record, Time, VersionRecord};
use artstore::id::{ChunkId, FileDigest, HASH_LEN, PageId, RecordId};
use artstore::index::Index;
use artstore::lock::Wait;
use artstore::ops::init::{InitOptions, init};
use artstore::pack::pack_path;
use artstore::pack::reader::{Opened, Pack};
use artstore::pack::writer::{BlockChunk, FinishedPack, PackWriter};
use artstore::progress::Silent;
use artstore::store::STORE_DIR;
use artstore::store::page_writer::PageWriter;
use artstore::store::session::Session;
use artstore::store::tree::{ChunkTree, EntryTree, PageSink, Root, TreeBuilder};
use artstore::{Result, Store};
use criterion::{BatchSize, Criterion, Throughput};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const CUT_LEN: usize = 16 * MIB;
const CHUNK_LEN: usize = 64 * KIB;
/// A pack as large as those that a put closes.
const PACK_RAW_LEN: usize = 32 * MIB;
const ROWS: usize = 100_000;
/// Packs in the index, and chunks in each: about 13 GB of data as it is stored.
const INDEX_PACKS: usize = 200;
const INDEX_PACK_CHUNKS: usize = 1_000;

fn main() {
    let short = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    let mut criterion = short.configure_from_args();
    cutting(&mut criterion);
    hashing(&mut criterion);
    coding(&mut criterion);
    packs(&mut criterion).expect("the temporary directory can be written");
    manifests(&mut criterion).expect("the temporary directory can be written");
    look_up(&mut criterion).expect("the temporary directory can be written");
    records(&mut criterion);
    criterion.final_summary();
}

fn cutting(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cutting");
    group.throughput(Throughput::Bytes(CUT_LEN as u64));
    for (name, bytes) in [("random", random(CUT_LEN)), ("csv", csv(CUT_LEN)), ("zeros", vec![0; CUT_LEN])] {
        group.bench_function(format!("ours/{name}"), |b| b.iter(|| cut::chunks(black_box(&bytes)).map(<[u8]>::len).max()));
        group.bench_function(format!("fastcdc/{name}"), |b| {
            b.iter(|| {
                let chunks = fastcdc::v2020::FastCDC::new(black_box(&bytes), 16 * KIB, 64 * KIB, 256 * KIB);
                chunks.map(|chunk| chunk.length).max()
            });
        });
    }
}

fn hashing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hashing");
    let bytes = random(MIB);
    group.throughput(Throughput::Bytes(MIB as u64));
    group.bench_function("chunks of 64 KiB", |b| {
        b.iter(|| black_box(&bytes).chunks(CHUNK_LEN).map(ChunkId::of).max());
    });
    group.bench_function("1 MiB at once", |b| b.iter(|| FileDigest::of(black_box(&bytes))));
    group.bench_function("pages of 16 KiB", |b| {
        b.iter(|| black_box(&bytes).chunks(16 * KIB).map(|page| PageType::Entries.id_of(page)).max());
    });
}

fn coding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Bytes(BLOCK_RAW_LEN_TARGET as u64));
    let inputs = [
        (Codec::Raw, "raw, random", random(BLOCK_RAW_LEN_TARGET)),
        (Codec::Zstd, "zstd, csv", csv(BLOCK_RAW_LEN_TARGET)),
        (Codec::Group2, "group2, bf16", floats(BLOCK_RAW_LEN_TARGET, |value| ((value as f32).to_bits() >> 16) as u16, u16::to_le_bytes)),
        (Codec::Group4, "group4, f32", floats(BLOCK_RAW_LEN_TARGET, |value| value as f32, f32::to_le_bytes)),
        (Codec::Group8, "group8, f64", floats(BLOCK_RAW_LEN_TARGET, |value| value, f64::to_le_bytes)),
    ];
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
    let (mut stored, mut back) = (Vec::new(), Vec::new());
    for (codec, name, raw) in inputs {
        group.bench_function(format!("encode/{name}"), |b| b.iter(|| encoder.encode(black_box(&raw), &mut stored)));
        assert_eq!(encoder.encode(&raw, &mut stored), codec, "the encoder chooses another codec for {name}");
        // A raw block has no payload of its own: its reader reads the bytes themselves.
        if codec != Codec::Raw {
            group.bench_function(format!("decode/{name}"), |b| {
                b.iter(|| decoder.decode(codec, black_box(&stored), raw.len(), &mut back).expect("the encoder wrote it"));
            });
        }
    }
}

fn packs(criterion: &mut Criterion) -> Result<()> {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let mut group = criterion.benchmark_group("packs");
    for (name, raw) in [("raw", random(PACK_RAW_LEN)), ("zstd", csv(PACK_RAW_LEN))] {
        let blocks = blocks_of(&raw);
        let stored_len: usize = blocks.iter().map(|block| block.stored.len()).sum();
        group.throughput(Throughput::Bytes(stored_len as u64));
        group.bench_function(format!("write/{name}"), |b| b.iter_with_large_drop(|| write_pack(dir.path(), PackClass::Data, &blocks)));

        let pack = place(dir.path(), write_pack(dir.path(), PackClass::Data, &blocks)?);
        group.bench_function(format!("hash whole/{name}"), |b| b.iter(|| pack.verify().expect("it was just written")));
        let table = pack.read_table()?;
        group.throughput(Throughput::Elements(table.chunk_count() as u64));
        group.bench_function(format!("load table/{name}"), |b| b.iter(|| Pack::open(&dir.path().into(), PackClass::Data, pack.id)));

        let (mut decoder, mut bytes) = (Decoder::new(), Vec::new());
        group.throughput(Throughput::Bytes(PACK_RAW_LEN as u64));
        group.bench_function(format!("read blocks/{name}"), |b| {
            b.iter(|| {
                let mut file = pack.file().expect("it was just written");
                for number in 0..table.block_count() as u32 {
                    let row = table.block(number).expect("it is below the count");
                    file.read_block(&row, &mut decoder, &mut bytes).expect("it was just written");
                }
            });
        });
        let mut slots = (0..table.chunk_count()).cycle();
        let mut file = pack.file()?;
        group.throughput(Throughput::Bytes(CHUNK_LEN as u64));
        group.bench_function(format!("read one chunk/{name}"), |b| {
            b.iter(|| {
                let row = slots.next().and_then(|slot| table.chunk(slot)).expect("it is below the count");
                let block = table.block(row.block).expect("the table was checked");
                file.read_part(&block, row.offset, row.len, &mut decoder, &mut bytes).expect("it was just written");
            });
        });
    }
    Ok(())
}

fn manifests(criterion: &mut Criterion) -> Result<()> {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let mut group = criterion.benchmark_group("manifest");
    group.throughput(Throughput::Elements(ROWS as u64));
    let entries = entries();
    group.bench_function("build, 100,000 entries", |b| {
        b.iter_batched(|| entries.clone(), |entries| build_entries(entries, &mut |page| Ok(page.encode().0)), BatchSize::PerIteration);
    });
    let runs = chunk_runs();
    group.bench_function("build, 100,000 chunks", |b| {
        b.iter(|| {
            let mut tree = TreeBuilder::<ChunkTree>::default();
            let sink: &mut PageSink<'_> = &mut |page| Ok(page.encode().0);
            runs.iter().try_for_each(|run| tree.push(*run, sink))?;
            tree.finish(sink)
        });
    });

    let root = init(&dir.path().join(STORE_DIR), &InitOptions::default(), &Silent)?.root;
    let (manifest, pages) = store_manifest(&Store::open(&root)?, entries)?;
    let store = Store::open(&root)?;
    let count =
        |prefix: &[u8]| -> Result<usize> { store.entries(manifest)?.within(prefix).try_fold(0, |count, entry| entry.map(|_| count + 1)) };
    let path = b"class25/part10/img_0051050.jpg";
    assert_eq!((count(b"")?, count(path)?), (ROWS, 1), "the stored manifest is not walked as it should be");
    group.bench_function("walk, 100,000 entries", |b| {
        b.iter(|| count(b""));
    });
    group.bench_function("encode and name its pages", |b| b.iter(|| pages.iter().map(Page::encode).map(|(id, _)| id).max()));
    let encoded: Vec<_> = pages.iter().map(|page| (page.page_type(), page.encode().1)).collect();
    group.bench_function("decode and check its pages", |b| {
        b.iter(|| encoded.iter().for_each(|(kind, bytes)| drop(black_box(Page::decode(*kind, bytes).expect("it was just encoded")))));
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("read one entry by its path", |b| b.iter(|| count(path)));
    Ok(())
}

fn look_up(criterion: &mut Criterion) -> Result<()> {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let mut rng = Rng(4);
    let mut hits = Vec::new();
    for _ in 0..INDEX_PACKS {
        let chunks: Vec<BlockChunk> = (0..INDEX_PACK_CHUNKS).map(|_| (rng.hash(), 1)).collect();
        hits.extend(chunks.iter().map(|(hash, _)| *hash));
        // The shape of a real table, four chunks a block, round payloads of a byte a chunk.
        let block =
            |chunks: &[BlockChunk]| Block { codec: Codec::Raw, raw_len: 4, stored: rng.hash()[..4].to_vec(), chunks: chunks.to_vec() };
        let blocks: Vec<Block> = chunks.chunks(4).map(block).collect();
        place(dir.path(), write_pack(dir.path(), PackClass::Data, &blocks)?);
    }
    let misses: Vec<_> = hits.iter().map(|_| rng.hash()).collect();

    let mut group = criterion.benchmark_group("look-up");
    group.throughput(Throughput::Elements(hits.len() as u64));
    group.bench_function("open, 200,000 chunks in 200 packs", |b| b.iter(|| Index::open(&dir.path().into(), PackClass::Data, None)));
    let index = Index::open(&dir.path().into(), PackClass::Data, None)?;
    group.throughput(Throughput::Elements(1));
    for (name, hashes, found) in [("hit", &hits, true), ("miss", &misses, false)] {
        assert!(hashes.iter().all(|hash| index.find_any(hash).is_some() == found), "the index does not answer as it should");
        let mut next = hashes.iter().cycle();
        group.bench_function(name, |b| b.iter(|| next.next().and_then(|hash| index.find_any(hash))));
    }
    Ok(())
}

fn records(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("records");
    for (name, record) in [("version", version_record()), ("alias", alias_record())] {
        let (_, line) = record.encode().expect("it is within the limits");
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("encode/{name}"), |b| b.iter(|| black_box(&record).encode().expect("it was encoded before")));
        group.bench_function(format!("decode/{name}"), |b| b.iter(|| Record::decode(black_box(&line)).expect("it was just encoded")));
    }
}

/// A block as a pack writer takes it.
struct Block {
    codec: Codec,
    raw_len: usize,
    stored: Vec<u8>,
    chunks: Vec<BlockChunk>,
}

/// Encodes bytes in blocks of four chunks of 64 KiB.
fn blocks_of(raw: &[u8]) -> Vec<Block> {
    let mut encoder = Encoder::new();
    let encode = |raw: &[u8]| {
        let mut stored = Vec::new();
        let codec = encoder.encode(raw, &mut stored);
        if codec == Codec::Raw {
            stored = raw.to_vec();
        }
        let chunks = raw.chunks(CHUNK_LEN).map(|chunk| (*ChunkId::of(chunk).as_bytes(), chunk.len() as u32)).collect();
        Block { codec, raw_len: raw.len(), stored, chunks }
    };
    raw.chunks(4 * CHUNK_LEN).map(encode).collect()
}

fn write_pack(dir: &Path, class: PackClass, blocks: &[Block]) -> Result<FinishedPack> {
    let mut writer = PackWriter::new(class, Draft::in_dir(dir)?)?;
    for block in blocks {
        writer.add_block(block.codec.id(), block.raw_len, &block.stored, &block.chunks)?;
    }
    writer.finish()
}

/// Puts a pack where a store at `root` would have it, without the syncs of publishing.
fn place(root: &Path, pack: FinishedPack) -> Pack {
    let path = root.join(pack_path(pack.class, pack.id));
    fs::create_dir_all(path.parent().expect("a pack lies in a directory")).expect("the temporary directory can be written");
    pack.draft.replace_local(&path).expect("the temporary directory can be written");
    match Pack::open(&root.into(), pack.class, pack.id) {
        Opened::Pack(pack, _) => pack,
        Opened::NotArrived(why) => panic!("a pack that was just written does not open: {why}"),
    }
}

fn build_entries(entries: Vec<Entry>, sink: &mut PageSink<'_>) -> Result<Root<EntryTree>> {
    let mut tree = TreeBuilder::<EntryTree>::default();
    entries.into_iter().try_for_each(|entry| tree.push(entry, sink))?;
    tree.finish(sink)
}

/// Stores a tree of entries as a put does, and returns its pages too.
fn store_manifest(store: &Store, entries: Vec<Entry>) -> Result<(PageId, Vec<Page>)> {
    let context =
        Context { now: Time(jiff::Timestamp::UNIX_EPOCH), git: None, run: None, threads: 1, wait: Wait::Patiently, progress: &Silent };
    let session = Session::begin(store, &context)?;
    let mut writer = PageWriter::new(&session);
    let mut pages = Vec::new();
    let size_bytes = entries.iter().map(|entry| entry.kind.size_bytes()).sum();
    let root = build_entries(entries, &mut |page| {
        pages.push(page.clone());
        writer.put(page)
    })?;
    let rows = match root {
        Root::Rows(entries) => EntryRows::Entries(entries),
        Root::Index(index) => EntryRows::Index(index),
    };
    let manifest = Page::Manifest(Manifest { entry_count: ROWS as u64, file_count: ROWS as u64, size_bytes, rows });
    let id = writer.put(&manifest)?;
    writer.publish()?;
    pages.push(manifest);
    Ok((id, pages))
}

/// Files of one chunk each in nested directories, in the order of their paths.
fn entries() -> Vec<Entry> {
    let mut rng = Rng(2);
    let entry = |i: usize| {
        let path = format!("class{:02}/part{:02}/img_{i:07}.jpg", i / 2_000, i / 100 % 20);
        let body = FileBody {
            executable: false,
            size_bytes: 1 + rng.next() % 30_000,
            digest: FileDigest::from_bytes(rng.hash()),
            chunks: ChunkList::Whole,
        };
        Entry { path: EntryPath::new(path).expect("it is a plain path"), kind: EntryKind::File(body) }
    };
    (0..ROWS).map(entry).collect()
}

fn chunk_runs() -> Vec<ChunkRun> {
    let mut rng = Rng(3);
    (0..ROWS).map(|_| ChunkRun { chunk: ChunkId::from_bytes(rng.hash()), len: CHUNK_LEN as u32, count: 1 }).collect()
}

fn version_record() -> Record {
    let metadata = (0..10).map(|i| (format!("metric_{i}"), serde_json::json!(f64::from(i) / 7.0))).collect();
    Record::Version(Box::new(VersionRecord {
        artifact: "training-data".parse().expect("it is a name"),
        created_at: Time(jiff::Timestamp::UNIX_EPOCH),
        description: Some("images of the first season, labelled twice".to_owned()),
        file_count: 50_000,
        git: Some(GitState { branch: Some("main".to_owned()), commit: Some("0123456789".repeat(4)), dirty: false }),
        manifest: PageId::from_bytes(Rng(5).hash()),
        metadata,
        metadata_pages: Vec::new(),
        number: 3,
        parents: vec![RecordId::from_bytes(Rng(6).hash())],
        run: None,
        size_bytes: 287_000_000,
        stored_bytes: 3_000_000,
        tags: Vec::new(),
        ttl_seconds: None,
        artifact_type: "dataset".parse().expect("it is a name"),
    }))
}

fn alias_record() -> Record {
    Record::Alias(AliasRecord {
        alias: "best".parse().expect("it is an alias"),
        artifact: "training-data".parse().expect("it is a name"),
        created_at: Time(jiff::Timestamp::UNIX_EPOCH),
        replaces: vec![RecordId::from_bytes(Rng(7).hash())],
        seq: 4,
        target: Some(RecordId::from_bytes(Rng(8).hash())),
    })
}

fn random(len: usize) -> Vec<u8> {
    let mut rng = Rng(1);
    (0..len / 8).flat_map(|_| rng.next().to_le_bytes()).collect()
}

/// Rows as of a log: a counter, words, numbers and a date.
fn csv(len: usize) -> Vec<u8> {
    const WORDS: [&str; 8] = ["setosa", "versicolor", "virginica", "unknown", "north", "south", "east", "west"];
    let mut rng = Rng(1);
    let mut text = String::with_capacity(len + 128);
    for row in 0.. {
        let (word, x, y, day) = (WORDS[rng.next() as usize % 8], 50.0 + 10.0 * rng.normal(), rng.next() % 100_000, 1 + row % 28);
        text += &format!("{row},{word},{x:.4},{y},2026-01-{day:02}T00:00:00Z,{:.2}\n", x * 2.0);
        if text.len() >= len {
            break;
        }
    }
    text.truncate(len);
    text.into_bytes()
}

/// Normally distributed numbers of some width, as of a layer's weights.
fn floats<T, const WIDTH: usize>(len: usize, from: impl Fn(f64) -> T, to_bytes: impl Fn(T) -> [u8; WIDTH]) -> Vec<u8> {
    let mut rng = Rng(1);
    (0..len / WIDTH).flat_map(|_| to_bytes(from(rng.normal() * 0.02))).collect()
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

    fn hash(&mut self) -> [u8; HASH_LEN] {
        let mut hash = [0; HASH_LEN];
        hash.chunks_exact_mut(8).for_each(|word| word.copy_from_slice(&self.next().to_le_bytes()));
        hash
    }

    fn normal(&mut self) -> f64 {
        let uniform = |bits: u64| ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let (a, b) = (uniform(self.next()), uniform(self.next()));
        (-2.0 * a.ln()).sqrt() * (2.0 * std::f64::consts::PI * b).cos()
    }
}
