//! The page that `art lineage --format html` writes, in a real browser without a network: what its
//! script does when somebody clicks, types and moves about.
//!
//! It needs Chromium, and says `skipped` where there is none. `page.js` beside this file is put at the
//! end of the page with a call of one of its functions, acts, and leaves what it found in the page.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "what is skipped is said")]

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::process::{Command, Stdio};

use artstore::id::RecordId;
use serde_json::{Value, json};
use support::Project;

const SCRIPT: &str = include_str!("page.js");

/// Ends the script's element, and says something if it ever runs.
const HOSTILE: &str = "</script><script>window.harmed = 1</script><img src=x onerror='window.harmed = 1'>\u{202e}";

/// Finds a Chromium that starts.
fn browser() -> Option<&'static str> {
    let starts = |name: &&str| {
        let status = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(starts);
    if found.is_none() {
        eprintln!("skipped: no Chromium is here");
    }
    found
}

/// Opens the lineage of what is named, lets a function of the script act in it, and holds that all
/// it found is as it should be.
#[track_caller]
fn act(project: &Project, named: &str, function: &str, flags: &[&str]) {
    let Some(browser) = browser() else { return };
    let page = project.art(["lineage", named, "--format", "html"]).ok().text();
    let nonce = page.split_once("<script nonce=\"").and_then(|(_, rest)| rest.split_once('"')).unwrap().0;
    let script = SCRIPT.replace("</script", "<\\/script");
    let script = format!("<script nonce=\"{nonce}\">{script}\nplay({function});</script></body>");
    project.write("page.html", page.replacen("</body>", &script, 1));
    let mut command = project.program(browser, ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,900"]);
    command.args(["--dump-dom", "--virtual-time-budget=20000", "--enable-logging=stderr"]).args(flags);
    command.arg(format!("--user-data-dir={}", project.outside().join("profile").display()));
    let ran = support::run(command.arg(format!("file://{}", project.path("page.html").display()))).ok();
    let dom = ran.text();
    let Some((found, _)) = dom.split_once("<pre id=\"found\">").and_then(|(_, rest)| rest.split_once("</pre>")) else {
        let console: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("CONSOLE")).collect();
        panic!("the script did not end: {console:?}");
    };
    let found = found.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").replace("&amp;", "&");
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["wrong"], json!([]));
    assert!(found["held"].as_u64().unwrap() > 2, "{found}");
}

/// A store in which `train` made a model of two versions, and failed runs used the model.
fn trained() -> Project {
    let project = Project::new();
    let within = |run: &str, args: &[&str]| support::run(project.command(args).env("ART_RUN", run)).ok();
    project.write("d", "1");
    project.art(["put", "data", "d", "--tag", "clean"]).ok();
    project.write("d", "2");
    project.art(["put", "val", "d"]).ok();
    project.write(
        "meta.json",
        r#"{"acc": 0.91, "seed": 9007199254740993, "deep": [9007199254740995, "x"], "note": NOTE}"#
            .replace("NOTE", &json!(HOSTILE).to_string()),
    );
    let train = project.art(["run", "start", "--name", "train", "--config", "layers=12"]).ok().text();
    within(train.trim(), &["use", "data", "--as", "train"]);
    within(train.trim(), &["use", "val", "--as", "test"]);
    project.write("m", "3");
    within(train.trim(), &["put", "model", "m", "--meta-file", "meta.json", "-m", HOSTILE.trim_end_matches('\u{202e}')]);
    within(train.trim(), &["run", "finish"]);
    let serve = project.art(["run", "start", "--name", "serve <b>it</b>"]).ok().text();
    within(serve.trim(), &["use", "model"]);
    within(serve.trim(), &["run", "finish", "--exit", "3"]);
    project
}

/// Runs in a row, each of which used what the one before it made: too long to be shown whole.
fn chained() -> Project {
    let project = Project::new();
    project.write("d", "0");
    project.art(["put", "data", "d"]).ok();
    for at in 1..=6 {
        let run = project.art(["run", "start"]).ok().text();
        project.write("d", at.to_string());
        for args in [&["use", "data"][..], &["put", "data", "d"], &["run", "finish"]] {
            support::run(project.command(args).env("ART_RUN", run.trim())).ok();
        }
    }
    project
}

/// A version that so many runs used, by records made by hand.
fn used_often(runs: usize) -> Project {
    let project = Project::new();
    project.write("d", "1");
    project.art(["put", "data", "d"]).ok();
    let shown = project.art(["show", "data", "--json"]).ok().json();
    for at in 0..runs {
        let run = format!("01935f2c-{at:04x}-7c3d-8e4f-0123456789ab");
        let time = format!("2026-11-03T09:{:02}:{:02}Z", at / 60, at % 60);
        let input = json!({"artifact": "data", "digest": shown["digest"], "version": shown["id"]});
        let start = json!({"created_at": time, "kind": "run", "run": run, "seq": 0, "start": {"mode": "open", "name": format!("by-{at}")}});
        project.mkdir(format!(".artifacts/runs/{run}"));
        for (seq, record) in [start, json!({"created_at": time, "input": input, "kind": "run", "run": run, "seq": 1})].iter().enumerate() {
            let line = format!("{record}\n");
            let id = RecordId::of(line.as_bytes());
            fs::write(project.path(format!(".artifacts/runs/{run}/{seq}.{}", id.short(16))), line).unwrap();
        }
    }
    project
}

#[test]
fn a_click_shows_what_is_known_of_a_node() {
    act(&trained(), "model", "click", &[]);
}

#[test]
fn a_search_finds_and_dims() {
    act(&trained(), "model", "search", &[]);
}

#[test]
fn keys_walk_open_and_close() {
    act(&trained(), "model", "keys", &[]);
}

#[test]
fn wheel_drag_and_buttons_move_the_picture() {
    act(&trained(), "model", "move", &[]);
}

#[test]
fn what_is_too_wide_begins_at_what_was_asked_for() {
    act(&chained(), "data", "begin", &[]);
}

#[test]
fn markup_in_metadata_does_no_harm_and_nothing_is_loaded() {
    act(&trained(), "model", "harm", &[]);
}

#[test]
fn it_is_light_and_dark() {
    act(&trained(), "model", "light", &["--blink-settings=preferredColorScheme=1"]);
    act(&trained(), "model", "dark", &["--blink-settings=preferredColorScheme=0"]);
}

#[test]
fn three_hundred_nodes_are_folded_and_unfolded() {
    act(&used_often(300), "data", "many", &[]);
}
