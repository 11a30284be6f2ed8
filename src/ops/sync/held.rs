//! What stays behind when a pack that was to travel could not be read, or a version that was asked for
//! cannot be had whole: records of versions that would lack something where they arrive, and of aliases
//! that name these. So `latest` and the aliases of a copy go on naming what it can give.

use std::collections::HashSet;

use super::plan::read_all;
use super::side::{Files, Side};
use crate::error::Result;
use crate::format::record::Record;
use crate::id::RecordId;
use crate::store::files::{FileClass, StoreFile, StorePath};

/// Takes out of `records` what stays behind, and returns it.
///
/// Cost: reads the records of versions and aliases, and at the other end the pages of these versions.
pub(super) fn hold_back(from: &dyn Side, to: &dyn Side, records: &mut Vec<StoreFile>) -> Result<Vec<StoreFile>> {
    let versions = read(from, records, FileClass::Version)?;
    let whole = to.are_whole(&versions)?;
    let held: Vec<&Vec<u8>> = versions.iter().zip(whole).filter(|(_, whole)| !whole).map(|(bytes, _)| bytes).collect();
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let ids: HashSet<RecordId> = held.iter().map(|bytes| RecordId::of(bytes)).collect();
    let names_held = |bytes: &&Vec<u8>| match Record::decode(bytes) {
        Ok(Record::Alias(alias)) => alias.target.is_some_and(|target| ids.contains(&target)),
        _ => false,
    };
    let aliases = read(from, records, FileClass::Alias)?;
    let keys: HashSet<String> = held.into_iter().chain(aliases.iter().filter(names_held)).filter_map(|bytes| key(bytes)).collect();
    let (held, rest) = std::mem::take(records).into_iter().partition(|file| keys.contains(&file.path.key()));
    *records = rest;
    Ok(held)
}

fn read(from: &dyn Files, records: &[StoreFile], class: FileClass) -> Result<Vec<Vec<u8>>> {
    let files: Vec<StoreFile> = records.iter().filter(|file| file.path.class() == class).cloned().collect();
    read_all(from, &files)
}

fn key(bytes: &[u8]) -> Option<String> {
    let record = Record::decode(bytes).ok()?;
    Some(StorePath::of_record(&record, RecordId::of(bytes)).key())
}
