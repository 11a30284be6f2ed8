//! Which files a bundle has, and which versions it builds on.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::super::dir::Dir;
use super::super::part::{self, About};
use super::super::plan::{PACKS, RECORDS};
use super::super::side::{Files, Hash, Selection, Side, Wanted};
use super::create::CreateOptions;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::bundle::Base;
use crate::format::limits::BUNDLE_BASES_MAX;
use crate::format::pack::PackClass;
use crate::id::RecordId;
use crate::name::{Name, Ref};
use crate::quote::quote;
use crate::refs::history::Version;
use crate::store::Store;
use crate::store::files::{FileClass, StoreFile, StorePath};
use crate::store::reach::{Reach, Start};

/// What goes into a bundle.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) bases: Vec<Base>,
    /// Sorted; each with the version record without which it must not be taken.
    pub(super) files: Vec<(StoreFile, Option<StorePath>)>,
    /// Chunks and pages that the versions need and that are nowhere here.
    pub(super) missing: (u64, u64),
}

/// Finds what goes in.
pub(super) fn plan(store: &Store, here: &Dir<'_>, context: &Context<'_>, options: &CreateOptions) -> Result<Plan> {
    if options.versions.is_empty() && options.since.is_empty() {
        // Records first: what they name lies in packs that are listed after them.
        let mut files = here.list(&RECORDS)?;
        files.extend(here.list(&PACKS)?);
        files.sort();
        return Ok(Plan { files: files.into_iter().map(|file| (file, None)).collect(), ..Plan::default() });
    }
    let older = older(store, &options.since)?;
    let (chosen, about) = match options.versions.is_empty() {
        true => (all_but(store, &older)?, About::All),
        false => {
            let refs = options.versions.iter().map(ToString::to_string).collect();
            (part::choose(store, &Wanted { refs, all_versions: options.all_versions })?, About::Chosen)
        }
    };
    let mut selection = part::select_chosen(store, context, &chosen, about)?;
    let mut plan = Plan { bases: leave_out(store, context, &older, &mut selection)?, ..Plan::default() };
    for class in [PackClass::Data, PackClass::Meta] {
        let hashes = selection.hashes(class);
        let missing = here.lacks(class, hashes)?.into_iter().filter(|lacks| *lacks).count() as u64;
        match class {
            PackClass::Data => plan.missing.0 = missing,
            PackClass::Meta => plan.missing.1 = missing,
        }
        plan.files.extend(here.gather(class, hashes, &[])?.into_iter().map(|file| (file, None)));
    }
    plan.files.extend(here.list(&[FileClass::Feature])?.into_iter().map(|file| (file, None)));
    let travelling: HashSet<String> = selection.records.iter().map(|record| record.file.path.key()).collect();
    let needed = |path: &StorePath| !travelling.contains(&path.key());
    plan.files.extend(selection.records.into_iter().map(|record| (record.file, record.needs.filter(needed))));
    plan.files.sort();
    plan.files.dedup_by(|a, b| a.0.path == b.0.path);
    Ok(plan)
}

/// A version that may be built on.
struct Older {
    version: Version,
    /// Whether it was named, so that the bundle builds on it whatever it shares.
    is_named: bool,
}

/// Finds the versions that were named, each followed by those before it, the newest first.
fn older(store: &Store, since: &[Ref]) -> Result<Vec<Older>> {
    let mut all: Vec<Older> = Vec::new();
    for reference in since {
        let resolved = store.resolve(reference)?;
        let number = resolved.version.record.number;
        let before = resolved.history.versions.into_iter().filter(|version| version.record.number < number && !version.deleted).rev();
        all.push(Older { version: resolved.version, is_named: true });
        all.extend(before.map(|version| Older { version, is_named: false }));
    }
    let named: HashSet<RecordId> = all.iter().filter(|older| older.is_named).map(|older| older.version.id).collect();
    let mut seen = HashSet::new();
    all.retain_mut(|older| {
        older.is_named = named.contains(&older.version.id);
        seen.insert(older.version.id)
    });
    Ok(all)
}

/// Returns all versions of a store but some.
fn all_but(store: &Store, older: &[Older]) -> Result<Vec<(Name, Vec<Version>)>> {
    let out: HashSet<RecordId> = older.iter().map(|older| older.version.id).collect();
    let rest = |versions: Vec<Version>| versions.into_iter().filter(|version| !out.contains(&version.id)).collect();
    Ok(store.histories()?.into_iter().map(|history| (history.artifact, rest(history.versions))).collect())
}

/// Takes out of a selection what older versions have, and returns those that the rest then builds on:
/// as few as will do.
fn leave_out(store: &Store, context: &Context<'_>, older: &[Older], selection: &mut Selection) -> Result<Vec<Base>> {
    if older.is_empty() {
        return Ok(Vec::new());
    }
    let mut pages: HashSet<Hash> = selection.pages.iter().copied().collect();
    let mut chunks: HashSet<Hash> = selection.chunks.iter().copied().collect();
    let (mut bases, reach) = (Vec::new(), Reach::new(store, context.threads));
    for Older { version, is_named } in older {
        let found = Mutex::new((Vec::new(), Vec::new()));
        let unread = reach.visit(&[Start::manifest(version.record.manifest)], &|reached| {
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.0.push(*reached.page.as_bytes());
            found.1.extend(reached.chunks.iter().map(|run| *run.chunk.as_bytes()));
        })?;
        if let Some(lack) = unread.into_iter().next().filter(|_| *is_named) {
            let name = quote(version.full_name().as_bytes());
            return Err(lack.error.within(format!("cannot tell what {name} has, on which the bundle is to build")));
        }
        let (found_pages, found_chunks) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        let shared = found_pages.iter().filter(|page| pages.remove(*page)).count();
        let shared = shared + found_chunks.iter().filter(|chunk| chunks.remove(*chunk)).count();
        if shared > 0 || *is_named {
            let record = &version.record;
            bases.push(Base { artifact: record.artifact.clone(), number: record.number, version: version.id, manifest: record.manifest });
        }
    }
    if bases.len() > BUNDLE_BASES_MAX {
        return Err(Error::refused(format!("cannot build a bundle on {} versions: {BUNDLE_BASES_MAX} is the most", bases.len())));
    }
    bases.sort();
    selection.pages.retain(|page| pages.contains(page));
    selection.chunks.retain(|chunk| chunks.contains(chunk));
    Ok(bases)
}
