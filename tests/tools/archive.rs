//! `cp -a` and `tar`: whole copies, local state and all, and an archive that ends too early.

use std::fs;

use crate::support::{Project, Ran, files, noise, run};
use crate::{VERSIONS, has, large, restored, shown, store_files, tool, two};

#[test]
fn a_copy_by_cp_a_is_a_store_of_its_own() {
    let (a, _) = two();
    let copy = Project::bare();
    tool(&a, "cp", ["-a", ".artifacts", copy.root().to_str().unwrap()]);
    assert_eq!((shown(&a), restored(&copy)), (shown(&copy), 2));
    let locals = |project: &Project| {
        fs::read_dir(project.store().join("local")).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
    };
    copy.write("d/x", noise(7, 100_000));
    copy.put("d", &[]);
    // Local state that came along is swept; that of the original is as it was.
    assert_eq!((locals(&copy), locals(&a)), (1, 1));
    a.put("d", &[]);
    // Both ways, and nothing that is there is written over.
    tool(&a, "cp", ["-an", ".artifacts", copy.root().to_str().unwrap()]);
    tool(&copy, "cp", ["-an", ".artifacts", a.root().to_str().unwrap()]);
    assert!(store_files(&a.store()) == store_files(&copy.store()));
    assert_eq!((shown(&a), restored(&a)), (shown(&copy), restored(&copy)));
    for project in [&a, &copy] {
        project.art(["fsck"]).ok();
        project.art(["gc"]).ok();
        project.art(["fsck", "--deep"]).ok();
    }
}

/// At how many places a pipe is cut.
const STEPS: u64 = 10;

/// Unpacks what `tar` makes of a store, as far as so many bytes, into another project.
fn pipe(from: &Project, to: &Project, bytes: u64, options: &str) -> Ran {
    let script = format!("tar -C \"$1\" -cf - .artifacts | head -c {bytes} | tar -C \"$2\" -xf - {options}");
    let places = [from.root(), to.root()].map(|path| path.to_str().unwrap().to_owned());
    run(&mut from.program("sh", ["-c", &script, "sh", &places[0], &places[1]]))
}

#[test]
fn a_tar_pipe_that_was_cut_is_read_as_far_as_it_goes_and_done_again() {
    if !has("tar", "a_tar_pipe_that_was_cut_is_read_as_far_as_it_goes_and_done_again") {
        return;
    }
    let source = large();
    let all = store_files(&source.store());
    let len = all.values().map(|bytes| bytes.len() as u64 + 1024).sum::<u64>();
    let mut not_arrived = 0;
    for step in 1..STEPS {
        let dest = Project::bare();
        pipe(&source, &dest, len * step / STEPS, "");
        if !dest.store().join("format").exists() {
            dest.art(["ls"]).fails(5);
            pipe(&source, &dest, u64::MAX >> 1, "").ok();
            assert!(store_files(&dest.store()) == all && restored(&dest) == VERSIONS, "step {step}");
            continue;
        }
        let found = dest.art(["fsck", "--json"]).json();
        let findings = found["findings"].as_array().unwrap();
        not_arrived += findings.iter().filter(|finding| finding["kind"] == "pack-not-arrived").count();
        assert!(findings.iter().all(|finding| finding["kind"] != "damaged-version"), "{found}");
        assert!(found["strangers"].as_array().unwrap().is_empty(), "{found}");
        // A writer moves half a pack, once it is old, out of the way of the rest, so a tool that passes over what
        // is there brings it whole.
        for path in files(&dest.store().join("packs")).iter().chain(&files(&dest.store().join("meta"))) {
            tool(&dest, "touch", ["-d".as_ref(), "3 hours ago".as_ref(), path.as_os_str()]);
        }
        dest.write("d/other", noise(77, 50_000));
        dest.art(["put", "other", "d"]).ok();
        let torn = |path: &std::path::PathBuf| {
            all.get(path.strip_prefix(dest.store()).unwrap()).is_some_and(|bytes| fs::read(path).unwrap() != *bytes)
        };
        let is_torn_record = files(&dest.store().join("refs")).iter().any(torn);
        let options = if is_torn_record { "" } else { "--skip-old-files" };
        pipe(&source, &dest, u64::MAX >> 1, options).ok();
        let now = store_files(&dest.store());
        assert!(all.iter().all(|(path, bytes)| now.get(path) == Some(bytes)), "step {step}");
        assert_eq!(restored(&dest), VERSIONS, "step {step}");
        dest.art(["fsck"]).ok();
    }
    println!("{not_arrived} packs had come half");
    assert!(not_arrived > 0);
}
