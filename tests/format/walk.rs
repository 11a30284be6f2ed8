//! "Walking": what a page can only break together with others is refused on the walk.

use std::collections::BTreeMap;
use std::fs;

use artstore::format::manifest::{
    ChunkChild, ChunkList, ChunkRun, ChunkTree, Entry, EntryChild, EntryKind, EntryRows, FileBody, Index, Manifest, Page,
};
use artstore::format::pack::PackClass;
use artstore::format::path::Bytes;
use artstore::id::{PackId, PageId};
use artstore::pack::pack_path;
use artstore::{ErrorKind, Result, Store};

use crate::sample::{Bend, Block, file, id, pack, path, run};
use crate::tree::{built, files};

/// A store that holds pages in one raw meta pack, each named as it should be.
#[derive(Default)]
struct Shelf {
    pages: BTreeMap<PageId, Vec<u8>>,
}

impl Shelf {
    fn put(&mut self, page: Page) -> PageId {
        let (id, bytes) = page.encode();
        self.pages.insert(id, bytes);
        id
    }

    fn open(&self) -> (tempfile::TempDir, Store) {
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
    let wrong_level = shelf.put(index(2, &[a, c]));
    is_damaged(shelf.walk(2, vec![EntryChild { page: wrong_level, ..above }]));
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
    let fewer = shelf.put(index(1, &[ChunkChild { chunks: 2, ..child }]));
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
    for (level, page, size) in
        [(0, page, 24), (0, page, 26), (1, page, 25), (0, one, 50), (2, one, 50), (1, one, 25), (1, more, 25), (1, fewer, 25)]
    {
        is_damaged(read(level, page, size));
    }
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
