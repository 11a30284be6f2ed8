//! Bundles: what they bring beside what a push brings; cut off, damaged, made by an enemy, killed.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use artstore::format::bundle::{BUNDLE_HEADER_LEN, BUNDLE_TRAILER_LEN, BundleFile, BundleHeader, BundleList, BundleTrailer};

use crate::support::{Project, noise, slow_tests};
use crate::{art_with, damage, store_files, two};

fn create(project: &Project, args: &[&str]) -> std::path::PathBuf {
    let path = project.path("made.artb");
    project.art([&["bundle", "create", "--force", path.to_str().unwrap()], args].concat()).ok();
    path
}

fn unpack(project: &Project, bundle: &Path) -> crate::support::Ran {
    project.art(["bundle", "unpack", bundle.to_str().unwrap()])
}

/// A bundle with these files, all hashes right.
fn forged(files: &[(&str, &[u8])]) -> Vec<u8> {
    let row = |(path, bytes): &(&str, &[u8])| BundleFile { path: (*path).to_owned(), len: bytes.len() as u64, needs: None };
    let list = BundleList { bases: vec![], files: files.iter().map(row).collect() };
    let encoded = list.encode();
    let header = BundleHeader::of(&encoded);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&header.encode());
    let mut bundle = [&header.encode()[..], &encoded].concat();
    for (_, bytes) in files {
        hasher.update(blake3::hash(bytes).as_bytes());
        bundle.extend_from_slice(bytes);
    }
    let bundle_len = list.bundle_len(&header).unwrap();
    bundle.extend(BundleTrailer { hash: hasher.finalize().into(), file_count: files.len() as u64, bundle_len }.encode());
    bundle
}

#[test]
fn a_bundle_of_all_brings_what_a_push_brings() {
    let (a, b) = two();
    let bundle = create(&a, &[]);
    let c = Project::new();
    unpack(&c, &bundle).ok();
    assert!(store_files(&c.store()) == store_files(&a.store()));
    // Two stores with a history in common, as by a pull.
    unpack(&b, &bundle).ok();
    let (a2, b2) = two();
    art_with(&b2, "pull", &a2.root(), &[]).ok();
    assert_eq!(
        b.art(["ls", "data", "--json"]).ok().json().as_array().unwrap().len(),
        b2.art(["ls", "data", "--json"]).ok().json().as_array().unwrap().len()
    );
    b.art(["fsck", "--deep"]).ok();
    // Equal stores make equal bundles.
    let again = create(&c, &[]);
    assert!(fs::read(&again).unwrap() == fs::read(&bundle).unwrap());
}

#[test]
fn one_version_brings_what_a_push_of_it_brings() {
    let a = Project::new();
    for number in 0..3u64 {
        a.write("d/own", noise(number, 300_000));
        a.write("d/same", noise(9, 300_000));
        a.put("d", &["--alias", if number == 1 { "best" } else { "other" }]);
    }
    let (b, c) = (Project::new(), Project::new());
    art_with(&a, "push", &b.root(), &["data:v1", "data:v2"]).ok();
    unpack(&c, &create(&a, &["data:v1", "data:v2"])).ok();
    assert!(store_files(&b.store()) == store_files(&c.store()));
    let (b, c) = (Project::new(), Project::new());
    art_with(&a, "push", &b.root(), &["--all", "data"]).ok();
    unpack(&c, &create(&a, &["--all", "data"])).ok();
    assert!(store_files(&b.store()) == store_files(&c.store()));
}

/// Versions that grow, `best` going along, with `other` in between.
fn grown() -> Project {
    let a = Project::new();
    for number in 0..5u64 {
        a.write(format!("d/{number}"), noise(number, 200_000));
        a.put("d", &["--alias", "best"]);
    }
    a.art(["put", "other", "d/1"]).ok();
    a
}

