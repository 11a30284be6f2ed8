//! `art resolve`

use serde_json::{Value, json};

use crate::env::Env;

/// A store, and a copy in `other`, each of which has stored a `d:v1` and set `d:best` for itself, merged both
/// ways.
fn merged() -> Env {
    let env = Env::new();
    env.write("x", "0");
    env.art(["put", "d", "x"]).done();
    copy(&env, ".artifacts", "other/");
    for (dir, content) in [(".", "here"), ("other", "there")] {
        env.write(&format!("{dir}/y"), content);
        env.art(["-C", dir, "put", "d", "y", "--alias", "best", "-m", content]).done();
    }
    merge(&env);
    env
}

fn copy(env: &Env, from: &str, to: &str) {
    std::fs::create_dir_all(env.project().join("other")).unwrap();
    let ran = env.run(env.command("cp").args(["-rn", from, to]));
    assert_eq!(ran.code, Some(0));
}

fn merge(env: &Env) {
    for part in ["refs", "packs", "meta"] {
        copy(env, &format!("other/.artifacts/{part}"), ".artifacts/");
        copy(env, &format!(".artifacts/{part}"), "other/.artifacts/");
    }
}

/// The versions that share the number 1: label, content of `y`.
fn rivals(env: &Env) -> Vec<(String, String)> {
    let list = env.art(["resolve", "d:v1", "--json"]).json();
    let labels = list[0]["candidates"].as_array().unwrap().iter().map(|one| one["version"].as_str().unwrap().to_owned());
    labels.map(|label| (label.clone(), env.art(["cat", &format!("d:{label}"), "y"]).done())).collect()
}

#[test]
fn what_has_diverged_is_listed() {
    let env = merged();
    let list = env.art(["resolve", "--json"]).json();
    let names: Vec<(&Value, &Value)> = list.as_array().unwrap().iter().map(|one| (&one["kind"], &one["name"])).collect();
    assert_eq!(names, [(&json!("number"), &json!("v1")), (&json!("alias"), &json!("best"))]);
    assert_eq!(list[0]["candidates"].as_array().unwrap().len(), 2);
    let told = env.art(["resolve"]).done();
    assert!(told.starts_with("d:v1 stands for 2 versions that differ\n  v1."), "{told}");
    assert!(told.contains("\n  settle it with `art resolve d:v1 ") && told.contains("  1 file, "), "{told}");
    assert!(told.contains("d:best stands for 2 versions") && told.contains("`art alias set d:VERSION best`"), "{told}");
    assert_eq!(env.art(["resolve"]).done(), env.art(["-C", "other", "resolve"]).done());
    assert!(env.art(["cat", "d:v1", "y"]).failed(4).contains("`art resolve d` tells how"));
    env.write("z", "");
    env.art(["put", "e", "z"]).done();
    assert_eq!(env.art(["resolve", "e"]).done(), "nothing has diverged\n");
}

#[test]
fn a_claim_gives_the_number_to_one_and_the_other_stays() {
    let env = merged();
    let [(first, first_content), (second, second_content)] = &rivals(&env)[..] else { panic!("two") };
    let digits = |label: &str| label.split_once('.').unwrap().1.to_owned();
    let told = env.art(["resolve", "d:v1", &digits(second)]).done();
    assert_eq!(told, format!("d:v1 -> {second} (beside it: {first})\n"));
    assert_eq!(&env.art(["cat", "d:v1", "y"]).done(), second_content);
    assert_eq!(&env.art(["cat", "d", "y"]).done(), second_content);
    assert_eq!(&env.art(["cat", &format!("d:{first}"), "y"]).done(), first_content);
    assert!(env.art(["resolve", "d:v1", &digits(second)]).done().ends_with("(unchanged)\n"));
    // It can go to the other, named as a ref too, and every copy agrees.
    env.art(["resolve", &format!("d:{first}")]).done();
    merge(&env);
    for dir in [".", "other"] {
        assert_eq!(&env.art(["-C", dir, "cat", "d:v1", "y"]).done(), first_content);
    }
    assert!(env.art(["log", "d"]).done().contains("given its number"));
    env.art(["fsck"]).done();
}

