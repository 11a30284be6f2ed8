//! Second names are on disk before a command that gave them tells success.

use std::fs;
use std::path::Path;

use crate::repo::{Repo, kept, packs};
use crate::support::{Ran, files, has_strace, run};

/// Runs a command and returns which calls it made, in their order.
fn calls(repo: &Repo, which: &str, args: &[&str]) -> String {
    let log = repo.project.outside().join("log");
    let trace = ["-f", "-y", "-qq", "-e", which, "-o", log.to_str().unwrap(), env!("CARGO_BIN_EXE_art")];
    run(&mut repo.project.program("strace", trace.iter().chain(args))).ok();
    fs::read_to_string(log).unwrap()
}

pub(crate) const OPENING: &str = "open,openat";

/// Runs a command that cannot open a file.
fn with_unreadable(repo: &Repo, path: &Path, args: &[&str]) -> Ran {
    with_failing(repo, &repo.project.root(), OPENING, 1, path, args)
}

/// Runs a command in a directory, where some calls fail on a path from one on.
pub(crate) fn with_failing(repo: &Repo, dir: &Path, calls: &str, first: usize, path: &Path, args: &[&str]) -> Ran {
    let fault = format!("inject={calls}:error=EIO:when={first}+");
    let trace = ["-f", "-qq", "-o", "/dev/null", "-e", &fault, "-P", path.to_str().unwrap()];
    run(repo.project.program("strace", trace.iter().chain(&[env!("CARGO_BIN_EXE_art")]).chain(args)).current_dir(dir))
}

