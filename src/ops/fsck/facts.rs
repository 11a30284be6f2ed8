//! What one page says by itself: what it needs, what it adds up to, what it expects below it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use crate::format::manifest::{
    ChunkChild, ChunkList, ChunkRun, ChunkTree, Entry, EntryChild, EntryRows, FileBody, Index, Manifest, Page, sum_runs,
};
use crate::format::path::EntryPath;
use crate::id::{ChunkId, FileDigest};

use super::doubts::{Doubts, each_run};
use super::lacks::{Lack, LackState, Lacks};
use super::marks::{Chunks, Found};
use super::span::Span;

/// What is kept of a page that was read.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Of index pages; 0 for the lowest.
    pub(super) level: u32,
    /// What the page itself adds up to.
    pub(super) sums: Sums,
    pub(super) first: First,
    /// Of a page of entries.
    pub(super) span: Option<Span>,
    pub(super) below: Below,
    pub(super) lacks: Lacks,
}

/// Counts that a parent states of a page, and that the page adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Entries, or chunks.
    pub(super) count: u64,
    /// Files among the entries.
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// What a page begins with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum First {
    #[default]
    Nothing,
    Entry(EntryPath),
    Chunk(ChunkId),
}

/// What a page lists that has to be looked at further.
#[derive(Debug, Default)]
pub(super) enum Below {
    #[default]
    Nothing,
    Entries(Vec<EntryChild>),
    Chunks(Vec<ChunkChild>),
    Files(Vec<LongFile>),
}

/// A file whose chunk list is a tree.
#[derive(Debug)]
pub(super) struct LongFile {
    pub(super) path: EntryPath,
    pub(super) tree: ChunkTree,
    pub(super) size_bytes: u64,
}

/// What pages are held against.
pub(crate) struct Measure<'m> {
    pub(crate) chunks: Chunks<'m>,
    /// Files that do not hash to their digests.
    pub(crate) wrong_files: &'m HashSet<FileDigest>,
    /// How many lacks are told of each page.
    pub(crate) keep: usize,
    /// Where chunks that cannot be had are gathered, with their lengths, if somebody wants them.
    pub(crate) wanted: Option<&'m Mutex<HashMap<ChunkId, u32>>>,
}

impl Sums {
    pub(super) fn add(&mut self, other: Sums) {
        // Sums of bytes stop at the highest number by the format; counts may as well, for what is
        // stated of them stays below.
        self.count = self.count.saturating_add(other.count);
        self.files = self.files.saturating_add(other.files);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

impl Facts {
    pub(super) fn of(page: Page, measure: &Measure<'_>, doubts: &Doubts) -> Facts {
        match page {
            Page::Manifest(manifest) => Facts::of_manifest(manifest, measure, doubts),
            Page::Entries(entries) => Facts::of_entries(&entries, measure, doubts),
            Page::EntryIndex(index) => Facts::of_entry_index(index),
            Page::Chunks(runs) => Facts::of_chunks(&runs, measure, doubts),
            Page::ChunkIndex(index) => Facts::of_chunk_index(index),
            Page::Metadata(_) => Facts::default(),
        }
    }

    /// The sums of a manifest are those it states, whatever its rows add up to.
    fn of_manifest(manifest: Manifest, measure: &Measure<'_>, doubts: &Doubts) -> Facts {
        let facts = match manifest.rows {
            EntryRows::Entries(entries) => Facts::of_entries(&entries, measure, doubts),
            EntryRows::Index(index) => Facts::of_entry_index(index),
        };
        let sums = Sums { count: manifest.entry_count, files: manifest.file_count, bytes: manifest.size_bytes };
        Facts { sums, ..facts }
    }

    fn of_entry_index(index: Index<EntryChild>) -> Facts {
        let mut sums = Sums::default();
        index.rows.iter().for_each(|row| sums.add(Sums { count: row.entries, files: 0, bytes: row.bytes }));
        let first = index.rows.first().map_or(First::Nothing, |row| First::Entry(row.first.clone()));
        Facts { level: index.level, sums, first, below: Below::Entries(index.rows), ..Facts::default() }
    }

    fn of_entries(entries: &[Entry], measure: &Measure<'_>, doubts: &Doubts) -> Facts {
        let (mut sums, mut lacks, mut long) = (Sums::default(), Lacks::default(), Vec::new());
        for entry in entries {
            let body = entry.file();
            sums.add(Sums { count: 1, files: u64::from(body.is_some()), bytes: entry.kind.size_bytes() });
            if let Some(body) = body {
                measure.file(&entry.path, body, doubts, &mut lacks, &mut long);
            }
        }
        let span = Span::of(entries);
        let first = span.as_ref().map_or(First::Nothing, |span| First::Entry(span.first.clone()));
        Facts { level: 0, sums, first, span, below: Below::Files(long), lacks }
    }

    fn of_chunks(runs: &[ChunkRun], measure: &Measure<'_>, doubts: &Doubts) -> Facts {
        let mut lacks = Lacks::default();
        runs.iter().for_each(|run| measure.chunk(run, None, doubts, &mut lacks));
        let count = runs.iter().fold(0u64, |sum, run| sum.saturating_add(run.count));
        // One that is longer than can be is longer than anything that is stated of it.
        let sums = Sums { count, files: 0, bytes: sum_runs(runs).unwrap_or(u64::MAX) };
        let first = runs.first().map_or(First::Nothing, |run| First::Chunk(run.chunk));
        Facts { sums, first, lacks, ..Facts::default() }
    }

    fn of_chunk_index(index: Index<ChunkChild>) -> Facts {
        let mut sums = Sums::default();
        index.rows.iter().for_each(|row| sums.add(Sums { count: row.chunks, files: 0, bytes: row.bytes }));
        let first = index.rows.first().map_or(First::Nothing, |row| First::Chunk(row.first));
        Facts { level: index.level, sums, first, below: Below::Chunks(index.rows), ..Facts::default() }
    }
}

impl Measure<'_> {
    fn file(&self, path: &EntryPath, body: &FileBody, doubts: &Doubts, lacks: &mut Lacks, long: &mut Vec<LongFile>) {
        match &body.chunks {
            ChunkList::Whole | ChunkList::Runs(_) => each_run(body, &mut |run| self.chunk(run, Some(path), doubts, lacks)),
            ChunkList::Tree(tree) => long.push(LongFile { path: path.clone(), tree: *tree, size_bytes: body.size_bytes }),
        }
        if self.wrong_files.contains(&body.digest) {
            lacks.add(Lack::wrong_file(body.digest, "its chunks do not add up to its digest").of(path), self.keep);
        }
    }

    fn chunk(&self, run: &ChunkRun, path: Option<&EntryPath>, doubts: &Doubts, lacks: &mut Lacks) {
        let (state, pack) = match doubts.find(run) {
            Found::Good => return,
            Found::Missing => (LackState::Missing, None),
            Found::Damaged(pack) => (LackState::Damaged, Some(pack)),
        };
        if let Some(wanted) = self.wanted {
            wanted.lock().unwrap_or_else(PoisonError::into_inner).insert(run.chunk, run.len);
        }
        let lack = Lack::chunk(run.chunk, state, pack);
        lacks.add(path.map_or_else(|| lack.clone(), |path| lack.clone().of(path)), self.keep);
    }
}
