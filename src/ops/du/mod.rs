//! `art du`: what artifacts and versions take, and what deleting them would free.

pub(in crate::ops) mod graph;

use std::collections::HashSet;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use walkdir::WalkDir;

use crate::context::Context;
use crate::error::Result;
use crate::format::pack::PackClass;
use crate::id::{PageId, RecordId};
use crate::name::{Name, Ref};
use crate::refs::condemned::{CONDEMN_DIR, is_name};
use crate::refs::history::{History, Version};
use crate::refs::read::parse_record_name;
use crate::store::Store;

use super::show::listed;
use graph::{Graph, NOBODY, Needing, Taken};

/// What to tell of.
#[derive(Clone, Debug, Default)]
pub struct DuOptions {
    /// Artifacts, with all their versions, and versions; everything if there are none.
    pub targets: Vec<DuTarget>,
}

/// What a user names to be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DuTarget {
    /// An artifact.
    Artifact(Name),
    /// A version.
    Version(Ref),
}

/// What was asked for, and the store as a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DuOutcome {
    /// The artifacts, by name.
    pub artifacts: Vec<ArtifactUsage>,
    /// The store.
    pub store: StoreUsage,
}

/// What bytes take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Bytes of the files.
    pub size_bytes: u64,
    /// Bytes of their chunks before compression, each chunk once.
    pub chunk_bytes: u64,
    /// Bytes of packs that their chunks and pages take: their shares of blocks, and their rows.
    pub stored_bytes: u64,
    /// Of these, what nothing else needs: what deleting it would free.
    pub unique_bytes: u64,
    /// `size_bytes` by `chunk_bytes`; none if that is 0.
    pub dedup_ratio: Option<f64>,
    /// `chunk_bytes` by `stored_bytes`; none if that is 0.
    pub compression_ratio: Option<f64>,
    /// Chunks and pages that are not here, and so not counted.
    pub missing_count: u64,
}

/// What an artifact takes: its versions that are not deleted and its own metadata, together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArtifactUsage {
    /// The artifact.
    pub artifact: Name,
    /// Its versions that are not deleted.
    pub version_count: u64,
    /// What they take together.
    #[serde(flatten)]
    pub usage: Usage,
    /// Its versions, or those that were asked for, the oldest first.
    pub versions: Vec<VersionUsage>,
}

/// What a version takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VersionUsage {
    /// The version's name in its artifact.
    pub version: String,
    /// Its id.
    pub id: RecordId,
    /// Its digest.
    pub digest: PageId,
    /// Whether it is deleted: what it alone needs is freed by `gc`.
    pub deleted: bool,
    /// What it takes.
    #[serde(flatten)]
    pub usage: Usage,
}

/// What a store takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct StoreUsage {
    /// What the versions that are not deleted take together, and the metadata of artifacts.
    #[serde(flatten)]
    pub usage: Usage,
    /// Bytes of packs that only deleted versions need.
    pub deleted_bytes: u64,
    /// Bytes of packs that no version here needs: of versions whose records are not here, of puts
    /// that did not end, and what lies in two packs.
    pub unnamed_bytes: u64,
    /// Data packs.
    pub data_packs: u64,
    /// Their bytes.
    pub data_pack_bytes: u64,
    /// Meta packs.
    pub meta_packs: u64,
    /// Their bytes.
    pub meta_pack_bytes: u64,
    /// Of both, the packs that are condemned.
    pub condemned_packs: u64,
    /// Their bytes.
    pub condemned_pack_bytes: u64,
    /// Records.
    pub records: u64,
    /// Their bytes.
    pub record_bytes: u64,
    /// Bytes of all packs and records.
    pub total_bytes: u64,
}

