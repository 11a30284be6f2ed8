//! Which of some versions lack pages or chunks in a copy.

use std::collections::HashSet;

use serde::Serialize;

use crate::context::Context;
use crate::error::Result;
use crate::format::record::Record;
use crate::id::RecordId;
use crate::name::Name;
use crate::refs::history::Version;
use crate::store::Store;
use crate::store::files::StorePath;
use crate::store::missing::{Missing, missing_below, starts_of};
use crate::store::reach::Start;

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
    let starts: Vec<Vec<Start>> = versions.iter().map(starts_of).collect();
    let missing = missing_below(store, context.threads, &starts)?;
    let lacking = versions.iter().zip(missing).filter(|(_, missing)| !missing.is_none());
    Ok(lacking.map(|(version, missing)| IncompleteVersion::new(version, missing)).collect())
}

/// Says of versions with these records whether they lack nothing.
pub(super) fn are_whole(store: &Store, context: &Context<'_>, records: &[Vec<u8>]) -> Result<Vec<bool>> {
    let starts: Vec<Vec<Start>> = records.iter().map(|bytes| starts_in(bytes)).collect();
    Ok(missing_below(store, context.threads, &starts)?.iter().map(Missing::is_none).collect())
}

/// Returns what a version's record names; of what is none, nothing.
fn starts_in(bytes: &[u8]) -> Vec<Start> {
    let Ok(Record::Version(record)) = Record::decode(bytes) else { return Vec::new() };
    Start::of_version(record.manifest, record.metadata_pages).collect()
}

impl IncompleteVersion {
    fn new(version: &Version, missing: Missing) -> IncompleteVersion {
        IncompleteVersion {
            artifact: version.record.artifact.clone(),
            version: version.label.clone(),
            id: version.id,
            missing_chunks: missing.chunk_count,
            missing_pages: missing.page_count,
        }
    }
}
