//! What of an archive is taken: which paths, which links.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::Error;
use crate::error::Result;
use crate::format::limits::SYMLINK_LEN_MAX;
use crate::format::path::{EntryPath, PathError, is_reserved, link_stays_inside};
use crate::ops::put::{LeftOut, LinkPolicy, PutOptions};
use crate::quote::{quote, quote_path};

/// The rules of one import, and what was left out by them.
pub(super) struct Rules {
    name: PathBuf,
    at: Option<EntryPath>,
    links: LinkPolicy,
    left_out: Mutex<LeftOut>,
}

impl Rules {
    pub(super) fn new(name: &Path, options: &PutOptions) -> Rules {
        Rules { name: name.to_owned(), at: options.at.clone(), links: options.links, left_out: Mutex::default() }
    }

    pub(super) fn left_out(&self) -> LeftOut {
        *self.left_out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a FIFO or device, which is not taken.
    pub(super) fn leave_out_special(&self) {
        self.left_out.lock().unwrap_or_else(PoisonError::into_inner).special += 1;
    }

    /// Takes a name of the archive: `./a//b/` is `a/b`. None if nothing of that name is taken: the top itself,
    /// and what lies in `.git` or `.artifacts`. A name that leads elsewhere is refused.
    pub(super) fn path(&self, name: &[u8]) -> Result<Option<EntryPath>> {
        if name.starts_with(b"/") {
            return Err(self.refused(name, "its path is absolute"));
        }
        let parts: Vec<&[u8]> = name.split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
        if parts.contains(&&b".."[..]) {
            return Err(self.refused(name, "its path has a `..` in it"));
        }
        if parts.iter().any(|part| is_reserved(part)) {
            self.left_out.lock().unwrap_or_else(PoisonError::into_inner).reserved += 1;
            return Ok(None);
        }
        if parts.is_empty() {
            return Ok(None);
        }
        let mut path = self.at.as_ref().map(|at| [at.as_bytes(), b"/"].concat()).unwrap_or_default();
        path.extend(parts.join(&b'/'));
        EntryPath::new(path).map(Some).map_err(|why: PathError| self.refused(name, &why.to_string()))
    }

    /// Checks the target of a symlink at a path that [`Rules::path`] gave.
    pub(super) fn check_link(&self, path: &EntryPath, target: &[u8]) -> Result<()> {
        if target.is_empty() || target.len() > SYMLINK_LEN_MAX || target.contains(&0) {
            return Err(self.refused(path.as_bytes(), "it is a symlink whose target cannot be"));
        }
        let slashes = |path: &EntryPath| path.as_bytes().iter().filter(|&&b| b == b'/').count();
        let depth = slashes(path) - self.at.as_ref().map_or(0, |at| slashes(at) + 1);
        if self.links == LinkPolicy::Keep || link_stays_inside(depth, target) {
            return Ok(());
        }
        let why = format!("it is a symlink to {}, outside of the archive", quote(target));
        Err(self.refused(path.as_bytes(), &why).hint("`--keep-links` stores such links as they are"))
    }

    /// Refuses an entry, and with it the archive.
    pub(super) fn refused(&self, name: &[u8], why: &str) -> Error {
        Error::refused(format!("cannot import {} of {}: {why}", quote(name), quote_path(&self.name)))
            .hint("nothing was stored; take the archive apart where it can do no harm, and put what you want of it")
    }

    /// Tells what is wrong with the archive as a whole.
    pub(super) fn broken(&self, why: &str) -> Error {
        Error::failed(format!("cannot import {}: {why}", quote_path(&self.name))).hint("nothing was stored; get the archive again")
    }

    /// Tells why it cannot be read.
    pub(super) fn failed(&self, why: std::io::Error) -> Error {
        match why.kind() {
            std::io::ErrorKind::UnexpectedEof => self.broken("it is cut off"),
            _ => Error::failed(format!("cannot read {}", quote_path(&self.name))).because(why).hint("nothing was stored"),
        }
    }
}
