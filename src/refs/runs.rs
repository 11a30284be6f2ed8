//! Runs: their records in `runs/`, and what these add up to; "Run records" in `docs/format.md`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::cache::{RecordCache, Rows};
use super::parallel;
use super::read::{DamagedRecord, HASH16, read_record, record_names, subdirs};
use crate::error::Result;
use crate::format::record::{Metadata, Record, Time};
use crate::format::run::{RunEnd, RunRecord, RunReference, RunStart, RunVersion};
use crate::id::RecordId;
use crate::run_id::RunId;

/// The directory of run records, a folder a run.
pub const RUNS_DIR: &str = "runs";

/// How many runs a thread reads at a time.
const BATCH_RUNS: usize = 64;

/// A run: what its records add up to.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// How it began; none if the record that says so is not here.
    pub start: Option<RunStart>,
    /// When its first record was written.
    pub started_at: Time,
    /// How and when it ended; none if it has not, as far as this copy knows.
    pub end: Option<(RunEnd, Time)>,
    /// What it was configured with.
    pub config: Metadata,
    /// What it found out.
    pub summary: Metadata,
    /// The versions that it used, each once in each role, in the order of their use.
    pub inputs: Vec<RunVersion>,
    /// Versions that were there already and that it produced once more. Those that it made say so
    /// themselves, in their records.
    pub outputs: Vec<RunVersion>,
    /// What it used that was never stored.
    pub references: Vec<RunReference>,
    /// One more than the highest number of its records.
    pub next_seq: u64,
    /// Its records, in order.
    pub records: Vec<RecordId>,
}

/// Every run of a store, and the records that cannot be read.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// The runs, by id and so by the time of their start.
    pub runs: Vec<Run>,
    /// Files with a record's name that are not that record.
    pub damaged: Vec<DamagedRecord>,
}

impl Runs {
    /// Reads the records of all runs, on so many threads; with a cache, those that it has from there.
    pub fn load(root: &Path, threads: usize, cache: Option<&RecordCache>) -> Result<Runs> {
        let rows = cache.map(|cache| cache.rows(None)).unwrap_or_default();
        let mut all = Runs::default();
        for (run, mut damaged) in parallel::map(&ids(root)?, BATCH_RUNS, threads, |&id| load_with(root, id, &rows))? {
            all.runs.extend(run);
            all.damaged.append(&mut damaged);
        }
        Ok(all)
    }

    /// Finds a run.
    pub fn get(&self, id: RunId) -> Option<&Run> {
        self.runs.binary_search_by_key(&id, |run| run.id).ok().map(|at| &self.runs[at])
    }
}

