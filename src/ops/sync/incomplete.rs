//! Which of some versions lack pages or chunks in a copy.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::context::Context;
use crate::error::Result;
use crate::format::pack::PackClass;
use crate::format::record::Record;
use crate::id::RecordId;
use crate::name::Name;
use crate::refs::history::Version;
use crate::store::Store;
use crate::store::files::StorePath;
use crate::store::reach::{Reach, Start};

/// A version of which something is not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IncompleteVersion {
    /// The artifact.
    pub artifact: Name,
    /// The version's name in it.
    pub version: String,
    /// Its id.
    pub id: RecordId,
    /// Chunks that are not here, counted each time it names them.
    pub missing_chunks: u64,
    /// Pages that are not here or damaged; what they would name is not known.
    pub missing_pages: u64,
}

/// Finds those of the versions with these records, if they are not deleted, that lack something.
pub(super) fn incomplete(store: &Store, context: &Context<'_>, records: &[StorePath]) -> Result<Vec<IncompleteVersion>> {
    let keys: HashSet<String> = records.iter().map(StorePath::key).collect();
    let folders: HashSet<String> = records.iter().filter_map(|path| Some(path.version()?.0.to_ascii_lowercase())).collect();
    let mut versions = Vec::new();
    for artifact in store.artifacts()?.iter().filter(|name| folders.contains(&name.as_str().to_ascii_lowercase())) {
        let came = |version: &Version| {
            let path = StorePath::of_record(&Record::Version(Box::new(version.record.clone())), version.id);
            !version.deleted && keys.contains(&path.key())
        };
        versions.extend(store.history(artifact)?.versions.into_iter().filter(came));
    }
    // Mostly nothing lacks anything, and pages that versions share are read once.
    let starts: Vec<Start> = versions.iter().flat_map(starts_of).collect();
    if lacks(store, context, &starts)? == (0, 0) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for version in &versions {
        let (missing_chunks, missing_pages) = lacks(store, context, &starts_of(version))?;
        if missing_chunks + missing_pages > 0 {
            let (artifact, version, id) = (version.record.artifact.clone(), version.label.clone(), version.id);
            found.push(IncompleteVersion { artifact, version, id, missing_chunks, missing_pages });
        }
    }
    Ok(found)
}

/// Says of versions with these records whether they lack nothing.
pub(super) fn are_whole(store: &Store, context: &Context<'_>, records: &[Vec<u8>]) -> Result<Vec<bool>> {
    let starts: Vec<Vec<Start>> = records.iter().map(|bytes| starts_in(bytes)).collect();
    if lacks(store, context, &starts.concat())? == (0, 0) {
        return Ok(vec![true; records.len()]);
    }
    starts.iter().map(|starts| Ok(lacks(store, context, starts)? == (0, 0))).collect()
}

/// Counts the chunks and pages that can be reached, and that no pack here holds.
pub(super) fn lacks(store: &Store, context: &Context<'_>, starts: &[Start]) -> Result<(u64, u64)> {
    lacks_on(store, context.threads, starts)
}

/// Counts the same of one version.
pub(in crate::ops) fn lacks_of(store: &Store, version: &Version) -> Result<(u64, u64)> {
    lacks_on(store, store.threads(), &starts_of(version))
}

fn lacks_on(store: &Store, threads: usize, starts: &[Start]) -> Result<(u64, u64)> {
    let index = store.index(PackClass::Data)?;
    index.refresh()?;
    store.index(PackClass::Meta)?.refresh()?;
    let chunks = AtomicU64::new(0);
    let unread = Reach::new(store, threads).visit(starts, &|reached| {
        let missing = reached.chunks.iter().filter(|run| index.find_any(run.chunk.as_bytes()).is_none()).count();
        chunks.fetch_add(missing as u64, Ordering::Relaxed);
    })?;
    Ok((chunks.into_inner(), unread.len() as u64))
}

fn starts_of(version: &Version) -> Vec<Start> {
    Start::of_version(version.record.manifest, version.metadata.iter().flat_map(|layer| layer.pages.iter().copied())).collect()
}

/// Returns what a version's record names; of what is none, nothing.
fn starts_in(bytes: &[u8]) -> Vec<Start> {
    let Ok(Record::Version(record)) = Record::decode(bytes) else { return Vec::new() };
    Start::of_version(record.manifest, record.metadata_pages).collect()
}
