//! Writes records, durably, under their names.

use std::path::{Path, PathBuf};

use super::condemned;
use super::read::{HASH16, read_record};
use super::runs::RUNS_DIR;
use crate::durable::Disk;
use crate::error::{Error, Result, damaged};
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
    if disk.is_confirmed(path) {
        return disk.sync_kept();
    }
    // It may have been read some time ago.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let hash16 = name.rsplit('.').next().unwrap_or_default();
    match read_record(&disk.path(path), hash16)? {
        Ok(_) => disk.adopt(path),
        Err(why) => Err(damaged("record", &path.to_string_lossy(), why)),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::format::condemn::CondemnRecord;
    use crate::format::record::Time;
    use crate::id::PackId;

    #[test]
    fn a_record_that_somebody_has_written_again_is_read_again_before_it_is_relied_on() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("local")).unwrap();
        let disk = Disk::new(dir.path(), &dir.path().join("local")).unwrap();
        let created_at = Time(jiff::Timestamp::UNIX_EPOCH);
        let record = CondemnRecord { created_at, data: vec![PackId::of(b"a pack")], meta: Vec::new(), nonce: "0".repeat(16) };
        let record = Record::Condemn(record);
        let path = record_path(&record, write(&disk, &record).unwrap());
        let (place, bytes) = (disk.path(&path), std::fs::read(disk.path(&path)).unwrap());
        std::fs::write(&place, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(rely_on(&disk, &path).unwrap_err().kind(), ErrorKind::Damaged);
        assert!(!disk.is_confirmed(&path));
        std::fs::write(&place, bytes).unwrap();
        rely_on(&disk, &path).unwrap();
        assert!(disk.is_confirmed(&path));
    }
}
