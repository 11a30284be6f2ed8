//! What a put takes over from its base, in order: entries, and whole pages in which nothing
//! changes, which are not opened.

use crate::error::Result;
use crate::format::manifest::Manifest;
use crate::store::Store;
use crate::store::draft::{Part, Subtree};

/// Walks the parts of a base.
pub(super) struct BaseWalk<'a> {
    store: &'a Store,
    /// Whether pages may be taken over; otherwise all are opened.
    keeps_pages: bool,
    next: Option<Part>,
    open: Vec<std::vec::IntoIter<Part>>,
    /// Files in pages that are not opened.
    kept_files: u64,
}

impl<'a> BaseWalk<'a> {
    pub(super) fn new(store: &'a Store, manifest: Manifest, keeps_pages: bool) -> BaseWalk<'a> {
        let kept_files = manifest.file_count;
        let mut walk = BaseWalk { store, keeps_pages, next: None, open: Vec::new(), kept_files };
        let parts = walk.counted(Part::of_manifest(manifest));
        walk.open.push(parts.into_iter());
        walk
    }

    /// Returns the next part and leaves it there.
    pub(super) fn peek(&mut self) -> Option<&Part> {
        while self.next.is_none() {
            self.next = self.open.last_mut()?.next();
            if self.next.is_none() {
                self.open.pop();
            }
        }
        self.next.as_ref()
    }

    pub(super) fn next(&mut self) -> Option<Part> {
        self.peek();
        self.next.take()
    }

    /// Goes on inside the next part, if it is a page.
    pub(super) fn open_next(&mut self) -> Result<()> {
        if let Some(Part::Page(subtree)) = self.next() {
            let parts = self.open(&subtree)?;
            self.open.push(parts.into_iter());
        }
        Ok(())
    }

    /// Opens a page that the walk gave out.
    pub(super) fn open(&mut self, subtree: &Subtree) -> Result<Vec<Part>> {
        let parts = self.store.open_subtree(subtree)?;
        Ok(self.counted(parts))
    }

    pub(super) fn keeps_pages(&self) -> bool {
        self.keeps_pages
    }

    /// Returns how many files lie in pages that were given out and not opened; at the end of the
    /// walk.
    pub(super) fn kept_files(&self) -> u64 {
        self.kept_files
    }

    fn counted(&mut self, parts: Vec<Part>) -> Vec<Part> {
        let is_file = |part: &&Part| matches!(part, Part::Entry(entry) if entry.file().is_some());
        self.kept_files = self.kept_files.saturating_sub(parts.iter().filter(is_file).count() as u64);
        parts
    }
}
