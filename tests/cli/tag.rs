//! `art tag`

use serde_json::json;

use crate::env::{Env, files};

fn env() -> Env {
    let env = Env::new();
    for content in ["0", "1"] {
        env.write("x", content);
        env.art(["put", "d", "x"]).done();
    }
    env
}

#[test]
fn tags_are_added_removed_and_listed() {
    let env = env();
    assert_eq!(env.art(["tag", "add", "d:v0", "b", "ready to ship", "b"]).done(), "tagged: d:v0 (tags: b, ready to ship)\n");
    assert_eq!(env.art(["tag", "add", "d", "b"]).done(), "tagged: d:v1 (tags: b)\n");
    assert_eq!(env.art(["tag", "add", "--artifact", "d", "vision"]).done(), "tagged: d (tags: vision)\n");
    assert_eq!(
        env.art(["tag", "ls"]).done(),
        "ARTIFACT  TAG            COUNT  ON\n\
         d         b                  2  v1, v0\n\
         d         ready to ship      1  v0\n\
         d         vision             0  the artifact\n"
    );
    let json = env.art(["tag", "ls", "d", "--json"]).json();
    assert_eq!(json[0], json!({"artifact": "d", "tag": "b", "on_artifact": false, "versions": ["v1", "v0"]}));
    assert_eq!(json[2], json!({"artifact": "d", "tag": "vision", "on_artifact": true, "versions": []}));
    assert!(env.art(["ls", "d"]).done().lines().nth(1).unwrap().contains("b, ready to ship"));
    assert!(env.art(["ls"]).done().lines().next().unwrap().ends_with("TAGS"));
    assert_eq!(env.art(["tag", "rm", "d:v0", "b", "ready to ship"]).done(), "untagged: d:v0 (no tags)\n");
    let json = env.art(["tag", "rm", "--artifact", "d", "vision", "--json"]).json();
    assert_eq!((&json["tags"], &json["changed"], &json["artifact"]), (&json!([]), &json!(true), &json!("d")));
    let log = env.art(["log", "d"]).done();
    assert!(log.contains(": tag `b` removed, tag `ready to ship` removed\n"), "{log}");
    assert!(log.starts_with("d\n") && log.contains(": tag `vision` removed\n"), "{log}");
}

#[test]
fn what_is_tagged_so_already_is_not_recorded_again() {
    let env = env();
    env.art(["tag", "add", "d", "a"]).done();
    let before = files(&env.store().join("refs"));
    assert_eq!(env.art(["tag", "add", "d", "a"]).done(), "unchanged: d:v1 (tags: a)\n");
    assert_eq!(files(&env.store().join("refs")), before);
}

#[test]
fn bad_missing_and_too_many_tags_are_refused_and_nothing_is_done() {
    let env = env();
    assert!(env.art(["tag", "add", "d"]).failed(2).contains("no tag is given"));
    assert!(env.art(["tag", "add", "d", "good", "a/b"]).failed(2).contains("bad tag 'a/b'"));
    env.art(["tag", "add", "e", "a"]).failed(3);
    env.art(["tag", "add", "d", "a"]).done();
    assert_eq!(
        env.art(["tag", "rm", "d", "a", "b"]).failed(3),
        "error: cannot remove tag 'b': 'd:v1' does not have it\nhint: `art tag ls d` lists what there is\n"
    );
    assert_eq!(env.art(["show", "d", "--json"]).json()["tags"], json!(["a"]));
    let many: Vec<String> = (0..100).map(|number| format!("t{number}")).collect();
    let add = |reference: &str| env.art(["tag", "add", reference].into_iter().chain(many.iter().map(String::as_str)));
    assert!(add("d").failed(2).contains("that would make 101, and 100 are the most"));
    add("d:v0").done();
    let put = ["put", "d", "x", "--tag", "one-more"].into_iter().chain(many.iter().flat_map(|tag| ["--tag", tag]));
    assert!(env.art(put).failed(2).contains("that would make 101"));
    env.art(["rm", "d:v0"]).done();
    assert!(env.art(["tag", "rm", "d:v0", "t1"]).failed(1).contains("cannot edit 'd:v0': it is deleted"));
    assert_eq!(env.art(["tag", "ls", "d"]).done().lines().count(), 2, "those of deleted versions are left out");
}
