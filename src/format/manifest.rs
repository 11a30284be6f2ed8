//! Pages, manifests and their rows; "Pages" and "Manifests" in `docs/format.md`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::limits::{CHUNK_LEN_MAX, CHUNK_ROWS_INLINE_MAX, PAGE_LEN_MAX, SYMLINK_LEN_MAX, TREE_DEPTH_MAX, URI_LEN_MAX};
use super::path::{Bytes, EntryPath};
use crate::codec;
use crate::id::{ChunkId, FileDigest, PageId};

/// What is stored in a meta pack: one page of a tree, a manifest, or a piece of metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Page {
    /// The root of a version's tree of entries.
    Manifest(Manifest),
    /// A run of entries.
    Entries(Vec<Entry>),
    /// Pages of entries, or of such pages.
    EntryIndex(Index<EntryChild>),
    /// A run of a chunk list.
    Chunks(Vec<ChunkRun>),
    /// Pages of a chunk list, or of such pages.
    ChunkIndex(Index<ChunkChild>),
    /// A run of the canonical JSON of metadata that is too long for a record.
    Metadata(Bytes),
}

/// Which kind of page an id names; the id depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PageType {
    /// [`Page::Manifest`]
    Manifest,
    /// [`Page::Entries`]
    Entries,
    /// [`Page::EntryIndex`]
    EntryIndex,
    /// [`Page::Chunks`]
    Chunks,
    /// [`Page::ChunkIndex`]
    ChunkIndex,
    /// [`Page::Metadata`]
    Metadata,
}

/// The root of a version's tree of entries. Its id is the version's digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Entries in all.
    pub entry_count: u64,
    /// Files among them.
    pub file_count: u64,
    /// Bytes of all files.
    pub size_bytes: u64,
    /// The entries, or pages of them.
    pub rows: EntryRows,
}

/// The first level of a tree of entries that is short enough for its root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryRows {
    /// The entries themselves.
    Entries(Vec<Entry>),
    /// Pages of them.
    Index(Index<EntryChild>),
}

/// A list of pages one level lower; level 1 lists the lowest pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index<C> {
    /// Height above the lowest pages, 1 to [`TREE_DEPTH_MAX`].
    pub level: u32,
    /// The pages, in order.
    pub rows: Vec<C>,
}

/// A page of entries as its parent lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryChild {
    /// Path of the first entry below it.
    pub first: EntryPath,
    /// The page.
    pub page: PageId,
    /// Entries below it.
    pub entries: u64,
    /// Bytes of the files below it.
    pub bytes: u64,
}

/// A page of a chunk list as its parent lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkChild {
    /// The first chunk below it.
    pub first: ChunkId,
    /// The page.
    pub page: PageId,
    /// Chunks below it, repeated ones counted each time.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One path in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The path.
    pub path: EntryPath,
    /// What is there.
    pub kind: EntryKind,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    /// A file.
    File(FileBody),
    /// A symbolic link and its target, verbatim.
    Symlink(Bytes),
    /// A directory with nothing in it.
    EmptyDir,
    /// Something outside the store.
    Reference(Reference),
}

/// The content of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileBody {
    /// Whether it may be executed.
    pub executable: bool,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Plain BLAKE3 of its bytes.
    pub digest: FileDigest,
    /// Its chunks.
    pub chunks: ChunkList,
}

/// The chunks of a file, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChunkList {
    /// One chunk named by the file's digest, or none in an empty file.
    Whole,
    /// At most [`CHUNK_ROWS_INLINE_MAX`] rows.
    Runs(Vec<ChunkRun>),
    /// More: the root of a tree, a page of kind [`Page::Chunks`] or [`Page::ChunkIndex`].
    Tree(ChunkTree),
}

/// The root of the tree of a long chunk list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChunkTree {
    /// Height of the root above the lowest pages: 0 for a [`Page::Chunks`].
    pub level: u32,
    /// The root.
    pub page: PageId,
}

/// A chunk, and how many times it stands there one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRun {
    /// The chunk.
    pub chunk: ChunkId,
    /// Its length in bytes.
    pub len: u32,
    /// How many times, at least once.
    pub count: u64,
}

/// Something outside the store: where it is, and what it was when it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Where it is.
    pub uri: String,
    /// Plain BLAKE3 of its bytes, where known.
    pub digest: Option<FileDigest>,
    /// Its length in bytes, where known.
    pub size_bytes: Option<u64>,
    /// Its server's tag for this content, where known.
    pub etag: Option<String>,
}

