//! Records: one line of canonical JSON each; "Records" in `docs/format.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::condemn::{CondemnRecord, LiftRecord};
use super::limits::{DESCRIPTION_LEN_MAX, METADATA_DEPTH_MAX, METADATA_LEN_MAX, RECORD_LEN_MAX, TAGS_MAX};
use super::run::RunRecord;
use crate::id::{PageId, RecordId};
use crate::name::{Alias, Name, Tag};
use crate::quote::quote;
use crate::run_id::RunId;

/// The metadata of a version: a JSON object.
pub type Metadata = BTreeMap<String, Value>;

/// A record of any kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Record {
    /// A version.
    Version(Box<VersionRecord>),
    /// An alias set or removed.
    Alias(AliasRecord),
    /// A change to a version that is already there.
    Edit(Box<EditRecord>),
    /// Packs that are to be removed.
    Condemn(CondemnRecord),
    /// Packs that are not to be removed after all.
    Lift(LiftRecord),
    /// A step of a run.
    Run(Box<RunRecord>),
}

/// A version of an artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionRecord {
    /// The artifact.
    pub artifact: Name,
    /// When it was stored.
    pub created_at: Time,
    /// What it is, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Files in it.
    pub file_count: u64,
    /// The state of the git repo beside it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitState>,
    /// Its content; what users see as its digest.
    pub manifest: PageId,
    /// Its metadata, if short.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// Its metadata, if long: pages that hold the canonical JSON of the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata_pages: Vec<PageId>,
    /// Its number.
    pub number: u64,
    /// The versions that it followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<RecordId>,
    /// The run that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Bytes of its files.
    pub size_bytes: u64,
    /// Bytes of the packs that storing it added.
    pub stored_bytes: u64,
    /// Its labels when it was made, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// How long it is meant to be kept, counted from `created_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
    /// The artifact's type.
    #[serde(rename = "type")]
    pub artifact_type: Name,
}

/// The state of a git repo when a version was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitState {
    /// The branch, unless the head is detached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit, unless there is none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether tracked files differed from the commit.
    pub dirty: bool,
}

/// An alias set to a version, or removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AliasRecord {
    /// The alias.
    pub alias: Alias,
    /// The artifact.
    pub artifact: Name,
    /// When.
    pub created_at: Time,
    /// The alias records that this one replaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<RecordId>,
    /// One more than the highest of this alias that its writer saw.
    pub seq: u64,
    /// The version; none if the alias is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<RecordId>,
}

/// A change to a version, or to an artifact as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditRecord {
    /// The artifact.
    pub artifact: Name,
    /// This version is the one that its number names, of several with that number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub claim: bool,
    /// When.
    pub created_at: Time,
    /// The version is deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delete: bool,
    /// A new description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Metadata to set, key by key.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// The same, if long, as in a version record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata_pages: Vec<PageId>,
    /// The records about this version that its writer saw and nothing had followed: edits, and
    /// aliases that name it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub saw: Vec<RecordId>,
    /// One more than the highest of this artifact's edits that its writer saw.
    pub seq: u64,
    /// Labels to add, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags_add: Vec<Tag>,
    /// Labels to remove, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags_remove: Vec<Tag>,
    /// The version; none for the artifact as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<RecordId>,
    /// A new time to live; 0 means for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
    /// The version is no longer deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undelete: bool,
    /// Metadata keys to remove.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<String>,
}

/// A moment, in JSON as RFC 3339 in UTC with up to nine decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub jiff::Timestamp);

