//! References of a put: what lies elsewhere and is recorded by its URI.
//!
//! Of files of this computer digest and size are computed; a directory makes a reference for each
//! file in it. Anything else is recorded as it is given: nothing is asked over a network.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::PutOptions;
use super::walk::SourceWalk;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::limits::URI_LEN_MAX;
use crate::format::manifest::{Entry, EntryKind, Reference};
use crate::format::path::EntryPath;
use crate::id::FileDigest;
use crate::quote::quote;
use crate::store::Store;
use crate::uri;

/// A reference as a caller gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenReference {
    /// Where it is.
    pub uri: String,
    /// Its entry, or the directory for what a directory holds. Without it a file is called as the
    /// last part of its URI, and what a directory holds goes to the top.
    pub path: Option<EntryPath>,
    /// Plain BLAKE3 of its bytes, where known.
    pub digest: Option<FileDigest>,
    /// Its length, where known.
    pub size_bytes: Option<u64>,
    /// Its server's tag for this content, where known.
    pub etag: Option<String>,
}

/// The references of a put, told apart by how they become entries.
#[derive(Default)]
pub(super) struct References<'a> {
    /// Those that are recorded as they are given, sorted by path.
    pub(super) listed: Vec<Entry>,
    /// Walks of files and directories of this computer.
    pub(super) walks: Vec<SourceWalk<'a>>,
    /// For each walk what its files are recorded as.
    pub(super) local: Vec<LocalReference>,
}

/// What is known of files that are recorded and not stored.
pub(super) struct LocalReference {
    given: GivenReference,
    /// The directory that is walked; none if it is a single file.
    dir: Option<PathBuf>,
}

impl<'a> References<'a> {
    /// Checks what is given.
    pub(super) fn new(store: &Store, options: &PutOptions, context: &'a Context<'a>) -> Result<References<'a>> {
        let mut references = References::default();
        for given in &options.references {
            uri::check(&given.uri)?;
            if given.etag.as_ref().is_some_and(|etag| etag.len() > URI_LEN_MAX) {
                return Err(Error::usage(format!("bad etag of {}: it is too long", quote(given.uri.as_bytes()))));
            }
            match uri::file_path(&given.uri).transpose()? {
                Some(path) => references.add_local(store, options, context, given, &path)?,
                None => {
                    let path = entry_path(options, given)?;
                    let GivenReference { uri, digest, size_bytes, etag, .. } = given.clone();
                    references.listed.push(Entry { path, kind: EntryKind::Reference(Reference { uri, digest, size_bytes, etag }) });
                }
            }
        }
        references.listed.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(references)
    }

    fn add_local(
        &mut self,
        store: &Store,
        options: &PutOptions,
        context: &'a Context<'a>,
        given: &GivenReference,
        path: &Path,
    ) -> Result<()> {
        let is_dir = path.is_dir();
        if is_dir && (given.digest.is_some() || given.size_bytes.is_some() || given.etag.is_some()) {
            return Err(Error::usage(format!("cannot record {}: a directory has no digest, size or etag", quote(given.uri.as_bytes()))));
        }
        let (place, root) = if is_dir {
            (joined(options, given.path.as_ref().map_or(&[][..], EntryPath::as_bytes)), Some(path.to_owned()))
        } else {
            (entry_path(options, given)?.as_bytes().to_vec(), None)
        };
        self.walks.push(SourceWalk::to(path, store.project(), options, place, context)?);
        let dir = root.map(|root| root.canonicalize().map_err(|e| Error::io("read", &root, e))).transpose()?;
        self.local.push(LocalReference { given: given.clone(), dir });
        Ok(())
    }
}

impl LocalReference {
    /// Makes the entry of a file that was hashed; it must be what was given.
    pub(super) fn entry_kind(&self, file: &Path, size_bytes: u64, digest: FileDigest) -> Result<EntryKind> {
        let below = self.dir.as_ref().and_then(|dir| file.strip_prefix(dir).ok());
        let uri = below.map_or_else(|| self.given.uri.clone(), |below| uri::joined(&self.given.uri, below));
        if uri.len() > URI_LEN_MAX {
            return Err(Error::failed(format!("cannot record {}: its URI is too long", quote(file.as_os_str().as_bytes()))));
        }
        let differs =
            self.given.digest.is_some_and(|given| given != digest) || self.given.size_bytes.is_some_and(|given| given != size_bytes);
        if differs {
            return Err(Error::refused(format!("cannot record {}: it has another digest or size than was given", quote(uri.as_bytes())))
                .hint("leave them out: for a file of this computer they are computed"));
        }
        let etag = self.given.etag.clone();
        Ok(EntryKind::Reference(Reference { uri, digest: Some(digest), size_bytes: Some(size_bytes), etag }))
    }
}

/// Hashes a file to its end.
pub(in crate::ops) fn hash(file: &mut File) -> std::io::Result<(u64, FileDigest)> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    Ok((hasher.count(), hasher.finalize().into()))
}

fn entry_path(options: &PutOptions, given: &GivenReference) -> Result<EntryPath> {
    let shown = quote(given.uri.as_bytes());
    let path = match &given.path {
        Some(path) => path.as_bytes().to_vec(),
        None => uri::base_name(&given.uri)
            .ok_or_else(|| Error::usage(format!("cannot record {shown}: it has no name at its end")).hint("give a path: `URI=PATH`"))?,
    };
    EntryPath::new(joined(options, &path))
        .map_err(|why| Error::usage(format!("cannot record {shown}: {why}")).hint("give a path: `URI=PATH`"))
}

/// Puts the prefix of all entries before a path, which may be empty.
fn joined(options: &PutOptions, path: &[u8]) -> Vec<u8> {
    match &options.at {
        Some(at) if path.is_empty() => at.as_bytes().to_vec(),
        Some(at) => [at.as_bytes(), b"/", path].concat(),
        None => path.to_vec(),
    }
}
