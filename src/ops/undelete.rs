//! `art undelete`: brings versions back that were deleted, as long as their bytes are here.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::condemn::{LiftRecord, PACKS_MAX};
use crate::format::pack::PackClass;
use crate::format::record::{EditRecord, Record, Time};
use crate::id::{ChunkId, HASH_LEN, PageId, RecordId};
use crate::name::{Name, Ref};
use crate::pack::pack_path;
use crate::quote::quote;
use crate::refs::condemned::Condemnation;
use crate::refs::history::{History, Version};
use crate::store::Store;
use crate::store::reach::{Reach, Reached, Start, Unread};
use crate::store::session::Session;

use super::edit::empty_edit;
use super::rm::{LatestNow, latest_now};
use super::show::twins;

/// Most packs, and most records, of one lift record: together they stay within the limit.
const LIFTS_MAX: usize = PACKS_MAX / 2;

/// What was brought back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UndeleteOutcome {
    /// The versions that were named, each once.
    pub versions: Vec<UndeletedVersion>,
    /// What `latest` means now, of each artifact that has one of these versions.
    pub latest: Vec<LatestNow>,
}

/// A version that was named to be brought back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UndeletedVersion {
    /// The artifact.
    pub artifact: Name,
    /// The version's name in its artifact.
    pub version: String,
    /// Its id.
    pub id: RecordId,
    /// Whether it was brought back now; else it was not deleted.
    pub changed: bool,
}

