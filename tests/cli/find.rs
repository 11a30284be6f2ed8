//! `art find`

use std::fs;

use serde_json::{Value, json};

use crate::env::Env;
use crate::lineage::Lab;

/// A store of three models and a dataset, with what one asks about.
fn env() -> Env {
    let env = Env::new();
    let put = |content: &str, args: &[&str]| {
        env.write("f", content);
        env.art([&["put", args[0], "f"], &args[1..]].concat()).done();
    };
    put("0", &["model", "--type", "model", "--meta", "acc=0.81", "--meta", "opt=adam", "--tag", "prod"]);
    put("11", &["model", "--meta", "acc=0.93", "--meta", r#"eval={"f1":[0.5,0.7],"a.b":1}"#, "-m", "Bigger net", "--alias", "best"]);
    put("222", &["model", "--meta", "acc=0.9", "--meta", "opt=\"10\"", "--tag", "prod", "--tag", "checked twice"]);
    put("3333", &["train-set", "--tag", "raw"]);
    env
}

/// The versions that a command finds, in its order.
fn found(env: &Env, args: &[&str]) -> String {
    let ran = env.art([&["find", "--json"], args].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let name = |row: &Value| format!("{}:{}", row["artifact"].as_str().unwrap(), row["version"].as_str().unwrap());
    ran.json().as_array().unwrap().iter().map(name).collect::<Vec<_>>().join(" ")
}

#[test]
fn versions_are_found_by_what_is_known_of_them_the_newest_first() {
    let env = env();
    let cases = [
        ("", "train-set:v0 model:v2 model:v1 model:v0"),
        ("type:model metadata.acc>0.85", "model:v2 model:v1"),
        ("type:model metadata.acc>0.9 tag:prod created<7d size>1GB", ""),
        ("metadata.acc>=0.9 tag:prod", "model:v2"),
        ("tag:prod or alias:best", "model:v2 model:v1 model:v0"),
        ("-tag:prod", "train-set:v0 model:v1"),
        ("tag!=prod", "train-set:v0 model:v1"),
        ("metadata.opt!=adam", "model:v2"),
        ("metadata.opt:10 metadata.opt=\"10\"", "model:v2"),
        ("metadata.opt>9", ""),
        ("metadata.eval.f1>0.6", "model:v1"),
        ("metadata.eval.a.b=1 metadata.eval.'a.b'=1", "model:v1"),
        ("metadata.eval:*", "model:v1"),
        ("description~BIGGER", "model:v1"),
        ("description:*", "model:v1"),
        ("name:train-*", "train-set:v0"),
        ("name:train", ""),
        ("twice", "model:v2"),
        ("alias:latest (type:dataset or metadata.acc<1)", "train-set:v0 model:v2"),
        ("version:v1", "model:v1"),
        ("number<1 size<=4B files=1", "train-set:v0 model:v0"),
        ("size>2 size<4", "model:v2"),
        ("created>1h", ""),
        ("created>2020 created<=3000-01-01", "train-set:v0 model:v2 model:v1 model:v0"),
        ("git.commit:* or run:*", ""),
    ];
    for (query, versions) in cases {
        assert_eq!(found(&env, &[query]), versions, "{query}");
    }
    // In parts, and with what looks like an option at its beginning.
    assert_eq!(found(&env, &["type:model", "tag:prod"]), "model:v2 model:v0");
    assert_eq!(found(&env, &["-tag:prod", "type:model", "--limit", "3"]), "model:v1");
    let id = env.art(["show", "model:v1", "--json"]).json()["id"].as_str().unwrap()[..10].to_owned();
    assert_eq!(found(&env, &[&format!("id:{id}")]), "model:v1");
}

#[test]
fn what_is_found_is_sorted_and_limited_and_what_has_no_value_comes_last() {
    let env = env();
    assert_eq!(found(&env, &["--sort", "metadata.acc"]), "model:v0 model:v2 model:v1 train-set:v0");
    assert_eq!(found(&env, &["--sort", "-metadata.acc"]), "model:v1 model:v2 model:v0 train-set:v0");
    assert_eq!(found(&env, &["--sort=-metadata.acc", "--limit", "1", "tag:prod"]), "model:v2");
    assert_eq!(found(&env, &["--sort", "-type", "--sort", "size"]), "model:v0 model:v1 model:v2 train-set:v0");
    assert_eq!(found(&env, &["--sort", "metadata.opt"]), "model:v2 model:v0 train-set:v0 model:v1");
    assert_eq!(found(&env, &["--limit", "0"]), "");
}

#[test]
fn the_table_has_what_was_asked_about() {
    let env = env();
    let table = |args: &[&str]| {
        let text = env.art([&["find"], args].concat()).done();
        let words = |line: &str| {
            line.split("  ").map(str::trim).filter(|cell| !cell.is_empty() && !cell.starts_with("20")).collect::<Vec<_>>().join("|")
        };
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        text.lines().map(words).collect::<Vec<_>>()
    };
    assert_eq!(
        table(&["metadata.acc>=0.9", "--sort", "-metadata.acc"]),
        ["VERSION|TYPE|SIZE|acc|CREATED|ALIASES|TAGS", "model:v1|model|2 B|0.93|best", "model:v2|model|3 B|0.9|latest|checked twice, prod"]
    );
    assert_eq!(
        table(&["type:model description~net metadata.eval.f1:*"]),
        ["VERSION|TYPE|SIZE|eval.f1|CREATED|ALIASES|DESCRIPTION", "model:v1|model|2 B|[0.5,0.7]|best|Bigger net"]
    );
    assert_eq!(table(&["tag:none"]), [""; 0]);
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let rows = env.art(["find", "alias:best", "--json"]).json();
    let mut shown = env.art(["show", "model:best", "--json"]).json();
    shown.as_object_mut().unwrap().remove("references");
    assert_eq!(rows[0], shown);
    assert!(fields(&rows[0]).contains(&"metadata".to_owned()));
    assert_eq!(env.art(["find", "x", "--json"]).done(), "[]\n");
}

#[test]
fn a_query_with_a_slip_is_refused_with_a_caret_below_it() {
    let env = env();
    let error = env.art(["find", "type:model metdata.acc>0.9"]);
    let expected = "error: bad query, column 12: unknown key 'metdata.acc'\n  type:model metdata.acc>0.9\n             ^^^^^^^^^^^\n\
                    hint: did you mean `metadata.acc`? `art help find` lists the keys\n";
    assert_eq!(error.failed(2), expected);
    let cases = [
        ("type==model", "column 5: bad operator '=='"),
        ("size>1XB", "column 6: bad size '1XB'"),
        ("number<many", "column 8: bad number 'many'"),
        ("tag:\"prod", "column 5: this quote is not closed"),
        ("created<soon", "column 9: bad time 'soon'"),
        ("created:7d", "column 8: operator ':' does not go with the age '7d'"),
        ("type<model", "column 5: operator '<' does not go with `type`"),
        ("(a", "column 1: there is no `)` for this `(`"),
    ];
    for (query, why) in cases {
        let error = env.art(["find", query]);
        assert!(error.failed(2).starts_with(&format!("error: bad query, {why}\n  {query}\n")), "{error:?}");
        assert!(error.stderr.contains("\nhint: "), "{error:?}");
    }
    let sort = env.art(["find", "--sort", "-metdata.acc"]);
    assert!(sort.failed(2).starts_with("error: bad sort key, column 2: unknown key 'metdata.acc'\n  -metdata.acc\n   ^^^^^^^^^^^\n"));
    let as_json: Value = serde_json::from_str(env.art(["find", "typ:x", "--json"]).failed(2)).unwrap();
    assert_eq!(as_json["exit_code"], json!(2));
}

#[test]
fn a_name_that_no_metadata_has_is_told_where_nothing_is_found() {
    let env = env();
    let ran = env.art(["find", "metadata.acd>0.1"]);
    assert_eq!((ran.code, &ran.stderr[..]), (Some(0), "warning: no version has metadata.acd; there is metadata.acc\n"));
    let ran = env.art(["find", "metadata.eval.f2>0.1"]);
    assert_eq!(ran.stderr, "warning: no version has metadata.eval.f2; there is metadata.eval.f1\n");
    assert_eq!(env.art(["find", "metadata.gradient:*"]).stderr, "warning: no version has metadata.gradient\n");
    assert_eq!(env.art(["find", "metadata.acc>1"]).done(), "");
}

#[test]
fn deleted_versions_are_found_only_when_asked_for() {
    let env = env();
    env.art(["rm", "model:v0"]).done();
    assert_eq!(found(&env, &["metadata.opt:adam"]), "");
    assert_eq!(found(&env, &["metadata.opt:adam", "--deleted"]), "model:v0");
    assert!(env.art(["find", "--deleted", "metadata.opt:adam"]).done().contains("model:v0 (deleted)  model"));
}

#[test]
fn runs_are_found_by_id_and_by_name() {
    let lab = Lab::new();
    let run = lab.play("train-big", &[], &["model=1"]);
    lab.put("other", "2");
    for query in [&format!("run:{run}"), &format!("run:{}", &run[..13]), "run:train-big", "run:train-*", "run:*", "-other"] {
        assert_eq!(found(&lab.0, &[query]), "model:v0", "{query}");
    }
    assert_eq!(found(&lab.0, &["run:train"]), "model:v0", "as the beginning of the name");
    assert_eq!(found(&lab.0, &["run:eval"]), "");
    assert_eq!(found(&lab.0, &["run!=train-big"]), "", "what no run made has no run that differs");
}

#[test]
fn what_was_edited_is_found_as_it_is_now() {
    let env = env();
    env.art(["edit", "model:v0", "--meta", "acc=0.99", "--unset", "opt", "-m", "mended"]).done();
    env.art(["tag", "rm", "model:v0", "prod"]).done();
    env.art(["edit", "--artifact", "model", "-m", "Classifier of cats"]).done();
    env.art(["tag", "add", "--artifact", "model", "team-a"]).done();
    let cases = [
        ("metadata.acc>0.95", "model:v0"),
        ("metadata.opt:adam", ""),
        ("description=mended", "model:v0"),
        ("tag:prod", "model:v2"),
        ("artifact.tag:team-a number<2", "model:v1 model:v0"),
        ("artifact.description~cats alias:best", "model:v1"),
        ("classifier number=2", "model:v2"),
        ("artifact.tag!=team-a", "train-set:v0"),
    ];
    for (query, versions) in cases {
        assert_eq!(found(&env, &[query]), versions, "{query}");
    }
}

#[test]
fn commits_and_branches_are_found() {
    let env = Env::bare();
    env.git(["init", "-q", "-b", "topic"]);
    env.art(["init"]).done();
    env.write("f", "1");
    env.git(["add", "."]);
    env.git(["commit", "-q", "-m", "c"]);
    env.art(["put", "d", "f"]).done();
    let commit = String::from_utf8(env.git(["rev-parse", "HEAD"]).stdout).unwrap();
    for query in [&format!("git.commit:{}", &commit[..7]), "git.branch:topic", "git.branch~TOP", "git.dirty:false", "git.dirty!=true"] {
        assert_eq!(found(&env, &[query]), "d:v0", "{query}");
    }
    assert_eq!(found(&env, &["git.dirty:true or git.branch:main"]), "");
}

#[test]
fn metadata_in_pages_is_searched_too_and_told_where_it_cannot_be_read() {
    let env = env();
    let many: Value = (0..4000).map(|number| (format!("key{number:06}"), json!(number))).collect::<serde_json::Map<_, _>>().into();
    env.write("many.json", many.to_string());
    env.write("f", "x");
    env.art(["put", "big", "f", "--meta-file", "many.json"]).done();
    assert_eq!(found(&env, &["metadata.key003999=3999"]), "big:v0");
    assert_eq!(found(&env, &["metadata.key003999:* or metadata.acc>0.92", "--sort", "metadata.key000001"]), "big:v0 model:v1");
    // As in a copy whose packs have not arrived.
    fs::rename(env.store().join("meta"), env.project().join("meta")).unwrap();
    let warning = "warning: big:v0 is left out: its metadata, on which the query depends, cannot be read\n";
    for query in ["metadata.acc>0.92", "-metadata.acc<=0.92 metadata.acc:*"] {
        let ran = env.art(["find", query]);
        assert_eq!((ran.code, &ran.stderr[..], ran.text().contains("model:v1")), (Some(0), warning, true), "{query}");
    }
    // What does not depend on it is found.
    assert_eq!(env.art(["find", "name:big metadata.x=1 or type:dataset"]).done().matches("big:v0").count(), 1);
}

#[test]
fn a_damaged_record_is_told_and_the_others_are_found() {
    let env = env();
    let record = crate::env::files(&env.store().join("refs/model/versions")).remove(0);
    fs::remove_file(&record).unwrap();
    fs::write(&record, "{}\n").unwrap();
    let ran = env.art(["find", "type:model"]);
    assert!(ran.code == Some(0) && ran.stderr.contains("is damaged") && ran.text().contains("model:v2"), "{ran:?}");
}
