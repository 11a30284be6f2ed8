//! What of a lineage is drawn as a graph: where many stand side by side some, and a count of the others.

use std::collections::{BTreeSet, HashSet, VecDeque};

use artstore::ops::lineage::{Direction, EdgeKind, LineageEdge, LineageOutcome};

use super::label::{Label, Sort};
use super::text::more;

/// A lineage as it is drawn: from what was there, in layer 0, to what came of it.
#[derive(Debug)]
pub(super) struct Drawing {
    pub(super) boxes: Vec<DrawnBox>,
    pub(super) links: Vec<Link>,
}

/// A node, or the count of those that are folded.
#[derive(Debug)]
pub(super) struct DrawnBox {
    /// Which node of the lineage it is; none of folded ones.
    pub(super) node: Option<usize>,
    pub(super) label: Label,
    pub(super) layer: usize,
    pub(super) is_start: bool,
}

/// A step between two boxes.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
    /// What there is to say of it; empty for most.
    pub(super) text: String,
    /// Whether it closes a cycle, leads to what is folded, or made what was there.
    pub(super) is_weak: bool,
    /// Whether it closes a cycle, so that it may lead to a lower layer.
    pub(super) closes_cycle: bool,
}

/// Nodes beside one that are folded.
struct Fold {
    beside: usize,
    upward: bool,
    sort: Sort,
    number: usize,
}

/// Chooses what to draw, with at most `shown_max` of one sort side by side, or two more.
pub(super) fn drawing(outcome: &LineageOutcome, direction: Direction, shown_max: usize) -> Drawing {
    let ways: &[bool] = match direction {
        Direction::Up => &[true],
        Direction::Down => &[false],
        Direction::Both => &[true, false],
    };
    let mut shown = BTreeSet::from([outcome.start]);
    let groups: Vec<(bool, Vec<Group>)> = ways.iter().map(|&upward| (upward, choose(outcome, upward, shown_max, &mut shown))).collect();
    let mut folds = Vec::new();
    for (upward, groups) in groups {
        for Group { beside, sort, members } in groups {
            // Some that were left out here are met on another way.
            let number = members.iter().filter(|at| !shown.contains(at)).count();
            folds.extend((number > 0).then_some(Fold { beside, upward, sort, number }));
        }
    }
    assemble(outcome, &shown.into_iter().collect::<Vec<_>>(), &folds)
}

/// Neighbours of one sort that are too many.
struct Group {
    beside: usize,
    sort: Sort,
    members: Vec<usize>,
}

/// Goes one way from the start, past so many of one sort, and returns where there were more.
fn choose(outcome: &LineageOutcome, upward: bool, shown_max: usize, shown: &mut BTreeSet<usize>) -> Vec<Group> {
    let next = |edge: &LineageEdge| if upward { edge.from } else { edge.to };
    let mut steps = vec![Vec::new(); outcome.nodes.len()];
    for edge in &outcome.edges {
        steps[if upward { edge.to } else { edge.from }].push((edge.again, next(edge)));
    }
    let mut groups = Vec::new();
    let (mut queue, mut seen) = (VecDeque::from([outcome.start]), HashSet::from([outcome.start]));
    while let Some(at) = queue.pop_front() {
        let mut around = std::mem::take(&mut steps[at]);
        around.sort_by_cached_key(|&(again, next)| (again, outcome.nodes[next].subject.order()));
        let sort = |next: usize| Sort::of(&outcome.nodes[next].subject);
        around.sort_by_key(|&(_, next)| sort(next));
        for same in around.chunk_by(|a, b| sort(a.1) == sort(b.1)) {
            let few = if same.len() > shown_max.saturating_add(2) { shown_max } else { same.len() };
            for &(_, next) in &same[..few] {
                shown.insert(next);
                if seen.insert(next) {
                    queue.push_back(next);
                }
            }
            if few < same.len() {
                groups.push(Group { beside: at, sort: sort(same[0].1), members: same[few..].iter().map(|(_, next)| *next).collect() });
            }
        }
    }
    groups
}

fn assemble(outcome: &LineageOutcome, shown: &[usize], folds: &[Fold]) -> Drawing {
    let mut boxes = Vec::new();
    let mut place = vec![None; outcome.nodes.len()];
    // One more than in the lineage: what is folded may stand before all others.
    for &at in shown {
        place[at] = Some(boxes.len());
        let node = &outcome.nodes[at];
        boxes.push(DrawnBox { node: Some(at), label: Label::of(node), layer: node.layer + 1, is_start: at == outcome.start });
    }
    let mut links: Vec<Link> = outcome.edges.iter().filter_map(|edge| Some(link(edge, place[edge.from]?, place[edge.to]?))).collect();
    for fold in folds {
        let Some(beside) = place[fold.beside] else { continue };
        let at = boxes.len();
        let layer = if fold.upward { boxes[beside].layer - 1 } else { boxes[beside].layer + 1 };
        let title = format!("… {}", more(fold.number, fold.sort));
        boxes.push(DrawnBox { node: None, label: Label::folded(fold.sort, title), layer, is_start: false });
        let (from, to) = if fold.upward { (at, beside) } else { (beside, at) };
        links.push(Link { from, to, text: String::new(), is_weak: true, closes_cycle: false });
    }
    let used: BTreeSet<usize> = boxes.iter().map(|drawn| drawn.layer).collect();
    let used: Vec<usize> = used.into_iter().collect();
    boxes.iter_mut().for_each(|drawn| drawn.layer = used.partition_point(|layer| *layer < drawn.layer));
    Drawing { boxes, links }
}

fn link(edge: &LineageEdge, from: usize, to: usize) -> Link {
    let roles = edge.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
    let text = match (edge.kind, edge.again) {
        (EdgeKind::Used, _) => roles,
        (EdgeKind::Produced, true) => "again".to_owned(),
        (EdgeKind::Produced, false) => String::new(),
        (EdgeKind::Copied, _) => "copied".to_owned(),
    };
    Link { from, to, text, is_weak: edge.again || edge.closes_cycle, closes_cycle: edge.closes_cycle }
}
