//! "Records": golden lines, the canonical form, and what is refused.

use artstore::format::limits::{DESCRIPTION_LEN_MAX, METADATA_DEPTH_MAX, METADATA_LEN_MAX, RECORD_LEN_MAX, TAGS_MAX};
use artstore::format::record::{
    AliasRecord, EditRecord, GitState, Metadata, Record, RecordError, Time, VersionRecord, canonical_json, metadata_json,
};
use artstore::id::RecordId;
use artstore::name::Tag;
use artstore::refs::read::parse_record_name;
use artstore::refs::write::record_path;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::sample::id;

pub(crate) fn time(text: &str) -> Time {
    Time(text.parse().unwrap())
}

/// The version of the worked example.
pub(crate) fn example_version() -> VersionRecord {
    VersionRecord {
        artifact: "digits".parse().unwrap(),
        created_at: time("2026-11-03T09:15:00.25Z"),
        description: Some("first try, \"raw\"".into()),
        file_count: 3,
        git: Some(GitState { branch: Some("main".into()), commit: None, dirty: true }),
        manifest: artstore::format::manifest::PageType::Manifest.id_of(b"an example"),
        metadata: Metadata::from([("loss".into(), json!(1e-7)), ("epochs".into(), json!(10)), ("größe".into(), json!([1.0, null]))]),
        metadata_pages: Vec::new(),
        number: 0,
        parents: Vec::new(),
        run: None,
        size_bytes: 11_500_000,
        stored_bytes: 4_211_903,
        tags: vec!["clean".parse().unwrap(), "prod ready".parse().unwrap()],
        ttl_seconds: None,
        artifact_type: "dataset".parse().unwrap(),
    }
}

pub(crate) fn edit(seq: u64, target: Option<RecordId>) -> EditRecord {
    EditRecord {
        artifact: "digits".parse().unwrap(),
        claim: false,
        created_at: time("2026-11-03T09:15:00Z"),
        delete: false,
        description: None,
        metadata: Metadata::new(),
        metadata_pages: Vec::new(),
        saw: Vec::new(),
        seq,
        tags_add: Vec::new(),
        tags_remove: Vec::new(),
        target,
        ttl_seconds: None,
        undelete: false,
        unset: Vec::new(),
    }
}

/// A run's id, as records spell it.
pub(crate) const RUN: &str = "01935f2c-7a1b-7c3d-8e4f-0123456789ab";

fn full_version() -> Record {
    Record::Version(Box::new(VersionRecord {
        metadata_pages: vec![id(1)],
        parents: vec![id(3), id(2)],
        run: Some(RUN.parse().unwrap()),
        ttl_seconds: Some(60),
        git: Some(GitState { branch: None, commit: Some("c0".into()), dirty: false }),
        metadata: Metadata::from([("k".into(), json!({"b": 1, "a": "x"}))]),
        manifest: id(4),
        number: u64::MAX,
        ..example_version()
    }))
}

fn alias() -> Record {
    Record::Alias(AliasRecord {
        alias: "best".parse().unwrap(),
        artifact: "digits".parse().unwrap(),
        created_at: time("2026-11-03T09:15:00Z"),
        replaces: vec![id(1)],
        seq: 7,
        target: Some(id(2)),
    })
}

fn full_edit() -> Record {
    Record::Edit(Box::new(EditRecord {
        claim: true,
        delete: true,
        undelete: true,
        description: Some(String::new()),
        metadata: Metadata::from([("a".into(), Value::Null)]),
        metadata_pages: vec![id(1)],
        saw: vec![id(2)],
        tags_add: vec!["x".parse().unwrap()],
        tags_remove: vec!["y".parse().unwrap()],
        ttl_seconds: Some(0),
        unset: vec!["z".into()],
        ..edit(2, Some(id(3)))
    }))
}

