//! `art cp`

use std::fs;

use serde_json::{Value, json};

use crate::cat::noise;
use crate::env::{Env, files};

fn env() -> Env {
    let env = Env::new();
    env.write("d/big", noise(300_000));
    for content in ["0", "1"] {
        env.write("d/small", content);
        env.art(["put", "model", "d", "--type", "model", "-m", "trained", "--meta", "acc=0.9", "--tag", "checked", "--ttl", "30d"]).done();
    }
    env
}

fn show(env: &Env, reference: &str) -> Value {
    env.art(["show", reference, "--json"]).json()
}

fn parents(version: &Value) -> Vec<Value> {
    version["parents"].as_array().unwrap().clone()
}

#[test]
fn a_copy_is_the_same_content_in_another_artifact_and_no_byte_more() {
    let env = env();
    env.art(["alias", "set", "model:v0", "best"]).done();
    let packs = || [files(&env.store().join("packs")), files(&env.store().join("meta"))].concat();
    let before = packs();
    let told = env.art(["cp", "model:best", "released", "--alias", "prod", "--tag", "public"]).done();
    assert_eq!(told, "copied: model:v0 to released:v0 (2 files, 300 kB; 0 B new)\n");
    assert_eq!(packs(), before);
    let (source, copy) = (show(&env, "model:v0"), show(&env, "released:prod"));
    for same in ["digest", "type", "description", "metadata", "size_bytes", "file_count"] {
        assert_eq!(copy[same], source[same], "{same}");
    }
    assert_eq!((&copy["tags"], &copy["aliases"]), (&json!(["checked", "public"]), &json!(["latest", "prod"])));
    assert_eq!((&copy["ttl_seconds"], parents(&copy)), (&json!(null), vec![source["id"].clone()]));
    env.art(["get", "released", "out"]).done();
    env.art(["verify", "model:v0", "out"]).done();
    let json = env.art(["cp", "model", "released", "-m", "second", "--json"]).json();
    assert_eq!((&json["version"], &json["unchanged"], &json["new_bytes"]), (&json!("v1"), &json!(false), &json!(0)));
    assert_eq!((&json["from"], &json["from_id"]), (&json!("model:v1"), &show(&env, "model")["id"]));
    assert_eq!((&json["description"], parents(&json)), (&json!("second"), vec![copy["id"].clone(), json["from_id"].clone()]));
    env.art(["fsck", "--deep"]).done();
}

#[test]
fn what_is_the_latest_already_is_not_copied_again() {
    let env = env();
    env.art(["cp", "model:v0", "released"]).done();
    let before = files(&env.store().join("refs"));
    assert_eq!(env.art(["cp", "model:v0", "released"]).done(), "unchanged: released:v0 (2 files, 300 kB)\n");
    assert_eq!(env.art(["cp", "model", "model"]).done(), "unchanged: model:v1 (2 files, 300 kB)\n");
    assert_eq!(files(&env.store().join("refs")), before);
    assert_eq!(env.art(["cp", "model:v0", "released", "--alias", "prod", "-m", "x", "--json"]).json()["unchanged"], true);
    let now = show(&env, "released:prod");
    assert_eq!((&now["version"], &now["description"], &now["tags"]), (&json!("v0"), &json!("x"), &json!(["checked"])));
}

#[test]
fn an_old_version_becomes_the_latest_again() {
    let env = env();
    let [old, new] = ["model:v0", "model:v1"].map(|name| show(&env, name));
    assert_eq!(env.art(["cp", "model:v0", "model"]).done(), "copied: model:v0 to model:v2 (2 files, 300 kB; 0 B new)\n");
    let latest = show(&env, "model");
    assert_eq!((&latest["digest"], parents(&latest)), (&old["digest"], vec![new["id"].clone(), old["id"].clone()]));
    env.art(["cp", "model:v0", "released"]).done();
    env.art(["cp", "model:v1", "released"]).done();
    let log = [env.art(["log", "model"]).done(), env.art(["log", "released"]).done()].concat();
    let parents: Vec<&str> = log.lines().filter_map(|line| line.trim_start().strip_prefix("parents  ")).collect();
    assert_eq!(parents, ["v1, v0", "v0", "v0, model:v1", "model:v0"]);
}

#[test]
fn a_type_that_differs_has_to_be_meant() {
    let env = env();
    env.art(["put", "data", "d/small"]).done();
    assert_eq!(
        env.art(["cp", "data", "model"]).failed(2),
        "error: cannot copy 'data:v0', which has type 'dataset', to 'model', which has type 'model'\n\
         hint: give `--type model` if that is meant, or choose another artifact name\n"
    );
    env.art(["cp", "data", "model", "--type", "model"]).done();
    assert!(env.art(["cp", "data", "model", "--type", "dataset"]).failed(2).contains("the artifact has type 'model'"));
    env.art(["cp", "model:v0", "new", "--type", "weights"]).done();
    assert_eq!(show(&env, "new")["type"], "weights");
}

#[test]
fn the_lineage_tells_where_a_copy_came_from() {
    let env = env();
    env.art(["cp", "model:v0", "released"]).done();
    let up = env.art(["lineage", "released", "--up"]).done();
    assert!(up.ends_with("comes from\n└─ copied from model:v0\n"), "{up}");
    // In a run the way is through the run, once.
    let id = env.art(["run", "start", "--name", "release"]).done();
    env.art(["cp", "model:v1", "released", "--run", id.trim()]).done();
    let run = env.art(["run", "show", "release", "--json"]).json();
    assert_eq!((&run["inputs"][0]["artifact"], &run["inputs"][0]["version"]), (&json!("model"), &json!("v1")));
    assert_eq!((&run["outputs"][0]["artifact"], &run["outputs"][0]["version"]), (&json!("released"), &json!("v1")));
    let up = env.art(["lineage", "released", "--up", "--json"]).json();
    let kinds: Vec<&str> = up["edges"].as_array().unwrap().iter().map(|edge| edge["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["used", "produced"], "{up}");
    // A draft of another artifact's version comes from it as well.
    env.write("more", "more");
    env.art(["put", "draft", "more", "--onto", "model:v0"]).done();
    assert!(env.art(["lineage", "draft", "--up"]).done().ends_with("└─ copied from model:v0\n"));
    env.art(["run", "finish", "release"]).done();
    assert!(env.art(["cp", "model:v0", "released", "--run", "release"]).failed(1).contains("it ended"));
}

#[test]
fn what_is_deleted_missing_or_not_whole_is_not_copied() {
    let env = env();
    env.art(["cp", "model:v7", "x"]).failed(3);
    env.art(["cp", "nope", "x"]).failed(3);
    env.art(["cp", "model", "a/b"]).failed(2);
    env.art(["rm", "model:v0"]).done();
    let told = "error: cannot copy 'model:v0': it is deleted\nhint: bring it back with `art undelete model:v0`, or copy another version\n";
    assert_eq!(env.art(["cp", "model:v0", "x"]).failed(1), told);
    let pack = files(&env.store().join("packs")).into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    fs::remove_file(pack).unwrap();
    let ran = env.art(["cp", "model", "x"]);
    assert!(ran.failed(5).starts_with("error: cannot copy 'model:v1': 'big' is not whole in this copy of the store\n"), "{}", ran.stderr);
    files(&env.store().join("meta")).iter().for_each(|pack| fs::remove_file(pack).unwrap());
    assert!(env.art(["cp", "model", "x"]).failed(5).contains("cannot copy 'model:v1': it is not whole"));
    assert!(!env.store().join("refs/x").exists());
}
