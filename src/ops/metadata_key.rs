//! Where a value stands in metadata: `acc`, or `eval.acc` for a member of a member.

use std::fmt;

use serde_json::Value;

use crate::format::record::Metadata;

/// Most names of members in a key.
pub const KEY_NAMES_MAX: usize = 64;

/// Names of members, one in another. A member's name may itself have dots: `a.b` is `b` in `a` as well
/// as `a.b`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetadataKey(Vec<String>);

impl MetadataKey {
    /// Makes a key of names, at least one and at most [`KEY_NAMES_MAX`].
    pub fn new(names: Vec<String>) -> Option<MetadataKey> {
        if names.is_empty() || names.len() > KEY_NAMES_MAX { None } else { Some(MetadataKey(names)) }
    }

    /// Makes a key of names with dots between them.
    pub fn dotted(text: &str) -> Option<MetadataKey> {
        MetadataKey::new(text.split('.').map(str::to_owned).collect())
    }

    /// Returns the values that stand there: several where the way leads through an array, whose
    /// elements are all looked into. An array that stands there itself is one value.
    pub fn values<'m>(&self, metadata: &'m Metadata) -> Vec<&'m Value> {
        let mut found = Vec::new();
        walk(&|name| metadata.get(name), &self.0, &mut found);
        found
    }
}

fn walk<'m>(get: &dyn Fn(&str) -> Option<&'m Value>, names: &[String], found: &mut Vec<&'m Value>) {
    for len in 1..=names.len() {
        if let Some(value) = get(&names[..len].join(".")) {
            enter(value, &names[len..], found);
        }
    }
}

fn enter<'m>(value: &'m Value, names: &[String], found: &mut Vec<&'m Value>) {
    match value {
        value if names.is_empty() => found.push(value),
        Value::Object(members) => walk(&|name| members.get(name), names, found),
        Value::Array(items) => items.iter().for_each(|item| enter(item, names, found)),
        _ => {}
    }
}

impl fmt::Display for MetadataKey {
    /// Writes the names as a query has them: in quotes where they have other than plain characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            let dot = if at > 0 { "." } else { "" };
            if is_plain(name) { write!(f, "{dot}{name}")? } else { write!(f, "{dot}{}", in_quotes(name))? }
        }
        Ok(())
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/'))
}

/// Puts a text in double quotes, with a backslash before quotes and backslashes.
pub(crate) fn in_quotes(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(key: &str) -> Vec<Value> {
        let metadata: Metadata = serde_json::from_value(json!({
            "acc": 1, "eval": {"acc": 2, "a.b": 3}, "eval.acc": 4, "layers": [{"n": 5}, {"n": 6}, 7], "list": [8, 9], "null": null
        }))
        .unwrap();
        MetadataKey::dotted(key).unwrap().values(&metadata).into_iter().cloned().collect()
    }

    #[test]
    fn a_key_leads_through_objects_and_arrays_and_names_with_dots() {
        assert_eq!(values("acc"), [json!(1)]);
        assert_eq!(values("eval.acc"), [json!(2), json!(4)]);
        assert_eq!(values("eval.a.b"), [json!(3)]);
        assert_eq!(values("layers.n"), [json!(5), json!(6)]);
        assert_eq!(values("list"), [json!([8, 9])]);
        assert_eq!(values("null"), [json!(null)]);
        for missing in ["", "acc.x", "eval.x", "x", "eval.", "null.x"] {
            assert!(values(missing).is_empty(), "{missing}");
        }
        assert!(MetadataKey::new(vec!["a".into(); KEY_NAMES_MAX + 1]).is_none() && MetadataKey::new(vec![]).is_none());
    }
}
