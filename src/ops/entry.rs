//! Entries as commands show them, and paths as users type them.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::format::manifest::{Entry, EntryKind};
use crate::format::path::EntryPath;
use crate::id::FileDigest;
use crate::name::Ref;
use crate::quote::{escape, percent, quote};
use crate::store::Store;

use super::branches::resolve;

/// An entry, with the fields of `ls REF --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EntryInfo {
    /// The path, readable.
    #[serde(flatten)]
    pub path: ShownPath,
    /// `file`, `symlink`, `dir` (an empty one) or `reference`.
    pub kind: &'static str,
    /// Length of a file, or of what a reference names where known.
    pub size_bytes: Option<u64>,
    /// Digest of a file, or of what a reference names where known.
    pub digest: Option<FileDigest>,
    /// Whether it is a file that may be executed.
    pub executable: bool,
    /// Where a symlink points, readable, or the URI of a reference.
    pub target: Option<String>,
    /// The etag of a reference, where known.
    pub etag: Option<String>,
}

/// A path in JSON: readable, and where it is not UTF-8 also percent-escaped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownPath {
    /// As it is if it is UTF-8, else with the other bytes as `\xff`.
    pub path: String,
    /// Percent-escaped, only where `path` is not the path itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
}

impl ShownPath {
    /// Shows the bytes of a path.
    pub fn new(bytes: &[u8]) -> ShownPath {
        match std::str::from_utf8(bytes) {
            Ok(text) => ShownPath { path: text.to_owned(), path_bytes: None },
            Err(_) => ShownPath { path: escape(bytes), path_bytes: Some(percent(bytes)) },
        }
    }
}

impl EntryInfo {
    /// Tells of an empty directory.
    pub(super) fn empty_dir(path: &[u8]) -> EntryInfo {
        let path = ShownPath::new(path);
        EntryInfo { path, kind: "dir", size_bytes: None, digest: None, executable: false, target: None, etag: None }
    }
}

impl From<&Entry> for EntryInfo {
    fn from(entry: &Entry) -> EntryInfo {
        let none = EntryInfo::empty_dir(entry.path.as_bytes());
        match &entry.kind {
            EntryKind::File(body) => EntryInfo {
                kind: "file",
                size_bytes: Some(body.size_bytes),
                digest: Some(body.digest),
                executable: body.executable,
                ..none
            },
            EntryKind::Symlink(target) => EntryInfo { kind: "symlink", target: Some(ShownPath::new(&target.0).path), ..none },
            EntryKind::EmptyDir => none,
            EntryKind::Reference(to) => {
                let (target, etag) = (Some(to.uri.clone()), to.etag.clone());
                EntryInfo { kind: "reference", size_bytes: to.size_bytes, digest: to.digest, target, etag, ..none }
            }
        }
    }
}

/// Reads a path in a version as a user types it: `./` before and `/` after it do not count, and
/// `.` or nothing is the whole version.
pub fn parse_path(typed: &[u8]) -> Result<Vec<u8>> {
    let mut path = typed;
    while let Some(rest) = path.strip_prefix(b"./") {
        path = rest;
    }
    while let Some(rest) = path.strip_suffix(b"/") {
        path = rest;
    }
    if path.is_empty() && !typed.starts_with(b"/") || path == b"." {
        return Ok(Vec::new());
    }
    match EntryPath::new(path) {
        Ok(path) => Ok(path.as_bytes().to_owned()),
        Err(why) => Err(Error::usage(format!("bad path {}: {why}", quote(typed)))
            .hint("a path in a version is relative to its top, as `art ls REF` shows it")),
    }
}

/// Finds what a version has at a path as typed; returns the version's full name and the path too, and
/// no entry if only what lies below the path is there.
pub(super) fn entry_at(store: &Store, reference: &Ref, typed: &[u8]) -> Result<(String, Vec<u8>, Option<Entry>)> {
    let path = parse_path(typed)?;
    let version = resolve(store, reference)?.version;
    let name = version.full_name();
    let first = store.entries(version.record.manifest)?.within(&path).next().transpose()?;
    let first = first.ok_or_else(|| no_such_path(&path, &name))?;
    let entry = Some(first).filter(|entry| entry.path.as_bytes() == path);
    Ok((name, path, entry))
}

/// Makes the error of a path that a version does not have.
pub fn no_such_path(path: &[u8], version: &str) -> Error {
    Error::not_found(format!("cannot find path {} in {version}", quote(path))).hint(format!("`art ls {version}` lists what is there"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_paths_are_tidied_and_strange_ones_refused() {
        for (typed, path) in [("a/b/", "a/b"), ("./a", "a"), (".", ""), ("", ""), ("./", ""), ("a", "a")] {
            assert_eq!(parse_path(typed.as_bytes()).unwrap(), path.as_bytes(), "{typed}");
        }
        for bad in ["/a", "/", "a/../b", "..", "a//b"] {
            assert!(parse_path(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_that_is_not_utf8_can_be_had_back() {
        let json = serde_json::to_string(&ShownPath::new(b"a\xff\n")).unwrap();
        assert_eq!(json, r#"{"path":"a\\xff\\n","path_bytes":"a%FF%0A"}"#);
        assert_eq!(serde_json::to_string(&ShownPath::new("ü".as_bytes())).unwrap(), r#"{"path":"ü"}"#);
    }
}
