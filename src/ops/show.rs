//! `art show`: one version with all that is known of it.

use serde::Serialize;

use crate::error::Result;
use crate::format::manifest::EntryKind;
use crate::format::record::{GitState, Metadata, Time};
use crate::id::{PageId, RecordId};
use crate::name::{Name, Ref, Tag};
use crate::ops::entry::EntryInfo;
use crate::refs::history::{History, Meaning, Version};
use crate::run_id::RunId;
use crate::store::Store;

use super::branches::resolve;
use super::ls::{ArtifactInfo, artifact_info};

/// A version, with the fields of `show --json`: other tools rely on their names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VersionInfo {
    /// The artifact.
    pub artifact: Name,
    /// The artifact's type, as this version has it.
    #[serde(rename = "type")]
    pub artifact_type: Name,
    /// The version's name in its artifact: `v3`, or `v3.1a2b` where two share a number.
    pub version: String,
    /// Its number.
    pub number: u64,
    /// The hash of its record.
    pub id: RecordId,
    /// The id of its manifest: equal content, equal digest.
    pub digest: PageId,
    /// Its aliases, `latest` included where it applies.
    pub aliases: Vec<String>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Its description.
    pub description: Option<String>,
    /// Its metadata; none where it cannot be read.
    pub metadata: Option<Metadata>,
    /// When it was stored.
    pub created_at: Time,
    /// Bytes of its files.
    pub size_bytes: u64,
    /// Files in it.
    pub file_count: u64,
    /// The versions that it followed.
    pub parents: Vec<RecordId>,
    /// The run that made it.
    pub run: Option<RunId>,
    /// The state of the git repo when it was stored.
    pub git: Option<GitInfo>,
    /// Bytes of the packs that storing it added.
    pub stored_bytes: u64,
    /// How long it is meant to be kept, from `created_at`; none for ever.
    pub ttl_seconds: Option<u64>,
    /// When that ends: from then on `prune` may delete it.
    pub expires_at: Option<Time>,
    /// Whether it is deleted.
    pub deleted: bool,
    /// Whether it lives although it was deleted, by somebody who did not know of an alias or an
    /// undeletion of it.
    pub contested: bool,
}

/// The state of a git repo, every field always there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GitInfo {
    /// The commit.
    pub commit: Option<String>,
    /// The branch, unless the head was detached.
    pub branch: Option<String>,
    /// Whether tracked files differed from the commit.
    pub dirty: bool,
}

/// Finds a version and tells all that its records say of it.
pub fn show(store: &Store, reference: &Ref) -> Result<VersionInfo> {
    let found = resolve(store, reference)?;
    version_info(store, &found.history, &found.version)
}

/// Lists the references of a version.
///
/// Cost: a walk of its entries, unless all are files.
pub fn references(store: &Store, version: &VersionInfo) -> Result<Vec<EntryInfo>> {
    let manifest = version.digest;
    let totals = store.read_manifest(manifest)?;
    let mut references = Vec::new();
    if totals.entry_count > totals.file_count {
        for entry in store.entries(manifest)? {
            let entry = entry?;
            if matches!(entry.kind, EntryKind::Reference(_)) {
                references.push(EntryInfo::from(&entry));
            }
        }
    }
    Ok(references)
}

/// Finds an artifact and tells all that is known of it as a whole. Fails where its metadata cannot be
/// read.
pub fn show_artifact(store: &Store, artifact: &Name) -> Result<ArtifactInfo> {
    let history = store.existing_history(artifact)?;
    let metadata = Some(store.add_up_metadata(&history.about.metadata)?);
    Ok(ArtifactInfo { metadata, ..artifact_info(store, &history)? })
}

/// Tells all that is known of a version.
pub fn version_info(store: &Store, history: &History, version: &Version) -> Result<VersionInfo> {
    Ok(VersionInfo { metadata: Some(store.metadata(version)?), ..summary(history, version) })
}

/// Tells what the records say of a version; metadata in pages that cannot be read is left out.
pub(crate) fn summary_with_metadata(store: &Store, history: &History, version: &Version) -> VersionInfo {
    VersionInfo { metadata: store.metadata(version).ok(), ..summary(history, version) }
}

fn summary(history: &History, version: &Version) -> VersionInfo {
    let record = &version.record;
    VersionInfo {
        artifact: record.artifact.clone(),
        artifact_type: record.artifact_type.clone(),
        version: version.label.clone(),
        number: record.number,
        id: version.id,
        digest: record.manifest,
        aliases: aliases_shown(history, version),
        tags: version.tags.clone(),
        description: version.description.clone(),
        metadata: None,
        created_at: record.created_at,
        size_bytes: record.size_bytes,
        file_count: record.file_count,
        parents: record.parents.clone(),
        run: record.run,
        git: record.git.as_ref().map(GitInfo::from),
        stored_bytes: record.stored_bytes,
        ttl_seconds: version.ttl_seconds,
        expires_at: version.expires_at(),
        deleted: version.deleted,
        contested: version.contested,
    }
}

impl From<&GitState> for GitInfo {
    fn from(state: &GitState) -> GitInfo {
        GitInfo { commit: state.commit.clone(), branch: state.branch.clone(), dirty: state.dirty }
    }
}

/// Returns the versions that read as this one: those of equal content under its number.
pub(crate) fn twins<'h>(history: &'h History, version: &'h Version) -> impl Iterator<Item = &'h Version> {
    // Versions are sorted by number, and listings ask this for each of them.
    let record = &version.record;
    let first = history.versions.partition_point(|other| other.record.number < record.number);
    let rivals = history.versions[first..].iter().take_while(|other| other.record.number == record.number);
    rivals.filter(|other| other.label == version.label && other.record.manifest == record.manifest)
}

/// Returns the aliases of a version and its twins, `latest` first where it applies.
pub(crate) fn aliases_shown(history: &History, version: &Version) -> Vec<String> {
    let highest = history.versions.iter().rev().find(|version| !version.deleted);
    let may_be_latest = !version.deleted && highest.is_some_and(|highest| highest.record.number == version.record.number);
    let is_latest = may_be_latest && matches!(history.latest(), Meaning::One(latest) if latest.label == version.label);
    let mut aliases: Vec<String> = twins(history, version).flat_map(|twin| history.aliases_of(twin.id)).map(ToString::to_string).collect();
    aliases.sort();
    aliases.dedup();
    if is_latest {
        aliases.insert(0, "latest".to_owned());
    }
    aliases
}

/// Returns the versions that a listing shows, in order of their numbers: equal twins once.
pub(crate) fn listed(history: &History, with_deleted: bool) -> Vec<&Version> {
    let mut shown: Vec<&Version> = Vec::new();
    for version in history.versions.iter().filter(|version| with_deleted || !version.deleted) {
        match shown.last_mut() {
            // A twin that lives stands for one that is deleted.
            Some(last) if last.label == version.label => {
                if last.deleted && !version.deleted {
                    *last = version;
                }
            }
            _ => shown.push(version),
        }
    }
    shown
}
