//! Copies of a store, whole and half, before and after.

use std::fs;

use serde_json::json;

use crate::support::{Project, files, tree};
use crate::{gc, gc_later, holds, len, packs, three_versions, union, write_version};

#[test]
fn a_copy_made_before_and_merged_back_after_the_removal_does_no_harm() {
    let project = three_versions();
    let copy = project.path("copy");
    union(&project.store(), &copy);
    project.art(["rm", "data:v0", "data:v1"]).ok();
    gc(&project, &[]);
    gc_later(&project);
    union(&copy, &project.store());
    assert_eq!(packs(&project).len(), 4, "three came back, and one new pack has what v2 shares");
    project.art(["fsck"]).ok();
    holds(&project, 2);
    // What came back is condemned still, and waits anew.
    assert_eq!(len(&gc(&project, &[])["waiting"]), 4);
    gc_later(&project);
    holds(&project, 2);
    assert_eq!(packs(&project).len(), 2);
}

#[test]
fn a_copy_that_still_needs_what_was_condemned_lifts_it() {
    let project = three_versions();
    let copy = project.path("copy/.artifacts");
    union(&project.store(), &copy);
    project.art(["rm", "data:v1"]).ok();
    gc(&project, &[]);
    // Meanwhile somebody stores there on what is condemned here.
    write_version(&project, 1);
    project.art(["--store", copy.to_str().unwrap(), "put", "other", "d"]).ok();
    union(&copy, &project.store());
    assert!(len(&gc_later(&project)["lifted"]) > 0);
    write_version(&project, 1);
    project.art(["verify", "other", "d"]).ok();
    union(&project.store(), &copy);
    project.art(["--store", copy.to_str().unwrap(), "fsck"]).ok();
}

#[test]
fn a_half_copy_is_collected_and_completed() {
    let project = three_versions();
    let half = project.path("half/.artifacts");
    project.art(["rm", "data:v1"]).ok();
    for path in files(&project.store()) {
        let relative = path.strip_prefix(project.store()).unwrap().to_owned();
        if !relative.starts_with("packs") && !relative.starts_with("local") {
            fs::create_dir_all(half.join(&relative).parent().unwrap()).unwrap();
            fs::copy(&path, half.join(&relative)).unwrap();
        }
    }
    let collect = |args: &[&str]| project.art([&["--store", half.to_str().unwrap(), "gc", "--json"], args].concat()).ok().json();
    let first = collect(&["--grace-seconds", "0"]);
    assert!(first["missing_chunks"].as_u64().unwrap() > 0, "{first}");
    collect(&["--grace-seconds", "0"]);
    union(&project.store(), &half);
    for number in [0, 2] {
        project.art(["--store", half.to_str().unwrap(), "cat", &format!("data:v{number}"), "own"]).ok();
    }
    assert_eq!(project.art(["--store", half.to_str().unwrap(), "fsck"]).code, Some(0));
}

#[test]
fn packs_that_arrive_before_their_records_stay() {
    let project = three_versions();
    let half = project.path("half/.artifacts");
    for path in files(&project.store()) {
        let relative = path.strip_prefix(project.store()).unwrap().to_owned();
        if !relative.starts_with("refs") && !relative.starts_with("local") {
            fs::create_dir_all(half.join(&relative).parent().unwrap()).unwrap();
            fs::copy(&path, half.join(&relative)).unwrap();
        }
    }
    for args in [&["--grace-seconds", "0"][..], &["--prune-now"]] {
        let outcome = project.art([&["--store", half.to_str().unwrap(), "gc", "--json"], args].concat()).ok().json();
        assert_eq!((&outcome["condemned"], &outcome["deleted"]), (&json!([]), &json!([])));
    }
    union(&project.store(), &half);
    project.art(["--store", half.to_str().unwrap(), "fsck"]).ok();
}

#[test]
fn a_pack_that_lies_twice_goes_once() {
    // Two copies store the same file, each in a pack of its own; then they are merged.
    let project = three_versions();
    let copy = project.path("copy/.artifacts");
    union(&project.store(), &copy);
    project.write("e/one", crate::support::noise(31, 400_000));
    project.art(["put", "here", "e"]).ok();
    project.write("e/two", crate::support::noise(32, 300_000));
    project.art(["--store", copy.to_str().unwrap(), "put", "there", "e"]).ok();
    union(&copy, &project.store());
    let first = gc(&project, &[]);
    assert_eq!(first["condemned"].as_array().unwrap().iter().filter(|pack| pack["class"] == "data").count(), 1, "{first}");
    assert_eq!(len(&gc_later(&project)["deleted"]), len(&first["condemned"]));
    project.art(["fsck"]).ok();
    assert_eq!(project.art(["cat", "here", "one"]).ok().stdout, crate::support::noise(31, 400_000));
}

#[test]
fn what_lies_in_condemned_packs_alone_is_copied_out_of_them_by_cp() {
    let (a, b) = (three_versions(), Project::new());
    union(&a.store(), &b.store());
    b.art(["rm", "data:v0", "data:v1"]).ok();
    gc(&b, &[]);
    // The word that the packs are condemned comes, and nothing of what deleted the versions.
    union(&b.store().join("gc"), &a.store().join("gc"));
    union(&b.store().join("features"), &a.store().join("features"));
    let before = packs(&a);
    let told = a.art(["cp", "data:v0", "other", "--json"]).ok().json();
    let new: u64 = packs(&a).iter().filter(|pack| !before.contains(pack)).map(|pack| fs::metadata(pack).unwrap().len()).sum();
    assert!(new > 500_000 && told["new_bytes"].as_u64().unwrap() > new, "{told}");
    assert_eq!(a.art(["cp", "data:v0", "again", "--json"]).ok().json()["new_bytes"], 0, "that is noted");
    a.art(["rm", "data", "--all"]).ok();
    gc(&a, &["--prune-now"]);
    a.art(["get", "other", "out"]).ok();
    write_version(&a, 0);
    assert_eq!(tree(&a.path("out")), tree(&a.path("d")));
    a.art(["fsck", "--deep"]).ok();
}

#[test]
fn metadata_that_lies_in_condemned_packs_alone_is_copied_out_where_it_is_said_again() {
    let (a, b) = (three_versions(), Project::new());
    a.write("m.json", json!({ "k": "0123456789abcdef".repeat(8_000) }).to_string());
    let edit = || a.art(["edit", "data:v0", "--meta-file", "m.json", "--json"]).ok().json();
    assert_eq!(edit()["changed"], true);
    union(&a.store(), &b.store());
    b.art(["rm", "data:v0", "data:v1"]).ok();
    gc(&b, &[]);
    union(&b.store().join("gc"), &a.store().join("gc"));
    union(&b.store().join("features"), &a.store().join("features"));
    let meta = || files(&a.store().join("meta"));
    let before = meta();
    let said = edit();
    assert_eq!((&said["changed"], meta().len()), (&json!(false), before.len() + 1));
    edit();
    assert_eq!(meta().len(), before.len() + 1, "that is on record");
    // Without all that is condemned it is still there.
    let condemned = gc(&b, &["--dry-run"])["waiting"].clone();
    for pack in condemned.as_array().unwrap() {
        fs::remove_file(a.store().join(pack["path"].as_str().unwrap())).unwrap();
    }
    let log = a.art(["log", "data", "--json"]).ok().json();
    assert_eq!(log[2]["edits"][0]["metadata"], said["metadata"]);
}
