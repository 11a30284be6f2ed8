//! What an archive gives to a put: entries in an order of its own, where a later one takes the place of an
//! earlier one of its path. They are gathered and sorted before they become pages.

use std::collections::BTreeMap;
use std::io::Read;

use crate::error::{Error, Result};
use crate::format::manifest::{Entry, EntryKind};
use crate::format::path::EntryPath;
use crate::quote::quote;

/// Takes an entry; false if nobody takes more.
pub(in crate::ops) type TakeFed<'t> = dyn FnMut(EntryPath, Fed<'_>) -> Result<bool> + 't;

/// An archive that is read from front to end.
pub(in crate::ops) trait Feed: Send {
    /// Gives each entry to `take`, until that takes no more.
    fn each(&mut self, take: &mut TakeFed<'_>) -> Result<()>;
}

/// What is at a path of an archive.
pub(in crate::ops) enum Fed<'f> {
    File {
        executable: bool,
        /// Its length, as the archive states it.
        size_bytes: u64,
        source: &'f mut dyn Read,
    },
    Symlink(Vec<u8>),
    Dir,
    /// The file that came before under this path.
    Link(EntryPath),
}

/// The entries of an archive, by their paths: the last of each counts.
///
/// Memory: what an entry's row takes, for each entry.
#[derive(Default)]
pub(super) struct Unsorted {
    entries: BTreeMap<EntryPath, EntryKind>,
}

impl Unsorted {
    pub(super) fn add(&mut self, entry: Entry) {
        self.entries.insert(entry.path, entry.kind);
    }

    /// Gives a path the file that another has now.
    pub(super) fn link(&mut self, path: EntryPath, to: &EntryPath) -> Result<()> {
        match self.entries.get(to) {
            Some(kind @ EntryKind::File(_)) => {
                let kind = kind.clone();
                self.entries.insert(path, kind);
                Ok(())
            }
            _ => Err(Error::refused(format!(
                "cannot import {}: it is a hard link to {}, which is no file before it in the archive",
                quote(path.as_bytes()),
                quote(to.as_bytes())
            ))
            .hint("take the archive apart with the tool that made it, and put the directory")),
        }
    }

    /// Returns the entries in order; directories are among them only where they are empty.
    pub(super) fn sorted(self) -> Result<Vec<Entry>> {
        let all: Vec<Entry> = self.entries.into_iter().map(|(path, kind)| Entry { path, kind }).collect();
        let mut has_below = vec![false; all.len()];
        for (at, entry) in all.iter().enumerate() {
            // Paths that begin with another follow it without a gap, so mostly the next one tells.
            if all.get(at + 1).is_some_and(|next| next.path.as_bytes().starts_with(entry.path.as_bytes())) {
                let below = [entry.path.as_bytes(), b"/"].concat();
                let first = all.partition_point(|entry| entry.path.as_bytes() < &below[..]);
                has_below[at] = all.get(first).is_some_and(|entry| entry.path.as_bytes().starts_with(&below));
            }
        }
        let mut sorted = Vec::with_capacity(all.len());
        for (entry, has_below) in all.into_iter().zip(has_below) {
            match (&entry.kind, has_below) {
                (_, false) => sorted.push(entry),
                (EntryKind::EmptyDir, true) => {}
                (_, true) => {
                    let path = quote(entry.path.as_bytes());
                    return Err(Error::refused(format!(
                        "cannot import {path}: the archive has it as no directory, and something below it"
                    )));
                }
            }
        }
        Ok(sorted)
    }
}
