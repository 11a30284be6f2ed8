//! "Trees": a draft, which takes over whole pages of a base, is the tree of a full build.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use artstore::format::manifest::{Entry, EntryKind, EntryRows, Index, Manifest, Page, PageType};
use artstore::format::path::Bytes;
use artstore::id::PageId;
use artstore::store::draft::{DraftBuilder, Part, Subtree};
use proptest::prelude::*;

use crate::sample::{file, path};
use crate::tree::{Pages, bits, built, files};

/// Paths, each with the bits of its hash.
type Pool = Vec<(String, u32)>;

/// Paths many of which begin pages, of each level up to the third.
static DENSE: LazyLock<Pool> = LazyLock::new(|| {
    let all = (0..400_000).map(|i| format!("d{:03}/{}{i:06}", i / 1000, "x".repeat(i % 90)));
    let kept = all.map(|name| (bits(blake3::hash(name.as_bytes()).as_bytes()), name));
    kept.enumerate().filter(|(i, (bits, _))| *bits >= 7 || i % 128 == 0).map(|(_, (bits, name))| (name, bits)).collect()
});

/// Long paths: pages end where they would be too long, and a tree of few entries is deep.
static LONG: LazyLock<Pool> = LazyLock::new(|| {
    let names = (0..2400).map(|i| format!("{}/{i:06}{}", "y".repeat(200), "/z".repeat(i % 1800)));
    names.map(|name| (name.clone(), bits(blake3::hash(name.as_bytes()).as_bytes()))).collect()
});

fn sorted(entries: &BTreeMap<&str, Entry>) -> Vec<Entry> {
    let mut all: Vec<Entry> = entries.values().cloned().collect();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

/// What a draft made, and which pages it had to open.
struct Drafted {
    root: PageId,
    opened: usize,
    new: BTreeMap<PageId, Vec<u8>>,
}

/// Makes `after` from `base`: pages in which nothing changes go in whole.
fn drafted(base: &Pages, before: &[Entry], after: &[Entry]) -> Drafted {
    let old: BTreeMap<_, _> = before.iter().map(|entry| (&entry.path, entry)).collect();
    let new: BTreeMap<_, _> = after.iter().map(|entry| (&entry.path, entry)).collect();
    let mut changed: Vec<&[u8]> =
        old.keys().chain(new.keys()).filter(|path| old.get(*path) != new.get(*path)).map(|p| p.as_bytes()).collect();
    changed.sort();
    let mut pages = BTreeMap::new();
    let mut opened = 0;
    let mut open = |subtree: &Subtree| {
        opened += 1;
        let kind = if subtree.level == 0 { PageType::Entries } else { PageType::EntryIndex };
        let page = Page::decode(kind, &base.pages[&subtree.child.page]).unwrap();
        Ok(match page {
            Page::Entries(entries) => entries.into_iter().map(Part::Entry).collect::<Vec<_>>(),
            Page::EntryIndex(Index { rows, .. }) => {
                let ends = rows.iter().skip(1).map(|next| Some(next.first.clone())).chain([subtree.end.clone()]).collect::<Vec<_>>();
                let level = subtree.level - 1;
                rows.into_iter().zip(ends).map(|(child, end)| Part::Page(Subtree { child, level, end })).collect()
            }
            _ => panic!("a page of another kind"),
        })
    };
    let mut sink = |page: &Page| {
        let (id, bytes) = page.encode();
        pages.insert(id, bytes);
        Ok(id)
    };
    let Page::Manifest(manifest) = Page::decode(PageType::Manifest, &base.pages[&base.root]).unwrap() else {
        panic!("the root is a manifest")
    };
    let mut builder = DraftBuilder::default();
    let mut given = after.iter().filter(|entry| old.get(&entry.path) != Some(entry)).peekable();
    let mut todo: Vec<Part> = Part::of_manifest(manifest).into_iter().rev().collect();
    while let Some(part) = todo.pop() {
        match part {
            Part::Page(subtree) if changed.iter().any(|path| subtree.covers(path)) => {
                todo.extend(open(&subtree).unwrap().into_iter().rev())
            }
            part => {
                while let Some(entry) = given.next_if(|entry| entry.path < *part.first()) {
                    builder.push(entry.clone(), &mut open, &mut sink).unwrap();
                }
                match part {
                    Part::Page(subtree) => builder.push_subtree(subtree, &mut open, &mut sink).unwrap(),
                    Part::Entry(entry) if new.get(&entry.path) == Some(&&entry) => builder.push(entry, &mut open, &mut sink).unwrap(),
                    Part::Entry(_) => {}
                }
            }
        }
    }
    for entry in given {
        builder.push(entry.clone(), &mut open, &mut sink).unwrap();
    }
    let rows = builder.finish(&mut open, &mut sink).unwrap();
    let root = sink(&manifest_of(after, rows)).unwrap();
    Drafted { root, opened, new: pages }
}

fn manifest_of(entries: &[Entry], rows: EntryRows) -> Page {
    let size_bytes = entries.iter().map(|entry| entry.kind.size_bytes()).sum();
    let file_count = entries.iter().filter(|entry| entry.file().is_some()).count() as u64;
    Page::Manifest(Manifest { entry_count: entries.len() as u64, file_count, size_bytes, rows })
}

/// Asserts that a draft is what a full build makes, every page of it new or the base's.
#[track_caller]
fn assert_same(before: &[Entry], after: &[Entry]) -> Drafted {
    let (base, full) = (built(before), built(after));
    let draft = drafted(&base, before, after);
    assert_eq!(draft.root, full.root);
    let missing = full.pages.keys().filter(|id| !draft.new.contains_key(id) && !base.pages.contains_key(id)).count();
    assert_eq!(missing, 0, "pages that are nowhere");
    draft
}

#[test]
fn a_small_change_of_many_entries_opens_few_pages() {
    let before = files(200_000);
    for at in [0, 1, 100_000, 199_999] {
        let mut after = before.clone();
        after[at] = file(std::str::from_utf8(before[at].path.as_bytes()).unwrap(), u64::MAX / 2);
        let draft = assert_same(&before, &after);
        assert!(draft.opened < 60 && draft.new.len() < 60, "{} opened, {} made", draft.opened, draft.new.len());
    }
}

#[test]
fn what_is_added_at_either_end_or_all_but_a_few_removed_is_right() {
    let before = files(20_000);
    assert_same(&before, &before);
    assert_same(&before, &before[..19_000]);
    assert_same(&before, &before[500..]);
    assert_same(&before, &before[10_000..10_010]);
    assert_same(&before, &[]);
    assert_same(&before[..10], &before);
    assert_same(&[], &before);
    // A level that was cut fits the root, and the other way round.
    for count in [690, 700, 720, 5_000] {
        assert_same(&before[..count], &before[..count - 50]);
        assert_same(&before[..count - 50], &before[..count]);
    }
}

#[test]
fn a_page_whose_neighbour_goes_is_joined_with_what_follows() {
    let all: BTreeMap<&str, Entry> = LONG.iter().enumerate().map(|(i, (name, _))| (&name[..], entry(name, i as u64))).collect();
    let before = sorted(&all);
    let base = built(&before);
    let lowest = |bytes: &Vec<u8>| match Page::decode(PageType::Entries, bytes) {
        Ok(Page::Entries(entries)) => Some(entries),
        _ => None,
    };
    let pages: Vec<Vec<Entry>> = base.pages.values().filter_map(lowest).collect();
    assert!(pages.len() > 20 && base.level >= 1);
    for page in pages {
        let at = before.iter().position(|entry| *entry == page[0]).unwrap();
        let after = [&before[..at], &before[at + page.len()..]].concat();
        assert_same(&before, &after);
    }
}

/// Edits: where in the pool, how many in a row, what.
fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, usize, u8)>> {
    prop::collection::vec(
        (any::<prop::sample::Index>(), prop_oneof![8 => 1..4_usize, 2 => 1..400_usize, 1 => 1..4000_usize], 0..3_u8),
        0..12,
    )
}

