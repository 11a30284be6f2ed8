//! One process of the hammer: operations by chance, on a store that others work on and in which it
//! may be stopped or killed at any moment.

use std::path::Path;
use std::time::Duration;

use artstore::error::{Error, ErrorKind};
use artstore::ops::gc::GcOptions;

use crate::driver::{Driver, PIECES, Rng, Stored, is_of};
use crate::journal::{Event, Journal, read};

const ARTIFACTS: [&str; 3] = ["a", "b", "model.c"];
const ALIASES: [&str; 3] = ["best", "prod", "x"];

/// What a process knows of a version that it has stored itself, and that nobody else deletes.
#[derive(Clone, Debug)]
pub(crate) struct Owned {
    pub(crate) version: Stored,
    pub(crate) state: State,
}

/// Whether a version is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Live,
    Deleted,
    /// A process was killed while it deleted it or brought it back.
    Unknown,
}

/// Adds up what a place has been told of the versions that are its own.
pub(crate) fn owned(events: &[Event]) -> Vec<Owned> {
    let mut owned: Vec<Owned> = Vec::new();
    for event in events {
        let (id, state) = match event {
            Event::Put { version, unchanged: false } => {
                owned.push(Owned { version: version.clone(), state: State::Live });
                continue;
            }
            Event::Removing { id } | Event::Undeleting { id } => (id, State::Unknown),
            Event::Removed { id } => (id, State::Deleted),
            Event::Undeleted { id } => (id, State::Live),
            _ => continue,
        };
        if let Some(found) = owned.iter_mut().find(|owned| owned.version.id == *id) {
            found.state = state;
        }
    }
    owned
}

/// Runs operations until this place has run `count` of them.
pub(crate) fn run(dir: &Path, slot: usize, seed: u64, count: usize) {
    let before = read(dir, slot);
    let ran = before.iter().filter(|event| matches!(event, Event::Ran { .. })).count();
    let mut worker =
        Worker { driver: Driver::new(dir, &slot.to_string()), journal: Journal::open(dir, slot), rng: Rng(seed), owned: owned(&before) };
    for _ in ran..count {
        let what = worker.step();
        worker.journal.note(&Event::Ran { what: what.to_owned() });
    }
}

struct Worker {
    driver: Driver,
    journal: Journal,
    rng: Rng,
    owned: Vec<Owned>,
}

