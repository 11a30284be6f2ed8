//! `sync`, `push` and `pull`: what two copies hold afterwards, beside what the tools that people copy
//! with make of them; stopped, damaged, and beside `gc`. Bundles likewise. In directories, and (`far`) on
//! what stands for another computer.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bundle;
mod condemned;
mod far;
mod killed;
mod part;
#[path = "../support/mod.rs"]
mod support;
mod union;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Project, Ran, files, noise, run};

/// Two projects whose stores have some history in common, and each one of its own.
fn two() -> (Project, Project) {
    let (a, b) = (Project::new(), Project::new());
    a.write("d/big", noise(1, 600_000));
    a.put("d", &["--alias", "best"]);
    copy(&a.store(), &b.store());
    for (project, seed) in [(&a, 2), (&b, 3)] {
        project.write("d/big", noise(1, 600_000));
        project.write("d/own", noise(seed, 400_000));
        project.put("d", &["--alias", "best", "-m", &format!("of {seed}")]);
        project.art(["run", "exec", "--", "true"]).ok();
    }
    (a, b)
}

/// Copies a store as `cp -rn` does.
fn copy(from: &Path, to: &Path) {
    for (path, _) in store_files(from) {
        let (source, dest) = (from.join(&path), to.join(&path));
        if !dest.exists() {
            fs::create_dir_all(dest.parent().unwrap()).unwrap();
            fs::copy(source, dest).unwrap();
        }
    }
}

/// The files of a store that travel, with their bytes.
fn store_files(store: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for path in files(store) {
        let relative = path.strip_prefix(store).unwrap();
        let is_own = ["local", "quarantine", ".gitignore", ".gitattributes", "format"].iter().any(|own| relative.starts_with(own));
        if !is_own {
            all.insert(relative.to_owned(), fs::read(&path).unwrap());
        }
    }
    all
}

/// Runs `art COMMAND OTHER ARGS…` in a project.
fn art_with(project: &Project, command: &str, other: &Path, args: &[&str]) -> Ran {
    run(&mut command_with(project, command, other, args))
}

/// Prepares it; the other copy is reached as this test is to reach it.
fn command_with(project: &Project, command: &str, other: &Path, args: &[&str]) -> Command {
    let way = far::way();
    let mut prepared = project.command([&[command, &way.place(other)], args].concat());
    way.prepare(project, &mut prepared);
    prepared
}

fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}
