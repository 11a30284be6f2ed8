//! Stores that ask for more than there is: of memory, of time, of files. Every command runs with
//! at most 300 MiB of memory of its own (`RLIMIT_DATA`, which the kernel enforces) and a minute.

use std::path::Path;
use std::process::Command;

use artstore::format::manifest::{ChunkChild, ChunkList, ChunkRun, ChunkTree, Entry, EntryChild, Index, Page, PageType};
use artstore::format::pack::PackClass;
use artstore::id::{ChunkId, PageId};

use crate::enemy::{Enemy, TEXT, body, child, file, indexed, manifest, path};
use crate::small_store;
use crate::support::{Project, Ran, noise, run, tree};

const MEMORY_KIB: u64 = 300 << 10;
const SECONDS: u32 = 60;

/// Runs `art` with little memory and little time.
fn limited(project: &Project, memory_kib: u64, args: &[&str]) -> Ran {
    let script = format!("ulimit -d {memory_kib} && ulimit -n 1024 && exec timeout -s KILL {SECONDS} \"$@\"");
    let all = ["-c", &script, "sh", env!("CARGO_BIN_EXE_art")].into_iter().chain(args.iter().copied());
    run(&mut project.program("sh", all))
}

/// Runs every command that walks a version; none may be killed or take more memory, and none
/// writes anything but what it should. Those that end well are returned.
#[track_caller]
fn is_withstood(enemy: &Enemy, what: &str) -> Vec<String> {
    let project = &enemy.project;
    project.write("there/mine", "mine");
    let look = || {
        let mut all = tree(project.outside());
        // What `ls` has found to be missing is noted in local state.
        all.retain(|path, _| !Path::new(path).ends_with("missing"));
        all
    };
    let before = look();
    let mut done = Vec::new();
    for line in [
        "ls evil:v0",
        "ls evil",
        "show evil",
        "log evil",
        "ls-tree evil",
        "cat evil x",
        "fsck",
        "fsck --deep",
        "du",
        "verify evil there",
        "get evil new",
        "get evil there",
        "checkout evil new --force",
        "put other --onto evil there",
        "edit evil -m x --meta a=1",
        "tag add evil t",
        "cp evil copied",
    ] {
        let args: Vec<&str> = line.split(' ').collect();
        let ran = limited(project, MEMORY_KIB, &args);
        assert!(matches!(ran.code, Some(0 | 1 | 3 | 5 | 7)), "{what}: {line}: {:?} {}", ran.code, ran.stderr);
        if ran.code == Some(0) {
            done.push(line.to_owned());
        } else if !["put", "edit", "tag", "cp"].iter().any(|writes| line.starts_with(writes)) {
            assert_eq!(look(), before, "{what}: {line}");
        }
        let _ = std::fs::remove_dir_all(project.path("new"));
    }
    done
}

/// The same, where the content cannot be had by anybody.
#[track_caller]
fn is_refused(enemy: &Enemy, what: &str) {
    let done = is_withstood(enemy, what);
    let forbidden = ["cat", "get", "checkout", "verify", "fsck"];
    assert!(!done.iter().any(|line| forbidden.iter().any(|word| line.starts_with(word))), "{what}: {done:?}");
}

#[test]
fn the_limit_of_memory_is_one() {
    let project = small_store();
    let args = ["get", "data", "out"];
    assert_ne!(limited(&project, 2 << 10, &args).code, Some(0), "2 MiB are enough");
    limited(&project, MEMORY_KIB, &args).ok();
}

#[test]
fn trees_as_deep_as_can_be_are_walked() {
    let enemy = Enemy::new();
    let mut below = child("x", enemy.page(&Page::Entries(vec![file("x")])), 1);
    for level in 1..8 {
        below = child("x", enemy.page(&Page::EntryIndex(Index { level, rows: vec![below] })), 1);
    }
    enemy.version(enemy.page(&indexed(8, vec![below])));
    assert!(is_withstood(&enemy, "eight levels").iter().any(|line| line == "get evil new"));
}

#[test]
fn paths_as_deep_as_can_be_are_restored() {
    // Deeper than the files that a process may have open, by default.
    let deep = "a/".repeat(1500) + "x";
    let enemy = Enemy::new();
    enemy.version(enemy.page(&manifest(vec![file(&deep)])));
    let out = enemy.project.path("new");
    let ran = limited(&enemy.project, MEMORY_KIB, &["get", "evil", "new"]);
    assert_eq!((ran.code, out.join(&deep).exists()), (Some(0), true), "{}", ran.stderr);
}

