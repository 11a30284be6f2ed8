//! Stores in linked worktrees: what git does not commit outlives the worktree.

use std::fs;
use std::path::{Path, PathBuf};

use crate::kept::{OPENING, with_failing};
use crate::repo::{Repo, ids, kept, packs, put_kept_in};
use crate::support::{Ran, has_strace, noise, run};

/// A repo with a linked worktree, on a branch of its own.
struct Linked {
    repo: Repo,
    dir: PathBuf,
}

impl Linked {
    fn new(init: &[&str]) -> Linked {
        let repo = Repo::new(init);
        repo.git(["worktree", "add", "--quiet", "-b", "other", "../linked"]);
        let dir = repo.project.outside().join("linked");
        Linked { repo, dir }
    }

    fn store(&self) -> PathBuf {
        self.dir.join(".artifacts")
    }

    fn art(&self, args: &[&str]) -> Ran {
        art_in(&self.repo, &self.dir, args)
    }

    fn git(&self, args: &[&str]) -> String {
        self.repo.git_in(&self.dir, args)
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", "what is new"]);
    }

    fn remove(&self) {
        self.repo.git(["worktree", "remove", "--force", "../linked"]);
        assert!(!self.dir.exists());
    }
}

fn art_in(repo: &Repo, dir: &Path, args: &[&str]) -> Ran {
    run(repo.project.command(args).current_dir(dir))
}

/// Asserts that a version is the one that was stored from a seed.
#[track_caller]
fn reads(ran: &Ran, seed: u64) {
    assert!(ran.stdout == noise(seed, 1000), "{}", ran.stderr);
}

#[test]
fn data_packs_lie_in_the_main_worktree_and_records_in_ones_own() {
    let linked = Linked::new(&[]);
    put_kept_in(&linked.repo.project, &linked.dir, 1);
    assert_eq!((packs(&linked.store(), "packs").len(), packs(&linked.repo.project.store(), "packs").len()), (0, 1));
    assert_eq!((packs(&linked.store(), "meta").len(), packs(&linked.repo.project.store(), "meta").len()), (1, 0));
    assert!(linked.art(&["put", "data", "../source-1"]).ok().stderr.is_empty());
    assert_eq!(linked.art(&["fsck"]).code, Some(0));
    assert_eq!(linked.repo.git(["status", "--porcelain"]), "");
    assert_eq!(linked.git(&["status", "--porcelain", "--", ".artifacts/packs"]), "");
    reads(&linked.art(&["cat", "data", "file"]), 1);
    // What the one has stored, the other does not store again.
    let told = art_in(&linked.repo, &linked.repo.project.root(), &["put", "again", "../source-1", "--json"]).ok().json();
    assert_eq!(packs(&linked.repo.project.store(), "packs").len(), 1, "{told}");
}

#[test]
fn what_was_committed_is_whole_after_the_worktree_is_removed() {
    let linked = Linked::new(&[]);
    put_kept_in(&linked.repo.project, &linked.dir, 1);
    linked.commit();
    linked.repo.git(["worktree", "remove", "../linked"]);
    linked.repo.git(["merge", "--quiet", "other"]);
    reads(&linked.repo.project.art(["cat", "data", "file"]), 1);
    linked.repo.project.art(["put", "other", "../source-1"]).ok();
    let names = kept(&linked.repo.project.store()).len();
    assert_eq!(names, 2, "of the last put alone");
}

#[test]
fn what_was_not_committed_comes_back_after_the_worktree_is_removed_by_force() {
    let linked = Linked::new(&[]);
    linked.repo.put_kept(2);
    linked.repo.commit("in the main one");
    put_kept_in(&linked.repo.project, &linked.dir, 1);
    linked.art(&["alias", "set", "data", "best"]).ok();
    // As long as it is there it is not another's.
    linked.repo.project.art(["put", "more", "../source-2"]).ok();
    assert_eq!(linked.repo.project.art(["alias", "ls", "--json"]).ok().json().as_array().map(Vec::len), Some(0));
    linked.remove();
    assert_eq!(linked.repo.project.art(["repair"]).code, Some(0));
    reads(&linked.repo.project.art(["cat", "data:best", "file"]), 1);
    assert_eq!(linked.repo.project.art(["fsck"]).code, Some(0));
}

