//! The connection lost at every message, and ssh and the far side killed at many moments.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::relay::{Cut, cut, ends, record};
use super::{HERE, Way, set_way};
use crate::support::{Project, noise, slow_tests};
use crate::{art_with, command_with, store_files};

/// A store with packs of several frames, and records of every class.
fn some() -> Project {
    let project = Project::new();
    for number in 0..3u64 {
        project.write("d/own", noise(number, 400_000));
        project.put("d", &["--alias", "best", "-m", "some"]);
    }
    project.art(["tag", "add", "data:v1", "t"]).ok();
    project.art(["run", "exec", "--", "true"]).ok();
    project
}

/// Runs a command that loses its connection, checks what is there, runs it again, and checks that.
fn lose_and_resume(command: &str, args: &[&str], at: Cut, source: &Project) {
    let dest = Project::new();
    let (runs, other) = if command == "push" { (source, dest.root()) } else { (&dest, source.root()) };
    set_way(cut(at));
    let ran = art_with(runs, command, &other, args);
    let told = ran.fails(1);
    assert!(told.contains("lost the connection") || told.contains("cannot serve"), "{at:?}: {told}");
    dest.art(["fsck", "--deep"]).ok();
    set_way(Way::Pipe(HERE.to_owned()));
    art_with(runs, command, &other, args).ok();
    dest.art(["fsck", "--deep"]).ok();
    if args.is_empty() {
        assert!(store_files(&dest.store()) == store_files(&source.store()), "{at:?}");
    }
    assert!(art_with(runs, command, &other, args).ok().text().starts_with("nothing to"));
}

/// Returns where each message of a command ends, each way.
fn messages(command: &str, args: &[&str], source: &Project) -> (Vec<u64>, Vec<u64>) {
    let (dest, dir) = (Project::new(), tempfile::tempdir().unwrap());
    let (runs, other) = if command == "push" { (source, dest.root()) } else { (&dest, source.root()) };
    set_way(record(dir.path()));
    art_with(runs, command, &other, args).ok();
    let of = |name: &str| ends(&dir.path().join(name));
    (of("up"), of("down"))
}

fn lose_at_every_message(command: &str, args: &[&str]) {
    let source = some();
    let (up, down) = messages(command, args, &source);
    assert!(up.len() > 8 && down.len() > 8, "{up:?} {down:?}");
    let last = down.len() - 1;
    // Within the first bytes, at the end of each message, and within its head or body. After the last answer
    // there is nothing to lose.
    let downs = [0, 5].into_iter().chain(down[..last].iter().flat_map(|end| [*end, end + 3])).map(Cut::Down);
    let ups = [0, 5].into_iter().chain(up[..up.len() - 1].iter().flat_map(|end| [*end, end + 4])).map(Cut::Up);
    let step = if slow_tests() { 1 } else { 3 };
    for at in ups.chain(downs).step_by(step) {
        lose_and_resume(command, args, at, &source);
    }
}

#[test]
fn a_push_that_loses_its_connection_at_any_message_goes_on() {
    lose_at_every_message("push", &[]);
}

#[test]
fn a_pull_that_loses_its_connection_at_any_message_goes_on() {
    lose_at_every_message("pull", &[]);
}

#[test]
fn a_part_that_loses_its_connection_at_any_message_goes_on() {
    lose_at_every_message("pull", &["data:v1"]);
}

/// Ends a process that a script has noted.
fn kill_noted(pid: &Path) {
    if let Some(pid) = fs::read_to_string(pid).ok().and_then(|pid| pid.trim().parse::<u32>().ok()) {
        let _ = std::process::Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
    }
}

#[test]
fn a_far_side_that_is_killed_at_many_moments_leaves_whole_versions() {
    let source = some();
    let tries = if slow_tests() { 200 } else { 20 };
    for step in 0..tries {
        let dest = Project::new();
        let pid = dest.outside().join("pid");
        set_way(Way::Pipe(format!("echo $$ >'{}'\neval \"exec $*\"", pid.display())));
        let child = command_with(&source, "push", &dest.root(), &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(step * 150 / tries));
        kill_noted(&pid);
        let ran = crate::support::Ran::from(child.wait_with_output().unwrap());
        assert!(matches!(ran.code, Some(0 | 1)), "{step}: {}", ran.stderr);
        assert!(ran.code == Some(0) || ran.stderr.contains("hint: "), "{step}: {}", ran.stderr);
        dest.art(["fsck", "--deep"]).ok();
        set_way(Way::Pipe(HERE.to_owned()));
        art_with(&source, "push", &dest.root(), &[]).ok();
        assert!(store_files(&dest.store()) == store_files(&source.store()), "{step}");
    }
}
