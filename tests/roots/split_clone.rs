//! A clone of a repo that commits records and pages: it tells of every version, and says how the data
//! comes.

use std::fs;

use serde_json::Value;

use crate::repo::Repo;
use crate::support::{Ran, run, tree};

/// A repo with two versions of `data` and a run, and a clone of it.
fn repo_and_clone() -> Repo {
    let repo = Repo::new(&[]);
    let project = &repo.project;
    project.write("d/text", "one\n");
    project.art(["put", "data", "d", "--alias", "first", "-m", "the first"]).ok();
    project.write("d/text", "one\ntwo\n");
    project.write("d/more", crate::support::noise(1, 500_000));
    project.art(["put", "data", "d", "--meta", "rows=2"]).ok();
    repo.commit("all");
    repo.git(["clone", "--quiet", ".", "../clone"]);
    repo
}

fn in_clone(repo: &Repo, args: &[&str]) -> Ran {
    run(repo.project.command(args).current_dir(repo.project.outside().join("clone")))
}

/// Returns rows without what they tell of data that is not here.
fn without_missing(ran: &Ran) -> Vec<Value> {
    let mut rows = ran.json().as_array().unwrap().clone();
    for row in rows.iter_mut().filter_map(Value::as_object_mut) {
        row.retain(|field, _| !["incomplete", "missing", "unchecked_count"].contains(&field.as_str()));
    }
    rows
}

#[test]
fn all_that_is_known_of_versions_is_told_without_their_data() {
    let repo = repo_and_clone();
    let same: [&[&str]; 9] = [
        &["ls", "--json"],
        &["ls", "data", "--json"],
        &["ls", "data:v1"],
        &["log", "data"],
        &["diff", "data:v0", "data:v1"],
        &["lineage", "data:v1"],
        &["find", "metadata.rows = 2"],
        &["alias", "ls"],
        &["rev-parse", "data:first"],
    ];
    for args in same {
        let [here, there] = [in_clone(&repo, args), repo.project.art(args)].map(|ran| ran.ok());
        if args.contains(&"--json") {
            assert_eq!(without_missing(&here), without_missing(&there), "{args:?}");
        } else {
            assert_eq!(here.text(), there.text(), "{args:?}");
        }
    }
    in_clone(&repo, &["show", "data:v1"]).ok();
    for args in [&["ls"][..], &["ls", "data"], &["status"]] {
        let told = in_clone(&repo, args).ok();
        assert!(told.stderr.contains("no data packs") && told.stderr.contains("`art pull DIR`"), "{args:?}: {told:?}");
        assert_eq!(repo.project.art(args).ok().stderr, "");
    }
}

#[test]
fn what_needs_data_says_what_is_lacking_and_how_it_comes() {
    let repo = repo_and_clone();
    for args in [&["get", "data:v1"][..], &["cat", "data:v1", "text"], &["checkout", "data", "out"]] {
        let ran = in_clone(&repo, args);
        let told = ran.fails(5);
        assert!(told.contains("'data:v1'") && told.contains("not in this copy of the store"), "{told}");
        assert!(told.contains("hint: `art pull DIR`"), "{told}");
        assert!(ran.stdout.is_empty());
    }
    assert!(!repo.project.outside().join("clone/artifacts/data:v1").exists());
}

#[test]
fn the_data_comes_by_a_copy_or_a_pull() {
    for by_copy in [true, false] {
        let repo = repo_and_clone();
        let clone = repo.project.outside().join("clone");
        if by_copy {
            let copied = repo.project.program("cp", ["-rn", ".artifacts/packs", "../clone/.artifacts/"]).output().unwrap();
            assert!(copied.status.success());
        } else {
            in_clone(&repo, &["pull", "../project"]).ok();
        }
        in_clone(&repo, &["get", "data:v1", "out"]).ok();
        assert_eq!(tree(&clone.join("out")), tree(&repo.project.path("d")));
        in_clone(&repo, &["fsck"]).ok();
        assert_eq!(in_clone(&repo, &["ls"]).ok().stderr, "");
        assert_eq!(repo.git_in(&clone, ["status", "--porcelain", "--", ".artifacts"]), "");
        fs::remove_dir_all(clone.join("out")).unwrap();
        // A version that is stored there rests on what has come.
        fs::write(clone.join("d/text"), "three\n").unwrap();
        in_clone(&repo, &["put", "data", "d"]).ok();
        assert_eq!(repo.git_in(&clone, ["clean", "-n", "-d", "--", ".artifacts"]).lines().count(), 2);
    }
}
