//! `art diff`

mod files;
mod patch;
mod summary;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use artstore::id::FileDigest;
use serde_json::json;

use crate::env::{Env, files};

/// A store with two versions that differ in every way there is.
fn two_versions() -> Env {
    let env = Env::new();
    for (path, content) in [("gone", "gone\n"), ("keep", "same\n"), ("run", "#!\n"), ("text", "one\n"), ("old/name", "moved\n")] {
        env.write(&format!("d/{path}"), content);
    }
    env.art(["put", "d", "d", "--meta", "lr=0.1", "-m", "first"]).done();
    fs::remove_file(env.project().join("d/gone")).unwrap();
    fs::remove_dir_all(env.project().join("d/old")).unwrap();
    fs::set_permissions(env.project().join("d/run"), fs::Permissions::from_mode(0o755)).unwrap();
    env.write("d/text", "one, two\n");
    env.write("d/new/name", "moved\n");
    env.write("d/added", "added here\n");
    env.art(["put", "d", "d", "--meta", "lr=0.2", "-m", "first", "--alias", "best"]).done();
    env
}

const ENTRIES: &str = "\
A added                 11 B
D gone                  5 B
R old/name => new/name  6 B
M run                   3 B, mode +x
M text                  4 B -> 9 B
";

#[test]
fn two_versions_are_compared_entry_by_entry() {
    let env = two_versions();
    let records = "* aliases: [] -> [\"best\"]\n* metadata.lr: 0.1 -> 0.2\n";
    let summary = "d:v0 -> d:v1: 5 entries differ (1 added, 1 removed, 1 changed, 1 renamed, 1 mode), 18 B -> 29 B, \
                   20 B of it new chunks (68 %), 2 other differences\n";
    assert_eq!(env.art(["diff", "d:v0", "d"]).done(), format!("{ENTRIES}{records}{summary}"));
    assert_eq!(env.art(["diff", "d:v0", "d", "--name-only"]).done(), "added\ngone\nnew/name\nrun\ntext\n");
    assert_eq!(env.art(["diff", "d", "d:best"]).done(), "same: d:v1 and d:v1\n");
}

#[test]
fn the_exit_code_tells_only_when_asked() {
    let env = two_versions();
    assert_eq!(env.art(["diff", "d:v0", "d"]).code, Some(0));
    assert_eq!(env.art(["diff", "d:v0", "d", "--exit-code"]).code, Some(1));
    assert_eq!(env.art(["diff", "d", "d", "--exit-code"]).code, Some(0));
    assert_eq!(env.art(["diff", "d:v0", "d", "--path", "keep", "--exit-code"]).code, Some(0));
}

#[test]
fn bars_show_what_came_and_went() {
    let env = two_versions();
    let stat = env.art(["diff", "d:v0", "d", "--stat", "--path", "text", "--path", "gone"]).done();
    assert!(stat.starts_with("D gone  5 B -----------\nM text  4 B -> 9 B ++++++++++++++++++++---------\n"), "{stat}");
    assert!(env.art(["diff", "d:v0", "d", "--stat", "--name-only"]).failed(2).contains("cannot be used with"));
}

#[test]
fn json_tells_both_sides_of_each_entry() {
    let env = two_versions();
    let ran = env.art(["diff", "d:v0", "d", "--json"]);
    let value = ran.json();
    assert_eq!((&value["left"], &value["right"], &value["same"]), (&json!("d:v0"), &json!("d:v1"), &json!(false)));
    let counts = ["added", "removed", "changed", "renamed", "mode"].map(|name| value[name].as_u64().unwrap());
    assert_eq!(counts, [1; 5]);
    let renamed = &value["entries"][2];
    assert_eq!(
        (&renamed["change"], &renamed["path"], &renamed["old"]["path"]),
        (&json!("renamed"), &json!("new/name"), &json!("old/name"))
    );
    assert_eq!(value["records"][1], json!({ "field": "metadata.lr", "old": 0.1, "new": 0.2 }));
    assert_eq!(value["new_chunk_bytes"], json!(20));
}

