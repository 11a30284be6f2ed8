//! Records that are fetched: small, whole, and named by their hash.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::format::record::Record;
use crate::id::RecordId;
use crate::refs::read::{HASH16, parse_record_name};
use crate::refs::write::record_path;

use super::Fetched;
use super::fetch::Repair;
use super::need::{Damaged, DamagedFile, Needs};
use super::source::Source;

impl Repair<'_> {
    /// Fetches records that are damaged, that were moved aside before, or that an alias names.
    pub(super) fn fetch_records(&mut self, sources: &mut [Source]) {
        let mut have = self.needs.records_here();
        let damaged = self.needs.damaged.iter().filter(|damaged| !matches!(damaged.what, DamagedFile::Pack(..)));
        let mut names: Vec<String> = damaged.map(Damaged::name).collect();
        // The last source is `quarantine/`: what lies there was here once.
        if let Some(aside) = sources.last_mut() {
            names.extend(aside.record_names(|name| parse_record_name(name).is_some()));
        }
        names.sort();
        names.dedup();
        for name in names {
            self.fetch_record(sources, &name, &mut have);
        }
        // What has come may say more of this.
        let lost: HashSet<String> = self.needs.lost_versions().iter().map(|(_, id)| id.short(HASH16)).collect();
        let is_lost = |name: &str| parse_record_name(name).is_some_and(|(_, hash16)| lost.contains(&hash16));
        let names: Vec<String> = sources.iter_mut().flat_map(|source| source.record_names(is_lost)).collect();
        for name in names {
            self.fetch_record(sources, &name, &mut have);
        }
    }

    /// Lists the damaged records that nothing replaces.
    pub(super) fn unreplaced(&self) -> Vec<PathBuf> {
        let here = self.needs.records_here();
        let is_replaced = |damaged: &Damaged| {
            let mut fetched = self.outcome.fetched.iter().map(|fetched| fetched.path.file_name());
            here.contains(&damaged.hash16()) || fetched.any(|name| name == damaged.path.file_name())
        };
        let damaged = self.needs.damaged.iter().filter(|damaged| damaged.what == DamagedFile::Record);
        damaged.filter(|damaged| !is_replaced(damaged)).map(|damaged| damaged.path.clone()).collect()
    }

    fn fetch_record(&mut self, sources: &mut [Source], name: &str, have: &mut HashSet<String>) {
        let hash16 = parse_record_name(name).map_or_else(|| name.to_owned(), |(_, hash16)| hash16);
        if have.contains(&hash16) {
            return;
        }
        for source in sources {
            for handle in source.record(name) {
                let Some(line) = source.read(&handle) else { continue };
                let id = RecordId::of(&line);
                if !id.has_hex_prefix(&hash16) {
                    continue;
                }
                let Ok(record) = Record::decode(&line) else { continue };
                have.insert(hash16);
                self.outcome.fetched.push(Fetched { path: record_path(&record, id), from: source.name.clone() });
                self.needs.add_record(id, &record);
                self.records.push(record);
                return;
            }
        }
    }
}

impl Needs {
    /// Names the records that are here by the digits that file names have of their ids.
    fn records_here(&self) -> HashSet<String> {
        let mut here = HashSet::new();
        for (_, records) in &self.records {
            here.extend(records.versions.iter().map(|(id, _)| id.short(HASH16)));
            here.extend(records.aliases.iter().map(|(id, _)| id.short(HASH16)));
            here.extend(records.edits.iter().map(|(id, _)| id.short(HASH16)));
        }
        here.extend(self.condemned.records().iter().map(|id| id.short(HASH16)));
        here.extend(self.runs.runs.iter().flat_map(|run| &run.records).map(|id| id.short(HASH16)));
        here
    }

    fn add_record(&mut self, id: RecordId, record: &Record) {
        let artifact = match record {
            Record::Version(version) => &version.artifact,
            Record::Alias(alias) => &alias.artifact,
            Record::Edit(edit) => &edit.artifact,
            Record::Condemn(_) | Record::Lift(_) | Record::Run(_) => return,
        };
        let at = match self.records.binary_search_by(|(name, _)| name.cmp(artifact)) {
            Ok(at) => at,
            Err(at) => {
                self.records.insert(at, (artifact.clone(), Default::default()));
                at
            }
        };
        let records = &mut self.records[at].1;
        match record {
            Record::Version(version) => records.versions.push((id, (**version).clone())),
            Record::Alias(alias) => records.aliases.push((id, alias.clone())),
            Record::Edit(edit) => records.edits.push((id, (**edit).clone())),
            Record::Condemn(_) | Record::Lift(_) | Record::Run(_) => {}
        }
    }
}
