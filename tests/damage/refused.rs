//! Stores that are newer, need what this program does not know, or may not be written to.

use std::os::unix::fs::PermissionsExt;
use std::{fs, process::Command};

use crate::small_store;
use crate::support::{Project, run, tree};

const READING: [&[&str]; 6] =
    [&["ls"], &["ls", "data"], &["log", "data"], &["show", "data"], &["cat", "data:best", "sub/small"], &["fsck"]];
const WRITING: [&[&str]; 3] = [&["put", "data", "d"], &["put", "other", "d"], &["alias", "set", "data:v0", "new"]];

#[track_caller]
fn all_fail(project: &Project, commands: &[&[&str]], told: &str) {
    let before = tree(&project.store());
    for args in commands {
        let refused = project.art(*args);
        assert!(refused.fails(5).contains(told) && refused.stderr.contains("hint: "), "{args:?}: {}", refused.stderr);
    }
    assert_eq!(tree(&project.store()), before);
}

#[test]
fn a_newer_format_is_refused_for_everything() {
    let project = small_store();
    project.remove(".artifacts/format");
    project.write(".artifacts/format", "artstore 2\n");
    all_fail(&project, &READING, "newer");
    all_fail(&project, &WRITING, "newer");
    project.art(["init"]).fails(5);
}

#[test]
fn an_unknown_feature_keeps_out_whom_it_concerns() {
    for feature in ["read-sparse-trees", "future"] {
        let project = small_store();
        project.write(format!(".artifacts/features/{feature}"), "");
        all_fail(&project, &READING, feature);
        all_fail(&project, &WRITING, feature);
    }
    let project = small_store();
    project.write(".artifacts/features/gc-pins", "");
    for args in READING.iter().chain(&WRITING) {
        project.art(*args).ok();
    }
    project.write(".artifacts/features/write-signatures", "");
    for args in READING {
        project.art(args).ok();
    }
    all_fail(&project, &WRITING, "write-signatures");
}

/// Runs every command as one who may not write to the store.
#[track_caller]
fn works_read_only(project: &Project) {
    let before = tree(&project.store());
    for args in
        READING.iter().chain(&[&["get", "data", "open/out"][..], &["verify", "data", "d"], &["rev-parse", "data"], &["count-objects"]])
    {
        let Some(mut command) = project.as_nobody(*args) else { return };
        run(&mut command).ok();
    }
    for args in WRITING {
        let ran = run(&mut project.as_nobody(args).unwrap());
        assert!(ran.fails(1).contains("read-only") && ran.stderr.contains("hint: "), "{args:?}: {}", ran.stderr);
    }
    assert_eq!(tree(&project.store()), before);
}

#[test]
fn a_store_that_may_not_be_written_to_can_be_read() {
    for local in [true, false] {
        let project = small_store();
        if !local {
            project.remove(".artifacts/local");
        }
        project.mkdir("open");
        project.chmod("open", 0o777);
        assert!(Command::new("chmod").args(["-R", "a-w"]).arg(project.store()).status().unwrap().success());
        works_read_only(&project);
        assert!(Command::new("chmod").args(["-R", "u+w"]).arg(project.store()).status().unwrap().success());
        fs::set_permissions(project.store(), PermissionsExt::from_mode(0o755)).unwrap();
    }
}
