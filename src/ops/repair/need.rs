//! What is damaged here, and what live versions need and is not here.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::pack::{PackClass, PackError};
use crate::id::{ChunkId, HASH_LEN, PackId, PageId, RecordId};
use crate::layout::Layout;
use crate::name::Name;
use crate::ops::fsck::facts::Measure;
use crate::ops::fsck::lacks::Lacks;
use crate::ops::fsck::marks::{Bad, Chunks};
use crate::ops::fsck::packs::Checked;
use crate::ops::fsck::pages::Pages;
use crate::ops::fsck::records;
use crate::ops::fsck::verdict::{Trees, live_roots, metadata_roots, roots};
use crate::pack::pack_path;
use crate::refs::condemned::Condemned;
use crate::refs::history::History;
use crate::refs::read::{Records, parse_record_name, read_record};
use crate::refs::runs::Runs;
use crate::store::Store;
use crate::store::guard::{DamagedKept, KEEP_DIR};

use super::fetch::CLASSES;

/// What a store needs.
pub(super) struct Needs {
    pub(super) data: Checked,
    pub(super) meta: Checked,
    bad_data: Bad,
    bad_meta: Bad,
    pub(super) condemned: Condemned,
    pub(super) records: Vec<(Name, Records)>,
    pub(super) runs: Runs,
    /// Files that are not what they should be, by their paths.
    pub(super) damaged: Vec<Damaged>,
    /// What cannot be read for lack of permission, and why; it is left alone.
    pub(super) unreadable: Vec<(PathBuf, String)>,
    /// Chunks and pages of live versions that are in no good pack.
    pub(super) wanted: Wanted,
}

/// A file that is not what its name says.
#[derive(Clone, Debug)]
pub(super) struct Damaged {
    /// Relative to the store.
    pub(super) path: PathBuf,
    pub(super) what: DamagedFile,
}

/// What a damaged file should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DamagedFile {
    Pack(PackClass, PackId),
    /// A record whose bytes do not match its name.
    Record,
    /// A record that lies where it does not count.
    Misplaced,
}

/// Chunks and pages that are wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) chunks: HashMap<ChunkId, u32>,
    pub(super) pages: HashSet<PageId>,
}

/// Chunks and pages that were fetched.
#[derive(Debug, Default)]
pub(super) struct AtHand {
    pub(super) chunks: HashMap<ChunkId, u32>,
    pub(super) pages: HashMap<PageId, Vec<u8>>,
}

/// Whether what each version lacks is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tell {
    Nothing,
    All,
}

impl Damaged {
    /// Returns the file's name.
    pub(super) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Returns the digits of a record's id that its name has.
    pub(super) fn hash16(&self) -> String {
        let name = self.name();
        parse_record_name(&name).map_or(name, |(_, hash16)| hash16)
    }
}

impl Wanted {
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.pages.is_empty()
    }

    pub(super) fn has(&self, class: PackClass, hash: &[u8; HASH_LEN]) -> bool {
        match class {
            PackClass::Data => self.chunks.contains_key(&ChunkId::from_bytes(*hash)),
            PackClass::Meta => self.pages.contains(&PageId::from_bytes(*hash)),
        }
    }

    pub(super) fn remove(&mut self, class: PackClass, hash: &[u8; HASH_LEN]) -> bool {
        match class {
            PackClass::Data => self.chunks.remove(&ChunkId::from_bytes(*hash)).is_some(),
            PackClass::Meta => self.pages.remove(&PageId::from_bytes(*hash)),
        }
    }

    pub(super) fn hashes(&self, class: PackClass) -> Vec<[u8; HASH_LEN]> {
        match class {
            PackClass::Data => self.chunks.keys().map(|id| *id.as_bytes()).collect(),
            PackClass::Meta => self.pages.iter().map(|id| *id.as_bytes()).collect(),
        }
    }
}

impl Needs {
    /// Checks the store as `fsck` does.
    pub(super) fn survey(store: &Store, context: &Context<'_>) -> Result<Needs> {
        let mut findings = Vec::new();
        context.progress.phase("hashing packs");
        // Before the packs are listed: a version's packs are there before its record is.
        let records = records::load(store, &mut findings);
        let mut list = |class: PackClass| {
            let listed = Checked::list(store, class, context.threads, &mut findings);
            listed.ok_or_else(|| Error::failed(format!("cannot repair the store: its packs in `{}` cannot be listed", class.dir())))
        };
        let (mut data, mut meta) = (list(PackClass::Data)?, list(PackClass::Meta)?);
        context.progress.expect(data.count() + meta.count(), data.bytes() + meta.bytes());
        context.progress.all_expected();
        data.hash(context, &mut findings);
        meta.hash(context, &mut findings);
        let mut needs = Needs {
            bad_data: whole(&data),
            bad_meta: whole(&meta),
            data,
            meta,
            condemned: store.condemned()?,
            records,
            runs: store.runs(context.threads)?,
            damaged: Vec::new(),
            unreadable: Vec::new(),
            wanted: Wanted::default(),
        };
        needs.list_damage(store);
        context.progress.phase("checking versions");
        let (wanted, _) = needs.look(context, &AtHand::default(), Tell::Nothing);
        needs.wanted = wanted;
        Ok(needs)
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.damaged.is_empty() && self.unreadable.is_empty() && self.wanted.is_empty() && self.lost_versions().is_empty()
    }

