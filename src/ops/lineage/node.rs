//! What is known of each node: all that `art show` and `art run show` tell.

use std::cmp::Reverse;
use std::fmt;

use serde::Serialize;

use crate::format::record::Time;
use crate::format::run::RunReference;
use crate::id::{FileDigest, PageId, RecordId};
use crate::name::Name;
use crate::ops::run::{RunDetails, Versions};
use crate::ops::show::{VersionInfo, summary_with_metadata};
use crate::run_id::RunId;
use crate::store::Store;

use super::graph::{Graph, Key, Records};

/// A version, run or reference in a lineage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LineageNode {
    /// In which layer it is, from 0.
    pub layer: usize,
    /// How many steps from here the depth left out.
    pub beyond: usize,
    /// Whether it is only named, and its own record is not here.
    pub missing: bool,
    /// What it is.
    #[serde(flatten)]
    pub subject: Subject,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Subject {
    /// A version.
    Version(Box<VersionInfo>),
    /// A run; its inputs and outputs are all that it has, in the lineage or not.
    Run(Box<RunDetails>),
    /// Something that was never stored.
    Reference(ReferenceInfo),
    /// A version whose record is not here.
    #[serde(rename = "version")]
    MissingVersion(MissingVersion),
    /// A run whose records are not here.
    #[serde(rename = "run")]
    MissingRun(MissingRun),
}

/// What names a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum NodeId {
    /// A version's id.
    Version(RecordId),
    /// A run's id.
    Run(RunId),
    /// The hash of what is known of a reference.
    Reference(FileDigest),
}

/// Something outside the store that runs used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReferenceInfo {
    /// The hash of what is known of it: one URI whose content changed is two references.
    pub id: FileDigest,
    /// Where it is.
    pub uri: String,
    /// The digest of its bytes, if known.
    pub digest: Option<FileDigest>,
    /// Its length, if known.
    pub size_bytes: Option<u64>,
}

/// A version that is named, and whose record is not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingVersion {
    /// The artifact, unless only a copy of it names it.
    pub artifact: Option<Name>,
    /// The version's id.
    pub id: RecordId,
    /// The id of its manifest, where the artifact is known.
    pub digest: Option<PageId>,
}

/// A run that is named, and whose records are not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MissingRun {
    /// The run's id.
    pub id: RunId,
}

/// In which order people are shown nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// First versions, by name and number.
    Version(Option<Name>, u64),
    /// Then runs, the newest first.
    Run(Reverse<Option<Time>>),
    /// Then references, by where they are.
    Reference(String),
}

/// Tells of nodes.
pub(super) struct Told<'r> {
    store: &'r Store,
    records: &'r Records,
    versions: Versions<'r>,
}

impl<'r> Told<'r> {
    pub(super) fn new(store: &'r Store, records: &'r Records) -> Told<'r> {
        Told { store, records, versions: Versions::of(&records.histories) }
    }

    pub(super) fn node(&self, graph: &Graph<'_>, at: usize, beyond: usize) -> LineageNode {
        let subject = match graph.keys[at] {
            Key::Version(id) => match self.records.version(id) {
                Some((history, version)) => Subject::Version(Box::new(summary_with_metadata(self.store, history, version))),
                None => {
                    let known = graph.missing.get(&id).cloned().unwrap_or_default();
                    Subject::MissingVersion(MissingVersion { artifact: known.artifact, id, digest: known.digest })
                }
            },
            Key::Run(id) => match self.records.runs.get(id) {
                Some(run) => Subject::Run(Box::new(RunDetails::of(self.store, run, &self.versions))),
                None => Subject::MissingRun(MissingRun { id }),
            },
            Key::Reference(id) => {
                let RunReference { digest, size_bytes, uri, .. } = graph.references[&id].clone();
                Subject::Reference(ReferenceInfo { id, uri, digest, size_bytes })
            }
        };
        let missing = matches!(subject, Subject::MissingVersion(_) | Subject::MissingRun(_));
        LineageNode { layer: 0, beyond, missing, subject }
    }
}

impl Subject {
    /// Returns what names it.
    pub fn id(&self) -> NodeId {
        match self {
            Subject::Version(info) => NodeId::Version(info.id),
            Subject::Run(details) => NodeId::Run(details.info.id),
            Subject::Reference(info) => NodeId::Reference(info.id),
            Subject::MissingVersion(missing) => NodeId::Version(missing.id),
            Subject::MissingRun(missing) => NodeId::Run(missing.id),
        }
    }

    /// Returns where it stands among others.
    pub fn order(&self) -> Order {
        match self {
            Subject::Version(info) => Order::Version(Some(info.artifact.clone()), info.number),
            Subject::MissingVersion(missing) => Order::Version(missing.artifact.clone(), u64::MAX),
            Subject::Run(details) => Order::Run(Reverse(Some(details.info.started_at))),
            Subject::MissingRun(_) => Order::Run(Reverse(None)),
            Subject::Reference(info) => Order::Reference(info.uri.clone()),
        }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeId::Version(id) => id.fmt(f),
            NodeId::Run(id) => id.fmt(f),
            NodeId::Reference(id) => id.fmt(f),
        }
    }
}
