//! `art edit`

use std::fs;

use serde_json::{Value, json};

use crate::env::{Env, files};

fn env() -> Env {
    let env = Env::new();
    env.write("x", "0");
    env.art(["put", "d", "x", "-m", "first", "--meta", "acc=0.5", "--meta", "eval={\"loss\":1}"]).done();
    env
}

fn show(env: &Env, reference: &str) -> Value {
    env.art(["show", reference, "--json"]).json()
}

/// A file with metadata of about so many KiB.
fn large(env: &Env, name: &str, key: &str, kib: usize) {
    env.write(name, json!({ key: "0123456789abcdef".repeat(kib * 64) }).to_string());
}

#[test]
fn what_is_said_of_a_version_changes_and_the_log_tells_each_step() {
    let env = env();
    let args = ["edit", "d", "-m", "better", "--meta", "acc=0.9", "--meta", "name=\"x\"", "--unset", "eval", "--ttl", "30d"];
    assert_eq!(env.art(args).done(), "edited: d:v0 (description `better`, acc=0.9, name=\"x\", eval unset, kept for 30d)\n");
    let shown = show(&env, "d:v0");
    assert_eq!((&shown["description"], &shown["ttl_seconds"]), (&json!("better"), &json!(2_592_000)));
    assert_eq!(shown["metadata"], json!({"acc": 0.9, "name": "x"}));
    let json = env.art(["edit", "d:latest", "-m", "", "--ttl", "never", "--json"]).json();
    assert_eq!((&json["version"], &json["description"], &json["ttl_seconds"]), (&json!("v0"), &json!(null), &json!(null)));
    assert_eq!((&json["changed"], &json["id"]), (&json!(true), &shown["id"]));
    let log = env.art(["log", "d"]).done();
    let edits: Vec<&str> =
        log.lines().filter_map(|line| line.trim_start().strip_prefix("edited ")?.split_once("Z: ")).map(|(_, what)| what).collect();
    assert_eq!(edits, ["description `better`, acc=0.9, name=\"x\", eval unset, kept for 30d", "description removed, kept for ever"]);
    let edits = &env.art(["log", "d", "--json"]).json()[0]["edits"];
    assert_eq!((&edits[0]["metadata"], &edits[0]["unset"]), (&json!({"acc": 0.9, "name": "x"}), &json!(["eval"])));
    assert_eq!(env.art(["cat", "d", "x"]).done(), "0");
}

#[test]
fn what_is_so_already_is_not_recorded_again() {
    let env = env();
    let before = files(&env.store().join("refs"));
    assert_eq!(env.art(["edit", "d", "-m", "first", "--meta", "acc=0.5"]).done(), "unchanged: d:v0\n");
    assert_eq!(env.art(["edit", "d", "-m", "first", "--json"]).json()["changed"], false);
    assert_eq!(files(&env.store().join("refs")), before);
    // Of several things only what differs is recorded.
    assert_eq!(env.art(["edit", "d", "-m", "first", "--meta", "acc=1"]).done(), "edited: d:v0 (acc=1)\n");
}

#[test]
fn an_artifact_as_a_whole_is_described_apart_from_its_versions() {
    let env = env();
    assert_eq!(
        env.art(["edit", "--artifact", "d", "-m", "digits\nof all sorts", "--meta", "owner=me"]).done(),
        "edited: d (description `digits`, owner=\"me\")\n"
    );
    assert_eq!(env.art(["edit", "--artifact", "d", "--meta", "owner=me"]).done(), "unchanged: d\n");
    let shown = env.art(["show", "--artifact", "d"]).done();
    let expected = "d\n  type         dataset\n  versions     1\n  latest       v0\n  tags         -\n  description  digits\n  description  of all sorts\n  metadata     owner: \"me\"\n";
    assert_eq!(shown, expected);
    let json = env.art(["show", "--artifact", "d", "--json"]).json();
    assert_eq!((&json["artifact"], &json["metadata"], &json["version_count"]), (&json!("d"), &json!({"owner": "me"}), &json!(1)));
    assert_eq!(env.art(["ls", "--json"]).json()[0], json);
    assert!(env.art(["ls"]).done().lines().nth(1).unwrap().ends_with("  digits"));
    assert_eq!(show(&env, "d")["description"], "first");
    assert!(env.art(["log", "d"]).done().starts_with("d\n  edited   "));
    env.art(["edit", "--artifact", "d", "--unset", "owner"]).done();
    let log = env.art(["log", "d", "--artifact", "--json"]).json();
    assert_eq!((&log[0]["metadata"], &log[1]["unset"]), (&json!({"owner": "me"}), &json!(["owner"])));
    assert_eq!(env.art(["log", "d", "--artifact"]).done().lines().count(), 2);
    assert_eq!(env.art(["edit", "--artifact", "d", "--ttl", "1d"]).code, Some(2), "only a version expires");
    assert_eq!(env.art(["edit", "d", "--artifact", "d", "-m", "x"]).code, Some(2));
}

