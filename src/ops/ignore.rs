//! Which paths of a tree are left out: `.artignore` files and patterns given by the caller.
//!
//! Syntax and precedence are those of gitignore: a file in a deeper directory wins over one
//! further up, a later line over an earlier one, and what the caller gives wins over all.

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
            builder.add_line(None, pattern).map_err(|e| {
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

    /// Returns the rules inside a subdirectory.
    pub fn inside(&self, dir: &Path) -> Result<IgnoreRules> {
        let mut rules = self.clone();
        let file = dir.join(IGNORE_FILE);
        if self.read_files && file.is_file() {
            let mut builder = GitignoreBuilder::new(dir);
            if let Some(error) = builder.add(&file) {
                return Err(Error::usage(format!("cannot read the patterns in {}", quote_path(&file))).because(error));
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
