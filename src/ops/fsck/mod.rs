//! `art fsck`: is everything here that must be, and is it what it was?
//!
//! Goes on after every finding. Reads only; `repair` mends.

pub(crate) mod blocks;
mod contents;
mod doubts;
pub(crate) mod facts;
mod files;
pub(crate) mod lacks;
pub(crate) mod marks;
pub(crate) mod packs;
pub(crate) mod pages;
mod parts;
mod read;
pub(crate) mod records;
mod span;
mod strangers;
pub(crate) mod verdict;

use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::pack::PackClass;
use crate::id::{PackId, PageId, RecordId};
use crate::name::Name;
use crate::refs::history::{MetadataLayer, Version};
use crate::store::Store;
use crate::store::guard::{DamagedKept, Guard, IGNORE_FILE, KEEP_DIR, Kept};

use super::entry::ShownPath;
use lacks::Lacks;
pub use lacks::{Lack, LackKind, LackState};
use packs::Checked;
use pages::PageKey;
use verdict::{Trees, metadata_roots, roots};

/// Lacks that are told of each version; the rest are counted.
const LACKS_TOLD: usize = 3;

/// How far [`fsck`] looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FsckOptions {
    /// How much of the packs is read.
    pub level: FsckLevel,
}

/// How much of the packs is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FsckLevel {
    /// Tables, pages and records.
    Quick,
    /// Every file whole, against its name.
    #[default]
    Full,
    /// Every block decoded, too, every chunk and every file hashed.
    Deep,
}

/// What [`fsck`] found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FsckOutcome {
    /// Whether there is no finding.
    pub ok: bool,
    /// How far it looked.
    pub level: FsckLevel,
    /// Packs that have arrived.
    pub pack_count: u64,
    /// Their bytes.
    pub pack_bytes: u64,
    /// Packs that `gc` has condemned and not yet removed; no finding.
    pub condemned_count: u64,
    /// Records that were read.
    pub record_count: u64,
    /// Every version, deleted ones too.
    pub versions: Vec<VersionCheck>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Files that are no part of a store; they are ignored.
    pub strangers: Vec<ShownPath>,
}

/// Whether a version can be restored from what is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VersionCheck {
    /// The artifact.
    pub artifact: Name,
    /// The version's name in it.
    pub version: String,
    /// Its id.
    pub id: RecordId,
    /// Its manifest's id.
    pub digest: PageId,
    /// Whether it can be restored.
    pub state: VersionState,
    /// Chunks and pages that it names and that are not here, counted each time it names them.
    pub missing_count: u64,
    /// Chunks and pages that are here and damaged, counted likewise.
    pub damaged_count: u64,
    /// The first of them.
    pub lacks: Vec<Lack>,
}

/// Whether a version can be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VersionState {
    /// All of it is here.
    Complete,
    /// Some of it is not here.
    Incomplete,
    /// Some of it is here and wrong.
    Damaged,
    /// It is deleted; whether its content is here was not asked.
    Deleted,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What sort of thing.
    pub kind: FindingKind,
    /// What is concerned: a path in the store, or a version.
    pub subject: String,
    /// What is wrong with it.
    pub message: String,
}

/// What sort of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A pack that is not what its name says, or that holds what its table does not say.
    DamagedPack,
    /// A file in a pack's place that is not a whole pack.
    PackNotArrived,
    /// A record whose bytes are not what its name says.
    DamagedRecord,
    /// A file that was stored and is gone from its place, as after `git clean`; a second name has it.
    RemovedFile,
    /// An alias of a version whose record is not here.
    LostAlias,
    /// A version of which something is not here.
    IncompleteVersion,
    /// A version of which something is wrong.
    DamagedVersion,
    /// An artifact whose metadata as a whole is not here, or wrong.
    ArtifactMetadata,
    /// Something that cannot be read at all, or not be checked.
    Unreadable,
}

/// How often a check is begun again because a pack was removed meanwhile.
const TRIES: usize = 8;

/// Checks a whole store.
pub fn fsck(store: &Store, context: &Context<'_>, options: &FsckOptions) -> Result<FsckOutcome> {
    let (mut outcome, mut settled) = check(store, context, options);
    for _ in 1..TRIES {
        if settled {
            break;
        }
        // `gc` has removed a pack; what was needed of it lies in one that was not listed yet.
        (outcome, settled) = check(&Store::open(store.root())?, context, options);
    }
    Ok(outcome)
}

