//! How what is said of two versions differs: description, tags, aliases, metadata.

use serde::Serialize;
use serde_json::Value;

use crate::error::Result;
use crate::ops::show::version_info;
use crate::store::Store;
use crate::store::resolve::Resolved;

/// One thing that is said of both versions, or of one, and not the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecordChange {
    /// `description`, `tags`, `aliases`, or `metadata.KEY`.
    pub field: String,
    /// What is said of the left version; null where nothing is.
    pub old: Value,
    /// What is said of the right one.
    pub new: Value,
}

/// Compares what is said of two versions. `latest` is left out: it is computed.
pub(super) fn changes(store: &Store, left: &Resolved, right: &Resolved) -> Result<Vec<RecordChange>> {
    let told = |side: &Resolved| version_info(store, &side.history, &side.version);
    let (old, new) = (told(left)?, told(right)?);
    let aliases =
        |all: &[String]| all.iter().filter(|alias| *alias != "latest").map(|alias| Value::from(alias.as_str())).collect::<Value>();
    let tags = |all: &[crate::name::Tag]| all.iter().map(|tag| Value::from(tag.as_str())).collect::<Value>();
    let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::from);
    let mut changes = Vec::new();
    let mut add = |field: &str, old: Value, new: Value| {
        if old != new {
            changes.push(RecordChange { field: field.to_owned(), old, new });
        }
    };
    add("description", text(&old.description), text(&new.description));
    add("tags", tags(&old.tags), tags(&new.tags));
    // Aliases of two artifacts have nothing to do with one another.
    if left.version.record.artifact == right.version.record.artifact {
        add("aliases", aliases(&old.aliases), aliases(&new.aliases));
    }
    let (old, new) = (old.metadata.unwrap_or_default(), new.metadata.unwrap_or_default());
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let value = |side: Option<&Value>| side.cloned().unwrap_or(Value::Null);
        add(&format!("metadata.{key}"), value(old.get(key)), value(new.get(key)));
    }
    Ok(changes)
}
