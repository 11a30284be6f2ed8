//! What cannot be known stops `gc`, and then nothing is changed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use artstore::lock::{Lock, Mode, Wait};
use artstore::progress::Silent;
use serde_json::json;

use crate::support::{Project, files, run, tree};
use crate::{gc, gc_later, holds, len, packs, three_versions};

/// Everything that syncs.
fn synced(project: &Project) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let all = files(&project.store()).into_iter().filter(|path| !path.strip_prefix(project.store()).unwrap().starts_with("local"));
    all.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn overwrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

#[track_caller]
fn stops(project: &Project) {
    let before = synced(project);
    for args in [&["gc"][..], &["gc", "--grace-seconds", "0"], &["gc", "--prune-now"], &["gc", "--dry-run"]] {
        let ran = project.art(args);
        assert!(ran.fails(5).contains("hint: "), "{}", ran.stderr);
    }
    assert!(synced(project) == before);
}

#[test]
fn a_missing_manifest_of_a_version_stops_it() {
    let project = three_versions();
    project.art(["rm", "data:v0"]).ok();
    gc(&project, &[]);
    fs::remove_dir_all(project.store().join("meta")).unwrap();
    stops(&project);
}

#[test]
fn a_damaged_page_of_a_version_stops_it() {
    let project = three_versions();
    project.art(["rm", "data:v0", "data:v1"]).ok();
    for path in files(&project.store().join("meta")) {
        // The first block's payload, behind its header: the table is as it was.
        overwrite(&path, |bytes| bytes[80] ^= 1);
    }
    stops(&project);
}

#[test]
fn a_damaged_record_stops_it() {
    let project = three_versions();
    project.art(["rm", "data:v0"]).ok();
    overwrite(&files(&project.store().join("refs/data/edits"))[0], |bytes| bytes[5] ^= 1);
    stops(&project);
}

#[test]
fn a_damaged_condemn_record_stops_it() {
    let project = three_versions();
    project.art(["rm", "data:v0"]).ok();
    gc(&project, &[]);
    overwrite(&files(&project.store().join("gc"))[0], |bytes| bytes[20] ^= 1);
    stops(&project);
}

#[test]
fn a_feature_that_is_unknown_stops_it() {
    let project = three_versions();
    project.write(".artifacts/features/gc-later", "");
    stops(&project);
}

#[test]
fn only_one_runs_at_a_time() {
    let project = three_versions();
    gc(&project, &[]);
    let local = fs::read_dir(project.store().join("local")).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let held = Lock::take(&local.join("gc"), Mode::Exclusive, Wait::Not, &Silent).unwrap();
    project.art(["gc", "--no-wait"]).fails(6);
    // Nobody else waits for it.
    project.art(["put", "other", "d", "--no-wait"]).ok();
    project.art(["gc", "--dry-run", "--no-wait"]).ok();
    drop(held);
    project.art(["gc", "--no-wait"]).ok();
}

#[test]
fn a_pack_stays_if_what_stands_in_it_too_is_damaged_where_it_should_be() {
    let project = three_versions();
    let old = packs(&project);
    project.art(["rm", "data:v0", "data:v1"]).ok();
    gc(&project, &[]);
    let new = packs(&project).into_iter().find(|path| !old.contains(path)).unwrap();
    overwrite(&new, |bytes| bytes[2000] ^= 1);
    let ran = project.art(["gc", "--grace-seconds", "0", "--json"]);
    let later = ran.json();
    assert!(ran.stderr.contains("cannot rely on a pack"), "{}", ran.stderr);
    assert_eq!(later["lifted"].as_array().unwrap().iter().filter(|pack| pack["class"] == "data").count(), 1, "{later}");
    fs::remove_file(&new).unwrap();
    holds(&project, 2);
}

#[test]
fn a_pack_with_something_damaged_that_is_needed_stays() {
    let project = three_versions();
    project.art(["rm", "data:v0", "data:v1"]).ok();
    // The shared file, which v2 needs, stands at the end of the pack of v0, the longest.
    let pack = packs(&project).into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    overwrite(&pack, |bytes| bytes[800_000..850_000].fill(7));
    let ran = project.art(["gc", "--json"]);
    let first = ran.json();
    let condemned = first["condemned"].as_array().unwrap().iter().filter(|pack| pack["class"] == "data").count();
    assert_eq!((condemned, ran.stderr.contains("run `art repair`")), (1, true), "{first} {}", ran.stderr);
}

