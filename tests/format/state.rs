//! "What records add up to": the state of an artifact is a function of the set of its records.

use artstore::format::record::{AliasRecord, EditRecord, Record, VersionRecord};
use artstore::id::RecordId;
use artstore::refs::history::{History, Meaning};
use artstore::refs::read::Records;
use serde_json::json;

use crate::record::{edit, example_version, time};
use crate::sample::id;

fn version(number: u64, manifest: u8, stored_bytes: u64) -> (RecordId, VersionRecord) {
    let record = VersionRecord { number, manifest: id(manifest), stored_bytes, tags: Vec::new(), ..example_version() };
    (Record::Version(Box::new(record.clone())).encode().unwrap().0, record)
}

fn edited(record: EditRecord) -> (RecordId, EditRecord) {
    (Record::Edit(Box::new(record.clone())).encode().unwrap().0, record)
}

fn alias(seq: u64, target: Option<RecordId>, replaces: &[RecordId]) -> (RecordId, AliasRecord) {
    let record = AliasRecord {
        alias: "best".parse().unwrap(),
        artifact: "digits".parse().unwrap(),
        created_at: time("2026-11-03T09:15:00Z"),
        replaces: replaces.to_vec(),
        seq,
        target,
    };
    (Record::Alias(record.clone()).encode().unwrap().0, record)
}

/// Adds up records, and the same in another order and some of them twice.
fn add_up(versions: &[(RecordId, VersionRecord)], aliases: &[(RecordId, AliasRecord)], edits: &[(RecordId, EditRecord)]) -> History {
    let of = |twist: bool| {
        let mut records = Records { versions: versions.to_vec(), aliases: aliases.to_vec(), edits: edits.to_vec(), damaged: Vec::new() };
        if twist {
            records.versions.reverse();
            records.versions.extend(versions.first().cloned());
            records.aliases.reverse();
            records.aliases.extend(aliases.first().cloned());
            records.edits.reverse();
            records.edits.extend(edits.first().cloned());
        }
        History::new("digits".parse().unwrap(), records)
    };
    let (history, twisted) = (of(false), of(true));
    let told = |history: &History| format!("{:?}{:?}{:?}{:?}", history.versions, history.aliases, history.about, history.edits);
    assert_eq!(told(&history), told(&twisted));
    history
}

fn labels(history: &History) -> Vec<String> {
    history.versions.iter().map(|version| version.label.clone()).collect()
}

fn one(meaning: Meaning<'_>) -> Option<RecordId> {
    match meaning {
        Meaning::One(version) => Some(version.id),
        _ => None,
    }
}

#[test]
fn latest_is_the_highest_number_that_is_not_deleted_and_numbers_are_not_reused() {
    let (a, b) = (version(0, 1, 0), version(1, 2, 0));
    let history = add_up(&[a.clone(), b.clone()], &[], &[]);
    assert_eq!((one(history.latest()), history.next_number()), (Some(b.0), Some(2)));
    let delete = edited(EditRecord { delete: true, ..edit(0, Some(b.0)) });
    let history = add_up(&[a.clone(), b.clone()], &[], &[delete]);
    assert_eq!((one(history.latest()), history.next_number()), (Some(a.0), Some(2)));
    assert_eq!(one(history.numbered(1)), Some(b.0), "a deleted version is still what its number names");
    assert_eq!(add_up(&[], &[], &[]).next_number(), Some(0));
}

#[test]
fn the_value_of_an_alias_is_what_nothing_replaces() {
    let versions = [version(0, 1, 0), version(1, 2, 0)];
    let (a, b) = (versions[0].0, versions[1].0);
    let first = alias(0, Some(a), &[]);
    let moved = alias(1, Some(b), &[first.0]);
    let removed = alias(2, None, &[moved.0]);
    let targets = |records: &[(RecordId, AliasRecord)]| {
        let history = add_up(&versions, records, &[]);
        history.aliases.values().flatten().map(|head| head.target).collect::<Vec<_>>()
    };
    assert_eq!(targets(std::slice::from_ref(&first)), [Some(a)]);
    assert_eq!(targets(&[first.clone(), moved.clone()]), [Some(b)]);
    assert_eq!(targets(&[first.clone(), moved.clone(), removed]), [None]);
    let rival = alias(1, Some(a), &[first.0]);
    let mut diverged = targets(&[first.clone(), moved.clone(), rival.clone()]);
    diverged.sort();
    let mut both = [Some(a), Some(b)];
    both.sort();
    assert_eq!(diverged, both);
    let settled = alias(2, Some(b), &[moved.0, rival.0]);
    assert_eq!(targets(&[first, moved, rival, settled]), [Some(b)]);
}

