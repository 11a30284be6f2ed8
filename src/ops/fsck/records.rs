//! The records: those of artifacts, those of runs, and those of `gc`.

use std::collections::HashSet;
use std::fs;

use crate::id::RecordId;
use crate::name::Name;
use crate::quote::escape;
use crate::refs::condemned::{CONDEMN_DIR, Condemned, is_name};
use crate::refs::history::History;
use crate::refs::read::{self, Records};
use crate::refs::runs::RUNS_DIR;
use crate::store::Store;

use super::{Finding, FindingKind};

/// Every record of a store, and what is wrong with them.
#[derive(Default)]
pub(crate) struct AllRecords {
    pub(crate) histories: Vec<History>,
    pub(crate) count: u64,
    pub(crate) findings: Vec<Finding>,
    pub(crate) condemned: Condemned,
}

/// Reads the records. What cannot be read is a finding and keeps no other from being read.
pub(crate) fn read(store: &Store) -> AllRecords {
    let mut all = AllRecords::default();
    for (name, records) in load(store, &mut all.findings) {
        let Records { versions, aliases, edits, damaged } = &records;
        all.count += (versions.len() + aliases.len() + edits.len() + damaged.len()) as u64;
        let history = History::new(name, records);
        check(&history, &mut all.findings);
        all.histories.push(history);
    }
    all.count += names(&store.root().join(CONDEMN_DIR)).iter().filter(|name| is_name(name)).count() as u64;
    match store.runs(1) {
        Ok(runs) => {
            all.count += (runs.runs.iter().map(|run| run.records.len()).sum::<usize>() + runs.damaged.len()) as u64;
            for record in runs.damaged {
                all.findings.push(Finding::record(record.path.as_os_str().as_encoded_bytes(), &record.why));
            }
        }
        Err(error) => all.findings.push(Finding::unreadable(RUNS_DIR, &error)),
    }
    match store.condemned() {
        Ok(condemned) => {
            for (path, why) in condemned.damaged() {
                all.findings.push(Finding::record(path.as_os_str().as_encoded_bytes(), why));
            }
            all.condemned = condemned;
        }
        Err(error) => all.findings.push(Finding::unreadable(CONDEMN_DIR, &error)),
    }
    all
}

pub(crate) fn load(store: &Store, findings: &mut Vec<Finding>) -> Vec<(Name, Records)> {
    if let Ok(all) = read::load_all(store.root(), store.threads(), None) {
        return all;
    }
    // Something cannot be read; the artifacts that it is not of are not to suffer for it.
    let mut all = Vec::new();
    for dir in names(&store.root().join("refs")) {
        let Ok(name) = dir.parse::<Name>() else { continue };
        match read::load(store.root(), &name, store.threads(), None) {
            Ok(records) => all.push((name, records)),
            Err(error) => findings.push(Finding::unreadable(&format!("refs/{name}"), &error)),
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn names(dir: &std::path::Path) -> Vec<String> {
    // What cannot be listed is told where strangers are looked for.
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn check(history: &History, findings: &mut Vec<Finding>) {
    for record in &history.damaged {
        findings.push(Finding::record(record.path.as_os_str().as_encoded_bytes(), &record.why));
    }
    for (alias, id) in lost_aliases(history) {
        let message = format!("it names version {}, whose record is not here", id.short(16));
        findings.push(Finding { kind: FindingKind::LostAlias, subject: format!("{}:{alias}", history.artifact), message });
    }
}

/// Lists the aliases of versions whose records are not here, with the ids of these.
pub(crate) fn lost_aliases(history: &History) -> Vec<(String, RecordId)> {
    let mut lost = Vec::new();
    for (alias, heads) in &history.aliases {
        let ids: HashSet<RecordId> = heads.iter().filter_map(|head| head.target).filter(|&id| history.version(id).is_none()).collect();
        lost.extend(ids.into_iter().map(|id| (alias.to_string(), id)));
    }
    lost
}

impl AllRecords {
    /// Counts the condemned packs that are still here.
    pub(super) fn condemned_count(&self, store: &Store) -> u64 {
        self.condemned.iter().filter(|(path, _)| store.layout().path(path).is_file()).count() as u64
    }
}

impl Finding {
    fn record(path: &[u8], why: &str) -> Finding {
        Finding { kind: FindingKind::DamagedRecord, subject: escape(path), message: why.to_owned() }
    }
}
