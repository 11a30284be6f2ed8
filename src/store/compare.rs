//! Compares the trees of two versions: the entries that differ, in order of their paths.
//!
//! Where a page ends depends on the paths alone, so what two versions share lies in pages of equal
//! id that begin at the same path ("Trees" in `docs/format.md`). Those are not opened, wherever
//! they hang in either tree: cost follows the difference. Memory is bounded by the depth.

use crate::error::{Result, damaged};
use crate::format::manifest::{Entry, EntryChild, EntryRows};
use crate::format::path::EntryPath;
use crate::id::PageId;

use super::Store;

/// A path at which two versions differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Differing {
    /// Only the left one has it.
    Removed(Entry),
    /// Only the right one has it.
    Added(Entry),
    /// Both have it, and not the same.
    Changed(Entry, Entry),
}

/// The entries that differ between two manifests; stops after the first error.
pub struct EntryCompare<'s> {
    store: &'s Store,
    left: Side,
    right: Side,
    pages_opened: u64,
    failed: bool,
}

/// What is still to be looked at of one manifest, the next at the end.
struct Side {
    id: PageId,
    ahead: Vec<Node>,
    last: Option<EntryPath>,
}

enum Node {
    Entry(Entry),
    Page { child: EntryChild, level: u32 },
}

/// What to do with the heads of both sides.
enum Step {
    Skip,
    Open { left: bool, right: bool },
    Take { left: bool, right: bool },
}

impl Store {
    /// Walks the entries that differ between two manifests. Of equal manifests no page is read.
    pub fn compare_entries(&self, left: PageId, right: PageId) -> Result<EntryCompare<'_>> {
        let same = left == right;
        let side = |id| -> Result<Side> {
            let ahead = if same { Vec::new() } else { nodes(self.read_manifest(id)?.rows) };
            Ok(Side { id, ahead, last: None })
        };
        Ok(EntryCompare { store: self, left: side(left)?, right: side(right)?, pages_opened: 0, failed: false })
    }
}

impl EntryCompare<'_> {
    /// Tells how many pages below the two manifests were opened so far.
    pub fn pages_opened(&self) -> u64 {
        self.pages_opened
    }

    fn advance(&mut self) -> Result<Option<Differing>> {
        loop {
            let (left, right) = (self.left.ahead.last(), self.right.ahead.last());
            let step = match (left, right) {
                (None, None) => return Ok(None),
                (Some(left), Some(right)) => step(left, right),
                (left, _) => alone(left.or(right), left.is_some()),
            };
            match step {
                Step::Skip => {
                    self.left.skip()?;
                    self.right.skip()?;
                }
                Step::Open { left, right } => {
                    if left {
                        self.pages_opened += self.left.open(self.store)?;
                    }
                    if right {
                        self.pages_opened += self.right.open(self.store)?;
                    }
                }
                Step::Take { left, right } => {
                    let left = if left { self.left.take()? } else { None };
                    let right = if right { self.right.take()? } else { None };
                    match (left, right) {
                        (Some(left), Some(right)) if left == right => {}
                        (Some(left), Some(right)) => return Ok(Some(Differing::Changed(left, right))),
                        (Some(left), None) => return Ok(Some(Differing::Removed(left))),
                        (None, Some(right)) => return Ok(Some(Differing::Added(right))),
                        (None, None) => return Ok(None),
                    }
                }
            }
        }
    }
}

impl Iterator for EntryCompare<'_> {
    type Item = Result<Differing>;

    fn next(&mut self) -> Option<Result<Differing>> {
        if self.failed {
            return None;
        }
        let next = self.advance().transpose();
        self.failed = !matches!(next, Some(Ok(_)));
        next
    }
}

impl Node {
    fn first(&self) -> &EntryPath {
        match self {
            Node::Entry(entry) => &entry.path,
            Node::Page { child, .. } => &child.first,
        }
    }

    /// The height above the entries, which have 0.
    fn height(&self) -> u32 {
        match self {
            Node::Entry(_) => 0,
            Node::Page { level, .. } => level + 1,
        }
    }
}

impl Side {
    /// Puts what a page lists in its place; returns how many pages that took.
    fn open(&mut self, store: &Store) -> Result<u64> {
        match self.ahead.pop() {
            Some(Node::Page { child, level }) => {
                self.ahead.extend(nodes(store.entry_rows(&child, level)?));
                Ok(1)
            }
            other => {
                self.ahead.extend(other);
                Ok(0)
            }
        }
    }

    fn take(&mut self) -> Result<Option<Entry>> {
        match self.ahead.pop() {
            Some(Node::Entry(entry)) => {
                self.pass(entry.path.clone())?;
                Ok(Some(entry))
            }
            other => {
                self.ahead.extend(other);
                Ok(None)
            }
        }
    }

    fn skip(&mut self) -> Result<()> {
        match self.ahead.pop() {
            Some(node) => self.pass(node.first().clone()),
            None => Ok(()),
        }
    }

    fn pass(&mut self, path: EntryPath) -> Result<()> {
        if self.last.as_ref().is_some_and(|last| *last >= path) {
            let why = format!("{path}: its entries are not in strictly increasing order");
            return Err(damaged("manifest", &self.id.short(16), why));
        }
        self.last = Some(path);
        Ok(())
    }
}

fn step(left: &Node, right: &Node) -> Step {
    match left.first().cmp(right.first()) {
        std::cmp::Ordering::Less => alone(Some(left), true),
        std::cmp::Ordering::Greater => alone(Some(right), false),
        std::cmp::Ordering::Equal => match (left, right) {
            // What is not opened is believed only where both parents say the same of it.
            (Node::Page { child: a, level: la }, Node::Page { child: b, level: lb }) if a == b && la == lb => Step::Skip,
            (Node::Entry(_), Node::Entry(_)) => Step::Take { left: true, right: true },
            _ => Step::Open { left: left.height() >= right.height(), right: right.height() >= left.height() },
        },
    }
}

/// What to do with a node that begins where nothing of the other side does.
fn alone(node: Option<&Node>, is_left: bool) -> Step {
    match node {
        Some(Node::Page { .. }) => Step::Open { left: is_left, right: !is_left },
        _ => Step::Take { left: is_left, right: !is_left },
    }
}

/// Returns rows as nodes, the first at the end.
fn nodes(rows: EntryRows) -> Vec<Node> {
    match rows {
        EntryRows::Entries(entries) => entries.into_iter().rev().map(Node::Entry).collect(),
        EntryRows::Index(index) => {
            let level = index.level.saturating_sub(1);
            index.rows.into_iter().rev().map(|child| Node::Page { child, level }).collect()
        }
    }
}
