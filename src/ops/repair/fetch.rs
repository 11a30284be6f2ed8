//! Asks the sources, one after another, for what is needed. Whatever they give is hashed first.

use std::collections::BTreeSet;

use crate::context::Context;
use crate::durable::Disk;
use crate::error::Result;
use crate::format::pack::{HEADER_LEN, Header, PackClass, Table};
use crate::format::record::Record;
use crate::id::{ChunkId, HASH_LEN, PackId, PageId};
use crate::ops::fsck::blocks::Blocks;
use crate::pack::maker::PackMaker;
use crate::pack::pack_path;
use crate::pack::writer::FinishedPack;
use crate::store::census::{Census, Place};
use crate::store::{Store, local};

use super::need::{AtHand, DamagedFile, Needs, Tell};
use super::salvage::scan;
use super::source::{self, Source};
use super::{Fetched, Gathered, RepairOptions, RepairOutcome};

/// Packs that may be written and not yet published: each holds a file open.
const PENDING_MAX: usize = 128;

/// Both classes, pages first: they tell which chunks are needed.
pub(super) const CLASSES: [PackClass; 2] = [PackClass::Meta, PackClass::Data];

/// A repair that is under way.
pub(super) struct Repair<'r> {
    pub(super) store: &'r Store,
    pub(super) context: &'r Context<'r>,
    pub(super) needs: Needs,
    pub(super) at_hand: AtHand,
    /// Where drafts are written; none where it is only told.
    pub(super) disk: Option<Disk>,
    /// What was fetched one by one or salvaged.
    pub(super) makers: [PackMaker; 2],
    /// Packs that are to be published.
    pub(super) packs: Vec<FinishedPack>,
    /// Records that are to be written.
    pub(super) records: Vec<Record>,
    /// Whether damaged records that nothing replaces are moved aside.
    pub(super) drop_records: bool,
    pub(super) outcome: RepairOutcome,
}

impl<'r> Repair<'r> {
    pub(super) fn new(store: &'r Store, context: &'r Context<'r>, needs: Needs, options: &RepairOptions) -> Repair<'r> {
        Repair {
            store,
            context,
            needs,
            at_hand: AtHand::default(),
            disk: None,
            makers: CLASSES.map(PackMaker::new),
            packs: Vec::new(),
            records: Vec::new(),
            drop_records: options.drop_records,
            outcome: RepairOutcome { dry_run: options.dry_run, ..RepairOutcome::default() },
        }
    }

    /// Fetches, salvages, publishes, moves aside, and tells what is lost.
    pub(super) fn run(mut self, sources: &mut [Source]) -> Result<RepairOutcome> {
        if !self.outcome.dry_run {
            self.disk = Some(Disk::new(self.store.layout(), &local::find_or_create(self.store.root(), self.context.progress)?)?);
        }
        self.context.progress.phase("fetching from other copies");
        self.fetch_records(sources);
        self.fetch_damaged_packs(sources)?;
        self.fetch_wanted(sources)?;
        self.save_rest()?;
        if let Some(disk) = &self.disk {
            for maker in &mut self.makers {
                self.packs.extend(maker.finish(&|| disk.draft())?);
            }
        }
        self.tell_lost();
        sources.iter_mut().for_each(Source::rest);
        self.finish()?;
        self.outcome.quarantined.sort_by(|a, b| a.path.cmp(&b.path));
        self.outcome.ok = self.outcome.lost.is_empty();
        Ok(self.outcome)
    }

    /// Fetches packs that are damaged here under their own names.
    fn fetch_damaged_packs(&mut self, sources: &mut [Source]) -> Result<()> {
        let damaged: Vec<(PackClass, PackId)> = (self.needs.damaged.iter())
            .filter_map(|damaged| if let DamagedFile::Pack(class, id) = damaged.what { Some((class, id)) } else { None })
            // One that is condemned goes soon; what is needed of it is fetched chunk by chunk.
            .filter(|(class, id)| !self.needs.condemned.contains(&pack_path(*class, *id)))
            .collect();
        for (class, id) in damaged {
            'sources: for source in &mut *sources {
                for handle in source.pack(class, id) {
                    if let Some(bytes) = source.read(&handle)
                        && self.take_whole(class, id, &bytes, &source.name)?
                    {
                        source.rest();
                        self.publish_if_many()?;
                        break 'sources;
                    }
                }
            }
        }
        Ok(())
    }

