//! `art run`

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::env::{Env, Ran, files};
use crate::lineage::write_record;

fn env() -> Env {
    let env = Env::new();
    env.write("x", "0");
    env.art(["put", "d", "x"]).done();
    env
}

/// Runs a shell script by `run exec` with some options.
fn exec(env: &Env, options: &[&str], script: &str) -> Ran {
    let mut command = env.command(env!("CARGO_BIN_EXE_art"));
    command.args(["run", "exec"]).args(options).args(["--", "sh", "-c", script]).env("ART", env!("CARGO_BIN_EXE_art"));
    env.run(&mut command)
}

fn shown(env: &Env, run: &str) -> Value {
    env.art(["run", "show", run, "--json"]).json()
}

fn kill(pid: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

#[test]
fn a_started_run_takes_what_is_put_used_and_logged_until_it_is_finished() {
    let env = env();
    let id = env.art(["run", "start", "--name", "prep", "--job-type", "prepare", "--project", "p", "--config", "lr=0.001"]).done();
    let id = id.trim();
    assert_eq!(shown(&env, id)["state"], "open");
    let in_run = |args: &[&str]| env.run(env.command(env!("CARGO_BIN_EXE_art")).args(args).env("ART_RUN", id));
    in_run(&["use", "d"]).done();
    env.write("y", "1");
    in_run(&["put", "e", "y"]).done();
    // What is there already is an output all the same.
    env.art(["put", "f", "y"]).done();
    in_run(&["put", "f", "y"]).done();
    assert_eq!(in_run(&["run", "log", "acc=0.9", "best={\"epoch\":3}", "--config", "seed=7"]).done(), "");
    in_run(&["run", "log", "acc=0.95"]).done();
    assert_eq!(in_run(&["run", "finish"]).done(), "");

    let run = shown(&env, "prep");
    assert_eq!((&run["id"], &run["state"], &run["exit_code"]), (&json!(id), &json!("finished"), &json!(0)));
    assert_eq!((&run["project"], &run["job_type"], &run["argv"]), (&json!("p"), &json!("prepare"), &json!(null)));
    assert_eq!(run["config"], json!({"lr": 0.001, "seed": 7}));
    assert_eq!(run["summary"], json!({"acc": 0.95, "best": {"epoch": 3}}));
    let named = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|v| format!("{}:{}", v["artifact"].as_str().unwrap(), v["version"].as_str().unwrap())).collect()
    };
    assert_eq!((named(&run["inputs"]), named(&run["outputs"])), (vec!["d:v0".into()], vec!["e:v0".into(), "f:v0".into()]));
    assert_eq!(env.art(["show", "e", "--json"]).json()["run"], json!(id));
    assert!(env.art(["show", "e"]).done().contains(&format!("  run          prep ({id})\n")));
    env.art(["fsck"]).done();
}

#[test]
fn exec_passes_input_output_and_exit_code_and_records_all_that_was_done() {
    let env = env();
    let mut command = env.command(env!("CARGO_BIN_EXE_art"));
    let script =
        r#"cat; echo oops >&2; "$ART" use d --as train >&2; "$ART" put m x --type model >/dev/null; cd /; "$ART" run log n=1; exit 3"#;
    command.args(["run", "exec", "--name", "t", "--", "sh", "-c", script]).env("ART", env!("CARGO_BIN_EXE_art"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"in\0put").unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, &ran.stdout[..]), (Some(3), &b"in\0put"[..]));
    assert!(ran.stderr.starts_with("oops\nd@"), "{ran:?}");
    let run = shown(&env, "t");
    assert_eq!((&run["state"], &run["exit_code"], &run["summary"]), (&json!("failed"), &json!(3), &json!({"n": 1})));
    assert_eq!(run["argv"], json!(["sh", "-c", script]));
    assert_eq!((&run["inputs"][0]["as"], &run["outputs"][0]["artifact"]), (&json!("train"), &json!("m")));
    assert!(files(&env.store().join("local")).iter().all(|path| !path.to_str().unwrap().contains("/runs/")), "the lock is gone");
}

#[test]
fn a_command_that_cannot_be_started_is_recorded_as_env_would_tell_it() {
    let env = env();
    let ran = env.art(["run", "exec", "--name", "a", "--", "no-such-command"]);
    assert_eq!((ran.code, ran.stdout.is_empty()), (Some(127), true));
    assert!(ran.stderr.starts_with("warning: cannot start 'no-such-command': "), "{ran:?}");
    assert_eq!(env.art(["run", "exec", "--name", "b", "--", "./x"]).code, Some(126));
    assert_eq!((&shown(&env, "a")["exit_code"], &shown(&env, "b")["exit_code"]), (&json!(127), &json!(126)));
}

