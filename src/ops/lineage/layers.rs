//! The order of a lineage: layers, such that every edge leads to a higher one. Where edges go in a
//! circle, some are marked as closing it and count no more.

use crate::refs::read::DamagedRecord;

use super::{LineageEdge, LineageNode, LineageOutcome};

/// Orders nodes, of which the first is the start, and the edges between them.
pub(super) fn arrange(mut nodes: Vec<LineageNode>, mut edges: Vec<LineageEdge>, damaged: Vec<DamagedRecord>) -> LineageOutcome {
    mark_cycles(nodes.len(), &mut edges);
    let layers = layers(nodes.len(), &edges);
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by_cached_key(|&at| (layers[at], nodes[at].subject.order(), nodes[at].subject.id()));
    let mut place = vec![0; nodes.len()];
    order.iter().enumerate().for_each(|(new, &old)| place[old] = new);
    nodes.iter_mut().zip(&layers).for_each(|(node, &layer)| node.layer = layer);
    let mut sorted: Vec<(usize, LineageNode)> = place.iter().copied().zip(nodes).collect();
    sorted.sort_by_key(|(place, _)| *place);
    for edge in &mut edges {
        (edge.from, edge.to) = (place[edge.from], place[edge.to]);
    }
    edges.sort_by_key(|edge| (edge.from, edge.to));
    let start = place.first().copied().unwrap_or(0);
    LineageOutcome { start, nodes: sorted.into_iter().map(|(_, node)| node).collect(), edges, damaged }
}

/// Marks edges so that the others go in no circle: first those by which a run produced what was
/// there already, for the first time it was made tells more of where it came from.
fn mark_cycles(count: usize, edges: &mut [LineageEdge]) {
    let component = components(count, edges);
    for edge in edges.iter_mut().filter(|edge| edge.again) {
        edge.closes_cycle = component[edge.from] == component[edge.to];
    }
    for at in back_edges(count, edges) {
        edges[at].closes_cycle = true;
    }
}

fn out_edges(count: usize, edges: &[LineageEdge]) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new(); count];
    for (at, edge) in edges.iter().enumerate().filter(|(_, edge)| !edge.closes_cycle) {
        out[edge.from].push(at);
    }
    out
}

/// Numbers the strongly connected components: Tarjan's algorithm, with a stack of its own.
fn components(count: usize, edges: &[LineageEdge]) -> Vec<usize> {
    const UNSEEN: usize = usize::MAX;
    let out = out_edges(count, edges);
    let (mut index, mut low, mut component) = (vec![UNSEEN; count], vec![0; count], vec![UNSEEN; count]);
    let (mut path, mut open, mut seen, mut found) = (Vec::new(), Vec::new(), 0, 0);
    for root in 0..count {
        if index[root] == UNSEEN {
            path.push((root, 0));
        }
        while let Some((at, step)) = path.pop() {
            if step == 0 {
                (index[at], low[at]) = (seen, seen);
                seen += 1;
                open.push(at);
            }
            if let Some(&edge) = out[at].get(step) {
                path.push((at, step + 1));
                let next = edges[edge].to;
                if index[next] == UNSEEN {
                    path.push((next, 0));
                } else if component[next] == UNSEEN {
                    low[at] = low[at].min(index[next]);
                }
                continue;
            }
            if low[at] == index[at] {
                while let Some(member) = open.pop() {
                    component[member] = found;
                    if member == at {
                        break;
                    }
                }
                found += 1;
            }
            if let Some(&(parent, _)) = path.last() {
                low[parent] = low[parent].min(low[at]);
            }
        }
    }
    component
}

/// Finds the edges that lead back to where a walk in depth is coming from.
fn back_edges(count: usize, edges: &[LineageEdge]) -> Vec<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        Open,
        Done,
    }
    let out = out_edges(count, edges);
    // What nothing leads to comes first, so that an edge back to it is the one that is marked.
    let mut roots: Vec<usize> = (0..count).collect();
    let mut has_source = vec![false; count];
    edges.iter().filter(|edge| !edge.closes_cycle).for_each(|edge| has_source[edge.to] = true);
    roots.sort_by_key(|&at| has_source[at]);
    let (mut seen, mut back, mut path) = (vec![Seen::Not; count], Vec::new(), Vec::new());
    for root in roots {
        if seen[root] == Seen::Not {
            path.push((root, 0));
        }
        while let Some((at, step)) = path.pop() {
            seen[at] = Seen::Open;
            let Some(&edge) = out[at].get(step) else {
                seen[at] = Seen::Done;
                continue;
            };
            path.push((at, step + 1));
            match seen[edges[edge].to] {
                Seen::Not => path.push((edges[edge].to, 0)),
                Seen::Open => back.push(edge),
                Seen::Done => {}
            }
        }
    }
    back
}

