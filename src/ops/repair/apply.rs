//! Publishes what was fetched, and puts damaged files into `quarantine/`. All that changes the
//! store happens here, under the lock of a writer.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::format::record::Record;
use crate::id::RecordId;
use crate::pack::pack_path;
use crate::pack::reader::verify_file;
use crate::pack::writer::FinishedPack;
use crate::refs::read::read_record;
use crate::store::quarantine::{QUARANTINE, free_name};
use crate::store::session::Session;

use super::Quarantined;
use super::fetch::Repair;
use super::need::{Damaged, DamagedFile};

/// How long a file that is put aside keeps its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// Until its name in `quarantine/` is on disk. Only for one who is alone: a writer may put a
    /// good file in its place.
    Now,
    /// Until what replaces it gets its name.
    Replaced,
}

impl Repair<'_> {
    /// Publishes the packs that are written so far.
    pub(super) fn publish(&mut self) -> Result<()> {
        if self.packs.is_empty() {
            return Ok(());
        }
        self.context.progress.phase("publishing packs");
        let session = Session::begin(self.store, self.context)?;
        // Where a file has the name already it is a damaged one, or one that could not be read; what was
        // salvaged is safe before it goes.
        let is_new = |pack: &FinishedPack| fs::symlink_metadata(self.store.layout().path(&pack_path(pack.class, pack.id))).is_err();
        let (new, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.packs).into_iter().partition(is_new);
        for pack in new {
            session.publish(pack)?;
        }
        for mut pack in others {
            // What is there is better than nothing, should there be no room for the good one.
            pack.draft = pack.draft.synced()?;
            let there = Damaged { path: pack_path(pack.class, pack.id), what: DamagedFile::Pack(pack.class, pack.id) };
            self.put_aside(&session, &there, Until::Replaced)?;
            session.publish(pack)?;
        }
        session.disk().sync_kept()
    }

    /// Publishes all that is left, writes the records, and moves what is damaged aside.
    pub(super) fn finish(&mut self) -> Result<()> {
        if self.outcome.dry_run {
            let paths = self.needs.damaged.iter().map(|damaged| &damaged.path).filter(|path| !self.outcome.kept.contains(path));
            // A pack of which the class cannot be told stands there as either.
            let mut paths: Vec<&PathBuf> = paths.collect();
            paths.dedup();
            self.outcome.quarantined =
                paths.into_iter().map(|path| Quarantined { path: path.clone(), to: Path::new(QUARANTINE).join(path) }).collect();
            return Ok(());
        }
        self.publish()?;
        if self.records.is_empty() && self.needs.damaged.is_empty() {
            return Ok(());
        }
        let session = Session::begin_alone(self.store, self.context)?;
        // While a version's record is moved aside nobody may take its number.
        let _numbers = session.lock_numbers()?;
        for record in std::mem::take(&mut self.records) {
            let (id, path) = place_of(&record)?;
            if let Some(damaged) = self.needs.damaged.iter().find(|damaged| damaged.path == path).cloned() {
                self.put_aside(&session, &damaged, Until::Replaced)?;
            }
            let written = session.write_record(&record)?;
            debug_assert_eq!(written, id);
        }
        for damaged in self.needs.damaged.clone() {
            if !self.outcome.kept.contains(&damaged.path) {
                self.put_aside(&session, &damaged, Until::Now)?;
            }
        }
        Ok(())
    }

    /// Puts a damaged file into `quarantine/`, unless it was put there or mended meanwhile.
    fn put_aside(&mut self, session: &Session<'_>, damaged: &Damaged, until: Until) -> Result<()> {
        let from = self.store.layout().path(&damaged.path);
        if self.outcome.quarantined.iter().any(|moved| moved.path == damaged.path)
            || fs::symlink_metadata(&from).is_err()
            || is_mended(&from, damaged)
        {
            return Ok(());
        }
        let to = free_name(self.store.layout(), &damaged.path);
        session.disk().make_dir(to.parent().unwrap_or(&to))?;
        let aside = self.store.layout().path(&to);
        session.disk().link_aside(&from, &aside)?;
        if let DamagedFile::Pack(_, id) = damaged.what
            && verify_file(&aside, id).is_ok()
        {
            // A writer stored it again in the moment since it was looked at.
            return match fs::symlink_metadata(&from) {
                Ok(_) => session.disk().remove(&[to]),
                Err(_) => session.disk().move_aside(&aside, &from),
            };
        }
        if until == Until::Now {
            session.disk().remove_damaged(&damaged.path)?;
        }
        self.outcome.quarantined.push(Quarantined { path: damaged.path.clone(), to });
        Ok(())
    }
}

fn place_of(record: &Record) -> Result<(RecordId, PathBuf)> {
    let (id, _) = record.encode().map_err(|why| crate::error::Error::failed(format!("cannot write a record that was fetched: {why}")))?;
    Ok((id, crate::refs::write::record_path(record, id)))
}

/// Whether a file that was damaged is good by now.
fn is_mended(path: &Path, damaged: &Damaged) -> bool {
    match damaged.what {
        DamagedFile::Pack(_, id) => verify_file(path, id).is_ok(),
        DamagedFile::Record => read_record(path, &damaged.hash16()).is_ok_and(|read| read.is_ok()),
        // Its bytes are good; that it does not count where it lies stays so.
        DamagedFile::Misplaced => false,
    }
}
