//! Reads every page that a set of manifests reaches, each once, on every thread: for those who
//! ask what versions name, such as `gc`, `undelete` and `du`.
//!
//! What a page can only break together with others is not looked at here; `walk` does that.

use std::collections::{HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::chunk::compress::Decoder;
use crate::error::{Error, Result, damaged};
use crate::format::manifest::{ChunkList, ChunkRun, ChunkTree, EntryKind, EntryRows, Page, PageType};
use crate::format::pack::{ChunkRow, PackClass};
use crate::id::PageId;
use crate::index::{Index, Location};

use super::Store;
use super::object::wrong_bytes;
use super::roots::BranchPages;

/// Pages that one thread takes at a time: neighbours mostly lie in one block.
const PAGES_AT_ONCE: usize = 32;

/// Decoded blocks that a thread keeps.
const BLOCKS_KEPT: usize = 4;

/// Parts of the set of pages, each with a lock of its own.
const SHARDS: usize = 16;

/// The pages that were reached so far.
pub struct Reach<'s> {
    store: &'s Store,
    branches: Option<&'s BranchPages>,
    threads: usize,
    seen: Vec<Mutex<HashSet<PageId>>>,
}

/// A page to begin at: a manifest, or a page of metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The page.
    pub page: PageId,
    /// Its kind.
    pub kind: PageType,
}

/// A page that was read, and what it names.
#[derive(Debug)]
pub struct Reached<'p> {
    /// Through which of the starts it was reached first.
    pub start: usize,
    /// The page.
    pub page: PageId,
    /// The pages that it names, whether they were reached before or not.
    pub pages: &'p [PageId],
    /// The chunks that it names.
    pub chunks: &'p [ChunkRun],
}

/// A page that is not here or that is damaged.
#[derive(Debug)]
pub struct Unread {
    /// Through which of the starts it was reached first.
    pub start: usize,
    /// The page.
    pub page: PageId,
    /// What is wrong.
    pub error: Error,
}

impl Start {
    /// Begins at a manifest.
    pub fn manifest(page: PageId) -> Start {
        Start { page, kind: PageType::Manifest }
    }

    /// Begins at a page of metadata, which names nothing.
    pub fn metadata(page: PageId) -> Start {
        Start { page, kind: PageType::Metadata }
    }

    /// Begins at all that a version names: its manifest, and pages of metadata.
    pub fn of_version(manifest: PageId, metadata: impl IntoIterator<Item = PageId>) -> impl Iterator<Item = Start> {
        std::iter::once(Start::manifest(manifest)).chain(metadata.into_iter().map(Start::metadata))
    }
}

