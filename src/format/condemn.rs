//! Records of packs that are to be removed; "Condemn and lift records" in `docs/format.md`.

use serde::{Deserialize, Serialize};

use super::record::{RecordError, Time};
use crate::id::{PackId, RecordId};

/// Most packs of one record, so that it stays within its limit.
pub const PACKS_MAX: usize = 900;

/// Digits of the number that tells equal condemnations apart.
pub const NONCE_LEN: usize = 16;

/// Packs that writers no longer reuse, and that may be removed after the grace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CondemnRecord {
    /// When.
    pub created_at: Time,
    /// Data packs, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<PackId>,
    /// Meta packs, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meta: Vec<PackId>,
    /// Random hex digits: a pack that was condemned, lifted and condemned again has two records.
    pub nonce: String,
}

/// Packs of which some condemnations do not hold any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiftRecord {
    /// When.
    pub created_at: Time,
    /// Data packs, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<PackId>,
    /// The condemn records that no longer hold for these packs, sorted.
    pub lifts: Vec<RecordId>,
    /// Meta packs, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meta: Vec<PackId>,
}

impl CondemnRecord {
    pub(super) fn check(&self) -> Result<(), RecordError> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if self.nonce.len() != NONCE_LEN || !self.nonce.bytes().all(is_hex) {
            return Err(RecordError::Limit("nonce"));
        }
        check_packs(&self.data, &self.meta)
    }
}

impl LiftRecord {
    pub(super) fn check(&self) -> Result<(), RecordError> {
        if self.lifts.is_empty() || !is_ascending(&self.lifts) {
            return Err(RecordError::Limit("list of records"));
        }
        check_packs(&self.data, &self.meta)
    }
}

fn check_packs(data: &[PackId], meta: &[PackId]) -> Result<(), RecordError> {
    let count = data.len() + meta.len();
    if count == 0 || count > PACKS_MAX || !is_ascending(data) || !is_ascending(meta) {
        return Err(RecordError::Limit("list of packs"));
    }
    Ok(())
}

fn is_ascending<T: Ord>(list: &[T]) -> bool {
    list.is_sorted_by(|a, b| a < b)
}
