//! What versions name, in memory: a node for each page, a row for each chunk and page that is in
//! a pack. Versions that share pages share nodes, so that who needs what costs a step for each
//! page, whatever the count of versions.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::context::Context;
use crate::error::Result;
use crate::format::pack::PackClass;
use crate::id::{HASH_LEN, PageId};
use crate::pack::pack_path;
use crate::refs::condemned::Condemned;
use crate::refs::history::{About, Version};
use crate::store::Store;
use crate::store::census::{Census, Place};
use crate::store::reach::{Reach, Start};

/// Parts of a byte in which shares of blocks are counted.
const PARTS: u64 = 256;

/// Bytes of a pack for a block besides its payload: its header and its row in the table.
const BLOCK_BYTES: u64 = 20 + 20;

/// Bytes of a pack for a chunk besides its share of the payload: its length and its row.
const CHUNK_BYTES: u64 = 4 + 44;

/// The owner of what nobody needs.
pub(in crate::ops) const NOBODY: u32 = u32::MAX;

/// The owner of what several need.
const MANY: u32 = u32::MAX - 1;

/// All pages of some versions, and every row of every pack.
pub(in crate::ops) struct Graph {
    nodes: Vec<Node>,
    at: HashMap<PageId, u32>,
    rows: Vec<RowSize>,
    data_rows: usize,
}

#[derive(Default)]
struct Node {
    /// The row of the page itself.
    own: Option<u32>,
    pages: Box<[u32]>,
    chunks: Box<[u32]>,
    /// Chunks and pages that it names and that are not here.
    missing: u64,
}

/// What a row takes.
#[derive(Clone, Copy)]
struct RowSize {
    stored: u64,
    raw: u32,
}

/// What something takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::ops) struct Taken {
    /// Bytes of packs.
    pub(in crate::ops) stored: u64,
    /// Of these, what its chunks and pages alone take.
    pub(in crate::ops) unique: u64,
    /// Bytes of its chunks before compression, each once.
    pub(in crate::ops) chunk_bytes: u64,
    /// Chunks and pages that are not here, as often as they are named.
    pub(in crate::ops) missing: u64,
}

/// What needs pages and chunks.
#[derive(Clone, Copy)]
pub(in crate::ops) enum Needing<'v> {
    /// A version, for its content and what is said of it.
    Version(&'v Version),
    /// An artifact as a whole, for what is said of it.
    Artifact(&'v About),
}

/// Who needs each row: the one who alone does, several, or nobody.
pub(in crate::ops) struct Owners(Vec<u32>);

/// Visits what several starts reach together, each page and row once.
pub(in crate::ops) struct Visit {
    nodes: Vec<u32>,
    rows: Vec<u32>,
    round: u32,
}

impl Graph {
    /// Reads the pages that are needed and the tables of all packs.
    pub(in crate::ops) fn read<'v>(store: &Store, context: &Context<'_>, needing: impl IntoIterator<Item = Needing<'v>>) -> Result<Graph> {
        context.progress.phase("reading pages");
        let (data, meta) = (store.census(PackClass::Data, context.threads)?, store.census(PackClass::Meta, context.threads)?);
        let condemned = store.condemned()?;
        let data = Numbered::new(&data, 0, &condemned);
        let meta = Numbered::new(&meta, data.len(), &condemned);
        let starts: Vec<Start> = needing.into_iter().flat_map(Needing::starts).collect();
        let read = Mutex::new(Vec::new());
        // Pages that cannot be read are those that their parents miss.
        Reach::new(store, context.threads).visit(&starts, &|reached| {
            let mut chunks: Vec<u32> = reached.chunks.iter().filter_map(|run| data.number(run.chunk.as_bytes())).collect();
            let missing = (reached.chunks.len() - chunks.len()) as u64;
            chunks.sort_unstable();
            chunks.dedup();
            let node = Node { own: meta.number(reached.page.as_bytes()), pages: Box::default(), chunks: chunks.into(), missing };
            read.lock().unwrap_or_else(PoisonError::into_inner).push((reached.page, node, reached.pages.to_vec()));
        })?;
        let read = read.into_inner().unwrap_or_else(PoisonError::into_inner);
        let at: HashMap<PageId, u32> = read.iter().enumerate().map(|(number, (page, ..))| (*page, number as u32)).collect();
        let link = |(_, mut node, pages): (PageId, Node, Vec<PageId>)| {
            node.pages = pages.iter().filter_map(|page| at.get(page).copied()).collect();
            node.missing += (pages.len() - node.pages.len()) as u64;
            node
        };
        let nodes = read.into_iter().map(link).collect();
        let rows = data.sizes().chain(meta.sizes()).collect();
        Ok(Graph { nodes, at, rows, data_rows: data.len() })
    }

    /// Tells who needs each row, of those who each own some of what needs them.
    pub(in crate::ops) fn owners<'v>(&self, needs: impl IntoIterator<Item = (u32, Needing<'v>)>) -> Owners {
        let (mut nodes, mut rows) = (vec![NOBODY; self.nodes.len()], vec![NOBODY; self.rows.len()]);
        let mut open = Vec::new();
        for (owner, needing) in needs {
            open.extend(self.starts(needing));
            while let Some(at) = open.pop() {
                // What several need already, all below it is needed by several.
                if !add_owner(&mut nodes[at as usize], owner) {
                    continue;
                }
                let node = &self.nodes[at as usize];
                node.chunks.iter().chain(&node.own).for_each(|row| {
                    add_owner(&mut rows[*row as usize], owner);
                });
                open.extend(&node.pages);
            }
        }
        Owners(rows)
    }

    /// Begins to visit.
    pub(in crate::ops) fn visit(&self) -> Visit {
        Visit { nodes: vec![0; self.nodes.len()], rows: vec![0; self.rows.len()], round: 0 }
    }

    /// Adds up what some take together; `is_unique` says of a row whether they alone need it.
    pub(in crate::ops) fn taken<'v>(
        &self,
        all: impl IntoIterator<Item = Needing<'v>>,
        visit: &mut Visit,
        is_unique: impl Fn(usize) -> bool,
    ) -> Taken {
        visit.round += 1;
        let (mut taken, mut open) = (Taken::default(), Vec::new());
        for needing in all {
            taken.missing += (needing.starts().count() - self.starts(needing).count()) as u64;
            open.extend(self.starts(needing));
        }
        while let Some(at) = open.pop() {
            if std::mem::replace(&mut visit.nodes[at as usize], visit.round) == visit.round {
                continue;
            }
            let node = &self.nodes[at as usize];
            taken.missing += node.missing;
            for &row in node.chunks.iter().chain(&node.own) {
                let row = row as usize;
                if std::mem::replace(&mut visit.rows[row], visit.round) == visit.round {
                    continue;
                }
                taken.stored += self.rows[row].stored;
                taken.unique += if is_unique(row) { self.rows[row].stored } else { 0 };
                taken.chunk_bytes += if row < self.data_rows { u64::from(self.rows[row].raw) } else { 0 };
            }
            open.extend(&node.pages);
        }
        Taken { stored: taken.stored / PARTS, unique: taken.unique / PARTS, ..taken }
    }

    /// Adds up the bytes of packs of the rows that are so.
    pub(in crate::ops) fn stored_where(&self, is_so: impl Fn(usize) -> bool) -> u64 {
        let rows = self.rows.iter().enumerate();
        rows.filter(|(row, _)| is_so(*row)).map(|(_, size)| size.stored).sum::<u64>() / PARTS
    }

    fn starts<'g>(&'g self, needing: Needing<'g>) -> impl Iterator<Item = u32> + 'g {
        needing.starts().filter_map(|start| self.at.get(&start.page).copied())
    }
}

