//! `art ls`: artifacts, versions, entries.

use serde::Serialize;

use crate::error::Result;
use crate::format::record::{Metadata, Time};
use crate::name::{Name, Ref, Tag};
use crate::refs::history::{History, Meaning, Version};
use crate::refs::read::DamagedRecord;
use crate::store::Store;
use crate::store::missing::{Effort, Missing};
use crate::store::walk::EntryWalk;

use super::branches::resolve;
use super::entry::parse_path;
use super::resolve::{Divergence, DivergenceKind, diverged};
use super::show::{VersionInfo, listed, summary_with_metadata};
use super::unsettled::{Lacking, missing_of_each};

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
    /// Names of it that stand for several versions: numbers, then aliases.
    pub diverged: Vec<String>,
    /// Versions that live although they were deleted, by somebody who did not know of an alias or an
    /// undeletion of them.
    pub contested: Vec<String>,
    /// Versions of which something is not here.
    pub incomplete: Vec<String>,
    /// Versions of which that was left open.
    pub unchecked_count: u64,
}

/// A version, with the fields of `ls NAME --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VersionRow {
    /// What is said of it.
    #[serde(flatten)]
    pub info: VersionInfo,
    /// The versions that its number stands for, where they are several.
    pub rivals: Vec<String>,
    /// Those of its aliases that name other versions as well.
    pub diverged_aliases: Vec<String>,
    /// What is not here of it; none if all is.
    pub missing: Option<Missing>,
}

/// The versions of an artifact.
#[derive(Clone, Debug)]
pub struct VersionList {
    /// The versions.
    pub rows: Vec<VersionRow>,
    /// Names of the artifact that stand for several versions.
    pub diverged: Vec<Divergence>,
    /// Records that cannot be read.
    pub damaged: Vec<DamagedRecord>,
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
    let mut histories = store.histories()?;
    histories.iter_mut().for_each(|history| listing.damaged.append(&mut history.damaged));
    histories.retain(|history| !history.versions.is_empty());
    let missing = missing_of_each(store, &histories)?;
    listing.rows = histories.iter().zip(&missing).map(|(history, missing)| info(store, history, missing)).collect();
    Ok(listing)
}

/// Lists the versions of an artifact, the oldest first.
pub fn versions(store: &Store, artifact: &Name) -> Result<VersionList> {
    let history = store.existing_history(artifact)?;
    let diverged = diverged(&history);
    let versions = listed(&history, false);
    let missing = store.missing_of(&versions, Effort::Whole)?;
    let row = |(version, missing): (&&Version, Option<Missing>)| {
        let info = summary_with_metadata(store, &history, version);
        let of = |kind| diverged.iter().filter(move |one: &&Divergence| one.kind == kind);
        let mut numbers = of(DivergenceKind::Number).filter(|one| one.candidates.iter().any(|candidate| candidate.id == Some(version.id)));
        let rivals = numbers.next().into_iter().flat_map(|one| &one.candidates).filter_map(|candidate| candidate.version.clone());
        let aliases = of(DivergenceKind::Alias).filter(|one| info.aliases.contains(&one.name));
        VersionRow {
            rivals: rivals.collect(),
            diverged_aliases: aliases.map(|one| one.name.clone()).collect(),
            missing: missing.filter(|missing| !missing.is_none()),
            info,
        }
    };
    let rows = versions.iter().zip(missing).map(row).collect();
    Ok(VersionList { rows, diverged, damaged: history.damaged })
}

/// Lists the entries of a version that are `path` or lie below it, or all of them.
pub fn entries<'s>(store: &'s Store, reference: &Ref, path: Option<&[u8]>) -> Result<EntryList<'s>> {
    let path = parse_path(path.unwrap_or_default())?;
    let version = resolve(store, reference)?.version;
    let walk = store.entries(version.record.manifest)?.within(&path);
    Ok(EntryList { version: version.full_name(), path, walk })
}

/// Tells all that is known of an artifact as a whole.
pub(super) fn artifact_info(store: &Store, history: &History) -> Result<ArtifactInfo> {
    Ok(info(store, history, &missing_of_each(store, std::slice::from_ref(history))?.concat()))
}

fn info(store: &Store, history: &History, missing: &Lacking) -> ArtifactInfo {
    let (latest, rivals) = match history.latest() {
        Meaning::None => (None, Vec::new()),
        Meaning::One(version) => (Some(version), Vec::new()),
        Meaning::Many(versions) => (None, versions.iter().map(|version| version.label.clone()).collect()),
    };
    ArtifactInfo {
        artifact: history.artifact.clone(),
        artifact_type: history.artifact_type().cloned(),
        version_count: missing.len() as u64,
        version: latest.map(|version| version.label.clone()),
        rivals,
        size_bytes: latest.map(|version| version.record.size_bytes),
        created_at: latest.map(|version| version.record.created_at),
        description: history.about.description.clone(),
        tags: history.about.tags.clone(),
        metadata: store.add_up_metadata(&history.about.metadata).ok(),
        diverged: diverged(history).into_iter().map(|one| one.name).collect(),
        contested: listed(history, false).iter().filter(|version| version.contested).map(|version| version.label.clone()).collect(),
        incomplete: missing
            .iter()
            .filter(|(_, missing)| missing.is_some_and(|missing| !missing.is_none()))
            .map(|(label, _)| label.clone())
            .collect(),
        unchecked_count: missing.iter().filter(|(_, missing)| missing.is_none()).count() as u64,
    }
}
