//! Which packs are condemned: what the records in `gc/` add up to.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::read::{HASH16, read_record};
use crate::error::Result;
use crate::format::pack::PackClass;
use crate::format::record::Record;
use crate::id::{PackId, RecordId};
use crate::open::names_in;
use crate::pack::pack_path;

/// The directory of condemn and lift records.
pub const CONDEMN_DIR: &str = "gc";

/// The packs that writers must not reuse, by where they lie relative to the store.
#[derive(Clone, Debug, Default)]
pub struct Condemned {
    by_pack: BTreeMap<PathBuf, Condemnation>,
    records: Vec<RecordId>,
    damaged: Vec<(PathBuf, String)>,
}

/// What condemns one pack.
#[derive(Clone, Debug)]
pub struct Condemnation {
    /// The pack's class.
    pub class: PackClass,
    /// The pack.
    pub pack: PackId,
    /// The condemn records that nothing has lifted for it, sorted.
    pub records: Vec<RecordId>,
}

impl Condemned {
    /// Reads all records of the store at `root`. A pack is condemned if one condemn record lists
    /// it which no lift record lifts for it.
    pub fn load(root: &Path) -> Result<Condemned> {
        Condemned::load_with(root, &[])
    }

    /// The same, with the records of another copy among them; those that cannot be read are passed
    /// over.
    pub fn load_with(root: &Path, others: &[Vec<u8>]) -> Result<Condemned> {
        let mut condemned = Condemned::default();
        let mut records: Vec<(RecordId, Record)> =
            others.iter().filter_map(|line| Some((RecordId::of(line), Record::decode(line).ok()?))).collect();
        for name in names_in(&root.join(CONDEMN_DIR))? {
            if !is_name(&name) {
                continue;
            }
            let path = Path::new(CONDEMN_DIR).join(&name);
            match read_record(&root.join(&path), &name)? {
                Ok((id, record @ (Record::Condemn(_) | Record::Lift(_)))) => records.push((id, record)),
                Ok(_) => condemned.damaged.push((path, "it is not the record that its place says".to_owned())),
                Err(why) => condemned.damaged.push((path, why)),
            }
        }
        condemned.add(&records);
        condemned.records = records.into_iter().map(|(id, _)| id).collect();
        condemned.damaged.sort();
        Ok(condemned)
    }

    /// Adds up records: of another copy, say.
    pub fn of(lines: &[Vec<u8>]) -> Condemned {
        let records: Vec<_> = lines.iter().filter_map(|line| Some((RecordId::of(line), Record::decode(line).ok()?))).collect();
        let mut condemned = Condemned::default();
        condemned.add(&records);
        condemned
    }

    fn add(&mut self, records: &[(RecordId, Record)]) {
        let mut lifted = HashSet::new();
        let mut listed = Vec::new();
        for (id, record) in records {
            match record {
                Record::Condemn(record) => listed.extend(packs(&record.data, &record.meta).map(|(class, pack)| (class, pack, *id))),
                Record::Lift(record) => {
                    for pack in packs(&record.data, &record.meta) {
                        lifted.extend(record.lifts.iter().map(|&lifts| (pack, lifts)));
                    }
                }
                _ => {}
            }
        }
        for (class, pack, record) in listed {
            if !lifted.contains(&((class, pack), record)) {
                let entry = self.by_pack.entry(pack_path(class, pack));
                entry.or_insert_with(|| Condemnation { class, pack, records: Vec::new() }).records.push(record);
            }
        }
        for condemnation in self.by_pack.values_mut() {
            condemnation.records.sort_unstable();
            condemnation.records.dedup();
        }
    }

    /// Returns what condemns the pack at a path relative to the store, if anything does.
    pub fn get(&self, pack: &Path) -> Option<&Condemnation> {
        self.by_pack.get(pack)
    }

    /// Whether the pack at a path relative to the store is condemned.
    pub fn contains(&self, pack: &Path) -> bool {
        self.by_pack.contains_key(pack)
    }

