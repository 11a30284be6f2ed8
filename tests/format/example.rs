//! The worked examples of `docs/format.md` are what the code writes.

use artstore::format::record::Record;
use artstore::refs::write::record_path;

use crate::bundle::example_bundle;
use crate::record::example_version;
use crate::sample::{example_pack, hex};

const PAGE: &str = include_str!("../../docs/format.md");

/// The text block that follows a mark.
fn example(name: &str) -> &'static str {
    let mark = format!("<!-- example: {name} -->\n```text\n");
    PAGE.split_once(&mark).unwrap().1.split_once("```").unwrap().0
}

/// Lists bytes with their offsets, sixteen to a line, and what each run of them is.
fn listing(bytes: &[u8], parts: &[(usize, &str)]) -> String {
    let (mut text, mut at) = (String::new(), 0);
    for &(len, note) in parts {
        for (line, row) in bytes[at..at + len].chunks(16).enumerate() {
            let digits: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
            let note = if line == 0 { note } else { "" };
            let row = format!("{:3}  {:<47}  {note}", at + 16 * line, digits.join(" "));
            text.push_str(row.trim_end());
            text.push('\n');
        }
        at += len;
    }
    assert_eq!(at, bytes.len(), "the parts are the whole");
    text
}

#[test]
fn the_pack_in_the_page_is_what_the_code_lays_out() {
    let bytes = example_pack();
    let parts = [
        (8, "header: magic"),
        (4, "version 1"),
        (4, "class 1: data"),
        (8, "salt"),
        (4, "block 0: magic"),
        (4, "codec 0: raw"),
        (4, "stored length 8"),
        (4, "raw length 8"),
        (4, "2 chunks"),
        (4, "of 5 bytes"),
        (4, "and of 3"),
        (8, "payload: helloart"),
        (4, "table, block 0: at 24"),
        (4, "codec"),
        (4, "stored length"),
        (4, "raw length"),
        (4, "chunk count"),
        (32, "chunk rows: BLAKE3 of `art`"),
        (4, "in block 0"),
        (4, "at 5"),
        (4, "length 3"),
        (32, "BLAKE3 of `hello`"),
        (4, "in block 0"),
        (4, "at 0"),
        (4, "length 5"),
        (8, "trailer: the table is at 60"),
        (32, "BLAKE3 of the table"),
        (4, "1 block"),
        (4, "2 chunks"),
        (8, "the file has 240 bytes"),
        (4, "version 1"),
        (4, "zero"),
        (8, "magic"),
    ];
    let text = format!("{}\nname: {}\n", listing(&bytes, &parts), hex(blake3::hash(&bytes).as_bytes()));
    assert_eq!(example("pack"), text, "the page should have:\n{text}");
}

#[test]
fn the_bundle_in_the_page_is_what_the_code_lays_out() {
    let bytes = example_bundle();
    let parts = [
        (8, "header: magic"),
        (4, "version 1"),
        (4, "zero"),
        (8, "length of the list"),
        (32, "BLAKE3 of the list"),
        (8, "list: builds on 1 version"),
        (8, "its artifact: 1 byte"),
        (1, "m"),
        (8, "number 3"),
        (32, "id"),
        (32, "id of its manifest"),
        (8, "1 file"),
        (8, "its path: 22 bytes"),
        (22, "features/write-condemn"),
        (8, "length 0"),
        (1, "needs nothing"),
        (32, "trailer: BLAKE3 of the header and of BLAKE3 of nothing"),
        (8, "1 file"),
        (8, "length of the bundle"),
        (8, "magic"),
    ];
    let text = listing(&bytes, &parts);
    assert_eq!(example("bundle"), text, "the page should have:\n{text}");
}

#[test]
fn the_record_in_the_page_is_what_the_code_writes() {
    let record = Record::Version(Box::new(example_version()));
    let (id, line) = record.encode().unwrap();
    let line = String::from_utf8(line).unwrap();
    let text = format!("{line}\nid:   {id}\nfile: {}\n", record_path(&record, id).display());
    assert_eq!(example("record"), text, "the page should have:\n{text}");
}

#[test]
fn the_page_names_every_context_limit_and_section_that_the_code_refers_to() {
    for kind in artstore::format::manifest::PageType::ALL {
        assert!(PAGE.contains(&format!("| `{}` |", kind.context())), "{kind:?}");
    }
    let sections = [
        "Files of a store",
        "Hashes",
        "Binary encoding",
        "Limits",
        "Packs",
        "Block codecs",
        "Pages",
        "Manifests",
        "Trees",
        "Paths",
        "Cutting",
        "Records",
        "What records add up to",
        "Bundles",
    ];
    for section in sections {
        assert!(PAGE.lines().any(|line| line.trim_start_matches('#').trim() == section && line.starts_with('#')), "{section}");
    }
    // A link within the page names a heading of it.
    let anchors: Vec<String> = PAGE
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"))
        .collect();
    for link in PAGE.split("](#").skip(1).map(|rest| rest.split_once(')').unwrap().0) {
        assert!(anchors.iter().any(|anchor| anchor == link), "#{link}");
    }
}
