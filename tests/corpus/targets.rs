//! What must hold for any bytes: one function a kind of object, which panics if it does not, and
//! says whether the bytes were taken. The fuzzers of `tests/fuzz/` and an ordinary test run them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use artstore::chunk::compress::{Codec, Decoder, Encoder};
use artstore::codec;
use artstore::format::bundle::{BUNDLE_HEADER_LEN, BUNDLE_TRAILER_LEN, BundleHeader, BundleList, BundleTrailer};
use artstore::format::limits::{
    BLOCK_RAW_LEN_MAX, BUNDLE_BASES_MAX, BUNDLE_LIST_LEN_MAX, CHUNK_LEN_MAX, CHUNK_ROWS_INLINE_MAX, PACK_LEN_MAX, PAGE_LEN_MAX,
    PATH_LEN_MAX, RECORD_LEN_MAX, SYMLINK_LEN_MAX, TREE_DEPTH_MAX, URI_LEN_MAX,
};
use artstore::format::manifest::{ChunkList, ChunkRun, Entry, EntryKind, EntryRows, Manifest, Page, PageType};
use artstore::format::pack::{
    BLOCK_HEADER_LEN, BLOCK_ROW_LEN, BlockHeader, CHUNK_ROW_LEN, ChunkRow, HEADER_LEN, Header, TRAILER_LEN, Table, Trailer,
};
use artstore::format::path::{EntryPath, link_stays_inside};
use artstore::format::record::{Record, canonical_json};
use artstore::id::RecordId;
use artstore::name::{Alias, Name, Ref, Tag};
use artstore::ops::find::SortKey;
use artstore::ops::find::query::Query;
use artstore::quote::escape;
use artstore::store::files::StorePath;
use artstore::uri;

/// A property of any bytes; returns whether they were taken.
pub(crate) type Target = fn(&[u8]) -> bool;

/// Every target with its name, which is that of its fuzzer and of its folder of seeds.
pub(crate) const TARGETS: [(&str, Target); 14] = [
    ("bundle", bundle),
    ("wire", wire),
    ("trailer", trailer),
    ("block_header", block_header),
    ("table", table),
    ("page", page),
    ("manifest", manifest),
    ("record", record),
    ("ref", reference),
    ("path", path),
    ("query", query),
    ("uri", uri),
    ("decode", decode),
    ("encode", encode),
];

/// Runs one target by its name.
///
/// # Panics
///
/// If there is none of that name, or what it asserts does not hold.
pub(crate) fn run(name: &str, data: &[u8]) -> bool {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of this name");
    target(data)
}

/// What another computer says: each frame has one form.
fn wire(data: &[u8]) -> bool {
    let again = artstore::ops::sync::wire::read_back(data);
    again.inspect(|again| assert_eq!(again, data)).is_some()
}

/// The header and the trailer of a pack, of the length that the trailer states.
fn trailer(data: &[u8]) -> bool {
    if let Ok(header) = Header::decode(data) {
        assert_eq!(header.encode(), data[..HEADER_LEN]);
    }
    let Some(tail) = data.last_chunk::<TRAILER_LEN>() else {
        assert!(Trailer::decode(data, data.len() as u64).is_err());
        return false;
    };
    let stated = u64::from_le_bytes(*tail[48..].first_chunk().expect("eight bytes"));
    let Ok(trailer) = Trailer::decode(tail, stated) else { return false };
    assert_eq!(trailer.encode(), *tail);
    assert!(stated <= PACK_LEN_MAX && trailer.table_offset >= HEADER_LEN as u64);
    assert_eq!(trailer.table_offset + trailer.table_len() + TRAILER_LEN as u64, stated);
    assert!(Trailer::decode(tail, stated + 1).is_err());
    true
}

/// A bundle's header, its list and its trailer, of a length that the header states; the list's hash is made to fit.
fn bundle(data: &[u8]) -> bool {
    let Ok(header) = BundleHeader::decode(data) else { return false };
    assert_eq!(header.encode(), data[..BUNDLE_HEADER_LEN]);
    assert!(header.list_len <= BUNDLE_LIST_LEN_MAX);
    let end = BUNDLE_HEADER_LEN as u64 + header.list_len;
    let Some((list, rest)) = data.split_at_checked(end as usize).map(|(front, rest)| (&front[BUNDLE_HEADER_LEN..], rest)) else {
        return false;
    };
    if blake3::hash(list) != header.list_hash {
        assert!(BundleList::decode(list, &header).is_err());
    }
    let Ok(decoded) = BundleList::decode(list, &BundleHeader::of(list)) else { return false };
    assert_eq!(decoded.encode(), list);
    assert!(decoded.bases.len() <= BUNDLE_BASES_MAX && decoded.bases.is_sorted());
    assert!(decoded.bundle_len(&header).is_some_and(|len| len >= end));
    for file in &decoded.files {
        if let Some(path) = StorePath::parse(&file.path) {
            assert!(path.as_path().components().all(|part| matches!(part, std::path::Component::Normal(_))));
        }
    }
    let Ok(trailer) = BundleTrailer::decode(rest) else { return false };
    assert_eq!(trailer.encode(), rest[..BUNDLE_TRAILER_LEN]);
    true
}

