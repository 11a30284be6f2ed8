//! "Walking": what a page can only break together with others is refused on the walk.

use std::collections::BTreeMap;
use std::fs;

use artstore::format::limits::{METADATA_DEPTH_MAX, METADATA_LEN_MAX};
use artstore::format::manifest::{
    ChunkChild, ChunkList, ChunkRun, ChunkTree, Entry, EntryChild, EntryKind, EntryRows, FileBody, Index, Manifest, Page,
};
use artstore::format::pack::PackClass;
use artstore::format::path::Bytes;
use artstore::format::record::{Metadata, VersionRecord};
use artstore::id::{PackId, PageId};
use artstore::pack::pack_path;
use artstore::refs::history::History;
use artstore::refs::read::Records;
use artstore::{ErrorKind, Result, Store};

use crate::record::example_version;
use crate::sample::{Bend, Block, file, id, pack, path, run};
use crate::tree::{built, files};

/// A store that holds pages in one raw meta pack, each named as it should be.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) pages: BTreeMap<PageId, Vec<u8>>,
}

impl Shelf {
    fn put(&mut self, page: Page) -> PageId {
        let (id, bytes) = page.encode();
        self.pages.insert(id, bytes);
        id
    }

    pub(crate) fn open(&self) -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("format"), "artstore 1\n").unwrap();
        let blocks: Vec<([u8; 32], u32)> = self.pages.iter().map(|(id, bytes)| (*id.as_bytes(), bytes.len() as u32)).collect();
        let singles: Vec<[([u8; 32], u32); 1]> = blocks.iter().map(|&chunk| [chunk]).collect();
        let blocks: Vec<Block<'_>> = self.pages.values().zip(&singles).map(|(stored, chunks)| Block { codec: 0, stored, chunks }).collect();
        let bytes = pack(PackClass::Meta, &blocks, Bend::default());
        let at = dir.path().join(pack_path(PackClass::Meta, PackId::of(&bytes)));
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, bytes).unwrap();
        let store = Store::open(dir.path()).unwrap();
        (dir, store)
    }

    fn manifest(&mut self, rows: EntryRows) -> PageId {
        let (entry_count, size_bytes) = match &rows {
            EntryRows::Entries(entries) => (entries.len() as u64, entries.iter().map(|entry| entry.kind.size_bytes()).sum()),
            EntryRows::Index(index) => (index.rows.iter().map(|row| row.entries).sum(), index.rows.iter().map(|row| row.bytes).sum()),
        };
        let file_count = match &rows {
            EntryRows::Entries(entries) => entries.iter().filter(|entry| entry.file().is_some()).count() as u64,
            EntryRows::Index(_) => entry_count,
        };
        self.put(Page::Manifest(Manifest { entry_count, file_count, size_bytes, rows }))
    }

    fn child(&mut self, names: &[&str]) -> EntryChild {
        let entries: Vec<Entry> = names.iter().map(|name| file(name, 1)).collect();
        let page = self.put(Page::Entries(entries));
        EntryChild { first: path(names[0]), page, entries: names.len() as u64, bytes: 8 * names.len() as u64 }
    }

    fn walk(&mut self, level: u32, rows: Vec<EntryChild>) -> Result<Vec<Entry>> {
        let root = self.manifest(EntryRows::Index(Index { level, rows }));
        let (_dir, store) = self.open();
        store.entries(root)?.collect()
    }
}

fn is_damaged<T: std::fmt::Debug>(result: Result<T>) {
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Damaged);
}

#[test]
fn a_tree_walks_to_the_entries_it_was_built_from() {
    let entries = files(3000);
    let tree = built(&entries);
    assert_eq!(tree.level, 1);
    let shelf = Shelf { pages: tree.pages };
    let (_dir, store) = shelf.open();
    let walked: Vec<Entry> = store.entries(tree.root).unwrap().collect::<Result<_>>().unwrap();
    assert_eq!(walked, entries);
    let part: Vec<Entry> = store.entries(tree.root).unwrap().within(b"d001").collect::<Result<_>>().unwrap();
    assert_eq!(part, entries[1000..2000]);
}

