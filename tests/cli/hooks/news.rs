//! What the hooks `post-merge` and `post-checkout` tell.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::{commit, git, hooked, put, run};
use crate::env::{Env, files};

/// A repo with a branch `side` that has two versions and an alias more.
fn two_branches(mode: &str) -> Env {
    let env = hooked(mode);
    git(&env, &["switch", "-q", "-c", "side"]);
    put(&env, ".", "d", "two");
    put(&env, ".", "m", "three");
    env.art(["alias", "set", "d:v1", "best"]).done();
    commit(&env);
    env
}

fn bytes(env: &Env) -> BTreeMap<PathBuf, Vec<u8>> {
    // Readers may note things in local state.
    let synced = files(&env.store()).into_iter().filter(|path| !path.starts_with(env.store().join("local")));
    synced.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn a_switch_tells_what_came_and_what_went() {
    let env = two_branches("split");
    assert_eq!(git(&env, &["switch", "-q", "main"]).stderr, "art: 2 versions not here any more (d:v1, m:v0)\n");
    let came = "art: 2 new versions (m:v0, d:v1); d:best -> v1\n";
    assert_eq!(git(&env, &["switch", "-q", "side"]).stderr, came);
    // Nothing is restored or written.
    let before = bytes(&env);
    git(&env, &["checkout", "-q", "--detach"]);
    git(&env, &["switch", "-q", "-c", "third"]);
    assert_eq!(bytes(&env), before);
    git(&env, &["switch", "-q", "main"]);
    assert_eq!(git(&env, &["switch", "-q", "side"]).stderr, came);
    assert_eq!(bytes(&env), before);
    assert_eq!(git(&env, &["status", "--porcelain"]).text(), "");
}

#[test]
fn where_there_is_no_news_nothing_is_told() {
    let env = two_branches("split");
    env.write("code", "other\n");
    assert_eq!(git(&env, &["checkout", "-q", "main", "--", "code"]).stderr, "");
    assert_eq!(git(&env, &["checkout", "-q", "main", "--", ".artifacts"]).stderr, "");
    assert_eq!(git(&env, &["switch", "-q", "-c", "same"]).stderr, "");
    env.write("code", "other\n");
    commit(&env);
    assert_eq!(git(&env, &["switch", "-q", "side"]).stderr, "");
    assert_eq!(git(&env, &["merge", "-q", "same"]).stderr, "");
    // A run is no version.
    env.art(["run", "start"]).done();
    commit(&env);
    assert_eq!(git(&env, &["switch", "-q", "same"]).stderr, "");
}

#[test]
fn a_merge_tells_what_it_brought_and_a_squashed_one_too() {
    for (args, is_committed) in [(&["merge", "-q", "--no-edit", "side"][..], true), (&["merge", "-q", "--squash", "side"], false)] {
        let env = two_branches("split");
        git(&env, &["switch", "-q", "main"]);
        env.write("more code", "");
        commit(&env);
        let told = git(&env, args).stderr;
        assert!(told.lines().any(|line| line == "art: 2 new versions (m:v0, d:v1); d:best -> v1"), "{told}");
        assert_eq!(git(&env, &["status", "--porcelain"]).text().is_empty(), is_committed);
        git(&env, &["commit", "-q", "--allow-empty", "-m", "x"]);
    }
}

#[test]
fn a_pull_tells_of_what_is_not_whole_and_of_names_that_mean_two() {
    let env = hooked("split");
    git(&env, &["clone", "-q", ".", "../clone"]);
    env.art(["-C", "../clone", "hooks", "install"]).done();
    for dir in [".", "../clone"] {
        put(&env, dir, "d", dir);
        git(&env, &["-C", dir, "add", "-A"]);
        git(&env, &["-C", dir, "commit", "-q", "-m", "x"]);
    }
    let told = git(&env, &["-C", "../clone", "pull", "-q", "--no-rebase", "--no-edit"]).stderr;
    let label = env.art(["rev-parse", "d:v1", "--json"]).json()["id"].as_str().unwrap()[..4].to_owned();
    assert_eq!(told, format!("art: 1 new version (d:v1.{label}); 1 incomplete: `art pull DIR`; 1 ambiguous: `art resolve`\n"));
    assert!(!env.project().join("../clone/.artifacts/packs").join(&label[..2]).exists());
}

#[test]
fn a_rebase_misses_nothing_that_comes_back() {
    let env = two_branches("split");
    git(&env, &["switch", "-q", "main"]);
    put(&env, ".", "n", "four");
    commit(&env);
    git(&env, &["switch", "-q", "side"]);
    let told = git(&env, &["rebase", "main"]).stderr;
    let news: Vec<&str> = told.lines().filter(|line| line.starts_with("art: ")).collect();
    assert_eq!(news, ["art: 1 new version (n:v0)"], "{told}");
    assert_eq!(env.art(["ls", "--json"]).json().as_array().unwrap().len(), 3);
}

#[test]
fn a_deletion_that_comes_is_told() {
    let env = two_branches("split");
    env.art(["rm", "d:v0"]).done();
    commit(&env);
    git(&env, &["switch", "-q", "-c", "other", "main"]);
    assert_eq!(git(&env, &["switch", "-q", "side"]).stderr, "art: 2 new versions (m:v0, d:v1); 1 deleted (d:v0); d:best -> v1\n");
}

#[test]
fn a_new_worktree_tells_of_all_that_it_has() {
    let env = two_branches("all");
    let told = git(&env, &["worktree", "add", "-q", "../linked", "main"]).stderr;
    assert_eq!(told, "art: 1 new version (d:v0)\n");
}

#[test]
fn more_than_a_few_are_counted() {
    let env = hooked("split");
    git(&env, &["switch", "-q", "-c", "side"]);
    for content in 'a'..='f' {
        put(&env, ".", "d", &content.to_string());
    }
    commit(&env);
    git(&env, &["switch", "-q", "main"]);
    assert_eq!(git(&env, &["switch", "-q", "side"]).stderr, "art: 6 new versions (d:v6, d:v5, d:v4, …)\n");
}

#[test]
fn a_store_in_a_subdirectory_is_named() {
    let env = two_branches("split");
    env.art(["init", "sub"]).done();
    put(&env, "sub", "s", "one");
    commit(&env);
    // The store is gone with its branch, and so there is nothing to tell of it.
    assert_eq!(git(&env, &["switch", "-q", "main"]).stderr, "art: 2 versions not here any more (d:v1, m:v0)\n");
    let told = git(&env, &["switch", "-q", "side"]).stderr;
    assert_eq!(told, "art: 2 new versions (m:v0, d:v1); d:best -> v1\nart: 'sub/.artifacts': 1 new version (s:v0)\n");
}

#[test]
fn whatever_is_the_matter_git_goes_on() {
    let env = two_branches("split");
    git(&env, &["switch", "-q", "main"]);
    // A record that cannot be read on the branch.
    git(&env, &["switch", "-q", "side"]);
    let record = files(&env.store().join("refs/d/versions")).pop().unwrap();
    fs::remove_file(&record).unwrap();
    fs::create_dir(&record).unwrap();
    let ran = run(&env, &["checkout", "-q", "-f", "main"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // Without `art`, too.
    assert_eq!((env.git(["switch", "-q", "side"]).code, &env.git(["switch", "-q", "main"]).stderr[..]), (Some(0), ""));
    // And if what the hook calls knows no hooks.
    env.write("../bin/art", "#!/bin/sh\nexit 2\n");
    let art = env.project().join("../bin/art");
    fs::set_permissions(&art, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", art.parent().unwrap().display(), std::env::var("PATH").unwrap());
    for args in [&["switch", "-q", "side"][..], &["commit", "-q", "--allow-empty", "-m", "x"]] {
        let ran = env.run(env.command("git").args(args).env("PATH", &path));
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
}
