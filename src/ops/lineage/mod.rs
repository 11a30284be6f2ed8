//! `art lineage`: which runs and versions a version or a run came from, and what came of it.
//!
//! `graph` adds up what the records say, `start` finds where to begin, `walk` goes up and down from
//! there, `layers` orders what was met, and `node` tells what is known of it. Drawing it is the
//! caller's. Nothing here recurses: a lineage may be as long as there are versions.

mod graph;
mod layers;
mod node;
mod start;
mod walk;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::context::Context;
use crate::error::Result;
use crate::name::Name;
use crate::refs::read::DamagedRecord;
use crate::store::Store;

pub use graph::EdgeKind;
pub use node::{LineageNode, MissingRun, MissingVersion, NodeId, Order, ReferenceInfo, Subject};

use graph::Graph;

/// Which way to go from where a lineage starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// To what it came from.
    Up,
    /// To what came of it.
    Down,
    /// Both, each way from the start alone: not to what else came of what it came from.
    #[default]
    Both,
}

/// How far to follow a lineage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineageOptions {
    /// Which way.
    pub direction: Direction,
    /// How many steps: from a version to the run that made it is one; none for all.
    pub depth: Option<usize>,
}

/// Runs, versions and references, and what led to what.
#[derive(Clone, Debug)]
pub struct LineageOutcome {
    /// Where it starts: which of the nodes.
    pub start: usize,
    /// What was met, by layers: every edge leads to a higher layer, but those that close a cycle.
    pub nodes: Vec<LineageNode>,
    /// What led to what, among the nodes, in their order.
    pub edges: Vec<LineageEdge>,
    /// Records that cannot be read.
    pub damaged: Vec<DamagedRecord>,
}

/// One step of a lineage, from what was there to what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineageEdge {
    /// Which of the nodes it comes from.
    pub from: usize,
    /// Which of the nodes it leads to.
    pub to: usize,
    /// What the step is.
    pub kind: EdgeKind,
    /// What a run used it as.
    pub roles: Vec<Name>,
    /// Whether the run produced what was there already.
    pub again: bool,
    /// Whether it leads back to where other edges came from.
    pub closes_cycle: bool,
}

/// Follows the lineage of the version or run that a text names: a run's id or the first characters
/// of one, else a ref, else a run's name.
pub fn lineage(store: &Store, context: &Context<'_>, named: &str, options: &LineageOptions) -> Result<LineageOutcome> {
    let records = graph::Records::load(store, context.threads)?;
    let start = start::find(store, &records, named, context.threads)?;
    let graph = Graph::new(&records);
    let met = walk::walk(&graph, graph.at(&start), options);
    let nodes = node::Told::new(store, &records);
    let nodes = met.nodes.iter().map(|&at| nodes.node(&graph, at, met.beyond[&at])).collect();
    Ok(layers::arrange(nodes, met.edges(&graph), records.runs.damaged))
}

impl LineageOutcome {
    /// Returns the edges that close a cycle though each end says that it made or used the other for
    /// the first time; nothing is wrong with a run that puts again what it used.
    pub fn cycles(&self) -> impl Iterator<Item = &LineageEdge> {
        self.edges.iter().filter(|edge| edge.closes_cycle && !edge.again)
    }
}

/// As `art lineage --json` prints it: edges name nodes by their ids.
impl Serialize for LineageOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let edges: Vec<EdgeOut<'_>> = self.edges.iter().map(|edge| EdgeOut { edge, nodes: &self.nodes }).collect();
        let mut object = serializer.serialize_struct("Lineage", 3)?;
        object.serialize_field("start", &self.nodes[self.start].subject.id())?;
        object.serialize_field("nodes", &self.nodes)?;
        object.serialize_field("edges", &edges)?;
        object.end()
    }
}

struct EdgeOut<'a> {
    edge: &'a LineageEdge,
    nodes: &'a [LineageNode],
}

impl Serialize for EdgeOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Edge", 6)?;
        object.serialize_field("from", &self.nodes[self.edge.from].subject.id())?;
        object.serialize_field("to", &self.nodes[self.edge.to].subject.id())?;
        object.serialize_field("kind", &self.edge.kind)?;
        object.serialize_field("as", &self.edge.roles)?;
        object.serialize_field("again", &self.edge.again)?;
        object.serialize_field("closes_cycle", &self.edge.closes_cycle)?;
        object.end()
    }
}
