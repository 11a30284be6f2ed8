//! Differences as patches that `git apply` and `patch -p1` take.
//!
//! What a patch cannot say stands in lines that begin with `#`, which both pass over.

use std::io::Write;
use std::ops::Range;

use artstore::format::path::EntryPath;
use artstore::ops::diff::contents::{Contents, TextOutcome};
use artstore::ops::diff::text::{LineKind, TEXT_LEN_MAX, TextDiff};
use artstore::ops::diff::{Change, ChangeKind};
use artstore::ops::entry::EntryInfo;
use serde_json::{Value, json};

use super::summary;
use crate::error::Result;
use crate::ui::show::size;

/// What git calls the empty file, by which `patch` knows that one comes or goes.
const EMPTY_BLOB: &str = "e69de29";

/// Writes a change as a patch, or as a note if it has none.
pub(super) fn write(change: &Change, contents: &mut Contents<'_>, context_lines: usize, out: &mut dyn Write) -> Result<()> {
    for part in change.parts() {
        write_part(&part, contents, context_lines, out)?;
    }
    Ok(())
}

/// Returns a change as the members `patch` and `content` of its JSON.
pub(super) fn json(change: &Change, contents: &mut Contents<'_>, context_lines: usize) -> Result<Vec<(&'static str, Value)>> {
    let (mut patch, mut content) = (Vec::new(), "text");
    for part in change.parts() {
        content = write_part(&part, contents, context_lines, &mut patch)?;
    }
    let mut members = vec![("content", json!(content))];
    match String::from_utf8(patch) {
        Ok(text) => members.push(("patch", json!(text))),
        Err(error) => members.push(("patch_bytes", json!(artstore::quote::percent(error.as_bytes())))),
    }
    Ok(members)
}

/// Writes a change whose sides are of one kind; says what it found inside.
fn write_part(change: &Change, contents: &mut Contents<'_>, context_lines: usize, out: &mut dyn Write) -> Result<&'static str> {
    let (old, new) = names(change);
    if matches!(change.change, ChangeKind::Renamed | ChangeKind::Mode) {
        write_header(change, out)?;
        return Ok("same");
    }
    let text = match contents.text(change, context_lines)? {
        TextOutcome::Text(text) => text,
        TextOutcome::Binary => {
            writeln!(out, "# Binary files {old} and {new} differ")?;
            write_summary(change, contents, out)?;
            return Ok("binary");
        }
        TextOutcome::TooLong => {
            writeln!(out, "# Files {old} and {new} differ; no lines are shown of files longer than {}", size(TEXT_LEN_MAX))?;
            write_summary(change, contents, out)?;
            return Ok("too_long");
        }
        TextOutcome::Nothing => {
            let kind = change.new.as_ref().or(change.old.as_ref()).map_or("dir", |info| info.kind);
            let what = if kind == "dir" { "empty directory" } else { kind };
            writeln!(out, "# {old} and {new} differ: {what}")?;
            return Ok("none");
        }
    };
    if text.is_approximate {
        writeln!(out, "# {old} and {new}: to find the fewest lines took too long, so these may be more")?;
    }
    write_header(change, out)?;
    if text.hunks.is_empty() {
        match change.change {
            ChangeKind::Added => writeln!(out, "index 0000000..{EMPTY_BLOB}")?,
            ChangeKind::Removed => writeln!(out, "index {EMPTY_BLOB}..0000000")?,
            _ => {}
        }
    } else {
        writeln!(out, "--- {}\n+++ {}", ended(&old), ended(&new))?;
    }
    text.hunks.iter().try_for_each(|hunk| {
        writeln!(out, "@@ -{} +{} @@", span(&hunk.old), span(&hunk.new))?;
        write_lines(&text, hunk, out)
    })?;
    Ok("text")
}

/// Sums up what is shown in no other way.
fn write_summary(change: &Change, contents: &mut Contents<'_>, out: &mut dyn Write) -> Result<()> {
    let lines = contents.summary(change)?.as_ref().map(summary::lines).unwrap_or_default();
    lines.iter().try_for_each(|line| Ok(writeln!(out, "#   {line}")?))
}

fn write_header(change: &Change, out: &mut dyn Write) -> Result<()> {
    let (from, to) = (change.from.as_ref().unwrap_or(&change.path), &change.path);
    writeln!(out, "diff --git {} {}", quoted("a/", from), quoted("b/", to))?;
    match (&change.old, &change.new) {
        (None, Some(new)) => writeln!(out, "new file mode {}", mode(new))?,
        (Some(old), None) => writeln!(out, "deleted file mode {}", mode(old))?,
        // `patch` must be told that it is a symlink.
        (Some(old), Some(new)) if mode(old) != mode(new) || new.kind == "symlink" => {
            writeln!(out, "old mode {}\nnew mode {}", mode(old), mode(new))?;
        }
        _ => {}
    }
    if change.change == ChangeKind::Renamed {
        writeln!(out, "similarity index 100%\nrename from {}\nrename to {}", quoted("", from), quoted("", to))?;
    }
    Ok(())
}

fn write_lines(text: &TextDiff, hunk: &artstore::ops::diff::text::Hunk, out: &mut dyn Write) -> Result<()> {
    for (kind, line) in text.lines(hunk) {
        let mark = match kind {
            LineKind::Kept => b" ",
            LineKind::Removed => b"-",
            LineKind::Added => b"+",
        };
        out.write_all(mark)?;
        out.write_all(line)?;
        if line.last() != Some(&b'\n') {
            out.write_all(b"\n\\ No newline at end of file\n")?;
        }
    }
    Ok(())
}

/// Returns the names of both sides: `/dev/null` where there is none.
fn names(change: &Change) -> (String, String) {
    let name = |side: &Option<EntryInfo>, top: &str, path: &EntryPath| match side {
        Some(_) => quoted(top, path),
        None => "/dev/null".to_owned(),
    };
    (name(&change.old, "a/", change.from.as_ref().unwrap_or(&change.path)), name(&change.new, "b/", &change.path))
}

/// Returns lines as patches count them: from 1, and without lines the number of the line before.
fn span(lines: &Range<usize>) -> String {
    match lines.len() {
        0 => format!("{},0", lines.start),
        1 => format!("{}", lines.start + 1),
        len => format!("{},{len}", lines.start + 1),
    }
}

/// Returns an entry's mode as git has it.
fn mode(info: &EntryInfo) -> &'static str {
    match (info.kind, info.executable) {
        ("symlink", _) => "120000",
        (_, true) => "100755",
        _ => "100644",
    }
}

