//! Builds the trees of pages: of entries, and of long chunk lists. "Trees" in `docs/format.md`.
//!
//! Where a page ends depends on the rows alone, never on the history of the tree, so equal rows
//! make equal pages.

use serde::Serialize;

use crate::codec::encoded_len;
use crate::error::Result;
use crate::format::limits::{PAGE_BOUNDARY_BITS, PAGE_LEN_MAX, ROOT_ROWS_LEN_MAX};
use crate::format::manifest::{ChunkChild, ChunkRun, Entry, EntryChild, Index, Page};
use crate::id::{FileDigest, PageId};

/// Room that a page's own fields may take beside its rows.
const PAGE_ROWS_LEN_MAX: usize = PAGE_LEN_MAX - 64;

/// Takes pages as they are done, lowest first, and says what each is called.
pub type PageSink<'a> = dyn FnMut(&Page) -> Result<PageId> + 'a;

/// What differs between the tree of entries and that of a chunk list.
pub trait TreeKind {
    /// A row of a lowest page.
    type Row: Serialize;
    /// A row of an index page.
    type Child: Serialize;

    /// Low zero bits of the hash that decides whether a row begins a page.
    fn row_bits(row: &Self::Row) -> u32;
    /// The same for the first row below a child.
    fn child_bits(child: &Self::Child) -> u32;
    /// A lowest page.
    fn page(rows: Vec<Self::Row>) -> Page;
    /// An index page.
    fn index_page(index: Index<Self::Child>) -> Page;
    /// How the parent lists a lowest page, once its id is known.
    fn child_of_rows(rows: &[Self::Row]) -> impl FnOnce(PageId) -> Self::Child + use<Self>;
    /// How the parent lists an index page, once its id is known.
    fn child_of_children(children: &[Self::Child]) -> impl FnOnce(PageId) -> Self::Child + use<Self>;
}

/// The tree of a version's entries.
#[derive(Debug)]
pub enum EntryTree {}

/// The tree of a long chunk list.
#[derive(Debug)]
pub enum ChunkTree {}

/// What a root holds.
#[derive(Debug)]
pub enum Root<T: TreeKind> {
    /// All rows.
    Rows(Vec<T::Row>),
    /// The pages of the first level that is short enough.
    Index(Index<T::Child>),
}

/// Builds a tree from rows in order.
#[derive(Debug)]
pub struct TreeBuilder<T: TreeKind> {
    rows: Level<T::Row>,
    levels: Vec<Level<T::Child>>,
}

/// One level: the rows of the page that is being filled, or all rows as long as they may yet
/// fit into the root.
#[derive(Debug)]
struct Level<R> {
    rows: Vec<(R, usize)>,
    len: usize,
    cut: bool,
}

impl<T: TreeKind> Default for TreeBuilder<T> {
    fn default() -> TreeBuilder<T> {
        TreeBuilder { rows: Level::default(), levels: Vec::new() }
    }
}

impl<R> Default for Level<R> {
    fn default() -> Level<R> {
        Level { rows: Vec::new(), len: 0, cut: false }
    }
}

impl<T: TreeKind> TreeBuilder<T> {
    /// Adds the next row.
    pub fn push(&mut self, row: T::Row, sink: &mut PageSink<'_>) -> Result<()> {
        let pages = self.rows.push(row, PAGE_BOUNDARY_BITS, T::row_bits);
        self.put_rows(pages, sink)
    }

    /// Whether a level, 0 being that of all rows, is too long for the root for certain.
    pub(super) fn is_cut(&self, level: u32) -> bool {
        match level.checked_sub(1) {
            None => self.rows.cut,
            Some(at) => self.levels.get(at as usize).is_some_and(|level| level.cut),
        }
    }

    /// Whether the next row begins a page of a level that is cut, because a page was added just
    /// before.
    pub(super) fn is_fresh(&self, level: u32) -> bool {
        self.rows.rows.is_empty() && self.levels.iter().take(level as usize).all(|level| level.rows.is_empty())
    }

    /// Adds a whole page of a level that is cut. What was added before must end there.
    pub(super) fn push_page(&mut self, level: u32, child: T::Child, sink: &mut PageSink<'_>) -> Result<()> {
        self.end_pages(level as usize, sink)?;
        self.push_child(level as usize, child, sink)
    }

    /// Ends the page that is being filled at a level, and those below it.
    fn end_pages(&mut self, level: usize, sink: &mut PageSink<'_>) -> Result<()> {
        let last = Some(self.rows.take()).filter(|rows| !rows.is_empty());
        self.put_rows(last.into_iter().collect(), sink)?;
        for at in 0..level {
            let last = Some(self.levels[at].take()).filter(|rows| !rows.is_empty());
            self.put_children(at, last.into_iter().collect(), sink)?;
        }
        Ok(())
    }

    /// Ends the tree and returns what its root holds.
    pub fn finish(mut self, sink: &mut PageSink<'_>) -> Result<Root<T>> {
        if !self.rows.cut {
            return Ok(Root::Rows(self.rows.take()));
        }
        self.end_pages(0, sink)?;
        let mut at = 0;
        while self.levels[at].cut {
            at += 1;
            self.end_pages(at, sink)?;
        }
        let rows = self.levels[at].take();
        Ok(Root::Index(Index { level: at as u32 + 1, rows }))
    }

