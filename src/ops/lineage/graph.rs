//! What the records of a store say led to what.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::error::Result;
use crate::format::run::RunReference;
use crate::id::{FileDigest, PageId, RecordId};
use crate::name::Name;
use crate::ops::show::{listed, twins};
use crate::refs::history::{History, Version};
use crate::refs::runs::{Run, Runs};
use crate::run_id::RunId;
use crate::store::Store;

/// What a step of a lineage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeKind {
    /// A run used a version or a reference.
    Used,
    /// A run produced a version.
    Produced,
    /// A version was made from a version of another artifact, without a run between.
    Copied,
}

/// What a node stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    Version(RecordId),
    Run(RunId),
    /// The hash of where it is and what it is: one URI whose content changed is two references.
    Reference(FileDigest),
}

/// Every record that a lineage may rest on.
pub(super) struct Records {
    pub(super) histories: Vec<History>,
    /// The runs, and records of any kind that cannot be read.
    pub(super) runs: Runs,
    /// Where each version is: in which history, and where in it.
    places: HashMap<RecordId, (usize, usize)>,
}

/// What is known of a version whose record is not here.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) artifact: Option<Name>,
    pub(super) digest: Option<PageId>,
}

/// Who led to whom, of all that there is.
pub(super) struct Graph<'r> {
    pub(super) keys: Vec<Key>,
    pub(super) edges: Vec<Edge>,
    /// For each node, the edges that lead to it, and those that lead on.
    pub(super) into: Vec<Vec<usize>>,
    pub(super) out: Vec<Vec<usize>>,
    /// Versions that are named, and whose records are not here.
    pub(super) missing: HashMap<RecordId, Known>,
    pub(super) references: HashMap<FileDigest, &'r RunReference>,
    index: HashMap<Key, usize>,
    between: HashMap<(usize, usize, EdgeKind), usize>,
    /// Which version stands for each, where several of one number read as one.
    stands_for: HashMap<RecordId, RecordId>,
}

/// An edge between two nodes of the graph.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) kind: EdgeKind,
    pub(super) roles: Vec<Name>,
    pub(super) again: bool,
}

impl Records {
    pub(super) fn load(store: &Store, threads: usize) -> Result<Records> {
        // Runs before versions: a version that a run used was there before the run said so.
        let mut runs = store.runs(threads)?;
        let histories = store.histories()?;
        // They stay there, too: a version that cannot be read is not one that is not there.
        runs.damaged.extend(histories.iter().flat_map(|history| history.damaged.iter().cloned()));
        // And a run that was begun in between is known by what it made.
        let made_by = histories.iter().flat_map(|history| &history.versions).filter_map(|version| version.record.run);
        let unlisted: HashSet<RunId> = made_by.filter(|&id| runs.get(id).is_none()).collect();
        runs.runs.extend(unlisted.into_iter().filter_map(|id| store.run(id).ok()));
        runs.runs.sort_by_key(|run| run.id);
        let mut places = HashMap::new();
        for (at, history) in histories.iter().enumerate() {
            places.extend(history.versions.iter().enumerate().map(|(place, version)| (version.id, (at, place))));
        }
        Ok(Records { histories, runs, places })
    }

    pub(super) fn version(&self, id: RecordId) -> Option<(&History, &Version)> {
        let &(history, place) = self.places.get(&id)?;
        Some((&self.histories[history], &self.histories[history].versions[place]))
    }
}

