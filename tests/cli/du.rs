//! `art du`

use serde_json::{Value, json};

use crate::env::Env;

/// Bytes that do not compress.
fn noise(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

/// `d:v0` has a; `d:v1` a and b; `e:v0` b. Each has 100,000 bytes, so that they have chunks of their own.
fn env() -> Env {
    let env = Env::new();
    env.write("d/a", noise(0, 90_000));
    env.art(["put", "d", "d"]).done();
    env.write("d/b", noise(1, 80_000));
    env.art(["put", "d", "d"]).done();
    env.art(["put", "e", "d/b"]).done();
    env
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

#[test]
fn unique_is_what_no_other_version_needs() {
    let env = env();
    let json = env.art(["du", "--json"]).json();
    let (d, e) = (&json["artifacts"][0], &json["artifacts"][1]);
    assert_eq!(
        (&d["artifact"], &d["version_count"], &d["size_bytes"], &d["chunk_bytes"]),
        (&json!("d"), &json!(2), &json!(260_000), &json!(170_000))
    );
    // Each version has a manifest of its own, some hundred bytes, and shares its chunks.
    for version in [&d["versions"][0], &d["versions"][1], &e["versions"][0]] {
        assert!((1..1000).contains(&number(&version["unique_bytes"])), "{version}");
    }
    assert!((90_000..92_000).contains(&number(&d["versions"][0]["stored_bytes"])), "{d}");
    assert!((170_000..172_000).contains(&number(&d["versions"][1]["stored_bytes"])), "{d}");
    assert!((90_000..92_000).contains(&number(&d["unique_bytes"])), "a is needed by no other artifact: {d}");
    let ratio = d["dedup_ratio"].as_f64().unwrap();
    assert!((ratio - 260.0 / 170.0).abs() < 1e-9, "{ratio}");
    let store = &json["store"];
    assert_eq!((&store["size_bytes"], &store["deleted_bytes"], &store["unnamed_bytes"]), (&json!(340_000), &json!(0), &json!(0)));
    // All but the header and the trailer of each pack is somebody's.
    let packs = number(&store["data_packs"]) + number(&store["meta_packs"]);
    let pack_bytes = number(&store["data_pack_bytes"]) + number(&store["meta_pack_bytes"]);
    let named = number(&store["stored_bytes"]);
    assert!((pack_bytes - 96 * packs - 2..=pack_bytes - 96 * packs).contains(&named), "{store}");
    assert_eq!(number(&store["total_bytes"]), pack_bytes + number(&store["record_bytes"]));
}

#[test]
fn deleted_versions_are_apart_and_what_they_alone_need_can_be_freed() {
    let env = env();
    let told = env.art(["rm", "-n", "d:v1"]).done();
    assert!(told.contains("`art gc` could then free "), "{told}");
    env.art(["rm", "e:v0"]).done();
    let freed = env.art(["rm", "-n", "d:v1", "--json"]).json()["freed_bytes"].clone();
    assert!((80_000..82_000).contains(&number(&freed)), "b is needed by a deleted version alone: {freed}");
    env.art(["rm", "d:v1"]).done();
    let json = env.art(["du", "d", "--json"]).json();
    let versions = json["artifacts"][0]["versions"].as_array().unwrap();
    assert_eq!((&versions[0]["deleted"], &versions[1]["deleted"]), (&json!(false), &json!(true)));
    assert!((90_000..92_000).contains(&number(&versions[0]["unique_bytes"])));
    assert!(number(&versions[1]["unique_bytes"]) < 1000, "another deleted version needs b too");
    assert!((80_000..83_000).contains(&number(&json["store"]["deleted_bytes"])));
    assert_eq!(json["artifacts"].as_array().unwrap().len(), 1);
    let table = env.art(["du", "d"]).done();
    let first: Vec<&str> = table.lines().map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(first, ["VERSION", "d:v0", "d:v1 (deleted)"]);
}

#[test]
fn tables_tell_artifacts_versions_and_the_store() {
    let env = env();
    let all = env.art(["du"]).done();
    assert!(
        all.starts_with("ARTIFACT  VERSIONS     SIZE   STORED   UNIQUE  DEDUP  COMPRESSION\nd                2   260 kB   171 kB  "),
        "{all}"
    );
    for line in ["versions ", "deleted     0 B ", "unnamed     0 B ", "data packs ", "meta packs ", "records ", "total "] {
        assert!(all.contains(&format!("\n{line}")), "{all}");
    }
    let one = env.art(["du", "d:v1", "e"]).done();
    let first: Vec<&str> = one.lines().map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(first, ["VERSION", "d:v1", "", "VERSION", "e:v0"]);
    assert_eq!(env.art(["du", "d:v9"]).code, Some(3));
    assert_eq!(env.art(["du", "nope"]).code, Some(3));
    assert!(Env::new().art(["du"]).done().starts_with("versions    0 B in 0 B; dedup -, compression -\n"));
}

#[test]
fn what_is_missing_is_told_and_not_counted() {
    let env = env();
    for path in crate::env::files(&env.store().join("packs")) {
        std::fs::remove_file(path).unwrap();
    }
    let ran = env.art(["du", "d:v0", "--json"]);
    assert_eq!(ran.stderr, "{\"warning\":\"some versions are incomplete here: what is missing is not counted\"}\n");
    let version = &ran.json()["artifacts"][0]["versions"][0];
    assert_eq!((&version["missing_count"], &version["chunk_bytes"], &version["dedup_ratio"]), (&json!(1), &json!(0), &Value::Null));
}
