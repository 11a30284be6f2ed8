//! "Trees": where pages are cut, and that equal rows make equal pages.

use std::collections::{BTreeMap, BTreeSet};

use artstore::codec;
use artstore::format::limits::PAGE_LEN_MAX;
use artstore::format::manifest::{ChunkChild, ChunkRun, Entry, EntryChild, EntryKind, EntryRows, Index, Manifest, Page};
use artstore::format::path::Bytes;
use artstore::id::{ChunkId, PageId};
use artstore::store::tree::{ChunkTree, EntryTree, Root, TreeBuilder};
use proptest::prelude::*;

use crate::sample::{file, path};

/// The pages of a tree by id, its root among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pages {
    pub(crate) root: PageId,
    pub(crate) level: u32,
    pub(crate) pages: BTreeMap<PageId, Vec<u8>>,
}

impl Pages {
    fn add(pages: &mut BTreeMap<PageId, Vec<u8>>, page: &Page) -> PageId {
        let (id, bytes) = page.encode();
        assert!(bytes.len() <= PAGE_LEN_MAX);
        assert_eq!(&Page::decode(page.page_type(), &bytes).unwrap(), page, "every page is one that a reader takes");
        pages.insert(id, bytes);
        id
    }

    /// How many of these pages the other tree does not have.
    fn new_beside(&self, other: &Pages) -> usize {
        self.pages.keys().filter(|id| !other.pages.contains_key(id)).count()
    }
}

fn manifest(entries: &[Entry], rows: EntryRows) -> Page {
    let bytes = entries.iter().map(|entry| entry.kind.size_bytes()).sum();
    let files = entries.iter().filter(|entry| matches!(entry.kind, EntryKind::File(_))).count() as u64;
    Page::Manifest(Manifest { entry_count: entries.len() as u64, file_count: files, size_bytes: bytes, rows })
}

/// The tree as the code builds it.
pub(crate) fn built(entries: &[Entry]) -> Pages {
    let mut pages = BTreeMap::new();
    let mut tree = TreeBuilder::<EntryTree>::default();
    for entry in entries {
        tree.push(entry.clone(), &mut |page| Ok(Pages::add(&mut pages, page))).unwrap();
    }
    let (level, rows) = match tree.finish(&mut |page| Ok(Pages::add(&mut pages, page))).unwrap() {
        Root::Rows(rows) => (0, EntryRows::Entries(rows)),
        Root::Index(index) => (index.level, EntryRows::Index(index)),
    };
    let root = Pages::add(&mut pages, &manifest(entries, rows));
    Pages { root, level, pages }
}

fn built_chunks(runs: &[ChunkRun]) -> Pages {
    let mut pages = BTreeMap::new();
    let mut tree = TreeBuilder::<ChunkTree>::default();
    for run in runs {
        tree.push(*run, &mut |page| Ok(Pages::add(&mut pages, page))).unwrap();
    }
    let (level, page) = match tree.finish(&mut |page| Ok(Pages::add(&mut pages, page))).unwrap() {
        Root::Rows(rows) => (0, Page::Chunks(rows)),
        Root::Index(index) => (index.level, Page::ChunkIndex(index)),
    };
    let root = Pages::add(&mut pages, &page);
    Pages { root, level, pages }
}

/// Zero bits of a hash, bit by bit.
pub(crate) fn bits(hash: &[u8; 32]) -> u32 {
    (0..64).take_while(|bit| hash[bit / 8] >> (bit % 8) & 1 == 0).count() as u32
}

/// `cut` of the page of the format.
fn cut<R: serde::Serialize + Clone>(rows: &[R], bits: impl Fn(&R) -> u32, level: u32) -> Vec<Vec<R>> {
    let (mut pages, mut page, mut len) = (Vec::new(), Vec::new(), 0);
    for row in rows {
        let row_len = codec::encode(row).len();
        if !page.is_empty() && (bits(row) >= 7 * (level + 1) || len + row_len > 262_080) {
            pages.push(std::mem::take(&mut page));
            len = 0;
        }
        page.push(row.clone());
        len += row_len;
    }
    pages.push(page);
    pages
}

fn fits_root<R: serde::Serialize>(rows: &[R]) -> bool {
    rows.iter().map(|row| codec::encode(row).len()).sum::<usize>() <= 65_536
}