fn entry(name: &str, seed: u64) -> Entry {
    match seed % 5 {
        0 => Entry { path: path(name), kind: EntryKind::Symlink(Bytes(vec![b'x'; 1 + (seed % 97) as usize])) },
        _ => file(name, seed),
    }
}

fn random(pool: &Pool, share: u64, edits: &[(prop::sample::Index, usize, u8)]) {
    let is_in = |i: &usize| u64::from_le_bytes(blake3::hash(&i.to_le_bytes()).as_bytes()[..8].try_into().unwrap()) % 100 < share;
    let mut entries: BTreeMap<&str, Entry> =
        pool.iter().enumerate().filter(|(i, _)| is_in(i)).map(|(i, (name, _))| (&name[..], entry(name, i as u64))).collect();
    let before = sorted(&entries);
    for (number, (index, run, what)) in edits.iter().enumerate() {
        let at = index.index(pool.len());
        for (i, (name, _)) in pool.iter().enumerate().skip(at).take(*run) {
            match what {
                0 => drop(entries.remove(&name[..])),
                1 => drop(entries.insert(name, entry(name, (i + 7 * number) as u64))),
                // Only those that begin a page.
                _ if pool[i].1 >= 7 => drop(entries.remove(&name[..])),
                _ => {}
            }
        }
    }
    assert_same(&before, &sorted(&entries));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 64, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn drafts_of_trees_with_many_pages_are_full_builds(share in 1..=100_u64, edits in edits()) {
        random(&DENSE, share, &edits);
    }

    #[test]
    fn drafts_of_deep_trees_of_long_paths_are_full_builds(share in 20..=100_u64, edits in edits()) {
        random(&LONG, share, &edits);
    }
}