    /// Fetches what live versions need, in rounds: a page that was fetched tells of more.
    fn fetch_wanted(&mut self, sources: &mut [Source]) -> Result<()> {
        loop {
            let (wanted, _) = self.needs.look(self.context, &self.at_hand, Tell::Nothing);
            self.needs.wanted = wanted;
            let before = self.needs.wanted.chunks.len() + self.needs.wanted.pages.len();
            if before == 0 {
                return Ok(());
            }
            for source in &mut *sources {
                if !self.needs.wanted.is_empty() {
                    self.gather(source)?;
                    source.rest();
                    self.publish_if_many()?;
                }
            }
            if self.needs.wanted.chunks.len() + self.needs.wanted.pages.len() == before {
                return Ok(());
            }
        }
    }

    /// Takes what is wanted out of a source.
    fn gather(&mut self, source: &mut Source) -> Result<()> {
        let mut gathered = Gathered { from: source.name.clone(), chunk_count: 0, page_count: 0, size_bytes: 0 };
        let name = source.name.clone();
        for class in CLASSES {
            if let Some(census) = source.census(class, self.context.threads) {
                self.gather_from_tables(class, census, &name, &mut gathered)?;
            }
        }
        if !self.needs.wanted.is_empty() {
            for (id, handle) in source.heap() {
                if self.needs.wanted.is_empty() {
                    break;
                }
                if let Some(bytes) = source.read(&handle) {
                    self.gather_from_bytes(id, &bytes, &name, &mut gathered)?;
                }
            }
        }
        self.note_gathered(gathered);
        Ok(())
    }

    pub(super) fn note_gathered(&mut self, gathered: Gathered) {
        if gathered.chunk_count + gathered.page_count > 0 {
            match self.outcome.gathered.iter_mut().find(|before| before.from == gathered.from) {
                Some(before) => before.add(&gathered),
                None => self.outcome.gathered.push(gathered),
            }
        }
    }

    fn gather_from_tables(&mut self, class: PackClass, census: &Census, from: &str, gathered: &mut Gathered) -> Result<()> {
        let wanted = self.needs.wanted.hashes(class);
        let packs: BTreeSet<u32> = wanted.iter().flat_map(|hash| census.find(hash)).map(|place| place.pack).collect();
        for number in packs {
            let (pack, table) = (&census.packs()[number as usize], census.table(number));
            let rows = (0..table.chunk_count()).filter_map(|slot| table.chunk(slot));
            let (mut bytes, mut all) = (0, 0);
            for row in rows {
                all += u64::from(row.len);
                bytes += if self.needs.wanted.has(class, &row.hash) { u64::from(row.len) } else { 0 };
            }
            if self.is_better_whole(class, pack.id, bytes, all)
                && let Ok(bytes) = source::read(&pack.path)
            {
                self.take_whole(class, pack.id, &bytes, from)?;
                self.publish_if_many()?;
            }
        }
        let mut places: Vec<(Place, [u8; HASH_LEN])> = Vec::new();
        for hash in self.needs.wanted.hashes(class) {
            places.extend(census.find(&hash).map(|place| (place, hash)));
        }
        places.sort_by_key(|(place, _)| (place.pack, census.row(*place).map(|(row, _)| (row.block, row.offset))));
        let mut blocks = Blocks::new(census);
        for (place, hash) in places {
            if let Ok(bytes) = blocks.at(place)
                && class.name_of(bytes) == Some(hash)
            {
                self.take(class, hash, bytes, gathered)?;
            }
        }
        Ok(())
    }