#[test]
fn a_read_only_store_can_be_planned_for() {
    let project = three_versions();
    project.art(["rm", "data:v0"]).ok();
    let before = tree(&project.store());
    let Some(mut command) = project.as_nobody(["gc", "--dry-run", "--json"]) else { return };
    let planned = crate::support::run(&mut command).ok().json();
    assert!(len(&planned["condemned"]) > 0 && tree(&project.store()) == before);
    let Some(mut command) = project.as_nobody(["gc"]) else { return };
    assert_eq!(crate::support::run(&mut command).code, Some(1));
}

#[test]
fn what_a_commit_holds_stays() {
    let project = Project::bare();
    let git = |args: &[&str]| {
        let name = ["-c", "user.name=A", "-c", "user.email=a@example.org"];
        crate::support::run(&mut project.program("git", [&name, args].concat())).ok()
    };
    git(&["init", "-q"]);
    project.art(["init", "--git=all"]).ok();
    for number in 0..2 {
        crate::write_version(&project, number);
        project.put("d", &[]);
    }
    git(&["add", "-A", ".artifacts"]);
    git(&["commit", "-qm", "one"]);
    project.art(["rm", "data:v0"]).ok();
    assert_eq!(gc(&project, &[])["condemned"], json!([]), "the last commit has the version, not deleted");
    git(&["add", "-A", ".artifacts"]);
    git(&["commit", "-qm", "two"]);
    for args in [&[][..], &["--prune-now"]] {
        assert_eq!(gc(&project, args)["condemned"], json!([]), "commits hold every pack");
    }
    gc_later(&project);
    assert_eq!(packs(&project).len(), 2);
    holds(&project, 1);
}

#[test]
fn packs_behind_a_symlink_may_be_in_use_elsewhere() {
    for dir in ["packs", "meta"] {
        let project = three_versions();
        project.art(["rm", "data:v0"]).ok();
        let elsewhere = project.outside().join(format!("shared-{dir}"));
        fs::rename(project.store().join(dir), &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, project.store().join(dir)).unwrap();
        for args in [&["gc"][..], &["gc", "--prune-now"], &["gc", "--dry-run"]] {
            assert!(project.art(args).fails(1).contains("symlink"), "{dir}");
        }
    }
}

#[test]
fn a_repo_that_the_environment_points_to_and_that_fails_stops_it() {
    let project = three_versions();
    project.art(["rm", "data:v1"]).ok();
    let git_dir = project.outside().join("dotfiles");
    let git = |args: &[&str]| run(project.program("git", args).env("GIT_DIR", &git_dir).env("GIT_WORK_TREE", project.root())).ok();
    git(&["init", "--quiet"]);
    let pointed = |git_dir: &std::path::Path, args: &[&str]| {
        run(project.command([&["gc"], args].concat()).env("GIT_DIR", git_dir).env("GIT_WORK_TREE", project.root()))
    };
    for args in [&["--dry-run"][..], &[], &["--prune-now"]] {
        // It is no repo, or its head is torn.
        std::fs::write(git_dir.join("HEAD"), "torn").unwrap();
        for place in [project.outside().join("gone"), git_dir.clone()] {
            let ran = pointed(&place, args);
            assert!(ran.fails(5).contains("cannot tell what the git repo round the store holds"), "{args:?} {}", ran.stderr);
            assert!(ran.stderr.contains("`GIT_DIR`"), "{}", ran.stderr);
        }
        assert_eq!(packs(&project).len(), 3);
    }
    std::fs::write(git_dir.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    // It is one of another tree, or of this one.
    run(project.command(["gc", "--dry-run"]).env("GIT_DIR", &git_dir).env("GIT_WORK_TREE", project.outside().join("home"))).ok();
    pointed(&git_dir, &[]).ok();
}