/// The header of a block with its chunk lengths, as salvage reads them.
fn block_header(data: &[u8]) -> bool {
    let Ok((header, lens)) = BlockHeader::decode(data) else { return false };
    let mut again = Vec::new();
    header.encode(&lens, &mut again);
    assert_eq!(again.len(), header.len_with_chunks());
    assert_eq!(again, data[..again.len()]);
    assert_eq!(again.len(), BLOCK_HEADER_LEN + 4 * lens.len());
    assert!(header.stored_len <= header.raw_len && header.raw_len as usize <= BLOCK_RAW_LEN_MAX);
    assert!(lens.iter().all(|&len| len > 0 && len as usize <= CHUNK_LEN_MAX));
    assert_eq!(lens.iter().sum::<u32>(), header.raw_len);
    true
}

/// A table, its trailer made to fit: two bytes say how many blocks, four where the table lies.
fn table(data: &[u8]) -> bool {
    let Some((head, bytes)) = data.split_first_chunk::<6>() else { return false };
    let block_count = u32::from(u16::from_le_bytes([head[0], head[1]]));
    let table_offset = u64::from(u32::from_le_bytes([head[2], head[3], head[4], head[5]]));
    let Some(chunks_len) = bytes.len().checked_sub(block_count as usize * BLOCK_ROW_LEN) else { return false };
    let chunk_count = (chunks_len / CHUNK_ROW_LEN) as u32;
    let file_len = table_offset + (bytes.len() + TRAILER_LEN) as u64;
    let trailer = Trailer { table_offset, table_hash: blake3::hash(bytes).into(), block_count, chunk_count, file_len };
    let Ok(table) = Table::decode(bytes.to_vec(), &trailer) else { return false };
    let blocks: Vec<_> = (0..block_count).map(|at| table.block(at).expect("a row for each block")).collect();
    let mut chunks: Vec<_> = (0..table.chunk_count()).map(|at| table.chunk(at).expect("a row for each chunk")).collect();
    assert!(table.block(block_count).is_none() && table.chunk(table.chunk_count()).is_none());
    let mut at = HEADER_LEN as u64;
    for block in &blocks {
        assert_eq!(u64::from(block.offset), at);
        assert!(block.header.raw_len as usize <= BLOCK_RAW_LEN_MAX && block.header.stored_len <= block.header.raw_len);
        at = block.payload_offset() + u64::from(block.header.stored_len);
    }
    assert_eq!(at, table_offset);
    for ChunkRow { hash, block, offset, len } in &chunks {
        assert_eq!(table.find(hash).expect("what is listed is found").hash, *hash);
        assert!(*len as usize <= CHUNK_LEN_MAX && offset + len <= blocks[*block as usize].header.raw_len);
    }
    // Rows of one hash may lie in any order.
    if chunks.is_sorted_by(|a, b| a.hash < b.hash) {
        assert_eq!(Table::build(&blocks, &mut chunks).as_bytes(), bytes);
    }
    true
}

/// A page, asked for as each kind: it is one of them at most.
fn page(data: &[u8]) -> bool {
    let taken: Vec<Page> = PageType::ALL.iter().filter_map(|&kind| Page::decode(kind, data).ok()).collect();
    assert!(taken.len() <= 1);
    let Some(page) = taken.first() else { return false };
    check_page(page, data);
    true
}

/// A manifest whose counts are made to fit, so that what lies behind that check is reached.
fn manifest(data: &[u8]) -> bool {
    let Ok(Page::Manifest(read)) = codec::decode::<Page>(data) else { return false };
    let rows = read.rows;
    let (entry_count, file_count, size_bytes) = match &rows {
        EntryRows::Entries(entries) => {
            let files = entries.iter().filter(|entry| matches!(entry.kind, EntryKind::File(_))).count();
            (entries.len() as u64, files as u64, entries.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.kind.size_bytes())))
        }
        EntryRows::Index(index) => {
            let entries = index.rows.iter().fold(0u64, |sum, row| sum.saturating_add(row.entries));
            (entries, read.file_count.min(entries), index.rows.iter().fold(0u64, |sum, row| sum.saturating_add(row.bytes)))
        }
    };
    let (_, fitted) = Page::Manifest(Manifest { entry_count, file_count, size_bytes, rows }).encode();
    let Ok(page) = Page::decode(PageType::Manifest, &fitted) else { return false };
    check_page(&page, &fitted);
    true
}

