//! Stores that an enemy wrote: packs and records are as they should be, what they say is not.
//! Nothing is written outside DEST, and nothing is left in it.

use std::path::Path;

use artstore::durable::{Disk, Draft};
use artstore::format::manifest::{
    ChunkChild, ChunkList, ChunkRun, ChunkTree, Entry, EntryChild, EntryKind, EntryRows, FileBody, Index, Manifest, Page, PageType,
};
use artstore::format::pack::PackClass;
use artstore::format::path::{Bytes, EntryPath};
use artstore::format::record::{Record, Time, VersionRecord};
use artstore::id::{ChunkId, FileDigest, PageId};
use artstore::pack::pack_path;
use artstore::pack::writer::PackWriter;
use artstore::refs::write;

use crate::support::{Project, tree};

const TEXT: &[u8] = b"hostile";

type MakePage = fn(&Enemy) -> Page;
type MakeKind = Box<dyn Fn(&Enemy) -> EntryKind>;

/// A store that is being written with every page as given.
struct Enemy {
    project: Project,
    disk: Disk,
}

impl Enemy {
    fn new() -> Enemy {
        let project = Project::new();
        let local = project.outside().join("enemy");
        std::fs::create_dir(&local).unwrap();
        let disk = Disk::new(&project.store(), &local).unwrap();
        let enemy = Enemy { project, disk };
        enemy.pack(PackClass::Data, ChunkId::of(TEXT).as_bytes(), TEXT);
        enemy
    }

    fn pack(&self, class: PackClass, name: &[u8; 32], bytes: &[u8]) {
        let mut pack = PackWriter::new(class, Draft::in_dir(self.project.outside()).unwrap()).unwrap();
        pack.add_block(0, bytes.len(), bytes, &[(*name, bytes.len() as u32)]).unwrap();
        let pack = pack.finish().unwrap();
        self.disk.publish(pack.draft, &pack_path(class, pack.id), |_| Ok(true)).unwrap();
    }

    fn chunk(&self, bytes: &[u8]) -> ChunkId {
        self.pack(PackClass::Data, ChunkId::of(bytes).as_bytes(), bytes);
        ChunkId::of(bytes)
    }

    /// Stores bytes as a page of a kind, unchecked.
    fn page_bytes(&self, kind: PageType, bytes: &[u8]) -> PageId {
        let id = kind.id_of(bytes);
        self.pack(PackClass::Meta, id.as_bytes(), bytes);
        id
    }

    fn page(&self, page: &Page) -> PageId {
        self.page_bytes(page.page_type(), &page.encode().1)
    }

    fn version(&self, manifest: PageId) {
        let record = VersionRecord {
            artifact: "evil".parse().unwrap(),
            created_at: Time("2026-11-23T00:00:00Z".parse().unwrap()),
            description: None,
            file_count: 1,
            git: None,
            manifest,
            metadata: Default::default(),
            metadata_pages: Vec::new(),
            number: 0,
            parents: Vec::new(),
            run: None,
            size_bytes: 1,
            stored_bytes: 1,
            tags: Vec::new(),
            ttl_seconds: None,
            artifact_type: "dataset".parse().unwrap(),
        };
        write::write(&self.disk, &Record::Version(Box::new(record))).unwrap();
    }

    /// Asserts that the version is refused by all that would make use of it, with one of the exit
    /// codes, and that nothing came of it.
    #[track_caller]
    fn is_refused(&self, codes: &[i32], what: &str) {
        let project = &self.project;
        project.write("there/mine", "mine");
        let before = tree(project.outside());
        for args in [
            &["get", "evil", "new"][..],
            &["get", "evil", "deep/er/new"],
            &["get", "evil", "there"],
            &["get", "evil", "there", "--force"],
            &["checkout", "evil", "there", "--force"],
            &["checkout", "evil", "new"],
        ] {
            let ran = project.art(args);
            assert!(codes.contains(&ran.code.unwrap_or(-1)), "{what} {args:?}: {:?} {} {}", ran.code, ran.text(), ran.stderr);
            let _ = std::fs::remove_dir(project.path("deep/er")).and_then(|()| std::fs::remove_dir(project.path("deep")));
            assert_eq!(tree(project.outside()), before, "{what} {args:?}");
        }
        for args in [
            &["ls-tree", "evil"][..],
            &["verify", "evil", "there"],
            &["show", "evil"],
            &["cat", "evil", "x"],
            &["put", "evil", "there", "--onto", "evil"],
        ] {
            let ran = project.art(args);
            assert!(matches!(ran.code, Some(0..=7)), "{what} {args:?}: {ran:?}");
        }
        project.remove("there");
    }

