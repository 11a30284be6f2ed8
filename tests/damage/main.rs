//! Kinds of damage × places × what happens next; stores that were copied, are newer, or may not
//! be written to; and stores that an enemy wrote.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "a sweep says how much it has tried")]

mod bombs;
mod copies;
mod enemy;
mod flips;
mod hostile;
mod kept;
mod local;
mod mended;
mod oracle;
mod races;
mod refused;
mod shown;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use support::{Project, files, noise};

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Damage {
    /// One bit turns, this share of the way into the file.
    Flip(f64),
    /// This share of the file is left.
    Truncate(f64),
    /// Something is appended.
    Extend,
    Delete,
}

const ALL: [Damage; 10] = [
    Damage::Flip(0.0),
    Damage::Flip(0.03),
    Damage::Flip(0.3),
    Damage::Flip(0.7),
    Damage::Flip(1.0),
    Damage::Truncate(0.0),
    Damage::Truncate(0.5),
    Damage::Truncate(0.99),
    Damage::Extend,
    Damage::Delete,
];

impl Damage {
    fn inflict(self, path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        let at = |share: f64| ((bytes.len() - 1) as f64 * share) as usize;
        match self {
            Damage::Flip(share) => {
                let at = at(share);
                bytes[at] ^= 0x80;
            }
            Damage::Truncate(share) => bytes.truncate(at(share)),
            Damage::Extend => bytes.push(b'\n'),
            Damage::Delete => return fs::remove_file(path).unwrap(),
        }
        fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, PermissionsExt::from_mode(0o444)).unwrap();
    }
}

/// A project with one version of `data` in one data pack and one meta pack, called `best`, from
/// the directory `d`.
fn small_store() -> Project {
    let project = Project::new();
    project.write("d/big", noise(1, 700_000));
    project.write("d/text", "some text\n".repeat(5000));
    project.write("d/sub/small", "small");
    project.link("d/link", "text");
    project.put("d", &["--alias", "best"]);
    project
}

/// The only file below a directory of the store.
#[track_caller]
fn only(project: &Project, dir: &str) -> PathBuf {
    let files = files(&project.store().join(dir));
    assert_eq!(files.len(), 1, "{files:?}");
    files.into_iter().next().unwrap()
}
