//! What `art ls` and `art status` say of names that have diverged, contested deletions and incomplete
//! versions.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::env::{Env, files};

/// A store, and a copy in `other`, with a `d:v0` of both.
fn copied() -> Env {
    let env = Env::new();
    env.write("x", "0");
    env.art(["put", "d", "x", "--alias", "first"]).done();
    env.copy(".artifacts", "other/");
    env
}

fn bring(env: &Env, parts: &[&str]) {
    parts.iter().for_each(|part| env.copy(&format!("other/.artifacts/{part}"), ".artifacts/"));
}

/// Both have stored a `d:v1` and set `best`, and here are the records and pages of both.
fn merged() -> Env {
    let env = copied();
    for (dir, content) in [(".", "here".repeat(10_000)), ("other", "elsewhere".repeat(10_000))] {
        env.write(&format!("{dir}/y"), content);
        env.art(["-C", dir, "put", "d", "y", "--alias", "best"]).done();
    }
    bring(&env, &["refs", "meta"]);
    env
}

/// The names of the versions in a JSON array.
fn labels(rows: &Value) -> Vec<String> {
    rows.as_array().unwrap().iter().map(|row| row["version"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_merged_copies_had_given_differently_is_seen_at_once_and_settled() {
    let env = merged();
    bring(&env, &["packs"]);
    let ran = env.art(["ls"]);
    assert_eq!(ran.stderr, "warning: 2 names have diverged: `art status` says which, and what helps\n");
    assert!(ran.text().lines().next().unwrap().ends_with("CREATED  STATE") && ran.text().ends_with("  2 diverged\n"), "{}", ran.text());
    let row = &env.art(["ls", "--json"]).json()[0];
    assert_eq!((&row["diverged"], &row["incomplete"], &row["contested"]), (&json!(["v1", "best"]), &json!([]), &json!([])));

    let ran = env.art(["ls", "d"]);
    let rows = env.art(["ls", "d", "--json"]).json();
    let [_, one, other] = &labels(&rows)[..] else { panic!("{rows}") };
    let digits = other.strip_prefix("v1.").unwrap();
    assert_eq!(
        ran.stderr,
        format!(
            "warning: d:v1 stands for {one} or {other}: settle it with `art resolve d:v1 {digits}`\n\
             warning: d:best stands for {one} or {other}: settle it with `art alias set d:VERSION best`\n"
        )
    );
    let shown = ran.text();
    assert!(shown.lines().all(|line| !line.starts_with("v1.") || line.contains(" best (diverged) ") && line.ends_with("  v1 diverged")));
    assert_eq!((&rows[1]["rivals"], &rows[2]["rivals"]), (&json!([one, other]), &json!([one, other])));
    assert_eq!((&rows[0]["rivals"], &rows[0]["diverged_aliases"]), (&json!([]), &json!([])));
    assert_eq!((&rows[1]["diverged_aliases"], &rows[1]["missing"]), (&json!(["best"]), &json!(null)));

    let told = env.art(["status"]).done();
    let expected = format!(
        "d:v1 stands for {one} or {other}\n  (settle it with `art resolve d:v1 {digits}`)\n\
         d:best stands for {one} or {other}\n  (settle it with `art alias set d:VERSION best`)\n"
    );
    assert!(told.ends_with(&expected), "{told}");
    assert!(!env.art(["status", "./y"]).done().contains("stands for"));
    let status = env.art(["status", "d", "--json", "--exit-code"]).json();
    assert_eq!((status["diverged"].as_array().unwrap().len(), &status["same"]), (2, &json!(true)));

    // What it says helps.
    env.art(["resolve", "d:v1", digits]).done();
    env.art(["alias", "set", "d:v1", "best"]).done();
    for args in [&["ls"][..], &["ls", "d"], &["status"]] {
        let said = env.art(args).done();
        assert!(!said.contains("diverged") && !said.contains("stands for"), "{said}");
    }
    assert_eq!(labels(&env.art(["ls", "d", "--json"]).json()), ["v0", one, "v1"]);
}

#[test]
fn a_contested_deletion_is_seen_and_settled() {
    let env = copied();
    env.art(["alias", "rm", "d:first"]).done();
    env.copy(".artifacts/refs", "other/.artifacts/");
    env.art(["-C", "other", "alias", "set", "d:v0", "kept"]).done();
    env.art(["rm", "d:v0"]).done();
    assert_eq!(env.art(["ls"]).stderr, "");
    bring(&env, &["refs"]);
    assert_eq!(env.art(["ls"]).stderr, "warning: 1 deletion is contested: `art status` says which, and what helps\n");
    let ran = env.art(["ls", "d"]);
    assert!(ran.text().ends_with("  deletion contested\n"), "{}", ran.text());
    assert_eq!(ran.stderr, "warning: the deletion of d:v0 is contested: settle it with `art rm d:v0` or `art undelete d:v0`\n");
    let told = env.art(["status"]).done();
    assert!(told.ends_with("  (settle it with `art rm d:v0` or `art undelete d:v0`)\n"), "{told}");
    assert_eq!(labels(&env.art(["status", "--json"]).json()["contested"]), ["v0"]);
    env.art(["undelete", "d:v0"]).done();
    assert!(env.art(["ls"]).done().lines().next().unwrap().ends_with("CREATED"));
    assert!(!env.art(["status"]).done().contains("deleted by"));
}

#[test]
fn an_incomplete_version_says_what_is_missing_until_it_is_here() {
    let env = merged();
    let row = &env.art(["ls", "--json"]).json()[0];
    let lacking = row["incomplete"][0].as_str().unwrap().to_owned();
    assert_eq!(row["incomplete"].as_array().unwrap().len(), 1);
    assert!(env.art(["ls"]).stderr.starts_with("warning: 2 names have diverged, 1 version is incomplete: "));
    for _ in 0..2 {
        // Once read, once noted.
        let rows = env.art(["ls", "d", "--json"]).json();
        let row = rows.as_array().unwrap().iter().find(|row| row["version"] == lacking.as_str()).unwrap();
        let missing = &row["missing"];
        assert_eq!((&missing["manifest"], &missing["page_count"], &missing["size_bytes"]), (&json!(false), &json!(0), &json!(90_000)));
        assert!(missing["chunk_count"].as_u64().unwrap() > 0);
    }
    let told = env.art(["status"]).done();
    let line = told.lines().find(|line| line.starts_with(&format!("d:{lacking} is incomplete: "))).unwrap();
    assert!(line.ends_with(" chunk, 90.0 kB of 90.0 kB missing") || line.ends_with(" chunks, 90.0 kB of 90.0 kB missing"), "{line}");
    assert!(told.ends_with("\n  (`art pull DIR` brings what is missing from a copy that has it)\n"), "{told}");
    assert!(env.art(["ls", "d"]).text().contains(", 90.0 kB missing\n"));

    env.art(["pull", "other"]).done();
    assert_eq!(env.art(["ls", "--json"]).json()[0]["incomplete"], json!([]));
    assert_eq!(env.art(["status", "--json"]).json()["incomplete"], json!([]));
    assert!(!env.art(["ls", "d"]).text().contains("incomplete"));
}

#[test]
fn what_is_noted_of_a_version_holds_no_longer_than_its_packs() {
    let env = copied();
    let incomplete = || env.art(["ls", "d", "--json"]).json()[0]["missing"].clone();
    let move_away = |dir: &str| -> Vec<(PathBuf, Vec<u8>)> {
        let packs = files(&env.store().join(dir)).into_iter();
        let packs: Vec<_> =
            packs.filter(|path| path.file_name().unwrap().len() == 64).map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        packs.iter().for_each(|(path, _)| fs::remove_file(path).unwrap());
        packs
    };
    let put_back = |packs: Vec<(PathBuf, Vec<u8>)>| packs.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    assert_eq!(incomplete(), json!(null));
    let packs = move_away("packs");
    assert_eq!(incomplete()["chunk_count"], 1);
    put_back(packs);
    assert_eq!(incomplete(), json!(null));
    // Half a pack is none.
    let packs = move_away("packs");
    put_back(packs.iter().map(|(path, bytes)| (path.clone(), bytes[..bytes.len() / 2].to_vec())).collect());
    assert_eq!(incomplete()["chunk_count"], 1);
    put_back(packs);
    assert_eq!(incomplete(), json!(null));

    let packs = move_away("meta");
    assert_eq!(incomplete(), json!({ "manifest": true, "page_count": 1, "chunk_count": 0, "size_bytes": 0 }));
    assert!(env.art(["ls", "d"]).text().ends_with("  incomplete: its manifest missing\n"));
    assert!(env.art(["status", "d"]).done().contains("d:v0 is incomplete: its manifest missing\n"));
    put_back(packs);
    assert_eq!(incomplete(), json!(null));
    // Nothing is kept of a note that was damaged.
    let note = files(&env.store().join("local")).into_iter().find(|path| path.ends_with("missing")).unwrap();
    let bytes = fs::read(&note).unwrap();
    fs::remove_file(&note).unwrap();
    for at in [0, 8, 40, bytes.len() - 1] {
        let mut turned = bytes.clone();
        turned[at] ^= 1;
        fs::write(&note, &turned).unwrap();
        assert_eq!(incomplete(), json!(null));
        fs::remove_file(&note).unwrap();
    }
}
