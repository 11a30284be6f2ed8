//! A git repo round the store: what git does there, and what `git clean` must leave or a repair bring
//! back.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::act::act;
use crate::oracle::{View, check_clean, check_no_litter};
use crate::place::{Place, Snapshot, Workshop};
use crate::scenario::{Prepared, Scenario};
use crate::support::run;

/// Makes of a store one that is older than its guard.
pub(crate) const UNGUARD: &[&str] = &["!unguard"];

const GUARD: &str = "packs/.git";
const KEPT: &str = "packs/keep";

/// Where a guard may stand.
const GUARDED: [&str; 3] = ["", "packs", KEPT];

/// The repo's rules that no clone brings along, with a line of the user's.
const EXCLUDE: &str = ".git/info/exclude";
const USERS_RULE: &str = "*.mine\n";

/// What git ignores of a store in each mode and on each branch.
const IGNORED: [&str; 2] = [".artifacts/local/x", ".artifacts/packs/keep/x"];

/// Runs a command of `art`, in this process or as one.
type Act<'a> = &'a dyn Fn(&Place, &[&str]) -> Result<(), String>;

/// Does what a line of a set-up says.
pub(crate) fn befall(place: &Place, line: &[&str]) {
    match line {
        // Without the samples that git copies into each repo.
        ["!git", "init"] => git(place, &["init", "-q", "--template="]),
        ["!git", "commit"] => commit(place).map(|()| String::new()),
        ["!git", "exclude"] => {
            fs::create_dir(place.project().join(".git/info")).unwrap();
            fs::write(place.project().join(EXCLUDE), USERS_RULE).unwrap();
            Ok(String::new())
        }
        ["!git", "clean"] => git(place, &["clean", "-q", "-fdx"]),
        _ => {
            [GUARD, KEPT].iter().for_each(|dir| fs::remove_dir_all(place.store().join(dir)).unwrap());
            Ok(String::new())
        }
    }
    .unwrap();
}

/// Checks after a fault that `git clean` loses nothing that was acknowledged: the command too, if it
/// `is_done`. What it leaves is looked at in a copy of the project.
pub(crate) fn check_guarded(prepared: &Prepared, workshop: &Workshop, place: &Place, is_done: bool) -> Result<(), String> {
    let scenario = prepared.scenario;
    if !scenario.is_in_git() || !scenario.is_guarded() && !is_done {
        return Ok(());
    }
    let copy = workshop.place();
    Snapshot::take(&place.project()).write(&copy.project());
    check_rules(&copy, scenario, is_done || scenario.begins_in_store(), is_done)?;
    // Nor may what is half made be in git's way.
    if is_done || !scenario.changes_mode() {
        git(&copy, &["add", "--all", "--dry-run"])?;
    }
    let allowed = if is_done { vec![&prepared.after] } else { vec![&prepared.kept, &prepared.after] };
    let allowed: Vec<View> = allowed.into_iter().cloned().collect();
    check_cleaned(&copy, &allowed, &|place, command| {
        let ran = place.art(command);
        if ran.code == Some(0) { Ok(()) } else { Err(ran.stderr) }
    })
}

/// Checks that a rule of the user's in the repo stays, and once there `is_store`, that the repo ignores what git
/// shall not have, and no guard is in git's way: on a branch without the store, too. While the mode changes one
/// may be, which goes only once there is a new one.
pub(crate) fn check_rules(place: &Place, scenario: &Scenario, is_store: bool, is_done: bool) -> Result<(), String> {
    let rules = fs::read_to_string(place.project().join(EXCLUDE)).unwrap_or_default();
    if scenario.has_users_rule() && !rules.starts_with(USERS_RULE) {
        return Err(format!("of the user's rules there is {rules:?}"));
    }
    if !is_store {
        return Ok(());
    }
    // A clean may have taken the store's own.
    let (own, aside) = (place.store().join(".gitignore"), place.home().join("aside"));
    let is_moved = fs::rename(&own, &aside).is_ok();
    let mut ignored = IGNORED.iter().try_for_each(|path| git(place, &["check-ignore", path]).map(drop));
    if is_done || !scenario.changes_mode() {
        // Where the other branch has none of it, and here.
        let elsewhere = git_with(place, Path::new(""), &["add", "--all", "--dry-run"], &[("GIT_INDEX_FILE", "none")]);
        ignored = ignored.and_then(|()| elsewhere.map(drop)).and_then(|()| check_closed(place));
    }
    if is_moved {
        fs::rename(&aside, &own).unwrap();
    }
    ignored.map_err(|why| format!("not ignored on other branches: {why}; the rules are {rules:?}"))
}

/// Checks that a git which is run inside of the guarded folders does not clean them.
fn check_closed(place: &Place) -> Result<(), String> {
    let guarded = GUARDED.iter().filter(|dir| place.store().join(dir).join(".git/HEAD").exists());
    for dir in guarded {
        if git_with(place, &Path::new(".artifacts").join(dir), &["clean", "-n", "-fdx"], &[]).is_ok() {
            return Err(format!("git cleans {dir:?} when it is run there"));
        }
    }
    Ok(())
}

/// Cleans and repairs, and checks that the store then shows what is `allowed`.
pub(crate) fn check_cleaned(place: &Place, allowed: &[View], art: Act<'_>) -> Result<(), String> {
    git(place, &["clean", "-q", "-fdx"])?;
    let repaired = art(place, &["repair"]);
    let told = |why: String| format!("after a clean and a repair {why}; {repaired:?}");
    View::read(&place.store()).map_err(&told)?.check_within(allowed).map_err(&told)?;
    if !place.store().join("format").exists() {
        // There was no store yet.
        return Ok(());
    }
    repaired.clone().map_err(&told)?;
    check_clean(&place.store()).map_err(&told)
}

/// Checks that a clean and a repair bring back all that the store shows, that git can commit the store,
/// and that it can be written to then.
pub(crate) fn check_kept(place: &Place) -> Result<(), String> {
    let all = View::read(&place.store())?;
    check_cleaned(place, std::slice::from_ref(&all), &act)?;
    check_no_litter(place)?;
    git(place, &["status", "--porcelain"])?;
    commit(place)?;
    let is_committed = !git(place, &["ls-files", ".artifacts/format"])?.is_empty();
    let rules = fs::read_to_string(place.store().join(".gitignore")).unwrap_or_default();
    if is_committed != rules.contains("!*") {
        return Err(format!("git has the store: {is_committed}"));
    }
    act(place, &["put", "later", "SRC/one/own"])?;
    check_clean(&place.store())
}

fn commit(place: &Place) -> Result<(), String> {
    git(place, &["add", "--all"])?;
    git(place, &["commit", "-q", "--allow-empty", "-m", "all"]).map(drop)
}

/// Runs git in the project and returns what it prints.
fn git(place: &Place, args: &[&str]) -> Result<String, String> {
    git_with(place, Path::new(""), args, &[])
}

/// Runs it in a folder of the project, with some variables.
fn git_with(place: &Place, dir: &Path, args: &[&str], envs: &[(&str, &str)]) -> Result<String, String> {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "gc.auto=0", "-c", "maintenance.auto=false"]);
    let art = place.command(&[]);
    command.args(args).current_dir(place.project().join(dir)).env_clear();
    command.envs(art.get_envs().filter_map(|(name, value)| Some((name, value?)))).envs(envs.iter().copied());
    let ran = run(&mut command);
    if ran.code == Some(0) { Ok(ran.text()) } else { Err(format!("git {args:?}: {}", ran.stderr)) }
}
