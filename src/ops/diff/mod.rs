//! `art diff`: how a version differs from another, or from a directory.

mod content;
pub mod contents;
mod dir;
pub mod files;
mod pairs;
mod record;
mod share;
pub mod summary;
pub mod table;
pub mod tensors;
pub mod text;

use std::path::PathBuf;

use serde::Serialize;

use crate::context::Context;
use crate::error::Result;
use crate::format::manifest::{Entry, EntryKind};
use crate::format::path::EntryPath;
use crate::name::Ref;
use crate::store::Store;
use crate::store::compare::Differing;
use crate::store::resolve::Resolved;

use super::entry::{EntryInfo, ShownPath, no_such_path, parse_path};
pub use record::RecordChange;

/// What a version is compared with.
#[derive(Clone, Debug)]
pub enum Against {
    /// Another version.
    Version(Ref),
    /// A directory.
    Dir(PathBuf),
}

/// What is compared.
#[derive(Clone, Debug)]
pub struct DiffOptions {
    /// The version that differences start from.
    pub left: Ref,
    /// What it is compared with.
    pub right: Against,
    /// Paths that the comparison is limited to, as typed; none for all.
    pub paths: Vec<Vec<u8>>,
}

/// How an entry differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Only the right side has it.
    Added,
    /// Only the left side has it.
    Removed,
    /// Its bytes, its kind or its target.
    Changed,
    /// A file of the same bytes stands under another path.
    Renamed,
    /// Only the executable bit.
    Mode,
}

/// One entry that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// How.
    pub change: ChangeKind,
    /// Where: on the right side, or on the left one if it was removed.
    #[serde(flatten)]
    pub shown: ShownPath,
    /// The same path, exactly.
    #[serde(skip)]
    pub path: EntryPath,
    /// Where a renamed file was, or one that is compared with a file of another path.
    #[serde(skip)]
    pub from: Option<EntryPath>,
    /// The entry on the left side.
    pub old: Option<EntryInfo>,
    /// The entry on the right side.
    pub new: Option<EntryInfo>,
    /// What a version holds there on the left side.
    #[serde(skip)]
    old_kind: Option<EntryKind>,
    /// The same on the right side; none of a file in a directory.
    #[serde(skip)]
    new_kind: Option<EntryKind>,
}

/// An entry on one side.
#[derive(Clone, Debug)]
pub(in crate::ops) struct Side {
    pub(in crate::ops) path: EntryPath,
    pub(in crate::ops) info: EntryInfo,
    pub(in crate::ops) kind: Option<EntryKind>,
}

/// How two sides differ.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DiffOutcome {
    /// The left version, `NAME:vN`.
    pub left: String,
    /// The right version, or the directory.
    pub right: String,
    /// What differs, in order of the paths.
    pub entries: Vec<Change>,
    /// Bytes of the differing files of the left side.
    pub left_bytes: u64,
    /// Bytes of the differing files of the right side.
    pub right_bytes: u64,
    /// Bytes of the chunks, each once, that differing files of the right version have and those of
    /// the left do not; none for a directory.
    pub new_chunk_bytes: Option<u64>,
    /// How what is said of two versions differs: description, tags, aliases, metadata.
    pub records: Vec<RecordChange>,
}

impl DiffOutcome {
    /// Whether nothing was found to differ.
    pub fn is_same(&self) -> bool {
        self.entries.is_empty() && self.records.is_empty()
    }

    /// Counts the entries that differ in one way.
    pub fn count(&self, change: ChangeKind) -> u64 {
        self.entries.iter().filter(|entry| entry.change == change).count() as u64
    }
}

impl Change {
    /// Makes the change from what one side has to what the other has; none if nothing differs.
    pub(in crate::ops) fn new(left: Option<Side>, right: Option<Side>) -> Option<Change> {
        let change = match (&left, &right) {
            (None, None) => return None,
            (None, Some(_)) => ChangeKind::Added,
            (Some(_), None) => ChangeKind::Removed,
            (Some(old), Some(new)) if old.path != new.path => ChangeKind::Renamed,
            (Some(old), Some(new)) if is_same_file(&old.info, &new.info) => ChangeKind::Mode,
            (Some(_), Some(_)) => ChangeKind::Changed,
        };
        let from = left.as_ref().filter(|_| change == ChangeKind::Renamed).map(|side| side.path.clone());
        let path = right.as_ref().or(left.as_ref()).map(|side| side.path.clone())?;
        let shown = ShownPath::new(path.as_bytes());
        let (old, old_kind) = left.map_or((None, None), |side| (Some(side.info), side.kind));
        let (new, new_kind) = right.map_or((None, None), |side| (Some(side.info), side.kind));
        Some(Change { change, shown, path, from, old, new, old_kind, new_kind })
    }

