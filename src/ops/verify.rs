//! `art verify`: whether a directory is exactly a version.

use std::path::Path;

use crate::context::Context;
use crate::error::Result;
use crate::format::manifest::{Entry, EntryKind};
use crate::format::path::EntryPath;
use crate::ops::put::stat_cache::Reader;
use crate::ops::restore::dest::Dest;
use crate::ops::restore::reference::is_restorable;
use crate::ops::restore::survey::{State, compare_all, extras};
use crate::store::Store;
use crate::store::resolve::Resolved;

/// How a directory differs from a version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyOutcome {
    /// Entries of the version that were compared.
    pub entry_count: u64,
    /// References among them that were not compared: no digest of them is recorded, or they are not
    /// in the directory and nothing of this computer.
    pub unchecked_references: u64,
    /// What the directory lacks.
    pub missing: Vec<EntryPath>,
    /// What differs: the bytes, the kind, the target of a link, or the executable bit.
    pub changed: Vec<EntryPath>,
    /// What the version does not have.
    pub extra: Vec<EntryPath>,
}

impl VerifyOutcome {
    /// Whether the directory is exactly the version.
    pub fn is_same(&self) -> bool {
        self.missing.is_empty() && self.changed.is_empty() && self.extra.is_empty()
    }
}

/// Compares a directory with a version. Every file is read and hashed; times and the stat cache
/// are not believed. What `.artignore` files leave out is no difference.
pub fn verify(store: &Store, context: &Context<'_>, found: &Resolved, dir: &Path) -> Result<VerifyOutcome> {
    let manifest = found.version.record.manifest;
    let dest = Dest::open(dir)?;
    let mut outcome = VerifyOutcome::default();
    let totals = store.read_manifest(manifest)?;
    context.progress.phase("verifying");
    context.progress.expect(totals.file_count, totals.size_bytes);
    context.progress.all_expected();
    compare_all(store, manifest, &[], &dest, &mut Reader::empty(), context, &mut |entry, state| {
        outcome.entry_count += 1;
        match state {
            State::Missing if !is_restorable(&entry) => outcome.unchecked_references += 1,
            State::Same => outcome.unchecked_references += u64::from(has_no_digest(&entry)),
            State::Missing => outcome.missing.push(entry.path),
            State::WrongMode | State::Differs(_) => outcome.changed.push(entry.path),
        }
        Ok(())
    })?;
    outcome.extra = extras(store, manifest, dir, context)?.into_iter().map(|(path, _)| path).collect();
    Ok(outcome)
}

fn has_no_digest(entry: &Entry) -> bool {
    matches!(&entry.kind, EntryKind::Reference(to) if to.digest.is_none())
}
