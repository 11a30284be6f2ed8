//! What the records of an artifact add up to: its versions as users see them, `latest`, aliases.
//!
//! A function of the set of records alone, so that every copy with the same files shows the same.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use jiff::SignedDuration;

use super::edits::{self, Seen};
use super::parallel;
use super::read::{DamagedRecord, Records};
use crate::error::Result;
use crate::format::record::{EditRecord, Metadata, Time, VersionRecord};
use crate::id::{PageId, RecordId};
use crate::name::{Alias, Name, Tag};

/// Digits of a version's id that tell versions of one number apart.
const SUFFIX_DIGITS: usize = 4;

/// From so many versions on, a millisecond or two of work, several threads add them up.
const SHARED_VERSIONS: usize = 1000;

/// The history of one artifact.
#[derive(Clone, Debug)]
pub struct History {
    /// The artifact.
    pub artifact: Name,
    /// Its versions, deleted ones too, by number and then by id.
    pub versions: Vec<Version>,
    /// Its aliases: the records that nothing replaced.
    pub aliases: BTreeMap<Alias, Vec<AliasHead>>,
    /// Records that cannot be read.
    pub damaged: Vec<DamagedRecord>,
    /// Edits of the artifact and its versions, in order of their numbers.
    pub edits: Vec<(RecordId, EditRecord)>,
    /// What is said of the artifact as a whole.
    pub about: About,
}

/// What is said of an artifact as a whole: its edits without a target, added up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// Its description.
    pub description: Option<String>,
    /// Its metadata: each edit over those before it.
    pub metadata: Vec<MetadataLayer>,
    /// Its tags, sorted.
    pub tags: Vec<Tag>,
}

/// One version with all edits applied.
#[derive(Clone, Debug)]
pub struct Version {
    /// Its id.
    pub id: RecordId,
    /// Its record.
    pub record: VersionRecord,
    /// Its name in its artifact: `v3`, or `v3.1a2b` where two share a number.
    pub label: String,
    /// Whether its number names it alone: it has no rival, an equal one, or it was claimed.
    pub owns_number: bool,
    /// Whether it is deleted.
    pub deleted: bool,
    /// Whether it lives although it was deleted: by somebody who did not know of an alias or an
    /// undeletion, as after copies were merged.
    pub contested: bool,
    /// How long it is meant to be kept, counted from when it was stored; none for ever.
    pub ttl_seconds: Option<u64>,
    /// Its description now.
    pub description: Option<String>,
    /// Its metadata: what the record set, and then each edit over it.
    pub metadata: Vec<MetadataLayer>,
    /// Its tags now, sorted.
    pub tags: Vec<Tag>,
}

/// Metadata that one record set and removed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataLayer {
    /// Keys and values to set.
    pub set: Metadata,
    /// More of them, in pages that hold canonical JSON.
    pub pages: Vec<PageId>,
    /// Keys to remove.
    pub unset: Vec<String>,
}

/// An alias record that nothing replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasHead {
    /// The record.
    pub record: RecordId,
    /// Its number in the alias's history.
    pub seq: u64,
    /// The version; none if the alias is removed.
    pub target: Option<RecordId>,
}

