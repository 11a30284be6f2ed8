//! `art init`

use std::fs;

use crate::env::Env;

#[test]
fn it_makes_a_store_once_and_says_so() {
    let env = Env::bare();
    assert!(env.art(["init"]).done().starts_with("made the store '"));
    assert!(env.art(["init"]).done().ends_with("/.artifacts' is there already\n"));
    assert_eq!(fs::read_to_string(env.store().join("format")).unwrap(), "artstore 1\n");
    let made = env.art(["init", "new/project", "--json"]).json();
    assert_eq!((&made["created"], &made["in_git"]), (&true.into(), &false.into()));
    assert!(env.project().join("new/project/.artifacts/format").exists());
}

#[test]
fn a_read_only_directory_is_told() {
    let env = Env::bare();
    env.write("file", "");
    let ran = env.art(["init", "file"]);
    assert!(ran.failed(1).contains("a file is in the way"), "{ran:?}");
}

#[test]
fn git_commits_what_the_mode_says_whatever_the_repo_ignores() {
    for (mode, ignored) in [("split", [true, false, false]), ("all", [false, false, false]), ("none", [true, true, true])] {
        let env = Env::bare();
        env.git(["init", "-q"]);
        env.write(".gitignore", "*.bin\ncache/\npacks\nv*\n");
        env.art(["init", "--git", mode]).done();
        let paths = [".artifacts/packs/ab/x.bin", ".artifacts/meta/ab/x.bin", ".artifacts/refs/cache/versions/0.0123456789abcdef"];
        for (path, ignored) in paths.iter().zip(ignored) {
            let code = env.git(["check-ignore", "-q", "--no-index", path]).code;
            assert_eq!(code, Some(if ignored { 0 } else { 1 }), "{mode} {path}");
        }
        for path in [".artifacts/local/x/lock", ".artifacts/quarantine/x"] {
            assert_eq!(env.git(["check-ignore", "-q", "--no-index", path]).code, Some(0), "{mode} {path}");
        }
    }
}

#[test]
fn git_changes_no_byte_whatever_the_repo_sets() {
    let env = Env::bare();
    env.git(["init", "-q"]);
    env.write(".gitattributes", "* text=auto eol=crlf\n* filter=lfs diff=lfs merge=lfs -text\n* working-tree-encoding=UTF-16 ident\n");
    env.art(["init"]).done();
    let attributes = env.git(["check-attr", "-a", ".artifacts/meta/ab/x"]).text();
    for attribute in ["text: unset", "filter: unset", "merge: unset", "ident: unset", "delta: unset", "diff: unset"] {
        assert!(attributes.contains(attribute), "{attribute}: {attributes}");
    }
    assert!(!attributes.contains("working-tree-encoding"), "{attributes}");
    assert!(env.git(["check-attr", "diff", ".artifacts/refs/d/versions/0.x"]).text().ends_with("diff: set\n"));

    env.write("x", "1");
    env.art(["put", "d", "x"]).done();
    assert_eq!(env.git(["add", ".artifacts"]).code, Some(0));
    assert_eq!(env.git(["commit", "-qm", "x"]).code, Some(0));
    assert_eq!(env.git(["clone", "-q", ".", "clone"]).code, Some(0));
    // The clone has records and meta packs: it lists and shows, and misses the data.
    let in_clone = |args: &[&str]| env.art(["-C", "clone"].iter().chain(args));
    assert_eq!(in_clone(&["rev-parse", "d"]).done(), env.art(["rev-parse", "d"]).done());
    assert!(in_clone(&["ls", "d:v0"]).done().ends_with("x\n"));
    let fsck = in_clone(&["fsck", "--json"]);
    assert_eq!((fsck.code, &fsck.json()["versions"][0]["state"]), (Some(5), &"incomplete".into()));
    assert!(in_clone(&["cat", "d", "x"]).failed(5).contains("is not in this copy of the store"));
}

#[test]
fn a_repo_that_ignores_the_whole_store_is_warned_of() {
    let env = Env::bare();
    env.git(["init", "-q"]);
    env.write(".gitignore", ".artifacts/\n");
    let ran = env.art(["init"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stderr.starts_with("warning: a rule of this git repo ignores the store"), "{ran:?}");
    env.art(["init", "--git=none"]).done();
}

#[test]
fn versions_record_the_state_of_the_repo() {
    let env = Env::bare();
    env.git(["init", "-q", "-b", "main"]);
    env.art(["init"]).done();
    env.write("x", "1");
    env.write("code", "1");
    let git = |env: &Env| env.art(["put", "d", "x", "--json"]).json()["git"].clone();
    assert_eq!(git(&env), serde_json::json!({ "commit": null, "branch": "main", "dirty": false }));
    env.git(["add", "code"]);
    env.git(["commit", "-qm", "code"]);
    let head = env.git(["rev-parse", "HEAD"]).text().trim().to_owned();
    env.write("x", "2");
    assert_eq!(git(&env), serde_json::json!({ "commit": head, "branch": "main", "dirty": false }));
    env.git(["add", ".artifacts"]);
    env.write("x", "3");
    assert_eq!(git(&env)["dirty"], false, "what changes in the store does not count");
    env.write("code", "2");
    env.write("x", "4");
    assert_eq!(git(&env)["dirty"], true);
}

#[test]
fn lines_that_are_gone_from_the_exclude_file_of_the_repo_are_written_again() {
    let env = Env::bare();
    env.git(["init", "-q"]);
    env.art(["init"]).done();
    let exclude = env.project().join(".git/info/exclude");
    let lines = fs::read_to_string(&exclude).unwrap();
    fs::write(&exclude, "mine\n").unwrap();
    env.art(["init"]).done();
    let again = fs::read_to_string(&exclude).unwrap();
    let ours = |text: &str| text.lines().filter(|line| line.contains(".artifacts")).map(str::to_owned).collect::<Vec<_>>();
    assert!(again.starts_with("mine\n") && ours(&again) == ours(&lines), "{again}");
    env.art(["init"]).done();
    assert_eq!(fs::read_to_string(&exclude).unwrap(), again);
}
