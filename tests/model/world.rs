//! Copies of a store that are worked on apart and merged, beside what must hold of each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use artstore::error::ErrorKind;
use artstore::id::RecordId;
use artstore::ops::edit::EditTarget;
use artstore::ops::gc::GcOptions;
use artstore::store::put_note::PutNotes;
use serde_json::{Map, Value};

use crate::driver::{Driver, Rng, Stored, are_equal, copy, is_of, synced};
use crate::rules::View;

/// Copies.
pub(crate) const COPIES: usize = 3;

const ARTIFACTS: [&str; 2] = ["a", "b"];
const ALIASES: [&str; 2] = ["best", "prod"];
const KEYS: [&str; 2] = ["acc", "loss"];

/// One step. Versions are chosen by a number that is taken modulo how many there are.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Put {
        copy: usize,
        artifact: usize,
        piece: u64,
        onto: Option<usize>,
        alias: Option<usize>,
    },
    Alias {
        copy: usize,
        version: usize,
        alias: usize,
    },
    /// Sets a key of a version, or with none of the artifact, or without a value removes it.
    Edit {
        copy: usize,
        version: Option<usize>,
        key: usize,
        value: Option<u64>,
    },
    Cp {
        copy: usize,
        version: usize,
        artifact: usize,
    },
    Rm {
        copy: usize,
        version: usize,
        force: bool,
    },
    Undelete {
        copy: usize,
        version: usize,
    },
    /// `late`: the grace is over for all that is condemned.
    Gc {
        copy: usize,
        late: bool,
        prune_now: bool,
    },
    /// Copies everything that the other has not.
    Union {
        from: usize,
        to: usize,
    },
    /// Copies some of it.
    Subset {
        from: usize,
        to: usize,
        seed: u64,
    },
    /// A put ends after its packs, before its record.
    Crash {
        copy: usize,
        piece: u64,
    },
    /// `local/` is deleted.
    Forget {
        copy: usize,
    },
}

/// One copy, and the versions that must restore from it.
struct Copy {
    driver: Driver,
    sure: BTreeSet<RecordId>,
}

pub(crate) struct World {
    _dir: tempfile::TempDir,
    copies: Vec<Copy>,
    known: BTreeMap<RecordId, Stored>,
}

impl World {
    pub(crate) fn new() -> World {
        // Sources are made once and never change.
        static SOURCES: OnceLock<PathBuf> = OnceLock::new();
        let sources = SOURCES.get_or_init(|| {
            let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("model");
            Driver::new(&dir, "model").make();
            dir
        });
        let dir = tempfile::tempdir().unwrap();
        let base = Driver::new(sources, "model");
        let copies =
            (0..COPIES).map(|number| Copy { driver: base.at(&dir.path().join(format!("{number}/.artifacts"))), sure: BTreeSet::new() });
        let copies: Vec<Copy> = copies.collect();
        copies.iter().for_each(|copy| copy.driver.make_store());
        World { _dir: dir, copies, known: BTreeMap::new() }
    }

    pub(crate) fn apply(&mut self, op: &Op) {
        match *op {
            Op::Put { copy, artifact, piece, onto, alias } => self.put(copy, ARTIFACTS[artifact], piece, onto, alias),
            Op::Alias { copy, version, alias } => self.alias(copy, version, ALIASES[alias]),
            Op::Edit { copy, version, key, value } => self.edit(copy, version, KEYS[key], value),
            Op::Cp { copy, version, artifact } => self.cp(copy, version, ARTIFACTS[artifact]),
            Op::Rm { copy, version, force } => self.rm(copy, version, force),
            Op::Undelete { copy, version } => self.undelete(copy, version),
            Op::Gc { copy, late, prune_now } => self.gc(copy, late, prune_now),
            Op::Union { from, to } => self.union(from, to),
            Op::Subset { from, to, seed } => self.subset(from, to, seed),
            Op::Crash { copy, piece } => self.crash(copy, piece),
            Op::Forget { copy } => drop(fs::remove_dir_all(self.store(copy).join("local"))),
        }
    }

