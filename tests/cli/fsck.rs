//! `art fsck`

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use artstore::durable::{Disk, Draft};
use artstore::format::manifest::{ChunkList, ChunkRun, Entry, EntryKind, EntryRows, FileBody, Manifest, Page, PageType};
use artstore::format::pack::PackClass;
use artstore::format::path::EntryPath;
use artstore::format::record::{Record, Time, VersionRecord};
use artstore::id::{ChunkId, FileDigest, PageId};
use artstore::lock::Wait;
use artstore::ops::fsck::{FsckLevel, FsckOptions, fsck};
use artstore::pack::pack_path;
use artstore::pack::writer::PackWriter;
use artstore::progress::Silent;
use artstore::refs::write;
use artstore::{Context, Store};
use serde_json::{Value, json};

use crate::cat::noise;
use crate::env::{Env, files};

fn env() -> Env {
    let env = Env::new();
    env.write("d/big", noise(3_000_000));
    env.write("d/small", "1");
    env.art(["put", "d", "d"]).done();
    env.write("d/small", "2");
    env.art(["put", "d", "d", "--alias", "best"]).done();
    env
}

fn overwrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

fn largest(dir: &Path) -> std::path::PathBuf {
    files(dir).into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
}

#[test]
fn a_good_store_has_no_finding_and_strangers_are_none() {
    let env = env();
    assert!(env.art(["fsck"]).done().ends_with("2 versions complete; no finding\n"));
    env.write(".artifacts/notes.txt", "mine");
    env.write(".artifacts/refs/d/versions/desktop.ini", "");
    assert!(env.art(["fsck"]).done().starts_with("stranger  notes.txt\nstranger  refs/d/versions/desktop.ini\n"));
    let json = env.art(["fsck", "--json"]).json();
    assert_eq!((&json["ok"], &json["findings"], &json["strangers"][0]["path"]), (&json!(true), &json!([]), &json!("notes.txt")));
}

