//! Somebody swaps directories for links while a version is restored among them: nothing is written
//! where the links lead.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use artstore::ops::restore::{self, RestoreOptions};
use artstore::store::Store;

use crate::oracle::context;
use crate::support::{Project, files, noise, slow_tests};

/// Swaps a directory for a link to `outside` and back, until told to stop; returns how often.
fn swap(dir: &Path, outside: &Path, stop: &AtomicBool) -> u64 {
    let (aside, mut swaps) = (dir.with_extension("aside"), 0);
    while !stop.load(Ordering::Relaxed) {
        if fs::rename(dir, &aside).is_ok() {
            let _ = symlink(outside, dir);
            std::thread::yield_now();
            let _ = fs::remove_file(dir);
            // A restore may have made the directory anew meanwhile.
            let _ = fs::remove_dir_all(dir);
            let _ = fs::rename(&aside, dir);
            swaps += 1;
        }
    }
    swaps
}

#[test]
fn a_link_swapped_in_during_a_restore_leads_nowhere() {
    let project = Project::new();
    for file in 0..60 {
        project.write(format!("d/a/b/c/{file}"), noise(file, 200));
    }
    project.write("d/a/long", noise(100, 300_000));
    project.put("d", &[]);
    let outside = project.outside().join("outside");
    fs::create_dir_all(outside.join("c")).unwrap();
    let store = Store::open(&project.store()).unwrap();
    let found = store.resolve(&"data".parse().unwrap()).unwrap();
    let rounds = if slow_tests() { 2000 } else { 60 };
    let (mut swaps, mut disturbed) = (0, 0);
    for round in 0..rounds {
        let dest = project.outside().join(format!("dest-{round}"));
        fs::create_dir_all(dest.join("a/b/c")).unwrap();
        let stop = AtomicBool::new(false);
        swaps += std::thread::scope(|scope| {
            let swapper = scope.spawn(|| swap(&dest.join(["a", "a/b", "a/b/c"][round % 3]), &outside, &stop));
            let options = RestoreOptions { force: round % 2 == 0, exact: round % 4 == 3, ..RestoreOptions::default() };
            disturbed += u64::from(restore::restore(&store, &context(), &found, &dest, &options).is_err());
            stop.store(true, Ordering::Relaxed);
            swapper.join().unwrap()
        });
        assert_eq!(files(&outside), [""; 0].map(std::path::PathBuf::from), "round {round}");
        fs::remove_dir_all(&dest).unwrap();
    }
    assert!(outside.join("c").is_dir());
    println!("{rounds} restores, {swaps} swaps, {disturbed} restores stopped by them, 0 files outside");
    assert!(disturbed > 0, "no swap met a restore");
}