#[test]
fn claims_that_diverged_are_settled_by_the_next_one_and_by_a_put() {
    let contents = |env: &Env| rivals(env).into_iter().collect::<Vec<_>>();
    for by_put in [false, true] {
        let env = merged();
        let rivals = contents(&env);
        env.art(["resolve", &format!("d:{}", rivals[0].0)]).done();
        env.art(["-C", "other", "resolve", &format!("d:{}", rivals[1].0)]).done();
        merge(&env);
        env.art(["cat", "d:v1", "y"]).failed(4);
        if by_put {
            env.write("y", &rivals[1].1);
            assert!(env.art(["put", "d", "y"]).done().starts_with("unchanged: d:v1 "));
        } else {
            env.art(["resolve", &format!("d:{}", rivals[1].0)]).done();
        }
        merge(&env);
        for dir in [".", "other"] {
            assert_eq!(env.art(["-C", dir, "cat", "d:v1", "y"]).done(), rivals[1].1, "by_put {by_put}");
        }
    }
}

#[test]
fn a_preference_settles_numbers_and_aliases_alike_in_every_copy() {
    let env = merged();
    env.art(["-C", "other", "resolve", "--prefer", "oldest"]).done();
    let told = env.art(["resolve", "d", "--prefer", "oldest", "--json"]).json();
    let settled: Vec<(&Value, &Value)> = told.as_array().unwrap().iter().map(|one| (&one["name"], &one["version"])).collect();
    assert_eq!(settled, [(&json!("v1"), &json!("v1")), (&json!("best"), &json!("v1"))]);
    merge(&env);
    for dir in [".", "other"] {
        // What was put here first.
        assert_eq!(env.art(["-C", dir, "cat", "d:best", "y"]).done(), "here");
        assert_eq!(env.art(["-C", dir, "resolve"]).done(), "nothing has diverged\n");
    }
    assert_eq!(env.art(["resolve", "--prefer", "newest"]).done(), "nothing has diverged\n");
    env.art(["-C", "other", "alias", "rm", "d:best"]).done();
    env.art(["alias", "set", "d:v0", "best"]).done();
    merge(&env);
    assert!(env.art(["resolve", "d:best"]).done().contains("none: it was removed"));
    // A version is preferred to a removal.
    assert_eq!(env.art(["resolve", "d:best", "--prefer", "newest"]).done(), "d:best -> v0\n");
}

#[test]
fn what_cannot_be_settled_is_told() {
    let env = merged();
    assert!(env.art(["resolve", "d:v0", "1a2b"]).failed(1).contains("'d:v0' has not diverged"));
    assert!(env.art(["resolve", "d:v1", "zz"]).failed(3).contains("there are v1."));
    assert!(env.art(["resolve", "d:v7", "1a2b"]).failed(3).contains("cannot find version 'd:v7'"));
    assert!(env.art(["resolve", "d:best", "1a2b"]).failed(2).contains("`art alias set d:VERSION best`"));
    assert!(env.art(["resolve", "d", "1a2b"]).failed(2).contains("such as `d:v3`"));
    assert!(env.art(["resolve", "d@12345678"]).failed(2).contains("name an artifact, a number"));
    assert!(env.art(["resolve", "f"]).failed(3).contains("cannot find artifact 'f'"));
    let label = rivals(&env)[0].0.clone();
    env.art(["rm", &format!("d:{label}"), "--force-aliases"]).done();
    assert!(env.art(["resolve", &format!("d:{label}")]).failed(1).contains("is deleted"));
    // The one that is left has the number.
    assert_eq!(env.art(["resolve", "d:v1"]).done(), "nothing has diverged\n");
}
