//! A far side that lies to a near one, and the other way: refused, without memory, and nothing is written
//! that is not what its name says.

use std::fs;
use std::path::Path;

use super::{Way, set_way};
use crate::support::{Project, Ran, noise};
use crate::{art_with, store_files};

/// A frame.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[kind], &(payload.len() as u32).to_le_bytes()[..], payload].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

fn greeting() -> Vec<u8> {
    b"artstore\x01\0\0\0".to_vec()
}

fn welcome() -> Vec<u8> {
    frame(2, &[text("artstore 1"), vec![0; 8], vec![0]].concat())
}

const END: [u8; 5] = [4, 0, 0, 0, 0];

/// A list of files, each without what its path shares with the one before.
fn listed(files: &[(&str, u64)]) -> Vec<u8> {
    let mut payload = (files.len() as u64).to_le_bytes().to_vec();
    let mut before = "";
    for (path, len) in files {
        let shared = before.bytes().zip(path.bytes()).take_while(|(a, b)| a == b).count();
        payload.extend([&(shared as u16).to_le_bytes()[..], &text(&path[shared..]), &len.to_le_bytes()].concat());
        before = path;
    }
    frame(32, &payload)
}

/// Runs a command against a far side that says something whatever it is asked.
fn told_by(project: &Project, command: &str, said: &[u8]) -> Ran {
    let file = project.outside().join("said");
    fs::write(&file, [&greeting(), &welcome(), said].concat()).unwrap();
    set_way(Way::Pipe(format!("cat '{}'\nexec cat >/dev/null", file.display())));
    art_with(project, command, Path::new("/x"), &[])
}

/// Serves a store to a near side that says something; returns what was answered.
fn asked(project: &Project, said: &[u8]) -> Ran {
    let hello = [&greeting()[..], &frame(1, &[0]), said].concat();
    project.art_reading(&hello, ["serve-store", project.root().to_str().unwrap()])
}

fn project() -> Project {
    let project = Project::new();
    project.write("d/own", noise(1, 100_000));
    project.put("d", &[]);
    project
}

fn pack_name(bytes: &[u8]) -> String {
    let id = blake3::hash(bytes).to_hex();
    format!("packs/{}/{id}", &id[..2])
}

/// What no message may be, whoever says it.
fn garbage() -> Vec<(&'static str, Vec<u8>)> {
    let mut long = vec![32];
    long.extend(u32::MAX.to_le_bytes());
    let mut piece = vec![49];
    piece.extend(((256u32 << 10) + 1).to_le_bytes());
    vec![
        ("an oversized length", long),
        ("an oversized piece", piece),
        ("an unknown kind", frame(99, b"x")),
        ("random bytes", noise(5, 5000)),
        ("a path that leads out", listed(&[("packs/../../x", 1)])),
        ("an absolute path", listed(&[("/etc/passwd", 1)])),
        ("a path of local state", listed(&[("local/lock", 1)])),
        ("a count that lies", frame(32, &u64::MAX.to_le_bytes())),
        ("bytes left over", frame(4, b"x")),
        ("a batch with a path that leads out", frame(52, &[&14u32.to_le_bytes()[..], b"gc/../../../xx", &[0; 4]].concat())),
        ("a batch that is cut off", frame(52, &[255, 0, 0, 0, 1])),
    ]
}

#[test]
fn a_near_side_refuses_what_cannot_be() {
    let a = project();
    let before = store_files(&a.store());
    for (what, said) in garbage() {
        let ran = told_by(&a, "pull", &said);
        assert!(ran.fails(1).contains("cannot understand"), "{what}: {}", ran.stderr);
    }
    let order = ("packs/00/".to_owned() + &"0".repeat(64), "packs/01/".to_owned() + "01" + &"0".repeat(62));
    let cases: [(&str, Vec<u8>); 5] = [
        ("not in order", [listed(&[(&order.1, 9), (&order.0, 9)]), END.to_vec()].concat()),
        ("of another class", [listed(&[(&order.0, 9)]), END.to_vec()].concat()),
        ("an answer to nothing", [frame(34, &[1]), END.to_vec()].concat()),
        ("a welcome again", welcome()),
        ("fates of nothing", frame(37, &[0; 8])),
    ];
    for (what, said) in cases {
        let ran = told_by(&a, "pull", &said);
        assert!(ran.fails(1).contains("a message out of place, or a list without end"), "{what}: {}", ran.stderr);
    }
    assert!(told_by(&a, "pull", b"").fails(1).contains("lost the connection"));
    assert!(store_files(&a.store()) == before);
}

