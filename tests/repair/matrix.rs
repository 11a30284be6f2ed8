//! Every kind of damage in every place, with a copy, with git history, with neither.

use std::path::PathBuf;

use crate::support::{Project, files};
use crate::{ALL, Damage, V0, V1, backup, lost, quarantined, store, synced, unreadable};

const PLACES: [&str; 4] = ["packs", "meta", "refs/data/versions", "refs/data/aliases"];

/// Commits the whole store, and leaves nothing of it but in the history.
fn commit(project: &Project) {
    let git = |args: &[&str]| {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
        let ran = project.program("git", [&identity[..], args].concat()).output().unwrap();
        assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    };
    git(&["init", "-q"]);
    project.art(["init", "--git=all"]).ok();
    git(&["add", ".artifacts"]);
    git(&["commit", "-qm", "store"]);
    let _ = std::fs::remove_dir_all(project.store().join("packs/keep"));
    git(&["rm", "-rq", "--cached", ".artifacts/packs", ".artifacts/meta", ".artifacts/refs"]);
    git(&["commit", "-qm", "no store"]);
}

#[test]
fn what_a_copy_has_is_restored_bit_for_bit() {
    for place in PLACES {
        for damage in ALL {
            let project = store();
            let copy = backup(&project);
            let (before, of_copy) = (synced(&project.store()), synced(&copy));
            for path in files(&project.store().join(place)) {
                let left = damage.inflict(&path);
                let what = format!("{damage:?} of {}", path.display());
                let told = project.art(["repair", "--json", "--from", copy.to_str().unwrap()]).ok().json();
                assert_eq!(lost(&told).len(), 0, "{what}");
                // The alias record of a version that nothing else names is not missed.
                if damage == Damage::Delete && place.ends_with("aliases") {
                    continue;
                }
                // Nor is the record of one that no alias names.
                if damage == Damage::Delete && place.ends_with("versions") && told["fetched"].as_array().unwrap().is_empty() {
                    project.write(path.strip_prefix(project.root()).unwrap(), &before[path.strip_prefix(project.store()).unwrap()]);
                    continue;
                }
                assert_eq!(synced(&project.store()), before, "{what}");
                assert!(left.is_none_or(|left| quarantined(&project).contains(&left)), "{what}");
                project.art(["fsck", "--deep"]).ok();
            }
            assert_eq!(unreadable(&project, &[V0, V1]).len(), 0);
            assert_eq!(synced(&copy), of_copy, "a copy is never written to");
        }
    }
}

#[test]
fn what_git_history_has_is_restored_bit_for_bit() {
    for place in PLACES {
        for damage in [Damage::Flip(0.4), Damage::Truncate(0.6), Damage::Delete] {
            let project = store();
            commit(&project);
            let before = synced(&project.store());
            let is_synced = |path: &PathBuf| before.contains_key(path.strip_prefix(project.store()).unwrap());
            let path = files(&project.store().join(place)).into_iter().rfind(is_synced).unwrap();
            if damage == Damage::Delete && place.starts_with("refs") {
                continue;
            }
            let left = damage.inflict(&path);
            let what = format!("{damage:?} of {}", path.display());
            let told = project.art(["repair", "--json"]).ok().json();
            assert_eq!(synced(&project.store()), before, "{what}: {told}");
            assert!(told["fetched"][0]["from"].as_str().unwrap().contains("git"), "{what}: {told}");
            assert!(left.is_none_or(|left| quarantined(&project).contains(&left)), "{what}");
            project.art(["fsck", "--deep"]).ok();
        }
    }
}

#[test]
fn without_a_copy_it_is_told_exactly_what_is_lost_and_nothing_is_deleted() {
    for place in ["packs", "meta"] {
        for damage in ALL {
            for at in 0..2 {
                let project = store();
                let path = files(&project.store().join(place)).remove(at);
                let left = damage.inflict(&path);
                let what = format!("{damage:?} of {}", path.display());
                let ran = project.art(["repair", "--json"]);
                let told = ran.json();
                assert_eq!(told["ok"], ran.code == Some(0), "{what}");
                // A lost manifest hides which entries there were.
                if told["lost"].as_array().unwrap().iter().all(|lost| lost["path"].is_string()) {
                    assert_eq!(lost(&told), unreadable(&project, &[V0, V1]), "{what}: {told}");
                } else {
                    assert_ne!(unreadable(&project, &[V0, V1]).len(), 0, "{what}: {told}");
                }
                assert!(left.is_none_or(|left| quarantined(&project).contains(&left)), "{what}");
                // What is left is a store without damage; only what is lost is missing in it.
                let checked = project.art(["fsck", "--deep", "--json"]).json();
                assert_eq!(checked["ok"], told["ok"], "{what}: {checked}");
                let kinds = checked["findings"].as_array().unwrap().iter().map(|finding| finding["kind"].clone());
                assert!(kinds.clone().all(|kind| kind == "incomplete-version"), "{what}: {checked}");
                // It is as far as it goes, and the same content can be stored anew.
                assert_eq!(project.art(["repair"]).code, ran.code, "{what}");
                project.put("d", &[]);
                assert_eq!(project.art(["cat", "data", "big"]).ok().stdout, project.read("d/big"), "{what}");
            }
        }
    }
}

