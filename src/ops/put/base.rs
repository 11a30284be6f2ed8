//! What a put or a copy may rely on without reading a file: the entries of its base, and known files.

use std::collections::HashMap;

use super::base_walk::BaseWalk;
use crate::error::{Error, ErrorKind, Result, damaged};
use crate::format::manifest::{ChunkList, ChunkRun, ChunkTree, Entry, FileBody, Index, Manifest, Page, PageType};
use crate::format::pack::PackClass;
use crate::format::path::EntryPath;
use crate::id::{ChunkId, PageId};
use crate::ops::blocks::BlockReader;
use crate::quote::quote;
use crate::refs::history::Version;
use crate::store::Store;
use crate::store::draft::DraftBuilder;
use crate::store::packer::Packer;
use crate::store::page_writer::PageWriter;
use crate::store::session::Session;

/// A version that a put or a copy starts from; all that it names is here and may be relied on.
pub(in crate::ops) struct Base {
    pub(in crate::ops) version: Version,
    /// What the rules make of its entries: its manifest, unless another program built its tree otherwise.
    pub(in crate::ops) manifest: PageId,
    /// Bytes of the packs into which its chunks were copied.
    pub(in crate::ops) copied_bytes: u64,
    /// Whether it was found out in this put, and is still to be noted.
    is_new: bool,
}

impl Base {
    /// Makes sure that everything a version names is here and may be relied on. What lies only in
    /// packs that may not, condemned ones, is copied out of them. `purpose` is for messages.
    ///
    /// Cost: nothing if that is noted of it, as of each version that was stored here; else each
    /// page is read once.
    pub(in crate::ops) fn rely_on(session: &Session<'_>, version: Version, purpose: &str, pages: &mut PageWriter<'_, '_>) -> Result<Base> {
        let id = version.record.manifest;
        if session.is_confirmed(id) {
            return Ok(Base { version, manifest: id, copied_bytes: 0, is_new: false });
        }
        let store = session.store();
        let mut copier =
            Copier { session, reader: BlockReader::new(), packer: Packer::new(session, PackClass::Data), trees: HashMap::new() };
        let mut tree = DraftBuilder::default();
        let not_whole = |path: Option<&EntryPath>, error| not_whole(error, purpose, &version, path);
        let manifest = store.read_manifest(id).map_err(|error| not_whole(None, error))?;
        let Manifest { entry_count, file_count, size_bytes, .. } = manifest;
        for entry in store.entries_of(id, manifest) {
            let entry = entry.map_err(|error| not_whole(None, error))?;
            copier.entry(&entry, pages).map_err(|error| not_whole(Some(&entry.path), error))?;
            tree.push(entry, &mut |subtree| store.open_subtree(subtree), &mut |page| pages.put(page))?;
        }
        let copied_bytes = copier.packer.publish()?;
        let rows = tree.finish(&mut |subtree| store.open_subtree(subtree), &mut |page| pages.put(page))?;
        let manifest = pages.put(&Page::Manifest(Manifest { entry_count, file_count, size_bytes, rows }))?;
        Ok(Base { version, manifest, copied_bytes, is_new: true })
    }

    /// Walks its entries.
    pub(super) fn walk<'s>(&self, store: &'s Store) -> Result<BaseWalk<'s>> {
        let id = self.version.record.manifest;
        // Pages may be taken over only from a tree that the rules make.
        Ok(BaseWalk::new(store, store.read_manifest(id)?, self.manifest == id))
    }

    /// Notes that it may be relied on, once its pages were published.
    pub(in crate::ops) fn note(&self, session: &Session<'_>) -> Result<()> {
        if self.is_new { session.note_rests(self.manifest) } else { Ok(()) }
    }
}

fn not_whole(error: Error, purpose: &str, base: &Version, path: Option<&EntryPath>) -> Error {
    let (name, path) = (quote(base.full_name().as_bytes()), path.map_or_else(|| "it".to_owned(), |path| quote(path.as_bytes())));
    match error.kind() {
        ErrorKind::Damaged => error
            .within(format!("cannot {purpose} {name}: {path} is not whole in this copy of the store"))
            .hint("copy the missing packs from another copy of the store; `art fsck` lists what is missing"),
        _ => error,
    }
}

