//! `art repair`: kinds of damage × places × where good copies are. What was there is there again
//! bit for bit, or it is told exactly what is not; and nothing is deleted.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod interrupted;
mod matrix;
mod salvaged;
mod sources;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{Project, files, noise};

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Damage {
    /// One bit turns, this share of the way into the file.
    Flip(f64),
    /// This share of the file is left.
    Truncate(f64),
    Extend,
    Delete,
}

const ALL: [Damage; 9] = [
    Damage::Flip(0.0),
    Damage::Flip(0.03),
    Damage::Flip(0.4),
    Damage::Flip(1.0),
    Damage::Truncate(0.0),
    Damage::Truncate(0.6),
    Damage::Truncate(0.999),
    Damage::Extend,
    Damage::Delete,
];

impl Damage {
    /// Does it; returns what is left.
    fn inflict(self, path: &Path) -> Option<Vec<u8>> {
        let mut bytes = fs::read(path).unwrap();
        let at = |share: f64| ((bytes.len() - 1) as f64 * share) as usize;
        match self {
            Damage::Flip(share) => {
                let at = at(share);
                bytes[at] ^= 0x20;
            }
            Damage::Truncate(share) => bytes.truncate(at(share)),
            Damage::Extend => bytes.push(b'\n'),
            Damage::Delete => {
                fs::remove_file(path).unwrap();
                return None;
            }
        }
        fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
        fs::write(path, &bytes).unwrap();
        Some(bytes)
    }
}

/// A project with two versions of `data` in two data packs and two meta packs; `best` is the second.
fn store() -> Project {
    let project = Project::new();
    project.write("d/big", noise(1, 600_000));
    project.write("d/text", "some text\n".repeat(5000));
    project.write("d/sub/small", "small");
    project.put("d", &[]);
    project.write("d/new", noise(2, 300_000));
    project.write("d/sub/small", "other");
    project.put("d", &["--alias", "best"]);
    project
}

/// Copies the store to a directory beside the project.
fn backup(project: &Project) -> PathBuf {
    let copy = project.outside().join("copy");
    assert!(Command::new("cp").arg("-a").arg(project.store()).arg(&copy).status().unwrap().success());
    copy
}

/// The synced files of a store and their bytes.
fn synced(store: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let dirs = ["packs", "meta", "refs", "gc"];
    // Second names, and what guards them, stay where they are.
    let is_synced = |path: &PathBuf| ["packs/keep", "packs/.git"].iter().all(|other| !path.starts_with(store.join(other)));
    let all = dirs.iter().flat_map(|dir| files(&store.join(dir))).filter(is_synced);
    all.map(|path| (path.strip_prefix(store).unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

fn quarantined(project: &Project) -> Vec<Vec<u8>> {
    files(&project.store().join("quarantine")).iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The files of every version that cannot be had, as `VERSION PATH`.
fn unreadable(project: &Project, versions: &[(&str, &[&str])]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (version, paths) in versions {
        for path in *paths {
            if project.art(["cat", version, path]).code != Some(0) {
                all.insert(format!("{version} {path}"));
            }
        }
    }
    all
}

/// What repair tells to be lost, in the same form.
fn lost(told: &Value) -> BTreeSet<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    told["lost"].as_array().unwrap().iter().map(|lost| format!("{} {}", text(&lost["subject"]), text(&lost["path"]))).collect()
}

const V0: (&str, &[&str]) = ("data:v0", &["big", "sub/small", "text"]);
const V1: (&str, &[&str]) = ("data:v1", &["big", "new", "sub/small", "text"]);