fn golden() -> Vec<(Record, String)> {
    let h = |digits: &str| digits.repeat(32);
    let version = format!(
        r#"{{"artifact":"digits","created_at":"2026-11-03T09:15:00.25Z","description":"first try, \"raw\"","file_count":3,"git":{{"commit":"c0","dirty":false}},"kind":"version","manifest":"{}","metadata":{{"k":{{"a":"x","b":1}}}},"metadata_pages":["{}"],"number":18446744073709551615,"parents":["{}","{}"],"run":"01935f2c-7a1b-7c3d-8e4f-0123456789ab","size_bytes":11500000,"stored_bytes":4211903,"tags":["clean","prod ready"],"ttl_seconds":60,"type":"dataset"}}"#,
        h("04"),
        h("01"),
        h("03"),
        h("02")
    );
    let alias_line = format!(
        r#"{{"alias":"best","artifact":"digits","created_at":"2026-11-03T09:15:00Z","kind":"alias","replaces":["{}"],"seq":7,"target":"{}"}}"#,
        h("01"),
        h("02")
    );
    let edit_line = format!(
        r#"{{"artifact":"digits","claim":true,"created_at":"2026-11-03T09:15:00Z","delete":true,"description":"","kind":"edit","metadata":{{"a":null}},"metadata_pages":["{}"],"saw":["{}"],"seq":2,"tags_add":["x"],"tags_remove":["y"],"target":"{}","ttl_seconds":0,"undelete":true,"unset":["z"]}}"#,
        h("01"),
        h("02"),
        h("03")
    );
    let bare_edit = r#"{"artifact":"digits","created_at":"2026-11-03T09:15:00Z","kind":"edit","seq":0}"#;
    vec![
        (full_version(), version + "\n"),
        (alias(), alias_line + "\n"),
        (full_edit(), edit_line + "\n"),
        (Record::Edit(Box::new(edit(0, None))), format!("{bare_edit}\n")),
    ]
}

/// A bare edit with one more member put where it sorts, and that of the artifact's name changed.
fn line_with(member: &str) -> String {
    let mut members = vec![r#""artifact":"d""#, r#""created_at":"2026-11-03T09:15:00Z""#, r#""kind":"edit""#, r#""seq":0"#];
    members.push(member);
    members.sort_by_key(|member| member.split(':').next().unwrap().to_owned());
    format!("{{{}}}\n", members.join(","))
}

fn canonical_line(value: &Value) -> Vec<u8> {
    let mut line = canonical_json(value);
    line.push(b'\n');
    line
}

fn is_taken(line: &str) -> bool {
    Record::decode(line.as_bytes()).is_ok()
}

#[test]
fn records_are_written_as_the_page_says() {
    for (record, line) in golden() {
        let (id, bytes) = record.encode().unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), line);
        assert_eq!(id, RecordId::of(line.as_bytes()));
        assert_eq!(Record::decode(line.as_bytes()).unwrap(), record);
    }
}

#[test]
fn a_record_lies_where_its_kind_and_number_say() {
    let at = |record: &Record| record_path(record, id(0xab)).to_str().unwrap().to_owned();
    assert_eq!(at(&full_version()), "refs/digits/versions/18446744073709551615.abababababababab");
    assert_eq!(at(&alias()), "refs/digits/aliases/best/7.abababababababab");
    assert_eq!(at(&full_edit()), "refs/digits/edits/2.abababababababab");
    assert_eq!(parse_record_name("18446744073709551615.abababababababab"), Some((u64::MAX, "ab".repeat(8))));
    for stranger in [
        "0",
        "0.",
        "00.abababababababab",
        ".abababababababab",
        "1.ABABABABABABABAB",
        "1.ababababababab",
        "-1.abababababababab",
        "+1.abababababababab",
    ] {
        assert_eq!(parse_record_name(stranger), None, "{stranger}");
    }
    assert_eq!(parse_record_name("18446744073709551616.abababababababab"), None);
}

#[test]
fn a_record_cut_short_or_longer_is_refused() {
    for (_, line) in golden() {
        for len in 0..line.len() {
            assert!(Record::decode(&line.as_bytes()[..len]).is_err(), "{len}");
        }
        for more in ["\n", " ", "x", "\0", "{}", &line] {
            assert!(!is_taken(&format!("{line}{more}")), "{more:?}");
            assert!(!is_taken(&format!("{more}{line}")), "{more:?}");
        }
    }
}

