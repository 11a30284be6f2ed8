//! Looks up the chunks of many pages together: in the order of their names they lie near each
//! other in the tables, and most are there, so that only the others are kept.

use std::collections::HashMap;

use crate::format::manifest::{ChunkList, ChunkRun, Entry, EntryRows, FileBody, Page};
use crate::id::ChunkId;
use crate::index::run::prefix;

use super::marks::{Chunks, Found};

/// The chunks of some pages that cannot be had, with the lengths that are stated of them.
#[derive(Default)]
pub(super) struct Doubts(HashMap<(ChunkId, u32), Found>);

impl Doubts {
    /// Looks up chunks that pages name.
    pub(super) fn of(runs: &[ChunkRun], chunks: &Chunks<'_>) -> Doubts {
        let mut order: Vec<(u64, usize)> = runs.iter().map(|run| prefix(run.chunk.as_bytes())).zip(0..).collect();
        order.sort_unstable();
        let mut doubts = HashMap::new();
        for run in order.into_iter().map(|(_, at)| &runs[at]) {
            let found = chunks.find(run);
            if found != Found::Good {
                doubts.insert((run.chunk, run.len), found);
            }
        }
        Doubts(doubts)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns what was found of a chunk.
    pub(super) fn find(&self, run: &ChunkRun) -> Found {
        if self.0.is_empty() {
            return Found::Good;
        }
        self.0.get(&(run.chunk, run.len)).copied().unwrap_or(Found::Good)
    }
}

/// Adds every chunk that a page names itself.
pub(super) fn add_runs(page: &Page, runs: &mut Vec<ChunkRun>) {
    match page {
        Page::Chunks(of_page) => runs.extend(of_page),
        page => entries_of(page).iter().filter_map(Entry::file).for_each(|body| each_run(body, &mut |run| runs.push(*run))),
    }
}

/// Returns the entries that a page lists.
pub(super) fn entries_of(page: &Page) -> &[Entry] {
    match page {
        Page::Entries(entries) => entries,
        Page::Manifest(manifest) => match &manifest.rows {
            EntryRows::Entries(entries) => entries,
            EntryRows::Index(_) => &[],
        },
        _ => &[],
    }
}

/// Calls `each` for the chunks of a file whose list stands in its entry.
pub(super) fn each_run(body: &FileBody, each: &mut dyn FnMut(&ChunkRun)) {
    match &body.chunks {
        ChunkList::Whole if body.size_bytes > 0 => {
            each(&ChunkRun { chunk: body.digest.as_chunk(), len: body.size_bytes as u32, count: 1 });
        }
        ChunkList::Runs(runs) => runs.iter().for_each(each),
        ChunkList::Whole | ChunkList::Tree(_) => {}
    }
}
