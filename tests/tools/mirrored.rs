//! `rsync --delete`: the other copy becomes as this one is, as its user has asked for.

use crate::support::{Project, noise};
use crate::{has, restored, shown, store_files, tool, two};

fn mirror(from: &Project, to: &Project, options: &[&str]) {
    let places = [format!("{}/", from.store().display()), to.store().display().to_string()];
    tool(from, "rsync", ["-a", "--delete"].iter().chain(options).map(|&option| option.to_owned()).chain(places));
}

#[test]
fn it_makes_a_copy_equal_and_nothing_there_is_damaged() {
    if !has("rsync", "it_makes_a_copy_equal_and_nothing_there_is_damaged") {
        return;
    }
    for options in [&["--exclude=/local"][..], &[]] {
        let (a, b) = two();
        let own = b.art(["show", "data", "--json"]).ok().json()["id"].as_str().unwrap().to_owned();
        mirror(&a, &b, options);
        assert!(store_files(&a.store()) == store_files(&b.store()));
        // What only that copy had is gone, as the tool was told.
        b.art(["show", &format!("data@{own}")]).fails(3);
        assert_eq!((shown(&a), restored(&b)), (shown(&b), 2));
        for line in ["status", "log data", "du", "runs", "find", "gc --dry-run", "fsck", "fsck --deep", "repair --dry-run"] {
            b.art(line.split(' ')).ok();
        }
    }
}

#[test]
fn a_writer_who_relied_on_what_is_gone_stores_it_again() {
    if !has("rsync", "a_writer_who_relied_on_what_is_gone_stores_it_again") {
        return;
    }
    for options in [&["--exclude=/local"][..], &[]] {
        let (a, b) = two();
        // The files are as they were when they were put, so that none would be opened.
        let told = b.put("d", &[]);
        assert_eq!((&told["unchanged"], &told["version"]), (&true.into(), &"v1".into()));
        mirror(&a, &b, options);
        let again = b.put("d", &[]);
        assert_eq!((&again["unchanged"], &again["version"]), (&false.into(), &"v2".into()), "{options:?}");
        assert!(again["new_bytes"].as_u64().unwrap() > 200_000, "{again}");
        assert_eq!(restored(&b), 3);
        // On top of a version of which packs went, a draft takes the rest from what is given.
        b.write("more/x", noise(5, 50_000));
        b.art(["put", "data", "more", "--onto", "data:v1"]).ok();
        assert_eq!(restored(&b), 4);
        b.art(["fsck", "--deep"]).ok();
    }
}

#[test]
fn only_packs_mirrored_away_leave_versions_that_say_what_they_lack() {
    if !has("rsync", "only_packs_mirrored_away_leave_versions_that_say_what_they_lack") {
        return;
    }
    let (a, b) = two();
    let places = [format!("{}/packs/", a.store().display()), b.store().join("packs").display().to_string()];
    tool(&a, "rsync", ["-a", "--delete"].map(str::to_owned).into_iter().chain(places));
    let listed = b.art(["ls", "data", "--json"]).ok().json();
    assert!(listed[1]["missing"]["chunk_count"].as_u64().unwrap() > 0 && listed[0]["missing"].is_null(), "{listed}");
    assert!(b.art(["status"]).ok().text().contains("data:v1 is incomplete: "));
    assert!(b.art(["get", "data:v1", "out"]).fails(5).contains("not in this copy of the store"));
    assert!(!b.path("out").exists());
    // The source is there still: the same put makes it whole.
    b.art(["put", "data", "d"]).ok();
    assert_eq!(restored(&b), 2);
    b.art(["fsck"]).ok();
}
