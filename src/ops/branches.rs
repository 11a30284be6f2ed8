//! `art ls --all-branches`: what the branches, tags, stashes and working trees of the git repo have, each
//! with who has it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::id::PageId;
use crate::name::{Name, Ref};
use crate::quote::{quote, shell_word};
use crate::refs::history::{History, Version};
use crate::store::Store;
use crate::store::resolve::Resolved;
use crate::store::roots::{Holder, revisions_with, visit_holders};

use super::show::{VersionInfo, listed, summary_with_metadata};

/// Who has something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Holders {
    /// Whether the working tree of the store has it: every command finds it.
    pub here: bool,
    /// Branches, remote-tracking branches, tags, stashes and detached heads, as git takes their names.
    pub branches: Vec<String>,
    /// Other working trees, by the directories of their stores.
    pub worktrees: Vec<String>,
}

/// An artifact, with the fields of `ls --all-branches --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BranchArtifact {
    /// Its name.
    pub artifact: Name,
    /// Its type.
    #[serde(rename = "type")]
    pub artifact_type: Name,
    /// Versions that somebody has and has not deleted.
    pub version_count: u64,
    /// Those of them that are here.
    pub here_count: u64,
    /// Who has a version of it.
    #[serde(flatten)]
    pub holders: Holders,
    /// Who has one that is not here.
    #[serde(skip)]
    pub elsewhere: Holders,
}

/// A version, with the fields of `ls NAME --all-branches --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BranchVersion {
    /// The version as it is here, or else as the first who has it has it.
    #[serde(flatten)]
    pub info: VersionInfo,
    /// Who has it and has not deleted it.
    #[serde(flatten)]
    pub holders: Holders,
}

/// By number; versions of equal content under one number read as one.
type Key = (Name, u64, PageId);

/// Lists the artifacts that somebody has.
pub fn artifacts(store: &Store) -> Result<Vec<BranchArtifact>> {
    let mut rows: Vec<BranchArtifact> = Vec::new();
    let versions = collect(store, None, |_, version| version.record.artifact_type.clone())?;
    for ((artifact, ..), (artifact_type, holders)) in versions {
        if rows.last().is_none_or(|row| row.artifact != artifact) {
            let (holders, elsewhere) = (Holders::default(), Holders::default());
            rows.push(BranchArtifact { artifact, artifact_type, version_count: 0, here_count: 0, holders, elsewhere });
        }
        if let Some(row) = rows.last_mut() {
            row.version_count += 1;
            row.here_count += u64::from(holders.here);
            if !holders.here {
                row.elsewhere.join(&holders);
            }
            row.holders.join(&holders);
        }
    }
    Ok(rows)
}

/// Lists the versions of an artifact that somebody has, by number. Those that are not here are named as
/// they would be if they were.
pub fn versions(store: &Store, artifact: &Name) -> Result<Vec<BranchVersion>> {
    let found = collect(store, Some(artifact), |history, version| summary_with_metadata(store, history, version))?;
    if found.is_empty() {
        return Err(Error::not_found(format!("cannot find artifact '{artifact}' here or on any branch"))
            .hint("`art ls --all-branches` lists what there is"));
    }
    let mut rows: Vec<BranchVersion> = found.into_values().map(|(info, holders)| BranchVersion { info, holders }).collect();
    rows.sort_by_key(|row| (row.info.number, row.info.created_at, row.info.id));
    for rivals in rows.chunk_by_mut(|a, b| a.info.number == b.info.number).filter(|rivals| rivals.len() > 1) {
        for row in rivals.iter_mut().filter(|row| !row.holders.here) {
            row.info.version = format!("v{}.{}", row.info.number, row.info.id.short(4));
        }
    }
    Ok(rows)
}

/// Finds the version that a ref names, for who reads it; of one that is not here it is said which branches
/// have it.
pub fn resolve(store: &Store, wanted: &Ref) -> Result<Resolved> {
    store.resolve(wanted).map_err(|error| told(store, wanted, error))
}

fn told(store: &Store, wanted: &Ref, error: Error) -> Error {
    if error.kind() != ErrorKind::NotFound || wanted.back > 0 {
        return error;
    }
    // What cannot be asked is not told: that it is not here is so in any case.
    let revisions = revisions_with(store, wanted).unwrap_or_default();
    let Some(first) = revisions.first() else { return error };
    let shown = match &revisions[..] {
        [_] => format!("{} has", quote(first.as_bytes())),
        [_, more @ ..] => format!("{} and {} more have", quote(first.as_bytes()), more.len()),
        [] => return error,
    };
    error.hint(format!("{shown} it: {}", bring(store, first)))
}

/// Says how what a branch has comes here.
pub fn bring(store: &Store, revision: &str) -> String {
    let (revision, root) = (shell_word(Path::new(revision)), shell_word(store.root()));
    format!("`git checkout {revision} -- {root}` brings its records here, beside those that are")
}

/// Gathers what is said of each version that somebody has: by the first who has it, the working tree if it
/// does.
fn collect<T>(store: &Store, artifact: Option<&Name>, say: impl Fn(&History, &Version) -> T) -> Result<BTreeMap<Key, (T, Holders)>> {
    let mut found = BTreeMap::<Key, (T, Holders)>::new();
    visit_holders(store, artifact, &mut |holders, history| {
        for version in listed(history, false) {
            let key = (history.artifact.clone(), version.record.number, version.record.manifest);
            let row = found.entry(key).or_insert_with(|| (say(history, version), Holders::default()));
            holders.iter().for_each(|holder| row.1.add(holder));
        }
    })?;
    // Twins in one branch name it twice.
    found.values_mut().for_each(|(_, holders)| holders.join(&Holders::default()));
    Ok(found)
}

impl Holders {
    fn add(&mut self, holder: &Holder) {
        match holder {
            Holder::Here => self.here = true,
            Holder::Revision(name) => self.branches.push(name.clone()),
            Holder::Worktree(root) => self.worktrees.push(root.to_string_lossy().into_owned()),
        }
    }

    fn join(&mut self, other: &Holders) {
        let union = |own: &mut Vec<String>, others: &[String]| {
            own.extend_from_slice(others);
            own.sort();
            own.dedup();
        };
        self.here |= other.here;
        union(&mut self.branches, &other.branches);
        union(&mut self.worktrees, &other.worktrees);
    }
}