#[test]
fn a_near_side_takes_no_pack_that_is_not_what_its_name_says_and_none_it_did_not_ask_for() {
    let a = project();
    let before = store_files(&a.store());
    let bytes = noise(7, 1000);
    let (name, other) = (pack_name(b"another"), pack_name(&bytes));
    // No records, one pack; asked for, other bytes come. There are no records to ask for then.
    let lists = [&END[..], &listed(&[(&name, 1000)]), &END].concat();
    let file = |name: &str, len: u64| frame(48, &[&text(name)[..], &len.to_le_bytes()].concat());
    let lie = [&lists[..], &file(&name, 1000), &frame(49, &bytes), &frame(50, b""), &END].concat();
    let ran = told_by(&a, "pull", &lie);
    assert!(ran.fails(5).contains("its bytes do not match its name"), "{}", ran.stderr);
    let unasked = [&lists[..], &file(&other, 1000), &frame(49, &bytes), &frame(50, b""), &END].concat();
    assert!(told_by(&a, "pull", &unasked).fails(1).contains("cannot understand"));
    for (what, pieces) in [
        ("longer than said", [frame(49, &bytes), frame(49, &bytes)].concat()),
        ("shorter than said", [frame(49, &bytes[1..]), frame(50, b"")].concat()),
        ("never sent", vec![]),
    ] {
        let head = if pieces.is_empty() { vec![] } else { file(&name, 1000) };
        let ran = told_by(&a, "pull", &[&lists[..], &head, &pieces, &END].concat());
        assert!(ran.fails(1).contains("cannot understand"), "{what}: {}", ran.stderr);
    }
    // A table that lies in a pack of the right name.
    let right = [&END[..], &listed(&[(&other, 1000)]), &END, &file(&other, 1000), &frame(49, &bytes), &frame(50, b""), &END].concat();
    assert!(told_by(&a, "pull", &right).fails(5).contains("marks of a pack"));
    assert!(store_files(&a.store()) == before);
    a.art(["fsck", "--deep"]).ok();
}

#[test]
fn what_a_far_side_says_of_itself_cannot_harm_a_terminal() {
    let a = project();
    let failed = frame(3, &[&[1][..], &text("\x1b[2Jno"), &[0; 8], &[1], &text("\u{202e}x")].concat());
    let ran = told_by(&a, "pull", &failed);
    assert_eq!(ran.fails(1), "error: host:/x: \\u{1b}[2Jno\nhint: \\u{202e}x\n");
}

#[test]
fn a_far_side_refuses_what_cannot_be_and_writes_nothing() {
    let a = project();
    let before = store_files(&a.store());
    for (what, said) in garbage() {
        let ran = asked(&a, &said);
        assert!(ran.fails(1).contains("cannot understand"), "{what}: {}", ran.stderr);
    }
    for said in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"artstore\x02\0\0\0", b"", b"art"] {
        let ran = a.art_reading(said, ["serve-store", "."]);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert_eq!(ran.stdout, greeting());
    }
    let cases: [(&str, Vec<u8>); 5] = [
        ("no question", welcome()),
        ("a file for no question", frame(50, b"")),
        ("a list of classes twice", frame(16, &[1, 1])),
        ("hashes of another class", [frame(20, &[0]), frame(33, &[&[1][..], &[0; 32]].concat())].concat()),
        (
            "a pack longer than one may be",
            [frame(18, b""), frame(48, &[&text(&pack_name(b""))[..], &(49u64 << 20).to_le_bytes()].concat())].concat(),
        ),
    ];
    for (what, said) in cases {
        let ran = asked(&a, &said);
        // Where files were to come, the other side is told.
        let told = [ran.fails(1), &ran.text()].concat();
        assert!(told.contains("cannot understand"), "{what}: {told}");
    }
    assert!(store_files(&a.store()) == before);
}

#[test]
fn a_far_side_takes_nothing_that_is_not_what_its_name_says() {
    let a = project();
    let before = store_files(&a.store());
    let (bytes, name) = (noise(7, 1000), pack_name(b"another"));
    let file = frame(48, &[&text(&name)[..], &1000u64.to_le_bytes()].concat());
    let record = b"gc/0123456789abcdef";
    let batch = frame(52, &[&(record.len() as u32).to_le_bytes()[..], record, &1u32.to_le_bytes(), b"x"].concat());
    let said = [&frame(18, b"")[..], &file, &frame(49, &bytes), &frame(50, b""), &batch, &END].concat();
    let ran = asked(&a, &said).ok();
    let answer = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(answer.matches("its bytes do not match its name").count(), 2, "{answer}");
    // One whose end never comes.
    let cut = [&frame(18, b"")[..], &file, &frame(49, &bytes[..500])].concat();
    assert_eq!(asked(&a, &cut).code, Some(1));
    assert!(store_files(&a.store()) == before);
    assert_eq!(
        crate::support::files(&a.store().join("local"))
            .iter()
            .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("tmp-"))
            .count(),
        0
    );
    a.art(["fsck", "--deep"]).ok();
}

#[test]
fn a_list_without_end_is_given_up_at_once() {
    let a = project();
    let path = pack_name(b"x");
    let file = a.outside().join("said");
    fs::write(&file, [&greeting()[..], &welcome(), &END].concat()).unwrap();
    let list = a.outside().join("list");
    fs::write(&list, listed(&vec![(&path[..], 9); 1000])).unwrap();
    set_way(Way::Pipe(format!("cat '{}'\nwhile cat '{}'; do :; done 2>/dev/null", file.display(), list.display())));
    let ran = art_with(&a, "pull", Path::new("/x"), &[]);
    assert!(ran.fails(1).contains("a list without end"), "{}", ran.stderr);
}
