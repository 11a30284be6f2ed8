//! `art show-ref`: every name that a version has, and which version it is.

use serde::Serialize;

use crate::error::Result;
use crate::id::{PageId, RecordId};
use crate::name::Name;
use crate::refs::history::{History, Meaning};
use crate::store::Store;

use super::show::listed;

/// A ref that names one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefInfo {
    /// The ref: `NAME:v3`, `NAME:best` or `NAME:latest`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The version's id.
    pub id: RecordId,
    /// Its manifest's id.
    pub digest: PageId,
}

/// Lists the refs of an artifact, or of all: numbers, then aliases, then `latest`. Names that
/// are ambiguous or have diverged are left out.
pub fn show_ref(store: &Store, artifact: Option<&Name>) -> Result<Vec<RefInfo>> {
    let histories = match artifact {
        Some(artifact) => vec![store.existing_history(artifact)?],
        None => store.histories()?,
    };
    Ok(histories.iter().flat_map(refs_of).collect())
}

fn refs_of(history: &History) -> Vec<RefInfo> {
    let mut refs = Vec::new();
    let mut add = |name: &str, version: &crate::refs::history::Version| {
        let reference = format!("{}:{name}", history.artifact);
        refs.push(RefInfo { reference, id: version.id, digest: version.record.manifest });
    };
    for version in listed(history, false) {
        add(&version.label, version);
    }
    for (alias, heads) in &history.aliases {
        let same = heads.iter().all(|head| head.target == heads[0].target);
        if let Some(version) = heads.first().filter(|_| same).and_then(|head| history.version(head.target?)) {
            add(alias.as_str(), version);
        }
    }
    if let Meaning::One(latest) = history.latest() {
        add("latest", latest);
    }
    refs
}