/// Why bytes are not a page.
#[derive(Debug)]
pub enum PageError {
    /// The bytes are too many.
    Length(usize),
    /// The bytes are not the encoding of a page.
    Encoding(codec::DecodeError),
    /// A page of another kind than was asked for.
    Kind,
    /// A rule of the format is broken.
    Rule(&'static str),
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PageError::Length(len) => write!(f, "it has {len} bytes, more than a page may have"),
            PageError::Encoding(error) => error.fmt(f),
            PageError::Kind => f.write_str("it is a page of another kind"),
            PageError::Rule(rule) => f.write_str(rule),
        }
    }
}

impl std::error::Error for PageError {}

impl PageType {
    /// Every kind, in the order of their tags.
    pub const ALL: [PageType; 6] =
        [PageType::Manifest, PageType::Entries, PageType::EntryIndex, PageType::Chunks, PageType::ChunkIndex, PageType::Metadata];

    /// The context from which the key of this kind's ids is derived.
    pub fn context(self) -> &'static str {
        match self {
            PageType::Manifest => "artstore 2026-11 manifest v1",
            PageType::Entries => "artstore 2026-11 entries page v1",
            PageType::EntryIndex => "artstore 2026-11 entry index page v1",
            PageType::Chunks => "artstore 2026-11 chunks page v1",
            PageType::ChunkIndex => "artstore 2026-11 chunk index page v1",
            PageType::Metadata => "artstore 2026-11 metadata page v1",
        }
    }

    /// Names the bytes of a page of this kind.
    pub fn id_of(self, bytes: &[u8]) -> PageId {
        blake3::Hasher::new_derive_key(self.context()).update(bytes).finalize().into()
    }

    /// Reads the kind off a page's bytes, unchecked; for salvage.
    pub fn peek(bytes: &[u8]) -> Option<PageType> {
        let tag = u32::from_le_bytes(*bytes.first_chunk()?);
        PageType::ALL.get(usize::try_from(tag).ok()?).copied()
    }
}

impl Page {
    /// Returns the kind.
    pub fn page_type(&self) -> PageType {
        match self {
            Page::Manifest(_) => PageType::Manifest,
            Page::Entries(_) => PageType::Entries,
            Page::EntryIndex(_) => PageType::EntryIndex,
            Page::Chunks(_) => PageType::Chunks,
            Page::ChunkIndex(_) => PageType::ChunkIndex,
            Page::Metadata(_) => PageType::Metadata,
        }
    }

    /// Encodes the page and names it.
    pub fn encode(&self) -> (PageId, Vec<u8>) {
        let bytes = codec::encode(self);
        (self.page_type().id_of(&bytes), bytes)
    }

    /// Decodes a page of a kind and checks every rule that can be seen in it alone. The caller
    /// has checked that the bytes hash to the id.
    pub fn decode(expected: PageType, bytes: &[u8]) -> Result<Page, PageError> {
        if bytes.len() > PAGE_LEN_MAX {
            return Err(PageError::Length(bytes.len()));
        }
        let page: Page = codec::decode(bytes).map_err(PageError::Encoding)?;
        if page.page_type() != expected {
            return Err(PageError::Kind);
        }
        match &page {
            Page::Manifest(manifest) => manifest.check()?,
            Page::Entries(entries) if !entries.is_empty() => check_entries(entries)?,
            Page::EntryIndex(index) => index.check_entries()?,
            Page::Chunks(runs) if !runs.is_empty() => check_runs(runs)?,
            Page::ChunkIndex(index) => index.check_chunks()?,
            Page::Metadata(_) => {}
            Page::Entries(_) | Page::Chunks(_) => return Err(PageError::Rule("it lists nothing")),
        }
        Ok(page)
    }
}

impl Manifest {
    fn check(&self) -> Result<(), PageError> {
        let (entries, files, bytes) = match &self.rows {
            EntryRows::Entries(entries) => {
                check_entries(entries)?;
                let files = entries.iter().filter(|entry| matches!(entry.kind, EntryKind::File(_))).count() as u64;
                (entries.len() as u64, files, entries.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.kind.size_bytes())))
            }
            EntryRows::Index(index) => {
                index.check_entries()?;
                let sum = |of: fn(&EntryChild) -> u64| index.rows.iter().fold(0u64, |sum, row| sum.saturating_add(of(row)));
                // How many of them are files is not known before their pages are read.
                (sum(|row| row.entries), self.file_count.min(self.entry_count), sum(|row| row.bytes))
            }
        };
        if (self.entry_count, self.file_count, self.size_bytes) == (entries, files, bytes) {
            Ok(())
        } else {
            Err(PageError::Rule("its counts are not those of its rows"))
        }
    }
}

