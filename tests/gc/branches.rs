//! Branches with versions of their own, whose metadata packs only git has.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Project, Ran, files, run, tree};
use crate::{gc, len, packs, write_version};

/// A project in a git repo, with a version on `main`.
fn repo() -> Project {
    let project = Project::bare();
    git(&project, "init --quiet --initial-branch=main");
    project.art(["init"]).ok();
    put(&project, 0);
    commit(&project);
    project
}

/// The same with a version on `other`, and `main` checked out.
fn two_branches() -> Project {
    let project = repo();
    git(&project, "switch --quiet -c other");
    put(&project, 1);
    commit(&project);
    git(&project, "switch --quiet main");
    project
}

#[track_caller]
fn git(project: &Project, args: &str) -> Ran {
    git_in(project, &project.root(), args)
}

/// Runs git in a working tree of the project's repo.
#[track_caller]
pub(crate) fn git_in(project: &Project, dir: &Path, args: &str) -> Ran {
    let identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@localhost"];
    run(project.program("git", identity.into_iter().chain(args.split(' '))).current_dir(dir)).ok()
}

pub(crate) fn commit(project: &Project) {
    git(project, "add --all .artifacts");
    git(project, "commit --quiet --allow-empty -m state");
}

fn switch(project: &Project, branch: &str) {
    commit(project);
    git(project, &format!("switch --quiet {branch}"));
}

pub(crate) fn put(project: &Project, number: u64) {
    write_version(project, number);
    project.art(["put", "data", "d"]).ok();
}

/// Asserts that the version with a label is what was stored.
#[track_caller]
pub(crate) fn holds(project: &Project, label: &str, number: u64) {
    write_version(project, number);
    project.art(["verify", &format!("data:{label}"), "d"]).ok();
    project.art(["get", &format!("data:{label}"), "out"]).ok();
    assert_eq!(tree(&project.path("out")), tree(&project.path("d")));
    project.remove("out");
}

/// Runs every sort of gc and asserts that nothing goes.
#[track_caller]
fn nothing_goes(project: &Project) {
    let before = packs(project);
    for args in [&["--dry-run"][..], &[], &["--grace-seconds", "0"], &["--prune-now"]] {
        let told = gc(project, args);
        let counts = (len(&told["condemned"]), len(&told["deleted"]), &told["missing_chunks"], &told["orphans"]["page_count"]);
        assert_eq!(counts, (0, 0, &json!(0), &json!(0)), "{told}");
    }
    assert_eq!(packs(project), before);
}

fn local_state(project: &Project) -> PathBuf {
    fs::read_dir(project.store().join("local")).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap()
}

/// The metadata packs that are kept out of git for reading.
fn cached(project: &Project) -> Vec<PathBuf> {
    files(&local_state(project)).into_iter().filter(|path| path.starts_with(local_state(project).join("branches"))).collect()
}

fn data(of: &Value) -> usize {
    of.as_array().unwrap().iter().filter(|pack| pack["class"] == "data").count()
}

#[test]
fn versions_of_every_branch_stay() {
    let project = two_branches();
    put(&project, 2);
    // Before and after main's own is committed.
    nothing_goes(&project);
    commit(&project);
    nothing_goes(&project);
    holds(&project, "v1", 2);
    switch(&project, "other");
    nothing_goes(&project);
    holds(&project, "v0", 0);
    holds(&project, "v1", 1);
    project.art(["fsck"]).ok();
    switch(&project, "main");
    holds(&project, "v0", 0);
    holds(&project, "v1", 2);
    project.art(["fsck"]).ok();
}

#[test]
fn a_version_that_every_branch_deletes_goes_and_not_before() {
    let project = two_branches();
    project.art(["rm", "data:v0"]).ok();
    commit(&project);
    nothing_goes(&project);
    switch(&project, "other");
    project.art(["rm", "data:v0"]).ok();
    commit(&project);
    let told = gc(&project, &["--prune-now"]);
    assert_eq!((data(&told["deleted"]), &told["missing_chunks"]), (1, &json!(0)), "{told}");
    assert!(told["freed_bytes"].as_u64() > Some(700_000), "{told}");
    holds(&project, "v1", 1);
    project.art(["fsck"]).ok();
    switch(&project, "main");
    assert_eq!(data(&gc(&project, &["--prune-now"])["deleted"]), 0);
    project.art(["fsck"]).ok();
}

