//! `art sync`

use serde_json::json;

use crate::env::Env;

/// Two projects side by side, `other` within the first, each with a version of its own.
pub(crate) fn two() -> Env {
    let env = Env::new();
    env.write("d/a", "one");
    env.art(["put", "here", "d"]).done();
    env.art(["init", "other"]).done();
    env.art(["--store", "other", "put", "there", "d"]).done();
    env
}

#[test]
fn what_went_each_way_is_told_and_then_that_nothing_is_left() {
    let env = two();
    let told = "pulled  1 record (246 B): there:v0 from 'other'\npushed  1 record (245 B): here:v0 to 'other'\n";
    let shown = env.art(["sync", "other"]).done();
    assert!(shown.starts_with("pulled  ") && shown.lines().count() == told.lines().count(), "{shown}");
    assert!(shown.contains(": there:v0 from 'other'\n") && shown.ends_with(": here:v0 to 'other'\n"), "{shown}");
    assert_eq!(env.art(["sync", "other"]).done(), "nothing to sync with 'other'\n");
}

#[test]
fn a_dry_run_says_would() {
    let env = two();
    let shown = env.art(["sync", "--dry-run", "other"]).done();
    assert!(shown.starts_with("would pull  ") && shown.contains("\nwould push  "), "{shown}");
    assert_eq!(env.art(["sync", "--dry-run", "other"]).done(), shown);
}

#[test]
fn json_has_counts_and_versions_of_both_ways() {
    let env = two();
    let told = env.art(["sync", "--json", "other"]);
    assert_eq!((told.code, &told.stderr[..]), (Some(0), ""));
    let told = told.json();
    assert_eq!((&told["ok"], &told["dry_run"], &told["other"]), (&json!(true), &json!(false), &json!("other")));
    assert_eq!((&told["incomplete"], &told["damaged"]), (&json!([]), &json!([])));
    for (way, name) in [("pulled", "there"), ("pushed", "here")] {
        let way = &told[way];
        assert_eq!((&way["record_count"], &way["withheld_count"]), (&json!(1), &json!(0)));
        assert_eq!((&way["versions"][0]["artifact"], &way["versions"][0]["number"]), (&json!(name), &json!(0)));
        assert!(way["size_bytes"].as_u64() > Some(100) && way["pack_count"].is_u64());
    }
}

#[test]
fn what_cannot_be_synced_with_is_refused() {
    let env = two();
    assert_eq!(
        env.art(["sync", "nowhere"]).failed(3),
        "error: cannot find a store at 'nowhere'\nhint: see that the path is right and the disk or share is mounted; `art push --init` makes a store\n"
    );
    assert_eq!(
        env.art(["sync", "."]).failed(2),
        "error: cannot sync with '.': it is this very store\nhint: name the place of another copy\n"
    );
    env.art(["sync", "--init", "new"]).done();
    assert_eq!(env.art(["--store", "new", "ls", "--json"]).json().as_array().map(Vec::len), Some(1));
}