/// Checks a store; says too whether every pack that was listed stayed where it was.
fn check(store: &Store, context: &Context<'_>, options: &FsckOptions) -> (FsckOutcome, bool) {
    let (mut findings, mut settled) = (Vec::new(), true);
    context.progress.phase("reading tables");
    // Before the packs are listed: a version's packs are there before its record is.
    let records = records::read(store);
    let data = Checked::list(store, PackClass::Data, context.threads, &mut findings);
    let meta = Checked::list(store, PackClass::Meta, context.threads, &mut findings);
    let mut outcome = FsckOutcome {
        ok: false,
        level: options.level,
        pack_count: 0,
        pack_bytes: 0,
        condemned_count: records.condemned_count(store),
        record_count: records.count,
        versions: Vec::new(),
        findings: Vec::new(),
        strangers: Vec::new(),
    };
    let mut versions = Vec::new();
    if let (Some(mut data), Some(mut meta)) = (data, meta) {
        (outcome.pack_count, outcome.pack_bytes) = (data.count() + meta.count(), data.bytes() + meta.bytes());
        let mut trees = read::read(store, context, options.level, &mut data, &mut meta, &records.histories, &mut findings);
        for history in &records.histories {
            let lacks = lacks_of(store, &history.about.metadata, metadata_roots(&history.about.metadata), &mut trees);
            if !lacks.is_empty() {
                let kind = FindingKind::ArtifactMetadata;
                versions.push(Finding { kind, subject: history.artifact.to_string(), message: lacks.told() });
            }
            for version in &history.versions {
                outcome.versions.push(check_version(store, version, &mut trees, &mut versions));
            }
        }
        settled = data.is_settled(store) && meta.is_settled(store);
    }
    outcome.findings = findings;
    outcome.findings.extend(records.findings);
    outcome.findings.append(&mut versions);
    outcome.findings.extend(removed_files(store));
    outcome.strangers = strangers::find(store, &mut outcome.findings);
    // Of one kind they stay in their order: versions in that of their numbers.
    outcome.findings.sort_by_key(|finding| finding.kind);
    outcome.ok = outcome.findings.is_empty();
    (outcome, settled)
}

/// Lists what is gone and `art repair` puts back, and what is left of files that are gone and is damaged.
fn removed_files(store: &Store) -> Vec<Finding> {
    let guard = match Guard::of(store.root()) {
        Ok(None) => return Vec::new(),
        Ok(Some(guard)) => guard,
        Err(error) => return vec![Finding::unreadable(IGNORE_FILE, &error)],
    };
    let (gone, damaged) = match guard.missing() {
        Ok(found) => found,
        Err(error) => return vec![Finding::unreadable(KEEP_DIR, &error)],
    };
    let is_damaged = |kept: &Kept| damaged.iter().any(|damaged| damaged.name == kept.path.name());
    let back = gone.iter().filter(|kept| !is_damaged(kept)).map(|kept| Finding {
        kind: FindingKind::RemovedFile,
        subject: kept.path.to_string(),
        message: "it is gone from its place, as after `git clean`; `art repair` puts it back".to_owned(),
    });
    let lost = damaged.iter().map(|DamagedKept { name, .. }| Finding {
        kind: if name.parse::<PackId>().is_ok() { FindingKind::DamagedPack } else { FindingKind::DamagedRecord },
        subject: format!("{KEEP_DIR}/{name}"),
        message: "it was kept from `git clean`, and its bytes do not match its name".to_owned(),
    });
    back.chain(lost).collect()
}

fn check_version(store: &Store, version: &Version, trees: &mut Trees, findings: &mut Vec<Finding>) -> VersionCheck {
    let mut check = VersionCheck {
        artifact: version.record.artifact.clone(),
        version: version.label.clone(),
        id: version.id,
        digest: version.record.manifest,
        state: VersionState::Deleted,
        missing_count: 0,
        damaged_count: 0,
        lacks: Vec::new(),
    };
    if version.deleted {
        return check;
    }
    let lacks = lacks_of(store, &version.metadata, roots(version), trees);
    let (state, kind) = match (lacks.missing, lacks.damaged) {
        (0, 0) => (VersionState::Complete, None),
        (_, 0) => (VersionState::Incomplete, Some(FindingKind::IncompleteVersion)),
        _ => (VersionState::Damaged, Some(FindingKind::DamagedVersion)),
    };
    if let Some(kind) = kind {
        findings.push(Finding { kind, subject: version.full_name(), message: lacks.told() });
    }
    check.state = state;
    (check.missing_count, check.damaged_count, check.lacks) = (lacks.missing, lacks.damaged, lacks.first);
    check
}

/// Puts together what is lacking below some pages, and of metadata as a whole.
fn lacks_of(store: &Store, metadata: &[MetadataLayer], roots: impl Iterator<Item = PageKey>, trees: &mut Trees) -> Lacks {
    let mut lacks = trees.lacks(roots);
    let mut pages = metadata_roots(metadata).peekable();
    if let Some(&(_, first)) = pages.peek()
        && pages.all(|page| trees.has_page(page))
        && let Err(error) = store.add_up_metadata(metadata)
    {
        lacks.add(Lack::wrong_page(LackKind::Metadata, first, error), LACKS_TOLD);
    }
    lacks
}

impl FindingKind {
    /// Names the kind as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            FindingKind::DamagedPack => "damaged-pack",
            FindingKind::PackNotArrived => "pack-not-arrived",
            FindingKind::DamagedRecord => "damaged-record",
            FindingKind::RemovedFile => "removed-file",
            FindingKind::LostAlias => "lost-alias",
            FindingKind::IncompleteVersion => "incomplete-version",
            FindingKind::DamagedVersion => "damaged-version",
            FindingKind::ArtifactMetadata => "artifact-metadata",
            FindingKind::Unreadable => "unreadable",
        }
    }
}

impl Finding {
    fn unreadable(subject: &str, error: &Error) -> Finding {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Finding { kind: FindingKind::Unreadable, subject: subject.to_owned(), message: format!("{error}{cause}") }
    }
}