    /// The same where only damage is the right answer, which `fsck` finds, too.
    #[track_caller]
    fn is_damage(&self, manifest: PageId, what: &str) {
        self.version(manifest);
        self.is_refused(&[5], what);
        assert_eq!(self.project.art(["fsck"]).code, Some(5), "fsck passes over: {what}");
    }
}

fn path(text: &str) -> EntryPath {
    EntryPath::new(text).unwrap()
}

fn body(chunks: ChunkList, size_bytes: u64) -> EntryKind {
    EntryKind::File(FileBody { executable: false, size_bytes, digest: FileDigest::of(TEXT), chunks })
}

fn file(at: &str) -> Entry {
    Entry { path: path(at), kind: body(ChunkList::Whole, TEXT.len() as u64) }
}

fn link(at: &str, target: &str) -> Entry {
    Entry { path: path(at), kind: EntryKind::Symlink(Bytes(target.into())) }
}

/// A manifest of entries, with counts that fit.
fn manifest(entries: Vec<Entry>) -> Page {
    Page::Manifest(Manifest {
        entry_count: entries.len() as u64,
        file_count: entries.iter().filter(|entry| entry.file().is_some()).count() as u64,
        size_bytes: entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.kind.size_bytes())),
        rows: EntryRows::Entries(entries),
    })
}

/// A manifest over an index, with counts that fit.
fn indexed(level: u32, rows: Vec<EntryChild>) -> Page {
    let (entries, bytes) = (rows.iter().map(|row| row.entries).sum(), rows.iter().map(|row| row.bytes).sum());
    Page::Manifest(Manifest { entry_count: entries, file_count: entries, size_bytes: bytes, rows: EntryRows::Index(Index { level, rows }) })
}

fn child(first: &str, page: PageId, entries: u64) -> EntryChild {
    EntryChild { first: path(first), page, entries, bytes: entries * TEXT.len() as u64 }
}

/// Replaces bytes that occur once.
#[track_caller]
fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at: Vec<usize> = (0..=bytes.len() - from.len()).filter(|&at| bytes[at..].starts_with(from)).collect();
    assert_eq!(at.len(), 1);
    [&bytes[..at[0]], to, &bytes[at[0] + from.len()..]].concat()
}

#[test]
fn what_the_enemy_writes_is_read_where_it_is_harmless() {
    let enemy = Enemy::new();
    enemy.version(enemy.page(&manifest(vec![file("a/x"), link("b", "a/x")])));
    enemy.project.art(["get", "evil", "out"]).ok();
    assert_eq!(enemy.project.read("out/b"), TEXT);
    enemy.project.art(["fsck"]).ok();
}

#[test]
fn paths_that_leave_or_hide_are_refused() {
    let bad: [&[u8]; 13] = [
        b"../escape",
        b"/tmp/escp",
        b"a/../../e",
        b"a/b/../ec",
        b"..//../ec",
        b"./escapes",
        b"a//escape",
        b"escape-a/",
        b".git/hook",
        b"a/.GIT/ab",
        b".git/.git",
        b"x/y/.giT/",
        b"nul\0nul\0x",
    ];
    for bytes in bad {
        let enemy = Enemy::new();
        let (_, good) = manifest(vec![file("PLACEHLDR"), file("later")]).encode();
        let page = enemy.page_bytes(PageType::Manifest, &replace(&good, b"PLACEHLDR", bytes));
        enemy.is_damage(page, &String::from_utf8_lossy(bytes));
    }
}

