//! Beside `gc`: what one copy has condemned and removed.

use crate::support::{Project, files, noise};
use crate::{art_with, copy, store_files};

/// Two equal copies with `data:v0` and `data:v1`, each with a pack of its own.
fn two_equal() -> (Project, Project) {
    let (a, b) = (Project::new(), Project::new());
    for number in 0..2 {
        a.write("d/own", noise(number, 500_000));
        a.put("d", &[]);
    }
    copy(&a.store(), &b.store());
    (a, b)
}

/// Deletes `data:v0` and removes its packs.
fn remove_v0(project: &Project) {
    project.art(["rm", "data:v0"]).ok();
    project.art(["gc"]).ok();
    let told = project.art(["gc", "--grace-seconds", "0", "--json"]).ok().json();
    assert!(!told["deleted"].as_array().unwrap().is_empty());
}

fn pack_count(project: &Project) -> usize {
    files(&project.store().join("packs")).len()
}

#[test]
pub(crate) fn what_was_removed_does_not_come_back_from_a_copy_that_learns_of_it() {
    for from_a in [true, false] {
        let (a, b) = two_equal();
        remove_v0(&a);
        let told = match from_a {
            true => art_with(&a, "sync", &b.root(), &["--json"]),
            false => art_with(&b, "sync", &a.root(), &["--json"]),
        };
        let told = told.ok().json();
        let to_a = if from_a { &told["pulled"] } else { &told["pushed"] };
        assert!(to_a["withheld_count"].as_u64().unwrap() > 0, "{told}");
        assert_eq!((pack_count(&a), pack_count(&b)), (1, 2));
        // The other copy has the word of it, and removes them as well.
        b.art(["gc", "--grace-seconds", "0"]).ok();
        assert_eq!(pack_count(&b), 1);
        art_with(&a, "sync", &b.root(), &[]).ok();
        assert!(store_files(&a.store()) == store_files(&b.store()));
        for project in [&a, &b] {
            project.art(["fsck"]).ok();
            project.art(["get", "data:v1", "out"]).ok();
        }
    }
}

#[test]
pub(crate) fn a_removed_pack_that_another_copy_has_in_use_comes_back_with_the_version() {
    let (a, b) = two_equal();
    remove_v0(&a);
    b.write("d/own", noise(0, 500_000));
    b.art(["put", "other", "d"]).ok();
    let told = art_with(&a, "sync", &b.root(), &["--json"]).ok().json();
    assert_eq!(told["incomplete"].as_array().unwrap().len(), 0, "{told}");
    a.art(["get", "other", "out"]).ok();
    for project in [&a, &b] {
        // Its condemnation stands until the next gc, which lifts it.
        project.art(["gc", "--grace-seconds", "0"]).ok();
        project.art(["fsck"]).ok();
        project.art(["verify", "other", b.path("d").to_str().unwrap()]).ok();
    }
    art_with(&a, "sync", &b.root(), &[]).ok();
    a.art(["gc", "--grace-seconds", "0"]).ok();
    a.art(["verify", "other", b.path("d").to_str().unwrap()]).ok();
}

#[test]
pub(crate) fn a_one_way_copy_from_one_that_knows_of_no_deletion_brings_all_back() {
    let (a, b) = two_equal();
    remove_v0(&a);
    // There v0 lives, and what lives there is not left out.
    art_with(&b, "push", &a.root(), &[]).ok();
    assert_eq!(pack_count(&a), 2);
    a.art(["fsck"]).ok();
    // Deleted here all the same: it goes when its grace has ended again.
    a.art(["gc", "--grace-seconds", "0"]).ok();
    assert_eq!(pack_count(&a), 1);
}

#[test]
pub(crate) fn a_part_that_lies_in_a_removed_pack_comes_in_a_new_one() {
    let (a, b) = two_equal();
    remove_v0(&a);
    b.write("d/own", noise(0, 500_000));
    b.art(["put", "other", "d"]).ok();
    art_with(&a, "pull", &b.root(), &["other"]).ok();
    a.art(["fsck"]).ok();
    a.art(["gc", "--grace-seconds", "0"]).ok();
    a.art(["verify", "other", b.path("d").to_str().unwrap()]).ok();
}
