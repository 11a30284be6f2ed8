//! A lineage as a tree for a terminal of 80 columns.
//!
//! What was met twice is shown once and referred to from then on, siblings of one sort are folded,
//! and a branch that goes too deep goes on further down, under a number.

use std::collections::{HashMap, HashSet};

use artstore::ops::lineage::{Direction, EdgeKind, LineageEdge, LineageOptions, LineageOutcome};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::label::{self, Label, Sort};
use crate::ui::show::count;

/// Columns of a terminal.
const COLUMNS: usize = 80;

/// Levels of a tree before it goes on further down; each takes three columns.
const LEVELS_MAX: usize = 10;

/// The shortest that a name is cut to.
const TITLE_MIN: usize = 16;

/// Draws the tree up and the tree down, as far as they were asked for.
pub(super) fn text(outcome: &LineageOutcome, options: &LineageOptions, shown_max: usize) -> String {
    let mut page = String::new();
    let start = Label::of(&outcome.nodes[outcome.start]);
    page.push_str(&line("", &start, "", ""));
    for (upward, heading) in [(true, "comes from"), (false, "led to")] {
        let is_asked_for = matches!((options.direction, upward), (Direction::Both, _) | (Direction::Up, true) | (Direction::Down, false));
        if is_asked_for {
            let mut tree = Tree::new(outcome, upward, options.depth, shown_max);
            let drawn = tree.draw();
            page.push_str(heading);
            page.push_str(if drawn.is_empty() { " nothing on record\n" } else { "\n" });
            page.push_str(&drawn);
        }
    }
    page
}

/// A tree one way.
struct Tree<'o> {
    outcome: &'o LineageOutcome,
    upward: bool,
    depth: usize,
    shown_max: usize,
    /// For each node, the edges to its children, in order.
    below: Vec<Vec<&'o LineageEdge>>,
    /// Nodes whose children were shown, or will be, further down.
    expanded: HashSet<usize>,
    /// The nodes above the line that is drawn.
    path: Vec<usize>,
    /// Nodes that go on further down, and at which step from the start they are.
    later: Vec<(usize, usize)>,
    /// Under which number each of them goes on.
    numbers: HashMap<usize, usize>,
    page: String,
}

/// A line below a node.
enum Row<'o> {
    Edge(&'o LineageEdge),
    /// So many of a sort are folded.
    More(usize, Sort),
}

impl<'o> Tree<'o> {
    fn new(outcome: &'o LineageOutcome, upward: bool, depth: Option<usize>, shown_max: usize) -> Tree<'o> {
        let mut below = vec![Vec::new(); outcome.nodes.len()];
        for edge in &outcome.edges {
            below[if upward { edge.to } else { edge.from }].push(edge);
        }
        let tree = Tree {
            outcome,
            upward,
            depth: depth.unwrap_or(usize::MAX),
            shown_max,
            below,
            expanded: HashSet::new(),
            path: Vec::new(),
            later: Vec::new(),
            numbers: HashMap::new(),
            page: String::new(),
        };
        tree.sorted()
    }

    fn sorted(mut self) -> Tree<'o> {
        let (nodes, upward) = (&self.outcome.nodes, self.upward);
        for edges in self.below.iter_mut().filter(|edges| edges.len() > 1) {
            // Who made a version comes before who made it again.
            edges.sort_by_cached_key(|edge| (edge.again, nodes[end(edge, upward)].subject.order()));
        }
        self
    }

    fn draw(&mut self) -> String {
        self.expanded.insert(self.outcome.start);
        self.children(self.outcome.start, "", 0, 0);
        let mut at = 0;
        while let Some(&(node, step)) = self.later.get(at) {
            at += 1;
            self.page.push_str(&line(&format!("[{at}] "), &Label::of(&self.outcome.nodes[node]), "", ""));
            self.children(node, "", 0, step);
        }
        std::mem::take(&mut self.page)
    }

    /// Draws what lies below a node; calls itself at most as often as there are levels.
    fn children(&mut self, node: usize, indent: &str, level: usize, step: usize) {
        if step == self.depth {
            return;
        }
        let mut rows: Vec<Row<'o>> = Vec::new();
        let edges = std::mem::take(&mut self.below[node]);
        for same in edges.chunk_by(|a, b| self.sort(a) == self.sort(b)) {
            let shown = if same.len() > self.shown_max.saturating_add(2) { self.shown_max } else { same.len() };
            rows.extend(same[..shown].iter().map(|edge| Row::Edge(edge)));
            if shown < same.len() {
                rows.push(Row::More(same.len() - shown, self.sort(same[0])));
            }
        }
        self.path.push(node);
        for (at, row) in rows.iter().enumerate() {
            let is_last = at + 1 == rows.len();
            let branch = format!("{indent}{}", if is_last { "└─ " } else { "├─ " });
            let indent = format!("{indent}{}", if is_last { "   " } else { "│  " });
            match row {
                Row::Edge(edge) => self.edge(edge, &branch, &indent, level + 1, step + 1),
                Row::More(number, sort) => self.page.push_str(&format!("{branch}… and {}\n", more(*number, *sort))),
            }
        }
        self.path.pop();
    }

