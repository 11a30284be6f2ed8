//! "Pages", "Manifests", "Entries", "Chunk lists": golden bytes, and what is refused.

use artstore::format::limits::{CHUNK_LEN_MAX, CHUNK_ROWS_INLINE_MAX, PAGE_LEN_MAX, SYMLINK_LEN_MAX, TREE_DEPTH_MAX, URI_LEN_MAX};
use artstore::format::manifest::{
    ChunkChild, ChunkList, ChunkRun, ChunkTree, Entry, EntryChild, EntryKind, EntryRows, FileBody, Index, Manifest, Page, PageError,
    PageType, Reference,
};
use artstore::format::path::Bytes;
use artstore::id::{FileDigest, PageId};

use crate::sample::{file, hex, id, path, run, unhex};

fn body(size_bytes: u64, chunks: ChunkList) -> EntryKind {
    EntryKind::File(FileBody { executable: true, size_bytes, digest: id(0xdd), chunks })
}

fn entry(at: &str, kind: EntryKind) -> Entry {
    Entry { path: path(at), kind }
}

/// One entry of every form.
fn entries() -> Vec<Entry> {
    let reference = Reference { uri: "s3://b/k".into(), digest: Some(id(0xee)), size_bytes: Some(7), etag: Some("t".into()) };
    let bare = Reference { uri: "x:".into(), digest: None, size_bytes: None, etag: None };
    vec![
        entry("a", body(5, ChunkList::Whole)),
        entry("b", body(11, ChunkList::Runs(vec![run(1, 4, 2), run(2, 3, 1)]))),
        entry("c", body(1 << 40, ChunkList::Tree(ChunkTree { level: 1, page: id(3) }))),
        entry("d", EntryKind::Symlink(Bytes(b"a".to_vec()))),
        entry("e", EntryKind::EmptyDir),
        entry("f", EntryKind::Reference(reference)),
        entry("g", EntryKind::Reference(bare)),
    ]
}

fn entries_hex() -> String {
    let h = |byte: &str| byte.repeat(32);
    [
        "0700000000000000".into(),
        format!("0100000000000000 61 00000000 01 0500000000000000 {} 00000000", h("dd")),
        format!("0100000000000000 62 00000000 01 0b00000000000000 {} 01000000 0200000000000000", h("dd")),
        format!("{} 04000000 0200000000000000 {} 03000000 0100000000000000", h("01"), h("02")),
        format!("0100000000000000 63 00000000 01 0000000000010000 {} 02000000 01000000 {}", h("dd"), h("03")),
        "0100000000000000 64 01000000 0100000000000000 61".into(),
        "0100000000000000 65 02000000".into(),
        format!("0100000000000000 66 03000000 0800000000000000 73333a2f2f622f6b 01 {} 01 0700000000000000 01 0100000000000000 74", h("ee")),
        "0100000000000000 67 03000000 0200000000000000 783a 00 00 00".into(),
    ]
    .concat()
}

fn entry_child(first: &str, byte: u8) -> EntryChild {
    EntryChild { first: path(first), page: id(byte), entries: 3, bytes: 10 }
}

fn chunk_child(byte: u8) -> ChunkChild {
    ChunkChild { first: id(byte), page: id(9), chunks: 2, bytes: 10 }
}

fn manifest() -> Manifest {
    Manifest { entry_count: 7, file_count: 3, size_bytes: (1 << 40) + 16, rows: EntryRows::Entries(entries()) }
}

/// Every kind of page with its golden bytes, the two forms of a manifest both.
fn golden() -> Vec<(Page, Vec<u8>)> {
    let h = |byte: &str| byte.repeat(32);
    let index_hex = format!(
        "01000000 0200000000000000 0100000000000000 61 {} 0300000000000000 0a00000000000000 0100000000000000 62 {} 0300000000000000 0a00000000000000",
        h("05"),
        h("06")
    );
    let index = Index { level: 1, rows: vec![entry_child("a", 5), entry_child("b", 6)] };
    let tall = Manifest { entry_count: 6, file_count: 4, size_bytes: 20, rows: EntryRows::Index(index.clone()) };
    let chunks = Index { level: 8, rows: vec![chunk_child(7)] };
    vec![
        (Page::Manifest(manifest()), format!("00000000 0700000000000000 0300000000000000 1000000000010000 00000000 {}", entries_hex())),
        (Page::Manifest(tall), format!("00000000 0600000000000000 0400000000000000 1400000000000000 01000000 {index_hex}")),
        (Page::Entries(entries()), format!("01000000 {}", entries_hex())),
        (Page::EntryIndex(index), format!("02000000 {index_hex}")),
        (Page::Chunks(vec![run(1, 4, 2)]), format!("03000000 0100000000000000 {} 04000000 0200000000000000", h("01"))),
        (Page::ChunkIndex(chunks), format!("04000000 08000000 0100000000000000 {} {} 0200000000000000 0a00000000000000", h("07"), h("09"))),
        (Page::Metadata(Bytes(b"{}".to_vec())), "05000000 0200000000000000 7b7d".into()),
    ]
    .into_iter()
    .map(|(page, hex)| (page, unhex(&hex)))
    .collect()
}