/// Why bytes are not a record.
#[derive(Debug)]
pub enum RecordError {
    /// The record is too long.
    Length(usize),
    /// The bytes are not the JSON of a record that this program knows.
    Json(serde_json::Error),
    /// The bytes are not how the record is written.
    NotCanonical,
    /// A value is beyond its limit.
    Limit(&'static str),
    /// A text, or a value as JSON, is longer than so many bytes, the most that it may have: whole KiB.
    TooLong(&'static str, usize),
    /// A value that says nothing stands there.
    Empty(&'static str),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::Length(len) => write!(f, "it has {len} bytes, more than a record may have"),
            RecordError::Json(error) => write!(f, "it is not a record that this program knows: {error}"),
            RecordError::NotCanonical => f.write_str("it is not written in the canonical form"),
            RecordError::Limit(what) => write!(f, "its {what} is beyond the limit"),
            RecordError::TooLong(what, len_max) => write!(f, "its {what} is longer than {} KiB", len_max >> 10),
            RecordError::Empty(what) => write!(f, "its {what} says nothing and is not left out"),
        }
    }
}

impl std::error::Error for RecordError {}

impl Record {
    /// Encodes the record as its line and names it.
    pub fn encode(&self) -> Result<(RecordId, Vec<u8>), RecordError> {
        let line = self.line()?;
        Ok((RecordId::of(&line), line))
    }

    fn line(&self) -> Result<Vec<u8>, RecordError> {
        self.check()?;
        let value = serde_json::to_value(self).map_err(RecordError::Json)?;
        let mut line = canonical_json(&value);
        line.push(b'\n');
        if line.len() > RECORD_LEN_MAX {
            return Err(RecordError::Length(line.len()));
        }
        Ok(line)
    }

    /// Decodes a line. The caller has checked that it hashes to its name.
    pub fn decode(line: &[u8]) -> Result<Record, RecordError> {
        if line.len() > RECORD_LEN_MAX {
            return Err(RecordError::Length(line.len()));
        }
        let value: Value = serde_json::from_slice(line).map_err(RecordError::Json)?;
        // The same as encoding the record again, at half the cost: the JSON is written as it has to
        // be, and no member says what its absence says.
        let is_canonical = line.strip_suffix(b"\n").is_some_and(|json| canonical_json(&value) == json) && !has_idle_members(&value);
        let record = Record::of(value).map_err(RecordError::Json)?;
        record.check()?;
        if is_canonical { Ok(record) } else { Err(RecordError::NotCanonical) }
    }

    /// Takes a record out of its JSON. By hand, for serde would copy all of it to find the kind.
    fn of(value: Value) -> Result<Record, serde_json::Error> {
        use serde::de::Error as _;
        let Value::Object(mut members) = value else { return Err(serde_json::Error::custom("it is not an object")) };
        let kind = members.remove("kind").ok_or_else(|| serde_json::Error::missing_field("kind"))?;
        let rest = Value::Object(members);
        match kind.as_str() {
            Some("version") => Deserialize::deserialize(rest).map(Record::Version),
            Some("alias") => Deserialize::deserialize(rest).map(Record::Alias),
            Some("edit") => Deserialize::deserialize(rest).map(Record::Edit),
            Some("condemn") => Deserialize::deserialize(rest).map(Record::Condemn),
            Some("lift") => Deserialize::deserialize(rest).map(Record::Lift),
            Some("run") => Deserialize::deserialize(rest).map(Record::Run),
            _ => Err(serde_json::Error::custom(format!("unknown kind {kind}"))),
        }
    }

    fn check(&self) -> Result<(), RecordError> {
        let (description, metadata, tag_lists) = match self {
            Record::Version(version) => (&version.description, &version.metadata, [&version.tags[..], &[]]),
            Record::Edit(edit) => (&edit.description, &edit.metadata, [&edit.tags_add[..], &edit.tags_remove]),
            Record::Alias(_) => return Ok(()),
            Record::Condemn(condemn) => return condemn.check(),
            Record::Lift(lift) => return lift.check(),
            Record::Run(run) => return run.check(),
        };
        if description.as_ref().is_some_and(|text| text.len() > DESCRIPTION_LEN_MAX) {
            return Err(RecordError::TooLong("description", DESCRIPTION_LEN_MAX));
        }
        if tag_lists.iter().any(|tags| tags.len() > TAGS_MAX || !tags.is_sorted_by(|a, b| a < b)) {
            return Err(RecordError::Limit("list of tags"));
        }
        if let Record::Version(version) = self {
            version.check_omitted()?;
        }
        check_depth(metadata)
    }
}

impl VersionRecord {
    /// In an edit an empty description or a zero takes away what was said; in a version there is
    /// nothing yet to take away.
    fn check_omitted(&self) -> Result<(), RecordError> {
        let is_empty = |text: &Option<String>| text.as_ref().is_some_and(String::is_empty);
        let members = [(is_empty(&self.description), "description"), (self.ttl_seconds == Some(0), "time to live")];
        members.into_iter().find(|(empty, _)| *empty).map_or(Ok(()), |(_, what)| Err(RecordError::Empty(what)))
    }
}

/// Writes JSON with sorted keys and no spaces, and doubles in the one form of the format.
pub fn canonical_json(value: &Value) -> Vec<u8> {
    let mut json = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut json, Canonical);
    Sorted(value).serialize(&mut serializer).expect("a JSON value always encodes");
    json
}

