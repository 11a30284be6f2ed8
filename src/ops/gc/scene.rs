//! What is known at one moment, and the plans that follow from it.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::GcOptions;
use super::facts::{Facts, Sources};
use super::outcome::GcOutcome;
use super::plan::{self, CondemnPlan, Copies, DeletePlan, Grace};
use super::survey::{Ground, Survey};
use crate::error::{Error, Result};
use crate::id::RecordId;
use crate::quote::quote_path;
use crate::refs::history::{History, Version};
use crate::refs::read::{self, HASH16};
use crate::store::Store;
use crate::store::put_note::PutNotes;
use crate::store::roots::{BranchPages, RootVersion, Roots};

/// What is known at one moment.
pub(super) struct Scene {
    pub(super) survey: Survey,
    pub(super) data: Facts,
    pub(super) meta: Facts,
}

/// What a scene is made of besides the roots.
pub(super) struct Sight<'a> {
    pub(super) store: &'a Store,
    pub(super) options: &'a GcOptions,
    pub(super) threads: usize,
    /// Where pages are that the store has not got.
    pub(super) branches: &'a BranchPages,
    /// Local state, if there is any.
    pub(super) local: Option<&'a Path>,
    /// The time of the file system.
    pub(super) now: SystemTime,
    /// The packs that may be removed; none if all that are condemned may.
    pub(super) removable: Option<&'a HashSet<PathBuf>>,
}

/// What to condemn.
#[derive(Debug, Default)]
pub(super) struct CondemnPlans {
    pub(super) data: CondemnPlan,
    pub(super) meta: CondemnPlan,
}

impl CondemnPlans {
    /// Whether there is anything to copy.
    pub(super) fn copies(&self) -> bool {
        !self.data.copied.is_empty() || !self.meta.copied.is_empty()
    }
}

impl Scene {
    /// Looks at the whole store.
    pub(super) fn look(sight: &Sight<'_>, roots: &Roots) -> Result<Scene> {
        let condemned = sight.store.condemned()?;
        if let Some((path, why)) = condemned.damaged().first() {
            return Err(Error::damaged(format!("cannot tell which packs are condemned: record {} is damaged: {why}", quote_path(path)))
                .hint("fetch it from another copy of the store with `art repair --from DIR`; nothing was removed"));
        }
        // Read before the survey: a put that ends meanwhile then counts as running.
        let notes = sight.local.map(PutNotes::read).unwrap_or_default();
        let survey = Survey::take(sight.store, roots, sight.branches, sight.threads)?;
        let sources = Sources {
            store: sight.store,
            condemned: &condemned,
            removable: sight.removable,
            notes: &notes,
            held: &roots.held,
            now: sight.now,
            grace: sight.options.grace,
            free_orphans: sight.options.orphans,
        };
        let (data, meta) = (Facts::gather(&survey.data, &sources)?, Facts::gather(&survey.meta, &sources)?);
        plan::choose_homes(&survey.data, &data);
        plan::choose_homes(&survey.meta, &meta);
        Ok(Scene { survey, data, meta })
    }

    /// Returns the packs that a put has left behind and that are not condemned, for something in them is live.
    /// To be struck out of its note once all is planned, for then what else is in them counts as an orphan.
    pub(super) fn reused(&self) -> BTreeSet<PathBuf> {
        self.data.reused(&self.survey.data).chain(self.meta.reused(&self.survey.meta)).collect()
    }

    /// Tells what there is besides packs to condemn and to remove.
    pub(super) fn tell(&self, outcome: &mut GcOutcome) {
        outcome.missing_chunks = self.survey.missing_chunks;
        outcome.count_orphans(&self.survey.data, &self.data);
        outcome.count_orphans(&self.survey.meta, &self.meta);
    }