fn refused(page: Page) -> String {
    let (_, bytes) = page.encode();
    Page::decode(page.page_type(), &bytes).unwrap_err().to_string()
}

fn taken(page: Page) {
    let (_, bytes) = page.encode();
    assert_eq!(Page::decode(page.page_type(), &bytes).unwrap(), page);
}

fn with_kind(kind: EntryKind) -> Page {
    Page::Entries(vec![entry("a", kind)])
}

#[test]
fn pages_are_encoded_as_the_page_of_the_format_says() {
    for (page, bytes) in golden() {
        assert_eq!(hex(&page.encode().1), hex(&bytes), "{:?}", page.page_type());
        assert_eq!(Page::decode(page.page_type(), &bytes).unwrap(), page);
        assert_eq!(PageType::peek(&bytes), Some(page.page_type()));
    }
}

#[test]
fn ids_are_fixed() {
    let empty = Manifest { entry_count: 0, file_count: 0, size_bytes: 0, rows: EntryRows::Entries(Vec::new()) };
    let (id, bytes) = Page::Manifest(empty).encode();
    assert_eq!(bytes, [0; 40]);
    assert_eq!(id.to_string(), "87397993f40c0dfa5abae733be5c555051487daf4d543a2f925ed7e94b0fcc77");
    let (id, _) = Page::Manifest(manifest()).encode();
    assert_eq!(id.to_string(), "c73520dabd8e71165b338e9ce272de647e5ccf65fb38ceca2f0e9297725e3a2e");
}

#[test]
fn the_same_bytes_have_another_id_as_each_kind_and_as_a_chunk() {
    let bytes = &golden()[0].1;
    let mut ids: Vec<[u8; 32]> = PageType::ALL.map(|kind| *kind.id_of(bytes).as_bytes()).to_vec();
    ids.push(*PageId::of(bytes).as_bytes());
    for (kind, id) in PageType::ALL.iter().zip(&ids) {
        assert_eq!(*id, blake3::derive_key(kind.context(), bytes));
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 7);
}

#[test]
fn a_page_of_another_kind_is_refused() {
    for (page, bytes) in golden() {
        for kind in PageType::ALL.into_iter().filter(|&kind| kind != page.page_type()) {
            assert!(matches!(Page::decode(kind, &bytes), Err(PageError::Kind)));
        }
        let mut unknown = bytes;
        unknown[0] = 6;
        assert!(matches!(Page::decode(page.page_type(), &unknown), Err(PageError::Encoding(_))));
        assert_eq!(PageType::peek(&unknown), None);
    }
}

#[test]
fn a_page_cut_short_or_longer_is_refused() {
    for (page, bytes) in golden() {
        for len in 0..bytes.len() {
            assert!(Page::decode(page.page_type(), &bytes[..len]).is_err(), "{:?} {len}", page.page_type());
        }
        for more in [&b"\0"[..], &[0; 40]] {
            assert!(Page::decode(page.page_type(), &[&bytes, more].concat()).is_err());
        }
    }
}

#[test]
fn a_byte_changed_in_a_page_changes_its_id_and_never_decodes_to_the_same() {
    for (page, bytes) in golden() {
        let kind = page.page_type();
        for at in 0..bytes.len() {
            for flip in [1, 2, 4, 0x80, 0xff] {
                let mut bad = bytes.clone();
                bad[at] ^= flip;
                assert_ne!(kind.id_of(&bad), kind.id_of(&bytes));
                if let Ok(other) = Page::decode(kind, &bad) {
                    assert_ne!(other, page);
                    assert_eq!(other.encode().1, bad, "what is decoded has one encoding");
                }
            }
        }
    }
}

#[test]
fn an_unknown_tag_bool_or_option_is_refused() {
    let good = Page::Entries(entries());
    let (_, bytes) = good.encode();
    // Of the first entry: its kind after tag, count, length and path; executable; its chunk list.
    for at in [21, 25, 66] {
        let mut bad = bytes.clone();
        bad[at] = 9;
        assert!(matches!(Page::decode(PageType::Entries, &bad), Err(PageError::Encoding(_))), "{at}");
    }
    let end = bytes.len();
    for at in [end - 1, end - 2, end - 3] {
        let mut bad = bytes.clone();
        bad[at] = 2;
        assert!(matches!(Page::decode(PageType::Entries, &bad), Err(PageError::Encoding(_))), "{at}");
    }
}

