//! Calls fail: each of them, once and from then on, in every way that a disk fails; and writes
//! that end short at a limit.

use crate::kill::{Point, go_on, points};
use crate::place::{Place, Workshop};
use crate::repo;
use crate::scenario::{Prepared, at_each_call, full};
use crate::strace::{Fault, trace};
use crate::support::{Ran, files, run};
use crate::tally::{Tally, for_each};

/// How a call that changes the disk fails.
const CHANGING: [&str; 5] = ["ENOSPC", "EIO", "EDQUOT", "EROFS", "EINTR"];

/// How opening something to read it fails.
const READING: [&str; 3] = ["EIO", "EMFILE", "EINTR"];

/// One fault in so many is taken where not everything is tried.
const SAMPLE: usize = 150;

/// Exit codes of a command that failed and said so.
const TOLD: [i32; 4] = [1, 5, 6, 7];
const NO_SPACE: i32 = 7;

/// What a command may have said that could not write it.
const UNSAID: &str = "warning: cannot record the end of run\nerror: ";

struct Try {
    point: Point,
    error: &'static str,
    lasting: bool,
}

pub(crate) fn sweep() {
    let workshop = Workshop::new();
    let tally = Tally::default();
    let scenarios = at_each_call(&workshop);
    let mut skip = 0;
    for scenario in &scenarios {
        let prepared = scenario.prepare(&workshop);
        let all = tries(&prepared, &workshop);
        let step = if full() { 1 } else { SAMPLE };
        let chosen: Vec<&Try> = all.iter().skip(skip % step).step_by(step).collect();
        // Each command gets another sample of the ways to fail.
        skip += 7;
        if full() {
            eprintln!("{}: {} errors", scenario.name, chosen.len());
        }
        for_each(&chosen, |chosen| fail_at(&prepared, &workshop, chosen, &tally));
    }
    tally.finish("error", &format!("{} commands", scenarios.len()));
}

/// Sweeps limits of the length of a file: a write that crosses one ends short, the next fails.
pub(crate) fn sweep_short_writes() {
    let workshop = Workshop::new();
    let tally = Tally::default();
    for scenario in at_each_call(&workshop) {
        let prepared = scenario.prepare(&workshop);
        let longest = |place: &Place| files(&place.project()).iter().map(|path| path.metadata().unwrap().len()).max();
        let after = workshop.place();
        prepared.start.write(&after.project());
        let ran = scenario.run(&after);
        assert_eq!(ran.code, Some(scenario.exit), "{}", ran.stderr);
        let longest = longest(&after).unwrap_or_default();
        let tries = if full() { 40 } else { 2 };
        let limits: Vec<u64> = (0..tries).map(|at| longest * at / tries + at % 7).collect();
        for_each(&limits, |limit| write_short(&prepared, &workshop, *limit, &tally));
    }
    tally.finish("short write", "limits of the length of a file");
}

fn tries(prepared: &Prepared, workshop: &Workshop) -> Vec<Try> {
    let (changing, reading) = points(prepared, workshop);
    let mut all = Vec::new();
    for (points, errors) in [(&changing, &CHANGING[..]), (&reading, &READING[..])] {
        for point in points {
            let more = if point.0 == "openat" && errors.len() == CHANGING.len() { &["EMFILE"][..] } else { &[] };
            for error in errors.iter().chain(more) {
                all.push(Try { point: point.clone(), error, lasting: false });
                // A call that is interrupted is made again: one that always is goes on for ever.
                if *error != "EINTR" {
                    all.push(Try { point: point.clone(), error, lasting: true });
                }
            }
        }
    }
    all
}