#[test]
fn a_directory_is_compared_as_it_is() {
    let env = two_versions();
    assert_eq!(env.art(["diff", "d", "./d", "--exit-code"]).done(), "same: d:v1 and ./d\n");
    let summary = "d:v0 -> ./d: 5 entries differ (1 added, 1 removed, 1 changed, 1 renamed, 1 mode), 18 B -> 29 B\n";
    assert_eq!(env.art(["diff", "d:v0", "./d"]).done(), format!("{ENTRIES}{summary}"));
    env.write("d/.artignore", "*.tmp\n");
    env.write("d/x.tmp", "1");
    assert_eq!(env.art(["diff", "d", "./d", "--name-only"]).done(), ".artignore\n");
}

/// Makes the stat cache say of a file with the bytes `old` that it holds `new`.
fn forge_stat_cache(env: &Env, old: &[u8], new: &[u8]) {
    let (old, new) = (FileDigest::of(old), FileDigest::of(new));
    // A file is noted once it is older than the clock's tick, so the first puts may not note it.
    for _ in 0..1000 {
        env.art(["put", "d", "d"]).done();
        let cache = files(&env.store().join("local")).into_iter().find(|path| path.parent().unwrap().ends_with("stat")).unwrap();
        let mut bytes = fs::read(&cache).unwrap();
        let Some(at) = bytes.windows(32).position(|window| window == old.as_bytes()) else { continue };
        bytes[at..at + 32].copy_from_slice(new.as_bytes());
        // A header of 40 bytes, and a frame behind its length and its hash.
        let hash = FileDigest::of(&bytes[76..]);
        bytes[44..76].copy_from_slice(hash.as_bytes());
        return fs::write(&cache, bytes).unwrap();
    }
    panic!("the file was never noted");
}

#[test]
fn files_that_were_put_from_there_are_not_read_again() {
    let env = two_versions();
    forge_stat_cache(&env, b"added here\n", b"read");
    // What the cache says is believed, so the file was not read; `verify` reads it.
    assert_eq!(env.art(["diff", "d", "./d", "--name-only"]).done(), "added\n");
    env.art(["verify", "d", "d"]).done();
    // Nor is one that the version does not have.
    let extra = env.art(["diff", "d:v0", "./d", "--json", "--path", "added"]).json();
    assert_eq!(extra["entries"][0]["new"]["digest"], json!(FileDigest::of(b"read").to_string()));
    // A file that changed is read, whatever its size and time of change.
    let text = env.project().join("d/added");
    let modified = fs::metadata(&text).unwrap().modified().unwrap();
    fs::write(&text, "added here\n").unwrap();
    fs::File::options().write(true).open(&text).unwrap().set_modified(modified).unwrap();
    assert_eq!(env.art(["diff", "d", "./d", "--name-only"]).done(), "");
}

#[test]
fn a_directory_in_the_place_of_a_file_reads_as_in_a_version() {
    let env = two_versions();
    fs::remove_file(env.project().join("d/keep")).unwrap();
    env.write("d/keep/inside", "x");
    let entries = "D keep         5 B\nA keep/inside  1 B\n";
    assert!(env.art(["diff", "d", "./d"]).done().starts_with(entries));
    env.art(["put", "d", "d"]).done();
    assert!(env.art(["diff", "d~1", "d"]).done().starts_with(entries));
}

#[test]
fn what_is_not_there_is_told() {
    let env = two_versions();
    assert!(env.art(["diff", "d:v9", "d"]).failed(3).contains("cannot find"));
    assert!(env.art(["diff", "d", "nothing"]).failed(3).contains("cannot find artifact 'nothing'"));
    assert!(env.art(["diff", "d", "./nothing"]).failed(3).contains("cannot compare with './nothing': it is not a directory"));
    assert!(env.art(["diff", "d:v0", "d", "--path", "nope"]).failed(3).contains("cannot find path 'nope'"));
    assert!(env.art(["diff", "d:v0", "d", "--path", "/text"]).failed(2).contains("bad path"));
}