#[test]
fn a_delete_holds_only_if_it_saw_every_undelete_and_alias() {
    let v = version(0, 1, 0);
    let deleted = |aliases: &[(RecordId, AliasRecord)], edits: &[(RecordId, EditRecord)]| {
        add_up(std::slice::from_ref(&v), aliases, edits).versions[0].deleted
    };
    let delete = |seq, saw: &[RecordId]| edited(EditRecord { delete: true, saw: saw.to_vec(), ..edit(seq, Some(v.0)) });
    let undelete = |seq, saw: &[RecordId]| edited(EditRecord { undelete: true, saw: saw.to_vec(), ..edit(seq, Some(v.0)) });

    let first = delete(0, &[]);
    assert!(deleted(&[], std::slice::from_ref(&first)));
    let back = undelete(1, &[first.0]);
    assert!(!deleted(&[], &[first.clone(), back.clone()]));
    assert!(deleted(&[], &[first.clone(), back.clone(), delete(2, &[back.0])]));
    // Through an edit in between, too.
    let between = edited(EditRecord { description: Some("x".into()), saw: vec![back.0], ..edit(2, Some(v.0)) });
    assert!(deleted(&[], &[first.clone(), back, between.clone(), delete(3, &[between.0])]));

    let named = alias(0, Some(v.0), &[]);
    assert!(!deleted(std::slice::from_ref(&named), std::slice::from_ref(&first)));
    assert!(deleted(std::slice::from_ref(&named), &[delete(0, &[named.0])]));
    let gone = alias(1, None, &[named.0]);
    assert!(deleted(&[named, gone], &[first]));
    let both = edited(EditRecord { delete: true, undelete: true, ..edit(0, Some(v.0)) });
    assert!(!deleted(&[], &[both]));
}

#[test]
fn edits_apply_by_seq_and_then_by_id() {
    let v = version(0, 1, 0);
    let set = |seq, text: &str| edited(EditRecord { description: Some(text.into()), ..edit(seq, Some(v.0)) });
    let description = |edits: &[(RecordId, EditRecord)]| add_up(std::slice::from_ref(&v), &[], edits).versions[0].description.clone();
    assert_eq!(description(&[]), v.1.description);
    assert_eq!(description(&[set(0, "b"), set(1, "a")]).unwrap(), "a");
    assert_eq!(description(&[set(0, "b"), set(1, "")]), None);
    let rivals = [set(5, "x"), set(5, "y")];
    let later = rivals.iter().max_by_key(|(id, _)| *id).unwrap().1.description.clone();
    assert_eq!(description(&rivals), later);

    let add = edited(EditRecord { tags_add: vec!["a".parse().unwrap(), "b".parse().unwrap()], ..edit(0, Some(v.0)) });
    let swap = edited(EditRecord {
        tags_add: vec!["a".parse().unwrap()],
        tags_remove: vec!["a".parse().unwrap(), "b".parse().unwrap()],
        ..edit(1, Some(v.0))
    });
    let history = add_up(std::slice::from_ref(&v), &[], &[add, swap]);
    assert_eq!(history.versions[0].tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(), ["a"]);

    let layer = edited(EditRecord { metadata: [("k".into(), json!(1))].into(), unset: vec!["loss".into()], ..edit(0, Some(v.0)) });
    let history = add_up(&[v], &[], &[layer]);
    assert_eq!(history.versions[0].metadata.len(), 2);
    assert_eq!(history.versions[0].metadata[1].unset, ["loss"]);
}

