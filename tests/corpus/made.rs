//! Objects of every kind, as this program writes them: the seeds that fuzzing begins from.

use artstore::chunk::compress::{Codec, Encoder};
use artstore::format::bundle::{Base, BundleFile, BundleHeader, BundleList, BundleTrailer};
use artstore::format::condemn::{CondemnRecord, LiftRecord};
use artstore::format::manifest::{
    ChunkChild, ChunkList, ChunkRun, ChunkTree, Entry, EntryChild, EntryKind, EntryRows, FileBody, Index, Manifest, Page, Reference,
};
use artstore::format::pack::{
    BLOCK_HEADER_LEN, BlockHeader, BlockRow, ChunkRow, HEADER_LEN, Header, PackClass, TRAILER_LEN, Table, Trailer,
};
use artstore::format::path::{Bytes, EntryPath};
use artstore::format::record::{AliasRecord, EditRecord, GitState, Metadata, Record, Time, VersionRecord};
use artstore::format::run::{RunEnd, RunMode, RunRecord, RunReference, RunStart, RunVersion};
use artstore::id::{FileDigest, Id};
use serde_json::json;

const RUN: &str = "01935f2c-7a1b-7c3d-8e4f-0123456789ab";

type Seeds = Vec<(&'static str, Vec<u8>)>;

/// The seeds of every target that are made, by name.
pub(crate) fn all() -> Vec<(&'static str, Seeds)> {
    vec![
        ("bundle", bundles()),
        ("wire", frames()),
        ("trailer", trailers()),
        ("block_header", block_headers()),
        ("table", tables()),
        ("page", pages()),
        ("manifest", manifests()),
        ("record", records()),
        ("ref", refs()),
        ("path", paths()),
        ("query", queries()),
        ("uri", uris()),
        ("decode", blocks()),
        ("encode", raw_blocks()),
    ]
}

fn id<K>(byte: u8) -> Id<K> {
    Id::from_bytes([byte; 32])
}

fn path(text: &str) -> EntryPath {
    EntryPath::new(text).unwrap()
}

/// Two blocks, one of them raw, with three chunks.
fn rows() -> (Vec<BlockRow>, Vec<ChunkRow>, u64) {
    let first = BlockHeader { codec: 1, stored_len: 50, raw_len: 300, chunk_count: 2 };
    let second = BlockHeader { codec: 0, stored_len: 10, raw_len: 10, chunk_count: 1 };
    let second_at = HEADER_LEN as u32 + first.len_with_chunks() as u32 + first.stored_len;
    let blocks = vec![BlockRow { offset: HEADER_LEN as u32, header: first }, BlockRow { offset: second_at, header: second }];
    let row = |byte, block, offset, len| ChunkRow { hash: [byte; 32], block, offset, len };
    let end = u64::from(second_at) + second.len_with_chunks() as u64 + 10;
    (blocks, vec![row(1, 1, 0, 10), row(7, 0, 0, 100), row(9, 0, 100, 200)], end)
}

fn bundles() -> Seeds {
    let base = |number| Base { artifact: "m".parse().unwrap(), number, version: id(1), manifest: id(2) };
    let file = |path: String, len, needs| BundleFile { path, len, needs };
    let of = |list: &BundleList| {
        let encoded = list.encode();
        let header = BundleHeader::of(&encoded);
        let trailer = BundleTrailer { hash: [3; 32], file_count: list.files.len() as u64, bundle_len: 7 };
        [&header.encode()[..], &encoded, &trailer.encode()].concat()
    };
    let version = "refs/m/versions/4.0123456789abcdef".to_owned();
    let files = vec![
        file("features/write-condemn".into(), 0, None),
        file(format!("packs/ab/ab{}", "0".repeat(62)), 240, None),
        file("refs/m/aliases/best/0.0123456789abcdef".into(), 200, Some(version)),
        file("../outside".into(), 1, None),
    ];
    vec![
        ("good-empty", of(&BundleList::default())),
        ("good-files", of(&BundleList { bases: vec![base(3), base(4)], files })),
        ("bad-order", of(&BundleList { bases: vec![base(4), base(3)], files: vec![] })),
        ("bad-short", of(&BundleList::default())[..100].to_vec()),
    ]
}

/// Messages as `docs/protocol.md` has them.
fn frames() -> Seeds {
    let frame = |kind: u8, payload: &[u8]| [&[kind], &(payload.len() as u32).to_le_bytes()[..], payload].concat();
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let some = |value: Vec<u8>| [vec![1], value].concat();
    let list = |rows: &[Vec<u8>]| [(rows.len() as u64).to_le_bytes().to_vec(), rows.concat()].concat();
    let pack = |byte: u8| format!("packs/ab/ab{}", format!("{byte:02}").repeat(31));
    let (version, number) = ("refs/m/versions/4.0123456789abcdef", 7u64.to_le_bytes().to_vec());
    let short = |bytes: &[u8]| [&(bytes.len() as u32).to_le_bytes()[..], bytes].concat();
    let rows = [[vec![0, 0], text(&pack(1)), number.clone()].concat(), [vec![12, 0], text("2"), number.clone()].concat()];
    let named = [[vec![0, 0], text(version), number.clone()].concat()];
    let questions = [
        frame(1, &[1]),
        frame(16, &[0, 3, 7]),
        frame(17, &[]),
        frame(18, &[]),
        frame(19, &[list(&[text("m:best"), text("n")]), vec![1]].concat()),
        frame(20, &[0]),
        frame(21, &[1]),
        frame(22, &[]),
        frame(23, &[]),
        frame(32, &list(&named)),
        frame(33, &[&[1][..], &[5; 64]].concat()),
        frame(35, &[short(b"{}\n"), short(b"")].concat()),
        frame(4, &[]),
    ];
    let fate = |kind: u32, more: Vec<u8>| [kind.to_le_bytes().to_vec(), text(version), more].concat();
    let answers = [
        frame(2, &[text("artstore 1"), list(&[text("write-condemn")]), some(text("l123"))].concat()),
        frame(3, &[vec![5], text("it is damaged"), list(&[text("a cause")]), some(text("a hint"))].concat()),
        frame(34, &[0, 1, 1]),
        frame(36, &list(&[[text(version), number.clone(), some(text(version))].concat()])),
        frame(37, &list(&[fate(0, vec![]), fate(1, vec![]), fate(2, text("it is not"))])),
        frame(38, &list(&[[text("m"), text("v4"), vec![9; 32], number.clone(), number.clone()].concat()])),
    ];
    let files = [
        frame(48, &[text(&pack(1)), number].concat()),
        frame(49, b"seven b"),
        frame(50, &[]),
        frame(51, b"it has become shorter"),
        frame(52, &[short(version.as_bytes()), short(b"{}\n")].concat()),
        frame(53, &[text(version), some(text("permission denied"))].concat()),
        frame(53, &[text(version), vec![0]].concat()),
    ];
    vec![
        ("good-questions", questions.concat()),
        ("good-answers", answers.concat()),
        ("good-files", files.concat()),
        ("bad-shared", frame(32, &list(&rows))),
        ("bad-outside", frame(53, &[text("../x"), vec![0]].concat())),
        ("bad-long", [&[49][..], &u32::MAX.to_le_bytes(), b"x"].concat()),
        ("bad-kind", frame(99, &[])),
        ("bad-short", frame(33, &[0; 32])),
    ]
}

fn trailers() -> Seeds {
    let (blocks, mut chunks, table_offset) = rows();
    let table = Table::build(&blocks, &mut chunks);
    let file_len = table_offset + (table.as_bytes().len() + TRAILER_LEN) as u64;
    let table_hash = blake3::hash(table.as_bytes()).into();
    let trailer = Trailer { table_offset, table_hash, block_count: 2, chunk_count: 3, file_len }.encode();
    let header = |class, salt| Header { class, salt }.encode();
    let empty = Trailer { table_offset: 24, table_hash: blake3::hash(b"").into(), block_count: 0, chunk_count: 0, file_len: 96 }.encode();
    vec![
        ("good-data", [&header(PackClass::Data, [0; 8])[..], &trailer].concat()),
        ("good-salted", [&header(PackClass::Meta, *b"saltsalt")[..], &trailer].concat()),
        ("good-empty", empty.to_vec()),
        ("bad-short", trailer[1..].to_vec()),
    ]
}

fn block_headers() -> Seeds {
    let of = |header: BlockHeader, lens: &[u32]| {
        let mut bytes = Vec::new();
        header.encode(lens, &mut bytes);
        bytes
    };
    let one = of(BlockHeader { codec: 0, stored_len: 5, raw_len: 5, chunk_count: 1 }, &[5]);
    let many = of(BlockHeader { codec: 3, stored_len: 9, raw_len: 40, chunk_count: 4 }, &[10; 4]);
    vec![("bad-short", one[..BLOCK_HEADER_LEN].to_vec()), ("good-one", one), ("good-many", many)]
}

fn tables() -> Seeds {
    let (blocks, mut chunks, table_offset) = rows();
    let of = |blocks: &[BlockRow], chunks: &mut [ChunkRow], table_offset: u64| {
        let mut bytes = (blocks.len() as u16).to_le_bytes().to_vec();
        bytes.extend((table_offset as u32).to_le_bytes());
        bytes.extend(Table::build(blocks, chunks).as_bytes());
        bytes
    };
    let good = of(&blocks, &mut chunks, table_offset);
    let elsewhere = of(&blocks, &mut chunks, table_offset + 1);
    chunks[2].hash = chunks[1].hash;
    vec![
        ("good-two-blocks", good),
        ("good-twice", of(&blocks, &mut chunks, table_offset)),
        ("good-empty", of(&[], &mut [], HEADER_LEN as u64)),
        ("bad-offset", elsewhere),
    ]
}

fn run(byte: u8, len: u32, count: u64) -> ChunkRun {
    ChunkRun { chunk: id(byte), len, count }
}

fn file(at: &str, size_bytes: u64, chunks: ChunkList) -> Entry {
    Entry { path: path(at), kind: EntryKind::File(FileBody { executable: at.ends_with('x'), size_bytes, digest: id(5), chunks }) }
}

fn entries() -> Vec<Entry> {
    let reference = |digest, size_bytes, etag| Reference { uri: "s3://bucket/key".into(), digest, size_bytes, etag };
    let empty = FileBody { executable: false, size_bytes: 0, digest: FileDigest::of(b""), chunks: ChunkList::Whole };
    vec![
        Entry { path: path("a-link"), kind: EntryKind::Symlink(Bytes(b"b/whole".to_vec())) },
        Entry { path: path("a/empty"), kind: EntryKind::EmptyDir },
        file("b/runs.x", 900, ChunkList::Runs(vec![run(1, 100, 1), run(2, 400, 2)])),
        file("b/tree", 1 << 40, ChunkList::Tree(ChunkTree { level: 2, page: id(6) })),
        file("b/whole", 77, ChunkList::Whole),
        Entry { path: path("b/zero"), kind: EntryKind::File(empty) },
        Entry { path: path("r1"), kind: EntryKind::Reference(reference(None, None, None)) },
        Entry { path: path("r2"), kind: EntryKind::Reference(reference(Some(id(8)), Some(12), Some("\"tag\"".into()))) },
    ]
}

fn manifest(rows: EntryRows) -> Page {
    let (entry_count, file_count, size_bytes) = match &rows {
        EntryRows::Entries(entries) => {
            let files = entries.iter().filter(|entry| entry.file().is_some()).count() as u64;
            (entries.len() as u64, files, entries.iter().map(|entry| entry.kind.size_bytes()).sum())
        }
        EntryRows::Index(index) => (index.rows.iter().map(|row| row.entries).sum(), 3, index.rows.iter().map(|row| row.bytes).sum()),
    };
    Page::Manifest(Manifest { entry_count, file_count, size_bytes, rows })
}

fn entry_index(level: u32) -> Index<EntryChild> {
    let child = |first, byte| EntryChild { first: path(first), page: id(byte), entries: 100, bytes: 1 << 20 };
    Index { level, rows: vec![child("a", 1), child("b/c", 2), child("d", 3)] }
}

fn manifests() -> Seeds {
    let of = |rows| manifest(rows).encode().1;
    let mut lying = of(EntryRows::Entries(entries()));
    lying[4..12].fill(9);
    vec![
        ("good-entries", of(EntryRows::Entries(entries()))),
        ("good-empty", of(EntryRows::Entries(Vec::new()))),
        ("good-index", of(EntryRows::Index(entry_index(3)))),
        ("good-lying", lying),
        ("bad-level", of(EntryRows::Index(entry_index(9)))),
    ]
}

fn pages() -> Seeds {
    let chunk_index = Index { level: 1, rows: vec![ChunkChild { first: id(1), page: id(2), chunks: 3, bytes: 300 }; 2] };
    vec![
        ("good-manifest", manifest(EntryRows::Entries(entries())).encode().1),
        ("good-entries", Page::Entries(entries()).encode().1),
        ("good-entry-index", Page::EntryIndex(entry_index(1)).encode().1),
        ("good-chunks", Page::Chunks(vec![run(1, 5, 1), run(2, 262_144, 1 << 40)]).encode().1),
        ("good-chunk-index", Page::ChunkIndex(chunk_index).encode().1),
        ("good-metadata", Page::Metadata(Bytes(b"{\"a\":1}".to_vec())).encode().1),
        ("bad-twice", Page::Entries([entries(), entries()].concat()).encode().1),
        ("bad-no-chunks", Page::Chunks(Vec::new()).encode().1),
    ]
}

fn time() -> Time {
    Time("2026-11-03T09:15:00.25Z".parse().unwrap())
}

fn version() -> VersionRecord {
    VersionRecord {
        artifact: "digits".parse().unwrap(),
        created_at: time(),
        description: Some("first try, \"raw\"\n".into()),
        file_count: 3,
        git: Some(GitState { branch: Some("main".into()), commit: Some("c0ffee".into()), dirty: true }),
        manifest: id(4),
        metadata: Metadata::from([("loss".into(), json!(1e-7)), ("größe".into(), json!([1.0, null, {"a": [-0.0, 1e300]}]))]),
        metadata_pages: vec![id(1)],
        number: 7,
        parents: vec![id(3), id(2)],
        run: Some(RUN.parse().unwrap()),
        size_bytes: 11_500_000,
        stored_bytes: 4_211_903,
        tags: vec!["clean".parse().unwrap(), "prod ready".parse().unwrap()],
        ttl_seconds: Some(60),
        artifact_type: "dataset".parse().unwrap(),
    }
}

fn edit() -> EditRecord {
    EditRecord {
        artifact: "digits".parse().unwrap(),
        claim: true,
        created_at: time(),
        delete: true,
        description: Some(String::new()),
        metadata: Metadata::from([("a".into(), json!(null))]),
        metadata_pages: vec![id(1)],
        saw: vec![id(2)],
        seq: 2,
        tags_add: vec!["x".parse().unwrap()],
        tags_remove: vec!["y".parse().unwrap()],
        target: Some(id(3)),
        ttl_seconds: Some(0),
        undelete: true,
        unset: vec!["z".into()],
    }
}

fn run_start() -> RunRecord {
    let start = RunStart {
        argv: vec!["python".into(), "train.py".into()],
        git: Some(GitState { branch: Some("main".into()), commit: Some("c0ffee".into()), dirty: true }),
        host: Some("box".into()),
        job_type: Some("train".parse().unwrap()),
        mode: RunMode::Exec,
        name: Some("größer".into()),
        project: Some("digits".parse().unwrap()),
        remote: Some("https://example.org/a".into()),
        user: Some("ann".into()),
    };
    let config = Metadata::from([("lr".into(), json!(0.001))]);
    RunRecord { start: Some(start), config, ..RunRecord::new(RUN.parse().unwrap(), 0, time()) }
}

fn run_step() -> RunRecord {
    let used = RunVersion { artifact: "digits".parse().unwrap(), digest: id(4), role: Some("train".parse().unwrap()), version: id(3) };
    RunRecord {
        end: Some(RunEnd { exit_code: None, signal: Some(9) }),
        output: Some(RunVersion { role: None, ..used.clone() }),
        input: Some(used),
        reference: Some(RunReference { digest: Some(id(2)), role: None, size_bytes: Some(7), uri: "s3://b/k".into() }),
        summary: Metadata::from([("acc".into(), json!([1.0, null]))]),
        ..RunRecord::new(RUN.parse().unwrap(), 3, time())
    }
}

fn records() -> Seeds {
    let line = |record: Record| record.encode().unwrap().1;
    let (artifact, alias) = ("digits".parse().unwrap(), "best".parse().unwrap());
    let condemn = CondemnRecord { created_at: time(), data: vec![id(1), id(2)], meta: vec![id(3)], nonce: "0123456789abcdef".into() };
    let lift = LiftRecord { created_at: time(), data: vec![id(1)], lifts: vec![id(4), id(5)], meta: Vec::new() };
    let version = line(Record::Version(Box::new(version())));
    let spaced = String::from_utf8(version.clone()).unwrap().replacen(':', ": ", 1).into_bytes();
    vec![
        ("good-version", version),
        (
            "good-alias",
            line(Record::Alias(AliasRecord { alias, artifact, created_at: time(), replaces: vec![id(1)], seq: 7, target: None })),
        ),
        ("good-edit", line(Record::Edit(Box::new(edit())))),
        ("good-run-start", line(Record::Run(Box::new(run_start())))),
        ("good-run-step", line(Record::Run(Box::new(run_step())))),
        ("good-condemn", line(Record::Condemn(condemn))),
        ("good-lift", line(Record::Lift(lift))),
        ("bad-spaced", spaced),
        ("bad-json", b"[1, 1.5e300, -0.0, \"\\u0001\", {\"b\": {}, \"a\": []}]".to_vec()),
    ]
}

fn refs() -> Seeds {
    let good: [(&str, &str); 7] = [
        ("good-name", "training-data"),
        ("good-number", "a.b_c:v12"),
        ("good-suffix", "d:v3.1a2b~2"),
        ("good-latest", "d:latest~"),
        ("good-alias", "d:best"),
        ("good-digest", "d@0123456789ab"),
        ("bad-tag", "prod ready größe-1"),
    ];
    good.map(|(name, text)| (name, text.into())).into()
}

fn queries() -> Seeds {
    let all: [(&str, &str); 7] = [
        ("good-all", "type:model metadata.acc>0.9 tag:prod created<7d size>1.5GB"),
        ("good-any", "(name:train-* or not alias=best) and -number>=2"),
        ("good-quotes", "metadata.\"a.b\".c!='it\\'s' description~\"two words\" \"or\""),
        ("good-times", "created:2026-01 created>=2026-01-31T12:00:00Z created<=3000-01-01"),
        ("good-rest", "git.dirty:true run:* files<1e3 digest:ab metadata.n=-1.5e-3"),
        ("bad-key", "metdata.acc>0.9"),
        ("bad-quote", "tag:\"prod"),
    ];
    all.map(|(name, text)| (name, text.into())).into()
}

fn uris() -> Seeds {
    let all: [(&str, &str); 8] = [
        ("good-file", "file:///data/a%20b/%ff%2e"),
        ("good-local", "file://localhost/x//./y/"),
        ("good-key", "s3://bucket/year=2024/part.csv"),
        ("good-web", "https://host/my%20file.csv?v=3#top"),
        ("good-up", "file:///a/%2e%2e/b"),
        ("bad-user", "https://me:secret@host/x"),
        ("bad-signed", "https://host/x?a=1&X-Amz-Signature=0123"),
        ("bad-path", "data/x.csv"),
    ];
    all.map(|(name, text)| (name, text.into())).into()
}

fn paths() -> Seeds {
    let all: [(&str, &[u8]); 7] = [
        ("good-deep", b"a/b/c.txt"),
        ("good-link", b"a/b/link|../../c/./d"),
        ("good-out", b"a/link|../../x"),
        ("good-odd", b"\xff\xfe/\x1b[31m/\xe2\x80\xae"),
        ("bad-dots", b"a/../b"),
        ("bad-git", b"a/.GiT/hooks"),
        ("bad-root", b"/etc/passwd"),
    ];
    all.map(|(name, bytes)| (name, bytes.to_vec())).into()
}

/// Raw blocks that are stored in different ways.
fn raws() -> [(&'static str, Vec<u8>); 4] {
    let noise = |len| {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    };
    let floats = (0..800u32).flat_map(|at| (1.0 + at as f32 / 1000.0).sqrt().to_le_bytes());
    let doubles = (0..600u32).flat_map(|at| (1.0 + f64::from(at) / 1000.0).sqrt().to_le_bytes());
    [
        ("good-text", b"some text, and again some text\n".repeat(40)),
        ("good-floats", floats.collect()),
        ("good-doubles", doubles.collect()),
        ("good-noise", noise(300)),
    ]
}

fn raw_blocks() -> Seeds {
    raws().into()
}

fn blocks() -> Seeds {
    let of = |codec: u32, raw_len: usize, stored: &[u8]| [&[codec as u8][..], &(raw_len as u32).to_le_bytes(), stored].concat();
    let mut seeds = Vec::new();
    for (name, raw) in raws() {
        let mut stored = Vec::new();
        let codec = Encoder::new().encode(&raw, &mut stored);
        seeds.push((name, of(codec.id(), raw.len(), if codec == Codec::Raw { &raw } else { &stored })));
    }
    // The examples of `docs/format.md`, and a frame that says it is longer than any block.
    seeds.push(("good-group-2", of(2, 11, b"\x05\0\0\0\x05\0\0\0abcde12345!")));
    seeds.push(("good-group-4", of(3, 11, b"\x02\0\0\0\x02\0\0\0\x02\0\0\0\x02\0\0\0ac13bd24e5!")));
    let zeros = zstd::bulk::compress(&vec![0; 4 << 20], 3).unwrap();
    seeds.push(("bad-bomb", of(1, 1000, &zeros)));
    seeds.push(("bad-longer", of(1, 4 << 20, &zeros)));
    seeds
}
