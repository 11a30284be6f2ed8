//! Which paths of a tree are left out: `.artignore` files and patterns given by the caller.
//!
//! Syntax and precedence are those of gitignore: a file in a deeper directory wins over one
//! further up, a later line over an earlier one, and what the caller gives wins over all.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::error::{Error, Result};
use crate::quote::quote_path;

/// The name of the files with patterns.
pub const IGNORE_FILE: &str = ".artignore";

/// The patterns that hold in one directory, its parents' included.
#[derive(Clone, Debug)]
pub struct IgnoreRules {
    given: Arc<Gitignore>,
    files: Vec<Arc<Gitignore>>,
    read_files: bool,
}

impl IgnoreRules {
    /// Begins with the patterns of the caller, and with the files in `root` and its parents up to
    /// `project`, if `read_files`.
    pub fn new(project: &Path, root: &Path, patterns: &[String], read_files: bool) -> Result<IgnoreRules> {
        let mut builder = GitignoreBuilder::new(root);
        for pattern in patterns {
            builder.add_line(None, &spelled_out(&trimmed(pattern))).map_err(|e| {
                Error::usage(format!("bad pattern {}", crate::quote::quote(pattern.as_bytes())))
                    .because(e)
                    .hint("a pattern is written as in a `.gitignore` file, such as `*.tmp` or `/cache/`")
            })?;
        }
        let given = builder.build().map_err(|e| Error::usage("cannot use the patterns given").because(e))?;
        let mut rules = IgnoreRules { given: Arc::new(given), files: Vec::new(), read_files };
        let mut dirs: Vec<PathBuf> = root.ancestors().take_while(|dir| dir.starts_with(project)).map(Path::to_owned).collect();
        if dirs.is_empty() {
            dirs.push(root.to_owned());
        }
        for dir in dirs.iter().rev() {
            rules = rules.inside(dir)?;
        }
        Ok(rules)
    }

    /// Refuses a source that patterns leave out, it or a directory above it in the project, as
    /// `git add` does: who names it may not know of them.
    pub fn check_source(project: &Path, source: &Path, patterns: &[String], read_files: bool) -> Result<()> {
        let (Ok(project), Ok(source)) = (project.canonicalize(), source.canonicalize()) else { return Ok(()) };
        let below: Vec<&Path> = source.ancestors().take_while(|path| path.starts_with(&project) && **path != *project).collect();
        for path in below.into_iter().rev() {
            let rules = IgnoreRules::new(&project, path.parent().unwrap_or(&project), patterns, read_files)?;
            if rules.leaves_out(path, path.is_dir()) {
                return Err(Error::refused(format!("cannot store {}: a pattern leaves out {}", quote_path(&source), quote_path(path)))
                    .hint(format!("`--no-ignore` passes over `{IGNORE_FILE}` files; patterns of `--ignore` hold all the same")));
            }
        }
        Ok(())
    }

    /// Returns the rules inside a subdirectory.
    pub fn inside(&self, dir: &Path) -> Result<IgnoreRules> {
        let mut rules = self.clone();
        let file = dir.join(IGNORE_FILE);
        if self.read_files && file.is_file() {
            let mut builder = GitignoreBuilder::new(dir);
            let text = fs::read_to_string(&file).map_err(|e| Error::io("read the patterns in", &file, e))?;
            for (number, line) in text.strip_prefix('\u{feff}').unwrap_or(&text).split('\n').enumerate() {
                builder
                    .add_line(None, &spelled_out(&trimmed(line)))
                    .map_err(|why| Error::usage(format!("bad pattern in line {} of {}", number + 1, quote_path(&file))).because(why))?;
            }
            let built =
                builder.build().map_err(|e| Error::usage(format!("cannot use the patterns in {}", quote_path(&file))).because(e))?;
            rules.files.push(Arc::new(built));
        }
        Ok(rules)
    }

    /// Whether a path directly in the directory of these rules is left out.
    pub fn leaves_out(&self, path: &Path, is_dir: bool) -> bool {
        let all = std::iter::once(&self.given).chain(self.files.iter().rev());
        for rules in all.filter(|rules| !rules.is_empty()) {
            match rules.matched(path, is_dir) {
                Match::None => {}
                found => return found.is_ignore(),
            }
        }
        false
    }
}

/// Takes from the end of a line what git takes: spaces, but for one after a backslash. White space
/// that stays is put in brackets, since the parser of patterns would take it away.
fn trimmed(line: &str) -> String {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let (mut end, mut is_escaped) = (0, false);
    for (at, c) in line.char_indices() {
        if c != ' ' || is_escaped {
            end = at + c.len_utf8();
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    let line = &line[..end];
    let Some(last) = line.chars().next_back().filter(|last| last.is_whitespace()) else { return line.to_owned() };
    let rest = &line[..line.len() - last.len_utf8()];
    let backslashes = rest.bytes().rev().take_while(|&b| b == b'\\').count();
    let rest = if backslashes % 2 == 1 { &rest[..rest.len() - 1] } else { rest };
    format!("{rest}[{last}]")
}

/// Writes out the named classes in brackets, `[[:digit:]]`, which the parser of patterns does not
/// know.
fn spelled_out(line: &str) -> String {
    const CLASSES: [(&str, &str); 8] = [
        ("[:alnum:]", "a-zA-Z0-9"),
        ("[:alpha:]", "a-zA-Z"),
        ("[:blank:]", " \t"),
        ("[:digit:]", "0-9"),
        ("[:lower:]", "a-z"),
        ("[:space:]", " \t\n\r\u{b}\u{c}"),
        ("[:upper:]", "A-Z"),
        ("[:xdigit:]", "0-9a-fA-F"),
    ];
    let (mut out, mut rest, mut in_brackets) = (String::with_capacity(line.len()), line, false);
    while let Some(c) = rest.chars().next() {
        if let Some((name, class)) = CLASSES.iter().find(|(name, _)| in_brackets && rest.starts_with(name)) {
            out.push_str(class);
            rest = &rest[name.len()..];
            continue;
        }
        // What is escaped, and a bracket that closes at once, stand for themselves.
        let taken = match c {
            '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            '[' if !in_brackets => {
                in_brackets = true;
                let sign = usize::from(rest[1..].starts_with(['!', '^']));
                1 + sign + usize::from(rest[1 + sign..].starts_with(']'))
            }
            ']' => {
                in_brackets = false;
                1
            }
            c => c.len_utf8(),
        };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out
}
