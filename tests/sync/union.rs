//! Whole stores: afterwards both hold what `cp -rn` both ways would have given them.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::{Project, files, noise};
use crate::{art_with, copy, damage, far, store_files, two};

#[test]
pub(crate) fn both_copies_hold_what_cp_both_ways_gives() {
    let (a, b) = two();
    let (by_cp_a, by_cp_b) = (a.outside().join("cp-a"), a.outside().join("cp-b"));
    copy(&a.store(), &by_cp_a);
    copy(&b.store(), &by_cp_b);
    copy(&by_cp_a, &by_cp_b);
    copy(&by_cp_b, &by_cp_a);
    let told = art_with(&a, "sync", &b.root(), &["--json"]).ok().json();
    assert_eq!((&told["ok"], &told["pushed"]["versions"][0]["number"]), (&true.into(), &1.into()));
    assert!(store_files(&a.store()) == store_files(&by_cp_a) && store_files(&b.store()) == store_files(&by_cp_b));
    for project in [&a, &b] {
        project.art(["fsck", "--deep"]).ok();
        // Each stored its own v1, and moved the alias to it.
        assert!(project.art(["show", "data:v1"]).fails(4).contains("several versions"));
        assert!(project.art(["show", "data:best"]).fails(4).contains("diverged"));
    }
    assert!(art_with(&b, "sync", &a.store(), &[]).ok().text().starts_with("nothing to sync with"));
}

#[test]
pub(crate) fn push_and_pull_go_one_way() {
    let (a, b) = two();
    let (before_a, before_b) = (store_files(&a.store()), store_files(&b.store()));
    art_with(&a, "push", &b.root(), &[]).ok();
    assert_eq!(store_files(&a.store()), before_a);
    let mut both = before_b;
    both.extend(before_a);
    assert!(store_files(&b.store()) == both);
    art_with(&a, "pull", &b.root(), &[]).ok();
    assert!(store_files(&a.store()) == both);
}

#[test]
pub(crate) fn a_dry_run_tells_the_same_and_changes_nothing() {
    let (a, b) = two();
    let before = store_files(&b.store());
    let mut planned = art_with(&a, "push", &b.root(), &["--dry-run", "--json"]).ok().json();
    assert!(store_files(&b.store()) == before);
    planned["dry_run"] = false.into();
    assert_eq!(art_with(&a, "push", &b.root(), &["--json"]).ok().json(), planned);
}

#[test]
pub(crate) fn what_is_damaged_stays_and_the_rest_travels() {
    let (a, b) = two();
    let own = |path: &std::path::PathBuf| !b.store().join(path.strip_prefix(a.store()).unwrap()).exists();
    let pack = files(&a.store().join("packs")).into_iter().find(own).unwrap();
    let record = files(&a.store().join("refs/data/aliases")).into_iter().find(own).unwrap();
    damage(&pack);
    damage(&record);
    let ran = art_with(&a, "push", &b.root(), &["--json"]);
    let told = ran.json();
    assert_eq!((ran.code, &told["ok"], told["damaged"].as_array().unwrap().len()), (Some(5), &false.into(), 2), "{}", ran.stderr);
    // The version that needs the pack stays behind, and nothing here names what is not here.
    assert_eq!((told["held_back"][0]["artifact"].as_str(), &told["incomplete"]), (Some("data"), &serde_json::json!([])));
    let name = |path: &std::path::PathBuf| b.store().join(path.strip_prefix(a.store()).unwrap());
    assert!(!name(&pack).exists() && !name(&record).exists());
    assert_eq!(b.art(["ls", "data", "--json"]).ok().json().as_array().unwrap().len(), 2);
    b.art(["get", "data", "whole"]).ok();
    // What the first copy mends travels the next time.
    art_with(&b, "push", &a.root(), &[]).ok();
    a.write("d/own", noise(2, 400_000));
    a.art(["repair", "--drop-records"]);
    a.write("d/big", noise(1, 600_000));
    a.art(["put", "again", "d"]).ok();
    art_with(&a, "push", &b.root(), &[]).ok();
    b.art(["get", "again", "out"]).ok();
}