#[test]
fn lists_that_say_they_are_endless_are_refused() {
    // The counts of the lists lie after the tag, the three sums, and the tags of the rows.
    for count in [1u64 << 32, 1 << 60, u64::MAX] {
        for (at, page) in [(32, manifest(vec![file("x")])), (36, indexed(1, vec![child("x", PageId::from_bytes([1; 32]), 1)]))] {
            let enemy = Enemy::new();
            let (_, mut bytes) = page.encode();
            bytes[at..at + 8].copy_from_slice(&count.to_le_bytes());
            let manifest = enemy.page_bytes(PageType::Manifest, &bytes);
            enemy.version(manifest);
            is_refused(&enemy, &format!("a list of {count}"));
        }
    }
}

#[test]
fn frames_that_decode_to_more_than_they_should_are_refused() {
    let zeros = vec![0; 64 << 20];
    let stated = zstd::bulk::compress(&zeros, 19).unwrap();
    let unstated = zstd::stream::encode_all(&zeros[..], 19).unwrap();
    let fits = zstd::stream::encode_all(TEXT, 3).unwrap();
    for (what, codec, stored) in [
        ("a frame that says it is long", 1, &stated),
        ("a frame that does not say", 1, &unstated),
        ("a short frame that does not say", 1, &fits),
        ("two planes", 2, &stated),
        ("eight planes", 4, &unstated),
        ("a codec of later", 77, &stated),
    ] {
        let enemy = Enemy::new();
        let name = ChunkId::of(b"not there");
        // The longest block there is, of which the frame is a part.
        let mut stored = stored.clone();
        stored.truncate(200_000);
        enemy.block(PackClass::Data, codec, 262_144, &stored, &[(*name.as_bytes(), 262_144)]);
        let run = ChunkRun { chunk: name, len: 262_144, count: 2 };
        enemy.version(enemy.page(&manifest(vec![Entry { path: path("x"), kind: body(ChunkList::Runs(vec![run]), 524_288) }])));
        let done = is_withstood(&enemy, what);
        assert!(!done.iter().any(|line| line.starts_with("get") || line.starts_with("cat")), "{what}: {done:?}");

        // The same where pages lie.
        let enemy = Enemy::new();
        let page = PageId::from_bytes([7; 32]);
        enemy.block(PackClass::Meta, codec, 262_144, &stored, &[(*page.as_bytes(), 262_144)]);
        enemy.version(page);
        is_refused(&enemy, what);
    }
}

/// A chunk list of which every index names one page again and again.
fn layers(enemy: &Enemy, chunk: ChunkRun, rows: usize, levels: u32) -> (ChunkTree, u64) {
    let other = ChunkRun { chunk: enemy.chunk(b"other"), len: 5, count: 1 };
    let mut page = enemy.page(&Page::Chunks(vec![chunk, other]));
    let (mut chunks, mut bytes) = (chunk.count + 1, u64::from(chunk.len) * chunk.count + 5);
    for level in 1..=levels {
        let row = ChunkChild { first: chunk.chunk, page, chunks, bytes };
        page = enemy.page(&Page::ChunkIndex(Index { level, rows: vec![row; rows] }));
        (chunks, bytes) = (chunks.saturating_mul(rows as u64), bytes.saturating_mul(rows as u64));
    }
    (ChunkTree { level: levels, page }, bytes)
}

#[test]
fn a_file_that_names_one_page_again_and_again_is_what_it_says() {
    let enemy = Enemy::new();
    let run = ChunkRun { chunk: ChunkId::of(TEXT), len: TEXT.len() as u32, count: 2 };
    let (tree, bytes) = layers(&enemy, run, 20, 2);
    enemy.version(enemy.page(&manifest(vec![Entry { path: path("y"), kind: body(ChunkList::Tree(tree), bytes) }])));
    assert!(is_withstood(&enemy, "a small one").iter().any(|line| line == "get evil new"));
}

#[test]
fn what_a_file_of_petabytes_is_made_of_is_looked_at_once() {
    // Of four levels, each index of which names one page three thousand times.
    let enemy = Enemy::new();
    let run = ChunkRun { chunk: ChunkId::of(TEXT), len: TEXT.len() as u32, count: 2 };
    let (tree, bytes) = layers(&enemy, run, 3000, 4);
    assert!(bytes > 1 << 50);
    enemy.version(enemy.page(&manifest(vec![Entry { path: path("x"), kind: body(ChunkList::Tree(tree), bytes) }])));
    enemy.project.write("there/x", "short");
    enemy.project.write("extra/y", "more");
    for (line, code) in [
        ("ls evil:v0", 0),
        ("show evil", 0),
        ("log evil", 0),
        ("ls-tree evil", 0),
        ("fsck", 0),
        ("fsck --quick", 0),
        ("du", 0),
        ("verify evil there", 1),
        ("put other --onto evil extra", 0),
        ("put evil --onto evil extra", 0),
        ("cp evil:v0 copied", 0),
        ("rm evil:v0", 0),
        ("gc", 0),
        ("undelete evil:v0", 0),
    ] {
        let ran = limited(&enemy.project, MEMORY_KIB, &line.split(' ').collect::<Vec<_>>());
        assert_eq!(ran.code, Some(code), "{line}: {} {}", ran.text(), ran.stderr);
    }
}

