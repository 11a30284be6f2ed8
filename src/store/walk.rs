//! Walks the trees of a version: its entries in order, the chunks of a file in order.
//!
//! Memory is bounded by the depth of the tree. What a page can only break together with others
//! is checked here: order over the whole walk, sums, levels, no file used as a directory.

use crate::error::{Result, damaged};
use crate::format::manifest::{
    ChunkList, ChunkRun, ChunkTree, Entry, EntryChild, EntryKind, EntryRows, FileBody, Index, Manifest, Page, PageType,
};
use crate::format::path::EntryPath;
use crate::id::PageId;

use super::Store;

/// The entries of a version in order of their paths; stops after the first error.
pub struct EntryWalk<'s> {
    store: &'s Store,
    id: PageId,
    expected: Totals,
    seen: Totals,
    open: Vec<std::vec::IntoIter<EntryChild>>,
    level: u32,
    entries: std::vec::IntoIter<Entry>,
    last: Option<EntryPath>,
    leaves: Vec<EntryPath>,
    prefix: Vec<u8>,
    failed: bool,
}

/// What a manifest says of its entries together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    entries: u64,
    files: u64,
    bytes: u64,
}

impl Store {
    /// Walks the entries of a manifest.
    pub fn entries(&self, id: PageId) -> Result<EntryWalk<'_>> {
        let manifest = self.read_manifest(id)?;
        Ok(self.entries_of(id, manifest))
    }

    /// Walks the entries of a manifest that was already read.
    pub fn entries_of(&self, id: PageId, manifest: Manifest) -> EntryWalk<'_> {
        let mut walk = EntryWalk {
            store: self,
            id,
            expected: Totals { entries: manifest.entry_count, files: manifest.file_count, bytes: manifest.size_bytes },
            seen: Totals::default(),
            open: Vec::new(),
            level: 0,
            entries: Vec::new().into_iter(),
            last: None,
            leaves: Vec::new(),
            prefix: Vec::new(),
            failed: false,
        };
        match manifest.rows {
            EntryRows::Entries(entries) => walk.entries = entries.into_iter(),
            EntryRows::Index(index) => {
                walk.level = index.level;
                walk.open.push(index.rows.into_iter());
            }
        }
        walk
    }

    /// Opens a page of entries, or of such pages, that its parent lists, and checks that it is
    /// what the parent says. Its own level is given: 0 for entries.
    pub(super) fn entry_rows(&self, child: &EntryChild, level: u32) -> Result<EntryRows> {
        let wrong = |why| damaged("page", &child.page.short(16), why);
        let (rows, first) = if level == 0 {
            let Page::Entries(entries) = self.read_page(child.page, PageType::Entries)? else {
                return Err(wrong("it is a page of another kind"));
            };
            let bytes = entries.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.kind.size_bytes()));
            if (entries.len() as u64, bytes) != (child.entries, child.bytes) {
                return Err(wrong("it has not as many entries or bytes as its parent says"));
            }
            let first = entries.first().map(|entry| entry.path.clone());
            (EntryRows::Entries(entries), first)
        } else {
            let Page::EntryIndex(index) = self.read_page(child.page, PageType::EntryIndex)? else {
                return Err(wrong("it is a page of another kind"));
            };
            let entries = index.rows.iter().try_fold(0u64, |sum, row| sum.checked_add(row.entries));
            let bytes = index.rows.iter().fold(0u64, |sum, row| sum.saturating_add(row.bytes));
            if index.level != level || entries != Some(child.entries) || bytes != child.bytes {
                return Err(wrong("its level, count or bytes are not what its parent says"));
            }
            let first = index.rows.first().map(|row| row.first.clone());
            (EntryRows::Index(index), first)
        };
        if first.as_ref() == Some(&child.first) { Ok(rows) } else { Err(wrong("it does not begin where its parent says")) }
    }

    /// Calls `each` for the chunks of a file in order, and checks that they are as long as it.
    pub fn chunk_runs(&self, path: &EntryPath, body: &FileBody, each: &mut dyn FnMut(ChunkRun) -> Result<()>) -> Result<()> {
        match &body.chunks {
            ChunkList::Whole if body.size_bytes == 0 => Ok(()),
            ChunkList::Whole => each(ChunkRun { chunk: body.digest.as_chunk(), len: body.size_bytes as u32, count: 1 }),
            ChunkList::Runs(runs) => runs.iter().try_for_each(|run| each(*run)),
            ChunkList::Tree(tree) => {
                let mut left = body.size_bytes;
                self.chunk_tree(*tree, &mut |run| {
                    let bytes = u64::from(run.len).checked_mul(run.count).and_then(|bytes| left.checked_sub(bytes));
                    left = bytes.ok_or_else(|| damaged("entry", &path.to_string(), "its chunks are longer than the file"))?;
                    each(run)
                })?;
                if left == 0 { Ok(()) } else { Err(damaged("entry", &path.to_string(), "its chunks are shorter than the file")) }
            }
        }
    }

    /// Calls `each` for the pages of a file's chunk list, the root first.
    pub fn chunk_pages(&self, body: &FileBody, each: &mut dyn FnMut(ChunkTree) -> Result<()>) -> Result<()> {
        let ChunkList::Tree(root) = body.chunks else { return Ok(()) };
        let mut open = vec![root];
        while let Some(tree) = open.pop() {
            each(tree)?;
            if tree.level > 0 {
                let index = self.chunk_index(tree)?;
                open.extend(index.rows.iter().map(|row| ChunkTree { level: tree.level - 1, page: row.page }));
            }
        }
        Ok(())
    }

    fn chunk_tree(&self, tree: ChunkTree, each: &mut dyn FnMut(ChunkRun) -> Result<()>) -> Result<()> {
        if tree.level == 0 {
            let Page::Chunks(runs) = self.read_page(tree.page, PageType::Chunks)? else {
                return Err(damaged("page", &tree.page.short(16), "it is a page of another kind"));
            };
            return runs.into_iter().try_for_each(each);
        }
        let index = self.chunk_index(tree)?;
        for row in index.rows {
            let wrong = |why| damaged("page", &row.page.short(16), why);
            let (mut chunks, mut bytes) = (row.chunks, row.bytes);
            self.chunk_tree(ChunkTree { level: tree.level - 1, page: row.page }, &mut |run| {
                if chunks == row.chunks && run.chunk != row.first {
                    return Err(wrong("it does not begin with the chunk that its parent says"));
                }
                chunks = chunks.checked_sub(run.count).ok_or_else(|| wrong("it has more chunks than its parent says"))?;
                let run_bytes = u64::from(run.len).checked_mul(run.count);
                bytes = run_bytes.and_then(|run| bytes.checked_sub(run)).ok_or_else(|| wrong("it has more bytes than its parent says"))?;
                each(run)
            })?;
            if (chunks, bytes) != (0, 0) {
                return Err(wrong("it has fewer chunks or bytes than its parent says"));
            }
        }
        Ok(())
    }

    fn chunk_index(&self, tree: ChunkTree) -> Result<Index<crate::format::manifest::ChunkChild>> {
        match self.read_page(tree.page, PageType::ChunkIndex)? {
            Page::ChunkIndex(index) if index.level == tree.level => Ok(index),
            _ => Err(damaged("page", &tree.page.short(16), "its level is not what its parent says")),
        }
    }
}

