//! Gathers the chunks that are new into blocks, and entries into the manifest: the second stage,
//! on one thread, in the order of the walk, so that equal input makes equal packs.

use crossbeam_channel::Receiver;

use super::feed::Unsorted;
use super::pack::{BlockSink, Pending};
use super::read::{Mark, Piece, Pool};
use super::stat_cache::{Row, Stat, Writer};
use super::walk::below;
use crate::chunk::compress::BLOCK_RAW_LEN_TARGET;
use crate::chunk::cut::CHUNK_LEN_MAX;
use crate::error::{Error, Result};
use crate::format::limits::CHUNK_ROWS_INLINE_MAX;
use crate::format::manifest::{ChunkList, ChunkRun, ChunkTree, Entry, EntryKind, FileBody, Manifest, Page};
use crate::format::pack::{BLOCK_CHUNKS_MAX, PackClass};
use crate::format::path::{Bytes, EntryPath};
use crate::id::ChunkId;
use crate::pack::writer::BlockChunk;
use crate::quote::quote;
use crate::store::draft::{DraftBuilder, Subtree};
use crate::store::page_writer::PageWriter;
use crate::store::session::Session;
use crate::store::tree::{self, PageSink, Root, TreeBuilder};

pub(super) struct Gatherer<'g, 'p, 'a> {
    pub(super) session: &'g Session<'a>,
    pub(super) pages: &'g mut PageWriter<'p, 'a>,
    pub(super) pending: &'g Pending,
    pub(super) pool: Pool,
    pub(super) blocks: BlockSink<'g, 'a>,
    /// For each source its next stat cache; none for sources that have no cache.
    pub(super) caches: Vec<Option<Writer>>,
    pub(super) at: Option<EntryPath>,
    state: State,
}

/// What is being put together.
#[derive(Default)]
struct State {
    raw: Vec<u8>,
    chunks: Vec<BlockChunk>,
    runs: Vec<ChunkRun>,
    tree: Option<TreeBuilder<tree::ChunkTree>>,
    entries: DraftBuilder,
    last: Option<Entry>,
    /// What an archive gave so far, if one is read.
    unsorted: Option<Unsorted>,
    entry_count: u64,
    file_count: u64,
    size_bytes: u64,
}

/// Why gathering ends early.
pub(super) enum GatherError {
    /// The stage behind is gone; it says why itself.
    Stopped,
    Failed(Error),
}

impl From<Error> for GatherError {
    fn from(error: Error) -> GatherError {
        GatherError::Failed(error)
    }
}