#[test]
fn a_tree_of_one_page_cannot_be_endless() {
    // Entries increase strictly, so that a page can stand in a tree of them once.
    let enemy = Enemy::new();
    let page = enemy.page(&Page::Entries(vec![file("a"), file("b")]));
    let row = |first: &str| EntryChild { first: path(first), page, entries: 2, bytes: 14 };
    enemy.version(enemy.page(&indexed(1, vec![row("a"), row("b"), row("c")])));
    is_refused(&enemy, "a page thrice");
}

#[test]
fn metadata_that_is_joined_from_one_page_is_bounded() {
    let enemy = Enemy::new();
    let page = enemy.page(&Page::Metadata(artstore::format::path::Bytes(vec![b' '; 200_000])));
    enemy.version_with_metadata(enemy.page(&manifest(vec![file("x")])), vec![page; 900]);
    let ran = limited(&enemy.project, MEMORY_KIB, &["show", "evil"]);
    ran.fails(5);
    is_withstood(&enemy, "metadata of 180 MB");
}

/// Makes a thing of a kind in the place of a file.
fn put_in_place(project: &Project, at: &Path, kind: &str) {
    let (path, short) = (project.store().join(at), project.outside().join("thing"));
    if path.is_dir() {
        std::fs::remove_dir_all(&path).unwrap()
    } else {
        let _ = std::fs::remove_file(&path);
    }
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    match kind {
        "fifo" => assert!(Command::new("mkfifo").arg(&path).status().unwrap().success()),
        "dir" => std::fs::create_dir(&path).unwrap(),
        // Where it lies its name would be too long to bind.
        "socket" => {
            drop(std::os::unix::net::UnixListener::bind(&short).unwrap());
            std::fs::rename(short, &path).unwrap();
        }
        "endless" => std::os::unix::fs::symlink("/dev/zero", &path).unwrap(),
        _ => std::os::unix::fs::symlink(Path::new("loop"), &path).unwrap(),
    }
}

#[test]
fn things_that_are_no_files_hang_nobody() {
    let model = small_store();
    let mut places: Vec<String> = ["packs", "meta", "refs/data/versions", "refs/data/aliases/best"]
        .iter()
        .map(|dir| crate::only(&model, dir).strip_prefix(model.store()).unwrap().to_str().unwrap().to_owned())
        .collect();
    let record = "0.0123456789abcdef";
    places.extend(["format", "local/other/self", "gc/0123456789abcdef", "packs/00/stranger", ".gitignore"].map(str::to_owned));
    places.extend([format!("refs/data/edits/{record}"), format!("refs/new/versions/{record}")]);
    let whole = ["ls", "get data out", "cat data big", "show data", "fsck", "put data d", "put other d", "alias set data next"];
    for kind in ["fifo", "socket", "dir", "link", "endless"] {
        for place in &places {
            let project = Project::bare();
            assert!(Command::new("cp").arg("-r").arg(model.store()).arg(model.path("d")).arg(project.root()).status().unwrap().success());
            put_in_place(&project, Path::new(place), kind);
            let what = format!("{kind} at {place}");
            let before = tree(&project.path("d"));
            for line in whole {
                let ran = limited(&project, MEMORY_KIB, &line.split(' ').collect::<Vec<_>>());
                assert!(matches!(ran.code, Some(0 | 1 | 3 | 5)), "{what}: {line}: {:?} {}", ran.code, ran.stderr);
                if line.starts_with("get") && ran.code == Some(0) {
                    assert_eq!(tree(&project.path("out")), before, "{what}");
                }
                if line == "cat data big" {
                    assert!(project.read("d/big").starts_with(&ran.stdout), "{what}");
                }
            }
        }
    }
}

#[test]
fn noise_in_every_file_of_a_store_is_withstood() {
    for seed in 0..4 {
        let project = small_store();
        for (number, file) in crate::support::files(&project.store()).into_iter().enumerate() {
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&file, noise(seed * 100 + number as u64, 100 << seed)).unwrap();
        }
        std::fs::write(project.store().join("format"), "artstore 1\n").unwrap();
        for line in ["ls", "get data out", "fsck", "put data d", "log data"] {
            let ran = limited(&project, MEMORY_KIB, &line.split(' ').collect::<Vec<_>>());
            assert!(matches!(ran.code, Some(0 | 1 | 3 | 5)), "{line}: {:?} {}", ran.code, ran.stderr);
        }
    }
}
