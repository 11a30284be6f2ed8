//! Facts about the look-up as a whole: packs in a store, files of the index beside it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use proptest::prelude::*;

use super::file::RunFile;
use super::run::{Row, Run};
use super::*;
use crate::id::ChunkId;
use crate::pack::writer::{FinishedPack, PackWriter};

/// A store's directory with packs of made-up chunks.
struct Shelf {
    dir: tempfile::TempDir,
    disk: Disk,
}

fn chunk(number: u32) -> [u8; HASH_LEN] {
    *ChunkId::of(&number.to_le_bytes()).as_bytes()
}

impl Shelf {
    fn new() -> Shelf {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("local")).unwrap();
        let disk = Disk::new(dir.path(), &dir.path().join("local")).unwrap();
        Shelf { dir, disk }
    }

    fn finished(&self, chunks: std::ops::Range<u32>) -> FinishedPack {
        let mut writer = PackWriter::new(PackClass::Data, self.disk.draft().unwrap()).unwrap();
        for number in chunks {
            writer.add_block(0, 4, &number.to_le_bytes(), &[(chunk(number), 4)]).unwrap();
        }
        writer.finish().unwrap()
    }

    /// Puts a pack into the store, without syncing.
    fn pack(&self, chunks: std::ops::Range<u32>) -> PathBuf {
        let FinishedPack { id, draft, .. } = self.finished(chunks);
        let path = self.dir.path().join(crate::pack::pack_path(PackClass::Data, id));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        draft.replace_local(&path).unwrap();
        path
    }

    /// Puts `packs` packs of `each` chunks into the store.
    fn packs(&self, packs: u32, each: u32) -> Vec<PathBuf> {
        (0..packs).map(|number| self.pack(number * each..(number + 1) * each)).collect()
    }

    fn files_dir(&self) -> PathBuf {
        self.dir.path().join("local/index")
    }

    fn files(&self) -> Vec<PathBuf> {
        let all = fs::read_dir(self.files_dir()).map(|entries| entries.map(|entry| entry.unwrap().path()).collect());
        let all: Vec<PathBuf> = all.unwrap_or_default();
        all.into_iter().filter(|path| !path.ends_with("lock")).collect()
    }

    fn open(&self) -> Index {
        Index::open(&self.dir.path().into(), PackClass::Data, Some(&self.files_dir())).unwrap()
    }

    fn save(&self, index: &Index) {
        index.save(&self.disk, &self.files_dir()).unwrap();
    }

    /// Whether exactly the chunks below `end` are found, where the packs have them.
    fn answers(&self, index: &Index, end: u32) {
        for number in 0..end {
            let found = index.find_any(&chunk(number)).unwrap();
            assert_eq!(found.row.hash, chunk(number));
            let mut bytes = Vec::new();
            let mut decoder = crate::chunk::compress::Decoder::new();
            found.pack.file().unwrap().read_part(&found.block, found.row.offset, found.row.len, &mut decoder, &mut bytes).unwrap();
            assert_eq!(bytes, number.to_le_bytes());
        }
        for number in end..end + 200 {
            assert!(index.find_any(&chunk(number)).is_none());
        }
    }
}

fn replace(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn few_packs_are_not_worth_a_file() {
    let shelf = Shelf::new();
    shelf.packs(SAVE_PACKS_MIN as u32 - 1, 2);
    shelf.save(&shelf.open());
    assert!(shelf.files().is_empty());
}

#[test]
fn packs_that_a_file_covers_are_found_without_their_tables() {
    let shelf = Shelf::new();
    let paths = shelf.packs(70, 3);
    let index = shelf.open();
    shelf.save(&index);
    shelf.answers(&index, 210);
    let again = shelf.open();
    assert_eq!((again.read(|state| state.in_memory.len()), again.packs().len()), (0, 70));
    shelf.answers(&again, 210);
    // A table that was damaged since shows when its row is used, and only there.
    let mut bytes = fs::read(&paths[5]).unwrap();
    let at = bytes.len() - 72 - 3 * 44;
    bytes[at..at + 3 * 44].fill(7);
    replace(&paths[5], &bytes);
    let index = shelf.open();
    assert!((15..18).all(|number| index.find_any(&chunk(number)).is_none()));
    assert!((0..15).chain(18..210).all(|number| index.find_any(&chunk(number)).is_some()));
}

#[test]
fn a_deleted_file_loses_nothing_and_a_truncated_one_is_ignored() {
    let shelf = Shelf::new();
    shelf.packs(70, 3);
    shelf.save(&shelf.open());
    let file = shelf.files().remove(0);
    let bytes = fs::read(&file).unwrap();
    for len in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
        replace(&file, &bytes[..len]);
        assert!(RunFile::open(&file, PackClass::Data).is_none());
    }
    shelf.answers(&shelf.open(), 210);
    // A writer removes it and writes another.
    shelf.save(&shelf.open());
    assert_eq!(shelf.open().read(|state| state.files.len()), 1);
    fs::remove_dir_all(shelf.files_dir()).unwrap();
    shelf.answers(&shelf.open(), 210);
}

