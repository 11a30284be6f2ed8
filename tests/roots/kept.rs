//! Second names are on disk before a command that gave them tells success.

use std::fs;
use std::process::Command;

use crate::repo::{Repo, kept, packs};
use crate::support::{files, run};

/// Whether this machine lets system calls be watched.
fn has_strace() -> bool {
    let has = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success());
    assert!(has || std::env::var_os("ART_REQUIRE_STRACE").is_none_or(|value| value != "1"), "strace cannot be used here");
    has
}

/// Runs a command that gives second names, and asserts that they are synced after the last of them.
#[track_caller]
fn syncs_what_it_keeps(repo: &Repo, args: &[&str]) {
    let log = repo.project.outside().join("log");
    let trace =
        ["-f", "-y", "-qq", "-e", "trace=link,linkat,rename,renameat2,fsync", "-o", log.to_str().unwrap(), env!("CARGO_BIN_EXE_art")];
    run(&mut repo.project.program("strace", trace.iter().chain(args))).ok();
    let log = fs::read_to_string(log).unwrap();
    let last = |is: &dyn Fn(&str) -> bool| log.lines().collect::<Vec<_>>().into_iter().rposition(is);
    let named = last(&|line| !line.contains("fsync(") && line.contains("/packs/keep/")).expect("no second name was given");
    let synced = last(&|line| line.contains("fsync(") && line.contains("/packs/keep>")).expect("none was synced");
    assert!(named < synced, "{args:?}: {log}");
}

#[test]
fn packs_that_come_without_a_record_have_their_second_names_on_disk() {
    if !has_strace() {
        return;
    }
    let repo = Repo::new(&[]);
    repo.put_kept(1);
    let store = repo.project.store();
    let copy = repo.project.outside().join("copy");
    run(&mut repo.project.program("cp", ["-a".as_ref(), store.as_os_str(), copy.as_os_str()])).ok();
    let copy = copy.to_str().unwrap();
    let forget = || {
        kept(&store).into_iter().for_each(|path| fs::remove_file(path).unwrap());
        files(&store.join("meta")).into_iter().for_each(|path| fs::remove_file(path).unwrap());
    };
    for command in [&["pull", copy][..], &["repair", "--from", copy]] {
        forget();
        syncs_what_it_keeps(&repo, command);
        assert_eq!((packs(&store, "meta").len(), kept(&store).len()), (1, 1));
    }
    // A version that is there already rests on packs that somebody has written again.
    for path in packs(&store, "meta") {
        let path = store.join(path);
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let source = repo.project.outside().join("source-1");
    syncs_what_it_keeps(&repo, &["put", "data", source.to_str().unwrap()]);
}
