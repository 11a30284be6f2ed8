//! Live, dead, or neither: what tells.

use std::fs;

use artstore::context::Context;
use artstore::format::pack::PackClass;
use artstore::format::record::Time;
use artstore::id::ChunkId;
use artstore::lock::Wait;
use artstore::progress::Silent;
use artstore::store::Store;
use artstore::store::packer::Packer;
use artstore::store::session::Session;
use serde_json::{Value, json};

use crate::support::{Project, files, noise};
use crate::{gc, gc_later, holds, len, packs, three_versions, write_version};

fn context() -> Context<'static> {
    let now = Time("2026-11-23T12:00:00Z".parse().unwrap());
    Context { now, git: None, run: None, threads: 1, wait: Wait::Patiently, progress: &Silent }
}

/// Publishes a pack of these chunks as a put does, which then ends or does not; returns the session.
fn begin_put<'a>(store: &'a Store, context: &'a Context<'a>, chunks: &[u64]) -> Session<'a> {
    let session = Session::begin(store, context).unwrap();
    session.note_packs();
    let mut packer = Packer::new(&session, PackClass::Data);
    for bytes in chunks.iter().map(|&chunk| noise(chunk, 50_000)) {
        packer.put(ChunkId::of(&bytes).as_bytes(), &bytes).unwrap();
    }
    packer.publish().unwrap();
    session
}

#[test]
fn what_no_record_names_is_counted_and_stays() {
    let project = three_versions();
    write_version(&project, 7);
    project.art(["put", "other", "d"]).ok();
    fs::rename(project.store().join("refs/other"), project.path("other")).unwrap();
    project.art(["rm", "data:v0"]).ok();
    gc(&project, &[]);
    let later = gc_later(&project);
    let orphans = &later["orphans"];
    assert_eq!((orphans["chunk_count"].as_u64() > Some(1), &orphans["page_count"]), (true, &json!(1)), "{later}");
    assert!((700_000..800_000).contains(&orphans["size_bytes"].as_u64().unwrap()), "its large file, and not what it shares: {later}");
    fs::rename(project.path("other"), project.store().join("refs/other")).unwrap();
    project.art(["verify", "other", "d"]).ok();
    project.art(["fsck"]).ok();
}

#[test]
fn orphans_go_when_asked_for_and_only_when_they_are_old() {
    let project = three_versions();
    fs::remove_dir_all(project.store().join("refs")).unwrap();
    assert_eq!(gc(&project, &["--orphans"])["condemned"], json!([]));
    assert_eq!(gc(&project, &["--orphans", "--prune-now"])["condemned"], json!([]));
    assert_eq!(gc_later(&project)["condemned"], json!([]));
    assert_eq!(packs(&project).len(), 3);
    assert!(len(&gc(&project, &["--orphans", "--grace-seconds", "0"])["condemned"]) > 0);
    let without = gc_later(&project);
    assert!(without["waiting"].as_array().unwrap().iter().all(|pack| pack["reason"] == "orphans"), "{without}");
    gc(&project, &["--orphans", "--grace-seconds", "0"]);
    assert_eq!(packs(&project).len(), 0);
}

#[test]
fn a_version_that_comes_back_after_its_orphans_were_condemned_is_kept() {
    let project = three_versions();
    fs::rename(project.store().join("refs"), project.path("refs")).unwrap();
    gc(&project, &["--orphans", "--grace-seconds", "0"]);
    fs::rename(project.path("refs"), project.store().join("refs")).unwrap();
    assert!(len(&gc(&project, &["--orphans", "--grace-seconds", "0"])["lifted"]) > 0);
    (0..3).for_each(|number| holds(&project, number));
}

#[test]
fn a_version_with_an_alias_that_its_deletion_did_not_know_of_stays() {
    let project = three_versions();
    let elsewhere = project.path("elsewhere");
    crate::union(&project.store(), &elsewhere);
    project.art(["rm", "data:v1"]).ok();
    gc(&project, &[]);
    project.art(["--store", elsewhere.to_str().unwrap(), "alias", "set", "data:v1", "best"]).ok();
    crate::union(&elsewhere, &project.store());
    gc_later(&project);
    holds(&project, 1);
    project.art(["fsck"]).ok();
}