    fn edge(&mut self, edge: &LineageEdge, branch: &str, indent: &str, level: usize, step: usize) {
        let at = end(edge, self.upward);
        let was_expanded = self.expanded.contains(&at);
        let goes_on = !was_expanded && !self.below[at].is_empty() && step < self.depth;
        let is_deep = goes_on && level == LEVELS_MAX;
        if goes_on {
            self.expanded.insert(at);
        }
        let mut notes = String::new();
        if let Some(number) = self.numbers.get(&at) {
            notes.push_str(&format!("  (see [{number}])"));
        } else if was_expanded {
            let is_cycle = edge.closes_cycle || self.path.contains(&at);
            notes.push_str(if is_cycle { "  (above: a cycle)" } else { "  (above)" });
        } else if is_deep {
            self.later.push((at, step));
            self.numbers.insert(at, self.later.len());
            notes.push_str(&format!("  (goes on at [{}])", self.later.len()));
        }
        let beyond = self.outcome.nodes[at].beyond;
        if step == self.depth && beyond > 0 {
            notes.push_str(&format!("  (+{} beyond the depth)", count(beyond as u64)));
        }
        let before = match (edge.kind, self.upward) {
            (EdgeKind::Copied, true) => "copied from ",
            (EdgeKind::Copied, false) => "copied to ",
            _ => "",
        };
        let label = Label::of(&self.outcome.nodes[at]);
        let remark = label::remark(edge, self.upward).unwrap_or_default();
        self.page.push_str(&line(&format!("{branch}{before}"), &label, &remark, &notes));
        if goes_on && !is_deep {
            self.children(at, indent, level, step);
        }
    }

    fn sort(&self, edge: &LineageEdge) -> Sort {
        Sort::of(&self.outcome.nodes[end(edge, self.upward)].subject)
    }
}

/// Returns the end of an edge that is a child in a tree.
fn end(edge: &LineageEdge, upward: bool) -> usize {
    if upward { edge.from } else { edge.to }
}

/// Says how many more there are of a sort.
pub(super) fn more(number: usize, sort: Sort) -> String {
    format!("{} more {}{}", count(number as u64), sort.noun(), if number == 1 { "" } else { "s" })
}

/// Writes a line: the name is cut so that the line fits, and if that is not enough, details go.
fn line(before: &str, label: &Label, remark: &str, notes: &str) -> String {
    let word = if label.sort == Sort::Run { "run " } else { "" };
    let marks: String = label.marks.iter().map(|mark| format!("  {mark}")).collect();
    let taken = [before, word, remark, &marks, notes].iter().map(|part| part.width()).sum::<usize>();
    let title_min = label.title.width().min(TITLE_MIN);
    let mut details = String::new();
    for detail in &label.details {
        if taken + details.width() + 2 + detail.width() + title_min <= COLUMNS {
            details.push_str(&format!("  {detail}"));
        }
    }
    let title = cut(&label.title, COLUMNS.saturating_sub(taken + details.width()).max(title_min));
    format!("{before}{word}{title}{remark}{details}{marks}{notes}\n")
}

/// Cuts a text in its middle, so that it is no wider than `columns`.
pub(super) fn cut(text: &str, columns: usize) -> String {
    cut_by(text, columns as f64, |c| c.width().unwrap_or(0) as f64)
}

/// Cuts a text in its middle, so that it is no wider than `room` by a measure of its characters.
pub(super) fn cut_by(text: &str, room: f64, width_of: impl Fn(char) -> f64) -> String {
    if text.chars().map(&width_of).sum::<f64>() <= room {
        return text.to_owned();
    }
    let take = |characters: &mut dyn Iterator<Item = char>, mut room: f64| -> Vec<char> {
        let fits = |c: &char| {
            room -= width_of(*c);
            room >= 0.0
        };
        characters.take_while(fits).collect()
    };
    let room = room - width_of('…');
    let tail = take(&mut text.chars().rev(), (room / 2.0).floor());
    let head = take(&mut text.chars(), room - (room / 2.0).floor());
    head.into_iter().chain(['…']).chain(tail.into_iter().rev()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_in_the_middle_by_what_they_take_on_the_screen() {
        assert_eq!(cut("model:v3", 16), "model:v3");
        assert_eq!(cut("s3://bucket/a/long/way/raw.csv", 16), "s3://buc…raw.csv");
        assert_eq!(cut("数据数据数据数据数据", 8), "数据…据");
        assert_eq!(cut("数据数据数据数据数据", 8).width(), 7);
    }
}