/// What `latest` or a number means.
#[derive(Clone, Debug)]
pub enum Meaning<'a> {
    /// Nothing.
    None,
    /// One version.
    One(&'a Version),
    /// Several that differ.
    Many(Vec<&'a Version>),
}

impl History {
    /// Adds up the records of an artifact.
    pub fn new(artifact: Name, records: Records) -> History {
        let mut edits = records.edits;
        edits.sort_by_key(|(id, edit)| (edit.seq, *id));
        // The same file may have been found twice.
        edits.dedup_by_key(|(id, _)| *id);
        let aliases = alias_heads(&records.aliases);
        let mut versions: Vec<Version> = records.versions.into_iter().map(|(id, record)| Version::new(id, record)).collect();
        versions.sort_by_key(|version| (version.record.number, version.id));
        versions.dedup_by_key(|version| version.id);
        edits::apply(&mut versions, &edits, &aliases);
        label(&mut versions, &edits);
        let about = edits::about(&edits);
        History { artifact, versions, aliases, damaged: records.damaged, edits, about }
    }

    /// Adds up the records of many artifacts, in their order: of many records on so many threads.
    pub fn all(records: Vec<(Name, Records)>, threads: usize) -> Result<Vec<History>> {
        let is_much = records.iter().map(|(_, records)| records.versions.len()).sum::<usize>() >= SHARED_VERSIONS;
        let records: Vec<_> = records.into_iter().map(|some| Mutex::new(Some(some))).collect();
        let add_up = |some: &Mutex<Option<(Name, Records)>>| {
            let some = some.lock().unwrap_or_else(PoisonError::into_inner).take();
            Ok(some.map(|(name, records)| History::new(name, records)))
        };
        Ok(parallel::map(&records, 1, if is_much { threads } else { 1 }, add_up)?.into_iter().flatten().collect())
    }

    /// Returns the artifact's type: that of its first version.
    pub fn artifact_type(&self) -> Option<&Name> {
        self.versions.first().map(|version| &version.record.artifact_type)
    }

    /// Returns what `latest` means: the highest number that is not deleted.
    pub fn latest(&self) -> Meaning<'_> {
        match self.versions.iter().rev().find(|version| !version.deleted) {
            Some(version) => self.numbered(version.record.number),
            None => Meaning::None,
        }
    }

    /// Returns what a number means among the versions that are not deleted, or else the deleted.
    /// Versions of equal content are one.
    pub fn numbered(&self, number: u64) -> Meaning<'_> {
        let all: Vec<&Version> = self.versions.iter().filter(|version| version.record.number == number).collect();
        let live: Vec<&Version> = all.iter().copied().filter(|version| !version.deleted).collect();
        let candidates = if live.is_empty() { all } else { live };
        let Some(first) = candidates.first() else { return Meaning::None };
        let equal = candidates.iter().all(|version| version.record.manifest == first.record.manifest);
        match candidates.iter().find(|version| version.owns_number) {
            Some(owner) => Meaning::One(owner),
            None if equal => Meaning::One(first),
            None => Meaning::Many(candidates),
        }
    }

    /// Returns the number for the next version: one more than the highest that is visible here,
    /// deleted and unreadable ones included; none after the last number that there is.
    pub fn next_number(&self) -> Option<u64> {
        let damaged = self.damaged.iter().filter(|record| record.is_version).map(|record| record.number);
        let highest = self.versions.iter().map(|version| version.record.number).chain(damaged).max();
        highest.map_or(Some(0), |number| number.checked_add(1))
    }

    /// Finds a version by its id.
    pub fn version(&self, id: RecordId) -> Option<&Version> {
        self.versions.iter().find(|version| version.id == id)
    }

    /// Returns the aliases that name a version, diverged ones too, sorted.
    pub fn aliases_of(&self, id: RecordId) -> Vec<&Alias> {
        self.aliases.iter().filter(|(_, heads)| heads.iter().any(|head| head.target == Some(id))).map(|(alias, _)| alias).collect()
    }

    /// Returns one more than the highest number of an edit, those that cannot be read included: what
    /// they say comes first once they are mended.
    pub fn next_edit_seq(&self) -> u64 {
        let in_edits = |record: &&DamagedRecord| record.path.parent().is_some_and(|dir| dir.ends_with("edits"));
        let damaged = self.damaged.iter().filter(in_edits).map(|record| record.number);
        self.edits.iter().map(|(_, edit)| edit.seq).chain(damaged).max().map_or(0, |seq| seq.saturating_add(1))
    }

    /// Returns one more than the highest number of an alias's records that were not replaced.
    pub fn next_alias_seq(&self, alias: &Alias) -> u64 {
        self.aliases.get(alias).into_iter().flatten().map(|head| head.seq).max().map_or(0, |seq| seq.saturating_add(1))
    }

    /// Returns the edits of a version, or, of none, those of the artifact as a whole, in order.
    pub fn edits_of(&self, target: Option<RecordId>) -> impl Iterator<Item = &(RecordId, EditRecord)> {
        self.edits.iter().filter(move |(_, edit)| edit.target == target)
    }

    /// Returns the edits that gave a number to one of the versions that share it.
    pub fn claims_of(&self, number: u64) -> impl Iterator<Item = RecordId> + '_ {
        let rivals: HashSet<RecordId> =
            self.versions.iter().filter(|version| version.record.number == number).map(|version| version.id).collect();
        let is_claim = move |edit: &EditRecord| edit.claim && edit.target.is_some_and(|target| rivals.contains(&target));
        self.edits.iter().filter(move |(_, edit)| is_claim(edit)).map(|(id, _)| *id)
    }

    /// Returns the records about a version, or, of none, about the artifact as a whole, that nothing
    /// has followed: edits that no other edit saw, and aliases that name it.
    pub fn heads_of(&self, target: Option<RecordId>) -> Vec<RecordId> {
        let seen: HashSet<RecordId> = self.edits_of(target).flat_map(|(_, edit)| edit.saw.iter().copied()).collect();
        let edits = self.edits_of(target).filter(|(edit, _)| !seen.contains(edit)).map(|(edit, _)| *edit);
        let names = |head: &&AliasHead| target.is_some() && head.target == target;
        let aliases = self.aliases.values().flatten().filter(names).map(|head| head.record);
        let mut heads: Vec<RecordId> = edits.chain(aliases).collect();
        heads.sort_unstable();
        heads.dedup();
        heads
    }
}