#[test]
fn versions_of_one_number_read_as_one_if_equal_and_are_told_apart_if_not() {
    let (a, same) = (version(3, 1, 0), version(3, 1, 1));
    let history = add_up(&[a.clone(), same.clone()], &[], &[]);
    assert_eq!(labels(&history), ["v3", "v3"]);
    assert_eq!(one(history.numbered(3)), Some(a.0.min(same.0)));
    let delete = edited(EditRecord { delete: true, ..edit(0, Some(a.0.min(same.0))) });
    let history = add_up(&[a.clone(), same.clone()], &[], &[delete]);
    assert_eq!(one(history.numbered(3)), Some(a.0.max(same.0)), "the first that is not deleted");
    assert_eq!(labels(&history), ["v3", "v3"]);

    let other = version(3, 2, 0);
    let history = add_up(&[a.clone(), other.clone()], &[], &[]);
    let suffixed = |id: RecordId| format!("v3.{}", id.short(4));
    let mut expected = [a.0, other.0];
    expected.sort();
    assert_eq!(labels(&history), expected.map(suffixed));
    assert_eq!(one(history.numbered(3)), None);
    assert_eq!(one(history.latest()), None);

    let claim = |seq, target, saw: &[RecordId]| edited(EditRecord { claim: true, saw: saw.to_vec(), ..edit(seq, Some(target)) });
    let first = claim(0, other.0, &[]);
    let history = add_up(&[a.clone(), other.clone()], &[], std::slice::from_ref(&first));
    assert_eq!(one(history.numbered(3)), Some(other.0));
    assert_eq!(history.version(a.0).unwrap().label, suffixed(a.0));
    let rival = claim(0, a.0, &[]);
    assert_eq!(one(add_up(&[a.clone(), other.clone()], &[], &[first.clone(), rival.clone()]).numbered(3)), None);
    let settled = claim(1, a.0, &[first.0, rival.0]);
    assert_eq!(one(add_up(&[a.clone(), other], &[], &[first, rival, settled]).numbered(3)), Some(a.0));
}

#[test]
fn of_times_to_live_that_no_other_saw_the_longest_holds() {
    let record = VersionRecord { ttl_seconds: Some(10), ..version(0, 1, 0).1 };
    let v = (Record::Version(Box::new(record.clone())).encode().unwrap().0, record);
    let ttl = |seq, ttl: u64, saw: &[RecordId]| edited(EditRecord { ttl_seconds: Some(ttl), saw: saw.to_vec(), ..edit(seq, Some(v.0)) });
    let of = |edits: &[(RecordId, EditRecord)]| add_up(std::slice::from_ref(&v), &[], edits).versions[0].ttl_seconds;
    assert_eq!(of(&[]), Some(10));
    let shorter = ttl(0, 5, &[]);
    assert_eq!(of(std::slice::from_ref(&shorter)), Some(5), "an edit replaces that of the record");
    assert_eq!(of(&[shorter.clone(), ttl(1, 7, &[])]), Some(7));
    assert_eq!(of(&[ttl(0, 9, &[]), ttl(1, 7, &[])]), Some(9), "the longer of two, not the later");
    assert_eq!(of(&[shorter.clone(), ttl(0, 0, &[])]), None, "for ever is the longest");
    let for_ever = ttl(0, 0, &[]);
    let again = ttl(1, 3, &[for_ever.0, shorter.0]);
    assert_eq!(of(&[for_ever, shorter.clone(), again]), Some(3), "one that saw the others replaces them");
    // Through an edit that says nothing of it, too.
    let between = edited(EditRecord { description: Some("x".into()), saw: vec![shorter.0], ..edit(1, Some(v.0)) });
    let last = ttl(2, 4, &[between.0]);
    assert_eq!(of(&[shorter, between, last]), Some(4));

    let expires = |ttl| {
        let record = VersionRecord { ttl_seconds: Some(ttl), ..example_version() };
        let id = Record::Version(Box::new(record.clone())).encode().unwrap().0;
        add_up(&[(id, record)], &[], &[]).versions[0].expires_at().map(|time| time.to_string())
    };
    assert_eq!(expires(86_400).as_deref(), Some("2026-11-04T09:15:00.25Z"));
    assert_eq!(expires(u64::MAX), None, "a time that there is not is never");
}

