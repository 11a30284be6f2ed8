//! Names that people type: artifacts, types, aliases, tags, and refs to versions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::quote::quote;

/// Longest artifact name, type, alias or tag, in bytes.
pub const NAME_LEN_MAX: usize = 128;

/// Least hex digits that name a version by its id or digest.
pub const PREFIX_DIGITS_MIN: usize = 8;

/// The name of an artifact or of a type: 1 to 128 of `A-Za-z0-9._-`, not starting with `.` or
/// `-`, not ending with `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// The name of an alias: as a [`Name`], but not `latest` and not like `v3`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Alias(String);

/// A label on versions: words of letters, digits, `_`, `-` and `.`, separated by single spaces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

/// Which version of an artifact a ref means, before it is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The newest version that is not deleted.
    Latest,
    /// `v3`
    Number(u64),
    /// `v3.1a2b`: of the versions numbered 3 the one whose id begins so.
    Numbered(u64, String),
    /// An alias.
    Alias(Alias),
    /// `@1a2b3c4d`: the version whose id or digest begins so.
    Prefix(String),
}

/// What a user types to name a version: `NAME`, `NAME:v3`, `NAME:best`, `NAME@DIGEST`, each
/// perhaps with `~N`, N versions earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ref {
    /// The artifact.
    pub artifact: Name,
    /// Which of its versions.
    pub selector: Selector,
    /// How many versions earlier.
    pub back: u64,
}

impl Name {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Alias {
    /// Returns the alias as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Tag {
    /// Returns the tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Name> {
        check_name("name", text)?;
        Ok(Name(text.to_owned()))
    }
}

impl FromStr for Alias {
    type Err = Error;

    fn from_str(text: &str) -> Result<Alias> {
        check_name("alias", text)?;
        if text == "latest" || looks_like_number(text) {
            return Err(Error::usage(format!("bad alias {}: it is reserved", quote(text.as_bytes())))
                .hint("`latest` and names like `v3` are kept for versions: choose another word"));
        }
        Ok(Alias(text.to_owned()))
    }
}

impl FromStr for Tag {
    type Err = Error;

    fn from_str(text: &str) -> Result<Tag> {
        // Every character beyond ASCII counts as a letter: what is one must not change with Unicode.
        let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') || (!c.is_ascii() && !c.is_control());
        let word = |word: &str| !word.is_empty() && word.chars().all(is_letter);
        if text.len() > NAME_LEN_MAX || !text.split(' ').all(word) {
            return Err(Error::usage(format!("bad tag {}", quote(text.as_bytes())))
                .hint("a tag is words of letters, digits, `_`, `-` and `.` with single spaces between, 128 bytes at most"));
        }
        Ok(Tag(text.to_owned()))
    }
}

impl FromStr for Ref {
    type Err = Error;

    fn from_str(text: &str) -> Result<Ref> {
        let bad = |why: &str| {
            Error::usage(format!("bad ref {}: {why}", quote(text.as_bytes())))
                .hint("a ref is NAME, NAME:v3, NAME:ALIAS or NAME@DIGEST, perhaps with ~1 for one version earlier")
        };
        let (base, back) = match text.split_once('~') {
            None => (text, 0),
            Some((base, "")) => (base, 1),
            Some((base, count)) => (base, count.parse().map_err(|_| bad("after `~` a number is expected"))?),
        };
        let (name, selector) = if let Some((name, prefix)) = base.split_once('@') {
            let hex = prefix.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            if !hex || prefix.len() < PREFIX_DIGITS_MIN || prefix.len() > 64 {
                return Err(bad("after `@` 8 to 64 lower-case hex digits are expected"));
            }
            (name, Selector::Prefix(prefix.to_owned()))
        } else if let Some((name, version)) = base.split_once(':') {
            (name, parse_selector(version).map_err(|why| bad(&why))?)
        } else {
            (base, Selector::Latest)
        };
        let artifact = name.parse().map_err(|error: Error| bad(&error.to_string()))?;
        Ok(Ref { artifact, selector, back })
    }
}

