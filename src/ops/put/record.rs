//! Gives a version its number and writes its record, or finds that there is nothing new.

use crate::error::{Error, Result};
use crate::format::record::{Metadata, Record, VersionRecord};
use crate::id::{PageId, RecordId};
use crate::name::Name;
use crate::ops::alias::set_alias;
use crate::ops::edit::{Change, claim_edit, empty_edit, rely_on_said, write_change};
use crate::ops::run::{write_input, write_output};
use crate::quote::quote;
use crate::refs::history::{History, Meaning, Version};
use crate::store::session::Session;

use super::PutOptions;
use crate::context::Context;

/// The type of an artifact that is new and was given none.
const TYPE_DEFAULT: &str = "dataset";

/// Everything that goes into a version's record besides its number.
pub(in crate::ops) struct Content {
    pub(in crate::ops) manifest: PageId,
    pub(in crate::ops) file_count: u64,
    pub(in crate::ops) size_bytes: u64,
    pub(in crate::ops) metadata: Metadata,
    pub(in crate::ops) metadata_pages: Vec<PageId>,
    pub(in crate::ops) stored_bytes: u64,
}

/// What a version starts from.
#[derive(Clone, Copy)]
pub(in crate::ops) enum Origin<'v> {
    /// Nothing that is stored.
    Nothing,
    /// A version whose entries are changed.
    Draft(&'v Version),
    /// A version that is taken as it is.
    Copy(&'v Version),
}

impl<'v> Origin<'v> {
    fn version(self) -> Option<&'v Version> {
        match self {
            Origin::Nothing => None,
            Origin::Draft(version) | Origin::Copy(version) => Some(version),
        }
    }

    /// Names what a new version follows. A draft takes the place of its base; else it follows the
    /// latest too.
    fn parents(self, artifact: &Name, latest: &[Version]) -> Vec<RecordId> {
        if let Origin::Draft(base) = self
            && base.record.artifact == *artifact
        {
            return vec![base.id];
        }
        let latest = latest.iter().map(|version| version.id);
        let mut parents: Vec<RecordId> = latest.collect();
        parents.extend(self.version().map(|version| version.id).filter(|id| !parents.contains(id)));
        parents
    }
}

/// How a put ended.
pub(super) enum Recorded {
    /// A new version, or the one that has this content already.
    Version { id: RecordId, unchanged: bool },
    /// The base has moved meanwhile, or a pack was condemned or is gone: do it again.
    Moved,
}

/// Checks what can be known before anything is read: the artifact's type.
pub(in crate::ops) fn check_type(history: &History, options: &PutOptions) -> Result<Name> {
    match (history.artifact_type(), &options.artifact_type) {
        (Some(there), Some(given)) if there != given => Err(Error::usage(format!(
            "cannot store {} as type {}: the artifact has type {}",
            quote(options.artifact.as_str().as_bytes()),
            quote(given.as_str().as_bytes()),
            quote(there.as_str().as_bytes())
        ))
        .hint("leave `--type` out, or choose another artifact name")),
        (Some(there), _) => Ok(there.clone()),
        (None, Some(given)) => Ok(given.clone()),
        (None, None) => TYPE_DEFAULT.parse(),
    }
}

/// Writes the records of a put, under the lock that gives numbers.
pub(super) fn record(
    session: &Session<'_>,
    context: &Context<'_>,
    options: &PutOptions,
    content: Content,
    origin: Origin<'_>,
) -> Result<Recorded> {
    let (_numbers, mut history) = session.lock_numbers_to_read(|| session.store().history(&options.artifact))?;
    if let Some(run) = context.run {
        session.rely_on_run(&session.store().run(run)?)?;
    }
    let artifact_type = check_type(&history, options)?;
    if let (Some(onto), Some(base)) = (&options.onto, origin.version()) {
        let found = session.store().resolve(onto)?;
        if found.version.id != base.id {
            return Ok(Recorded::Moved);
        }
        session.rely_on_version(&found.history, base)?;
        if let Some(run) = context.run {
            write_input(session, context, run, base, None)?;
        }
    }
    if !session.rests_hold()? {
        return Ok(Recorded::Moved);
    }
    let latest: Vec<Version> = match history.latest() {
        Meaning::None => Vec::new(),
        Meaning::One(version) => vec![version.clone()],
        Meaning::Many(versions) => versions.into_iter().cloned().collect(),
    };
    let same = latest.iter().find(|version| version.record.manifest == content.manifest);
    let (id, unchanged) = match same {
        Some(version) => {
            session.rely_on_version(&history, version)?;
            let claim = latest.len() > 1;
            let edit = match claim {
                true => claim_edit(&history, version, context.now),
                false => empty_edit(&history, Some(version.id), history.next_edit_seq(), context.now),
            };
            let given = given(options);
            // What is said already is acknowledged, too.
            if !given.is_empty() && !rely_on_said(session, &history, Some(version))? {
                return Ok(Recorded::Moved);
            }
            let change = given.differing(session.store(), &history, Some(version))?;
            if (claim || !change.is_empty()) && write_change(session, edit, &change)?.is_none() {
                return Ok(Recorded::Moved);
            }
            if let Some(run) = context.run {
                write_output(session, context, run, version)?;
            }
            (version.id, true)
        }
        None => {
            let parents = origin.parents(&options.artifact, &latest);
            let number = history.next_number().ok_or_else(|| {
                Error::refused("cannot store a version: there is no number after that of the newest").hint("choose another artifact name")
            })?;
            let record = new_version(context, options, content, artifact_type, number, parents, origin.version());
            (session.write_record(&Record::Version(Box::new(record)))?, false)
        }
    };
    if !options.aliases.is_empty() {
        history = session.store().history(&options.artifact)?;
    }
    for alias in &options.aliases {
        set_alias(session, &history, id, alias, context.now)?;
    }
    session.recorded();
    Ok(Recorded::Version { id, unchanged })
}

fn new_version(
    context: &Context<'_>,
    options: &PutOptions,
    content: Content,
    artifact_type: Name,
    number: u64,
    parents: Vec<RecordId>,
    base: Option<&Version>,
) -> VersionRecord {
    let mut tags = options.tags.clone();
    tags.extend(base.into_iter().flat_map(|base| base.tags.iter().cloned()));
    tags.sort();
    tags.dedup();
    VersionRecord {
        artifact: options.artifact.clone(),
        created_at: context.now,
        description: options.description.clone().or_else(|| base.and_then(|base| base.description.clone())),
        file_count: content.file_count,
        git: context.git.clone(),
        manifest: content.manifest,
        metadata: content.metadata,
        metadata_pages: content.metadata_pages,
        number,
        parents,
        run: context.run,
        size_bytes: content.size_bytes,
        stored_bytes: content.stored_bytes,
        tags,
        ttl_seconds: options.ttl_seconds.filter(|ttl| *ttl > 0),
        artifact_type,
    }
}

/// Returns what was given and may differ from what is said of a version that is there already.
fn given(options: &PutOptions) -> Change {
    Change {
        description: options.description.clone(),
        metadata: options.metadata.clone(),
        tags_add: options.tags.clone(),
        ttl_seconds: options.ttl_seconds,
        ..Change::default()
    }
}