#[test]
fn an_incremental_bundle_has_what_is_new_and_completes_a_store_that_has_the_rest() {
    let a = grown();
    let b = Project::new();
    art_with(&a, "push", &b.root(), &["--all", "data"]).ok();
    for number in 5..7u64 {
        a.write(format!("d/{number}"), noise(number, 200_000));
        a.put("d", &["--alias", "best"]);
    }
    a.art(["alias", "set", "data:v1", "best"]).ok();
    a.art(["tag", "add", "data:v0", "seen"]).ok();
    a.art(["rm", "data:v2"]).ok();
    let bundle = create(&a, &["--since", "data:v4"]);
    let len = fs::metadata(&bundle).unwrap().len();
    assert!((400_000..450_000).contains(&len), "{len}");
    unpack(&b, &bundle).ok();
    // Of the versions that it builds on it has no records, but all that was said of them since.
    for name in ["data", "other"] {
        assert_eq!(a.art(["ls", name, "--json"]).ok().json(), b.art(["ls", name, "--json"]).ok().json());
    }
    b.art(["fsck", "--deep"]).ok();
    b.art(["get", "data:v6", "out"]).ok();
    a.art(["verify", "data:v6", b.path("out").to_str().unwrap()]).ok();
}

#[test]
fn an_incremental_bundle_builds_on_as_few_versions_as_will_do() {
    let a = Project::new();
    let put = |seeds: &[u64]| {
        if a.path("d").exists() {
            a.remove("d");
        }
        seeds.iter().for_each(|seed| a.write(format!("d/{seed}"), noise(*seed, 200_000)));
        a.put("d", &[]);
    };
    put(&[0, 1]);
    put(&[1, 2]);
    put(&[2, 3]);
    put(&[2, 3, 4]);
    put(&[0, 3, 5]);
    let builds_on = |args: &[&str]| {
        let made = a.art([&["bundle", "create", "--json", "--force", "x.artb"], args].concat()).ok().json();
        made["builds_on"].as_array().unwrap().iter().map(|base| base["version"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(builds_on(&["data:v3", "--since", "data:v2"]), ["v2"]);
    // What only the first version has comes back in the last.
    assert_eq!(builds_on(&["data:v4", "--since", "data:v2"]), ["v0", "v2"]);
    // A store that has the content under another record will do; a part of it will not.
    let b = Project::new();
    art_with(&a, "push", &b.root(), &["data:v2"]).ok();
    let bundle = a.path("x.artb");
    assert!(unpack(&b, &bundle).fails(1).contains("lacks:\n  data:v0 ("));
    b.write("e/0", noise(0, 200_000));
    b.write("e/1", noise(1, 200_000));
    b.art(["put", "mine", "e"]).ok();
    unpack(&b, &bundle).ok();
    b.art(["fsck", "--deep"]).ok();
    b.art(["get", "data:v4", "out"]).ok();
}

#[test]
fn a_bundle_that_was_cut_off_leaves_nothing_or_packs_and_is_completed_by_a_whole_one() {
    let (a, _) = two();
    let bundle = create(&a, &[]);
    let bytes = fs::read(&bundle).unwrap();
    let whole = store_files(&a.store());
    let cuts = (0..bytes.len()).step_by(bytes.len() / 23).chain([bytes.len() - 1, bytes.len() - BUNDLE_TRAILER_LEN, BUNDLE_HEADER_LEN, 3]);
    for cut in cuts {
        let dest = Project::new();
        let short = dest.path("cut.artb");
        fs::write(&short, &bytes[..cut]).unwrap();
        unpack(&dest, &short).fails(5);
        assert!(store_files(&dest.store()).is_empty(), "{cut}");
        assert_eq!(dest.art(["bundle", "verify", "cut.artb"]).code, Some(5), "{cut}");
        dest.art_reading(&bytes[..cut], ["bundle", "unpack", "-"]).fails(5);
        dest.art(["fsck"]).ok();
        unpack(&dest, &bundle).ok();
        assert!(store_files(&dest.store()) == whole, "{cut}");
    }
    let longer = [&bytes[..], b"x"].concat();
    let dest = Project::new();
    assert!(dest.art_reading(&longer, ["bundle", "verify", "-"]).text().contains("after its end"));
}

#[test]
fn a_byte_that_was_turned_is_found_wherever_it_is_and_takes_no_record_along() {
    let (a, _) = two();
    let bytes = fs::read(create(&a, &[])).unwrap();
    let first_pack = a.art(["bundle", "verify", "--json", "made.artb"]).ok().json();
    assert_eq!(first_pack["ok"], true);
    let places = (0..bytes.len()).step_by(bytes.len() / 29).chain([bytes.len() - 1, bytes.len() - 40, bytes.len() - 10, 20, 60]);
    for at in places {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        let dest = Project::new();
        dest.write("bad.artb", &bad);
        assert_eq!(dest.art(["bundle", "verify", "bad.artb"]).code, Some(5), "{at}");
        unpack(&dest, &dest.path("bad.artb")).fails(5);
        dest.art(["fsck", "--deep"]).ok();
        let dest = Project::new();
        dest.art_reading(&bad, ["bundle", "unpack", "-"]).fails(5);
        dest.art(["fsck", "--deep"]).ok();
    }
}

#[test]
fn what_an_enemy_made_is_refused_and_nothing_is_written_outside() {
    let dest = Project::new();
    let pack = format!("packs/ab/ab{}", "0".repeat(62));
    let cases: [&[(&str, &[u8])]; 7] = [
        &[("../outside", b"x")],
        &[("local/x", b"x")],
        &[("format", b"artstore 2\n")],
        &[("/etc/x", b"x")],
        &[("gc/0123456789abcdef", b"x"), ("features/write-condemn", b"")],
        &[("features/write-condemn", b""), ("features/write-condemn", b"")],
        &[("features/read-everything", b"")],
    ];
    for files in cases {
        dest.write("bad.artb", forged(files));
        unpack(&dest, &dest.path("bad.artb")).fails(5);
        assert!(store_files(&dest.store()).is_empty(), "{files:?}");
    }
    for files in [[(&pack[..], &b"no pack"[..])], [("gc/0123456789abcdef", b"no record")]] {
        dest.write("bad.artb", forged(&files));
        assert!(unpack(&dest, &dest.path("bad.artb")).fails(5).contains("not what their names say"), "{files:?}");
        assert!(dest.art(["bundle", "verify", "bad.artb"]).fails(5).is_empty());
        assert!(store_files(&dest.store()).is_empty(), "{files:?}");
    }
    // A list that is said to be long costs no memory before it comes.
    let header = BundleHeader { list_len: 200 << 20, list_hash: [0; 32] };
    dest.art_reading(&header.encode(), ["bundle", "unpack", "-"]).fails(5);
    dest.write("good.artb", forged(&[("features/write-condemn", b"")]));
    unpack(&dest, &dest.path("good.artb")).ok();
}

#[test]
fn no_bundle_is_made_of_what_is_damaged() {
    let (a, _) = two();
    let pack = crate::support::files(&a.store().join("packs")).remove(0);
    damage(&pack);
    assert!(a.art(["bundle", "create", "x.artb"]).fails(5).contains("is damaged"));
    assert!(!a.path("x.artb").exists());
}

#[test]
fn an_unpack_that_was_killed_leaves_whole_versions_and_goes_on() {
    let source = Project::new();
    for number in 0..12u64 {
        source.write("d/own", noise(number, 1_500_000));
        source.put("d", &["--alias", &format!("a{number}"), "-m", "some"]);
    }
    let bundle = create(&source, &[]);
    let all = store_files(&source.store());
    let started = Instant::now();
    unpack(&Project::new(), &bundle).ok();
    let usual = started.elapsed();
    let tries = if slow_tests() { 200 } else { 10 };
    for step in 1..=tries {
        let dest = Project::new();
        for half in 1..=2 {
            let args = ["bundle", "unpack", bundle.to_str().unwrap()];
            let mut child = dest.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(usual.mul_f64(f64::from(step * half) / f64::from(tries * 2)).min(Duration::from_secs(2)));
            let _ = child.kill();
            child.wait().unwrap();
            assert_eq!(dest.art(["fsck"]).code, Some(0), "step {step}");
        }
        unpack(&dest, &bundle).ok();
        assert!(store_files(&dest.store()) == all, "step {step}");
    }
}

#[test]
fn a_create_that_was_killed_leaves_no_file_of_that_name() {
    let source = Project::new();
    source.write("d/a", noise(1, 20_000_000));
    source.put("d", &[]);
    for step in 0..12u32 {
        let mut child = source.command(["bundle", "create", "x.artb"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(u64::from(step) * 8));
        let _ = child.kill();
        child.wait().unwrap();
        if source.path("x.artb").exists() {
            source.art(["bundle", "verify", "x.artb"]).ok();
            source.remove("x.artb");
        }
    }
}
