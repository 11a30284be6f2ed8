//! "Condemn and lift records": golden lines, what is refused, what they add up to.

use artstore::format::condemn::{CondemnRecord, LiftRecord, PACKS_MAX};
use artstore::format::limits::RECORD_LEN_MAX;
use artstore::format::record::Record;
use artstore::id::PackId;
use artstore::refs::write::record_path;

use crate::record::time;
use crate::sample::id;

fn condemn() -> CondemnRecord {
    CondemnRecord {
        created_at: time("2026-11-03T09:15:00Z"),
        data: vec![id(1), id(2)],
        meta: vec![id(1)],
        nonce: "00ff00ff00ff00ff".into(),
    }
}

fn lift() -> LiftRecord {
    LiftRecord { created_at: time("2026-11-03T09:15:00Z"), data: vec![], lifts: vec![id(3), id(4)], meta: vec![id(2)] }
}

fn golden() -> [(Record, String); 2] {
    let h = |digits: &str| digits.repeat(32);
    let condemn_line = format!(
        r#"{{"created_at":"2026-11-03T09:15:00Z","data":["{}","{}"],"kind":"condemn","meta":["{}"],"nonce":"00ff00ff00ff00ff"}}"#,
        h("01"),
        h("02"),
        h("01")
    );
    let lift_line =
        format!(r#"{{"created_at":"2026-11-03T09:15:00Z","kind":"lift","lifts":["{}","{}"],"meta":["{}"]}}"#, h("03"), h("04"), h("02"));
    [(Record::Condemn(condemn()), condemn_line), (Record::Lift(lift()), lift_line)]
}

#[test]
fn each_kind_has_one_line_and_lies_in_gc_under_its_hash() {
    for (record, line) in golden() {
        let (id, encoded) = record.encode().unwrap();
        assert_eq!(String::from_utf8(encoded.clone()).unwrap(), format!("{line}\n"));
        assert_eq!(Record::decode(&encoded).unwrap(), record);
        assert_eq!(record_path(&record, id).to_str().unwrap(), format!("gc/{}", id.short(16)));
    }
}

#[test]
fn every_truncation_and_every_changed_byte_that_still_decodes_is_another_record() {
    for (record, line) in golden() {
        let line = format!("{line}\n").into_bytes();
        for len in 0..line.len() {
            assert!(Record::decode(&line[..len]).is_err(), "{len}");
        }
        for at in 0..line.len() {
            let mut changed = line.clone();
            changed[at] ^= 1;
            assert!(Record::decode(&changed).map_or(true, |other| other != record), "{at}");
        }
    }
}

#[test]
fn lists_are_sorted_not_empty_and_bounded() {
    let refused = |record: Record| record.encode().unwrap_err();
    refused(Record::Condemn(CondemnRecord { data: vec![], meta: vec![], ..condemn() }));
    refused(Record::Condemn(CondemnRecord { data: vec![id(2), id(1)], ..condemn() }));
    refused(Record::Condemn(CondemnRecord { data: vec![id(1), id(1)], ..condemn() }));
    refused(Record::Lift(LiftRecord { lifts: vec![], ..lift() }));
    refused(Record::Lift(LiftRecord { lifts: vec![id(4), id(3)], ..lift() }));
    refused(Record::Lift(LiftRecord { meta: vec![], ..lift() }));
    for nonce in ["", "00ff00ff00ff00f", "00FF00ff00ff00ff", "00ff00ff00ff00ff0", "00ff00ff00ff00fg"] {
        refused(Record::Condemn(CondemnRecord { nonce: nonce.into(), ..condemn() }));
    }
    let mut packs: Vec<PackId> = (0..PACKS_MAX as u32 + 1).map(|number| PackId::of(&number.to_le_bytes())).collect();
    packs.sort();
    refused(Record::Condemn(CondemnRecord { data: packs.clone(), meta: vec![], ..condemn() }));
    packs.pop();
    let (_, line) = Record::Condemn(CondemnRecord { data: packs, meta: vec![], ..condemn() }).encode().unwrap();
    assert!(line.len() <= RECORD_LEN_MAX);
}

#[test]
fn members_that_are_empty_or_unknown_are_refused() {
    for (_, line) in golden() {
        let with = |member: &str| format!("{}{member}}}\n", &line[..line.len() - 1]);
        assert!(Record::decode(with(r#","z":1"#).as_bytes()).is_err());
    }
    let idle = r#"{"created_at":"2026-11-03T09:15:00Z","data":[],"kind":"condemn","meta":["0101010101010101010101010101010101010101010101010101010101010101"],"nonce":"00ff00ff00ff00ff"}"#;
    assert!(Record::decode(format!("{idle}\n").as_bytes()).is_err());
}
