//! What is known of each pack besides what versions name: whether it is condemned and since when,
//! whether a commit holds it, whether a put is still at it.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::survey::{DEAD, ELSEWHERE, Ground, LIVE, NEEDED};
use crate::error::{Error, Result};
use crate::id::RecordId;
use crate::layout::Layout;
use crate::pack::pack_path;
use crate::pack::reader::Pack;
use crate::refs::condemned::{self, Condemnation, Condemned};
use crate::store::Store;
use crate::store::census::Place;
use crate::store::put_note::PutNotes;

/// What [`Facts`] are made of.
pub(super) struct Sources<'a> {
    pub(super) store: &'a Store,
    pub(super) condemned: &'a Condemned,
    /// The packs that may be removed; none if all that are condemned may.
    pub(super) removable: Option<&'a HashSet<PathBuf>>,
    pub(super) notes: &'a PutNotes,
    pub(super) held: &'a HashSet<PathBuf>,
    /// The time of the file system.
    pub(super) now: SystemTime,
    pub(super) grace: Duration,
    /// Whether orphans of the age of the grace are freed.
    pub(super) free_orphans: bool,
}

/// What is known of the packs of a class, in the order of its census.
pub(super) struct Facts(Vec<Fact>);

/// What is known of a pack.
#[derive(Clone, Debug)]
pub(super) struct Fact {
    pub(super) path: PathBuf,
    /// The records that condemn it.
    pub(super) records: Vec<RecordId>,
    /// When the grace of a condemned pack ends.
    pub(super) until: Option<SystemTime>,
    /// Whether the grace has ended.
    pub(super) is_due: bool,
    /// Whether it may be removed in this run, once it is condemned.
    pub(super) is_removable: bool,
    /// Whether a commit holds it.
    pub(super) is_held: bool,
    /// Whether a put that has not ended wrote it.
    pub(super) is_running: bool,
    /// From when on `--orphans` frees what no record here names in it.
    pub(super) orphans_until: SystemTime,
    is_left_behind: bool,
    frees_orphans: bool,
}

/// What a thing in a pack is to `gc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// A version needs it.
    Live,
    /// It tells what is dead.
    Needed,
    /// No record here names it.
    Orphan,
    /// It is kept in another place.
    Elsewhere,
    /// Nothing needs it.
    Dead,
}

impl Facts {
    pub(super) fn gather(ground: &Ground, sources: &Sources<'_>) -> Result<Facts> {
        let layout = sources.store.layout();
        let of = |pack: &Pack| -> Result<Fact> {
            let path = pack_path(pack.class, pack.id);
            let condemnation = sources.condemned.get(&path);
            let until = match condemnation {
                Some(condemnation) => Some(here_since(layout, &path, condemnation)? + sources.grace),
                None => None,
            };
            let orphans_until = newest(&layout.path(&path))? + sources.grace;
            Ok(Fact {
                records: condemnation.map(|condemnation| condemnation.records.clone()).unwrap_or_default(),
                until,
                is_due: until.is_some_and(|until| until <= sources.now),
                is_removable: sources.removable.is_none_or(|removable| removable.contains(&path)),
                is_held: sources.held.contains(&path),
                is_running: sources.notes.running.contains(&path),
                is_left_behind: sources.notes.left_behind.contains(&path),
                frees_orphans: sources.free_orphans && orphans_until <= sources.now,
                orphans_until,
                path,
            })
        };
        ground.census.packs().iter().map(|pack| of(pack.as_ref())).collect::<Result<_>>().map(Facts)
    }

    /// Says of a pack that it is condemned now, by a record.
    pub(super) fn condemn(&mut self, pack: u32, record: RecordId) {
        self.0[pack as usize].records.push(record);
    }

    /// Yields the records that condemn packs; some more than once.
    pub(super) fn records(&self) -> impl Iterator<Item = RecordId> {
        self.0.iter().flat_map(|fact| fact.records.iter().copied())
    }

    /// Returns what is known of a pack.
    pub(super) fn of(&self, pack: u32) -> &Fact {
        &self.0[pack as usize]
    }

    /// Yields the packs that a put has left behind and that are not condemned, for something in them is live.
    pub(super) fn reused<'f>(&'f self, ground: &'f Ground) -> impl Iterator<Item = PathBuf> + 'f {
        let is_live = |pack: u32, slot| self.usage(ground.marks(Place { pack, slot }), pack) == Use::Live;
        let packs = (0..ground.pack_count()).filter(|&pack| self.of(pack).is_left_behind && !self.of(pack).is_condemned());
        packs.filter(move |&pack| (0..ground.slot_count(pack)).any(|slot| is_live(pack, slot))).map(|pack| self.of(pack).path.clone())
    }

    /// Says what a thing with these marks is, in a pack.
    pub(super) fn usage(&self, marks: u8, pack: u32) -> Use {
        let fact = self.of(pack);
        match marks {
            _ if marks & ELSEWHERE != 0 => Use::Elsewhere,
            _ if marks & LIVE != 0 => Use::Live,
            _ if marks & NEEDED != 0 => Use::Needed,
            _ if marks & DEAD != 0 || fact.is_left_behind || fact.frees_orphans => Use::Dead,
            _ => Use::Orphan,
        }
    }
}

impl Fact {
    pub(super) fn is_condemned(&self) -> bool {
        !self.records.is_empty()
    }
}

/// Returns since when a pack and a record that condemns it have both been here.
fn here_since(layout: &Layout, pack: &Path, condemnation: &Condemnation) -> Result<SystemTime> {
    let records = condemnation.records.iter().map(|record| newest(&layout.path(&condemned::record_path(*record))));
    let first = records.collect::<Result<Vec<_>>>()?.into_iter().min();
    let file = newest(&layout.path(pack))?;
    Ok(first.map_or(file, |first| first.max(file)))
}

/// Returns the later of the times at which a file was written to and changed: a copy that keeps
/// the one time cannot keep the other.
fn newest(path: &Path) -> Result<SystemTime> {
    let meta = fs::symlink_metadata(path).map_err(|e| Error::io("look at", path, e))?;
    let at = |seconds: i64, nanos: i64| {
        SystemTime::UNIX_EPOCH + Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanos).unwrap_or(0))
    };
    Ok(at(meta.mtime(), meta.mtime_nsec()).max(at(meta.ctime(), meta.ctime_nsec())))
}
