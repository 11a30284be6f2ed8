//! The commands that faults are injected into, each with what goes before it: one line each.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::harm::{inflict, is_harm};
use crate::oracle::{View, check_clean};
use crate::place::{Place, Snapshot, Workshop};
use crate::repo::UNGUARD;
use crate::support::{Ran, tree};

/// A command, and the commands that make the store it works on.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) setup: &'static [&'static [&'static str]],
    pub(crate) command: &'static [&'static str],
    /// What a command that only restores writes to.
    pub(crate) dest: Option<Dest>,
    /// The exit code of the command where nothing fails.
    pub(crate) exit: i32,
}

/// A place that a command restores to.
#[derive(Clone, Copy)]
pub(crate) struct Dest {
    pub(crate) path: &'static str,
    /// The source that is there in the end.
    pub(crate) holds: &'static str,
    /// The source of which files may be there before, or of which none may be.
    pub(crate) held: Option<&'static str>,
}

const INIT: &[&str] = &["init"];
const ONE: &[&str] = &["put", "data", "SRC/one"];
const TWO: &[&str] = &["put", "data", "SRC/two"];
const MANY: &[&str] = &["put", "data", "SRC/many"];
const BEST: &[&str] = &["alias", "set", "data:v0", "best"];
const GET_ONE: &[&str] = &["get", "data:v0", "out"];
const COPY: &[&str] = &["!copy"];
const FLIP_PACK: &[&str] = &["!flip", "largest", "packs"];
const FLIP_RECORD: &[&str] = &["!flip", "largest", "refs/data/versions"];
const TEAR: &[&str] = &["!tear", "largest", "packs"];
const HALVE: &[&str] = &["!halve", "largest", "packs"];
const REMOVE: &[&str] = &["!remove", "largest", "packs"];
const REPAIR: &[&str] = &["repair"];
const FETCH: &[&str] = &["repair", "--from", "copy"];

const AHEAD: &[&str] = &["--store", "copy", "put", "data", "SRC/two"];

const START: &[&str] = &["run", "start", "--name", "train", "--config", "rate=3"];
const FINISH: &[&str] = &["run", "finish", "train"];
const USE: &[&str] = &["use", "data:v0", "--as", "set", "--run", "train"];
/// What each command of the run tells goes where no fault is injected.
const STEPS: &str = r#""$0" use data:v0 >"$HOME/told" && "$0" put data "$1" >>"$HOME/told""#;

const GIT: &[&str] = &["!git", "init"];
const EXCLUDE: &[&str] = &["!git", "exclude"];
const COMMIT: &[&str] = &["!git", "commit"];
const CLEAN: &[&str] = &["!git", "clean"];
const INIT_SPLIT: &[&str] = &["init", "--git=split"];
const INIT_ALL: &[&str] = &["init", "--git=all"];
const INIT_NONE: &[&str] = &["init", "--git=none"];

const fn store(name: &'static str, setup: &'static [&'static [&'static str]], command: &'static [&'static str]) -> Scenario {
    Scenario { name, setup, command, dest: None, exit: 0 }
}

const fn restore(
    name: &'static str,
    setup: &'static [&'static [&'static str]],
    command: &'static [&'static str],
    holds: &'static str,
    held: Option<&'static str>,
) -> Scenario {
    Scenario { name, setup, command, dest: Some(Dest { path: "out", holds, held }), exit: 0 }
}

/// A repair after which something stays lost.
const fn loses(name: &'static str, setup: &'static [&'static [&'static str]], command: &'static [&'static str]) -> Scenario {
    Scenario { name, setup, command, dest: None, exit: 5 }
}

