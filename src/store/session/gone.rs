//! What somebody whom nobody asked has taken from its place, such as `git clean`: put back before anything
//! is built on what is left.

use std::sync::PoisonError;

use crate::error::Result;
use crate::format::pack::{PackClass, Table};
use crate::format::record::Record;
use crate::store::guard::{Kept, Tended};
use crate::store::reach::{Reach, Start};

use super::Session;

impl Session<'_> {
    /// Puts back what is gone when the session begins. What keeps the guard from standing keeps nobody from
    /// working.
    pub(super) fn take_up(&self, tended: Tended) -> Result<()> {
        if let Some(error) = tended.trouble {
            self.context.progress.warn(&format!("cannot guard the store against `git clean`: {error}"));
        }
        self.leave(tended.held);
        self.put_back(tended.gone)
    }

    /// Lists what has gone since, whether a commit has it or not.
    pub(super) fn gone_meanwhile(&self) -> Result<Vec<Kept>> {
        let Some(guard) = &self.guard else { return Ok(Vec::new()) };
        let mut gone = guard.out_of_place()?;
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        gone.retain(|kept| !left.contains(&kept.at));
        Ok(gone)
    }

    /// Puts back what of that is in no commit. A pack that this session rests on does not look as it did then,
    /// and no longer counts as confirmed.
    pub(super) fn put_back_meanwhile(&self, gone: Vec<Kept>) -> Result<()> {
        let Some(guard) = &self.guard else { return Ok(()) };
        let (gone, held) = guard.sift(gone)?;
        self.leave(held);
        self.put_back(gone)
    }

    fn put_back(&self, gone: Vec<Kept>) -> Result<()> {
        let Some(guard) = self.guard.as_ref().filter(|_| !gone.is_empty()) else { return Ok(()) };
        let numbers = self.take_numbers()?;
        let damaged = guard.put_back(&self.disk, gone, self.context.progress, |records| self.bring_pages(records))?;
        self.leave(damaged);
        self.packs().condemned = self.store.condemned()?;
        drop(numbers);
        self.list_packs_again()?;
        Ok(())
    }

    /// Notes what stays gone, and is not to be looked at again.
    fn leave(&self, gone: Vec<Kept>) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).extend(gone.into_iter().map(|kept| kept.at));
    }

    /// Brings the packs with the pages of records that are to come back, where they are in their places in another
    /// working tree alone: there they were not missed.
    fn bring_pages(&self, records: &[Kept]) -> Result<()> {
        let Some(guard) = &self.guard else { return Ok(()) };
        let mut elsewhere = guard.meta_packs_elsewhere()?;
        let starts: Vec<Start> = records.iter().filter_map(Kept::record).flat_map(starts_of).collect();
        while !elsewhere.is_empty() && !starts.is_empty() {
            self.list_packs_again()?;
            let unread = Reach::new(self.store, self.context.threads).visit(&starts, &|_| {})?;
            let has_one = |kept: &Kept| {
                let table = kept.whole_pack().and_then(|pack| Table::of_pack(&pack, PackClass::Meta).ok());
                table.is_some_and(|table| unread.iter().any(|unread| table.find(unread.page.as_bytes()).is_some()))
            };
            let (wanted, rest): (Vec<Kept>, Vec<Kept>) = elsewhere.into_iter().partition(has_one);
            if wanted.is_empty() {
                break;
            }
            wanted.iter().try_for_each(|kept| self.disk.put_back(&kept.at, kept.path.as_path()))?;
            elsewhere = rest;
        }
        Ok(())
    }
}

/// Names the pages that a record names.
fn starts_of(record: Record) -> Vec<Start> {
    match record {
        Record::Version(version) => Start::of_version(version.manifest, version.metadata_pages).collect(),
        Record::Edit(edit) => edit.metadata_pages.into_iter().map(Start::metadata).collect(),
        Record::Alias(_) | Record::Run(_) | Record::Condemn(_) | Record::Lift(_) => Vec::new(),
    }
}
