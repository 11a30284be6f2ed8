//! `checkout`: DEST ends exactly as the version.

use crate::support::{Project, noise, tree};

fn two_versions() -> Project {
    let project = Project::new();
    project.write("d/same", "same");
    project.write("d/old/deep/er/file", "old");
    project.write("d/old/big", noise(1, 200_000));
    project.mkdir("d/empty");
    project.put("d", &[]);
    project.remove("d/old");
    project.write("d/new/file", "new");
    project.mkdir("d/also-empty/deep");
    project.put("d", &[]);
    project.art(["get", "data:v0", "out"]).ok();
    project
}

#[test]
fn what_another_version_holds_goes_with_the_directories_that_it_empties() {
    let project = two_versions();
    for reference in ["data:v1", "data:v0", "data:v1"] {
        project.art(["checkout", reference, "out"]).ok();
        project.art(["verify", reference, "out"]).ok();
    }
    assert_eq!(tree(&project.path("out")), tree(&project.path("d")));
}

#[test]
fn what_no_version_holds_stops_it_before_anything_is_done() {
    let project = two_versions();
    project.write("out/deep/er/mine", "somebody's work");
    project.remove("out/same");
    let before = tree(&project.path("out"));
    let refused = project.art(["checkout", "data:v1", "out"]);
    assert!(refused.fails(1).contains("deep/er/mine"), "{}", refused.stderr);
    assert_eq!(tree(&project.path("out")), before);
    project.art(["checkout", "data:v1", "out", "--force"]).ok();
    assert_eq!(tree(&project.path("out")), tree(&project.path("d")));
}

#[test]
fn empty_directories_that_the_version_has_stay_and_others_go() {
    let project = two_versions();
    project.write("out/empty/known", "same");
    project.mkdir("out/stranger/deep");
    project.art(["checkout", "data:v0", "out"]).ok();
    project.art(["verify", "data:v0", "out"]).ok();
    assert!(project.path("out/empty").is_dir() && !project.path("out/stranger").exists());
}

#[test]
fn a_dry_run_tells_all_and_changes_nothing() {
    let project = two_versions();
    project.remove("out/same");
    let before = tree(&project.path("out"));
    let told = project.art(["checkout", "data:v1", "out", "--dry-run"]).ok().text();
    for line in ["would restore same", "would restore new/file", "would remove old/big", "would remove old/deep/er/file"] {
        assert!(told.contains(line), "{told}");
    }
    assert_eq!(tree(&project.path("out")), before);
    project.write("out/same", "work");
    project.art(["checkout", "data:v1", "out", "-n"]).fails(1);
    project.art(["checkout", "data:v1", "nowhere", "-n"]).ok();
    assert!(!project.path("nowhere").exists());
}

#[test]
fn a_new_place_is_made() {
    let project = two_versions();
    project.art(["checkout", "data:v0", "a/b/c"]).ok();
    project.art(["verify", "data:v0", "a/b/c"]).ok();
}

#[test]
fn a_place_that_holds_a_store_a_repo_or_the_project_is_refused() {
    let project = two_versions();
    project.write("repo/.git/HEAD", "ref: refs/heads/main\n");
    project.write("worktree/.git", "gitdir: elsewhere\n");
    project.write("repo/known", "same");
    project.write("other/.artifacts/format", "artstore 1\n");
    project.link("link", "repo");
    let root = project.root();
    for dest in ["repo", "worktree", "other", "link", ".", "..", root.to_str().unwrap(), "out/.."] {
        let before = tree(project.outside());
        for force in [&[][..], &["--force"]] {
            let refused = project.art([&["checkout", "data:v0", dest], force].concat());
            assert!(refused.fails(1).contains("cannot check out into"), "{dest}: {}", refused.stderr);
        }
        assert_eq!(tree(project.outside()), before, "{dest}");
    }
}