impl MetadataLayer {
    pub(super) fn of(set: &Metadata, pages: &[PageId], unset: &[String]) -> Vec<MetadataLayer> {
        let layer = MetadataLayer { set: set.clone(), pages: pages.to_vec(), unset: unset.to_vec() };
        if layer == MetadataLayer::default() { Vec::new() } else { vec![layer] }
    }
}

impl Version {
    fn new(id: RecordId, record: VersionRecord) -> Version {
        Version {
            id,
            label: format!("v{}", record.number),
            owns_number: true,
            deleted: false,
            contested: false,
            ttl_seconds: record.ttl_seconds,
            description: record.description.clone(),
            metadata: MetadataLayer::of(&record.metadata, &record.metadata_pages, &[]),
            tags: record.tags.clone(),
            record,
        }
    }

    /// Returns when its time to live ends; none if that is never.
    pub fn expires_at(&self) -> Option<Time> {
        let ttl = SignedDuration::from_secs(i64::try_from(self.ttl_seconds?).ok()?);
        self.record.created_at.0.checked_add(ttl).ok().map(Time)
    }

    /// Returns `NAME:vN`.
    pub fn full_name(&self) -> String {
        format!("{}:{}", self.record.artifact, self.label)
    }
}

fn alias_heads(records: &[(RecordId, crate::format::record::AliasRecord)]) -> BTreeMap<Alias, Vec<AliasHead>> {
    let replaced: HashSet<RecordId> = records.iter().flat_map(|(_, record)| record.replaces.iter().copied()).collect();
    let mut heads = BTreeMap::<Alias, Vec<AliasHead>>::new();
    for (id, record) in records.iter().filter(|(id, _)| !replaced.contains(id)) {
        heads.entry(record.alias.clone()).or_default().push(AliasHead { record: *id, seq: record.seq, target: record.target });
    }
    for heads in heads.values_mut() {
        heads.sort_by_key(|head| (head.seq, head.record));
        // The same file may have been found twice; two records of one target agree.
        heads.dedup();
    }
    heads
}

/// Names versions that share a number apart, unless they are equal or one was claimed.
fn label(versions: &mut [Version], edits: &[(RecordId, EditRecord)]) {
    let claimed = claimed(versions, edits);
    let mut start = 0;
    while start < versions.len() {
        let number = versions[start].record.number;
        let len = versions[start..].iter().take_while(|version| version.record.number == number).count();
        let rivals = &mut versions[start..start + len];
        let equal = rivals.iter().all(|version| version.record.manifest == rivals[0].record.manifest);
        let winner = rivals.iter().find(|version| claimed.contains(&version.id)).map(|version| version.id);
        if len > 1 && !(equal && winner.is_none()) {
            let digits = suffix_digits(rivals);
            for version in rivals.iter_mut() {
                version.owns_number = winner == Some(version.id);
                if !version.owns_number {
                    version.label = format!("v{number}.{}", version.id.short(digits));
                }
            }
        } else if len > 1 {
            // Equal content under one number reads as one version: the first stands for it.
            for version in rivals.iter_mut().skip(1) {
                version.owns_number = false;
            }
        }
        start += len;
    }
}

/// Finds the versions that hold their number by a claim that nothing contests.
fn claimed(versions: &[Version], edits: &[(RecordId, EditRecord)]) -> HashSet<RecordId> {
    let seen = Seen::new(edits);
    let number_of: HashMap<RecordId, u64> = versions.iter().map(|version| (version.id, version.record.number)).collect();
    let mut claims = HashMap::<u64, Vec<(RecordId, RecordId)>>::new();
    for (id, edit) in edits.iter().filter(|(_, edit)| edit.claim) {
        if let Some((target, number)) = edit.target.and_then(|target| Some((target, *number_of.get(&target)?))) {
            claims.entry(number).or_default().push((*id, target));
        }
    }
    let mut winners = HashSet::new();
    for claims in claims.values() {
        let replaced = seen.by(claims.iter().map(|(id, _)| *id));
        let heads: HashSet<RecordId> = claims.iter().filter(|(id, _)| !replaced.contains(id)).map(|(_, target)| *target).collect();
        if heads.len() == 1 {
            winners.extend(heads);
        }
    }
    winners
}

fn suffix_digits(rivals: &[Version]) -> usize {
    let distinct = |digits: usize| {
        let short: HashSet<String> = rivals.iter().map(|version| version.id.short(digits)).collect();
        short.len() == rivals.len()
    };
    (SUFFIX_DIGITS..64).find(|&digits| distinct(digits)).unwrap_or(64)
}