impl<'g, 'p, 'a> Gatherer<'g, 'p, 'a> {
    pub(super) fn new(
        session: &'g Session<'a>,
        pages: &'g mut PageWriter<'p, 'a>,
        pending: &'g Pending,
        pool: Pool,
        blocks: BlockSink<'g, 'a>,
        caches: Vec<Option<Writer>>,
        at: Option<EntryPath>,
    ) -> Gatherer<'g, 'p, 'a> {
        Gatherer { session, pages, pending, pool, blocks, caches, at, state: State::default() }
    }

    /// Makes it take entries in any order: the last of each path counts.
    pub(super) fn sort_entries(&mut self) {
        self.state.unsorted = Some(Unsorted::default());
    }

    /// Takes the results of all jobs in order, to the end, and returns the manifest, which counts
    /// no file in a page that was taken over whole; none if another stage has stopped.
    pub(super) fn run(mut self, jobs: &Receiver<Receiver<Piece>>) -> Result<Option<(Manifest, Vec<Option<Writer>>)>> {
        for job in jobs {
            for piece in job {
                match self.piece(piece) {
                    Ok(()) => {}
                    Err(GatherError::Stopped) => return Ok(None),
                    Err(GatherError::Failed(error)) => return Err(error),
                }
            }
        }
        match self.end_block() {
            Ok(()) => {}
            Err(GatherError::Stopped) => return Ok(None),
            Err(GatherError::Failed(error)) => return Err(error),
        }
        let manifest = self.finish()?;
        self.blocks.finish()?;
        Ok(Some((manifest, self.caches)))
    }

    fn piece(&mut self, piece: Piece) -> Result<(), GatherError> {
        let Piece { bytes, chunks, marks } = piece;
        let mut marks = marks.into_iter().peekable();
        let mut offset = 0;
        for (number, &(id, len)) in chunks.iter().enumerate() {
            while let Some((_, mark)) = marks.next_if(|(before, _)| *before <= number) {
                self.mark(mark)?;
            }
            let end = offset + len as usize;
            self.chunk(id, &bytes[offset..end])?;
            offset = end;
        }
        for (_, mark) in marks {
            self.mark(mark)?;
        }
        self.pool.give(bytes);
        Ok(())
    }

    fn chunk(&mut self, id: ChunkId, bytes: &[u8]) -> Result<(), GatherError> {
        self.add_run(id, bytes.len() as u32)?;
        // Pending first: a chunk leaves it only after its pack is in the index.
        if self.pending.contains(id) || self.session.has(PackClass::Data, id.as_bytes())? {
            return Ok(());
        }
        let state = &self.state;
        if !state.raw.is_empty() && (state.raw.len() + bytes.len() > BLOCK_RAW_LEN_TARGET || state.chunks.len() == BLOCK_CHUNKS_MAX) {
            self.end_block()?;
        }
        self.pending.insert(id);
        self.state.raw.extend_from_slice(bytes);
        self.state.chunks.push((*id.as_bytes(), bytes.len() as u32));
        Ok(())
    }

    fn add_run(&mut self, chunk: ChunkId, len: u32) -> Result<()> {
        match self.state.runs.last_mut() {
            Some(last) if last.chunk == chunk => last.count += 1,
            _ => self.state.runs.push(ChunkRun { chunk, len, count: 1 }),
        }
        // Only the newest run may still grow; the others of a long list go into its tree.
        if self.state.runs.len() > CHUNK_ROWS_INLINE_MAX {
            let tree = self.state.tree.get_or_insert_with(TreeBuilder::default);
            let newest = self.state.runs.pop();
            for run in self.state.runs.drain(..) {
                tree.push(run, &mut |page| self.pages.put(page))?;
            }
            self.state.runs.extend(newest);
        }
        Ok(())
    }

    fn mark(&mut self, mark: Mark) -> Result<()> {
        match mark {
            Mark::Restart => {
                self.state.runs.clear();
                self.state.tree = None;
                Ok(())
            }
            Mark::File { path, executable, size_bytes, digest, cache } => {
                let chunks = self.take_chunks(size_bytes)?;
                let body = FileBody { executable, size_bytes, digest, chunks };
                self.cache(&path, cache, &body)?;
                self.entry(Entry { path, kind: EntryKind::File(body) })
            }
            Mark::Known { path, kind, cache } => {
                if let EntryKind::File(body) = &kind {
                    self.cache(&path, cache, body)?;
                }
                self.entry(Entry { path, kind })
            }
            Mark::Page(subtree) => self.page(subtree),
            Mark::Link { path, to } => self.state.unsorted.as_mut().map_or(Ok(()), |unsorted| unsorted.link(path, &to)),
        }
    }

    fn page(&mut self, subtree: Subtree) -> Result<()> {
        if let Some(last) = self.state.last.take() {
            self.push(last)?;
        }
        self.state.entry_count += subtree.child.entries;
        self.state.size_bytes = self.state.size_bytes.saturating_add(subtree.child.bytes);
        let store = self.session.store();
        self.state.entries.push_subtree(subtree, &mut |subtree| store.open_subtree(subtree), &mut |page| self.pages.put(page))
    }

    /// Ends the chunk list of a file.
    fn take_chunks(&mut self, size_bytes: u64) -> Result<ChunkList> {
        let runs = std::mem::take(&mut self.state.runs);
        if size_bytes <= CHUNK_LEN_MAX as u64 {
            return Ok(ChunkList::Whole);
        }
        let Some(mut tree) = self.state.tree.take() else { return Ok(ChunkList::Runs(runs)) };
        let sink: &mut PageSink<'_> = &mut |page| self.pages.put(page);
        for run in runs {
            tree.push(run, sink)?;
        }
        Ok(ChunkList::Tree(match tree.finish(sink)? {
            Root::Rows(rows) => ChunkTree { level: 0, page: sink(&Page::Chunks(rows))? },
            Root::Index(index) => ChunkTree { level: index.level, page: sink(&Page::ChunkIndex(index))? },
        }))
    }

    fn cache(&mut self, path: &EntryPath, cache: Option<(usize, Stat)>, body: &FileBody) -> Result<()> {
        let Some((source, stat)) = cache else { return Ok(()) };
        let Some(writer) = self.caches.get_mut(source).and_then(Option::as_mut) else { return Ok(()) };
        let path = Bytes(below(path, self.at.as_ref()).to_vec());
        writer.add(&Row { path, stat, body: body.clone() })
    }

    /// Takes an entry; one that comes twice must be the same both times.
    fn entry(&mut self, entry: Entry) -> Result<()> {
        if let Some(unsorted) = &mut self.state.unsorted {
            unsorted.add(entry);
            return Ok(());
        }
        if let Some(last) = self.state.last.take() {
            if last.path != entry.path {
                self.push(last)?;
            } else if last.kind != entry.kind {
                return Err(Error::usage(format!("cannot store {} twice with different content", quote(entry.path.as_bytes())))
                    .hint("store one of the two, then the other with `--onto` that version and `--at PREFIX`"));
            }
        }
        self.state.last = Some(entry);
        Ok(())
    }

    fn push(&mut self, entry: Entry) -> Result<()> {
        self.state.entry_count += 1;
        if let EntryKind::File(body) = &entry.kind {
            self.state.file_count += 1;
            self.state.size_bytes = self.state.size_bytes.saturating_add(body.size_bytes);
        }
        let store = self.session.store();
        self.state.entries.push(entry, &mut |subtree| store.open_subtree(subtree), &mut |page| self.pages.put(page))
    }

    fn finish(&mut self) -> Result<Manifest> {
        for entry in self.state.unsorted.take().map(Unsorted::sorted).transpose()?.unwrap_or_default() {
            self.entry(entry)?;
        }
        if let Some(last) = self.state.last.take() {
            self.push(last)?;
        }
        let store = self.session.store();
        let entries = std::mem::take(&mut self.state.entries);
        let rows = entries.finish(&mut |subtree| store.open_subtree(subtree), &mut |page| self.pages.put(page))?;
        let State { entry_count, file_count, size_bytes, .. } = self.state;
        Ok(Manifest { entry_count, file_count, size_bytes, rows })
    }

    fn end_block(&mut self) -> Result<(), GatherError> {
        if self.state.chunks.is_empty() {
            return Ok(());
        }
        let raw = std::mem::replace(&mut self.state.raw, self.pool.take());
        let chunks = std::mem::take(&mut self.state.chunks);
        self.blocks.add(raw, chunks, &self.pool)
    }
}
