//! Writes the files of the local index: what is only in memory goes into a new one, together
//! with the files that are not long beside it.

use std::fs;
use std::io;
use std::iter::Peekable;
use std::path::{Path, PathBuf};

use super::State;
use super::file::{FAN_BITS_MAX, FILTER_LEN_MAX, FIXED_LEN, LISTED_LEN, Listed, MAGIC, PACKS_MAX, RunFile, class_number, name_prefix};
use super::filter::{self, Filter};
use super::run::{ROW_LEN, Row};
use crate::durable::{Disk, Draft};
use crate::error::{Error, Result};
use crate::format::pack::PackClass;
use crate::id::HASH_LEN;

/// Bytes that are written at once.
const WRITE_LEN: usize = 256 << 10;

/// What the next file is made of.
pub(super) struct Plan {
    /// The files that go into it, by their place in the state.
    merged: Vec<usize>,
    /// For each pack of the index its number in the new file, and whose rows of it are taken.
    owners: Vec<Option<(Owner, u32)>>,
    listed: Vec<Listed>,
}

/// Whose rows of a pack are taken, where several have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Memory,
    File(usize),
}

impl Plan {
    /// Chooses the files to merge: damaged ones are none of them, and each that stays is more
    /// than twice as long as the new one. Packs that are gone are left out.
    pub(super) fn make(state: &State) -> Option<Plan> {
        let mut owners: Vec<Option<Owner>> = vec![None; state.packs.len()];
        for &number in &state.in_memory {
            owners[number as usize] = Some(Owner::Memory);
        }
        for (at, file) in state.files.iter().enumerate() {
            for &number in file.numbers.iter().flatten() {
                owners[number as usize].get_or_insert(Owner::File(at));
            }
        }
        let rows_of = |owner: Owner| -> u64 {
            let numbers = owners.iter().enumerate().filter(|(_, found)| **found == Some(owner));
            numbers.map(|(number, _)| u64::from(state.packs[number].chunk_count)).sum()
        };
        let mut total = rows_of(Owner::Memory);
        let mut merged = Vec::new();
        // The files are sorted, the longest first.
        for (at, file) in state.files.iter().enumerate().rev() {
            let useful = rows_of(Owner::File(at));
            if file.len() <= 2 * total || useful * 2 < file.len() {
                total += useful;
                merged.push(at);
            }
        }
        let is_taken = |owner: Owner| owner == Owner::Memory || matches!(owner, Owner::File(at) if merged.contains(&at));
        let mut listed = Vec::new();
        let owners = owners.into_iter().enumerate().map(|(number, owner)| {
            let owner = owner.filter(|&owner| is_taken(owner))?;
            let pack = &state.packs[number];
            listed.push(Listed { id: pack.id, len: pack.len, block_count: pack.block_count, chunk_count: pack.chunk_count });
            Some((owner, listed.len() as u32 - 1))
        });
        let owners = owners.collect();
        (listed.len() <= PACKS_MAX && u32::try_from(total).is_ok()).then_some(Plan { merged, owners, listed })
    }

    /// Returns the files that go into the new one.
    pub(super) fn merged(&self) -> &[usize] {
        &self.merged
    }

    /// Writes the new file and returns where it lies.
    pub(super) fn write(&self, state: &State, class: PackClass, disk: &Disk, dir: &Path) -> Result<PathBuf> {
        let row_count = self.listed.iter().map(|pack| u64::from(pack.chunk_count)).sum();
        let mut writer = Writer::new(disk.draft()?, &self.listed, row_count)?;
        for row in self.rows(state) {
            writer.row(row.map_err(|e| Error::io("read", dir, e))?)?;
        }
        writer.finish(class, &self.listed, dir)
    }

    /// Yields the rows of all sources in order, numbered as in the new file.
    fn rows<'a>(&'a self, state: &'a State) -> impl Iterator<Item = io::Result<Row>> + 'a {
        let in_memory = state.runs.iter().map(|run| self.taken(Owner::Memory, run.rows().iter().map(|row| Ok((Some(row.pack), *row)))));
        let in_files = self.merged.iter().map(|&at| {
            let file = &state.files[at];
            self.taken(Owner::File(at), file.rows().map(|row| row.map(|row| (file.number(row.pack), row))))
        });
        let mut sources: Vec<_> = in_memory.chain(in_files).map(Iterator::peekable).collect();
        std::iter::from_fn(move || {
            let first = sources.iter_mut().enumerate().filter_map(|(at, source)| Some((head(source)?, at))).min()?;
            sources[first.1].next()
        })
    }

    fn taken<'a>(
        &'a self,
        owner: Owner,
        rows: impl Iterator<Item = io::Result<(Option<u32>, Row)>> + 'a,
    ) -> Box<dyn Iterator<Item = io::Result<Row>> + 'a> {
        Box::new(rows.filter_map(move |row| match row {
            Ok((number, row)) => {
                let taken = self.owners.get(number? as usize)?.filter(|(whose, _)| *whose == owner)?;
                Some(Ok(Row { pack: taken.1, ..row }))
            }
            Err(error) => Some(Err(error)),
        }))
    }
}

