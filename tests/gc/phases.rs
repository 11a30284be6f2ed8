//! Condemned first, removed later.

use std::fs::File;
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::support::{files, tree};
use crate::{gc, gc_later, holds, len, packs, three_versions, write_version};

#[test]
fn what_only_deleted_versions_need_is_condemned_and_after_the_grace_removed() {
    let project = three_versions();
    assert_eq!(gc(&project, &[])["condemned"], json!([]));
    project.art(["rm", "data:v0", "data:v1"]).ok();
    let before = packs(&project);
    let first = gc(&project, &[]);
    let condemned: Vec<&str> = first["condemned"].as_array().unwrap().iter().map(|pack| pack["class"].as_str().unwrap()).collect();
    // The pack of v0 has what v2 shares with it, less than half; its pages and those of v1 go too.
    assert_eq!(condemned.iter().filter(|class| **class == "data").count(), 2, "{first}");
    assert_eq!((first["freed_bytes"].as_u64(), len(&first["deleted"])), (Some(0), 0));
    assert!(before.iter().all(|pack| pack.exists()));

    let second = gc(&project, &[]);
    assert_eq!((len(&second["condemned"]), len(&second["deleted"])), (0, 0), "{second}");
    assert_eq!(len(&second["waiting"]), len(&first["condemned"]));
    assert!(second["waiting"][0]["until"].is_string());

    let third = gc_later(&project);
    assert_eq!(len(&third["deleted"]), len(&first["condemned"]), "{third}");
    let freed = third["deleted"].as_array().unwrap().iter().map(|pack| pack["size_bytes"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(third["freed_bytes"], freed);
    holds(&project, 2);
    project.art(["fsck"]).ok();
    assert_eq!(gc_later(&project)["waiting"], json!([]));
}

#[test]
fn one_run_never_removes_what_it_has_condemned() {
    let project = three_versions();
    project.art(["rm", "data:v1"]).ok();
    let earlier = gc(&project, &[]);
    project.art(["rm", "data", "--all"]).ok();
    let first = gc_later(&project);
    assert!(len(&first["condemned"]) > 0 && first["lifted"] == json!([]), "{first}");
    let ids = |packs: &serde_json::Value| -> Vec<String> { packs.as_array().unwrap().iter().map(|pack| pack["id"].to_string()).collect() };
    let earlier = ids(&earlier["condemned"]);
    assert!(len(&first["deleted"]) > 0 && ids(&first["deleted"]).iter().all(|id| earlier.contains(id)), "{first}");
    gc_later(&project);
    assert_eq!(packs(&project).len(), 0);
    assert_eq!(files(&project.store().join("meta")).len(), 0);
}

#[test]
fn the_grace_counts_from_the_arrival_of_the_pack_and_of_its_condemnation() {
    for folder in ["packs", "gc"] {
        let project = three_versions();
        project.art(["rm", "data", "--all"]).ok();
        gc(&project, &[]);
        for path in files(&project.store().join(folder)) {
            File::open(path).unwrap().set_modified(SystemTime::now() + Duration::from_secs(1000)).unwrap();
        }
        let later = gc_later(&project);
        assert!(later["deleted"].as_array().unwrap().iter().all(|pack| pack["class"] == "meta" && folder == "packs"), "{later}");
        assert_eq!(packs(&project).len(), 3);
    }
}

#[test]
fn undelete_before_the_removal_lifts_the_condemnation() {
    let project = three_versions();
    project.art(["rm", "data:v0", "data:v1"]).ok();
    gc(&project, &[]);
    project.art(["undelete", "data:v1"]).ok();
    let later = gc_later(&project);
    assert_eq!((len(&later["lifted"]), len(&later["waiting"])), (0, 0), "it was lifted, its data and its pages: {later}");
    (0..3).for_each(|_| drop(gc_later(&project)));
    holds(&project, 1);
    holds(&project, 2);
    project.art(["fsck"]).ok();
}

#[test]
fn the_same_content_stored_while_its_pack_is_condemned_survives() {
    let project = three_versions();
    project.art(["rm", "data", "--all"]).ok();
    gc(&project, &[]);
    write_version(&project, 0);
    let again = project.put("d", &[]);
    assert!(again["new_bytes"].as_u64().unwrap() > 900_000, "{again}");
    assert_eq!(packs(&project).len(), 4, "the new pack has a name of its own");
    gc_later(&project);
    assert_eq!(packs(&project).len(), 1);
    project.art(["get", "data:v3", "out"]).ok();
    assert_eq!(tree(&project.path("out")), tree(&project.path("d")));
    project.art(["fsck"]).ok();
}

#[test]
fn content_stored_again_and_condemned_again_goes_again() {
    let project = three_versions();
    for _ in 0..3 {
        project.art(["rm", "data", "--all"]).ok();
        gc(&project, &[]);
        write_version(&project, 1);
        project.put("d", &[]);
    }
    project.art(["rm", "data", "--all"]).ok();
    gc(&project, &[]);
    gc_later(&project);
    assert_eq!(packs(&project).len(), 0);
}

#[test]
fn an_unchanged_version_of_condemned_packs_is_stored_anew() {
    let project = three_versions();
    project.art(["rm", "data:v1", "data:v2"]).ok();
    gc(&project, &[]);
    // The stat cache knows every file, and its packs are condemned.
    project.put("d", &[]);
    gc_later(&project);
    project.art(["get", "data:v3", "out"]).ok();
    assert_eq!(tree(&project.path("out")), tree(&project.path("d")));
}

#[test]
fn prune_now_condemns_and_removes_at_once() {
    let project = three_versions();
    project.art(["rm", "data:v0", "data:v1"]).ok();
    let planned = gc(&project, &["--prune-now", "--dry-run"]);
    let done = gc(&project, &["--prune-now"]);
    for key in ["condemned", "deleted", "freed_bytes"] {
        let sorted = |value: &serde_json::Value| {
            let mut all: Vec<String> = value.as_array().into_iter().flatten().map(|pack| pack["id"].to_string()).collect();
            all.sort();
            (all, value.as_u64())
        };
        assert_eq!(sorted(&planned[key]), sorted(&done[key]), "{key}: {planned} {done}");
    }
    assert_eq!(packs(&project).len(), 2, "that of v2, and one with what it shares with v0");
    holds(&project, 2);
    project.art(["fsck"]).ok();
    assert_eq!(gc(&project, &["--prune-now"])["deleted"], json!([]));
}

#[test]
fn a_dry_run_changes_nothing() {
    let project = three_versions();
    project.art(["rm", "data:v0"]).ok();
    for stage in 0..3 {
        let before = tree(&project.store());
        for args in [&["--dry-run"][..], &["--dry-run", "--prune-now"], &["--dry-run", "--orphans", "--grace-seconds", "0"]] {
            let planned = gc(&project, args);
            assert_eq!((&planned["dry_run"], tree(&project.store()) == before), (&json!(true), true), "stage {stage}");
        }
        gc_later(&project);
    }
}

#[test]
fn metadata_of_edits_stays_as_long_as_what_it_is_about() {
    let project = three_versions();
    let large = |key: &str| serde_json::json!({ key: "0123456789abcdef".repeat(57_600) });
    for (target, key) in [(&["data:v1"][..], "a"), (&["--artifact", "data"], "b")] {
        project.write("m.json", large(key).to_string());
        project.art([&["edit", "--meta-file", "m.json"], target].concat()).ok();
        // One over another: what is replaced is still needed to tell what holds.
        project.art([&["edit", "--meta", "x=1"], target].concat()).ok();
    }
    project.art(["rm", "data:v0"]).ok();
    let said = |project: &crate::support::Project, args: &[&str]| {
        project.art([&["show", "--json"], args].concat()).ok().json()["metadata"].clone()
    };
    let shown = |key: &str| {
        let mut metadata = large(key);
        metadata["x"] = json!(1);
        metadata
    };
    for args in [&["--prune-now"][..], &["--prune-now", "--orphans"], &["--grace-seconds", "0"], &["--grace-seconds", "0"]] {
        gc(&project, args);
        assert_eq!((said(&project, &["data:v1"]), said(&project, &["--artifact", "data"])), (shown("a"), shown("b")));
        project.art(["fsck", "--deep"]).ok();
    }
    let meta = |project: &crate::support::Project| files(&project.store().join("meta")).len();
    let before = meta(&project);
    project.art(["rm", "data", "--all"]).ok();
    gc(&project, &["--prune-now"]);
    assert!((1..before).contains(&meta(&project)), "that of the versions is gone");
    assert_eq!(said(&project, &["--artifact", "data"]), shown("b"));
}
