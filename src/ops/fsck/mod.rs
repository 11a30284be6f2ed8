//! `art fsck`: is everything here that must be, and is it what it was?
//!
//! Goes on after every finding. Reads only; `repair` mends.

mod connect;
mod packs;
mod strangers;

use std::collections::HashSet;

use serde::Serialize;

use crate::context::Context;
use crate::error::Result;
use crate::id::{PageId, RecordId};
use crate::name::Name;
use crate::quote::escape;
use crate::refs::history::History;
use crate::store::Store;

use super::entry::ShownPath;
use connect::Connectivity;

/// What [`fsck`] found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FsckOutcome {
    /// Whether there is no finding.
    pub ok: bool,
    /// Packs that were hashed.
    pub pack_count: u64,
    /// Their bytes.
    pub pack_bytes: u64,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A pack whose bytes are not what its name says.
    DamagedPack,
    /// A file in a pack's place that is not a whole pack.
    PackNotArrived,
    /// A record whose bytes are not what its name says.
    DamagedRecord,
    /// An alias of a version whose record is not here.
    LostAlias,
    /// A version of which something is not here.
    IncompleteVersion,
    /// A version of which something is wrong.
    DamagedVersion,
    /// Something that cannot be read at all.
    Unreadable,
}

/// Checks a whole store.
pub fn fsck(store: &Store, context: &Context<'_>) -> Result<FsckOutcome> {
    let checked = packs::check(store, context);
    let mut findings = checked.findings;
    let mut versions = Vec::new();
    context.progress.phase("checking versions");
    match (store.histories(), Connectivity::new(store, checked.bad)) {
        (Ok(histories), Ok(mut connectivity)) => {
            for history in &histories {
                check_records(history, &mut findings);
                check_versions(history, &mut connectivity, &mut versions, &mut findings);
            }
        }
        (histories, connectivity) => {
            for error in [histories.err(), connectivity.err()].into_iter().flatten() {
                findings.push(Finding::unreadable("the store", &error));
            }
        }
    }
    let strangers = strangers::find(store, &mut findings);
    let ok = findings.is_empty();
    Ok(FsckOutcome { ok, pack_count: checked.count, pack_bytes: checked.bytes, versions, findings, strangers })
}

fn check_records(history: &History, findings: &mut Vec<Finding>) {
    for record in &history.damaged {
        let subject = escape(record.path.as_os_str().as_encoded_bytes());
        findings.push(Finding { kind: FindingKind::DamagedRecord, subject, message: record.why.clone() });
    }
    for (alias, heads) in &history.aliases {
        let lost: HashSet<RecordId> = heads.iter().filter_map(|head| head.target).filter(|&id| history.version(id).is_none()).collect();
        for id in lost {
            let message = format!("it names version {}, whose record is not here", id.short(16));
            findings.push(Finding { kind: FindingKind::LostAlias, subject: format!("{}:{alias}", history.artifact), message });
        }
    }
}

fn check_versions(history: &History, connectivity: &mut Connectivity<'_>, versions: &mut Vec<VersionCheck>, findings: &mut Vec<Finding>) {
    for version in &history.versions {
        let mut check = VersionCheck {
            artifact: version.record.artifact.clone(),
            version: version.label.clone(),
            id: version.id,
            digest: version.record.manifest,
            state: VersionState::Deleted,
            missing_count: 0,
            damaged_count: 0,
        };
        // What a deleted version names may be gone already.
        if !version.deleted {
            let verdict = connectivity.version(version);
            (check.missing_count, check.damaged_count) = (verdict.missing, verdict.damaged);
            let (state, kind) = match (verdict.missing, verdict.damaged) {
                (0, 0) => (VersionState::Complete, None),
                (_, 0) => (VersionState::Incomplete, Some(FindingKind::IncompleteVersion)),
                _ => (VersionState::Damaged, Some(FindingKind::DamagedVersion)),
            };
            check.state = state;
            if let Some(kind) = kind {
                findings.push(Finding { kind, subject: version.full_name(), message: verdict.told() });
            }
        }
        versions.push(check);
    }
}

impl FindingKind {
    /// Names the kind as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            FindingKind::DamagedPack => "damaged-pack",
            FindingKind::PackNotArrived => "pack-not-arrived",
            FindingKind::DamagedRecord => "damaged-record",
            FindingKind::LostAlias => "lost-alias",
            FindingKind::IncompleteVersion => "incomplete-version",
            FindingKind::DamagedVersion => "damaged-version",
            FindingKind::Unreadable => "unreadable",
        }
    }
}

impl Finding {
    fn unreadable(subject: &str, error: &crate::error::Error) -> Finding {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Finding { kind: FindingKind::Unreadable, subject: subject.to_owned(), message: format!("{error}{cause}") }
    }
}
