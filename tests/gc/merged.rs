//! The trap of committed packs: one side drops a pack, the other stores a version on top of it, and
//! `git merge`, or a copy, brings both together without a conflict.

use std::fs;
use std::path::PathBuf;

use crate::branches::{commit, git_in as git, holds, put};
use crate::support::{Project, files};
use crate::{gc, len, packs, union};

/// A project whose repo commits data packs, with `v0` on `main`.
fn committed() -> Project {
    let project = Project::bare();
    git(&project, &project.root(), "init --quiet --initial-branch=main");
    project.art(["init", "--git=all"]).ok();
    put(&project, 0);
    commit(&project);
    project
}

/// On branch `side` a version is stored that shares most of v0.
fn side_stores_a_version_on_top(project: &Project) {
    git(project, &project.root(), "switch --quiet -c side");
    let before = packs(project);
    put(project, 1);
    // What it shares is in the pack of v0 alone.
    let new: u64 = packs(project).iter().filter(|pack| !before.contains(pack)).map(|pack| fs::metadata(pack).unwrap().len()).sum();
    assert!(new < 800_000, "{new}");
    commit(project);
}

#[test]
fn gc_on_one_branch_drops_no_pack_that_a_commit_holds_and_the_merge_has_all() {
    let project = committed();
    side_stores_a_version_on_top(&project);
    git(&project, &project.root(), "switch --quiet main");
    project.art(["rm", "data:v0"]).ok();
    commit(&project);
    for branch in ["merged", "by the reflog"] {
        let before = packs(&project);
        let told = gc(&project, &["--prune-now"]);
        assert_eq!((len(&told["condemned"]), len(&told["deleted"])), (0, 0), "{branch}: {told}");
        assert_eq!(packs(&project), before);
        commit(&project);
        if branch == "merged" {
            git(&project, &project.root(), "merge --quiet -m both side");
            project.art(["fsck", "--quick"]).ok();
            holds(&project, "v1", 1);
            git(&project, &project.root(), "reset --quiet --hard HEAD~1");
            git(&project, &project.root(), "branch --quiet -D side");
        }
    }
    // The version is on no branch any more.
    assert_eq!(git(&project, &project.root(), "branch --list").text(), "* main\n");
    git(&project, &project.root(), "merge --quiet -m both ORIG_HEAD");
    project.art(["fsck"]).ok();
    holds(&project, "v1", 1);
}

#[test]
fn a_pack_that_a_branch_dropped_is_missed_at_once_and_repaired_from_history() {
    let project = committed();
    side_stores_a_version_on_top(&project);
    git(&project, &project.root(), "switch --quiet main");
    // As a program does that knows nothing of other branches.
    project.art(["rm", "data:v0"]).ok();
    git(&project, &project.root(), "rm -r --quiet .artifacts/packs");
    commit(&project);
    git(&project, &project.root(), "merge --quiet -m both side");
    let fsck = project.art(["fsck", "--quick", "--json"]);
    let versions = fsck.json()["versions"].clone();
    assert_eq!((fsck.code, &versions[1]["state"]), (Some(5), &"incomplete".into()), "{versions}");
    let get = project.art(["get", "data:v1", "out"]);
    assert!(get.fails(5).contains("is not in this copy of the store"), "{get:?}");
    assert!(!project.path("out").exists());
    let repaired = project.art(["repair"]).ok().text();
    assert!(repaired.contains("from git history"), "{repaired}");
    holds(&project, "v1", 1);
    project.art(["fsck"]).ok();
    // It is no commit's any more but those of history, and stays.
    assert_eq!(len(&gc(&project, &["--prune-now"])["deleted"]), 0);
    commit(&project);
    holds(&project, "v1", 1);
}

/// Two machines with clones of one repo; `b` has a pack by copying that `a` never committed.
#[test]
fn a_pack_that_is_condemned_here_and_committed_there_is_lifted_after_the_merge() {
    let a = Project::bare();
    git(&a, &a.root(), "init --quiet --initial-branch=main");
    a.art(["init", "--git=all"]).ok();
    commit(&a);
    let b = Project::bare();
    fs::remove_dir(b.root()).unwrap();
    git(&a, &a.root(), &format!("clone --quiet . {}", b.root().display()));
    put(&a, 0);
    union(&a.store(), &b.store());

    a.art(["rm", "data:v0"]).ok();
    assert_eq!(len(&gc(&a, &[])["condemned"]), 2);
    assert!(len(&gc(&a, &["--grace-seconds", "0"])["deleted"]) >= 1);
    commit(&a);
    put(&b, 1);
    commit(&b);
    holds(&b, "v1", 1);

    git(&a, &a.root(), &format!("pull --quiet --no-rebase {} main", b.root().display()));
    a.art(["fsck", "--quick"]).ok();
    holds(&a, "v1", 1);
    let lifted = gc(&a, &["--grace-seconds", "0"]);
    assert_eq!(len(&lifted["deleted"]), 0, "{lifted}");
    holds(&a, "v1", 1);
    a.art(["fsck"]).ok();
    commit(&a);
    git(&b, &b.root(), &format!("pull --quiet --no-rebase {} main", a.root().display()));
    holds(&b, "v1", 1);
    b.art(["fsck"]).ok();
    gc(&b, &["--grace-seconds", "0"]);
    holds(&b, "v1", 1);
}

/// Makes `to` as `from` is, as `rsync -a --delete` does.
fn mirror(from: &Project, to: &Project) {
    let names = |project: &Project| -> Vec<PathBuf> {
        let root = project.store();
        let all = files(&root).into_iter().map(|path| path.strip_prefix(&root).unwrap().to_owned());
        all.filter(|path| !path.starts_with("local")).collect()
    };
    let kept = names(from);
    names(to).into_iter().filter(|path| !kept.contains(path)).for_each(|path| fs::remove_file(to.store().join(path)).unwrap());
    union(&from.store(), &to.store());
}

#[test]
fn two_machines_that_copy_to_each_other_lose_nothing_whoever_is_first() {
    for learns_first in [false, true] {
        let (a, b) = (Project::new(), Project::new());
        put(&a, 0);
        union(&a.store(), &b.store());
        a.art(["rm", "data:v0"]).ok();
        gc(&a, &[]);
        if learns_first {
            // The word that the packs are condemned comes before the version is stored.
            union(&a.store(), &b.store());
        }
        put(&b, 1);
        gc(&a, &["--grace-seconds", "0"]);
        assert_eq!(packs(&a).len(), 0);
        if learns_first {
            // It rests on nothing that is condemned, so even a copy that deletes loses nothing of it.
            let before = b.store().join("refs");
            let records = files(&before);
            union(&b.store(), &a.store());
            gc(&a, &["--grace-seconds", "0"]);
            mirror(&a, &b);
            assert!(records.iter().all(|record| record.exists()));
        } else {
            union(&b.store(), &a.store());
            union(&a.store(), &b.store());
        }
        for project in [&a, &b] {
            project.art(["fsck", "--quick"]).ok();
            holds(project, "v1", 1);
            let told = gc(project, &["--grace-seconds", "0"]);
            assert_eq!(told["missing_chunks"], 0, "{told}");
            holds(project, "v1", 1);
            project.art(["fsck"]).ok();
        }
    }
}
