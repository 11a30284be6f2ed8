//! Whether everything that a version names is here. What was found of a page is kept, so that
//! versions which share pages cost little more than one.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::error::Result;
use crate::format::manifest::{ChunkList, ChunkRun, ChunkTree, Entry, EntryChild, EntryRows, FileBody, Page, PageType};
use crate::format::pack::PackClass;
use crate::format::path::EntryPath;
use crate::id::{ChunkId, PackId, PageId};
use crate::index::Index;
use crate::ops::blocks::BlockReader;
use crate::quote::quote;
use crate::refs::history::Version;
use crate::store::Store;

/// What is known of what lies below something.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    /// Chunks and pages that are not here.
    pub(super) missing: u64,
    /// Chunks and pages that are here and wrong.
    pub(super) damaged: u64,
    /// The first of each, told.
    first_missing: Option<Rc<str>>,
    first_damaged: Option<Rc<str>>,
    /// Entries or chunks, and bytes.
    count: u64,
    bytes: u64,
    /// The first and the last entry.
    ends: Option<(EntryPath, EntryPath)>,
}

/// Checks versions one after another.
pub(super) struct Connectivity<'s> {
    data: &'s Index,
    meta: &'s Index,
    bad_packs: HashSet<PackId>,
    entry_pages: HashMap<PageId, Rc<Verdict>>,
    chunk_pages: HashMap<PageId, Rc<Verdict>>,
    doubtful: HashMap<ChunkId, bool>,
    reader: BlockReader,
}

/// Why there is no page.
enum Lack {
    Missing,
    Damaged(String),
}