    /// Merges all copies into each other; then all show the same, and nothing is lost.
    pub(crate) fn finish(mut self) {
        (0..COPIES).for_each(|copy| self.sure_ones_restore(copy));
        for (from, to) in [(0, 1), (1, 2), (2, 0), (2, 1), (0, 2)] {
            self.union(from, to);
        }
        let view = self.view(0);
        for copy in 0..COPIES {
            assert_eq!(self.view(copy), view, "copies with the same files show the same");
            self.is_as_the_rules_say(copy);
            self.gc(copy, true, false);
            self.gc(copy, true, false);
            let outcome = self.copies[copy].driver.fsck();
            let all_sure = view.live().all(|id| self.copies[copy].sure.contains(&id));
            assert!(outcome.ok || !all_sure, "{:#?}", outcome.findings);
        }
    }

    fn put(&mut self, copy: usize, artifact: &str, piece: u64, onto: Option<usize>, alias: Option<usize>) {
        let before = self.view(copy);
        let base = onto.and_then(|at| self.choose(copy, at, |id| !before.deleted.contains(&id) && self.known[&id].recipe.len() < 3));
        let aliases: Vec<&str> = alias.map(|at| ALIASES[at]).into_iter().collect();
        let (stored, unchanged) = self.copies[copy].driver.put(artifact, piece, base.as_ref(), &aliases).unwrap();
        let newest = before.newest(artifact);
        let is_same = |id: &RecordId| are_equal(&self.known[id].recipe, &stored.recipe);
        if unchanged {
            assert!(newest.contains(&stored.id) && is_same(&stored.id));
        } else {
            assert!(!newest.iter().any(is_same), "a version of the newest's content");
            assert_eq!(stored.number, before.next_number(artifact));
            assert!(!before.versions.contains_key(&stored.id));
        }
        self.copies[copy].sure.insert(stored.id);
        self.known.entry(stored.id).or_insert(stored.clone());
        let after = self.view(copy);
        assert!(!after.deleted.contains(&stored.id) && after.versions.len() == before.versions.len() + usize::from(!unchanged));
        for alias in aliases {
            assert_eq!(after.aliases[&(artifact.to_owned(), alias.to_owned())], [Some(stored.id)].into());
        }
        self.restores(copy, stored.id);
    }