    fn put_rows(&mut self, pages: Vec<Vec<T::Row>>, sink: &mut PageSink<'_>) -> Result<()> {
        for rows in pages {
            let parent = T::child_of_rows(&rows);
            let page = sink(&T::page(rows))?;
            self.push_child(0, parent(page), sink)?;
        }
        Ok(())
    }

    fn put_children(&mut self, at: usize, pages: Vec<Vec<T::Child>>, sink: &mut PageSink<'_>) -> Result<()> {
        for rows in pages {
            let parent = T::child_of_children(&rows);
            let page = sink(&T::index_page(Index { level: at as u32 + 1, rows }))?;
            self.push_child(at + 1, parent(page), sink)?;
        }
        Ok(())
    }

    fn push_child(&mut self, at: usize, child: T::Child, sink: &mut PageSink<'_>) -> Result<()> {
        if self.levels.len() == at {
            self.levels.push(Level::default());
        }
        let bits = PAGE_BOUNDARY_BITS * (at as u32 + 2);
        let pages = self.levels[at].push(child, bits, T::child_bits);
        self.put_children(at, pages, sink)
    }
}

impl<R: Serialize> Level<R> {
    /// Adds a row and returns the pages that end before it.
    fn push(&mut self, row: R, boundary_bits: u32, bits: impl Fn(&R) -> u32) -> Vec<Vec<R>> {
        let len = encoded_len(&row) as usize;
        let mut pages = Vec::new();
        if !self.cut && self.len + len > ROOT_ROWS_LEN_MAX {
            // Too long for the root: what was held so far is cut as if it had come just now.
            self.cut = true;
            self.len = 0;
            for (row, len) in std::mem::take(&mut self.rows) {
                let is_boundary = bits(&row) >= boundary_bits;
                pages.extend(self.push_cut(row, len, is_boundary));
            }
        }
        if self.cut {
            let is_boundary = bits(&row) >= boundary_bits;
            pages.extend(self.push_cut(row, len, is_boundary));
        } else {
            self.rows.push((row, len));
            self.len += len;
        }
        pages
    }

    fn push_cut(&mut self, row: R, len: usize, is_boundary: bool) -> Option<Vec<R>> {
        let ends = !self.rows.is_empty() && (is_boundary || self.len + len > PAGE_ROWS_LEN_MAX);
        let page = ends.then(|| self.take());
        self.rows.push((row, len));
        self.len += len;
        page
    }

    fn take(&mut self) -> Vec<R> {
        self.len = 0;
        std::mem::take(&mut self.rows).into_iter().map(|(row, _)| row).collect()
    }
}

impl TreeKind for EntryTree {
    type Row = Entry;
    type Child = EntryChild;

    fn row_bits(row: &Entry) -> u32 {
        FileDigest::of(row.path.as_bytes()).low_zero_bits()
    }

    fn child_bits(child: &EntryChild) -> u32 {
        FileDigest::of(child.first.as_bytes()).low_zero_bits()
    }

    fn page(rows: Vec<Entry>) -> Page {
        Page::Entries(rows)
    }

    fn index_page(index: Index<EntryChild>) -> Page {
        Page::EntryIndex(index)
    }

    fn child_of_rows(rows: &[Entry]) -> impl FnOnce(PageId) -> EntryChild + use<> {
        let (first, entries) = (rows[0].path.clone(), rows.len() as u64);
        let bytes = rows.iter().fold(0u64, |sum, row| sum.saturating_add(row.kind.size_bytes()));
        move |page| EntryChild { first, page, entries, bytes }
    }

    fn child_of_children(children: &[EntryChild]) -> impl FnOnce(PageId) -> EntryChild + use<> {
        let first = children[0].first.clone();
        let entries = children.iter().map(|child| child.entries).sum();
        let bytes = children.iter().fold(0u64, |sum, child| sum.saturating_add(child.bytes));
        move |page| EntryChild { first, page, entries, bytes }
    }
}

impl TreeKind for ChunkTree {
    type Row = ChunkRun;
    type Child = ChunkChild;

    fn row_bits(row: &ChunkRun) -> u32 {
        row.chunk.low_zero_bits()
    }

    fn child_bits(child: &ChunkChild) -> u32 {
        child.first.low_zero_bits()
    }

    fn page(rows: Vec<ChunkRun>) -> Page {
        Page::Chunks(rows)
    }

    fn index_page(index: Index<ChunkChild>) -> Page {
        Page::ChunkIndex(index)
    }

    fn child_of_rows(rows: &[ChunkRun]) -> impl FnOnce(PageId) -> ChunkChild + use<> {
        let first = rows[0].chunk;
        let chunks = rows.iter().fold(0u64, |sum, row| sum.saturating_add(row.count));
        let bytes = rows.iter().fold(0u64, |sum, row| sum.saturating_add(u64::from(row.len).saturating_mul(row.count)));
        move |page| ChunkChild { first, page, chunks, bytes }
    }

    fn child_of_children(children: &[ChunkChild]) -> impl FnOnce(PageId) -> ChunkChild + use<> {
        let first = children[0].first;
        let chunks = children.iter().fold(0u64, |sum, child| sum.saturating_add(child.chunks));
        let bytes = children.iter().fold(0u64, |sum, child| sum.saturating_add(child.bytes));
        move |page| ChunkChild { first, page, chunks, bytes }
    }
}
