//! What versions name of what lies in packs: each chunk and page is live, dead, or neither.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::format::pack::PackClass;
use crate::id::{HASH_LEN, PageId};
use crate::quote::quote;
use crate::store::Store;
use crate::store::census::{Census, Place};
use crate::store::reach::{Reach, Reached, Start};
use crate::store::roots::{BranchPages, RootVersion, Roots};

/// A version that is not deleted names it.
pub(super) const LIVE: u8 = 1;
/// Only deleted versions name it.
pub(super) const DEAD: u8 = 2;
/// A live one that stands in several places.
pub(super) const SHARED: u8 = 4;
/// A dead page that tells what of the data is dead.
pub(super) const NEEDED: u8 = 8;
/// One that is kept, but in another place.
pub(super) const ELSEWHERE: u8 = 16;

/// Everything that lies in the packs of one class, with a byte of marks for each.
pub(super) struct Ground {
    pub(super) class: PackClass,
    pub(super) census: Census,
    starts: Vec<usize>,
    marks: Vec<AtomicU8>,
}

/// What a walk over all versions has found.
pub(super) struct Survey {
    pub(super) data: Ground,
    pub(super) meta: Ground,
    /// The pages that only deleted versions name.
    dead_pages: HashMap<PageId, DeadPage>,
    /// For each deleted version its manifest and its pages of metadata.
    dead_metadata: Vec<(PageId, Vec<PageId>)>,
    /// Pages of live versions' chunk lists name chunks that are in no pack here.
    pub(super) missing_chunks: u64,
}

/// A page that only deleted versions name.
#[derive(Default)]
struct DeadPage {
    pages: Vec<PageId>,
    /// The data packs in which dead chunks lie that it names.
    packs: Vec<u32>,
}

impl Ground {
    fn load(store: &Store, class: PackClass, threads: usize) -> Result<Ground> {
        let census = store.census(class, threads)?;
        let mut starts = Vec::with_capacity(census.packs().len());
        let mut slots = 0;
        for pack in 0..census.packs().len() {
            starts.push(slots);
            slots += census.table(pack as u32).chunk_count();
        }
        let marks = std::iter::repeat_with(AtomicU8::default).take(slots).collect();
        Ok(Ground { class, census, starts, marks })
    }

    /// Returns how many packs there are.
    pub(super) fn pack_count(&self) -> u32 {
        self.census.packs().len() as u32
    }

    /// Returns how many things lie in a pack.
    pub(super) fn slot_count(&self, pack: u32) -> u32 {
        self.census.table(pack).chunk_count() as u32
    }

    /// Returns the marks at a place.
    pub(super) fn marks(&self, place: Place) -> u8 {
        self.at(place).load(Ordering::Relaxed)
    }

    /// Adds a mark at a place; returns what was there.
    pub(super) fn mark(&self, place: Place, mark: u8) -> u8 {
        self.at(place).fetch_or(mark, Ordering::Relaxed)
    }

    /// Takes a mark off every place.
    pub(super) fn unmark_all(&self, mark: u8) {
        self.marks.iter().for_each(|slot| {
            slot.fetch_and(!mark, Ordering::Relaxed);
        });
    }

    /// Returns the hash at a place.
    pub(super) fn hash(&self, place: Place) -> &[u8; HASH_LEN] {
        self.census.table(place.pack).hash(place.slot as usize)
    }

    /// Marks every place where a hash stands as live; returns whether there is one.
    fn mark_live(&self, hash: &[u8; HASH_LEN]) -> bool {
        let mut first = None;
        for place in self.census.find(hash) {
            match first {
                None => {
                    if self.mark(place, LIVE) & LIVE != 0 {
                        return true;
                    }
                    first = Some(place);
                }
                Some(first) => {
                    self.mark(first, SHARED);
                    self.mark(place, LIVE | SHARED);
                }
            }
        }
        first.is_some()
    }

    /// Marks every place where a hash stands as dead, unless it is live; returns the packs.
    fn mark_dead<'g>(&'g self, hash: &'g [u8; HASH_LEN]) -> impl Iterator<Item = u32> + 'g {
        self.census.find(hash).filter(|place| self.marks(*place) & LIVE == 0).map(|place| {
            self.mark(place, DEAD);
            place.pack
        })
    }

    fn at(&self, place: Place) -> &AtomicU8 {
        &self.marks[self.starts[place.pack as usize] + place.slot as usize]
    }
}

