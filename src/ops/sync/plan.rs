//! Compares two copies by the names of their files: equal names are equal bytes. A file that is there
//! in another length is one of which a copy was cut off.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use super::side::{Files, Sent, read_short};
use crate::error::{Error, Result};
use crate::refs::condemned::Condemned;
use crate::store::files::{FileClass, StoreFile, StorePath};

/// What one copy has.
pub(super) struct Listing {
    /// The files by what is equal for equal ones.
    files: HashMap<String, StoreFile>,
    /// Its condemn and lift records.
    pub(super) records: Vec<Vec<u8>>,
}

/// Classes that are packs.
pub(super) const PACKS: [FileClass; 2] = [FileClass::Data, FileClass::Meta];

/// Classes that are not.
pub(super) const RECORDS: [FileClass; 6] =
    [FileClass::Feature, FileClass::Condemn, FileClass::Edit, FileClass::Version, FileClass::Alias, FileClass::Run];

impl Listing {
    /// Lists a copy: records first, for what a writer adds meanwhile lies in packs that are listed
    /// after its record could have been.
    pub(super) fn of(side: &dyn Files) -> Result<Listing> {
        let mut files = side.list(&RECORDS)?;
        let condemn: Vec<StoreFile> = files.iter().filter(|file| file.path.class() == FileClass::Condemn).cloned().collect();
        files.extend(side.list(&PACKS)?);
        let records = if condemn.is_empty() { Vec::new() } else { read_all(side, &condemn)? };
        Ok(Listing { files: files.into_iter().map(|file| (file.path.key(), file)).collect(), records })
    }

    /// Lists the packs of a copy again.
    pub(super) fn list_packs_again(&mut self, side: &dyn Files) -> Result<()> {
        self.files.retain(|_, file| file.path.class().pack().is_none());
        self.files.extend(side.list(&PACKS)?.into_iter().map(|file| (file.path.key(), file)));
        Ok(())
    }

    /// Whether it has a file of this name, whole as far as its length tells.
    pub(super) fn has(&self, file: &StoreFile) -> bool {
        self.files.get(&file.path.key()).is_some_and(|there| there.len == file.len)
    }

    /// Whether it has a file of this name.
    pub(super) fn has_name(&self, path: &StorePath) -> bool {
        self.files.contains_key(&path.key())
    }

    /// Returns the files that it has and the other has not, sorted.
    pub(super) fn without(&self, other: &Listing) -> Vec<StoreFile> {
        let mut files: Vec<StoreFile> = self.files.values().filter(|file| !other.has(file)).cloned().collect();
        files.sort();
        files
    }

    /// Of `files`, which this copy lacks, returns the packs that it has condemned, unless a record
    /// of the other copy lifts that: it has removed them.
    pub(super) fn removed(&self, other: &Listing, files: &[StoreFile]) -> Vec<StorePath> {
        if self.records.is_empty() {
            return Vec::new();
        }
        let (own, both) = (Condemned::of(&self.records), Condemned::of(&[&self.records[..], &other.records[..]].concat()));
        let is_removed = |path: &&StorePath| own.contains(path.as_path()) && both.contains(path.as_path());
        files.iter().map(|file| &file.path).filter(is_removed).cloned().collect()
    }

    /// Notes files that have come.
    pub(super) fn add(&mut self, files: &[StoreFile]) {
        self.files.extend(files.iter().map(|file| (file.path.key(), file.clone())));
    }

    /// Yields the packs that are condemned here.
    pub(super) fn condemned(&self) -> Vec<StorePath> {
        Condemned::of(&self.records).iter().filter_map(|(path, _)| StorePath::parse(path.to_str()?)).collect()
    }
}

/// Reads short files whole; those that are not what their names say are left out.
pub(super) fn read_all(side: &dyn Files, files: &[StoreFile]) -> Result<Vec<Vec<u8>>> {
    let read = Mutex::new(BTreeSet::new());
    side.send(files, &|file, sent| {
        if let Sent::Content(content) = sent {
            let bytes = read_short(content, &file.path).map_err(|e| Error::io("read", file.path.as_path(), e))?;
            if file.path.check(&bytes).is_ok() {
                read.lock().unwrap_or_else(PoisonError::into_inner).insert(bytes);
            }
        }
        Ok(())
    })?;
    Ok(read.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect())
}