#[test]
fn entries_out_of_order_or_twice_are_refused() {
    for (names, what) in [(["b", "a"], "out of order"), (["a", "a"], "twice")] {
        let enemy = Enemy::new();
        let page = enemy.page(&manifest(names.map(file).into()));
        enemy.is_damage(page, what);

        let enemy = Enemy::new();
        let leaves = names.map(|name| child(name, enemy.page(&Page::Entries(vec![file(name)])), 1));
        let page = enemy.page(&indexed(1, leaves.into()));
        enemy.is_damage(page, what);

        // Each page is in order, and so are their first paths; the walk is not.
        let enemy = Enemy::new();
        let first = enemy.page(&Page::Entries(vec![file("a"), file("x")]));
        let second = enemy.page(&Page::Entries(vec![file(if what == "twice" { "x" } else { "b" })]));
        let second_name = if what == "twice" { "x" } else { "b" };
        let page = enemy.page(&indexed(1, vec![child("a", first, 2), child(second_name, second, 1)]));
        enemy.is_damage(page, what);
    }
}

#[test]
fn something_used_as_a_directory_is_refused() {
    let empty = Entry { path: path("a"), kind: EntryKind::EmptyDir };
    for above in [file("a"), link("a", "elsewhere"), link("a", "/tmp"), empty] {
        for below in ["a/b", "a/b/c"] {
            let enemy = Enemy::new();
            let page = enemy.page(&manifest(vec![above.clone(), file("a-between"), file(below)]));
            enemy.version(page);
            enemy.is_refused(&[5], &format!("{above:?} with {below}"));
        }
    }
}

#[test]
fn links_that_leave_are_refused() {
    for (at, target) in
        [("l", "/etc/passwd"), ("l", ".."), ("l", "../x"), ("d/l", "../../x"), ("d/l", "a/../../../x"), ("l", "/"), ("l", "a/../../b")]
    {
        let enemy = Enemy::new();
        let page = enemy.page(&manifest(vec![file("c"), link(at, target)]));
        enemy.version(page);
        enemy.is_refused(&[5], target);
    }
}

#[test]
fn links_through_links_reach_nothing_outside() {
    // `up` leads to the top, so that `up/..` would be outside.
    let enemy = Enemy::new();
    enemy.version(enemy.page(&manifest(vec![file("d/file"), link("d/up", ".."), link("e", "d/up/../project")])));
    enemy.is_refused(&[5], "through a link");
    for target in ["", "nul\0"] {
        let enemy = Enemy::new();
        let page = enemy.page(&manifest(vec![link("l", target)]));
        enemy.is_damage(page, "a target that cannot be");
    }
}

#[test]
fn indexes_that_do_not_fit_their_pages_are_refused() {
    let cases: [(&str, MakePage); 9] = [
        ("level 0", |enemy| indexed(0, vec![child("a", enemy.page(&Page::Entries(vec![file("a")])), 1)])),
        ("too deep", |enemy| indexed(9, vec![child("a", enemy.page(&Page::Entries(vec![file("a")])), 1)])),
        ("endlessly deep", |enemy| indexed(u32::MAX, vec![child("a", enemy.page(&Page::Entries(vec![file("a")])), 1)])),
        ("a leaf where an index has to be", |enemy| indexed(2, vec![child("a", enemy.page(&Page::Entries(vec![file("a")])), 1)])),
        ("levels that do not fall", |enemy| {
            let leaf = child("a", enemy.page(&Page::Entries(vec![file("a")])), 1);
            let inner = enemy.page(&Page::EntryIndex(Index { level: 2, rows: vec![leaf] }));
            indexed(2, vec![child("a", inner, 1)])
        }),
        ("too few entries", |enemy| indexed(1, vec![child("a", enemy.page(&Page::Entries(vec![file("a")])), 2)])),
        ("too many entries", |enemy| indexed(1, vec![child("a", enemy.page(&Page::Entries(vec![file("a"), file("b")])), 1)])),
        ("another first path", |enemy| indexed(1, vec![child("a", enemy.page(&Page::Entries(vec![file("b")])), 1)])),
        ("no page", |_| indexed(1, Vec::new())),
    ];
    for (what, make) in cases {
        let enemy = Enemy::new();
        let page = make(&enemy);
        let page = enemy.page(&page);
        enemy.is_damage(page, what);
    }
}

