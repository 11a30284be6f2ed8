//! A git repo round the store: what git does there, and what `git clean` must leave or a repair bring
//! back.

use std::fs;
use std::process::Command;

use crate::act::act;
use crate::oracle::{View, check_clean, check_no_litter};
use crate::place::{Place, Snapshot, Workshop};
use crate::scenario::{INIT_ALL, Prepared};
use crate::support::run;

/// Makes of a store one that is older than its guard.
pub(crate) const UNGUARD: &[&str] = &["!unguard"];

const GUARD: &str = "packs/.git";
const KEPT: &str = "packs/keep";

/// Runs a command of `art`, in this process or as one.
type Act<'a> = &'a dyn Fn(&Place, &[&str]) -> Result<(), String>;

/// Does what a line of a set-up says.
pub(crate) fn befall(place: &Place, line: &[&str]) {
    match line {
        // Without the samples that git copies into each repo.
        ["!git", "init"] => git(place, &["init", "-q", "--template="]),
        ["!git", "commit"] => commit(place).map(|()| String::new()),
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
    // Nor may what is half made be in git's way: but for a guard of another mode, which goes only once
    // there is a new one.
    if scenario.command != INIT_ALL {
        git(&copy, &["add", "--all", "--dry-run"])?;
    }
    // What a repair brings back was acknowledged before the clean that took it.
    let allowed = if is_done || scenario.is_repair() { vec![&prepared.after] } else { vec![&prepared.before, &prepared.after] };
    let allowed: Vec<View> = allowed.into_iter().cloned().collect();
    check_cleaned(&copy, &allowed, &|place, command| {
        let ran = place.art(command);
        if ran.code == Some(0) { Ok(()) } else { Err(ran.stderr) }
    })
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
    act(place, &["put", "later", "SRC/one/own"])?;
    check_clean(&place.store())
}

fn commit(place: &Place) -> Result<(), String> {
    git(place, &["add", "--all"])?;
    git(place, &["commit", "-q", "--allow-empty", "-m", "all"]).map(drop)
}

/// Runs git in the project and returns what it prints.
fn git(place: &Place, args: &[&str]) -> Result<String, String> {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "gc.auto=0", "-c", "maintenance.auto=false"]);
    let art = place.command(&[]);
    command.args(args).current_dir(place.project()).env_clear().envs(art.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = run(&mut command);
    if ran.code == Some(0) { Ok(ran.text()) } else { Err(format!("git {args:?}: {}", ran.stderr)) }
}