/// Writes doubles itself: their form has changed between releases of `serde_json`, and a record
/// that one program wrote must be canonical to every other.
struct Canonical;

impl serde_json::ser::Formatter for Canonical {
    fn write_f64<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(double(value).as_bytes())
    }
}

fn double(value: f64) -> String {
    // Rust promises the fewest digits that read back, in the form `-1.5e300`.
    let shortest = format!("{value:e}");
    let (mantissa, exponent) = shortest.split_once('e').expect("this is how doubles are written so");
    let exponent: i32 = exponent.parse().expect("the exponent of a double is small");
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits = mantissa.replace('.', "");
    match exponent {
        -5..0 => format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1) as usize)),
        0..16 => {
            let whole = exponent as usize + 1;
            let (left, right) = digits.split_at(whole.min(digits.len()));
            format!("{sign}{left:0<whole$}.{}", if right.is_empty() { "0" } else { right })
        }
        _ => format!("{sign}{mantissa}e{exponent:+}"),
    }
}

/// Objects in a record whose members are the format's, and not a user's.
const PARTS: [&str; 6] = ["end", "git", "input", "output", "reference", "start"];

/// Whether the record itself, or a part of it, has a member that is left out where it says nothing.
fn has_idle_members(record: &Value) -> bool {
    let is_idle = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    record.as_object().into_iter().flatten().any(|(name, value)| {
        // A flag is false by being left out; only of a git repo it is said outright.
        is_idle(value) || *value == Value::Bool(false) || (PARTS.contains(&name.as_str()) && has_idle_parts(value, &is_idle))
    })
}

fn has_idle_parts(part: &Value, is_idle: &dyn Fn(&Value) -> bool) -> bool {
    let mut members = part.as_object().into_iter().flatten();
    members.any(|(name, value)| is_idle(value) || (name == "git" && has_idle_parts(value, is_idle)))
}

pub(super) fn check_depth(metadata: &Metadata) -> Result<(), RecordError> {
    fn depth(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }
    if metadata.values().any(|value| depth(value) > METADATA_DEPTH_MAX) { Err(RecordError::Limit("depth of metadata")) } else { Ok(()) }
}

/// A value whose objects are written in the order of their keys, whatever order the map keeps.
struct Sorted<'v>(&'v Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(map) => {
                let mut pairs: Vec<(&String, &Value)> = map.iter().collect();
                pairs.sort_unstable_by_key(|(key, _)| *key);
                serializer.collect_map(pairs.into_iter().map(|(key, value)| (key, Sorted(value))))
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(Sorted)),
            other => other.serialize(serializer),
        }
    }
}

/// Returns the canonical JSON of metadata, refusing what is too long.
pub fn metadata_json(metadata: &Metadata) -> Result<Vec<u8>, RecordError> {
    check_depth(metadata)?;
    let object = Value::Object(metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect());
    let json = canonical_json(&object);
    if json.len() > METADATA_LEN_MAX { Err(RecordError::TooLong("metadata", METADATA_LEN_MAX)) } else { Ok(json) }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse().map(Time) {
            // A moment has one spelling.
            Ok(time) if time.to_string() == text => Ok(time),
            _ => Err(serde::de::Error::custom(format!("{} is not a time", quote(text.as_bytes())))),
        }
    }
}
