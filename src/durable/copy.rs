//! Fills a draft from another file: by sharing its blocks where the file system can, else inside
//! the kernel, else piece by piece; and hashes what came.

use std::fs::File;
use std::io::{self, Read};

use rustix::fs::{copy_file_range, ioctl_ficlone};
use rustix::io::Errno;

use super::draft::Draft;
use crate::error::{Error, Result};

/// Bytes that are read, hashed and written at a time.
const PIECE_LEN: usize = 256 << 10;
/// Bytes that the kernel is asked to copy at a time.
const KERNEL_PIECE_LEN: usize = 8 << 20;

/// How a draft is filled from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyBy {
    /// Through this program, which hashes on the way: one look at each byte.
    Pieces,
    /// By sharing blocks where the file system can, else by the kernel; hashed afterwards.
    Kernel,
}

/// Why a draft was not filled.
#[derive(Debug)]
pub enum FillError {
    /// What it is filled from cannot be read.
    Source(io::Error),
    /// What it is filled from is longer than it may be.
    TooLong,
    /// The draft cannot be written.
    Draft(Error),
}

impl Draft {
    /// Fills an empty draft from a stream that has at most `len_max` bytes; returns their hash and
    /// their number.
    pub fn fill_from(&mut self, source: &mut dyn Read, len_max: u64) -> Result<(blake3::Hash, u64), FillError> {
        let (mut hasher, mut len, mut piece) = (blake3::Hasher::new(), 0, vec![0; PIECE_LEN]);
        loop {
            let count = match source.read(&mut piece) {
                Ok(0) => return Ok((hasher.finalize(), len)),
                Ok(count) => count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(FillError::Source(e)),
            };
            len += count as u64;
            if len > len_max {
                return Err(FillError::TooLong);
            }
            hasher.update(&piece[..count]);
            self.write_all(&piece[..count]).map_err(FillError::Draft)?;
        }
    }

    /// The same from a file that is read from its start.
    pub fn fill_from_file(&mut self, source: &File, len_max: u64, by: CopyBy) -> Result<(blake3::Hash, u64), FillError> {
        let len = source.metadata().map_err(FillError::Source)?.len();
        if len > len_max {
            return Err(FillError::TooLong);
        }
        if by == CopyBy::Kernel && (ioctl_ficlone(self.temp.as_file(), source).is_ok() || self.copy_in_kernel(source, len)?) {
            let came = self.temp.as_file().metadata().map_err(|e| FillError::Draft(Error::io("look at", self.temp.path(), e)))?;
            return Ok((self.hash().map_err(FillError::Draft)?, came.len()));
        }
        let mut source = source;
        self.fill_from(&mut source, len_max)
    }

    /// Lets the kernel copy a file; false if it does not do it between these two files.
    fn copy_in_kernel(&self, source: &File, len: u64) -> Result<bool, FillError> {
        let (mut from, mut to) = (0, 0);
        while from < len {
            match copy_file_range(source, Some(&mut from), self.temp.as_file(), Some(&mut to), KERNEL_PIECE_LEN) {
                // It has become shorter: its hash will tell.
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(e @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => {
                    return Err(FillError::Draft(Error::io("write", self.temp.path(), e.into())));
                }
                // Whatever else it is, copying piece by piece goes or tells; nothing counts as written.
                Err(_) => {
                    self.temp.as_file().set_len(0).map_err(|e| FillError::Draft(Error::io("write", self.temp.path(), e)))?;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_draft_is_filled_with_the_bytes_and_their_hash_either_way() {
        let dir = tempfile::tempdir().unwrap();
        for len in [0, 1, PIECE_LEN, 3 * PIECE_LEN + 7] {
            let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let source = dir.path().join("source");
            fs::write(&source, &bytes).unwrap();
            for by in [CopyBy::Pieces, CopyBy::Kernel] {
                let mut draft = Draft::in_dir(dir.path()).unwrap();
                let file = File::open(&source).unwrap();
                let filled = draft.fill_from_file(&file, len as u64, by).unwrap();
                assert_eq!(filled, (blake3::hash(&bytes), len as u64), "{by:?}");
                assert_eq!(fs::read(draft.temp.path()).unwrap(), bytes, "{by:?}");
                if len > 0 {
                    let mut draft = Draft::in_dir(dir.path()).unwrap();
                    assert!(matches!(draft.fill_from_file(&file, len as u64 - 1, by), Err(FillError::TooLong)));
                }
            }
        }
    }

    #[test]
    fn a_stream_without_end_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let mut draft = Draft::in_dir(dir.path()).unwrap();
        assert!(matches!(draft.fill_from(&mut io::repeat(1), 1 << 20), Err(FillError::TooLong)));
    }
}