impl Worker {
    fn step(&mut self) -> &'static str {
        match self.rng.below(100) {
            0..40 => self.put(),
            40..60 => self.get(),
            60..70 => self.alias(),
            70..85 => self.rm(),
            85..92 => self.undelete(),
            _ => self.gc(),
        }
    }

    fn put(&mut self) -> &'static str {
        let artifact = *self.rng.pick(&ARTIFACTS).unwrap();
        let number = self.rng.below(PIECES);
        let bases = self.in_state(State::Live, |version| version.artifact == artifact && version.recipe.len() < 3);
        let base = if self.rng.below(4) == 0 { self.rng.pick(&bases).cloned() } else { None };
        let alias = if self.rng.below(8) == 0 { self.rng.pick(&ALIASES).copied() } else { None };
        let recipe = base.iter().flat_map(|base| base.recipe.clone()).chain([number]).collect();
        self.journal.note(&Event::Putting { artifact: artifact.to_owned(), recipe });
        match self.driver.put(artifact, number, base.as_ref(), alias.as_slice()) {
            Ok((version, unchanged)) => {
                if !unchanged {
                    self.owned.push(Owned { version: version.clone(), state: State::Live });
                }
                self.journal.note(&Event::Put { version, unchanged });
            }
            Err(error) => self.failed("put", &error, &[]),
        }
        "put"
    }

    fn get(&mut self) -> &'static str {
        let Some(Owned { version, state }) = self.rng.pick(&self.owned).cloned() else { return "get" };
        // A reader holds no lock: a pack may go while it reads, and is found elsewhere the next time.
        let again = |error: Error| if error.kind() == ErrorKind::Failed { self.driver.get(&version.name()) } else { Err(error) };
        match self.driver.get(&version.name()).or_else(again).or_else(again) {
            Ok(files) if is_of(&version.recipe, &files) => {}
            Ok(_) => self.journal.note(&Event::Wrong { what: format!("other bytes in {version:?}") }),
            Err(error) if state == State::Live => self.wrong("get", &error),
            Err(error) => self.journal.note(&Event::Gone { id: version.id, why: error.to_string() }),
        }
        "get"
    }

    fn alias(&mut self) -> &'static str {
        let live = self.in_state(State::Live, |_| true);
        let Some(version) = self.rng.pick(&live).cloned() else { return "alias" };
        let alias = *self.rng.pick(&ALIASES).unwrap();
        match self.driver.set_alias(&version, alias) {
            Ok(()) => self.journal.note(&Event::Aliased { artifact: version.artifact, alias: alias.to_owned(), id: version.id }),
            Err(error) => self.failed("alias", &error, &[]),
        }
        "alias"
    }

    fn rm(&mut self) -> &'static str {
        let live = self.in_state(State::Live, |_| true);
        let Some(version) = self.rng.pick(&live).cloned() else { return "rm" };
        let force = self.rng.below(3) == 0;
        self.set(&version, State::Unknown);
        self.journal.note(&Event::Removing { id: version.id });
        match self.driver.rm(&version, force) {
            Ok(()) => {
                self.set(&version, State::Deleted);
                self.journal.note(&Event::Removed { id: version.id });
            }
            // It has an alias: nothing was done.
            Err(error) if error.kind() == ErrorKind::Refused && !force => {
                self.set(&version, State::Live);
                self.journal.note(&Event::Undeleted { id: version.id });
            }
            Err(error) => self.failed("rm", &error, &[]),
        }
        "rm"
    }

    fn undelete(&mut self) -> &'static str {
        let deleted = self.in_state(State::Deleted, |_| true);
        let Some(version) = self.rng.pick(&deleted).cloned() else { return "undelete" };
        self.set(&version, State::Unknown);
        self.journal.note(&Event::Undeleting { id: version.id });
        match self.driver.undelete(&version) {
            Ok(()) => {
                self.set(&version, State::Live);
                self.journal.note(&Event::Undeleted { id: version.id });
            }
            // Its bytes are gone.
            Err(error) => {
                self.failed("undelete", &error, &[ErrorKind::Damaged]);
                self.set(&version, State::Deleted);
                self.journal.note(&Event::Removed { id: version.id });
            }
        }
        "undelete"
    }

    fn gc(&mut self) -> &'static str {
        let (prune_now, orphans) = (self.rng.below(3) == 0, self.rng.below(4) == 0);
        let grace = if self.rng.below(4) == 0 { GcOptions::default().grace } else { Duration::ZERO };
        let dry_run = self.rng.below(8) == 0;
        if let Err(error) = self.driver.gc(GcOptions { dry_run, prune_now, orphans, grace }) {
            self.failed("gc", &error, &[]);
        }
        "gc"
    }

    fn in_state(&self, state: State, is_wanted: impl Fn(&Stored) -> bool) -> Vec<Stored> {
        let found = self.owned.iter().filter(|owned| owned.state == state && is_wanted(&owned.version));
        found.map(|owned| owned.version.clone()).collect()
    }

    fn set(&mut self, version: &Stored, state: State) {
        self.owned.iter_mut().filter(|owned| owned.version.id == version.id).for_each(|owned| owned.state = state);
    }

    fn failed(&mut self, what: &str, error: &Error, may_be: &[ErrorKind]) {
        if may_be.contains(&error.kind()) {
            self.journal.note(&Event::Refused { what: what.to_owned(), why: error.to_string() });
        } else {
            self.wrong(what, error);
        }
    }

    fn wrong(&mut self, what: &str, error: &Error) {
        let mut why = format!("{what}: {:?}: {error}", error.kind());
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            why += &format!(": {cause}");
            source = cause.source();
        }
        self.journal.note(&Event::Wrong { what: why });
    }
}
