//! Commands that only read need a store that they can read, and write nothing to it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Project, files, has_strace, noise, run};
use crate::{in_own_namespace, mount};

/// System calls that change what is on a disk, and those that take locks.
const WRITING: [&str; 30] = [
    "mkdir",
    "mkdirat",
    "rmdir",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "mknod",
    "mknodat",
    "truncate",
    "ftruncate",
    "fallocate",
    "write",
    "pwrite64",
    "writev",
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "fchownat",
    "utimensat",
    "setxattr",
    "fsync",
    "fdatasync",
    "flock",
];
const OPENING: [&str; 4] = ["open", "openat", "openat2", "creat"];
const WRITE_FLAGS: [&str; 5] = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_TMPFILE"];

/// A store with a few of everything, and every command that only reads, for it.
fn project() -> (Project, Vec<Vec<String>>) {
    let project = Project::new();
    project.write("d/big", noise(1, 700_000));
    project.write("d/text", "some text\n".repeat(5000));
    project.link("d/link", "text");
    let digest = project.put("d", &["--alias", "best"])["digest"].as_str().unwrap().to_owned();
    project.write("d/text", "other text\n");
    project.put("d", &["--alias", "best"]);
    let pack = files(&project.store().join("packs")).remove(0).file_name().unwrap().to_str().unwrap().to_owned();
    let plain = [
        "ls",
        "ls data",
        "ls data:v0",
        "ls data:v0 text",
        "log data",
        "show data:best",
        "cat data:v0 big",
        "get data:v0 out",
        "get data --path text part",
        "checkout data:best out-2",
        "verify data d",
        "status",
        "fsck",
        "doctor",
        "alias ls",
        "alias ls data",
        "rev-parse data:best",
        "hash-object d/big",
        "ls-tree data:v0",
        "show-ref",
        "list-packs",
        "count-objects",
        "ls --json",
    ];
    let mut commands: Vec<Vec<String>> = plain.iter().map(|line| line.split(' ').map(str::to_owned).collect()).collect();
    commands.push(vec!["cat-object".to_owned(), digest]);
    commands.push(vec!["verify-pack".to_owned(), pack]);
    let optional = ["fsck --quick", "fsck --deep", "du", "gc --dry-run", "prune data --keep-last 1 --dry-run", "repair --dry-run"];
    // What this build does not have is no part of it.
    let has = |line: &&&str| project.art([line.split(' ').next().unwrap(), "--help"]).code == Some(0) && knows_options(&project, line);
    commands.extend(optional.iter().filter(has).map(|line| line.split(' ').map(str::to_owned).collect()));
    (project, commands)
}

fn knows_options(project: &Project, line: &str) -> bool {
    let help = project.art([line.split(' ').next().unwrap(), "--help"]).text();
    line.split(' ').filter(|word| word.starts_with("--")).all(|option| help.contains(option))
}

/// Every file of the store with its time of change, its length and its bytes.
fn looks(store: &Path) -> Vec<(PathBuf, i64, i64, Vec<u8>)> {
    let look = |path: PathBuf| {
        let meta = fs::symlink_metadata(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        (path, meta.ctime(), meta.ctime_nsec(), bytes)
    };
    files(store).into_iter().map(look).collect()
}

#[test]
fn every_reading_command_works_on_a_read_only_mount_and_writing_ones_say_why_not() {
    in_own_namespace("read_only::every_reading_command_works_on_a_read_only_mount_and_writing_ones_say_why_not", || {
        for with_local_state in [true, false] {
            let (project, commands) = project();
            if !with_local_state {
                project.remove(".artifacts/local");
            }
            let before = looks(&project.store());
            mount(&["--bind"], &project.store(), &project.store());
            mount(&["-o", "remount,ro,bind"], &project.store(), &project.store());
            assert!(fs::write(project.store().join("probe"), "").is_err(), "the mount is not read-only");
            for args in &commands {
                project.art(args).ok();
            }
            for args in [&["put", "data", "d"][..], &["put", "other", "d"], &["alias", "set", "data:v0", "new"]] {
                let ran = project.art(args);
                assert!(ran.fails(1).contains("read-only") && ran.stderr.contains("hint: "), "{args:?}: {}", ran.stderr);
            }
            assert!(Command::new("umount").arg(project.store()).status().unwrap().success());
            assert_eq!(looks(&project.store()), before);
        }
    });
}

/// Runs `art` under strace and returns the calls that would write to the store, or lock in it.
fn writing_calls(project: &Project, args: &[String]) -> Vec<String> {
    let log = project.outside().join("strace.log");
    let art = env!("CARGO_BIN_EXE_art");
    let mut traced: Vec<String> = ["-f", "-qq", "-y", "-o"].map(str::to_owned).into();
    traced.extend([log.to_str().unwrap().to_owned(), art.to_owned()]);
    traced.extend(args.iter().cloned());
    run(&mut project.program("strace", &traced)).ok();
    let text = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
    assert!(text.contains(".artifacts"), "{args:?} did not look at the store");
    let writes = |line: &&str| {
        let call = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').split('(').next().unwrap_or_default();
        let opens_to_write = OPENING.contains(&call) && WRITE_FLAGS.iter().any(|flag| line.contains(flag));
        (WRITING.contains(&call) || opens_to_write) && line.contains(".artifacts")
    };
    text.lines().filter(writes).map(str::to_owned).collect()
}

#[test]
fn no_reading_command_makes_a_call_that_writes_to_the_store() {
    if !has_strace() {
        println!("skipped: strace cannot be used here");
        return;
    }
    let (project, commands) = project();
    let put = ["put", "control", "d"].map(str::to_owned);
    let control = writing_calls(&project, &put);
    for call in ["openat(", "mkdir", "rename", "write", "sync", "flock("] {
        assert!(control.iter().any(|line| line.contains(call)), "a put is not seen to {call}");
    }
    for dir in ["out", "out-2", "part"] {
        fs::remove_dir_all(project.path(dir)).unwrap_or_default();
    }
    let mut traced = 0;
    for args in &commands {
        // `hash-object` has no need of a store.
        if args[0] == "hash-object" {
            continue;
        }
        let mut calls = writing_calls(&project, args);
        // Where something was restored to is noted in local state, which is not part of the store.
        if matches!(&args[0][..], "get" | "checkout") {
            calls.retain(|call| !call.contains(".artifacts/local/"));
        }
        assert!(calls.is_empty(), "{args:?}:\n{}", calls.join("\n"));
        traced += 1;
    }
    println!("{traced} reading commands traced, 0 calls that write");
}
