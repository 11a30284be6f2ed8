//! `art gc`

use serde_json::json;

use crate::cat::noise;
use crate::env::Env;

fn env() -> Env {
    let env = Env::new();
    let mut bytes = noise(2_000_000);
    for _ in 0..2 {
        env.write("d/file", &bytes);
        env.art(["put", "d", "d"]).done();
        bytes.reverse();
    }
    env
}

#[test]
fn it_tells_what_it_would_do_and_does() {
    let env = env();
    assert_eq!(env.art(["gc"]).done(), "nothing to free\n");
    env.art(["rm", "d:v0"]).done();
    let planned = env.art(["gc", "--dry-run"]).done();
    assert_eq!(planned, "would be condemned: 2 packs (2.0 MB): nothing in them is needed\nwould free 0 B now and 2.0 MB later\n");
    let condemned = env.art(["gc"]).done();
    assert_eq!(condemned.lines().next(), planned.lines().next().map(|line| line.trim_start_matches("would be ")), "{condemned}");
    assert!(condemned.ends_with("to be freed by a later `art gc`, or now with `--prune-now`\n"), "{condemned}");
    let waiting = env.art(["gc"]).done();
    assert!(waiting.starts_with("kept: 2 packs (") && waiting.contains("condemned, and waiting, the first until 20"), "{waiting}");
    let freed = env.art(["gc", "--prune-now"]).done();
    assert!(freed.starts_with("removed: 2 packs ("), "{freed}");
    assert_eq!(env.art(["gc", "--prune-now"]).done(), "nothing to free\n");
    env.art(["fsck"]).done();
}

#[test]
fn json_has_the_documented_fields() {
    let env = env();
    env.art(["rm", "d:v0"]).done();
    let json = env.art(["gc", "--json"]).json();
    let fields: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let documented = include_str!("../../docs/cli.md").split("## `art gc`").nth(1).unwrap().split("\n## ").next().unwrap();
    for field in &fields {
        assert!(documented.contains(&format!("`{field}`")), "{field}");
    }
    let pack = &json["condemned"][0];
    assert_eq!((&pack["class"], &pack["reason"]), (&json!("data"), &json!("unused")));
    let path = env.store().join(pack["path"].as_str().unwrap());
    assert_eq!(std::fs::metadata(path).unwrap().len(), pack["size_bytes"].as_u64().unwrap());
    assert_eq!((&json["freed_bytes"], &json["deleted"], &json["no_space"]), (&json!(0), &json!([]), &json!(null)));
}

#[test]
fn what_no_record_names_is_told_with_what_frees_it() {
    let env = env();
    std::fs::remove_dir_all(env.store().join("refs")).unwrap();
    let told = env.art(["gc"]).done();
    assert!(
        told.starts_with("kept: ") && told.contains("which no record here names; `art gc --orphans` frees them, the first from 20"),
        "{told}"
    );
    let too_young = env.art(["gc", "--orphans"]).done();
    assert_eq!(too_young, told, "it waits, and says until when");
    let old = env.art(["gc", "--grace-seconds", "0"]).done();
    assert!(old.contains("which no record here names; `art gc --orphans` frees them\n"), "{old}");
    assert!(env.art(["gc", "--orphans", "--grace-seconds", "0"]).done().starts_with("condemned: "));
    let waiting = env.art(["gc", "--json"]).json()["waiting"][0].clone();
    assert_eq!((&waiting["reason"], waiting["until"].is_string()), (&json!("grace"), true));
    let kept = env.art(["gc", "--grace-seconds", "0"]).done();
    assert!(kept.contains("condemned, and holding what no record here names, so `art gc --orphans` removes them\n"), "{kept}");
    assert!(env.art(["gc", "--orphans", "--grace-seconds", "0"]).done().starts_with("removed: "));
}

#[test]
fn chunks_that_are_not_here_are_told() {
    let env = env();
    for dir in std::fs::read_dir(env.store().join("packs")).unwrap().flatten() {
        std::fs::remove_dir_all(dir.path()).unwrap();
    }
    let told = env.art(["gc"]).done();
    assert!(told.starts_with("not here: ") && told.contains(" chunks that versions name; `art fsck` tells of which\n"), "{told}");
}
