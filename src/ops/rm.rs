//! `art rm`: deletes versions. Their bytes stay until `gc` has removed them.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::record::{AliasRecord, EditRecord, Record, Time};
use crate::id::{PageId, RecordId};
use crate::name::{Alias, Name, Ref};
use crate::quote::{quote, quote_path};
use crate::refs::history::{History, Meaning, Version};
use crate::refs::read::DamagedRecord;
use crate::store::Store;
use crate::store::session::Session;

use super::du::freed_by;
use super::edit::empty_edit;
use super::show::twins;

/// What to delete.
#[derive(Clone, Debug, Default)]
pub struct RmOptions {
    /// The versions.
    pub targets: Vec<RmTarget>,
    /// Whether the aliases of a version go with it; else a version with an alias is refused.
    pub force_aliases: bool,
    /// Whether to tell only what would be done.
    pub dry_run: bool,
}

/// What a user names to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RmTarget {
    /// One version.
    Version(Ref),
    /// Every version of an artifact that is not deleted yet.
    All(Name),
}

/// What was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RmOutcome {
    /// The versions that were named, each once.
    pub versions: Vec<RemovedVersion>,
    /// What `latest` means now, of each artifact that had one of these versions.
    pub latest: Vec<LatestNow>,
    /// Bytes of packs that no other version needs, with a dry run only: what `gc` could free.
    pub freed_bytes: Option<u64>,
}

/// A version that was named to be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RemovedVersion {
    /// The artifact.
    pub artifact: Name,
    /// The version's name in its artifact.
    pub version: String,
    /// Its id.
    pub id: RecordId,
    /// Its digest.
    pub digest: PageId,
    /// Bytes of its files.
    pub size_bytes: u64,
    /// Its files.
    pub file_count: u64,
    /// The aliases that went with it.
    pub aliases: Vec<Alias>,
    /// Whether it was deleted now; else it was deleted already.
    pub changed: bool,
}

/// What `latest` means in an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LatestNow {
    /// The artifact.
    pub artifact: Name,
    /// The version; none if there is none left, or several.
    pub version: Option<String>,
    /// The versions that it means, where they are several.
    pub rivals: Vec<String>,
}

/// The versions to delete, by artifact; each with those that read as one with it.
type Doomed = BTreeMap<Name, Vec<RecordId>>;

/// Deletes versions: all that are named, or, if one of them is refused, none.
pub fn rm(store: &Store, context: &Context<'_>, options: &RmOptions) -> Result<RmOutcome> {
    // Settled before any lock is waited for: what a ref names meanwhile is not what was meant.
    let doomed = find(store, options)?;
    if options.dry_run {
        let versions = check(store, &doomed, options)?;
        let freed_bytes = Some(freed_by(store, context, &doomed.values().flatten().copied().collect())?);
        return Ok(RmOutcome { versions, latest: latest_without(store, &doomed)?, freed_bytes });
    }
    check(store, &doomed, options)?;
    let session = Session::begin(store, context)?;
    let _numbers = session.lock_numbers()?;
    let versions = check(store, &doomed, options)?;
    for (artifact, ids) in &doomed {
        delete(&session, &store.history(artifact)?, ids, context.now)?;
    }
    Ok(RmOutcome { versions, latest: latest_without(store, &doomed)?, freed_bytes: None })
}

/// Deletes versions of one artifact, under the lock of numbers, which the caller holds: first the
/// aliases that name them go, so that none is left that names a deleted version, then each version
/// by a record of its own.
pub(super) fn delete(session: &Session<'_>, history: &History, ids: &[RecordId], now: Time) -> Result<()> {
    let reread = if remove_aliases(session, history, ids, now)? { Some(session.store().history(&history.artifact)?) } else { None };
    let history = reread.as_ref().unwrap_or(history);
    // What a try that was killed has deleted is told as deleted, too.
    session.rely_on_deletions(history)?;
    let mut seq = history.next_edit_seq();
    for id in ids.iter().filter(|id| history.version(**id).is_some_and(|version| !version.deleted)) {
        let edit = EditRecord { delete: true, ..empty_edit(history, Some(*id), seq, now) };
        session.write_record(&Record::Edit(Box::new(edit)))?;
        seq = seq.saturating_add(1);
    }
    Ok(())
}

/// Tells what `latest` means in an artifact.
pub(super) fn latest_now(history: &History) -> LatestNow {
    let (version, rivals) = match history.latest() {
        Meaning::None => (None, Vec::new()),
        Meaning::One(version) => (Some(version.label.clone()), Vec::new()),
        Meaning::Many(versions) => (None, versions.iter().map(|version| version.label.clone()).collect()),
    };
    LatestNow { artifact: history.artifact.clone(), version, rivals }
}

