//! What the hook `pre-commit` refuses, and what it lets pass.

use std::fs;

use super::{commit, git, hooked, put, run};
use crate::env::{Env, Ran, files};

#[track_caller]
fn refused(ran: &Ran) -> &str {
    let error = ran.failed(1);
    assert!(error.starts_with("error: cannot commit: ") && error.contains("hint: "), "{error}");
    error
}

fn commit_staged(env: &Env) -> Ran {
    run(env, &["commit", "-q", "-m", "x"])
}

#[test]
fn a_version_without_its_packs_is_refused() {
    let env = hooked("split");
    put(&env, ".", "d", "two");
    git(&env, &["add", ".artifacts/refs"]);
    let ran = commit_staged(&env);
    let error = refused(&ran);
    let expected = "error: cannot commit: 'd:v1' is staged or committed, and packs of it are not: '.artifacts/meta/";
    assert!(error.starts_with(expected), "{error}");
    assert!(error.ends_with("hint: run `git add :/.artifacts`; `git commit --no-verify` commits all the same\n"), "{error}");
    git(&env, &["add", ".artifacts/meta"]);
    assert_eq!(commit_staged(&env).stderr, "");
}

#[test]
fn data_packs_count_where_they_are_committed() {
    for mode in ["split", "all"] {
        let env = hooked(mode);
        put(&env, ".", "d", "two");
        git(&env, &["add", ".artifacts/refs", ".artifacts/meta"]);
        let ran = commit_staged(&env);
        if mode == "all" {
            assert!(refused(&ran).contains("'.artifacts/packs/"), "{ran:?}");
            git(&env, &["add", ".artifacts"]);
            assert_eq!(commit_staged(&env).code, Some(0));
        }
        assert_eq!(run(&env, &["diff", "--cached", "--quiet"]).code, Some(0), "{mode} {ran:?}");
    }
}

#[test]
fn a_version_that_rests_on_packs_of_an_older_one_is_refused_without_them() {
    let env = hooked("all");
    env.write("../big/file", (0..60_000).map(|n| format!("{n}\n")).collect::<String>());
    env.art(["put", "big", "../big"]).done();
    env.write("../big/more", "more");
    env.art(["put", "big", "../big"]).done();
    // The newest pack of each, and not the one that has the file.
    let old: Vec<String> =
        git(&env, &["ls-files", "--others", "--exclude-standard", ".artifacts/packs"]).text().lines().map(str::to_owned).collect();
    assert_eq!(old.len(), 2);
    let size = |path: &String| fs::metadata(env.project().join(path)).unwrap().len();
    let large = old.iter().max_by_key(|path| size(path)).unwrap();
    git(&env, &["add", ".artifacts"]);
    git(&env, &["reset", "-q", "--", large, ".artifacts/refs/big/versions"]);
    let record = files(&env.store().join("refs/big/versions")).pop().unwrap();
    git(&env, &["add", record.to_str().unwrap()]);
    let ran = commit_staged(&env);
    assert!(refused(&ran).contains(&format!("'big:v1' is staged or committed, and packs of it are not: '{large}'")), "{ran:?}");
    commit(&env);
}

#[test]
fn a_commit_of_some_paths_is_checked_by_its_own_index() {
    let env = hooked("split");
    put(&env, ".", "d", "two");
    git(&env, &["add", ".artifacts"]);
    // All is staged, and the commit takes the records alone.
    let ran = run(&env, &["commit", "-q", "-m", "x", "--", ".artifacts/refs"]);
    assert!(refused(&ran).contains("'d:v1'"), "{ran:?}");
    git(&env, &["commit", "-q", "-m", "x", "--", ".artifacts"]);
    // And this one takes what is not staged.
    put(&env, ".", "d", "three");
    git(&env, &["add", "--intent-to-add", ".artifacts/refs"]);
    assert!(refused(&run(&env, &["commit", "-q", "-a", "-m", "x"])).contains("'d:v2'"));
}

#[test]
fn what_is_said_of_a_version_goes_with_it() {
    let env = hooked("split");
    put(&env, ".", "d", "two");
    env.art(["alias", "set", "d:v1", "best"]).done();
    git(&env, &["add", ".artifacts/refs/d/aliases"]);
    let ran = commit_staged(&env);
    assert!(
        refused(&ran).contains("alias 'd:best' is staged, and the version that it names is not: '.artifacts/refs/d/versions/1."),
        "{ran:?}"
    );
    git(&env, &["reset", "-q"]);
    env.art(["tag", "add", "d:v1", "good"]).done();
    git(&env, &["add", ".artifacts/refs/d/edits"]);
    // One reason is the error, others are told before it.
    let ran = commit_staged(&env);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.starts_with("warning: cannot commit: an edit of artifact 'd' is staged, "), "{ran:?}");
    commit(&env);
}

