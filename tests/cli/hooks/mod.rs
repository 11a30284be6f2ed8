//! `art hooks`: where the scripts go, and what they do when git runs them.

mod commit;
mod news;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::env::{Env, Ran};

/// A project in a git repo with a store, all of it committed, and the hooks.
fn hooked(mode: &str) -> Env {
    let env = Env::bare();
    git(&env, &["init", "-q", "-b", "main"]);
    env.write("code", "code\n");
    env.art(["init", "--git", mode]).done();
    env.art(["hooks", "install"]).done();
    put(&env, ".", "d", "one");
    commit(&env);
    env
}

/// Stores a version in the store of a directory.
fn put(env: &Env, dir: &str, name: &str, content: &str) {
    env.write("../data/file", content);
    assert_eq!(env.art(["-C", dir, "put", name, env.project().join("../data").to_str().unwrap()]).code, Some(0));
}

/// Runs git, which finds `art`.
fn run(env: &Env, args: &[&str]) -> Ran {
    env.run(env.finding_art(env.command("git").args(args)))
}

#[track_caller]
fn git(env: &Env, args: &[&str]) -> Ran {
    let ran = run(env, args);
    assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
    ran
}

fn commit(env: &Env) {
    git(env, &["add", "-A"]);
    git(env, &["commit", "-q", "--allow-empty", "-m", "all"]);
}

/// What lies in the hooks' places: the directory, and a state each.
fn states(env: &Env, dir: &str) -> (String, Vec<String>) {
    let told = env.art(["-C", dir, "hooks", "status", "--json"]).json();
    let states = told["hooks"].as_array().unwrap().iter().map(|hook| hook["state"].as_str().unwrap().to_owned());
    (told["path"].as_str().unwrap().to_owned(), states.collect())
}

fn repo() -> Env {
    let env = Env::bare();
    git(&env, &["init", "-q", "-b", "main"]);
    env
}

#[test]
fn they_are_written_once_and_taken_away() {
    let env = repo();
    let project = fs::canonicalize(env.project()).unwrap();
    let dir = project.join(".git/hooks");
    assert_eq!(states(&env, ".").1, ["missing", "missing", "missing"]);
    let told = env.art(["hooks", "install"]).done();
    let expected =
        format!("hooks in '{}':\n  pre-commit     installed\n  post-merge     installed\n  post-checkout  installed\n", dir.display());
    assert_eq!(told, expected);
    assert_eq!(env.art(["hooks", "status"]).done(), expected);
    let script = fs::read_to_string(dir.join("pre-commit")).unwrap();
    assert!(script.starts_with("#!/bin/sh\n# Written by `art hooks install`"), "{script}");
    assert!(script.lines().count() <= 5);

    // One that git would not run is mended, and the others stay as they are.
    fs::set_permissions(dir.join("post-merge"), fs::Permissions::from_mode(0o644)).unwrap();
    let again = env.art(["hooks", "install", "--json"]).json();
    let changed: Vec<&Value> = again["hooks"].as_array().unwrap().iter().map(|hook| &hook["changed"]).collect();
    assert_eq!(changed, [&json!(false), &json!(true), &json!(false)]);
    assert_eq!((&again["path"], &again["hooks"][0]["hook"]), (&json!(dir), &json!("pre-commit")));

    assert!(env.art(["hooks", "uninstall"]).done().contains("\n  post-merge     removed\n"));
    assert!(env.art(["hooks", "uninstall"]).done().contains("\n  post-merge     not installed\n"));
    assert_eq!(states(&env, ".").1, ["missing", "missing", "missing"]);
}

