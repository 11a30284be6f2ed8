//! How much of what differs is new: chunks that only the right side has.

use std::collections::{HashMap, HashSet};

use crate::error::Result;
use crate::format::manifest::Entry;
use crate::id::ChunkId;
use crate::store::Store;

/// The chunks of the files that differ, each once; memory grows with their count.
#[derive(Debug, Default)]
pub(super) struct Share {
    left: HashSet<ChunkId>,
    right: HashMap<ChunkId, u32>,
}

impl Share {
    /// Adds an entry that differs, as each side has it.
    pub(super) fn add(&mut self, store: &Store, old: Option<&Entry>, new: Option<&Entry>) -> Result<()> {
        if let Some((entry, body)) = old.and_then(|entry| Some((entry, entry.file()?))) {
            store.chunk_runs(&entry.path, body, &mut |run| {
                self.left.insert(run.chunk);
                Ok(())
            })?;
        }
        if let Some((entry, body)) = new.and_then(|entry| Some((entry, entry.file()?))) {
            store.chunk_runs(&entry.path, body, &mut |run| {
                self.right.insert(run.chunk, run.len);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Returns the bytes of the chunks that only the right side has.
    pub(super) fn new_bytes(&self) -> u64 {
        let new = self.right.iter().filter(|(chunk, _)| !self.left.contains(chunk));
        new.fold(0, |sum, (_, len)| sum.saturating_add(u64::from(*len)))
    }
}
