//! What is known of versions, in one file of local state: which are whole, and what the others lack,
//! beside the packs that were here when that was found.
//!
//! A version that is whole stays so while these packs are listed at their lengths; what another lacks is
//! known while no pack came to them either. Losing the file costs reading pages.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Missing, starts_of};
use crate::codec;
use crate::durable::Disk;
use crate::error::Result;
use crate::id::{FileDigest, HASH_LEN, PackId, PageId};
use crate::open::open_regular;
use crate::refs::history::Version;
use crate::store::Store;
use crate::store::files::{self, FileClass};
use crate::store::rests;

/// The file in local state.
const FILE: &str = "missing";

const MAGIC: &[u8; 8] = b"artmiss1";

/// Longest file, in bytes: more than a million versions and packs.
const FILE_LEN_MAX: u64 = 128 << 20;

/// So many versions, of which nothing else is known, are looked up in the notes of puts: what the last puts
/// stored, however large, is not read again. A note names every pack that its put could rely on, so of more
/// versions their pages are read, and noted here.
const RESTS_MAX: usize = 8;

/// The packs of a store, with their lengths.
type Packs = HashMap<PackId, u64>;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Body {
    packs: Vec<(PackId, u64)>,
    /// All that is noted, sorted by what it is of.
    rows: Vec<(FileDigest, Missing)>,
}

/// What is noted, as far as it still holds.
pub(super) struct Notes {
    local: Option<PathBuf>,
    packs: Packs,
    rows: HashMap<FileDigest, Missing>,
    /// Versions whose put has noted on which packs they rest.
    rests: HashSet<FileDigest>,
}

impl Notes {
    /// Lists the packs and reads what is noted of a store.
    pub(super) fn open(store: &Store, versions: &[&Version]) -> Result<Notes> {
        let packs = list(store)?;
        let local = store.local();
        let body = local.as_deref().and_then(|local| read(&local.join(FILE))).unwrap_or_default();
        let are_listed = body.packs.iter().all(|(id, len)| packs.get(id) == Some(len));
        let is_current = are_listed && body.packs.len() == packs.len();
        let rows = body.rows.into_iter().filter(|(_, missing)| is_current || are_listed && missing.is_none()).collect();
        let mut notes = Notes { local, packs, rows, rests: HashSet::new() };
        notes.look_at_rests(store, versions);
        Ok(notes)
    }

    /// What is noted of a version.
    pub(super) fn of(&self, version: &Version) -> Option<Missing> {
        let key = key(version);
        let rests = self.rests.contains(&key).then(Missing::default);
        self.rows.get(&key).copied().or(rests)
    }

    /// Notes what was found, where that can be done and the packs are still those that were listed.
    pub(super) fn save(mut self, store: &Store, found: &[(&Version, Missing)]) {
        let Some(local) = self.local.as_ref().filter(|_| !found.is_empty()) else { return };
        if !list(store).is_ok_and(|packs| packs == self.packs) {
            return;
        }
        self.rows.extend(self.rests.drain().map(|key| (key, Missing::default())));
        self.rows.extend(found.iter().map(|(version, missing)| (key(version), *missing)));
        let mut body = Body { packs: self.packs.into_iter().collect(), rows: self.rows.into_iter().collect() };
        body.packs.sort_unstable();
        body.rows.sort_unstable_by_key(|(key, _)| *key);
        let body = codec::encode(&body);
        // It is a cache: who cannot write it reads pages again.
        let bytes = [&MAGIC[..], FileDigest::of(&body).as_bytes(), &body].concat();
        if bytes.len() as u64 <= FILE_LEN_MAX {
            let _ = Disk::new(store.layout(), local).and_then(|disk| disk.write_local(&local.join(FILE), &bytes));
        }
    }

    /// A put has noted on which packs its version rests, all confirmed: its pages need not be read.
    fn look_at_rests(&mut self, store: &Store, versions: &[&Version]) {
        let Some(local) = &self.local else { return };
        let is_plain = |version: &Version| version.metadata.iter().all(|layer| layer.pages.is_empty());
        let plain = versions.iter().filter(|version| is_plain(version)).map(|version| (key(version), version.record.manifest));
        let unknown: HashMap<FileDigest, PageId> = plain.filter(|(key, _)| !self.rows.contains_key(key)).collect();
        if unknown.is_empty() || unknown.len() > RESTS_MAX {
            return;
        }
        let Ok(disk) = Disk::new(store.layout(), local) else { return };
        let mut known = HashMap::<PathBuf, bool>::new();
        let mut is_confirmed = |path: PathBuf| match known.get(&path) {
            Some(known) => *known,
            None => *known.entry(path.clone()).or_insert(disk.is_confirmed(&path)),
        };
        let mut rests = |manifest| rests::read(local, manifest).is_some_and(|all| all.into_iter().all(&mut is_confirmed));
        self.rests = unknown.into_iter().filter(|(_, manifest)| rests(*manifest)).map(|(key, _)| key).collect();
    }
}

/// Names all that a version names: by the manifest, where that is all.
fn key(version: &Version) -> FileDigest {
    let pages: Vec<u8> = starts_of(version).iter().flat_map(|start| *start.page.as_bytes()).collect();
    pages.as_slice().try_into().map_or_else(|_| FileDigest::of(&pages), FileDigest::from_bytes)
}

fn list(store: &Store) -> Result<Packs> {
    let files = files::list(store.layout(), &[FileClass::Data, FileClass::Meta])?;
    Ok(files.into_iter().filter_map(|file| Some((file.path.pack_id()?, file.len))).collect())
}

fn read(path: &Path) -> Option<Body> {
    let mut bytes = Vec::new();
    open_regular(path).ok()?.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes).ok()?;
    let (digest, body) = bytes.strip_prefix(MAGIC)?.split_at_checked(HASH_LEN)?;
    let is_whole = bytes.len() as u64 <= FILE_LEN_MAX && FileDigest::of(body).as_bytes()[..] == *digest;
    is_whole.then(|| codec::decode_own(body).ok())?
}