#[test]
fn a_byte_changed_in_a_record_changes_its_id_and_it_never_reads_as_the_same() {
    for (record, line) in golden() {
        for at in 0..line.len() {
            for flip in [1, 2, 0x10, 0x20, 0x80] {
                let mut bad = line.clone().into_bytes();
                bad[at] ^= flip;
                if let Ok(other) = Record::decode(&bad) {
                    assert_ne!(other, record);
                    assert_eq!(other.encode().unwrap().1, bad, "what is decoded has one spelling");
                }
            }
        }
    }
}

#[test]
fn an_unknown_kind_or_member_is_refused() {
    assert!(is_taken(&line_with(r#""unset":["x"]"#)));
    for unknown in [r#""zeta":1"#, r#""undo":true"#, r#""Claim":true"#, r#""run":"x""#, r#""":0"#] {
        assert!(!is_taken(&line_with(unknown)), "{unknown}");
    }
    for kind in ["run", "Edit", "", "condemn"] {
        let line = golden()[3].1.replace(r#""kind":"edit""#, &format!(r#""kind":"{kind}""#));
        assert!(!is_taken(&line), "{kind}");
    }
    let git = golden()[0].1.replace(r#""dirty":false"#, r#""dirty":false,"extra":1"#);
    assert!(!is_taken(&git));
    for member in ["artifact", "created_at", "seq", "kind"] {
        let mut value: Value = serde_json::from_str(&golden()[3].1).unwrap();
        value.as_object_mut().unwrap().remove(member);
        assert!(Record::decode(&canonical_line(&value)).is_err(), "{member}");
    }
}

#[test]
fn another_spelling_of_the_same_record_is_refused() {
    let good = line_with(r#""metadata":{"a":1,"b":"x/é"}"#);
    assert!(is_taken(&good));
    for (from, to) in [
        (r#""a":1"#, r#""a": 1"#),
        (r#""a":1"#, r#""a":01"#),
        (r#""a":1,"b""#, r#""b":2,"a":1,"b""#),
        (r#""a":1,"#, r#""a":0,"a":1,"#),
        (r#"x/é"#, r#"x\/é"#),
        (r#"x/é"#, r#"x/\u00e9"#),
        (r#"x/é"#, r#"\u0078/é"#),
        (r#""seq":0"#, r#""seq":0.0"#),
        (r#""seq":0"#, r#""seq":-0"#),
        (r#""seq":0"#, r#""seq":0e0"#),
        (r#""seq":0"#, r#""seq":0,"seq":0"#),
        (r#""seq":0}"#, r#""seq":0 }"#),
        (r#""seq":0}"#, r#""seq":0,"claim":false}"#),
        ("}\n", "}"),
        ("}\n", "}\r\n"),
        (r#"{"artifact":"d","created_at""#, r#"{"created_at""#),
        ("09:15:00Z", "09:15:00.0Z"),
        ("09:15:00Z", "09:15:00+00:00"),
        ("09:15:00Z", "09:15:00z"),
        ("09:15:00Z", "09:15Z"),
        ("T09:15", " 09:15"),
    ] {
        assert!(good.contains(from), "{from}");
        assert!(!is_taken(&good.replacen(from, to, 1)), "{to}");
    }
}

#[test]
fn what_is_omitted_when_empty_may_not_be_spelled_out() {
    for member in [
        r#""claim":false"#,
        r#""delete":false"#,
        r#""undelete":false"#,
        r#""description":null"#,
        r#""metadata":{}"#,
        r#""metadata_pages":[]"#,
        r#""saw":[]"#,
        r#""tags_add":[]"#,
        r#""tags_remove":[]"#,
        r#""target":null"#,
        r#""ttl_seconds":null"#,
        r#""unset":[]"#,
    ] {
        assert!(!is_taken(&line_with(member)), "{member}");
    }
}

#[test]
fn doubles_have_one_form() {
    for (value, text) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (1e15, "1000000000000000.0"),
        (1234567890123456.0, "1234567890123456.0"),
        (9007199254740992.0, "9007199254740992.0"),
        (1e16, "1e+16"),
        (123456789012345680.0, "1.2345678901234568e+17"),
        (1.5e300, "1.5e+300"),
        (f64::MAX, "1.7976931348623157e+308"),
        (0.0001, "0.0001"),
        (0.00001, "0.00001"),
        (0.000012345, "0.000012345"),
        (0.000001, "1e-6"),
        (-1.5e-6, "-1.5e-6"),
        (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        (5e-324, "5e-324"),
        // Two spellings of the fewest digits are equally near: 1979141526567874.25 lies in the middle.
        (7_916_566_106_271_497.0 / 4.0, "1979141526567874.3"),
        (-7_916_566_106_271_497.0 / 4.0, "-1979141526567874.3"),
        (2f64.powi(-25), "2.9802322387695313e-8"),
    ] {
        assert_eq!(String::from_utf8(canonical_json(&json!(value))).unwrap(), text);
        assert!(is_taken(&line_with(&format!(r#""metadata":{{"x":{text}}}"#))), "{text}");
    }
    for other in [
        "1e0",
        "1E16",
        "1e16",
        "1e+016",
        "0.000001",
        "1.50",
        "1.",
        ".5",
        "-0",
        "10000000000000000.0",
        "18446744073709551616",
        "0.1000000000000000055",
        "1979141526567874.2",
        "2.9802322387695312e-8",
    ] {
        assert!(!is_taken(&line_with(&format!(r#""metadata":{{"x":{other}}}"#))), "{other}");
    }
    for integer in ["0", "-1", "18446744073709551615", "-9223372036854775808"] {
        assert!(is_taken(&line_with(&format!(r#""metadata":{{"x":{integer}}}"#))), "{integer}");
    }
}

#[test]
fn what_is_no_finite_number_cannot_be() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(serde_json::Number::from_f64(number), None);
    }
    for text in ["NaN", "nan", "Infinity", "-Infinity", "1e400", "-1e400"] {
        assert!(!is_taken(&line_with(&format!(r#""metadata":{{"x":{text}}}"#))), "{text}");
    }
}

#[test]
fn strings_have_one_form() {
    let text: String = (0..0x80).map(char::from).chain("é\u{80}\u{2028}\u{1f600}".chars()).collect();
    let escaped = concat!(
        r#""\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f"#,
        r#"\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f"#,
        r##" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"##,
        "\u{7f}é\u{80}\u{2028}\u{1f600}\"",
    );
    assert_eq!(String::from_utf8(canonical_json(&json!(text))).unwrap(), escaped);
    assert!(!is_taken(&line_with(r#""metadata":{"x":"\ud800"}"#)));
    let mut not_utf8 = line_with(r#""description":"x""#).into_bytes();
    let at = not_utf8.iter().position(|&b| b == b'x').unwrap();
    not_utf8[at] = 0xff;
    assert!(Record::decode(&not_utf8).is_err());
}

#[test]
fn members_sort_by_their_bytes_at_every_depth() {
    let value: Value = serde_json::from_str(r#"{"é":1,"b":[{"z":1,"a":2}],"a":{"\ud83d\ude00":1,"\uffff":2},"B":3}"#).unwrap();
    let sorted = "{\"B\":3,\"a\":{\"\u{ffff}\":2,\"\u{1f600}\":1},\"b\":[{\"a\":2,\"z\":1}],\"é\":1}";
    assert_eq!(String::from_utf8(canonical_json(&value)).unwrap(), sorted);
}

#[test]
fn times_have_one_form() {
    for good in [
        "2026-11-03T09:15:00Z",
        "2026-11-03T09:15:00.1Z",
        "2026-11-03T09:15:00.000000001Z",
        "2026-11-03T09:15:00.12Z",
        "1969-12-31T23:59:59.999999999Z",
        "0000-01-01T00:00:00Z",
        "-000001-01-01T00:00:00Z",
        "-009999-01-02T01:59:59Z",
        "9999-12-30T22:00:00.999999999Z",
    ] {
        assert!(is_taken(&line_with("\"unset\":[\"x\"]").replace("2026-11-03T09:15:00Z", good)), "{good}");
    }
    for bad in [
        "2026-11-03T09:15:00.10Z",
        "2026-11-03T09:15:60Z",
        "2026-11-03T24:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-11-03T09:15:00.0000000001Z",
        "2026-11-03T09:15:00-01:00",
        "2026-11-03",
        "+010000-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "",
    ] {
        assert!(!is_taken(&line_with("\"unset\":[\"x\"]").replace("2026-11-03T09:15:00Z", bad)), "{bad}");
    }
}

#[test]
fn a_record_beyond_64_kib_is_refused() {
    let record = |len| Record::Edit(Box::new(EditRecord { unset: vec!["x".repeat(len)], ..edit(0, None) }));
    let room = RECORD_LEN_MAX - record(0).encode().unwrap().1.len();
    let (_, line) = record(room).encode().unwrap();
    assert_eq!(line.len(), RECORD_LEN_MAX);
    assert!(Record::decode(&line).is_ok());
    assert!(matches!(record(room + 1).encode(), Err(RecordError::Length(len)) if len == RECORD_LEN_MAX + 1));
    let long = String::from_utf8(line).unwrap().replacen('x', "xx", 1);
    assert!(matches!(Record::decode(long.as_bytes()), Err(RecordError::Length(_))));
}

#[test]
fn a_description_beyond_16_kib_is_refused() {
    let record = |len| Record::Edit(Box::new(EditRecord { description: Some("x".repeat(len)), ..edit(0, None) }));
    assert!(record(DESCRIPTION_LEN_MAX).encode().is_ok());
    assert!(matches!(record(DESCRIPTION_LEN_MAX + 1).encode(), Err(RecordError::TooLong("description", DESCRIPTION_LEN_MAX))));
    let line = line_with(&format!(r#""description":"{}""#, "x".repeat(DESCRIPTION_LEN_MAX + 1)));
    assert!(matches!(Record::decode(line.as_bytes()), Err(RecordError::TooLong(..))));
    let version = VersionRecord { description: Some("x".repeat(DESCRIPTION_LEN_MAX + 1)), ..example_version() };
    assert!(Record::Version(Box::new(version)).encode().is_err());
}

#[test]
fn a_version_spells_out_nothing_that_is_empty_and_an_edit_does() {
    let refused = |version: VersionRecord| {
        let line = canonical_line(&serde_json::to_value(Record::Version(Box::new(version.clone()))).unwrap());
        assert!(matches!(Record::decode(&line), Err(RecordError::Empty(_))));
        assert!(matches!(Record::Version(Box::new(version)).encode(), Err(RecordError::Empty(_))));
    };
    refused(VersionRecord { description: Some(String::new()), ..example_version() });
    refused(VersionRecord { ttl_seconds: Some(0), ..example_version() });
    for member in [r#""description":"""#, r#""ttl_seconds":0"#] {
        assert!(is_taken(&line_with(member)), "{member}");
    }
}

#[test]
fn tags_are_words_of_the_characters_that_the_page_names() {
    let is_tag = |tag: &str| is_taken(&line_with(&format!(r#""tags_add":["{tag}"]"#)));
    for good in ["a", "A.b_c-9", "two words", "\u{a0}", "gr\u{f6}\u{df}e", "\u{2028}", "\u{1f600}", &"x".repeat(128)] {
        assert!(is_tag(good), "{good:?}");
    }
    for bad in ["", " a", "a ", "a  b", "a/b", "a:b", "\u{7f}", "\u{80}", "\u{9f}", &"x".repeat(129), &"\u{e9}".repeat(65)] {
        assert!(!is_tag(bad), "{bad:?}");
    }
}

#[test]
fn tags_are_sorted_each_once_and_at_most_100() {
    let tags = |count: usize| (0..count).map(|i| format!("t{i:03}").parse().unwrap()).collect::<Vec<Tag>>();
    let of = |list: &[&str]| list.iter().map(|tag| tag.parse().unwrap()).collect::<Vec<Tag>>();
    let lists = |list: Vec<Tag>| {
        let version = Record::Version(Box::new(VersionRecord { tags: list.clone(), ..example_version() }));
        let added = Record::Edit(Box::new(EditRecord { tags_add: list.clone(), ..edit(0, None) }));
        let removed = Record::Edit(Box::new(EditRecord { tags_remove: list, ..edit(0, None) }));
        [version, added, removed].map(|record| record.encode().is_ok())
    };
    assert_eq!(lists(tags(TAGS_MAX)), [true; 3]);
    assert_eq!(lists(tags(TAGS_MAX + 1)), [false; 3]);
    assert_eq!(lists(of(&["a", "a"])), [false; 3]);
    assert_eq!(lists(of(&["b", "a"])), [false; 3]);
    assert_eq!(lists(of(&["B", "a", "é"])), [true; 3]);
    assert!(!is_taken(&line_with(r#""tags_remove":["b","a"]"#)));
}

#[test]
fn names_in_records_keep_their_grammar() {
    let line = &golden()[1].1;
    for (from, to) in [
        (r#""artifact":"digits""#, r#""artifact":"a/b""#),
        (r#""artifact":"digits""#, r#""artifact":"..""#),
        (r#""artifact":"digits""#, r#""artifact":"""#),
        (r#""alias":"best""#, r#""alias":"latest""#),
        (r#""alias":"best""#, r#""alias":"v1""#),
        (r#""alias":"best""#, r#""alias":"../x""#),
        ("0202", "0G02"),
        ("0202", "0202ff"),
        (r#""seq":7"#, r#""seq":-1"#),
        (r#""seq":7"#, r#""seq":18446744073709551616"#),
    ] {
        assert!(line.contains(from));
        assert!(!is_taken(&line.replacen(from, to, 1)), "{to}");
    }
}

#[test]
fn metadata_is_at_most_64_deep_and_1_mib() {
    let nested = |depth: usize| (0..depth).fold(json!(1), |value, i| if i % 2 == 0 { json!([value]) } else { json!({ "k": value }) });
    let record = |depth| Record::Edit(Box::new(EditRecord { metadata: Metadata::from([("k".into(), nested(depth))]), ..edit(0, None) }));
    let (_, line) = record(METADATA_DEPTH_MAX).encode().unwrap();
    assert!(Record::decode(&line).is_ok());
    assert!(record(METADATA_DEPTH_MAX + 1).encode().is_err());
    let deep = line_with(&format!(r#""metadata":{{"k":{}1{}}}"#, "[".repeat(65), "]".repeat(65)));
    assert!(!is_taken(&deep));
    assert!(!is_taken(&line_with(&format!(r#""metadata":{{"k":{}1{}}}"#, "[".repeat(9000), "]".repeat(9000)))));

    let long = |len: usize| Metadata::from([("k".into(), json!("x".repeat(len - r#"{"k":""}"#.len())))]);
    assert_eq!(metadata_json(&long(METADATA_LEN_MAX)).unwrap().len(), METADATA_LEN_MAX);
    assert!(metadata_json(&long(METADATA_LEN_MAX + 1)).is_err());
    assert!(metadata_json(&Metadata::from([("k".into(), nested(METADATA_DEPTH_MAX + 1))])).is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-1000i32..1000).prop_map(|n| Value::from(f64::from(n) / 8.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_metadata_reads_back_and_has_one_spelling(value in any_json()) {
        let record = Record::Edit(Box::new(EditRecord { metadata: Metadata::from([("k".into(), value)]), ..edit(0, None) }));
        let (_, line) = record.encode().unwrap();
        prop_assert_eq!(Record::decode(&line).unwrap(), record);
    }

    #[test]
    fn any_double_reads_back_in_the_fewest_digits(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        let text = String::from_utf8(canonical_json(&json!(value))).unwrap();
        prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits);
        let digits = |text: &str| text.split('e').next().unwrap().bytes().filter(u8::is_ascii_digit).skip_while(|&b| b == b'0').count();
        let e = value.abs().log10().floor();
        if !(-5.0..=15.0).contains(&e) {
            prop_assert!(text.contains("e+") || text.contains("e-"));
            prop_assert!(digits(&text) <= 17);
        }
    }
}
