//! Stores that were copied: by `cp`, in part, with their local state, over one another.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::{Project, files, noise, tree};
use crate::{Damage, only, small_store};

fn cp(args: &[&str], from: &Path, to: &Path) {
    assert!(Command::new("cp").args(args).arg(from).arg(to).status().unwrap().success());
}

/// A project with the same `d`, and packs and records copied from another, without local state.
fn copied(from: &Project) -> Project {
    let project = Project::new();
    cp(&["-r"], &from.path("d"), &project.path("d"));
    for dir in ["packs", "meta", "refs"] {
        cp(&["-r"], &from.store().join(dir), &project.store());
    }
    project
}

#[test]
fn packs_that_were_copied_in_are_reused() {
    let project = copied(&small_store());
    project.art(["get", "data", "out"]).ok();
    let version = project.put("d", &[]);
    assert_eq!((&version["unchanged"], &version["new_bytes"]), (&true.into(), &0.into()));
    let other = project.art(["put", "other", "d", "--json"]).ok().json();
    assert_eq!(other["new_bytes"], 0);
}

#[test]
fn packs_that_were_copied_in_wrong_are_not_reused() {
    for dir in ["packs", "meta"] {
        for damage in [Damage::Flip(0.001), Damage::Flip(0.4), Damage::Flip(0.9), Damage::Truncate(0.8), Damage::Extend] {
            let project = copied(&small_store());
            damage.inflict(&only(&project, dir));
            let version = project.art(["put", "other", "d", "--json"]).ok().json();
            assert_ne!(version["new_bytes"], 0, "{damage:?} of {dir}");
            project.art(["get", "other", "out"]).ok();
            assert_eq!(tree(&project.path("out")), tree(&project.path("d")));
            project.art(["fsck"]).ok();
        }
    }
}

#[test]
fn local_state_that_was_copied_along_is_not_believed() {
    let original = small_store();
    original.put("d", &[]);
    let project = Project::bare();
    cp(&["-a"], &original.store(), &project.root());
    cp(&["-a"], &original.path("d"), &project.root());
    let folders = || -> Vec<_> {
        let entries = fs::read_dir(project.store().join("local")).unwrap().map(|entry| entry.unwrap());
        entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name()).collect()
    };
    let before = folders();
    // Damaged on the way, with every time kept.
    let pack = only(&project, "packs");
    let modified = fs::metadata(&pack).unwrap().modified().unwrap();
    Damage::Flip(0.5).inflict(&pack);
    File::open(&pack).unwrap().set_modified(modified).unwrap();

    let version = project.put("d", &[]);
    assert_eq!(version["unchanged"], true);
    assert_ne!(version["new_bytes"], 0);
    project.art(["fsck"]).ok();
    let after = folders();
    assert_eq!(after.len(), 1);
    assert_ne!(after, before, "the copied one is swept");
}

#[test]
fn a_store_without_its_local_state_loses_nothing() {
    let project = small_store();
    project.remove(".artifacts/local");
    project.art(["get", "data", "out"]).ok();
    project.art(["fsck"]).ok();
    assert!(!project.store().join("local").exists(), "readers make none");
    assert_eq!(project.put("d", &[])["new_bytes"], 0);
    project.remove(".artifacts/local");
    project.write("d/new", "new");
    assert_eq!(project.put("d", &[])["version"], "v1");
    project.art(["alias", "set", "data:v0", "old"]).ok();
    project.art(["fsck"]).ok();
}

#[test]
fn stores_that_grew_apart_and_were_merged_by_copying_keep_every_version() {
    let one = small_store();
    let two = copied(&one);
    one.write("d/sub/small", noise(11, 50_000));
    one.put("d", &["--alias", "best"]);
    two.write("d/sub/small", noise(12, 50_000));
    two.put("d", &["--alias", "other"]);
    for (from, to) in [(&one, &two), (&two, &one)] {
        for dir in ["packs", "meta", "refs"] {
            cp(&["-rn"], &from.store().join(dir), &to.store());
        }
    }
    for project in [&one, &two] {
        project.art(["fsck"]).ok();
        assert!(project.art(["show", "data:v1"]).fails(4).contains("data:v1."));
        project.art(["show", "data:latest"]).fails(4);
        for (alias, seed) in [("best", 11), ("other", 12)] {
            assert_eq!(project.art(["cat", &format!("data:{alias}"), "sub/small"]).ok().stdout, noise(seed, 50_000));
        }
    }
    assert_eq!(one.art(["ls", "data", "--json"]).ok().stdout, two.art(["ls", "data", "--json"]).ok().stdout);
    // The next version settles it.
    one.write("d/sub/small", "settled");
    assert_eq!(one.put("d", &[])["version"], "v2");
    one.art(["show", "data"]).ok();
}

#[test]
fn strangers_are_ignored_and_reported() {
    let project = small_store();
    let record = only(&project, "refs/data/versions");
    let pack = only(&project, "packs");
    let strange = [
        ".DS_Store".to_owned(),
        "packs/.DS_Store".to_owned(),
        "refs/data/versions/desktop.ini".to_owned(),
        "refs/data/versions/.tmp123".to_owned(),
        "refs/notes.txt".to_owned(),
        "features/.DS_Store".to_owned(),
        format!("{} (conflicted copy 2026-11-23)", record.strip_prefix(project.store()).unwrap().display()),
        format!("{} (1)", pack.strip_prefix(project.store()).unwrap().display()),
    ];
    for path in &strange {
        project.write(Path::new(".artifacts").join(path), "strange");
    }
    project.art(["get", "data:best", "out"]).ok();
    assert_eq!(project.put("d", &[])["unchanged"], true);
    assert_eq!(project.art(["ls", "--json"]).ok().json().as_array().unwrap().len(), 1);
    let checked = project.art(["fsck", "--json"]).ok().json();
    let told: Vec<&str> = checked["strangers"].as_array().unwrap().iter().map(|path| path["path"].as_str().unwrap()).collect();
    for path in strange.iter().filter(|path| !path.starts_with("features")) {
        assert!(told.contains(&&path[..]), "{path}: {told:?}");
    }
}

#[test]
fn a_store_with_loose_modes_works() {
    let project = small_store();
    for path in files(&project.store()) {
        fs::set_permissions(path, PermissionsExt::from_mode(0o666)).unwrap();
    }
    assert_eq!(project.put("d", &[])["unchanged"], true);
    project.art(["get", "data", "out"]).ok();
}
