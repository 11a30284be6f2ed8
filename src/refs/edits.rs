//! What edits make of versions, and of artifacts as a whole: descriptions, metadata, tags, times to
//! live, deletions; "What records add up to" in `docs/format.md`.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::history::{About, AliasHead, MetadataLayer, Version};
use crate::format::record::EditRecord;
use crate::id::RecordId;
use crate::name::{Alias, Tag};

/// An edit and its id.
type Edit = (RecordId, EditRecord);

/// Applies edits, which are in order, to the versions that they are about.
pub(super) fn apply(versions: &mut [Version], edits: &[Edit], aliases: &BTreeMap<Alias, Vec<AliasHead>>) {
    let mut by_target = HashMap::<RecordId, Vec<&Edit>>::new();
    for edit in edits {
        if let Some(target) = edit.1.target {
            by_target.entry(target).or_default().push(edit);
        }
    }
    let mut alias_heads = HashMap::<RecordId, Vec<RecordId>>::new();
    for head in aliases.values().flatten() {
        if let Some(target) = head.target {
            alias_heads.entry(target).or_default().push(head.record);
        }
    }
    let seen = Seen::new(edits);
    for version in versions {
        let Some(about) = by_target.get(&version.id) else { continue };
        about.iter().for_each(|(_, edit)| change(&mut version.description, &mut version.metadata, &mut version.tags, edit));
        let given: Vec<(RecordId, u64)> = about.iter().filter_map(|(id, edit)| Some((*id, edit.ttl_seconds?))).collect();
        if !given.is_empty() {
            version.ttl_seconds = longest(&given, &seen);
        }
        let aliases = alias_heads.get(&version.id).map(Vec::as_slice).unwrap_or_default();
        (version.deleted, version.contested) = deleted(about, aliases, &seen);
    }
}

/// Adds up what edits, which are in order, say of the artifact as a whole.
pub(super) fn about(edits: &[Edit]) -> About {
    let mut about = About::default();
    for (_, edit) in edits.iter().filter(|(_, edit)| edit.target.is_none()) {
        change(&mut about.description, &mut about.metadata, &mut about.tags, edit);
    }
    about
}

fn change(description: &mut Option<String>, metadata: &mut Vec<MetadataLayer>, tags: &mut Vec<Tag>, edit: &EditRecord) {
    if let Some(text) = &edit.description {
        *description = Some(text.clone()).filter(|text| !text.is_empty());
    }
    metadata.extend(MetadataLayer::of(&edit.metadata, &edit.metadata_pages, &edit.unset));
    tags.retain(|tag| !edit.tags_remove.contains(tag));
    tags.extend(edit.tags_add.iter().cloned());
    tags.sort();
    tags.dedup();
}

/// Of the times to live that no later edit has replaced the longest holds; zero is for ever.
fn longest(given: &[(RecordId, u64)], seen: &Seen<'_>) -> Option<u64> {
    let replaced = seen.by(given.iter().map(|(id, _)| *id));
    let standing: Vec<u64> = given.iter().filter(|(id, _)| !replaced.contains(id)).map(|(_, ttl)| *ttl).collect();
    if standing.contains(&0) { None } else { standing.into_iter().max() }
}

/// Whether a version is deleted, and if not, whether a deletion of it stands that did not see all
/// that speaks against it.
fn deleted(about: &[&Edit], aliases: &[RecordId], seen: &Seen<'_>) -> (bool, bool) {
    let deletes: Vec<RecordId> = about.iter().filter(|(_, edit)| edit.delete && !edit.undelete).map(|(id, _)| *id).collect();
    if deletes.is_empty() {
        return (false, false);
    }
    let undeletes: Vec<RecordId> = about.iter().filter(|(_, edit)| edit.undelete).map(|(id, _)| *id).collect();
    // One that an undeletion saw cannot have seen that undeletion.
    let undone = seen.by(undeletes.iter().copied());
    let standing: Vec<RecordId> = deletes.into_iter().filter(|delete| !undone.contains(delete)).collect();
    let holds = |delete: &RecordId| {
        let saw = seen.by([*delete]);
        undeletes.iter().chain(aliases).all(|against| saw.contains(against))
    };
    let holds = standing.iter().any(holds);
    (holds, !holds && !standing.is_empty())
}

/// Which records an edit's writer had seen, directly or through another.
pub(super) struct Seen<'a>(HashMap<RecordId, &'a [RecordId]>);

impl<'a> Seen<'a> {
    pub(super) fn new(edits: &'a [Edit]) -> Seen<'a> {
        Seen(edits.iter().map(|(id, edit)| (*id, &edit.saw[..])).collect())
    }

    /// Returns all that one of these edits saw.
    pub(super) fn by(&self, edits: impl IntoIterator<Item = RecordId>) -> HashSet<RecordId> {
        let (mut open, mut all): (Vec<RecordId>, _) = (edits.into_iter().collect(), HashSet::new());
        while let Some(id) = open.pop() {
            open.extend(self.0.get(&id).copied().unwrap_or_default().iter().filter(|saw| all.insert(**saw)));
        }
        all
    }
}