    /// Yields the condemned packs, whether they are still here or not, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Condemnation)> {
        self.by_pack.iter().map(|(path, condemnation)| (path.as_path(), condemnation))
    }

    /// Returns the records that were read.
    pub fn records(&self) -> &[RecordId] {
        &self.records
    }

    /// Returns records that cannot be read, and why.
    pub fn damaged(&self) -> &[(PathBuf, String)] {
        &self.damaged
    }
}

/// Returns where a record that condemns or lifts lies, relative to the store.
pub fn record_path(record: RecordId) -> PathBuf {
    Path::new(CONDEMN_DIR).join(record.short(HASH16))
}

/// Whether a file name has the shape of a record in `gc/`.
pub fn is_name(name: &str) -> bool {
    name.len() == HASH16 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Yields the packs of both classes that a record names.
pub fn packs(data: &[PackId], meta: &[PackId]) -> impl Iterator<Item = (PackClass, PackId)> {
    let data = data.iter().map(|&id| (PackClass::Data, id));
    data.chain(meta.iter().map(|&id| (PackClass::Meta, id))).collect::<Vec<_>>().into_iter()
}

/// Salts a pack's header, so that one of the very same content as a condemned pack has a name of
/// its own; another condemnation gives another salt.
pub fn salt(condemnation: &Condemnation) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    condemnation.records.iter().for_each(|record| {
        hasher.update(record.as_bytes());
    });
    *hasher.finalize().as_bytes().first_chunk().expect("a hash has more than eight bytes")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::format::condemn::{CondemnRecord, LiftRecord};
    use crate::format::record::Time;

    fn write(root: &Path, record: &Record) -> RecordId {
        let (id, line) = record.encode().unwrap();
        fs::create_dir_all(root.join(CONDEMN_DIR)).unwrap();
        fs::write(root.join(CONDEMN_DIR).join(id.short(HASH16)), line).unwrap();
        id
    }

    fn condemn(root: &Path, nonce: &str, data: &[PackId]) -> RecordId {
        let mut data = data.to_vec();
        data.sort();
        write(
            root,
            &Record::Condemn(CondemnRecord { created_at: Time(jiff::Timestamp::UNIX_EPOCH), data, meta: vec![], nonce: nonce.into() }),
        )
    }

    #[test]
    fn a_lift_undoes_the_condemnations_it_names_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (PackId::of(b"a"), PackId::of(b"b"));
        let first = condemn(dir.path(), "0000000000000001", &[a, b]);
        let path = pack_path(PackClass::Data, a);
        assert!(Condemned::load(dir.path()).unwrap().contains(&path));
        let lift = LiftRecord { created_at: Time(jiff::Timestamp::UNIX_EPOCH), data: vec![a], lifts: vec![first], meta: vec![] };
        write(dir.path(), &Record::Lift(lift));
        let state = Condemned::load(dir.path()).unwrap();
        assert!(!state.contains(&path) && state.contains(&pack_path(PackClass::Data, b)));
        let second = condemn(dir.path(), "0000000000000002", &[a]);
        let state = Condemned::load(dir.path()).unwrap();
        assert_eq!(state.get(&path).unwrap().records, [second]);
    }

    #[test]
    fn a_record_whose_bytes_do_not_match_its_name_is_told_and_condemns_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let id = condemn(dir.path(), "0000000000000001", &[PackId::of(b"a")]);
        fs::rename(dir.path().join("gc").join(id.short(HASH16)), dir.path().join("gc/0123456789abcdef")).unwrap();
        fs::write(dir.path().join("gc/.DS_Store"), "").unwrap();
        let state = Condemned::load(dir.path()).unwrap();
        assert_eq!((state.iter().count(), state.damaged().len()), (0, 1));
    }

    #[test]
    fn another_condemnation_gives_another_salt() {
        let of = |records: &[&[u8]]| {
            salt(&Condemnation {
                class: PackClass::Data,
                pack: PackId::of(b"a"),
                records: records.iter().map(|bytes| RecordId::of(bytes)).collect(),
            })
        };
        assert_ne!(of(&[b"1"]), of(&[b"2"]));
        assert_ne!(of(&[b"1"]), of(&[b"1", b"2"]));
        assert_ne!(of(&[b"1"]), [0; 8]);
    }
}