const ALL: &[Scenario] = &[
    store("init", &[], INIT),
    store("put the first", &[INIT], ONE),
    store("put the second", &[INIT, ONE], TWO),
    store("put unchanged", &[INIT, ONE], ONE),
    store("put what an older version holds", &[INIT, ONE, TWO], ONE),
    store("put another artifact of the same", &[INIT, ONE], &["put", "other", "SRC/one"]),
    store("put with aliases", &[INIT, ONE, BEST], &["put", "data", "SRC/two", "--alias", "best", "--alias", "next", "--tag", "red"]),
    store("put long metadata", &[INIT, ONE], &["put", "data", "SRC/two", "--meta-file", "SRC/meta.json"]),
    store("put edits of an unchanged version", &[INIT, ONE], &["put", "data", "SRC/one", "-m", "text", "--tag", "red", "--alias", "best"]),
    store("put many small files", &[INIT, ONE], MANY),
    store("put 1 MiB", &[INIT], &["put", "data", "SRC/big"]),
    store("put 3 MiB", &[INIT, ONE], &["put", "data", "SRC/long"]),
    store("put two packs", &[INIT], &["put", "data", "SRC/huge"]),
    store("put onto", &[INIT, ONE], &["put", "data", "SRC/many", "--onto", "data:v0", "--at", "more", "--remove", "text"]),
    store("put with a time to live", &[INIT, ONE], &["put", "data", "SRC/two", "--ttl", "30d"]),
    store("put with init", &[], &["put", "--init", "data", "SRC/one"]),
    store("put a reference", &[INIT, ONE], &["put", "data", "SRC/two", "--ref", "s3://bucket/raw=raw"]),
    store("cp", &[INIT, ONE], &["cp", "data:v0", "model", "--alias", "best"]),
    store("tag add", &[INIT, ONE], &["tag", "add", "data:v0", "red", "blue"]),
    store("tag rm", &[INIT, ONE, &["tag", "add", "data:v0", "red"]], &["tag", "rm", "data:v0", "red"]),
    store("resolve", &[INIT, ONE, COPY, AHEAD, MANY, &["pull", "copy"]], &["resolve", "data:v1", "--prefer", "newest"]),
    store("edit", &[INIT, ONE], &["edit", "data", "-m", "text", "--meta", "rate=3", "--ttl", "30d"]),
    store("edit long metadata", &[INIT, ONE], &["edit", "data", "--meta-file", "SRC/meta.json"]),
    store("edit an artifact", &[INIT, ONE], &["edit", "--artifact", "data", "-m", "text"]),
    store("alias set", &[INIT, ONE, TWO], BEST),
    store("alias moved", &[INIT, ONE, TWO, BEST], &["alias", "set", "data:v1", "best", "next"]),
    store("alias rm", &[INIT, ONE, BEST], &["alias", "rm", "data:best"]),
    restore("get", &[INIT, ONE], GET_ONE, "one", None),
    restore("get many", &[INIT, MANY], GET_ONE, "many", None),
    restore("get over another version", &[INIT, ONE, TWO, GET_ONE], &["get", "data:v1", "out"], "two", Some("one")),
    restore("checkout", &[INIT, MANY, TWO, GET_ONE], &["checkout", "data:v1", "out"], "two", Some("many")),
    restore("checkout many", &[INIT, ONE, MANY, GET_ONE], &["checkout", "data:v1", "out"], "many", Some("one")),
    store("rm", &[INIT, ONE, TWO, BEST], &["rm", "data:v1"]),
    store("rm with aliases", &[INIT, ONE, TWO, BEST], &["rm", "data:v0", "--force-aliases"]),
    store("undelete", &[INIT, ONE, TWO, &["rm", "data:v1"]], &["undelete", "data:v1"]),
    store("rm all", &[INIT, ONE, TWO, BEST], &["rm", "data", "--all", "--force-aliases"]),
    store("undelete what is condemned", &[INIT, ONE, TWO, &["rm", "data:v1"], &["gc"]], &["undelete", "data:v1"]),
    store("gc condemns", &[INIT, ONE, TWO, MANY, &["rm", "data:v0", "data:v2"]], &["gc"]),
    store("gc with nothing to do", &[INIT, ONE, TWO], &["gc"]),
    store("gc deletes", &[INIT, ONE, TWO, MANY, &["rm", "data:v1", "data:v2"]], &["gc", "--prune-now"]),
    store("gc deletes what was condemned", &[INIT, ONE, TWO, MANY, &["rm", "data:v1"], &["gc"]], &["gc", "--grace-seconds", "0"]),
    store("gc repacks", &[INIT, &["put", "data", "SRC/one", "SRC/many"], MANY, &["rm", "data:v0"]], &["gc", "--prune-now"]),
    store("gc, put anew", &[INIT, ONE, MANY, &["rm", "data:v1"], &["gc", "--prune-now"]], MANY),
    store("gc, put again", &[INIT, ONE, MANY, &["rm", "data:v1"], &["gc"]], MANY),
    store("prune", &[INIT, ONE, TWO, MANY], &["prune", "--keep-last", "1", "--apply"]),
    store("pull", &[INIT, ONE, COPY, AHEAD], &["pull", "copy"]),
    store("pull a part", &[INIT, ONE, COPY, AHEAD], &["pull", "copy", "data:v1"]),
    store("sync with nothing to do", &[INIT, ONE, COPY], &["sync", "copy"]),
    store("bundle unpack", &[INIT, ONE, COPY, AHEAD, &["--store", "copy", "bundle", "create", "all"]], &["bundle", "unpack", "all"]),
    store("export and import", &[INIT, ONE, TWO, &["export", "data:v0", "-o", "one.tar"]], &["import", "data", "one.tar"]),
    store("run start", &[INIT, ONE], START),
    store("run log", &[INIT, START], &["run", "log", "--run", "train", "loss=1", "--config", "rate=4"]),
    store("run finish", &[INIT, START], FINISH),
    store("use", &[INIT, ONE, START], USE),
    store("use a reference", &[INIT, ONE, START], &["use", "--ref", "s3://bucket/raw", "--run", "train"]),
    restore("get and use", &[INIT, ONE, START], &["get", "data:v0", "out", "--use", "--run", "train"], "one", None),
    store("put in a run", &[INIT, ONE, START, USE], &["put", "data", "SRC/two", "--run", "train"]),
    store("put unchanged in a run", &[INIT, ONE, START], &["put", "data", "SRC/one", "--run", "train"]),
    store("put onto in a run", &[INIT, ONE, START], &["put", "data", "SRC/two", "--onto", "data:v0", "--at", "more", "--run", "train"]),
    store("run exec", &[INIT, ONE], &["run", "exec", "--name", "train", "--", "true"]),
    store("run exec that stores", &[INIT, ONE], &["run", "exec", "--name", "train", "--", "sh", "-c", STEPS, "ART", "SRC/two"]),
    store("repair a run from a copy", &[INIT, ONE, START, USE, COPY, &["!flip", "largest", "runs"]], FETCH),
    store("repair a pack from a copy", &[INIT, ONE, TWO, COPY, FLIP_PACK], FETCH),
    store("repair a pack of pages from a copy", &[INIT, ONE, TWO, COPY, &["!flip", "largest", "meta"]], FETCH),
    store("repair a record from a copy", &[INIT, ONE, TWO, BEST, COPY, FLIP_RECORD], FETCH),
    store("repair an alias from a copy", &[INIT, ONE, TWO, BEST, COPY, &["!flip", "largest", "refs/data/aliases"]], FETCH),
    store("repair a torn pack", &[INIT, ONE, TWO, TEAR], REPAIR),
    store("repair a torn pack and gather more", &[INIT, ONE, TWO, COPY, HALVE, &["!tear", "largest", "copy/packs"]], FETCH),
    loses("repair a torn pack that is lost in part", &[INIT, ONE, MANY, HALVE], REPAIR),
    loses("repair a pack that no copy has", &[INIT, &["put", "data", "SRC/big", "SRC/one"], FLIP_PACK], REPAIR),
    store("repair gathers", &[INIT, ONE, &["put", "data", "SRC/one/own"], &["rm", "data:v0"], COPY, REMOVE], FETCH),
    store("repair moves aside", &[INIT, ONE, TWO, &["rm", "data:v1"], &["!flip", "smallest", "packs"]], REPAIR),
    store(
        "repair all",
        &[INIT, ONE, MANY, TWO, COPY, FLIP_PACK, FLIP_RECORD, &["!remove", "smallest", "packs"], &["!tear", "smallest", "meta"]],
        FETCH,
    ),
    store("in git: init", &[GIT], INIT),
    store("in git: init beside a rule", &[GIT, EXCLUDE], INIT),
    store("in git: put the first", &[GIT, INIT], ONE),
    store("in git: put the second", &[GIT, INIT, ONE], TWO),
    store("in git: put unchanged", &[GIT, INIT, ONE], ONE),
    store("in git: alias set", &[GIT, INIT, ONE, TWO], BEST),
    store("in git: put where nothing is guarded yet", &[GIT, INIT, ONE, UNGUARD], TWO),
    store("in git: put after a commit", &[GIT, INIT, ONE, BEST, COMMIT], TWO),
    store("in git: repair after a clean", &[GIT, INIT, ONE, BEST, CLEAN], REPAIR),
    store("in git: repair after a clean of what no commit has", &[GIT, INIT, ONE, COMMIT, TWO, CLEAN], REPAIR),
    store("in git: put after a clean", &[GIT, INIT, ONE, COMMIT, TWO, CLEAN], MANY),
    store("in git: rm", &[GIT, INIT, ONE, TWO, BEST], &["rm", "data:v1"]),
    store("in git: gc deletes", &[GIT, INIT, ONE, TWO, MANY, &["rm", "data:v1", "data:v2"]], &["gc", "--prune-now"]),
    store("in git: pull", &[GIT, INIT, ONE, COPY, AHEAD], &["pull", "copy"]),
    store("in git: init for another mode", &[GIT, EXCLUDE, INIT, ONE], INIT_ALL),
    store("in git: init for another mode than is tracked", &[GIT, INIT_ALL, ONE, COMMIT, TWO], INIT_SPLIT),
    store("in git: put where packs are tracked", &[GIT, INIT_ALL, ONE, COMMIT, INIT_SPLIT], TWO),
    store("in git, none: init for another mode", &[GIT, EXCLUDE, INIT_NONE, ONE], INIT_SPLIT),
    store("in git, all: put the second", &[GIT, INIT_ALL, ONE], TWO),
    store("in git, none: put the second", &[GIT, INIT_NONE, ONE], TWO),
];