impl<'s> Reach<'s> {
    /// Begins with no page reached.
    pub fn new(store: &'s Store, threads: usize) -> Reach<'s> {
        Reach { store, branches: None, threads: threads.max(1), seen: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// Looks for pages in other branches, too, where the store has not got them.
    pub fn with_branches(self, branches: &'s BranchPages) -> Reach<'s> {
        Reach { branches: Some(branches), ..self }
    }

    /// Reads every page that can be reached from the starts and was not reached before, and gives
    /// each to `take`, from several threads in no order. Returns the pages that cannot be read.
    pub fn visit(&self, starts: &[Start], take: &(dyn Fn(&Reached<'_>) + Sync)) -> Result<Vec<Unread>> {
        let meta = self.store.index(PackClass::Meta)?;
        let first: Vec<Wanted> = starts
            .iter()
            .enumerate()
            .map(|(at, start)| Wanted { start: at as u32, page: start.page, kind: start.kind, level: 0 })
            .collect();
        let queue = Queue::default();
        queue.add(self.unseen(first));
        let unread = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| {
                    let mut pages = PageReader::new(self.store, meta, self.branches);
                    while let Some(batch) = queue.next() {
                        for wanted in &batch.0 {
                            match pages.read(wanted) {
                                Ok(page) => queue.add(self.unseen(tell(wanted, page, take))),
                                Err(error) => {
                                    let lack = Unread { start: wanted.start as usize, page: wanted.page, error };
                                    lock(&unread).push(lack);
                                }
                            }
                        }
                    }
                });
            }
        });
        let mut unread = unread.into_inner().unwrap_or_else(PoisonError::into_inner);
        unread.sort_by_key(|lack| (lack.start, lack.page));
        Ok(unread)
    }

    /// Whether a page was reached.
    pub fn has(&self, page: PageId) -> bool {
        lock(self.shard(page)).contains(&page)
    }

    fn unseen(&self, mut wanted: Vec<Wanted>) -> Vec<Wanted> {
        wanted.retain(|wanted| lock(self.shard(wanted.page)).insert(wanted.page));
        wanted
    }

    fn shard(&self, page: PageId) -> &Mutex<HashSet<PageId>> {
        &self.seen[page.as_bytes()[0] as usize % SHARDS]
    }
}

/// A page to be read.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    start: u32,
    page: PageId,
    kind: PageType,
    /// The level that an index page must have.
    level: u32,
}

/// Gives what a page names to `take` and returns the pages among it.
fn tell(wanted: &Wanted, page: Page, take: &(dyn Fn(&Reached<'_>) + Sync)) -> Vec<Wanted> {
    let (mut below, mut chunks) = (Vec::new(), Vec::new());
    let want = |page, kind, level| Wanted { start: wanted.start, page, kind, level };
    let entries_below = |level: u32| if level == 1 { (PageType::Entries, 0) } else { (PageType::EntryIndex, level - 1) };
    let mut entry = |kind: EntryKind, below: &mut Vec<Wanted>| {
        let EntryKind::File(body) = kind else { return };
        match body.chunks {
            ChunkList::Whole if body.size_bytes == 0 => {}
            ChunkList::Whole => chunks.push(ChunkRun { chunk: body.digest.as_chunk(), len: body.size_bytes as u32, count: 1 }),
            ChunkList::Runs(runs) => chunks.extend(runs),
            ChunkList::Tree(ChunkTree { level: 0, page }) => below.push(want(page, PageType::Chunks, 0)),
            ChunkList::Tree(ChunkTree { level, page }) => below.push(want(page, PageType::ChunkIndex, level)),
        }
    };
    match page {
        Page::Manifest(manifest) => match manifest.rows {
            EntryRows::Entries(entries) => entries.into_iter().for_each(|row| entry(row.kind, &mut below)),
            EntryRows::Index(index) => {
                let (kind, level) = entries_below(index.level);
                below.extend(index.rows.iter().map(|row| want(row.page, kind, level)));
            }
        },
        Page::Entries(entries) => entries.into_iter().for_each(|row| entry(row.kind, &mut below)),
        Page::EntryIndex(index) => {
            let (kind, level) = entries_below(index.level);
            below.extend(index.rows.iter().map(|row| want(row.page, kind, level)));
        }
        Page::Chunks(runs) => chunks = runs,
        Page::ChunkIndex(index) => {
            let (kind, level) = if index.level == 1 { (PageType::Chunks, 0) } else { (PageType::ChunkIndex, index.level - 1) };
            below.extend(index.rows.iter().map(|row| want(row.page, kind, level)));
        }
        Page::Metadata(_) => {}
    }
    let pages: Vec<PageId> = below.iter().map(|wanted| wanted.page).collect();
    take(&Reached { start: wanted.start as usize, page: wanted.page, pages: &pages, chunks: &chunks });
    below
}

/// Pages to be read, the last ones first, so that few wait; shared by the threads.
#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    batches: Vec<Vec<Wanted>>,
    /// Threads that read a batch and may add more.
    busy: usize,
}

/// Pages that a thread has taken; the queue is not empty before they are done.
struct Batch<'q>(Vec<Wanted>, &'q Queue);

impl Queue {
    fn add(&self, wanted: Vec<Wanted>) {
        if wanted.is_empty() {
            return;
        }
        // The first of them are taken first.
        lock(&self.state).batches.extend(wanted.chunks(PAGES_AT_ONCE).rev().map(<[Wanted]>::to_vec));
        self.changed.notify_all();
    }

    /// Takes pages; none if nobody has any left or may find more.
    fn next(&self) -> Option<Batch<'_>> {
        let mut state = lock(&self.state);
        loop {
            if let Some(batch) = state.batches.pop() {
                state.busy += 1;
                return Some(Batch(batch, self));
            }
            if state.busy == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        lock(&self.1.state).busy -= 1;
        self.1.changed.notify_all();
    }
}

/// Reads pages, with the blocks of one thread.
struct PageReader<'s> {
    store: &'s Store,
    /// The store's packs, then those of other branches.
    indexes: Vec<&'s Index>,
    branches: Option<&'s BranchPages>,
    decoder: Decoder,
    /// Blocks, the one last used at the end.
    blocks: VecDeque<(BlockKey, Vec<u8>)>,
}

