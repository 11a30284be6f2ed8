//! The tools that people copy stores with: `rsync`, `cp` and `tar` themselves, in their ways, cut off at any
//! moment and run again. What a tool is not here for is skipped, and says so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "what was tried, or skipped, is said")]

mod archive;
mod mirrored;
mod rsync;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{Project, files, noise, run};

/// Two projects whose stores have `data:v0` in common, and each a `data:v1` and an alias of its own.
fn two() -> (Project, Project) {
    let (a, b) = (Project::new(), Project::new());
    for project in [&a, &b] {
        project.write("d/common", noise(1, 300_000));
    }
    a.put("d", &["--alias", "best"]);
    tool(&a, "cp", ["-a", ".artifacts", b.root().to_str().unwrap()]);
    for (project, seed) in [(&a, 2), (&b, 3)] {
        project.write("d/own", noise(seed, 200_000));
        project.put("d", &["--alias", "best", "-m", &format!("of {seed}")]);
    }
    (a, b)
}

/// How many versions [`large`] has.
const VERSIONS: usize = 5;

/// A store with some packs and records.
fn large() -> Project {
    let project = Project::new();
    for number in 0..VERSIONS as u64 {
        project.write("d/own", noise(number, 1_200_000));
        project.put("d", &["--alias", &format!("a{number}"), "-m", "some"]);
    }
    project
}

/// Runs a tool, which must succeed.
#[track_caller]
fn tool<I: AsRef<OsStr>>(project: &Project, program: &str, args: impl IntoIterator<Item = I>) {
    run(&mut project.program(program, args)).ok();
}

/// Whether a tool is here; that it is not is said.
fn has(program: &str, test: &str) -> bool {
    let is_here = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !is_here {
        println!("{test} is skipped: {program} is not here");
    }
    is_here
}

/// The files of a store that travel, with their bytes.
fn store_files(store: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let is_own = |relative: &Path| ["local", "quarantine"].iter().any(|own| relative.starts_with(own));
    let all = files(store).into_iter().map(|path| (path.strip_prefix(store).unwrap().to_owned(), path));
    all.filter(|(relative, _)| !is_own(relative)).map(|(relative, path)| (relative, fs::read(path).unwrap())).collect()
}

/// What a store says of all that it has.
fn shown(project: &Project) -> String {
    let commands =
        [&["ls", "--json"][..], &["ls", "data", "--json"], &["log", "data", "--json"], &["alias", "ls", "--json"], &["resolve", "--json"]];
    commands.iter().map(|args| project.art(*args).ok().text()).collect()
}

/// Restores every version that is listed, in which every byte is checked; returns how many there are.
#[track_caller]
fn restored(project: &Project) -> usize {
    let versions = project.art(["ls", "data", "--json"]).ok().json();
    let versions = versions.as_array().unwrap();
    for version in versions {
        assert_eq!(version["missing"], serde_json::Value::Null, "{version}");
        let name = format!("data:{}", version["version"].as_str().unwrap());
        project.art(["get", &name, "out"]).ok();
        project.art(["verify", &name, "out"]).ok();
        project.remove("out");
    }
    versions.len()
}

/// Kills a process with all that it has started in its group.
fn kill_group(mut child: std::process::Child) {
    let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).stderr(Stdio::null()).status();
    child.wait().unwrap();
}