impl EntryWalk<'_> {
    /// Leaves out what is not `prefix` or below it; pages that hold nothing of it are not read.
    #[must_use]
    pub fn within(mut self, prefix: &[u8]) -> Self {
        self.prefix = prefix.to_vec();
        self
    }

    fn advance(&mut self) -> Result<Option<Entry>> {
        loop {
            if let Some(entry) = self.entries.next() {
                self.check(&entry)?;
                if entry.path.is_within(&self.prefix) {
                    return Ok(Some(entry));
                }
                continue;
            }
            let Some(rows) = self.open.last_mut() else { break };
            let Some(child) = rows.next() else {
                self.open.pop();
                continue;
            };
            let next = rows.as_slice().first().map(|next| next.first.clone());
            if self.is_outside(&child, next.as_ref()) {
                self.seen.entries = self.seen.entries.saturating_add(child.entries);
                continue;
            }
            self.descend(&child)?;
        }
        // Of pages that were passed over their parents tell how many entries they have, and not how many files.
        let expected = if self.prefix.is_empty() { self.expected } else { Totals { entries: self.expected.entries, ..self.seen } };
        if self.seen != expected {
            return Err(damaged("manifest", &self.id.short(16), "it has not as many entries, files or bytes as it says"));
        }
        Ok(None)
    }

    /// Whether nothing below a child can lie within the prefix.
    fn is_outside(&self, child: &EntryChild, next: Option<&EntryPath>) -> bool {
        if self.prefix.is_empty() {
            return false;
        }
        // Everything within the prefix begins with its bytes, and paths are sorted by bytes.
        let first = child.first.as_bytes();
        let begins_after = first > &self.prefix[..] && !first.starts_with(&self.prefix);
        begins_after || next.is_some_and(|next| next.as_bytes() <= &self.prefix[..])
    }

    fn descend(&mut self, child: &EntryChild) -> Result<()> {
        // `open` holds one list for each level above the page that is opened now.
        match self.store.entry_rows(child, self.level - self.open.len() as u32)? {
            EntryRows::Entries(entries) => self.entries = entries.into_iter(),
            EntryRows::Index(index) => self.open.push(index.rows.into_iter()),
        }
        Ok(())
    }

    fn check(&mut self, entry: &Entry) -> Result<()> {
        let wrong = |why| damaged("manifest", &self.id.short(16), format!("{}: {why}", entry.path));
        if self.last.as_ref().is_some_and(|last| *last >= entry.path) {
            return Err(wrong("its entries are not in strictly increasing order"));
        }
        // Sorted by bytes, all paths that begin with the bytes of another follow it without a gap.
        while self.leaves.last().is_some_and(|leaf| !entry.path.as_bytes().starts_with(leaf.as_bytes())) {
            self.leaves.pop();
        }
        if self.leaves.iter().any(|leaf| entry.path.is_below(leaf.as_bytes())) {
            return Err(wrong("something that is not a directory has entries below it"));
        }
        self.leaves.push(entry.path.clone());
        self.seen.entries += 1;
        self.seen.files += u64::from(entry.file().is_some());
        self.seen.bytes = self.seen.bytes.saturating_add(entry.kind.size_bytes());
        self.last = Some(entry.path.clone());
        Ok(())
    }
}

impl Iterator for EntryWalk<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        if self.failed {
            return None;
        }
        let next = self.advance().transpose();
        self.failed = !matches!(next, Some(Ok(_)));
        next
    }
}

impl Entry {
    /// Returns the body of a file.
    pub fn file(&self) -> Option<&FileBody> {
        match &self.kind {
            EntryKind::File(body) => Some(body),
            _ => None,
        }
    }
}
