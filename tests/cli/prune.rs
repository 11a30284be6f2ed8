//! `art prune`, and `art put --ttl`

use std::fs;

use artstore::id::RecordId;
use serde_json::{Value, json};

use crate::env::{Env, files};
use crate::rm::damage;

/// Makes as if version `number` of `d` was stored at another time: its record is written anew.
/// Records that name it by its id (aliases, edits) must come later.
fn store_at(env: &Env, number: u64, created_at: &str) {
    let dir = env.store().join("refs/d/versions");
    let is_it = |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{number}."));
    let path = files(&dir).into_iter().find(is_it).unwrap();
    let line = fs::read_to_string(&path).unwrap();
    let mut record: serde_json::Map<String, Value> = serde_json::from_str(&line).unwrap();
    record["created_at"] = json!(created_at);
    let line = serde_json::to_string(&record).unwrap() + "\n";
    fs::remove_file(path).unwrap();
    fs::write(dir.join(format!("{number}.{}", RecordId::of(line.as_bytes()).short(16))), line).unwrap();
}

/// A store with versions v0 to v4 of `d`, the first two of long ago.
fn env() -> Env {
    let env = Env::new();
    for number in 0..5 {
        env.write("x", number.to_string());
        let extra = match number {
            1 => &["--meta", "acc=0.9", "--meta", r#"eval={"loss":3}"#][..],
            2 => &["--meta", "acc=0.7", "--meta", r#"eval={"loss":1}"#, "--tag", "paper"],
            3 => &["--meta", "acc=high"],
            _ => &[],
        };
        env.art([&["put", "d", "x"], extra].concat()).done();
    }
    store_at(&env, 0, "2020-01-01T00:00:00Z");
    store_at(&env, 1, "2020-01-02T00:00:00Z");
    env
}

/// Returns the versions that a plan lets go.
#[track_caller]
fn gone(env: &Env, args: &[&str]) -> Vec<String> {
    let ran = env.art([&["prune", "--json"], args].concat());
    assert_eq!((ran.code, &ran.stderr[..]), (Some(0), ""), "{ran:?}");
    let rows = ran.json()["versions"].as_array().unwrap().clone();
    rows.iter().filter(|row| row["action"] == "delete").map(|row| row["version"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn without_a_rule_nothing_goes_but_what_has_expired() {
    let env = env();
    assert_eq!(gone(&env, &[]), [""; 0]);
    env.write("x", "old");
    env.art(["put", "d", "x", "--ttl", "2d"]).done();
    env.write("x", "new");
    env.art(["put", "d", "x", "--ttl", "2d"]).done();
    assert_eq!(gone(&env, &[]), [""; 0]);
    store_at(&env, 5, "2020-02-01T00:00:00Z");
    store_at(&env, 6, "2020-02-01T00:00:00Z");
    assert_eq!(gone(&env, &[]), ["v5"], "the latest stays");
    let plan = env.art(["prune", "d"]).done();
    assert!(plan.contains("delete  d:v5      3 B  2020-02-01 00:00:00Z  ttl of 2d ran out on 2020-02-03 00:00:00Z\n"), "{plan}");
    assert!(plan.contains("keep    d:v0      1 B  2020-01-01 00:00:00Z  no ttl\n"), "{plan}");
    assert!(plan.ends_with("nothing was deleted: `--apply` does it\n"), "{plan}");
}

#[test]
fn what_a_rule_keeps_stays_though_its_ttl_has_run_out() {
    let env = env();
    env.write("x", "old");
    env.art(["put", "d", "x", "--ttl", "2d", "--tag", "t"]).done();
    env.write("x", "new");
    env.art(["put", "d", "x"]).done();
    store_at(&env, 5, "2020-02-01T00:00:00Z");
    assert_eq!(gone(&env, &["--keep-tagged"]), ["v0", "v1", "v3", "v4"]);
    assert_eq!(gone(&env, &["--keep-within", "1d"]), ["v0", "v1", "v5"]);
    env.art(["alias", "set", "d:v5", "best"]).done();
    assert_eq!(gone(&env, &[]), [""; 0], "nor does one with an alias go");
}

#[test]
fn each_rule_keeps_its_own_and_the_latest_and_aliased_always_stay() {
    let env = env();
    env.art(["alias", "set", "d:v0", "base"]).done();
    let cases: [(&[&str], &[&str]); 8] = [
        (&["--keep-last", "2"], &["v1", "v2"]),
        (&["--keep-last", "9"], &[]),
        (&["--keep-within", "30d"], &["v1"]),
        (&["--keep-aliased"], &["v1", "v2", "v3"]),
        (&["--keep-tagged"], &["v1", "v3"]),
        (&["--keep-best", "metadata.acc"], &["v2", "v3"]),
        (&["--keep-best", "metadata.eval.loss", "--minimise"], &["v1", "v3"]),
        (&["--keep-last", "2", "--keep-tagged", "--keep-best", "metadata.acc"], &[]),
    ];
    for (rules, expected) in cases {
        assert_eq!(gone(&env, rules), expected, "{rules:?}");
    }
    let json = env.art(["prune", "d", "--keep-last", "2", "--keep-tagged", "--json"]).json();
    let reasons: Vec<Value> = json["versions"].as_array().unwrap().iter().map(|row| row["reasons"].clone()).collect();
    assert_eq!(reasons, [json!(["aliased"]), json!(["no-rule"]), json!(["tagged"]), json!(["last"]), json!(["latest", "last"])]);
    assert_eq!((&json["applied"], &json["versions"][0]["aliases"]), (&json!(false), &json!(["base"])));
    assert!(json["freed_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn where_no_version_has_the_number_all_are_kept() {
    let env = env();
    assert_eq!(gone(&env, &["--keep-best", "metadata.accc"]), [""; 0]);
    assert!(env.art(["prune", "--keep-best", "metadata.accc"]).done().contains("no version has a number at metadata.accc\n"));
    assert!(env.art(["prune", "--keep-best", "acc"]).failed(2).contains("hint: name a number in the metadata of versions"));
}

#[test]
fn only_apply_deletes_and_undelete_undoes_it() {
    let env = env();
    let before = files(&env.project());
    env.art(["prune", "--keep-last", "1"]).done();
    env.art(["prune", "--keep-last", "1", "--dry-run"]).done();
    assert_eq!(files(&env.project()), before);
    assert_eq!(env.art(["prune", "--apply", "--dry-run"]).code, Some(2));
    let told = env.art(["prune", "--keep-last", "1", "--keep-tagged", "--apply"]).done();
    assert!(
        told.starts_with("ACTION   VERSION  SIZE  CREATED") && told.contains("\ndeleted  d:v1  ") && told.contains("\nkeep     d:v2  "),
        "{told}"
    );
    assert!(
        told.ends_with("\ndeleted 3 of 5 versions\n`art gc` frees their bytes 14 days after it condemned them, `art gc --prune-now` at once; until then `art undelete` brings them back\n"),
        "{told}"
    );
    let labels = || env.art(["ls", "d", "--json"]).json().as_array().unwrap().iter().map(|row| row["version"].clone()).collect::<Vec<_>>();
    assert_eq!(labels(), ["v2", "v4"]);
    assert!(env.art(["prune", "--keep-last", "1", "--keep-tagged", "--apply"]).done().ends_with("deleted 0 of 2 versions\n"));
    env.art(["undelete", "d:v0"]).done();
    assert_eq!(labels(), ["v0", "v2", "v4"]);
}

#[test]
fn while_a_record_of_an_artifact_is_damaged_none_of_it_is_deleted() {
    let env = env();
    env.write("y", "other");
    env.art(["put", "e", "y"]).done();
    env.art(["put", "d", "x", "--tag", "t"]).done();
    env.art(["alias", "set", "d:v1", "base"]).done();
    let records = || files(&env.store().join("refs"));
    let args = ["prune", "d", "--keep-last", "1", "--keep-tagged", "--apply"];
    let before = records();
    for dir in ["edits", "aliases", "versions"] {
        let record = files(&env.store().join("refs/d").join(dir)).remove(0);
        let whole = damage(&record);
        assert!(env.art(args).failed(5).starts_with("error: cannot tell which versions of 'd' may be deleted: record 'refs/d/"), "{dir}");
        assert_eq!(env.art(["prune", "--keep-last", "1", "--apply"]).code, Some(5));
        assert_eq!(records(), before);
        let plan = env.art(["prune", "d", "--keep-last", "1"]);
        assert!(plan.code == Some(0) && plan.stderr.contains("is damaged"), "{plan:?}");
        env.art(["prune", "e", "--keep-last", "1", "--apply"]).done();
        fs::write(record, whole).unwrap();
    }
    env.art(args).done();
}

#[test]
fn only_the_artifacts_that_are_named_are_looked_at() {
    let env = env();
    for content in ["a", "b"] {
        env.write("x", content);
        env.art(["put", "e", "x"]).done();
    }
    let json = env.art(["prune", "e", "--keep-last", "1", "--apply", "--json"]).json();
    assert_eq!((json["versions"].as_array().unwrap().len(), &json["applied"], &json["freed_bytes"]), (2, &json!(true), &Value::Null));
    assert_eq!(env.art(["ls", "d", "--json"]).json().as_array().unwrap().len(), 5);
    assert_eq!(env.art(["ls", "e", "--json"]).json().as_array().unwrap().len(), 1);
    assert_eq!(env.art(["prune", "nope"]).code, Some(3));
}

#[test]
fn a_ttl_is_shown_and_set_anew_by_a_put_of_the_same() {
    let env = Env::new();
    env.write("x", "0");
    let json = env.art(["put", "d", "x", "--ttl", "36h", "--json"]).json();
    assert_eq!(json["ttl_seconds"], json!(129_600));
    store_at(&env, 0, "2020-01-01T00:00:00Z");
    let shown = env.art(["show", "d"]).done();
    assert!(shown.contains("\n  expires      2020-01-02 12:00:00Z (ttl of 36h)\n"), "{shown}");
    assert_eq!(env.art(["show", "d", "--json"]).json()["expires_at"], json!("2020-01-02T12:00:00Z"));
    assert_eq!(env.art(["put", "d", "x"]).done(), "unchanged: d:v0 (1 file, 1 B)\n");
    assert_eq!(files(&env.store().join("refs/d/edits")).len(), 0);
    env.art(["put", "d", "x", "--ttl", "36h"]).done();
    assert_eq!(files(&env.store().join("refs/d/edits")).len(), 0, "it has that already");
    env.art(["put", "d", "x", "--ttl", "2w"]).done();
    assert!(env.art(["show", "d"]).done().contains("(ttl of 14d)\n"));
    assert!(env.art(["log", "d"]).done().contains(": kept for 14d\n"));
    env.art(["put", "d", "x", "--ttl", "never"]).done();
    assert_eq!(env.art(["show", "d", "--json"]).json()["ttl_seconds"], Value::Null);
    assert!(env.art(["log", "d"]).done().contains(": kept for ever\n"));
    env.write("x", "1");
    assert_eq!(env.art(["put", "d", "x", "--ttl", "never", "--json"]).json()["ttl_seconds"], Value::Null);
    for option in ["prune --keep-within", "put d x --ttl"] {
        let args = option.split(' ').chain(["0s"]);
        assert!(env.art(args).failed(2).starts_with("error: bad span of time '0s': it must be more than nothing\n"), "{option}");
    }
    for bad in ["30", "1y", "-1d"] {
        let ran = env.art(["put", "d", "x", &format!("--ttl={bad}")]);
        assert_eq!(ran.failed(2), format!("error: bad span of time '{bad}'\nhint: give a number and a unit, such as `30d`, or `never`\n"),);
    }
}
