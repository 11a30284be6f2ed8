//! `art ls`, `art log`, `art show`

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use serde_json::{Value, json};

use crate::env::Env;

/// A store with two versions of `d` and one of `m`.
fn env() -> Env {
    let env = Env::new();
    env.write("data/a/x", "1");
    env.write("data/b.txt", "text");
    env.art(["put", "d", "data", "-m", "first\nmore", "--tag", "raw", "--alias", "best", "--meta", "k=1"]).done();
    env.write("data/a/x", "22");
    env.art(["put", "d", "data"]).done();
    env.art(["put", "m", "data/b.txt", "--type", "model"]).done();
    env
}

/// Takes the times out of a listing.
fn without_times(text: &str) -> String {
    let words =
        |line: &str| line.split_whitespace().filter(|word| !word.starts_with("20") && !word.ends_with('Z')).collect::<Vec<_>>().join(" ");
    text.lines().map(|line| words(line) + "\n").collect()
}

#[test]
fn artifacts_are_listed_by_name() {
    let env = env();
    assert_eq!(without_times(&env.art(["ls"]).done()), "NAME TYPE VERSIONS LATEST SIZE CREATED\nd dataset 2 v1 6 B\nm model 1 v0 4 B\n");
    let json = env.art(["ls", "--json"]).json();
    assert_eq!(json.as_array().unwrap().len(), 2);
    let fields = ["artifact", "type", "version_count", "version", "rivals", "size_bytes"].map(|name| json[0][name].clone());
    assert_eq!(fields, [json!("d"), json!("dataset"), json!(2), json!("v1"), json!([]), json!(6)]);
    assert_eq!(Env::new().art(["ls"]).done(), "");
    assert_eq!(Env::new().art(["ls", "--json"]).done(), "[]\n");
}

#[test]
fn versions_are_listed_with_what_is_set_on_them() {
    let env = env();
    let shown = without_times(&env.art(["ls", "d"]).done());
    assert_eq!(shown, "VERSION ALIASES TAGS FILES SIZE CREATED DESCRIPTION\nv0 best raw 2 5 B first\nv1 latest 2 6 B\n");
    let json = env.art(["ls", "d", "--json"]).json();
    assert_eq!(json[1]["parents"][0], json[0]["id"]);
    assert_eq!(json[0]["metadata"], json!({ "k": 1 }));
}

#[test]
fn entries_are_listed_in_order_and_by_path() {
    let env = env();
    assert_eq!(env.art(["ls", "d:v0"]).done(), "-       1 B  a/x\n-       4 B  b.txt\n");
    for path in ["a", "a/", "./a", "a/x"] {
        assert_eq!(env.art(["ls", "d:v0", path]).done(), "-       1 B  a/x\n");
    }
    assert_eq!(env.art(["ls", "d", "."]).done().lines().count(), 2);
    let json = env.art(["ls", "d:best", "b.txt", "--json"]).json();
    assert_eq!(json[0]["digest"].as_str().unwrap(), env.art(["hash-object", "data/b.txt"]).done().split(' ').next().unwrap());
    assert_eq!(
        (&json[0]["path"], &json[0]["kind"], &json[0]["size_bytes"], &json[0]["executable"]),
        (&json!("b.txt"), &json!("file"), &json!(4), &json!(false))
    );
}

#[test]
fn strange_paths_are_escaped_and_can_be_had_back() {
    let env = Env::new();
    let name = OsStr::from_bytes(b"a\xff\n\x1b[31m");
    fs::create_dir(env.project().join("d")).unwrap();
    fs::write(env.project().join("d").join(name), "x").unwrap();
    env.art(["put", "d", "d"]).done();
    assert_eq!(env.art(["ls", "d:v0"]).done(), "-       1 B  a\\xff\\n\\u{1b}[31m\n");
    let json = env.art(["ls", "d:v0", "--json"]).json();
    assert_eq!((&json[0]["path"], &json[0]["path_bytes"]), (&json!("a\\xff\\n\\u{1b}[31m"), &json!("a%FF%0A%1B[31m")));
    let raw = env.art(["ls-tree", "-z", "d"]);
    assert!(raw.stdout.ends_with(b" 1\ta\xff\n\x1b[31m\0"));
}

#[test]
fn show_tells_the_documented_fields_in_order() {
    let env = env();
    let json = env.art(["show", "d:v0", "--json"]).done();
    let fields = [
        "artifact",
        "type",
        "version",
        "number",
        "id",
        "digest",
        "aliases",
        "tags",
        "description",
        "metadata",
        "created_at",
        "size_bytes",
        "file_count",
        "parents",
        "run",
        "git",
        "stored_bytes",
        "ttl_seconds",
        "expires_at",
        "deleted",
        "contested",
        "references",
    ];
    let at: Vec<usize> = fields.iter().map(|field| json.find(&format!("\"{field}\":")).unwrap()).collect();
    assert!(at.is_sorted(), "{json}");
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value.as_object().unwrap().len(), fields.len());
    assert_eq!((&value["aliases"], &value["tags"], &value["description"]), (&json!(["best"]), &json!(["raw"]), &json!("first\nmore")));
    assert_eq!(env.art(["show", "d", "--json"]).json()["aliases"], json!(["latest"]));
    let shown = env.art(["show", "d:best"]).done();
    assert!(shown.starts_with("d:v0\n  type         dataset\n") && shown.contains("\n  metadata     k: 1\n"), "{shown}");
    let id = value["id"].as_str().unwrap();
    for reference in [format!("d@{}", &id[..8]), format!("d@{}", &value["digest"].as_str().unwrap()[..12]), "d~1".to_owned()] {
        assert_eq!(env.art(["rev-parse", &reference]).done().trim(), id, "{reference}");
    }
}

#[test]
fn log_tells_the_newest_first_and_its_edits() {
    let env = env();
    let log = env.art(["log", "d"]).done();
    assert!(log.starts_with("d:v1 (latest)\n") && log.contains("\n\nd:v0 (best)\n") && log.contains("    first\n    more\n"), "{log}");
    env.art(["put", "d", "data", "-m", "new words"]).done();
    let json = env.art(["log", "d", "--json"]).json();
    assert_eq!(json[0]["description"], "new words");
    assert_eq!((&json[0]["edits"][0]["description"], &json[0]["deleted"]), (&json!("new words"), &json!(false)));
    assert!(env.art(["log", "d"]).done().contains(": description `new words`\n"));
}