/// A scenario whose set-up was run once, with what the store showed before and after.
pub(crate) struct Prepared {
    pub(crate) scenario: &'static Scenario,
    pub(crate) start: Snapshot,
    pub(crate) before: View,
    /// What a repair makes of what was there before: a clean may have taken some of it.
    pub(crate) kept: View,
    pub(crate) after: View,
}

/// Returns the scenarios that are run again at each call; `ART_SCENARIO=gc,prune` takes those
/// with one of these in their names.
pub(crate) fn at_each_call(workshop: &Workshop) -> Vec<&'static Scenario> {
    available(workshop).into_iter().filter(|scenario| !scenario.is_large()).collect()
}

/// Returns the scenarios whose commands this `art` has.
pub(crate) fn available(workshop: &Workshop) -> Vec<&'static Scenario> {
    let help = workshop.place().art(&["help"]).text();
    let has = |command: &[&str]| {
        let name = if command[0] == "--store" { command[2] } else { command[0] };
        help.lines().any(|line| line.trim_start().starts_with(&format!("{name} ")))
    };
    let only = std::env::var("ART_SCENARIO").unwrap_or_default();
    let chosen = ALL.iter().filter(|scenario| only.split(',').any(|only| scenario.name.contains(only)));
    chosen.filter(|scenario| scenario.setup.iter().chain([&scenario.command]).all(|command| is_harm(command) || has(command))).collect()
}

