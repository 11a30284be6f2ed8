//! From where a lineage starts up to what it came from, and down to what came of it.

use std::collections::{HashMap, VecDeque};

use super::graph::{Edge, Graph};
use super::{Direction, LineageEdge, LineageOptions};

/// What was met.
pub(super) struct Met {
    /// The nodes, the start first, then as they were met.
    pub(super) nodes: Vec<usize>,
    /// For each node, how many of the steps from it the limit left out.
    pub(super) beyond: HashMap<usize, usize>,
}

/// Goes from a node as far as the options say.
pub(super) fn walk(graph: &Graph<'_>, start: usize, options: &LineageOptions) -> Met {
    let mut met = Met { nodes: vec![start], beyond: HashMap::from([(start, 0)]) };
    let mut edge_of = Vec::new();
    for upward in [true, false] {
        if matches!((options.direction, upward), (Direction::Both, _) | (Direction::Up, true) | (Direction::Down, false)) {
            edge_of.extend(one_way(graph, start, upward, options.depth, &mut met));
        }
    }
    for (upward, at) in edge_of {
        let left_out = neighbours(graph, at, upward).filter(|next| !met.beyond.contains_key(next)).count();
        *met.beyond.entry(at).or_default() += left_out;
    }
    met
}

/// Goes one way, and returns the nodes at which the limit stopped it.
fn one_way(graph: &Graph<'_>, start: usize, upward: bool, depth: Option<usize>, met: &mut Met) -> Vec<(bool, usize)> {
    let mut steps = HashMap::from([(start, 0)]);
    let mut queue = VecDeque::from([start]);
    let mut edge_of = Vec::new();
    while let Some(at) = queue.pop_front() {
        let step = steps[&at] + 1;
        if depth.is_some_and(|depth| step > depth) {
            edge_of.push((upward, at));
            continue;
        }
        for next in neighbours(graph, at, upward) {
            if steps.contains_key(&next) {
                continue;
            }
            steps.insert(next, step);
            queue.push_back(next);
            if met.beyond.insert(next, 0).is_none() {
                met.nodes.push(next);
            }
        }
    }
    edge_of
}

fn neighbours<'g>(graph: &'g Graph<'_>, at: usize, upward: bool) -> impl Iterator<Item = usize> + 'g {
    let edges = if upward { &graph.into[at] } else { &graph.out[at] };
    edges.iter().map(move |&edge| if upward { graph.edges[edge].from } else { graph.edges[edge].to })
}

impl Met {
    /// Returns every edge between nodes that were met, by their places in `nodes`.
    pub(super) fn edges(&self, graph: &Graph<'_>) -> Vec<LineageEdge> {
        let places: HashMap<usize, usize> = self.nodes.iter().enumerate().map(|(place, &at)| (at, place)).collect();
        let of = |at: usize| graph.out[at].iter().map(|&edge| &graph.edges[edge]);
        let edges = self.nodes.iter().flat_map(|&at| of(at));
        let between = edges.filter_map(|Edge { from, to, kind, roles, again }| {
            let (from, to) = (places[from], *places.get(to)?);
            Some(LineageEdge { from, to, kind: *kind, roles: roles.clone(), again: *again, closes_cycle: false })
        });
        between.collect()
    }
}