/// Runs a command that gives second names, and asserts that they are synced after the last of them.
#[track_caller]
fn syncs_what_it_keeps(repo: &Repo, args: &[&str]) {
    let log = calls(repo, "trace=link,linkat,rename,renameat2,fsync", args);
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
        assert_eq!(packs(&store, "meta").len(), 1);
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

#[test]
fn what_git_holds_is_synced_before_second_names_are_given_up() {
    if !has_strace() {
        return;
    }
    let repo = Repo::new(&[]);
    repo.put_kept(1);
    repo.commit("one");
    let log = calls(&repo, "trace=syncfs", &["alias", "set", "data:v0", "best"]);
    assert!(!log.contains("syncfs(") && kept(&repo.project.store()).len() == 3, "a few stay: {log}");
    let source = repo.project.outside().join("source-1");
    let aliases = (0..64).flat_map(|at| ["--alias".to_owned(), format!("a{at}")]);
    repo.project.art(["put".to_owned(), "data".to_owned(), source.to_str().unwrap().to_owned()].into_iter().chain(aliases)).ok();
    repo.commit("many");
    let log = calls(&repo, "trace=syncfs,unlink,unlinkat,flock", &["alias", "set", "data:v0", "last"]);
    assert_eq!(kept(&repo.project.store()).len(), 1, "{log}");
    let at = |what: &str| log.lines().position(|line| line.contains(what)).unwrap_or_else(|| panic!("no {what}: {log}"));
    let locked = log.lines().position(|line| line.contains("/lock>") && line.contains("LOCK_EX")).unwrap();
    assert!(at("syncfs(") < locked && locked < at("/packs/keep/"), "{log}");
    // Nothing was committed since.
    let log = calls(&repo, "trace=syncfs", &["alias", "set", "data:v0", "next"]);
    assert!(!log.contains("syncfs("), "{log}");
}

#[test]
fn what_a_killed_sync_left_without_second_names_gets_them_when_it_is_told_as_there() {
    let repo = Repo::new(&[]);
    repo.put_kept(1);
    repo.commit("one");
    repo.put_kept(2);
    let store = repo.project.store();
    let copy = repo.project.outside().join("copy");
    run(&mut repo.project.program("cp", ["-a".as_ref(), store.as_os_str(), copy.as_os_str()])).ok();
    kept(&store).into_iter().for_each(|path| fs::remove_file(path).unwrap());
    repo.project.art(["pull", copy.to_str().unwrap()]).ok();
    assert_eq!(kept(&store).len(), 2, "the second version's record and pages, and not what is in a commit");
    repo.git(["clean", "--quiet", "-fdx"]);
    repo.project.art(["repair"]).ok();
    assert_eq!(repo.project.art(["ls", "data", "--json"]).ok().json().as_array().unwrap().len(), 2);
}

#[test]
fn second_names_of_what_another_mode_guards_are_given_up() {
    for (mode, left) in [("--git=split", 3), ("--git=none", 0)] {
        let repo = Repo::new(&["--git=all"]);
        repo.put_kept(1);
        let store = repo.project.store();
        assert_eq!(kept(&store).len(), 3);
        repo.git(["clean", "--quiet", "-fdx"]);
        repo.project.art(["init", mode]).ok();
        repo.project.art(["fsck", "--deep"]).ok();
        if left == 0 {
            // Nothing of it is tracked either.
            repo.git(["rm", "-r", "--quiet", "--cached", ".artifacts"]);
        }
        repo.project.art(["tag", "add", "data:v0", "red"]).ok();
        assert_eq!(kept(&store).len(), left, "{mode}");
        repo.project.art(["rm", "data:v0"]).ok();
        repo.project.art(["gc", "--prune-now"]).ok();
        repo.project.art(["repair"]).ok();
        assert_eq!((packs(&store, "packs").len(), packs(&store, "meta").len()), (0, 0), "{mode}");
    }
}

#[test]
fn a_record_gets_its_second_name_when_those_of_its_packs_are_on_disk() {
    if !has_strace() {
        return;
    }
    let repo = Repo::new(&[]);
    repo.put_kept(1);
    repo.project.write("more", "more");
    let log = calls(&repo, "trace=link,linkat,fsync", &["put", "data", "more"]);
    let lines: Vec<&str> = log.lines().collect();
    let named = |dir: &str| lines.iter().position(|line| line.contains(dir) && line.contains("/packs/keep/")).unwrap();
    let (pack, record) = (named("/meta/"), named("/refs/"));
    let is_synced = lines[pack..record.max(pack)].iter().any(|line| line.contains("fsync(") && line.contains("/packs/keep>"));
    assert!(is_synced, "{log}");
}

#[test]
fn nothing_is_stored_where_it_cannot_be_told_what_git_would_clean() {
    let repo = Repo::new(&[]);
    repo.put_kept(1);
    let rules = repo.project.store().join(".gitignore");
    fs::remove_file(&rules).unwrap();
    fs::create_dir(&rules).unwrap();
    repo.project.write("more", "more");
    let ran = repo.project.art(["put", "data", "more"]);
    assert!(ran.fails(1).contains(".gitignore"), "{}", ran.stderr);
    assert_eq!(repo.project.art(["ls", "data", "--json"]).ok().json().as_array().map(Vec::len), Some(1));
    fs::remove_dir(&rules).unwrap();
    repo.project.art(["init"]).ok();
    repo.project.art(["put", "data", "more"]).ok();
}

#[test]
fn nothing_comes_back_while_one_of_the_second_names_cannot_be_read() {
    if !has_strace() {
        return;
    }
    let repo = Repo::new(&[]);
    repo.put_kept(1);
    repo.git(["clean", "--quiet", "-fdx"]);
    let store = repo.project.store();
    repo.project.write("more", "more");
    for path in kept(&store) {
        for command in [&["repair"][..], &["put", "data", "more"], &["init"], &["gc"]] {
            // It is opened to see what it is, and then to see whether its bytes are right.
            for first in [1, 2] {
                let ran = with_failing(&repo, &repo.project.root(), OPENING, first, &path, command);
                let told = ran.fails(1);
                assert!(told.contains("/packs/keep/") && told.contains("move that file out"), "{told}");
                assert_eq!((packs(&store, "meta").len(), files(&store.join("refs")).len()), (0, 0), "{command:?}");
            }
        }
        let ran = with_unreadable(&repo, &path, &["fsck"]);
        ran.fails(5);
        assert!(ran.text().contains("cannot read ") && ran.text().contains("/packs/keep/"), "{}", ran.text());
    }
    repo.project.art(["repair"]).ok();
    repo.project.art(["fsck", "--deep"]).ok();
    assert_eq!(repo.project.art(["ls", "data", "--json"]).ok().json().as_array().map(Vec::len), Some(1));
}

#[test]
fn what_is_no_file_of_a_store_among_second_names_is_passed_over() {
    let repo = Repo::new(&[]);
    repo.put_kept(1);
    let store = repo.project.store();
    let at = store.join("packs/keep/7.0123456789abcdef");
    let mut make: [Box<dyn FnMut()>; 4] = [
        Box::new(|| fs::create_dir(&at).unwrap()),
        Box::new(|| std::os::unix::fs::symlink("/dev/zero", &at).unwrap()),
        Box::new(|| drop(run(&mut repo.project.program("mkfifo", [&at])).ok())),
        Box::new(|| drop(std::os::unix::net::UnixListener::bind(&at).unwrap())),
    ];
    for make in &mut make {
        make();
        // A commit has git asked about all of them.
        repo.commit("more");
        repo.project.art(["alias", "set", "data:v0", "best"]).ok();
        repo.project.art(["fsck"]).ok();
        if at.is_dir() { fs::remove_dir(&at).unwrap() } else { fs::remove_file(&at).unwrap() }
    }
}

#[test]
fn rules_that_are_a_file_are_not_to_be_removed_where_they_cannot_be_read() {
    if !has_strace() {
        return;
    }
    let repo = Repo::new(&[]);
    let ran = with_unreadable(&repo, &repo.project.store().join(".gitignore"), &["doctor", "--json"]);
    assert!(ran.text().contains("nothing can be stored") && !ran.text().contains("rm -r"), "{}", ran.text());
}

#[test]
fn damaged_second_names_are_told_and_moved_aside() {
    let repo = Repo::new(&[]);
    repo.put_kept(1);
    let store = repo.project.store();
    let copy = repo.project.outside().join("copy");
    run(&mut repo.project.program("cp", ["-a".as_ref(), store.as_os_str(), copy.as_os_str()])).ok();
    let names = kept(&store);
    repo.git(["clean", "--quiet", "-fdx"]);
    for path in &names {
        let mut bytes = fs::read(path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
        let found = repo.project.art(["fsck", "--json"]);
        found.fails(5);
        assert!(found.text().contains(&format!("packs/keep/{}", path.file_name().unwrap().to_str().unwrap())), "{}", found.text());
    }
    // Pages are moved aside; a record that no copy gives stays, for its version would be forgotten.
    let told = repo.project.art(["repair", "--json"]);
    told.fails(5);
    let told = told.json();
    let lost = told["lost"].as_array().unwrap();
    assert!((lost.len(), names.len()) == (1, 2) && lost[0]["subject"].as_str().unwrap().starts_with("packs/keep/0."), "{told}");
    assert_eq!((kept(&store).len(), files(&store.join("quarantine/packs/keep")).len()), (1, 1), "{told}");
    assert!(repo.project.art(["fsck"]).fails(5).is_empty());
    // A copy gives it.
    repo.project.art(["repair", "--from", copy.to_str().unwrap()]).ok();
    repo.project.art(["fsck", "--deep"]).ok();
    assert_eq!(repo.project.art(["ls", "data", "--json"]).ok().json().as_array().map(Vec::len), Some(1));
    repo.git(["clean", "--quiet", "-fdx"]);
    repo.project.art(["repair"]).ok();
    repo.project.art(["fsck", "--deep"]).ok();
    assert_eq!(kept(&store).len(), 2);
}

#[test]
fn a_second_name_that_is_good_outlives_what_is_torn_in_its_place() {
    let repo = Repo::new(&[]);
    repo.put_kept(1);
    let store = repo.project.store();
    let records = files(&store.join("refs"));
    let pack = store.join(packs(&store, "meta").first().unwrap());
    for path in [&pack, &records[0]] {
        let bytes = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    }
    // One of the record that is where it does not count.
    fs::create_dir_all(store.join("refs/other/versions")).unwrap();
    fs::copy(
        store.join("packs/keep").join(records[0].file_name().unwrap()),
        store.join("refs/other/versions").join(records[0].file_name().unwrap()),
    )
    .unwrap();
    repo.project.art(["repair"]).ok();
    repo.project.art(["fsck", "--deep"]).ok();
    repo.git(["clean", "--quiet", "-fdx"]);
    repo.project.art(["repair"]).ok();
    repo.project.art(["fsck", "--deep"]).ok();
    assert_eq!(repo.project.art(["ls", "data", "--json"]).ok().json().as_array().map(Vec::len), Some(1));
}

#[test]
fn nothing_is_stored_on_top_of_what_is_gone_where_git_cannot_be_asked() {
    let repo = Repo::new(&[]);
    repo.put_kept(1);
    repo.git(["clean", "--quiet", "-fdx"]);
    repo.project.write("more", "more");
    let without_git = ["PATH=/nowhere", env!("CARGO_BIN_EXE_art"), "put", "data", "more"];
    let ran = run(&mut repo.project.program("/usr/bin/env", without_git));
    assert_ne!(ran.code, Some(0));
    assert!(ran.stderr.contains("cannot tell which files that are gone"), "{}", ran.stderr);
    repo.project.art(["put", "data", "more"]).ok();
    assert_eq!(repo.project.art(["ls", "data", "--json"]).ok().json().as_array().map(Vec::len), Some(2));
}