impl Scenario {
    /// Whether it stores so much that one run is cheap and ten thousand are not.
    pub(crate) fn is_large(&self) -> bool {
        self.command.contains(&"SRC/huge")
    }

    /// Runs the set-up, and once the command itself, without a fault.
    pub(crate) fn prepare(&'static self, workshop: &Workshop) -> Prepared {
        let place = workshop.place();
        for command in self.setup {
            if is_harm(command) { drop(inflict(&place, command)) } else { drop(place.art(command).ok()) }
        }
        let start = Snapshot::take(&place.project());
        let before = self.view(&place).unwrap();
        let kept = if self.begins_cleaned() { self.repaired(workshop, &start) } else { before.clone() };
        let ran = self.run(&place);
        assert_eq!(ran.code, Some(self.exit), "{}: {} {}", self.name, ran.text(), ran.stderr);
        let after = self.view(&place).unwrap().after(&before);
        self.check_clean(&place).unwrap();
        self.check_dest(&place, workshop, true).unwrap();
        Prepared { scenario: self, start, before, kept, after }
    }

    fn repaired(&self, workshop: &Workshop, start: &Snapshot) -> View {
        let place = workshop.place();
        start.write(&place.project());
        place.art(REPAIR).ok();
        self.view(&place).unwrap()
    }