/// Removes the aliases that name a version of `ids`; returns whether there were any. One that has
/// diverged names what is left of its targets from then on.
fn remove_aliases(session: &Session<'_>, history: &History, ids: &[RecordId], now: Time) -> Result<bool> {
    let mut any = false;
    for (alias, heads) in &history.aliases {
        let (gone, left): (Vec<_>, Vec<_>) = heads.iter().partition(|head| head.target.is_some_and(|target| ids.contains(&target)));
        if gone.is_empty() {
            continue;
        }
        any = true;
        let mut replaces: Vec<RecordId> = gone.iter().map(|head| head.record).collect();
        replaces.sort_unstable();
        let record = AliasRecord {
            alias: alias.clone(),
            artifact: history.artifact.clone(),
            created_at: now,
            replaces,
            seq: history.next_alias_seq(alias),
            target: left.first().and_then(|head| head.target),
        };
        session.freeing(|| session.write_record(&Record::Alias(record.clone())))?;
    }
    Ok(any)
}

fn find(store: &Store, options: &RmOptions) -> Result<Doomed> {
    let mut doomed = Doomed::new();
    for target in &options.targets {
        let (artifact, ids): (Name, Vec<RecordId>) = match target {
            RmTarget::Version(reference) => {
                let found = store.resolve(reference)?;
                (reference.artifact.clone(), twins(&found.history, &found.version).map(|twin| twin.id).collect())
            }
            RmTarget::All(name) => {
                let history = store.existing_history(name)?;
                (name.clone(), history.versions.iter().filter(|version| !version.deleted).map(|version| version.id).collect())
            }
        };
        let all = doomed.entry(artifact).or_default();
        let new: Vec<RecordId> = ids.into_iter().filter(|id| !all.contains(id)).collect();
        all.extend(new);
    }
    Ok(doomed)
}

/// Tells what is to be deleted; fails if one of them may not be.
fn check(store: &Store, doomed: &Doomed, options: &RmOptions) -> Result<Vec<RemovedVersion>> {
    let mut told: Vec<RemovedVersion> = Vec::new();
    for (artifact, ids) in doomed {
        let history = store.history(artifact)?;
        // What the record of another version says changes nothing about these.
        check_readable(&history, |record| !record.is_version)?;
        for version in ids.iter().filter_map(|id| history.version(*id)) {
            let aliases: Vec<Alias> = match version.deleted {
                true => Vec::new(),
                false => history.aliases_of(version.id).into_iter().cloned().collect(),
            };
            add(&mut told, version, aliases);
        }
    }
    match told.iter().find(|version| !version.aliases.is_empty()) {
        Some(named) if !options.force_aliases => Err(is_named(named)),
        _ => Ok(told),
    }
}

/// Fails if a record cannot be read that might say what may be deleted.
pub(super) fn check_readable(history: &History, matters: impl Fn(&DamagedRecord) -> bool) -> Result<()> {
    let Some(record) = history.damaged.iter().find(|record| matters(record)) else { return Ok(()) };
    let (name, path) = (quote(history.artifact.as_str().as_bytes()), quote_path(&record.path));
    Err(Error::damaged(format!("cannot tell which versions of {name} may be deleted: record {path} is damaged: {}", record.why))
        .hint("mend it with `art repair`, with `--from DIR` from another copy of the store"))
}

/// Adds a version, or what is known of a twin of it to the one that is told already.
fn add(told: &mut Vec<RemovedVersion>, version: &Version, mut aliases: Vec<Alias>) {
    let record = &version.record;
    let twin = told.iter_mut().find(|other| other.artifact == record.artifact && other.version == version.label);
    match twin {
        Some(twin) => {
            twin.changed |= !version.deleted;
            twin.aliases.append(&mut aliases);
            twin.aliases.sort();
            twin.aliases.dedup();
        }
        None => told.push(RemovedVersion {
            artifact: record.artifact.clone(),
            version: version.label.clone(),
            id: version.id,
            digest: record.manifest,
            size_bytes: record.size_bytes,
            file_count: record.file_count,
            aliases,
            changed: !version.deleted,
        }),
    }
}

fn is_named(version: &RemovedVersion) -> Error {
    let full = format!("{}:{}", version.artifact, version.version);
    let aliases: Vec<String> = version.aliases.iter().map(|alias| quote(alias.as_str().as_bytes())).collect();
    let named = if aliases.len() == 1 { "alias" } else { "aliases" };
    let first = version.aliases.first().map(Alias::as_str).unwrap_or_default();
    Error::refused(format!("cannot delete {}: it has the {named} {}", quote(full.as_bytes()), aliases.join(", "))).hint(format!(
        "move an alias with `art alias set REF {first}`, or delete the version with its aliases with `art rm {full} --force-aliases`"
    ))
}

/// Tells what `latest` means once versions are deleted, whether they are yet or not.
fn latest_without(store: &Store, doomed: &Doomed) -> Result<Vec<LatestNow>> {
    let of = |(artifact, ids): (&Name, &Vec<RecordId>)| -> Result<LatestNow> {
        let mut history = store.history(artifact)?;
        let ids: HashSet<&RecordId> = ids.iter().collect();
        history.versions.iter_mut().filter(|version| ids.contains(&version.id)).for_each(|version| version.deleted = true);
        Ok(latest_now(&history))
    };
    doomed.iter().map(of).collect()
}
