//! `art ls`: artifacts, versions, entries.

use serde::Serialize;

use crate::error::Result;
use crate::format::record::{Metadata, Time};
use crate::name::{Name, Ref, Tag};
use crate::refs::history::{History, Meaning};
use crate::refs::read::DamagedRecord;
use crate::store::Store;
use crate::store::walk::EntryWalk;

use super::entry::parse_path;
use super::show::{VersionInfo, listed, summary_with_metadata};

/// A listing, and the records that could not be read for it.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    /// What there is.
    pub rows: Vec<T>,
    /// What cannot be read.
    pub damaged: Vec<DamagedRecord>,
}

/// An artifact, with the fields of `ls --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArtifactInfo {
    /// Its name.
    pub artifact: Name,
    /// Its type; none if none of its versions can be read.
    #[serde(rename = "type")]
    pub artifact_type: Option<Name>,
    /// Versions that are not deleted.
    pub version_count: u64,
    /// What `latest` means; none if nothing or several.
    pub version: Option<String>,
    /// The versions that `latest` means, where they are several.
    pub rivals: Vec<String>,
    /// Bytes of the files of `latest`.
    pub size_bytes: Option<u64>,
    /// When `latest` was stored.
    pub created_at: Option<Time>,
    /// What the artifact is, in words.
    pub description: Option<String>,
    /// The tags of the artifact as a whole.
    pub tags: Vec<Tag>,
    /// Its metadata as a whole; none where it cannot be read.
    pub metadata: Option<Metadata>,
}

/// The entries of a version, one after another.
pub struct EntryList<'s> {
    /// The name of the version, `NAME:vN`.
    pub version: String,
    /// The directory or entry that the list is limited to; empty for all.
    pub path: Vec<u8>,
    /// The entries.
    pub walk: EntryWalk<'s>,
}

/// Lists the artifacts.
pub fn artifacts(store: &Store) -> Result<Listing<ArtifactInfo>> {
    let mut listing = Listing { rows: Vec::new(), damaged: Vec::new() };
    for mut history in store.histories()? {
        listing.damaged.append(&mut history.damaged);
        if !history.versions.is_empty() {
            listing.rows.push(artifact_info(store, &history));
        }
    }
    Ok(listing)
}

/// Lists the versions of an artifact, the oldest first.
pub fn versions(store: &Store, artifact: &Name) -> Result<Listing<VersionInfo>> {
    let history = store.existing_history(artifact)?;
    let rows = listed(&history, false).into_iter().map(|version| summary_with_metadata(store, &history, version)).collect();
    Ok(Listing { rows, damaged: history.damaged })
}

/// Lists the entries of a version that are `path` or lie below it, or all of them.
pub fn entries<'s>(store: &'s Store, reference: &Ref, path: Option<&[u8]>) -> Result<EntryList<'s>> {
    let path = parse_path(path.unwrap_or_default())?;
    let version = store.resolve(reference)?.version;
    let walk = store.entries(version.record.manifest)?.within(&path);
    Ok(EntryList { version: version.full_name(), path, walk })
}

/// Tells all that is known of an artifact as a whole.
pub(super) fn artifact_info(store: &Store, history: &History) -> ArtifactInfo {
    let (latest, rivals) = match history.latest() {
        Meaning::None => (None, Vec::new()),
        Meaning::One(version) => (Some(version), Vec::new()),
        Meaning::Many(versions) => (None, versions.iter().map(|version| version.label.clone()).collect()),
    };
    ArtifactInfo {
        artifact: history.artifact.clone(),
        artifact_type: history.artifact_type().cloned(),
        version_count: listed(history, false).len() as u64,
        version: latest.map(|version| version.label.clone()),
        rivals,
        size_bytes: latest.map(|version| version.record.size_bytes),
        created_at: latest.map(|version| version.record.created_at),
        description: history.about.description.clone(),
        tags: history.about.tags.clone(),
        metadata: store.add_up_metadata(&history.about.metadata).ok(),
    }
}