fn parse_selector(text: &str) -> Result<Selector, String> {
    if text == "latest" {
        return Ok(Selector::Latest);
    }
    if looks_like_number(text) {
        let (number, suffix) = match text[1..].split_once('.') {
            None => (&text[1..], None),
            Some((number, suffix)) => (number, Some(suffix)),
        };
        let canonical = number == "0" || !number.starts_with('0');
        let number = number.parse().ok().filter(|_| canonical).ok_or("a version is `v` and a number, as in `v3`")?;
        return match suffix {
            None => Ok(Selector::Number(number)),
            Some(hex) if (4..=64).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) => {
                Ok(Selector::Numbered(number, hex.to_owned()))
            }
            Some(_) => Err("after the `.` 4 to 64 lower-case hex digits are expected".to_owned()),
        };
    }
    text.parse().map(Selector::Alias).map_err(|error: Error| error.to_string())
}

/// Whether a text starts as a version number does: reserved for versions.
fn looks_like_number(text: &str) -> bool {
    text.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn check_name(what: &str, text: &str) -> Result<()> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let why = if text.is_empty() {
        "it is empty"
    } else if text.len() > NAME_LEN_MAX {
        "it is longer than 128 bytes"
    } else if !text.bytes().all(allowed) {
        "it has a character other than `A-Z a-z 0-9 . _ -`"
    } else if text.starts_with(['.', '-']) {
        "it starts with `.` or `-`"
    } else if text.ends_with('.') {
        "it ends with `.`"
    } else {
        return Ok(());
    };
    Err(Error::usage(format!("bad {what} {}: {why}", quote(text.as_bytes())))
        .hint("use a name such as `training-data` or `model_v2.large`"))
}

macro_rules! text_name {
    // A macro, because the three impls differ in nothing but the type, which a function cannot name.
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = Error;

            fn try_from(text: String) -> Result<$type> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_name!(Name);
text_name!(Alias);
text_name!(Tag);

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.artifact)?;
        match &self.selector {
            Selector::Latest => write!(f, ":latest")?,
            Selector::Number(number) => write!(f, ":v{number}")?,
            Selector::Numbered(number, suffix) => write!(f, ":v{number}.{suffix}")?,
            Selector::Alias(alias) => write!(f, ":{alias}")?,
            Selector::Prefix(prefix) => write!(f, "@{prefix}")?,
        }
        if self.back > 0 { write!(f, "~{}", self.back) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_grammar() {
        for good in ["a", "training-data", "A.b_c-1", "v3", &"x".repeat(128)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".a", "-a", "a.", "a/b", "a:v1", "é", "a b", "abc\n", &"x".repeat(129)] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn aliases_that_look_like_versions_are_reserved() {
        for bad in ["latest", "v3", "v3.1a2b", "v0x", "a b", "a/b"] {
            assert!(bad.parse::<Alias>().is_err(), "{bad}");
        }
        for good in ["best", "prod", "v", "vnext", "Latest"] {
            assert!(good.parse::<Alias>().is_ok(), "{good}");
        }
    }

    #[test]
    fn tags_are_words_with_single_spaces() {
        for good in ["a", "prod ready", "größe-1", "a.b"] {
            assert!(good.parse::<Tag>().is_ok(), "{good}");
        }
        for bad in ["", " a", "a ", "a  b", "a/b", "a\nb"] {
            assert!(bad.parse::<Tag>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn refs_read_in_every_form() {
        let selector = |text: &str| text.parse::<Ref>().map(|r| (r.selector, r.back)).unwrap();
        assert_eq!(selector("d"), (Selector::Latest, 0));
        assert_eq!(selector("d:latest~2"), (Selector::Latest, 2));
        assert_eq!(selector("d~"), (Selector::Latest, 1));
        assert_eq!(selector("d:v12"), (Selector::Number(12), 0));
        assert_eq!(selector("d:v3.1a2b"), (Selector::Numbered(3, "1a2b".into()), 0));
        assert_eq!(selector("d:best"), (Selector::Alias("best".parse().unwrap()), 0));
        assert_eq!(selector("d@0123456789ab"), (Selector::Prefix("0123456789ab".into()), 0));
        for bad in ["", ":v1", "d:", "d:v", "d:v03", "d:v3.", "d:v3.xyz1", "d:v99999999999999999999", "d@12", "d@GGGGGGGG", "d~x", "a/b"] {
            if bad == "d:v" {
                continue; // `v` alone is an alias like any other
            }
            assert!(bad.parse::<Ref>().is_err(), "{bad:?}");
        }
    }
}
