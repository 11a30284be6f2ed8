//! Several processes on one store, and processes that die: numbers, locks, kills, a full disk.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use artstore::lock::{Lock, Mode, Wait};
use artstore::progress::Silent;
use support::{Project, Ran, files, noise, run, tree};

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn all_done(children: Vec<Child>) -> Vec<Ran> {
    children.into_iter().map(|child| Ran::from(child.wait_with_output().unwrap()).ok()).collect()
}

/// The folder of local state.
fn local(project: &Project) -> std::path::PathBuf {
    let mut entries = fs::read_dir(project.store().join("local")).unwrap().map(|entry| entry.unwrap().path());
    entries.find(|path| path.is_dir()).unwrap()
}

#[test]
fn puts_at_the_same_time_get_numbers_of_their_own_without_gaps() {
    let project = Project::new();
    const PROCESSES: usize = 8;
    const ROUNDS: usize = 3;
    for process in 0..PROCESSES {
        for round in 0..ROUNDS {
            // Some content is shared, some is not.
            project.write(format!("d-{process}-{round}/own"), noise((process * 100 + round) as u64, 100_000));
            project.write(format!("d-{process}-{round}/shared"), noise(7777, 300_000));
        }
    }
    let mut numbers = BTreeSet::new();
    let mut sources = Vec::new();
    for round in 0..ROUNDS {
        let started = (0..PROCESSES).map(|process| start(&mut project.command(["put", "data", &format!("d-{process}-{round}"), "--json"])));
        for (process, ran) in all_done(started.collect()).into_iter().enumerate() {
            let version = ran.json();
            assert_eq!(version["unchanged"], false);
            numbers.insert(version["number"].as_u64().unwrap());
            sources.push((version["version"].as_str().unwrap().to_owned(), format!("d-{process}-{round}")));
        }
    }
    assert_eq!(numbers, (0..(PROCESSES * ROUNDS) as u64).collect());
    for (version, source) in sources {
        project.art(["get", &format!("data:{version}"), "out"]).ok();
        assert_eq!(tree(&project.path("out")), tree(&project.path(source)), "{version}");
        project.remove("out");
    }
    project.art(["fsck"]).ok();
}

#[test]
fn puts_of_the_same_content_at_the_same_time_make_one_version() {
    let project = Project::new();
    project.write("d/file", noise(1, 500_000));
    let started = (0..6).map(|_| start(&mut project.command(["put", "data", "d", "--json"]))).collect();
    let unchanged = all_done(started).iter().filter(|ran| ran.json()["unchanged"] == true).count();
    assert_eq!(unchanged, 5);
    project.art(["show", "data:v1"]).fails(3);
    project.art(["fsck"]).ok();
}

#[test]
fn first_commands_at_the_same_time_make_one_store_and_one_local_state() {
    let project = Project::bare();
    project.write("d/file", "file");
    all_done((0..6).map(|_| start(&mut project.command(["init"]))).collect());
    project.remove(".artifacts/local");
    all_done((0..6).map(|number| start(&mut project.command(["put", &format!("a{number}"), "d"]))).collect());
    let made = fs::read_dir(project.store().join("local")).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(made, 1);
    project.art(["fsck"]).ok();
}

#[test]
fn puts_onto_the_latest_at_the_same_time_lose_nothing() {
    let project = Project::new();
    project.write("d/base", "base");
    project.put("d", &[]);
    for number in 0..4 {
        project.write(format!("new-{number}"), format!("{number}"));
    }
    all_done(
        (0..4).map(|number| start(&mut project.command(["put", "data", &format!("new-{number}"), "--onto", "data:latest"]))).collect(),
    );
    project.art(["get", "data:v4", "out"]).ok();
    assert_eq!(tree(&project.path("out")).len(), 5, "each was done on what the others had stored");
}

#[test]
fn aliases_set_at_the_same_time_do_not_diverge() {
    let project = Project::new();
    for number in 0..4 {
        project.write("d/file", format!("{number}"));
        project.put("d", &[]);
    }
    for _ in 0..3 {
        all_done((0..4).map(|number| start(&mut project.command(["alias", "set", &format!("data:v{number}"), "best", "other"]))).collect());
    }
    for alias in ["best", "other"] {
        project.art(["show", &format!("data:{alias}")]).ok();
    }
    let listed = project.art(["alias", "ls", "--json"]).ok().json();
    assert!(listed.as_array().unwrap().iter().all(|alias| alias["diverged"] == false), "{listed}");
}