#[test]
fn gc_in_either_keeps_what_the_other_has_not_committed() {
    let linked = Linked::new(&[]);
    let here = linked.repo.put_kept(1);
    let there = put_kept_in(&linked.repo.project, &linked.dir, 2);
    linked.repo.project.art(["gc", "--prune-now"]).ok();
    linked.art(&["gc", "--prune-now"]).ok();
    assert_eq!(ids(&linked.repo.roots().live), [here, there].into());
    reads(&linked.repo.project.art(["cat", "data", "file"]), 1);
    reads(&linked.art(&["cat", "data", "file"]), 2);

    // What both have deleted goes, from wherever gc is run.
    put_kept_in(&linked.repo.project, &linked.dir, 3);
    linked.art(&["rm", "data:v0"]).ok();
    let before = packs(&linked.repo.project.store(), "packs").len();
    linked.repo.project.art(["gc", "--prune-now"]).ok();
    assert_eq!(packs(&linked.repo.project.store(), "packs").len(), before - 1);
    reads(&linked.art(&["cat", "data", "file"]), 3);
}

#[test]
fn puts_in_both_at_once_store_what_each_was_given() {
    let linked = Linked::new(&[]);
    let dirs = [linked.repo.project.root(), linked.dir.clone()];
    for round in 0..5 {
        let (seeds, both) = ([2 * round, 2 * round + 1], &linked);
        std::thread::scope(|scope| {
            for (dir, seed) in dirs.iter().zip(seeds) {
                scope.spawn(move || put_kept_in(&both.repo.project, dir, seed));
            }
            scope.spawn(|| both.art(&["gc"]));
        });
        for (dir, seed) in dirs.iter().zip(seeds) {
            reads(&art_in(&linked.repo, dir, &["cat", "data", "file"]), seed);
        }
    }
    for dir in &dirs {
        assert_eq!(art_in(&linked.repo, dir, &["fsck", "--deep"]).code, Some(0));
    }
}

#[test]
fn packs_that_were_copied_into_the_worktree_are_read_and_told_of() {
    let linked = Linked::new(&[]);
    put_kept_in(&linked.repo.project, &linked.dir, 1);
    let pack = crate::repo::packs(&linked.repo.project.store(), "packs").pop_first().unwrap();
    fs::create_dir_all(linked.store().join(&pack).parent().unwrap()).unwrap();
    fs::rename(linked.repo.project.store().join(&pack), linked.store().join(&pack)).unwrap();
    reads(&linked.art(&["cat", "data", "file"]), 1);
    let told = linked.art(&["put", "data", "../source-1"]).ok().stderr;
    let hint = told.split('`').nth(3).unwrap_or_else(|| panic!("{told}"));
    assert!(linked.repo.project.program("sh", ["-c", hint]).status().unwrap().success(), "{hint}");
    linked.commit();
    linked.remove();
    linked.repo.git(["merge", "--quiet", "other"]);
    reads(&linked.repo.project.art(["cat", "data", "file"]), 1);
}

#[test]
fn a_store_that_git_does_not_commit_is_that_of_the_main_worktree() {
    let linked = Linked::new(&["--git=none"]);
    put_kept_in(&linked.repo.project, &linked.dir, 1);
    assert!(!linked.store().exists());
    let version = linked.repo.project.art(["show", "data", "--json"]).ok().json();
    assert_eq!(version["git"]["branch"], "other");
    linked.remove();
    reads(&linked.repo.project.art(["cat", "data", "file"]), 1);

    // Also if the first store is made in a linked one.
    let repo = Repo { project: crate::support::Project::bare() };
    repo.git(["init", "--quiet", "--initial-branch=main"]);
    repo.git(["commit", "--quiet", "--allow-empty", "-m", "nothing"]);
    repo.git(["worktree", "add", "--quiet", "-b", "other", "../linked"]);
    let dir = repo.project.outside().join("linked");
    art_in(&repo, &dir, &["init", "--git=none"]).ok();
    put_kept_in(&repo.project, &dir, 1);
    repo.git(["worktree", "remove", "../linked"]);
    reads(&repo.project.art(["cat", "data", "file"]), 1);
}

#[test]
fn worktrees_of_a_bare_repo_share_what_lies_in_the_directory_of_git() {
    let source = Repo::new(&[]);
    let outside = source.project.outside();
    for bare in ["bare.git", "tree/.git"] {
        source.git(["clone".as_ref(), "--quiet".as_ref(), "--bare".as_ref(), ".".as_ref(), outside.join(bare).as_os_str()]);
        let one = outside.join(format!("one-of-{}", bare.len()));
        source.git_in(&outside.join(bare), ["worktree".as_ref(), "add".as_ref(), "--quiet".as_ref(), one.as_os_str(), "main".as_ref()]);
        put_kept_in(&source.project, &one, 1);
        assert_eq!(packs(&one.join(".artifacts"), "packs").len(), 0);
        assert_eq!(packs(&outside.join(bare).join("artifacts/.artifacts"), "packs").len(), 1);
        source.git_in(&one, ["add", "--all"]);
        source.git_in(&one, ["commit", "--quiet", "-m", "a version"]);
        source.git_in(&outside.join(bare), ["worktree".as_ref(), "remove".as_ref(), one.as_os_str()]);
        let two = outside.join(format!("two-of-{}", bare.len()));
        source.git_in(&outside.join(bare), ["worktree".as_ref(), "add".as_ref(), "--quiet".as_ref(), two.as_os_str(), "main".as_ref()]);
        reads(&art_in(&source, &two, &["cat", "data", "file"]), 1);
    }
}

