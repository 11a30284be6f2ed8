//! Values as people type them: `K=V` and files with a JSON object, for metadata and runs.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use artstore::Error;
use artstore::format::record::Metadata;
use artstore::quote::{escape, quote};
use serde_json::Value;

/// Characters that are shown on each side of where a value stops being JSON.
const SHOWN_CHARS: usize = 32;

/// What numbers can be elsewhere and not in JSON, as programs write them.
const NO_NUMBERS: [&str; 5] = ["NaN", "nan", "Infinity", "inf", "Inf"];

/// Collects values from a file with a JSON object and from pairs `K=V`, which win over it. `what` they
/// are and which `option` takes a pair is for messages.
pub(crate) fn collect(what: &str, option: &str, file: Option<&Path>, pairs: &[String]) -> artstore::Result<Metadata> {
    let mut all = Metadata::new();
    if let Some(file) = file {
        let text = std::fs::read(file).map_err(|e| Error::io("read", file, e))?;
        let object: Metadata = serde_json::from_slice(&text).map_err(|error| {
            let at = byte_at(&text, &error);
            let line = text[..at].iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
            let (why, pointed) = fault(&String::from_utf8_lossy(&text[line..]), at - line, &error);
            let place = format!("{}, line {}", quote(file.as_os_str().as_bytes()), error.line());
            Error::usage(format!("bad {what} in {place}: {why}{pointed}"))
                .hint("give a file with one JSON object, such as `{\"lr\": 0.001}`; `null` stands for a number that is none")
        })?;
        all.extend(object);
    }
    for pair in pairs {
        let (key, value) = pair.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
            Error::usage(format!("bad {what} {}: KEY=VALUE is expected", quote(pair.as_bytes()))).hint(format!("as in `{option} lr=0.001`"))
        })?;
        all.insert(key.to_owned(), value_of(what, option, key, value)?);
    }
    Ok(all)
}

/// Reads a JSON value, or else text. What begins as JSON does for text, a list or an object has to be JSON
/// to its end, and numbers that JSON has not are refused.
fn value_of(what: &str, option: &str, key: &str, text: &str) -> artstore::Result<Value> {
    let as_text = || {
        let pair = format!("{key}={}", Value::String(text.to_owned()));
        format!("to keep it as text, write `{option} '{}'`", pair.replace('\'', r"'\''"))
    };
    if text.trim().parse::<f64>().is_ok_and(|number| !number.is_finite()) {
        let message = format!("bad {what} {}: JSON has no {}", quote(key.as_bytes()), escape(text.trim().as_bytes()));
        return Err(Error::usage(message).hint(as_text()));
    }
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(error) if text.trim_start().starts_with(['[', '{', '"']) => {
            let (why, pointed) = fault(text, byte_at(text.as_bytes(), &error), &error);
            Err(Error::usage(format!("bad {what} {}: {why}{pointed}", quote(key.as_bytes()))).hint(as_text()))
        }
        Err(_) => Ok(Value::String(text.to_owned())),
    }
}

/// Returns the place that an error of the parser means: what it could not go on with.
fn byte_at(text: &[u8], error: &serde_json::Error) -> usize {
    let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let line = std::iter::once(0).chain(ends).nth(error.line().saturating_sub(1)).unwrap_or(0);
    // At the end of the text there is nothing more to point at.
    let column = if error.is_eof() { error.column() } else { error.column().saturating_sub(1) };
    (line + column).min(text.len())
}

