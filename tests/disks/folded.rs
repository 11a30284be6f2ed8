//! File systems that fold case, which on such a disk makes one folder of two artifacts, and that lack links and
//! modes: a store is used there, and copied to and from one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Project, has_strace, noise, run};
use crate::{does, in_own_namespace};

/// A disk in a file, mounted.
struct Disk {
    name: &'static str,
    image: PathBuf,
    on: PathBuf,
    looped: Option<String>,
}

impl Disk {
    /// Makes one and mounts it, if that can be done here and it folds case.
    fn new(name: &'static str, dir: &Path) -> Option<Disk> {
        let mut disk = Disk { name, image: dir.join(format!("{name}.img")), on: dir.join(name), looped: None };
        fs::File::create(&disk.image).unwrap().set_len(96 << 20).unwrap();
        fs::create_dir(&disk.on).unwrap();
        let (image, on) = (disk.image.to_str().unwrap().to_owned(), disk.on.to_str().unwrap().to_owned());
        let is_mounted = match name {
            "ext4" => {
                does("mkfs.ext4", &["-q", "-O", "casefold", "-E", "encoding=utf8", &image]) && does("mount", &["-o", "loop", &image, &on])
            }
            "vfat" => does("mkfs.vfat", &[&image]) && does("mount", &["-o", "loop", &image, &on]),
            "exfat" => {
                let made = does("mkfs.exfat", &[&image]);
                made && (does("mount", &["-t", "exfat", "-o", "loop", &image, &on]) || disk.mount_by("mount.exfat-fuse"))
            }
            _ => does("mkntfs", &["-F", "-Q", &image]) && does("lowntfs-3g", &["-o", "ignore_case", &image, &on]),
        };
        let folder = disk.on.join("project");
        let is_made =
            is_mounted && fs::create_dir(&folder).is_ok() && (name != "ext4" || does("chattr", &["+F", folder.to_str().unwrap()]));
        let folds =
            is_made && fs::write(folder.join("Ab"), "").is_ok() && folder.join("aB").exists() && fs::remove_file(folder.join("ab")).is_ok();
        folds.then_some(disk)
    }

    /// Mounts it with a program that takes nothing but a block device.
    fn mount_by(&mut self, program: &str) -> bool {
        let Ok(output) = Command::new("losetup").args(["--find", "--show"]).arg(&self.image).output() else { return false };
        let device = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if device.is_empty() {
            return false;
        }
        let is_mounted = does(program, &[&device, self.on.to_str().unwrap()]);
        self.looped = Some(device);
        is_mounted
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        does("umount", &[self.on.to_str().unwrap()]);
        if let Some(device) = &self.looped {
            does("losetup", &["--detach", device]);
        }
    }
}

/// Stores versions of artifacts whose names differ by case alone, with aliases that do, too.
fn fill(project: &Project, seed: u64) {
    for (at, name) in ["Model", "model", "MODEL"].into_iter().enumerate() {
        project.write("d/x", noise(seed + at as u64, 120_000));
        project.art(["put", name, "d", "--alias", "Best", "-m", &format!("{name} of {seed}")]).ok();
    }
    project.write("d/x", noise(seed + 3, 120_000));
    project.art(["put", "model", "d", "--alias", "best"]).ok();
    project.art(["edit", "Model:Best", "--meta", &format!("seed={seed}")]).ok();
}

/// What a store says of all that it has.
fn shown(project: &Project) -> String {
    let all = ["ls", "ls Model", "ls model", "ls MODEL", "log model", "alias ls", "resolve", "find"];
    all.iter().map(|line| project.art(line.split(' ').chain(["--json"])).ok().text()).collect()
}

/// Restores every version of every artifact; returns how many there are.
#[track_caller]
fn restored(project: &Project) -> usize {
    let versions = project.art(["find", "--json"]).ok().json();
    // Not on that disk: without modes, all files there can be executed.
    let out = project.outside().join("out");
    let out = out.to_str().unwrap();
    for version in versions.as_array().unwrap() {
        let name = format!("{}@{}", version["artifact"].as_str().unwrap(), version["id"].as_str().unwrap());
        project.art(["get", &name, out]).ok();
        project.art(["verify", &name, out]).ok();
        fs::remove_dir_all(out).unwrap();
    }
    versions.as_array().unwrap().len()
}

