//! What versions name and no pack here has, by the tables of the packs: whether a version is *incomplete*,
//! and what it lacks.
//!
//! That a chunk is in a table does not say that its bytes are whole; `fsck` looks for that.

mod note;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::format::pack::PackClass;
use crate::id::PageId;
use crate::index::Index;
use crate::refs::history::Version;

use super::Store;
use super::reach::{Reach, Reached, Start};
use note::Notes;

/// With [`Effort::Bounded`] no more versions are looked at once so many pages were read: about half a
/// second of work.
const PAGES_MAX: u64 = 4096;

/// How many files the versions have that are looked at together, with a bound.
const BATCH_FILES: u64 = 20_000;

/// What is not here of a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Whether its manifest is not here or damaged: then nothing is known of the rest.
    pub manifest: bool,
    /// Pages that are not here or damaged, the manifest among them; what they would name is not known.
    pub page_count: u64,
    /// Chunks that are not here, counted each time it names them.
    pub chunk_count: u64,
    /// The bytes of its files that lie in these.
    pub size_bytes: u64,
}

/// How much may be read for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// What it takes.
    Whole,
    /// Some thousand pages; what is not known then is left open.
    Bounded,
}

impl Missing {
    /// Whether nothing is missing.
    pub fn is_none(&self) -> bool {
        *self == Missing::default()
    }

    fn add(&mut self, other: Missing) {
        self.page_count = self.page_count.saturating_add(other.page_count);
        self.chunk_count = self.chunk_count.saturating_add(other.chunk_count);
        self.size_bytes = self.size_bytes.saturating_add(other.size_bytes);
    }
}

impl Store {
    /// Says of each version what is missing, the first ones first if there is a bound; none where that is
    /// left open. What was found is noted in local state, where that can be written.
    ///
    /// Cost: a listing of the packs; of versions of which nothing is noted, each of their pages once.
    pub fn missing_of(&self, versions: &[&Version], effort: Effort) -> Result<Vec<Option<Missing>>> {
        if versions.is_empty() {
            return Ok(Vec::new());
        }
        let notes = Notes::open(self, versions)?;
        let mut answers: Vec<Option<Missing>> = versions.iter().map(|version| notes.of(version)).collect();
        let open: Vec<usize> = (0..versions.len()).filter(|&at| answers[at].is_none()).collect();
        if open.is_empty() {
            notes.save(self, &[]);
            return Ok(answers);
        }
        let mut survey = Survey::begin(self, self.threads())?;
        let mut rest = &open[..];
        while !rest.is_empty() && (effort == Effort::Whole || survey.page_count() < PAGES_MAX) {
            let mut files = 0_u64;
            let within = |&&at: &&usize| {
                let is_more = files < BATCH_FILES || effort == Effort::Whole;
                files = files.saturating_add(versions[at].record.file_count.max(1));
                is_more
            };
            let (batch, later) = rest.split_at(rest.iter().take_while(within).count());
            survey.read(&batch.iter().flat_map(|&at| starts_of(versions[at])).collect::<Vec<_>>())?;
            batch.iter().for_each(|&at| answers[at] = Some(survey.missing(&starts_of(versions[at]))));
            rest = later;
        }
        let found: Vec<(&Version, Missing)> = open.iter().filter_map(|&at| Some((versions[at], answers[at]?))).collect();
        notes.save(self, &found);
        Ok(answers)
    }
}

/// Names all that a version names: its manifest, and the pages of its metadata as it is now.
pub fn starts_of(version: &Version) -> Vec<Start> {
    Start::of_version(version.record.manifest, version.metadata.iter().flat_map(|layer| layer.pages.iter().copied())).collect()
}

/// Says of each of some sets of pages what is missing below it.
pub(crate) fn missing_below(store: &Store, threads: usize, all: &[Vec<Start>]) -> Result<Vec<Missing>> {
    let mut survey = Survey::begin(store, threads)?;
    survey.read(&all.concat())?;
    Ok(all.iter().map(|starts| survey.missing(starts)).collect())
}

/// Pages that were read, each once, whatever versions share it.
struct Survey<'s> {
    reach: Reach<'s>,
    data: &'s Index,
    /// What lies below the pages that name others, or chunks that are missing.
    nodes: Mutex<HashMap<PageId, Node>>,
    /// Pages that cannot be read.
    lost: HashSet<PageId>,
    page_count: AtomicU64,
    known: HashMap<PageId, Missing>,
}

#[derive(Debug, Default)]
struct Node {
    own: Missing,
    pages: Vec<PageId>,
}

impl<'s> Survey<'s> {
    fn begin(store: &'s Store, threads: usize) -> Result<Survey<'s>> {
        let data = store.index(PackClass::Data)?;
        data.refresh()?;
        store.index(PackClass::Meta)?.refresh()?;
        let reach = Reach::new(store, threads);
        Ok(Survey { reach, data, nodes: Mutex::default(), lost: HashSet::new(), page_count: AtomicU64::new(0), known: HashMap::new() })
    }

    fn page_count(&self) -> u64 {
        self.page_count.load(Ordering::Relaxed)
    }

    /// Reads the pages that can be reached and were not read before.
    fn read(&mut self, starts: &[Start]) -> Result<()> {
        let unread = self.reach.visit(starts, &|reached| self.take(reached))?;
        self.lost.extend(unread.into_iter().map(|unread| unread.page));
        Ok(())
    }

    fn take(&self, reached: &Reached<'_>) {
        self.page_count.fetch_add(1, Ordering::Relaxed);
        let mut own = Missing::default();
        for run in reached.chunks.iter().filter(|run| self.data.find_any(run.chunk.as_bytes()).is_none()) {
            let (chunk_count, len) = (run.count, u64::from(run.len));
            own.add(Missing { chunk_count, size_bytes: len.saturating_mul(chunk_count), ..Missing::default() });
        }
        if !own.is_none() || !reached.pages.is_empty() {
            let node = Node { own, pages: reached.pages.to_vec() };
            self.nodes.lock().unwrap_or_else(PoisonError::into_inner).insert(reached.page, node);
        }
    }

    /// Adds up what is missing below pages that were read.
    fn missing(&mut self, starts: &[Start]) -> Missing {
        let mut missing = Missing::default();
        starts.iter().for_each(|start| missing.add(self.below(start.page)));
        missing.manifest = starts.first().is_some_and(|manifest| self.lost.contains(&manifest.page));
        missing
    }

    /// The depth is that of the trees: a page of another level than its parent says is not read.
    fn below(&mut self, page: PageId) -> Missing {
        if self.lost.contains(&page) {
            return Missing { page_count: 1, ..Missing::default() };
        }
        if let Some(known) = self.known.get(&page) {
            return *known;
        }
        // Taken out: a page cannot lie below itself.
        let node = self.nodes.get_mut().unwrap_or_else(PoisonError::into_inner).remove(&page).unwrap_or_default();
        let mut missing = node.own;
        node.pages.iter().for_each(|below| missing.add(self.below(*below)));
        self.known.insert(page, missing);
        missing
    }
}
