//! `art find`: the versions that meet a query, sorted.

pub mod key;
mod parse;
pub mod query;
mod subject;
mod test;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use crate::context::Context;
use crate::error::Result;
use crate::format::record::Metadata;
use crate::ops::metadata_key::MetadataKey;
use crate::refs::history::{History, Version};
use crate::refs::read::DamagedRecord;
use crate::store::Store;

use super::show::{VersionInfo, listed, summary_with_metadata};
use key::Key;
use query::Query;
use subject::{Answer, Finding, RunNames, SortValue, Subject};

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct FindOptions {
    /// What versions must meet.
    pub query: Query,
    /// By what to sort, the first first; at last the newest comes first.
    pub sort: Vec<SortKey>,
    /// How many to return at most.
    pub limit: Option<usize>,
    /// Whether deleted versions are looked at too.
    pub deleted: bool,
}

/// By what to sort, and which way. A version that has no such value comes last either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// By what.
    pub key: Key,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct FindOutcome {
    /// The versions.
    pub versions: Vec<VersionInfo>,
    /// How many met the query, beyond the limit too.
    pub match_count: u64,
    /// Where nothing was found: what the query names in metadata and no version has.
    pub absent: Vec<Absent>,
    /// Versions (`NAME:vN`) that were left out because their metadata, on which it depends, cannot be read.
    pub unreadable: Vec<String>,
    /// Records that cannot be read.
    pub damaged: Vec<DamagedRecord>,
}

/// A value in metadata that no version has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// Where it would stand.
    pub key: MetadataKey,
    /// What has much the same name.
    pub meant: Option<MetadataKey>,
}

/// A version that meets the query, with what it is sorted by.
struct Match<'h> {
    history: &'h History,
    version: &'h Version,
    sort: Vec<Option<SortValue>>,
}

/// Finds the versions that meet a query. Each is looked at, so the cost follows their number.
pub fn find(store: &Store, context: &Context<'_>, options: &FindOptions) -> Result<FindOutcome> {
    let histories = store.histories()?;
    let runs = RunNames::load(store, context, options)?;
    let finding = Finding { store, now: context.now, runs: &runs };
    let mut matches: Vec<Match<'_>> = Vec::new();
    let mut unreadable = Vec::new();
    for history in &histories {
        for version in listed(history, options.deleted) {
            let subject = Subject::new(&finding, history, version);
            match options.query.expr().map_or(Answer::Yes, |expr| subject.meets(expr)) {
                Answer::Yes => {
                    let sort = options.sort.iter().map(|by| subject.sort_value(&by.key)).collect();
                    matches.push(Match { history, version, sort });
                }
                Answer::No => {}
                Answer::Unknown => unreadable.push(version.full_name()),
            }
        }
    }
    matches.sort_by(|a, b| a.compare(b, &options.sort));
    let match_count = matches.len() as u64;
    matches.truncate(options.limit.unwrap_or(usize::MAX));
    let versions = matches.iter().map(|found| summary_with_metadata(store, found.history, found.version)).collect();
    let absent = if match_count == 0 { absent(store, &histories, options) } else { Vec::new() };
    let damaged = histories.into_iter().flat_map(|history| history.damaged).collect();
    Ok(FindOutcome { versions, match_count, absent, unreadable, damaged })
}

impl Match<'_> {
    fn compare(&self, other: &Self, by: &[SortKey]) -> Ordering {
        let values = self.sort.iter().zip(&other.sort).zip(by);
        let by_values = values.map(|((a, b), by)| match (a, b) {
            (Some(a), Some(b)) if by.descending => b.total_cmp(a),
            (Some(a), Some(b)) => a.total_cmp(b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
        let (a, b) = (&self.version.record, &other.version.record);
        by_values
            .fold(Ordering::Equal, Ordering::then)
            .then_with(|| b.created_at.cmp(&a.created_at))
            .then_with(|| a.artifact.cmp(&b.artifact))
            .then_with(|| b.number.cmp(&a.number))
            .then_with(|| self.version.id.cmp(&other.version.id))
    }
}

/// Finds what a query names in metadata that no version has: a slip of the finger, most likely.
fn absent(store: &Store, histories: &[History], options: &FindOptions) -> Vec<Absent> {
    let keys = options.query.terms().into_iter().filter_map(|term| match term.key() {
        Key::Metadata(key) => Some(key),
        _ => None,
    });
    let mut missing: Vec<&MetadataKey> = keys.collect();
    let mut there = std::collections::BTreeSet::new();
    let versions = || histories.iter().flat_map(|history| listed(history, options.deleted));
    for metadata in versions().filter_map(|version| store.metadata(version).ok()) {
        missing.retain(|key| key.values(&metadata).is_empty());
        if missing.is_empty() {
            return Vec::new();
        }
        names_in(&metadata, &mut there);
    }
    missing.dedup();
    let meant = |key: &MetadataKey| key::nearest_of(&key.to_string(), &there).and_then(|name| MetadataKey::dotted(&name));
    missing.into_iter().map(|key| Absent { key: key.clone(), meant: meant(key) }).collect()
}

/// Collects the names of values in metadata, and those one level below.
fn names_in(metadata: &Metadata, all: &mut std::collections::BTreeSet<String>) {
    /// Enough to guess from.
    const NAMES_MAX: usize = 10_000;
    for (name, value) in metadata {
        if all.len() < NAMES_MAX {
            all.insert(name.clone());
            all.extend(value.as_object().into_iter().flatten().map(|(inner, _)| format!("{name}.{inner}")));
        }
    }
}
