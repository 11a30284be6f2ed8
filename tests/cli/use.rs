//! `art use`

use serde_json::json;

use crate::env::{Env, files};

fn env() -> (Env, String) {
    let env = Env::new();
    env.write("x", "0");
    env.art(["put", "d", "x"]).done();
    let id = env.art(["run", "start", "--name", "t"]).done().trim().to_owned();
    (env, id)
}

#[test]
fn a_use_prints_a_name_that_stays_and_is_recorded_once_in_each_role() {
    let (env, id) = env();
    let digest = env.art(["rev-parse", "--digest", "d"]).done();
    let printed = env.art(["use", "d:latest", "--run", &id]).done();
    assert_eq!(printed, format!("d@{digest}"));
    let before = files(&env.store().join("runs"));
    assert_eq!(env.art(["use", printed.trim(), "--run", "t"]).done(), printed);
    assert_eq!(files(&env.store().join("runs")), before);
    let json = env.art(["use", "d", "--as", "train", "--run", &id, "--json"]).json();
    assert_eq!((&json["run"], &json["version"], &json["as"], &json["changed"]), (&json!(id), &json!("v0"), &json!("train"), &json!(true)));
    assert_eq!(env.art(["run", "show", "t", "--json"]).json()["inputs"].as_array().unwrap().len(), 2);
}

#[test]
fn what_was_never_stored_is_used_by_its_uri() {
    let (env, id) = env();
    let digest = "ab".repeat(32);
    let args = ["use", "--ref", "s3://b/k?x=1", "--digest", &digest, "--size", "7", "--as", "raw", "--run", &id];
    assert_eq!(env.art(args).done(), "s3://b/k?x=1\n");
    let reference = &env.art(["run", "show", "t", "--json"]).json()["references"][0];
    assert_eq!(*reference, json!({"uri": "s3://b/k?x=1", "digest": digest, "size_bytes": 7, "as": "raw"}));
    assert!(env.art(["run", "show", "t"]).done().contains("used         s3://b/k?x=1 as raw (not stored, 7 B)"));
    assert!(env.art(["use", "--ref", "s3://b", "--digest", "ab", "--run", &id]).failed(2).contains("bad digest"));
    assert!(!env.art(["use", "--ref", "https://me:hunter2@host/x", "--run", &id]).failed(1).contains("hunter2"));
}

#[test]
fn deleted_and_missing_versions_and_a_missing_run_are_refused() {
    let (env, id) = env();
    assert!(env.art(["use", "d"]).failed(2).contains("ART_RUN is not set"));
    assert_eq!(env.art(["use", "e", "--run", &id]).code, Some(3));
    assert_eq!(env.art(["use", "--run", &id]).code, Some(2));
    env.art(["rm", "d:v0"]).done();
    let ran = env.art(["use", "d:v0", "--run", &id]);
    assert_eq!(
        ran.failed(1),
        "error: cannot use 'd:v0': it is deleted\nhint: bring it back with `art undelete d:v0`, or use another version\n"
    );
}

#[test]
fn a_get_with_use_restores_and_records() {
    let (env, id) = env();
    assert!(env.art(["get", "d", "out", "--use"]).failed(2).contains("ART_RUN is not set"));
    assert!(!env.project().join("out").exists(), "nothing is restored where the use cannot be recorded");
    assert_eq!(env.art(["get", "d", "out", "--as", "train"]).code, Some(2), "there is no role without a use");
    assert_eq!(env.art(["get", "d", "out", "--use", "--as", "train", "--run", &id]).code, Some(0));
    assert_eq!(std::fs::read(env.project().join("out/x")).unwrap(), b"0");
    assert_eq!(env.art(["run", "show", "t", "--json"]).json()["inputs"][0]["as"], "train");
}