impl<C> Index<C> {
    fn check_shape(&self) -> Result<(), PageError> {
        if self.level == 0 || self.level > TREE_DEPTH_MAX {
            return Err(PageError::Rule("its level cannot be"));
        }
        if self.rows.is_empty() {
            return Err(PageError::Rule("it lists no page"));
        }
        Ok(())
    }
}

impl Index<EntryChild> {
    fn check_entries(&self) -> Result<(), PageError> {
        self.check_shape()?;
        if !self.rows.is_sorted_by(|a, b| a.first < b.first) {
            return Err(PageError::Rule("its rows are not in strictly increasing order"));
        }
        if self.rows.iter().any(|row| row.entries == 0) {
            return Err(PageError::Rule("a row lists no entry"));
        }
        Ok(())
    }
}

impl Index<ChunkChild> {
    fn check_chunks(&self) -> Result<(), PageError> {
        self.check_shape()?;
        if self.rows.iter().any(|row| row.chunks == 0 || row.bytes < row.chunks) {
            return Err(PageError::Rule("a row lists no chunk"));
        }
        Ok(())
    }
}

fn check_entries(entries: &[Entry]) -> Result<(), PageError> {
    if !entries.is_sorted_by(|a, b| a.path < b.path) {
        return Err(PageError::Rule("its entries are not in strictly increasing order"));
    }
    entries.iter().try_for_each(|entry| entry.kind.check())
}

fn check_runs(runs: &[ChunkRun]) -> Result<(), PageError> {
    if runs.iter().any(|run| run.len == 0 || run.len as usize > CHUNK_LEN_MAX || run.count == 0) {
        return Err(PageError::Rule("a chunk's length or count cannot be"));
    }
    if runs.windows(2).any(|pair| pair[0].chunk == pair[1].chunk) {
        return Err(PageError::Rule("equal neighbours in a chunk list are not one row"));
    }
    Ok(())
}

impl EntryKind {
    fn check(&self) -> Result<(), PageError> {
        match self {
            EntryKind::File(body) => body.check(),
            EntryKind::Symlink(target) => {
                if target.0.is_empty() || target.0.len() > SYMLINK_LEN_MAX || target.0.contains(&0) {
                    return Err(PageError::Rule("a symlink's target cannot be"));
                }
                Ok(())
            }
            EntryKind::EmptyDir => Ok(()),
            EntryKind::Reference(reference) => {
                let etag_len = reference.etag.as_ref().map_or(0, String::len);
                if reference.uri.is_empty() || reference.uri.len() > URI_LEN_MAX || etag_len > URI_LEN_MAX {
                    return Err(PageError::Rule("a reference's URI or etag is empty or too long"));
                }
                Ok(())
            }
        }
    }

    /// Returns the length of a file, and 0 for the rest.
    pub fn size_bytes(&self) -> u64 {
        match self {
            EntryKind::File(body) => body.size_bytes,
            _ => 0,
        }
    }
}

impl FileBody {
    fn check(&self) -> Result<(), PageError> {
        if self.size_bytes == 0 && self.digest != FileDigest::of(b"") {
            return Err(PageError::Rule("an empty file's digest is not that of nothing"));
        }
        match &self.chunks {
            ChunkList::Whole if self.size_bytes <= CHUNK_LEN_MAX as u64 => Ok(()),
            ChunkList::Whole => Err(PageError::Rule("a long file is said to be one chunk")),
            ChunkList::Runs(runs) => {
                check_runs(runs)?;
                if runs.is_empty() || runs.len() > CHUNK_ROWS_INLINE_MAX || sum_runs(runs) != Some(self.size_bytes) {
                    return Err(PageError::Rule("a file's chunks are not as long as the file"));
                }
                if let [ChunkRun { count: 1, .. }] = runs[..] {
                    return Err(PageError::Rule("a file that is one chunk has a list of chunks"));
                }
                Ok(())
            }
            ChunkList::Tree(tree) if tree.level <= TREE_DEPTH_MAX => Ok(()),
            ChunkList::Tree(_) => Err(PageError::Rule("a chunk tree is too deep")),
        }
    }
}

/// Adds up the bytes of runs; none if they are more than can be.
pub fn sum_runs(runs: &[ChunkRun]) -> Option<u64> {
    runs.iter().try_fold(0u64, |sum, run| sum.checked_add(u64::from(run.len).checked_mul(run.count)?))
}
