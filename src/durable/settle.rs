//! Making durable what others have put into a store.

use std::collections::BTreeSet;
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
    /// notes them in local state. Their bytes are not looked at.
    ///
    /// Cost: looks at each file; syncs what is new here.
    pub fn settle<'p>(&self, files: impl Iterator<Item = &'p Path>) -> Result<()> {
        let mut settled = Confirmed::load(self.tmp.with_file_name("settled"))?;
        let mut unknown = Vec::new();
        for relative in files {
            // One that has gone is relied on by nobody.
            let Ok(look) = Look::at(&self.root.join(relative)) else { continue };
            let is_known = |list: &Confirmed| list.looks.get(relative) == Some(&look);
            if !is_known(&self.confirmed()) && !is_known(&settled) {
                unknown.push((relative, look));
            }
        }
        if unknown.len() > ONE_BY_ONE_MAX {
            settle_all(&self.root)?;
        } else {
            let mut dirs = BTreeSet::new();
            for (relative, _) in &unknown {
                match sync_file(&self.root.join(relative)) {
                    Err(_) if !self.root.join(relative).exists() => {}
                    synced => synced?,
                }
                dirs.extend(relative.ancestors().skip(1).map(|dir| self.root.join(dir)));
            }
            dirs.iter().try_for_each(|dir: &PathBuf| sync_dir(dir))?;
        }
        settled.add_all(&unknown)
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
            disk.settle(names.iter().map(PathBuf::as_path)).unwrap();
            let all = noted();
            assert_eq!(all.len(), count);
            assert!(names.iter().all(|name| all[name] == Look::at(&dir.path().join(name)).unwrap()));
        }
        let before = noted();
        fs::remove_file(dir.path().join("a/1")).unwrap();
        fs::write(dir.path().join("a/2"), "other").unwrap();
        disk.settle([Path::new("a/1"), Path::new("a/2")].into_iter()).unwrap();
        assert!(noted()[Path::new("a/1")] == before[Path::new("a/1")] && noted()[Path::new("a/2")] != before[Path::new("a/2")]);
    }
}