/// The only record in a folder of `refs/data`.
fn record(project: &Project, folder: &str) -> PathBuf {
    files(&project.store().join("refs/data").join(folder)).remove(0)
}

#[test]
fn a_damaged_record_that_no_copy_has_is_told_and_stays() {
    let cases = [
        ("versions", "the record of version data:v0 is damaged"),
        ("aliases/best", "record 0 of alias data:best is damaged"),
        ("edits", "edit 0 of artifact data (a deletion, an undeletion, a tag, ...) is damaged"),
    ];
    for (folder, about) in cases {
        for damage in [Damage::Flip(0.4), Damage::Truncate(0.6), Damage::Extend] {
            let project = store();
            project.put("d", &["--tag", "t"]);
            damage.inflict(&record(&project, folder));
            let before = synced(&project.store());
            let copy = backup(&project);
            for _ in 0..2 {
                let ran = project.art(["repair", "--json", "--from", copy.to_str().unwrap()]);
                assert_eq!(ran.code, Some(5));
                let (told, path) = (ran.json(), format!("refs/data/{folder}/0."));
                assert!(told["lost"][0]["subject"].as_str().unwrap().starts_with(&path), "{told}");
                assert!(told["lost"][0]["message"].as_str().unwrap().starts_with(about), "{told}");
                assert_eq!((&told["kept"][0], told["quarantined"].as_array().unwrap().len()), (&told["lost"][0]["subject"], 0));
                assert_eq!(synced(&project.store()), before);
            }
            project.art(["fsck"]).fails(5);
            project.art(["gc"]).fails(5);
            let planned = project.art(["repair", "--drop-records", "--dry-run", "--json"]).json();
            let told = project.art(["repair", "--drop-records", "--json"]);
            assert_eq!((told.code, &told.json()["quarantined"]), (Some(5), &planned["quarantined"]));
            assert_eq!((told.json()["kept"].as_array().unwrap().len(), quarantined(&project).len()), (0, 1));
            project.art(["fsck"]).ok();
            assert_eq!(project.art(["repair"]).ok().text(), "nothing to repair\n");
        }
    }
}

#[test]
fn a_lost_record_does_not_bring_an_older_state_back() {
    let project = store();
    project.art(["rm", "data:v0"]).ok();
    let first = record(&project, "edits");
    project.art(["undelete", "data:v0"]).ok();
    let undeletion = files(&project.store().join("refs/data/edits")).into_iter().find(|path| *path != first).unwrap();
    Damage::Flip(0.5).inflict(&undeletion);
    project.art(["repair"]).fails(5);
    project.art(["gc", "--prune-now"]).fails(5);
    assert_eq!(project.art(["cat", "data:v0", "text"]).ok().stdout, project.read("d/text"));

    let project = store();
    project.art(["alias", "set", "data:v0", "best"]).ok();
    Damage::Flip(0.5).inflict(files(&project.store().join("refs/data/aliases/best")).last().unwrap());
    project.art(["repair"]).fails(5);
    project.art(["cat", "data:best", "text"]).fails(5);

    let project = store();
    Damage::Flip(0.5).inflict(files(&project.store().join("refs/data/versions")).last().unwrap());
    project.art(["repair"]).fails(5);
    project.write("d/x", "x");
    assert_eq!(project.put("d", &[])["version"], "v2", "its number is not given again");
}

#[test]
fn a_record_of_condemned_packs_that_no_copy_has_stays_too() {
    let project = store();
    project.art(["rm", "data", "--all", "--force-aliases"]).ok();
    project.art(["gc"]).ok();
    let condemned = files(&project.store().join("gc")).remove(0);
    Damage::Flip(0.5).inflict(&condemned);
    let told = project.art(["repair"]);
    told.fails(5);
    assert!(told.text().contains(": a record of which packs are condemned is damaged, and no copy has it\n"), "{}", told.text());
    assert!(condemned.exists());
    project.art(["gc"]).fails(5);
}
