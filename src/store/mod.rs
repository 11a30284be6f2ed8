//! An open store: its layout, its packs, its records.

pub mod census;
pub mod compare;
pub mod draft;
pub mod files;
pub(crate) mod git;
pub mod guard;
pub(crate) mod local;
pub mod missing;
pub mod object;
pub mod packer;
pub mod page_writer;
pub mod put_note;
pub(crate) mod quarantine;
pub mod reach;
pub mod resolve;
pub(crate) mod rests;
pub mod roots;
pub mod runs;
pub mod session;
pub mod tree;
pub mod walk;
pub mod worktrees;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::{Error, Result};
use crate::format::FORMAT_LINE;
use crate::format::pack::PackClass;
use crate::id::PackId;
use crate::index::Index;
use crate::layout::Layout;
use crate::name::Name;
use crate::open::open_regular;
use crate::quote::{quote, quote_path};
use crate::refs::cache::RecordCache;
use crate::refs::condemned::Condemned;
use crate::refs::history::History;
use crate::refs::read::{self, Known};
use crate::refs::runs::Runs;
use census::Census;

/// The name of a store's directory.
pub const STORE_DIR: &str = ".artifacts";

/// The file that makes a directory a store, written last.
pub(crate) const FORMAT_FILE: &str = "format";

/// Where the files of the look-up lie in local state.
pub(crate) const INDEX_DIR: &str = "index";

/// The feature of a store in which packs were condemned: whoever writes must not reuse them.
pub const CONDEMN_FEATURE: &str = "write-condemn";

/// A store that is open for reading. Opening costs a read of one line; packs are listed and
/// those that the local index does not cover read when something is first looked up.
#[derive(Debug)]
pub struct Store {
    layout: Layout,
    /// How many threads may read records.
    threads: usize,
    /// The record cache, once it was looked for; none where it must not be used.
    records: Option<OnceLock<Option<RecordCache>>>,
    /// The artifact whose history was last read from its records, and these.
    last_history: Mutex<Option<(Name, Known)>>,
    data: OnceLock<Index>,
    meta: OnceLock<Index>,
    /// The block of pages last read, decoded: which, and its bytes.
    last_block: Mutex<Option<(PackId, u32, Vec<u8>)>>,
}

/// Who must know a feature in order to work on the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Whoever reads.
    Read,
    /// Whoever writes.
    Write,
    /// Whoever removes packs.
    Collect,
}

impl Store {
    /// Opens the store at a directory.
    pub fn open(root: &Path) -> Result<Store> {
        let format = root.join(FORMAT_FILE);
        let shown = quote_path(root);
        let line = match open_regular(&format) {
            Ok(file) => {
                let mut line = Vec::new();
                file.take(64).read_to_end(&mut line).map_err(|e| Error::io("read", &format, e))?;
                String::from_utf8_lossy(&line).into_owned()
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound && root.is_dir() => {
                let error = Error::damaged(format!("{shown} is not a store: it has no file `format`"));
                if let Some(way) = guard::way_back(root) {
                    return Err(error.hint(way.hint(root)));
                }
                return Err(error.hint("if it is a store that is still being copied, let the copy finish; for a new store run `art init`"));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(no_store(format!("cannot find a store at {shown}"))),
            Err(e) => return Err(Error::io("open the store", root, e)),
        };
        if line != FORMAT_LINE {
            let version = line.strip_prefix("artstore ").map(str::trim_end).filter(|version| !version.is_empty());
            return Err(match version {
                Some(version) => {
                    Error::damaged(format!("store {shown} has format {}, which is newer than this program", quote(version.as_bytes())))
                        .hint("use the version of `art` that wrote it, or a newer one")
                }
                None => Error::damaged(format!("store {shown} is damaged: its file `format` says neither this format nor another"))
                    .hint("copy the file `format` from another copy of the store; it reads `artstore 1`"),
            });
        }
        let store = Store {
            layout: worktrees::layout_of(root)?,
            threads: 1,
            records: None,
            last_history: Mutex::default(),
            data: OnceLock::new(),
            meta: OnceLock::new(),
            last_block: Mutex::default(),
        };
        store.check_features(Need::Read)?;
        Ok(store)
    }

    /// Lets so many threads read records; without it, one does.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Store {
        Store { threads, ..self }
    }

    /// Lets records be taken from the record cache, for who only reads. Who writes, or looks for damage,
    /// must know that the files are whole, and not only what they say.
    #[must_use]
    pub fn with_record_cache(self) -> Store {
        Store { records: Some(OnceLock::new()), ..self }
    }

    /// Returns how many threads may read records.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Finds the store of a directory by walking up from it, and opens it.
    pub fn discover(from: &Path) -> Result<Store> {
        Store::open(&Store::find(from)?)
    }

    /// Finds the store of a directory by walking up from it. In a linked worktree of git, a store of which
    /// git commits nothing is that of the main worktree.
    pub fn find(from: &Path) -> Result<PathBuf> {
        let mut roots = from.ancestors().map(|dir| dir.join(STORE_DIR));
        let found = roots.find(|root| root.is_dir()).map_or_else(|| worktrees::find_elsewhere(from), |root| Ok(Some(root)))?;
        found.ok_or_else(|| no_store(format!("cannot find a store in {} or any directory above it", quote_path(from))))
    }

    /// Refuses a store that needs something which this program does not know.
    ///
    /// A feature is an empty file in `features/`: `read-NAME` must be known to all, `write-NAME`
    /// to writers, `gc-NAME` to whoever removes packs, and any other name to all.
    pub fn check_features(&self, need: Need) -> Result<()> {
        let dir = self.root().join("features");
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(Error::io("list", &dir, e)),
        };
        for entry in entries {
            let name = entry.map_err(|e| Error::io("list", &dir, e))?.file_name().to_string_lossy().into_owned();
            check_feature(&name, need, &format!("store {}", quote_path(self.root())))?;
        }
        Ok(())
    }