impl<'s> Connectivity<'s> {
    pub(super) fn new(store: &'s Store, bad_packs: HashSet<PackId>) -> Result<Connectivity<'s>> {
        let (data, meta) = (store.index(PackClass::Data)?, store.index(PackClass::Meta)?);
        let (entry_pages, chunk_pages, doubtful) = Default::default();
        Ok(Connectivity { data, meta, bad_packs, entry_pages, chunk_pages, doubtful, reader: BlockReader::new() })
    }

    /// Checks a version: its tree, its chunks, its metadata.
    pub(super) fn version(&mut self, version: &Version) -> Verdict {
        let id = version.record.manifest;
        let manifest = match self.entry_pages.get(&id) {
            Some(known) => Rc::clone(known),
            None => {
                let verdict = Rc::new(self.manifest(id));
                self.entry_pages.insert(id, Rc::clone(&verdict));
                verdict
            }
        };
        let mut verdict = (*manifest).clone();
        for &page in version.metadata.iter().flat_map(|layer| &layer.pages) {
            if let Err(lack) = self.page(page, PageType::Metadata) {
                verdict.lacks(lack, &format!("metadata page {}", quoted(page)));
            }
        }
        verdict
    }

    fn manifest(&mut self, id: PageId) -> Verdict {
        let mut verdict = Verdict::default();
        let manifest = match self.page(id, PageType::Manifest) {
            Ok(Page::Manifest(manifest)) => manifest,
            Ok(_) => return verdict,
            Err(lack) => return verdict.with(lack, &format!("manifest {}", quoted(id))),
        };
        match manifest.rows {
            EntryRows::Entries(entries) => self.entries(&entries, &mut verdict),
            EntryRows::Index(index) => self.children(&index.rows, index.level, &mut verdict),
        }
        // Where a page is lacking the counts cannot be told.
        if verdict.is_whole() && (verdict.count, verdict.bytes) != (manifest.entry_count, manifest.size_bytes) {
            verdict.wrong(format!("manifest {}: it has not as many entries or bytes as it says", quoted(id)));
        }
        verdict
    }

    fn children(&mut self, rows: &[EntryChild], level: u32, verdict: &mut Verdict) {
        for row in rows {
            let below = match self.entry_pages.get(&row.page) {
                Some(known) => Rc::clone(known),
                None => {
                    let below = Rc::new(self.entry_page(row, level - 1));
                    self.entry_pages.insert(row.page, Rc::clone(&below));
                    below
                }
            };
            let begins = below.ends.as_ref().is_none_or(|(first, _)| *first == row.first);
            let follows = verdict.ends.as_ref().is_none_or(|(_, last)| *last < row.first);
            if !begins || !follows || (below.is_whole() && below.count != row.entries) {
                verdict.wrong(format!("page {}: its entries are not what its parent says", quoted(row.page)));
            }
            verdict.add(&below);
        }
    }

    fn entry_page(&mut self, row: &EntryChild, level: u32) -> Verdict {
        let mut verdict = Verdict::default();
        let kind = if level == 0 { PageType::Entries } else { PageType::EntryIndex };
        match self.page(row.page, kind) {
            Ok(Page::Entries(entries)) => self.entries(&entries, &mut verdict),
            Ok(Page::EntryIndex(index)) if index.level == level => self.children(&index.rows, level, &mut verdict),
            Ok(_) => verdict.wrong(format!("page {}: its level is not what its parent says", quoted(row.page))),
            Err(lack) => verdict.lacks(lack, &format!("page {} of entries from {} on", quoted(row.page), row.first)),
        }
        verdict
    }

    fn entries(&mut self, entries: &[Entry], verdict: &mut Verdict) {
        for entry in entries {
            if let Some(body) = entry.file() {
                self.file(entry, body, verdict);
                verdict.bytes = verdict.bytes.saturating_add(body.size_bytes);
            }
            verdict.count += 1;
        }
        if let [first, .., last] | [first @ last] = entries {
            verdict.ends = Some((first.path.clone(), last.path.clone()));
        }
    }

    fn file(&mut self, entry: &Entry, body: &FileBody, verdict: &mut Verdict) {
        let mut chunks = Verdict::default();
        match &body.chunks {
            ChunkList::Whole if body.size_bytes == 0 => return,
            ChunkList::Whole => self.chunk(&ChunkRun { chunk: body.digest.as_chunk(), len: body.size_bytes as u32, count: 1 }, &mut chunks),
            ChunkList::Runs(runs) => runs.iter().for_each(|run| self.chunk(run, &mut chunks)),
            ChunkList::Tree(tree) => chunks = (*self.chunk_page(*tree)).clone(),
        }
        if chunks.is_whole() && chunks.bytes != body.size_bytes {
            chunks.wrong("its chunks are not as long as the file".to_owned());
        }
        verdict.missing += chunks.missing;
        verdict.damaged += chunks.damaged;
        let name = |what: &Rc<str>| Rc::from(format!("{what}, of file '{}'", entry.path));
        if verdict.first_missing.is_none() {
            verdict.first_missing = chunks.first_missing.as_ref().map(name);
        }
        if verdict.first_damaged.is_none() {
            verdict.first_damaged = chunks.first_damaged.as_ref().map(name);
        }
    }

    fn chunk_page(&mut self, tree: ChunkTree) -> Rc<Verdict> {
        if let Some(known) = self.chunk_pages.get(&tree.page) {
            return Rc::clone(known);
        }
        let mut verdict = Verdict::default();
        let kind = if tree.level == 0 { PageType::Chunks } else { PageType::ChunkIndex };
        match self.page(tree.page, kind) {
            Ok(Page::Chunks(runs)) => runs.iter().for_each(|run| self.chunk(run, &mut verdict)),
            Ok(Page::ChunkIndex(index)) if index.level == tree.level => {
                for row in &index.rows {
                    let below = self.chunk_page(ChunkTree { level: tree.level - 1, page: row.page });
                    if below.is_whole() && (below.count, below.bytes) != (row.chunks, row.bytes) {
                        verdict.wrong(format!("page {}: its chunks are not what its parent says", quoted(row.page)));
                    }
                    verdict.add(&below);
                }
            }
            Ok(_) => verdict.wrong(format!("page {}: its level is not what its parent says", quoted(tree.page))),
            Err(lack) => verdict.lacks(lack, &format!("page {} of a chunk list", quoted(tree.page))),
        }
        let verdict = Rc::new(verdict);
        self.chunk_pages.insert(tree.page, Rc::clone(&verdict));
        verdict
    }

    fn chunk(&mut self, run: &ChunkRun, verdict: &mut Verdict) {
        verdict.count = verdict.count.saturating_add(run.count);
        verdict.bytes = verdict.bytes.saturating_add(u64::from(run.len).saturating_mul(run.count));
        let hash = run.chunk.as_bytes();
        let Some(first) = self.data.find_any(hash) else {
            return verdict.lacks(Lack::Missing, &format!("chunk '{}'", run.chunk.short(16)));
        };
        let good = |location: &crate::index::Location| location.row.len == run.len && !self.bad_packs.contains(&location.pack.id);
        if good(&first) || self.data.find(hash, good).is_some() {
            return;
        }
        // It lies in damaged packs alone; perhaps the damage is elsewhere in them.
        if !self.doubtful.contains_key(&run.chunk) {
            let reader = &mut self.reader;
            let found = self.data.find(hash, |location| {
                location.row.len == run.len && reader.bytes_at(location).is_ok_and(|bytes| ChunkId::of(bytes) == run.chunk)
            });
            self.doubtful.insert(run.chunk, found.is_some());
        }
        if self.doubtful.get(&run.chunk) != Some(&true) {
            verdict.wrong(format!("chunk '{}' is damaged", run.chunk.short(16)));
        }
    }

    /// Reads a page from any pack that has it whole.
    fn page(&mut self, id: PageId, kind: PageType) -> Result<Page, Lack> {
        let (mut page, mut lack) = (None, Lack::Missing);
        let reader = &mut self.reader;
        self.meta.find(id.as_bytes(), |location| {
            let read = reader.bytes_at(location).map_err(|error| error.to_string());
            let checked = read.and_then(|bytes| match kind.id_of(bytes) == id {
                true => Page::decode(kind, bytes).map_err(|why| why.to_string()),
                false => Err("its bytes do not match its name".to_owned()),
            });
            match checked {
                Ok(good) => page = Some(good),
                Err(why) => lack = Lack::Damaged(why),
            }
            page.is_some()
        });
        page.ok_or(lack)
    }
}

impl Verdict {
    /// Tells what is missing or wrong.
    pub(super) fn told(&self) -> String {
        let part = |count: u64, what: &str, first: &Option<Rc<str>>| {
            (count > 0).then(|| format!("{count} {what}, first: {}", first.as_deref().unwrap_or("unknown")))
        };
        let parts = [part(self.damaged, "damaged", &self.first_damaged), part(self.missing, "missing", &self.first_missing)];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    fn is_whole(&self) -> bool {
        (self.missing, self.damaged) == (0, 0)
    }

    fn wrong(&mut self, why: String) {
        self.damaged += 1;
        self.first_damaged.get_or_insert_with(|| why.into());
    }

    fn lacks(&mut self, lack: Lack, what: &str) {
        match lack {
            Lack::Damaged(why) => self.wrong(format!("{what}: {why}")),
            Lack::Missing => {
                self.missing += 1;
                self.first_missing.get_or_insert_with(|| format!("{what} is not here").into());
            }
        }
    }

    fn with(mut self, lack: Lack, what: &str) -> Verdict {
        self.lacks(lack, what);
        self
    }

    /// Adds what lies below a child, the next in order.
    fn add(&mut self, below: &Verdict) {
        self.missing = self.missing.saturating_add(below.missing);
        self.damaged = self.damaged.saturating_add(below.damaged);
        self.count = self.count.saturating_add(below.count);
        self.bytes = self.bytes.saturating_add(below.bytes);
        for (first, of_below) in [(&mut self.first_missing, &below.first_missing), (&mut self.first_damaged, &below.first_damaged)] {
            if first.is_none() {
                first.clone_from(of_below);
            }
        }
        if let Some((first, last)) = &below.ends {
            let first = self.ends.take().map_or_else(|| first.clone(), |(first, _)| first);
            self.ends = Some((first, last.clone()));
        }
    }
}

fn quoted(id: PageId) -> String {
    quote(id.short(16).as_bytes())
}