#[test]
fn readers_see_whole_versions_while_others_write() {
    let project = Project::new();
    project.write("d/file", noise(0, 200_000));
    project.put("d", &[]);
    let writer = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 1..8 {
                project.write("w/file", noise(number, 200_000));
                project.art(["put", "data", "w"]).ok();
            }
        });
        while !writer.is_finished() {
            let bytes = project.art(["cat", "data", "file"]).ok().stdout;
            assert!((0..8).any(|number| bytes == noise(number, 200_000)));
        }
        writer.join()
    });
    writer.unwrap();
}

#[test]
fn a_lock_that_is_held_is_waited_for_or_not() {
    let project = Project::new();
    project.write("d/file", "one");
    project.put("d", &[]);
    project.write("d/file", "two");
    for (name, mode) in [("number", Mode::Exclusive), ("lock", Mode::Exclusive)] {
        let held = Lock::take(&local(&project).join(name), mode, Wait::Not, &Silent).unwrap();
        for args in [&["put", "data", "d", "--no-wait"][..], &["--no-wait", "alias", "set", "data:v0", "best"]] {
            let busy = project.art(args);
            assert!(busy.fails(6).contains(name), "{}", busy.stderr);
        }
        // Who only reads needs no lock.
        for args in [&["get", "data", name][..], &["show", "data"], &["fsck"]] {
            project.art(args).ok();
        }
        drop(held);
    }
    project.art(["show", "data:v1"]).fails(3);
    // Others that write at the same time are no reason to wait.
    let _shared = Lock::take(&local(&project).join("lock"), Mode::Shared, Wait::Not, &Silent).unwrap();
    project.art(["put", "data", "d", "--no-wait"]).ok();

    let held = Lock::take(&local(&project).join("number"), Mode::Exclusive, Wait::Not, &Silent).unwrap();
    let waiting = start(&mut project.command(["alias", "set", "data:v1", "best"]));
    drop(held);
    all_done(vec![waiting]);
}

/// A number for each seed, spread evenly below `below`.
fn random(seed: u64, below: u64) -> u64 {
    u64::from_le_bytes(noise(seed, 8).try_into().unwrap()) % below
}

#[test]
fn a_put_that_is_killed_leaves_all_that_was_acknowledged() {
    let project = Project::new();
    let write = |number: u64| {
        project.write("d/own", noise(number, 1_500_000));
        project.write("d/text", format!("{number}\n").repeat(100_000));
        for small in 0..50 {
            project.write(format!("d/small/{small}"), noise(number * 1000 + small, 500));
        }
    };
    write(0);
    let began = Instant::now();
    project.put("d", &[]);
    let usual = began.elapsed();
    let mut acknowledged = vec![(0, 0)];
    let mut killed = 0;
    for number in 1..=30 {
        write(number);
        let mut child = start(&mut project.command(["put", "data", "d", "--json", "--alias", "best"]));
        // Where it is when it is killed is chance; that is the point.
        let wait = usual * random(number, 120) as u32 / 100;
        std::thread::sleep(wait.min(Duration::from_secs(2)));
        let _ = child.kill();
        let ran = Ran::from(child.wait_with_output().unwrap());
        killed += u32::from(ran.code.is_none());
        // What was printed whole is acknowledged, whatever became of the process.
        if ran.stdout.ends_with(b"\n") {
            acknowledged.push((ran.json()["number"].as_u64().unwrap(), number));
        }
        if number % 10 == 0 {
            project.art(["fsck"]).ok();
        }
    }
    assert!(killed > 5, "only {killed} were killed");
    write(999);
    let next = project.put("d", &["--no-wait"]);
    acknowledged.push((next["number"].as_u64().unwrap(), 999));
    project.art(["fsck"]).ok();
    for (version, number) in acknowledged {
        assert_eq!(project.art(["cat", &format!("data:v{version}"), "own"]).ok().stdout, noise(number, 1_500_000), "v{version}");
    }
    // A version that was not acknowledged is whole or not there.
    let listed = project.art(["ls", "data", "--json"]).ok().json();
    for version in listed.as_array().unwrap() {
        let name = format!("data:{}", version["version"].as_str().unwrap());
        project.art(["get", &name, "out"]).ok();
        project.remove("out");
    }
}

