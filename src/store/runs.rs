//! Runs found by what a user typed, and whether the process of one is still there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::lock::{Lock, Mode, Wait, try_lock};
use crate::open::open_regular;
use crate::progress::Silent;
use crate::quote::quote;
use crate::refs::runs::{self, Run};
use crate::run_id::RunId;

use super::Store;

/// Where in local state the locks of runs lie that are going on.
const RUN_LOCKS: &str = "runs";

/// Whether the process of a run is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It holds the run's lock.
    Alive,
    /// It is gone: nobody holds the lock.
    Gone,
    /// It was started in another copy of the store, so nothing tells here.
    Elsewhere,
}

/// Held for as long as a run goes on, by its process and those that it starts.
#[derive(Debug)]
pub struct RunLock {
    lock: Lock,
    path: PathBuf,
}

impl Store {
    /// Reads one run.
    pub fn run(&self, id: RunId) -> Result<Run> {
        let (run, damaged) = runs::load(self.root(), id)?;
        match (run, damaged.first()) {
            (Some(run), _) => Ok(run),
            (None, Some(record)) => Err(crate::error::damaged("record", &record.path.display().to_string(), &record.why)),
            (None, None) => Err(no_run(&id.to_string())),
        }
    }

    /// Finds the run that a text names: its id, the first characters of it, or the name that people
    /// gave it, which is looked for on so many threads.
    pub fn find_run(&self, text: &str, threads: usize) -> Result<Run> {
        if let Ok(id) = text.parse() {
            return self.run(id);
        }
        if RunId::is_prefix(text) {
            let ids: Vec<RunId> = runs::ids(self.root())?.into_iter().filter(|id| id.to_string().starts_with(text)).collect();
            match ids[..] {
                [] => {}
                [id] => return self.run(id),
                _ => return Err(ambiguous(text, &ids)),
            }
        }
        let named = runs::named(self.root(), text, threads)?;
        match named[..] {
            [] => Err(no_run(text)),
            [id] => self.run(id),
            _ => Err(ambiguous(text, &named)),
        }
    }

    /// Tells whether the process of a run is there, on this computer.
    pub fn liveness(&self, run: RunId) -> Liveness {
        let Some(local) = self.local() else { return Liveness::Elsewhere };
        match open_regular(&local.join(RUN_LOCKS).join(run.to_string())) {
            // The lock is given back at once; nobody waits for the lock of a run.
            Ok(file) => match try_lock(&file, Mode::Shared) {
                Ok(()) => Liveness::Gone,
                Err(_) => Liveness::Alive,
            },
            Err(_) => Liveness::Elsewhere,
        }
    }
}

impl RunLock {
    /// Takes the lock of a run that is about to start.
    pub(crate) fn take(local: &Path, run: RunId) -> Result<RunLock> {
        let dir = local.join(RUN_LOCKS);
        fs::create_dir_all(&dir).map_err(|e| Error::io("create", &dir, e))?;
        let path = dir.join(run.to_string());
        let lock = Lock::take(&path, Mode::Exclusive, Wait::Not, &Silent)?;
        Ok(RunLock { lock, path })
    }

    /// Lets processes that are started from here on hold the lock too: should this one be killed,
    /// the run goes on as long as they do.
    pub fn inherit(&mut self) -> Result<()> {
        self.lock.inherit()
    }

    /// Gives the lock back, and removes its file: the run is over.
    pub fn end(self) {
        // A file that stays is that of a lost run, and its end is on record.
        let _ = fs::remove_file(&self.path);
    }
}

fn no_run(text: &str) -> Error {
    Error::not_found(format!("cannot find run {}", quote(text.as_bytes())))
        .hint("`art runs` lists the runs of this store; `ART_RUN` and `--run` name the one to add to")
}

fn ambiguous(text: &str, ids: &[RunId]) -> Error {
    let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    Error::ambiguous(format!("{} means several runs: {}", quote(text.as_bytes()), names.join(", "))).hint("name one of them by its id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_alive_while_its_lock_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join(super::super::STORE_DIR);
        fs::create_dir(&root).unwrap();
        fs::write(root.join("format"), crate::format::FORMAT_LINE).unwrap();
        let store = Store::open(&root).unwrap();
        let id = RunId::new(1_700_000_000, 0);
        assert_eq!(store.liveness(id), Liveness::Elsewhere);
        let local = super::super::local::find_or_create(&root, &Silent).unwrap();
        let lock = RunLock::take(&local, id).unwrap();
        assert_eq!(store.liveness(id), Liveness::Alive);
        drop(lock);
        assert_eq!(store.liveness(id), Liveness::Gone);
        RunLock::take(&local, id).unwrap().end();
        assert_eq!(store.liveness(id), Liveness::Elsewhere);
        // What is no lock's file tells nothing.
        fs::create_dir(local.join(RUN_LOCKS).join(id.to_string())).unwrap();
        assert_eq!(store.liveness(id), Liveness::Elsewhere);
    }
}
