//! Branches, stashes, older commits and reflogs.

use std::collections::BTreeSet;

use crate::repo::{Repo, an_edit, edit_in, packs, put_in};
use crate::support::Project;
use artstore::format::record::EditRecord;
use artstore::id::PageId;

#[test]
fn a_version_is_kept_while_one_branch_does_not_delete_it() {
    let repo = Repo::new(&[]);
    let (kept, deleted) = (repo.put(1), repo.put(2));
    repo.commit("two versions");
    repo.git(["branch", "other"]);
    repo.delete(deleted);
    let roots = repo.keeps(&[kept, deleted], &[]);
    assert!(roots.live.iter().any(|version| version.id == deleted && version.root != "the working tree"));
    repo.commit("one is deleted");
    let roots = repo.keeps(&[kept, deleted], &[]);
    assert!(roots.live.iter().any(|version| version.id == deleted && version.root == "refs/heads/other"));
    repo.git(["branch", "--quiet", "-D", "other"]);
    repo.keeps(&[kept], &[deleted]);
    repo.git(["tag", "-a", "-m", "as it was", "before", "main~1"]);
    repo.keeps(&[kept, deleted], &[]);
}

#[test]
fn a_version_that_only_another_branch_has_is_kept_and_so_is_one_of_a_remote() {
    let repo = Repo::new(&[]);
    repo.git(["switch", "--quiet", "-c", "other"]);
    let other = repo.put(1);
    repo.commit("a version");
    repo.git(["switch", "--quiet", "main"]);
    repo.keeps(&[other], &[]);
    repo.git(["update-ref", "refs/remotes/origin/other", "other"]);
    repo.git(["branch", "--quiet", "-D", "other"]);
    let roots = repo.keeps(&[other], &[]);
    assert_eq!(roots.live[0].root, "refs/remotes/origin/other");
}

#[test]
fn older_commits_keep_a_version_unless_a_delete_of_it_is_known() {
    let repo = Repo::new(&[]);
    let (lost, deleted) = (repo.put(1), repo.put(2));
    repo.commit("two versions");
    repo.git(["rm", "-r", "--quiet", "--", ".artifacts/refs"]);
    repo.commit("without records");
    let roots = repo.keeps(&[lost, deleted], &[]);
    assert_eq!(roots.live[0].root, "older commits");
    repo.delete(deleted);
    repo.keeps(&[lost], &[deleted]);
}

#[test]
fn an_artifact_that_only_older_commits_have_is_kept() {
    let repo = Repo::new(&[]);
    repo.project.write("m/file", "a model");
    let version = repo.project.art(["put", "--json", "model", "m"]).ok().json();
    repo.project.remove("m");
    repo.commit("a model");
    repo.git(["rm", "-r", "--quiet", "--", ".artifacts/refs"]);
    repo.commit("without records");
    let roots = repo.roots();
    assert_eq!(roots.live.iter().map(|version| version.id.to_string()).collect::<Vec<_>>(), [version["id"].as_str().unwrap()]);
}

#[test]
fn a_merge_that_took_one_side_keeps_what_the_other_had() {
    let repo = Repo::new(&[]);
    repo.git(["switch", "--quiet", "-c", "side"]);
    let side = repo.put(1);
    repo.commit("a version");
    repo.git(["switch", "--quiet", "main"]);
    let main = repo.put(2);
    repo.commit("another version");
    repo.git(["merge", "--quiet", "-s", "ours", "-m", "as it is here", "side"]);
    repo.git(["branch", "--quiet", "-D", "side"]);
    repo.git(["reflog", "expire", "--expire=all", "--all"]);
    repo.keeps(&[main, side], &[]);
}

#[test]
fn amended_commits_detached_ones_and_deleted_branches_keep_their_versions_by_the_reflog() {
    let repo = Repo::new(&[]);
    let amended = repo.put(1);
    repo.commit("a version");
    repo.git(["rm", "-r", "--quiet", "--", ".artifacts/refs"]);
    repo.git(["commit", "--quiet", "--amend", "--allow-empty", "-m", "no version"]);
    repo.git(["switch", "--quiet", "--detach"]);
    let detached = repo.put(2);
    repo.commit("a version on no branch");
    repo.keeps(&[amended, detached], &[]);
    repo.git(["switch", "--quiet", "-c", "short"]);
    let branch = repo.put(3);
    repo.commit("a version on a branch");
    repo.git(["switch", "--quiet", "main"]);
    repo.git(["branch", "--quiet", "-D", "short"]);
    repo.keeps(&[amended, detached, branch], &[]);
    repo.git(["reflog", "expire", "--expire=all", "--expire-unreachable=all", "--all"]);
    repo.keeps(&[], &[]);
}

#[test]
fn every_stash_is_a_root_with_what_was_untracked_and_what_was_staged() {
    let repo = Repo::new(&[]);
    let tracked = repo.put(1);
    repo.commit("a version");
    let untracked = repo.put(2);
    repo.git(["stash", "--quiet", "--include-untracked"]);
    let staged = repo.put(3);
    repo.git(["add", "--all"]);
    repo.git(["stash", "--quiet"]);
    let roots = repo.keeps(&[tracked, untracked, staged], &[]);
    assert_eq!(roots.live.iter().filter(|version| version.root == "a stash").count(), 2);

    // A delete that a stash has counts in the stash alone.
    repo.delete(tracked);
    repo.git(["stash", "--quiet", "--include-untracked"]);
    repo.keeps(&[tracked, untracked, staged], &[]);
    repo.git(["stash", "drop", "--quiet", "stash@{2}"]);
    repo.keeps(&[tracked, staged], &[]);
}

