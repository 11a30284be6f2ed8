//! What is needed of packs that go is copied, bit for bit.

use std::fs;

use serde_json::json;

use crate::support::{Project, files, noise, tree};
use crate::{gc, gc_later, len, packs};

/// Compresses well, and is different for each seed.
fn text(seed: u64, lines: usize) -> String {
    (0..lines).map(|line| format!("{seed} {line} {}\n", line * 7919 % 1000)).collect()
}

#[test]
fn a_pack_less_than_half_live_is_copied_and_goes() {
    let project = Project::new();
    for number in 0..10 {
        project.write(format!("d/{number}"), noise(number, 150_000 + number as usize));
        project.write(format!("d/text-{number}"), text(number, 20_000));
        project.write(format!("d/small-{number}"), text(number, 3));
    }
    project.put("d", &[]);
    for number in 0..10 {
        if number % 4 != 0 {
            ["", "text-", "small-"].iter().for_each(|kind| project.remove(format!("d/{kind}{number}")));
        }
    }
    project.put("d", &[]);
    project.art(["rm", "data:v0"]).ok();
    let before = packs(&project);
    let outcome = gc(&project, &[]);
    let reasons: Vec<&str> = outcome["condemned"].as_array().unwrap().iter().map(|pack| pack["reason"].as_str().unwrap()).collect();
    assert_eq!((before.len(), &reasons[..]), (1, &["half-dead", "unused"][..]), "{outcome}");
    assert_eq!(outcome["new_packs"], 1);
    gc_later(&project);
    assert!(!before[0].exists());
    assert_eq!(fs::metadata(&packs(&project)[0]).unwrap().len(), outcome["new_bytes"].as_u64().unwrap());
    project.art(["get", "data:v1", "out"]).ok();
    assert_eq!(tree(&project.path("out")), tree(&project.path("d")));
    project.art(["fsck"]).ok();
    assert_eq!(gc_later(&project)["condemned"], json!([]));
}

#[test]
fn many_small_packs_become_few() {
    let project = Project::new();
    let write = |number: u64| {
        project.write("d/own", noise(number, 20_000));
        project.write("d/text", text(number, 500));
    };
    for number in 0..20 {
        write(number);
        project.put("d", &[]);
        if number == 12 {
            assert_eq!(gc(&project, &[])["condemned"], json!([]), "too few to be worth it");
        }
    }
    let meta = || files(&project.store().join("meta")).len();
    assert_eq!((packs(&project).len(), meta()), (20, 20));
    let merged = gc(&project, &[]);
    assert_eq!((len(&merged["condemned"]), &merged["new_packs"]), (40, &json!(2)), "{merged}");
    gc_later(&project);
    assert_eq!((packs(&project).len(), meta()), (1, 1));
    for number in 0..20 {
        write(number);
        project.art(["get", &format!("data:v{number}"), "out"]).ok();
        assert_eq!(tree(&project.path("out")), tree(&project.path("d")));
        project.remove("out");
    }
    project.art(["fsck"]).ok();
    // A put that ends after the merge finds what it needs.
    write(3);
    assert!(project.put("d", &[])["new_bytes"].as_u64().unwrap() < 5000);
}

#[test]
fn a_repack_that_was_killed_is_done_again() {
    let project = Project::new();
    for number in 0..10 {
        project.write(format!("d/{number}"), noise(number, 150_000));
    }
    project.put("d", &[]);
    (3..10).for_each(|number| project.remove(format!("d/{number}")));
    project.put("d", &[]);
    project.art(["rm", "data:v0"]).ok();
    gc(&project, &[]);
    // As if it had been killed before it condemned what it had copied.
    fs::remove_dir_all(project.store().join("gc")).unwrap();
    let again = gc(&project, &[]);
    assert_eq!((&again["new_packs"], len(&again["condemned"])), (&json!(0), 2), "what was copied is in the new pack: {again}");
    gc_later(&project);
    assert_eq!(packs(&project).len(), 1);
    project.art(["verify", "data:v1", "d"]).ok();
    project.art(["fsck"]).ok();
}
