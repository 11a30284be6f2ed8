//! `art lineage`

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::env::{Env, Ran};

/// A project in which runs use versions and make others.
pub(crate) struct Lab(pub(crate) Env);

impl Lab {
    pub(crate) fn new() -> Lab {
        Lab(Env::new())
    }

    /// Runs `art` within a run.
    pub(crate) fn within(&self, run: &str, args: &[&str]) -> Ran {
        self.0.run(self.0.command(env!("CARGO_BIN_EXE_art")).args(args).env("ART_RUN", run))
    }

    /// Plays a run from start to end, and returns its id; an input may be `REF=ROLE`, an output is
    /// `NAME=CONTENT`.
    pub(crate) fn play(&self, name: &str, inputs: &[&str], outputs: &[&str]) -> String {
        let run = self.0.art(["run", "start", "--name", name]).done().trim().to_owned();
        for input in inputs {
            match input.split_once('=') {
                Some((input, role)) => self.within(&run, &["use", input, "--as", role]).done(),
                None => self.within(&run, &["use", input]).done(),
            };
        }
        for (artifact, content) in outputs.iter().filter_map(|output| output.split_once('=')) {
            self.0.write(artifact, content);
            assert_eq!(self.within(&run, &["put", artifact, artifact]).code, Some(0));
        }
        self.within(&run, &["run", "finish"]).done();
        run
    }

    pub(crate) fn put(&self, artifact: &str, content: &str) {
        self.0.write(artifact, content);
        self.0.art(["put", artifact, artifact]).done();
    }

    /// The text of a lineage, with what differs from run to run left out: ids and dates.
    fn text(&self, args: &[&str]) -> String {
        plain(&self.0.art([&["lineage"], args].concat()).done())
    }
}

fn plain(text: &str) -> String {
    let is_id = |word: &str| word.len() == 13 && word.as_bytes()[8] == b'-' && word.starts_with(|c: char| c.is_ascii_digit());
    let words = |line: &str| -> String {
        let parts: Vec<&str> = line.split("  ").filter(|part| !is_id(part)).collect();
        parts.join("  ")
    };
    let lines: Vec<String> = text.lines().map(words).collect();
    let today = lines.iter().find_map(|line| line.split_once("finished ").map(|(_, rest)| rest[..10].to_owned()));
    let text = lines.join("\n");
    today.map_or(text.clone(), |today| text.replace(&format!("finished {today}"), "finished"))
}

/// The edges of a lineage in JSON as `NAME -> NAME`, sorted.
fn edges(value: &Value) -> Vec<String> {
    let name = |id: &Value| {
        let node = value["nodes"].as_array().unwrap().iter().find(|node| node["id"] == *id).unwrap();
        let text = |field: &str| node[field].as_str().unwrap_or("?").to_owned();
        match node["kind"].as_str().unwrap() {
            "version" => format!("{}:{}", text("artifact"), text("version")),
            "run" => text("name"),
            _ => text("uri"),
        }
    };
    let mut all: Vec<String> =
        value["edges"].as_array().unwrap().iter().map(|edge| format!("{} -> {}", name(&edge["from"]), name(&edge["to"]))).collect();
    all.sort();
    all
}

pub(crate) fn lab() -> Lab {
    let lab = Lab::new();
    lab.put("raw", "0");
    lab.play("prepare", &["raw"], &["data=1", "val=2"]);
    lab.play("train", &["data=train", "val=test"], &["model=3"]);
    lab
}

