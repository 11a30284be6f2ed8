//! "Run records": golden lines, where they lie, what is refused, what they add up to.

use artstore::format::record::{GitState, Metadata, Record};
use artstore::format::run::{RunEnd, RunMode, RunRecord, RunReference, RunStart, RunVersion};
use artstore::refs::runs::Run;
use artstore::refs::write::record_path;
use artstore::run_id::RunId;
use serde_json::json;

use crate::record::{RUN, time};
use crate::sample::id;

fn run() -> RunId {
    RUN.parse().unwrap()
}

fn step(seq: u64) -> RunRecord {
    RunRecord::new(run(), seq, time("2026-11-03T09:15:00Z"))
}

fn bare_start() -> RunStart {
    RunStart {
        argv: Vec::new(),
        git: None,
        host: None,
        job_type: None,
        mode: RunMode::Open,
        name: None,
        project: None,
        remote: None,
        user: None,
    }
}

fn full_start() -> RunStart {
    RunStart {
        argv: vec!["python".into(), "train.py".into(), String::new()],
        git: Some(GitState { branch: Some("main".into()), commit: None, dirty: false }),
        host: Some("box".into()),
        job_type: Some("train".parse().unwrap()),
        mode: RunMode::Exec,
        name: Some("größer".into()),
        project: Some("digits".parse().unwrap()),
        remote: Some("https://example.org/a".into()),
        user: Some("ann".into()),
    }
}

fn version() -> RunVersion {
    RunVersion { artifact: "digits".parse().unwrap(), digest: id(4), role: Some("train".parse().unwrap()), version: id(3) }
}

fn reference() -> RunReference {
    RunReference { digest: Some(id(2)), role: None, size_bytes: Some(7), uri: "s3://b/k".into() }
}