/// Ends a name with spaces, of which `patch` would else take only the first word.
fn ended(name: &str) -> String {
    if name.contains(' ') && !name.starts_with('"') { format!("{name}\t") } else { name.to_owned() }
}

/// Quotes a path as git does: as a string of C if there is something in it that is not printed.
fn quoted(top: &str, path: &EntryPath) -> String {
    let mut shown = String::from(top);
    for part in path.as_bytes().utf8_chunks() {
        for character in part.valid().chars() {
            match character {
                '"' | '\\' => shown.extend(['\\', character]),
                '\n' => shown.push_str("\\n"),
                '\t' => shown.push_str("\\t"),
                c if artstore::quote::escape(c.encode_utf8(&mut [0; 4]).as_bytes()).starts_with('\\') => {
                    c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| shown.push_str(&format!("\\{byte:03o}")));
                }
                c => shown.push(c),
            }
        }
        part.invalid().iter().for_each(|byte| shown.push_str(&format!("\\{byte:03o}")));
    }
    if shown.contains('\\') { format!("\"{shown}\"") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_git_would() {
        let quoted = |path: &[u8]| quoted("a/", &EntryPath::new(path).expect("a path"));
        assert_eq!(quoted("naïve file".as_bytes()), "a/naïve file");
        assert_eq!(quoted(b"a\tb\"\\\x01\xff"), r#""a/a\tb\"\\\001\377""#);
        assert_eq!(quoted("x\u{202e}".as_bytes()), r#""a/x\342\200\256""#);
    }

    #[test]
    fn lines_are_counted_from_one() {
        assert_eq!([span(&(0..0)), span(&(2..2)), span(&(0..1)), span(&(4..7))], ["0,0", "2,0", "1", "5,3"]);
    }
}
