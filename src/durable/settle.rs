//! Making durable what others have put into a store.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::confirmed::{Confirmed, Look};
use super::{Disk, sync_dir, sync_file};
use crate::error::{Error, Result};

/// Files that are synced one by one. More wait less for one sync of their whole file system, which
/// also waits for what other programs write there.
const ONE_BY_ONE_MAX: usize = 256;

impl Disk {
    /// Makes durable those of some files, given relative to the root, that are not known to be, and
    /// notes them in local state. Their bytes are not looked at. They get second names, but for those
    /// that are held by others, as asked of `held`.
    ///
    /// Cost: looks at each file; syncs what is new here.
    pub fn settle<'p>(&self, files: impl Iterator<Item = &'p Path>, held: impl FnOnce(&[&Path]) -> HashSet<PathBuf>) -> Result<()> {
        let mut settled = Confirmed::load(self.tmp.with_file_name("settled"))?;
        // One that has gone is relied on by nobody.
        let look_at = |relative: &'p Path| Look::at(&self.layout.path(relative)).ok().map(|look| (relative, look));
        let mut unknown = Vec::new();
        for (relative, look) in files.filter_map(look_at) {
            let is_known = |list: &Confirmed| list.looks.get(relative) == Some(&look);
            if !is_known(&self.confirmed()) && !is_known(&settled) {
                unknown.push((relative, look));
            }
        }
        if self.keep_unheld(&unknown, held)? {
            unknown = unknown.into_iter().filter_map(|(relative, _)| look_at(relative)).collect();
        }
        if unknown.len() > ONE_BY_ONE_MAX {
            settle_all(self.layout.root())?;
        } else {
            let mut dirs = BTreeSet::new();
            for (relative, _) in &unknown {
                match sync_file(&self.layout.path(relative)) {
                    Err(_) if !self.layout.path(relative).exists() => {}
                    synced => synced?,
                }
                let base = self.layout.base(relative);
                dirs.extend(relative.ancestors().skip(1).map(|dir| base.join(dir)));
            }
            dirs.iter().try_for_each(|dir: &PathBuf| sync_dir(dir))?;
        }
        self.sync_kept()?;
        settled.add_all(&unknown)
    }

    /// Gives second names to those of some files that are not held otherwise; returns whether there
    /// are any: they look different now.
    fn keep_unheld(&self, files: &[(&Path, Look)], held: impl FnOnce(&[&Path]) -> HashSet<PathBuf>) -> Result<bool> {
        let with_one: Vec<&Path> = files.iter().map(|(path, _)| *path).filter(|path| self.has_second_name(path)).collect();
        if with_one.is_empty() {
            return Ok(false);
        }
        let held = held(&with_one);
        let mut unheld = with_one.iter().filter(|path| !held.contains(**path)).peekable();
        let is_any = unheld.peek().is_some();
        self.link_in_order(unheld.copied(), |relative| match self.link_kept(relative) {
            Err(_) if !self.layout.path(relative).exists() => Ok(()),
            linked => linked,
        })?;
        Ok(is_any)
    }
}

/// Makes durable all that lies on the file system of `dir`.
///
/// Cost: waits for whatever is being written there.
pub(crate) fn settle_all(dir: &Path) -> Result<()> {
    #[cfg(target_os = "linux")]
    let settled = File::open(dir).and_then(|dir| Ok(rustix::fs::syncfs(dir)?));
    #[cfg(not(target_os = "linux"))]
    let settled: io::Result<()> = Ok(rustix::fs::sync());
    settled.map_err(|e: io::Error| Error::io("sync", dir, e))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::durable::Keep;

    #[test]
    fn what_is_settled_is_noted_until_somebody_writes_it_again() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("local")).unwrap();
        let disk = Disk::new(dir.path(), &dir.path().join("local")).unwrap();
        let noted = || Confirmed::load(dir.path().join("local/settled")).unwrap().looks;
        for count in [3, ONE_BY_ONE_MAX + 1] {
            let names: Vec<PathBuf> = (0..count).map(|at| PathBuf::from(format!("a/{at}"))).collect();
            fs::create_dir_all(dir.path().join("a")).unwrap();
            names.iter().for_each(|name| fs::write(dir.path().join(name), "x").unwrap());
            disk.settle(names.iter().map(PathBuf::as_path), |_| HashSet::new()).unwrap();
            let all = noted();
            assert_eq!(all.len(), count);
            assert!(names.iter().all(|name| all[name] == Look::at(&dir.path().join(name)).unwrap()));
        }
        let before = noted();
        fs::remove_file(dir.path().join("a/1")).unwrap();
        fs::write(dir.path().join("a/2"), "other").unwrap();
        disk.settle([Path::new("a/1"), Path::new("a/2")].into_iter(), |_| HashSet::new()).unwrap();
        assert!(noted()[Path::new("a/1")] == before[Path::new("a/1")] && noted()[Path::new("a/2")] != before[Path::new("a/2")]);
    }

    #[test]
    fn what_is_settled_has_a_second_name_unless_it_is_held() {
        let dir = tempfile::tempdir().unwrap();
        ["local", "a"].iter().for_each(|name| fs::create_dir_all(dir.path().join(name)).unwrap());
        let names = ["a/1", "a/2", "b"].map(Path::new);
        names.iter().for_each(|name| fs::write(dir.path().join(name), "x").unwrap());
        let keep = Keep { dir: dir.path().join("kept"), packs: &[], records: &["a"], ever: &["a"] };
        let disk = Disk::new(dir.path(), &dir.path().join("local")).unwrap().keeping(Some(keep));
        disk.settle(names.into_iter(), |asked| {
            assert_eq!(asked, [Path::new("a/1"), Path::new("a/2")]);
            HashSet::from([PathBuf::from("a/2")])
        })
        .unwrap();
        let kept = |name: &str| dir.path().join("kept").join(name).exists();
        assert!(kept("1") && !kept("2") && !kept("b"));
        // All is known now.
        disk.settle(names.into_iter(), |_| unreachable!("nothing is new")).unwrap();
    }
}
