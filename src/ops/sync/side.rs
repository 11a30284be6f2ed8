//! What one of two copies of a store is asked when files go between them.
//!
//! `Files` is all that storage must do: list, read, write what is absent, and make it durable. `Side` adds what needs
//! someone who knows stores at the other end. A directory (`dir`) is both, and so is a store on another computer
//! (`remote`).

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::format::pack::PackClass;
use crate::id::HASH_LEN;
use crate::quote::quote;
use crate::store::files::{FileClass, StoreFile, StorePath};

use super::IncompleteVersion;

/// The hash of a chunk or page.
pub(crate) type Hash = [u8; HASH_LEN];

/// A copy of a store as a heap of files.
pub(crate) trait Files: Sync {
    /// Returns how the copy is told to the user.
    fn name(&self) -> String;

    /// Lists the files of some classes, sorted.
    fn list(&self, classes: &[FileClass]) -> Result<Vec<StoreFile>>;

    /// Makes durable what was listed: it is relied on, and whoever copied it, or a sync that was cut
    /// short, may not have done so.
    fn settle(&self) -> Result<()>;

    /// Reads files and gives each to `take`, perhaps from several threads.
    fn send(&self, files: &[StoreFile], take: &Take<'_>) -> Result<()>;

    /// Takes a file that this copy lacks. It counts once [`Files::flush`] has told so.
    fn put(&self, file: &StoreFile, content: Content<'_>) -> Result<()>;

    /// Makes durable what was put since the last time, and tells what became of each.
    fn flush(&self) -> Result<Vec<(StorePath, Put)>>;
}

/// A copy of a store that answers questions.
pub(crate) trait Side: Files {
    /// Returns what some versions need, and the records that are about them.
    fn select(&self, wanted: &Wanted) -> Result<Selection>;

    /// Says of chunks or pages whether no pack here holds them.
    fn lacks(&self, class: PackClass, hashes: &[Hash]) -> Result<Vec<bool>>;

    /// Says of versions with these records whether all that they name is in packs here; their records
    /// need not be.
    fn are_whole(&self, versions: &[Vec<u8>]) -> Result<Vec<bool>>;

    /// Finds files that hold chunks or pages; makes new packs where of a pack little is wanted.
    fn gather(&self, class: PackClass, hashes: &[Hash], avoid: &[StorePath]) -> Result<Vec<StoreFile>>;

    /// Of packs that another copy has condemned and removed, returns those which nothing here needs,
    /// by the evidence of `gc`; `records` are the condemn and lift records of that copy.
    fn dispensable(&self, packs: &[StorePath], records: &[Vec<u8>]) -> Result<Vec<StorePath>>;

    /// Of versions whose records have come, returns those that lack something here.
    fn incomplete(&self, records: &[StorePath]) -> Result<Vec<IncompleteVersion>>;
}

/// Receives files that are read.
pub(crate) type Take<'t> = dyn Fn(&StoreFile, Sent<'_>) -> Result<()> + Sync + 't;

/// A file that is read.
pub(crate) enum Sent<'s> {
    Content(Content<'s>),
    /// It has gone since it was listed.
    Gone,
    Unreadable(String),
}

/// The bytes of a file.
pub(crate) enum Content<'c> {
    /// A file of this computer, at its start: what knows how may copy it without reading it.
    File(File),
    Stream(&'c mut dyn Read),
}

impl Read for Content<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Content::File(file) => file.read(into),
            Content::Stream(stream) => stream.read(into),
        }
    }
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    Arrived,
    /// It was here already, whole.
    Kept,
    /// It is not what its name says.
    Refused(String),
}

/// Which versions are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// As they were typed.
    pub(crate) refs: Vec<String>,
    /// Whether all versions of their artifacts are.
    pub(crate) all_versions: bool,
}

/// What some versions need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) records: Vec<SelectedRecord>,
    pub(crate) chunks: Vec<Hash>,
    pub(crate) pages: Vec<Hash>,
}

/// A record that is about a wanted version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SelectedRecord {
    pub(crate) file: StoreFile,
    /// The version without whose record it must not travel.
    pub(crate) needs: Option<StorePath>,
}

impl Selection {
    /// Returns what is wanted of a class.
    pub(crate) fn hashes(&self, class: PackClass) -> &[Hash] {
        match class {
            PackClass::Data => &self.chunks,
            PackClass::Meta => &self.pages,
        }
    }
}

/// Reads a short file whole: a byte more than what its name lets it have, at most.
pub(crate) fn read_short(file: impl Read, of: &StorePath) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(of.class().len_max() + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns the store in a directory: it, or the one of the project that it is.
pub(crate) fn store_at(dir: &std::path::Path) -> PathBuf {
    let inside = dir.join(crate::store::STORE_DIR);
    if !dir.join("format").exists() && inside.is_dir() { inside } else { dir.to_owned() }
}

/// The error of a copy that keeps changing while it is read.
pub(crate) fn restless(name: &str) -> Error {
    Error::new(crate::error::ErrorKind::Busy, format!("cannot read {}: packs are removed from it again and again", quote(name.as_bytes())))
        .hint("run the command again when no `art gc` runs there; what arrived is kept")
}