/// Whether every chunk and page of a file is in a pack that may be relied on.
pub(super) fn is_here(session: &Session<'_>, path: &EntryPath, body: &FileBody) -> Result<bool> {
    let mut all = true;
    session.store().chunk_pages(body, &mut |tree| {
        all = all && session.has(PackClass::Meta, tree.page.as_bytes())?;
        Ok(())
    })?;
    if all {
        session.store().chunk_runs(path, body, &mut |run: ChunkRun| {
            all = all && session.has(PackClass::Data, run.chunk.as_bytes())?;
            Ok(())
        })?;
    }
    Ok(all)
}

/// Confirms files: each page of chunk lists once, however often it stands in them, since a few
/// pages can say more chunks than anybody can count.
struct Copier<'s, 'a> {
    session: &'s Session<'a>,
    reader: BlockReader,
    packer: Packer<'s, 'a>,
    trees: HashMap<ChunkTree, Sums>,
}

/// What a page of a chunk list says of all below it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sums {
    first: ChunkId,
    chunks: u64,
    bytes: u64,
}

impl Copier<'_, '_> {
    fn entry(&mut self, entry: &Entry, pages: &mut PageWriter<'_, '_>) -> Result<()> {
        let Some(body) = entry.file() else { return Ok(()) };
        if let ChunkList::Tree(tree) = body.chunks {
            let sums = self.tree(tree, pages)?;
            if sums.bytes != body.size_bytes {
                return Err(damaged("entry", &entry.path.to_string(), "its chunks are not as long as the file"));
            }
            return Ok(());
        }
        let store = self.session.store();
        store.chunk_runs(&entry.path, body, &mut |run| self.chunk(&run))
    }

    fn tree(&mut self, tree: ChunkTree, pages: &mut PageWriter<'_, '_>) -> Result<Sums> {
        if let Some(sums) = self.trees.get(&tree) {
            return Ok(*sums);
        }
        let store = self.session.store();
        let wrong = |why| damaged("page", &tree.page.short(16), why);
        let kind = if tree.level == 0 { PageType::Chunks } else { PageType::ChunkIndex };
        let page = store.read_page(tree.page, kind)?;
        if !self.session.has(PackClass::Meta, tree.page.as_bytes())? {
            pages.put(&page)?;
        }
        let mut all: Option<Sums> = None;
        let mut add = |part: Sums| {
            let before = all.unwrap_or(Sums { chunks: 0, bytes: 0, ..part });
            let chunks = before.chunks.checked_add(part.chunks).ok_or_else(|| wrong("it has more chunks than can be"))?;
            let bytes = before.bytes.checked_add(part.bytes).ok_or_else(|| wrong("it has more bytes than can be"))?;
            all = Some(Sums { first: before.first, chunks, bytes });
            Ok::<(), Error>(())
        };
        match page {
            Page::Chunks(runs) => {
                for run in runs {
                    self.chunk(&run)?;
                    let bytes = u64::from(run.len).checked_mul(run.count).ok_or_else(|| wrong("it has more bytes than can be"))?;
                    add(Sums { first: run.chunk, chunks: run.count, bytes })?;
                }
            }
            Page::ChunkIndex(Index { level, rows }) if level == tree.level => {
                for row in rows {
                    let sums = self.tree(ChunkTree { level: level - 1, page: row.page }, pages)?;
                    if sums != (Sums { first: row.first, chunks: row.chunks, bytes: row.bytes }) {
                        return Err(wrong("a page of it is not what it says"));
                    }
                    add(sums)?;
                }
            }
            _ => return Err(wrong("its level is not what its parent says")),
        }
        let sums = all.ok_or_else(|| wrong("it lists nothing"))?;
        self.trees.insert(tree, sums);
        Ok(sums)
    }

    fn chunk(&mut self, run: &ChunkRun) -> Result<()> {
        let hash = run.chunk.as_bytes();
        if self.packer.has(hash) || self.session.has(PackClass::Data, hash)? {
            return Ok(());
        }
        let bytes = self.reader.chunk(self.session.store(), run)?;
        // Another writer may have published it since the packs were listed.
        if !self.session.has(PackClass::Data, hash)? {
            self.packer.put(hash, bytes)?;
            self.packer.publish_full()?;
        }
        Ok(())
    }
}
