//! Where good copies are found, and what is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::support::{Project, files, noise};
use crate::{Damage, V0, V1, backup, lost, store, synced, unreadable};

/// Everything below a directory with its time of modification, and directories too.
fn times(dir: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let all = walkdir::WalkDir::new(dir).into_iter().map(|entry| entry.unwrap());
    all.map(|entry| (entry.path().to_owned(), entry.metadata().unwrap().modified().unwrap())).collect()
}

#[test]
fn a_healthy_store_is_left_alone() {
    let project = store();
    let copy = backup(&project);
    let before = times(&project.store());
    assert_eq!(project.art(["repair", "--from", copy.to_str().unwrap()]).ok().text(), "nothing to repair\n");
    assert_eq!(times(&project.store()), before);
    project.remove(".artifacts/local");
    project.art(["repair"]).ok();
    assert!(!project.store().join("local").exists(), "local state that is missing needs no repair");
}

#[test]
fn a_dry_run_tells_the_same_and_writes_nothing() {
    let project = store();
    let copy = backup(&project);
    for (at, path) in files(&project.store().join("packs")).iter().chain(&files(&project.store().join("meta"))).enumerate() {
        if at % 2 == 0 { Damage::Delete } else { Damage::Flip(0.3) }.inflict(path);
    }
    let args = ["repair", "--json", "--from", copy.to_str().unwrap()];
    let (before, of_copy) = (times(&project.store()), times(&copy));
    let planned = project.art(args.iter().chain(&["--dry-run"])).ok().json();
    assert_eq!(times(&project.store()), before);
    let done = project.art(args).ok().json();
    for field in ["fetched", "gathered", "quarantined", "lost"] {
        assert_eq!(planned[field], done[field], "{field}");
    }
    assert_eq!(times(&copy), of_copy);
    assert_eq!(project.art(["repair"]).ok().text(), "nothing to repair\n");
}

#[test]
fn chunks_that_a_copy_has_in_other_packs_are_copied_alone() {
    let project = Project::new();
    project.write("d/a", noise(3, 400_000));
    project.put("d", &[]);
    let other = Project::new();
    other.write("e/a", noise(3, 400_000));
    other.write("e/b", noise(4, 5_000_000));
    other.art(["put", "more", "e"]).ok();
    Damage::Delete.inflict(&files(&project.store().join("packs"))[0]);
    let told = project.art(["repair", "--json", "--from", other.root().to_str().unwrap()]).ok().json();
    assert!(told["gathered"][0]["chunk_count"].as_u64().unwrap() > 3, "{told}");
    assert_eq!(told["fetched"].as_array().unwrap().len(), 0, "{told}");
    assert_eq!(project.art(["cat", "data", "a"]).ok().stdout, project.read("d/a"));
    project.art(["fsck", "--deep"]).ok();
}

#[test]
fn several_copies_add_up() {
    let project = store();
    let copy = backup(&project);
    let packs = files(&project.store().join("packs"));
    let second = project.outside().join("second");
    assert!(std::process::Command::new("cp").arg("-a").arg(&copy).arg(&second).status().unwrap().success());
    let parts = [copy, second];
    for (pack, part) in packs.iter().zip(&parts) {
        fs::remove_file(pack).unwrap();
        fs::remove_file(part.join(pack.strip_prefix(project.store()).unwrap())).unwrap();
    }
    let from = |part: &PathBuf| part.to_str().unwrap().to_owned();
    assert_eq!(project.art(["repair", "--from", &from(&parts[0])]).code, Some(5));
    project.art(["repair", "--from", &from(&parts[0]), "--from", &from(&parts[1])]).ok();
    assert_eq!(unreadable(&project, &[V0, V1]).len(), 0);
}

