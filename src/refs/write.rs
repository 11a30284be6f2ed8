//! Writes records, durably, under their names.

use std::path::{Path, PathBuf};

use super::condemned;
use super::read::{HASH16, read_record};
use super::runs::RUNS_DIR;
use crate::durable::Disk;
use crate::error::{Error, Result};
use crate::format::record::Record;
use crate::id::RecordId;

/// Writes a record; it is durable when this returns.
pub fn write(disk: &Disk, record: &Record) -> Result<RecordId> {
    let (id, line) = record.encode().map_err(|why| Error::usage(format!("cannot write the record: {why}")))?;
    let mut draft = disk.draft()?;
    draft.write_all(&line)?;
    let hash16 = id.short(HASH16);
    disk.publish(draft, &record_path(record, id), |path| Ok(read_record(path, &hash16)?.is_ok_and(|(found, _)| found == id)))?;
    Ok(id)
}

/// Makes sure that a record which this writer relies on is on disk, and the second names of packs that
/// were adopted for it.
pub fn rely_on(disk: &Disk, path: &Path) -> Result<()> {
    if disk.is_confirmed(path) { disk.sync_kept() } else { disk.adopt(path) }
}

/// Returns where a record lies, relative to the store.
pub fn record_path(record: &Record, id: RecordId) -> PathBuf {
    let (artifact, folder, number) = match record {
        Record::Condemn(_) | Record::Lift(_) => return condemned::record_path(id),
        Record::Run(run) => {
            return Path::new(RUNS_DIR).join(run.run.to_string()).join(format!("{}.{}", run.seq, id.short(HASH16)));
        }
        Record::Version(version) => (&version.artifact, PathBuf::from("versions"), version.number),
        Record::Alias(alias) => (&alias.artifact, Path::new("aliases").join(alias.alias.as_str()), alias.seq),
        Record::Edit(edit) => (&edit.artifact, PathBuf::from("edits"), edit.seq),
    };
    Path::new("refs").join(artifact.as_str()).join(folder).join(format!("{number}.{}", id.short(HASH16)))
}
