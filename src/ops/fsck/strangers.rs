//! Files in a store's directory that are no part of a store.

use std::os::unix::ffi::OsStrExt;

use walkdir::{DirEntry, WalkDir};

use crate::error::Error;
use crate::id::PackId;
use crate::ops::entry::ShownPath;
use crate::quote::quote_path;
use crate::refs::read::{HASH16, parse_record_name};
use crate::store::Store;

use super::{Finding, FindingKind};

/// Lists strangers, sorted; what cannot be listed is a finding.
pub(super) fn find(store: &Store, findings: &mut Vec<Finding>) -> Vec<ShownPath> {
    let mut strangers = Vec::new();
    let is_private = |entry: &DirEntry| entry.depth() == 1 && matches!(entry.file_name().as_bytes(), b"local" | b"quarantine");
    let walk = WalkDir::new(store.root()).sort_by_file_name().into_iter().filter_entry(|entry| !is_private(entry));
    for entry in walk {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => {
                let relative = entry.path().strip_prefix(store.root()).unwrap_or(entry.path());
                let parts: Vec<&[u8]> = relative.iter().map(OsStrExt::as_bytes).collect();
                if !is_known(&parts) {
                    strangers.push(ShownPath::new(relative.as_os_str().as_bytes()));
                }
            }
            Err(error) => {
                let path = error.path().unwrap_or(store.root()).to_owned();
                let error = Error::failed(format!("cannot list {}", quote_path(&path))).because(error);
                findings.push(Finding { kind: FindingKind::Unreadable, ..Finding::unreadable(&quote_path(&path), &error) });
            }
        }
    }
    strangers
}

/// Whether a file with these components has its place in a store.
fn is_known(parts: &[&[u8]]) -> bool {
    match parts {
        [b"format" | b".gitignore" | b".gitattributes"] => true,
        // A directory may stand elsewhere, behind a symlink.
        [b"packs" | b"meta" | b"refs" | b"runs" | b"gc" | b"features" | b"local" | b"quarantine"] => true,
        [b"features", _] => true,
        // What keeps `git clean` away, and what it keeps safe.
        [b"packs", b".git" | b"keep", ..] | [b".git", ..] => true,
        [b"packs" | b"meta", fan, name] => is_pack(fan, name),
        [b"refs", _, b"versions" | b"edits", name] | [b"refs", _, b"aliases", _, name] | [b"runs", _, name] => is_record(name),
        [b"gc", name] => name.len() == HASH16 && name.iter().all(u8::is_ascii_hexdigit),
        _ => false,
    }
}

fn is_pack(fan: &[u8], name: &[u8]) -> bool {
    let name = std::str::from_utf8(name).unwrap_or_default();
    fan.len() == 2 && name.as_bytes().starts_with(fan) && name.parse::<PackId>().is_ok()
}

fn is_record(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| parse_record_name(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_known_and_the_rest_is_strange() {
        let known = |path: &str| is_known(&path.split('/').map(str::as_bytes).collect::<Vec<_>>());
        let pack = format!("packs/ab/ab{}", "0".repeat(62));
        for good in
            ["format", ".gitignore", "features/x", &pack, "refs/d/versions/0.0123456789abcdef", "refs/d/aliases/best/3.0123456789abcdef"]
        {
            assert!(known(good), "{good}");
        }
        let kept = format!("packs/keep/ab{}", "0".repeat(62));
        for guard in ["packs/.git/HEAD", ".git/HEAD", "packs/keep/0.0123456789abcdef", &kept] {
            assert!(known(guard), "{guard}");
        }
        let misplaced = format!("packs/cd/ab{}", "0".repeat(62));
        for bad in ["x", "packs/x", &misplaced, "refs/d/versions/x", "refs/d/0.0123456789abcdef", "refs/d/versions/0.0123456789abcdef.tmp"]
        {
            assert!(!known(bad), "{bad}");
        }
    }
}
