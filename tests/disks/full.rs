//! Full disks: the put that does not fit fails with exit 7, every version before it is whole, and
//! what is freed can be used again.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Project, files, noise, tree};
use crate::{in_own_namespace, mount};

/// Most puts that are tried: each of these disks is full long before.
const PUTS_MAX: u64 = 400;

/// Makes a store on a disk of its own, which holds nothing else.
fn on_its_disk(mount_store: impl FnOnce(&Path)) -> Project {
    let project = Project::bare();
    mount_store(&project.store());
    project.art(["init"]).ok();
    project
}

fn content(number: u64, file_count: u64, len: usize) -> Vec<(String, Vec<u8>)> {
    (0..file_count).map(|file| (format!("d/{file}"), noise(number * 1000 + file, len))).collect()
}

/// Puts versions until one does not fit; returns what was acknowledged, as number and version.
fn fill(project: &Project, first: u64, file_count: u64, len: usize) -> Vec<(u64, Value)> {
    let mut stored = Vec::new();
    for number in first..first + PUTS_MAX {
        content(number, file_count, len).into_iter().for_each(|(path, bytes)| project.write(path, bytes));
        let ran = project.art(["put", "--json", "data", "d"]);
        if ran.code == Some(0) {
            stored.push((number, ran.json()));
            continue;
        }
        assert!(ran.fails(7).contains("hint"), "{}", ran.stderr);
        return stored;
    }
    panic!("the disk is not full after {PUTS_MAX} versions");
}

/// Asserts that the acknowledged versions restore bit for bit, and that nothing else is amiss.
#[track_caller]
fn all_are_whole(project: &Project, stored: &[(u64, Value)], file_count: u64, len: usize) {
    for (number, version) in stored {
        let name = format!("data:{}", version["version"].as_str().unwrap());
        project.art(["get", &name, "out"]).ok();
        content(*number, file_count, len).into_iter().for_each(|(path, bytes)| project.write(path, bytes));
        assert_eq!(tree(&project.path("out")), tree(&project.path("d")), "{name}");
        project.remove("out");
    }
    let found = project.art(["fsck"]);
    assert_eq!(found.code, Some(0), "{}", found.text());
    let listed = project.art(["ls", "data", "--json"]).ok().json();
    assert_eq!(listed.as_array().unwrap().len(), stored.len(), "a version that was not acknowledged is there");
    let litter: Vec<_> = files(&project.store().join("local")).into_iter().filter(|path| path.parent().unwrap().ends_with("tmp")).collect();
    assert!(litter.is_empty(), "{litter:?}");
}

fn fills_and_frees(project: &Project, what: &str, file_count: u64, len: usize) {
    let mut stored = fill(project, 0, file_count, len);
    assert!(stored.len() >= 3, "{what}: only {} versions fit", stored.len());
    all_are_whole(project, &stored, file_count, len);
    // It fails again, in the same way, and still nothing is lost.
    content(9999, file_count, len).into_iter().for_each(|(path, bytes)| project.write(path, bytes));
    project.art(["put", "data", "d"]).fails(7);
    all_are_whole(project, &stored, file_count, len);
    println!("{what}: {} versions, then exit 7; all restore", stored.len());
    if project.art(["gc", "--help"]).code != Some(0) || project.art(["rm", "--help"]).code != Some(0) {
        return;
    }
    let kept = stored.split_off(stored.len() - 2);
    let gone: Vec<String> = stored.iter().map(|(_, version)| format!("data:{}", version["version"].as_str().unwrap())).collect();
    // A delete takes a file itself, and no more are kept in reserve than for a few.
    for some in gone.chunks(6) {
        project.art([&["rm".to_owned()][..], some].concat()).ok();
        project.art(["gc", "--prune-now"]).ok();
    }
    let mut after = kept;
    after.extend(fill(project, 1000, file_count, len));
    assert!(after.len() > 3, "{what}: gc has freed too little");
    all_are_whole(project, &after, file_count, len);
    println!("{what}: {} versions removed, then {} more fit", gone.len(), after.len() - 2);
}

#[test]
fn a_disk_of_a_megabyte_fills_and_nothing_is_lost() {
    in_own_namespace("full::a_disk_of_a_megabyte_fills_and_nothing_is_lost", || {
        let project = on_its_disk(|store| mount(&["-t", "tmpfs", "-o", "size=1m"], Path::new("tmpfs"), store));
        fills_and_frees(&project, "tmpfs of 1 MB", 2, 40_000);
    });
}

#[test]
fn a_disk_with_few_inodes_fills_and_nothing_is_lost() {
    in_own_namespace("full::a_disk_with_few_inodes_fills_and_nothing_is_lost", || {
        let project = on_its_disk(|store| mount(&["-t", "tmpfs", "-o", "size=64m,nr_inodes=200"], Path::new("tmpfs"), store));
        fills_and_frees(&project, "tmpfs with 200 inodes", 1, 1000);
    });
}

#[test]
fn an_ext4_of_four_megabytes_fills_and_nothing_is_lost() {
    in_own_namespace("full::an_ext4_of_four_megabytes_fills_and_nothing_is_lost", || {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        fs::write(&image, vec![0; 4 << 20]).unwrap();
        let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).output();
        if !made.is_ok_and(|output| output.status.success()) {
            println!("skipped: mkfs.ext4 cannot be used here");
            return;
        }
        let probe = Command::new("mount").args(["-o", "loop"]).arg(&image).arg("/mnt").output().unwrap();
        if !probe.status.success() {
            println!("skipped: loop devices cannot be used here");
            return;
        }
        assert!(Command::new("umount").arg("/mnt").status().unwrap().success());
        let project = on_its_disk(|store| mount(&["-o", "loop"], &image, store));
        fills_and_frees(&project, "ext4 of 4 MB", 2, 150_000);
    });
}
