//! Restoring with `get`: what is kept, restored and left, and that nobody's work is lost.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::support::{Project, files, noise, run, tree};

/// A project with two versions of `data`, and `out` as the first of them.
fn two_versions() -> Project {
    let project = Project::new();
    project.write("d/same", "same");
    project.write("d/changed", "one");
    project.write("d/sub/gone", noise(1, 200_000));
    project.link("d/link", "same");
    project.put("d", &[]);
    project.write("d/changed", "two");
    project.write("d/added", noise(2, 200_000));
    project.remove("d/sub");
    project.remove("d/link");
    project.link("d/link", "changed");
    project.put("d", &[]);
    project.art(["get", "data:v0", "out"]).ok();
    project
}

#[test]
fn good_files_are_kept_missing_ones_restored_extra_ones_left() {
    let project = two_versions();
    project.remove("out/changed");
    project.write("out/extra", "extra");
    let kept = fs::metadata(project.path("out/same")).unwrap();
    let ran = project.art(["get", "data:v0", "out", "--json"]).ok().json();
    assert_eq!((&ran["file_count"], &ran["restored_files"]), (&3.into(), &1.into()));
    let same = fs::metadata(project.path("out/same")).unwrap();
    assert_eq!((same.ino(), same.mtime_nsec()), (kept.ino(), kept.mtime_nsec()));
    assert_eq!((project.read("out/changed"), project.read("out/extra")), (b"one".to_vec(), b"extra".to_vec()));
}

#[test]
fn a_version_goes_over_another_that_nobody_edited() {
    let project = two_versions();
    project.art(["get", "data:v1", "out"]).ok();
    assert_eq!(project.read("out/changed"), b"two");
    assert_eq!(fs::read_link(project.path("out/link")).unwrap().as_os_str(), "changed");
    assert!(project.path("out/sub/gone").exists(), "get removes nothing");
    project.art(["get", "data:v0", "out"]).ok();
    assert_eq!(project.read("out/changed"), b"one");
}

#[test]
fn an_edit_stops_the_whole_restore_unless_forced() {
    for command in ["get", "checkout"] {
        let project = two_versions();
        project.write("out/changed", "somebody's work");
        project.remove("out/same");
        project.write("out/extra", noise(2, 200_000));
        let before = tree(&project.path("out"));
        for reference in ["data:v0", "data:v1"] {
            let refused = project.art([command, reference, "out"]);
            assert!(refused.fails(1).contains("changed") && refused.stderr.contains("--force"), "{}", refused.stderr);
            assert_eq!(tree(&project.path("out")), before, "{command} {reference}");
        }
        project.art([command, "data:v1", "out", "--force"]).ok();
        assert_eq!(project.read("out/changed"), b"two");
    }
}

#[test]
fn an_edited_link_is_somebodys_work() {
    let project = two_versions();
    project.remove("out/link");
    project.link("out/link", "sub/gone");
    let before = tree(&project.path("out"));
    for command in ["get", "checkout"] {
        assert!(project.art([command, "data:v0", "out"]).fails(1).contains("link"));
        assert_eq!(tree(&project.path("out")), before);
    }
    // A file in the place of a link, too.
    project.remove("out/link");
    project.write("out/link", "work");
    project.art(["get", "data:v0", "out"]).fails(1);
    assert_eq!(project.read("out/link"), b"work");
    project.art(["get", "data:v0", "out", "--force"]).ok();
    assert_eq!(fs::read_link(project.path("out/link")).unwrap().as_os_str(), "same");
}

#[test]
fn a_file_where_a_directory_has_to_be_is_somebodys_work() {
    for command in ["get", "checkout"] {
        let project = two_versions();
        project.remove("out/sub");
        project.write("out/sub", "somebody's work");
        let before = tree(&project.path("out"));
        let refused = project.art([command, "data:v0", "out"]);
        assert!(refused.fails(1).contains("sub"), "{}", refused.stderr);
        assert_eq!(tree(&project.path("out")), before, "{command}");
        project.art([command, "data:v0", "out", "--force"]).ok();
        project.art(["verify", "data:v0", "out"]).ok();
    }
}