#[test]
fn pages_that_are_not_what_their_parent_says_are_damage() {
    let mut shelf = Shelf::default();
    let (a, c) = (shelf.child(&["a", "b"]), shelf.child(&["c", "d"]));
    assert_eq!(shelf.walk(1, vec![a.clone(), c.clone()]).unwrap().len(), 4);
    is_damaged(shelf.walk(1, vec![EntryChild { entries: 3, ..a.clone() }, c.clone()]));
    is_damaged(shelf.walk(1, vec![EntryChild { entries: 1, ..a.clone() }, c.clone()]));
    is_damaged(shelf.walk(1, vec![EntryChild { bytes: 15, ..a.clone() }, c.clone()]));
    is_damaged(shelf.walk(1, vec![EntryChild { bytes: 17, ..a.clone() }, c.clone()]));
    is_damaged(shelf.walk(1, vec![EntryChild { first: path("0"), ..a.clone() }, c.clone()]));
    is_damaged(shelf.walk(2, vec![a.clone(), c.clone()]));
    is_damaged(shelf.walk(1, vec![EntryChild { page: id(1), ..a.clone() }]));

    let index = |level, rows: &[EntryChild]| Page::EntryIndex(Index { level, rows: rows.to_vec() });
    let low = shelf.put(index(1, &[a.clone(), c.clone()]));
    let above = EntryChild { first: path("a"), page: low, entries: 4, bytes: 32 };
    assert_eq!(shelf.walk(2, vec![above.clone()]).unwrap().len(), 4);
    is_damaged(shelf.walk(3, vec![above.clone()]));
    is_damaged(shelf.walk(1, vec![above.clone()]));
    is_damaged(shelf.walk(2, vec![EntryChild { entries: 5, ..above.clone() }]));
    is_damaged(shelf.walk(2, vec![EntryChild { bytes: 33, ..above.clone() }]));
    let wrong_level = shelf.put(index(2, &[a, c]));
    is_damaged(shelf.walk(2, vec![EntryChild { page: wrong_level, ..above }]));
}

#[test]
fn bytes_of_pages_stop_at_the_greatest_number() {
    let huge = |at: &str| {
        let chunks = ChunkList::Tree(ChunkTree { level: 0, page: id(1) });
        Entry { path: path(at), kind: EntryKind::File(FileBody { executable: false, size_bytes: u64::MAX, digest: id(1), chunks }) }
    };
    let mut shelf = Shelf::default();
    let page = shelf.put(Page::Entries(vec![huge("a"), huge("b")]));
    let child = EntryChild { first: path("a"), page, entries: 2, bytes: u64::MAX };
    assert_eq!(shelf.walk(1, vec![child.clone()]).unwrap().len(), 2);
    is_damaged(shelf.walk(1, vec![EntryChild { bytes: u64::MAX - 1, ..child }]));
}

#[test]
fn a_whole_walk_finds_the_files_and_bytes_of_the_manifest() {
    let mut shelf = Shelf::default();
    let link = Entry { path: path("c"), kind: EntryKind::Symlink(Bytes(b"x".to_vec())) };
    let (first, second) = (shelf.child(&["a", "b"]), shelf.put(Page::Entries(vec![link])));
    let second = EntryChild { first: path("c"), page: second, entries: 1, bytes: 0 };
    let rows = EntryRows::Index(Index { level: 1, rows: vec![first, second] });
    let roots = [1, 2, 3].map(|file_count| {
        let manifest = Manifest { entry_count: 3, file_count, size_bytes: 16, rows: rows.clone() };
        shelf.put(Page::Manifest(manifest))
    });
    let (_dir, store) = shelf.open();
    let walk = |root, prefix: &[u8]| store.entries(root).unwrap().within(prefix).collect::<Result<Vec<_>>>();
    assert_eq!(walk(roots[1], b"").unwrap().len(), 3);
    is_damaged(walk(roots[0], b""));
    is_damaged(walk(roots[2], b""));
    for root in roots {
        assert_eq!(walk(root, b"c").unwrap().len(), 1, "pages that are passed over do not tell their files");
    }
}

#[test]
fn order_is_held_across_pages() {
    let mut shelf = Shelf::default();
    let (a, b) = (shelf.child(&["a", "c"]), shelf.child(&["b", "d"]));
    is_damaged(shelf.walk(1, vec![a, b]));
}

#[test]
fn nothing_lies_below_an_entry() {
    let link = |at: &str| Entry { path: path(at), kind: EntryKind::Symlink(Bytes(b"x".to_vec())) };
    let empty = |at: &str| Entry { path: path(at), kind: EntryKind::EmptyDir };
    for first in [file("a", 1), link("a"), empty("a")] {
        for between in [None, Some(file("a-b", 1))] {
            let entries: Vec<Entry> = [Some(first.clone()), between, Some(file("a/b/c", 1))].into_iter().flatten().collect();
            let mut shelf = Shelf::default();
            let root = shelf.manifest(EntryRows::Entries(entries));
            let (_dir, store) = shelf.open();
            is_damaged(store.entries(root).unwrap().collect::<Result<Vec<_>>>());
        }
    }
    let mut shelf = Shelf::default();
    let root = shelf.manifest(EntryRows::Entries(vec![file("a", 1), file("a-b", 1), file("ab/c", 1)]));
    let (_dir, store) = shelf.open();
    assert_eq!(store.entries(root).unwrap().count(), 3);
}