fn check_page(page: &Page, bytes: &[u8]) {
    assert!(bytes.len() <= PAGE_LEN_MAX);
    let (id, again) = page.encode();
    assert_eq!(again, bytes);
    assert_eq!(PageType::peek(bytes), Some(page.page_type()));
    assert_eq!(id, page.page_type().id_of(bytes));
    match page {
        Page::Manifest(Manifest { rows: EntryRows::Entries(entries), .. }) | Page::Entries(entries) => check_entries(entries),
        Page::Manifest(Manifest { rows: EntryRows::Index(index), .. }) | Page::EntryIndex(index) => {
            assert!((1..=TREE_DEPTH_MAX).contains(&index.level) && !index.rows.is_empty());
            assert!(index.rows.is_sorted_by(|a, b| a.first < b.first));
            index.rows.iter().for_each(|row| check_path(&row.first));
        }
        Page::Chunks(runs) => check_runs(runs),
        Page::ChunkIndex(index) => {
            assert!((1..=TREE_DEPTH_MAX).contains(&index.level) && !index.rows.is_empty());
            assert!(index.rows.iter().all(|row| row.chunks > 0 && row.bytes >= row.chunks));
        }
        Page::Metadata(_) => {}
    }
}

fn check_entries(entries: &[Entry]) {
    assert!(entries.is_sorted_by(|a, b| a.path < b.path));
    for entry in entries {
        check_path(&entry.path);
        match &entry.kind {
            EntryKind::File(body) => match &body.chunks {
                ChunkList::Whole => assert!(body.size_bytes <= CHUNK_LEN_MAX as u64),
                ChunkList::Runs(runs) => {
                    check_runs(runs);
                    assert!(runs.len() <= CHUNK_ROWS_INLINE_MAX);
                    let sum: u128 = runs.iter().map(|run| u128::from(run.len) * u128::from(run.count)).sum();
                    assert_eq!(sum, u128::from(body.size_bytes));
                }
                ChunkList::Tree(tree) => assert!(tree.level <= TREE_DEPTH_MAX),
            },
            EntryKind::Symlink(target) => assert!((1..=SYMLINK_LEN_MAX).contains(&target.0.len()) && !target.0.contains(&0)),
            EntryKind::EmptyDir => {}
            EntryKind::Reference(reference) => assert!((1..=URI_LEN_MAX).contains(&reference.uri.len())),
        }
    }
}

fn check_runs(runs: &[ChunkRun]) {
    assert!(!runs.is_empty());
    assert!(runs.iter().all(|run| run.len > 0 && run.len as usize <= CHUNK_LEN_MAX && run.count > 0));
    assert!(runs.windows(2).all(|pair| pair[0].chunk != pair[1].chunk));
}

/// A line of a record.
fn record(data: &[u8]) -> bool {
    // Any JSON has one canonical form, which reads back as the same.
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(data) {
        let canonical = canonical_json(&value);
        let again: serde_json::Value = serde_json::from_slice(&canonical).expect("canonical JSON is JSON");
        assert_eq!(canonical_json(&again), canonical);
    }
    let Ok(record) = Record::decode(data) else { return false };
    assert!(data.len() <= RECORD_LEN_MAX && data.ends_with(b"\n"));
    let (id, again) = record.encode().expect("a record that was read can be written");
    assert_eq!(again, data);
    assert_eq!(id, RecordId::of(data));
    true
}

/// What a user types to name a version, and names, aliases and tags.
fn reference(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let name = text.parse::<Name>().map(|name| name.to_string());
    let alias = text.parse::<Alias>().map(|alias| alias.to_string());
    let tag = text.parse::<Tag>().map(|tag| tag.to_string());
    for taken in [&name, &alias, &tag].into_iter().flatten() {
        assert_eq!(taken, text);
        assert!((1..=128).contains(&taken.len()) && !taken.chars().any(char::is_control));
    }
    for taken in [&name, &alias].into_iter().flatten() {
        // It is the name of a directory.
        assert!(!taken.contains('/') && !taken.starts_with('.'));
    }
    let Ok(read) = text.parse::<Ref>() else { return false };
    let shown = read.to_string();
    assert_eq!(shown.parse::<Ref>().expect("what is shown can be typed"), read);
    true
}