impl Survey {
    /// Walks all versions. Fails if a page of a live one cannot be read: then nothing is known to
    /// be dead.
    pub(super) fn take(store: &Store, roots: &Roots, branches: &BranchPages, threads: usize) -> Result<Survey> {
        let (data, meta) = (Ground::load(store, PackClass::Data, threads)?, Ground::load(store, PackClass::Meta, threads)?);
        let reach = Reach::new(store, threads).with_branches(branches);
        let (mut starts, mut owners) = (Vec::new(), Vec::new());
        for version in &roots.live {
            starts.extend(starts_of(version));
            owners.resize(starts.len(), Some(version));
        }
        starts.extend(roots.metadata_pages.iter().copied().map(Start::metadata));
        let missing = Mutex::new(0);
        let unread = reach.visit(&starts, &|reached| {
            meta.mark_live(reached.page.as_bytes());
            let lacking = reached.chunks.iter().filter(|run| !data.mark_live(run.chunk.as_bytes())).count();
            if lacking > 0 {
                *missing.lock().unwrap_or_else(PoisonError::into_inner) += lacking as u64;
            }
        })?;
        if let Some(first) = unread.into_iter().next() {
            return Err(unknown(owners.get(first.start).copied().flatten(), first.error));
        }
        let dead_pages = Mutex::new(HashMap::new());
        let starts: Vec<Start> = roots.dead.iter().flat_map(starts_of).collect();
        // What a deleted version's missing pages would name stays undecided.
        reach.visit(&starts, &|reached| {
            let page = dead_page(reached, &data, &meta);
            dead_pages.lock().unwrap_or_else(PoisonError::into_inner).insert(reached.page, page);
        })?;
        let dead_metadata = roots.dead.iter().map(|version| (version.manifest, version.metadata_pages.clone())).collect();
        let dead_pages = dead_pages.into_inner().unwrap_or_else(PoisonError::into_inner);
        let missing_chunks = missing.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Survey { data, meta, dead_pages, dead_metadata, missing_chunks })
    }

    /// Marks the dead pages that tell what is dead in data packs which stay: without them it
    /// would be unknown, and so kept for ever.
    pub(super) fn mark_needed(&self, stays: impl Fn(u32) -> bool) {
        self.meta.unmark_all(NEEDED);
        let mut parents = HashMap::<PageId, Vec<PageId>>::new();
        for (&parent, page) in &self.dead_pages {
            page.pages.iter().for_each(|&below| parents.entry(below).or_default().push(parent));
        }
        let telling = self.dead_pages.iter().filter(|(_, page)| page.packs.iter().any(|&pack| stays(pack)));
        let mut open: Vec<PageId> = telling.map(|(&page, _)| page).collect();
        let mut needed: HashSet<PageId> = open.iter().copied().collect();
        while let Some(page) = open.pop() {
            open.extend(parents.get(&page).into_iter().flatten().filter(|&&parent| needed.insert(parent)));
        }
        // As long as there is data to undelete, its metadata is there too.
        for (manifest, metadata) in &self.dead_metadata {
            if needed.contains(manifest) {
                needed.extend(metadata.iter().filter(|page| self.dead_pages.contains_key(page)));
            }
        }
        for page in &needed {
            self.meta.census.find(page.as_bytes()).for_each(|place| {
                self.meta.mark(place, NEEDED);
            });
        }
    }
}

fn starts_of(version: &RootVersion) -> impl Iterator<Item = Start> + '_ {
    Start::of_version(version.manifest, version.metadata_pages.iter().copied())
}

fn dead_page(reached: &Reached<'_>, data: &Ground, meta: &Ground) -> DeadPage {
    meta.mark_dead(reached.page.as_bytes()).for_each(drop);
    let mut packs: Vec<u32> = reached.chunks.iter().flat_map(|run| data.mark_dead(run.chunk.as_bytes())).collect();
    packs.sort_unstable();
    packs.dedup();
    DeadPage { pages: reached.pages.to_vec(), packs }
}

fn unknown(version: Option<&RootVersion>, cause: Error) -> Error {
    let whose = version
        .map_or_else(|| "an artifact's metadata".to_owned(), |version| quote(format!("{}:{}", version.artifact, version.label).as_bytes()));
    Error::damaged(format!("cannot tell what {whose} needs, so nothing was removed"))
        .hint("copy the missing packs from another copy of the store, or run `art repair --from DIR`; `art fsck` lists what is missing")
        .because(cause)
}