#[test]
fn a_chunk_list_is_as_long_as_its_file_and_its_parents_say() {
    let low = vec![run(1, 10, 2), run(2, 5, 1)];
    let mut shelf = Shelf::default();
    let page = shelf.put(Page::Chunks(low.clone()));
    let child = ChunkChild { first: id(1), page, chunks: 3, bytes: 25 };
    let index = |level, rows: &[ChunkChild]| Page::ChunkIndex(Index { level, rows: rows.to_vec() });
    let one = shelf.put(index(1, &[child.clone(), child.clone()]));
    let more = shelf.put(index(1, &[ChunkChild { chunks: 4, ..child.clone() }]));
    let fewer = shelf.put(index(1, &[ChunkChild { chunks: 2, ..child.clone() }]));
    let longer = shelf.put(index(1, &[ChunkChild { bytes: 26, ..child.clone() }]));
    let shorter = shelf.put(index(1, &[ChunkChild { bytes: 24, ..child.clone() }]));
    let other = shelf.put(index(1, &[ChunkChild { first: id(2), ..child.clone() }]));
    let upper = shelf.put(index(2, &[ChunkChild { page: one, chunks: 6, bytes: 50, ..child.clone() }]));
    let upper_other = shelf.put(index(2, &[ChunkChild { first: id(2), page: one, chunks: 6, bytes: 50 }]));
    let (_dir, store) = shelf.open();
    let read = |level, page, size_bytes| {
        let body = FileBody { executable: false, size_bytes, digest: id(0), chunks: ChunkList::Tree(ChunkTree { level, page }) };
        let mut runs: Vec<ChunkRun> = Vec::new();
        store.chunk_runs(&path("a"), &body, &mut |run| {
            runs.push(run);
            Ok(())
        })?;
        Ok(runs)
    };
    assert_eq!(read(0, page, 25).unwrap(), low);
    assert_eq!(read(1, one, 50).unwrap().len(), 4);
    assert_eq!(read(2, upper, 50).unwrap().len(), 4);
    for (level, page, size) in [(0, page, 24), (0, page, 26), (1, page, 25), (0, one, 50), (2, one, 50), (1, one, 25), (2, upper_other, 50)]
    {
        is_damaged(read(level, page, size));
    }
    for page in [more, fewer, longer, shorter, other] {
        is_damaged(read(1, page, 25));
    }
}

#[test]
fn metadata_pages_are_the_canonical_json_of_one_object_within_its_limits() {
    let read = |pieces: &[&[u8]]| {
        let mut shelf = Shelf::default();
        let pages = pieces.iter().map(|piece| shelf.put(Page::Metadata(Bytes(piece.to_vec())))).collect();
        let (_dir, store) = shelf.open();
        let records = Records {
            versions: vec![(id(1), VersionRecord { metadata: Metadata::new(), metadata_pages: pages, ..example_version() })],
            ..Records::default()
        };
        let history = History::new("digits".parse().unwrap(), records);
        store.metadata(&history.versions[0])
    };
    assert_eq!(read(&[b"{\"a\":1.0,\"b\":\"\xc3", b"\xa9\"}"]).unwrap()["b"], "é");
    assert!(read(&[b"{}"]).unwrap().is_empty());
    for bad in [
        &b""[..],
        b"[]",
        b"1",
        b"{} ",
        b"{}\n",
        b"{}{}",
        b"{\"a\":1",
        b"{\"a\": 1}",
        b"{\"b\":1,\"a\":1}",
        b"{\"a\":1,\"a\":1}",
        b"{\"a\":1e0}",
        b"{\"a\":\"\\u00e9\"}",
        b"{\"a\":\"\xff\"}",
    ] {
        is_damaged(read(&[bad]));
    }
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(&[nested(METADATA_DEPTH_MAX).as_bytes()]).is_ok());
    is_damaged(read(&[nested(METADATA_DEPTH_MAX + 1).as_bytes()]));
    let long = |len: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(len - 8)).into_bytes();
    let cut = |json: &[u8]| read(&json.chunks(200 << 10).collect::<Vec<_>>());
    assert!(cut(&long(METADATA_LEN_MAX)).is_ok());
    is_damaged(cut(&long(METADATA_LEN_MAX + 1)));
}

#[test]
fn a_page_under_the_name_of_another_is_damage() {
    let mut shelf = Shelf::default();
    let root = shelf.manifest(EntryRows::Entries(vec![file("a", 1)]));
    let other = Page::Entries(vec![file("a", 1)]).encode().1;
    shelf.pages.insert(root, other);
    let (_dir, store) = shelf.open();
    is_damaged(store.read_manifest(root));
    // The bytes of a manifest, named as another kind names them.
    let manifest =
        Page::Manifest(Manifest { entry_count: 0, file_count: 0, size_bytes: 0, rows: EntryRows::Entries(Vec::new()) }).encode().1;
    let as_entries = artstore::format::manifest::PageType::Entries.id_of(&manifest);
    let shelf = Shelf { pages: BTreeMap::from([(as_entries, manifest)]) };
    let (_dir, store) = shelf.open();
    is_damaged(store.read_manifest(as_entries));
}