    pub(crate) fn run(&self, place: &Place) -> Ran {
        place.art(self.command)
    }

    /// Whether it mends a store that is damaged when it begins.
    pub(crate) fn is_repair(&self) -> bool {
        self.command[0] == "repair"
    }

    /// Whether the project is a git repo.
    pub(crate) fn is_in_git(&self) -> bool {
        self.setup.first() == Some(&GIT)
    }

    /// Whether what is stored when the command begins is kept off `git clean`.
    pub(crate) fn is_guarded(&self) -> bool {
        self.is_in_git() && !self.setup.contains(&UNGUARD)
    }

    /// Whether the command changes what git commits of a store.
    pub(crate) fn changes_mode(&self) -> bool {
        self.command[0] == INIT[0] && self.begins_in_store()
    }

    /// Whether there is a store when the command begins.
    pub(crate) fn begins_in_store(&self) -> bool {
        self.setup.iter().any(|line| line[0] == INIT[0])
    }

    /// Whether the repo has a rule of the user's.
    pub(crate) fn has_users_rule(&self) -> bool {
        self.setup.contains(&EXCLUDE)
    }

    /// Whether a clean has taken what is in no commit when the command begins.
    pub(crate) fn begins_cleaned(&self) -> bool {
        self.setup.last() == Some(&CLEAN)
    }

    /// Whether something that is no command comes last before the command.
    pub(crate) fn begins_with_harm(&self) -> bool {
        self.setup.last().is_some_and(|line| is_harm(line))
    }

    /// Reads what the store shows, damaged where that may be: `git clean` damages nothing.
    pub(crate) fn view(&self, place: &Place) -> Result<View, String> {
        if self.is_repair() && !self.is_in_git() { View::read_damaged(&place.store()) } else { View::read(&place.store()) }
    }

    /// Checks that what the commands of a run were told stands.
    pub(crate) fn check_told(&self, place: &Place) -> Result<(), String> {
        match std::fs::read_to_string(place.home().join("told")) {
            Ok(lines) => self.view(place)?.check_told(&lines),
            Err(_) => Ok(()),
        }
    }

    /// Checks that `fsck` finds nothing, unless something stays lost.
    pub(crate) fn check_clean(&self, place: &Place) -> Result<(), String> {
        if self.exit == 0 { check_clean(&place.store()) } else { Ok(()) }
    }

    /// Checks what is at the destination: whole files only, all of them if the command is `done`.
    pub(crate) fn check_dest(&self, place: &Place, workshop: &Workshop, done: bool) -> Result<(), String> {
        let Some(Dest { path, holds, held }) = self.dest else { return Ok(()) };
        let out = place.project().join(path);
        let wanted = tree(&workshop.sources().join(holds));
        let there = if out.exists() { tree(&out) } else { return if done { Err(format!("{path} is not there")) } else { Ok(()) } };
        if done || held.is_none() {
            // What an older version held may stay beside; `checkout` takes it away.
            let stays = |name: &std::ffi::OsString| self.command[0] == "get" && held.is_some() && !wanted.contains_key(name);
            let kept = there.into_iter().filter(|(name, _)| !stays(name)).collect();
            return if wanted == kept { Ok(()) } else { Err(format!("{path} is not {holds}: {kept:?}")) };
        }
        let old = tree(&workshop.sources().join(held.unwrap_or(holds)));
        for (name, node) in &there {
            let is_temp = PathBuf::from(name).file_name().is_some_and(|name| name.to_string_lossy().starts_with(".art-"));
            if !is_temp && wanted.get(name) != Some(node) && old.get(name) != Some(node) {
                return Err(format!("{path} has a file that is neither old nor new: {name:?}"));
            }
        }
        Ok(())
    }
}

/// Whether everything is to be tried, or a sample that takes a minute.
pub(crate) fn full() -> bool {
    static FULL: OnceLock<bool> = OnceLock::new();
    *FULL.get_or_init(crate::support::slow_tests)
}