/// Finds each node's layer: as many edges as the longest way to it has. What nothing leads to is
/// moved up to just below the first that it leads to.
fn layers(count: usize, edges: &[LineageEdge]) -> Vec<usize> {
    let out = out_edges(count, edges);
    let mut waits_for = vec![0; count];
    out.iter().flatten().for_each(|&edge| waits_for[edges[edge].to] += 1);
    let sources: Vec<usize> = (0..count).filter(|&at| waits_for[at] == 0).collect();
    let (mut ready, mut layer) = (sources.clone(), vec![0; count]);
    while let Some(at) = ready.pop() {
        for &edge in &out[at] {
            let next = edges[edge].to;
            layer[next] = layer[next].max(layer[at] + 1);
            waits_for[next] -= 1;
            if waits_for[next] == 0 {
                ready.push(next);
            }
        }
    }
    for at in sources {
        let first = out[at].iter().map(|&edge| layer[edges[edge].to]).min();
        layer[at] = first.map_or(layer[at], |first| first - 1);
    }
    layer
}

#[cfg(test)]
mod tests {
    use super::super::{EdgeKind, MissingRun, Subject};
    use super::*;
    use crate::run_id::RunId;

    /// Arranges as many runs as edges name; an edge of the second list is one that made again.
    fn arranged(edges: &[(usize, usize)], again: &[(usize, usize)]) -> LineageOutcome {
        let count = edges.iter().chain(again).map(|(from, to)| from.max(to) + 1).max().unwrap_or(1);
        let subject = |at| Subject::MissingRun(MissingRun { id: RunId::new(at as u64, 0) });
        let nodes = (0..count).map(|at| LineageNode { layer: 0, beyond: 0, missing: true, subject: subject(at) }).collect();
        let edge = |&(from, to): &(usize, usize), again| LineageEdge {
            from,
            to,
            kind: EdgeKind::Produced,
            roles: Vec::new(),
            again,
            closes_cycle: false,
        };
        let edges = edges.iter().map(|ends| edge(ends, false)).chain(again.iter().map(|ends| edge(ends, true))).collect();
        arrange(nodes, edges, Vec::new())
    }

    fn layers_of(outcome: &LineageOutcome) -> Vec<usize> {
        outcome.nodes.iter().map(|node| node.layer).collect()
    }

    #[test]
    fn every_edge_leads_to_a_higher_layer_by_the_longest_way() {
        let diamond = arranged(&[(0, 1), (0, 2), (1, 3), (2, 4), (4, 3)], &[]);
        assert_eq!(layers_of(&diamond), [0, 1, 1, 2, 3]);
        assert!(diamond.edges.iter().all(|edge| !edge.closes_cycle));
        // What nothing leads to stands just before what it leads to.
        let late = arranged(&[(0, 1), (1, 2), (3, 2)], &[]);
        assert_eq!(layers_of(&late), [0, 1, 1, 2]);
    }

    #[test]
    fn a_circle_is_closed_by_one_edge_and_rather_by_what_was_made_again() {
        let closing = |outcome: &LineageOutcome| outcome.edges.iter().filter(|edge| edge.closes_cycle).count();
        let plain = arranged(&[(0, 1), (1, 2), (2, 0), (3, 0)], &[]);
        assert_eq!((closing(&plain), plain.cycles().count(), layers_of(&plain)), (1, 1, vec![0, 1, 2, 3]));
        let again = arranged(&[(0, 1), (1, 2)], &[(2, 0), (2, 3)]);
        assert_eq!((closing(&again), again.cycles().count(), layers_of(&again)), (1, 0, vec![0, 1, 2, 3]));
        let itself = arranged(&[(0, 0)], &[]);
        assert_eq!((closing(&itself), layers_of(&itself)), (1, vec![0]));
    }

    #[test]
    fn a_long_chain_takes_no_stack() {
        let edges: Vec<(usize, usize)> = (0..200_000).map(|at| (at, at + 1)).collect();
        assert_eq!(arranged(&edges, &[]).nodes.last().unwrap().layer, 200_000);
    }
}