#[test]
fn hooks_of_others_stay_and_can_call_ours() {
    let env = repo();
    let hook = env.project().join(".git/hooks/pre-commit");
    fs::write(&hook, "#!/bin/sh\necho theirs >&2\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("nowhere", env.project().join(".git/hooks/post-merge")).unwrap();
    let ran = env.art(["hooks", "install"]);
    assert_eq!((ran.code, &ran.stderr[..]), (Some(1), ""));
    let text = ran.text();
    let (head, lines) = text.split_once("nothing is overwritten; to run both, add to the other hook:\n").unwrap();
    assert!(
        head.ends_with("  pre-commit     another program's\n  post-merge     another program's\n  post-checkout  installed\n"),
        "{head}"
    );
    assert_eq!(fs::read_to_string(&hook).unwrap(), "#!/bin/sh\necho theirs >&2\n");

    let line = lines.lines().next().unwrap().strip_prefix("  pre-commit: ").unwrap();
    fs::write(&hook, format!("#!/bin/sh\n{line}\necho theirs >&2\n")).unwrap();
    assert_eq!(states(&env, ".").1, ["called", "other", "installed"]);
    fs::remove_file(env.project().join(".git/hooks/post-merge")).unwrap();
    env.art(["hooks", "install"]).done();
    env.art(["init"]).done();
    put(&env, ".", "d", "one");
    git(&env, &["add", ".artifacts/refs"]);
    let refused = run(&env, &["commit", "-q", "-m", "x"]);
    assert!(refused.failed(1).starts_with("error: cannot commit: "), "{refused:?}");
    git(&env, &["add", ".artifacts"]);
    assert_eq!(git(&env, &["commit", "-q", "-m", "x"]).stderr, "theirs\n");
    // Without `art` theirs runs alone.
    put(&env, ".", "d", "two");
    git(&env, &["add", ".artifacts/refs"]);
    assert_eq!(env.git(["commit", "-q", "-m", "x"]).stderr, "theirs\n");

    env.art(["hooks", "uninstall"]).done();
    assert_eq!(states(&env, ".").1, ["called", "missing", "missing"]);
}

#[test]
fn one_that_was_changed_stays() {
    let env = repo();
    env.art(["hooks", "install"]).done();
    let hook = env.project().join(".git/hooks/post-merge");
    fs::write(&hook, fs::read_to_string(&hook).unwrap() + "echo mine\n").unwrap();
    for command in ["install", "uninstall"] {
        let ran = env.art(["hooks", command]);
        assert_eq!(ran.code, Some(1));
        assert!(ran.text().ends_with("one that was changed since it was written stays: remove it by hand, and install again\n"), "{ran:?}");
    }
    assert_eq!(states(&env, ".").1, ["missing", "changed", "missing"]);
    assert!(fs::read_to_string(&hook).unwrap().ends_with("echo mine\n"));
}

#[test]
fn the_directory_is_the_one_that_git_looks_into() {
    let env = repo();
    let project = fs::canonicalize(env.project()).unwrap();
    env.write("a/b/file", "");
    // Relative to the top, wherever it is asked from.
    git(&env, &["config", "core.hooksPath", ".githooks/of git"]);
    env.art(["-C", "a/b", "hooks", "install"]).done();
    assert_eq!(states(&env, "a").0, project.join(".githooks/of git").to_str().unwrap());
    assert!(env.project().join(".githooks/of git/pre-commit").exists() && !env.project().join(".git/hooks/pre-commit").exists());
    env.art(["init", "a"]).done();
    put(&env, "a", "d", "one");
    git(&env, &["add", "a/.artifacts/refs"]);
    assert!(run(&env, &["-C", "a/b", "commit", "-m", "x"]).failed(1).contains("'a/.artifacts/meta/"));

    git(&env, &["config", "core.hooksPath", "~/hooks"]);
    env.art(["hooks", "install"]).done();
    assert!(env.project().join("../home/hooks/pre-commit").exists());
    git(&env, &["config", "core.hooksPath", "/dev/null"]);
    assert!(env.art(["hooks", "install"]).failed(1).contains("'/dev/null'"));
    assert_eq!(states(&env, ".").1, ["missing", "missing", "missing"]);
}

#[test]
fn worktrees_share_them_and_each_is_checked_for_itself() {
    let env = hooked("split");
    env.art(["hooks", "uninstall"]).done();
    git(&env, &["worktree", "add", "-q", "../linked"]);
    env.art(["-C", "../linked", "hooks", "install"]).done();
    assert_eq!(states(&env, ".").1, ["installed", "installed", "installed"]);
    assert_eq!(states(&env, ".").0, states(&env, "../linked").0);
    put(&env, "../linked", "d", "two");
    git(&env, &["-C", "../linked", "add", ".artifacts/refs"]);
    // The main working tree has nothing staged.
    git(&env, &["commit", "-q", "--allow-empty", "-m", "x"]);
    let refused = run(&env, &["-C", "../linked", "commit", "-q", "-m", "x"]);
    assert!(refused.failed(1).contains("packs of it are not: '.artifacts/meta/"), "{refused:?}");
    git(&env, &["-C", "../linked", "add", "-A"]);
    git(&env, &["-C", "../linked", "commit", "-q", "-m", "x"]);
    assert_eq!(git(&env, &["merge", "-q", "-m", "x", "linked"]).stderr.lines().count(), 1);
}

#[test]
fn a_submodule_has_hooks_of_its_own() {
    let env = hooked("split");
    git(&env, &["init", "-q", "-b", "main", "../other"]);
    git(&env, &["-C", "../other", "commit", "-q", "--allow-empty", "-m", "x"]);
    git(&env, &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../other", "sub"]);
    git(&env, &["commit", "-q", "-m", "a submodule"]);
    let project = fs::canonicalize(env.project()).unwrap();
    env.art(["init", "sub"]).done();
    env.art(["-C", "sub", "hooks", "install"]).done();
    assert_eq!(states(&env, "sub").0, project.join(".git/modules/sub/hooks").to_str().unwrap());
    put(&env, "sub", "s", "one");
    git(&env, &["-C", "sub", "add", ".artifacts/refs"]);
    assert!(run(&env, &["-C", "sub", "commit", "-m", "x"]).failed(1).contains("'s:v0'"));
    // The project's own commits have nothing to do with it.
    git(&env, &["commit", "-q", "--allow-empty", "-m", "x"]);
    git(&env, &["-C", "sub", "add", "-A"]);
    git(&env, &["-C", "sub", "commit", "-q", "-m", "x"]);
    commit(&env);
}

#[test]
fn a_repo_that_only_variables_name_is_checked_too() {
    let env = Env::bare();
    git(&env, &["init", "-q", "--bare", "../bare"]);
    let bare = fs::canonicalize(env.project().join("../bare")).unwrap();
    let named = |args: &[&str]| {
        let mut command = env.command("git");
        env.run(env.finding_art(command.args(args).env("GIT_DIR", &bare).env("GIT_WORK_TREE", env.project())))
    };
    let install = |env: &Env| {
        env.run(env.command(env!("CARGO_BIN_EXE_art")).args(["hooks", "install"]).env("GIT_DIR", &bare).env("GIT_WORK_TREE", "."))
    };
    assert_eq!(install(&env).code, Some(0));
    assert!(Path::new(&bare).join("hooks/pre-commit").exists());
    env.art(["init"]).done();
    put(&env, ".", "d", "one");
    named(&["add", ".artifacts/refs"]);
    assert!(named(&["commit", "-q", "-m", "x"]).failed(1).contains("'d:v0'"));
    named(&["add", ".artifacts/meta"]);
    assert_eq!(named(&["commit", "-q", "-m", "x"]).code, Some(0));
}

#[test]
fn outside_of_a_repo_there_is_none() {
    let env = Env::bare();
    let error = env.art(["hooks", "install"]);
    assert!(error.failed(3).starts_with("error: cannot find the working tree of a git repo at '"), "{error:?}");
    assert!(env.art(["hooks", "run", "post-rewrite"]).failed(2).contains("there is no hook 'post-rewrite'"));
}
