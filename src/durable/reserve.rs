//! Room that is kept for removing things: on a full disk a record that frees space must still fit.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// Files of the reserve: each gives back a file and its blocks.
const FILES: usize = 8;
const FILE_LEN: usize = 8 << 10;

/// One reserve in a folder of local state.
#[derive(Debug)]
pub(crate) struct Reserve {
    dir: PathBuf,
}

impl Reserve {
    pub(crate) fn new(local: &Path, whose: &str) -> Reserve {
        Reserve { dir: local.join(format!("reserve-{whose}")) }
    }

    /// Sets the room aside, unless it is; on a full disk there is none to set aside.
    pub(crate) fn fill(&self) {
        if self.dir.is_dir() {
            return;
        }
        // Under another name until it is whole.
        let draft = self.dir.with_extension("part");
        let whole = || -> io::Result<()> {
            let _ = fs::remove_dir_all(&draft);
            fs::create_dir(&draft)?;
            // Bytes that compress, or zeros, might take no room.
            let mut noise = vec![0; FILE_LEN];
            blake3::Hasher::new().finalize_xof().fill(&mut noise);
            (0..FILES).try_for_each(|number| fs::write(draft.join(number.to_string()), &noise))?;
            fs::rename(&draft, &self.dir)
        };
        if whole().is_err() {
            let _ = fs::remove_dir_all(&draft);
        }
    }

    /// Does something, and if there is no space for it, once more with the reserve given up.
    pub(crate) fn spend<T>(&self, mut work: impl FnMut() -> Result<T>) -> Result<T> {
        match work() {
            Err(error) if error.kind() == ErrorKind::NoSpace && self.dir.is_dir() => {
                fs::remove_dir_all(&self.dir).map_err(|e| Error::io("give up the reserve", &self.dir, e))?;
                work()
            }
            result => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Error {
        Error::io("write", Path::new("p"), io::Error::from_raw_os_error(28))
    }

    #[test]
    fn it_is_given_up_once_when_there_is_no_space_and_filled_again() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(dir.path(), "rm");
        reserve.fill();
        assert_eq!(fs::read_dir(dir.path().join("reserve-rm")).unwrap().count(), FILES);
        let mut tries = 0;
        let done = reserve.spend(|| {
            tries += 1;
            if dir.path().join("reserve-rm").exists() { Err(full()) } else { Ok(tries) }
        });
        assert_eq!(done.unwrap(), 2);
        assert_eq!(reserve.spend(|| Err::<(), _>(full())).unwrap_err().kind(), ErrorKind::NoSpace);
        reserve.fill();
        assert_eq!(reserve.spend(|| Err::<(), _>(Error::failed("other"))).unwrap_err().kind(), ErrorKind::Failed);
        assert!(dir.path().join("reserve-rm").exists());
    }
}