/// `tree` of the page of the format, for entries.
fn by_definition(entries: &[Entry]) -> Pages {
    let mut pages = BTreeMap::new();
    if fits_root(entries) {
        let root = Pages::add(&mut pages, &manifest(entries, EntryRows::Entries(entries.to_vec())));
        return Pages { root, level: 0, pages };
    }
    let mut rows: Vec<EntryChild> = Vec::new();
    for page in cut(entries, |entry| bits(blake3::hash(entry.path.as_bytes()).as_bytes()), 0) {
        let (first, count) = (page[0].path.clone(), page.len() as u64);
        let bytes = page.iter().map(|entry| entry.kind.size_bytes()).sum();
        let id = Pages::add(&mut pages, &Page::Entries(page));
        rows.push(EntryChild { first, page: id, entries: count, bytes });
    }
    let mut level = 1;
    while !fits_root(&rows) {
        let mut above = Vec::new();
        for page in cut(&rows, |row| bits(blake3::hash(row.first.as_bytes()).as_bytes()), level) {
            let (first, entries, bytes) =
                (page[0].first.clone(), page.iter().map(|row| row.entries).sum(), page.iter().map(|row| row.bytes).sum());
            let id = Pages::add(&mut pages, &Page::EntryIndex(Index { level, rows: page }));
            above.push(EntryChild { first, page: id, entries, bytes });
        }
        rows = above;
        level += 1;
    }
    let root = Pages::add(&mut pages, &manifest(entries, EntryRows::Index(Index { level, rows })));
    Pages { root, level, pages }
}

/// The same for a chunk list.
fn chunks_by_definition(runs: &[ChunkRun]) -> Pages {
    let mut pages = BTreeMap::new();
    if fits_root(runs) {
        let root = Pages::add(&mut pages, &Page::Chunks(runs.to_vec()));
        return Pages { root, level: 0, pages };
    }
    let mut rows: Vec<ChunkChild> = Vec::new();
    for page in cut(runs, |run| bits(run.chunk.as_bytes()), 0) {
        let (first, chunks) = (page[0].chunk, page.iter().map(|run| run.count).sum());
        let bytes = page.iter().map(|run| u64::from(run.len) * run.count).sum();
        rows.push(ChunkChild { first, page: Pages::add(&mut pages, &Page::Chunks(page)), chunks, bytes });
    }
    let mut level = 1;
    while !fits_root(&rows) {
        let mut above = Vec::new();
        for page in cut(&rows, |row| bits(row.first.as_bytes()), level) {
            let (first, chunks, bytes) = (page[0].first, page.iter().map(|row| row.chunks).sum(), page.iter().map(|row| row.bytes).sum());
            above.push(ChunkChild { first, page: Pages::add(&mut pages, &Page::ChunkIndex(Index { level, rows: page })), chunks, bytes });
        }
        rows = above;
        level += 1;
    }
    let root = Pages::add(&mut pages, &Page::ChunkIndex(Index { level, rows }));
    Pages { root, level, pages }
}

pub(crate) fn files(count: u64) -> Vec<Entry> {
    (0..count).map(|i| file(&format!("d{:03}/f{i:07}", i / 1000), i)).collect()
}

fn runs(count: u64) -> Vec<ChunkRun> {
    (0..count).map(|i| ChunkRun { chunk: ChunkId::of(&i.to_le_bytes()), len: 60_000, count: 1 + i % 3 / 2 }).collect()
}

/// Links with long targets whose paths begin no page: only length cuts them.
fn unbounded_links(count: usize, target_len: usize) -> Vec<Entry> {
    let names = (0..).map(|i| format!("n{i:06}")).filter(|name| bits(blake3::hash(name.as_bytes()).as_bytes()) < 7);
    names.take(count).map(|name| Entry { path: path(&name), kind: EntryKind::Symlink(Bytes(vec![b'x'; target_len])) }).collect()
}

#[test]
fn an_empty_version_is_a_manifest_without_entries() {
    let tree = built(&[]);
    assert_eq!((tree.level, tree.pages.len()), (0, 1));
    assert_eq!(tree.pages[&tree.root], [0; 40]);
}

#[test]
fn rows_of_64_kib_stay_in_the_root_and_one_more_byte_does_not() {
    // Eight such links have 65,536 bytes: 8 + 7 for the path, 4 for the kind, 8 + n for the target.
    let mut links = unbounded_links(16, 4096 - 27);
    assert_eq!(links.iter().map(|entry| codec::encode(entry).len()).sum::<usize>(), 65_536);
    let tree = built(&links);
    assert_eq!((tree.level, tree.pages.len()), (0, 1));
    links[15].kind = EntryKind::Symlink(Bytes(vec![b'x'; 4096 - 26]));
    let tree = built(&links);
    assert_eq!((tree.level, tree.pages.len()), (1, 2));
    assert_eq!(tree, by_definition(&links));
}

