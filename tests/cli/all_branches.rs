//! `art ls --all-branches`, and what is said of a version that only another branch has.

use serde_json::{Value, json};

use crate::env::Env;

/// A repo whose `main` has `d:v0`, and two branches from it that have a `d:v1` each.
fn repo() -> Env {
    let env = Env::bare();
    git(&env, &["init", "--quiet", "--initial-branch=main"]);
    env.art(["init"]).done();
    put(&env, "d", "of main");
    commit(&env);
    for branch in ["one", "two"] {
        git(&env, &["switch", "--quiet", "-c", branch, "main"]);
        put(&env, "d", &format!("of {branch}"));
        commit(&env);
    }
    put(&env, "only-two", "more");
    commit(&env);
    git(&env, &["switch", "--quiet", "main"]);
    env
}

#[track_caller]
fn git(env: &Env, args: &[&str]) {
    let ran = env.git(args);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

fn put(env: &Env, artifact: &str, content: &str) {
    env.write("x", content);
    env.art(["put", artifact, "x"]).done();
    std::fs::remove_file(env.project().join("x")).unwrap();
}

fn commit(env: &Env) {
    git(env, &["add", "--all"]);
    git(env, &["commit", "--quiet", "--allow-empty", "-m", "c"]);
}

/// The rows of `ls d --all-branches`: `here`, and who has it.
fn rows(env: &Env) -> Vec<(bool, Value)> {
    let rows = env.art(["ls", "d", "--all-branches", "--json"]).json();
    rows.as_array().unwrap().iter().map(|row| (row["here"].as_bool().unwrap(), row["branches"].clone())).collect()
}

#[test]
fn what_all_branches_have_is_listed_with_who_has_it() {
    let env = repo();
    let ran = env.art(["ls", "--all-branches"]);
    assert_eq!(
        ran.text(),
        "NAME      TYPE     VERSIONS  HERE  BRANCHES\nd         dataset         3     1  main, one, two\n\
         only-two  dataset         1     0  two\n"
    );
    assert!(ran.stderr.starts_with("warning: 3 versions are not in this working tree: `git checkout one -- "), "{}", ran.stderr);
    let json = env.art(["ls", "--all-branches", "--json"]).json();
    assert_eq!(
        json[1],
        json!({ "artifact": "only-two", "type": "dataset", "version_count": 1, "here_count": 0, "here": false, "branches": ["two"], "worktrees": [] })
    );

    assert_eq!(rows(&env), [(true, json!(["main", "one", "two"])), (false, json!(["one"])), (false, json!(["two"]))]);
    let listed = env.art(["ls", "d", "--all-branches", "--json"]).json();
    let id = listed[1]["id"].as_str().unwrap();
    assert_eq!(listed[1]["version"], format!("v1.{}", &id[..4]));
    let shown = env.art(["ls", "d", "--all-branches"]).text();
    let line = shown.lines().nth(2).unwrap();
    assert!(line.starts_with(&format!("v1.{}  {}  no    one ", &id[..4], &id[..8])), "{line}");
    assert!(env.art(["ls", "none", "--all-branches"]).failed(3).contains("cannot find artifact 'none' here or on any branch"));
    // What is merged is here.
    git(&env, &["merge", "--quiet", "one"]);
    assert_eq!(rows(&env), [(true, json!(["main", "one", "two"])), (true, json!(["main", "one"])), (false, json!(["two"]))]);
    assert!(env.art(["ls", "d", "--all-branches"]).text().lines().nth(2).unwrap().starts_with("v1  "));
}

#[test]
fn remote_branches_tags_stashes_detached_heads_and_other_trees_have_versions_too() {
    let env = repo();
    git(&env, &["update-ref", "refs/remotes/origin/one", "one"]);
    git(&env, &["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/one"]);
    git(&env, &["branch", "--quiet", "-D", "one"]);
    git(&env, &["tag", "-a", "-m", "t", "v2.0", "two"]);
    git(&env, &["branch", "--quiet", "-D", "two"]);
    assert_eq!(rows(&env)[1..], [(false, json!(["origin/one"])), (false, json!(["tags/v2.0"]))]);
    put(&env, "d", "stashed");
    git(&env, &["stash", "--quiet", "--include-untracked"]);
    assert_eq!(rows(&env)[3], (false, json!(["stash"])));
    git(&env, &["switch", "--quiet", "--detach"]);
    put(&env, "d", "detached");
    commit(&env);
    assert_eq!(rows(&env)[4], (true, json!(["HEAD"])));
    git(&env, &["switch", "--quiet", "-c", "kept"]);
    assert_eq!(rows(&env)[4], (true, json!(["kept"])));

    git(&env, &["worktree", "add", "--quiet", "--detach", "../tree", "main"]);
    env.write("../tree/y", "of the tree");
    assert_eq!(env.art(["-C", "../tree", "put", "d", "y"]).code, Some(0));
    let listed = env.art(["ls", "d", "--all-branches", "--json"]).json();
    let row = listed.as_array().unwrap().iter().find(|row| row["branches"] == json!([])).unwrap();
    assert_eq!((&row["here"], row["worktrees"].as_array().unwrap().len()), (&json!(false), 1), "{row}");
    assert!(row["worktrees"][0].as_str().unwrap().ends_with("/tree/.artifacts"));
}

#[test]
fn a_version_that_is_deleted_on_a_branch_is_not_listed_as_its() {
    let env = repo();
    git(&env, &["switch", "--quiet", "two"]);
    env.art(["rm", "d:v0"]).done();
    commit(&env);
    assert_eq!(rows(&env)[0], (false, json!(["main", "one"])));
    git(&env, &["switch", "--quiet", "main"]);
    assert_eq!(rows(&env)[0], (true, json!(["main", "one"])));
    // Not committed yet, it is here.
    put(&env, "d", "new");
    let new = rows(&env).into_iter().find(|(_, branches)| *branches == json!([]));
    assert_eq!(new, Some((true, json!([]))));
}

#[test]
fn a_version_of_another_branch_is_told_to_be_there_and_what_is_said_brings_it() {
    let env = repo();
    let listed = env.art(["ls", "d", "--all-branches", "--json"]).json();
    let prefix = &listed[2]["id"].as_str().unwrap()[..12];
    for args in [&["show", &format!("d@{prefix}")][..], &["ls", "only-two:v0"], &["cat", "only-two", "x"], &["get", "only-two"]] {
        let ran = env.art(args);
        let hint = ran.failed(3).lines().last().unwrap();
        assert!(hint.starts_with("hint: 'two' has it: `git checkout two -- "), "{args:?}: {hint}");
    }
    assert!(env.art(["show", "d:v1"]).failed(3).contains("hint: 'one' and 1 more have it: `git checkout one -- "));
    // What nobody has is told as before.
    assert!(env.art(["show", "d:v7"]).failed(3).contains("hint: the newest is `d:v0`"));
    assert!(env.art(["show", "d~1"]).failed(3).contains("hint: the newest is `d:v0`"));

    let stderr = env.art(["get", "only-two"]).failed(3).to_owned();
    let command = stderr.rsplit('`').nth(1).unwrap().to_owned();
    let ran = env.run(env.command("sh").args(["-c", &command]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(env.art(["cat", "only-two", "x"]).done(), "more");
    assert_eq!(env.art(["cat", "d:v1", "x"]).done(), "of two");
    assert_eq!(env.art(["cat", "d:v0", "x"]).done(), "of main");
    env.art(["fsck"]).done();
}

#[test]
fn without_a_repo_there_are_no_branches_and_entries_are_not_listed_of_all() {
    let env = Env::new();
    let stderr = env.art(["ls", "--all-branches"]).failed(1).to_owned();
    assert_eq!(stderr, "error: cannot list branches: there is no git repo round the store\nhint: `art ls` lists what is here\n");
    for args in [&["ls", "d:v0", "--all-branches"][..], &["ls", "d", "x", "--all-branches"]] {
        assert!(env.art(args).failed(2).contains("hint: `art ls NAME --all-branches`"));
    }
    // What git does not commit, only the working tree has.
    let env = Env::bare();
    git(&env, &["init", "--quiet", "--initial-branch=main"]);
    env.art(["init", "--git", "none"]).done();
    put(&env, "d", "1");
    commit(&env);
    assert_eq!(rows(&env), [(true, json!([]))]);
}