#[test]
fn a_link_where_a_directory_has_to_be_is_somebodys_work_and_never_followed() {
    for command in ["get", "checkout"] {
        let project = two_versions();
        project.mkdir("elsewhere");
        project.remove("out/sub");
        project.link("out/sub", "../elsewhere");
        let refused = project.art([command, "data:v0", "out"]);
        assert!(refused.fails(1).contains("sub"), "{}", refused.stderr);
        assert!(project.path("out/sub").is_symlink());
        project.art([command, "data:v0", "out", "--force"]).ok();
        project.art(["verify", "data:v0", "out"]).ok();
        assert_eq!(tree(&project.path("elsewhere")).len(), 0, "{command}");
    }
}

#[test]
fn files_in_a_directory_where_a_file_has_to_be_are_somebodys_work() {
    for command in ["get", "checkout"] {
        for place in ["same", "link"] {
            let project = two_versions();
            project.remove("out/changed");
            project.remove(format!("out/{place}"));
            project.write(format!("out/{place}/deep/work"), "somebody's work");
            let before = tree(&project.path("out"));
            let refused = project.art([command, "data:v0", "out"]);
            assert!(refused.fails(1).contains(&format!("{place}/deep/work")), "{}", refused.stderr);
            assert_eq!(tree(&project.path("out")), before, "{command}");
            project.art([command, "data:v0", "out", "--force"]).ok();
            project.art(["verify", "data:v0", "out"]).ok();
        }
    }
}

#[test]
fn a_repo_in_the_place_of_a_file_is_not_removed_even_if_forced() {
    let project = two_versions();
    project.remove("out/same");
    project.write("out/same/.git/HEAD", "ref: refs/heads/main");
    let before = tree(&project.path("out"));
    for command in ["get", "checkout"] {
        for force in [&[][..], &["--force"]] {
            let refused = project.art([&[command, "data:v0", "out"], force].concat());
            assert!(refused.fails(1).contains("'same'"), "{}", refused.stderr);
            assert_eq!(tree(&project.path("out")), before);
        }
    }
}

#[test]
fn a_path_may_turn_from_a_file_into_a_directory_and_back() {
    for command in ["get", "checkout"] {
        let project = Project::new();
        project.write("d/x", "a file");
        project.write("d/y/deep/file", "a directory");
        project.write("d/y/other", "a directory");
        project.link("d/z", "x");
        project.write("d/w/in", "w");
        project.put("d", &[]);
        for path in ["x", "y", "z", "w"] {
            project.remove(format!("d/{path}"));
        }
        project.write("d/x/deep/file", "a directory");
        project.write("d/y", "a file");
        project.write("d/z/in", "z");
        project.link("d/w", "y");
        project.put("d", &[]);
        project.art(["get", "data:v0", "out"]).ok();
        for reference in ["data:v1", "data:v0", "data:v1"] {
            project.art([command, reference, "out"]).ok();
            project.art(["verify", reference, "out"]).ok();
        }
    }
}

#[test]
fn a_wrong_executable_bit_is_mended_without_writing_the_file() {
    let project = two_versions();
    project.write("d/run", "run");
    project.chmod("d/run", 0o755);
    project.put("d", &[]);
    project.art(["get", "data:v2", "new"]).ok();
    project.chmod("new/run", 0o644);
    project.chmod("new/changed", 0o755);
    let before = fs::metadata(project.path("new/run")).unwrap().ino();
    project.art(["verify", "data:v2", "new"]).fails(1);
    project.art(["get", "data:v2", "new"]).ok();
    project.art(["verify", "data:v2", "new"]).ok();
    assert_eq!(fs::metadata(project.path("new/run")).unwrap().ino(), before);
}

