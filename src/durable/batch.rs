//! Many files published together: their syncs wait side by side, and each directory is synced once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Disk, Draft};
use crate::error::Result;

/// Syncs that wait side by side: they share what the disk does for one.
const SYNCS: usize = 16;

impl Disk {
    /// Publishes drafts as their paths relative to the root, in their order: all are durable and
    /// confirmed when this returns. `is_good` is asked as in [`Disk::publish`]. Returns for each
    /// whether its name was free or its file replaced.
    ///
    /// Nothing has its final name before everything is synced, so what fails early leaves nothing.
    pub fn publish_all(&self, drafts: Vec<(Draft, PathBuf)>, is_good: impl Fn(usize, &Path) -> Result<bool>) -> Result<Vec<bool>> {
        let (drafts, paths): (Vec<_>, Vec<_>) = drafts.into_iter().unzip();
        let synced = sync_all(drafts)?;
        let mut placed = Vec::with_capacity(paths.len());
        let mut parents = BTreeSet::new();
        for (at, (draft, relative)) in synced.into_iter().zip(&paths).enumerate() {
            self.make_parents(relative)?;
            let path = self.layout.path(relative);
            placed.push(self.rename(draft, &path, |path| is_good(at, path))?);
            parents.extend(path.parent().map(Path::to_owned));
        }
        parents.iter().try_for_each(|dir| super::sync_dir(dir))?;
        self.link_in_order(paths.iter().map(PathBuf::as_path), |relative| self.link_kept(relative))?;
        self.sync_kept()?;
        paths.iter().try_for_each(|relative| self.confirm(relative))?;
        Ok(placed)
    }
}

/// Syncs drafts on several threads.
fn sync_all(drafts: Vec<Draft>) -> Result<Vec<Draft>> {
    let slots: Vec<Mutex<Option<Draft>>> = drafts.into_iter().map(|draft| Mutex::new(Some(draft))).collect();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let lock = |slot: &Mutex<Option<Draft>>| slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    std::thread::scope(|scope| {
        for _ in 0..slots.len().min(SYNCS) {
            scope.spawn(|| {
                while let Some(slot) = slots.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match lock(slot).map(Draft::synced).transpose() {
                        Ok(draft) => *slot.lock().unwrap_or_else(PoisonError::into_inner) = draft,
                        Err(error) => {
                            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                            next.store(slots.len(), Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(slots.iter().filter_map(lock).collect()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn all_are_published_in_order_and_confirmed_and_good_ones_kept() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("local")).unwrap();
        fs::create_dir_all(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a/1"), "kept").unwrap();
        fs::write(dir.path().join("a/2"), "torn").unwrap();
        let disk = Disk::new(dir.path(), &dir.path().join("local")).unwrap();
        let drafts = (0..40).map(|at| {
            let mut draft = disk.draft().unwrap();
            draft.write_all(at.to_string().as_bytes()).unwrap();
            (draft, PathBuf::from(format!("a/{at}")))
        });
        let placed = disk.publish_all(drafts.collect(), |_, path| Ok(path.ends_with("a/1"))).unwrap();
        assert_eq!(placed.iter().filter(|placed| !**placed).count(), 1);
        for at in 0..40 {
            let path = format!("a/{at}");
            assert_eq!(fs::read_to_string(dir.path().join(&path)).unwrap(), if at == 1 { "kept".to_owned() } else { at.to_string() });
            assert!(disk.is_confirmed(Path::new(&path)));
        }
        assert_eq!(fs::read_dir(dir.path().join("local/tmp")).unwrap().count(), 0);
    }
}
