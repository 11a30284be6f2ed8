//! The reader in `tests/reader/reader.py`, written in another language from `docs/format.md` alone, restores what `art` stores.
//!
//! It needs `python3` with the packages `blake3` and `zstandard`. Without them the test says so and passes, but fails where
//! `ART_REQUIRE_PYTHON` is set, as it is in the gate.

// A test ends at the first thing that goes wrong.
#![allow(clippy::unwrap_used)]
// What a skipped test says is for the eyes of whoever runs it.
#![allow(clippy::print_stderr)]
#![cfg(unix)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reader/reader.py");

#[test]
fn a_reader_written_from_the_document_restores_what_art_stores() {
    if !python_is_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (tree, store) = (dir.path().join("tree"), dir.path().join(".artifacts"));
    make_tree(&tree);
    art(dir.path(), &["init", "--git", "none", "."]);
    art(dir.path(), &["put", "Data", "tree", "--alias", "first", "--tag", "two words", "-m", "as \"made\"", "--meta", "acc=0.5"]);
    let before = listing(&tree);
    change_tree(&tree);
    art(dir.path(), &["put", "Data", "tree", "--alias", "second", "--meta", "x=1e300"]);
    art(dir.path(), &["alias", "set", "Data:v0", "moved"]);
    art(dir.path(), &["alias", "rm", "Data:second"]);
    let after = listing(&tree);
    assert_ne!(before, after);

    let codecs = codecs_in(&store);
    assert_eq!(codecs, [0, 1, 2, 3, 4], "the tree is meant to bring every block codec");
    assert!(fs::read_dir(store.join("meta")).unwrap().next().is_some());

    for (number, wanted, reference) in [(0, &before, "Data:first"), (0, &before, "Data:moved"), (1, &after, "Data")] {
        let dest = dir.path().join(reference.replace(':', "-"));
        let output = reader(&store, &["--packs", "--rebuild", reference, dest.to_str().unwrap()]);
        assert_done(&output);
        assert_eq!(&listing(&dest), wanted, "{reference}");
        let digest = art(dir.path(), &["rev-parse", "--digest", &format!("Data:v{number}")]);
        let id = art(dir.path(), &["rev-parse", reference]);
        let shown = reader(&store, &[]);
        assert_done(&shown);
        let line = format!("Data:v{number} {} {} ", digest.trim(), id.trim());
        assert!(String::from_utf8(shown.stdout).unwrap().contains(&line), "{line}");
    }
    let gone = reader(&store, &["Data:second", dir.path().join("none").to_str().unwrap()]);
    assert_eq!(gone.status.code(), Some(1));
}

#[test]
fn the_reader_adds_up_edits_as_art_does() {
    if !python_is_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let large = serde_json::json!({ "gone": 1, "large": "0123456789abcdef".repeat(20_000), "größe": [1.0, null] });
    fs::write(dir.path().join("m.json"), large.to_string()).unwrap();
    fs::write(dir.path().join("file"), "x").unwrap();
    art(dir.path(), &["init", "--git", "none", "."]);
    art(dir.path(), &["put", "one", "file", "--meta", "acc=0.5", "--tag", "b", "--ttl", "1d"]);
    for target in [&["one:v0"][..], &["--artifact", "one"]] {
        art(dir.path(), &[&["edit", "-m", "said later", "--meta-file", "m.json"], target].concat());
        art(dir.path(), &[&["edit", "--unset", "gone", "--meta", "acc=0.9"], target].concat());
        art(dir.path(), &[&["tag", "add"], target, &["c", "a"]].concat());
        art(dir.path(), &[&["tag", "rm"], target, &["c"]].concat());
    }
    art(dir.path(), &["edit", "one", "--ttl", "never"]);
    let shown = reader(&dir.path().join(".artifacts"), &[]);
    assert_done(&shown);
    let told: Vec<serde_json::Value> = String::from_utf8(shown.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(&line[line.find('{').unwrap()..]).unwrap())
        .collect();
    for (target, told) in [&["--artifact", "one"][..], &["one"]].into_iter().zip(&told) {
        let shown: serde_json::Value = serde_json::from_str(&art(dir.path(), &[&["show", "--json"], target].concat())).unwrap();
        for member in ["description", "metadata", "tags"] {
            assert_eq!(told[member], shown[member], "{member} of {target:?}");
        }
    }
    assert_eq!((&told[1]["ttl_seconds"], told.len()), (&0.into(), 2));
}