#[test]
fn each_damage_is_found_and_named() {
    let env = env();
    overwrite(&largest(&env.store().join("packs")), |bytes| bytes[500_000] ^= 1);
    env.write(".artifacts/refs/d/edits/0.0123456789abcdef", "{}");
    let ran = env.art(["fsck", "--json"]);
    assert_eq!((ran.code, &ran.stderr[..]), (Some(5), ""));
    let json = ran.json();
    let kinds: Vec<&str> = json["findings"].as_array().unwrap().iter().map(|finding| finding["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["damaged-pack", "damaged-record", "damaged-version", "damaged-version"]);
    assert_eq!(json["versions"][0]["damaged_count"], 1, "{json}");
    assert!(json["findings"][2]["message"].as_str().unwrap().contains("of file 'big'"), "{json}");
    assert_eq!(env.art(["fsck"]).code, Some(5));
}

#[test]
fn what_is_not_here_is_incomplete() {
    let env = env();
    fs::remove_file(largest(&env.store().join("packs"))).unwrap();
    let json = env.art(["fsck", "--json"]).json();
    assert_eq!((&json["versions"][0]["state"], &json["versions"][1]["state"]), (&json!("incomplete"), &json!("incomplete")));
    let env = self::env();
    fs::remove_dir_all(env.store().join("meta")).unwrap();
    let json = env.art(["fsck", "--json"]).json();
    assert!(json["findings"][0]["message"].as_str().unwrap().contains("manifest"), "{json}");
}

#[test]
fn a_pack_that_is_cut_off_has_not_arrived() {
    let env = env();
    let pack = largest(&env.store().join("packs"));
    overwrite(&pack, |bytes| bytes.truncate(2_000_000));
    let json = env.art(["fsck", "--json"]).json();
    assert_eq!((&json["findings"][0]["kind"], &json["versions"][0]["state"]), (&json!("pack-not-arrived"), &json!("incomplete")));
}

#[test]
fn an_alias_of_a_version_that_is_not_here_is_found() {
    let env = env();
    fs::remove_file(files(&env.store().join("refs/d/versions")).pop().unwrap()).unwrap();
    let json = env.art(["fsck", "--json"]).json();
    assert_eq!((&json["findings"][0]["kind"], &json["findings"][0]["subject"]), (&json!("lost-alias"), &json!("d:best")));
}

#[test]
fn a_read_only_store_is_checked() {
    let env = env();
    let chmod = |mode: &str| env.run(env.command("chmod").args(["-R", mode, ".artifacts"]));
    chmod("a-w");
    let ran = env.art(["fsck"]);
    let listed = env.art(["ls"]);
    chmod("u+w");
    ran.done();
    listed.done();
}

/// Writes a pack of one raw block, whose one chunk is called `name`.
fn write_pack(env: &Env, class: PackClass, name: &[u8; 32], bytes: &[u8]) -> std::path::PathBuf {
    let local = env.project().join("writer");
    fs::create_dir_all(&local).unwrap();
    let disk = Disk::new(&env.store(), &local).unwrap();
    let mut pack = PackWriter::new(class, Draft::in_dir(&local).unwrap()).unwrap();
    pack.add_block(0, bytes.len(), bytes, &[(*name, bytes.len() as u32)]).unwrap();
    let pack = pack.finish().unwrap();
    let path = pack_path(class, pack.id);
    disk.publish(pack.draft, &path, |_| Ok(true)).unwrap();
    env.store().join(path)
}

/// Stores a version whose one file `f` has a list of chunks; returns its manifest.
fn write_version(env: &Env, body: FileBody) -> PageId {
    let size_bytes = body.size_bytes;
    let entries = vec![Entry { path: EntryPath::new("f").unwrap(), kind: EntryKind::File(body) }];
    let manifest = Page::Manifest(Manifest { entry_count: 1, file_count: 1, size_bytes, rows: EntryRows::Entries(entries) });
    let (id, bytes) = manifest.encode();
    assert_eq!(PageType::Manifest.id_of(&bytes), id);
    write_pack(env, PackClass::Meta, id.as_bytes(), &bytes);
    let record = VersionRecord {
        artifact: "made".parse().unwrap(),
        created_at: Time("2026-11-23T00:00:00Z".parse().unwrap()),
        description: None,
        file_count: 1,
        git: None,
        manifest: id,
        metadata: Default::default(),
        metadata_pages: Vec::new(),
        number: 0,
        parents: Vec::new(),
        run: None,
        size_bytes,
        stored_bytes: 1,
        tags: Vec::new(),
        ttl_seconds: None,
        artifact_type: "dataset".parse().unwrap(),
    };
    let disk = Disk::new(&env.store(), &env.project().join("writer")).unwrap();
    write::write(&disk, &Record::Version(Box::new(record))).unwrap();
    id
}

/// Exit codes of the three levels.
fn levels(env: &Env) -> [Option<i32>; 3] {
    [&["fsck", "--quick"][..], &["fsck"], &["fsck", "--deep"]].map(|args| env.art(args).code)
}

fn deep(env: &Env) -> Value {
    env.art(["fsck", "--deep", "--json"]).json()
}

#[test]
fn each_level_finds_what_it_reads() {
    let env = env();
    assert_eq!(levels(&env), [Some(0); 3]);
    let pack = largest(&env.store().join("packs"));
    overwrite(&pack, |bytes| bytes[500_000] ^= 1);
    assert_eq!(levels(&env), [Some(0), Some(5), Some(5)]);
    overwrite(&pack, |bytes| bytes.truncate(600_000));
    assert_eq!(levels(&env), [Some(5); 3]);
    assert_eq!(deep(&env)["level"], "deep");
}

#[test]
fn a_file_that_is_not_what_its_chunks_add_up_to_is_found_at_the_deep_level() {
    let env = Env::new();
    let (one, two) = (noise(70_000), noise(80_000));
    for chunk in [&one, &two] {
        write_pack(&env, PackClass::Data, ChunkId::of(chunk).as_bytes(), chunk);
    }
    let run = |bytes: &[u8], count: u64| ChunkRun { chunk: ChunkId::of(bytes), len: bytes.len() as u32, count };
    let runs = vec![run(&one, 150), run(&two, 1)];
    let whole = [one.repeat(150), two.clone()].concat();
    let body = |digest| FileBody { executable: false, size_bytes: whole.len() as u64, digest, chunks: ChunkList::Runs(runs.clone()) };
    write_version(&env, body(FileDigest::of(&whole)));
    assert_eq!(levels(&env), [Some(0); 3]);

    let wrong = Env::new();
    for chunk in [&one, &two] {
        write_pack(&wrong, PackClass::Data, ChunkId::of(chunk).as_bytes(), chunk);
    }
    write_version(&wrong, body(FileDigest::of(&one)));
    assert_eq!(levels(&wrong), [Some(0), Some(0), Some(5)]);
    let lack = &deep(&wrong)["versions"][0]["lacks"][0];
    assert_eq!((&lack["kind"], &lack["path"], &lack["id"]), (&json!("file"), &json!("f"), &json!(FileDigest::of(&one).to_string())));
}

#[test]
fn a_table_that_misnames_a_chunk_is_found_at_the_deep_level() {
    let env = Env::new();
    let name = FileDigest::of(b"right");
    write_pack(&env, PackClass::Data, name.as_bytes(), b"wrong");
    write_version(&env, FileBody { executable: false, size_bytes: 5, digest: name, chunks: ChunkList::Whole });
    assert_eq!(levels(&env), [Some(0), Some(0), Some(5)]);
    let json = deep(&env);
    assert_eq!((&json["findings"][0]["kind"], &json["versions"][0]["state"]), (&json!("damaged-pack"), &json!("damaged")));
    // A good copy in another pack makes the version whole; the pack stays a finding.
    write_pack(&env, PackClass::Data, name.as_bytes(), b"right");
    assert_eq!(deep(&env)["versions"][0]["state"], "complete");
    assert_eq!(env.art(["cat", "made", "f"]).done(), "right");
}

#[test]
fn a_block_header_that_differs_from_the_table_is_found_at_the_deep_level() {
    let env = Env::new();
    let path = write_pack(&env, PackClass::Data, ChunkId::of(b"text").as_bytes(), b"text");
    assert_eq!(levels(&env), [Some(0); 3]);
    let mut bytes = fs::read(&path).unwrap();
    fs::remove_file(path).unwrap();
    // The length of the block's one chunk; the pack is then called by its new hash.
    bytes[24 + 20] ^= 1;
    let id = artstore::id::PackId::of(&bytes);
    env.write(&format!(".artifacts/{}", pack_path(PackClass::Data, id).display()), &bytes);
    assert_eq!(levels(&env), [Some(0), Some(0), Some(5)]);
    assert!(deep(&env)["findings"][0]["message"].as_str().unwrap().contains("block 0: its header"), "{}", deep(&env));
}

#[test]
fn findings_are_grouped_and_tell_what_helps() {
    let env = env();
    fs::remove_file(largest(&env.store().join("packs"))).unwrap();
    env.write(".artifacts/gc/0123456789abcdef", "{}");
    let text = env.art(["fsck"]).text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[1]), ("damaged records:", "  gc/0123456789abcdef: its bytes do not match its name"));
    assert_eq!(lines[2], "incomplete versions:");
    assert!(lines[3].starts_with("  d:v0: ") && lines[3].ends_with(", of file 'small'") && lines[4].starts_with("  d:v1: "), "{text}");
    assert!(text.ends_with("from another copy of the store\n"), "{text}");
}