#[test]
fn the_main_worktree_may_be_on_a_branch_without_the_store() {
    let repo = Repo { project: crate::support::Project::bare() };
    repo.git(["init", "--quiet", "--initial-branch=main"]);
    repo.git(["commit", "--quiet", "--allow-empty", "-m", "nothing"]);
    repo.git(["worktree", "add", "--quiet", "-b", "other", "../linked"]);
    let dir = repo.project.outside().join("linked");
    art_in(&repo, &dir, &["init"]).ok();
    put_kept_in(&repo.project, &dir, 1);
    assert_eq!(repo.git(["status", "--porcelain"]), "");
    repo.git(["add", "--all"]);
    repo.git(["clean", "--quiet", "-fdx"]);
    repo.git_in(&dir, ["clean", "--quiet", "-fdx"]);
    art_in(&repo, &dir, &["repair"]).ok();
    reads(&art_in(&repo, &dir, &["cat", "data", "file"]), 1);
    repo.git_in(&dir, ["add", "--all"]);
    repo.git_in(&dir, ["commit", "--quiet", "-m", "a version"]);
    repo.git(["worktree", "remove", "../linked"]);
    repo.git(["merge", "--quiet", "other"]);
    reads(&repo.project.art(["cat", "data", "file"]), 1);
}

#[test]
fn nothing_is_stored_where_it_cannot_be_told_what_the_worktree_shares() {
    if !has_strace() {
        return;
    }
    let linked = Linked::new(&[]);
    linked.commit();
    put_kept_in(&linked.repo.project, &linked.dir, 1);
    fs::write(linked.dir.join("more"), "more").unwrap();
    let main = linked.repo.project.root();
    let looked_at = [linked.dir.join(".git"), main.join(".git")].map(|path| ("statx", path));
    let read = [
        linked.dir.join(".git"),
        main.join(".git/worktrees/linked/commondir"),
        // As git names it.
        main.join(".git/worktrees/linked/../../config"),
        linked.store().join(".gitignore"),
        main.join(".artifacts/.gitignore"),
    ];
    for (calls, path) in read.map(|path| (OPENING, path)).into_iter().chain(looked_at) {
        let ran = with_failing(&linked.repo, &linked.dir, calls, 1, &path, &["put", "data", "more"]);
        let is_told = ran.stderr.contains("cannot read") || ran.stderr.contains("cannot look at");
        assert!(ran.code == Some(1) && is_told, "{calls} of {path:?}: {:?} {}", ran.code, ran.stderr);
        assert_eq!(packs(&linked.store(), "packs").len(), 0, "{path:?}");
    }
    linked.art(&["put", "data", "more"]).ok();
    assert_eq!((packs(&linked.store(), "packs").len(), packs(&main.join(".artifacts"), "packs").len()), (0, 2));
}

#[test]
fn records_come_back_with_pages_that_another_worktree_has_too() {
    let linked = Linked::new(&[]);
    let root = linked.repo.project.root();
    put_kept_in(&linked.repo.project, &linked.dir, 1);
    put_kept_in(&linked.repo.project, &root, 1);
    let (own, other) = (linked.repo.project.store(), linked.store());
    assert_eq!(packs(&own, "meta"), packs(&other, "meta"));
    put_kept_in(&linked.repo.project, &linked.dir, 2);
    linked.repo.git(["clean", "--quiet", "-fd"]);
    assert!(!own.join("meta").exists());
    linked.repo.project.art(["init"]).ok();
    reads(&art_in(&linked.repo, &root, &["cat", "data:v0", "file"]), 1);
    linked.repo.git(["clean", "--quiet", "-fd"]);
    put_kept_in(&linked.repo.project, &root, 3);
    reads(&art_in(&linked.repo, &root, &["cat", "data:v0", "file"]), 1);
    reads(&art_in(&linked.repo, &root, &["cat", "data:v1", "file"]), 3);
    linked.repo.project.art(["fsck", "--deep"]).ok();
    // What the other alone needs stays there.
    assert_eq!((packs(&own, "meta").len(), packs(&other, "meta").len()), (2, 2));
}