#[test]
fn the_documented_rule_cuts_files_as_art_does() {
    if !python_is_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    for size in [0, 1, 98_303, 98_304, 98_305, 200_000] {
        fs::write(tree.join(format!("random-{size}")), random(size, size as u64)).unwrap();
        fs::write(tree.join(format!("zeros-{size}")), vec![0; size]).unwrap();
    }
    let mut mixed = random(400_000, 7);
    mixed.splice(150_000..150_000, vec![b'x'; 250_000]);
    fs::write(tree.join("mixed"), mixed).unwrap();
    fs::write(tree.join("text"), b"the quick brown fox\n".repeat(15_000)).unwrap();
    art(dir.path(), &["init", "--git", "none", "."]);
    art(dir.path(), &["put", "cut", "tree"]);
    let dest = dir.path().join("dest");
    assert_done(&reader(&dir.path().join(".artifacts"), &["--recut", "--rebuild", "cut:v0", dest.to_str().unwrap()]));
    assert_eq!(listing(&dest), listing(&tree));
}

#[test]
fn the_reader_refuses_a_damaged_pack() {
    if !python_is_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), random(50_000, 3)).unwrap();
    art(dir.path(), &["init", "--git", "none", "."]);
    art(dir.path(), &["put", "one", "file"]);
    let store = dir.path().join(".artifacts");
    let pack = packs_in(&store).remove(0);
    let mut bytes = fs::read(&pack).unwrap();
    bytes[1000] ^= 1;
    fs::set_permissions(&pack, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&pack, bytes).unwrap();
    let output = reader(&store, &["one", dir.path().join("dest").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("wrong bytes"));
    assert!(!dir.path().join("dest/file").exists());
}

fn python_is_here() -> bool {
    let found = Command::new("python3").args(["-c", "import blake3, zstandard"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return true;
    }
    let required = std::env::var_os("ART_REQUIRE_PYTHON").is_some();
    assert!(!required, "ART_REQUIRE_PYTHON is set, but python3 with the packages blake3 and zstandard is not here");
    eprintln!("SKIPPED: the independent reader did not run: python3 with the packages blake3 and zstandard is not here");
    false
}

/// Files for every block codec and form of a chunk list, enough entries for pages of an index, links, modes and odd names.
fn make_tree(tree: &Path) {
    for i in 0..3000_u32 {
        let file = tree.join(format!("many/{:02}/{i}-{:08x}.txt", i % 23, i.wrapping_mul(0x9e37_79b9)));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, format!("file {i}\n").repeat(i as usize % 9)).unwrap();
    }
    let numbers: Vec<f64> =
        random(1 << 19, 11).chunks(4).map(|b| f64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]])) / 1e9 - 2.0).collect();
    fs::write(tree.join("f64"), numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    fs::write(tree.join("f32"), numbers.iter().flat_map(|x| (*x as f32).to_le_bytes()).chain(*b"odd").collect::<Vec<u8>>()).unwrap();
    fs::write(
        tree.join("bf16"),
        numbers.iter().flat_map(|x| [(*x as f32).to_le_bytes()[2], (*x as f32).to_le_bytes()[3]]).collect::<Vec<u8>>(),
    )
    .unwrap();
    fs::write(tree.join("random"), random(3 << 20, 1)).unwrap();
    fs::write(tree.join("zeros"), vec![0; 3 << 20]).unwrap();
    let rows = random(60_000 * 4, 5)
        .chunks(4)
        .enumerate()
        .map(|(i, b)| format!("{i},{}.{:03},{}\n", b[0], b[1], ["red", "blue"][usize::from(b[2] & 1)]))
        .collect::<String>();
    fs::write(tree.join("table.csv"), rows).unwrap();
    fs::write(tree.join("empty"), b"").unwrap();
    fs::write(tree.join("run.sh"), b"#!/bin/sh\n").unwrap();
    fs::set_permissions(tree.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(tree.join("nothing/in/here")).unwrap();
    symlink("run.sh", tree.join("link")).unwrap();
    symlink("no/where", tree.join("many/dangling")).unwrap();
    for name in [b"a" as &[u8], b"a-b", b"ab", b"d/a-b", b"d/a/b", b"d/ab", "\u{fc}n\u{ef} code".as_bytes(), b"new\nline", b"back\\slash"] {
        write_named(tree, name);
    }
    // File systems of macOS know only names in UTF-8.
    if cfg!(target_os = "linux") {
        write_named(tree, b"bytes-\xff\xfe");
    }
}

fn write_named(tree: &Path, name: &[u8]) {
    let file = tree.join(OsStr::from_bytes(name));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, name).unwrap();
}

