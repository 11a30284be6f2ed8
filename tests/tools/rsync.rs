//! `rsync`: both ways, in its ways of writing, and killed.

use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Project, noise};
use crate::{VERSIONS, has, kill_group, large, restored, shown, store_files, tool, two};

/// At how many moments it is killed, each way.
const STEPS: u32 = 6;

/// Copies a store with `rsync -a` and some options; local state goes along, as with who does not think of it.
fn rsync(from: &Project, to: &Project, options: &[&str]) {
    let places = [format!("{}/", from.store().display()), to.store().display().to_string()];
    tool(from, "rsync", ["-a"].iter().chain(options).map(|&option| option.to_owned()).chain(places));
}

#[test]
fn both_ways_it_gives_one_store_in_whatever_way_it_writes() {
    if !has("rsync", "both_ways_it_gives_one_store_in_whatever_way_it_writes") {
        return;
    }
    let ways: [&[&str]; 4] =
        [&["--ignore-existing"], &[], &["--inplace", "--no-whole-file", "--checksum"], &["--exclude=/local", "--update"]];
    for way in ways {
        let (a, b) = two();
        rsync(&a, &b, way);
        // Half the way the one that has all shows both versions, and each can be had.
        assert_eq!(restored(&b), 3, "{way:?}");
        rsync(&b, &a, way);
        assert!(store_files(&a.store()) == store_files(&b.store()), "{way:?}");
        assert_eq!((shown(&a), restored(&a)), (shown(&b), 3), "{way:?}");
        for project in [&a, &b] {
            project.art(["fsck"]).ok();
            // Local state that came along is nobody's: its owner goes on, and what is stored is whole.
            project.write("d/own", noise(9, 100_000));
            assert_eq!(project.put("d", &[])["version"], "v2", "{way:?}");
            assert_eq!(restored(project), 4, "{way:?}");
        }
        // The same content under one number reads as one version.
        rsync(&a, &b, way);
        assert_eq!(restored(&b), 4, "{way:?}");
        b.art(["fsck"]).ok();
    }
}

#[test]
fn killed_at_any_moment_and_run_again_it_brings_every_version() {
    if !has("rsync", "killed_at_any_moment_and_run_again_it_brings_every_version") {
        return;
    }
    let source = large();
    let all = store_files(&source.store());
    let command = |dest: &Project, way: &[&str]| {
        let places = [format!("{}/", source.store().display()), dest.store().display().to_string()];
        let args = ["-a", "--exclude=/local"].iter().chain(way).map(|&option| option.to_owned()).chain(places);
        let mut command = source.program("rsync", args);
        command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        command
    };
    let mut seen = (0, 0, 0);
    for way in [&[][..], &["--partial"], &["--inplace"]] {
        let started = Instant::now();
        assert!(command(&Project::new(), way).status().unwrap().success());
        let usual = started.elapsed();
        for step in 0..STEPS {
            let dest = Project::new();
            // Two kills one after the other.
            for part in 1..=2 {
                let child = command(&dest, way).spawn().unwrap();
                std::thread::sleep(usual.mul_f64(f64::from(step * 2 + part) / f64::from(2 * STEPS)).min(Duration::from_secs(2)));
                kill_group(child);
                check_half(&dest, &mut seen);
            }
            if step % 2 == 1 {
                // A writer there is in nobody's way, nor in that of what comes.
                dest.write("d/other", noise(77, 50_000));
                dest.art(["put", "other", "d"]).ok();
            }
            assert!(command(&dest, way).status().unwrap().success());
            let now = store_files(&dest.store());
            assert!(all.iter().all(|(path, bytes)| now.get(path) == Some(bytes)), "{way:?}, step {step}");
            dest.art(["fsck"]).ok();
            assert_eq!(restored(&dest), VERSIONS, "{way:?}, step {step}");
        }
    }
    println!("found half-way: {} temporary files of rsync, {} packs that had not arrived, {} incomplete versions", seen.0, seen.1, seen.2);
}

/// What was copied half-way is read as far as it goes: its temporary files are strangers, half a pack has not
/// arrived, and a version says what it lacks.
fn check_half(dest: &Project, seen: &mut (usize, usize, usize)) {
    let found = dest.art(["fsck", "--json"]).json();
    for stranger in found["strangers"].as_array().unwrap() {
        let path = stranger["path"].as_str().unwrap();
        assert!(path.rsplit('/').next().unwrap().starts_with('.'), "{path}");
        seen.0 += 1;
    }
    for finding in found["findings"].as_array().unwrap() {
        let kind = finding["kind"].as_str().unwrap();
        // With `--inplace` a record may be half under its name, too.
        assert!(["pack-not-arrived", "incomplete-version", "lost-alias", "damaged-record"].contains(&kind), "{finding}");
        seen.1 += usize::from(kind == "pack-not-arrived");
        seen.2 += usize::from(kind == "incomplete-version");
    }
    // Temporary files are never taken for packs.
    let packs = dest.art(["list-packs", "--json"]).ok().json();
    assert!(packs.as_array().unwrap().iter().all(|pack| pack.to_string().matches('.').count() == 0), "{packs}");
    if dest.store().join("refs/data/versions").exists() {
        dest.art(["ls"]).ok();
        dest.art(["status"]).ok();
    }
}