/// Which index, which pack, which block.
type BlockKey = (usize, u32, u32);

impl<'s> PageReader<'s> {
    fn new(store: &'s Store, meta: &'s Index, branches: Option<&'s BranchPages>) -> PageReader<'s> {
        let indexes = std::iter::once(meta).chain(branches.into_iter().flat_map(BranchPages::indexes)).collect();
        PageReader { store, indexes, branches, decoder: Decoder::new(), blocks: VecDeque::with_capacity(BLOCKS_KEPT) }
    }

    /// Reads a page from the first pack that has it whole.
    fn read(&mut self, wanted: &Wanted) -> Result<Page> {
        let id = wanted.page;
        let mut failed = None;
        let page = match self.read_on_disk(wanted, &mut failed).or_else(|| self.read_held(wanted, &mut failed)) {
            Some(page) => page,
            // It may have been published since the packs were listed, or it says what is missing.
            None => failed.map_or_else(|| self.store.read_page(id, wanted.kind), Err)?,
        };
        let level = match &page {
            Page::EntryIndex(index) => index.level,
            Page::ChunkIndex(index) => index.level,
            _ => 0,
        };
        if level == wanted.level { Ok(page) } else { Err(damaged("page", &id.short(16), "its level is not what its parent says")) }
    }

    fn read_on_disk(&mut self, wanted: &Wanted, failed: &mut Option<Error>) -> Option<Page> {
        let mut found = None;
        for at in 0..self.indexes.len() {
            let index = self.indexes[at];
            index.find(wanted.page.as_bytes(), |location| {
                match self.read_at(at, location, wanted) {
                    Ok(page) => found = Some(page),
                    Err(error) => *failed = Some(error),
                }
                found.is_some()
            });
            if found.is_some() {
                break;
            }
        }
        found
    }

    fn read_at(&mut self, index: usize, location: &Location, wanted: &Wanted) -> Result<Page> {
        let Location { pack, pack_number, row, block } = location;
        let load = |decoder: &mut Decoder, raw: &mut Vec<u8>| pack.file()?.read_block(block, decoder, raw);
        let bytes = self.bytes((index, *pack_number, row.block), row, load)?;
        let bytes = bytes.ok_or_else(|| damaged("pack", &pack.id.short(16), "a block is too short"))?;
        if wanted.kind.id_of(bytes) != wanted.page {
            return Err(wrong_bytes("page", &wanted.page.to_string(), location));
        }
        decode(wanted, bytes)
    }

    fn read_held(&mut self, wanted: &Wanted, failed: &mut Option<Error>) -> Option<Page> {
        let (number, pack, row, block) = self.branches?.find_held(wanted.page.as_bytes())?;
        let key = (self.indexes.len(), number, row.block);
        let bytes = self.bytes(key, &row, |decoder, raw| pack.read_block(&block, decoder, raw));
        let wrong = |why: &str| damaged("page", &wanted.page.short(16), why);
        let page = bytes.and_then(|bytes| {
            let bytes = bytes.filter(|bytes| wanted.kind.id_of(bytes) == wanted.page);
            decode(wanted, bytes.ok_or_else(|| wrong("what git has is not what its table says"))?)
        });
        page.map_err(|error| *failed = Some(error)).ok()
    }

    /// Returns the bytes of a row in a block, which is loaded unless it is kept.
    fn bytes(
        &mut self,
        key: BlockKey,
        row: &ChunkRow,
        load: impl FnOnce(&mut Decoder, &mut Vec<u8>) -> Result<()>,
    ) -> Result<Option<&[u8]>> {
        let raw = match self.blocks.iter().position(|(kept, _)| *kept == key) {
            Some(at) => self.blocks.remove(at).map(|(_, raw)| raw).unwrap_or_default(),
            None => {
                let mut raw = if self.blocks.len() == BLOCKS_KEPT {
                    self.blocks.pop_front().map(|(_, raw)| raw).unwrap_or_default()
                } else {
                    Vec::new()
                };
                load(&mut self.decoder, &mut raw)?;
                raw
            }
        };
        self.blocks.push_back((key, raw));
        let range = row.offset as usize..row.offset as usize + row.len as usize;
        Ok(self.blocks.back().and_then(|(_, raw)| raw.get(range)))
    }
}

fn decode(wanted: &Wanted, bytes: &[u8]) -> Result<Page> {
    Page::decode(wanted.kind, bytes).map_err(|why| damaged("page", &wanted.page.short(16), why))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
