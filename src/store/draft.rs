//! Builds the tree of a version from entries and from whole parts of another version's tree, which
//! are not opened: what `put --onto` costs follows the change. "Trees" in `docs/format.md`.
//!
//! The result is that of a full build, page by page. A page of the other tree goes in as it is if
//! one begins where it begins, if one ends where it ends, and if its level is cut at all, since the
//! first level that fits the root is not. Otherwise it is opened, and what it lists goes in instead.

use crate::error::Result;
use crate::format::limits::PAGE_BOUNDARY_BITS;
use crate::format::manifest::{Entry, EntryChild, EntryRows, Index, Manifest};
use crate::format::path::EntryPath;

use super::Store;
use super::tree::{EntryTree, PageSink, Root, TreeBuilder, TreeKind};

/// A part of a version's tree, in the order of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// An entry.
    Entry(Entry),
    /// A page and all below it.
    Page(Subtree),
}

/// A page of a tree that was not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subtree {
    /// The page.
    pub child: EntryChild,
    /// Its height above the lowest pages.
    pub level: u32,
    /// The first entry after it; none if it is the last.
    pub end: Option<EntryPath>,
}

/// Opens a subtree: returns what its page lists.
pub type Open<'o> = dyn FnMut(&Subtree) -> Result<Vec<Part>> + 'o;

/// Builds a tree from parts in order.
#[derive(Debug, Default)]
pub struct DraftBuilder {
    tree: TreeBuilder<EntryTree>,
    /// Begins where a page begins; whether it ends where one ends is told by what comes next.
    held: Option<Subtree>,
}

impl Part {
    /// Returns the parts that the root of a tree lists.
    pub fn of_manifest(manifest: Manifest) -> Vec<Part> {
        parts(manifest.rows, None)
    }

    /// Returns the path of the first entry.
    pub fn first(&self) -> &EntryPath {
        match self {
            Part::Entry(entry) => &entry.path,
            Part::Page(subtree) => &subtree.child.first,
        }
    }
}

impl Subtree {
    /// Whether an entry at `path` would be one of this page, or of one below it.
    pub fn covers(&self, path: &[u8]) -> bool {
        self.child.first.as_bytes() <= path && !self.ends_by(path)
    }

    /// Whether all entries come before `path`.
    pub fn ends_by(&self, path: &[u8]) -> bool {
        self.end.as_ref().is_some_and(|end| end.as_bytes() <= path)
    }

    fn boundary_bits(&self) -> u32 {
        PAGE_BOUNDARY_BITS * (self.level + 1)
    }
}

impl Store {
    /// Opens a subtree, and checks that its page is what its parent says.
    pub fn open_subtree(&self, subtree: &Subtree) -> Result<Vec<Part>> {
        Ok(parts(self.entry_rows(&subtree.child, subtree.level)?, subtree.end.clone()))
    }
}

impl DraftBuilder {
    /// Adds the next entry.
    pub fn push(&mut self, entry: Entry, open: &mut Open<'_>, sink: &mut PageSink<'_>) -> Result<()> {
        self.settle(EntryTree::row_bits(&entry), None, open, sink)?;
        self.tree.push(entry, sink)
    }

    /// Adds the next subtree, which is one of a tree that was built by the rules.
    pub fn push_subtree(&mut self, subtree: Subtree, open: &mut Open<'_>, sink: &mut PageSink<'_>) -> Result<()> {
        let bits = EntryTree::child_bits(&subtree.child);
        self.settle(bits, Some(&subtree.child.first), open, sink)?;
        let begins = bits >= subtree.boundary_bits() || self.tree.is_fresh(subtree.level);
        if begins && self.tree.is_cut(subtree.level) {
            self.held = Some(subtree);
            return Ok(());
        }
        self.push_opened(&subtree, open, sink)
    }

    /// Ends the tree and returns what its root holds.
    pub fn finish(mut self, open: &mut Open<'_>, sink: &mut PageSink<'_>) -> Result<EntryRows> {
        // The last page ends where all entries end.
        self.settle(u32::MAX, None, open, sink)?;
        Ok(match self.tree.finish(sink)? {
            Root::Rows(rows) => EntryRows::Entries(rows),
            Root::Index(index) => EntryRows::Index(index),
        })
    }

    /// Adds what is held, as a page if it ends before a row with these bits; or before the subtree
    /// that begins at `next`, if that followed it in its own tree: what ended the page there is
    /// the same here.
    fn settle(&mut self, bits: u32, next: Option<&EntryPath>, open: &mut Open<'_>, sink: &mut PageSink<'_>) -> Result<()> {
        while let Some(held) = self.held.take() {
            let follows = next.is_some() && held.end.as_ref() == next;
            if follows || bits >= held.boundary_bits() {
                return self.tree.push_page(held.level, held.child, sink);
            }
            self.push_opened(&held, open, sink)?;
        }
        Ok(())
    }

    fn push_opened(&mut self, subtree: &Subtree, open: &mut Open<'_>, sink: &mut PageSink<'_>) -> Result<()> {
        for part in open(subtree)? {
            match part {
                Part::Entry(entry) => self.push(entry, open, sink)?,
                Part::Page(subtree) => self.push_subtree(subtree, open, sink)?,
            }
        }
        Ok(())
    }
}

/// Makes parts of the rows of a page, or of a root, that ends before `end`.
fn parts(rows: EntryRows, end: Option<EntryPath>) -> Vec<Part> {
    match rows {
        EntryRows::Entries(entries) => entries.into_iter().map(Part::Entry).collect(),
        EntryRows::Index(Index { level, rows }) => {
            let ends: Vec<Option<EntryPath>> = rows.iter().skip(1).map(|next| Some(next.first.clone())).chain([end]).collect();
            let subtree = |(child, end)| Part::Page(Subtree { child, level: level.saturating_sub(1), end });
            rows.into_iter().zip(ends).map(subtree).collect()
        }
    }
}
