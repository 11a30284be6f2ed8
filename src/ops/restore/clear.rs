//! What goes to make room for a version: it is found, judged, and then removed.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use super::dest::{self, Dest};
use super::survey::{Content, Obstacle, content_of, extras, unknown};
use super::{Restore, RestoreOutcome};
use crate::error::{Error, Result};
use crate::format::path::EntryPath;
use crate::ops::put::walk::FoundKind;
use crate::quote::{quote, quote_path};

impl Restore<'_> {
    pub(super) fn find_extras(&self, path: &Path, root: &Dest) -> Result<Vec<(EntryPath, Content)>> {
        let mut here = root.again()?;
        let found = extras(self.store, self.found.version.record.manifest, path, self.context)?;
        let mut all = Vec::new();
        for (path, kind) in found {
            let content = if kind == FoundKind::EmptyDir { Content::Other } else { content_of(&mut here, &path, None)? };
            all.push((path, content));
        }
        Ok(all)
    }

    /// Finds what no undeleted version of the artifact holds. An empty directory is nobody's work.
    pub(super) fn in_the_way<'c>(&self, differing: impl Iterator<Item = &'c (EntryPath, Content)> + Clone) -> Result<Vec<EntryPath>> {
        if self.options.force {
            return Ok(Vec::new());
        }
        let unknown = unknown(self.store, &self.found.history, differing.clone().map(|(_, content)| content.clone()))?;
        let judged =
            |(path, content): &&(EntryPath, Content)| *content != Content::Other && unknown.contains(content) && !dest::is_temp(path);
        let unknown = differing.filter(judged);
        // What stands where an entry belongs may be extra, too.
        Ok(unknown.map(|(path, _)| path.clone()).collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// Removes what stands in the place of entries, which was judged before; returns the files.
    pub(super) fn clear(&self, here: &mut Dest, blocking: Vec<Obstacle>) -> Result<Vec<EntryPath>> {
        let mut cleared = Vec::new();
        for obstacle in blocking {
            if obstacle.is_dir {
                if !self.options.dry_run && !here.remove_empty_dir(obstacle.path.as_bytes())? {
                    return Err(Error::failed(format!("cannot remove the directory {}", quote_path(&here.shown(&obstacle.path)))));
                }
                continue;
            }
            if !self.options.dry_run {
                here.remove(&obstacle.path)?;
            }
            cleared.push(obstacle.path);
        }
        Ok(cleared)
    }

    /// Removes what is extra, and the directories that this empties, but for those that the
    /// version has as empty ones.
    pub(super) fn remove(
        &self,
        here: &mut Dest,
        extra: Vec<(EntryPath, Content)>,
        empty_dirs: &HashSet<Vec<u8>>,
        outcome: &mut RestoreOutcome,
    ) -> Result<()> {
        for (path, content) in extra {
            if !self.options.dry_run {
                if content != Content::Other {
                    here.remove(&path)?;
                } else if !here.remove_empty_dir(path.as_bytes())? {
                    self.context.progress.warn(&format!("cannot remove {}: it is not empty", quote(path.as_bytes())));
                    continue;
                }
                let mut dir = path.split_name().0;
                while !dir.is_empty() && !empty_dirs.contains(dir) && here.remove_empty_dir(dir)? {
                    dir = dir.iter().rposition(|&b| b == b'/').map_or(&[][..], |at| &dir[..at]);
                }
            }
            outcome.removed.push(path);
        }
        Ok(())
    }
}