#[test]
fn packs_that_a_commit_or_the_index_holds_are_told() {
    let split = Repo::new(&[]);
    split.put(1);
    let store = split.project.store();
    assert_eq!(split.roots().held.len(), 0);
    split.git(["add", "--all"]);
    assert_eq!(split.roots().held.iter().cloned().collect::<BTreeSet<_>>(), packs(&store, "meta"));
    split.commit("a version");
    split.git(["rm", "-r", "--quiet", "--cached", "--", ".artifacts/meta"]);
    split.commit("without pages");
    assert_eq!(split.roots().held.iter().cloned().collect::<BTreeSet<_>>(), packs(&store, "meta"));

    let all = Repo::new(&["--git=all"]);
    all.put(1);
    all.commit("a version");
    let store = all.project.store();
    let both: BTreeSet<_> = packs(&store, "meta").union(&packs(&store, "packs")).cloned().collect();
    assert_eq!(all.roots().held.into_iter().collect::<BTreeSet<_>>(), both);

    let none = Repo::new(&["--git=none"]);
    let version = none.put(1);
    none.commit("nothing of the store");
    assert_eq!(none.keeps(&[version], &[]).held.len(), 0);
}

#[test]
fn metadata_pages_of_edits_on_any_branch_are_kept() {
    let repo = Repo::new(&[]);
    let version = repo.put(1);
    repo.commit("a version");
    repo.git(["switch", "--quiet", "-c", "other"]);
    let (of_version, of_artifact) = (PageId::of(b"one"), PageId::of(b"two"));
    let store = repo.project.store();
    edit_in(&store, EditRecord { target: Some(version), metadata_pages: vec![of_version], ..an_edit(&store) });
    edit_in(&store, EditRecord { metadata_pages: vec![of_artifact], ..an_edit(&store) });
    repo.commit("edits");
    repo.git(["switch", "--quiet", "main"]);
    let roots = repo.keeps(&[version], &[]);
    assert_eq!((&roots.live[0].metadata_pages[..], &roots.metadata_pages[..]), (&[of_version][..], &[of_artifact][..]));
}

#[test]
fn what_git_put_aside_by_itself_is_a_root_until_it_is_back() {
    let repo = Repo::new(&[]);
    let version = repo.put(1);
    repo.git(["add", "--all"]);
    let aside = repo.git(["stash", "create"]);
    repo.git(["reset", "--quiet", "--hard"]);
    assert!(repo.roots().live.is_empty());
    for name in ["MERGE_AUTOSTASH", "rebase-merge/autostash", "CHERRY_PICK_HEAD"] {
        let file = repo.project.root().join(".git").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, format!("{aside}\n")).unwrap();
        repo.keeps(&[version], &[]);
        std::fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_commit_a_switch_and_a_stash_after_the_roots_were_read_show() {
    let repo = Repo::new(&[]);
    moves_are_seen(&repo);
}

#[test]
fn refs_that_move_are_seen_wherever_git_keeps_them() {
    let reftable = Project::bare();
    let made = reftable.program("git", ["init", "--quiet", "--ref-format=reftable"]).current_dir(reftable.root()).output().unwrap();
    // An older git knows no reftable.
    if made.status.success() {
        let repo = Repo { project: reftable };
        repo.project.art(["init"]).ok();
        repo.commit("a store");
        let kept = repo.put(1);
        repo.commit("one");
        repo.git(["switch", "--quiet", "--create", "earlier", "HEAD~1"]);
        let roots = repo.keeps(&[kept], &[]);
        assert!(roots.live[0].root.starts_with("refs/heads/"), "{}", roots.live[0].root);
        moves_are_seen(&repo);
    }

    let repo = Repo::new(&[]);
    repo.git(["config", "extensions.worktreeConfig", "true"]);
    repo.git(["worktree", "add", "--quiet", "-b", "linked", "../linked"]);
    let linked = repo.project.outside().join("linked");
    repo.git_in(&linked, ["config", "--worktree", "core.autocrlf", "false"]);
    let there = put_in(&repo.project, &linked, 9);
    repo.keeps(&[there], &[]);
    let roots = repo.roots();
    // A ref that only the linked one has.
    repo.git_in(&linked, ["update-ref", "refs/worktree/mine", "HEAD"]);
    assert!(!roots.are_current().unwrap());
    moves_are_seen(&repo);
}

/// Asserts that roots which were read before a change of the repo are told from those of now.
fn moves_are_seen(repo: &Repo) {
    repo.git(["branch", "old"]);
    let changes: [&dyn Fn(); 8] = [
        &|| {
            repo.put(1);
            repo.commit("one");
        },
        &|| drop(repo.git(["switch", "--quiet", "--create", "other"])),
        &|| {
            repo.put(2);
            repo.git(["stash", "--quiet", "--include-untracked"]);
        },
        &|| drop(repo.git(["update-ref", "refs/heads/new", "HEAD"])),
        &|| drop(repo.git(["branch", "--force", "old", "HEAD"])),
        &|| drop(repo.git(["tag", "mark"])),
        &|| drop(repo.git(["fetch", "--quiet", ".", "HEAD:refs/remotes/origin/far/away"])),
        &|| drop(repo.git(["pack-refs", "--all"])),
    ];
    for change in changes {
        let roots = repo.roots();
        assert!(roots.are_current().unwrap());
        change();
        assert!(!roots.are_current().unwrap());
    }
}