fn golden() -> [(RunRecord, String); 5] {
    let line = |before: &str, after: &str| {
        format!(r#"{{{before}"created_at":"2026-11-03T09:15:00Z",{after}"#).replace("RUN", &format!(r#""kind":"run","run":"{RUN}""#))
    };
    let h = |digits: &str| digits.repeat(32);
    let full = RunRecord { start: Some(full_start()), config: Metadata::from([("lr".into(), json!(0.001))]), ..step(0) };
    let all = RunRecord {
        input: Some(version()),
        output: Some(RunVersion { role: None, ..version() }),
        reference: Some(reference()),
        summary: Metadata::from([("acc".into(), json!({"top5": null}))]),
        ..step(3)
    };
    [
        (RunRecord { start: Some(bare_start()), ..step(0) }, line("", r#"RUN,"seq":0,"start":{"mode":"open"}}"#)),
        (
            full,
            line(
                r#""config":{"lr":0.001},"#,
                r#"RUN,"seq":0,"start":{"argv":["python","train.py",""],"git":{"branch":"main","dirty":false},"host":"box","job_type":"train","mode":"exec","name":"größer","project":"digits","remote":"https://example.org/a","user":"ann"}}"#,
            ),
        ),
        (
            all,
            line(
                "",
                &format!(
                    r#""input":{{"artifact":"digits","as":"train","digest":"{0}","version":"{1}"}},"kind":"run","output":{{"artifact":"digits","digest":"{0}","version":"{1}"}},"reference":{{"digest":"{2}","size_bytes":7,"uri":"s3://b/k"}},"run":"{RUN}","seq":3,"summary":{{"acc":{{"top5":null}}}}}}"#,
                    h("04"),
                    h("03"),
                    h("02")
                ),
            ),
        ),
        (
            RunRecord { end: Some(RunEnd { exit_code: Some(0), signal: None }), ..step(4) },
            line("", r#""end":{"exit_code":0},RUN,"seq":4}"#),
        ),
        (
            RunRecord { end: Some(RunEnd { exit_code: None, signal: Some(9) }), ..step(u64::MAX) },
            line("", r#""end":{"signal":9},RUN,"seq":18446744073709551615}"#),
        ),
    ]
}

fn record(record: RunRecord) -> Record {
    Record::Run(Box::new(record))
}

#[test]
fn each_step_has_one_line_and_lies_in_the_folder_of_its_run() {
    for (step, line) in golden() {
        let seq = step.seq;
        let record = record(step);
        let (id, encoded) = record.encode().unwrap();
        assert_eq!(String::from_utf8(encoded.clone()).unwrap(), format!("{line}\n"));
        assert_eq!(Record::decode(&encoded).unwrap(), record);
        assert_eq!(record_path(&record, id).to_str().unwrap(), format!("runs/{RUN}/{seq}.{}", id.short(16)));
    }
}

#[test]
fn every_truncation_and_every_changed_byte_that_still_decodes_is_another_record() {
    for (step, line) in golden() {
        let line = format!("{line}\n").into_bytes();
        for len in 0..line.len() {
            assert!(Record::decode(&line[..len]).is_err(), "{len}");
        }
        for at in 0..line.len() {
            let mut changed = line.clone();
            changed[at] ^= 1;
            assert!(Record::decode(&changed).map_or(true, |other| other != record(step.clone())), "{at}");
        }
    }
}

#[test]
fn members_that_say_nothing_or_are_unknown_are_refused() {
    let taken = |line: &str| Record::decode(format!("{line}\n").as_bytes()).is_ok();
    let [(_, bare), (_, full), (_, all), (_, end), _] = golden();
    assert!(taken(&bare) && taken(&full) && taken(&all) && taken(&end));
    let cases = [
        bare.replace(r#"{"mode":"open"}"#, r#"{"argv":[],"mode":"open"}"#),
        bare.replace(r#"{"mode":"open"}"#, r#"{"mode":"open","name":null}"#),
        bare.replace(r#"{"mode":"open"}"#, r#"{"mode":"open","name":""}"#),
        bare.replace(r#"{"mode":"open"}"#, r#"{"mode":"open","zeta":1}"#),
        bare.replace(r#"{"mode":"open"}"#, r#"{"mode":"other"}"#),
        bare.replace(r#"{"mode":"open"}"#, "{}"),
        bare.replace(r#"{"created_at""#, r#"{"config":{},"created_at""#),
        bare.replace(RUN, &RUN.to_uppercase()),
        full.replace(r#"{"branch":"main","dirty":false}"#, r#"{"branch":"main","commit":null,"dirty":false}"#),
        all.replace(r#""as":"train","#, r#""as":null,"#),
        all.replace(r#""size_bytes":7,"#, r#""size_bytes":null,"#),
        end.replace(r#"{"exit_code":0}"#, "{}"),
        end.replace(r#"{"exit_code":0}"#, r#"{"exit_code":0,"signal":9}"#),
        end.replace(r#"{"exit_code":0}"#, r#"{"exit_code":256}"#),
    ];
    for case in cases {
        assert!(!taken(&case), "{case}");
    }
}

#[test]
fn lengths_have_limits() {
    let refused = |start: RunStart| record(RunRecord { start: Some(start), ..step(0) }).encode().unwrap_err();
    refused(RunStart { name: Some("x".repeat(1025)), ..bare_start() });
    refused(RunStart { remote: Some(String::new()), ..bare_start() });
    refused(RunStart { argv: vec!["x".repeat(16 << 10)], ..bare_start() });
    record(RunRecord { start: Some(RunStart { argv: vec!["x".repeat((16 << 10) - 1)], ..bare_start() }), ..step(0) }).encode().unwrap();
    let values = |len: usize| Metadata::from([("k".into(), json!("x".repeat(len)))]);
    record(RunRecord { config: values((32 << 10) - 8), ..step(0) }).encode().unwrap();
    record(RunRecord { config: values((32 << 10) - 7), ..step(0) }).encode().unwrap_err();
    record(RunRecord { summary: values(32 << 10), ..step(0) }).encode().unwrap_err();
    let uri = |uri: String| record(RunRecord { reference: Some(RunReference { uri, ..reference() }), ..step(0) }).encode();
    uri("x".repeat(8192)).unwrap();
    uri("x".repeat(8193)).unwrap_err();
    uri(String::new()).unwrap_err();
}

#[test]
fn a_run_is_what_its_records_add_up_to_in_any_order() {
    let mut records: Vec<_> = golden()[..4].iter().map(|(step, _)| step.clone()).collect();
    records.push(RunRecord { summary: Metadata::from([("acc".into(), json!(1)), ("n".into(), json!(2))]), ..step(4) });
    records.push(RunRecord { input: Some(version()), ..step(9) });
    let mut named: Vec<_> = records.into_iter().map(|step| (record(step.clone()).encode().unwrap().0, step)).collect();
    let added = Run::new(run(), named.clone()).unwrap();
    assert_eq!((added.inputs.len(), added.outputs.len(), added.references.len(), added.next_seq), (1, 1, 1, 10));
    assert_eq!(added.summary, Metadata::from([("acc".into(), json!(1)), ("n".into(), json!(2))]));
    assert_eq!(added.end.unwrap().0, RunEnd { exit_code: Some(0), signal: None });
    for _ in 0..named.len() {
        named.rotate_left(1);
        assert_eq!(format!("{:?}", Run::new(run(), named.clone()).unwrap()), format!("{added:?}"));
    }
    assert!(Run::new(run(), Vec::new()).is_none());
}