#[test]
pub(crate) fn a_file_that_was_cut_off_is_mended_from_the_copy_that_has_it_whole() {
    for cut_at_a in [true, false] {
        let (a, b) = two();
        art_with(&a, "sync", &b.root(), &[]).ok();
        let all = store_files(&a.store());
        let torn = if cut_at_a { &a } else { &b };
        for folder in ["packs", "meta", "refs"] {
            let path = files(&torn.store().join(folder)).pop().unwrap();
            let half = fs::read(&path).unwrap().len() / 2;
            let bytes = fs::read(&path).unwrap()[..half].to_vec();
            fs::remove_file(&path).unwrap();
            fs::write(&path, bytes).unwrap();
        }
        let told = art_with(&a, "sync", &b.root(), &["--json"]).ok().json();
        assert_eq!(told["damaged"].as_array().unwrap().len(), 0);
        assert!(store_files(&a.store()) == all && store_files(&b.store()) == all);
    }
}

#[test]
pub(crate) fn a_file_that_is_no_record_of_its_place_is_not_taken() {
    let (a, b) = two();
    // An enemy's: their names are right, and what they say is not.
    let line = b"{\"kind\":\"alias\"}\n";
    let name = format!("9.{}", &blake3::hash(line).to_hex()[..16]);
    a.write(format!(".artifacts/refs/data/versions/{name}"), line);
    let pack = noise(9, 5000);
    let id = blake3::hash(&pack).to_hex().to_string();
    a.write(format!(".artifacts/packs/{}/{id}", &id[..2]), &pack);
    let told = art_with(&a, "push", &b.root(), &["--json"]);
    assert_eq!((told.code, told.json()["damaged"].as_array().unwrap().len()), (Some(5), 2));
    b.art(["fsck"]).ok();
}

#[test]
pub(crate) fn a_copy_that_is_not_understood_is_left_alone() {
    let (a, b) = two();
    let before = store_files(&b.store());
    b.write(".artifacts/features/write-secret", "");
    for (from, other) in [(&a, &b), (&b, &a)] {
        for command in ["sync", "push", "pull"] {
            assert!(art_with(from, command, &other.root(), &[]).fails(5).contains("'write-secret'"));
        }
    }
    b.remove(".artifacts/features/write-secret");
    for line in ["artstore 2\n", "x", ""] {
        fs::remove_file(b.path(".artifacts/format")).unwrap();
        b.write(".artifacts/format", line);
        art_with(&a, "push", &b.root(), &[]).fails(5);
    }
    assert!(store_files(&b.store()) == before);
}

#[test]
pub(crate) fn a_store_is_not_synced_with_itself() {
    let (a, _) = two();
    symlink(a.store(), a.path("link")).unwrap();
    for other in [a.root(), a.store(), a.path("link")] {
        assert!(art_with(&a, "sync", &other, &[]).fails(2).contains("it is this very store"));
    }
    assert!(art_with(&a, "pull", &a.path("nowhere"), &[]).fails(3).contains("mounted"));
}

#[test]
pub(crate) fn an_incomplete_version_travels_as_far_as_it_is_and_is_told() {
    let (a, b) = (Project::new(), Project::new());
    a.write("d/big", noise(1, 600_000));
    a.put("d", &[]);
    fs::remove_dir_all(a.store().join("packs")).unwrap();
    let ran = art_with(&a, "push", &b.root(), &["--json"]).ok();
    assert_eq!((&ran.json()["incomplete"][0]["version"], &ran.json()["incomplete"][0]["missing_pages"]), (&"v0".into(), &0.into()));
    assert!(ran.stderr.contains("'data:v0' is incomplete"), "{}", ran.stderr);
}

#[test]
pub(crate) fn copies_that_write_at_the_same_time_lose_nothing() {
    let (a, b) = two();
    std::thread::scope(|scope| {
        for project in [&a, &b] {
            scope.spawn(move || {
                for number in 0..6 {
                    project.write("w/f", noise(100 + number, 50_000));
                    project.art(["put", "busy", "w"]).ok();
                }
            });
        }
        for (one, other) in [(&a, &b), (&b, &a)] {
            let way = far::way();
            scope.spawn(move || {
                far::set_way(way);
                (0..4).for_each(|_| drop(art_with(one, "sync", &other.root(), &[]).ok()));
            });
        }
    });
    art_with(&a, "sync", &b.root(), &[]).ok();
    assert!(store_files(&a.store()) == store_files(&b.store()));
    a.art(["fsck", "--deep"]).ok();
    b.art(["fsck", "--deep"]).ok();
}
