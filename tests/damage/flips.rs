//! Every byte of a store turned, every file of it cut, lost and swapped: what is read is right or
//! refused, and `fsck` tells of all that is damaged. With `ART_SLOW_TESTS` each byte is tried, else
//! a sample.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use artstore::error::ErrorKind;

use crate::oracle::{Look, Oracle};
use crate::support::{Project, files, noise, slow_tests};

pub(crate) const REFS: [&str; 6] = ["data:v0", "data:v1", "data:best", "data", "other:v0", "data~1"];

/// What happens to a file.
#[derive(Clone, Debug)]
enum Harm {
    Flip {
        at: usize,
        bit: u32,
    },
    Truncate(usize),
    Extend,
    Delete,
    /// Its bytes are those of another file.
    Replace(PathBuf),
}

/// What became of all harms together.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) done: AtomicUsize,
    pub(crate) detected: AtomicUsize,
    pub(crate) harmless: AtomicUsize,
    pub(crate) wrong: Mutex<Vec<String>>,
}

impl Tally {
    /// Prints what became of them; nothing wrong may have been among it.
    #[track_caller]
    pub(crate) fn report(self, what: &str) {
        let wrong = self.wrong.into_inner().unwrap();
        let count = |number: AtomicUsize| number.into_inner();
        let (done, detected, harmless) = (count(self.done), count(self.detected), count(self.harmless));
        println!("{what}: {done}, detected {detected}, harmless {harmless}, wrong {}", wrong.len());
        assert!(wrong.is_empty(), "{} wrong, the first of them:\n{}", wrong.len(), wrong[..wrong.len().min(10)].join("\n"));
        assert_eq!(detected + harmless, done);
    }
}

/// Two artifacts in a few kilobytes: every kind of entry, record and page but trees.
pub(crate) fn every_kind_small() -> Project {
    let project = Project::new();
    project.write("d/text", "some text\n".repeat(900));
    project.write("d/run.sh", "#!/bin/sh\n");
    project.chmod("d/run.sh", 0o755);
    project.write("d/sub/noise", noise(1, 300));
    project.write("d/zeros", vec![0; 120_000]);
    project.write("d/none", "");
    project.write("d/floats", floats(400));
    project.mkdir("d/empty");
    project.link("d/link", "sub/noise");
    project.write("meta.json", format!("{{\"note\":\"{}\"}}", "x".repeat(40_000)));
    project.put("d", &["--alias", "best", "--meta-file", "meta.json"]);
    project.write("d/sub/noise", noise(2, 350));
    project.put("d", &["--alias", "best", "--tag", "clean", "--meta", "loss=0.5"]);
    project.put("d", &["-m", "the second", "--tag", "checked"]);
    project.write("e/one", "one");
    project.art(["put", "other", "e"]).ok();
    project
}

/// Numbers whose bytes are worth grouping.
pub(crate) fn floats(count: u32) -> Vec<u8> {
    (0..count).flat_map(|at| (1.0 + at as f32 / 1000.0).sqrt().to_le_bytes()).collect()
}

/// Some megabytes: long chunk lists in trees, a tree of entries, every codec, several packs.
fn every_kind_large() -> Project {
    let project = Project::new();
    let lines = |from: u32, to: u32| (from..to).map(|line| format!("{line},{},row {}\n", line % 97, line * 7)).collect::<String>();
    project.write("d/table.csv", lines(0, 110_000));
    project.write("d/noise", noise(3, 400_000));
    project.write("d/f32", floats(60_000));
    project.write("d/f64", (0..30_000).flat_map(|at| (1.0 + f64::from(at) / 1000.0).sqrt().to_le_bytes()).collect::<Vec<u8>>());
    project.write("d/i16", (0..60_000u32).flat_map(|at| ((at * at / 5000) as i16).to_le_bytes()).collect::<Vec<u8>>());
    // Long paths, so that few of them make a tree.
    for file in 0..180 {
        project.write(format!("d/{}/{}/{file}", "long".repeat(50), "path".repeat(50)), format!("file {file}"));
    }
    project.put("d", &["--alias", "best"]);
    project.write("d/table.csv", lines(20_000, 110_000));
    project.put("d", &["--alias", "best"]);
    project.write("e/one", noise(4, 100_000));
    project.art(["put", "other", "e"]).ok();
    project
}

/// Whether a file is part of what syncs: any damage to it must be told.
fn is_synced(path: &Path) -> bool {
    path == Path::new("format") || ["packs", "meta", "refs"].iter().any(|dir| path.starts_with(dir))
}

/// Does each harm to a store, one at a time, and undoes it; several threads have a copy each.
fn sweep(project: &Project, harms: &[(PathBuf, Harm)], what: &str) {
    let oracle = Oracle::of(&project.store(), &REFS);
    let (tally, next) = (Tally::default(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |count| count.get()).min(4) {
            scope.spawn(|| {
                let dir = tempfile::tempdir().unwrap();
                assert!(Command::new("cp").arg("-r").arg(project.store()).arg(dir.path()).status().unwrap().success());
                let root = dir.path().join(".artifacts");
                fs::remove_dir_all(root.join("local")).unwrap();
                while let Some((number, (path, harm))) = {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    harms.get(number).map(|harm| (number, harm))
                } {
                    let look = if number % 8 == 0 { Look::Cat } else { Look::Restore };
                    try_one(&oracle, &root, path, harm, look, &tally);
                }
            });
        }
    });
    tally.report(what);
}

