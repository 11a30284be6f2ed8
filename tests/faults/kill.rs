//! The process is killed at every call that changes the disk.

use crate::oracle::check_no_litter;
use crate::place::{Place, Workshop};
use crate::repo;
use crate::scenario::{Prepared, at_each_call, full};
use crate::strace::{Fault, Traced, trace};
use crate::tally::{Tally, for_each};

/// A call at which something happens: its name and its number among those of that name.
pub(crate) type Point = (String, u64);

/// One point in so many is taken where not everything is tried.
const SAMPLE: usize = 16;

pub(crate) fn sweep() {
    let workshop = Workshop::new();
    let tally = Tally::default();
    let scenarios = at_each_call(&workshop);
    for scenario in &scenarios {
        let prepared = scenario.prepare(&workshop);
        let (plain, _) = points(&prepared, &workshop);
        let step = if full() { 1 } else { SAMPLE };
        let points: Vec<&Point> = plain.iter().step_by(step).collect();
        for_each(&points, |point| kill_at(&prepared, &workshop, point, &tally));
    }
    tally.finish("kill", &format!("{} commands", scenarios.len()));
}

/// Lists the calls of a command that change the disk, and those that only read the store.
pub(crate) fn points(prepared: &Prepared, workshop: &Workshop) -> (Vec<Point>, Vec<Point>) {
    let place = workshop.place();
    prepared.start.write(&place.project());
    let traced = trace(&place.command(prepared.scenario.command), &place.log(), false, &[]);
    assert_eq!(traced.ran.code, Some(prepared.scenario.exit), "{}", traced.ran.stderr);
    let (mut changing, mut reading) = (Vec::new(), Vec::new());
    // Faults are counted by strace for each thread on its own.
    let mut seen: std::collections::BTreeMap<(u32, &str), u64> = std::collections::BTreeMap::new();
    for call in &traced.log.calls {
        let number = seen.entry((call.pid, &call.name)).or_default();
        *number += 1;
        let point = (call.name.clone(), *number);
        if call.changes(&place.project()) {
            changing.push(point);
        } else if call.touches(&place.project()) {
            reading.push(point);
        }
    }
    for list in [&mut changing, &mut reading] {
        list.sort();
        list.dedup();
    }
    (changing, reading)
}

fn kill_at(prepared: &Prepared, workshop: &Workshop, (call, number): &Point, tally: &Tally) {
    let place = workshop.place();
    prepared.start.write(&place.project());
    let fault = Fault { call: call.clone(), what: "signal=KILL".to_owned(), when: number.to_string() };
    let Traced { log, hung, .. } = trace(&place.command(prepared.scenario.command), &place.log(), false, &[fault]);
    // The last call of the log is the one that was killed: it has not returned.
    let hit = log.killed && log.calls.iter().any(|last| last.name == *call && last.ret.is_none());
    if hung || !hit {
        return tally.not_injected("calls not reached");
    }
    let outcome = (prepared.scenario.view(&place))
        .and_then(|view| view.check_within(&[prepared.before.clone(), prepared.after.clone()]))
        .and_then(|()| prepared.scenario.check_told(&place))
        .and_then(|()| prepared.scenario.check_dest(&place, workshop, false))
        .and_then(|()| repo::check_guarded(prepared, workshop, &place, false))
        .and_then(|()| go_on(prepared, workshop, &place));
    tally.injected(|| format!("{}: killed at {call} {number}", prepared.scenario.name), outcome);
}

/// Runs the command again, with no repair before it, and checks that all is as it should be.
pub(crate) fn go_on(prepared: &Prepared, workshop: &Workshop, place: &Place) -> Result<(), String> {
    let ran = prepared.scenario.run(place);
    let view = prepared.scenario.view(place)?;
    let done = view == prepared.after;
    // What the first try has done may not be doable twice: an alias is gone, a run has ended.
    let is_done_already = ran.code == Some(3) || ran.stderr.contains(": it ended at ");
    if ran.code != Some(prepared.scenario.exit) && !(done && is_done_already) {
        return Err(format!("the next try fails: {:?} {}", ran.code, ran.stderr));
    }
    view.check_within(std::slice::from_ref(&prepared.after)).map_err(|why| format!("after the next try {why}"))?;
    prepared.scenario.check_dest(place, workshop, true)?;
    prepared.scenario.check_clean(place)?;
    place.age_litter();
    let ran = if prepared.scenario.dest.is_some() { prepared.scenario.run(place) } else { place.art(&["put", "swept", "SRC/three"]) };
    if ran.code != Some(0) {
        return Err(format!("a later command fails: {:?} {}", ran.code, ran.stderr));
    }
    if prepared.scenario.dest.is_some() && !place.partial_restores().is_empty() {
        // Only a restore to a new place sweeps beside it.
        let other = place.art(&["get", "data:v0", "elsewhere"]);
        if other.code != Some(0) || !place.partial_restores().is_empty() {
            return Err(format!("litter of a restore stays: {:?}", place.partial_restores()));
        }
    }
    if prepared.scenario.dest.is_some() {
        return Ok(());
    }
    check_no_litter(place)?;
    if prepared.scenario.is_in_git() { repo::check_kept(place) } else { Ok(()) }
}
