//! `art log`: the history of an artifact, the newest version first.

use serde::Serialize;

use crate::error::Result;
use crate::format::record::{EditRecord, Metadata, Time};
use crate::id::RecordId;
use crate::name::{Name, Tag};
use crate::refs::history::MetadataLayer;
use crate::store::Store;

use super::ls::Listing;
use super::show::{VersionInfo, listed, summary_with_metadata, twins};

/// A version in the history of its artifact.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogEntry {
    /// The version as it is now.
    #[serde(flatten)]
    pub info: VersionInfo,
    /// What was changed on it since it was stored, in order.
    pub edits: Vec<EditInfo>,
}

/// A change to a version that was already there, or to an artifact as a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EditInfo {
    /// The hash of its record.
    pub id: RecordId,
    /// When.
    pub created_at: Time,
    /// The new description; empty if it was removed.
    pub description: Option<String>,
    /// Metadata that was set; none where it cannot be read.
    pub metadata: Option<Metadata>,
    /// Metadata that was removed.
    pub unset: Vec<String>,
    /// Tags that were added.
    pub tags_add: Vec<Tag>,
    /// Tags that were removed.
    pub tags_remove: Vec<Tag>,
    /// The new time to live; 0 for ever.
    pub ttl_seconds: Option<u64>,
    /// Whether the version was deleted.
    pub delete: bool,
    /// Whether the deletion was undone.
    pub undelete: bool,
    /// Whether the version was given its number, of several with that number.
    pub claim: bool,
}

/// Tells the history of an artifact, deleted versions included.
pub fn log(store: &Store, artifact: &Name) -> Result<Listing<LogEntry>> {
    let history = store.existing_history(artifact)?;
    let rows = listed(&history, true)
        .into_iter()
        .rev()
        .map(|version| {
            let ids: Vec<RecordId> = twins(&history, version).map(|twin| twin.id).collect();
            let edits = history.edits.iter().filter(|(_, edit)| edit.target.is_some_and(|target| ids.contains(&target)));
            LogEntry {
                info: summary_with_metadata(store, &history, version),
                edits: edits.map(|(id, edit)| EditInfo::new(store, *id, edit)).collect(),
            }
        })
        .collect();
    Ok(Listing { rows, damaged: history.damaged })
}

/// Tells what was changed on an artifact as a whole, in order.
pub fn log_artifact(store: &Store, artifact: &Name) -> Result<Listing<EditInfo>> {
    let history = store.existing_history(artifact)?;
    let rows = history.edits_of(None).map(|(id, edit)| EditInfo::new(store, *id, edit)).collect();
    Ok(Listing { rows, damaged: history.damaged })
}

impl EditInfo {
    pub(super) fn new(store: &Store, id: RecordId, edit: &EditRecord) -> EditInfo {
        let set = MetadataLayer { set: edit.metadata.clone(), pages: edit.metadata_pages.clone(), unset: Vec::new() };
        EditInfo {
            id,
            created_at: edit.created_at,
            description: edit.description.clone(),
            metadata: store.add_up_metadata(&[set]).ok(),
            unset: edit.unset.clone(),
            tags_add: edit.tags_add.clone(),
            tags_remove: edit.tags_remove.clone(),
            ttl_seconds: edit.ttl_seconds,
            delete: edit.delete,
            undelete: edit.undelete,
            claim: edit.claim,
        }
    }
}
