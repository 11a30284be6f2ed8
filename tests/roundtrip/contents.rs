//! Trees of every shape: empty things, links, modes, odd names, long paths, many files, holes.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use crate::support::{Project, noise, os, slow_tests, tree};

#[test]
fn empty_files_and_directories_come_back_in_any_order_of_names() {
    let project = Project::new();
    project.write("d/empty", "");
    for dir in ["d/e", "d/nested/a/b/c", "d/x", "d/last"] {
        project.mkdir(dir);
    }
    // `-` and `.` sort before `/`, `0` after it: an empty directory `e` comes before all of them,
    // a full one `f` between them.
    for name in ["e-x", "e.txt", "e0", "f-x", "f.txt", "f0", "f/g", "f/g-", "f/h/i", "x y", "x!"] {
        project.write(format!("d/{name}"), name);
    }
    project.round_trip("d", &[]);
}

#[test]
fn an_empty_directory_is_a_version_without_entries() {
    let project = Project::new();
    project.mkdir("d");
    project.round_trip("d", &[]);
    let listed = project.art(["ls", "data:v0", "--json"]).ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 0);
    project.art(["put", "at", "d", "--at", "some/where"]).ok();
    project.art(["get", "at", "out"]).ok();
    assert_eq!(tree(&project.path("out")).len(), 2);
    assert!(project.path("out/some/where").is_dir());
}

#[test]
fn the_executable_bit_is_kept_and_no_other_bit() {
    let project = Project::new();
    for (name, mode) in [("plain", 0o644), ("run", 0o755), ("mine", 0o700), ("group", 0o654), ("readonly", 0o444)] {
        project.write(format!("d/{name}"), name);
        project.chmod(format!("d/{name}"), mode);
    }
    project.round_trip("d", &[]);
    let mode = fs::metadata(project.path("restored-v0/readonly")).unwrap().mode();
    assert_ne!(mode & 0o200, 0, "what is restored can be edited");

    project.chmod("d/plain", 0o755);
    let version = project.put("d", &[]);
    assert_eq!((version["version"].as_str(), version["unchanged"].as_bool()), (Some("v1"), Some(false)));
}

#[test]
fn links_come_back_as_links() {
    let project = Project::new();
    project.write("d/file", "file");
    project.write("d/dir/inner", "inner");
    for (link, target) in [
        ("to-file", "file"),
        ("to-dir", "dir"),
        ("dir/up", "../file"),
        ("dir/up-to-top", ".."),
        ("broken", "nowhere/at/all"),
        ("self", "self"),
        ("ping", "pong"),
        ("pong", "ping"),
        ("dir/round", "../to-dir"),
        ("odd", "./dir//inner"),
        ("-dash", "- -"),
    ] {
        project.link(format!("d/{link}"), target);
    }
    project.link(PathBuf::from("d").join(os(b"bytes\xff")), os(b"\xfe\n"));
    project.round_trip("d", &[]);
    project.round_trip("d", &["--follow"]);
    project.round_trip("d", &["--keep-links"]);
    // Into a directory that is there they come back as well.
    project.remove("restored-v0/to-dir");
    project.remove("restored-v0/broken");
    project.art(["get", "data", "restored-v0"]).ok();
    assert_eq!(tree(&project.path("restored-v0")), tree(&project.path("d")));
}

#[test]
fn every_name_that_a_file_may_have_comes_back() {
    let project = Project::new();
    let names: [&[u8]; 16] = [
        b"with space",
        b"new\nline",
        b"tab\t\x07\x1b[31m",
        b"'quote'",
        b"\"double\"",
        b"back\\slash",
        b"-dash",
        b"--force",
        b"\xff\xfe\x80",
        b"caf\xc3\xa9",
        b"*?[a]{b}",
        b"~",
        b"#hash",
        b"!bang",
        b"...",
        b".gitignore",
    ];
    for name in names {
        project.write(PathBuf::from("d").join(os(name)), name);
        project.write(PathBuf::from("d/sub").join(os(name)).join(os(name)), name);
    }
    project.round_trip("d", &[]);
    for name in names {
        project.write(PathBuf::from("one").join(os(name)), name);
        project.art([os(b"put"), os(b"one"), os(b"--"), PathBuf::from("one").join(os(name)).as_os_str()]).ok();
        let shown = project.art([os(b"cat"), os(b"one"), os(b"--"), os(name)]).ok();
        assert_eq!(shown.stdout, name);
    }
}