    /// Adds second names that are the last of their files, and damaged.
    pub(super) fn add_kept(&mut self, kept: &[DamagedKept]) {
        for DamagedKept { name, class } in kept {
            let path = Path::new(KEEP_DIR).join(name);
            match name.parse::<PackId>() {
                Ok(id) => {
                    let classes = class.as_ref().map_or(&CLASSES[..], std::slice::from_ref);
                    let packs = classes.iter().map(|&class| Damaged { path: path.clone(), what: DamagedFile::Pack(class, id) });
                    self.damaged.extend(packs);
                }
                Err(_) => self.damaged.push(Damaged { path, what: DamagedFile::Record }),
            }
        }
    }

    fn list_damage(&mut self, store: &Store) {
        let root = store.root();
        for checked in [&self.data, &self.meta] {
            let class = checked.class;
            for (id, why) in &checked.not_arrived {
                let path = pack_path(class, *id);
                match why {
                    PackError::Unreadable(io::ErrorKind::PermissionDenied) => self.unreadable.push((path, why.to_string())),
                    _ => self.damaged.push(Damaged { path, what: DamagedFile::Pack(class, *id) }),
                }
            }
            for &at in &checked.damaged {
                let id = checked.census.packs()[at as usize].id;
                self.damaged.push(Damaged { path: pack_path(class, id), what: DamagedFile::Pack(class, id) });
            }
        }
        let in_refs = self.records.iter().flat_map(|(_, records)| &records.damaged).map(|record| record.path.clone());
        let in_gc = self.condemned.damaged().iter().map(|(path, _)| path.clone());
        let in_runs = self.runs.damaged.iter().map(|record| record.path.clone());
        for path in in_refs.chain(in_runs).chain(in_gc).collect::<Vec<_>>() {
            let mut damaged = Damaged { path, what: DamagedFile::Record };
            if read_record(&root.join(&damaged.path), &damaged.hash16()).is_ok_and(|read| read.is_ok()) {
                damaged.what = DamagedFile::Misplaced;
            }
            self.damaged.push(damaged);
        }
        self.damaged.sort_by(|a, b| a.path.cmp(&b.path));
    }

    /// Looks for what live versions need, with what is at hand besides; and tells of each version,
    /// and each artifact as a whole, what it lacks, if that is asked for.
    pub(super) fn look(&self, context: &Context<'_>, at_hand: &AtHand, tell: Tell) -> (Wanted, Vec<(String, Lacks)>) {
        let histories = self.histories();
        let keep = if tell == Tell::All { usize::MAX } else { 0 };
        let wanted = Mutex::new(HashMap::new());
        let measure = Measure {
            chunks: Chunks { census: &self.data.census, bad: &self.bad_data, extra: &at_hand.chunks },
            wrong_files: &HashSet::new(),
            keep,
            wanted: Some(&wanted),
        };
        let pages = Pages { census: &self.meta.census, bad: &self.bad_meta, extra: &at_hand.pages };
        let mut trees = Trees::read(pages, live_roots(&histories), &measure, context.threads);
        let pages = trees.lacking_pages().map(|(_, id)| id).collect();
        let chunks = wanted.into_inner().unwrap_or_else(PoisonError::into_inner);
        let told = if tell == Tell::All { &histories[..] } else { &[] };
        let mut lacks = Vec::new();
        for history in told {
            lacks.push((history.artifact.to_string(), trees.lacks(metadata_roots(&history.about.metadata))));
            let live = history.versions.iter().filter(|version| !version.deleted);
            lacks.extend(live.map(|version| (version.full_name(), trees.lacks(roots(version)))));
        }
        (Wanted { chunks, pages }, lacks)
    }

    /// Adds up the records, those that were fetched too.
    pub(super) fn histories(&self) -> Vec<History> {
        self.records.iter().map(|(name, records)| History::new(name.clone(), records.clone())).collect()
    }

    /// Lists the versions that aliases name and whose records are not here.
    pub(super) fn lost_versions(&self) -> Vec<(String, RecordId)> {
        let of = |history: &History| {
            let lost = records::lost_aliases(history);
            lost.into_iter().map(|(alias, id)| (format!("{}:{alias}", history.artifact), id)).collect::<Vec<_>>()
        };
        self.histories().iter().flat_map(of).collect()
    }

    /// Whether a pack is here and whole.
    pub(super) fn has_pack(&self, class: PackClass, id: PackId) -> bool {
        let checked = if class == PackClass::Data { &self.data } else { &self.meta };
        let at = checked.census.packs().binary_search_by_key(&id, |pack| pack.id);
        at.is_ok_and(|at| !checked.damaged.contains(&(at as u32)))
    }

    /// Returns where the damaged packs and records lie.
    pub(super) fn damaged_paths(&self, layout: &Layout) -> impl Iterator<Item = PathBuf> {
        self.damaged.iter().map(|damaged| layout.path(&damaged.path)).collect::<Vec<_>>().into_iter()
    }
}

/// Nothing in a damaged pack counts: it is going to be moved away.
fn whole(checked: &Checked) -> Bad {
    let mut bad = Bad::default();
    checked.damaged.iter().for_each(|&pack| bad.whole(pack));
    bad
}
