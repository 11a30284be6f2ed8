//! Stores that an enemy wrote: packs and records are as they should be, what they say is not.
//! Nothing is written outside DEST, and nothing is left in it.

use std::path::Path;

use artstore::format::manifest::{
    ChunkChild, ChunkList, ChunkRun, ChunkTree, Entry, EntryChild, EntryKind, FileBody, Index, Page, PageType, Reference,
};
use artstore::format::pack::PackClass;
use artstore::id::{ChunkId, FileDigest, PageId};

use crate::enemy::{Enemy, TEXT, body, child, file, indexed, link, manifest, path};

type MakePage = fn(&Enemy) -> Page;
type MakeKind = Box<dyn Fn(&Enemy) -> EntryKind>;

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

            // The same with each in a page of its own.
            let enemy = Enemy::new();
            let (first, second) = (enemy.page(&Page::Entries(vec![above.clone()])), enemy.page(&Page::Entries(vec![file(below)])));
            let bytes = above.kind.size_bytes();
            let row = EntryChild { first: path("a"), page: first, entries: 1, bytes };
            enemy.version(enemy.page(&indexed(1, vec![row, child(below, second, 1)])));
            enemy.is_refused(&[5], &format!("{above:?} with {below} in other pages"));
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
    // Some file systems take up to 2^63 zeros; these are more.
    let zeros = enemy.chunk(&vec![0; 200_000]);
    let run = ChunkRun { chunk: zeros, len: 200_000, count: 1 << 46 };
    let page = enemy.page(&manifest(vec![Entry { path: path("huge"), kind: body(ChunkList::Runs(vec![run]), 200_000 << 46) }]));
    enemy.version(page);
    enemy.is_refused(&[1, 5, 7], "a file of exabytes");
}

/// A reference to what the enemy says has these bytes.
fn reference(at: &str, uri: &str, bytes: &[u8], size_bytes: Option<u64>) -> Entry {
    let kind = EntryKind::Reference(Reference { uri: uri.to_owned(), digest: Some(FileDigest::of(bytes)), size_bytes, etag: None });
    Entry { path: path(at), kind }
}

#[test]
fn references_give_out_nothing_but_what_was_recorded() {
    let enemy = Enemy::new();
    let outside = enemy.project.outside();
    let uri = |name: &str| format!("file://{}/{name}", outside.display());
    std::fs::write(outside.join("secret"), "hunter2").unwrap();
    std::fs::create_dir(outside.join("dir")).unwrap();
    std::os::unix::fs::symlink("secret", outside.join("link")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(outside.join("fifo")).status().unwrap().success());
    let len = std::fs::metadata("/etc/passwd").unwrap().len();
    let cases = [
        ("file:///etc/passwd".to_owned(), Some(len), "it has changed"),
        ("file:///etc/passwd".to_owned(), Some(7), "it has changed"),
        ("file:///etc/passwd".to_owned(), None, "no digest and size"),
        (uri("secret"), Some(7), "it has changed"),
        (uri("link"), Some(7), "it has changed"),
        (uri("none"), Some(7), "it is not there"),
        (uri("secret/below"), Some(7), "it is not there"),
        (uri("dir"), Some(7), "it is not a file"),
        (uri("fifo"), Some(7), "it is not a file"),
        ("file:///dev/zero".to_owned(), Some(0), "it is not a file"),
        ("file:///dev/stdin".to_owned(), Some(7), "it "),
        ("file:///proc/self/environ".to_owned(), Some(0), "it has changed"),
        (uri("../outside/secret"), Some(7), "`..`"),
        (uri("%2e%2e/secret"), Some(7), "`..`"),
        ("file://host/etc/passwd".to_owned(), Some(7), "absolute path"),
        ("file:etc/passwd".to_owned(), Some(7), "absolute path"),
        ("file:///etc/passwd%00".to_owned(), Some(7), "hex digits"),
        ("file:///etc/passwd?x".to_owned(), Some(7), "%3F"),
        ("/etc/passwd".to_owned(), Some(7), "not on this computer"),
        ("https://me:hunter2@host/\x1b[31m".to_owned(), Some(u64::MAX), "not on this computer"),
    ];
    for (number, (uri, size_bytes, why)) in cases.iter().enumerate() {
        let enemy = Enemy::new();
        enemy.version(enemy.page(&manifest(vec![file("stored"), reference("x", uri, b"expected", *size_bytes)])));
        enemy.is_refused(&[1], uri);
        let told = enemy.project.art(["get", "evil", "new"]).fails(1).to_owned();
        assert!(told.contains(why) && !told.contains('\x1b'), "{number} {uri}: {told}");
        let cat = enemy.project.art(["cat", "evil", "x"]);
        assert!(cat.fails(1).contains(why) && cat.stdout.is_empty(), "{number} {uri}: {cat:?}");
        // What is in DEST stays, and nothing of the file comes there.
        enemy.project.art(["get", "evil", "new", "--allow-missing-refs"]).ok();
        assert_eq!(enemy.project.read("new/stored"), TEXT);
        assert!(!enemy.project.path("new/x").exists(), "{uri}");
    }
}

#[test]
fn references_are_restored_through_no_link() {
    let enemy = Enemy::new();
    let project = &enemy.project;
    std::fs::write(project.outside().join("source"), TEXT).unwrap();
    let uri = format!("file://{}/source", project.outside().display());
    let len = Some(TEXT.len() as u64);
    enemy.version(enemy.page(&manifest(vec![reference("d/x", &uri, TEXT, len), reference("y", &uri, TEXT, len)])));
    let elsewhere = project.outside().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("y"), "mine").unwrap();
    project.write("out/z", "");
    std::os::unix::fs::symlink(&elsewhere, project.path("out/d")).unwrap();
    std::os::unix::fs::symlink(elsewhere.join("y"), project.path("out/y")).unwrap();
    project.art(["get", "evil", "out"]).fails(1);
    project.art(["get", "evil", "out", "--force"]).ok();
    assert_eq!((project.read("out/d/x"), project.read("out/y")), (TEXT.to_vec(), TEXT.to_vec()));
    assert_eq!(crate::support::tree(&elsewhere).len(), 1);
    assert_eq!(std::fs::read(elsewhere.join("y")).unwrap(), b"mine");
}

#[test]
fn control_characters_are_escaped_when_shown() {
    let enemy = Enemy::new();
    let uri = "s3://b/a\x1b[31m\x07";
    enemy.version(enemy.page(&manifest(vec![link("red\x1b[31m\x07", "a\x1b]0;title\x07"), reference("ref\x1b[31m", uri, b"", None)])));
    for args in [
        &["ls", "evil:v0"][..],
        &["show", "evil"],
        &["diff", "evil", "."],
        &["get", "evil", "out"],
        &["verify", "evil", "."],
        &["cat", "evil", "red\x1b[31m\x07"],
        &["cat", "evil", "ref\x1b[31m"],
    ] {
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