#[test]
fn a_deleted_version_without_its_manifest_decides_nothing() {
    let project = three_versions();
    let manifests = files(&project.store().join("meta"));
    project.art(["rm", "data:v1"]).ok();
    let digest = project.art(["show", "data:v1", "--json"]).ok().json()["digest"].as_str().unwrap().to_owned();
    let is_of_v1 = |path: &&std::path::PathBuf| {
        let bytes = fs::read(path).unwrap();
        let digest: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&digest[at * 2..at * 2 + 2], 16).unwrap()).collect();
        bytes.windows(32).any(|window| window == digest)
    };
    let manifest = manifests.iter().find(is_of_v1).unwrap();
    fs::rename(manifest, project.path("manifest")).unwrap();
    let later = gc_later(&project);
    assert_eq!((&later["condemned"], later["orphans"]["chunk_count"].as_u64() > Some(0)), (&json!([]), true), "{later}");
    fs::rename(project.path("manifest"), manifest).unwrap();
    project.art(["undelete", "data:v1"]).ok();
    holds(&project, 1);
}

#[test]
fn pages_stay_as_long_as_the_data_that_they_tell_of() {
    let project = Project::new();
    project.write("d/large", noise(1, 900_000));
    project.write("d/small", noise(2, 100_000));
    project.put("d", &[]);
    project.remove("d/small");
    project.put("d", &[]);
    project.art(["rm", "data:v0"]).ok();
    // More than half of the pack is live, so the dead file stays in it.
    for _ in 0..3 {
        let later = gc_later(&project);
        assert_eq!((len(&later["condemned"]), len(&later["deleted"]), &later["orphans"]["chunk_count"]), (0, 0, &json!(0)), "{later}");
    }
    project.art(["undelete", "data:v0"]).ok();
    assert_eq!(project.art(["cat", "data:v0", "small"]).ok().stdout, noise(2, 100_000));
}

#[test]
fn what_a_put_that_ended_without_a_record_left_behind_is_dead() {
    let project = three_versions();
    let store = Store::open(&project.store()).unwrap();
    let context = context();
    drop(begin_put(&store, &context, &[55]));
    let first = gc(&project, &[]);
    assert_eq!((len(&first["condemned"]), &first["condemned"][0]["reason"]), (1, &json!("unused")), "{first}");
    assert_eq!(len(&gc_later(&project)["deleted"]), 1);
    assert_eq!(packs(&project).len(), 3);
    let notes = files(&project.store().join("local")).into_iter().filter(|path| path.parent().unwrap().ends_with("puts"));
    assert_eq!(notes.count(), 0, "nothing is left to note");
}

#[test]
fn what_a_put_left_behind_is_reused_by_the_next_and_stays() {
    let project = three_versions();
    let store = Store::open(&project.store()).unwrap();
    let context = context();
    drop(begin_put(&store, &context, &[55]));
    project.write("d/left", noise(55, 50_000));
    project.put("d", &[]);
    assert_eq!(gc(&project, &[])["condemned"], json!([]));
    gc(&project, &["--prune-now"]);
    assert_eq!(project.art(["cat", "data:v3", "left"]).ok().stdout, noise(55, 50_000));
}

#[test]
fn what_else_lies_in_a_pack_that_was_left_behind_and_reused_is_an_orphan() {
    let project = three_versions();
    let store = Store::open(&project.store()).unwrap();
    let context = context();
    drop(begin_put(&store, &context, &[55, 56]));
    project.write("d/left", noise(55, 50_000));
    project.put("d", &[]);
    project.art(["rm", "data:v3"]).ok();
    let without = gc(&project, &["--prune-now"]);
    let orphans = &without["orphans"];
    assert_eq!((&orphans["chunk_count"], &orphans["page_count"]), (&json!(1), &json!(0)), "{without}");
    let with = gc(&project, &["--prune-now", "--orphans", "--grace-seconds", "0"]);
    let classes: Vec<&str> = with["deleted"].as_array().unwrap().iter().map(|pack| pack["class"].as_str().unwrap()).collect();
    assert_eq!(classes, ["data", "meta"], "the pages of v3 told what is dead: {with}");
    assert_eq!(packs(&project).len(), 3);
}

