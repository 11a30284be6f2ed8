//! Some versions of a store: what goes with them, and what the other copy then shows.

use std::fs;

use serde_json::Value;

use crate::support::{Project, files, noise};
use crate::{art_with, store_files};

/// `data:v0` to `v2`, one large file changed in part between them, and a run that used `v1`.
fn history() -> Project {
    let project = Project::new();
    let mut bytes = noise(1, 3_000_000);
    for number in 0..3u64 {
        let at = number as usize * 700_000;
        bytes[at..at + 100_000].copy_from_slice(&noise(50 + number, 100_000));
        project.write("d/big", &bytes);
        project.write("d/number", number.to_string());
        project.put("d", &[]);
    }
    project
}

fn versions(project: &Project, name: &str) -> Vec<Value> {
    let listed = project.art(["ls", name, "--json"]).ok().json();
    listed.as_array().unwrap().iter().map(|version| version["version"].clone()).collect()
}

#[test]
pub(crate) fn one_version_travels_with_all_it_needs_and_nothing_else() {
    let (a, b) = (history(), Project::new());
    a.art(["put", "unrelated", "d"]).ok();
    art_with(&a, "push", &b.root(), &["data:v1"]).ok();
    assert_eq!(versions(&b, "data"), ["v1"]);
    b.art(["fsck", "--deep"]).ok();
    b.art(["get", "data", "out"]).ok();
    a.art(["verify", "data:v1", b.path("out").to_str().unwrap()]).ok();
    // The next number follows the highest that is there; the rest comes later and fits.
    b.write("d/x", "x");
    assert_eq!(b.put("d", &[])["version"], "v2");
    art_with(&b, "pull", &a.root(), &[]).ok();
    b.art(["fsck", "--deep"]).ok();
    assert_eq!(versions(&b, "data").len(), 4);
}

#[test]
pub(crate) fn only_what_is_lacking_is_copied_out_of_a_pack_of_which_little_is_needed() {
    let (a, b) = (history(), Project::new());
    let merged = a.art(["gc", "--json"]).ok();
    assert_eq!(merged.code, Some(0));
    art_with(&a, "push", &b.root(), &["data:v0"]).ok();
    let before: u64 = files(&b.store().join("packs")).iter().map(|path| path.metadata().unwrap().len()).sum();
    let told = art_with(&a, "push", &b.root(), &["data:v1", "--json"]).ok().json();
    assert!(told["pushed"]["size_bytes"].as_u64().unwrap() < 500_000, "{told}, {before} before");
    b.art(["fsck", "--deep"]).ok();
    assert!(art_with(&a, "push", &b.root(), &["data:v1"]).ok().text().starts_with("nothing to push"));
}

#[test]
pub(crate) fn little_of_a_large_pack_goes_into_a_new_one_that_a_second_try_makes_again() {
    let (a, b) = (Project::new(), Project::new());
    for file in 0..20u64 {
        a.write(format!("all/{file}"), noise(file, 200_000));
    }
    a.art(["put", "all", "all"]).ok();
    a.write("one/3", noise(3, 200_000));
    a.art(["put", "one", "one"]).ok();
    let told = art_with(&a, "push", &b.root(), &["one", "--json"]).ok().json();
    let bytes = told["pushed"]["size_bytes"].as_u64().unwrap();
    assert!((200_000..220_000).contains(&bytes), "{told}");
    b.art(["fsck", "--deep"]).ok();
    let made = store_files(&b.store());
    let c = Project::new();
    art_with(&a, "push", &c.root(), &["one"]).ok();
    assert!(store_files(&c.store()) == made);
}

#[test]
pub(crate) fn aliases_edits_and_runs_go_with_their_versions() {
    let (a, b) = (history(), Project::new());
    a.art(["alias", "set", "data:v0", "best", "first"]).ok();
    a.art(["alias", "set", "data:v2", "best"]).ok();
    a.art(["alias", "set", "data:v1", "gone"]).ok();
    a.art(["alias", "rm", "data:gone"]).ok();
    a.art(["run", "exec", "--name", "train", "--", "sh", "-c", &format!("{} use data:v0", env!("CARGO_BIN_EXE_art"))]).ok();
    art_with(&a, "push", &b.root(), &["data:v0"]).ok();
    let shown = b.art(["show", "data:v0", "--json"]).ok().json();
    // `best` names v2 by now, which is not there.
    assert_eq!(shown["aliases"], serde_json::json!(["latest", "first"]));
    assert!(b.art(["runs"]).ok().text().contains("train"));
    b.art(["fsck"]).ok();
    art_with(&a, "push", &b.root(), &["data:best"]).ok();
    assert_eq!(b.art(["show", "data:best", "--json"]).ok().json()["version"], "v2");
    // An alias that moves back passes by a version that never travels.
    a.art(["alias", "set", "data:v1", "best"]).ok();
    a.art(["alias", "set", "data:v0", "best"]).ok();
    art_with(&a, "push", &b.root(), &["data:v0"]).ok();
    assert_eq!(b.art(["show", "data:best", "--json"]).ok().json()["version"], "v0");
    b.art(["fsck"]).ok();
}

