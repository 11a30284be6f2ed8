//! `art edit`: changes what is said of a version, or of an artifact as a whole. `tag` writes the same
//! records, and so does a `put` that finds the content there already.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::limits::{DESCRIPTION_LEN_MAX, TAGS_MAX};
use crate::format::manifest::PageType;
use crate::format::record::{EditRecord, Metadata, Record, Time};
use crate::id::RecordId;
use crate::name::{Name, Ref, Tag};
use crate::quote::quote;
use crate::refs::history::{History, MetadataLayer, Version};
use crate::store::Store;
use crate::store::page_writer::PageWriter;
use crate::store::resolve::Resolved;
use crate::store::session::Session;

use super::log::EditInfo;
use super::ls::{ArtifactInfo, artifact_info};
use super::metadata;
use super::show::{VersionInfo, version_info};

/// How often an edit starts over because a pack that its metadata rests on was condemned.
const TRIES: usize = 8;

/// What an edit is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditTarget {
    /// A version.
    Version(Ref),
    /// An artifact as a whole.
    Artifact(Name),
}

/// What is said anew.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// A description; empty takes it away.
    pub description: Option<String>,
    /// Members of metadata to set, each as a whole.
    pub metadata: Metadata,
    /// Members of metadata to remove.
    pub unset: Vec<String>,
    /// Tags to add.
    pub tags_add: Vec<Tag>,
    /// Tags to remove.
    pub tags_remove: Vec<Tag>,
    /// How long a version is meant to be kept, from when it was stored; 0 is for ever.
    pub ttl_seconds: Option<u64>,
}

/// What an edit was about, as it is now.
#[derive(Clone, Debug, PartialEq)]
pub enum Edited {
    /// A version.
    Version(Box<VersionInfo>),
    /// An artifact as a whole.
    Artifact(Box<ArtifactInfo>),
}

/// What an edit has done.
#[derive(Clone, Debug, PartialEq)]
pub struct EditOutcome {
    /// What it was about.
    pub edited: Edited,
    /// What was recorded; none if all was so already.
    pub edit: Option<EditInfo>,
}

/// Changes what is said of a version or an artifact. What is so already is not recorded again. When
/// this returns, all of it is durable.
pub fn edit(store: &Store, context: &Context<'_>, target: &EditTarget, change: &Change) -> Result<EditOutcome> {
    change.check()?;
    // Fails early, before anything is locked or made.
    Plan::make(store, target, change)?;
    let session = Session::begin(store, context)?;
    session.note_packs();
    for _ in 0..TRIES {
        if let Some(edit) = attempt(&session, context, target, change)? {
            let Plan { history, version, .. } = Plan::find(store, target)?;
            let edited = match version {
                Some(version) => Edited::Version(Box::new(version_info(store, &history, &version)?)),
                None => Edited::Artifact(Box::new(artifact_info(store, &history)?)),
            };
            return Ok(EditOutcome { edited, edit });
        }
        session.begin_again()?;
    }
    Err(Error::failed("cannot record the edit: a pack that it builds on is replaced again and again").hint("run the command again"))
}

/// Edits once; the outer none says that a pack was condemned meanwhile.
fn attempt(session: &Session<'_>, context: &Context<'_>, target: &EditTarget, change: &Change) -> Result<Option<Option<EditInfo>>> {
    let _numbers = session.lock_numbers()?;
    let Plan { history, version, change } = Plan::make(session.store(), target, change)?;
    let target = version.as_ref().map(|version| version.id);
    if let Some(version) = &version {
        session.rely_on_version(&history, version)?;
    }
    // Of what was asked for, some may be so already, and is told with the rest.
    if !rely_on_said(session, &history, version.as_ref())? {
        return Ok(None);
    }
    if change.is_empty() {
        session.recorded();
        return Ok(Some(None));
    }
    let edit = empty_edit(&history, target, history.next_edit_seq(), context.now);
    let Some((id, record)) = write_change(session, edit, &change)? else { return Ok(None) };
    session.recorded();
    Ok(Some(Some(EditInfo { metadata: Some(change.metadata), ..EditInfo::new(session.store(), id, &record) })))
}

/// What an edit comes to.
struct Plan {
    history: History,
    version: Option<Version>,
    change: Change,
}

impl Plan {
    fn find(store: &Store, target: &EditTarget) -> Result<Plan> {
        let (history, version) = match target {
            EditTarget::Version(reference) => {
                let Resolved { history, version } = store.resolve(reference)?;
                (history, Some(version))
            }
            EditTarget::Artifact(name) => (store.existing_history(name)?, None),
        };
        Ok(Plan { history, version, change: Change::default() })
    }