#[test]
fn secrets_stay_out_and_host_and_user_come_only_when_asked_for() {
    let env = env();
    env.git(["init", "-q"]).done();
    env.git(["remote", "add", "origin", "https://me:secret@example.org/a.git?token=secret"]).done();
    assert_eq!(exec(&env, &["--name", "a", "--no-argv"], "true # secret").code, Some(0));
    let run = shown(&env, "a");
    assert_eq!((&run["argv"], &run["host"], &run["user"]), (&json!(null), &json!(null), &json!(null)));
    assert_eq!((&run["remote"], &run["git"]["dirty"]), (&json!("https://example.org/a.git"), &json!(false)));
    for file in files(&env.store().join("runs")) {
        assert!(!std::fs::read_to_string(file).unwrap().contains("secret"));
    }
    let mut command = env.command(env!("CARGO_BIN_EXE_art"));
    env.run(command.args(["run", "start", "--name", "b", "--record-host"]).env("USER", "ann")).done();
    let run = shown(&env, "b");
    assert!(run["host"].is_string() && run["user"] == "ann", "{run}");
}

#[test]
fn a_signal_goes_to_the_command_and_its_death_is_ours() {
    let env = env();
    let start = |name: &str, script: &str| {
        let mut command = env.command(env!("CARGO_BIN_EXE_art"));
        command.args(["run", "exec", "--name", name, "--", "sh", "-c", script]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        (child, stdout)
    };
    let (mut child, mut stdout) = start("a", "trap 'echo got; exit 5' USR1; echo ready; while :; do sleep 0.01; done");
    kill(child.id(), "-USR1");
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!((line.trim(), child.wait().unwrap().code()), ("got", Some(5)));
    let (mut child, _stdout) = start("b", "echo ready; exec sleep 60");
    kill(child.id(), "-TERM");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(15));
    let run = shown(&env, "b");
    assert_eq!((&run["state"], &run["signal"], &run["exit_code"]), (&json!("failed"), &json!(15), &json!(null)));
}

#[test]
fn a_killed_run_keeps_what_it_did_and_is_lost_once_its_processes_are_gone() {
    let env = env();
    let mut command = env.command(env!("CARGO_BIN_EXE_art"));
    let script = r#""$ART" use d >/dev/null; echo $$; exec sleep 60"#;
    command.args(["run", "exec", "--name", "t", "--", "sh", "-c", script]).env("ART", env!("CARGO_BIN_EXE_art"));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let inner: u32 = line.trim().parse().unwrap();
    assert_eq!(shown(&env, "t")["state"], "running");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(shown(&env, "t")["state"], "running", "the command goes on");
    kill(inner, "-KILL");
    while Command::new("kill").args(["-0", &inner.to_string()]).stderr(Stdio::null()).status().unwrap().success()
        && !std::fs::read_to_string(format!("/proc/{inner}/stat")).unwrap_or_default().contains(") Z ")
    {
        std::thread::yield_now();
    }
    let run = shown(&env, "t");
    assert_eq!((&run["state"], &run["inputs"][0]["version"]), (&json!("lost"), &json!("v0")));
    // In a copy of the store nothing tells whether it goes on.
    env.run(env.command("cp").args(["-r", ".artifacts", "copy"])).done();
    assert_eq!(env.art(["--store", "copy", "run", "show", "t", "--json"]).json()["state"], "unknown");
    env.art(["run", "finish", "t", "--exit", "9"]).done();
    assert_eq!(shown(&env, "t")["state"], "failed");
}

#[test]
fn a_run_that_is_finished_or_unknown_takes_nothing() {
    let env = env();
    let id = env.art(["run", "start"]).done();
    env.art(["run", "finish", id.trim()]).done();
    env.write("y", "1");
    for args in [&["put", "e", "y"][..], &["use", "d"], &["run", "log", "a=1"], &["run", "finish"]] {
        let in_run = |run: &str| env.run(env.command(env!("CARGO_BIN_EXE_art")).args(args).env("ART_RUN", run));
        let ran = in_run(id.trim());
        assert!(ran.failed(1).starts_with(&format!("error: cannot add to run '{}': it ended at ", id.trim())), "{ran:?}");
        assert!(in_run("01935f2c-7a1b-7c3d-8e4f-0123456789ab").failed(3).contains("cannot find run '01935f2c-"), "{args:?}");
        assert!(in_run("nobody").failed(3).contains("cannot find run 'nobody'"), "{args:?}");
    }
    assert!(env.art(["show", "e"]).failed(3).contains("cannot find artifact"));
    assert!(env.art(["run", "log", "a=1"]).failed(2).contains("ART_RUN is not set"));
    assert!(env.art(["run", "log", "--run", id.trim()]).failed(2).contains("nothing to log"));
    assert!(env.art(["run", "log", "a=NaN", "--run", id.trim()]).failed(2).contains("bad value 'a': JSON has no NaN"));
    assert!(env.art(["run", "start", "--config", "x"]).failed(2).contains("bad config 'x'"));
}

