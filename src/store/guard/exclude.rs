//! The lines in a repo's `info/exclude` that have git ignore the guarded folder and local state on every
//! branch, also on one that has no store and so none of its `.gitignore`.

use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::durable::{Existing, Output, sync_dir};
use crate::error::{Error, Result};
use crate::store::git::around::Around;

const TITLE: &[u8] = b"# Of `art`: data that git does not have.";

/// Has a repo ignore some folders of the store, and the `others` no longer.
pub(super) fn exclude(repo: &Around, wanted: &[&Path], others: &[&Path]) -> Result<()> {
    let dir = repo.common.join("info");
    let path = dir.join("exclude");
    let text = read(&path)?;
    let (wanted, others) = (patterns(repo, wanted), patterns(repo, others));
    let kept: Vec<&[u8]> = text.split(|&b| b == b'\n').filter(|line| others.iter().all(|other| other != line)).collect();
    let missing: Vec<&Vec<u8>> = wanted.iter().filter(|pattern| kept.iter().all(|line| line != pattern)).collect();
    let mut new = kept.join(&b'\n');
    if !missing.is_empty() {
        if !new.is_empty() && !new.ends_with(b"\n") {
            new.push(b'\n');
        }
        if kept.iter().all(|line| *line != TITLE) {
            new.extend([TITLE, b"\n"].concat());
        }
        missing.iter().for_each(|pattern| new.extend([pattern, &b"\n"[..]].concat()));
    }
    if new == text {
        return Ok(());
    }
    fs::create_dir_all(&dir).map_err(|e| Error::io("create", &dir, e))?;
    // A repo made without a template has no such directory.
    sync_dir(&repo.common)?;
    // The file is the user's: it may be a link to one that several repos share, and is never half there.
    let mut file = Output::begin(&fs::canonicalize(&path).unwrap_or(path), Existing::Replace)?;
    file.write_all(&new).map_err(|e| Error::io("write", &dir.join("exclude"), e))?;
    file.finish()
}

/// Whether a repo has a line for each of some folders.
pub(super) fn has_all(repo: &Around, wanted: &[&Path]) -> Result<bool> {
    let text = read(&repo.common.join("info/exclude"))?;
    Ok(patterns(repo, wanted).iter().all(|pattern| text.split(|&b| b == b'\n').any(|line| line == pattern)))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    match fs::read(path) {
        Ok(text) => Ok(text),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

/// Makes a line for each; none where its path has several.
fn patterns(repo: &Around, folders: &[&Path]) -> Vec<Vec<u8>> {
    folders.iter().map(|folder| pattern(&repo.store.join(folder))).filter(|pattern| !pattern.contains(&b'\n')).collect()
}

/// Makes the pattern of a folder, relative to the top of the working tree.
fn pattern(dir: &Path) -> Vec<u8> {
    let mut pattern = vec![b'/'];
    for &byte in dir.as_os_str().as_bytes() {
        if matches!(byte, b'*' | b'?' | b'[' | b'\\' | b' ') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    if pattern.last() != Some(&b'/') {
        pattern.push(b'/');
    }
    pattern
}
