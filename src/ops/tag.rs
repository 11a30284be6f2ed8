//! `art tag`: labels added, removed, listed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::context::Context;
use crate::error::Result;
use crate::name::{Name, Tag};
use crate::store::Store;

use super::edit::{Change, EditOutcome, EditTarget, edit};
use super::show::listed;

/// A tag, and what carries it in an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TagInfo {
    /// The artifact.
    pub artifact: Name,
    /// The tag.
    pub tag: Tag,
    /// Whether the artifact as a whole carries it.
    pub on_artifact: bool,
    /// The versions that carry it and are not deleted, the newest first.
    pub versions: Vec<String>,
}

/// Adds tags to a version or an artifact.
pub fn add(store: &Store, context: &Context<'_>, target: &EditTarget, tags: &[Tag]) -> Result<EditOutcome> {
    edit(store, context, target, &Change { tags_add: tags.to_vec(), ..Change::default() })
}

/// Removes tags from a version or an artifact: all of them, or, if it does not have one, none.
pub fn remove(store: &Store, context: &Context<'_>, target: &EditTarget, tags: &[Tag]) -> Result<EditOutcome> {
    edit(store, context, target, &Change { tags_remove: tags.to_vec(), ..Change::default() })
}

/// Lists the tags of an artifact and its versions, or of all, by artifact and tag.
pub fn list(store: &Store, artifact: Option<&Name>) -> Result<Vec<TagInfo>> {
    let histories = match artifact {
        Some(artifact) => vec![store.existing_history(artifact)?],
        None => store.histories()?,
    };
    let mut all = Vec::new();
    for history in &histories {
        let mut tags = BTreeMap::<&Tag, (bool, Vec<String>)>::new();
        for tag in &history.about.tags {
            tags.entry(tag).or_default().0 = true;
        }
        for version in listed(history, false).into_iter().rev() {
            version.tags.iter().for_each(|tag| tags.entry(tag).or_default().1.push(version.label.clone()));
        }
        let artifact = &history.artifact;
        let info = |(tag, (on_artifact, versions)): (&Tag, (bool, Vec<String>))| TagInfo {
            artifact: artifact.clone(),
            tag: tag.clone(),
            on_artifact,
            versions,
        };
        all.extend(tags.into_iter().map(info));
    }
    Ok(all)
}
