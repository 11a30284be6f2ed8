//! Reads zip, by the list of files at its end. Each file's hash is checked as it is read.

use std::fs::File;
use std::io::{BufReader, Read};
use std::sync::Arc;

use ::zip::ZipArchive;
use ::zip::result::ZipError;

use super::rules::Rules;
use crate::durable::Draft;
use crate::error::{Error, Result};
use crate::format::limits::SYMLINK_LEN_MAX;
use crate::ops::put::feed::{Fed, Feed, TakeFed};

/// The part of a mode that tells the kind of a file, and the kinds.
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const SYMLINK: u32 = 0o120_000;

/// A zip that is read.
pub(super) struct Zip {
    archive: ZipArchive<BufReader<File>>,
    rules: Arc<Rules>,
    /// Where it lies if it came through a pipe.
    _spool: Option<Draft>,
}

impl Zip {
    /// Reads the list of files.
    pub(super) fn open(file: File, spool: Option<Draft>, rules: Arc<Rules>) -> Result<Zip> {
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| wrong(&rules, error))?;
        Ok(Zip { archive, rules, _spool: spool })
    }
}

fn wrong(rules: &Rules, error: ZipError) -> Error {
    match error {
        ZipError::Io(error) => rules.failed(error),
        error => rules.broken("it is damaged, or of a kind that is not known here").because(error),
    }
}

impl Feed for Zip {
    fn each(&mut self, take: &mut TakeFed<'_>) -> Result<()> {
        for at in 0..self.archive.len() {
            let rules = &self.rules;
            let mut file = self.archive.by_index(at).map_err(|error| wrong(rules, error))?;
            // Without a mark of its own a name that is UTF-8 is taken for it.
            let name = match std::str::from_utf8(file.name_raw()) {
                Ok(name) => name.as_bytes().to_vec(),
                Err(_) => file.name().map_err(|error| wrong(rules, error))?.as_bytes().to_vec(),
            };
            let Some(path) = rules.path(&name)? else { continue };
            let mode = file.unix_mode().unwrap_or(0);
            let size_bytes = file.size();
            let go_on = match mode & KIND {
                _ if name.ends_with(b"/") => take(path, Fed::Dir)?,
                DIRECTORY => take(path, Fed::Dir)?,
                0 | REGULAR => {
                    // One byte more than stated shows that there is more.
                    let mut source = (&mut file).take(size_bytes.saturating_add(1));
                    take(path, Fed::File { executable: mode & 0o111 != 0, size_bytes, source: &mut source })?
                }
                SYMLINK => {
                    let mut target = Vec::new();
                    (&mut file).take(SYMLINK_LEN_MAX as u64 + 1).read_to_end(&mut target).map_err(|e| rules.failed(e))?;
                    rules.check_link(&path, &target)?;
                    take(path, Fed::Symlink(target))?
                }
                _ => {
                    rules.leave_out_special();
                    true
                }
            };
            if !go_on {
                break;
            }
        }
        Ok(())
    }
}
