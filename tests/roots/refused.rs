//! What cannot be told is refused: damaged records, repos that do not answer.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use artstore::error::ErrorKind;

use crate::repo::{Repo, ids, read, record_of};
use crate::support::{Project, files};

#[test]
fn a_damaged_record_in_the_working_tree_is_refused() {
    let repo = Repo { project: Project::new() };
    let record = record_of(&repo.project.store(), repo.put(1));
    fs::set_permissions(&record, PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&record, "{}\n").unwrap();
    let error = repo.refused();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("record"), "{error}");
}

#[test]
fn a_damaged_record_in_a_commit_is_refused_until_the_record_itself_is_known() {
    let repo = Repo::new(&[]);
    let id = repo.put(1);
    let record = record_of(&repo.project.store(), id);
    let line = fs::read(&record).unwrap();
    fs::set_permissions(&record, PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&record, "{}\n").unwrap();
    repo.commit("a record with a line end of its own");
    fs::remove_file(&record).unwrap();
    let error = repo.refused();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("in a commit"), "{error}");
    fs::write(&record, line).unwrap();
    repo.keeps(&[id], &[]);
}

#[test]
fn a_repo_that_lacks_an_object_is_refused() {
    for lost in ["HEAD:.artifacts/refs", "HEAD", "HEAD^{tree}"] {
        let repo = Repo::new(&[]);
        repo.put(1);
        repo.commit("a version");
        let oid = repo.git(["rev-parse", lost]);
        fs::remove_file(repo.project.path(format!(".git/objects/{}/{}", &oid[..2], &oid[2..]))).unwrap();
        let error = repo.refused();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{lost}: {error}");
        assert!(error.hint_text().unwrap().contains("git fsck"), "{lost}");
    }
}

#[test]
fn a_repo_with_a_torn_object_is_refused() {
    let repo = Repo::new(&[]);
    repo.put(1);
    repo.commit("a version");
    let oid = repo.git(["rev-parse", "HEAD:.artifacts/refs/data"]);
    let object = repo.project.path(format!(".git/objects/{}/{}", &oid[..2], &oid[2..]));
    fs::set_permissions(&object, PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&object, b"torn").unwrap();
    assert_eq!(repo.refused().kind(), ErrorKind::Damaged);
}

#[test]
fn a_directory_that_only_looks_like_a_repo_is_refused() {
    let repo = Repo { project: Project::new() };
    repo.put(1);
    repo.project.write(".git", "gitdir: ../gone\n");
    assert_eq!(repo.refused().kind(), ErrorKind::Damaged);
    repo.project.remove(".git");
    repo.project.write(".git/config", "");
    assert_eq!(repo.refused().kind(), ErrorKind::Damaged);
}

#[test]
fn a_shallow_clone_is_refused_if_it_has_commits_of_the_store() {
    let repo = Repo::new(&[]);
    let version = repo.put(1);
    repo.commit("a version");
    let clone = repo.project.outside().join("clone");
    let url = format!("file://{}", repo.project.root().display());
    repo.git(["clone", "--quiet", "--depth=1", &url, clone.to_str().unwrap()]);
    let error = read(&clone.join(".artifacts")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.hint_text().unwrap().contains("git fetch --unshallow"));
    repo.git_in(&clone, ["fetch", "--quiet", "--unshallow"]);
    assert_eq!(ids(&read(&clone.join(".artifacts")).unwrap().live), [version].into());

    let plain = Repo { project: Project::bare() };
    plain.git(["init", "--quiet"]);
    plain.commit("one");
    plain.commit("two");
    let url = format!("file://{}", plain.project.root().display());
    plain.git(["clone", "--quiet", "--depth=1", &url, "../clone"]);
    let clone = plain.project.outside().join("clone");
    crate::support::run(plain.project.command(["init"]).current_dir(&clone)).ok();
    read(&clone.join(".artifacts")).unwrap();
}

#[test]
fn a_locked_linked_working_tree_that_is_not_here_is_refused() {
    let repo = Repo::new(&[]);
    repo.git(["worktree", "add", "--quiet", "../linked"]);
    repo.git(["worktree", "lock", "../linked"]);
    fs::rename(repo.project.outside().join("linked"), repo.project.outside().join("away")).unwrap();
    let error = repo.refused();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.hint_text().unwrap().contains("git worktree unlock"));
}

#[test]
fn roots_are_read_without_writing() {
    let repo = Repo::new(&[]);
    repo.put(1);
    repo.commit("a version");
    let before = files(repo.project.outside());
    repo.roots();
    assert_eq!(files(repo.project.outside()), before);
}