impl<'r> Graph<'r> {
    pub(super) fn new(records: &'r Records) -> Graph<'r> {
        let mut graph = Graph {
            keys: Vec::new(),
            edges: Vec::new(),
            into: Vec::new(),
            out: Vec::new(),
            missing: HashMap::new(),
            references: HashMap::new(),
            index: HashMap::new(),
            between: HashMap::new(),
            stands_for: HashMap::new(),
        };
        for history in &records.histories {
            for version in listed(history, true) {
                graph.node(Key::Version(version.id));
                graph.stands_for.extend(twins(history, version).map(|twin| (twin.id, version.id)));
            }
        }
        for version in records.histories.iter().flat_map(|history| &history.versions) {
            graph.add_version(records, version);
        }
        for run in &records.runs.runs {
            graph.add_run(records, run);
        }
        graph
    }

    /// Finds a node that is there.
    pub(super) fn at(&self, key: &Key) -> usize {
        let key = match key {
            Key::Version(id) => Key::Version(self.stands_for.get(id).copied().unwrap_or(*id)),
            _ => *key,
        };
        self.index[&key]
    }

    fn add_version(&mut self, records: &Records, version: &Version) {
        let to = self.version(version.id);
        if let Some(run) = version.record.run {
            let from = self.node(Key::Run(run));
            self.edge(from, to, EdgeKind::Produced, None, false);
        }
        for &parent in &version.record.parents {
            let is_copied = match records.version(parent) {
                Some((_, parent)) => parent.record.artifact != version.record.artifact,
                // The first version of an artifact cannot have followed one of its own.
                None => version.record.number == 0,
            };
            let by_run = version.record.run.and_then(|run| records.runs.get(run));
            let is_input = by_run.is_some_and(|run| run.inputs.iter().any(|input| input.version == parent));
            if is_copied && !is_input {
                if records.version(parent).is_none() {
                    self.missing.entry(parent).or_default();
                }
                let from = self.version(parent);
                self.edge(from, to, EdgeKind::Copied, None, false);
            }
        }
    }

    fn add_run(&mut self, records: &Records, run: &'r Run) {
        let at = self.node(Key::Run(run.id));
        for named in run.inputs.iter().chain(&run.outputs) {
            if records.version(named.version).is_none() {
                let known = self.missing.entry(named.version).or_default();
                known.artifact.get_or_insert_with(|| named.artifact.clone());
                known.digest.get_or_insert(named.digest);
            }
        }
        for input in &run.inputs {
            let from = self.version(input.version);
            self.edge(from, at, EdgeKind::Used, input.role.as_ref(), false);
        }
        for reference in &run.references {
            let key = reference_id(reference);
            self.references.entry(key).or_insert(reference);
            let from = self.node(Key::Reference(key));
            self.edge(from, at, EdgeKind::Used, reference.role.as_ref(), false);
        }
        for output in &run.outputs {
            let to = self.version(output.version);
            self.edge(at, to, EdgeKind::Produced, None, true);
        }
    }

    fn version(&mut self, id: RecordId) -> usize {
        let id = self.stands_for.get(&id).copied().unwrap_or(id);
        self.node(Key::Version(id))
    }

    fn node(&mut self, key: Key) -> usize {
        *self.index.entry(key).or_insert_with(|| {
            self.keys.push(key);
            self.into.push(Vec::new());
            self.out.push(Vec::new());
            self.keys.len() - 1
        })
    }

    /// Adds an edge, or to one that is there: twins have one node, and a version may have several
    /// roles in one run.
    fn edge(&mut self, from: usize, to: usize, kind: EdgeKind, role: Option<&Name>, again: bool) {
        let at = *self.between.entry((from, to, kind)).or_insert_with(|| {
            self.edges.push(Edge { from, to, kind, roles: Vec::new(), again });
            self.out[from].push(self.edges.len() - 1);
            self.into[to].push(self.edges.len() - 1);
            self.edges.len() - 1
        });
        let edge = &mut self.edges[at];
        edge.again &= again;
        if let Some(role) = role.filter(|role| !edge.roles.contains(role)) {
            edge.roles.push(role.clone());
        }
    }
}

/// Names what a reference is about, whatever a run used it as.
fn reference_id(reference: &RunReference) -> FileDigest {
    let RunReference { digest, size_bytes, uri, .. } = reference;
    FileDigest::of(format!("{uri}\n{digest:?}\n{size_bytes:?}").as_bytes())
}