#[test]
fn what_versions_need_of_a_pack_that_was_left_behind_is_kept_when_their_records_are_away() {
    let project = three_versions();
    for chunk in [55, 56] {
        project.write(format!("d/{chunk}"), noise(chunk, 50_000));
        project.put("d", &[]);
    }
    let store = Store::open(&project.store()).unwrap();
    let context = context();
    // It began when none of its chunks was stored, and was killed.
    drop(begin_put(&store, &context, &[55, 56, 57]));
    let first = gc(&project, &["--prune-now"]);
    assert_eq!(len(&first["deleted"]), 2, "what is needed is in the new pack as well: {first}");
    fs::rename(project.store().join("refs/data"), project.path("data")).unwrap();
    assert_eq!(gc(&project, &["--prune-now"])["deleted"], json!([]));
    fs::rename(project.path("data"), project.store().join("refs/data")).unwrap();
    project.art(["fsck", "--deep"]).ok();
    assert_eq!(project.art(["cat", "data:v4", "55"]).ok().stdout, noise(55, 50_000));
}

#[test]
fn what_was_brought_back_rests_on_what_a_put_left_behind() {
    let project = three_versions();
    project.write("d/back", noise(55, 50_000));
    project.put("d", &[]);
    project.art(["rm", "data:v3"]).ok();
    let data = |packs: &Value| packs.as_array().unwrap().iter().filter(|pack| pack["class"] == "data").count();
    assert_eq!(data(&gc(&project, &[])["condemned"]), 1);
    let store = Store::open(&project.store()).unwrap();
    let context = context();
    drop(begin_put(&store, &context, &[55]));
    let second = gc(&project, &["--grace-seconds", "0"]);
    assert_eq!((data(&second["condemned"]), data(&second["deleted"])), (1, 1), "the new pack, and the old one: {second}");
    project.art(["undelete", "data:v3"]).ok();
    fs::rename(project.store().join("refs/data"), project.path("data")).unwrap();
    assert_eq!(gc(&project, &["--prune-now"])["deleted"], json!([]));
    fs::rename(project.path("data"), project.store().join("refs/data")).unwrap();
    assert_eq!(project.art(["cat", "data:v3", "back"]).ok().stdout, noise(55, 50_000));
}

#[test]
fn what_a_running_put_has_stored_is_not_touched() {
    let project = three_versions();
    let store = Store::open(&project.store()).unwrap();
    let context = context();
    let running = begin_put(&store, &context, &[55]);
    for args in [&["--grace-seconds", "0"][..], &["--grace-seconds", "0", "--orphans"]] {
        let beside = gc(&project, args);
        assert_eq!((&beside["condemned"], &beside["orphans"]["chunk_count"]), (&json!([]), &json!(0)), "{beside}");
    }
    // What removes waits for it.
    project.art(["gc", "--prune-now", "--no-wait"]).fails(6);
    drop(running);
    assert_eq!(len(&gc(&project, &["--prune-now"])["deleted"]), 1);
}

#[test]
fn long_metadata_of_versions_that_live_stays_and_of_deleted_ones_goes() {
    let project = Project::new();
    project.write("d/file", "content");
    let long = |text: &str| format!("text=\"{}\"", text.repeat(40_000));
    project.put("d", &["--meta", &long("a")]);
    project.write("d/file", "other");
    project.put("d", &["--meta", &long("b")]);
    project.art(["rm", "data:v0"]).ok();
    gc(&project, &["--prune-now"]);
    let shown = project.art(["show", "data:v1", "--json"]).ok().json();
    assert_eq!(shown["metadata"]["text"].as_str().unwrap().len(), 40_000);
    project.art(["undelete", "data:v0"]).fails(5);
    project.art(["fsck"]).ok();
}
