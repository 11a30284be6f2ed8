//! What the records of a store add up to, by the rules of `docs/format.md` and nothing else: read
//! as plain JSON, without the library's own history.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use artstore::id::RecordId;
use serde_json::{Map, Value};

use crate::support::files;

/// The state of a store.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct View {
    /// The versions, with artifact, number and digest.
    pub(crate) versions: BTreeMap<RecordId, (String, u64, String)>,
    pub(crate) deleted: BTreeSet<RecordId>,
    /// What the heads of each alias name.
    pub(crate) aliases: BTreeMap<(String, String), BTreeSet<Option<RecordId>>>,
    /// The metadata of versions, and, without an id, of artifacts as a whole, where there is any.
    pub(crate) metadata: BTreeMap<(String, Option<RecordId>), Map<String, Value>>,
}

impl View {
    /// Reads all records of a store.
    pub(crate) fn of(store: &Path) -> View {
        let mut records = HashMap::<RecordId, Value>::new();
        for path in files(&store.join("refs")) {
            let line = fs::read(&path).unwrap();
            records.insert(RecordId::of(&line), serde_json::from_slice(&line).unwrap());
        }
        let of_kind = |kind: &'static str| records.iter().filter(move |(_, record)| record["kind"] == kind);
        let text = |record: &Value, member: &str| record[member].as_str().unwrap().to_owned();
        let mut view = View::default();
        for (id, record) in of_kind("version") {
            view.versions.insert(*id, (text(record, "artifact"), record["number"].as_u64().unwrap(), text(record, "manifest")));
        }
        let replaced: BTreeSet<RecordId> = of_kind("alias").flat_map(|(_, record)| ids(record, "replaces")).collect();
        let mut naming = Vec::new();
        for (id, record) in of_kind("alias").filter(|(id, _)| !replaced.contains(id)) {
            let target = record["target"].as_str().map(|id| id.parse().unwrap());
            view.aliases.entry((text(record, "artifact"), text(record, "alias"))).or_default().insert(target);
            naming.push((*id, target));
        }
        let mut said: Vec<(&RecordId, &Value)> = of_kind("version").chain(of_kind("edit")).collect();
        // What the record of a version says comes before all edits of it.
        said.sort_by_key(|(id, record)| (record["seq"].as_u64(), **id));
        for (id, record) in said {
            let target = if record["kind"] == "version" { Some(*id) } else { ids(record, "target").pop() };
            let metadata = view.metadata.entry((text(record, "artifact"), target)).or_default();
            metadata.extend(record["metadata"].as_object().cloned().into_iter().flatten());
            record["unset"].as_array().into_iter().flatten().for_each(|key| drop(metadata.remove(key.as_str().unwrap())));
        }
        view.metadata.retain(|_, metadata| !metadata.is_empty());
        for &version in view.versions.keys() {
            let about = |record: &Value| record["target"].as_str() == Some(&version.to_string());
            let against = of_kind("edit").filter(|(_, edit)| about(edit) && edit["undelete"] == true).map(|(id, _)| *id);
            let heads = naming.iter().filter(|(_, target)| *target == Some(version)).map(|(id, _)| *id);
            let against: Vec<RecordId> = against.chain(heads).collect();
            let mut deletes = of_kind("edit").filter(|(_, edit)| about(edit) && edit["delete"] == true);
            if deletes.any(|(_, edit)| against.iter().all(|other| saw(&records, edit).contains(other))) {
                view.deleted.insert(version);
            }
        }
        view
    }

    /// Returns the versions that are not deleted.
    pub(crate) fn live(&self) -> impl Iterator<Item = RecordId> {
        self.versions.keys().filter(|id| !self.deleted.contains(id)).copied()
    }

    /// Returns the number of the next version of an artifact.
    pub(crate) fn next_number(&self, artifact: &str) -> u64 {
        self.versions.values().filter(|version| version.0 == artifact).map(|version| version.1 + 1).max().unwrap_or(0)
    }

    /// Returns the versions that are not deleted and have the highest number of those.
    pub(crate) fn newest(&self, artifact: &str) -> Vec<RecordId> {
        let of: Vec<RecordId> = self.live().filter(|id| self.versions[id].0 == artifact).collect();
        let highest = of.iter().map(|id| self.versions[id].1).max();
        of.into_iter().filter(|id| Some(self.versions[id].1) == highest).collect()
    }

    /// Returns the aliases that name a version.
    pub(crate) fn aliases_of(&self, id: RecordId) -> usize {
        self.aliases.values().filter(|targets| targets.contains(&Some(id))).count()
    }
}

fn ids(record: &Value, member: &str) -> Vec<RecordId> {
    let listed = record[member].as_array().into_iter().flatten();
    listed.chain(record.get(member).filter(|id| id.is_string())).map(|id| id.as_str().unwrap().parse().unwrap()).collect()
}

/// What an edit saw, itself or through another that is there.
fn saw(records: &HashMap<RecordId, Value>, edit: &Value) -> BTreeSet<RecordId> {
    let (mut open, mut all) = (ids(edit, "saw"), BTreeSet::new());
    while let Some(id) = open.pop() {
        if all.insert(id)
            && let Some(edit) = records.get(&id).filter(|record| record["kind"] == "edit")
        {
            open.extend(ids(edit, "saw"));
        }
    }
    all
}
