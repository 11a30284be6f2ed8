//! What stashes and reflogs have is git's for a while only, and what stands in the way of a clean that is
//! run elsewhere than at the top.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::repo::{Repo, kept, put_kept_in};
use crate::support::Project;

const MODES: [&str; 3] = ["--git=split", "--git=all", "--git=none"];

/// Stores something that has nothing to do with `data`.
fn put_other(repo: &Repo, name: &str) {
    repo.project.write(format!("../{name}/file"), name);
    repo.project.art(["put", name, &format!("../{name}")]).ok();
}

/// Makes a repo with one version that is committed, and one that was stashed.
fn stashed(mode: &str, is_tracked: bool) -> Repo {
    let repo = Repo::new(&[mode]);
    repo.put_kept(1);
    repo.commit("one");
    repo.put_kept(2);
    if is_tracked {
        repo.git(["add", "--all"]);
    }
    repo.git(["stash", "--quiet", "--include-untracked"]);
    repo
}

#[test]
fn what_comes_back_from_a_stash_outlives_a_clean() {
    for mode in &MODES[..2] {
        for is_tracked in [false, true] {
            let repo = stashed(mode, is_tracked);
            put_other(&repo, "other");
            assert_eq!(repo.numbers(), [0], "{mode} {is_tracked}");
            repo.git(["stash", "pop", "--quiet"]);
            if is_tracked {
                repo.git(["reset", "--quiet", "--hard"]);
            }
            repo.git(["clean", "--quiet", "-fdx"]);
            repo.put_kept(3);
            assert_eq!(repo.numbers(), [0, 1, 2], "{mode} {is_tracked}");
            repo.project.art(["fsck", "--deep"]).ok();
        }
    }
}

#[test]
fn what_git_forgets_comes_back() {
    let repo = stashed("--git=split", false);
    put_other(&repo, "other");
    repo.git(["stash", "drop", "--quiet"]);
    put_other(&repo, "more");
    assert_eq!(repo.numbers(), [0, 1]);
    // A commit that was undone, once its reflog has expired.
    repo.commit("two");
    repo.git(["reset", "--quiet", "--hard", "HEAD~1"]);
    put_other(&repo, "other");
    assert_eq!(repo.numbers(), [0]);
    repo.git(["reflog", "expire", "--expire=now", "--all"]);
    put_other(&repo, "more");
    assert_eq!(repo.numbers(), [0, 1]);
    repo.project.art(["fsck", "--deep"]).ok();
}

/// Has git forget all that it forgets by itself in time.
fn forget(repo: &Repo) {
    repo.git(["worktree", "prune", "--expire=now"]);
    repo.git(["reflog", "expire", "--expire=now", "--all"]);
    repo.git(["gc", "--quiet", "--prune=now"]);
}

#[test]
fn what_no_branch_has_comes_back_once_git_has_forgotten_it() {
    // In a worktree that is gone, on no branch; on a branch that only a remote has; on no branch here.
    for place in ["worktree", "remote", "head"] {
        let repo = Repo::new(&[]);
        repo.put_kept(1);
        repo.commit("one");
        let other = repo.project.outside().join("other-tree");
        let remote = repo.project.outside().join("remote.git");
        match place {
            "worktree" => {
                repo.git(["worktree", "add", "--quiet", "--detach", other.to_str().unwrap()]);
                put_kept_in(&repo.project, &other, 2);
                repo.git_in(&other, ["add", "--all"]);
                repo.git_in(&other, ["commit", "--quiet", "-m", "two"]);
                fs::remove_dir_all(&other).unwrap();
            }
            "remote" => {
                repo.git(["init", "--quiet", "--bare", remote.to_str().unwrap()]);
                repo.git(["remote", "add", "origin", remote.to_str().unwrap()]);
                repo.git(["switch", "--quiet", "-c", "other"]);
                repo.put_kept(2);
                repo.commit("two");
                repo.git(["push", "--quiet", "origin", "other"]);
                repo.git(["switch", "--quiet", "main"]);
                repo.git(["branch", "--quiet", "-D", "other"]);
            }
            _ => {
                repo.git(["checkout", "--quiet", "--detach"]);
                // As many as are given up at once.
                let aliases: Vec<String> = (0..70).map(|number| format!("a{number}")).collect();
                repo.put_kept(2);
                repo.project
                    .art(["alias", "set", "data:v1"].into_iter().chain(aliases.iter().map(String::as_str)).collect::<Vec<_>>())
                    .ok();
                repo.commit("two");
                put_other(&repo, "early");
                repo.commit("three");
                repo.git(["checkout", "--quiet", "main"]);
            }
        }
        put_other(&repo, "first");
        assert_eq!(repo.numbers(), [0], "{place}");
        if place == "remote" {
            repo.git_in(&remote, ["branch", "--quiet", "-D", "other"]);
            repo.git(["fetch", "--quiet", "--prune", "origin"]);
        }
        forget(&repo);
        put_other(&repo, "second");
        assert_eq!(repo.numbers(), [0, 1], "{place}");
        repo.project.art(["fsck", "--deep"]).ok();
    }
}

