//! Names of runs: UUIDs of version 7, so that sorting by name is sorting by the time of their start.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::{Timestamp, Uuid};

use crate::error::{Error, Result};
use crate::quote::quote;

/// Least characters of a run's id that name it.
pub const RUN_PREFIX_LEN_MIN: usize = 8;

/// Characters of a run's id that people are shown: the 48 bits of its time in milliseconds.
const SHORT_LEN: usize = 13;

/// The name of a run: a UUID (RFC 9562) in its one lower-case spelling with hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(Uuid);

impl RunId {
    /// Makes a name for a run that starts at a time since 1970; the rest of it is random.
    pub fn new(seconds: u64, subsec_nanos: u32) -> RunId {
        RunId(Uuid::new_v7(Timestamp::from_unix_time(seconds, subsec_nanos, 0, 0)))
    }

    /// Returns the first characters, as listings show them; they name the run as a prefix.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(SHORT_LEN);
        text
    }

    /// Whether a text is how a run's id may begin: long enough, and of its characters.
    pub fn is_prefix(text: &str) -> bool {
        let is_part = |(at, byte): (usize, u8)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        };
        (RUN_PREFIX_LEN_MIN..=36).contains(&text.len()) && text.bytes().enumerate().all(is_part)
    }
}

impl FromStr for RunId {
    type Err = Error;

    fn from_str(text: &str) -> Result<RunId> {
        let id = Uuid::try_parse(text).ok().map(RunId);
        // The crate also takes capitals, braces and no hyphens; a name has one spelling.
        id.filter(|id| id.to_string() == text).ok_or_else(|| {
            Error::usage(format!("bad run id {}", quote(text.as_bytes())))
                .hint("a run's id is printed by `art run start`, as in `01935f2c-7a1b-7c3d-8e4f-0123456789ab`; `art runs` lists them")
        })
    }
}

impl TryFrom<String> for RunId {
    type Error = Error;

    fn try_from(text: String) -> Result<RunId> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> String {
        id.to_string()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_spelling_and_sort_by_time() {
        let (first, second) = (RunId::new(1_700_000_000, 0), RunId::new(1_700_000_000, 2_000_000));
        assert!(first < second && first.to_string() < second.to_string());
        assert_eq!(first.to_string().parse::<RunId>().unwrap(), first);
        assert_eq!(&first.to_string()[14..15], "7");
        let text = first.to_string();
        for bad in [text.to_uppercase(), text.replace('-', ""), format!("{{{text}}}"), text[1..].to_owned(), String::new()] {
            bad.parse::<RunId>().unwrap_err();
        }
        assert_ne!(RunId::new(0, 0), RunId::new(0, 0));
    }

    #[test]
    fn prefixes_are_told_from_names() {
        for good in ["01935f2c", "01935f2c-7a1b", "01935f2c-7", "01935f2c-7a1b-7c3d-8e4f-0123456789ab"] {
            assert!(RunId::is_prefix(good), "{good}");
        }
        for bad in ["01935f2", "train-12", "01935f2c7", "01935F2C", "01935f2c-7a1b-7c3d-8e4f-0123456789abc"] {
            assert!(!RunId::is_prefix(bad), "{bad}");
        }
    }
}