#[test]
fn a_page_of_another_kind_is_refused() {
    let enemy = Enemy::new();
    // The manifest that is named is really a page of entries.
    let page = enemy.page(&Page::Entries(vec![file("a")]));
    enemy.is_damage(page, "entries as manifest");
    // A file whose bytes are a manifest's is none.
    let enemy = Enemy::new();
    let (_, bytes) = manifest(vec![file("a")]).encode();
    let chunk = enemy.chunk(&bytes);
    enemy.is_damage(PageId::from_bytes(*chunk.as_bytes()), "a file as manifest");
    // Bytes after the end.
    let enemy = Enemy::new();
    let (_, mut bytes) = manifest(vec![file("a")]).encode();
    bytes.push(0);
    let page = enemy.page_bytes(PageType::Manifest, &bytes);
    enemy.is_damage(page, "bytes after the end");
}

#[test]
fn lengths_that_do_not_add_up_are_refused() {
    let (chunk, len) = (ChunkId::of(TEXT), TEXT.len() as u32);
    let run = move |count| ChunkRun { chunk, len, count };
    let other = |enemy: &Enemy| ChunkRun { chunk: enemy.chunk(b"other"), len: 5, count: 1 };
    let tree_of = |enemy: &Enemy, runs| ChunkList::Tree(ChunkTree { level: 0, page: enemy.page(&Page::Chunks(runs)) });
    let cases: Vec<(&str, MakeKind)> = vec![
        ("a long file as one chunk", Box::new(|_| body(ChunkList::Whole, 1 << 50))),
        ("a short file that is longer", Box::new(|_| body(ChunkList::Whole, 8))),
        ("a short file that is shorter", Box::new(|_| body(ChunkList::Whole, 6))),
        ("runs too short", Box::new(move |_| body(ChunkList::Runs(vec![run(2)]), 15))),
        ("runs too long", Box::new(move |_| body(ChunkList::Runs(vec![run(3)]), 15))),
        ("runs beyond all numbers", Box::new(move |_| body(ChunkList::Runs(vec![run(u64::MAX)]), u64::MAX))),
        ("no runs", Box::new(|_| body(ChunkList::Runs(Vec::new()), 0))),
        ("a run of nothing", Box::new(move |_| body(ChunkList::Runs(vec![run(0)]), 0))),
        ("a tree too short", Box::new(move |enemy| body(tree_of(enemy, vec![run(2), other(enemy)]), 20))),
        ("a tree too long", Box::new(move |enemy| body(tree_of(enemy, vec![run(2), other(enemy)]), 18))),
        ("a tree beyond all numbers", Box::new(move |enemy| body(tree_of(enemy, vec![run(u64::MAX), other(enemy)]), u64::MAX))),
        (
            "a tree too deep",
            Box::new(move |enemy| {
                let ChunkList::Tree(tree) = tree_of(enemy, vec![run(2)]) else { unreachable!() };
                body(ChunkList::Tree(ChunkTree { level: 9, ..tree }), 14)
            }),
        ),
        (
            "a tree of another level",
            Box::new(move |enemy| {
                let ChunkList::Tree(tree) = tree_of(enemy, vec![run(2)]) else { unreachable!() };
                body(ChunkList::Tree(ChunkTree { level: 1, ..tree }), 14)
            }),
        ),
        (
            "a tree that counts wrong",
            Box::new(move |enemy| {
                let leaf = enemy.page(&Page::Chunks(vec![run(2)]));
                let rows = vec![ChunkChild { first: chunk, page: leaf, chunks: 3, bytes: 14 }];
                body(ChunkList::Tree(ChunkTree { level: 1, page: enemy.page(&Page::ChunkIndex(Index { level: 1, rows })) }), 14)
            }),
        ),
        ("a chunk of another length", Box::new(move |_| body(ChunkList::Runs(vec![ChunkRun { chunk, len: 6, count: 2 }]), 12))),
        (
            "a chunk too long for any",
            Box::new(move |_| body(ChunkList::Runs(vec![ChunkRun { chunk, len: u32::MAX, count: 2 }]), u64::from(u32::MAX) * 2)),
        ),
        (
            "a chunk that is not there",
            Box::new(|_| {
                let chunk = ChunkId::of(b"nowhere");
                body(ChunkList::Runs(vec![ChunkRun { chunk, len: 7, count: 2 }]), 14)
            }),
        ),
    ];
    for (what, make) in cases {
        let enemy = Enemy::new();
        let kind = make(&enemy);
        enemy.version(enemy.page(&manifest(vec![Entry { path: path("x"), kind }])));
        enemy.is_refused(&[5], what);
    }
}

