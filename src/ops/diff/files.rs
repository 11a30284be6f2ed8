//! One file beside another, of two versions or of one.

use crate::error::{Error, Result};
use crate::format::manifest::{Entry, EntryKind};
use crate::name::Ref;
use crate::ops::entry::entry_at;
use crate::quote::quote;
use crate::store::Store;

use super::{Change, DiffOutcome, Side, share, total_bytes};

/// Which files are compared.
#[derive(Clone, Debug)]
pub struct FilesOptions {
    /// The file that differences start from.
    pub left: FileAt,
    /// What it is compared with.
    pub right: FileAt,
}

/// A file, or a symlink, of a version.
#[derive(Clone, Debug)]
pub struct FileAt {
    /// The version.
    pub version: Ref,
    /// Its path, as typed.
    pub path: Vec<u8>,
}

/// Compares two files. What differs is one change, which tells of both paths if they are not the
/// same; of equal files, wherever they lie, there is none.
pub fn diff_files(store: &Store, options: &FilesOptions) -> Result<DiffOutcome> {
    let (left_name, left) = find(store, &options.left)?;
    let (right_name, right) = find(store, &options.right)?;
    let mut share = share::Share::default();
    share.add(store, Some(&left), Some(&right))?;
    let entries: Vec<Change> = pair(left.into(), right.into()).into_iter().collect();
    let mut outcome = DiffOutcome { left: left_name, right: right_name, entries, ..DiffOutcome::default() };
    outcome.new_chunk_bytes = Some(share.new_bytes());
    total_bytes(&mut outcome);
    Ok(outcome)
}

fn find(store: &Store, at: &FileAt) -> Result<(String, Entry)> {
    let (name, path, entry) = entry_at(store, &at.version, &at.path)?;
    match entry {
        Some(entry) if !matches!(entry.kind, EntryKind::EmptyDir) => Ok((name, entry)),
        _ => Err(Error::refused(format!("cannot compare {}: it is a directory", quote(&path)))
            .hint("`art diff REF REF --path PATH` compares what lies in a directory of two versions")),
    }
}

fn pair(left: Side, right: Side) -> Option<Change> {
    let told = |side: &Side| (side.info.kind, side.info.digest, side.info.target.clone(), side.info.executable);
    if told(&left) == told(&right) {
        return None;
    }
    let from = (left.path != right.path).then(|| left.path.clone());
    // Said to be at one path, it is no rename.
    let change = Change::new(Some(Side { path: right.path.clone(), ..left }), Some(right))?;
    Some(Change { from, ..change })
}