#[test]
fn a_byte_that_is_wrong_anywhere_never_changes_an_answer() {
    let shelf = Shelf::new();
    shelf.packs(64, 2);
    shelf.save(&shelf.open());
    let file = shelf.files().remove(0);
    let bytes = fs::read(&file).unwrap();
    let head_len = bytes.len() as u64 - RunFile::open(&file, PackClass::Data).unwrap().len() * 16;
    // The whole fixed head; of the rest every few bytes, so that each field of a row is met.
    let body = head_len as usize - 200..bytes.len();
    let places = (0..64).chain((64..body.start).step_by(61)).chain(body.step_by(13));
    for at in places {
        let mut bent = bytes.clone();
        bent[at] ^= 0x41;
        replace(&file, &bent);
        let index = shelf.open();
        for number in (0..128).step_by(5).chain([127]) {
            let found = index.find_any(&chunk(number)).unwrap_or_else(|| panic!("chunk {number} is hidden by byte {at}"));
            assert_eq!(found.row.hash, chunk(number));
        }
        assert!((128..160).all(|number| index.find_any(&chunk(number)).is_none()));
    }
}

#[test]
fn a_damaged_file_is_not_merged_but_read_anew_from_the_packs() {
    let shelf = Shelf::new();
    shelf.packs(64, 2);
    shelf.save(&shelf.open());
    let file = shelf.files().remove(0);
    let mut bytes = fs::read(&file).unwrap();
    let last_row = bytes.len() - filter::len_for(128) as usize - 16;
    bytes[last_row..last_row + 8].fill(0xff);
    replace(&file, &bytes);
    (64..128).for_each(|number| drop(shelf.pack(number * 2..number * 2 + 2)));
    let index = shelf.open();
    shelf.save(&index);
    assert_eq!(shelf.files().len(), 1);
    assert!(!shelf.files().contains(&file));
    shelf.answers(&index, 256);
    let again = shelf.open();
    assert_eq!(again.read(|state| (state.in_memory.len(), state.files.len())), (0, 1));
    shelf.answers(&again, 256);
}

#[test]
fn rows_of_packs_that_are_gone_or_of_another_length_are_not_believed() {
    let shelf = Shelf::new();
    let paths = shelf.packs(70, 3);
    shelf.save(&shelf.open());
    fs::remove_file(&paths[3]).unwrap();
    let bytes = fs::read(&paths[4]).unwrap();
    replace(&paths[4], &bytes[..bytes.len() - 1]);
    let index = shelf.open();
    assert_eq!((index.packs().len(), index.not_arrived().len()), (68, 1));
    assert!((9..15).all(|number| index.find_any(&chunk(number)).is_none()));
    assert!((0..9).chain(15..210).all(|number| index.find_any(&chunk(number)).is_some()));
    // One that comes back is found again; those in memory are saved without the lost one.
    replace(&paths[4], &bytes);
    assert!(index.refresh().unwrap());
    assert!((12..15).all(|number| index.find_any(&chunk(number)).is_some()));
    (70..140).for_each(|number| drop(shelf.pack(number * 3..number * 3 + 3)));
    index.refresh().unwrap();
    shelf.save(&index);
    let again = shelf.open();
    assert_eq!(again.read(|state| state.files.iter().map(|file| file.packs.len()).collect::<Vec<_>>()), [139]);
    assert!((9..12).all(|number| again.find_any(&chunk(number)).is_none()));
    assert!((12..420).all(|number| again.find_any(&chunk(number)).is_some()));
}

