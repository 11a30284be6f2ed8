//! `art alias`

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
fn aliases_are_set_moved_listed_and_removed() {
    let env = env();
    assert_eq!(env.art(["alias", "set", "d:v0", "best", "prod"]).done(), "d:best -> v0\nd:prod -> v0\n");
    assert_eq!(env.art(["alias", "set", "d", "best"]).done(), "d:best -> v1 (was v0)\n");
    assert_eq!(env.art(["alias", "ls"]).done(), "ARTIFACT  ALIAS  VERSION\nd         best   v1\nd         prod   v0\n");
    assert_eq!(env.art(["cat", "d:prod", "x"]).done(), "0");
    assert_eq!(env.art(["alias", "rm", "d:prod"]).done(), "removed d:prod (was v0)\n");
    assert!(env.art(["alias", "rm", "d:prod"]).failed(3).contains("cannot find alias 'd:prod'"));
    assert!(env.art(["cat", "d:prod", "x"]).failed(3).contains("cannot find version 'd:prod'"));
    let json = env.art(["alias", "ls", "d", "--json"]).json();
    assert_eq!(
        (&json[0]["alias"], &json[0]["version"], &json[0]["diverged"], &json[0]["targets"]),
        (&json!("best"), &json!("v1"), &json!(false), &json!(["v1"]))
    );
}

#[test]
fn setting_what_is_set_writes_no_record() {
    let env = env();
    env.art(["alias", "set", "d:v0", "best"]).done();
    let before = files(&env.store().join("refs"));
    assert_eq!(env.art(["alias", "set", "d:v0", "best", "best"]).done(), "d:best -> v0 (unchanged)\n");
    assert_eq!(files(&env.store().join("refs")), before);
}

#[test]
fn reserved_and_bad_aliases_are_refused() {
    let env = env();
    for alias in ["latest", "v3", "a b", ""] {
        assert!(env.art(["alias", "set", "d", alias]).failed(2).contains("bad alias"), "{alias}");
    }
    for what in ["d", "d:v0", "d:latest", "d:best~1"] {
        assert!(env.art(["alias", "rm", what]).failed(2).contains("it is not an alias"), "{what}");
    }
    assert_eq!(env.art(["alias", "set", "e", "best"]).code, Some(3));
}

#[test]
fn a_union_of_copies_that_set_it_differently_diverges_until_it_is_set_again() {
    let env = env();
    env.art(["alias", "set", "d:v0", "best"]).done();
    let other = env.project().join("other");
    std::fs::create_dir(&other).unwrap();
    let copy = |from: &str, to: &str| env.run(env.command("cp").args(["-rn", from, to]));
    copy(".artifacts", "other/");
    env.art(["alias", "set", "d:v1", "best"]).done();
    env.art(["-C", "other", "alias", "rm", "d:best"]).done();
    copy("other/.artifacts/refs", ".artifacts/");
    assert!(env.art(["cat", "d:best", "x"]).failed(4).contains("has diverged"));
    assert!(env.art(["alias", "ls"]).done().ends_with("d         best   removed and v1 (diverged)\n"));
    assert_eq!(env.art(["alias", "set", "d:v0", "best"]).done(), "d:best -> v0 (was v1)\n");
    assert_eq!(env.art(["cat", "d:best", "x"]).done(), "0");
}