#[test]
fn keys_are_taken_as_they_are_and_values_whole() {
    let env = env();
    env.art(["edit", "d", "--meta", "eval.loss=2"]).done();
    assert_eq!(show(&env, "d")["metadata"], json!({"acc": 0.5, "eval": {"loss": 1}, "eval.loss": 2}));
    env.art(["edit", "d", "--unset", "eval.loss"]).done();
    assert_eq!(
        env.art(["edit", "d", "--unset", "eval.loss"]).failed(3),
        "error: cannot unset metadata 'eval.loss': 'd:v0' does not have it\n\
         hint: members are set and removed whole: give `eval` without it, with `--meta 'eval={...}'`\n"
    );
    assert!(env.art(["edit", "d", "--unset", "nope"]).failed(3).contains("hint: it has 'acc', 'eval'\n"));
    assert!(env.art(["edit", "d", "--unset", "acc", "--meta", "acc=1"]).failed(2).contains("cannot both set and unset metadata 'acc'"));
    env.art(["edit", "d", "--meta", "eval={\"f1\":2}"]).done();
    assert_eq!(show(&env, "d")["metadata"]["eval"], json!({"f1": 2}));
}

#[test]
fn metadata_that_is_not_json_or_too_much_is_refused() {
    let env = env();
    let told = "error: bad metadata 'x': JSON has no NaN, at column 5\n  [1, NaN]\n      ^\nhint: to keep it as text, write `--meta 'x=\"[1, NaN]\"'`\n";
    assert_eq!(env.art(["edit", "d", "--meta", "x=[1, NaN]"]).failed(2), told);
    assert!(env.art(["put", "d", "x", "--meta", "x=-inf"]).failed(2).contains("JSON has no -inf"));
    env.write("nan.json", "{\"a\": 1,\n \"b\": [NaN]}\n");
    let told = "error: bad metadata in 'nan.json', line 2: JSON has no NaN, at column 8\n   \"b\": [NaN]}\n         ^\n";
    let ran = env.art(["edit", "d", "--meta-file", "nan.json"]);
    assert!(ran.failed(2).starts_with(told), "{}", ran.stderr);
    env.write("list.json", "[1]");
    assert!(env.art(["edit", "d", "--meta-file", "list.json"]).failed(2).contains("not a JSON object"));

    large(&env, "a.json", "a", 700);
    large(&env, "b.json", "b", 700);
    env.art(["edit", "d", "--meta-file", "a.json"]).done();
    let too_long = "error: cannot store the metadata: it is longer than 1 MiB as JSON\n";
    assert!(env.art(["edit", "d", "--meta-file", "b.json"]).failed(2).starts_with(too_long), "with what is there it is too much");
    env.art(["edit", "d", "--meta-file", "b.json", "--unset", "a"]).done();
    let deep = format!("x={}{}", "[".repeat(66), "]".repeat(66));
    assert!(env.art(["edit", "d", "--meta", &deep]).failed(2).contains("more than 64 deep"));
    let text = "x".repeat(17 << 10);
    for command in [&["edit", "d", "-m", &text][..], &["put", "e", "x", "-m", &text]] {
        assert!(env.art(command).failed(2).contains("cannot record the description: it is longer than 16 KiB"));
    }
}