#[test]
fn names_and_prefixes_name_runs_unless_several_have_them() {
    let env = env();
    let ids: Vec<String> = (0..2).map(|_| env.art(["run", "start", "--name", "same"]).done().trim().to_owned()).collect();
    let stderr = env.art(["run", "show", "same"]);
    let stderr = stderr.failed(4);
    assert!(ids.iter().all(|id| stderr.contains(id)), "{stderr}");
    assert_eq!(shown(&env, &ids[1][..30])["id"], json!(ids[1]));
    let shared = ids[0].bytes().zip(ids[1].bytes()).take_while(|(a, b)| a == b).count();
    if shared >= 8 {
        assert_eq!(env.art(["run", "show", &ids[0][..shared]]).code, Some(4));
    }
}

#[test]
fn a_name_is_found_by_whichever_record_tells_it() {
    let env = env();
    let run = "01935f2c-7a1b-7c3d-8e4f-0123456789ab";
    let step = |seq: u64, said: Value| {
        let mut record = json!({"created_at": "2026-11-03T09:15:00Z", "kind": "run", "run": run, "seq": seq});
        record.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        write_record(&env, &format!("runs/{run}"), seq, &record)
    };
    step(0, json!({"config": {"a": 1}}));
    step(10, json!({"start": {"mode": "open", "name": "late"}}));
    let first = step(9, json!({"start": {"mode": "open", "name": "first"}}));
    assert_eq!(shown(&env, "first")["id"], json!(run));
    assert!(env.art(["run", "show", "late"]).failed(3).contains("cannot find run 'late'"));
    // A record that cannot be read tells nothing.
    std::fs::write(env.store().join(format!("runs/{run}/9.{}", &first[..16])), "{}").unwrap();
    assert_eq!(shown(&env, "late")["id"], json!(run));
    assert!(env.art(["run", "show", "first"]).failed(3).contains("cannot find run 'first'"));
}

#[test]
fn what_is_too_long_for_a_record_is_refused_with_its_limit() {
    let env = env();
    let id = env.art(["run", "start", "--name", "t"]).done();
    let (value, name, uri) = (format!("a={}", "x".repeat(33 << 10)), "n".repeat(2000), format!("s3://{}", "x".repeat(9000)));
    for (args, wrong) in [
        (&["run", "log", &value, "--run", id.trim()][..], "its summary is longer than 32 KiB"),
        (&["run", "log", "--config", &value, "--run", id.trim()], "its config is longer than 32 KiB"),
        (&["run", "start", "--config", &value], "its config is longer than 32 KiB"),
        (&["run", "start", "--name", &name], "its name is longer than 1 KiB"),
        (&["use", "--ref", &uri, "--run", id.trim()], "its URI is longer than 8 KiB"),
    ] {
        assert!(env.art(args).failed(2).ends_with(&format!(": {wrong}\n")), "{wrong}");
    }
    assert_eq!(env.art(["run", "exec", "--name", &name, "--", "touch", "done"]).code, Some(2));
    assert!(!env.project().join("done").exists(), "what cannot be recorded is not run");
    assert_eq!(env.art(["runs", "--json"]).json().as_array().unwrap().len(), 1, "no other run was begun");
}

#[test]
fn what_a_draft_starts_from_is_an_input_of_its_run() {
    let env = env();
    let id = env.art(["run", "start", "--name", "t"]).done();
    env.write("y", "1");
    env.art(["put", "d", "y", "--onto", "d:v0", "--run", id.trim()]).done();
    let run = shown(&env, "t");
    assert_eq!((&run["inputs"][0]["version"], &run["outputs"][0]["version"]), (&json!("v0"), &json!("v1")));
}

#[test]
fn a_damaged_step_is_told_and_hides_no_other() {
    let env = env();
    let id = env.art(["run", "start", "--name", "t"]).done();
    env.art(["run", "log", "a=1", "--run", id.trim()]).done();
    let step = files(&env.store().join("runs")).into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("1."));
    let step = step.unwrap();
    std::fs::remove_file(&step).unwrap();
    std::fs::write(&step, "{}").unwrap();
    let ran = env.art(["runs"]);
    assert!(ran.code == Some(0) && ran.text().contains("open") && ran.stderr.starts_with("warning: record 'runs/"), "{ran:?}");
    let fsck = env.art(["fsck"]);
    assert!(fsck.code == Some(5) && fsck.text().contains("damaged records:"), "{fsck:?}");
    assert_eq!(env.art(["repair", "--drop-records"]).code, Some(5));
    env.art(["fsck"]).done();
}
