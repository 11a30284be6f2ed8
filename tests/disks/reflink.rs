//! File systems on which files can share blocks: a clone there takes no room, and stands alone.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Project, files, noise, run};
use crate::{does, in_own_namespace};

/// Bytes of data that are cloned.
const LEN: usize = 24 << 20;

/// Makes such a disk in a file and mounts it, if that can be done here.
fn mounted(name: &str, dir: &Path) -> bool {
    let (image, on) = (dir.join(format!("{name}.img")), dir.join(name));
    fs::File::create(&image).unwrap().set_len(320 << 20).unwrap();
    fs::create_dir(&on).unwrap();
    let (image, on) = (image.to_str().unwrap(), on.to_str().unwrap());
    does(&format!("mkfs.{name}"), &["-q", image]) && does("mount", &["-o", "loop", image, on])
}

/// Returns the bytes that a disk has left, once all is written.
fn left(on: &Path) -> u64 {
    run(Command::new("sync").arg("-f").arg(on)).ok();
    let told = run(Command::new("stat").args(["-f", "-c", "%f %S"]).arg(on)).ok().text();
    told.split_whitespace().map(|number| number.parse::<u64>().unwrap()).product()
}

fn story(on: &Path) {
    let project = Project::at(&on.join("project"));
    fs::create_dir(project.root()).unwrap();
    project.art(["init"]).ok();
    let bytes = noise(1, LEN);
    project.write("d/x", &bytes);
    project.art(["put", "data", "d"]).ok();
    let before = left(on);
    project.art(["clone", ".artifacts", "../clone"]).ok();
    let taken = before.saturating_sub(left(on));
    assert!(taken < LEN as u64 / 4, "{}: a clone of {LEN} bytes took {taken}", on.display());

    // What is damaged in one is not in the other, which stands without it.
    let pack = files(&project.store().join("packs")).pop().unwrap();
    let mut damaged = fs::read(&pack).unwrap();
    damaged[1000] ^= 1;
    fs::remove_file(&pack).unwrap();
    fs::write(&pack, damaged).unwrap();
    project.art(["fsck", "--quick"]).ok();
    project.art(["fsck"]).fails(5);
    let clone = Project::at(&on.join("clone"));
    fs::remove_dir_all(project.root()).unwrap();
    clone.art(["fsck", "--deep"]).ok();
    clone.art(["get", "data", "out"]).ok();
    assert!(clone.read("out/x") == bytes);
}

#[test]
fn a_clone_shares_blocks_where_the_file_system_can() {
    in_own_namespace("reflink::a_clone_shares_blocks_where_the_file_system_can", || {
        let dir = tempfile::tempdir().unwrap();
        let mut tried = Vec::new();
        for name in ["xfs", "btrfs"] {
            if mounted(name, dir.path()) {
                story(&dir.path().join(name));
                does("umount", &[dir.path().join(name).to_str().unwrap()]);
                tried.push(name);
            } else {
                println!("skipped: {name} cannot be made or mounted here");
            }
        }
        println!("tried: {}", tried.join(", "));
    });
}