/// Lists the runs that have a folder, sorted; a folder of any other name is a stranger.
pub fn ids(root: &Path) -> Result<Vec<RunId>> {
    let mut ids: Vec<RunId> = subdirs(&root.join(RUNS_DIR))?.iter().filter_map(|name| name.parse().ok()).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Lists the folders of runs, relative to the store.
pub(super) fn folders(root: &Path) -> Result<Vec<PathBuf>> {
    Ok(ids(root)?.into_iter().map(|id| Path::new(RUNS_DIR).join(id.to_string())).collect())
}

/// Lists the runs that people gave a name, on so many threads. Reads of each only as many records as
/// tell its name: one, but where that is damaged or not here.
pub fn named(root: &Path, name: &str, threads: usize) -> Result<Vec<RunId>> {
    let ids = ids(root)?;
    let names = parallel::map(&ids, BATCH_RUNS, threads, |&id| name_of(root, id))?;
    Ok(ids.into_iter().zip(names).filter(|(_, found)| found.as_deref() == Some(name)).map(|(id, _)| id).collect())
}

/// Reads the name that people gave a run: what the first record says that tells how it began, in the
/// order in which a run adds its records up.
fn name_of(root: &Path, id: RunId) -> Result<Option<String>> {
    let folder = root.join(RUNS_DIR).join(id.to_string());
    let mut names = record_names(&folder)?;
    names.sort_by(|a, b| (a.1, &a.2).cmp(&(b.1, &b.2)));
    for (name, number, hash16) in names {
        if let Ok((_, Record::Run(record))) = read_record(&folder.join(name), &hash16)?
            && (record.run, record.seq) == (id, number)
            && let Some(start) = record.start
        {
            return Ok(start.name);
        }
    }
    Ok(None)
}

/// Lists where the records of a run lie, relative to the store; those that cannot be read are left out.
pub fn record_paths(root: &Path, run: &Run) -> Result<Vec<PathBuf>> {
    let folder = Path::new(RUNS_DIR).join(run.id.to_string());
    let known: HashSet<String> = run.records.iter().map(|id| id.short(HASH16)).collect();
    let names = record_names(&root.join(&folder))?.into_iter().filter(|(_, _, hash16)| known.contains(hash16));
    Ok(names.map(|(name, _, _)| folder.join(name)).collect())
}

/// Reads one run; none if it has no record that can be read.
pub fn load(root: &Path, id: RunId) -> Result<(Option<Run>, Vec<DamagedRecord>)> {
    load_with(root, id, &Rows::default())
}

fn load_with(root: &Path, id: RunId, rows: &Rows) -> Result<(Option<Run>, Vec<DamagedRecord>)> {
    let folder = Path::new(RUNS_DIR).join(id.to_string());
    let (mut records, mut damaged) = (Vec::new(), Vec::new());
    for (name, number, hash16) in record_names(&root.join(&folder))? {
        let is_it = |record: &RunRecord| record.run == id && record.seq == number;
        if let Some((record_id, Record::Run(record))) = rows.record(&hash16)
            && is_it(&record)
        {
            records.push((record_id, *record));
            continue;
        }
        let path: PathBuf = folder.join(name);
        match read_record(&root.join(&path), &hash16)? {
            Ok((record_id, Record::Run(record))) if is_it(&record) => records.push((record_id, *record)),
            Ok(_) => damaged.push(DamagedRecord { path, number, is_version: false, why: "it is not the record that its name says".into() }),
            Err(why) => damaged.push(DamagedRecord { path, number, is_version: false, why }),
        }
    }
    damaged.sort_by(|a, b| a.path.cmp(&b.path));
    let next_seq = damaged.iter().map(|record| record.number.saturating_add(1)).max();
    let run = Run::new(id, records).map(|run| Run { next_seq: run.next_seq.max(next_seq.unwrap_or(0)), ..run });
    Ok((run, damaged))
}

impl Run {
    /// Adds up the records of a run: a function of their set, whatever order they are given in.
    /// None if there are none.
    pub fn new(id: RunId, mut records: Vec<(RecordId, RunRecord)>) -> Option<Run> {
        records.sort_by_key(|(id, record)| (record.seq, *id));
        records.dedup_by_key(|(id, _)| *id);
        let mut run = Run {
            id,
            start: None,
            started_at: records.first()?.1.created_at,
            end: None,
            config: Metadata::new(),
            summary: Metadata::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            references: Vec::new(),
            next_seq: records.last()?.1.seq.saturating_add(1),
            records: records.iter().map(|(id, _)| *id).collect(),
        };
        for (_, record) in records {
            run.add(record);
        }
        Some(run)
    }

    fn add(&mut self, record: RunRecord) {
        // A run begins once, and what was said first holds; it ends when it was last said to.
        self.start = self.start.take().or(record.start);
        self.end = record.end.map(|end| (end, record.created_at)).or(self.end);
        self.config.extend(record.config);
        self.summary.extend(record.summary);
        push_new(&mut self.inputs, record.input);
        push_new(&mut self.outputs, record.output);
        push_new(&mut self.references, record.reference);
    }

    /// Returns the name that people gave it.
    pub fn name(&self) -> Option<&str> {
        self.start.as_ref()?.name.as_deref()
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: Option<T>) {
    if let Some(item) = item
        && !list.contains(&item)
    {
        list.push(item);
    }
}
