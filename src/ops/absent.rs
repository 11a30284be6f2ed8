//! What is told of versions whose data is not in this copy, as in a clone of a repo that commits records
//! alone.

use crate::error::{Error, ErrorKind, Result};
use crate::format::manifest::Entry;
use crate::format::pack::PackClass;
use crate::pack::reader;
use crate::refs::history::{Meaning, Version};
use crate::store::Store;
use crate::store::missing::{Missing, missing_below, starts_of};

/// Entries of a version that are looked at for a file that is not empty.
const ENTRIES_MAX: usize = 1000;

/// Whether there are versions with files and no data at all.
///
/// Cost: a listing of the packs; only where there are none, of the artifacts.
pub fn has_no_data(store: &Store) -> Result<bool> {
    if !reader::list(store.layout(), PackClass::Data)?.is_empty() {
        return Ok(false);
    }
    for history in store.histories()? {
        if let Meaning::One(version) = history.latest() {
            // Of empty files, links and references there is no data.
            let has_bytes = |entry: &Entry| entry.file().is_some_and(|body| body.size_bytes > 0);
            let mut entries = store.entries(version.record.manifest)?.take(ENTRIES_MAX);
            if entries.any(|entry| entry.is_ok_and(|entry| has_bytes(&entry))) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Puts a failure to read a version under what is the matter with the version, if something of it
/// is not here.
///
/// Cost: a walk of its pages, after the failure.
pub(super) fn told(store: &Store, version: &Version, verb: &str, error: Error) -> Error {
    if error.kind() != ErrorKind::Damaged {
        return error;
    }
    let name = version.full_name();
    let missing = missing_below(store, store.threads(), &[starts_of(version)]).unwrap_or_default();
    let (count, noun, more) = match missing[..] {
        [Missing { page_count: 0, chunk_count, .. }] if chunk_count > 0 => (chunk_count, "chunk", ""),
        [Missing { page_count, .. }] if page_count > 0 => (page_count, "page", ", or damaged"),
        _ => return error,
    };
    let counted = if count == 1 { format!("1 {noun} of it is") } else { format!("{count} {noun}s of it are") };
    error.within(format!("cannot {verb} '{name}': {counted} not in this copy of the store{more}"))
}