#[test]
fn a_restore_that_is_killed_leaves_no_half_file_under_its_name() {
    let project = Project::new();
    for number in 0..40 {
        project.write(format!("d/{number}"), noise(number, 200_000));
    }
    project.put("d", &[]);
    project.mkdir("there");
    let began = Instant::now();
    project.art(["get", "data", "whole"]).ok();
    let usual = began.elapsed();
    for (seed, dest) in (0..10).flat_map(|seed| [(seed, "there"), (seed, "new")]) {
        let mut child = start(&mut project.command(["get", "data", dest]));
        std::thread::sleep(usual * random(seed, 100) as u32 / 100);
        let _ = child.kill();
        child.wait().unwrap();
        if dest == "new" {
            if project.path("new").exists() {
                assert_eq!(tree(&project.path("new")), tree(&project.path("d")));
                project.remove("new");
            }
            continue;
        }
        for path in files(&project.path("there")) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.starts_with(".art-") {
                fs::remove_file(path).unwrap();
                continue;
            }
            assert_eq!(fs::read(&path).unwrap(), project.read(format!("d/{name}")), "{name}");
            if seed % 3 == 0 {
                fs::remove_file(path).unwrap();
            }
        }
    }
    project.art(["get", "data", "there"]).ok();
    project.art(["verify", "data", "there"]).ok();
}

/// Asserts that a put without room fails with exit 7, and that the store is as before.
#[track_caller]
fn has_no_room(project: &Project, store: &Path, ran: &Ran) {
    assert!(ran.fails(7).contains("hint: "), "{}", ran.stderr);
    let named = |name: &str| ["--store", store.to_str().unwrap(), name].map(str::to_owned);
    assert_eq!(project.art(named("fsck").iter()).code, Some(0));
    let left: Vec<_> = files(&store.join("local")).into_iter().filter(|path| path.parent().unwrap().ends_with("tmp")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_full_disk_is_told_and_the_store_is_as_before() {
    let project = Project::bare();
    project.mkdir("disk");
    let disk = project.path("disk");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"]).arg(&disk).stderr(Stdio::null()).status();
    if !mounted.is_ok_and(|status| status.success()) {
        return;
    }
    let _unmount = Unmount(disk.clone());
    let store = disk.join(".artifacts");
    let at = store.to_str().unwrap();
    project.art(["--store", at, "init"]).ok();
    project.write("d/file", noise(1, 500_000));
    project.art(["--store", at, "put", "data", "d"]).ok();
    let before = tree(&store.join("refs"));
    for (number, len) in [10_000_000, 3_500_000, 4_000_000].into_iter().enumerate() {
        project.write("d/file", noise(number as u64 + 2, len));
        has_no_room(&project, &store, &project.art(["--store", at, "put", "data", "d"]));
        assert_eq!(tree(&store.join("refs")), before);
    }
    assert_eq!(project.art(["--store", at, "cat", "data", "file"]).ok().stdout, noise(1, 500_000));
    // A restore has no room either, and leaves nothing.
    project.art(["--store", at, "get", "data", "disk/out"]).ok();
    fs::remove_dir_all(disk.join("out")).unwrap();
    fs::write(disk.join("filler"), noise(9, 4_000_000)).unwrap_err();
    assert!(project.art(["--store", at, "get", "data", "disk/out"]).fails(7).contains("hint"));
    assert!(!disk.join("out").exists());
    assert_eq!(fs::read_dir(&disk).unwrap().count(), 2);
    project.art(["--store", at, "put", "data", "d"]).fails(7);
    fs::remove_file(disk.join("filler")).unwrap();
    project.write("d/file", noise(3, 700_000));
    project.art(["--store", at, "put", "data", "d"]).ok();
}

struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_limit_on_the_size_of_files_is_told_and_the_store_is_as_before() {
    let project = Project::new();
    project.write("d/file", "small");
    project.put("d", &[]);
    let before = tree(&project.store().join("refs"));
    project.write("d/file", noise(1, 3_000_000));
    // The signal that would come first is ignored, as in a shell that does so.
    let script = r#"trap "" XFSZ; ulimit -f 2000; exec "$0" put data d"#;
    let ran = run(&mut project.program("sh", ["-c", script, env!("CARGO_BIN_EXE_art")]));
    has_no_room(&project, &project.store(), &ran);
    assert_eq!(tree(&project.store().join("refs")), before);
    assert_eq!(project.put("d", &[])["version"], "v1");
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let project = Project::new();
    project.write("d/file", noise(1, 5_000_000));
    project.put("d", &[]);
    let mut child = start(&mut project.command(["cat", "data", "file"]));
    drop(child.stdout.take());
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, &ran.stderr[..]), (Some(0), ""));
}