#[test]
fn a_page_is_cut_before_it_would_exceed_its_limit() {
    // 64 links of 4,095 bytes are 262,080, exactly what a page may hold; so a 65th begins another.
    let links = unbounded_links(65, 4095 - 27);
    let tree = built(&links);
    assert_eq!(tree, by_definition(&links));
    let Page::Manifest(Manifest { rows: EntryRows::Index(index), .. }) =
        Page::decode(artstore::format::manifest::PageType::Manifest, &tree.pages[&tree.root]).unwrap()
    else {
        panic!("the root lists pages");
    };
    assert_eq!(index.rows.iter().map(|row| row.entries).collect::<Vec<_>>(), [64, 1]);
    let longer = unbounded_links(200, 4096);
    assert_eq!(built(&longer), by_definition(&longer));
}

#[test]
fn twenty_thousand_entries_make_the_pages_of_the_definition() {
    let entries = files(20_000);
    let tree = built(&entries);
    assert_eq!(tree, by_definition(&entries));
    assert_eq!(tree.level, 1);
    // A page has about 128 rows.
    assert!((100..250).contains(&tree.pages.len()), "{}", tree.pages.len());
}

#[test]
fn a_long_chunk_list_has_two_levels_of_index_pages() {
    let runs = runs(120_000);
    let tree = built_chunks(&runs);
    assert_eq!(tree.level, 2);
    assert_eq!(tree, chunks_by_definition(&runs));
    let short = &runs[..33];
    assert_eq!((built_chunks(short).level, built_chunks(short).pages.len()), (0, 1));
}

#[test]
fn a_changed_file_changes_only_the_pages_above_it() {
    let entries = files(5_000);
    let before = built(&entries);
    for at in [0, 1, 2_500, 4_999] {
        let mut changed = entries.clone();
        changed[at] = file(std::str::from_utf8(entries[at].path.as_bytes()).unwrap(), u64::MAX);
        let after = built(&changed);
        assert_eq!(after.new_beside(&before), 1 + before.level as usize);
    }
}

#[test]
fn an_added_or_removed_file_changes_at_most_three_lowest_pages() {
    let entries = files(5_000);
    let before = built(&entries);
    for at in (0..5_000).step_by(499) {
        let mut removed = entries.clone();
        removed.remove(at);
        let without = built(&removed);
        assert!(without.new_beside(&before) <= 3);
        assert!(before.new_beside(&without) <= 3);
    }
}

#[test]
fn a_changed_chunk_changes_only_the_pages_near_it() {
    let list = runs(20_000);
    let before = built_chunks(&list);
    let mut changed = list.clone();
    changed[10_000].chunk = ChunkId::of(b"another");
    let after = built_chunks(&changed);
    assert!(after.new_beside(&before) <= 3 * (before.level as usize + 1));
}

#[test]
fn bits_are_counted_in_the_first_eight_bytes() {
    // One row begins a page at level 0 if its hash ends (little endian) in seven zero bits.
    let mut list = runs(1600);
    for run in &mut list {
        run.chunk = ChunkId::from_bytes({
            let mut hash = *run.chunk.as_bytes();
            hash[0] |= 1;
            hash
        });
    }
    let none = built_chunks(&list);
    assert_eq!((none.level, none.pages.len()), (1, 2));
    let mut hash = [0xff; 32];
    hash[0] = 0x80;
    list[800].chunk = ChunkId::from_bytes(hash);
    assert_eq!(built_chunks(&list).pages.len(), 3);
    hash[0] = 0x40;
    list[800].chunk = ChunkId::from_bytes(hash);
    assert_eq!(built_chunks(&list).pages.len(), 2);
}

fn any_names() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set("[a-c]{1,3}/[a-z]{1,200}", 0..800)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 64, ..ProptestConfig::with_cases(12) })]

    #[test]
    fn any_entries_make_the_pages_of_the_definition(names in any_names(), long in 0..4096_usize) {
        let entries: Vec<Entry> = names.iter().enumerate().map(|(i, name)| match i % 7 {
            0 => Entry { path: path(name), kind: EntryKind::Symlink(Bytes(vec![b'x'; 1 + long])) },
            _ => file(name, i as u64),
        }).collect();
        let tree = built(&entries);
        prop_assert_eq!(&tree, &by_definition(&entries));
    }

    #[test]
    fn entries_that_came_and_went_leave_no_trace(mut names in any_names(), extra in any_names()) {
        let of = |names: &BTreeSet<String>| built(&names.iter().map(|name| file(name, 1)).collect::<Vec<_>>());
        let before = of(&names);
        let added: Vec<String> = extra.difference(&names).cloned().collect();
        names.extend(added.iter().cloned());
        let _ = of(&names);
        for name in &added {
            names.remove(name);
        }
        prop_assert_eq!(of(&names), before);
    }
}
