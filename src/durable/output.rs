//! A file that a user asked for, outside of a store: under its name it is whole, or not there.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{rename_new, sync_dir};
use crate::error::{Error, Result};
use crate::quote::quote_path;

/// What happens to a file that has the name already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the new one is refused.
    #[default]
    Keep,
    /// It is replaced once the new one is whole.
    Replace,
}

/// A file that is being written beside the name that it will have; removed when dropped, unless
/// [`Output::finish`] gave it the name.
#[derive(Debug)]
pub struct Output {
    temp: NamedTempFile,
    path: PathBuf,
    existing: Existing,
}

impl Output {
    /// Begins a file; refuses a name that is taken.
    pub fn begin(path: &Path, existing: Existing) -> Result<Output> {
        match fs::symlink_metadata(path) {
            Ok(meta) if !meta.is_file() && !meta.is_symlink() => {
                let what = if meta.is_dir() { "a directory" } else { "no regular file" };
                return Err(Error::refused(format!("cannot write {}: it is {what}", quote_path(path)))
                    .hint("name a file, or `-` for standard output"));
            }
            Ok(_) if existing == Existing::Keep => return Err(is_taken(path)),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::io("look at", path, e)),
        }
        let mut beside = tempfile::Builder::new();
        beside.prefix(".art-").suffix(".tmp").permissions(Permissions::from_mode(0o666));
        let temp = beside.tempfile_in(dir_of(path)).map_err(|e| Error::io("create a temporary file in", dir_of(path), e))?;
        Ok(Output { temp, path: path.to_owned(), existing })
    }

    /// Empties what was written.
    pub fn restart(&mut self) -> Result<()> {
        let file = self.temp.as_file_mut();
        file.set_len(0).and_then(|()| io::Seek::rewind(file)).map_err(|e| Error::io("write", &self.path, e))
    }

    /// Syncs the file and gives it its name: durable when this returns.
    pub fn finish(self) -> Result<()> {
        self.file().sync_all().map_err(|e| Error::io("sync", &self.path, e))?;
        let renamed = match self.existing {
            Existing::Keep => rename_new(self.temp.path(), &self.path),
            Existing::Replace => fs::rename(self.temp.path(), &self.path),
        };
        match renamed {
            Ok(()) => {}
            // Somebody else has made one meanwhile.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Err(is_taken(&self.path)),
            Err(e) => return Err(Error::io("write", &self.path, e)),
        }
        let dir = dir_of(&self.path).to_owned();
        let mut temp = self.temp;
        temp.disable_cleanup(true);
        sync_dir(&dir)
    }

    fn file(&self) -> &File {
        self.temp.as_file()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_taken(path: &Path) -> Error {
    Error::refused(format!("cannot write {}: it is there already", quote_path(path)))
        .hint("`--force` replaces it once the new one is whole")
}

fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_has_its_name_once_it_is_finished_and_else_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made");
        let mut output = Output::begin(&path, Existing::Keep).unwrap();
        output.write_all(b"wrong").unwrap();
        output.restart().unwrap();
        output.write_all(b"one").unwrap();
        assert!(!path.exists());
        output.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        drop(Output::begin(&dir.path().join("other"), Existing::Keep).unwrap());
        assert_eq!(names(dir.path()), ["made"]);
    }

    #[test]
    fn what_is_there_is_replaced_only_when_asked_and_only_by_what_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made");
        let mut late = Output::begin(&path, Existing::Keep).unwrap();
        late.write_all(b"late").unwrap();
        fs::write(&path, "one").unwrap();
        assert!(late.finish().unwrap_err().to_string().contains("it is there already"));
        assert!(Output::begin(&path, Existing::Keep).is_err());
        let mut output = Output::begin(&path, Existing::Replace).unwrap();
        output.write_all(b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        output.finish().unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(dir.path()).len()), (b"two".to_vec(), 1));
        assert!(Output::begin(dir.path(), Existing::Replace).unwrap_err().to_string().contains("it is a directory"));
    }
}