#[test]
fn a_page_beyond_256_kib_is_refused() {
    let len = PAGE_LEN_MAX - 12;
    taken(Page::Metadata(Bytes(vec![b' '; len])));
    let (_, long) = Page::Metadata(Bytes(vec![b' '; len + 1])).encode();
    assert!(matches!(Page::decode(PageType::Metadata, &long), Err(PageError::Length(n)) if n == PAGE_LEN_MAX + 1));
}

#[test]
fn a_count_beyond_the_page_takes_no_memory() {
    for bytes in golden().into_iter().map(|(_, bytes)| bytes) {
        let kind = PageType::peek(&bytes).unwrap();
        for at in 4..bytes.len().saturating_sub(8) {
            let mut bad = bytes.clone();
            bad[at..at + 8].fill(0x7f);
            if let Ok(page) = Page::decode(kind, &bad) {
                assert_eq!(page.encode().1, bad);
            }
        }
    }
}

#[test]
fn entries_out_of_order_are_refused() {
    let order = "its entries are not in strictly increasing order";
    for pair in [["b", "a"], ["a", "a"], ["a/b", "a-b"], ["ab", "a/b"]] {
        let rows = pair.map(|at| file(at, 1)).to_vec();
        assert_eq!(refused(Page::Entries(rows.clone())), order, "{pair:?}");
        let manifest = Manifest { entry_count: 2, file_count: 2, size_bytes: 16, rows: EntryRows::Entries(rows) };
        assert_eq!(refused(Page::Manifest(manifest)), order, "{pair:?}");
        let rows = pair.map(|at| entry_child(at, 1)).to_vec();
        assert_eq!(refused(Page::EntryIndex(Index { level: 1, rows })), "its rows are not in strictly increasing order");
    }
}

#[test]
fn a_manifest_whose_counts_are_not_those_of_its_rows_is_refused() {
    let wrong = "its counts are not those of its rows";
    for (entry_count, file_count, size_bytes) in [(1, 2, 16), (2, 1, 16), (2, 2, 15), (3, 3, 16), (2, 3, 16), (u64::MAX, 2, 16)] {
        let rows = EntryRows::Entries(vec![file("a", 1), file("b", 1)]);
        assert_eq!(refused(Page::Manifest(Manifest { entry_count, file_count, size_bytes, rows })), wrong);
    }
    for (entry_count, file_count, size_bytes) in [(5, 1, 20), (7, 1, 20), (6, 7, 20), (6, 1, 21)] {
        let rows = EntryRows::Index(Index { level: 1, rows: vec![entry_child("a", 5), entry_child("b", 6)] });
        assert_eq!(refused(Page::Manifest(Manifest { entry_count, file_count, size_bytes, rows })), wrong);
    }
    let huge = EntryRows::Entries(vec![
        entry("a", body(u64::MAX, ChunkList::Tree(ChunkTree { level: 1, page: id(3) }))),
        entry("b", body(9, ChunkList::Whole)),
    ]);
    taken(Page::Manifest(Manifest { entry_count: 2, file_count: 2, size_bytes: u64::MAX, rows: huge }));
}

#[test]
fn a_page_that_lists_nothing_is_refused_but_an_empty_manifest_is_not() {
    taken(Page::Manifest(Manifest { entry_count: 0, file_count: 0, size_bytes: 0, rows: EntryRows::Entries(Vec::new()) }));
    refused(Page::Manifest(Manifest {
        entry_count: 0,
        file_count: 0,
        size_bytes: 0,
        rows: EntryRows::Index(Index { level: 1, rows: Vec::new() }),
    }));
    refused(Page::Entries(Vec::new()));
    refused(Page::Chunks(Vec::new()));
    refused(Page::EntryIndex(Index { level: 1, rows: Vec::new() }));
    refused(Page::ChunkIndex(Index { level: 1, rows: Vec::new() }));
    refused(Page::EntryIndex(Index { level: 1, rows: vec![EntryChild { entries: 0, ..entry_child("a", 1) }] }));
    refused(Page::ChunkIndex(Index { level: 1, rows: vec![ChunkChild { chunks: 0, ..chunk_child(1) }] }));
    refused(Page::ChunkIndex(Index { level: 1, rows: vec![ChunkChild { bytes: 1, ..chunk_child(1) }] }));
}