    /// Returns the store's directory.
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// Returns where the store's files lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the directory that the store lies in: the project's root.
    pub fn project(&self) -> &Path {
        self.root().parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// Returns the directory whose git state a version records that is stored from `from`: the project's,
    /// or `from` in a linked worktree of which the store lies in the main one.
    pub fn recorded_dir<'p>(&'p self, from: &'p Path) -> &'p Path {
        if worktrees::is_elsewhere(self.root(), from) { from } else { self.project() }
    }

    /// Returns the index of a class of packs, loading it when first asked.
    pub fn index(&self, class: PackClass) -> Result<&Index> {
        let cell = match class {
            PackClass::Data => &self.data,
            PackClass::Meta => &self.meta,
        };
        if let Some(index) = cell.get() {
            return Ok(index);
        }
        let files = self.local().map(|local| local.join(INDEX_DIR));
        let index = Index::open(&self.layout, class, files.as_deref())?;
        Ok(cell.get_or_init(|| index))
    }

    /// Returns the index of a class of packs if something was looked up in it.
    pub fn index_if_open(&self, class: PackClass) -> Option<&Index> {
        match class {
            PackClass::Data => self.data.get(),
            PackClass::Meta => self.meta.get(),
        }
    }

    /// Lists the artifacts by name.
    pub fn artifacts(&self) -> Result<Vec<Name>> {
        read::artifacts(self.root(), self.threads, self.record_cache())
    }

    /// Reads the history of one artifact; empty if there is no such artifact. Asked again for the same, it
    /// lists the directories and reads what is new.
    pub fn history(&self, artifact: &Name) -> Result<History> {
        let cache = self.record_cache();
        if cache.is_some() {
            return Ok(History::new(artifact.clone(), read::load(self.root(), artifact, self.threads, cache)?));
        }
        let mut last = self.last_history.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, known) = match &mut *last {
            Some(last) if last.0 == *artifact => last,
            other => other.insert((artifact.clone(), Known::default())),
        };
        Ok(History::new(artifact.clone(), read::load_again(self.root(), artifact, self.threads, known)?))
    }

    /// Reads the histories of all artifacts, sorted by name.
    pub fn histories(&self) -> Result<Vec<History>> {
        History::all(read::load_all(self.root(), self.threads, self.record_cache())?, self.threads)
    }

    /// Reads the runs, by the time of their start, on so many threads.
    pub fn runs(&self, threads: usize) -> Result<Runs> {
        Runs::load(self.root(), threads, self.record_cache())
    }

    /// Reads which packs are condemned.
    pub fn condemned(&self) -> Result<Condemned> {
        Condemned::load(self.root())
    }

    /// Returns the table of everything in the packs of a class.
    pub fn census(&self, class: PackClass, threads: usize) -> Result<Census> {
        Census::load(self, class, threads)
    }

    /// Returns the record cache, opening it when first asked; none where it must not or cannot be used.
    fn record_cache(&self) -> Option<&RecordCache> {
        let cache = self.records.as_ref()?;
        cache.get_or_init(|| RecordCache::open(&self.local()?)).as_ref()
    }

    /// Finds this copy's local state, without making it.
    pub fn local(&self) -> Option<PathBuf> {
        // To a reader it is a cache: one that cannot be looked at is none.
        local::find(self.root()).ok().flatten()
    }
}

/// Refuses a feature of `whose` that whoever has this need must know, and this program does not.
pub(crate) fn check_feature(name: &str, need: Need, whose: &str) -> Result<()> {
    let needed_by = match name.split_once('-') {
        _ if name == CONDEMN_FEATURE => &[][..],
        Some(("write", _)) => &[Need::Write, Need::Collect][..],
        Some(("gc", _)) => &[Need::Collect][..],
        // Files that a desktop or a syncing tool drops everywhere are strangers here too.
        _ if name.starts_with('.') || name == "desktop.ini" => &[],
        _ => &[Need::Read, Need::Write, Need::Collect][..],
    };
    if !needed_by.contains(&need) {
        return Ok(());
    }
    Err(Error::damaged(format!("{whose} needs the feature {}, which this program does not know", quote(name.as_bytes())))
        .hint("use the version of `art` that wrote it, or a newer one"))
}

fn no_store(message: String) -> Error {
    Error::not_found(message).hint("make one with `art init`, or name one with `--store DIR`")
}
