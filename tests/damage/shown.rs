//! Damage is shown as damage: never wrong bytes, never "not found", and the file is named.

use crate::support::{Project, tree};
use crate::{ALL, Damage, only, small_store};

/// Runs every reading command. Each gives what it gave before, or exit 5; returns whether one
/// failed, and everything told.
#[track_caller]
fn read_everything(project: &Project, what: &str) -> (bool, String) {
    let (mut failed, mut told) = (false, String::new());
    for (args, before) in [
        (&["cat", "data:best", "big"][..], project.read("d/big")),
        (&["cat", "data:v0", "sub/small"], b"small".to_vec()),
        (&["cat", "data", "text"], project.read("d/text")),
        (&["get", "data", "out"], Vec::new()),
        (&["checkout", "data:best", "out-2"], Vec::new()),
        (&["ls", "data:v0"], Vec::new()),
        (&["ls-tree", "data:v0"], Vec::new()),
        (&["show", "data:v0"], Vec::new()),
        (&["verify", "data:v0", "d"], Vec::new()),
    ] {
        let ran = project.art(args);
        let dest = args.get(2).filter(|_| matches!(args[0], "get" | "checkout"));
        match ran.code {
            Some(0) if args[0] == "cat" => assert_eq!(ran.stdout, before, "{what} {args:?}"),
            Some(0) => {
                if let Some(dest) = dest {
                    assert_eq!(tree(&project.path(dest)), tree(&project.path("d")), "{what} {args:?}");
                    project.remove(dest);
                }
            }
            Some(5) => {
                // What `cat` has written before it met the damage is right.
                assert!(before.starts_with(&ran.stdout) || args[0] != "cat", "{what} {args:?}");
                assert!(dest.is_none_or(|dest| !project.path(dest).exists()), "{what} {args:?}");
                failed = true;
            }
            code => panic!("{what} {args:?}: exit {code:?} {}", ran.stderr),
        }
        told += &ran.stderr;
    }
    let left: Vec<_> = std::fs::read_dir(project.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{what}: {left:?}");
    (failed, told)
}

#[test]
fn a_damaged_pack_is_named_and_its_bytes_are_never_given_out() {
    for dir in ["packs", "meta"] {
        for damage in ALL {
            let project = small_store();
            let path = only(&project, dir);
            damage.inflict(&path);
            let what = format!("{damage:?} of {dir}");
            let (failed, told) = read_everything(&project, &what);
            let name = path.file_name().unwrap().to_str().unwrap();
            // A bit that nothing reads may be wrong and nobody notice, but `fsck`.
            let may_pass = matches!(damage, Damage::Flip(_));
            assert!(failed || may_pass, "{what}: nothing failed");
            assert!(!failed || damage == Damage::Delete || told.contains(&name[..16]), "{what}: {told}");
            let found = project.art(["fsck", "--json"]);
            found.fails(5);
            assert!(damage == Damage::Delete || found.text().contains(name), "{what}: {}", found.text());
        }
    }
}

#[test]
fn a_damaged_version_record_is_named() {
    for damage in ALL {
        let project = small_store();
        let path = only(&project, "refs/data/versions");
        damage.inflict(&path);
        let name = path.file_name().unwrap().to_str().unwrap();
        for args in [
            &["get", "data", "out"][..],
            &["cat", "data:v0", "big"],
            &["show", "data:best"],
            &["ls", "data:latest"],
            &["verify", "data", "d"],
        ] {
            let ran = project.art(args);
            // Of a file that is gone nothing tells, unless an alias does.
            let code = if damage == Damage::Delete && args[1] != "data:best" { 3 } else { 5 };
            assert!(
                ran.fails(code).contains(name) || args[1] == "data:best" || damage == Damage::Delete,
                "{damage:?} {args:?} {}",
                ran.stderr
            );
        }
        assert!(!project.path("out").exists());
        // The alias tells that something is missing, even if the file is gone.
        assert!(project.art(["fsck"]).fails(5).is_empty());
    }
}

#[test]
fn the_version_before_is_not_given_out_for_one_that_cannot_be_read() {
    let project = small_store();
    project.write("d/big", "new");
    project.put("d", &["--alias", "best"]);
    let newest = |dir: &str| {
        let files = crate::support::files(&project.store().join(dir));
        files.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("1.")).unwrap()
    };
    let (version, alias) = (newest("refs/data/versions"), newest("refs/data/aliases/best"));
    Damage::Flip(0.5).inflict(&alias);
    assert!(project.art(["cat", "data:best", "big"]).fails(5).contains("aliases/best/1."));
    Damage::Flip(0.5).inflict(&version);
    assert!(project.art(["cat", "data", "big"]).fails(5).contains("versions/1."));
    assert_eq!(project.art(["cat", "data:v0", "sub/small"]).ok().stdout, b"small");
}

#[test]
fn a_damaged_alias_record_is_named() {
    for damage in ALL {
        let project = small_store();
        let path = only(&project, "refs/data/aliases/best");
        damage.inflict(&path);
        let name = path.file_name().unwrap().to_str().unwrap();
        let ran = project.art(["get", "data:best", "out"]);
        if damage == Damage::Delete {
            ran.fails(3);
        } else {
            assert!(ran.fails(5).contains(name), "{damage:?} {}", ran.stderr);
            assert!(project.art(["fsck", "--json"]).text().contains(name));
        }
        project.art(["get", "data", "out"]).ok();
    }
}

#[test]
fn a_damaged_format_file_is_named_and_nothing_is_written() {
    for damage in ALL {
        let project = small_store();
        let path = project.store().join("format");
        damage.inflict(&path);
        let before = tree(&project.store());
        for args in [
            &["get", "data", "out"][..],
            &["cat", "data", "big"],
            &["ls"],
            &["put", "data", "d"],
            &["put", "--init", "data", "d"],
            &["fsck"],
        ] {
            let ran = project.art(args);
            assert!(ran.fails(5).contains("format"), "{damage:?} {args:?} {}", ran.stderr);
        }
        assert_eq!(tree(&project.store()), before);
    }
}
