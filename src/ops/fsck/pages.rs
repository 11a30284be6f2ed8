//! Visits the pages below some roots, each once, a level at a time, on every thread.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::format::manifest::{ChunkList, EntryRows, Page, PageType};
use crate::id::PageId;
use crate::store::census::Census;

use super::blocks::Blocks;
use super::lacks::{Lack, LackKind};
use super::marks::Bad;

/// A page as its parent names it.
pub(crate) type PageKey = (PageType, PageId);

/// Most pages that one thread takes at once: enough for look-ups in order to be near each other.
const JOB_PAGES_MAX: usize = 64;

/// Reads a page.
pub(crate) type Read<'r> = dyn FnMut(PageKey) -> Result<Page, Box<Lack>> + 'r;

/// Takes pages, reads them one by one and names those to go on with.
pub(crate) type Visitor<'v> = dyn Fn(&[PageKey], &mut Read<'_>) -> Vec<PageKey> + Sync + 'v;

/// Where pages are read from.
#[derive(Clone, Copy)]
pub(crate) struct Pages<'c> {
    /// The tables of the meta packs.
    pub(crate) census: &'c Census,
    /// What of them does not count.
    pub(crate) bad: &'c Bad,
    /// Pages that are at hand besides.
    pub(crate) extra: &'c HashMap<PageId, Vec<u8>>,
}

impl<'c> Pages<'c> {
    /// Reads a page from any pack that has it whole.
    fn read(&self, (kind, id): PageKey, blocks: &mut Blocks<'c>) -> Result<Page, Box<Lack>> {
        let what = LackKind::of(kind);
        let mut lack = Lack::missing_page(what, id);
        let check = |bytes: &[u8]| match kind.id_of(bytes) == id {
            true => Page::decode(kind, bytes).map_err(|why| why.to_string()),
            false => Err("its bytes do not match its name".to_owned()),
        };
        for place in self.census.find(id.as_bytes()).filter(|place| !self.bad.has(*place)) {
            let read = blocks.at(place).map_err(|error| error.to_string()).and_then(&check);
            match read {
                Ok(page) => return Ok(page),
                Err(why) => {
                    let pack = self.census.packs()[place.pack as usize].id;
                    lack = Lack { pack: Some(pack), ..Lack::wrong_page(what, id, why) };
                }
            }
        }
        match self.extra.get(&id).map(|bytes| check(bytes)) {
            Some(Ok(page)) => Ok(page),
            _ => Err(Box::new(lack)),
        }
    }

    /// Calls `each` with all pages below `roots`, some at a time, on several threads and in no
    /// order, and goes on with the pages that it returns.
    pub(crate) fn visit(&self, roots: impl IntoIterator<Item = PageKey>, threads: usize, each: &Visitor<'_>) {
        let mut seen = HashSet::new();
        let mut open: Vec<PageKey> = roots.into_iter().filter(|key| seen.insert(*key)).collect();
        while !open.is_empty() {
            // As they lie in the packs, so that a block is decoded once.
            open.sort_by_cached_key(|(_, id)| {
                let place = self.census.find(id.as_bytes()).next()?;
                self.census.row(place).map(|(row, _)| (place.pack, row.block, row.offset))
            });
            let below = self.visit_level(&open, threads, each);
            open = below.into_iter().filter(|key| seen.insert(*key)).collect();
        }
    }

    fn visit_level(&self, level: &[PageKey], threads: usize, each: &Visitor<'_>) -> Vec<PageKey> {
        let job_len = (level.len() / (4 * threads.max(1))).clamp(1, JOB_PAGES_MAX);
        let jobs: Vec<&[PageKey]> = level.chunks(job_len).collect();
        let (next, below) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || {
            let (mut blocks, mut found) = (Blocks::new(self.census), Vec::new());
            while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                found.extend(each(job, &mut |key| self.read(key, &mut blocks)));
            }
            below.lock().unwrap_or_else(PoisonError::into_inner).append(&mut found);
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.min(jobs.len()) {
                scope.spawn(work);
            }
            work();
        });
        below.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names the pages that a page lists.
pub(super) fn children(page: &Page) -> Vec<PageKey> {
    let entries = |level: u32| if level == 1 { PageType::Entries } else { PageType::EntryIndex };
    let chunks = |level: u32| if level == 0 { PageType::Chunks } else { PageType::ChunkIndex };
    let trees = |list: &[crate::format::manifest::Entry]| {
        let bodies = list.iter().filter_map(|entry| entry.file());
        let trees = bodies.filter_map(|body| if let ChunkList::Tree(tree) = &body.chunks { Some(tree) } else { None });
        trees.map(|tree| (chunks(tree.level), tree.page)).collect()
    };
    match page {
        Page::Manifest(manifest) => match &manifest.rows {
            EntryRows::Entries(list) => trees(list),
            EntryRows::Index(index) => index.rows.iter().map(|row| (entries(index.level), row.page)).collect(),
        },
        Page::Entries(list) => trees(list),
        Page::EntryIndex(index) => index.rows.iter().map(|row| (entries(index.level), row.page)).collect(),
        Page::ChunkIndex(index) => index.rows.iter().map(|row| (chunks(index.level - 1), row.page)).collect(),
        Page::Chunks(_) | Page::Metadata(_) => Vec::new(),
    }
}

impl LackKind {
    pub(super) fn of(kind: PageType) -> LackKind {
        match kind {
            PageType::Manifest => LackKind::Manifest,
            PageType::Entries | PageType::EntryIndex => LackKind::Entries,
            PageType::Chunks | PageType::ChunkIndex => LackKind::ChunkList,
            PageType::Metadata => LackKind::Metadata,
        }
    }
}