    fn make(store: &Store, target: &EditTarget, change: &Change) -> Result<Plan> {
        let plan = Plan::find(store, target)?;
        if let Some(version) = plan.version.as_ref().filter(|version| version.deleted) {
            let name = version.full_name();
            return Err(Error::refused(format!("cannot edit {}: it is deleted", quote(name.as_bytes())))
                .hint(format!("bring it back with `art undelete {name}`, or edit another version")));
        }
        change.check_is_there(store, &plan)?;
        let change = change.differing(store, &plan.history, plan.version.as_ref())?;
        Ok(Plan { change, ..plan })
    }

    fn name(&self) -> String {
        self.version.as_ref().map_or_else(|| self.history.artifact.to_string(), Version::full_name)
    }
}

impl Change {
    /// Whether nothing is said anew.
    pub fn is_empty(&self) -> bool {
        *self == Change::default()
    }

    /// Refuses what contradicts itself, or is beyond a limit.
    fn check(&self) -> Result<()> {
        if let Some(key) = self.unset.iter().find(|key| self.metadata.contains_key(*key)) {
            return Err(Error::usage(format!("cannot both set and unset metadata {}", quote(key.as_bytes()))));
        }
        check_description(self.description.as_deref())
    }

    /// Refuses to remove what is not there.
    fn check_is_there(&self, store: &Store, plan: &Plan) -> Result<()> {
        let said = Said::of(&plan.history, plan.version.as_ref());
        let name = quote(plan.name().as_bytes());
        if let Some(tag) = self.tags_remove.iter().find(|tag| !said.tags.contains(tag)) {
            return Err(Error::not_found(format!("cannot remove tag {}: {name} does not have it", quote(tag.as_str().as_bytes())))
                .hint(format!("`art tag ls {}` lists what there is", plan.history.artifact)));
        }
        if self.unset.is_empty() {
            return Ok(());
        }
        let there = store.add_up_metadata(said.metadata)?;
        let Some(key) = self.unset.iter().find(|key| !there.contains_key(*key)) else { return Ok(()) };
        let outer = key.split_once('.').map(|(outer, _)| outer).filter(|outer| there.contains_key(*outer));
        let hint = match outer {
            Some(outer) => format!("members are set and removed whole: give `{outer}` without it, with `--meta '{outer}={{...}}'`"),
            None if there.is_empty() => "it has no metadata".to_owned(),
            None => format!("it has {}", there.keys().take(8).map(|key| quote(key.as_bytes())).collect::<Vec<_>>().join(", ")),
        };
        Err(Error::not_found(format!("cannot unset metadata {}: {name} does not have it", quote(key.as_bytes()))).hint(hint))
    }

    /// Returns what of it differs from what is said of a version, or of the artifact as a whole.
    /// Fails if both together are beyond a limit.
    pub(super) fn differing(&self, store: &Store, history: &History, version: Option<&Version>) -> Result<Change> {
        let said = Said::of(history, version);
        let mut change = Change {
            description: self.description.clone().filter(|text| text != said.description),
            tags_add: self.tags_add.iter().filter(|tag| !said.tags.contains(tag)).cloned().collect(),
            tags_remove: self.tags_remove.iter().filter(|tag| said.tags.contains(tag)).cloned().collect(),
            ttl_seconds: self.ttl_seconds.filter(|ttl| *ttl != said.ttl_seconds),
            ..Change::default()
        };
        for tags in [&mut change.tags_add, &mut change.tags_remove] {
            tags.sort();
            tags.dedup();
        }
        if !change.tags_add.is_empty() {
            check_tags(said.tags.len() + change.tags_add.len() - change.tags_remove.len())?;
        }
        if self.metadata.is_empty() && self.unset.is_empty() {
            return Ok(change);
        }
        let mut there = store.add_up_metadata(said.metadata)?;
        let differs = |(key, value): &(&String, &serde_json::Value)| there.get(*key) != Some(*value);
        change.metadata = self.metadata.iter().filter(differs).map(|(key, value)| (key.clone(), value.clone())).collect();
        change.unset = self.unset.iter().filter(|key| there.contains_key(*key)).cloned().collect();
        change.unset.sort();
        change.unset.dedup();
        there.retain(|key, _| !change.unset.contains(key));
        there.extend(change.metadata.clone());
        metadata::checked_json(&there)?;
        Ok(change)
    }
}