#[test]
fn names_that_differ_only_in_composition_are_kept_apart_with_a_warning() {
    let project = Project::new();
    project.write("d/caf\u{e9}", "composed");
    project.write("d/cafe\u{301}", "decomposed");
    project.round_trip("d", &[]);
    let warned = project.art(["put", "again", "d"]).ok().stderr;
    assert!(warned.contains("warning") && warned.contains("caf"), "{warned}");
    project.remove("d/caf\u{e9}");
    assert_eq!(project.art(["put", "again", "d"]).ok().stderr, "");
}

#[test]
fn names_of_255_bytes_and_paths_past_1000_come_back() {
    let project = Project::new();
    let name = "n".repeat(255);
    let deep = [&name[..]; 6].join("/");
    project.write(format!("d/{name}"), "flat");
    project.write(format!("d/{}/{name}", "x".repeat(255)), "deeper");
    project.mkdir(format!("d/e/{deep}"));
    project.write(format!("d/f/{deep}/leaf"), "leaf");
    project.link(format!("d/f/{deep}/link"), "leaf");
    project.round_trip("d", &[]);
    // Into a directory that is there, each goes under another name first.
    project.remove(format!("restored-v0/f/{deep}/leaf"));
    project.remove(format!("restored-v0/{name}"));
    project.art(["get", "data", "restored-v0"]).ok();
    assert_eq!(tree(&project.path("restored-v0")), tree(&project.path("d")));
}

#[test]
fn many_files_in_one_directory_come_back() {
    let count = if slow_tests() { 100_000 } else { 5_000 };
    let project = Project::new();
    project.mkdir("d");
    for number in 0..count {
        fs::write(project.path(format!("d/file-{number}")), format!("{number}")).unwrap();
    }
    project.round_trip("d", &[]);
    project.write("d/file-77", "changed");
    let version = project.put("d", &[]);
    assert_eq!(version["file_count"], count);
    // Only pages along one path of the tree are new.
    assert!(version["new_bytes"].as_u64().unwrap() < 100_000, "{version}");
    project.art(["checkout", "data:v1", "restored-v0"]).ok();
    assert_eq!(tree(&project.path("restored-v0")), tree(&project.path("d")));
}

#[test]
fn a_sparse_file_comes_back_sparse() {
    // An unoptimised build takes long to cut.
    let len: u64 = match (slow_tests(), cfg!(debug_assertions)) {
        (true, _) => 10 << 30,
        (false, true) => 50 << 20,
        (false, false) => 200 << 20,
    };
    let project = Project::new();
    project.mkdir("d");
    let file = File::create(project.path("d/sparse")).unwrap();
    file.set_len(len).unwrap();
    for at in [0, len / 3, len - 5] {
        file.write_all_at(b"bytes", at).unwrap();
    }
    let version = project.put("d", &[]);
    assert!(version["new_bytes"].as_u64().unwrap() < 100_000, "{version}");
    project.art(["get", "data", "out"]).ok();
    project.art(["verify", "data", "out"]).ok();
    let meta = fs::metadata(project.path("out/sparse")).unwrap();
    assert_eq!(meta.len(), len);
    assert!(meta.blocks() * 512 < 8 << 20, "{} bytes on disk", meta.blocks() * 512);
    let mut there = [0; 5];
    File::open(project.path("out/sparse")).unwrap().read_exact_at(&mut there, len / 3).unwrap();
    assert_eq!(&there, b"bytes");
}

#[test]
fn files_of_every_length_round_a_limit_come_back() {
    let project = Project::new();
    let bytes = noise(1, 3 << 20);
    for around in [1, 32 << 10, 64 << 10, 96 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20] {
        for len in around - 1..=around + 1 {
            project.write(format!("d/noise-{len}"), &bytes[..len]);
            project.write(format!("d/zeros-{len}"), vec![0; len]);
        }
    }
    project.round_trip("d", &[]);
    for len in [0, 1, 96 << 10, (1 << 20) + 1] {
        assert_eq!(project.art(["cat", "data", &format!("noise-{len}")]).ok().stdout, &bytes[..len]);
    }
}
