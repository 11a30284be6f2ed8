//! What is lacking below a page: what the pages say, put together and held against each other.
//!
//! The rules are those of "Walking" in `docs/format.md`, which `store::walk` holds for one
//! version; here each page counts once for all versions that share it.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use crate::format::manifest::{ChunkChild, ChunkTree, EntryChild, PageType};
use crate::refs::history::{History, MetadataLayer, Version};

use super::doubts::{Doubts, add_runs};
use super::facts::{Below, Facts, First, LongFile, Measure, Sums};
use super::lacks::{Lack, LackKind, Lacks};
use super::pages::{PageKey, Pages, children};
use super::span::Span;

/// What every page below some versions says.
pub(crate) struct Trees {
    facts: HashMap<PageKey, Result<Facts, Box<Lack>>>,
    known: HashMap<PageKey, Rc<Verdict>>,
    keep: usize,
}

/// What is below a page, put together.
#[derive(Debug, Default)]
struct Verdict {
    lacks: Lacks,
    sums: Sums,
    span: Option<Span>,
}

/// Names the pages at which a version begins.
pub(crate) fn roots(version: &Version) -> impl Iterator<Item = PageKey> + '_ {
    metadata_roots(&version.metadata).chain([(PageType::Manifest, version.record.manifest)])
}

/// Names the pages of metadata.
pub(crate) fn metadata_roots(metadata: &[MetadataLayer]) -> impl Iterator<Item = PageKey> + '_ {
    metadata.iter().flat_map(|layer| &layer.pages).map(|&page| (PageType::Metadata, page))
}

/// Names the pages at which what is not deleted of some artifacts begins: their versions, and the
/// metadata of the artifacts themselves.
pub(crate) fn live_roots(histories: &[History]) -> impl Iterator<Item = PageKey> + '_ {
    let versions = |history: &'_ History| -> Vec<PageKey> {
        // What a deleted version names may be gone already.
        history.versions.iter().filter(|version| !version.deleted).flat_map(roots).collect()
    };
    histories.iter().flat_map(move |history| metadata_roots(&history.about.metadata).chain(versions(history)))
}

impl Trees {
    /// Reads every page below some pages.
    pub(crate) fn read(pages: Pages<'_>, roots: impl Iterator<Item = PageKey>, measure: &Measure<'_>, threads: usize) -> Trees {
        let facts = Mutex::new(HashMap::new());
        pages.visit(roots, threads, &|some, read| {
            let (mut below, mut runs) = (Vec::new(), Vec::new());
            let mut of_page = |key: &PageKey, doubts: &Doubts| {
                let page = read(*key)?;
                below.extend(children(&page));
                add_runs(&page, &mut runs);
                Ok(Facts::of(page, measure, doubts))
            };
            let none = Doubts::default();
            let mut of_pages: Vec<_> = some.iter().map(|key| (*key, of_page(key, &none))).collect();
            let doubts = Doubts::of(&runs, &measure.chunks);
            if !doubts.is_empty() {
                // Seldom, so the pages are read again rather than kept until their chunks are found.
                of_pages.iter_mut().for_each(|(key, facts)| *facts = read(*key).map(|page| Facts::of(page, measure, &doubts)));
            }
            facts.lock().unwrap_or_else(PoisonError::into_inner).extend(of_pages);
            below
        });
        Trees { facts: facts.into_inner().unwrap_or_else(PoisonError::into_inner), known: HashMap::new(), keep: measure.keep }
    }

    /// Puts together what is lacking below some pages.
    pub(crate) fn lacks(&mut self, roots: impl Iterator<Item = PageKey>) -> Lacks {
        let mut lacks = Lacks::default();
        for key in roots {
            let below = self.verdict(key);
            lacks.join(&below.lacks, None, self.keep);
        }
        lacks
    }

