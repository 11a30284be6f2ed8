//! What an index knows: its packs by number, the runs in memory, the files.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::RunFile;
use super::run::{Row, Run, prefix};
use super::tables::TABLES_LEN_MAX;
use crate::format::pack::{PackClass, PackError, Table};
use crate::id::PackId;
use crate::pack::reader::Pack;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) packs: Vec<Arc<Pack>>,
    pub(super) numbers: HashMap<PackId, u32>,
    /// Rows whose packs are numbered as here; each run at least twice as long as the next.
    pub(super) runs: Vec<Run>,
    /// The packs that these rows are of.
    pub(super) in_memory: HashSet<u32>,
    /// The longest first.
    pub(super) files: Vec<RunFile>,
    /// Where files lie that turned out to be damaged.
    pub(super) damaged: Vec<PathBuf>,
    pub(super) not_arrived: Vec<(PackId, PackError)>,
}

/// Packs to be added together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    packs: Vec<Pack>,
    /// Those whose rows are below, by their place above.
    loaded: Vec<usize>,
    rows: Vec<Row>,
    tables: Vec<(usize, Arc<Table>)>,
    tables_len: usize,
}

impl Batch {
    /// Adds a pack that a file covers.
    pub(super) fn push_covered(&mut self, pack: Pack) {
        self.packs.push(pack);
    }

    /// Adds a pack with its table, of which no more are kept than an index holds.
    pub(super) fn push_loaded(&mut self, pack: Pack, table: Table) {
        let at = self.packs.len();
        self.packs.push(pack);
        self.loaded.push(at);
        self.rows.extend((0..table.chunk_count()).map(|slot| Row { prefix: prefix(table.hash(slot)), pack: at as u32, slot: slot as u32 }));
        self.tables_len += table.as_bytes().len();
        if self.tables_len <= TABLES_LEN_MAX {
            self.tables.push((at, Arc::new(table)));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packs.is_empty()
    }
}

impl State {
    /// Adds packs; returns the tables that came with them, by the numbers of the packs.
    pub(super) fn add(&mut self, batch: Batch) -> Vec<(u32, Arc<Table>)> {
        let Batch { packs, loaded, mut rows, tables, .. } = batch;
        let numbers: Vec<u32> = packs.into_iter().map(|pack| self.number(pack)).collect();
        let mut is_new = vec![false; numbers.len()];
        for &at in &loaded {
            is_new[at] = self.in_memory.insert(numbers[at]);
        }
        rows.retain(|row| is_new[row.pack as usize]);
        rows.iter_mut().for_each(|row| row.pack = numbers[row.pack as usize]);
        self.add_run(Run::of(rows));
        if loaded.len() < numbers.len() {
            self.link_files();
        }
        tables.into_iter().map(|(at, table)| (numbers[at], table)).collect()
    }

    /// Returns the packs and slots where a hash with a prefix may lie.
    pub(super) fn candidates(&self, prefix: u64) -> Vec<(Arc<Pack>, u32, u32)> {
        let in_memory = self.runs.iter().flat_map(|run| run.find(prefix));
        // A file that cannot be read has no rows; what it hides is found when it is checked.
        let in_files = self.files.iter().flat_map(|file| file.find(prefix).unwrap_or_default());
        let places = in_memory.chain(in_files);
        places.filter_map(|(number, slot)| Some((Arc::clone(self.packs.get(number as usize)?), number, slot))).collect()
    }

    pub(super) fn rows_in_memory(&self) -> u64 {
        self.runs.iter().map(|run| run.len() as u64).sum()
    }

    /// Lets go of files that do not hash to what they say; returns the packs that they cover.
    pub(super) fn drop_damaged_files(&mut self) -> Vec<Arc<Pack>> {
        let (whole, damaged): (Vec<_>, Vec<_>) = std::mem::take(&mut self.files).into_iter().partition(RunFile::is_whole);
        self.files = whole;
        self.damaged.extend(damaged.iter().map(|file| file.path.clone()));
        let numbers = damaged.iter().flat_map(|file| file.numbers.iter().flatten());
        numbers.filter_map(|&number| self.packs.get(number as usize).cloned()).collect()
    }

    /// Takes a file that was written in place of the rows in memory and of the files `merged`;
    /// returns the paths of these and
    /// of damaged ones.
    pub(super) fn saved(&mut self, merged: &[usize], path: &Path, class: PackClass) -> Vec<PathBuf> {
        // What cannot be read back at once is no use; everything stays as it was.
        let Some(file) = RunFile::open(path, class) else { return Vec::new() };
        let mut gone = std::mem::take(&mut self.damaged);
        for (at, old) in std::mem::take(&mut self.files).into_iter().enumerate() {
            if !merged.contains(&at) {
                self.files.push(old);
            } else if old.path != path {
                gone.push(old.path);
            }
        }
        self.files.push(file);
        self.files.sort_by_key(|file| std::cmp::Reverse(file.len()));
        self.runs.clear();
        self.in_memory.clear();
        self.link_files();
        gone
    }

    /// Returns the number of a pack, which is new or replaces what was known of it.
    fn number(&mut self, pack: Pack) -> u32 {
        if let Some(&number) = self.numbers.get(&pack.id) {
            if *self.packs[number as usize] != pack {
                self.packs[number as usize] = Arc::new(pack);
            }
            return number;
        }
        let number = self.packs.len() as u32;
        self.numbers.insert(pack.id, number);
        self.packs.push(Arc::new(pack));
        number
    }

    fn add_run(&mut self, run: Run) {
        if run.len() == 0 {
            return;
        }
        self.runs.push(run);
        while let [.., a, b] = &self.runs[..] {
            if a.len() > 2 * b.len() {
                break;
            }
            let merged = a.merge(b);
            self.runs.truncate(self.runs.len() - 2);
            self.runs.push(merged);
        }
    }

    /// Numbers the packs of the files that are here as the file notes them.
    fn link_files(&mut self) {
        for file in &mut self.files {
            for (listed, number) in file.packs.iter().zip(&mut file.numbers) {
                let known = self.numbers.get(&listed.id).copied();
                *number = known.filter(|&known| {
                    let pack = &self.packs[known as usize];
                    (pack.len, pack.block_count, pack.chunk_count) == (listed.len, listed.block_count, listed.chunk_count)
                });
            }
        }
    }
}