/// Says why a text is not JSON, and shows where: the last line points at the column.
fn fault(text: &str, at: usize, error: &serde_json::Error) -> (String, String) {
    let full = error.to_string();
    let reason = full.rsplit_once(" at line ").map_or(&full[..], |(reason, _)| reason);
    // The parser reads a sign, and the first letter of a word, before it gives up.
    let starts = (at.saturating_sub(2)..=at).filter(|&start| text.is_char_boundary(start));
    let word = starts.filter_map(|start| Some((start, no_number(&text[start..])?))).next().filter(|_| !reason.starts_with("key"));
    let (at, why) = match word {
        Some((start, word)) => (start, format!("JSON has no {word}")),
        None if error.is_data() => (at, format!("not a JSON object: {reason}")),
        None => (at, format!("not JSON: {reason}")),
    };
    let at = (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let (before, after) = text.split_at(at);
    let before = before.rsplit('\n').next().unwrap_or_default();
    let start = before.char_indices().rev().nth(SHOWN_CHARS - 1).map_or(0, |(start, _)| start);
    let shown = escape(&before.as_bytes()[start..]);
    let rest: String = after.lines().next().unwrap_or_default().chars().take(SHOWN_CHARS).collect();
    let pointer = " ".repeat(shown.chars().count());
    let column = before.chars().count() + 1;
    (format!("{why}, at column {column}"), format!("\n  {shown}{}\n  {pointer}^", escape(rest.as_bytes())))
}

/// Names the number with which a text begins that JSON has not.
fn no_number(text: &str) -> Option<&'static str> {
    let text = text.strip_prefix('-').unwrap_or(text);
    NO_NUMBERS.into_iter().find(|word| text.starts_with(word))
}

#[cfg(test)]
mod tests {
    use artstore::ErrorKind;
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> artstore::Result<Value> {
        value_of("metadata", "--meta", "x", text)
    }

    #[test]
    fn values_are_json_or_else_text() {
        let cases = [
            ("0.001", json!(0.001)),
            ("1e-6", json!(1e-6)),
            ("-3", json!(-3)),
            ("true", json!(true)),
            ("null", json!(null)),
            ("\"x\"", json!("x")),
            (" [1, {\"a\": null}]", json!([1, {"a": null}])),
            ("", json!("")),
            ("plain text", json!("plain text")),
            ("2026-11-03", json!("2026-11-03")),
            ("1.2.3", json!("1.2.3")),
            ("nano", json!("nano")),
        ];
        for (text, expected) in cases {
            assert_eq!(value(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn numbers_that_json_has_not_are_refused_by_name_wherever_they_stand() {
        for text in ["NaN", "nan", "-inf", "Infinity", "1e999", "-1e999", " NaN "] {
            let error = value(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert_eq!(error.to_string(), format!("bad metadata 'x': JSON has no {}", text.trim()));
        }
        let cases = [
            ("[NaN]", "NaN, at column 2\n  [NaN]\n   ^"),
            ("[1, nan]", "nan, at column 5\n  [1, nan]\n      ^"),
            ("{\"a\": -Infinity}", "Infinity, at column 7\n  {\"a\": -Infinity}\n        ^"),
            ("[-inf]", "inf, at column 2\n  [-inf]\n   ^"),
            ("{\"größe\": [0, Infinity]}", "Infinity, at column 15\n  {\"größe\": [0, Infinity]}\n                ^"),
            ("[1,\n NaN]", "NaN, at column 2\n   NaN]\n   ^"),
        ];
        for (text, told) in cases {
            assert_eq!(value(text).unwrap_err().to_string(), format!("bad metadata 'x': JSON has no {told}"));
        }
    }

    #[test]
    fn what_begins_as_json_and_is_not_is_an_error_that_points_at_it() {
        let cases = [
            ("[1,]", "trailing comma, at column 4\n  [1,]\n     ^"),
            ("{a:1}", "key must be a string, at column 2\n  {a:1}\n   ^"),
            ("{NaN:1}", "key must be a string, at column 2\n  {NaN:1}\n   ^"),
            ("\"abc", "EOF while parsing a string, at column 5\n  \"abc\n      ^"),
            ("[1]x", "trailing characters, at column 4\n  [1]x\n     ^"),
        ];
        for (text, told) in cases {
            let error = value(text).unwrap_err();
            assert_eq!(error.to_string(), format!("bad metadata 'x': not JSON: {told}"));
        }
        assert_eq!(value("[it's]").unwrap_err().hint_text(), Some(r#"to keep it as text, write `--meta 'x="[it'\''s]"'`"#));
        let long = format!("[{}, x]", "1, ".repeat(1000) + "1");
        let told = value(&long).unwrap_err().to_string();
        assert!(told.lines().all(|line| line.len() < 100), "{told}");
        assert_eq!(value("[").unwrap_err().kind(), ErrorKind::Usage);
        assert!(value("[\u{1b}").unwrap_err().to_string().contains("\\u{1b}"));
    }
}