#[test]
fn a_level_is_1_to_8() {
    for level in [1, TREE_DEPTH_MAX] {
        taken(Page::EntryIndex(Index { level, rows: vec![entry_child("a", 1)] }));
        taken(Page::ChunkIndex(Index { level, rows: vec![chunk_child(1)] }));
    }
    for level in [0, TREE_DEPTH_MAX + 1, u32::MAX] {
        refused(Page::EntryIndex(Index { level, rows: vec![entry_child("a", 1)] }));
        refused(Page::ChunkIndex(Index { level, rows: vec![chunk_child(1)] }));
    }
    taken(with_kind(body(9, ChunkList::Tree(ChunkTree { level: 0, page: id(1) }))));
    refused(with_kind(body(9, ChunkList::Tree(ChunkTree { level: TREE_DEPTH_MAX + 1, page: id(1) }))));
}

#[test]
fn a_chunk_list_that_breaks_a_rule_is_refused() {
    let most = CHUNK_LEN_MAX as u32;
    taken(Page::Chunks(vec![run(1, most, u64::MAX)]));
    for bad in [run(1, 0, 1), run(1, 1, 0), run(1, most + 1, 1), run(1, u32::MAX, 1)] {
        refused(Page::Chunks(vec![bad]));
    }
    refused(Page::Chunks(vec![run(1, 5, 1), run(1, 5, 1)]));
    taken(Page::Chunks(vec![run(1, 5, 1), run(2, 5, 1), run(1, 5, 1)]));

    let file = |size, runs: Vec<ChunkRun>| with_kind(body(size, ChunkList::Runs(runs)));
    taken(file(10, vec![run(1, 5, 2)]));
    refused(file(5, vec![run(1, 5, 1)]));
    refused(file(0, Vec::new()));
    refused(file(9, vec![run(1, 5, 2)]));
    refused(file(11, vec![run(1, 5, 2)]));
    refused(file(8, vec![run(1, 8, 1 << 61), run(2, 8, 1)]));
    refused(file(10, vec![run(1, 5, 1), run(1, 5, 1)]));
    let rows = |count: usize| (0..count).map(|i| run(i as u8, 1, 1)).collect::<Vec<_>>();
    taken(file(CHUNK_ROWS_INLINE_MAX as u64, rows(CHUNK_ROWS_INLINE_MAX)));
    refused(file(CHUNK_ROWS_INLINE_MAX as u64 + 1, rows(CHUNK_ROWS_INLINE_MAX + 1)));
    taken(with_kind(body(CHUNK_LEN_MAX as u64, ChunkList::Whole)));
    refused(with_kind(body(CHUNK_LEN_MAX as u64 + 1, ChunkList::Whole)));
}

#[test]
fn an_empty_file_has_the_digest_of_nothing() {
    let empty = |digest| FileBody { executable: false, size_bytes: 0, digest, chunks: ChunkList::Whole };
    taken(with_kind(EntryKind::File(empty(FileDigest::of(b"")))));
    refused(with_kind(EntryKind::File(empty(FileDigest::of(b"x")))));
    let tree = ChunkList::Tree(ChunkTree { level: 0, page: id(3) });
    refused(with_kind(EntryKind::File(FileBody { chunks: tree, ..empty(id(0)) })));
}

#[test]
fn a_symlink_has_a_target_without_nul_of_at_most_4096_bytes() {
    let link = |target: &[u8]| with_kind(EntryKind::Symlink(Bytes(target.to_vec())));
    taken(link(b"../anywhere"));
    taken(link(&[b'x'; SYMLINK_LEN_MAX]));
    refused(link(b""));
    refused(link(b"a\0b"));
    refused(link(&[b'x'; SYMLINK_LEN_MAX + 1]));
}

#[test]
fn a_reference_has_a_uri_and_neither_it_nor_its_etag_is_beyond_8192_bytes() {
    let reference = |uri: usize, etag: usize| {
        with_kind(EntryKind::Reference(Reference { uri: "u".repeat(uri), digest: None, size_bytes: None, etag: Some("e".repeat(etag)) }))
    };
    taken(reference(URI_LEN_MAX, URI_LEN_MAX));
    taken(reference(1, 0));
    refused(reference(0, 1));
    refused(reference(URI_LEN_MAX + 1, 1));
    refused(reference(1, URI_LEN_MAX + 1));
    let (_, mut bytes) = reference(1, 0).encode();
    // The URI is the one `u`; as this byte it is not UTF-8.
    let at = bytes.iter().position(|&b| b == b'u').unwrap();
    bytes[at] = 0xff;
    assert!(Page::decode(PageType::Entries, &bytes).is_err());
}