fn copy(from: &Path, to: &Path) {
    for part in ["packs", "meta", "refs"] {
        let ran = run(Command::new("cp").arg("-rn").arg(from.join(part)).arg(to));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
}

fn story(disk: &Disk) {
    // On it, a store of its own.
    let folded = Project::at(&disk.on.join("project"));
    folded.art(["init"]).ok();
    fill(&folded, 10);
    assert_eq!(restored(&folded), 4, "{}", disk.name);
    let folders = fs::read_dir(folded.store().join("refs")).unwrap().count();
    assert_eq!(folders, 1, "{}", disk.name);
    folded.art(["fsck", "--deep"]).ok();

    // And one elsewhere; put together by copying, to it and from it, they say the same.
    let plain = Project::new();
    fill(&plain, 20);
    let before = (shown(&plain), shown(&folded));
    let (there, back) = (Project::new(), Project::new());
    copy(&folded.store(), &there.store());
    assert_eq!(shown(&there), before.1, "{}", disk.name);
    assert_eq!(restored(&there), 4);
    copy(&plain.store(), &folded.store());
    copy(&folded.store(), &plain.store());
    assert_eq!(shown(&plain), shown(&folded), "{}", disk.name);
    for project in [&plain, &folded] {
        assert_eq!(restored(project), 8, "{}", disk.name);
        project.art(["fsck"]).ok();
    }
    // What has diverged is settled there, and everywhere.
    folded.art(["resolve", "--prefer", "newest"]).ok();
    folded.art(["rm", "MODEL:v0", "--force-aliases"]).ok();
    run(&mut plain.command(["sync".as_ref(), folded.root().as_os_str()])).ok();
    assert_eq!(shown(&plain), shown(&folded), "{}", disk.name);
    assert_eq!(plain.art(["resolve"]).ok().text(), "nothing has diverged\n");
    copy(&folded.store(), &back.store());
    assert_eq!(shown(&back), shown(&plain), "{}", disk.name);

    // Collected there, it keeps what lives.
    folded.art(["gc", "--prune-now"]).ok();
    folded.art(["fsck", "--deep"]).ok();
    assert_eq!(restored(&folded), 7, "{}", disk.name);
}

#[test]
fn a_store_on_a_disk_that_folds_case_is_one_as_everywhere() {
    in_own_namespace("folded::a_store_on_a_disk_that_folds_case_is_one_as_everywhere", || {
        let dir = tempfile::tempdir().unwrap();
        let mut tried = Vec::new();
        for name in ["ext4", "vfat", "exfat", "ntfs"] {
            match Disk::new(name, dir.path()) {
                Some(disk) => {
                    story(&disk);
                    tried.push(name);
                }
                None => println!("skipped: {name} that folds case cannot be made or mounted here"),
            }
        }
        println!("tried: {}", tried.join(", "));
    });
}

#[test]
fn without_links_and_the_flag_of_rename_what_is_stored_takes_its_name_all_the_same() {
    if !has_strace() {
        println!("skipped: strace cannot be used here");
        return;
    }
    let project = Project::bare();
    project.write("d/x", noise(1, 100_000));
    let art = |args: &[&str]| {
        let traced = ["-f", "-qq", "-o", "/dev/null", "-e", "inject=renameat2:error=EINVAL", "-e", "inject=linkat,link:error=EPERM"];
        run(&mut project.program("strace", traced.into_iter().chain([env!("CARGO_BIN_EXE_art")]).chain(args.iter().copied()))).ok()
    };
    art(&["init"]);
    art(&["put", "data", "d", "--alias", "best"]);
    // What is there already is kept: the same pages and chunks, without what is known of them.
    project.remove(".artifacts/local");
    project.remove(".artifacts/refs");
    art(&["put", "data", "d"]);
    art(&["export", "data", "-o", "data.tar"]);
    assert_eq!(project.art(["export", "data", "-o", "data.tar"]).code, Some(1));
    project.art(["fsck", "--deep"]).ok();
    project.art(["get", "data", "out"]).ok();
    project.art(["verify", "data", "out"]).ok();
}