fn change_tree(tree: &Path) {
    fs::remove_dir_all(tree.join("many/05")).unwrap();
    fs::remove_file(tree.join("link")).unwrap();
    symlink("table.csv", tree.join("link")).unwrap();
    fs::set_permissions(tree.join("run.sh"), fs::Permissions::from_mode(0o644)).unwrap();
    let mut table = fs::read(tree.join("table.csv")).unwrap();
    table.splice(300_000..300_000, *b"a line put in\n");
    fs::write(tree.join("table.csv"), table).unwrap();
    fs::remove_dir(tree.join("nothing/in/here")).unwrap();
}

/// SplitMix64, eight bytes an output.
fn random(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend((z ^ (z >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// What is below a directory: of files whether they are executable and their hash, of links the target, of empty directories nothing.
fn listing(root: &Path) -> BTreeMap<PathBuf, String> {
    walkdir::WalkDir::new(root)
        .min_depth(1)
        .into_iter()
        .map(Result::unwrap)
        .map(|found| {
            let kind = found.file_type();
            let what = if kind.is_symlink() {
                format!("link {:?}", fs::read_link(found.path()).unwrap())
            } else if kind.is_dir() {
                "directory".to_owned()
            } else {
                let executable = found.metadata().unwrap().permissions().mode() & 0o111 != 0;
                format!("{executable} {}", blake3::hash(&fs::read(found.path()).unwrap()))
            };
            (found.path().strip_prefix(root).unwrap().to_owned(), what)
        })
        .collect()
}

fn packs_in(store: &Path) -> Vec<PathBuf> {
    let found = walkdir::WalkDir::new(store.join("packs")).into_iter().map(Result::unwrap);
    found.filter(|entry| entry.file_type().is_file()).map(|entry| entry.path().to_owned()).collect()
}

/// The codecs of the blocks of all data packs, read from the tables at their ends.
fn codecs_in(store: &Path) -> Vec<u32> {
    let mut codecs = Vec::new();
    for pack in packs_in(store) {
        let bytes = fs::read(pack).unwrap();
        let trailer = &bytes[bytes.len() - 72..];
        let table = u64::from_le_bytes(trailer[..8].try_into().unwrap()) as usize;
        let blocks = u32::from_le_bytes(trailer[40..44].try_into().unwrap()) as usize;
        codecs.extend(bytes[table..].chunks(20).take(blocks).map(|row| u32::from_le_bytes(row[4..8].try_into().unwrap())));
    }
    codecs.sort_unstable();
    codecs.dedup();
    codecs
}

fn art(dir: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_art"));
    let output = command
        .current_dir(dir)
        .env_remove("ART_STORE")
        .args(["-q", "--store"])
        .arg(dir.join(".artifacts"))
        .args(arguments)
        .output()
        .unwrap();
    assert_done(&output);
    String::from_utf8(output.stdout).unwrap()
}

fn reader(store: &Path, arguments: &[&str]) -> Output {
    Command::new("python3").args(["-B", READER]).arg(store).args(arguments).output().unwrap()
}

fn assert_done(output: &Output) {
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("damage"), "{}", String::from_utf8_lossy(&output.stderr));
}