fn fail_at(prepared: &Prepared, workshop: &Workshop, Try { point: (call, number), error, lasting }: &Try, tally: &Tally) {
    let place = workshop.place();
    prepared.start.write(&place.project());
    let when = if *lasting { format!("{number}+") } else { number.to_string() };
    let fault = Fault { call: call.clone(), what: format!("error={error}"), when };
    let traced = trace(&place.command(prepared.scenario.command), &place.log(), false, &[fault]);
    if !traced.log.calls.iter().any(|call| call.injected && call.touches(&place.project())) {
        return tally.not_injected("calls not reached");
    }
    let no_space = matches!(*error, "ENOSPC" | "EDQUOT");
    let mut ran = traced.ran;
    // Where no write succeeds any more, none to standard error does; nor where the same call of
    // several threads fails, as with `get`.
    let failed = traced.log.calls.iter().filter(|call| call.injected).count();
    if (*lasting || failed > 1) && call == "write" && !ran.stderr.contains("error: ") {
        ran.stderr.push_str(UNSAID);
    }
    let outcome = if traced.hung { Err("it hangs".to_owned()) } else { judge(prepared, workshop, &place, &ran, no_space) };
    let mode = if *lasting { "from" } else { "at" };
    tally.injected(|| format!("{}: {error} {mode} {call} {number}", prepared.scenario.name), outcome);
}

fn write_short(prepared: &Prepared, workshop: &Workshop, limit: u64, tally: &Tally) {
    let place = workshop.place();
    prepared.start.write(&place.project());
    // Ignored, the signal leaves the error to the program.
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec prlimit --fsize=\"$0\" \"$@\"", &limit.to_string()]);
    let art = place.command(prepared.scenario.command);
    command.arg(art.get_program()).args(art.get_args()).env_clear().current_dir(place.project());
    command.envs(art.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = run(&mut command);
    let outcome = judge(prepared, workshop, &place, &ran, true);
    if ran.code == Some(prepared.scenario.exit) && outcome.is_ok() {
        return tally.not_injected("limits that nothing reached");
    }
    tally.injected(|| format!("{}: no file longer than {limit}", prepared.scenario.name), outcome);
}

/// Checks how the command ended, what is left, and that the next try does it all.
fn judge(prepared: &Prepared, workshop: &Workshop, place: &Place, ran: &Ran, no_space: bool) -> Result<(), String> {
    let said = || format!("exit {:?}: {}", ran.code, ran.stderr);
    let view = prepared.scenario.view(place).map_err(|why| format!("{why}; {}", said()))?;
    match ran.code {
        Some(0) => {
            // Nor does it condemn a pack out of which it cannot copy, or beside one on which it cannot
            // rely, and says so.
            let told = ["warning: cannot copy what is needed out of a pack", "warning: cannot rely on a pack"];
            let told_less = no_space || told.iter().any(|told| ran.stderr.contains(told));
            let (shown, wanted) = match told_less {
                true => (view.without_condemned(), prepared.after.without_condemned()),
                false => (view.clone(), prepared.after.clone()),
            };
            let (shown, wanted) = match ran.stderr.contains("warning: cannot record the end of run") {
                true => (shown.without_ends(), wanted.without_ends()),
                false => (shown, wanted),
            };
            shown.check_within(&[wanted]).map_err(|why| format!("exit 0 and {why}"))?;
            prepared.scenario.check_dest(place, workshop, true).map_err(|why| format!("exit 0 and {why}"))?;
            prepared.scenario.check_clean(place)?;
        }
        // What cannot be had from a copy that cannot be read is lost, and told with the answer.
        Some(5) if prepared.scenario.is_repair() && ran.text().lines().any(|line| line.starts_with("lost  ")) => {}
        // What cannot be read in another copy stays there.
        Some(5) if ["warning: held back", "warning: did not take"].iter().any(|told| ran.stderr.contains(told)) => {}
        Some(code) if no_space && code != NO_SPACE => return Err(format!("no space is not told as such: {}", said())),
        Some(code) if TOLD.contains(&code) && ran.stderr.lines().any(|line| line.starts_with("error: ")) => {}
        _ => return Err(said()),
    }
    view.check_within(&[prepared.before.clone(), prepared.after.clone()]).map_err(|why| format!("{why}; {}", said()))?;
    prepared.scenario.check_told(place)?;
    prepared.scenario.check_dest(place, workshop, false)?;
    let is_done = ran.code == Some(0) && !ran.stderr.contains("warning: cannot guard the store");
    repo::check_guarded(prepared, workshop, place, is_done).map_err(|why| format!("{why}; {}", said()))?;
    go_on(prepared, workshop, place).map_err(|why| format!("{why}; at first {}", said()))
}