#[test]
fn what_was_noted_to_be_aside_is_looked_for_again_once_reflogs_change() {
    let repo = Repo::new(&[]);
    repo.put_kept(1);
    repo.commit("one");
    let other = repo.project.outside().join("other-tree");
    repo.git(["worktree", "add", "--quiet", "-b", "topic", other.to_str().unwrap()]);
    put_kept_in(&repo.project, &other, 2);
    repo.git_in(&other, ["add", "--all"]);
    repo.git_in(&other, ["commit", "--quiet", "-m", "two"]);
    repo.git_in(&other, ["reset", "--quiet", "--hard", "HEAD~1"]);
    put_other(&repo, "first");
    repo.git(["worktree", "remove", other.to_str().unwrap()]);
    repo.git(["branch", "--quiet", "-D", "topic"]);
    repo.put_kept(3);
    assert_eq!(repo.numbers(), [0, 1, 2]);
    repo.project.art(["fsck", "--deep"]).ok();
}

#[test]
fn git_is_not_asked_again_what_a_stash_has() {
    let repo = stashed("--git=split", false);
    put_other(&repo, "other");
    let second_names = kept(&repo.project.store()).len();
    // Without git, a writer that has to ask fails.
    repo.project.write("../more/file", "more");
    let mut put = repo.project.command(["put", "more", "../more"]);
    crate::support::run(put.env("PATH", "/nowhere")).ok();
    assert!(kept(&repo.project.store()).len() > second_names);
    assert_eq!(repo.numbers(), [0]);
}

#[test]
fn what_an_autostash_has_is_left_to_git() {
    let repo = Repo::new(&[]);
    repo.put_kept(1);
    repo.commit("one");
    repo.project.write("code", "1");
    repo.commit("two");
    repo.put_kept(2);
    repo.git(["add", "--all"]);
    repo.project.write("../other/file", "other");
    let put = format!("{} put other ../other", env!("CARGO_BIN_EXE_art"));
    repo.git(["rebase", "--quiet", "--autostash", "--exec", &put, "HEAD~1"]);
    assert_eq!((repo.git(["stash", "list"]).as_str(), repo.numbers()), ("", vec![0, 1]));
}

#[test]
fn a_clean_inside_of_the_store_takes_nothing() {
    for (mode, place) in MODES.into_iter().zip(["packs", "packs/keep", ""]) {
        let repo = Repo::new(&[mode]);
        let dir = repo.project.store().join(place);
        let clean = |args: &[&str]| repo.project.program("git", args.iter().copied()).current_dir(&dir).output().unwrap();
        // As an older program left it: git takes it for a repo, and the next writer closes it.
        fs::remove_file(dir.join(".git/config")).unwrap();
        assert!(clean(&["clean", "-fdxn"]).status.success(), "{mode}");
        repo.put_kept(1);
        for args in [["clean", "-fdx"], ["clean", "-ffdx"], ["add", "--all"], ["init", "--quiet"]] {
            assert!(!clean(&args).status.success(), "{mode} {args:?}");
        }
        repo.put_kept(2);
        repo.git(["add", "--all"]);
        repo.git(["status"]);
        repo.git(["clean", "--quiet", "-fdx"]);
        repo.project.art(["repair"]).ok();
        assert_eq!(repo.numbers(), [0, 1], "{mode}");
        repo.project.art(["fsck", "--deep"]).ok();
        repo.project.art(["doctor"]).ok();
    }
}

