//! Killed at many moments and run again: at each moment every version that is there is whole.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Project, noise, run};
use crate::{art_with, command_with, far, store_files};

/// A store with packs of several sizes and many records.
fn large() -> Project {
    let project = Project::new();
    for number in 0..12u64 {
        project.write("d/own", noise(number, 1_500_000));
        project.put("d", &["--alias", &format!("a{number}"), "-m", "some"]);
    }
    project
}

/// Kills a command after ever longer times, checks each time, and ends with one that is left alone.
fn kill_and_resume(command: &str) {
    let source = large();
    let all = store_files(&source.store());
    let started = Instant::now();
    let whole = Project::new();
    art_with(&source, "push", &whole.root(), &[]).ok();
    let usual = started.elapsed();
    let tries = far::way().tries(25, 200) as u32;
    for seed in 0..tries {
        let dest = Project::new();
        let (at, other) = if command == "push" { (&source, dest.root()) } else { (&dest, source.root()) };
        // Two kills one after the other, then to the end.
        for step in 1..=2u32 {
            let mut child = command_with(at, command, &other, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(usual.mul_f64(f64::from(seed * 2 + step) / f64::from(tries * 2)).min(Duration::from_secs(2)));
            let _ = child.kill();
            child.wait().unwrap();
            let found = dest.art(["fsck", "--json"]);
            assert_eq!(found.code, Some(0), "seed {seed}: {}", found.text());
        }
        art_with(at, command, &other, &[]).ok();
        assert!(store_files(&dest.store()) == all, "seed {seed}");
        dest.art(["fsck"]).ok();
        source.art(["fsck", "--quick"]).ok();
    }
}

#[test]
pub(crate) fn a_push_that_was_killed_leaves_whole_versions_and_goes_on() {
    kill_and_resume("push");
}

#[test]
pub(crate) fn a_clone_that_was_killed_leaves_whole_versions_and_a_pull_goes_on() {
    let source = large();
    let all = store_files(&source.store());
    let tries = far::way().tries(12, 100);
    for step in 1..=tries {
        let dest = Project::bare();
        let root = source.root();
        let clone = || command_with(&dest, "clone", &root, &["."]);
        let mut child = clone().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(step * 240 / tries));
        let _ = child.kill();
        child.wait().unwrap();
        if dest.store().join("format").exists() {
            assert_eq!(dest.art(["fsck", "--json"]).code, Some(0), "step {step}");
            art_with(&dest, "pull", &root, &[]).ok();
        } else {
            // Nothing but directories and rules for git.
            run(&mut clone()).ok();
        }
        assert!(store_files(&dest.store()) == all, "step {step}");
        dest.art(["fsck"]).ok();
    }
}

#[test]
pub(crate) fn a_pull_that_was_killed_leaves_whole_versions_and_goes_on() {
    kill_and_resume("pull");
}