#[test]
pub(crate) fn a_deletion_travels_with_its_version_and_all_versions_can_be_named() {
    let (a, b) = (history(), Project::new());
    art_with(&a, "push", &b.root(), &["data:v1"]).ok();
    a.art(["rm", "data:v1"]).ok();
    art_with(&a, "push", &b.root(), &["--all", "data"]).ok();
    assert_eq!(versions(&b, "data"), ["v0", "v2"]);
    b.art(["fsck"]).ok();
    assert!(art_with(&a, "push", &b.root(), &["--all", "data:v0"]).fails(2).contains("it names one"));
    assert!(art_with(&a, "push", &b.root(), &["nothing"]).fails(3).contains("'nothing'"));
    assert!(a.art(["push", "--all", b.root().to_str().unwrap()]).fails(2).contains("required"));
}

#[test]
pub(crate) fn edits_travel_with_their_metadata_and_merge() {
    let (a, b) = (history(), Project::new());
    let shown = |project: &Project, what: &[&str]| project.art([&["show", "--json"], what].concat()).ok().json();
    let large = |key: &str| serde_json::json!({ key: "0123456789abcdef".repeat(8_000) }).to_string();
    for (target, key) in [(&["data:v1"][..], "a"), (&["data:v2"], "c"), (&["--artifact", "data"], "b")] {
        a.write("m.json", large(key));
        a.art([&["edit", "--meta-file", "m.json", "-m", key], target].concat()).ok();
    }
    a.art(["tag", "add", "data:v1", "t"]).ok();
    art_with(&a, "push", &b.root(), &["data:v1"]).ok();
    for what in [&["data:v1"][..], &["--artifact", "data"]] {
        let (mut here, mut there) = (shown(&a, what), shown(&b, what));
        // What `latest` is differs, for not all versions have gone.
        for member in ["aliases", "version", "version_count", "created_at"] {
            here[member] = Value::Null;
            there[member] = Value::Null;
        }
        assert_eq!(here, there);
    }
    b.art(["fsck", "--deep"]).ok();
    a.art(["edit", "data:v1", "--meta", "n=1"]).ok();
    b.art(["edit", "data:v1", "--meta", "m=2"]).ok();
    b.write("m.json", large("d"));
    b.art(["edit", "--artifact", "data", "--meta-file", "m.json"]).ok();
    art_with(&a, "sync", &b.root(), &[]).ok();
    for what in [&["data:v1"][..], &["data:v2"], &["--artifact", "data"]] {
        assert_eq!(shown(&a, what), shown(&b, what));
    }
    let keys = |value: &Value| value["metadata"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&shown(&a, &["data:v1"])), ["a", "m", "n"]);
    assert_eq!(keys(&shown(&a, &["--artifact", "data"])), ["b", "d"]);
    for project in [&a, &b] {
        project.art(["fsck", "--deep"]).ok();
    }
}

#[test]
fn a_version_that_cannot_be_had_whole_is_held_back_with_its_aliases() {
    let (a, b) = (Project::new(), Project::new());
    a.write("d/small", "one");
    a.put("d", &[]);
    a.write("e/big", noise(1, 600_000));
    a.put("e", &["--alias", "best"]);
    let packs = files(&a.store().join("packs"));
    fs::remove_file(packs.iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap()).unwrap();
    let ran = art_with(&a, "push", &b.root(), &["data:v0", "data:v1", "--json"]);
    assert_eq!((ran.code, &ran.json()["held_back"][0]["number"], &ran.json()["ok"]), (Some(5), &1.into(), &false.into()), "{}", ran.stderr);
    assert!(ran.stderr.contains("held back 'data:v1'"), "{}", ran.stderr);
    b.art(["get", "data", "out"]).ok();
    assert_eq!(b.art(["alias", "ls", "--json"]).ok().json(), serde_json::json!([]));
    assert_eq!(b.art(["fsck", "--json"]).ok().json()["findings"], serde_json::json!([]));
}
