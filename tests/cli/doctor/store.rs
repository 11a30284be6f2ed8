//! What stands in the store itself.

use std::fs;
use std::path::PathBuf;

use super::{committed, findings, git, kinds, mends, mends_in, put};
use crate::env::{Env, files};

/// A store with a version, and a whole copy of it in `other`.
fn copied() -> Env {
    let env = Env::new();
    put(&env, "one");
    env.copy(".artifacts", "other/");
    env
}

fn file(env: &Env, dir: &str) -> PathBuf {
    files(&env.store().join(dir)).into_iter().find(|path| !path.to_str().unwrap().contains("/.git")).unwrap()
}

#[test]
fn versions_whose_data_is_elsewhere_are_named() {
    let env = committed("split");
    git(&env, &["clone", "-q", ".", "clone"]);
    let told = mends_in(&env, "clone", "incomplete-versions", "..");
    assert_eq!((&told["message"], &told["mend"]), (&"data of 1 version not here: d:v0".into(), &"art pull DIR".into()));
    assert_eq!(kinds(&env, "clone"), [""; 0]);

    let env = copied();
    fs::remove_file(file(&env, "meta")).unwrap();
    let told = mends(&env, "incomplete-versions", "other");
    assert_eq!(told["message"], "packs of 1 version not here: d:v0");
}

#[test]
fn packs_that_git_has_come_back_from_its_history() {
    let env = committed("all");
    git(&env, &["rm", "-q", "-r", ".artifacts/packs", ".artifacts/meta"]);
    git(&env, &["commit", "-q", "-m", "a mistake"]);
    mends(&env, "incomplete-versions", "nowhere");
    env.art(["fsck", "--deep"]).done();
}

#[test]
fn what_git_clean_took_is_put_back() {
    let env = committed("split");
    put(&env, "two");
    git(&env, &["clean", "-q", "-fdx"]);
    let told = mends(&env, "removed-files", "");
    assert!(told["message"].as_str().unwrap().starts_with("2 files gone from the store, as after `git clean`, and kept: "), "{told}");
    assert_eq!(kinds(&env, "."), ["uncommitted-files"]);
}

#[test]
fn a_store_of_which_git_clean_left_the_guarded_folder_is_put_back() {
    let env = Env::bare();
    git(&env, &["init", "-q"]);
    env.art(["init"]).done();
    put(&env, "one");
    git(&env, &["clean", "-q", "-fdx"]);
    assert!(!env.store().join("format").exists());
    mends(&env, "unopened", "");
    env.art(["cat", "d", "file"]).done();
}

#[test]
fn a_store_of_another_format_is_told_and_nothing_mends_it() {
    let env = Env::new();
    fs::remove_file(env.store().join("format")).unwrap();
    env.write(".artifacts/format", "artstore 2\n");
    let found = findings(&env, ".");
    assert_eq!((found.len(), &found[0]["kind"], &found[0]["mend"]), (1, &"unopened".into(), &serde_json::Value::Null));
    assert!(found[0]["message"].as_str().unwrap().contains("newer than this program"), "{found:?}");
}

#[test]
fn damage_is_told_and_mended_from_another_copy() {
    type Harm = fn(&mut Vec<u8>);
    let damage: [(&str, &str, Harm); 3] = [
        ("damage", "refs", |bytes| bytes[20] ^= 1),
        ("damage", "meta", |bytes| {
            let at = bytes.len() - 200;
            bytes[at] ^= 1;
        }),
        ("packs-not-arrived", "packs", |bytes| bytes.truncate(100)),
    ];
    for (kind, dir, harm) in damage {
        let env = copied();
        let path = file(&env, dir);
        let mut bytes = fs::read(&path).unwrap();
        harm(&mut bytes);
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        mends(&env, kind, "other");
        env.art(["fsck", "--deep"]).done();
    }
}

#[test]
fn in_a_repo_damage_is_mended_from_its_history_first() {
    let env = committed("all");
    let path = file(&env, "refs");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "no record").unwrap();
    mends(&env, "damage", "nowhere");
    env.art(["fsck", "--deep"]).done();
}

#[test]
fn an_alias_without_its_version_is_mended_from_another_copy() {
    let env = Env::new();
    put(&env, "one");
    env.art(["alias", "set", "d:v0", "best"]).done();
    env.copy(".artifacts", "other/");
    fs::remove_dir_all(env.store().join("refs/d/versions")).unwrap();
    mends(&env, "lost-alias", "other");
    assert_eq!(env.art(["cat", "d:best", "file"]).done(), "one");
}

#[test]
fn names_that_diverged_are_settled() {
    let env = copied();
    for (dir, content) in [(".", "here"), ("other", "there")] {
        env.write(&format!("{dir}/y"), content);
        env.art(["-C", dir, "put", "d", "y", "--alias", "best"]).done();
    }
    for part in ["refs", "packs", "meta"] {
        env.copy(&format!("other/.artifacts/{part}"), ".artifacts/");
    }
    assert_eq!(kinds(&env, "."), ["ambiguous-version", "diverged-alias"]);
    mends(&env, "ambiguous-version", "");
    mends(&env, "diverged-alias", "");
    assert_eq!(env.art(["cat", "d:v1", "y"]).done() + &env.art(["cat", "d:best", "y"]).done(), "therethere", "the newest");
}

#[test]
fn a_contested_deletion_is_advice() {
    let env = copied();
    put(&env, "two");
    env.copy(".artifacts", "other/");
    env.copy(".artifacts/refs", "other/.artifacts/");
    env.art(["rm", "d:v0"]).done();
    env.art(["-C", "other", "alias", "set", "d:v0", "best"]).done();
    env.copy("other/.artifacts/refs", ".artifacts/");
    assert_eq!(kinds(&env, "."), ["contested-deletion"]);
    assert_eq!(mends(&env, "contested-deletion", "")["severity"], "advice");
}

#[test]
fn strangers_are_counted_and_moved_out() {
    let env = copied();
    let record = file(&env, "refs");
    let name = format!("{} (conflicted copy)", record.file_name().unwrap().to_str().unwrap());
    fs::copy(&record, record.with_file_name(&name)).unwrap();
    env.write(".artifacts/desktop\u{1b}.ini", "");
    let told = mends(&env, "strangers", "other");
    assert_eq!(told["severity"], "advice");
    assert!(told["message"].as_str().unwrap().starts_with("2 files no part of a store, "), "{told}");
    assert!(env.project().join("other").join(name).exists());
}

#[test]
fn local_state_of_another_copy_is_told_and_swept() {
    let env = copied();
    assert_eq!(mends_in(&env, "other", "copied-local-state", "")["mend"], "art init");
    env.copy(".artifacts/local", "other/.artifacts/");
    let told = mends_in(&env, "other", "copied-local-state", "");
    assert!(told["mend"].as_str().unwrap().starts_with("rm -r -- .artifacts/local/l"), "{told}");
    assert_eq!(kinds(&env, "other"), [""; 0]);
    env.art(["-C", "other", "cat", "d", "file"]).done();
}

#[test]
fn a_repo_of_its_own_round_each_store_is_asked() {
    let env = committed("split");
    git(&env, &["init", "-q", "sub"]);
    env.art(["init", "sub"]).done();
    env.write("sub/.gitignore", ".artifacts\n");
    assert_eq!(kinds(&env, "."), [""; 0]);
    mends_in(&env, "sub", "ignored-files", "");
}