/// What is said of a version, or of an artifact as a whole.
struct Said<'h> {
    description: &'h str,
    metadata: &'h [MetadataLayer],
    tags: &'h [Tag],
    ttl_seconds: u64,
}

impl<'h> Said<'h> {
    fn of(history: &'h History, version: Option<&'h Version>) -> Said<'h> {
        let (description, metadata, tags, ttl_seconds) = match version {
            Some(version) => (&version.description, &version.metadata, &version.tags, version.ttl_seconds.unwrap_or(0)),
            None => (&history.about.description, &history.about.metadata, &history.about.tags, 0),
        };
        Said { description: description.as_deref().unwrap_or_default(), metadata, tags, ttl_seconds }
    }
}

/// Returns an edit of a version, or of the artifact as a whole, that changes nothing yet and saw all
/// that there is.
pub(super) fn empty_edit(history: &History, target: Option<RecordId>, seq: u64, now: Time) -> EditRecord {
    EditRecord {
        artifact: history.artifact.clone(),
        claim: false,
        created_at: now,
        delete: false,
        description: None,
        metadata: Metadata::new(),
        metadata_pages: Vec::new(),
        saw: history.heads_of(target),
        seq,
        tags_add: Vec::new(),
        tags_remove: Vec::new(),
        target,
        ttl_seconds: None,
        undelete: false,
        unset: Vec::new(),
    }
}

/// Returns an edit by which a version has its number alone, whichever of its rivals had it before.
pub(super) fn claim_edit(history: &History, version: &Version, now: Time) -> EditRecord {
    let mut edit = empty_edit(history, Some(version.id), history.next_edit_seq(), now);
    edit.claim = true;
    edit.saw.extend(history.claims_of(version.record.number));
    edit.saw.sort_unstable();
    edit.saw.dedup();
    edit
}

/// Writes a change into `edit`, under the lock of numbers, which the caller holds. Metadata that is too
/// long for a record goes into pages first; none if these rest on a pack that was condemned meanwhile.
pub(super) fn write_change(session: &Session<'_>, edit: EditRecord, change: &Change) -> Result<Option<(RecordId, EditRecord)>> {
    let mut metadata = change.metadata.clone();
    let mut pages = PageWriter::new(session);
    let metadata_pages = metadata::into_pages(&mut metadata, &mut pages)?;
    pages.publish()?;
    if !session.rests_hold()? {
        return Ok(None);
    }
    let record = EditRecord {
        description: change.description.clone(),
        metadata,
        metadata_pages,
        tags_add: change.tags_add.clone(),
        tags_remove: change.tags_remove.clone(),
        ttl_seconds: change.ttl_seconds,
        unset: change.unset.clone(),
        ..edit
    };
    let id = session.write_record(&Record::Edit(Box::new(record.clone())))?;
    Ok(Some((id, record)))
}

/// Makes sure that all edits which say what is so already are on disk, and the pages of metadata;
/// whether their packs still hold.
pub(super) fn rely_on_said(session: &Session<'_>, history: &History, version: Option<&Version>) -> Result<bool> {
    for (id, edit) in history.edits_of(version.map(|version| version.id)) {
        session.rely_on_record(&Record::Edit(Box::new(edit.clone())), *id)?;
    }
    let mut pages = PageWriter::new(session);
    for id in Said::of(history, version).metadata.iter().flat_map(|layer| &layer.pages) {
        pages.put_bytes(*id, &session.store().read_page_bytes(*id, PageType::Metadata)?)?;
    }
    pages.publish()?;
    session.rests_hold()
}

/// Refuses a description that is too long for a record.
pub(super) fn check_description(text: Option<&str>) -> Result<()> {
    match text {
        Some(text) if text.len() > DESCRIPTION_LEN_MAX => {
            Err(Error::usage(format!("cannot record the description: it is longer than {} KiB", DESCRIPTION_LEN_MAX >> 10))
                .hint("store a long text as a file of the version"))
        }
        _ => Ok(()),
    }
}

/// Refuses more tags than something may have.
pub(super) fn check_tags(count: usize) -> Result<()> {
    if count <= TAGS_MAX {
        return Ok(());
    }
    Err(Error::usage(format!("cannot add the tags: that would make {count}, and {TAGS_MAX} are the most"))
        .hint("keep what has many values in metadata, as in `--meta label=x`"))
}
