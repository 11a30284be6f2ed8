//! What versions are found and sorted by: the keys of a query.

use std::collections::BTreeSet;
use std::fmt;

use crate::ops::metadata_key::MetadataKey;

/// What a version is found or sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// The artifact's name.
    Name,
    /// The version's type.
    Type,
    /// The version's name in its artifact, such as `v3`.
    Version,
    /// Its number.
    Number,
    /// The hash of its record.
    Id,
    /// The id of its manifest.
    Digest,
    /// Its aliases, `latest` among them.
    Alias,
    /// Its tags.
    Tag,
    /// Its description.
    Description,
    /// When it was stored.
    Created,
    /// Bytes of its files.
    Size,
    /// Files in it.
    Files,
    /// Bytes of the packs that storing it added.
    Stored,
    /// The run that made it: its id, and the name that people gave it.
    Run,
    /// The commit of the git repo.
    GitCommit,
    /// The branch of the git repo.
    GitBranch,
    /// Whether tracked files differed from the commit.
    GitDirty,
    /// A tag of the artifact as a whole.
    ArtifactTag,
    /// The description of the artifact as a whole.
    ArtifactDescription,
    /// A value in its metadata.
    Metadata(MetadataKey),
}

/// What sort of values a key has, and so what it can be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// Hex digits or such, which may be given in part.
    Id,
    /// Any number of texts.
    List,
    /// A number.
    Number,
    /// A number of bytes.
    Size,
    /// A moment.
    Time,
    /// Yes or no.
    Flag,
    /// Any JSON.
    Json,
}

/// What keys in metadata begin with.
pub(super) const METADATA: &str = "metadata";

/// The keys but those in metadata, by their names.
const NAMED: [(&str, Key); 19] = [
    ("name", Key::Name),
    ("type", Key::Type),
    ("version", Key::Version),
    ("number", Key::Number),
    ("id", Key::Id),
    ("digest", Key::Digest),
    ("alias", Key::Alias),
    ("tag", Key::Tag),
    ("description", Key::Description),
    ("created", Key::Created),
    ("size", Key::Size),
    ("files", Key::Files),
    ("stored", Key::Stored),
    ("run", Key::Run),
    ("git.commit", Key::GitCommit),
    ("git.branch", Key::GitBranch),
    ("git.dirty", Key::GitDirty),
    ("artifact.tag", Key::ArtifactTag),
    ("artifact.description", Key::ArtifactDescription),
];

impl Key {
    /// Finds the key of a name; of one in metadata the names after `metadata` are given.
    pub(super) fn named(names: &[String]) -> Option<Key> {
        match names {
            [first, rest @ ..] if first == METADATA => MetadataKey::new(rest.to_vec()).map(Key::Metadata),
            _ => {
                let name = names.join(".");
                NAMED.iter().find(|(known, _)| *known == name).map(|(_, key)| key.clone())
            }
        }
    }

    /// Returns what sort of values it has.
    pub fn kind(&self) -> Kind {
        match self {
            Key::Name | Key::Type | Key::Version | Key::Description | Key::GitBranch | Key::ArtifactDescription => Kind::Text,
            Key::Id | Key::Digest | Key::Run | Key::GitCommit => Kind::Id,
            Key::Alias | Key::Tag | Key::ArtifactTag => Kind::List,
            Key::Number | Key::Files => Kind::Number,
            Key::Size | Key::Stored => Kind::Size,
            Key::Created => Kind::Time,
            Key::GitDirty => Kind::Flag,
            Key::Metadata(_) => Kind::Json,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Metadata(key) => write!(f, "{METADATA}.{key}"),
            named => f.write_str(NAMED.iter().find(|(_, key)| key == named).map_or("", |(name, _)| name)),
        }
    }
}

/// Finds the key that was most likely meant by a name that is none.
pub(super) fn nearest(names: &[String]) -> Option<String> {
    let typed = names.join(".").to_lowercase();
    if typed == "artifact" {
        return Some("name".to_owned());
    }
    if let [first, rest @ ..] = names
        && !rest.is_empty()
        && distance(&first.to_lowercase(), METADATA) <= 2
    {
        return MetadataKey::new(rest.to_vec()).map(|key| Key::Metadata(key).to_string());
    }
    let of = |known: &str| {
        // `size_bytes` and `aliases`, as JSON has them, and `desc` and `branch`, as one is short.
        let is_part = typed.len() >= 3 && (typed.starts_with(known) || known.starts_with(&typed) || known.ends_with(&typed));
        if is_part { 0 } else { distance(&typed, known) }
    };
    let (far, name) = NAMED.iter().map(|(name, _)| (of(name), *name)).min()?;
    (far <= typed.chars().count() / 3).then(|| name.to_owned())
}

/// Finds the one of some names that is like another, if there is one.
pub(super) fn nearest_of(typed: &str, names: &BTreeSet<String>) -> Option<String> {
    let typed = typed.to_lowercase();
    let near = |name: &&String| distance(&typed, &name.to_lowercase());
    let far_max = (typed.chars().count() / 3).max(1);
    names.iter().min_by_key(near).filter(|name| near(name) <= far_max).cloned()
}

/// Counts the characters to insert, remove, replace or swap with the next that lead from one word to another.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().take(64).collect(), to.chars().take(64).collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let mut least = (rows[i][j] + usize::from(a != b)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_guessed_where_it_is_near() {
        let guess = |typed: &str| nearest(&typed.split('.').map(str::to_owned).collect::<Vec<_>>());
        let cases = [
            ("typ", "type"),
            ("tyep", "type"),
            ("Name", "name"),
            ("artifact", "name"),
            ("tags", "tag"),
            ("aliases", "alias"),
            ("size_bytes", "size"),
            ("created_at", "created"),
            ("desc", "description"),
            ("branch", "git.branch"),
            ("metdata.acc", "metadata.acc"),
            ("Metadata.a.b", "metadata.a.b"),
        ];
        for (typed, meant) in cases {
            assert_eq!(guess(typed).as_deref(), Some(meant), "{typed}");
        }
        for typed in ["acc", "loss", "x", "", "metrics.acc"] {
            assert_eq!(guess(typed), None, "{typed}");
        }
    }

    #[test]
    fn every_key_is_found_by_its_name() {
        for (name, key) in NAMED {
            let names: Vec<String> = name.split('.').map(str::to_owned).collect();
            assert_eq!((Key::named(&names), key.to_string()), (Some(key), name.to_owned()));
        }
    }
}
