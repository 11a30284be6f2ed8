//! `art gc` on stores of every sort: what goes, what stays, and that what stays restores.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod beside;
mod branches;
mod copies;
mod evidence;
mod merged;
mod phases;
mod refused;
mod repack;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Project, files, noise, tree};

/// A project with versions `v0` to `v2` of `data`: each has a large file of its own and shares one.
fn three_versions() -> Project {
    let project = Project::new();
    for number in 0..3 {
        write_version(&project, number);
        project.put("d", &[]);
    }
    project
}

fn write_version(project: &Project, number: u64) {
    project.write("d/own", noise(number, 700_000));
    project.write("d/shared", noise(100, 300_000));
    project.write("d/number", format!("{number}"));
}

/// Asserts that a version is what was stored as it.
#[track_caller]
fn holds(project: &Project, number: u64) {
    let out = format!("out-{number}");
    project.art(["get", &format!("data:v{number}"), &out]).ok();
    write_version(project, number);
    assert_eq!(tree(&project.path(&out)), tree(&project.path("d")));
    project.remove(&out);
}

/// Runs `art gc` and returns what it says.
#[track_caller]
fn gc(project: &Project, args: &[&str]) -> Value {
    project.art([&["gc", "--json"], args].concat()).ok().json()
}

/// Runs `art gc` as if the grace of everything had ended.
#[track_caller]
fn gc_later(project: &Project) -> Value {
    gc(project, &["--grace-seconds", "0"])
}

fn len(value: &Value) -> usize {
    value.as_array().unwrap().len()
}

fn packs(project: &Project) -> Vec<PathBuf> {
    let is_pack = |path: &PathBuf| ["packs/.git", "packs/keep"].iter().all(|other| !path.starts_with(project.store().join(other)));
    files(&project.store().join("packs")).into_iter().filter(is_pack).collect()
}

/// Copies a store's files over another, as `cp -rn` does, local state left out.
fn union(from: &Path, to: &Path) {
    for path in files(from) {
        let relative = path.strip_prefix(from).unwrap();
        let dest = to.join(relative);
        if relative.starts_with("local") || dest.exists() {
            continue;
        }
        fs::create_dir_all(dest.parent().unwrap()).unwrap();
        fs::copy(path, dest).unwrap();
    }
}
