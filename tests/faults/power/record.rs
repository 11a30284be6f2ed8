//! Runs commands under strace and keeps what they did, and what the store showed after each.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::log::{History, Op};
use crate::harm::{inflict, is_harm};
use crate::oracle::View;
use crate::place::{Place, Workshop};
use crate::scenario::Scenario;
use crate::strace::{Fault, trace};
use crate::support::files;

/// What `fsck` may find in a store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finds {
    Nothing,
    /// That something is gone, as after a clean, and nothing that is damaged.
    Gone,
    Anything,
}

/// Commands that were recorded, the last of them the one whose power is cut.
pub(crate) struct Recorded {
    pub(crate) name: String,
    /// The commands, each with whether it came to its end.
    pub(crate) commands: Vec<(&'static [&'static str], bool)>,
    pub(crate) history: History,
    /// What was shown before the first command, and after each.
    pub(crate) views: Vec<View>,
    /// The operation with which the command of interest begins.
    pub(crate) from: usize,
    /// The operation from which on there are images that no other history has.
    pub(crate) images_from: usize,
    /// Whether there was a first try that was killed.
    pub(crate) was_killed: bool,
    /// What `fsck` may find before the command of interest is done.
    pub(crate) finds: Finds,
    /// The packs that are gone in the end, relative to the store.
    pub(crate) removed: BTreeSet<PathBuf>,
    pub(crate) scenario: &'static Scenario,
}

impl Recorded {
    /// Runs a scenario.
    pub(crate) fn plain(workshop: &Workshop, scenario: &'static Scenario) -> Recorded {
        let place = workshop.place();
        let mut recorded = Recorded::setup(&place, scenario);
        recorded.run(&place, scenario.command, &[]);
        recorded
    }

    /// Runs a scenario whose command is killed at a call and then run again; none if it is over
    /// before that call.
    pub(crate) fn interrupted(workshop: &Workshop, scenario: &'static Scenario, call: &str, number: u64) -> Option<Recorded> {
        let place = workshop.place();
        let mut recorded = Recorded::setup(&place, scenario);
        recorded.name = format!("{}, after a try that was killed at {call} {number}", scenario.name);
        recorded.was_killed = true;
        let fault = Fault { call: call.to_owned(), what: "signal=KILL".to_owned(), when: number.to_string() };
        if !recorded.run(&place, scenario.command, &[fault]) {
            return None;
        }
        // Until then it is as if the power had failed in a first try.
        recorded.images_from = recorded.history.ops.len();
        recorded.run(&place, scenario.command, &[]);
        Some(recorded)
    }

    /// Runs a scenario in whose store somebody has just copied the packs of another store, where
    /// its command was run before; nothing of the copy is synced.
    pub(crate) fn copied_in(workshop: &Workshop, scenario: &'static Scenario) -> Recorded {
        let other = workshop.place();
        scenario.setup.iter().chain([&scenario.command]).for_each(|command| drop(other.art(command).ok()));
        let place = workshop.place();
        let mut recorded = Recorded::setup(&place, scenario);
        recorded.name = format!("{}, with packs that were copied in", scenario.name);
        recorded.finds = Finds::Anything;
        let script = "cd \"$0\" && for f in packs/*/* meta/*/*; do \
                      [ -d \"$1/${f%/*}\" ] || mkdir \"$1/${f%/*}\"; [ -e \"$1/$f\" ] || dd status=none if=\"$f\" of=\"$1/$f\"; done";
        let mut copy = Command::new("sh");
        copy.args(["-c", script]).args([other.store(), place.store()]).current_dir(place.project());
        copy.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let traced = trace(&copy, &place.log(), true, &[]);
        assert_eq!(traced.ran.code, Some(0), "{}", traced.ran.stderr);
        recorded.history.add(&traced.log, Path::new("/"), false);
        recorded.views.push(scenario.view(&place).unwrap());
        recorded.commands.push((scenario.command, false));
        recorded.from = recorded.history.ops.len();
        recorded.images_from = recorded.from;
        recorded.run(&place, scenario.command, &[]);
        recorded
    }

    fn setup(place: &Place, scenario: &'static Scenario) -> Recorded {
        let history = History::new(&place.project());
        let (name, views) = (scenario.name.to_owned(), vec![View::default()]);
        let finds = match () {
            () if scenario.begins_cleaned() => Finds::Gone,
            () if scenario.is_repair() => Finds::Anything,
            () => Finds::Nothing,
        };
        let removed = BTreeSet::new();
        let mut recorded =
            Recorded { removed, name, commands: Vec::new(), history, views, from: 0, images_from: 0, was_killed: false, finds, scenario };
        for command in scenario.setup {
            if is_harm(command) {
                recorded.harm(place, command);
            } else {
                recorded.run(place, command, &[]);
            }
        }
        // What befell the store is over: what comes first then is that the command has begun.
        recorded.from = recorded.history.ops.len() + usize::from(scenario.begins_with_harm());
        recorded.images_from = recorded.from;
        recorded
    }

    /// Lets something befall the store that no power cut undoes.
    fn harm(&mut self, place: &Place, line: &'static [&'static str]) {
        self.history.ops.push(Op::Begun);
        for path in inflict(place, line) {
            self.history.take_up(&path);
        }
        self.history.ops.push(Op::Acknowledged);
        self.views.push(self.scenario.view(place).unwrap());
        self.commands.push((line, true));
    }

    /// Runs a command; says whether it was killed.
    fn run(&mut self, place: &Place, command: &'static [&'static str], faults: &[Fault]) -> bool {
        let stdout = place.log().with_file_name("stdout");
        let art = place.command(command);
        // Through a shell, so that the output has a path which the log shows.
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$@\" >\"$0\""]).arg(&stdout).arg(art.get_program()).args(art.get_args());
        shell.current_dir(place.project()).envs(art.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let before = packs(place);
        let traced = trace(&shell, &place.log(), true, faults);
        let after = packs(place);
        self.removed.retain(|pack| !after.contains(pack));
        self.removed.extend(before.difference(&after).cloned());
        let exit = if command == self.scenario.command { self.scenario.exit } else { 0 };
        assert!(traced.log.killed || traced.ran.code == Some(exit), "{}", traced.ran.stderr);
        self.history.add(&traced.log, &stdout, !traced.log.killed);
        self.views.push(self.scenario.view(place).unwrap());
        self.commands.push((command, !traced.log.killed));
        traced.log.killed
    }
}

fn packs(place: &Place) -> BTreeSet<PathBuf> {
    let all = ["packs", "meta"].into_iter().flat_map(|dir| files(&place.store().join(dir)));
    all.map(|path| path.strip_prefix(place.store()).unwrap().to_owned()).collect()
}
