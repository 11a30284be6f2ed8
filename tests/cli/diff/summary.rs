//! `art diff --summary`: what is inside of tables, safetensors files and texts.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::env::{Env, files};

/// Makes a safetensors file of tensors of bytes.
fn safetensors(tensors: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, bytes) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        header.insert((*name).to_owned(), json!({ "dtype": "U8", "shape": [bytes.len()], "data_offsets": offsets }));
        data.extend_from_slice(bytes);
    }
    let header = serde_json::Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

/// Bytes without a pattern.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn two_versions() -> Env {
    let env = Env::new();
    env.write("d/rows.csv", "id,name,price\n1,a,10\n2,\"b, c\",20\n3,d,30\n");
    env.write("d/gone.tsv", "x\ty\n1\t2\n");
    env.write("d/m.safetensors", safetensors(&[("a", &noise(1, 500_000)), ("b", &noise(2, 500_000)), ("gone", b"1234")]));
    env.write("d/notes.md", "one\ntwo\n");
    env.write("d/bin", b"\0one");
    env.art(["put", "d", "d"]).done();
    env.write("d/rows.csv", "id,label,price,city\n2,\"b, c\",20,X\n1,a,11,Y\n3,d,30,Z\n4,e,40,Z\n");
    fs::remove_file(env.project().join("d/gone.tsv")).unwrap();
    let new = safetensors(&[("a", &noise(1, 500_000)), ("b", &noise(3, 500_000)), ("new\u{1b}", b"12")]);
    env.write("d/m.safetensors", new);
    env.write("d/notes.md", "one\n2\n3\n");
    env.write("d/bin", b"\0two");
    env.write("d/run.sh", "#!\n");
    fs::set_permissions(env.project().join("d/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    env.art(["put", "d", "d"]).done();
    env
}

const SUMMARY: &str = "\
M bin            4 B
D gone.tsv       8 B
    1 row, 2 columns: x, y
M m.safetensors  1.0 MB
    tensors 3: 1 added, 1 removed, 1 changed
    parameters 1,000,004 -> 1,000,002
    + new\\u{1b} U8 [2]
    - gone U8 [4]
    ~ b U8 [500000]
M notes.md       8 B
    lines: 2 added, 1 removed
M rows.csv       40 B -> 61 B
    rows 3 -> 4: 2 added, 1 removed
    columns 3 -> 4: + label, + city, - name
A run.sh         3 B
    lines: 1 added, 0 removed
";

#[test]
fn what_differs_inside_is_summed_up_by_the_kind_of_file() {
    let env = two_versions();
    let told = env.art(["diff", "d~1", "d", "--summary"]).done();
    assert!(told.starts_with(SUMMARY), "{told}");
    let there = env.art(["diff", "d~1", "./d", "--summary"]).done();
    assert!(there.starts_with(SUMMARY), "{there}");
    assert!(env.art(["diff", "d~1", "d", "--summary", "--name-only"]).failed(2).contains("cannot be used with"));
}

#[test]
fn a_patch_notes_the_summary_of_what_it_cannot_show() {
    let env = two_versions();
    let told = env.art(["diff", "d~1", "d", "-p", "--path", "m.safetensors"]).done();
    let head = "# Binary files a/m.safetensors and b/m.safetensors differ\n#   tensors 3: 1 added, 1 removed, 1 changed\n";
    assert!(told.starts_with(head) && told.lines().all(|line| line.starts_with('#')), "{told}");
}

#[test]
fn renamed_and_changed_columns_are_told() {
    let env = Env::new();
    env.write("d/t.csv", "id;qty;price\n1;5;10\n2;6;20\n");
    env.art(["put", "d", "d"]).done();
    env.write("d/t.csv", "id;count;price\n1;5;10\n2;6;21\n");
    env.art(["put", "d", "d"]).done();
    let told = env.art(["diff", "d~1", "d", "--summary"]).done();
    assert!(told.contains("    rows 2: 1 added, 1 removed\n    columns 3: qty => count, ~ price\n"), "{told}");
}

#[test]
fn json_has_the_whole_summary() {
    let env = two_versions();
    let value = env.art(["diff", "d~1", "d", "--summary", "--json"]).json();
    let summary = |path: &str| value["entries"].as_array().unwrap().iter().find(|entry| entry["path"] == path).unwrap()["summary"].clone();
    assert_eq!(summary("bin"), json!(null));
    assert_eq!(
        summary("rows.csv"),
        json!({
            "format": "table", "old": { "rows": 3, "columns": 3 }, "new": { "rows": 4, "columns": 4 },
            "columns_added": ["label", "city"], "columns_removed": ["name"], "columns_renamed": [], "columns_changed": [],
            "rows_added": 2, "rows_removed": 1,
        })
    );
    let layout = json!({ "dtype": "U8", "shape": [500_000] });
    assert_eq!(
        summary("m.safetensors"),
        json!({
            "format": "safetensors", "metadata_changed": false,
            "old": { "tensors": 3, "parameters": 1_000_004 }, "new": { "tensors": 3, "parameters": 1_000_002 },
            "added": [{ "name": "new\u{1b}", "dtype": "U8", "shape": [2] }], "removed": [{ "name": "gone", "dtype": "U8", "shape": [4] }],
            "changed": [{ "name": "b", "old": layout, "new": layout }],
        })
    );
    assert_eq!(summary("notes.md"), json!({ "format": "text", "added_lines": 2, "removed_lines": 1 }));
}

#[test]
fn a_file_that_is_not_what_its_name_says_is_told_and_no_failure() {
    let env = Env::new();
    env.write("d/a.safetensors", safetensors(&[("a", b"1")]));
    env.write("d/t.csv", "a,b\n1,2\n");
    env.art(["put", "d", "d"]).done();
    env.write("d/a.safetensors", [&u64::MAX.to_le_bytes()[..], b"{}"].concat());
    env.write("d/t.csv", b"a\0b");
    env.write("d/deep.safetensors", [&100_000u64.to_le_bytes()[..], &[b'['; 100_000]].concat());
    env.write("d/wide.csv", vec![b'x'; 3 << 20]);
    env.art(["put", "d", "d"]).done();
    let told = env.art(["diff", "d~1", "d", "--summary"]).done();
    for why in [
        "    no safetensors file: its header of 18446744073709551615 bytes would be longer than the file (the new one)\n",
        "    no table: it is no text (the new one)\n",
        "    no safetensors file: its header does not list tensors, at line 1 column 0\n",
        "    no table: its first line is too long to name columns\n",
    ] {
        assert!(told.contains(why), "{why}{told}");
    }
    let value = env.art(["diff", "d~1", "d", "--summary", "--json", "--path", "wide.csv"]).json();
    let why = "no table: its first line is too long to name columns";
    assert_eq!(value["entries"][0]["summary"], json!({ "format": "unreadable", "why": why }));
}

#[test]
fn tensors_in_the_same_chunks_are_not_read() {
    let env = two_versions();
    // The middle of a tensor that both versions have is damaged in its pack.
    let middle = noise(1, 500_000)[250_000..250_032].to_vec();
    let packs = files(&env.store().join("packs")).into_iter().filter(|path| fs::metadata(path).unwrap().len() > 1000);
    let pack = packs.max_by_key(|path| fs::read(path).unwrap().windows(32).any(|window| window == middle)).unwrap();
    let mut bytes = fs::read(&pack).unwrap();
    let at = bytes.windows(32).position(|window| window == middle).unwrap();
    bytes[at] ^= 1;
    fs::set_permissions(&pack, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&pack, bytes).unwrap();
    assert_eq!(env.art(["cat", "d", "m.safetensors"]).code, Some(5));
    let told = env.art(["diff", "d~1", "d", "--summary", "--path", "m.safetensors"]).done();
    assert!(told.contains("~ b U8 [500000]"), "{told}");
}