/// Undoes the deletion of versions: of all that are named, or, if one of them cannot be brought
/// back, of none. Aliases that went with them do not come back.
pub fn undelete(store: &Store, context: &Context<'_>, references: &[Ref]) -> Result<UndeleteOutcome> {
    // Fails early, before anything is locked or made.
    let mut targets: Vec<(Name, RecordId)> = Vec::new();
    for reference in references {
        let version = store.resolve(reference)?.version;
        let target = (version.record.artifact, version.id);
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    let session = Session::begin(store, context)?;
    let presence = Presence { session: &session, threads: context.threads, condemned: Mutex::default() };
    let mut checked = HashSet::new();
    for (artifact, id) in &targets {
        for version in gone(&store.history(artifact)?, *id) {
            presence.check(version)?;
            checked.insert(version.id);
        }
    }
    let _numbers = session.lock_numbers()?;
    if !session.rests_hold()? {
        // A `gc` has condemned some of it meanwhile, for it saw these versions as deleted.
        session.begin_again()?;
        checked.clear();
    }
    for (artifact, id) in &targets {
        // Deleted while the lock was waited for, or to be looked at again.
        let history = store.history(artifact)?;
        gone(&history, *id).iter().filter(|version| !checked.contains(&version.id)).try_for_each(|version| presence.check(version))?;
    }
    presence.lift(context.now)?;
    let mut outcome = UndeleteOutcome { versions: Vec::new(), latest: Vec::new() };
    for (artifact, id) in &targets {
        let history = store.history(artifact)?;
        let Some(version) = history.version(*id) else { continue };
        let gone = gone(&history, *id);
        // What stands there already is told, too.
        session.rely_on_version(&history, version)?;
        let mut seq = history.next_edit_seq();
        for version in &gone {
            session.rely_on_record(&Record::Version(Box::new(version.record.clone())), version.id)?;
            let edit = EditRecord { undelete: true, ..empty_edit(&history, Some(version.id), seq, context.now) };
            session.write_record(&Record::Edit(Box::new(edit)))?;
            seq = seq.saturating_add(1);
        }
        let (version, changed) = (version.label.clone(), !gone.is_empty());
        outcome.versions.push(UndeletedVersion { artifact: artifact.clone(), version, id: *id, changed });
    }
    session.recorded();
    for (artifact, _) in &targets {
        if !outcome.latest.iter().any(|latest| latest.artifact == *artifact) {
            outcome.latest.push(latest_now(&store.history(artifact)?));
        }
    }
    Ok(outcome)
}

/// Returns what is to be brought back for a version: it and those that read as one with it, if it
/// is deleted, or if a deletion of it stands that does not hold.
fn gone(history: &History, id: RecordId) -> Vec<&Version> {
    let is_gone = |version: &&Version| version.deleted || version.contested;
    let version = history.version(id).filter(is_gone);
    version.into_iter().flat_map(|version| twins(history, version)).filter(is_gone).collect()
}

/// Makes sure that what versions name is here, on this disk.
struct Presence<'s, 'a> {
    session: &'s Session<'a>,
    threads: usize,
    /// Packs that are condemned and were looked into, and whether they are whole.
    condemned: Mutex<HashMap<PathBuf, bool>>,
}

/// What a version lacks.
#[derive(Default)]
struct Lacking {
    chunks: HashSet<ChunkId>,
    pages: HashSet<PageId>,
    failed: Option<Error>,
}

impl Presence<'_, '_> {
    fn check(&self, version: &Version) -> Result<()> {
        let mut starts: Vec<Start> =
            version.metadata.iter().flat_map(|layer| layer.pages.iter().map(|&page| Start::metadata(page))).collect();
        if !self.session.is_confirmed(version.record.manifest) {
            starts.push(Start::manifest(version.record.manifest));
        }
        let lacking = Mutex::new(Lacking::default());
        let unread = Reach::new(self.session.store(), self.threads).visit(&starts, &|reached| {
            let looked = self.look(reached);
            let mut lacking = lacking.lock().unwrap_or_else(PoisonError::into_inner);
            match looked {
                Ok((chunks, is_here)) => {
                    lacking.chunks.extend(chunks);
                    lacking.pages.extend(Some(reached.page).filter(|_| !is_here));
                }
                Err(error) => lacking.failed = Some(error),
            }
        })?;
        let lacking = lacking.into_inner().unwrap_or_else(PoisonError::into_inner);
        match lacking.failed {
            Some(error) => Err(error),
            None => told(version, lacking.chunks.len(), lacking.pages.len(), &unread),
        }
    }

    /// Lifts the condemnation of the packs that were found to be needed. No `gc` may run until the
    /// version is deleted again, and that deletion is to have a grace of its own.
    fn lift(&self, now: Time) -> Result<()> {
        let looked_into = self.condemned.lock().unwrap_or_else(PoisonError::into_inner);
        let condemned = self.session.store().condemned()?;
        let mut needed: Vec<&Condemnation> =
            looked_into.iter().filter(|(_, is_whole)| **is_whole).filter_map(|(path, _)| condemned.get(path)).collect();
        needed.sort_by_key(|condemnation| condemnation.pack);
        for packs in needed.chunks(LIFTS_MAX) {
            let of = |class| packs.iter().filter(|pack| pack.class == class).map(|pack| pack.pack).collect::<Vec<_>>();
            let records: BTreeSet<RecordId> = packs.iter().flat_map(|pack| pack.records.iter().copied()).collect();
            for lifts in records.into_iter().collect::<Vec<_>>().chunks(LIFTS_MAX) {
                let (data, meta) = (of(PackClass::Data), of(PackClass::Meta));
                self.session.write_record(&Record::Lift(LiftRecord { created_at: now, data, lifts: lifts.to_vec(), meta }))?;
            }
        }
        Ok(())
    }

    /// Returns the chunks that a page names and that are not here, and whether the page is here.
    fn look(&self, reached: &Reached<'_>) -> Result<(Vec<ChunkId>, bool)> {
        let mut missing = Vec::new();
        for run in reached.chunks {
            if !self.is_here(PackClass::Data, run.chunk.as_bytes())? {
                missing.push(run.chunk);
            }
        }
        Ok((missing, self.is_here(PackClass::Meta, reached.page.as_bytes())?))
    }

    fn is_here(&self, class: PackClass, hash: &[u8; HASH_LEN]) -> Result<bool> {
        if self.session.has(class, hash)? {
            return Ok(true);
        }
        let disk = self.session.disk();
        let found = self.session.store().index(class)?.find(hash, |location| {
            let (pack, path) = (&location.pack, pack_path(class, location.pack.id));
            let whole = || pack.verify().and_then(|()| pack.verify_contents()).and_then(|()| disk.adopt(&path));
            let mut condemned = self.condemned.lock().unwrap_or_else(PoisonError::into_inner);
            *condemned.entry(path.clone()).or_insert_with(|| disk.is_confirmed(&path) || whole().is_ok())
        });
        Ok(found.is_some())
    }
}

fn told(version: &Version, chunks: usize, pages: usize, unread: &[Unread]) -> Result<()> {
    let counted = |count: usize, what: &str| (count > 0).then(|| format!("{count} {what}{}", if count == 1 { "" } else { "s" }));
    let pages = pages + unread.len();
    let counts: Vec<String> = [counted(chunks, "chunk"), counted(pages, "page")].into_iter().flatten().collect();
    if counts.is_empty() {
        return Ok(());
    }
    // What lies below a page that is gone cannot be told.
    let more = if unread.is_empty() { "" } else { ", and perhaps more" };
    let (name, counts) = (quote(version.full_name().as_bytes()), counts.join(" and "));
    Err(Error::damaged(format!("cannot undelete {name}: missing here: {counts}{more}"))
        .hint("copy the packs from a copy of the store that still has them, and run this again"))
}