#[test]
fn a_deletion_that_neither_holds_nor_was_undone_is_contested() {
    let v = version(0, 1, 0);
    let state = |aliases: &[(RecordId, AliasRecord)], edits: &[(RecordId, EditRecord)]| {
        let history = add_up(std::slice::from_ref(&v), aliases, edits);
        (history.versions[0].deleted, history.versions[0].contested)
    };
    let delete = |seq, saw: &[RecordId]| edited(EditRecord { delete: true, saw: saw.to_vec(), ..edit(seq, Some(v.0)) });
    let undelete = |seq, saw: &[RecordId]| edited(EditRecord { undelete: true, saw: saw.to_vec(), ..edit(seq, Some(v.0)) });
    let first = delete(0, &[]);
    let named = alias(0, Some(v.0), &[]);
    assert_eq!(state(&[], std::slice::from_ref(&first)), (true, false));
    assert_eq!(state(std::slice::from_ref(&named), std::slice::from_ref(&first)), (false, true));
    let back = undelete(1, &[first.0, named.0]);
    assert_eq!(state(std::slice::from_ref(&named), &[first.clone(), back.clone()]), (false, false), "undone is not contested");
    assert_eq!(state(&[], &[first.clone(), back.clone(), delete(1, &[first.0])]), (false, true), "one that did not see the undeletion");
    assert_eq!(state(&[], &[first.clone(), undelete(0, &[])]), (false, true), "nor did this undeletion see it");
    assert_eq!(state(&[], &[first, back.clone(), delete(2, &[back.0])]), (true, false));
}

#[test]
fn of_two_edits_of_one_key_the_later_shows_and_other_keys_stay() {
    let v = version(0, 1, 0);
    for target in [Some(v.0), None] {
        let set =
            |seq, key: &str, value: u64| edited(EditRecord { metadata: [(key.to_owned(), json!(value))].into(), ..edit(seq, target) });
        let value = |edits: &[(RecordId, EditRecord)], key: &str| {
            let history = add_up(std::slice::from_ref(&v), &[], edits);
            let layers = if target.is_some() { &history.versions[0].metadata } else { &history.about.metadata };
            layers.iter().rev().find_map(|layer| layer.set.get(key).cloned())
        };
        assert_eq!(value(&[set(1, "k", 1), set(0, "k", 2)], "k"), Some(json!(1)), "the higher number");
        let rivals = [set(3, "k", 1), set(3, "k", 2)];
        let later = rivals.iter().max_by_key(|(id, _)| *id).unwrap().1.metadata["k"].clone();
        assert_eq!(value(&rivals, "k"), Some(later), "of one number the higher id");
        let [a, b] = rivals;
        assert_eq!(value(&[a, b, set(3, "other", 5)], "other"), Some(json!(5)));
    }
}

#[test]
fn edits_without_a_target_are_about_the_artifact_alone() {
    let v = version(0, 1, 0);
    let first = edited(EditRecord {
        description: Some("all".into()),
        tags_add: vec!["a".parse().unwrap()],
        ttl_seconds: Some(1),
        delete: true,
        ..edit(0, None)
    });
    let second = edited(EditRecord { unset: vec!["k".into()], tags_add: vec!["b".parse().unwrap()], saw: vec![first.0], ..edit(1, None) });
    let other = edited(EditRecord { description: Some("one".into()), ..edit(2, Some(v.0)) });
    let history = add_up(std::slice::from_ref(&v), &[], &[first.clone(), second.clone(), other.clone()]);
    assert_eq!(history.about.description.as_deref(), Some("all"));
    assert_eq!(history.about.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(history.about.metadata.len(), 1);
    let version = &history.versions[0];
    assert_eq!((version.deleted, version.ttl_seconds, version.description.as_deref()), (false, v.1.ttl_seconds, Some("one")));
    assert_eq!(history.heads_of(None), [second.0], "what it saw is no head, nor what is about a version");
    assert_eq!(history.heads_of(Some(v.0)), [other.0]);
    let emptied = edited(EditRecord { description: Some(String::new()), tags_remove: vec!["a".parse().unwrap()], ..edit(3, None) });
    let about = add_up(&[v], &[], &[first, second, emptied]).about;
    assert_eq!((about.description, about.tags.len()), (None, 1));
}