#[test]
fn what_is_not_there_or_deleted_cannot_be_edited() {
    let env = env();
    assert!(env.art(["edit", "d"]).failed(2).contains("nothing is to be changed"));
    assert_eq!(env.art(["edit", "-m", "x"]).code, Some(2));
    env.art(["edit", "e", "-m", "x"]).failed(3);
    env.art(["edit", "d:v1", "-m", "x"]).failed(3);
    env.art(["edit", "--artifact", "e", "-m", "x"]).failed(3);
    env.art(["rm", "d:v0"]).done();
    let told = "error: cannot edit 'd:v0': it is deleted\nhint: bring it back with `art undelete d:v0`, or edit another version\n";
    assert_eq!(env.art(["edit", "d:v0", "-m", "x"]).failed(1), told);
    env.art(["edit", "--artifact", "d", "-m", "all gone"]).done();
}

#[test]
fn edits_of_two_copies_merge_and_the_log_shows_both() {
    let env = env();
    fs::create_dir(env.project().join("other")).unwrap();
    let copy = |from: &str, to: &str| env.run(env.command("cp").args(["-rn", from, to]));
    copy(".artifacts", "other/");
    env.art(["edit", "d", "-m", "here", "--meta", "acc=1", "--ttl", "1d"]).done();
    env.art(["edit", "--artifact", "d", "--meta", "a=1"]).done();
    env.art(["-C", "other", "edit", "d", "-m", "there", "--meta", "n=2", "--ttl", "2d"]).done();
    env.art(["-C", "other", "edit", "--artifact", "d", "--meta", "b=2"]).done();
    for (from, to) in [("other/.artifacts/refs", ".artifacts/"), (".artifacts/refs", "other/.artifacts/")] {
        copy(from, to);
    }
    let shown = show(&env, "d");
    assert_eq!(shown, env.art(["-C", "other", "show", "d", "--json"]).json());
    assert_eq!(shown["metadata"], json!({"acc": 1, "eval": {"loss": 1}, "n": 2}));
    assert_eq!(shown["ttl_seconds"], 172_800, "the longer holds");
    let edits = env.art(["log", "d", "--json"]).json()[0]["edits"].as_array().unwrap().clone();
    assert_eq!(edits.len(), 2);
    assert_eq!(shown["description"], edits[1]["description"], "the later of two shows");
    assert_eq!(env.art(["show", "--artifact", "d", "--json"]).json()["metadata"], json!({"a": 1, "b": 2}));
}

#[test]
fn metadata_of_an_artifact_that_is_damaged_is_found_told_and_fetched() {
    let env = env();
    large(&env, "a.json", "a", 700);
    let before = files(&env.store().join("meta"));
    env.art(["edit", "--artifact", "d", "--meta-file", "a.json"]).done();
    let pack = files(&env.store().join("meta")).into_iter().find(|path| !before.contains(path)).unwrap();
    fs::create_dir(env.project().join("other")).unwrap();
    env.run(env.command("cp").args(["-a", ".artifacts", "other/"]));
    env.art(["fsck"]).done();
    let du = env.art(["du", "--json"]).json();
    assert_eq!(du["store"]["unnamed_bytes"], 0, "{du}");
    assert!(du["artifacts"][0]["unique_bytes"].as_u64() > du["artifacts"][0]["versions"][0]["unique_bytes"].as_u64());
    fs::remove_file(pack).unwrap();
    let ran = env.art(["fsck", "--json"]);
    let finding = &ran.json()["findings"][0];
    assert_eq!((ran.code, &finding["kind"], &finding["subject"]), (Some(5), &json!("artifact-metadata"), &json!("d")));
    assert!(env.art(["show", "--artifact", "d"]).failed(5).contains("is not in this copy of the store"));
    assert_eq!(env.art(["ls", "--json"]).json()[0]["metadata"], json!(null));
    assert!(env.art(["log", "d"]).text().contains("metadata that is not here or damaged"));
    env.art(["edit", "--artifact", "d", "--meta", "b=1"]).failed(5);
    assert_eq!(env.art(["repair"]).code, Some(5));
    env.art(["repair", "--from", "other"]).done();
    env.art(["fsck", "--deep"]).done();
    assert_eq!(env.art(["show", "--artifact", "d", "--json"]).json()["metadata"]["a"].as_str().unwrap().len(), 700 << 10);
}
