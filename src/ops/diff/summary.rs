//! What a person can use of what is inside of an entry: of a table its rows and columns, of a
//! safetensors file its tensors, of a text its lines.

use serde::Serialize;

use super::contents::{Contents, TextOutcome};
use super::table::{self, TableChange};
use super::tensors::{self, TensorsChange};
use super::{Change, ChangeKind};
use crate::error::Result;
use crate::format::path::EntryPath;

/// How what is inside of an entry differs, by its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "format", rename_all = "lowercase")]
pub enum Summary {
    /// Of a file whose name ends in `.csv` or `.tsv`.
    Table(TableChange),
    /// Of a file whose name ends in `.safetensors`.
    Safetensors(TensorsChange),
    /// Of another text.
    Text {
        /// Lines that only the new text has.
        added_lines: u64,
        /// Lines that only the old text has.
        removed_lines: u64,
    },
    /// Of a file that is not what its name says.
    Unreadable {
        /// Why.
        why: String,
    },
}

impl Contents<'_> {
    /// Sums up an entry; none where only its path or mode differs, or where nothing can be said.
    pub fn summary(&mut self, change: &Change) -> Result<Option<Summary>> {
        let is_file = |side: &Option<crate::ops::entry::EntryInfo>| side.as_ref().is_none_or(|info| info.kind == "file");
        if matches!(change.change, ChangeKind::Renamed | ChangeKind::Mode) || !is_file(&change.old) || !is_file(&change.new) {
            return Ok(None);
        }
        let is_tabs = |path: &EntryPath| ends_in(path, "tsv");
        if is_tabs(&change.path) || ends_in(&change.path, "csv") {
            let tabs = is_tabs(&change.path) && change.from.as_ref().is_none_or(is_tabs);
            return Ok(Some(match table::compare(&mut self.open_both(change)?, tabs)? {
                Ok(table) => Summary::Table(table),
                Err(why) => Summary::Unreadable { why: format!("no table: {why}") },
            }));
        }
        if ends_in(&change.path, "safetensors") {
            return Ok(Some(match tensors::compare(&mut self.open_both(change)?)? {
                Ok(tensors) => Summary::Safetensors(tensors),
                Err(why) => Summary::Unreadable { why: format!("no safetensors file: {why}") },
            }));
        }
        Ok(match self.text(change, 0)? {
            TextOutcome::Text(text) => Some(Summary::Text { added_lines: text.added_lines, removed_lines: text.removed_lines }),
            TextOutcome::Binary | TextOutcome::TooLong | TextOutcome::Nothing => None,
        })
    }
}

fn ends_in(path: &EntryPath, extension: &str) -> bool {
    let name = path.split_name().1;
    name.rsplit(|byte| *byte == b'.').next().is_some_and(|end| end.len() < name.len() && end.eq_ignore_ascii_case(extension.as_bytes()))
}