#[test]
fn a_store_that_was_removed_and_is_committed_is_left_to_git() {
    let repo = Repo::new(&[]);
    let store = repo.project.store();
    repo.put_kept(1);
    repo.commit("one");
    for name in ["format", "refs", "meta"] {
        let path = store.join(name);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }
    do_as_told(&repo);
    repo.put_kept(2);
    assert_eq!(repo.numbers(), [0, 1]);
    // A sparse checkout leaves the folder as long as something in it is in no commit.
    repo.project.write("code/file", "1");
    repo.commit("two");
    repo.put_kept(3);
    repo.git(["sparse-checkout", "set", "code"]);
    do_as_told(&repo);
    repo.put_kept(4);
    assert_eq!(repo.numbers(), [0, 1, 2, 3]);
}

/// Runs the command that is told where only git has the store.
fn do_as_told(repo: &Repo) {
    let told = repo.project.art(["repair"]);
    let command = told.fails(5).split("git has the store: run `").nth(1).unwrap().split('`').next().unwrap();
    assert!(!repo.project.store().join("format").exists());
    assert!(repo.project.program("sh", ["-c", command]).status().unwrap().success(), "{command}");
}

#[test]
fn who_looks_for_what_a_clean_took_is_told() {
    let repo = Repo::new(&[]);
    for (seed, version) in [(1, "data:v0"), (2, "data:v1")] {
        repo.put_kept(seed);
        for command in ["show", "rm", "undelete"] {
            repo.git(["clean", "--quiet", "-fdx"]);
            let told = repo.project.art([command, version]);
            assert!(told.fails(3).contains("`art repair`"), "{command} {version} {}", told.stderr);
        }
        repo.project.art(["repair"]).ok();
        repo.project.art(["show", version]).ok();
        repo.commit("one");
    }
}

#[test]
fn a_folder_of_packs_that_is_a_link_is_told() {
    for (mode, folder) in [("--git=split", "packs"), ("--git=all", "packs"), ("--git=all", "packs/keep")] {
        let repo = Repo::new(&[mode]);
        let packs = repo.project.store().join(folder);
        let big = repo.project.outside().join("big");
        fs::rename(&packs, &big).unwrap();
        symlink(&big, &packs).unwrap();
        put_other(&repo, "other");
        let told = repo.project.art(["put", "more", "../other"]);
        assert!(told.stderr.contains("is a link, which `git clean` removes"), "{mode} {folder} {}", told.stderr);
        let told = repo.project.art(["doctor"]);
        assert!(told.code == Some(1) && told.text().contains("which is a link"), "{mode} {folder} {}", told.text());
    }
}

#[test]
fn a_folder_that_git_may_remove_is_told() {
    let repo = Repo::new(&[]);
    repo.git(["sparse-checkout", "set", ".artifacts"]);
    let told = repo.project.art(["doctor"]).ok().text();
    assert!(told.contains("advice") && told.contains("`git sparse-checkout`"), "{told}");

    let top = Project::bare();
    let repo = Repo { project: top };
    repo.git(["init", "--quiet", "--initial-branch=main", "--separate-git-dir=../apart"]);
    repo.project.art(["init"]).ok();
    repo.put_kept(1);
    assert!(repo.project.art(["doctor"]).ok().text().contains("`git submodule deinit`"));
}

#[test]
fn a_line_that_would_be_two_is_none() {
    let repo = Repo::new(&[]);
    let dir = Path::new("src\nx");
    fs::create_dir(repo.project.root().join(dir)).unwrap();
    for _ in 0..2 {
        let mut init = repo.project.command(["init"]);
        crate::support::run(init.current_dir(repo.project.root().join(dir))).ok();
    }
    repo.project.write("src/new", "1");
    assert!(repo.git(["status", "--porcelain"]).contains("?? src/"));
}