/// A query, and a key to sort by: what was read is written as something that reads as the same.
fn query(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    if let Ok(by) = text.parse::<SortKey>() {
        let shown = format!("{}{}", if by.descending { "-" } else { "" }, by.key);
        assert_eq!(shown.parse::<SortKey>().expect("what is shown can be typed"), by);
    }
    let Ok(read) = text.parse::<Query>() else { return false };
    assert_eq!(read.to_string().parse::<Query>().expect("what is shown can be typed"), read);
    true
}

/// The URI of a reference, and the file that it names.
fn uri(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let _ = uri::base_name(text);
    if let Some(Ok(path)) = uri::file_path(text) {
        let bytes = path.as_os_str().as_bytes();
        assert!(bytes.starts_with(b"/") && !bytes.contains(&0) && !bytes.split(|byte| *byte == b'/').any(|part| part == b".."));
        let again = uri::joined("file:///", Path::new(OsStr::from_bytes(&bytes[1..])));
        assert_eq!(uri::file_path(&again).expect("a file").expect("a path").as_os_str().as_bytes(), bytes);
    }
    let taken = uri::check(text).is_ok();
    assert!(!taken || data.len() <= URI_LEN_MAX && !text.chars().any(char::is_control) && uri::scheme(text).is_some());
    taken
}

/// The path of an entry, and where a link there leads: a byte parts the path from the target.
fn path(data: &[u8]) -> bool {
    let shown = escape(data);
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    let mut parts = data.splitn(2, |&byte| byte == b'|');
    let (at, target) = (parts.next().unwrap_or_default(), parts.next());
    let Ok(path) = EntryPath::new(at) else { return false };
    assert_eq!(path.as_bytes(), at);
    check_path(&path);
    if let Some(target) = target {
        let depth = at.iter().filter(|&&byte| byte == b'/').count();
        if link_stays_inside(depth, target) {
            let mut left = depth;
            assert!(!target.starts_with(b"/"));
            for part in target.split(|&byte| byte == b'/') {
                match part {
                    b"" | b"." => {}
                    b".." => left = left.checked_sub(1).expect("a link that stays inside does not climb out"),
                    _ => left += 1,
                }
            }
        }
    }
    true
}

fn check_path(path: &EntryPath) {
    let bytes = path.as_bytes();
    assert!((1..=PATH_LEN_MAX).contains(&bytes.len()) && !bytes.contains(&0));
    for part in bytes.split(|&byte| byte == b'/') {
        assert!(!matches!(part, b"" | b"." | b".."));
        assert!(!part.eq_ignore_ascii_case(b".git") && !part.eq_ignore_ascii_case(b".artifacts"));
    }
    let (dir, name) = path.split_name();
    assert!(path.is_within(dir) && !name.contains(&b'/'));
    assert_eq!(codec::decode::<EntryPath>(&codec::encode(path)).ok().as_ref(), Some(path));
}

/// The payload of a block: a byte names the codec, four the raw length that is expected.
fn decode(data: &[u8]) -> bool {
    let Some((head, stored)) = data.split_first_chunk::<5>() else { return false };
    let Some(codec) = Codec::from_id(u32::from(head[0])) else { return false };
    let raw_len = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let mut out = vec![1; 10];
    let taken = Decoder::new().decode(codec, stored, raw_len, &mut out).is_ok();
    assert!(out.capacity() <= 2 * BLOCK_RAW_LEN_MAX);
    assert_eq!(out.len(), if taken { raw_len } else { 0 });
    if taken {
        let longer = [stored, b"x"].concat();
        assert!(Decoder::new().decode(codec, &longer, raw_len, &mut Vec::new()).is_err(), "bytes after the end");
    }
    taken
}

/// A block of any bytes, which has to come back as it was.
fn encode(data: &[u8]) -> bool {
    if data.is_empty() || data.len() > BLOCK_RAW_LEN_MAX {
        return false;
    }
    let mut stored = Vec::new();
    let codec = Encoder::new().encode(data, &mut stored);
    if codec == Codec::Raw {
        assert!(stored.is_empty());
        return true;
    }
    assert!(stored.len() < data.len());
    let mut out = Vec::new();
    Decoder::new().decode(codec, &stored, data.len(), &mut out).expect("what was encoded decodes");
    assert_eq!(out, data);
    true
}