#[test]
fn a_tree_up_and_a_tree_down_show_what_is_met_twice_once() {
    let lab = lab();
    lab.play("eval", &["model", "val"], &[]);
    assert_eq!(
        lab.text(&["model"]),
        "\
model:v0  latest
comes from
└─ run train  finished
   ├─ data:v0 as train  latest
   │  └─ run prepare  finished
   │     └─ raw:v0  latest
   └─ val:v0 as test  latest
      └─ run prepare  finished  (above)
led to
└─ run eval  finished"
    );
    assert_eq!(
        lab.text(&["val", "--down"]),
        "\
val:v0  latest
led to
├─ run eval  finished
└─ run train  uses it as test  finished
   └─ model:v0  latest
      └─ run eval  finished"
    );
    assert_eq!(lab.text(&["raw", "--up"]), "raw:v0  latest\ncomes from nothing on record");
    assert_eq!(
        lab.text(&["raw", "--depth", "2"]),
        "\
raw:v0  latest
comes from nothing on record
led to
└─ run prepare  finished
   ├─ data:v0  latest  (+1 beyond the depth)
   └─ val:v0  latest  (+2 beyond the depth)"
    );
    assert_eq!(lab.text(&["raw", "--depth", "0"]).lines().count(), 3);
    lab.0.art(["lineage", "raw", "--up", "--down"]).failed(2);
    lab.0.art(["lineage", "raw", "--depth", "x"]).failed(2);
}

#[test]
fn json_has_nodes_with_all_that_is_known_and_edges_between_their_ids() {
    let lab = lab();
    let run = lab.0.art(["run", "start", "--name", "eval"]).done().trim().to_owned();
    lab.within(&run, &["use", "model"]).done();
    lab.within(&run, &["use", "--ref", "s3://b/x", "--as", "truth", "--size", "7"]).done();
    let found = lab.0.art(["lineage", "eval", "--json"]).json();
    assert_eq!(found, lab.0.art(["lineage", "eval", "--format", "json"]).json());
    assert_eq!(found["start"], json!(run));
    assert_eq!(
        edges(&found),
        [
            "data:v0 -> train",
            "model:v0 -> eval",
            "prepare -> data:v0",
            "prepare -> val:v0",
            "raw:v0 -> prepare",
            "s3://b/x -> eval",
            "train -> model:v0",
            "val:v0 -> train"
        ]
    );
    let node = |kind: &str, field: &str, value: &str| -> Value {
        let all = found["nodes"].as_array().unwrap().iter();
        all.clone().find(|node| node["kind"] == kind && node[field] == value).unwrap().clone()
    };
    let (model, eval, uri) = (node("version", "artifact", "model"), node("run", "name", "eval"), node("reference", "uri", "s3://b/x"));
    let shown = lab.0.art(["show", "model", "--json"]).json();
    for (field, value) in shown.as_object().unwrap().iter().filter(|(field, _)| *field != "references") {
        assert_eq!(model[field], *value, "{field}");
    }
    for (field, value) in lab.0.art(["run", "show", "eval", "--json"]).json().as_object().unwrap() {
        assert_eq!(eval[field], *value, "{field}");
    }
    assert_eq!((&uri["size_bytes"], &uri["digest"], &uri["layer"]), (&json!(7), &json!(null), &json!(4)));
    assert_eq!((&model["layer"], &model["missing"], &model["beyond"]), (&json!(4), &json!(false), &json!(0)));
    let from_uri = found["edges"].as_array().unwrap().iter().find(|edge| edge["from"] == uri["id"]).unwrap();
    let whole = json!({"from": uri["id"], "to": run, "kind": "used", "as": ["truth"], "again": false, "closes_cycle": false});
    assert_eq!(*from_uri, whole);
}