/// Returns what a source sorts by; one that failed comes first.
fn head(source: &mut Peekable<impl Iterator<Item = io::Result<Row>>>) -> Option<u64> {
    source.peek().map(|row| row.as_ref().map_or(0, |row| row.prefix))
}

/// A file that is being written: the rows first, then what they add up to.
struct Writer {
    draft: Draft,
    rows: Vec<u8>,
    body_at: u64,
    body: blake3::Hasher,
    fan: Vec<u32>,
    fan_bits: u32,
    filter: Filter,
    row_count: u32,
    expected: u64,
}

impl Writer {
    fn new(draft: Draft, listed: &[Listed], row_count: u64) -> Result<Writer> {
        // About sixteen rows for each value, or a few hundred where there are very many.
        let fan_bits = (row_count / 16).max(2).ilog2().min(FAN_BITS_MAX);
        let body_at = (FIXED_LEN + listed.len() * LISTED_LEN + (4 << fan_bits) + HASH_LEN) as u64;
        let filter_len = filter::len_for(row_count);
        let filter = Filter::from_bytes(vec![0; if filter_len <= FILTER_LEN_MAX { filter_len as usize } else { 0 }]);
        let mut writer = Writer {
            draft,
            rows: Vec::with_capacity(WRITE_LEN),
            body_at,
            body: blake3::Hasher::new(),
            fan: vec![0; 1 << fan_bits],
            fan_bits,
            filter,
            row_count: 0,
            expected: row_count,
        };
        writer.draft.write_all(&vec![0; body_at as usize])?;
        Ok(writer)
    }

    fn row(&mut self, row: Row) -> Result<()> {
        self.row_count += 1;
        self.fan[(row.prefix >> (64 - self.fan_bits)) as usize] = self.row_count;
        self.filter.add(row.prefix);
        self.rows.extend_from_slice(&row.encode());
        if self.rows.len() >= WRITE_LEN {
            self.write_rows()?;
        }
        Ok(())
    }

    fn write_rows(&mut self) -> Result<()> {
        debug_assert_eq!(self.rows.len() % ROW_LEN, 0);
        self.body.update(&self.rows);
        self.draft.write_all(&self.rows)?;
        self.rows.clear();
        Ok(())
    }

    fn finish(mut self, class: PackClass, listed: &[Listed], dir: &Path) -> Result<PathBuf> {
        if u64::from(self.row_count) != self.expected {
            return Err(Error::failed("cannot write the look-up: its rows are not those of its packs"));
        }
        self.write_rows()?;
        self.body.update(self.filter.as_bytes());
        self.draft.write_all(self.filter.as_bytes())?;
        // A value without rows ends where the one before it does.
        for at in 1..self.fan.len() {
            self.fan[at] = self.fan[at].max(self.fan[at - 1]);
        }
        let mut head = Vec::with_capacity(self.body_at as usize);
        head.extend_from_slice(&MAGIC);
        let filter_blocks = self.filter.as_bytes().len() as u32 / 32;
        for field in [class_number(class), self.fan_bits, listed.len() as u32, filter_blocks] {
            head.extend_from_slice(&field.to_le_bytes());
        }
        head.extend_from_slice(&u64::from(self.row_count).to_le_bytes());
        head.extend_from_slice(self.body.finalize().as_bytes());
        listed.iter().for_each(|pack| head.extend_from_slice(&pack.encode()));
        self.fan.iter().for_each(|end| head.extend_from_slice(&end.to_le_bytes()));
        let hash = blake3::hash(&head);
        head.extend_from_slice(hash.as_bytes());
        self.draft.write_at(&head, 0)?;
        let path = dir.join(format!("{}{}", name_prefix(class), &hash.to_hex()[..16]));
        self.draft.replace_local(&path)?;
        Ok(path)
    }
}

/// Opens the files of a class, the longest first; whatever is wrong with one, it is passed over.
pub(super) fn open_all(dir: &Path, class: PackClass) -> Vec<RunFile> {
    let mut files: Vec<RunFile> = paths(dir, class).iter().filter_map(|path| RunFile::open(path, class)).collect();
    files.sort_by(|a, b| (b.len(), &b.path).cmp(&(a.len(), &a.path)));
    files
}

/// Removes the files of a class that cannot be used, and those of `gone`. Whoever has one open
/// keeps it.
pub(super) fn sweep(dir: &Path, class: PackClass, gone: &[PathBuf]) {
    for path in paths(dir, class) {
        if gone.contains(&path) || RunFile::open(&path, class).is_none() {
            // Another writer may do the same; a file that stays costs room, nothing else.
            let _ = fs::remove_file(path);
        }
    }
}

fn paths(dir: &Path, class: PackClass) -> Vec<PathBuf> {
    let prefix = name_prefix(class);
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix))).map(|e| e.path()).collect()
}