/// Tells what artifacts and versions take.
pub fn du(store: &Store, context: &Context<'_>, options: &DuOptions) -> Result<DuOutcome> {
    let asked = options.targets.iter().map(|target| Asked::find(store, target)).collect::<Result<Vec<Asked>>>()?;
    let histories = store.histories()?;
    let all: Vec<(u32, &Version)> =
        histories.iter().zip(0..).flat_map(|(history, at)| listed(history, true).into_iter().map(move |version| (at, version))).collect();
    let abouts = || histories.iter().zip(0..).map(|(history, at)| (at, Needing::Artifact(&history.about)));
    let versions = || all.iter().map(|(at, version)| (*at, *version));
    let graph = Graph::read(store, context, needing(versions()).chain(abouts()).map(|(_, needing)| needing))?;
    let each = usages(&graph, &all, context.threads);
    let is_live = |version: &Version| !version.deleted;
    let by_artifact = graph.owners(needing(versions().filter(|(_, version)| is_live(version))).chain(abouts()));
    let mut visit = graph.visit();
    let mut outcome = DuOutcome { artifacts: Vec::new(), store: StoreUsage::default() };
    for (history, at) in histories.iter().zip(0..) {
        let wanted = |version: &Version| asked.is_empty() || asked.iter().any(|asked| asked.is(history, version));
        let versions: Vec<VersionUsage> = all
            .iter()
            .zip(&each)
            .filter(|((of, version), _)| *of == at && wanted(version))
            .map(|((_, version), usage)| told(version, *usage))
            .collect();
        if versions.is_empty() {
            continue;
        }
        let live: Vec<&Version> = all.iter().filter(|(of, version)| *of == at && is_live(version)).map(|(_, version)| *version).collect();
        let own = live.iter().map(|version| Needing::Version(version)).chain([Needing::Artifact(&history.about)]);
        let usage = Usage::of(&live, graph.taken(own, &mut visit, |row| by_artifact.of(row) == at));
        outcome.artifacts.push(ArtifactUsage { artifact: history.artifact.clone(), version_count: live.len() as u64, usage, versions });
    }
    let live: Vec<&Version> = all.iter().map(|(_, version)| *version).filter(|version| is_live(version)).collect();
    let dead = graph.owners(needing(versions().filter(|(_, version)| !is_live(version))));
    let needed = |row: usize| by_artifact.of(row) != NOBODY;
    let own = live.iter().map(|version| Needing::Version(version)).chain(abouts().map(|(_, about)| about));
    outcome.store = StoreUsage {
        usage: Usage::of(&live, graph.taken(own, &mut visit, needed)),
        deleted_bytes: graph.stored_where(|row| !needed(row) && dead.of(row) != NOBODY),
        unnamed_bytes: graph.stored_where(|row| !needed(row) && dead.of(row) == NOBODY),
        ..StoreUsage::default()
    };
    outcome.store.count_files(store)?;
    Ok(outcome)
}

/// Tells how many bytes of packs would be needed by no version if some were deleted.
pub(in crate::ops) fn freed_by(store: &Store, context: &Context<'_>, doomed: &HashSet<RecordId>) -> Result<u64> {
    let histories = store.histories()?;
    let live: Vec<&Version> = histories.iter().flat_map(|history| &history.versions).filter(|version| !version.deleted).collect();
    let owned = || needing(live.iter().map(|version| (u32::from(doomed.contains(&version.id)), *version)));
    let graph = Graph::read(store, context, owned().map(|(_, needing)| needing))?;
    let owners = graph.owners(owned());
    Ok(graph.stored_where(|row| owners.of(row) == 1))
}

fn needing<'v>(versions: impl Iterator<Item = (u32, &'v Version)>) -> impl Iterator<Item = (u32, Needing<'v>)> {
    versions.map(|(at, version)| (at, Needing::Version(version)))
}