    fn gather_from_bytes(&mut self, id: PackId, bytes: &[u8], from: &str, gathered: &mut Gathered) -> Result<()> {
        let header = bytes.get(..HEADER_LEN).and_then(|head| Header::decode(head).ok());
        for class in CLASSES.into_iter().filter(|class| header.is_none_or(|header| header.class == *class)) {
            let (mut wanted, mut all) = (0, 0);
            let mut found = Vec::new();
            scan(bytes, class, &mut |hash, object| {
                all += object.len() as u64;
                if self.needs.wanted.has(class, &hash) {
                    wanted += object.len() as u64;
                    found.push((hash, object.to_vec()));
                }
            });
            if wanted > 0 && self.is_better_whole(class, id, wanted, all) && self.take_whole(class, id, bytes, from)? {
                continue;
            }
            for (hash, object) in found {
                self.take(class, hash, &object, gathered)?;
            }
        }
        Ok(())
    }

    /// Whether a pack of another copy, of which so many bytes are wanted, is taken as it is: then
    /// both copies have the same pack.
    fn is_better_whole(&self, class: PackClass, id: PackId, wanted: u64, all: u64) -> bool {
        let is_worth_it = class == PackClass::Meta || wanted * 2 >= all;
        is_worth_it && wanted > 0 && !self.needs.has_pack(class, id) && !self.needs.condemned.contains(&pack_path(class, id))
    }

    /// Takes a pack if it is the one that its name says.
    fn take_whole(&mut self, class: PackClass, id: PackId, bytes: &[u8], from: &str) -> Result<bool> {
        if PackId::of(bytes) != id {
            return Ok(false);
        }
        let Ok(table) = Table::of_pack(bytes, class) else { return Ok(false) };
        let path = pack_path(class, id);
        if self.outcome.fetched.iter().any(|fetched| fetched.path == path) {
            return Ok(true);
        }
        scan(bytes, class, &mut |hash, object| {
            self.needs.wanted.remove(class, &hash);
            self.at_hand.add(class, hash, object);
        });
        if let Some(disk) = &self.disk {
            let mut draft = disk.draft()?;
            draft.write_all(bytes)?;
            self.packs.push(FinishedPack { id, class, len: bytes.len() as u64, table, draft });
        }
        self.outcome.fetched.push(Fetched { path, from: from.to_owned() });
        Ok(true)
    }

    /// Takes a chunk or page, if it is still wanted; its name was checked.
    fn take(&mut self, class: PackClass, hash: [u8; HASH_LEN], bytes: &[u8], gathered: &mut Gathered) -> Result<()> {
        if !self.needs.wanted.remove(class, &hash) {
            return Ok(());
        }
        self.at_hand.add(class, hash, bytes);
        gathered.count(class, bytes.len());
        if let Some(disk) = &self.disk {
            let at = CLASSES.iter().position(|of| *of == class).unwrap_or_default();
            self.packs.extend(self.makers[at].add(hash, bytes, &|| disk.draft())?);
        }
        Ok(())
    }

    fn publish_if_many(&mut self) -> Result<()> {
        if self.packs.len() < PENDING_MAX { Ok(()) } else { self.publish() }
    }
}

impl Gathered {
    pub(super) fn count(&mut self, class: PackClass, len: usize) {
        match class {
            PackClass::Data => self.chunk_count += 1,
            PackClass::Meta => self.page_count += 1,
        }
        self.size_bytes += len as u64;
    }

    fn add(&mut self, more: &Gathered) {
        self.chunk_count += more.chunk_count;
        self.page_count += more.page_count;
        self.size_bytes += more.size_bytes;
    }
}

impl AtHand {
    pub(super) fn has(&self, class: PackClass, hash: &[u8; HASH_LEN]) -> bool {
        match class {
            PackClass::Data => self.chunks.contains_key(&ChunkId::from_bytes(*hash)),
            PackClass::Meta => self.pages.contains_key(&PageId::from_bytes(*hash)),
        }
    }

    pub(super) fn add(&mut self, class: PackClass, hash: [u8; HASH_LEN], bytes: &[u8]) {
        match class {
            PackClass::Data => drop(self.chunks.insert(ChunkId::from_bytes(hash), bytes.len() as u32)),
            PackClass::Meta => drop(self.pages.insert(PageId::from_bytes(hash), bytes.to_vec())),
        }
    }
}
