//! `art repair`

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::cat::noise;
use crate::env::{Env, files};
use crate::rm::damage;

fn env() -> Env {
    let env = Env::new();
    env.write("d/big", noise(300_000));
    env.art(["put", "d", "d"]).done();
    fs::create_dir(env.project().join("other")).unwrap();
    env.run(env.command("cp").args(["-a", ".artifacts", "other/"]));
    env
}

fn cut(env: &Env) {
    let pack = files(&env.store().join("packs")).pop().unwrap();
    fs::set_permissions(&pack, fs::Permissions::from_mode(0o644)).unwrap();
    fs::OpenOptions::new().write(true).open(pack).unwrap().set_len(60).unwrap();
}

#[test]
fn what_is_done_is_told_line_by_line() {
    let env = env();
    assert_eq!(env.art(["repair"]).done(), "nothing to repair\n");
    let pack = files(&env.store().join("packs")).pop().unwrap();
    let name = pack.strip_prefix(env.store()).unwrap().display().to_string();
    cut(&env);
    let told = |would: &str| format!("{would}fetched  {name}, from 'other'\n{would}moved  {name} to quarantine/{name}\nnothing is lost\n");
    assert_eq!(env.art(["repair", "--from", "other", "--dry-run"]).done(), told("would be "));
    assert_eq!(env.art(["repair", "--from", "other"]).done(), told(""));
    env.art(["fsck"]).done();
}

#[test]
fn what_is_lost_is_told_with_exit_5() {
    let env = env();
    cut(&env);
    let json = env.art(["repair", "--json", "--dry-run"]);
    assert_eq!((json.code, &json.stderr[..]), (Some(5), ""));
    let lost = &json.json()["lost"][0];
    assert_eq!((&lost["subject"], &lost["path"]), (&json!("d:v0"), &json!("big")));
    let ran = env.art(["repair"]);
    assert_eq!(ran.code, Some(5));
    let hints = |text: &str| text.lines().filter(|line| line.starts_with("hint: ")).map(str::to_owned).collect::<Vec<_>>();
    assert!(ran.text().contains("lost  d:v0 'big': chunk "), "{}", ran.text());
    let from = "hint: `art repair --from DIR` fetches from another copy of the store";
    let put = "hint: `art put` of the same files stores them anew";
    assert_eq!(hints(&ran.text()), [from, put]);
    fs::remove_dir_all(env.project().join("other/.artifacts/packs")).unwrap();
    assert_eq!(hints(&env.art(["repair", "--from", "other"]).text()), [put]);
}

#[test]
fn what_a_lost_record_was_about_is_told_with_what_forgets_it() {
    let env = env();
    env.art(["alias", "set", "d:v0", "best"]).done();
    let record = files(&env.store().join("refs/d/aliases")).pop().unwrap();
    damage(&record);
    let ran = env.art(["repair", "--from", "other"]);
    let name = record.strip_prefix(env.store()).unwrap().display();
    let lost = format!("lost  {name}: record 0 of alias d:best is damaged, and no copy has it\n");
    assert_eq!(
        (ran.code, ran.text()),
        (
            Some(5),
            format!(
                "{lost}1 thing lost\nhint: damaged records stay where they are; `art repair --drop-records` moves them aside, \
                 and what they said is forgotten\n"
            )
        )
    );
    assert_eq!(env.art(["repair", "--drop-records"]).text().lines().next(), Some(&format!("moved  {name} to quarantine/{name}")[..]));
}