/// Tells what each version takes. What a deleted one alone needs is what neither another deleted
/// one nor any that lives needs.
fn usages(graph: &Graph, all: &[(u32, &Version)], threads: usize) -> Vec<Usage> {
    let numbered = || all.iter().map(|(_, version)| *version).zip(0u32..).map(|(version, number)| (number, version));
    let live = graph.owners(needing(numbered().filter(|(_, version)| !version.deleted)));
    let dead = graph.owners(needing(numbered().filter(|(_, version)| version.deleted)));
    let next = AtomicUsize::new(0);
    let done = Mutex::new(vec![Usage::default(); all.len()]);
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, all.len().max(1)) {
            scope.spawn(|| {
                let mut visit = graph.visit();
                while let Some((at, (_, version))) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, all.get(at)?))) {
                    let is_unique = |row: usize| match version.deleted {
                        false => live.of(row) == at as u32,
                        true => live.of(row) == NOBODY && dead.of(row) == at as u32,
                    };
                    let usage = Usage::of(&[version], graph.taken([Needing::Version(version)], &mut visit, is_unique));
                    done.lock().unwrap_or_else(PoisonError::into_inner)[at] = usage;
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// A target that was found.
struct Asked {
    artifact: Name,
    /// The label of the version; none for all.
    version: Option<String>,
}

impl Asked {
    fn find(store: &Store, target: &DuTarget) -> Result<Asked> {
        match target {
            DuTarget::Artifact(name) => store.existing_history(name).map(|history| Asked { artifact: history.artifact, version: None }),
            DuTarget::Version(reference) => {
                let version = store.resolve(reference)?.version;
                Ok(Asked { artifact: version.record.artifact, version: Some(version.label) })
            }
        }
    }

    fn is(&self, history: &History, version: &Version) -> bool {
        self.artifact == history.artifact && self.version.as_ref().is_none_or(|label| *label == version.label)
    }
}

fn told(version: &Version, usage: Usage) -> VersionUsage {
    VersionUsage { version: version.label.clone(), id: version.id, digest: version.record.manifest, deleted: version.deleted, usage }
}

impl Usage {
    fn of(versions: &[&Version], taken: Taken) -> Usage {
        let size_bytes = versions.iter().map(|version| version.record.size_bytes).fold(0, u64::saturating_add);
        let ratio = |a: u64, b: u64| (b > 0).then(|| a as f64 / b as f64);
        Usage {
            size_bytes,
            chunk_bytes: taken.chunk_bytes,
            stored_bytes: taken.stored,
            unique_bytes: taken.unique,
            dedup_ratio: ratio(size_bytes, taken.chunk_bytes),
            compression_ratio: ratio(taken.chunk_bytes, taken.stored),
            missing_count: taken.missing,
        }
    }
}

impl StoreUsage {
    fn count_files(&mut self, store: &Store) -> Result<()> {
        let condemned = store.condemned()?;
        for (class, packs, bytes) in [
            (PackClass::Data, &mut self.data_packs, &mut self.data_pack_bytes),
            (PackClass::Meta, &mut self.meta_packs, &mut self.meta_pack_bytes),
        ] {
            for pack in store.index(class)?.packs() {
                *packs += 1;
                *bytes += pack.len;
                if condemned.contains(&crate::pack::pack_path(class, pack.id)) {
                    self.condemned_packs += 1;
                    self.condemned_pack_bytes += pack.len;
                }
            }
        }
        for dir in ["refs", "runs", CONDEMN_DIR] {
            // What cannot be listed is `fsck`'s to tell.
            for file in WalkDir::new(store.root().join(dir)).into_iter().flatten().filter(|entry| entry.file_type().is_file()) {
                let is_record = |name: &str| if dir == CONDEMN_DIR { is_name(name) } else { parse_record_name(name).is_some() };
                if file.file_name().to_str().is_some_and(is_record) {
                    self.records += 1;
                    self.record_bytes += fs::symlink_metadata(file.path()).map_or(0, |meta| meta.len());
                }
            }
        }
        self.total_bytes = self.data_pack_bytes + self.meta_pack_bytes + self.record_bytes;
        Ok(())
    }
}