    fn alias(&mut self, copy: usize, version: usize, alias: &str) {
        let before = self.view(copy);
        let Some(version) = self.choose(copy, version, |_| true) else { return };
        let result = self.copies[copy].driver.set_alias(&version, alias);
        if before.deleted.contains(&version.id) {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Refused);
        } else {
            result.unwrap();
            assert_eq!(self.view(copy).aliases[&(version.artifact, alias.to_owned())], [Some(version.id)].into());
        }
    }

    fn edit(&mut self, copy: usize, version: Option<usize>, key: &str, value: Option<u64>) {
        let before = self.view(copy);
        let chosen = version.map(|at| self.choose(copy, at, |_| true));
        let (target, subject) = match &chosen {
            Some(Some(version)) => (EditTarget::Version(version.name()), (version.artifact.clone(), Some(version.id))),
            Some(None) => return,
            None => (EditTarget::Artifact(ARTIFACTS[0].parse().unwrap()), (ARTIFACTS[0].to_owned(), None)),
        };
        let result = self.copies[copy].driver.edit(&target, key, value);
        let after = self.view(copy);
        let of = |view: &View| view.metadata.get(&subject).and_then(|metadata| metadata.get(key)).and_then(Value::as_u64);
        match result {
            Ok(()) => assert_eq!(of(&after), value),
            Err(error) => {
                let deleted = subject.1.is_some_and(|id| before.deleted.contains(&id));
                let is_missing = value.is_none() && of(&before).is_none() || subject.1.is_none();
                let expected = if deleted { ErrorKind::Refused } else { ErrorKind::NotFound };
                assert!(error.kind() == expected && (deleted || is_missing), "{error}");
                assert_eq!(after, before);
            }
        }
        assert_eq!((&after.versions, &after.deleted, &after.aliases), (&before.versions, &before.deleted, &before.aliases));
    }

    fn cp(&mut self, copy: usize, version: usize, artifact: &str) {
        let before = self.view(copy);
        let Some(from) = self.choose(copy, version, |id| !before.deleted.contains(&id)) else { return };
        let (stored, unchanged) = self.copies[copy].driver.cp(&from, artifact).unwrap();
        let after = self.view(copy);
        assert_eq!(after.versions[&stored.id].2, before.versions[&from.id].2);
        assert_eq!(unchanged, before.versions.contains_key(&stored.id));
        if !unchanged {
            assert_eq!(stored.number, before.next_number(artifact));
            let metadata = |view: &View, artifact: &str, id| view.metadata.get(&(artifact.to_owned(), Some(id))).cloned();
            assert_eq!(metadata(&after, artifact, stored.id), metadata(&before, &from.artifact, from.id));
        }
        self.copies[copy].sure.insert(stored.id);
        self.known.entry(stored.id).or_insert(stored.clone());
        self.restores(copy, stored.id);
    }

    fn rm(&mut self, copy: usize, version: usize, force: bool) {
        let before = self.view(copy);
        let Some(version) = self.choose(copy, version, |_| true) else { return };
        // Versions that read as one are deleted together.
        let (artifact, number, digest) = &before.versions[&version.id];
        let twins = before.versions.iter().filter(|(_, other)| (&other.0, &other.1, &other.2) == (artifact, number, digest));
        let has_alias = twins.clone().any(|(&id, _)| before.aliases_of(id) > 0 && !before.deleted.contains(&id));
        let twins: BTreeSet<RecordId> = twins.map(|(id, _)| *id).collect();
        let result = self.copies[copy].driver.rm(&version, force);
        let after = self.view(copy);
        match result {
            Ok(()) => {
                assert!(after.deleted.contains(&version.id) && (force || !has_alias));
                assert!(after.deleted.difference(&before.deleted).all(|id| twins.contains(id)), "no other version is deleted");
                assert_eq!(after.aliases_of(version.id), 0);
            }
            Err(error) => {
                assert!(error.kind() == ErrorKind::Refused && has_alias && !force, "{error}");
                assert_eq!(after, before);
            }
        }
    }

    fn undelete(&mut self, copy: usize, version: usize) {
        let before = self.view(copy);
        let deleted: Vec<RecordId> = before.deleted.iter().copied().filter(|id| self.known.contains_key(id)).collect();
        if deleted.is_empty() {
            return;
        }
        let version = self.known[&deleted[version % deleted.len()]].clone();
        match self.copies[copy].driver.undelete(&version) {
            Ok(()) => {
                assert!(!self.view(copy).deleted.contains(&version.id));
                self.copies[copy].sure.insert(version.id);
                self.restores(copy, version.id);
            }
            Err(error) => assert!(error.kind() == ErrorKind::Damaged && !self.copies[copy].sure.contains(&version.id), "{error}"),
        }
    }

    fn gc(&mut self, copy: usize, late: bool, prune_now: bool) {
        let view = self.view(copy);
        let grace = if late { Duration::ZERO } else { GcOptions::default().grace };
        let result = self.copies[copy].driver.gc(GcOptions { grace, prune_now, ..GcOptions::default() });
        if let Err(error) = result {
            let incomplete = view.live().any(|id| !self.copies[copy].sure.contains(&id));
            assert!(error.kind() == ErrorKind::Damaged && incomplete, "{error}: {:?}", std::error::Error::source(&error));
        }
        assert_eq!(self.view(copy), view);
        // What is deleted may be gone now.
        self.copies[copy].sure.retain(|id| !view.deleted.contains(id));
        self.sure_ones_restore(copy);
    }

    fn union(&mut self, from: usize, to: usize) {
        copy(&self.store(from), &self.store(to), &synced(&self.store(from)));
        let sure = self.copies[from].sure.clone();
        self.copies[to].sure.extend(sure);
        self.is_as_the_rules_say(to);
        self.sure_ones_restore(to);
    }

    fn subset(&mut self, from: usize, to: usize, seed: u64) {
        let mut rng = Rng(seed);
        let keep = 1 + rng.below(4);
        let some: Vec<PathBuf> = synced(&self.store(from)).into_iter().filter(|_| rng.below(5) < keep).collect();
        copy(&self.store(from), &self.store(to), &some);
        self.is_as_the_rules_say(to);
        self.sure_ones_restore(to);
    }

    fn crash(&mut self, copy: usize, piece: u64) {
        let before = self.view(copy);
        // The folder of its records cannot be made, so the put ends after its packs.
        let in_the_way = self.store(copy).join("refs/crashed");
        fs::write(&in_the_way, "").unwrap();
        self.copies[copy].driver.put("crashed", piece, None, &[]).unwrap_err();
        fs::remove_file(&in_the_way).unwrap();
        assert_eq!(self.view(copy), before);
        let local = self.copies[copy].driver.open().unwrap().local().unwrap();
        assert!(PutNotes::read(&local).running.is_empty());
    }

    /// Chooses one of the versions that a copy is sure of and whose record it has.
    fn choose(&self, copy: usize, at: usize, is_wanted: impl Fn(RecordId) -> bool) -> Option<Stored> {
        let sure: Vec<RecordId> = self.copies[copy].sure.iter().copied().filter(|id| is_wanted(*id)).collect();
        if sure.is_empty() { None } else { Some(self.known[&sure[at % sure.len()]].clone()) }
    }

    fn is_as_the_rules_say(&self, copy: usize) {
        let view = self.view(copy);
        let mut aliases = BTreeMap::new();
        let mut metadata = BTreeMap::new();
        let store = self.copies[copy].driver.open().unwrap();
        for history in store.histories().unwrap() {
            assert!(history.damaged.is_empty());
            let name = history.artifact.as_str().to_owned();
            metadata.insert((name.clone(), None), store.add_up_metadata(&history.about.metadata).unwrap().into_iter().collect());
            for version in &history.versions {
                metadata.insert((name.clone(), Some(version.id)), store.metadata(version).unwrap().into_iter().collect());
                assert!(view.versions.contains_key(&version.id));
                assert_eq!(version.deleted, view.deleted.contains(&version.id), "{}", version.label);
            }
            for (alias, heads) in &history.aliases {
                let targets: BTreeSet<Option<RecordId>> = heads.iter().map(|head| head.target).collect();
                aliases.insert((history.artifact.as_str().to_owned(), alias.as_str().to_owned()), targets);
            }
        }
        assert_eq!(aliases, view.aliases);
        metadata.retain(|_, said: &mut Map<String, Value>| !said.is_empty());
        assert_eq!(metadata, of_those_here(&view));
    }

    fn sure_ones_restore(&self, copy: usize) {
        self.copies[copy].sure.iter().for_each(|id| self.restores(copy, *id));
    }

    #[track_caller]
    fn restores(&self, copy: usize, id: RecordId) {
        let version = &self.known[&id];
        let found = self.copies[copy].driver.get(&version.name()).unwrap_or_else(|error| panic!("{version:?}: {error}"));
        assert!(is_of(&version.recipe, &found), "{version:?} has other bytes");
    }

    fn view(&self, copy: usize) -> View {
        View::of(&self.store(copy))
    }

    fn store(&self, copy: usize) -> PathBuf {
        Path::new(&self.copies[copy].driver.store).to_owned()
    }
}

/// The metadata of versions that are here, and of artifacts: an edit may come before its version.
fn of_those_here(view: &View) -> BTreeMap<(String, Option<RecordId>), Map<String, Value>> {
    let is_here = |id: &Option<RecordId>| id.is_none_or(|id| view.versions.contains_key(&id));
    view.metadata.iter().filter(|((_, id), _)| is_here(id)).map(|(target, said)| (target.clone(), said.clone())).collect()
}