#[test]
fn a_prefix_restores_only_what_lies_below_it() {
    let project = two_versions();
    project.art(["get", "data:v0", "part", "--path", "sub", "--path", "./same"]).ok();
    assert_eq!(tree(&project.path("part")).len(), 3);
    project.write("part/changed", "not looked at");
    project.remove("part/same");
    project.art(["get", "data:v0", "part", "--path", "same"]).ok();
    assert_eq!((project.read("part/same"), project.read("part/changed")), (b"same".to_vec(), b"not looked at".to_vec()));
    for missing in ["su", "sub/gon", "nowhere"] {
        assert!(project.art(["get", "data:v0", "other", "--path", missing]).fails(3).contains(missing));
        assert!(!project.path("other").exists());
    }
}

#[test]
fn what_another_artifact_holds_is_somebodys_work_here() {
    let project = two_versions();
    project.write("e/other", "other");
    project.art(["put", "elsewhere", "e"]).ok();
    project.write("out/changed", "other");
    project.art(["get", "data:v0", "out"]).fails(1);
}

#[test]
fn the_default_place_is_below_artifacts() {
    let project = two_versions();
    project.art(["get", "data:v0"]).ok();
    project.art(["verify", "data:v0", "artifacts/data:v0"]).ok();
    project.art(["get", "data"]).ok();
    project.art(["verify", "data:v1", "artifacts/data:v1"]).ok();
    assert_eq!(fs::read_dir(project.path("artifacts")).unwrap().count(), 2);
}

#[test]
fn places_that_cannot_be_restored_into_are_refused() {
    let project = two_versions();
    project.write("file", "a file");
    project.link("dangling", "nowhere/at/all");
    project.link("into-store", ".artifacts/refs");
    let before = tree(&project.store());
    for (dest, code) in [
        (".artifacts", 2),
        (".artifacts/refs/new", 2),
        ("into-store", 2),
        ("into-store/new", 2),
        ("new/../.artifacts/new", 2),
        ("file", 2),
        ("file/below", 1),
        ("dangling", 1),
    ] {
        for command in ["get", "checkout"] {
            project.art([command, "data", dest]).fails(code);
        }
    }
    assert_eq!(tree(&project.store()), before);
    assert_eq!(project.read("file"), b"a file");
}

#[test]
fn a_place_that_may_not_be_written_to_is_named() {
    let project = two_versions();
    project.mkdir("locked/dest");
    for dest in ["locked/dest", "locked/new"] {
        let Some(mut command) = project.as_nobody(["get", "data", dest]) else { return };
        let ran = run(&mut command);
        assert!(ran.fails(1).contains("locked"), "{}", ran.stderr);
    }
    assert_eq!(tree(&project.path("locked")).len(), 1);
}

#[test]
fn a_fifo_in_the_place_of_a_file_is_not_opened() {
    let project = two_versions();
    project.remove("out/same");
    assert!(Command::new("mkfifo").arg(project.path("out/same")).status().unwrap().success());
    project.art(["verify", "data:v0", "out"]).fails(1);
    project.art(["get", "data:v0", "out", "--force"]).ok();
    project.art(["verify", "data:v0", "out"]).ok();
}

#[test]
fn what_a_killed_get_left_goes_with_the_next_and_what_runs_stays() {
    let project = Project::new();
    project.write("d/sub/file", "one");
    project.put("d", &[]);
    project.art(["get", "data", "out"]).ok();
    let mut done = std::process::Command::new("true").spawn().unwrap();
    let (gone, alive) = (done.id(), std::process::id());
    done.wait().unwrap();
    for name in [
        format!("out/.art-tmp-{gone}-1"),
        format!("out/sub/.art-tmp-{gone}-22"),
        format!("out/.art-tmp-{gone}-Probe-é-Ab1"),
        format!("out/sub/.art-tmp-{alive}-1"),
    ] {
        project.write(&name, "half");
    }
    project.write("out/.art-tmp-mine", "kept");
    project.remove("out/sub/file");
    project.art(["get", "data", "out"]).ok();
    let left: Vec<String> =
        files(&project.path("out")).iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(left, [".art-tmp-mine".to_owned(), format!(".art-tmp-{alive}-1"), "file".to_owned()]);
}