impl Owners {
    /// Returns who alone needs a row, [`NOBODY`], or another number if several do.
    pub(in crate::ops) fn of(&self, row: usize) -> u32 {
        self.0[row]
    }
}

/// Adds an owner; returns whether that changed anything.
fn add_owner(owner: &mut u32, new: u32) -> bool {
    let before = *owner;
    if before == NOBODY {
        *owner = new;
    } else if before != new {
        *owner = MANY;
    }
    *owner != before
}

impl<'v> Needing<'v> {
    fn starts(self) -> impl Iterator<Item = Start> + 'v {
        let (metadata, manifest) = match self {
            Needing::Version(version) => (&version.metadata, Some(Start::manifest(version.record.manifest))),
            Needing::Artifact(about) => (&about.metadata, None),
        };
        metadata.iter().flat_map(|layer| layer.pages.iter().map(|&page| Start::metadata(page))).chain(manifest)
    }
}

/// The rows of one class of packs, numbered from `first` on.
struct Numbered<'c> {
    census: &'c Census,
    /// The number of the first row of each pack.
    firsts: Vec<u32>,
    condemned: Vec<bool>,
    len: usize,
}

impl<'c> Numbered<'c> {
    fn new(census: &'c Census, first: usize, condemned: &Condemned) -> Numbered<'c> {
        let (mut firsts, mut next) = (Vec::new(), first);
        for at in 0..census.packs().len() {
            firsts.push(next as u32);
            next += census.table(at as u32).chunk_count();
        }
        let condemned = census.packs().iter().map(|pack| condemned.contains(&pack_path(pack.class, pack.id))).collect();
        Numbered { census, firsts, condemned, len: next - first }
    }

    fn len(&self) -> usize {
        self.len
    }

    /// Returns the row that stands for a hash: of several the first in a pack that stays.
    fn number(&self, hash: &[u8; HASH_LEN]) -> Option<u32> {
        let place = self.census.find(hash).min_by_key(|place| (self.condemned[place.pack as usize], *place))?;
        Some(self.firsts[place.pack as usize] + place.slot)
    }

    fn sizes(&self) -> impl Iterator<Item = RowSize> + '_ {
        let places = (0..self.census.packs().len() as u32).flat_map(|pack| {
            let slots = 0..self.census.table(pack).chunk_count() as u32;
            slots.map(move |slot| Place { pack, slot })
        });
        places.map(|place| {
            let Some((row, block)) = self.census.row(place) else { return RowSize { stored: 0, raw: 0 } };
            let header = block.header;
            let share = (u64::from(header.stored_len) + BLOCK_BYTES) * PARTS * u64::from(row.len) / u64::from(header.raw_len).max(1);
            RowSize { stored: share + CHUNK_BYTES * PARTS, raw: row.len }
        })
    }
}