fn try_one(oracle: &Oracle, root: &Path, path: &Path, harm: &Harm, look: Look, tally: &Tally) {
    let file = root.join(path);
    let before = fs::read(&file).unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let mut bytes = before.clone();
    match harm {
        Harm::Flip { at, bit } => bytes[*at] ^= 1 << bit,
        Harm::Truncate(len) => bytes.truncate(*len),
        Harm::Extend => bytes.push(b'\n'),
        Harm::Delete => fs::remove_file(&file).unwrap(),
        Harm::Replace(other) => bytes = fs::read(root.join(other)).unwrap(),
    }
    if !matches!(harm, Harm::Delete) {
        fs::write(&file, &bytes).unwrap();
    }
    let lost_record = matches!(harm, Harm::Delete) && path.starts_with("refs");
    let seen = if lost_record { oracle.look_without_records(root) } else { oracle.look(root, look, true) };
    fs::write(&file, before).unwrap();

    let mut wrong = seen.wrong.clone();
    // Of a record that is gone nobody can know, unless another one names it.
    let is_told = seen.fsck || (path == Path::new("format") && !seen.errors.is_empty());
    if is_synced(path) && !lost_record && !is_told {
        wrong.push("fsck passes over it".to_owned());
    }
    let may_be_missing = lost_record || path == Path::new("format");
    let told_otherwise =
        |(kind, _): &&(ErrorKind, String)| *kind != ErrorKind::Damaged && !(may_be_missing && *kind == ErrorKind::NotFound);
    wrong.extend(seen.errors.iter().find(told_otherwise).map(|(kind, error)| format!("told as {kind:?}: {error}")));
    tally.done.fetch_add(1, Ordering::Relaxed);
    if !wrong.is_empty() {
        tally.wrong.lock().unwrap().push(format!("{} {harm:?}: {}", path.display(), wrong.join(", ")));
    }
    let fate = if seen.is_detected() { &tally.detected } else { &tally.harmless };
    fate.fetch_add(1, Ordering::Relaxed);
}

/// The files of a store but for local state, relative to it.
fn store_files(project: &Project) -> Vec<PathBuf> {
    let all = files(&project.store()).into_iter().map(|path| path.strip_prefix(project.store()).unwrap().to_owned());
    all.filter(|path| !path.starts_with("local")).collect()
}

/// One bit of every `step`th byte of a file, another bit each time, and with another `start`.
fn flips(project: &Project, path: &Path, step: usize, start: usize) -> Vec<(PathBuf, Harm)> {
    let len = fs::metadata(project.store().join(path)).unwrap().len() as usize;
    let flip = |at: usize| (path.to_owned(), Harm::Flip { at, bit: ((at * 5 / 3 + start) % 8) as u32 });
    (start % step..len).step_by(step).map(flip).collect()
}

#[test]
fn no_bit_of_a_small_store_turns_into_wrong_bytes() {
    let project = every_kind_small();
    let all = store_files(&project);
    let sample = |(number, path): (usize, &PathBuf)| match slow_tests() {
        true => [flips(&project, path, 1, 0), flips(&project, path, 1, 1)].concat(),
        false => flips(&project, path, 31, number * 7),
    };
    let harms: Vec<_> = all.iter().enumerate().flat_map(sample).collect();
    sweep(&project, &harms, "flips in a small store");
}

#[test]
fn no_bit_of_a_large_store_turns_into_wrong_bytes() {
    let project = every_kind_large();
    let per_file = if slow_tests() { 60 } else { 2 };
    let sample = |path: &PathBuf| {
        let len = fs::metadata(project.store().join(path)).unwrap().len() as usize;
        let mut harms = flips(&project, path, len / per_file + 1, len / 3);
        // The ends of a pack are what decides whether it counts at all.
        harms.extend(flips(&project, path, len.saturating_sub(1).max(1), 0));
        harms
    };
    let harms: Vec<_> = store_files(&project)
        .iter()
        .filter(|path| is_synced(path) && (slow_tests() || !path.starts_with("refs")))
        .flat_map(sample)
        .collect();
    sweep(&project, &harms, "flips in a large store");
}

#[test]
fn no_file_of_a_store_that_is_cut_lost_or_swapped_turns_into_wrong_bytes() {
    let project = every_kind_small();
    let all = store_files(&project);
    let mut harms = Vec::new();
    for path in &all {
        let len = fs::metadata(project.store().join(path)).unwrap().len() as usize;
        let mut cuts = vec![0, 1, len / 2, len - 1];
        cuts.dedup();
        harms.extend(cuts.into_iter().filter(|&cut| cut < len).map(|cut| (path.clone(), Harm::Truncate(cut))));
        harms.extend([(path.clone(), Harm::Extend), (path.clone(), Harm::Delete)]);
        // A file of the same kind, or else any other.
        let alike = |other: &&PathBuf| *other != path && other.iter().next() == path.iter().next();
        let others = all.iter().filter(alike).chain(all.iter().filter(|other| *other != path)).take(if slow_tests() { 40 } else { 2 });
        harms.extend(others.map(|other| (path.clone(), Harm::Replace(other.clone()))));
    }
    sweep(&project, &harms, "files cut, lost and swapped");
}
