//! What is taken out of packs that are not whole.

use std::fs;

use crate::support::{Project, files, noise};
use crate::{Damage, V0, V1, lost, quarantined, store, unreadable};

/// The data pack that holds most.
fn largest(project: &Project) -> std::path::PathBuf {
    files(&project.store().join("packs")).into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
}

#[test]
fn a_flip_in_the_table_costs_nothing_and_one_in_a_block_costs_the_block() {
    for (share, is_lost) in [(1.0, false), (0.9999, false), (0.5, true)] {
        let project = store();
        let left = Damage::Flip(share).inflict(&largest(&project)).unwrap();
        let ran = project.art(["repair", "--json"]);
        let told = ran.json();
        assert_eq!(ran.code, Some(if is_lost { 5 } else { 0 }), "{share}: {told}");
        assert_eq!(told["gathered"][0]["from"], "damaged files", "{told}");
        assert_eq!(lost(&told), unreadable(&project, &[V0, V1]));
        assert!(lost(&told).iter().all(|lost| lost.ends_with("big")), "{told}");
        assert!(quarantined(&project).contains(&left));
    }
}

#[test]
fn the_whole_blocks_of_a_torn_pack_are_saved() {
    let project = store();
    Damage::Truncate(0.9).inflict(&largest(&project));
    let ran = project.art(["repair"]);
    assert!(ran.fails(5).is_empty());
    assert!(ran.text().contains("gathered") && ran.text().contains("lost  data:v0 'big'"), "{}", ran.text());
    // Of the file that is lost most chunks are here: the rest is all that a put stores.
    let again = project.put("d", &[]);
    assert!(again["new_bytes"].as_u64().unwrap() < 400_000, "{again}");
    assert_eq!(project.art(["cat", "data:v0", "big"]).ok().stdout, project.read("d/big"));
    // What only the older version had is lost, and nothing else.
    assert_eq!(unreadable(&project, &[V0, V1]).into_iter().collect::<Vec<_>>(), ["data:v0 sub/small"]);
}

#[test]
fn two_copies_that_are_damaged_in_different_places_make_a_whole_one() {
    let (one, two) = (Project::new(), Project::new());
    for project in [&one, &two] {
        project.write("d/a", noise(7, 900_000));
        project.put("d", &[]);
    }
    Damage::Flip(0.1).inflict(&largest(&one));
    Damage::Flip(0.8).inflict(&largest(&two));
    one.art(["repair"]).fails(5);
    let damaged_too = two.store();
    let told = one.art(["repair", "--from", damaged_too.to_str().unwrap(), "--json"]).ok().json();
    assert_eq!(lost(&told).len(), 0);
    assert_eq!(one.art(["cat", "data", "a"]).ok().stdout, one.read("d/a"));
    one.art(["fsck", "--deep"]).ok();
}

#[test]
fn what_only_deleted_versions_need_is_saved_before_a_pack_is_moved_aside() {
    let project = store();
    project.art(["rm", "data", "--all", "--force-aliases"]).ok();
    Damage::Flip(0.5).inflict(&largest(&project));
    let told = project.art(["repair", "--json"]).ok().json();
    assert_eq!(told["gathered"][0]["from"], "damaged files", "{told}");
    // The chunks of one block are lost, of some 600 kB.
    let again = project.put("d", &[]);
    assert!(again["new_bytes"].as_u64().unwrap() < 400_000, "{again}");
}

#[test]
fn what_lies_in_quarantine_is_a_source() {
    for torn in [false, true] {
        let project = store();
        let pack = largest(&project);
        if torn {
            Damage::Truncate(0.9999).inflict(&pack);
        }
        fs::create_dir_all(project.store().join("quarantine")).unwrap();
        fs::rename(&pack, project.store().join("quarantine").join(pack.file_name().unwrap())).unwrap();
        let told = project.art(["repair", "--json"]).ok().json();
        assert_eq!(told[if torn { "gathered" } else { "fetched" }][0]["from"], "quarantine", "{told}");
        project.art(["fsck", "--deep"]).ok();
        assert_eq!(unreadable(&project, &[V0, V1]).len(), 0);
    }
}

#[test]
fn nothing_in_quarantine_is_overwritten() {
    let project = store();
    let record = files(&project.store().join("refs/data/versions")).pop().unwrap();
    let good = fs::read(&record).unwrap();
    let mut all = Vec::new();
    for share in [0.2, 0.4, 0.6] {
        all.push(Damage::Flip(share).inflict(&record).unwrap());
        project.art(["repair", "--drop-records"]);
        fs::write(&record, &good).unwrap();
    }
    assert_eq!(quarantined(&project).len(), 3);
    assert!(all.iter().all(|bytes| quarantined(&project).contains(bytes)));
}