    fn left(&self) -> Option<Side> {
        let path = self.from.as_ref().unwrap_or(&self.path).clone();
        self.old.clone().map(|info| Side { path, info, kind: self.old_kind.clone() })
    }

    fn right(&self) -> Option<Side> {
        self.new.clone().map(|info| Side { path: self.path.clone(), info, kind: self.new_kind.clone() })
    }

    /// Takes apart a change of what is there, such as a symlink that became a file: what was
    /// removed, and what was added. Any other stays one.
    pub fn parts(&self) -> Vec<Change> {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) if old.kind != new.kind => {
                [Change::new(self.left(), None), Change::new(None, self.right())].into_iter().flatten().collect()
            }
            _ => vec![self.clone()],
        }
    }
}

/// Compares a version with another, or with a directory. Of two versions only the pages that
/// differ are read; of a directory every file, but for those that are as they were last put from there.
/// What `.artignore` files leave out of a directory is no difference.
pub fn diff(store: &Store, context: &Context<'_>, options: &DiffOptions) -> Result<DiffOutcome> {
    let left = store.resolve(&options.left)?;
    let prefixes: Vec<Vec<u8>> = options.paths.iter().map(|path| parse_path(path)).collect::<Result<_>>()?;
    let mut outcome = match &options.right {
        Against::Version(right) => versions(store, &left, &store.resolve(right)?, &prefixes)?,
        Against::Dir(dir) => {
            let changes = dir::changes(store, context, left.version.record.manifest, dir, &prefixes)?;
            let right = crate::quote::escape(std::os::unix::ffi::OsStrExt::as_bytes(dir.as_os_str()));
            DiffOutcome { right, entries: pairs::pair(changes), ..DiffOutcome::default() }
        }
    };
    outcome.left = left.version.full_name();
    total_bytes(&mut outcome);
    Ok(outcome)
}

/// Adds up the bytes of the files that differ.
fn total_bytes(outcome: &mut DiffOutcome) {
    let bytes = |info: &Option<EntryInfo>| info.as_ref().filter(|info| info.kind == "file").and_then(|info| info.size_bytes).unwrap_or(0);
    outcome.left_bytes = outcome.entries.iter().fold(0, |sum, change| bytes(&change.old).saturating_add(sum));
    outcome.right_bytes = outcome.entries.iter().fold(0, |sum, change| bytes(&change.new).saturating_add(sum));
}

fn versions(store: &Store, left: &Resolved, right: &Resolved, prefixes: &[Vec<u8>]) -> Result<DiffOutcome> {
    let (a, b) = (left.version.record.manifest, right.version.record.manifest);
    for prefix in prefixes {
        let is_in = |manifest| -> Result<bool> { Ok(store.entries(manifest)?.within(prefix).next().transpose()?.is_some()) };
        if !is_in(a)? && !is_in(b)? {
            return Err(no_such_path(prefix, &left.version.full_name()));
        }
    }
    let mut share = share::Share::default();
    let mut changes = Vec::new();
    for differing in store.compare_entries(a, b)? {
        let (old, new) = match differing? {
            Differing::Removed(old) => (Some(old), None),
            Differing::Added(new) => (None, Some(new)),
            Differing::Changed(old, new) => (Some(old), Some(new)),
        };
        if !old.iter().chain(&new).any(|entry| is_wanted(&entry.path, prefixes)) {
            continue;
        }
        share.add(store, old.as_ref(), new.as_ref())?;
        changes.extend(Change::new(old.map(Side::from), new.map(Side::from)));
    }
    Ok(DiffOutcome {
        right: right.version.full_name(),
        entries: pairs::pair(changes),
        new_chunk_bytes: Some(share.new_bytes()),
        records: if prefixes.is_empty() { record::changes(store, left, right)? } else { Vec::new() },
        ..DiffOutcome::default()
    })
}

fn is_wanted(path: &EntryPath, prefixes: &[Vec<u8>]) -> bool {
    prefixes.is_empty() || prefixes.iter().any(|prefix| path.is_within(prefix))
}

impl From<Entry> for Side {
    fn from(entry: Entry) -> Side {
        Side { info: (&entry).into(), path: entry.path, kind: Some(entry.kind) }
    }
}

fn is_same_file(old: &EntryInfo, new: &EntryInfo) -> bool {
    old.kind == "file" && new.kind == "file" && old.digest == new.digest
}
