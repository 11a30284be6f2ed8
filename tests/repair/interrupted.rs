//! A repair that fails in the middle leaves no less than there was.

use std::fs;

use crate::support::{Project, files, has_strace, run};
use crate::{Damage, V0, V1, backup, store, synced, unreadable};

/// Damages the larger data pack in the middle; what lies in its other blocks can be read.
fn damage(project: &Project) {
    let packs = files(&project.store().join("packs"));
    Damage::Flip(0.5).inflict(packs.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap());
    for record in files(&project.store().join("refs/data/aliases")) {
        Damage::Flip(0.5).inflict(&record);
    }
}

#[test]
fn on_a_disk_that_fills_up_nothing_becomes_less_readable() {
    if !has_strace() {
        return;
    }
    let mut failed = 0;
    for from in 1.. {
        let project = store();
        let (copy, whole) = (backup(&project), synced(&project.store()));
        damage(&project);
        let (before, damaged) = (unreadable(&project, &[V0, V1]), synced(&project.store()));
        assert!(!before.is_empty() && before.len() < 4, "{before:?}");
        let inject = format!("inject=fsync:error=ENOSPC:when={from}+");
        let art = env!("CARGO_BIN_EXE_art");
        let args = ["-f", "-qq", "-o", "/dev/null", "-e", &inject, art, "repair", "--from", copy.to_str().unwrap()];
        let ran = run(project.program("strace", args).env("ART_THREADS", "1"));
        let now = synced(&project.store());
        assert!(damaged.keys().all(|path| now.contains_key(path)), "from sync {from} on: something lost its place");
        assert!(unreadable(&project, &[V0, V1]).is_subset(&before), "from sync {from} on");
        if ran.code == Some(0) {
            break;
        }
        failed += 1;
        assert_eq!(ran.code, Some(7), "{ran:?}");
        project.art(["repair", "--from", copy.to_str().unwrap()]).ok();
        assert_eq!(synced(&project.store()), whole);
        assert_eq!(files(&project.store().join("quarantine")).len(), 2, "each damaged file once");
    }
    assert!(failed > 4, "only {failed} syncs failed");
}

#[test]
fn where_the_disk_does_not_give_a_file_for_once_nothing_becomes_less_readable() {
    if !has_strace() {
        return;
    }
    let mut failed = 0;
    for call in ["open", "openat"] {
        for number in 1.. {
            let project = store();
            Damage::Flip(0.5)
                .inflict(files(&project.store().join("packs")).iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap());
            let before = unreadable(&project, &[V0, V1]);
            let log = project.outside().join("log");
            let (trace, inject) = (format!("trace={call}"), format!("inject={call}:error=EIO:when={number}"));
            let args = ["-f", "-qq", "-o", log.to_str().unwrap(), "-e", &trace, "-e", &inject, env!("CARGO_BIN_EXE_art"), "repair"];
            run(project.program("strace", args).env("ART_THREADS", "1"));
            let log = fs::read_to_string(log).unwrap();
            if !log.contains("INJECTED") {
                break;
            }
            if !log.lines().any(|line| line.contains("INJECTED") && line.contains(".artifacts")) {
                continue;
            }
            failed += 1;
            assert!(unreadable(&project, &[V0, V1]).is_subset(&before), "{call} {number}: {log}");
        }
    }
    assert!(failed > 10, "only {failed} calls failed");
}