#[test]
fn the_store_of_a_linked_worktree_is_found() {
    let project = store();
    let git = |args: &[&str]| {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
        assert!(project.program("git", [&identity[..], args].concat()).status().unwrap().success(), "{args:?}");
    };
    project.art(["init", "--git=none"]).ok();
    project.write("code", "x");
    git(&["init", "-q"]);
    git(&["add", "code"]);
    git(&["commit", "-qm", "code"]);
    git(&["worktree", "add", "-q", "../linked"]);
    let before = synced(&project.store());
    assert!(
        std::process::Command::new("cp").arg("-a").arg(project.store()).arg(project.outside().join("linked")).status().unwrap().success()
    );
    for pack in files(&project.store().join("packs")) {
        Damage::Flip(0.5).inflict(&pack);
    }
    let told = project.art(["repair", "--json"]).ok().json();
    assert!(told["fetched"][0]["from"].as_str().unwrap().contains("linked"), "{told}");
    assert_eq!(synced(&project.store()), before);
}

#[test]
fn what_was_kept_from_git_clean_is_found() {
    let project = store();
    let before = synced(&project.store());
    for dir in ["meta", "refs"] {
        for path in files(&project.store().join(dir)) {
            let kept = project.store().join("packs/keep").join(path.strip_prefix(project.store()).unwrap());
            fs::create_dir_all(kept.parent().unwrap()).unwrap();
            fs::copy(&path, kept).unwrap();
        }
    }
    for path in files(&project.store().join("refs")).iter().chain(&files(&project.store().join("meta"))) {
        Damage::Flip(0.5).inflict(path);
    }
    let told = project.art(["repair", "--json"]).ok().json();
    assert_eq!(told["fetched"][0]["from"], "packs/keep");
    fs::remove_dir_all(project.store().join("packs/keep")).unwrap();
    assert_eq!(synced(&project.store()), before);
}

#[test]
fn it_is_no_sync() {
    let project = store();
    let copy = Project::new();
    assert!(std::process::Command::new("cp").arg("-a").arg(project.store()).arg(copy.root()).status().unwrap().success());
    copy.write("d/only-there", "x");
    copy.put("d", &["--alias", "there"]);
    Damage::Delete.inflict(&files(&project.store().join("packs"))[0]);
    let told = project.art(["repair", "--json", "--from", copy.root().to_str().unwrap()]).ok().json();
    assert_eq!(told["fetched"].as_array().unwrap().len(), 1, "{told}");
    project.art(["show", "data:v2"]).fails(3);
}

#[test]
fn a_record_that_lies_in_the_wrong_place_is_put_right() {
    let project = store();
    let before = synced(&project.store());
    let record = files(&project.store().join("refs/data/versions")).remove(0);
    let wrong = project.store().join("refs/other/versions").join(record.file_name().unwrap());
    fs::create_dir_all(wrong.parent().unwrap()).unwrap();
    fs::rename(&record, &wrong).unwrap();
    let told = project.art(["repair", "--json"]).ok().json();
    assert_eq!(told["quarantined"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(synced(&project.store()), before);
    project.art(["fsck"]).ok();
}

#[test]
fn a_deleted_version_needs_no_repair() {
    let project = store();
    project.art(["rm", "data:v0"]).ok();
    let first = files(&project.store().join("meta")).into_iter().find(|path| {
        Damage::Flip(0.0).inflict(path);
        let is_first = project.art(["ls", "data:v1"]).code == Some(0);
        Damage::Flip(0.0).inflict(path);
        is_first
    });
    Damage::Delete.inflict(&first.unwrap());
    project.art(["fsck"]).ok();
    assert_eq!(lost(&project.art(["repair", "--json"]).ok().json()).len(), 0);
}

#[test]
fn what_cannot_be_a_source_is_refused_and_nothing_is_done() {
    let project = store();
    Damage::Flip(0.5).inflict(&files(&project.store().join("packs"))[0]);
    let before = times(&project.store());
    assert!(project.art(["repair", "--from", "."]).fails(2).contains("it is the store to be repaired"));
    project.art(["repair", "--from", "/does/not/exist"]).fails(3);
    project.art(["repair", "--from", "d"]).fails(5);
    assert_eq!(times(&project.store()), before);
}
