//! What commands start from: the global options, the store, and the context that the library asks
//! for. The clock and the environment are read here and nowhere else.

use std::ffi::OsStr;
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use artstore::format::record::Time;
use artstore::lock::Wait;
use artstore::ops::absent::has_no_data;
use artstore::ops::init::{InitOptions, init};
use artstore::ops::repair;
use artstore::ops::sync::{OtherCopy, SshCommand};
use artstore::run_id::RunId;
use artstore::store::STORE_DIR;
use artstore::{Context, Error, ErrorKind, Store};

use crate::args::GlobalArgs;
use crate::error::Result;
use crate::git;
use crate::ui::Ui;

/// The variable that names the run to add to.
pub(crate) const RUN_VARIABLE: &str = "ART_RUN";

/// The resolved global options.
#[derive(Debug)]
pub(crate) struct Setup {
    /// Where output and messages go.
    pub(crate) ui: Ui,
    store: Option<PathBuf>,
    wait: Wait,
}

impl Setup {
    /// Resolves the global options; nothing is opened yet.
    pub(crate) fn new(global: GlobalArgs) -> Result<Setup> {
        if let Some(dir) = &global.directory {
            std::env::set_current_dir(dir).map_err(|e| Error::io("change to directory", dir, e))?;
        }
        let from_env = || std::env::var_os("ART_STORE").filter(|value| !value.is_empty()).map(PathBuf::from);
        let store = global.store.or_else(from_env);
        let wait = if global.no_wait { Wait::Not } else { Wait::Patiently };
        Ok(Setup { ui: Ui::new(global.json, global.quiet), store, wait })
    }

    /// Opens the store that was named, or the one found by walking up from here.
    pub(crate) fn store(&self) -> Result<Store> {
        Ok(Store::open(&self.store_root()?)?.with_threads(threads()?))
    }

    /// The same for who mends it, whatever of it is left.
    pub(crate) fn store_to_repair(&self) -> Result<Store> {
        Ok(repair::open(&self.store_root()?, self.ui.progress())?.with_threads(threads()?))
    }

    /// Says of a store that has versions and no data that it is so, and how data comes; returns whether it
    /// is.
    pub(crate) fn warn_without_data(&self, store: &Store) -> bool {
        let is_so = has_no_data(store).unwrap_or(false);
        if is_so {
            self.ui.warn(
                "there are no data packs here, as in a clone of a repo that commits records: `art pull DIR` brings them from another copy",
            );
        }
        is_so
    }

    /// Finds the store's directory, whatever of it is left.
    pub(crate) fn store_root(&self) -> Result<PathBuf> {
        match &self.store {
            Some(named) => Ok(store_at(named)),
            None => Ok(Store::find(&current_dir()?)?),
        }
    }

    /// Opens the store as [`Setup::store`] does, or makes one here if there is none.
    pub(crate) fn store_or_new(&self) -> Result<Store> {
        match self.store() {
            // There is none, or one that is just being made: making it twice is safe.
            Err(failure) if matches!(failure.kind(), Some(ErrorKind::NotFound | ErrorKind::Damaged)) => {
                let root = self.new_store_root(None)?;
                let is_empty = |dir: &str| std::fs::read_dir(root.join(dir)).map_or(true, |mut entries| entries.next().is_none());
                if root.join("format").exists() || !["packs", "meta", "refs"].into_iter().all(is_empty) {
                    return Err(failure);
                }
                init(&root, &InitOptions::default(), self.ui.progress())?;
                self.store()
            }
            result => result,
        }
    }

    /// Opens the store for a command that only reads: records come from the record cache where it has them.
    pub(crate) fn store_to_read(&self) -> Result<Store> {
        Ok(self.store()?.with_record_cache())
    }

    /// Returns where a new store would lie: where `--store` says, or `.artifacts` in `dir`, or here.
    pub(crate) fn new_store_root(&self, dir: Option<&Path>) -> Result<PathBuf> {
        let root = match (dir, &self.store) {
            (Some(dir), _) => dir.join(STORE_DIR),
            (None, Some(named)) => named.clone(),
            (None, None) => Path::new(STORE_DIR).to_owned(),
        };
        Ok(std::path::absolute(&root).map_err(|e| Error::io("find", &root, e))?)
    }

    /// Takes the place of another copy, and how to get to one on another computer: ART_SSH names the ssh
    /// of this one, to its shell, ART_REMOTE_ART the `art` of the other.
    pub(crate) fn other_copy(&self, typed: &OsStr) -> Result<OtherCopy> {
        let mut command = SshCommand::default();
        if let Some(ssh) = std::env::var_os("ART_SSH").filter(|value| !value.is_empty()) {
            let is_name = ssh.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(byte));
            let mut line = ssh.clone();
            line.push(" \"$@\"");
            command.ssh = if is_name { vec![ssh] } else { vec!["sh".into(), "-c".into(), line, ssh] };
        }
        if let Some(art) = std::env::var("ART_REMOTE_ART").ok().filter(|value| !value.is_empty()) {
            command.art = art;
        }
        Ok(OtherCopy::parse(typed, &command)?)
    }

    /// Returns the context for commands that record nothing about the repo.
    pub(crate) fn context(&self) -> Result<Context<'_>> {
        Ok(Context {
            now: Time(jiff::Timestamp::now()),
            git: None,
            run: None,
            threads: threads()?,
            wait: self.wait,
            progress: self.ui.progress(),
        })
    }

    /// Returns the context for commands that record a version: with the state of the git repo
    /// that the store's project lies in, and the run that is added to, if any.
    pub(crate) fn recording_context(&self, store: &Store, run: Option<&str>) -> Result<Context<'_>> {
        let run = self.run(store, run)?;
        Ok(Context { run, git: git::state(store.recorded_dir(&current_dir()?)), ..self.context()? })
    }

    /// Finds the run to add to: the one that `--run` names, or else ART_RUN.
    pub(crate) fn run(&self, store: &Store, named: Option<&str>) -> Result<Option<RunId>> {
        let from_env = || std::env::var(RUN_VARIABLE).ok().filter(|run| !run.is_empty());
        let Some(text) = named.map(str::to_owned).or_else(from_env) else { return Ok(None) };
        Ok(Some(store.find_run(&text, threads()?)?.id))
    }
}

/// Takes a store's directory, or a project's directory with a store in it.
fn store_at(named: &Path) -> PathBuf {
    let inside = named.join(STORE_DIR);
    if !named.join("format").exists() && inside.is_dir() { inside } else { named.to_owned() }
}

/// Returns where the command works.
pub(crate) fn current_dir() -> Result<PathBuf> {
    Ok(std::env::current_dir().map_err(|e| Error::failed("cannot tell the current directory").because(e))?)
}

fn threads() -> Result<usize> {
    match std::env::var("ART_THREADS") {
        Err(_) => Ok(std::thread::available_parallelism().map_or(1, NonZero::get)),
        Ok(text) => match text.parse() {
            Ok(count @ 1..=256) => Ok(count),
            _ => {
                Err(Error::usage("bad ART_THREADS: a number from 1 to 256 is expected").hint("unset ART_THREADS to use every core").into())
            }
        },
    }
}