#[test]
fn a_version_used_by_hundreds_of_runs_is_folded_with_a_count() {
    let lab = Lab::new();
    lab.put("d", "0");
    let id = lab.0.art(["rev-parse", "d"]).done();
    let digest = lab.0.art(["rev-parse", "--digest", "d"]).done();
    for at in 0..300 {
        used_by_hand(&lab.0, at, "d", id.trim(), digest.trim());
    }
    let text = lab.0.art(["lineage", "d"]).done();
    assert_eq!(text.lines().count(), 14, "{text}");
    assert!(text.ends_with("└─ … and 290 more runs\n"), "{text}");
    assert!(text.lines().nth(3).unwrap().starts_with("├─ run hand-299  "), "the newest first: {text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80));
    assert_eq!(lab.0.art(["lineage", "d", "--all"]).done().lines().count(), 303);
    let found = lab.0.art(["lineage", "d", "--json"]).json();
    assert_eq!((found["nodes"].as_array().unwrap().len(), found["edges"].as_array().unwrap().len()), (301, 300));
}

/// Writes the records of a run that used a version, as another program might.
pub(crate) fn used_by_hand(env: &Env, at: usize, artifact: &str, id: &str, digest: &str) {
    let run = format!("01935f2c-{:04x}-7c3d-8e4f-0123456789ab", at);
    let time = format!("2026-11-03T09:{:02}:{:02}Z", at / 60, at % 60);
    let start = json!({"created_at": time, "kind": "run", "run": run, "seq": 0, "start": {"mode": "open", "name": format!("hand-{at}")}});
    let input = json!({"artifact": artifact, "digest": digest, "version": id});
    write_record(env, &format!("runs/{run}"), 0, &start);
    write_record(env, &format!("runs/{run}"), 1, &json!({"created_at": time, "input": input, "kind": "run", "run": run, "seq": 1}));
}

/// Writes a record under its name, and returns its id.
pub(crate) fn write_record(env: &Env, folder: &str, seq: u64, record: &Value) -> String {
    let line = format!("{record}\n");
    let id = artstore::id::RecordId::of(line.as_bytes());
    let folder = env.store().join(folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{seq}.{}", id.short(16))), line).unwrap();
    id.to_string()
}

#[test]
fn deleted_versions_and_those_whose_record_is_not_here_stay_marked() {
    let lab = lab();
    lab.0.art(["rm", "data:v0"]).done();
    assert!(lab.text(&["model", "--up"]).contains("   ├─ data:v0 as train  deleted\n   │  └─ run prepare"), "{}", lab.text(&["model"]));
    assert!(lab.text(&["data:v0"]).starts_with("data:v0  deleted\ncomes from\n└─ run prepare"));
    let id = lab.0.art(["rev-parse", "val"]).done();
    fs::remove_dir_all(lab.0.store().join("refs/val")).unwrap();
    let text = lab.text(&["model", "--up"]);
    assert!(text.contains(&format!("└─ val@{} as test  its record is not here", &id[..16])), "{text}");
    let found = lab.0.art(["lineage", "model", "--json"]).json();
    let val = found["nodes"].as_array().unwrap().iter().find(|node| node["id"] == id.trim()).unwrap().clone();
    assert_eq!((&val["kind"], &val["artifact"], &val["missing"]), (&json!("version"), &json!("val"), &json!(true)));
    // A run of which nothing but its name is here.
    fs::remove_dir_all(lab.0.store().join("runs")).unwrap();
    let text = lab.0.art(["lineage", "model"]).done();
    assert!(text.lines().nth(2).unwrap().ends_with("  its record is not here"), "{text}");
    assert_eq!(lab.0.art(["lineage", "model", "--json"]).json()["nodes"][0]["missing"], json!(true));
}

#[test]
fn a_run_that_puts_again_what_it_used_is_a_cycle_shown_once() {
    let lab = Lab::new();
    lab.put("d", "0");
    lab.play("same", &["d"], &["d=0"]);
    assert_eq!(
        lab.text(&["d"]),
        "\
d:v0  latest
comes from
└─ run same  made it again  finished
   └─ d:v0  latest  (above: a cycle)
led to
└─ run same  finished
   └─ d:v0 again  latest  (above: a cycle)"
    );
    let found = lab.0.art(["lineage", "same", "--json"]).json();
    let closing: Vec<&Value> = found["edges"].as_array().unwrap().iter().filter(|edge| edge["closes_cycle"] == true).collect();
    assert_eq!((closing.len(), &closing[0]["again"]), (1, &json!(true)));
}

#[test]
fn records_made_by_hand_that_go_in_a_circle_are_told_and_end() {
    let lab = Lab::new();
    lab.put("d", "0");
    let first = lab.play("first", &["d"], &["e=1"]);
    let (id, digest) = (lab.0.art(["rev-parse", "e"]).done(), lab.0.art(["rev-parse", "--digest", "e"]).done());
    let input = json!({"artifact": "e", "digest": digest.trim(), "version": id.trim()});
    let record = json!({"created_at": "2026-11-03T09:15:00Z", "input": input, "kind": "run", "run": first, "seq": 9});
    write_record(&lab.0, &format!("runs/{first}"), 9, &record);
    for args in [&["lineage", "e"][..], &["lineage", "first", "--up"], &["lineage", "d", "--down"]] {
        let ran = lab.0.art(args);
        assert_eq!((ran.code, ran.text().matches("(above: a cycle)").count() > 0), (Some(0), true), "{ran:?}");
        assert!(ran.stderr.starts_with("warning: the records go in a circle: "), "{ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    }
    let ran = lab.0.art(["lineage", "d", "--json"]);
    assert_eq!(edges(&ran.json()), ["d:v0 -> first", "e:v0 -> first", "first -> e:v0"]);
    assert!(ran.stderr.starts_with("{\"warning\":"), "{ran:?}");
}

#[test]
fn a_copy_in_another_artifact_follows_from_its_source() {
    let lab = lab();
    let (id, folder) = (lab.0.art(["rev-parse", "model"]).done(), lab.0.store().join("refs/model/versions"));
    let line = fs::read_to_string(fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()).unwrap();
    let mut record: Value = serde_json::from_str(&line).unwrap();
    let fields = record.as_object_mut().unwrap();
    fields.remove("run");
    fields.insert("artifact".into(), json!("released"));
    fields.insert("parents".into(), json!([id.trim()]));
    let copy = write_record(&lab.0, "refs/released/versions", 0, &record);
    let text = lab.text(&["released", "--up", "--depth", "2"]);
    assert_eq!(text, "released:v0  latest\ncomes from\n└─ copied from model:v0  latest\n   └─ run train  finished  (+2 beyond the depth)");
    assert!(lab.text(&["model", "--down"]).ends_with("led to\n└─ copied to released:v0  latest"));
    // One whose source is not here names it all the same; what follows a version of its own does not.
    fs::remove_dir_all(lab.0.store().join("refs/model")).unwrap();
    let found = lab.0.art(["lineage", "released", "--json"]).json();
    assert_eq!((&found["nodes"][0]["artifact"], &found["nodes"][0]["id"]), (&json!(null), &json!(id.trim())));
    assert_eq!(found["edges"][0]["kind"], json!("copied"));
    lab.put("released", "other");
    fs::remove_file(lab.0.store().join(format!("refs/released/versions/0.{}", &copy[..16]))).unwrap();
    assert_eq!(lab.text(&["released", "--up"]), "released:v1  latest\ncomes from nothing on record");
}

#[test]
fn a_long_chain_goes_on_further_down_and_stays_within_eighty_columns() {
    let lab = Lab::new();
    lab.put("d", "0");
    for at in 1..=12 {
        lab.play(&format!("a run with quite a long name that has to be cut {at}"), &["d"], &[&format!("d={at}")]);
    }
    let text = lab.0.art(["lineage", "d"]).done();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("(goes on at [1])\n[1] d:v7\n└─ run a run with quite a"), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("d:v0")).count(), 1, "{text}");
}

#[test]
fn merged_copies_show_one_lineage_and_equal_versions_as_one() {
    let lab = lab();
    let other = Lab::new();
    let copy = |from: &Path, to: &Path| {
        let status = std::process::Command::new("cp").arg("-rn").arg(from.join(".")).arg(to).status().unwrap();
        assert!(status.success());
    };
    copy(&lab.0.store(), &other.0.store());
    fs::remove_dir_all(other.0.store().join("local")).ok();
    // Both train on: one makes what the other makes too, each under the same number.
    lab.play("here", &["data"], &["model=4"]);
    other.play("there", &["data"], &["model=4"]);
    other.play("use-there", &["model:v1"], &["report=5"]);
    copy(&other.0.store(), &lab.0.store());
    let text = lab.text(&["model:v1", "--depth", "1"]);
    assert!(text.contains("└─ run use-there"), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("run here") || line.contains("run there")).count(), 2, "{text}");
    let report = lab.text(&["report", "--up", "--depth", "3"]);
    assert!(report.contains("run here") && report.contains("run there"), "{report}");
    assert_eq!(lab.text(&["data", "--down"]).lines().filter(|line| line.contains("model:v1")).count(), 2, "twice met");
}

#[test]
fn what_is_named_is_a_run_by_its_id_else_a_ref_else_a_run_by_its_name() {
    let lab = lab();
    let run = lab.play("data", &["raw"], &[]);
    let first = |named: &str| plain(&lab.0.art(["lineage", named, "--up"]).done()).lines().next().unwrap().to_owned();
    assert_eq!(
        (first(&run), first(&run[..13]), first("data")),
        ("run data  finished".into(), "run data  finished".into(), "data:v0  latest".into())
    );
    assert_eq!(
        (first("train"), first("data:v0"), first("model@latest".split('@').next().unwrap())),
        ("run train  finished".into(), "data:v0  latest".into(), "model:v0  latest".into())
    );
    lab.play("two words", &[], &[]);
    assert_eq!(first("two words"), "run two words  finished");
    let failed = |named: &str, code: i32| lab.0.art(["lineage", named]).failed(code).lines().next().unwrap().to_owned();
    assert_eq!(failed("nothing", 3), "error: cannot find an artifact or a run 'nothing'");
    assert_eq!(failed("no such", 3), "error: cannot find an artifact or a run 'no such'");
    assert_eq!(failed("model:v9", 3), "error: cannot find version 'model:v9'");
    assert_eq!(failed("model:", 2), "error: bad ref 'model:': bad alias '': it is empty");
    assert!(failed("01935f2c-7a1b-7c3d-8e4f-0123456789ab", 3).starts_with("error: cannot find run '01935f2c-"));
    lab.play("train", &[], &[]);
    assert!(failed("train", 4).starts_with("error: 'train' means several runs: "));
    lab.0.art(["--json", "lineage", "nothing"]).failed(3);
}

#[test]
fn what_cannot_be_read_is_warned_of() {
    let lab = lab();
    let run = lab.0.art(["runs", "--json"]).json()[0]["id"].as_str().unwrap().to_owned();
    let record = fs::read_dir(lab.0.store().join("runs").join(&run)).unwrap().find_map(|entry| {
        let entry = entry.unwrap();
        entry.file_name().to_str().unwrap().starts_with("1.").then(|| entry.path())
    });
    fs::remove_file(record.as_ref().unwrap()).unwrap();
    fs::write(record.unwrap(), "x").unwrap();
    let ran = lab.0.art(["lineage", "model"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stderr.starts_with("warning: record 'runs/") && ran.stderr.contains("its bytes do not match its name"), "{ran:?}");
    assert!(!ran.text().contains("raw:v0"), "{ran:?}");
    // A version whose record cannot be read is not one that is not there.
    let record = fs::read_dir(lab.0.store().join("refs/raw/versions")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&record).unwrap();
    fs::write(&record, "x").unwrap();
    let stderr = lab.0.art(["lineage", "raw"]);
    assert!(stderr.failed(5).starts_with("error: cannot read the record that 'raw:latest' depends on: "), "{stderr:?}");
}