#[test]
fn a_deleted_version_that_is_not_whole_is_no_finding() {
    let env = Env::new();
    for content in ["1", "2"] {
        env.write("d/small", content);
        env.art(["put", "d", "d"]).done();
    }
    let pages = files(&env.store().join("meta"));
    let lost = pages.iter().find(|path| {
        let bytes = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        let only_first = env.art(["ls", "d:v0"]).code == Some(5) && env.art(["ls", "d:v1"]).code == Some(0);
        fs::write(path, bytes).unwrap();
        only_first
    });
    fs::remove_file(lost.unwrap()).unwrap();
    assert_eq!(levels(&env), [Some(5); 3]);
    env.art(["rm", "d:v0"]).done();
    assert_eq!(levels(&env), [Some(0); 3]);
    assert_eq!(deep(&env)["versions"][0]["state"], "deleted");
}

#[test]
fn packs_that_were_replaced_since_they_were_listed_are_listed_again() {
    let env = Env::new();
    env.write("d/f", noise(50_000));
    env.art(["put", "d", "d"]).done();
    let store = Store::open(&env.store()).unwrap();
    let context = Context {
        now: Time("2026-11-23T00:00:00Z".parse().unwrap()),
        git: None,
        run: None,
        threads: 2,
        wait: Wait::default(),
        progress: &Silent,
    };
    for level in [FsckLevel::Quick, FsckLevel::Full, FsckLevel::Deep] {
        assert!(fsck(&store, &context, &FsckOptions { level }).unwrap().ok);
    }
    // The same chunk in another pack, and the old pack gone, as after a `gc`.
    let bytes = noise(50_000);
    let old = files(&env.store().join("packs")).remove(0);
    let mut pack = PackWriter::new(PackClass::Data, Draft::in_dir(&env.project()).unwrap()).unwrap();
    let (name, len) = (*ChunkId::of(&bytes).as_bytes(), bytes.len() as u32);
    pack.add_block(0, bytes.len() + 1, &[&bytes[..], b"x"].concat(), &[(name, len), (*ChunkId::of(b"x").as_bytes(), 1)]).unwrap();
    let pack = pack.finish().unwrap();
    let disk = Disk::new(&env.store(), &env.project()).unwrap();
    disk.publish(pack.draft, &pack_path(PackClass::Data, pack.id), |_| Ok(true)).unwrap();
    fs::remove_file(old).unwrap();
    for level in [FsckLevel::Quick, FsckLevel::Full, FsckLevel::Deep] {
        let outcome = fsck(&store, &context, &FsckOptions { level }).unwrap();
        assert!(outcome.ok, "{outcome:?}");
    }
}