#[test]
fn what_another_branch_has_and_deletes_goes() {
    let project = two_branches();
    switch(&project, "other");
    project.art(["rm", "data:v1"]).ok();
    switch(&project, "main");
    let planned = gc(&project, &["--dry-run", "--prune-now"]);
    let told = gc(&project, &["--prune-now"]);
    assert_eq!((data(&planned["deleted"]), data(&told["deleted"]), &told["orphans"]["chunk_count"]), (1, 1, &json!(0)), "{told}");
    holds(&project, "v0", 0);
    switch(&project, "other");
    holds(&project, "v0", 0);
    project.art(["fsck"]).ok();
}

#[test]
fn what_a_stash_has_stays() {
    let project = repo();
    put(&project, 1);
    git(&project, "stash push --quiet --include-untracked -- .artifacts");
    assert_eq!(files(&project.store().join("meta")).len(), 1);
    nothing_goes(&project);
    commit(&project);
    git(&project, "stash pop --quiet");
    holds(&project, "v0", 0);
    holds(&project, "v1", 1);
}

#[test]
fn what_a_deleted_branch_had_stays_as_long_as_the_reflog_knows_it() {
    let project = two_branches();
    let tip = String::from_utf8(git(&project, "rev-parse other").stdout).unwrap();
    git(&project, "branch --quiet -D other");
    nothing_goes(&project);
    commit(&project);
    git(&project, &format!("switch --quiet -c back {}", tip.trim()));
    holds(&project, "v1", 1);
    nothing_goes(&project);
}

#[test]
fn what_is_kept_of_other_branches_is_mended_renewed_and_no_more_than_is_needed() {
    let project = two_branches();
    nothing_goes(&project);
    let kept = cached(&project);
    let bytes = fs::read(&kept[0]).unwrap();
    assert_eq!((kept.len(), bytes.is_empty()), (1, false));
    let mut altered = bytes.clone();
    altered[bytes.len() / 2] ^= 1;
    for wrong in [&bytes[..bytes.len() - 1], &altered, b""] {
        fs::set_permissions(&kept[0], PermissionsExt::from_mode(0o644)).unwrap();
        fs::write(&kept[0], wrong).unwrap();
        // A plan reads past it, and leaves it as it is.
        gc(&project, &["--dry-run"]);
        assert_eq!(fs::read(&kept[0]).unwrap(), wrong);
        gc(&project, &[]);
        assert_eq!(fs::read(&kept[0]).unwrap(), bytes);
    }
    fs::remove_dir_all(project.store().join("local")).unwrap();
    nothing_goes(&project);
    assert_eq!(cached(&project).len(), 1);
    commit(&project);
    git(&project, "merge --quiet --no-edit other");
    nothing_goes(&project);
    assert_eq!(cached(&project).len(), 0);
}

#[test]
fn a_plan_writes_nothing() {
    let project = two_branches();
    let before = files(project.outside());
    assert_eq!(gc(&project, &["--dry-run"])["condemned"], json!([]));
    assert_eq!(files(project.outside()), before);
}

#[test]
fn what_a_linked_working_tree_has_not_committed_stops_nothing() {
    let project = repo();
    git(&project, "worktree add --quiet -b other ../linked");
    write_version(&project, 1);
    let linked = project.outside().join("linked");
    run(project.command(["put".as_ref(), "data".as_ref(), project.path("d").as_os_str()]).current_dir(&linked)).ok();
    for args in [&["--dry-run"][..], &[], &["--prune-now"]] {
        let told = gc(&project, args);
        // Both rest on the same packs.
        assert_eq!((&told["condemned"], &told["missing_chunks"]), (&json!([]), &json!(0)), "{told}");
    }
    holds(&project, "v0", 0);
}

#[test]
fn a_pack_that_no_commit_has_as_it_was_written_stops_it() {
    let project = repo();
    git(&project, "switch --quiet -c other");
    put(&project, 1);
    let meta = files(&project.store().join("meta"));
    for path in meta {
        let mut bytes = fs::read(&path).unwrap();
        bytes.push(b'\n');
        fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        fs::write(path, bytes).unwrap();
    }
    commit(&project);
    git(&project, "switch --quiet main");
    for args in [&["gc"][..], &["gc", "--prune-now"], &["gc", "--dry-run"]] {
        let ran = project.art(args);
        let told = ran.fails(5);
        assert!(told.contains("cannot tell what 'data:v1' needs") && told.contains("from git"), "{told}");
    }
    assert_eq!(packs(&project).len(), 2);
}
