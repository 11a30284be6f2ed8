//! What a version is made of: several sources, prefixes, a base version, standard input, and
//! patterns of what to leave out.

use crate::support::{Project, noise, os, tree};

/// The paths of a version, sorted; of an artifact's latest if only its name is given.
fn paths(project: &Project, reference: &str) -> Vec<String> {
    let reference = if reference.contains(':') { reference.to_owned() } else { format!("{reference}:latest") };
    let listed = project.art(["ls", &reference, "--json"]).ok().json();
    listed.as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn files_go_in_under_their_names_and_the_contents_of_directories_at_the_top() {
    let project = Project::new();
    project.write("one/a", "a");
    project.write("two/deep/b", "b");
    project.mkdir("two/empty");
    project.write("some/where/c", "c");
    project.art(["put", "data", "one", "two", "some/where/c"]).ok();
    assert_eq!(paths(&project, "data"), ["a", "c", "deep/b", "empty"]);
    project.art(["put", "data", "one", "some/where/c", "--at", "./x/y/"]).ok();
    assert_eq!(paths(&project, "data"), ["x/y/a", "x/y/c"]);
}

#[test]
fn a_path_that_comes_twice_must_be_the_same_both_times() {
    let project = Project::new();
    project.write("one/same", noise(1, 200_000));
    project.write("two/same", noise(1, 200_000));
    project.write("one/only", "");
    project.mkdir("one/dir");
    project.write("two/dir/in-two", "the empty directory gives way");
    project.art(["put", "data", "one", "two", "one/same"]).ok();
    assert_eq!(paths(&project, "data"), ["dir/in-two", "only", "same"]);

    project.write("two/same", noise(2, 200_000));
    let refused = project.art(["put", "data", "one", "two"]);
    assert!(refused.fails(2).contains("'same' twice"), "{}", refused.stderr);
    project.write("two/same", noise(1, 200_000));
    project.chmod("two/same", 0o755);
    project.art(["put", "data", "one", "two"]).fails(2);
    project.art(["show", "data:v1"]).fails(3);
}

#[test]
fn a_file_cannot_be_a_directory_too() {
    let project = Project::new();
    project.write("one/x", "a file");
    project.write("one/x-", "sorts between");
    project.write("two/x/y", "below it");
    for order in [["one", "two"], ["two", "one"]] {
        let refused = project.art([&["put", "data"], &order[..]].concat());
        assert!(refused.fails(2).contains("'x' and 'x/y'"), "{}", refused.stderr);
    }
}

#[test]
fn a_base_gives_its_entries_and_what_is_given_wins() {
    let project = Project::new();
    for (path, text) in [("keep", "old"), ("replace", "old"), ("old/a", "old"), ("old/b", "old"), ("was-file", "old"), ("was-dir/x", "old")]
    {
        project.write(format!("base/{path}"), text);
    }
    project.mkdir("base/was-empty");
    project.art(["put", "data", "base", "-m", "the base", "--tag", "t", "--meta", "k=1"]).ok();
    project.write("more/replace", "new");
    project.write("more/was-file/now-dir", "new");
    project.write("more/was-dir", "new");
    project.write("more/was-empty/full", "new");
    project.art(["put", "data", "more", "--onto", "data:v0", "--remove", "old/"]).ok();
    assert_eq!(paths(&project, "data:v1"), ["keep", "replace", "was-dir", "was-empty/full", "was-file/now-dir"]);
    let shown = project.art(["show", "data:v1", "--json"]).ok().json();
    assert_eq!((shown["description"].as_str(), &shown["metadata"]["k"], &shown["tags"][0]), (Some("the base"), &1.into(), &"t".into()));
    assert_eq!(project.art(["cat", "data:v1", "replace"]).ok().stdout, b"new");
    assert_eq!(project.art(["cat", "data:v1", "keep"]).ok().stdout, b"old");

    project.art(["put", "data", "--onto", "data:v0", "--remove", "keep"]).ok();
    assert!(!paths(&project, "data:v2").contains(&"keep".to_owned()));
    assert!(project.art(["put", "data", "--onto", "data:v0", "--remove", "nowhere"]).fails(3).contains("'nowhere'"));
    // What is removed can be given again.
    project.art(["put", "data", "more/replace", "--onto", "data:v0", "--remove", "replace"]).ok();
    assert_eq!(project.art(["cat", "data:v3", "replace"]).ok().stdout, b"new");
}

#[test]
fn the_same_content_has_one_digest_however_it_came_together() {
    let project = Project::new();
    for number in 0..300 {
        project.write(format!("all/{number}"), format!("{number}"));
        project.write(format!("part-{}/{number}", number % 3), format!("{number}"));
    }
    let whole = project.put("all", &[]);
    project.art(["put", "other", "part-0"]).ok();
    project.art(["put", "other", "part-1", "--onto", "other"]).ok();
    let built = project.art(["put", "other", "part-2", "--onto", "other", "--json"]).ok().json();
    assert_eq!(built["digest"], whole["digest"]);
    let at_once = project.art(["put", "third", "part-2", "part-0", "part-1", "--json"]).ok().json();
    assert_eq!(at_once["digest"], whole["digest"]);
}

#[test]
fn a_stream_goes_in_and_out() {
    let project = Project::new();
    let bytes = noise(7, 5_000_000);
    project.art_reading(&bytes, ["put", "backup", "-"]).ok();
    assert_eq!(project.art(["cat", "backup", "backup"]).ok().stdout, bytes);
    project.write("file", "beside it");
    project.art_reading(b"", ["put", "backup", "-", "file", "--name", "in/side", "--at", "top"]).ok();
    assert_eq!(paths(&project, "backup"), ["top/file", "top/in/side"]);
    assert_eq!(project.art(["cat", "backup", "top/in/side"]).ok().stdout, b"");
    let same = project.art_reading(&bytes, ["put", "backup", "-", "--json"]).ok().json();
    assert_eq!((same["version"].as_str(), same["new_bytes"].as_u64() < Some(10_000)), (Some("v2"), true));
    project.art_reading(b"x", ["put", "backup", "-", "-"]).fails(2);
    project.art_reading(b"x", ["put", "backup", "-", "--name", "../x"]).fails(2);
    project.art_reading(b"other", ["put", "backup", "-", "file", "--name", "file"]).fails(2);
}

#[test]
fn patterns_leave_out_as_in_gitignore() {
    let project = Project::new();
    for path in ["a.tmp", "a.txt", "sub/b.tmp", "sub/keep.tmp", "cache/x", "sub/cache/y", "other"] {
        project.write(format!("d/{path}"), path);
    }
    project.write("d/.artignore", "*.tmp\n/cache/\n");
    project.write("d/sub/.artignore", "!keep.tmp\n");
    let version = project.put("d", &[]);
    assert_eq!(paths(&project, "data"), [".artignore", "a.txt", "other", "sub/.artignore", "sub/cache/y", "sub/keep.tmp"]);
    assert_eq!(version["left_out"]["ignored"], 3);
    project.put("d", &["--ignore", "other", "--ignore", "cache"]);
    assert_eq!(paths(&project, "data"), [".artignore", "a.txt", "sub/.artignore", "sub/keep.tmp"]);
    project.put("d", &["--no-ignore"]);
    assert_eq!(paths(&project, "data").len(), 9);
    project.put("d", &["--no-ignore", "--ignore", "*.tmp"]);
    assert_eq!(paths(&project, "data").len(), 6);
    // One further up in the project holds, too.
    project.write(".artignore", "other\n");
    project.put("d", &[]);
    assert!(!paths(&project, "data").contains(&"other".to_owned()));
    // What is left out is neither extra nor removed.
    project.art(["verify", "data", "d"]).ok();
    let before = tree(&project.path("d"));
    project.art(["checkout", "data", "d"]).ok();
    assert_eq!(tree(&project.path("d")), before);
}

#[test]
fn a_pattern_that_leaves_everything_out_leaves_empty_directories() {
    let project = Project::new();
    project.write("d/logs/a", "");
    project.write("d/logs/deep/b", "");
    project.put("d", &["--ignore", "a", "--ignore", "b"]);
    assert_eq!(paths(&project, "data"), ["logs/deep"]);
}

#[test]
fn bad_paths_are_usage_errors() {
    let project = Project::new();
    project.write("d/a", "a");
    for at in ["..", "/abs", "a/../b", ".git", "x/.ARTIFACTS", ""] {
        assert!(project.art(["put", "data", "d", "--at", at]).fails(2).contains("bad path"), "{at}");
    }
    project.art([os(b"put"), os(b"data"), os(b"d"), os(b"--at"), os(b"\xff")]).ok();
}
