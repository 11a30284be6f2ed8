//! A put stores again what is missing or damaged: what it acknowledges is whole.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use crate::support::{Project, files, noise, tree};
use crate::{ALL, Damage, only, small_store};

#[track_caller]
fn is_whole(project: &Project, what: &str) {
    project.art(["get", "data", "out"]).ok();
    assert_eq!(tree(&project.path("out")), tree(&project.path("d")), "{what}");
    let found = project.art(["fsck"]);
    assert_eq!(found.code, Some(0), "{what}: {}", found.text());
}

#[test]
fn unchanged_is_said_only_of_what_is_whole() {
    for dir in ["packs", "meta"] {
        for damage in ALL {
            let project = small_store();
            // By now every file is in the stat cache, and the version noted as confirmed.
            project.put("d", &[]);
            damage.inflict(&only(&project, dir));
            let version = project.put("d", &[]);
            let what = format!("{damage:?} of {dir}");
            assert_eq!((&version["version"], &version["unchanged"]), (&"v0".into(), &true.into()), "{what}");
            assert_ne!(version["new_bytes"], 0, "{what}");
            is_whole(&project, &what);
        }
    }
}

#[test]
fn a_damaged_record_does_not_keep_anything_from_being_stored() {
    for damage in ALL {
        let project = small_store();
        damage.inflict(&only(&project, "refs/data/versions"));
        let version = project.put("d", &[]);
        let number = if damage == Damage::Delete { "v0" } else { "v1" };
        assert_eq!((&version["version"], &version["unchanged"]), (&number.into(), &false.into()), "{damage:?}");
        project.art(["get", "data", "out"]).ok();
        assert_eq!(tree(&project.path("out")), tree(&project.path("d")));
    }
}

#[test]
fn a_good_copy_of_a_chunk_is_found_behind_a_damaged_one() {
    let project = small_store();
    Damage::Flip(0.3).inflict(&only(&project, "packs"));
    // Another selection makes another pack; the damaged one stays.
    project.write("e/big", project.read("d/big"));
    project.write("e/more", noise(9, 100_000));
    project.art(["put", "other", "e"]).ok();
    project.art(["get", "other", "out"]).ok();
    assert_eq!(tree(&project.path("out")), tree(&project.path("e")));
    assert_eq!(project.art(["cat", "other", "big"]).ok().stdout, project.read("e/big"));
}

#[test]
fn a_base_that_is_not_whole_is_refused() {
    let project = small_store();
    project.write("more", "more");
    Damage::Delete.inflict(&only(&project, "packs"));
    let refused = project.art(["put", "data", "more", "--onto", "data:v0"]);
    assert!(refused.fails(5).contains("data:v0"), "{}", refused.stderr);
    project.art(["show", "data:v1"]).fails(3);
    // Without the entries that are lost, it can be built on.
    project.put("d", &[]);
    project.art(["put", "data", "more", "--onto", "data:v0"]).ok();
}

#[test]
fn a_torn_pack_that_nobody_writes_to_any_more_is_moved_aside() {
    let project = small_store();
    let pack = only(&project, "packs");
    Damage::Truncate(0.5).inflict(&pack);
    project.write("e/x", "something else");
    project.art(["put", "other", "e"]).ok();
    assert!(pack.exists(), "it may still be on its way");

    let old = SystemTime::now() - Duration::from_secs(7200);
    File::open(&pack).unwrap().set_modified(old).unwrap();
    project.write("e/x", "something new");
    let told = project.art(["put", "other", "e"]).ok().stderr;
    assert!(told.contains("quarantine"), "{told}");
    assert!(!pack.exists());
    assert_eq!(files(&project.store().join("quarantine")).len(), 1);
    // The copy is run again.
    project.put("d", &[]);
    assert!(pack.exists());
    project.art(["fsck"]).ok();
}

#[test]
fn a_damaged_stat_cache_is_passed_over() {
    for damage in ALL {
        let project = small_store();
        project.put("d", &[]);
        let local =
            fs::read_dir(project.store().join("local")).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
        for path in files(&local.join("stat")).into_iter().chain(files(&local.join("rests"))).chain([local.join("confirmed")]) {
            damage.inflict(&path);
        }
        assert_eq!(project.put("d", &[])["unchanged"], true, "{damage:?}");
        project.write("d/sub/small", "other");
        assert_eq!(project.put("d", &[])["version"], "v1", "{damage:?}");
        is_whole(&project, &format!("{damage:?}"));
    }
}
