//! Working trees and indexes: linked ones, submodules, stores without a repo and in odd places.

use std::fs;

use crate::repo::{Repo, delete_in, ids, put_in, read, record_of};
use crate::support::Project;

#[test]
fn without_a_repo_the_records_here_are_the_one_root() {
    let repo = Repo { project: Project::new() };
    let (kept, deleted) = (repo.put(1), repo.put(2));
    repo.delete(deleted);
    repo.keeps(&[kept], &[deleted]);
}

#[test]
fn a_repo_without_commits_has_its_working_tree_and_its_index() {
    let repo = Repo { project: Project::new() };
    repo.git(["init", "--quiet"]);
    let version = repo.put(1);
    repo.keeps(&[version], &[]);
    repo.git(["add", "--all"]);
    fs::remove_dir_all(repo.project.store().join("refs")).unwrap();
    let roots = repo.keeps(&[version], &[]);
    assert_eq!(roots.live[0].root, "the index");
}

#[test]
fn a_version_that_is_only_staged_is_kept_and_one_that_is_only_announced_is_not_there() {
    let repo = Repo::new(&[]);
    let (staged, announced) = (repo.put(1), repo.put(2));
    let store = repo.project.store();
    repo.git(["add".as_ref(), record_of(&store, staged).as_os_str()]);
    repo.git(["add".as_ref(), "--intent-to-add".as_ref(), record_of(&store, announced).as_os_str()]);
    fs::remove_dir_all(store.join("refs")).unwrap();
    let roots = repo.keeps(&[staged], &[]);
    assert_eq!(roots.live[0].root, "the index");
}

#[test]
fn linked_working_trees_count_with_what_they_have_not_committed() {
    let repo = Repo::new(&[]);
    repo.git(["worktree", "add", "--quiet", "-b", "other", "../linked"]);
    let linked = repo.project.outside().join("linked");
    let (here, there) = (repo.put(1), put_in(&repo.project, &linked, 2));
    repo.keeps(&[here, there], &[]);
    // From the linked one the main one is seen alike.
    let roots = read(&linked.join(".artifacts")).unwrap();
    assert_eq!(ids(&roots.live), [here, there].into());

    // What one of them deletes is kept for the other.
    repo.git(["add", "--all"]);
    repo.git_in(&linked, ["add", "--all"]);
    delete_in(&linked.join(".artifacts"), there);
    repo.keeps(&[here, there], &[]);
    fs::remove_dir_all(&linked).unwrap();
    let roots = repo.keeps(&[here, there], &[]);
    assert!(roots.live.iter().any(|version| version.id == there && version.root == "the index"));
    repo.git(["worktree", "prune"]);
    repo.keeps(&[here], &[]);
}

#[test]
fn a_detached_head_of_a_linked_working_tree_is_a_root() {
    let repo = Repo::new(&[]);
    repo.git(["worktree", "add", "--quiet", "--detach", "../linked"]);
    let linked = repo.project.outside().join("linked");
    let version = put_in(&repo.project, &linked, 1);
    repo.git_in(&linked, ["add", "--all"]);
    repo.git_in(&linked, ["commit", "--quiet", "-m", "a version"]);
    fs::remove_dir_all(linked.join(".artifacts/refs")).unwrap();
    repo.git_in(&linked, ["rm", "-r", "--quiet", "--cached", "--", ".artifacts/refs"]);
    let roots = repo.keeps(&[version], &[]);
    assert_eq!(roots.live[0].root, "worktrees/linked/HEAD");
}

#[test]
fn a_store_deep_in_a_repo_with_odd_names_is_found_in_its_commits() {
    let repo = Repo { project: Project::bare() };
    repo.git(["init", "--quiet", "--initial-branch=main"]);
    let deep = repo.project.path("a \"b\"\n*/größe");
    fs::create_dir_all(&deep).unwrap();
    crate::support::run(repo.project.command(["init"]).current_dir(&deep)).ok();
    let version = put_in(&repo.project, &deep, 1);
    repo.commit("a version");
    repo.git(["switch", "--quiet", "-c", "other"]);
    fs::remove_dir_all(deep.join(".artifacts/refs")).unwrap();
    repo.commit("no version");
    repo.git(["branch", "--quiet", "-D", "main"]);
    let roots = read(&deep.join(".artifacts")).unwrap();
    assert_eq!(ids(&roots.live), [version].into());
    assert_eq!((roots.live[0].root.as_str(), roots.held.len()), ("older commits", 1));
}

#[test]
fn a_store_in_a_submodule_goes_by_the_submodules_commits() {
    let repo = Repo::new(&[]);
    let source = Repo::new(&[]);
    repo.git(["submodule".as_ref(), "--quiet".as_ref(), "add".as_ref(), source.project.root().as_os_str(), "sub".as_ref()]);
    let sub = repo.project.path("sub");
    let version = put_in(&repo.project, &sub, 1);
    repo.git_in(&sub, ["add", "--all"]);
    repo.git_in(&sub, ["commit", "--quiet", "-m", "a version"]);
    fs::remove_dir_all(sub.join(".artifacts/refs")).unwrap();
    assert_eq!(ids(&read(&sub.join(".artifacts")).unwrap().live), [version].into());

    // A linked working tree of a submodule finds the main one.
    repo.git_in(&sub, ["worktree", "add", "--quiet", "../../linked"]);
    let uncommitted = put_in(&repo.project, &sub, 2);
    let linked = repo.project.outside().join("linked/.artifacts");
    assert_eq!(ids(&read(&linked).unwrap().live), [version, uncommitted].into());
}

#[test]
fn a_store_that_is_a_repo_itself_has_the_roots_of_both() {
    let repo = Repo::new(&["--git=none"]);
    let version = repo.put(1);
    let store = repo.project.store();
    fs::write(store.join(".gitignore"), "/local/\n").unwrap();
    // The guard is in the way of a repo.
    fs::remove_dir_all(store.join(".git")).unwrap();
    repo.git_in(&store, ["init", "--quiet"]);
    repo.git_in(&store, ["add", "--all"]);
    repo.git_in(&store, ["commit", "--quiet", "-m", "a version"]);
    fs::remove_dir_all(store.join("refs")).unwrap();
    let roots = repo.keeps(&[version], &[]);
    assert_eq!(roots.held.len(), 2);
}

#[test]
fn a_store_in_a_bare_repos_directory_has_no_commits() {
    let repo = Repo { project: Project::bare() };
    repo.git(["init", "--quiet", "--bare"]);
    repo.project.art(["init"]).ok();
    let version = repo.put(1);
    repo.keeps(&[version], &[]);
}

#[test]
fn a_store_behind_a_link_goes_by_the_repo_that_it_lies_in() {
    let repo = Repo::new(&[]);
    let version = repo.put(1);
    repo.commit("a version");
    fs::remove_dir_all(repo.project.store().join("refs")).unwrap();
    let link = repo.project.outside().join("link");
    std::os::unix::fs::symlink(repo.project.store(), &link).unwrap();
    assert_eq!(ids(&read(&link).unwrap().live), [version].into());
}

#[test]
fn a_repo_that_says_it_has_no_working_tree_is_refused() {
    let repo = Repo::new(&[]);
    repo.put(1);
    repo.commit("one");
    repo.git(["config", "core.bare", "true"]);
    assert!(repo.refused().to_string().contains("in no working tree"));
}