    /// Returns the pages that could not be had.
    pub(crate) fn lacking_pages(&self) -> impl Iterator<Item = PageKey> + '_ {
        self.facts.iter().filter(|(_, facts)| facts.is_err()).map(|(key, _)| *key)
    }

    /// Whether a page was read.
    pub(super) fn has_page(&self, key: PageKey) -> bool {
        matches!(self.facts.get(&key), Some(Ok(_)))
    }

    fn verdict(&mut self, key: PageKey) -> Rc<Verdict> {
        if let Some(known) = self.known.get(&key) {
            return Rc::clone(known);
        }
        // Taken out while its children are looked at: a page cannot lie below itself.
        let verdict = Rc::new(match self.facts.remove(&key) {
            Some(Ok(facts)) => {
                let verdict = self.put_together(key, &facts);
                self.facts.insert(key, Ok(facts));
                verdict
            }
            Some(Err(lack)) => {
                let mut verdict = Verdict::default();
                verdict.lacks.add((*lack).clone(), self.keep);
                self.facts.insert(key, Err(lack));
                verdict
            }
            None => Verdict::default(),
        });
        self.known.insert(key, Rc::clone(&verdict));
        verdict
    }

    fn put_together(&mut self, (kind, id): PageKey, facts: &Facts) -> Verdict {
        let mut verdict = Verdict { lacks: facts.lacks.clone(), sums: facts.sums, span: facts.span.clone() };
        match &facts.below {
            Below::Nothing => {}
            Below::Files(files) => files.iter().for_each(|file| self.long_file(file, &mut verdict)),
            Below::Entries(rows) => {
                verdict.sums = Sums::default();
                rows.iter().for_each(|row| self.entries_below(row, facts.level, &mut verdict));
            }
            Below::Chunks(rows) => {
                verdict.sums = Sums::default();
                rows.iter().for_each(|row| self.chunks_below(row, facts.level, &mut verdict));
            }
        }
        if kind == PageType::Manifest {
            let out_of_order = verdict.span.as_ref().and_then(|span| span.wrong);
            // Where a page is lacking the sums cannot be told.
            let miscounted =
                (verdict.lacks.is_empty() && verdict.sums != facts.sums).then_some("it has not as many entries, files or bytes as it says");
            for why in [out_of_order, miscounted].into_iter().flatten() {
                verdict.lacks.add(Lack::wrong_page(LackKind::Manifest, id, why), self.keep);
            }
        }
        verdict
    }

    fn entries_below(&mut self, row: &EntryChild, level: u32, verdict: &mut Verdict) {
        let key = (if level == 1 { PageType::Entries } else { PageType::EntryIndex }, row.page);
        let keep = self.keep;
        let mut wrong = None;
        if let Some(Ok(facts)) = self.facts.get(&key) {
            if facts.level + 1 != level {
                let lack = Lack::wrong_page(LackKind::Entries, row.page, "its level is not what its parent says");
                return verdict.lacks.add(lack.of(&row.first), keep);
            }
            if facts.first != First::Entry(row.first.clone()) {
                wrong = Some("it does not begin where its parent says");
            } else if (facts.sums.count, facts.sums.bytes) != (row.entries, row.bytes) {
                wrong = Some("it has not as many entries or bytes as its parent says");
            }
        }
        let below = self.verdict(key);
        let is_lacking = matches!(self.facts.get(&key), Some(Err(_)));
        verdict.lacks.join(&below.lacks, is_lacking.then_some(&row.first), keep);
        if let Some(why) = wrong {
            verdict.lacks.add(Lack::wrong_page(LackKind::Entries, row.page, why).of(&row.first), keep);
        }
        verdict.sums.add(below.sums);
        match (&mut verdict.span, &below.span) {
            (Some(span), Some(next)) => span.join(next),
            (none, next) => *none = next.clone(),
        }
    }

    fn chunks_below(&mut self, row: &ChunkChild, level: u32, verdict: &mut Verdict) {
        let tree = ChunkTree { level: level - 1, page: row.page };
        let below = self.chunk_tree(tree);
        let first_is_right = match self.facts.get(&key_of(tree)) {
            Some(Ok(facts)) => facts.first == First::Chunk(row.first),
            _ => true,
        };
        let sums_are_right = !below.lacks.is_empty() || (below.sums.count, below.sums.bytes) == (row.chunks, row.bytes);
        if !first_is_right || !sums_are_right {
            let lack = Lack::wrong_page(LackKind::ChunkList, row.page, "its chunks are not what its parent says");
            verdict.lacks.add(lack, self.keep);
        }
        verdict.lacks.join(&below.lacks, None, self.keep);
        verdict.sums.add(below.sums);
    }

    fn long_file(&mut self, file: &LongFile, verdict: &mut Verdict) {
        let mut chunks = Verdict::default();
        let below = self.chunk_tree(file.tree);
        chunks.lacks.join(&below.lacks, None, self.keep);
        if chunks.lacks.is_empty() && below.sums.bytes != file.size_bytes {
            let lack = Lack::wrong_page(LackKind::ChunkList, file.tree.page, "its chunks are not as long as the file");
            chunks.lacks.add(lack, self.keep);
        }
        verdict.lacks.join(&chunks.lacks, Some(&file.path), self.keep);
    }

    /// Looks at the root of a chunk list; one of another level than its parent says is not gone into.
    fn chunk_tree(&mut self, tree: ChunkTree) -> Rc<Verdict> {
        let key = key_of(tree);
        if let Some(Ok(facts)) = self.facts.get(&key)
            && facts.level != tree.level
        {
            let mut wrong = Verdict::default();
            wrong.lacks.add(Lack::wrong_page(LackKind::ChunkList, tree.page, "its level is not what its parent says"), self.keep);
            return Rc::new(wrong);
        }
        self.verdict(key)
    }
}

fn key_of(tree: ChunkTree) -> PageKey {
    (if tree.level == 0 { PageType::Chunks } else { PageType::ChunkIndex }, tree.page)
}