#[test]
fn files_that_git_ignores_are_told_with_the_rule() {
    let env = hooked("split");
    put(&env, ".", "d", "two");
    env.write(".artifacts/.gitignore", "!*\n/local/\n/packs/\n/meta/\n");
    git(&env, &["add", ".artifacts"]);
    let ran = commit_staged(&env);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("'d:v1'"), "{ran:?}");
    assert!(ran.stderr.contains("error: cannot commit: git ignores files of the store that are to be committed, such as "), "{ran:?}");
    assert!(ran.stderr.contains(": '/meta/' in '.artifacts/.gitignore', line 4\nhint: `art doctor` tells how"), "{ran:?}");
    // A rule that does no harm yet will.
    env.art(["init", "--git=split"]).done();
    env.write(".artifacts/runs/.gitignore", "*\n");
    git(&env, &["add", ".artifacts"]);
    assert!(refused(&commit_staged(&env)).contains("'*' in '.artifacts/runs/.gitignore', line 1"));
}

#[test]
fn packs_that_are_taken_away_are_missed_by_versions_that_stay() {
    let env = hooked("split");
    git(&env, &["rm", "-q", "-r", "--cached", ".artifacts/meta"]);
    let ran = commit_staged(&env);
    assert!(refused(&ran).contains("'d:v0' is staged or committed, and packs of it are not: "), "{ran:?}");
    git(&env, &["rm", "-q", "-r", "-f", ".artifacts/meta", "--ignore-unmatch"]);
    fs::remove_dir_all(env.store().join("meta")).unwrap();
    let ran = commit_staged(&env);
    assert!(refused(&ran).contains("pages of 'd:v0' are not in this store any more"), "{ran:?}");
    env.art(["repair"]).done();
    git(&env, &["add", ".artifacts"]);
    assert_eq!(run(&env, &["status", "--porcelain"]).text(), "");
}

#[test]
fn what_gc_removes_is_committed() {
    for mode in ["split", "all"] {
        let env = hooked(mode);
        put(&env, ".", "d", "two");
        commit(&env);
        env.art(["rm", "d:v0"]).done();
        commit(&env);
        // Commits hold it, and with `all` nothing is removed.
        env.art(["gc", "--prune-now"]);
        fs::remove_dir_all(env.store().join("local")).unwrap();
        commit(&env);
        env.art(["rm", "d:v1"]).done();
        git(&env, &["rm", "-q", "-r", ".artifacts/meta"]);
        assert_eq!(run(&env, &["commit", "-a", "-q", "-m", "nothing lives"]).code, Some(0));
    }
}

#[test]
fn commits_without_the_store_pass_whatever_is_the_matter_with_it() {
    let env = hooked("split");
    put(&env, ".", "d", "two");
    fs::remove_file(env.store().join("format")).unwrap();
    fs::write(env.store().join("format"), "artstore 9\n").unwrap();
    env.write("code", "other\n");
    assert_eq!(run(&env, &["commit", "-q", "-m", "x", "code"]).stderr, "");
    // What cannot be checked is told, and kept from nobody.
    git(&env, &["add", ".artifacts/refs"]);
    let ran = commit_staged(&env);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stderr.starts_with("warning: art: what is staged of the store was not checked: "), "{ran:?}");
}

#[test]
fn the_first_commit_and_one_that_takes_the_store_out_pass() {
    let env = Env::bare();
    git(&env, &["init", "-q"]);
    env.art(["hooks", "install"]).done();
    env.art(["init"]).done();
    put(&env, ".", "d", "one");
    git(&env, &["add", ".artifacts/refs"]);
    assert!(refused(&commit_staged(&env)).contains("'d:v0'"));
    git(&env, &["add", ".artifacts"]);
    assert_eq!(commit_staged(&env).code, Some(0));
    git(&env, &["rm", "-q", "-r", ".artifacts"]);
    git(&env, &["commit", "-q", "-m", "no store"]);
}

#[test]
fn each_store_of_a_repo_is_checked() {
    let env = hooked("split");
    for dir in ["a", "b c"] {
        env.art(["init", dir]).done();
        put(&env, dir, "d", dir);
    }
    git(&env, &["add", ".artifacts", "a", "b c/.artifacts/refs"]);
    let ran = commit_staged(&env);
    assert!(refused(&ran).contains("'b c/.artifacts/meta/"), "{ran:?}");
    commit(&env);
}
