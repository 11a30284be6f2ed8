//! Every kind of damage in every place, with a copy, with git history, with neither.

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
            let path = files(&project.store().join(place)).pop().unwrap();
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

#[test]
fn a_damaged_record_that_no_copy_has_is_told_and_moved_aside() {
    for damage in [Damage::Flip(0.4), Damage::Truncate(0.6), Damage::Extend] {
        let project = store();
        let record = files(&project.store().join("refs/data/versions")).remove(0);
        let left = damage.inflict(&record).unwrap();
        let told = project.art(["repair", "--json"]);
        assert_eq!(told.code, Some(5));
        assert!(told.json()["lost"][0]["subject"].as_str().unwrap().starts_with("refs/data/versions/0."), "{:?}", told.json());
        assert!(quarantined(&project).contains(&left));
        assert_eq!(project.art(["cat", "data:best", "big"]).ok().stdout, project.read("d/big"));
        project.art(["fsck"]).ok();
    }
}