#[test]
fn a_chunk_under_another_ones_name_is_refused() {
    let enemy = Enemy::new();
    enemy.pack(PackClass::Data, ChunkId::of(b"expected").as_bytes(), b"supplied");
    let kind =
        EntryKind::File(FileBody { executable: false, size_bytes: 8, digest: FileDigest::of(b"expected"), chunks: ChunkList::Whole });
    let page = enemy.page(&manifest(vec![Entry { path: path("x"), kind }]));
    enemy.version(page);
    enemy.is_refused(&[5], "a chunk under another name");
    assert!(enemy.project.art(["cat", "evil", "x"]).fails(5).contains("do not match"));
    assert!(enemy.project.art(["cat", "evil", "x"]).stdout.is_empty());
}

#[test]
fn a_chunk_under_another_ones_name_does_not_stand_in_for_it() {
    let enemy = Enemy::new();
    let project = &enemy.project;
    enemy.pack(PackClass::Data, ChunkId::of(b"expected").as_bytes(), b"supplied");
    project.write("d/x", "expected");
    // The pack hashes to its name, but what it holds is not what its table says.
    let told = project.art(["put", "data", "d"]).ok().stderr;
    assert!(told.contains("cannot reuse a pack"), "{told}");
    assert_eq!(project.art(["cat", "data", "x"]).ok().stdout, b"expected");
    project.art(["get", "data", "out"]).ok();
    assert_eq!(project.read("out/x"), b"expected");
}

#[test]
fn a_page_under_another_ones_name_does_not_stand_in_for_it() {
    let enemy = Enemy::new();
    let project = &enemy.project;
    project.write("d/x", "expected");
    let digest: PageId = project.put("d", &[])["digest"].as_str().unwrap().parse().unwrap();
    for dir in ["meta", "refs", "local"] {
        project.remove(format!(".artifacts/{dir}"));
    }
    enemy.pack(PackClass::Meta, digest.as_bytes(), &manifest(vec![file("evil")]).encode().1);
    project.put("d", &[]);
    project.art(["get", "data", "out"]).ok();
    assert_eq!(project.read("out/x"), b"expected");
}

#[test]
fn more_than_any_disk_holds_leaves_nothing_behind() {
    let enemy = Enemy::new();
    let zeros = enemy.chunk(&vec![0; 200_000]);
    let run = ChunkRun { chunk: zeros, len: 200_000, count: 1 << 44 };
    let page = enemy.page(&manifest(vec![Entry { path: path("huge"), kind: body(ChunkList::Runs(vec![run]), 200_000 << 44) }]));
    enemy.version(page);
    enemy.is_refused(&[1, 5, 7], "a file of exabytes");
}

#[test]
fn control_characters_are_escaped_when_shown() {
    let enemy = Enemy::new();
    enemy.version(enemy.page(&manifest(vec![link("red\x1b[31m\x07", "a\x1b]0;title\x07")])));
    for args in [&["ls", "evil:v0"][..], &["get", "evil", "out"], &["verify", "evil", "."], &["cat", "evil", "red\x1b[31m\x07"]] {
        let ran = enemy.project.art(args);
        assert!(!ran.stdout.contains(&0x1b) && !ran.stderr.contains('\x1b'), "{args:?}: {ran:?}");
    }
}

#[test]
fn things_of_other_kinds_in_a_packs_place_hang_nobody() {
    let project = crate::small_store();
    let pack = crate::only(&project, "packs");
    let name = pack.file_name().unwrap().to_str().unwrap().to_owned();
    for kind in ["fifo", "dir", "link"] {
        std::fs::remove_file(&pack).or_else(|_| std::fs::remove_dir(&pack)).unwrap();
        match kind {
            "fifo" => assert!(std::process::Command::new("mkfifo").arg(&pack).status().unwrap().success()),
            "dir" => std::fs::create_dir(&pack).unwrap(),
            _ => std::os::unix::fs::symlink(Path::new("/etc/passwd"), &pack).unwrap(),
        }
        project.art(["get", "data", "out"]).fails(5);
        assert!(project.art(["fsck", "--json"]).text().contains(&name), "{kind}");
        project.art(["show", "data"]).ok();
        // What has nothing to do with it still goes.
        project.write("e/x", kind);
        project.art(["put", "other", "e"]).ok();
        project.art(["cat", "other", "x"]).ok();
    }
}
