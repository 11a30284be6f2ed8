//! What is missing or wrong below a page: counted, and the first of it told.

use serde::Serialize;

use crate::format::path::EntryPath;
use crate::id::{ChunkId, FileDigest, PackId, PageId};
use crate::ops::entry::ShownPath;
use crate::quote::quote;

/// Something that a version names and that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lack {
    /// What sort of thing.
    pub kind: LackKind,
    /// Whether it is not here, or here and wrong.
    pub state: LackState,
    /// Its name: a chunk's, a page's, or a file's digest.
    pub id: String,
    /// The entry that needs it; of a page of entries the first that it holds, where known.
    #[serde(flatten)]
    pub path: Option<ShownPath>,
    /// The pack in which it is damaged, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pack: Option<PackId>,
    /// What is the matter with it.
    pub message: String,
}

/// What sort of thing is lacking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LackKind {
    /// A chunk of a file.
    Chunk,
    /// The root of a version.
    Manifest,
    /// A page of entries.
    Entries,
    /// A page of a file's chunk list.
    ChunkList,
    /// A page of a version's metadata.
    Metadata,
    /// A file whose chunks are all here and do not add up to it.
    File,
}

/// Whether something is not here, or here and wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LackState {
    /// Not here.
    Missing,
    /// Here, and not what its name or its parent says.
    Damaged,
}

/// All that is lacking below a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lacks {
    pub(crate) missing: u64,
    pub(crate) damaged: u64,
    /// The first of them, as many as the reader keeps.
    pub(crate) first: Vec<Lack>,
}

impl Lack {
    pub(super) fn chunk(chunk: ChunkId, state: LackState, pack: Option<PackId>) -> Lack {
        let is = if state == LackState::Missing { "is not here" } else { "is damaged" };
        let message = format!("chunk {} {is}", quote(chunk.short(16).as_bytes()));
        Lack { kind: LackKind::Chunk, state, id: chunk.to_string(), path: None, pack, message }
    }

    pub(super) fn missing_page(kind: LackKind, page: PageId) -> Lack {
        let message = format!("{} {} is not here", kind.word(), quote(page.short(16).as_bytes()));
        Lack { kind, state: LackState::Missing, id: page.to_string(), path: None, pack: None, message }
    }

    pub(super) fn wrong_page(kind: LackKind, page: PageId, why: impl std::fmt::Display) -> Lack {
        let message = format!("{} {}: {why}", kind.word(), quote(page.short(16).as_bytes()));
        Lack { kind, state: LackState::Damaged, id: page.to_string(), path: None, pack: None, message }
    }

    pub(super) fn wrong_file(digest: FileDigest, why: &str) -> Lack {
        Lack { kind: LackKind::File, state: LackState::Damaged, id: digest.to_string(), path: None, pack: None, message: why.to_owned() }
    }

    pub(super) fn of(self, path: &EntryPath) -> Lack {
        Lack { path: Some(ShownPath::new(path.as_bytes())), ..self }
    }
}

impl LackKind {
    fn word(self) -> &'static str {
        match self {
            LackKind::Chunk => "chunk",
            LackKind::Manifest => "manifest",
            LackKind::Entries => "page of entries",
            LackKind::ChunkList => "page of a chunk list",
            LackKind::Metadata => "metadata page",
            LackKind::File => "file",
        }
    }
}

impl std::fmt::Display for Lack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        let Some(path) = &self.path else { return Ok(()) };
        // A path that is not UTF-8 is escaped already.
        let shown = path.path_bytes.as_ref().map_or_else(|| quote(path.path.as_bytes()), |_| format!("'{}'", path.path));
        match self.kind {
            LackKind::Entries => write!(f, ", from {shown} on"),
            _ => write!(f, ", of file {shown}"),
        }
    }
}

impl Lacks {
    pub(crate) fn is_empty(&self) -> bool {
        (self.missing, self.damaged) == (0, 0)
    }

    pub(super) fn add(&mut self, lack: Lack, keep: usize) {
        match lack.state {
            LackState::Missing => self.missing = self.missing.saturating_add(1),
            LackState::Damaged => self.damaged = self.damaged.saturating_add(1),
        }
        if self.first.len() < keep {
            self.first.push(lack);
        }
    }

    /// Adds what lies below a child, of the file at a path if it has one.
    pub(super) fn join(&mut self, below: &Lacks, path: Option<&EntryPath>, keep: usize) {
        self.missing = self.missing.saturating_add(below.missing);
        self.damaged = self.damaged.saturating_add(below.damaged);
        let room = keep.saturating_sub(self.first.len());
        let named = |lack: &Lack| path.map_or_else(|| lack.clone(), |path| lack.clone().of(path));
        self.first.extend(below.first.iter().take(room).map(named));
    }

    /// Tells how many are lacking, and the first of each state.
    pub(crate) fn told(&self) -> String {
        let part = |count: u64, word: &str, state: LackState| {
            let first = self.first.iter().find(|lack| lack.state == state);
            let first = first.map(|lack| format!(", first: {lack}")).unwrap_or_default();
            (count > 0).then(|| format!("{count} {word}{first}"))
        };
        let parts = [part(self.damaged, "damaged", LackState::Damaged), part(self.missing, "missing", LackState::Missing)];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}