    /// Plans what to condemn. Pages that tell what is dead are kept for the data that stays.
    pub(super) fn plan_condemn(&self, copies: Copies) -> CondemnPlans {
        let data = plan::condemn(&self.survey.data, &self.data, copies);
        let goes: HashSet<u32> = data.unused.iter().copied().chain(data.copied.iter().map(|(pack, _)| *pack)).collect();
        self.need_pages(|pack| !goes.contains(&pack) && !self.data.of(pack).is_condemned());
        let meta = plan::condemn(&self.survey.meta, &self.meta, copies);
        CondemnPlans { data, meta }
    }

    /// Plans what to do with condemned data packs.
    pub(super) fn plan_delete_data(&self, grace: Grace) -> DeletePlan {
        plan::delete(&self.survey.data, &self.data, grace)
    }

    /// Plans what to do with condemned meta packs, when the data packs `gone` are gone.
    pub(super) fn plan_delete_meta(&self, grace: Grace, gone: &[u32]) -> DeletePlan {
        self.need_pages(|pack| !gone.contains(&pack));
        plan::delete(&self.survey.meta, &self.meta, grace)
    }

    /// Returns both classes of packs.
    pub(super) fn classes(&mut self) -> [(&Ground, &mut Facts); 2] {
        [(&self.survey.data, &mut self.data), (&self.survey.meta, &mut self.meta)]
    }

    fn need_pages(&self, stays: impl Fn(u32) -> bool) {
        self.survey.mark_needed(stays);
        plan::choose_homes(&self.survey.meta, &self.meta);
    }
}

/// Adds to the roots what the tree says now: a put may have ended since they were read.
pub(super) fn with_tree(store: &Store, mut roots: Roots) -> Result<Roots> {
    for history in store.histories()? {
        if let Some(record) = history.damaged.first() {
            return Err(Error::damaged(format!(
                "cannot tell what is needed: record {} is damaged: {}",
                quote_path(&record.path),
                record.why
            ))
            .hint("fetch it from another copy of the store with `art repair --from DIR`; nothing was removed"));
        }
        let edits = history.edits.iter().filter(|(_, edit)| edit.target.is_none());
        roots.metadata_pages.extend(edits.flat_map(|(_, edit)| edit.metadata_pages.iter().copied()));
        let live = history.versions.iter().filter(|version| !version.deleted);
        roots.live.extend(live.map(|version| in_tree(&history, version)));
    }
    Ok(roots)
}

/// Adds to the roots the versions that were stored or came back to life by records which were not
/// there `before`, whether they are deleted by now or not; says whether there are any.
pub(super) fn with_newcomers(store: &Store, mut roots: Roots, before: &HashSet<String>) -> Result<(Roots, bool)> {
    let is_new = |id: RecordId| !before.contains(&id.short(HASH16));
    let known = roots.live.len();
    if read::all_names(store.root())?.is_subset(before) {
        return Ok((roots, false));
    }
    for (artifact, records) in read::load_all(store.root(), store.threads(), None)? {
        let stored = records.versions.iter().filter(|(id, _)| is_new(*id)).map(|(id, _)| *id);
        let edited = records.edits.iter().filter(|(id, edit)| is_new(*id) && !edit.delete).filter_map(|(_, edit)| edit.target);
        let named = records.aliases.iter().filter(|(id, _)| is_new(*id)).filter_map(|(_, alias)| alias.target);
        let newcomers: HashSet<RecordId> = stored.chain(edited).chain(named).collect();
        if newcomers.is_empty() {
            continue;
        }
        let history = History::new(artifact, records);
        let versions = history.versions.iter().filter(|version| newcomers.contains(&version.id));
        roots.live.extend(versions.map(|version| in_tree(&history, version)));
    }
    let are_any = roots.live.len() > known;
    Ok((roots, are_any))
}

fn in_tree(history: &History, version: &Version) -> RootVersion {
    RootVersion {
        artifact: history.artifact.clone(),
        label: version.label.clone(),
        id: version.id,
        manifest: version.record.manifest,
        metadata_pages: version.metadata.iter().flat_map(|layer| &layer.pages).copied().collect(),
        root: "the working tree".to_owned(),
    }
}