#[test]
fn saving_again_and_again_keeps_every_row_in_few_files() {
    let shelf = Shelf::new();
    let index = shelf.open();
    for round in 0..20 {
        for number in round * 64..(round + 1) * 64 {
            let FinishedPack { id, class, len, table, draft } = shelf.finished(number..number + 1);
            let path = shelf.dir.path().join(crate::pack::pack_path(class, id));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            draft.replace_local(&path).unwrap();
            index.add(Pack { id, class, path, len, block_count: 1, chunk_count: 1 }, table);
        }
        shelf.save(&index);
        assert_eq!(index.read(|state| state.rows_in_memory()), 0);
    }
    assert!(shelf.files().len() <= 5, "{} files", shelf.files().len());
    shelf.answers(&index, 20 * 64);
    let again = shelf.open();
    assert_eq!(again.read(|state| (state.in_memory.len(), state.files.iter().map(RunFile::len).sum())), (0, 20 * 64));
    shelf.answers(&again, 20 * 64);
}

#[test]
fn two_writers_that_save_the_same_packs_do_no_harm() {
    let shelf = Shelf::new();
    shelf.packs(64, 2);
    let (one, other) = (shelf.open(), shelf.open());
    shelf.save(&one);
    (64..130).for_each(|number| drop(shelf.pack(number * 2..number * 2 + 2)));
    other.refresh().unwrap();
    shelf.save(&other);
    // The first has its file open still, whatever became of it.
    shelf.answers(&one, 128);
    one.refresh().unwrap();
    shelf.save(&one);
    shelf.answers(&one, 260);
    shelf.answers(&shelf.open(), 260);
}

/// A state whose packs are only counted, with rows in memory.
fn counted(packs: u32, rows: Vec<Row>) -> State {
    let mut state = State::default();
    let mut counts = vec![0; packs as usize];
    rows.iter().for_each(|row| counts[row.pack as usize] += 1);
    for (number, chunk_count) in (0..).zip(counts) {
        let id = PackId::of(&u32::to_le_bytes(number));
        let pack = Pack { id, class: PackClass::Data, path: PathBuf::new(), len: 1000, block_count: 1, chunk_count };
        state.packs.push(Arc::new(pack));
        state.numbers.insert(id, number);
        state.in_memory.insert(number);
    }
    state.runs.push(Run::of(rows));
    state
}

fn written(shelf: &Shelf, state: &State) -> State {
    fs::create_dir_all(shelf.files_dir()).unwrap();
    let path = Plan::make(state).unwrap().write(state, PackClass::Data, &shelf.disk, &shelf.files_dir()).unwrap();
    let mut on_disk = State { packs: state.packs.clone(), numbers: state.numbers.clone(), ..State::default() };
    on_disk.saved(&[], &path, PackClass::Data);
    assert!(on_disk.files[0].is_whole());
    on_disk
}

fn slots(state: &State, prefix: u64) -> Vec<(u32, u32)> {
    let mut all: Vec<(u32, u32)> = state.candidates(prefix).into_iter().map(|(_, number, slot)| (number, slot)).collect();
    all.sort_unstable();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn runs_in_files_and_in_memory_answer_alike(
        prefixes in prop::collection::vec(prop_oneof![0u64..8, (0u64..8).prop_map(|n| u64::MAX - n), any::<u64>()], 0..400),
        probes in prop::collection::vec(prop_oneof![0u64..10, any::<u64>()], 100),
    ) {
        let rows = prefixes.iter().zip(0u32..).map(|(&prefix, slot)| Row { prefix, pack: slot % 3, slot }).collect();
        let shelf = Shelf::new();
        let in_memory = counted(3, rows);
        let on_disk = written(&shelf, &in_memory);
        for &wanted in prefixes.iter().chain(&probes) {
            prop_assert_eq!(slots(&on_disk, wanted), slots(&in_memory, wanted));
        }
    }
}

#[test]
fn millions_of_rows_answer_from_a_file() {
    // An unoptimised build takes a second for a tenth of it.
    let count: u64 = if cfg!(debug_assertions) { 200_000 } else { 2_000_000 };
    // A step that is coprime to 2^64 spreads the prefixes, as hashes do.
    let prefix_of = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let rows = (0..count).map(|n| Row { prefix: prefix_of(n), pack: (n % 1000) as u32, slot: n as u32 }).collect();
    let shelf = Shelf::new();
    let on_disk = written(&shelf, &counted(1000, rows));
    for n in (0..count).step_by(997) {
        assert_eq!(slots(&on_disk, prefix_of(n)), [((n % 1000) as u32, n as u32)]);
        assert!(slots(&on_disk, prefix_of(n) ^ 1).is_empty());
    }
}
